"""Where the data come from, who was left out, and who was analysed: Table 1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alliance_bayes.cohort.flow import plural
from alliance_bayes.cohort.names import MANY_LEVELS
from alliance_bayes.cohort.weights import weighted_quantiles
from alliance_bayes.fit import FittedModel, seen
from alliance_bayes.report.codings import level_counts
from alliance_bayes.report.drawn import (
    error_of,
    is_given,
    is_imputed,
    lacking,
    shown_lacking,
    values_drawn,
)
from alliance_bayes.report.dropped import lacks_outcome_alone
from alliance_bayes.report.left_out import left_out
from alliance_bayes.report.privacy import ShownFlow, shown_missing
from alliance_bayes.report.sections import Section
from alliance_bayes.report.small_counts import (
    NOT_SHOWN,
    one_row,
    one_value_each,
    rows_in_words,
    shown_cells,
    shown_counts,
    split_factor,
    unit_words,
)
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import clean, column_name, count, factor_name, join, number, percent, shortened, units
from alliance_bayes.report.untold import QUARTILES, is_two_valued, observed_told
from alliance_bayes.report.weights import weights_told, weights_words
from alliance_bayes.wording import Wording

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["describe", "filled_in_words", "participants", "table_one"]

SENTENCES = Wording("alliance_bayes.report", "sentences/participants.toml")


def participants(view: View) -> Section:
    """The section."""
    section = describe(view.fit, view.small)
    left = left_out(view)
    if left is None:
        return section
    numbers = {**section.numbers["participants"], "left_out": left.numbers}
    return replace(section, context={**section.context, "left": left}, numbers={"participants": numbers})


def _lacked(fit: FittedModel) -> str:
    """The outcome, where all rows that were left out lack it and could have been kept; else empty."""
    if not alternative(fit) or not lacks_outcome_alone(fit):
        return ""
    assert fit.beside is not None
    assert fit.beside.lacking is not None
    whole = len(fit.beside.lacking) == fit.flow.participants - fit.flow.analysed
    return column_name(fit.design.outcome.name) if whole else ""


def alternative(fit: FittedModel) -> bool:
    """Whether the rows that were left out could have been kept, with their values drawn."""
    weighted = fit.spec.weights is not None and fit.spec.weights_kind == "sampling"
    left = fit.moments is None and fit.flow.analysed < fit.flow.participants
    return left and not weighted and fit.design.sigma is None


def describe(fit: FittedModel, small: int) -> Section:
    """The people of a fit; counts below `small` are not shown."""
    table, numbers = table_one(fit, small)
    flow = ShownFlow.of(fit.flow, small)
    share = f" ({percent(flow.analysed / flow.total, 1)})" if flow.total else ""
    if flow.people is None:
        units = unit_words(fit, "participants")
        whose = "" if fit.people is None else f" {units}, of {count(fit.count_people())} people"
        stages = [("stage", f"{flow.participants} {units} in the table")]
        stages += [("left", f"{size} left out: {clean(reason)}") for reason, size in flow.steps]
        stages.append(("stage final", f"{count(flow.analysed)}{whose} analysed{share}"))
    else:
        units = plural(fit.flow.unit)
        stages = [("stage", f"{flow.people} people, {flow.participants} {units} in the table")]
        stages += [
            ("left", f"{size} {units} left out{f', and with them {lost} people' if lost else ''}: {clean(reason)}")
            for (reason, size), lost in zip(flow.steps, flow.lost, strict=True)
        ]
        people = count(fit.count_people())
        stages.append(("stage final", f"{people} people, {count(flow.analysed)} {units}{share} analysed"))
    context = {
        "source": clean(fit.info.get("cohort_source", "not recorded")),
        "stages": stages,
        "inexact": join(flow.inexact or [unit_words(fit, "participants")]) if flow.hidden else "",
        "small": small,
        "table": table,
        "weights": SENTENCES("weights", **weights_words(fit)),
        "left": None,
        "missing": SENTENCES(
            "missing",
            one=one_row(fit),
            person=fit.people is None,
            imputed=is_imputed(fit),
            given=is_given(fit),
            steps=bool(fit.flow.steps),
            values=values_drawn(fit, small),
            error=bool(error_of(fit)),
            left=fit.flow.analysed < fit.flow.participants,
            alternative=alternative(fit),
            lacked=_lacked(fit),
            filled=filled_in_words(fit, small),
        ),
    }
    told = {**flow.numbers, **numbers}
    if filled := _filled_in(fit, small):
        told["filled_in"] = filled
    if (weights := weights_told(fit)) is not None:
        told["weights"] = weights
    return Section("data", "Who was studied", "data.html", context, {"participants": told})


def _filled_in(fit: FittedModel, small: int) -> dict[str, int | None]:
    """Rows with a value that another row of the person or level has, by column; None where their number is not told.

    It is the one that lack a value in the table, which Table 1 has, less those of which values were drawn.
    """
    people = None if fit.flow.people is None else dict(fit.info.get("missing_people") or {})
    told = shown_missing(dict(fit.info.get("missing") or {}), fit.flow, small, people)
    out: dict[str, int | None] = {}
    for name in dict(fit.info.get("filled") or {}):
        before, left = told.get(name, (None, ""))[0], shown_lacking(fit, name, small)
        whole = fit.flow.analysed == fit.flow.participants
        out[name] = None if before is None or left is None or not whole else before - left
    return out


def filled_in_words(fit: FittedModel, small: int) -> list[dict[str, str]]:
    """Those columns with their numbers, by what rows of one value have in common: a person, or a level of a factor."""
    found: dict[str, list[str]] = {}
    numbers = _filled_in(fit, small)
    for name, by in dict(fit.info.get("filled") or {}).items():
        number = f" ({count(n)} {unit_words(fit)})" if (n := numbers[name]) else ""
        found.setdefault(factor_name(by) if by else "person", []).append(f"{column_name(name)}{number}")
    return [{"by": by, "columns": join(columns)} for by, columns in found.items()]


#: Levels of a factor that are listed at once, and how many of a longer list are.
LISTED, LARGEST = 10, 6
_FIGURES = ("mean", "sd", "q25", "median", "q75")


@dataclass(frozen=True)
class _Group:
    """A column of the table: a level whose people may be described, or everybody (None)."""

    level: str | None
    n: int
    rows: np.ndarray


def table_one(fit: FittedModel, small: int) -> tuple[Table, dict[str, Any]]:
    """Describe those analysed.

    Parameters
    ----------
    fit
        The fit.
    small
        Fewest people that a shown count stands for, and that a column of the table is about.

    Returns
    -------
    table : Table
        Means, quartiles and counts by the levels of the factor that `split_factor` chooses and overall, and how many
        participants lacked a value.
    numbers : dict
        What it shows, and nothing else: `summary` of everybody; `groups`, the factor and a summary of each of its
        levels; `missing` by variable. The latter two are None where there are none.
    """
    split = split_factor(fit, small)
    groups, hidden = _groups(fit, split, small)
    everybody = _Group(None, fit.count_people(), np.ones(len(fit.design.frame), dtype=bool))
    missing = fit.info.get("missing")
    people = None if fit.flow.people is None else dict(fit.info.get("missing_people") or {})
    without = None if missing is None else shown_missing(missing, fit.flow, small, people)
    summaries: dict[str | None, list[dict[str, Any]]] = {group.level: [] for group in (*groups, everybody)}
    rows, short = [], []
    described = (fit.design.outcome.name, *fit.design.needed)
    for name in described:
        # Two values are two levels, whatever they are written as.
        if isinstance(fit.design.frame[name].dtype, pd.CategoricalDtype) or is_two_valued(fit, name):
            lines, largest = _levels(fit, name, split, [*groups, everybody], summaries, small)
        else:
            lines = largest = list(_numeric(fit, name, split, [*groups, everybody], summaries, small))
        told = None if without is None else without.get(name, (None, ""))[1]
        rows += _with_missing(lines, told)
        short += _with_missing(largest, told)
    named = [_heading(shortened(group.level), group.n) for group in groups]
    headings = ["Variable", *named, _heading("Overall", everybody.n)]
    headings += [] if without is None else ["Missing"]
    by = f", by {factor_name(split)} and overall" if split is not None else ""
    medians = "" if fit.moments is not None else " and median (quartiles)"
    # A column of which only the number of levels is told has none of these.
    says = {"mean": f"mean (SD){medians} of numbers", "level": "n (% of the column) of levels"}
    kinds = ", ".join(words for key, words in says.items() if any(key in one for one in summaries[None]))
    notes = SENTENCES.all(
        "note",
        small=small,
        few=any(cell in (f"< {small}", "–") for row in (*rows, *short) for cell in row[1:]),
        hidden=join([clean(level) for level in hidden]),
        lacking=without is not None,
        units=unit_words(fit, "participants"),
        several=fit.people is not None,
        moments=fit.moments is not None,
        weighted=fit.design.rows.weights is not None,
        observed=any(name in lacking(fit) for name in described),
        marked=any(SENTENCES("completed") in row[0] for row in rows),
        error=join([column_name(name) for name in described if name in error_of(fit)]),
    )
    who = "Participants" if fit.people is None else "People"
    table = Table.of(
        "table-participants",
        f"{who} analysed (n = {count(everybody.n)}{rows_in_words(fit)}){by}{f': {kinds}' if kinds else ''}",
        headings,
        short,
        note=" ".join(notes),
        more=rows if len(rows) > len(short) else (),
    )
    numbers = {
        "summary": summaries[None],
        "groups": None
        if split is None
        else {
            "factor": split,
            "levels": [{"level": g.level, "n": g.n, "summary": summaries[g.level]} for g in groups],
        },
        "missing": None if without is None else {name: size for name, (size, _) in without.items()},
    }
    return table, numbers


def _with_missing(lines: list[list[str]], cell: str | None) -> list[list[str]]:
    """The rows of a variable with one more cell, in the first of them; as they are where missing values are unknown."""
    return lines if cell is None else [[*line, cell if place == 0 else ""] for place, line in enumerate(lines)]


def _heading(label: str, n: int) -> str:
    # Only before the bracket may it break.
    return f"{label} (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{count(n)})"


def _groups(fit: FittedModel, split: str | None, small: int) -> tuple[list[_Group], list[str]]:
    """Levels that may be described, and those that may not."""
    if split is None:
        return [], []
    codes, shown = fit.design.levels_of(split)[0], shown_counts(fit, split, small)
    groups = [_Group(level, cell.number, codes == k) for k, (level, cell) in enumerate(shown.items()) if cell.number]
    return groups, [level for level, cell in shown.items() if cell.number is None]


def _numeric(
    fit: FittedModel,
    name: str,
    split: str | None,
    groups: list[_Group],
    summaries: Mapping[str | None, list[dict[str, Any]]],
    small: int,
) -> Iterator[list[str]]:
    shown, observed = observed_told(fit, name, split, small), _observed(fit, name)
    # Of numbers that are not told, neither is how many digits they have.
    sd = fit.design.sd(name) if shown[""] else 0.0
    # Two digits of the SD, the custom of a Table 1; quartiles of a scale with steps are shown on its own steps.
    places = max(0, 1 - int(np.floor(np.log10(sd)))) if sd > 0 else 1
    # What is the same in all rows of a person is described by people, and all else by rows.
    by_person = one_value_each(fit, name)
    described = [
        _described(
            fit, name, _first_rows(fit, group.rows & observed) if by_person else group.rows & observed, alike=by_person
        )
        if shown[group.level or ""]
        else dict.fromkeys(_FIGURES, np.nan)
        for group in groups
    ]
    of = {} if fit.people is None else {"of": "people" if by_person else plural(fit.flow.unit)}
    for group, figures in zip(groups, described, strict=True):
        n = group.n if by_person else fit.count_rows(group.rows)
        if not observed.all():
            # How many have an observed value is told for everybody at most; exact figures would tell it of groups.
            figures = {key: round(value, places) for key, value in figures.items()}
        among = {"n": n} if observed.all() else {"n": None, "among": "observed"}
        summaries[group.level].append({"variable": name, **among, **of, **figures})
    label = _label(fit, name) + (f", of {of['of']}" if of else "")
    if name == fit.design.outcome.name and fit.spec.trials is not None and shown[""]:
        shares = [
            _share_of_trials(fit, group.rows & observed, small) if shown[group.level or ""] else np.nan
            for group in groups
        ]
        for group, share in zip(groups, shares, strict=True):
            summaries[group.level][-1]["share_of_trials"] = share
        of_trials = f"{column_name(name)}, of {column_name(fit.spec.trials)}: share of trials"
        yield [of_trials, *("–" if np.isnan(share) else percent(share, 1) for share in shares)]
    yield [f"{label}: mean (SD)", *(_cell(f["mean"], f["sd"], form="{} ({})", places=places) for f in described)]
    if fit.moments is None:
        yield [
            f"{column_name(name)}{f', of {of["of"]}' if of else ''}: median (quartiles)",
            *(_cell(*(f[key] for key in QUARTILES), form="{1} ({0} to {2})", places=places) for f in described),
        ]


def _share_of_trials(fit: FittedModel, rows: np.ndarray, small: int) -> float:
    """Which share of all trials of some rows are successes, to a tenth of a percent; NaN where either are few."""
    weights = np.ones(len(rows)) if fit.design.weights is None else fit.design.weights
    frame = fit.design.frame.loc[rows]
    successes, trials = (
        float(weights[rows] @ frame[name].to_numpy(float)) for name in (fit.design.outcome.name, fit.spec.trials)
    )
    return round(successes / trials, 3) if min(successes, trials - successes) >= small else np.nan


def _cell(*values: float, form: str, places: int) -> str:
    """Figures of a group, or a dash where none of them is told."""
    return "–" if all(map(np.isnan, values)) else form.format(*(number(value, places) for value in values))


def _observed(fit: FittedModel, name: str) -> np.ndarray:
    """The rows that a number is described of: those with an observed value, or all where none is free of error."""
    return seen(fit, name) if name in lacking(fit) else np.ones(len(fit.design.frame), dtype=bool)


def _first_rows(fit: FittedModel, rows: np.ndarray) -> np.ndarray:
    """The first of each person's rows among some, as a mask, shape (n,); all of them where a row is a person."""
    if fit.people is None:
        return rows
    places = np.flatnonzero(rows)
    firsts = np.zeros_like(rows)
    firsts[places[np.unique(fit.people[places], return_index=True)[1]]] = True
    return firsts


