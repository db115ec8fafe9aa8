"""What counts as an end point of an instrument: which changes and which scores, in which words, by which source."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from alliance_bayes.effects.improvement import Better, baseline_of
from alliance_bayes.instruments import Instrument, Threshold, instrument
from alliance_bayes.model import Design, Scale

__all__ = ["EndPoint", "EndPoints", "endpoints_of", "is_case", "least_beyond"]

type Events = Callable[[np.ndarray, np.ndarray], np.ndarray]

# Differences of scores may miss a whole number of points by rounding alone.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class EndPoint:
    """One event of which a share is given.

    Parameters
    ----------
    name
        "improved", "reliable", "response", "significant", "recovered" or "remission".
    label, short
        What it is called in a table, and in a figure.
    rule
        What counts, by which it is computed.
    happened
        Whether it happened, of scores before and after.
    source
        Where the figure comes from.
    of_cases
        Whether only those can have it who were cases at baseline.
    within
        The end point that it is a part of; empty where it is none.
    """

    name: str
    label: str
    short: str
    rule: Better
    happened: Events
    source: str
    of_cases: bool = False
    within: str = ""


@dataclass(frozen=True)
class EndPoints:
    """The end points of a model's outcome.

    Parameters
    ----------
    instrument
        The outcome's.
    baseline
        Its score before, a predictor; None where a change is modelled without one.
    case
        The threshold of a case; None where none is known.
    found
        What there is.
    changed
        Whether the outcome is itself the change.
    """

    instrument: Instrument
    baseline: str | None
    case: Threshold | None
    found: tuple[EndPoint, ...]
    changed: bool

    @property
    def higher(self) -> bool:
        """Whether more is better."""
        return self.instrument.higher_is == "better"

    @property
    def cases(self) -> str:
        """Those who were cases at baseline, as a label ends."""
        assert self.case is not None
        value = f"{self.case.value:g}"
        side = {"at or below": f"{value} or below", "at or above": f"{value} or above", "below": f"below {value}"}
        return f", of those at {side[self.case.direction]} at baseline"

    @property
    def lacking(self) -> list[str]:
        """What is not known of the instrument, as a sentence lists it."""
        names = {point.name for point in self.found}
        missing = [] if "improved" in names else ["smallest relevant change"]
        return missing if self.case is not None else [*missing, "cut-off"]


def endpoints_of(design: Design) -> EndPoints | None:
    """What counts of a model's outcome; None where it is no score of well-being or symptoms with a baseline.

    Parameters
    ----------
    design
        Of the model.
    """
    scale = design.scales.get(design.outcome.name)
    if scale is None or not scale.instrument or design.family.event:
        return None
    one, baseline = instrument(scale.instrument), baseline_of(design)
    if one.measures == "alliance" or (baseline is None and not scale.is_change):
        return None
    case = one.threshold(one.case) if one.case else None
    points = _changes(one, scale) + ([] if scale.is_change or case is None else _scores(one, case))
    return EndPoints(one, baseline, case, tuple(points), scale.is_change)


def is_case(threshold: Threshold, scores: np.ndarray) -> np.ndarray:
    """Who meets a threshold, shape of the scores."""
    if threshold.direction == "at or above":
        return np.asarray(scores >= threshold.value)
    return np.asarray(scores < threshold.value if threshold.direction == "below" else scores <= threshold.value)


def least_beyond(one: Instrument, mark: float, *, above: bool) -> float:
    """The possible score next above a mark, or below it: 32 above 28 of the WHO-5, 9 below 10 of the PHQ-9."""
    step = one.score_step
    if step is None:
        return mark + (1e-6 if above else -1e-6)
    steps = (mark - one.score_range[0]) / step
    steps = math.floor(steps + _ROUNDING) + 1 if above else math.ceil(steps - _ROUNDING) - 1
    return float(one.score_range[0] + step * steps)


def _changes(one: Instrument, scale: Scale) -> list[EndPoint]:
    """Improved by what matters, and by what is reliable."""
    higher, relevant, reliable = one.higher_is == "better", scale.smallest_relevant_change, one.reliable_change
    lower = "" if higher else ": lower"
    points = []
    if relevant is not None:
        source = one.relevant_source if relevant == one.smallest_relevant_change else "as declared"
        if reliable is not None and reliable.value == relevant:
            source += f"; also the reliable change, {reliable.source}"
        label = f"Improved{lower} by {relevant:g} points or more"
        points.append(EndPoint("improved", label, "Improved", Better(by=relevant), _gained(relevant, higher), source))
    if reliable is not None and reliable.value != relevant:
        label, within = f"Reliably improved{lower} by {reliable.value:g} points or more", "improved" if points else ""
        event, rule = _gained(reliable.value, higher), Better(by=reliable.value)
        points.append(EndPoint("reliable", label, "Reliably", rule, event, reliable.source, within=within))
    return points


def _scores(one: Instrument, case: Threshold) -> list[EndPoint]:
    """What those can reach who were cases at baseline."""
    higher = one.higher_is == "better"
    # Beyond the mark is the side on which the threshold is not met.
    beyond = least_beyond(one, case.value, above=higher)
    side = f"{'above' if higher else 'below'} {case.value:g}"
    recovered = _not(case)
    points = [
        EndPoint(
            "recovered",
            f"Recovered: {side} at follow-up",
            "Recovered",
            Better(to=beyond),
            lambda before, after: recovered(after),
            case.source,
            of_cases=True,
        )
    ]
    if (reliable := one.reliable_change) is not None:
        gained = _gained(reliable.value, higher)
        better = "better" if higher else "lower"
        label = f"Recovered reliably: {side}, and {better} by {reliable.value:g} points or more"
        rule = Better(by=reliable.value, to=beyond)
        points.append(
            EndPoint(
                "significant",
                label,
                "Rec. reliably",
                rule,
                lambda before, after: recovered(after) & gained(before, after),
                f"{case.source}; {reliable.source}; clinically significant change, Jacobson and Truax 1991",
                of_cases=True,
                within="recovered",
            )
        )
    if (response := one.response) is not None:
        share = response.value
        points.append(
            EndPoint(
                "response",
                f"Response: lower by {share:.0%} of the score at baseline or more",
                "Response",
                Better(share=share),
                lambda before, after: after <= (1 - share) * before + _ROUNDING,
                response.source,
                of_cases=True,
            )
        )
    if (remission := next((cut for cut in one.thresholds if cut.name == "remission"), None)) is not None:
        points.append(
            EndPoint(
                "remission",
                f"Remission: below {remission.value:g} at follow-up",
                "Remission",
                Better(to=least_beyond(one, remission.value, above=False)),
                lambda before, after: is_case(remission, after),
                remission.source,
                of_cases=True,
                within="recovered",
            )
        )
    return points


def _not(case: Threshold) -> Callable[[np.ndarray], np.ndarray]:
    return lambda scores: ~is_case(case, scores)


def _gained(points: float, higher: bool) -> Events:
    sign = 1.0 if higher else -1.0
    return lambda before, after: sign * (after - before) >= points * (1 - _ROUNDING)
