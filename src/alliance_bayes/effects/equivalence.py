"""Equivalence and non-inferiority of differences, decided by stated probabilities and said in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from alliance_bayes.effects.at import sides_of
from alliance_bayes.effects.table import EffectTable, Measure
from alliance_bayes.errors import UsageError
from alliance_bayes.foreign import shown
from alliance_bayes.kinds import chosen, is_number
from alliance_bayes.remedies import argument

__all__ = ["DECIDED", "VERDICTS", "Standing", "equivalence", "standing", "standing_of"]

type Standing = Literal["inside", "above", "below", "undecided"]

#: Probability from which a quantity is said to lie inside a margin, above it, or below it.
DECIDED = 0.95

VERDICTS = ("equivalent", "different by more than the margin", "not inferior", "undecided", "not defined")


@dataclass(frozen=True)
class _Margin:
    """Open interval of differences too small to matter."""

    low: float
    high: float

    def words(self, unit: str, side: str = "both") -> str:
        """How far the margin reaches: "2 WHO-5 points per alliance point", or for both sides "less than 2 ..."."""
        if side == "both" and self.low != -self.high:
            return f"something between {self.low:.4g} and {_counted(self.high, unit)}"
        if side == "both":
            return f"less than {_counted(self.high, unit)}"
        return _counted(-self.low if side == "low" else self.high, unit)


def standing(inside: float, above: float, below: float, level: float = DECIDED) -> Standing:
    """Where a quantity lies by its posterior probabilities: one rule for every verdict about a margin.

    Above and below are judged each by itself: that something is large in one direction or the other says nothing of a
    difference. NaN decides nothing.
    """
    if inside >= level:
        return "inside"
    if above >= level:
        return "above"
    return "below" if below >= level else "undecided"


def standing_of(row: Mapping[Any, Any] | pd.Series) -> Standing:
    """Where a row of an effects table lies with regard to its ROPE."""
    inside, above = float(row["p_rope"]), float(row["p_above_rope"])
    return standing(inside, above, 1 - inside - above)


def equivalence(
    table: EffectTable, *, margin: float | None = None, level: float = DECIDED, better: str | None = "default"
) -> pd.DataFrame:
    """Whether the rows of a table are within a margin of zero, beyond it, or at least not worse than it.

    Parameters
    ----------
    table
        Rows of any effects table, with their draws; ``table[table["estimand"] == ...]`` picks some. Mostly differences
        (``contrasts``, ``responders``, ``moderation``); of other rows it is the distance from zero.
    margin
        Largest difference that does not matter, in the unit of the rows, to either side of zero. None: each row's own
        ROPE, and rows without one are left out.
    level
        Probability that a verdict needs, between 0.5 and 1.
    better
        Which direction of the difference is good, ``"higher"`` or ``"lower"``, for non-inferiority; by default what the
        outcome's scale says. None for no such verdict.

    Returns
    -------
    pandas.DataFrame
        Indexed as the table: what it says of the row (``estimand, term, factor, level, versus, at, unit``),
        ``margin_low`` and ``margin_high``, ``p_equivalent`` (strictly between them), ``p_below`` and ``p_above`` (at
        or beyond either), ``p_not_inferior`` (not at or beyond the one on the bad side), ``p_prior`` (the prior's of
        lying between the limits; for differences of slopes), ``required`` (``level``),
        ``verdict`` and ``statement``.

        The verdict is the first of these whose probability is at least ``level``: "equivalent" (``p_equivalent``),
        "different by more than the margin" (``p_below`` or ``p_above``, not their sum: a direction is part of it), "not
        inferior" (``p_not_inferior``); otherwise "undecided", and "not defined" for rows without draws or with draws
        that are not defined. Probabilities in the statement are rounded down.

    Raises
    ------
    UsageError
        An option is outside what is accepted, or no margin and no row with a ROPE.

    Notes
    -----
    Deciding by the posterior probability of the margin rather than by whether an interval lies inside it [1]_. A
    verdict of "undecided" says that the data are too few, not that there is no difference.

    References
    ----------
    .. [1] Kruschke (2018). Rejecting or accepting parameter values in Bayesian estimation. Advances in Methods and
       Practices in Psychological Science 1(2). doi 10.1177/2515245918771304
    """
    if not is_number(level) or not 0.5 < level < 1:
        raise UsageError(f"level should be in the interval (0.5, 1) but got {shown(level)}. 0.95 is the default.")
    if better is not None:
        chosen("better", better, ("higher", "lower", "default"))
        better = table.better if better == "default" else better
    if margin is not None and not (is_number(margin) and margin > 0):
        raise UsageError(
            f"margin should be a finite number greater than 0, in the unit of the rows, but got {shown(margin)}."
        )
    if margin is None and table["rope_low"].isna().all():
        raise UsageError(
            "no row of this table has a ROPE, so there is no margin to compare it with. Give one, in the unit of the "
            f"rows: {argument('margin', ...)}"
        )
    judged = pd.DataFrame(table if margin is not None else table[table["rope_low"].notna()])
    draws, priors, rows = table.draws, table.prior_draws, []
    for name, row in judged.to_dict("index").items():
        limits = _Margin(row["rope_low"], row["rope_high"]) if margin is None else _Margin(-margin, margin)
        values = draws.get(str(name), np.array([np.nan])).ravel()
        before = priors[str(name)].ravel() if str(name) in priors else None
        facts = {str(key): value for key, value in row.items()}
        rows.append(_row(facts, table.measure(row["estimand"]), values, before, limits, level, better))
    return pd.DataFrame.from_records(rows, index=judged.index)


def _row(
    row: Mapping[str, Any],
    measure: Measure,
    draws: np.ndarray,
    prior: np.ndarray | None,
    margin: _Margin,
    level: float,
    better: str | None,
) -> dict[str, Any]:
    figures = dict.fromkeys(("p_equivalent", "p_below", "p_above", "p_not_inferior", "p_prior"), np.nan)
    if prior is not None and not np.isnan(prior).any():
        figures["p_prior"] = float(((prior > margin.low) & (prior < margin.high)).mean())
    verdict = "not defined"
    if not np.isnan(draws).any():
        below, above = float((draws <= margin.low).mean()), float((draws >= margin.high).mean())
        inside = float(((draws > margin.low) & (draws < margin.high)).mean())
        figures |= {"p_equivalent": inside, "p_below": below, "p_above": above}
        if better is not None:
            good = draws > margin.low if better == "higher" else draws < margin.high
            figures["p_not_inferior"] = float(good.mean())
        verdict = _verdict(figures, level)
    names = ("estimand", "term", "factor", "level", "versus", "at", "unit")
    return (
        {name: row[name] for name in names}
        | {"margin_low": margin.low, "margin_high": margin.high, **figures, "required": level, "verdict": verdict}
        | {"statement": _statement(row, measure, figures, margin, verdict, better)}
    )


def _verdict(figures: Mapping[str, float], level: float) -> str:
    where = standing(figures["p_equivalent"], figures["p_above"], figures["p_below"], level)
    if where != "undecided":
        return "equivalent" if where == "inside" else "different by more than the margin"
    # NaN, where no direction is good, is not at least anything.
    return "not inferior" if figures["p_not_inferior"] >= level else "undecided"


def _statement(
    row: Mapping[str, Any],
    measure: Measure,
    figures: Mapping[str, float],
    margin: _Margin,
    verdict: str,
    better: str | None,
) -> str:
    subject, other = _sides(row, measure)
    unit = row["unit"]
    before = "" if np.isnan(figures["p_prior"]) else f" (the prior's: {_p(figures['p_prior'])})"
    match verdict:
        case "equivalent":
            p = _p(figures["p_equivalent"])
            return f"{subject} differs from {other} by {margin.words(unit)} with probability {p}{before}."
        case "different by more than the margin":
            side = "high" if figures["p_above"] >= figures["p_below"] else "low"
            where = "above" if side == "high" else "below"
            p = _p(figures[f"p_{where}"])
            return f"{subject} is {margin.words(unit, side)} or more {where} {other} with probability {p}."
        case "not inferior":
            side, where = ("low", "below") if better == "higher" else ("high", "above")
            p = _p(figures["p_not_inferior"])
            return (
                f"{subject} is less than {margin.words(unit, side)} {where} {other}, or better, with probability {p}."
            )
        case "undecided":
            inside, below, above = (_p(figures[name]) for name in ("p_equivalent", "p_below", "p_above"))
            return (
                f"Undecided: {subject[0].lower()}{subject[1:]} is {margin.words(unit, 'low')} or more below {other} "
                f"with probability {below}, {margin.words(unit, 'high')} or more above it with probability "
                f"{above}, and between the two with probability {inside}{before}."
            )
    reason = row["note"] if isinstance(row["note"], str) else "the row has no draws"
    return f"{subject} cannot be compared with {other}: {reason}."


def _sides(row: Mapping[str, Any], measure: Measure) -> tuple[str, str]:
    """The two sides of a difference in words, the first with a capital letter."""
    text = {name: value if isinstance(value, str) else None for name, value in row.items()}
    subject = measure.subject.format(**text)
    if not subject:
        subject = f"the {str(text['estimand']).replace('_', ' ')}" + (f" of {text['term']}" if text["term"] else "")
    subject = subject[0].upper() + subject[1:]
    at = text.get("at")
    if at is not None and (sides := sides_of(at)) is not None:
        # A difference of differences.
        later, earlier, fixed = sides
        levels = f"{_place(text['factor'], str(text['level']))} and {_place(text['factor'], str(text['versus']))}"
        subject = f"The difference in {subject[0].lower()}{subject[1:]} between {levels}"
        return f"{subject} at {later}{f' (with {fixed})' if fixed else ''}", f"that at {earlier}"
    if text["level"] is not None:
        subject += f" at {_place(text['factor'], text['level'])}"
    subject += f" (with {at})" if at is not None else ""
    return subject, "zero" if text["versus"] is None else f"that at {_place(text['factor'], text['versus'])}"


def _place(factor: str | None, level: str) -> str:
    return level if factor is None or " = " in level else f"{factor} = {level}"


def _counted(number: float, unit: str) -> str:
    """A number of units: "2 WHO-5 points per alliance point", "0.05 in probability", "0.1 SD"."""
    if unit == "probability":
        return f"{number:.4g} in probability"
    for joint in (" per ", " of "):
        head, separator, tail = unit.partition(joint)
        if separator:
            break
    plural = "" if number == 1 or head in ("SD", "correlation", "share") else "s"
    return f"{number:.4g} {head}{plural}{separator}{tail}"


def _p(value: float) -> str:
    """A probability rounded down, as papers write it: ".97"."""
    # A float such as 0.57 may be a hair below the fraction it stands for.
    hundredths = math.floor(value * 100 + 1e-9)
    if hundredths >= 99 and value > 0.99:
        return "above .99"
    return "below .01" if hundredths == 0 else f".{hundredths:02d}"
