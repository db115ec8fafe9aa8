"""What an instrument is: its key, its scales and what its scores are said to mean."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from alliance_bayes.errors import UsageError

__all__ = ["Band", "Figure", "Instrument", "MissingItems", "Reference", "Threshold"]

_TOTAL_WORDS = {
    "sum": "sum of the items",
    "mean": "mean of the items",
    "sum x 4": "sum of the items times 4",
    "mean x 10": "mean of the items times 10",
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """A score at which something is said to begin.

    Parameters
    ----------
    name
        Short name, unique within the instrument: "depression_screen".
    value
        The score, in points of the instrument's total.
    direction
        Which scores meet it: "at or below", "below" or "at or above" the value.
    meaning
        What meeting it is taken to mean, in a few words.
    source
        Where the figure comes from.
    """

    name: str
    value: float
    direction: Literal["at or below", "below", "at or above"]
    meaning: str
    source: str

    def __str__(self) -> str:
        return f"{self.direction} {self.value:g}: {self.meaning} ({self.source})"


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of scores with a name; bands are listed from the lowest scores to the highest.

    Parameters
    ----------
    label
        Name of the band.
    upper
        Where it ends, in points of the total. It begins where the band before it ends.
    closed
        Whether `upper` itself still belongs to the band.
    """

    label: str
    upper: float
    closed: bool

    def __str__(self) -> str:
        return f"{self.label} ({'up to' if self.closed else 'below'} {self.upper:g})"


@dataclass(frozen=True, slots=True)
class Reference:
    """Mean and standard deviation of totals that default priors are scaled by.

    Parameters
    ----------
    mean, sd
        In points of the total.
    source
        Where they come from; what is assumed says so.
    """

    mean: float
    sd: float
    source: str

    def __str__(self) -> str:
        return f"mean {self.mean:g}, SD {self.sd:g} ({self.source})"


@dataclass(frozen=True, slots=True)
class Figure:
    """A published number.

    Parameters
    ----------
    value
        The number.
    source
        Where it comes from.
    """

    value: float
    source: str

    def __str__(self) -> str:
        return f"{self.value:g} ({self.source})"


@dataclass(frozen=True, slots=True)
class MissingItems:
    """The instrument's own rule for items that were not answered: up to so many are taken to be the mean of the others.

    Parameters
    ----------
    most
        Most items of the total that may be missing.
    source
        Where the rule comes from.
    subscales
        Pairs of a subscale's name and the most of its items that may be missing; others must be complete.
    """

    most: int
    source: str
    subscales: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        limits = "".join(f", {name} {most}" for name, most in self.subscales)
        return f"up to {self.most}{limits} ({self.source})"


