"""What is expected of people with given values of some predictors, and what one further person's outcome may be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, Unpack, override

import numpy as np

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.counterfactual import Counterfactual
from alliance_bayes.effects.estimand import Estimand
from alliance_bayes.effects.means import judged_if_change
from alliance_bayes.effects.options import EffectAtOptions, with_common_options
from alliance_bayes.effects.responders import refuse_shares
from alliance_bayes.effects.summary import Estimate
from alliance_bayes.effects.table import EffectTable, Measure
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.kinds import chosen
from alliance_bayes.model.levels import NEW_LEVEL
from alliance_bayes.model.sigma import GAMMA
from alliance_bayes.readonly import ReadOnly
from alliance_bayes.remedies import argument

__all__ = ["PREDICTIONS", "predictions"]

_KINDS = ("mean", "outcome")


@with_common_options
def predictions(
    fit: FittedModel, *, kind: Literal["mean", "outcome"] = "mean", **options: Unpack[EffectAtOptions]
) -> EffectTable:
    """Expected outcome with everybody at given values of some predictors, or the outcome of one further person there.

    Parameters
    ----------
    fit
        The fitted model.
    kind
        ``"mean"``: the average expected outcome, as :func:`overall_mean` has it of everybody as they are; its interval
        says how well the average is known. ``"outcome"``: the outcome of one person drawn from the population, with
        residual variation and, with populations ``"average"`` and ``"new"``, of a new level of every sampled factor;
        its interval says how much people differ.
    rope, relevant
        For expected outcomes whose zero means "no effect"; see :func:`overall_mean`.
    at
        Values that everybody is set to, by predictor: a number, a level, or several of them
        (``{"alliance": [3, 4, 5], "arm": ["A", "B"]}``), of which every combination has a row, up to 100. Other
        predictors stay as they are, and the average is over them. Needed.

    Returns
    -------
    EffectTable
        ``predicted_mean`` or ``predicted_outcome`` of each combination of values, in units of the outcome; the column
        ``at`` says which ("alliance = 3, arm = A"). A value that no analysed row reaches is extrapolated, which the
        note says.

    Raises
    ------
    UsageError
        An option is outside what is accepted, nothing is set, ``at`` sets something that is no predictor, or to what
        it cannot be, or outcomes are asked of an event, a share of trials or a fit made from moments.

    Notes
    -----
    Expected outcomes are standardised over the analysed rows (g-computation), and integrated over the level effects of
    sampled factors with population ``"average"``, as in :func:`adjusted_means`. Outcomes are one simulated value a
    draw: of an analysed row drawn at random, set to the values, with level effects from Normal(0, tau) or those of its
    own levels (population ``"sample"``). All combinations have the same rows, level effects and random numbers, so
    that they differ by the values alone.

    :meth:`alliance_bayes.Fit.predict` gives draws for rows that are given one by one, whose predictors are all known.
    """
    return PREDICTIONS(fit, kind=kind, **options)


class Predictions(Estimand):
    """See :func:`predictions`."""

    name = "predictions"
    title = "predictions"
    options = EffectAtOptions
    measures = ReadOnly(
        {
            "predicted_mean": Measure("Expected outcome", judged=True),
            "predicted_outcome": Measure("Outcome of one further person"),
        }
    )

    @override
    def estimates(self, analysis: Analysis, *, kind: str = "mean") -> Iterator[Estimate]:
        chosen("kind", kind, _KINDS)
        if not analysis.cell.values:
            example = argument("at", {analysis.fit.design.predictors[0]: ...}) if analysis.fit.design.predictors else ""
            raise UsageError(
                f"predictions are at values of some predictors. Give them: {example or argument('at')}. The expected "
                "outcome of everybody as they are is overall_mean."
            )
        everybody = analysis.counterfactuals.of(analysis.options.population)
        if kind == "mean":
            draws = analysis.averages([everybody])[:, 0]
            yield self.row(analysis, "predicted_mean", draws, note=everybody.problem, **judged_if_change(analysis.fit))
            return
        analysis.fit.need_rows("the outcome of a further person")
        refuse_shares(analysis.fit)
        if analysis.fit.design.family.event:
            raise UsageError(
                f"the outcome '{analysis.fit.design.outcome.name}' is an event, which happens to a person or does not; "
                f"how probable it is, is what is expected. Ask for that: {argument('kind', 'mean')}"
            )
        # An outcome has the residual SD of the level that somebody is set to.
        everybody = replace(analysis.counterfactuals, spread=True).of(analysis.options.population)
        draws = np.full(analysis.n_draws, np.nan) if everybody.problem else _outcomes(analysis, everybody)
        yield self.row(analysis, "predicted_outcome", draws, note=everybody.problem)


PREDICTIONS = Predictions()


def _outcomes(analysis: Analysis, everybody: Counterfactual) -> np.ndarray:
    """One outcome a draw, of a row drawn at random, shape (n_draws,)."""
    fit, n_draws = analysis.fit, analysis.n_draws
    design, seed = fit.design, analysis.options.seed
    # The same stream for all values: their outcomes then differ by nothing else.
    rng = np.random.default_rng([seed, 0])
    place = rng.integers(design.rows.n, size=n_draws)
    grid_of = rng.integers(len(everybody.grids), size=n_draws)
    eta, strata, log_ratio = np.empty(n_draws), np.zeros(n_draws, dtype=np.intp), np.zeros(n_draws)
    for number, grid in enumerate(everybody.grids):
        which = np.flatnonzero(grid_of == number)
        rows = grid.rows.take(place[which])
        eta[which] = (fit.coefficients_of_known[which] * rows.known).sum(axis=1)
        strata[which] = rows.strata
        if rows.sigma is not None:
            log_ratio[which] = (fit.stacked[GAMMA][which] * rows.sigma).sum(axis=1)
        for factor in design.factors:
            name, u = factor.name, fit.stacked[f"u_{factor.name}"][which]
            index = rows.index[name]
            if name in grid.averaged:
                index = np.full(which.size, -1)
            elif name in grid.levels:
                index = rng.choice(grid.levels[name], size=which.size)
            effects = u[np.arange(which.size), index]
            if (index < 0).any():
                new = fit.new_levels(name, [grid.unseen.get(name, NEW_LEVEL)], seed=seed)[which, 0]
                effects = np.where((index < 0)[:, None], new, effects)
            eta[which] += (effects * rows.z[name]).sum(axis=1)
        for smooth in design.smooths:
            eta[which] += (fit.stacked[f"u_{smooth.name}"][which] * rows.basis[smooth.name]).sum(axis=1)
    parameters = dict(fit.parameters)
    if design.residual is not None:
        parameters["sigma"] = parameters["sigma"][np.arange(n_draws), strata][:, None]
    if design.sigma is not None:
        parameters["sigma"] = (parameters["sigma"] * np.exp(log_ratio))[:, None]
    noise = np.random.default_rng([seed, 1])
    return np.asarray(design.family.simulate(eta[:, None], parameters, design.outcome, noise))[:, 0]
