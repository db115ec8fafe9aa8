"""Probability of superiority between the levels of a factor, from the distributions that a fit predicts at them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Unpack, override

import numpy as np

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.estimand import MOST_LEVELS, Estimand
from alliance_bayes.effects.explained import sigma_ends
from alliance_bayes.effects.means import later_first, levels_to_compare
from alliance_bayes.effects.options import AtOptions, with_common_options
from alliance_bayes.effects.ratings import ALL_OTHERS, MOST_PAIRED
from alliance_bayes.effects.responders import AtLeast, refuse_shares
from alliance_bayes.effects.summary import Estimate
from alliance_bayes.effects.table import EffectTable, Measure
from alliance_bayes.fit import FittedModel
from alliance_bayes.readonly import ReadOnly

__all__ = ["SUPERIORITY", "superiority"]

# Cells of a continuous outcome in its SD, how many SDs it reaches to either side, and how many cells there may be.
_CELLS_PER_SD = 8
_REACH = 6.0
_MOST_CELLS = 400
# How many SDs above the mean the last count lies: the tails of counts are longer than normal ones.
_FAR = 15.0


@with_common_options
def superiority(
    fit: FittedModel, factor: str, *, levels: Sequence[str] | None = None, **options: Unpack[AtOptions]
) -> EffectTable:
    """Probability of superiority between levels of a factor, predicted medians and shares at the ceiling.

    Parameters
    ----------
    fit
        The fitted model, of any family.
    factor
        A pooled factor ("country", "country:sex") or a categorical column of a common term. With population ``"new"``,
        nothing of a sampled one is left to compare; the population is otherwise over the other factors.
    levels
        Which levels are compared, in an order of their own. By default all pairs of up to 12 levels; of more, each
        level is compared with all others together, which count by their share of the analysed rows.

    Returns
    -------
    EffectTable
        ``predictive_median`` by level, in units of the outcome (not of a Bernoulli outcome); ``share_at_ceiling`` by
        level, for families whose distribution gives its highest value a probability of its own (``cumulative``,
        ``beta_binomial``, ``censored_gaussian``); then ``probability_of_superiority`` of ``level`` over ``versus``, the
        later over the earlier.

    Raises
    ------
    UsageError
        An option is outside what is accepted, the factor or a level is not one of the model's, the population leaves
        nothing to compare, or the fit was made from moments, which do not tell how predictions are distributed.

    Notes
    -----
    The distribution predicted at a level is that of the outcome of a random analysed person were they at the level,
    draw by draw: each row's own distribution, averaged over rows as in :func:`adjusted_means`. The probability of
    superiority is P(a > b) + P(a = b) / 2 for independent outcomes of two such distributions [1]_. It can be put beside
    that of the observed ratings (:func:`alliance_bayes.effects.group_ratings`, Mann-Whitney); unlike that, it is
    adjusted, and pooled over the levels of a factor.

    Counts are computed one by one up to 15 SDs above the mean where these are at most 400, else at as many points. For
    a continuous family distributions are computed at points an eighth of an SD apart over at least six SDs to
    either side of the mean; superiority then errs by less than 1e-5 and a median by less than a hundredth of an SD.
    Probabilities are interpolated in the linear predictor, with an error below 1e-6 where it spans 10 residual SDs.

    References
    ----------
    .. [1] Acion, Peterson, Temple, Arndt (2006). Probabilistic index: an intuitive non-parametric approach to measuring
       the size of treatment effects. Statistics in Medicine 25(4). doi 10.1002/sim.2256
    """
    return SUPERIORITY(fit, factor=factor, levels=levels, **options)


class Superiority(Estimand):
    """See :func:`superiority`."""

    name = "superiority"
    title = "probabilities of superiority"
    options = AtOptions
    needs_rows = "the probability of superiority"
    most_levels = MOST_LEVELS
    compares = True
    measures = ReadOnly(
        {
            "predictive_median": Measure("{level}: median"),
            "share_at_ceiling": Measure("{level}: share at the ceiling", "probability"),
            "probability_of_superiority": Measure("Probability of superiority: {level} over {versus}", "probability"),
        }
    )

    @override
    def estimates(self, analysis: Analysis, factor: str, *, levels: Sequence[str] | None = None) -> Iterator[Estimate]:
        fit, design = analysis.fit, analysis.fit.design
        refuse_shares(fit)
        cuts = _cuts(analysis)
        # Probabilities of at least each cut: every level but the lowest, or points along a continuous outcome.
        exceeding = analysis.of(AtLeast(cuts), n_functions=len(cuts))
        labels = exceeding.levels(factor)
        together = levels is None and len(labels) > MOST_PAIRED
        # Checked here for the population too; which levels are compared all together is not asked for.
        compared = levels_to_compare(exceeding, factor, labels[:2] if together else levels)
        _, block, problems = exceeding.by_level(factor)
        # Counts that reach far are taken together, as the values of a continuous outcome are.
        single = design.family.discrete and (
            design.outcome.levels is not None or len(cuts) < 2 or cuts[1] - cuts[0] == 1
        )
        distributions = [_Distribution(cuts, probabilities, single) for probabilities in block]
        row = partial(self.row, analysis, factor=factor)
        if not design.family.event:
            lowest = design.family.ends(design.outcome)[0] if design.family.discrete else cuts[0]
            assert lowest is not None
            for label, distribution, problem in zip(labels, distributions, problems, strict=True):
                yield row("predictive_median", distribution.median(float(lowest)), level=label, note=problem)
        if _has_ceiling(analysis):
            for label, distribution, problem in zip(labels, distributions, problems, strict=True):
                yield row("share_at_ceiling", distribution.at_least[..., -1], level=label, note=problem)
        superior = partial(row, "probability_of_superiority")
        if not together:
            for (first, label), (second, versus) in later_first(compared):
                sides = _Superiority(distributions[first], distributions[second])
                yield superior(sides, level=label, versus=versus, note=problems[first] or problems[second])
            return
        shares = _shares(analysis, factor, labels)
        whole = np.tensordot(shares, block, axes=1)
        # One level without a distribution leaves all others together without one.
        problem = next(filter(None, problems), "")
        for label, share, distribution in zip(labels, shares, distributions, strict=True):
            others = (whole - share * distribution.at_least) / (1 - share)
            sides = _Superiority(distribution, _Distribution(cuts, others, single))
            yield superior(sides, level=label, versus=ALL_OTHERS, note=problem)


SUPERIORITY = Superiority()


@dataclass(frozen=True, eq=False)
class _Distribution:
    """Draws of a distribution: probabilities of at least each cut, shape (chain, draw, n_cuts)."""

    cuts: np.ndarray
    at_least: np.ndarray
    single: bool  # whether no two values lie between two cuts

    @cached_property
    def masses(self) -> np.ndarray:
        """Probabilities below the first cut, between neighbouring ones, and from the last on."""
        return -np.diff(self.at_least, axis=-1, prepend=1.0, append=0.0)

    def median(self, lowest: float) -> np.ndarray:
        """Where at least half is reached, shape (chain, draw); ``lowest`` where it is below the first cut."""
        # How many cuts half of the outcomes reach.
        count = (self.at_least >= 0.5).sum(axis=-1)
        reached = np.concatenate([[lowest], self.cuts])[count]
        if not self.single:
            k = np.clip(count, 1, self.cuts.size - 1)[..., None]
            high, low = (np.take_along_axis(self.at_least, at, axis=-1)[..., 0] for at in (k - 1, k))
            inside = (count > 0) & (count < self.cuts.size)
            part = np.where(inside, (high - 0.5) / np.where(inside, high - low, 1.0), 0.0)
            reached = reached + part * (self.cuts[k[..., 0]] - self.cuts[k[..., 0] - 1])
        return np.where(np.isnan(self.at_least).any(axis=-1), np.nan, reached)


@dataclass(frozen=True, eq=False)
class _Superiority:
    """P(a > b) + P(a = b) / 2 for independent outcomes of two distributions, computed when asked for."""

    first: _Distribution
    second: _Distribution

    def __call__(self) -> np.ndarray:
        """Return the draws, shape (chain, draw)."""
        a, b = self.first.masses, self.second.masses
        probability = ((np.cumsum(b, axis=-1) - b / 2) * a).sum(axis=-1)
        if not self.first.single:
            # Two outcomes in the same cell: half, but for the slopes of the two densities across it. The ends are no
            # cells.
            a, b = a[..., 1:-1], b[..., 1:-1]
            probability += (np.gradient(a, axis=-1) * b - a * np.gradient(b, axis=-1)).sum(axis=-1) / 12
        return np.asarray(probability)


def _cuts(analysis: Analysis) -> np.ndarray:
    """Where the distributions are computed: every level but the lowest, or points along an outcome without levels."""
    fit, outcome = analysis.fit, analysis.fit.design.outcome
    if outcome.levels is not None:
        return outcome.levels[1:]
    mean = analysis.averages([analysis.counterfactuals.of(analysis.options.population)])[:, 0]
    if fit.design.family.discrete:
        most = float((mean + _FAR * np.sqrt(analysis.spread.total)).max())
        return 1.0 + np.arange(np.ceil(max(most, 1.0))) if most <= _MOST_CELLS else np.linspace(1, most, _MOST_CELLS)
    if "sigma" in fit.design.family.parameters:
        sigma, reach = sigma_ends(fit), _REACH
        largest = sigma if sigma.ndim == 1 else sigma.max(axis=1)
        # For a censored outcome this is that of the observed one, which the limits below make good.
        sd = np.sqrt(analysis.spread.explained + largest**2)
    else:
        sd, reach = np.sqrt(analysis.spread.total), _FAR
        sigma = sd
    low, high = float((mean - reach * sd).min()), float((mean + reach * sd).max())
    lower, upper = fit.design.family.ends(outcome)
    # Everything is at least the lower end; what is above it tells how much is at it.
    low = low if lower is None else float(np.nextafter(lower, np.inf))
    high = high if upper is None else upper
    finest = np.median(sd) if sigma.ndim == 1 else np.median(sigma.min(axis=1))
    cells = int(np.clip(np.ceil((high - low) * _CELLS_PER_SD / finest), 2 * _CELLS_PER_SD, _MOST_CELLS))
    return np.linspace(low, high, cells + 1)


def _has_ceiling(analysis: Analysis) -> bool:
    family = analysis.fit.design.family
    return not family.event and family.ends(analysis.fit.design.outcome)[1] is not None


def _shares(analysis: Analysis, factor: str, labels: Sequence[str]) -> np.ndarray:
    """Share of the analysed rows by level, shape (n_levels,)."""
    index, _ = analysis.fit.design.levels_of(factor)
    counts = np.bincount(index)[: len(labels)]
    return np.asarray(counts / counts.sum())
