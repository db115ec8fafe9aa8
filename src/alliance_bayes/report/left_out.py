"""Who was left out, beside those who were analysed: a table and a figure of standardised differences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from alliance_bayes.cohort.left import COMPARED
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.privacy import ShownFlow, factors_with_few, shown_missing
from alliance_bayes.report.style import ACCENT, GREY, WIDTH
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import clean, column_name, count, join, number, proportion
from alliance_bayes.report.untold import untold
from alliance_bayes.wording import Wording

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from alliance_bayes.report.view import View

__all__ = ["NOTABLE", "LeftOut", "labels_of", "left_out", "paint_differences"]

SENTENCES = Wording("alliance_bayes.report", "sentences/participants.toml")

#: Where differences begin to matter by convention.
NOTABLE = 0.1
# Rows that stand in the table; the others are a click away. Columns that a sentence names.
_FIRST, _NAMED = 5, 3


@dataclass(frozen=True, eq=False)
class LeftOut:
    """The people left out, as a page shows them.

    Parameters
    ----------
    sentence, table, picture
        What the page has.
    numbers
        The rows shown, for the JSON.
    """

    sentence: str
    table: Table
    picture: Picture
    numbers: list[dict[str, Any]]


def left_out(view: View) -> LeftOut | None:
    """Those left out beside those analysed; None where nobody was, or nothing may be told of them."""
    fit, small = view.fit, view.small
    if "left_out" not in fit.info or fit.people is not None or ShownFlow.of(fit.flow, small).left is None:
        return None
    rows = pd.DataFrame(fit.info["left_out"], columns=list(COMPARED))
    rows = rows[(rows["least"] >= small) & ~rows["column"].isin(_hidden(fit, small)) & rows["difference"].notna()]
    if rows.empty:
        return None
    rows = rows.loc[rows["difference"].abs().sort_values(ascending=False, kind="stable").index].reset_index(drop=True)
    cells = [_cells(label, row) for label, (_, row) in zip(labels_of(rows), rows.iterrows(), strict=True)]
    rows = _printed(rows)
    # A list that hides but a few rows says most of them twice.
    first = cells if len(cells) <= 2 * _FIRST else cells[:_FIRST]
    flow = ShownFlow.of(fit.flow, small)
    whom = (f"Analysed (n = {count(flow.analysed)})", f"Left out (n = {count(flow.left or 0)})")
    headings = ("Column", *whom, "Standardised difference")
    caption = "Those left out beside those analysed: mean (SD) of numbers, share of levels"
    table = Table.of(
        "table-left-out",
        caption,
        headings,
        first,
        note=SENTENCES("left_note", small=small),
        more=cells if len(first) < len(cells) else (),
    )
    notable = rows.loc[rows["difference"].abs() > NOTABLE, "column"].drop_duplicates()
    named = [column_name(name) for name in notable]
    more = len(named) - _NAMED
    sentence = SENTENCES("left", largest=join(named[:_NAMED]), more=count(more) if more > 0 else "")
    largest = rows.iloc[0]

    def paint(figure: Figure) -> None:
        paint_differences(figure.subplots(), rows)

    picture = view.figure(
        paint,
        name="left-out",
        title="How those left out differ from those analysed",
        caption="Standardised differences, the largest at the top; dashed: a tenth of a standard deviation.",
        description=f"A point for each of {count(len(rows))} columns and levels; the largest difference is "
        f"{number(float(largest['difference']), 2)} ({labels_of(rows)[0]}).",
        size=(WIDTH, 0.9 + 0.24 * len(rows)),
    )
    shown = [name for name in COMPARED if name not in ("n_analysed", "n_left_out", "least")]
    plain = rows[shown].astype(object).where(rows[shown].notna(), None)
    records = [dict(zip(shown, values, strict=True)) for values in plain.itertuples(index=False)]
    return LeftOut(sentence, table, picture, records)


def _hidden(fit: FittedModel, small: int) -> set[str]:
    """Columns with a count that Table 1 does not show, which shares, means and SDs of either group would tell."""
    lacking = shown_missing(dict(fit.info.get("missing") or {}), fit.flow, small)
    unshown = {name for name, (size, _) in lacking.items() if size is None}
    return {*untold(fit, small), *fit.unnamed_columns, *factors_with_few(fit, small), *unshown}


def _printed(rows: pd.DataFrame) -> pd.DataFrame:
    """The numbers as the table prints them, for figure and JSON: exact ones would tell of how many people they are."""
    places = [_places(row) for _, row in rows.iterrows()]
    numbers = {
        name: [round(float(value), digits) for value, digits in zip(rows[name], places, strict=True)]
        for name in ("analysed", "sd_analysed", "left_out", "sd_left_out")
    }
    return rows.assign(**numbers, difference=rows["difference"].round(2))


def _places(row: pd.Series) -> int:
    """Decimals of a mean; of a share, those of a whole percentage."""
    return 1 if row["sd_analysed"] >= 1 else 2


def _cells(label: str, row: pd.Series) -> tuple[str, str, str, str]:
    def figures(group: str) -> str:
        if isinstance(row["level"], str):
            return proportion(row[group])
        places = _places(row)
        return f"{number(row[group], places)} ({number(row[f'sd_{group}'], places)})"

    return label, figures("analysed"), figures("left_out"), number(row["difference"], 2)


def labels_of(rows: pd.DataFrame) -> list[str]:
    """What each row of a comparison is of."""
    return [
        column_name(name) if not isinstance(level, str) else f"{column_name(name)}: {clean(level)}"
        for name, level in zip(rows["column"], rows["level"], strict=True)
    ]


def paint_differences(axes: Axes, rows: pd.DataFrame) -> Axes:
    """Points at the standardised differences, the largest at the top, with lines where they begin to matter."""
    order = rows["difference"].abs().sort_values(kind="stable", na_position="first").index
    rows = rows.loc[order]
    for at in (-NOTABLE, 0.0, NOTABLE):
        axes.axvline(at, color=GREY, linewidth=0.8, linestyle="-" if at == 0 else "--", zorder=0)
    axes.plot(rows["difference"], range(len(rows)), "o", color=ACCENT)
    axes.set_yticks(range(len(rows)), labels_of(rows))
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.set_xlabel("Standardised difference")
    return axes