def _described(fit: FittedModel, name: str, rows: np.ndarray, *, alike: bool) -> dict[str, float]:
    """What is told of some rows; each is as good as another where it stands for a person."""
    values = fit.design.frame[name].to_numpy(float)[rows]
    once = alike and fit.people is not None and fit.design.points
    given = None if once or fit.design.weights is None else fit.design.weights[rows]
    weights = np.ones(values.size) if given is None else given if fit.design.points else given / given.mean()
    n = weights.sum()
    mean = float(weights @ values / n)
    sd = float(np.sqrt(weights @ (values - mean) ** 2 / (n - 1))) if n > 1 else np.nan
    # The points of moments have their means and SDs, and nothing else of their distribution.
    cuts = dict.fromkeys(QUARTILES, np.nan)
    if fit.moments is None:
        cuts = dict(zip(QUARTILES, map(float, weighted_quantiles(values, [*QUARTILES.values()], given)), strict=True))
    return {"mean": mean, "sd": sd, **cuts}


def _label(fit: FittedModel, name: str) -> str:
    scale = fit.design.scales.get(name)
    unit = "" if scale is None or scale.unit == "unit" else units(clean(scale.unit))
    bounded = scale is not None and scale.lower is not None and scale.upper is not None
    ends = f" ({scale.lower:g}–{scale.upper:g})" if scale is not None and bounded else ""
    return f"{column_name(name)}{ends}{f', {unit}' if unit and not column_name(name).startswith(unit) else ''}"