@dataclass(frozen=True, slots=True)
class Instrument:
    """A questionnaire's key: everything needed to score it except its wording.

    Parameters
    ----------
    name
        Short name: "WHO-5".
    title
        Full name.
    n_items
        Number of items.
    item_range
        Lowest and highest answer.
    item_step
        Distance between neighbouring answers; None for a continuous (visual-analogue) item.
    measures
        What it is a measure of, as a sentence says it.
    total
        How items make a score: "sum", "mean", "sum x 4" or "mean x 10". Subscales are a plain sum, or a plain mean
        where the total is made of one.
    higher_is
        Whether a higher total is "better" or "worse" for the person.
    reversed_items
        Items, counted from 1, that are recoded as lowest + highest - answer before scoring.
    subscale_items
        Pairs of a subscale's name and its items, counted from 1; no item is in two of them.
    thresholds
        Cut-offs with their sources.
    bands
        Named stretches of the total, lowest first; the last one ends at the highest possible score.
    smallest_relevant_change
        Smallest change of the total that is said to matter, in points; None where none is known.
    relevant_source
        Where that figure comes from; there is none without the other.
    reliable_change
        Smallest change of the total that error of measurement alone would rarely make, in points; None where no figure
        is known (`reliable_change` computes one from an SD and a reliability).
    response
        Share of the total at baseline by which a response reduces it; None where none is known.
    case
        Name of the threshold that separates those in need of care from others, so that leaving it is recovery; empty
        where there is none.
    missing
        The instrument's own rule for items that were not answered; None where none is known.
    reference
        Mean and SD that default priors are scaled by; None where none is known, so that they come from the rows.
    reliability
        Cronbach's alpha of the total and its source; None where none is known.
    scored
        Whether items can be scored here; False where which items are reversed is not known.
    population_means
        Lowest and highest mean of the total that was found in general populations; None where no figure is given.
    sources
        References for the key.
    unverified
        Parts of the key that have not been checked against a source, one sentence each.

    Raises
    ------
    UsageError
        When the parts do not fit together (an item that does not exist, bands out of order, ...).
    """

    name: str
    title: str
    n_items: int
    item_range: tuple[float, float]
    item_step: float | None
    measures: Literal["alliance", "well-being", "symptoms", "distress"]
    total: Literal["sum", "mean", "sum x 4", "mean x 10"]
    higher_is: Literal["better", "worse"]
    reversed_items: tuple[int, ...] = ()
    subscale_items: tuple[tuple[str, tuple[int, ...]], ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    bands: tuple[Band, ...] = ()
    smallest_relevant_change: float | None = None
    relevant_source: str = ""
    reliable_change: Figure | None = None
    response: Figure | None = None
    case: str = ""
    missing: MissingItems | None = None
    reference: Reference | None = None
    reliability: tuple[float, str] | None = None
    scored: bool = True
    population_means: tuple[float, float] | None = None
    sources: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        faults = self._faults()
        if faults:
            raise UsageError(f"instrument '{self.name}' does not fit together: {'; '.join(faults)}.")

    def _faults(self) -> list[str]:
        low, high = self.item_range
        if self.n_items < 1 or not np.isfinite([low, high]).all() or low >= high:
            return ["it needs at least one item and an item range whose low end is below its high end"]
        if self.total not in _TOTAL_WORDS:
            return [f"total is {self.total!r}; choose one of {', '.join(map(repr, _TOTAL_WORDS))}"]
        faults = []
        step = self.item_step
        if step is not None and (step <= 0 or not np.isclose((high - low) / step % 1, [0, 1], atol=1e-9).any()):
            faults.append(f"a step of {step:g} does not lead from {low:g} to {high:g}")
        scales = [("reversed items", self.reversed_items), *self.subscale_items]
        for label, items in scales:
            unknown = [item for item in items if not 1 <= item <= self.n_items]
            if unknown:
                faults.append(f"{label} name item {', '.join(map(str, unknown))}, but there are {self.n_items} items")
        named = [item for _, items in self.subscale_items for item in items]
        for label, listed in (("reversed items", self.reversed_items), ("subscales", named)):
            twice = sorted(item for item, count in Counter(listed).items() if count > 1)
            if twice:
                faults.append(f"{label} list item {', '.join(map(str, twice))} twice")
        if self.bands:
            ends = [band.upper for band in self.bands]
            if ends != sorted(set(ends)) or ends[-1] != self.score_range[1] or not self.bands[-1].closed:
                faults.append(f"bands must rise and the last one must end at {self.score_range[1]:g}, included")
        if (self.smallest_relevant_change is not None) != bool(self.relevant_source):
            faults.append("a smallest relevant change needs its source, and a source its figure")
        bottom, top = self.score_range
        if self.smallest_relevant_change is not None and not 0 < self.smallest_relevant_change <= top - bottom:
            faults.append(f"its smallest relevant change is not between 0 and the {top - bottom:g} points of its range")
        if self.reliable_change is not None and not 0 < self.reliable_change.value <= top - bottom:
            faults.append(f"its reliable change is not between 0 and the {top - bottom:g} points of its range")
        if self.response is not None and not (
            0 < self.response.value < 1 and bottom == 0 and self.higher_is == "worse"
        ):
            faults.append("a response is a share between 0 and 1 of a score of symptoms that begins at 0")
        if self.case and self.case not in [threshold.name for threshold in self.thresholds]:
            faults.append(f"it has no threshold '{self.case}' that a person could leave")
        if self.missing is not None:
            sizes = {name: len(items) for name, items in self.subscale_items}
            allowed = [(self.missing.most, self.n_items)]
            allowed += [(most, sizes.get(name, 0)) for name, most in self.missing.subscales]
            if not all(0 <= most < size for most, size in allowed):
                faults.append("its rule for missing items does not fit its items")
        if self.reference is not None and not (bottom <= self.reference.mean <= top and self.reference.sd > 0):
            faults.append("the reference mean lies outside its range, or the SD is not above 0")
        if self.reliability is not None and not 0 < self.reliability[0] < 1:
            faults.append("a reliability lies between 0 and 1")
        return faults

    @property
    def verified(self) -> bool:
        """Whether no part of the key is known to be unchecked."""
        return not self.unverified

    @property
    def subscales(self) -> dict[str, tuple[int, ...]]:
        """Items of each subscale, counted from 1 (a new dict at each call)."""
        return dict(self.subscale_items)

    @property
    def score_range(self) -> tuple[float, float]:
        """Lowest and highest possible total."""
        low, high = self.item_range
        return low * self._weight, high * self._weight

    @property
    def score_step(self) -> float | None:
        """Distance between neighbouring totals of complete answers; None for continuous items."""
        return None if self.item_step is None else self.item_step * self._weight / self.n_items

    @property
    def score_grid(self) -> npt.NDArray[np.float64] | None:
        """Every total that complete answers can give, ascending (WHO-5: 0, 4, ..., 100); None for continuous items."""
        step = self.score_step
        if step is None:
            return None
        low, high = self.score_range
        return low + step * np.arange(round((high - low) / step) + 1, dtype=np.float64)

    @property
    def _weight(self) -> float:
        """Total of a person who answers 1 to everything."""
        return {"sum": self.n_items, "mean": 1, "sum x 4": self.n_items * 4, "mean x 10": 10}[self.total]

    def on_grid(self, scores: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Say which totals complete answers could have given.

        Parameters
        ----------
        scores
            Totals, any shape.

        Returns
        -------
        ndarray of bool, shape of `scores`
            False for a total outside the range, between two grid points (a pro-rated one, as a rule), or missing.
            For continuous items every total within the range is possible.
        """
        values = np.asarray(scores, dtype=np.float64)
        low, high = self.score_range
        inside = (values >= low) & (values <= high)
        if self.score_step is None:
            return np.asarray(inside)
        steps = np.where(inside, values - low, 0.0) / self.score_step
        return np.asarray(inside & (np.abs(steps - np.round(steps)) < 1e-9))

    def range_of(self, subscale: str = "") -> tuple[float, float]:
        """Lowest and highest possible score of a subscale; of the total by default.

        Parameters
        ----------
        subscale
            Its name.

        Returns
        -------
        tuple of float
            In points of that score.
        """
        if not subscale:
            return self.score_range
        low, high = self.item_range
        size = 1 if self.total.startswith("mean") else len(self.subscales[subscale])
        return low * size, high * size

    @property
    def steps_in_ones(self) -> bool:
        """Whether complete answers give whole numbers, so that a score between two of them was not their sum."""
        step = self.score_step
        return step is not None and float(step).is_integer()

    def threshold(self, name: str) -> Threshold:
        """Look a threshold up by its name.

        Parameters
        ----------
        name
            Of the threshold.

        Returns
        -------
        Threshold
            With its source.

        Raises
        ------
        UsageError
            When the instrument has no threshold of that name; the message lists those it has.
        """
        for threshold in self.thresholds:
            if threshold.name == name:
                return threshold
        known = ", ".join(threshold.name for threshold in self.thresholds) or "none"
        raise UsageError(f"{self.name} has no threshold '{name}'. Its thresholds: {known}.")

    def __str__(self) -> str:
        low, high = self.item_range
        answers = "any value" if self.item_step is None else f"steps of {self.item_step:g}"
        bottom, top = self.score_range
        grid = "" if self.score_step is None else f", steps of {self.score_step:g}"
        lines = [
            f"{self.name}: {self.title}",
            f"  items: {self.n_items}, answered {low:g} to {high:g} ({answers})",
            f"  total: {_TOTAL_WORDS[self.total]}, {bottom:g} to {top:g}{grid}; higher is {self.higher_is}",
        ]
        if not self.scored:
            lines.append("  reversed: not known, so that items are not scored here")
        if self.reversed_items:
            lines.append(f"  reversed: {_listed(self.reversed_items)}")
        lines += [f"  {name}: items {_listed(items)}" for name, items in self.subscale_items]
        lines += [f"  threshold {threshold.name}: {threshold}" for threshold in self.thresholds]
        if self.bands:
            lines.append(f"  bands: {'; '.join(map(str, self.bands))}")
        if self.smallest_relevant_change is not None:
            lines.append(
                f"  smallest relevant change: {self.smallest_relevant_change:g} points ({self.relevant_source})"
            )
        if self.reliable_change is not None:
            lines.append(f"  reliable change: {self.reliable_change.value:g} points ({self.reliable_change.source})")
        if self.response is not None:
            lines.append(f"  response: {self.response.value:.0%} less than at baseline ({self.response.source})")
        if self.case:
            lines.append(f"  recovery: leaving {self.case}")
        lines.append(f"  missing items: {self.missing or 'no rule known'}")
        if self.reference is not None:
            lines.append(f"  reference: {self.reference}")
        if self.reliability is not None:
            lines.append("  reliability: {:g} ({})".format(*self.reliability))
        if self.population_means is not None:
            lines.append("  means of populations: {:g} to {:g}".format(*self.population_means))
        lines += [f"  source: {source}" for source in self.sources]
        lines += [f"  UNVERIFIED: {part}" for part in self.unverified]
        return "\n".join(lines)


def _listed(items: tuple[int, ...]) -> str:
    return ", ".join(map(str, items))
