"""Whether the groups that the page compares are alike in what was measured, and who has no counterpart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alliance_bayes.effects.completed import by_table
from alliance_bayes.effects.overlap import UNLIKE, Overlap, overlap
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.sections import Section
from alliance_bayes.report.small_counts import NOT_SHOWN, shown_cells, shown_counts, split_factor
from alliance_bayes.report.tables import SHOWN, Table
from alliance_bayes.report.text import clean, column_name, count, factor_name, number, percent, proportion
from alliance_bayes.report.untold import groups_told, is_two_valued
from alliance_bayes.report.weights import weights_words
from alliance_bayes.wording import Wording

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["overlapping"]

SENTENCES = Wording("alliance_bayes.report", "sentences/overlap.toml")


def overlapping(view: View) -> Section | None:
    """The section; None where no groups are compared, or there is nothing of them that may be told."""
    fit, by = view.fit, None if view.withheld else split_factor(view.fit, view.small)
    if by is None or fit.moments is not None:
        return None
    found = _found(fit, by)
    if found is None:
        return None
    differences = _told(fit, found, view.small)
    support, hidden = _support(fit, found, view.small)
    if not len(differences) or not support:
        return None
    largest = Overlap.of_largest(differences)
    order = largest["before"].abs().sort_values(ascending=False, kind="stable").index
    largest = largest.loc[order]
    left_out = len(Overlap.of_largest(found.differences)) - len(largest)
    everybody = np.ones(len(found.alone_rows), dtype=bool)
    alone = _shown(fit, found.alone_rows, everybody, found.alone, view.small)
    worst, name = largest.iloc[0], factor_name(by)
    introduction = SENTENCES(
        "introduction",
        by=name,
        unlike=abs(float(worst["before"])) >= UNLIKE,
        worst=_called(worst),
        before=number(abs(float(worst["before"])), 2),
        after=number(float(worst["after"]), 2),
        first=clean(worst["first"]),
        second=clean(worst["second"]),
        alone=_alone(alone),
    )
    warned = [row for row in support if row["extrapolates"]]
    content: list[str | Table] = [introduction]
    content += [SENTENCES("extrapolates", level=clean(row["level"]), share=row["outside"]) for row in warned]
    rows = [
        (
            _called(row),
            number(float(row["before"]), 2),
            SENTENCES("of_pair", first=clean(row["first"]), second=clean(row["second"])),
            number(float(row["after"]), 2),
        )
        for _, row in largest.iterrows()
    ]
    headings = [SENTENCES(name) for name in ("covariate", "before", "pair", "after")]
    weighted = weights_words(fit)["column"] if fit.design.rows.weights is not None else ""
    tables = len(by_table(fit)) if fit.imputation is not None else 0
    about = {"weighted": weighted, "tables": count(tables) if tables else ""}
    note = SENTENCES("note", unlike=f"{UNLIKE:g}", hidden=left_out > 0, small=view.small, **about)
    more = rows if len(rows) > SHOWN else ()
    content.append(
        Table.of(
            "table-overlap",
            SENTENCES("differences"),
            headings,
            rows[:SHOWN],
            words=[2],
            note=note,
            more=more,
            folded=True,
        )
    )
    headings = [SENTENCES("group", by=name), *(SENTENCES(name) for name in ("people", "effective", "outside"))]
    cells = [(clean(row["level"]), row["people"], row["effective"], row["outside"]) for row in support]
    note = SENTENCES("note_support", hidden=hidden, small=view.small, **about)
    content.append(Table.of("table-support", SENTENCES("support"), headings, cells, note=note, folded=True))
    numbers: dict[str, Any] = {
        "by": by,
        "differences": [
            {
                "covariate": row["covariate"],
                "level": row["level"] if isinstance(row["level"], str) else None,
                **{key: row[key] for key in ("first", "second", "before", "after")},
            }
            for _, row in largest.iterrows()
        ],
        "groups": support,
        "alone": alone,
    }
    return Section.of("overlap", SENTENCES("title"), *content, numbers={"overlap": numbers})


def _found(fit: FittedModel, by: str) -> Overlap | None:
    """The comparison, where there is something to compare."""
    others = [name for name in fit.design.predictors if name not in (by, fit.spec.focal_predictor(fit.design))]
    if not any(fit.design.frame[name].nunique() > 1 for name in others):
        return None
    try:
        return overlap(fit, by=by)
    except UsageError:
        # Nothing but persons and providers is left.
        return None


def _told(fit: FittedModel, found: Overlap, small: int) -> pd.DataFrame:
    """The differences that tell of no few people: of groups and levels whose counts, or means, Table 1 may show."""
    groups = {level for level, cell in shown_counts(fit, found.by, small).items() if cell.number is not None}
    keep, known = [], {}
    for row in found.differences.to_dict("records"):
        name, pair = str(row["covariate"]), (str(row["first"]), str(row["second"]))
        if name not in known:
            categorical = isinstance(fit.design.frame[name].dtype, pd.CategoricalDtype) or is_two_valued(fit, name)
            # What is told of a column is decided once for all pairs.
            cells = shown_cells(fit, name, found.by, small) if categorical else None
            known[name] = cells, {} if categorical else groups_told(fit, name, found.by, small)
        cells, means = known[name]
        if cells is None:
            shown = all(means[level] for level in pair)
        else:
            # Of two values, both.
            levels = [row["level"]] if isinstance(row["level"], str) else list(cells)
            shown = all(
                cell[group].number is not None for level, cell in cells.items() if level in levels for group in pair
            )
        keep.append(set(pair) <= groups and shown and not math.isnan(row["before"]))
    return found.differences[keep]


def _support(fit: FittedModel, found: Overlap, small: int) -> tuple[list[dict[str, Any]], bool]:
    """A row for every level whose count may be shown, and whether something is left out."""
    codes, labels = fit.design.levels_of(found.by)
    counts, rows, hidden = shown_counts(fit, found.by, small), [], False
    for place, row in enumerate(found.support.to_dict("records")):
        level = str(row["level"])
        if counts[level].number is None:
            hidden = True
            continue
        others = codes != list(map(str, labels)).index(level)
        outside = _shown(fit, found.outside_of[:, place] * others, others, float(row["outside"]), small)
        hidden |= outside is None
        shown = outside is not None
        rows.append(
            {
                "level": level,
                "people": counts[level].text,
                "effective": count(round(float(row["effective"]))),
                "outside": NOT_SHOWN if outside is None else proportion(outside),
                "extrapolates": shown and bool(row["extrapolates"]),
            }
        )
    return rows, hidden


def _shown(fit: FittedModel, some: np.ndarray, of: np.ndarray, share: float, small: int) -> float | None:
    """A share of people that tells of no few; None where it would.

    Rows that stand for several people, or are of several completed tables, have a share that was averaged over them.
    """
    n, not_there = fit.count_people(some > 0), fit.count_people(of & (some < 1))
    total = fit.count_people(of)
    if 0 < n < small or 0 < not_there < small or 0 < total - n < small:
        return None
    if fit.design.rows.weights is not None or fit.imputation is not None:
        return share
    return n / total if total else None


def _alone(share: float | None) -> str:
    if share is None:
        return SENTENCES("alone_untold")
    return SENTENCES("alone", share=percent(share)) if share > 0 else SENTENCES("alone_none")


def _called(row: pd.Series) -> str:
    name = column_name(str(row["covariate"]))
    return f"{name}: {clean(row['level'])}" if isinstance(row["level"], str) else name
