"""Comparison of models by how well they predict participants they have not seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import optimize

from alliance_bayes.checks.check import count
from alliance_bayes.checks.context import MOST_ROWS, Context
from alliance_bayes.checks.leave_one_out import Loo, level_scores
from alliance_bayes.checks.people import why_rows
from alliance_bayes.checks.subsample import LookedAt, Total, heaviest, looked_at, proxies
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel, seen
from alliance_bayes.remedies import argument

__all__ = ["SMALL_DIFFERENCE", "Comparison", "Step", "check_same_rows", "compare", "stacking_weights"]

type Step = float | Literal["default"] | None

LEVEL, DENSITY = "probability of the observed level", "density"
# Below these, the standard error of a difference is not to be relied on (Sivula et al. 2020).
SMALL_DIFFERENCE, FEW_ROWS = 4.0, 100


@dataclass(frozen=True, eq=False)
class Comparison:
    """Models side by side, the best predicting first.

    Parameters
    ----------
    table
        One row a model, in order of ``elpd``: ``model``, ``family``, ``elpd`` (sum of the rows' leave-one-out log
        scores), ``se``, ``elpd_difference`` (to the best, at most 0), ``se_difference``, ``p_loo`` (effective number
        of parameters), ``weight`` (stacking), ``pareto_k_max``, ``rows_above_good_k`` (rows whose score is not
        reliable) and ``score`` (what is scored: "probability of the observed level" or "density"; where people are left
        out, "density" or "probability" of "all rows of a person", and all else is of people, too). Where only some rows
        were looked at, ``se`` and ``se_difference`` count that in, and ``sampling_se`` and ``sampling_se_difference``
        are its part.
    sentence
        What the table says.
    models
        Names in the order of ``pointwise``.
    pointwise
        Log score of each row looked at (or person) under each model, shape (r, n_models). One number a participant: not
        for reports.
    rows
        Places of these rows, shape (r,): all, where there are at most 10,000. Of a person, the first row.
    sampled
        A sentence on which rows were looked at; empty where all were.
    """

    table: pd.DataFrame
    sentence: str
    models: tuple[str, ...]
    pointwise: np.ndarray = field(repr=False)
    rows: np.ndarray = field(repr=False)
    sampled: str = ""


def compare(fits: Mapping[str, FittedModel], *, step: Step = "default") -> Comparison:
    """Compare models by leave-one-out prediction, families of densities and of masses on one footing.

    Parameters
    ----------
    fits
        Fits by name, all of one outcome in the same rows: of several families, or of a straight line and a spline.
    step
        Distance between the levels that the outcome is recorded on. By default the scale's step, or what repeated
        values show. None: there are no levels, and continuous families are compared by their densities.

    Returns
    -------
    Comparison
        Scores, differences, stacking weights and how far they can be relied on.

    Raises
    ------
    UsageError
        The fits differ in outcome or rows; the step is not a number greater than 0; or densities would be compared
        with masses.

    Notes
    -----
    A density and a probability cannot be compared: a score's density depends on its unit. Every row's score is
    therefore the log of the leave-one-out probability of the level that was observed, which is the mass of a discrete
    family, and of a continuous one the probability of half a step to either side (the whole tail at a censoring
    limit). What a continuous family gives to values between and beyond the levels counts against it.

    Where rows are several of one person, a model is to predict persons: each is left out with all rows, and scored by
    their joint density (or probability) with the person's effects integrated out, as in the check ``loo``. Densities
    are then not compared with probabilities; where fits are of both kinds, or a step is given, rows are left out.

    The leave-one-out posterior is reached by Pareto-smoothed importance sampling from the fitted likelihood [1]_.
    Stacking weights are those of the mixture that predicts best [2]_; they are not probabilities of the models.
    Standard errors of differences are too small where models predict alike or rows are few [3]_.

    Of fits whose missing values were drawn, the rows are scored of which every column of every model was observed.

    Of more than 10,000 rows, the same random sample of so many is looked at for all models, and for each model the
    thousand rows whose log densities vary most over its draws; sums and differences are estimated from these [4]_, and
    the weights are those of the random sample.

    References
    ----------
    .. [1] Vehtari, Gelman, Gabry (2017). Practical Bayesian model evaluation using leave-one-out cross-validation and
       WAIC. Statistics and Computing 27. doi 10.1007/s11222-016-9696-4
    .. [2] Yao, Vehtari, Simpson, Gelman (2018). Using stacking to average Bayesian predictive distributions. Bayesian
       Analysis 13(3). doi 10.1214/17-BA1091
    .. [3] Sivula, Magnusson, Matamoros, Vehtari (2020). Uncertainty in Bayesian leave-one-out cross-validation based
       model comparison. arXiv 2008.10296
    .. [4] Magnusson, Vehtari, Jonasson, Andersen (2020). Leave-one-out cross-validation for Bayesian model comparison
       in large data. AISTATS, PMLR 108
    """
    fits = _of_observed(fits)
    check_same_rows(fits, what="comparing models")
    if weighted := [name for name, fit in fits.items() if fit.design.rows.weights is not None]:
        raise UsageError(
            f"{', '.join(map(repr, weighted))}: rows have sampling weights, and leave-one-out predictions count every "
            "row alike. Compare the models without weights, and judge each with them by its checks."
        )
    first = next(iter(fits.values()))
    if step == "default" and _are_of_people(fits):
        people = {name: Context(fit).loo_of_people for name, fit in fits.items()}
        places = next(iter(people.values())).first
        everybody = looked_at(places.size, np.arange(places.size), [])
        kind = "probability" if first.design.family.discrete else DENSITY
        return _compared(fits, people, {}, everybody, f"{kind} of all rows of a person", places)
    width = common_step(fits, step)
    n, drawn = first.design.rows.n, Context(first).random_rows(MOST_ROWS)
    steps = {name: None if fit.design.family.discrete else width for name, fit in fits.items()}
    known = {name: proxies(fit, steps[name]) for name, fit in fits.items()} if drawn.size < n else {}
    looked = looked_at(n, drawn, [heaviest(proxy) for proxy in known.values()])
    scores = {
        name: level_scores(fit, width, looked, relative_efficiency=Context(fit).relative_efficiency)
        for name, fit in fits.items()
    }
    # What is close to the score of every row: of its level, where that is what is scored.
    near = {name: proxy.elpd if proxy.level is None else proxy.level for name, proxy in known.items()}
    discrete = all(fit.design.family.discrete for fit in fits.values())
    score = LEVEL if discrete or width is not None else DENSITY
    effective = {name: proxy.p for name, proxy in known.items()}
    return _compared(fits, scores, near, looked, score, looked.rows, effective)


def _of_observed(fits: Mapping[str, FittedModel]) -> Mapping[str, FittedModel]:
    """The fits on the rows that none of them drew a value of: no outcome that was drawn is predicted well or badly."""
    if len({fit.design.rows.n for fit in fits.values()}) > 1:
        return fits
    places = {name: () if fit.imputation is None else fit.imputation.places for name, fit in fits.items()}
    # Of a column with an error of measurement every value was drawn.
    observed = np.all([seen(fit, *(set(places[name]) - fit.spec.inexact)) for name, fit in fits.items()], axis=0)
    if observed.all():
        return fits
    at = np.flatnonzero(observed)

    def on_these(fit: FittedModel) -> FittedModel:
        design, frame = fit.design, fit.design.frame.iloc[at].reset_index(drop=True)
        design = replace(design, rows=design.rows.take(at), outcome=design.outcome.take(at), frame=frame)
        return replace(fit, design=design, people=None if fit.people is None else fit.people[at])

    return {name: on_these(fit) for name, fit in fits.items()}


def _are_of_people(fits: Mapping[str, FittedModel]) -> bool:
    """Whether persons can be left out of all fits, and their scores are of one kind."""
    if any(fit.people is None or why_rows(fit) for fit in fits.values()):
        return False
    people, *others = (np.asarray(fit.people) for fit in fits.values())
    discrete = {fit.design.family.discrete for fit in fits.values()}
    limits = {_reached(fit) for fit in fits.values() if not fit.design.family.discrete}
    return len(discrete) == 1 and len(limits) < 2 and all(np.array_equal(people, other) for other in others)


def _compared(
    fits: Mapping[str, FittedModel],
    scores: Mapping[str, Loo],
    near: Mapping[str, np.ndarray],
    looked: LookedAt,
    score: str,
    places: np.ndarray,
    effective: Mapping[str, np.ndarray] | None = None,
) -> Comparison:
    """Models side by side, from their scores and what is close to those of every row."""
    known = effective or {}
    totals = {name: looked.total(loo.elpd, near.get(name)) for name, loo in scores.items()}
    names = tuple(sorted(scores, key=lambda name: -totals[name].value))
    pointwise = np.column_stack([scores[name].elpd for name in names])
    weights = stacking_weights(pointwise[looked.random])
    rows = []
    for name, weight in zip(names, weights, strict=True):
        loo, best = scores[name], names[0]
        k = np.where(np.isnan(loo.pareto_k), np.inf, loo.pareto_k)
        total = totals[name]
        gap = looked.total(loo.elpd - scores[best].elpd, near[name] - near[best] if near else None)
        rows.append(
            {
                "model": name,
                "family": fits[name].design.family.name,
                "elpd": total.value,
                "se": total.se,
                "elpd_difference": gap.value,
                "se_difference": gap.se,
                "p_loo": looked.total(loo.p, known.get(name)).value,
                "weight": float(weight),
                "pareto_k_max": float(k.max()),
                "rows_above_good_k": int(np.count_nonzero(~(k <= loo.good_k))),
                "score": score,
                "sampling_se": total.sampling,
                "sampling_se_difference": gap.sampling,
            }
        )
    table = pd.DataFrame(rows)
    if looked.whole:
        table = table.drop(columns=["sampling_se", "sampling_se_difference"])
    return Comparison(table, _sentence(table, looked), names, pointwise, places, looked.words.strip())


def _sentence(table: pd.DataFrame, looked: LookedAt) -> str:
    best, second, n = table.iloc[0], table.iloc[1], looked.n
    gap, se = abs(second["elpd_difference"]), second["se_difference"]
    one, several = ("person", "people") if str(best["score"]).endswith("of a person") else ("row", "rows")
    parts = [
        f"By the leave-one-out {best['score']}, '{best['model']}' predicts the {n:,} {several} best (elpd "
        f"{best['elpd']:,.1f}, SE {best['se']:,.1f}), followed by '{second['model']}' with {gap:,.1f} less "
        f"(SE of the difference {se:,.1f})."
    ]
    if gap < SMALL_DIFFERENCE:
        parts.append(
            f"A difference below {SMALL_DIFFERENCE:g} is small, and its standard error is not to be relied on: choose "
            "between these two by what they assume, not by this."
        )
    elif n < FEW_ROWS:
        parts.append(f"With fewer than {FEW_ROWS} {several}, standard errors of differences are not to be relied on.")
    elif gap < 2 * se:
        parts.append("The difference is within two standard errors: which of the two predicts better is open.")
    unreliable = table[table["rows_above_good_k"] > 0]
    if len(unreliable):
        listed = ", ".join(
            f"{int(rows):,} {one if rows == 1 else several} of '{model}' (largest k {k:.2f})"
            for model, rows, k in zip(
                unreliable["model"], unreliable["rows_above_good_k"], unreliable["pareto_k_max"], strict=True
            )
        )
        parts.append(f"Scores cannot be trusted where importance sampling failed: {listed}.")
    weights = ", ".join(f"{w:.2f} for '{m}'" for w, m in zip(table["weight"], table["model"], strict=True))
    parts.append(f"Stacking weights: {weights}.")
    if not looked.whole:
        part = Total(second["elpd_difference"], se, second["sampling_se_difference"])
        parts.append(looked.counted(part, "the difference").strip())
    return " ".join(parts)


def check_same_rows(fits: Mapping[str, FittedModel], *, what: str) -> None:
    """Refuse fits that cannot be compared.

    Parameters
    ----------
    fits
        Fits by name.
    what
        Who asks, as the beginning of a sentence.

    Raises
    ------
    UsageError
        Fewer than two fits, one made from moments, or fits of different outcomes or rows; all that differ from the
        first are listed.
    """
    if len(fits) < 2:
        raise UsageError(f"{what} needs two fits or more but got {len(fits)}.")
    for fit in fits.values():
        fit.need_rows(what)
    (first, reference), *others = fits.items()
    expected = reference.design.outcome
    differing = []
    for name, fit in others:
        outcome = fit.design.outcome
        if outcome.name != expected.name:
            differing.append(f"'{name}' is of '{outcome.name}'")
        elif outcome.values.size != expected.values.size:
            differing.append(f"'{name}' has {count(outcome.values.size, 'row')}")
        elif unlike := int(np.count_nonzero(outcome.values != expected.values)):
            differing.append(f"'{name}' has other outcomes in {count(unlike, 'row')}")
    if differing:
        raise UsageError(
            f"{what} needs fits of one outcome in the same rows, but against '{first}' ('{expected.name}', "
            f"{expected.values.size:,} rows) {', '.join(differing)}. Fit all of them to one table without missing "
            "values in any column that one of them uses."
        )


def common_step(fits: Mapping[str, FittedModel], stated: Step) -> float | None:
    """Distance between the outcome's levels that serves all fits.

    Parameters
    ----------
    fits
        Fits by name, of one outcome in the same rows.
    asked
        A distance; ``"default"`` for what the continuous families' fits know of the outcome; None for none.

    Returns
    -------
    float or None
        None where densities are compared, or where all families are discrete and need no step.

    Raises
    ------
    UsageError
        Not a number greater than 0; fits that do not agree; densities beside masses without a step, or with one wider
        than the levels are apart; or densities of fits that are censored at different limits.
    """
    if stated is not None and not isinstance(stated, str) and not (np.isfinite(stated) and stated > 0):
        raise UsageError(f"step should be a finite number greater than 0, None or 'default' but got {stated!r}.")
    continuous = {name: fit for name, fit in fits.items() if not fit.design.family.discrete}
    discrete = {name: fit for name, fit in fits.items() if name not in continuous}
    if not continuous:
        return None
    step = _known(continuous) if isinstance(stated, str) else stated
    if step is None and discrete:
        raise UsageError(
            f"the densities of {_listed(continuous)} cannot be compared with the probabilities of {_listed(discrete)}, "
            f"and the outcome has no known step. Give the distance between its levels: {argument('step', ...)}"
        )
    if step is None:
        _refuse_different_limits(continuous)
        return None
    for name, fit in discrete.items():
        narrowest = fit.design.outcome.spacing
        if narrowest is None:
            raise UsageError(
                f"the outcome of '{name}' is a share of trials, whose values differ from person to person. Compare it "
                "with families of shares only."
            )
        if narrowest < step * (1 - 1e-9):
            raise UsageError(
                f"the levels of '{name}' are as close as {narrowest:g}, so a step of {step:g} would "
                f"give {_listed(continuous)} several of them at once. Give {argument('step', narrowest)} or less, or "
                "compare families of one kind."
            )
    return step


def _known(continuous: Mapping[str, FittedModel]) -> float | None:
    steps = {name: Context(fit).step for name, fit in continuous.items()}
    if len(set(steps.values())) > 1:
        listed = ", ".join(f"{'none' if step is None else f'{step:g}'} in '{name}'" for name, step in steps.items())
        raise UsageError(
            f"the fits do not agree on the step of the outcome's levels: {listed}. Give {argument('step', ...)}"
        )
    return next(iter(steps.values()))


def _refuse_different_limits(continuous: Mapping[str, FittedModel]) -> None:
    """At a limit that outcomes reach, a censored family has a probability where others have a density."""
    limits = {name: _reached(fit) for name, fit in continuous.items()}
    if len(set(limits.values())) > 1:
        listed = ", ".join(
            f"'{name}' at {' and '.join(f'{limit:g}' for limit in ends) or 'none'}" for name, ends in limits.items()
        )
        raise UsageError(
            f"the fits are censored at different limits ({listed}), where one has a probability and another a density, "
            f"and the outcome has no known step. Give the distance between its levels: {argument('step', ...)}"
        )


def _reached(fit: FittedModel) -> tuple[float, ...]:
    """Censoring limits that some outcome lies at."""
    outcome = fit.design.outcome
    return tuple(end for end in fit.design.family.ends(outcome) if end is not None and end in outcome.values)


def _listed(names: Mapping[str, FittedModel]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def stacking_weights(pointwise: np.ndarray) -> np.ndarray:
    """Weights of a mixture of predictive distributions that has the highest leave-one-out log score.

    Parameters
    ----------
    pointwise
        Log score of each row under each model, shape (n, n_models).

    Returns
    -------
    numpy.ndarray
        Shape (n_models,), at least 0, summing to 1.

    Notes
    -----
    The mean log score of the mixture is concave in the weights, so what the optimiser finds is the highest. Where two
    models predict every row alike, any split between them is: theirs is even.

    References
    ----------
    .. [1] Yao, Vehtari, Simpson, Gelman (2018). Using stacking to average Bayesian predictive distributions. Bayesian
       Analysis 13(3). doi 10.1214/17-BA1091
    """
    count = pointwise.shape[1]
    # Each row's best model is taken for 1: a mixture's score moves by a constant, and nothing underflows in all models.
    relative = np.exp(pointwise - pointwise.max(axis=1, keepdims=True))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        # A step of the optimiser may leave a row that only one model can predict with nothing.
        mixture = np.maximum(relative @ weights, np.finfo(float).tiny)
        return -float(np.log(mixture).mean()), -(relative / mixture[:, None]).mean(axis=0)

    # SciPy's annotations do not know a constraint that is a dict of functions.
    minimize: Any = optimize.minimize
    optimum = minimize(
        loss,
        np.full(count, 1 / count),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, 1.0)] * count,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1.0, "jac": lambda w: np.ones(count)},
        options={"ftol": 1e-12, "maxiter": 1000},
    )
    weights = np.clip(optimum.x, 0.0, None)
    return np.asarray(weights / weights.sum())