def _levels(
    fit: FittedModel,
    name: str,
    split: str | None,
    groups: list[_Group],
    summaries: Mapping[str | None, list[dict[str, Any]]],
    small: int,
) -> tuple[list[list[str]], list[list[str]]]:
    """One row a level, and the same cut to the largest levels."""
    counts = level_counts(fit, name)
    if len(counts) > MANY_LEVELS or name in fit.unnamed_columns or float(np.median(list(counts.values()))) < small:
        # A level may be one person.
        summaries[None].append({"variable": name, "levels": len(counts)})
        line = [column_name(name), *("" for _ in groups[1:]), f"{count(len(counts))} levels"]
        return [line], [line]
    overall = shown_counts(fit, name, small)
    cells = {} if split in (None, name) else shown_cells(fit, name, str(split), small)
    lines = {}
    # Somebody may be at several levels, and is counted at each.
    some = "" if one_value_each(fit, name) else f" (in any {fit.flow.unit})"
    some += f" {SENTENCES('completed')}" if name in lacking(fit) else ""
    for level, cell in overall.items():
        line = [f"{column_name(name)}: {clean(level)}{some}"]
        for group in groups:
            if group.level is None:
                text, shown = cell.both, cell.text
            elif name == split:
                # The columns are its levels: its own is all of them, and where nobody is at two no other is any.
                whole = f"{count(group.n)} ({percent(1.0)})"
                line.append(whole if group.level == level else "0" if one_value_each(fit, name) else NOT_SHOWN)
                continue
            else:
                text, shown = cells[level][group.level].both, cells[level][group.level].text
            line.append(text)
            summaries[group.level].append({"variable": name, "level": level, "shown": shown})
        lines[level] = line
    if len(lines) <= LISTED:
        return list(lines.values()), list(lines.values())
    # In the order of the shown counts: a place among them would tell how large a hidden one is.
    largest = sorted(overall, key=lambda level: -(overall[level].number or -1))[:LARGEST]
    rest = [f"{column_name(name)}: {count(len(lines) - LARGEST)} further levels", *("" for _ in groups[1:])]
    return list(lines.values()), [*(lines[level] for level in largest), [*rest, "all rows below"]]
