"""What a family is: everything that the package asks of the distribution of an outcome, in one object."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import pandas as pd

from alliance_bayes.errors import DataError, Place, Problem
from alliance_bayes.model.priors import StatedPrior
from alliance_bayes.model.scales import Scale
from alliance_bayes.rounding import ON_LEVEL

__all__ = ["NEEDED_OF_SCALE", "Averages", "Draws", "Family", "Link", "Outcome", "Parameter", "demand", "on_levels"]

Link = Literal["identity", "logit", "cumulative_logit", "log"]
#: Draws of the family's parameters by name, each of shape (...): see :class:`Family`.
type Draws = Mapping[str, np.ndarray]

#: What every declared scale has.
NEEDED_OF_SCALE: Mapping[str, object] = {"mean": ..., "sd": ...}
# How far, in steps, rounding may put a value off a multiple of the step.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Parameter:
    """A parameter of a family besides the linear predictor.

    Parameters
    ----------
    title
        What its panel in a figure is called, with its symbol; empty for one that is not drawn.
    meaning
        One clause; ``{unit}`` stands for units of the outcome.
    support
        ``"positive"``, or ``"simplex"``: cutpoints, whose prior is of the shares of the levels.
    dim
        Its dimension in the posterior, where it is not a single number.
    """

    title: str
    meaning: str
    support: Literal["positive", "simplex"] = "positive"
    dim: str | None = None


@dataclass(frozen=True, eq=False)
class Outcome:
    """The outcome as a family sees it.

    Parameters
    ----------
    name
        Column name.
    values
        Shape (n,), on the outcome's own scale.
    coded
        Shape (n,): what the likelihood reads. The values themselves for continuous families, steps above the lower
        end for ``beta_binomial``, level codes for ``cumulative``, 0/1 for ``bernoulli``, successes for ``binomial``.
    levels
        Shape (n_levels,): the value of each code, for families with a known number of them; None otherwise.
    lower, upper
        Censoring limits of ``censored_gaussian``, ends of the scale otherwise (None where open).
    trials
        Shape (n,): how many trials each value is the share of successes of; None where it is no share.
    drawn
        Whether some of them were not observed: of a completed table.
    """

    name: str
    values: np.ndarray
    coded: np.ndarray
    levels: np.ndarray | None
    lower: float | None
    upper: float | None
    trials: np.ndarray | None = None
    drawn: bool = False

    def take(self, at: slice | np.ndarray) -> Outcome:
        """The outcome of some rows, by place."""
        trials = None if self.trials is None else self.trials[at]
        return replace(self, values=self.values[at], coded=self.coded[at], trials=trials)

    def of(self, trials: np.ndarray | None) -> Outcome:
        """The outcome of other rows, which is not known, but for their trials."""
        return self if trials is None else replace(self, trials=trials)

    @property
    def spacing(self) -> float | None:
        """Least distance between values of a discrete outcome; None where every row has values of its own."""
        if self.trials is not None:
            return None
        return 1.0 if self.levels is None else float(np.diff(self.levels).min())

    @property
    def known_trials(self) -> np.ndarray:
        """The trials, of a family that has them."""
        assert self.trials is not None
        return self.trials

    @property
    def known_levels(self) -> np.ndarray:
        """The levels, of a family that has them."""
        assert self.levels is not None
        return self.levels

    def first_code(self, cuts: np.ndarray) -> np.ndarray:
        """The least code whose value is at least a cut, shape of ``cuts``; for discrete families."""
        if self.levels is None:
            return np.ceil(cuts - _ROUNDING)
        return np.asarray((self.levels < cuts[..., None] - _ROUNDING * np.diff(self.levels).min()).sum(axis=-1))


@dataclass(frozen=True, eq=False)
class Averages:
    """Averages over the analysed rows, computed when asked for.

    Parameters
    ----------
    mean, residual
        Give the average expected outcome and the average residual variance, shape (n_draws,).
    shares
        Share of the rows by level of the residual factor, shape (n_levels,).
    """

    mean: Callable[[], np.ndarray]
    residual: Callable[[], np.ndarray]
    shares: np.ndarray


class Family(ABC):
    """One observation family.

    Every function takes draws from any engine. ``eta`` has shape (..., n); parameters have shape (...) and are
    broadcast against it, except ``cutpoints``, of shape (..., n_levels - 1). ``sigma`` may also differ by row, with
    shape (..., n).

    A family is a subclass with a file of its own; what it lacks is refused when it is made. Its facts:

    ``name``
        Used in ``Model(family=...)`` and in model cards.
    ``title``, ``equation``, ``sentence``
        How reports call it; its line among the equations (``{y}``, ``{sigma}``, ``{trials}``); how an outcome varies
        around its expectation, after the outcome's name.
    ``link``
        Maps the linear predictor to the outcome's expectation; for ``cumulative``, to the odds of exceeding each
        cutpoint.
    ``parameters``
        The parameters besides the linear predictor, by name, in the order of the posterior.
    ``discrete``
        Whether outcomes have a mass function (their log scores are not comparable with densities).
    ``kernel``
        Log likelihood of all outcomes as machine code, with its derivatives: a function of the model's data
        (:class:`alliance_bayes.engines.density.ModelData`), the values of the parameters with a prior of their own, the
        linear predictor (n,) and the cutpoints (n_levels - 1,), which adds to the three arrays of derivatives by
        those, in this order. It is what :meth:`log_density` says row by row, with the ``constant``.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    equation: ClassVar[str]
    sentence: ClassVar[str]
    link: ClassVar[Link]
    parameters: ClassVar[Mapping[str, Parameter]]
    discrete: ClassVar[bool]
    kernel: ClassVar[Callable[..., float]]

    #: Whether the expected outcome is the linear predictor itself, so that averages of one are averages of the other.
    linear: ClassVar[bool] = False
    #: Whether noise of normal distribution with SD ``sigma`` is added to the linear predictor before anything else.
    normal: ClassVar[bool] = False
    #: Whether coefficients can be integrated out exactly.
    conjugate: ClassVar[bool] = False
    #: Whether the outcome is an event, or the share of trials with it, so that its expectation is a probability.
    event: ClassVar[bool] = False
    #: Whether the outcome is the number of successes of as many trials as another column says.
    has_trials: ClassVar[bool] = False
    #: What to do about an outcome that is text.
    of_text: ClassVar[str] = "Give it as numbers (0/1 for family 'bernoulli')."
    #: Families to compare where the predictions do not fit, and what they are for.
    alternatives: ClassVar[str] = (
        "student_t for heavy tails, beta_binomial, cumulative or censored_gaussian for a bounded score"
    )
    #: Whether parameters of the family stand in for the intercept.
    own_intercepts: ClassVar[bool] = False

    def __init__(self) -> None:
        facts = ("name", "title", "equation", "sentence", "link", "parameters", "discrete", "kernel")
        lacking = [fact for fact in facts if not hasattr(self, fact)]
        # What only some families have.
        needed = [] if lacking or not self.parameters else ["parameter_prior"]
        if not lacking:
            needed += ["exceedance"] * (not self.has_trials) + ["level_probability"] * (not self.discrete)
        lacking += [part for part in needed if getattr(type(self), part) is getattr(Family, part)]
        if lacking:
            raise TypeError(f"{type(self).__name__} lacks {', '.join(lacking)}")

    def __repr__(self) -> str:
        return f"<family {self.name}>"

    @property
    def mean_needs_sigma(self) -> bool:
        """Whether the expected outcome depends on the residual SD."""
        return "sigma" in self.parameters and not self.linear

    # --- The outcome ---

    def numbered(self, data: pd.DataFrame, outcome: str) -> pd.DataFrame:
        """The rows with an outcome that is written in words as numbers; the same object where it is not."""
        return data

    def numbered_words(self, data: pd.DataFrame, outcome: str) -> str:
        """Which numbers the words of an outcome are; empty where it is not written in words."""
        return ""

    @abstractmethod
    def prepare(self, name: str, values: np.ndarray, scale: Scale | None, trials: np.ndarray | None = None) -> Outcome:
        """Check an outcome and code it.

        Parameters
        ----------
        name
            Column name.
        values
            Shape (n,), finite numbers.
        scale
            The column's reference scale; ends and step are read from it where the family needs them.
        trials
            Shape (n,), of a family that has trials.

        Raises
        ------
        ModelError
            The family needs a scale that is not known.
        DataError
            Values that the family cannot produce; every one of them is listed.
        """

    def ends(self, outcome: Outcome) -> tuple[float | None, float | None]:
        """Least and greatest value that an outcome can have; None where there is no such value."""
        return outcome.lower, outcome.upper

    # --- The distribution ---

    @abstractmethod
    def expectation(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        """Expected outcome on the outcome's own scale, shape of ``eta``."""

    @abstractmethod
    def residual_variance(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        """Variance of the outcome around its expectation, shape of ``eta``."""

    @abstractmethod
    def simulate(self, eta: np.ndarray, own: Draws, outcome: Outcome, rng: np.random.Generator) -> np.ndarray:
        """One draw of the outcome, on its own scale, for each element of ``eta``."""

    @abstractmethod
    def log_density(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        """Pointwise log density (log mass for discrete families) of the observed outcome, shape of ``eta``."""

    @abstractmethod
    def cumulative_bounds(
        self, eta: np.ndarray, own: Draws, outcome: Outcome, step: float | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities of less than, and of at most, the observed outcome.

        A score recorded in steps stands for the interval of half a step to either side, so a continuous family is asked
        for the probabilities up to both ends of it. Without that, heaping on the levels would be taken for a misfit.

        Parameters
        ----------
        eta, own, outcome
            As in the likelihood; eta has shape (n_draws, n).
        step
            Distance between levels for a continuous family, None when every value is possible.

        Returns
        -------
        below, upto : numpy.ndarray
            Shape (n_draws, n); equal where the outcome has no levels. Beyond a censoring limit lies the whole tail.
        """

    def exceedance(self, eta: np.ndarray, own: Draws, outcome: Outcome, codes: np.ndarray) -> np.ndarray:
        """Probability of at least some codes of a discrete family, some values of a continuous one.

        Parameters
        ----------
        eta, own, outcome
            As in the likelihood.
        codes
            Shape (n_codes,), or (n, n_codes) where every row has its own; see :meth:`Outcome.first_code`.

        Returns
        -------
        numpy.ndarray
            Shape (..., n, n_codes).
        """
        raise NotImplementedError

    def level_probability(self, eta: np.ndarray, own: Draws, outcome: Outcome, step: float) -> np.ndarray:
        """Probability of the observed level, of continuous families recorded in steps, shape of ``eta``.

        Unlike a density, it can be compared with the mass functions of discrete families.
        """
        raise NotImplementedError

    @abstractmethod
    def predictor_variance(self, own: Draws, outcome: Outcome, rows: Averages) -> np.ndarray:
        """Variance of an outcome around its expectation on the scale of the linear predictor, shape (n_draws,) or ().

        Parameters
        ----------
        own, outcome
            As in the likelihood.
        rows
            What is known of the analysed rows on average.
        """

    def information(self, outcome: Outcome) -> float:
        """What one outcome tells of its linear predictor: squared slope of the expectation over the variance."""
        variance = float(outcome.values.var())
        return self._mean_slope(outcome) ** 2 / variance if variance > 0 else 0.0

    @abstractmethod
    def _mean_slope(self, outcome: Outcome) -> float:
        """Slope of the expected outcome by the linear predictor, where the expectation is the observed mean."""

    # --- Priors ---

    @abstractmethod
    def predictor_sd(self, scale: Scale | None) -> float | None:
        """Reference SD of the outcome on the scale of the linear predictor; None where it is not known."""

    @abstractmethod
    def predictor_unit(self, scale: Scale) -> float:
        """Units of the linear predictor in one unit of the outcome, where the link is steepest."""

    def intercept(self, scale: Scale | None) -> StatedPrior | None:
        """Default prior of the intercept, where the family has one; None where it follows from the outcome's scale."""
        return None

    def parameter_prior(self, name: str, scale: Scale | None, levels: int | None) -> StatedPrior | None:
        """Default prior of one of the parameters.

        Parameters
        ----------
        name
            One of ``parameters``.
        scale
            The outcome's reference scale, where it is known.
        levels
            Number of the outcome's levels, where it has some.
        """
        raise NotImplementedError

    # --- Both forms of the density ---

    @abstractmethod
    def observe(self, outcome: Outcome, eta: Any, own: Mapping[str, Any]) -> None:
        """Add the observed outcome to the PyMC model in context.

        Parameters
        ----------
        outcome
            As in the likelihood; its name is the variable's, its dim ``obs``.
        eta
            Linear predictor, shape (n,).
        own
            The family's parameters, placed; ``sigma`` may have shape (n,).
        """

    def constant(self, outcome: Outcome) -> float:
        """What :meth:`log_density` adds to the kernel in every draw, over all rows."""
        return 0.0


def on_levels(name: str, values: np.ndarray, levels: np.ndarray) -> Outcome:
    """An outcome that has one of some levels, coded by their numbers; DataError where it has none of them."""
    codes = np.abs(values[:, None] - levels[None, :]).argmin(axis=1)
    demand(
        name,
        values,
        np.abs(levels[codes] - values) < ON_LEVEL * np.diff(levels).astype(float).min(initial=np.inf),
        f"is not one of the {levels.size} levels from {levels[0]:g} to {levels[-1]:g}",
        "Correct it, or declare the scale's step.",
    )
    return Outcome(name, values, codes.astype(float), levels, float(levels[0]), float(levels[-1]))


def demand(name: str, values: np.ndarray, good: np.ndarray, fault: str, remedy: str) -> None:
    """Raise DataError that lists every value that is not good."""
    if not good.all():
        raise DataError(
            [Problem(name, Place(row), float(values[row]), fault, remedy) for row in np.flatnonzero(~good)],
            source=Place.source,
        )
