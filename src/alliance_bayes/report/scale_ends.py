"""The share of an outcome at the lowest and the highest value of its scale, observed beside replicated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from alliance_bayes.bins import bin_numbers
from alliance_bayes.checks import CheckResult
from alliance_bayes.checks.context import rounding_step
from alliance_bayes.fit import FittedModel, seen
from alliance_bayes.report.endpoint_kinds import endpoints_of
from alliance_bayes.report.small_counts import NOT_SHOWN, fewer
from alliance_bayes.report.suppression import Mark
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import column_name, count, exact, proportion
from alliance_bayes.wording import Wording

__all__ = ["SENTENCES", "ScaleEnd", "apart", "ends_table", "scale_ends"]

SENTENCES = Wording("alliance_bayes.report", "sentences/scale_ends.toml")
# Of fewer rows, not every whole percentage is a share of them.
_LEAST_UNCOUNTED = 100


@dataclass(frozen=True)
class ScaleEnd:
    """One end of the scale of a model's outcome.

    Parameters
    ----------
    outcome
        Name of the outcome.
    end
        ``lowest`` or ``highest``.
    value
        What it is on the scale.
    k, n
        Rows there, and all rows.
    mark
        How the count may be shown.
    predicted, lower, upper
        Share in replicated data sets: median and limits.
    levels
        Whether the outcome has the levels that were observed and no others.
    counted
        Whether a page tells how many rows the model has.
    """

    outcome: str
    end: str
    value: float
    k: int
    n: int
    mark: Mark
    predicted: float
    lower: float
    upper: float
    levels: bool = False
    counted: bool = True

    @property
    def label(self) -> str:
        """What the end is called."""
        return SENTENCES(self.end, value=exact(self.value), levels=self.levels)

    def cells(self, small: int) -> tuple[str, str, str, str]:
        """Observed share, replicated one, its limits, and how the one is to the other.

        Beside a count that is not shown, limits that hold it would tell between which numbers it is. Where it is not
        told how many rows there are, neither is the count, and shares have digits that any number of rows can have.
        """
        places = 1 if self.counted else 0
        replicated = proportion(self.predicted, places)
        if not self.counted and self.n < _LEAST_UNCOUNTED:
            return NOT_SHOWN, NOT_SHOWN, NOT_SHOWN, NOT_SHOWN
        if self.mark is not Mark.SHOWN:
            few = SENTENCES("few", few=fewer(small), n=count(self.n)) if self.mark is Mark.FEW else NOT_SHOWN
            return few, replicated, NOT_SHOWN, NOT_SHOWN
        share = self.k / self.n
        position = "below" if share < self.lower else "above" if share > self.upper else "within"
        told = SENTENCES("share", k=count(self.k), n=count(self.n), share=proportion(share, 1))
        return (
            told if self.counted else proportion(share, places),
            replicated,
            f"({proportion(self.lower, places)} to {proportion(self.upper, places)})",
            SENTENCES(position),
        )


def scale_ends(fit: FittedModel, result: CheckResult, small: int) -> tuple[ScaleEnd, ...]:
    """The ends of an outcome's scale with how many are there, and how that may be shown.

    Parameters
    ----------
    fit
        The fit.
    result
        Its predictive check.
    small
        Fewest people that a shown count stands for.

    Returns
    -------
    tuple
        Empty where the scale has no stated end, where the outcome is an event or was not observed of everybody, and
        where the check is not of all rows alike.

    Notes
    -----
    A count is shown if neither it nor what it leaves of all, of the bar of the check's figure that the end is in, or of
    those up to a cut of the outcome of which shares are told, is of a few people.
    """
    analysed = _rows(fit)
    if analysed is None or "statistic" not in result.table.columns:
        return ()
    outcome, (values, rows, half) = fit.design.outcome, analysed
    table = result.table[result.table["factor"] == ""]
    overall = {str(row["statistic"]): row for row in table.to_dict("records")}
    nobody = np.zeros(values.size, dtype=bool)
    low = nobody if outcome.lower is None else values <= outcome.lower + half
    high = nobody if outcome.upper is None else values >= outcome.upper - half
    scale = fit.design.scales.get(outcome.name)
    # Of levels that were observed the least is no end of a scale.
    observed = outcome.levels is not None and (scale is None or scale.levels is None)
    ends = []
    for end, statistic, value, at_end, other in (
        ("lowest", "share at floor", outcome.lower, low, high),
        ("highest", "share at ceiling", outcome.upper, high, low),
    ):
        if value is None or statistic not in overall:
            continue
        row = overall[statistic]
        k, n = round(float(row["observed"]) * int(row["n"])), int(row["n"])
        # Of rows with sampling weights, or of a sample of them, the share is another one.
        if (k, n) != (_whole(rows[at_end].sum()), _whole(rows.sum())):
            continue
        wholes = [~nobody, *_told(fit, result, values, low=end == "lowest")]
        mark = _mark(fit, rows, at_end, other, wholes, small)
        predicted, lower, upper = (float(row[name]) for name in ("predicted", "lower", "upper"))
        ends.append(ScaleEnd(outcome.name, end, float(value), k, n, mark, predicted, lower, upper, observed))
    return tuple(ends)


def _whole(total: float) -> int:
    """A sum of rows, which come as doubles from moments."""
    return round(float(total))


def _rows(fit: FittedModel) -> tuple[np.ndarray, np.ndarray, float] | None:
    """Values of the outcome, how many rows have each, and half the distance between its levels."""
    design, outcome = fit.design, fit.design.outcome
    if design.family.event or design.family.has_trials:
        return None
    if fit.moments is not None:
        histogram = fit.moments.histogram
        if histogram is None or histogram.levels is None or fit.people is not None:
            return None
        return np.asarray(histogram.levels), np.asarray(histogram.counts.sum(axis=0)), histogram.width / 2
    if not seen(fit, outcome.name).all():
        return None
    step = rounding_step(design.family, outcome, design.scales.get(outcome.name))
    return outcome.values, np.ones(outcome.values.size), 0.0 if step is None else step / 2


def _told(fit: FittedModel, result: CheckResult, values: np.ndarray, *, low: bool) -> list[np.ndarray]:
    """Whom else the page counts from this end on: those of the bar that it is in, and those up to a cut."""
    edges = next((np.array(plot.edges) for plot in result.plots if plot.edges), np.zeros(0))
    masks = []
    if edges.size:
        bars = bin_numbers(np.clip(values, edges[0], edges[-1]), edges)
        masks.append(bars == (0 if low else edges.size - 2))
    points = endpoints_of(fit.design)
    cuts = [] if points is None else [point.rule.to for point in points.found if point.rule.to is not None]
    for cut in cuts:
        assert points is not None
        better = values >= cut if points.higher else values <= cut
        masks.append(better if low != points.higher else ~better)
    return masks


def _mark(
    fit: FittedModel, rows: np.ndarray, at_end: np.ndarray, other: np.ndarray, wholes: Sequence[np.ndarray], small: int
) -> Mark:
    """How the count of an end may be shown beside that of the other end, and those of wholes that it is a part of."""

    def people(mask: np.ndarray) -> int:
        return _whole(rows[mask].sum()) if fit.people is None else fit.count_people(mask)

    rests = [people(whole & ~at_end) for whole in wholes] + [people(whole & ~at_end & ~other) for whole in wholes]
    if any(0 < rest < small for rest in rests):
        return Mark.HIDDEN
    if not 0 < people(at_end) < small:
        return Mark.SHOWN
    # How many rows a few people have is not told either.
    return Mark.FEW if fit.people is None and min(rests) >= small else Mark.HIDDEN


def ends_table(fit: FittedModel, ends: Sequence[ScaleEnd], name: str, small: int) -> Table | None:
    """The table of a report; None where there are no ends."""
    if not ends:
        return None
    marks = [end.mark for end in ends]
    return Table.of(
        name,
        SENTENCES("caption", outcome=column_name(ends[0].outcome)),
        list(map(SENTENCES, ("heading", "observed", "replicated", "limits", "finding"))),
        [(end.label, *end.cells(small)) for end in ends],
        words=(4,),
        cards=True,
        note=SENTENCES(
            "note",
            linear=fit.design.family.linear,
            few=Mark.FEW in marks,
            hidden=Mark.HIDDEN in marks,
            small=small,
        ),
    )


def apart(ends: Sequence[ScaleEnd], small: int) -> tuple[ScaleEnd, ...]:
    """The ends of several models, hidden where those of one outcome differ by a few people between two of them."""

    def differ(one: ScaleEnd, other: ScaleEnd) -> bool:
        if (one.outcome, one.end) != (other.outcome, other.end):
            return False
        gaps = abs(one.k - other.k), abs((one.n - one.k) - (other.n - other.k))
        return any(0 < gap < small for gap in gaps)

    return tuple(replace(one, mark=Mark.HIDDEN) if any(differ(one, other) for other in ends) else one for one in ends)
