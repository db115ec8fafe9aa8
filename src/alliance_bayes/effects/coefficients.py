"""The plain table of a model's parameters, as lme4 and brms print it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import combinations
from typing import Literal, Unpack, override

import numpy as np

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.estimand import Estimand
from alliance_bayes.effects.options import IntervalOptions, with_common_options
from alliance_bayes.effects.summary import Estimate
from alliance_bayes.effects.table import EffectTable, Measure
from alliance_bayes.fit import FittedModel
from alliance_bayes.kinds import chosen
from alliance_bayes.model import Column
from alliance_bayes.model.sigma import GAMMA
from alliance_bayes.readonly import ReadOnly

__all__ = ["COEFFICIENTS", "coefficients"]

# Largest part of a column that may be left when it is written by columns without centring: it is their rounding.
_ROUNDING = 1e-8


@with_common_options
def coefficients(
    fit: FittedModel, *, at: Literal["zero", "centre"] = "zero", **options: Unpack[IntervalOptions]
) -> EffectTable:
    """Coefficients of the common terms, SDs and correlations of level effects, and the family's parameters.

    Parameters
    ----------
    fit
        The fitted model.
    at
        Where the predictors are that a coefficient holds constant: ``"zero"``, as lme4 and brms print coefficients, or
        ``"centre"``, the centring values, which priors and draws are stated at.

    Returns
    -------
    EffectTable
        One row for each of these, on the scale of the linear predictor:

        ``coefficient``
            Of a design column of the common terms: what it goes with at level effects of 0.
        ``odds_ratio``
            With a logit link, the exponential of a coefficient other than the intercept: how many times the odds are
            what they are without one unit, or at the first level of a factor.
        ``level_sd``
            SD of a term's effects over all levels that a factor could have (of an exhaustive one, over its levels).
        ``level_correlation``
            Correlation of two terms' effects.
        ``parameter``
            A parameter of the family, such as the residual SD; where that differs along columns (``sigma="~ x"``),
            the SD at the centring values, ``sigma``, and what one unit adds to its logarithm, ``gamma[x]``.

    Raises
    ------
    UsageError
        An option is outside what is accepted.

    Notes
    -----
    Off the identity link a coefficient is about people at one level, those whose effects are 0, and no average over
    levels: for that ask for :func:`slopes <alliance_bayes.effects.slopes>`.

    A predictor that is held at another value changes the intercept, the coefficients of what it is multiplied with,
    and the SDs and correlations of their effects. SDs of effects that are not correlated in the model stay those at the
    centring values, as the model is about these; their notes say so.
    """
    return COEFFICIENTS(fit, at=at, **options)


class Coefficients(Estimand):
    """See :func:`coefficients`."""

    name = "coefficients"
    title = "coefficients"
    options = IntervalOptions
    measures = ReadOnly(
        {
            "coefficient": Measure("{term}", "{outcome}", signed=True, tells="parameter"),
            "odds_ratio": Measure("Odds ratio of {term}", "odds ratio", tells="parameter"),
            "level_sd": Measure("SD of {term} over levels of {factor}", "{outcome}", tells="levels"),
            "level_correlation": Measure(
                "Correlation of {term} over levels of {factor}", "correlation", signed=True, tells="levels"
            ),
            "parameter": Measure("{term}", "", tells="parameter"),
        }
    )

    @override
    def estimates(self, analysis: Analysis, *, at: str = "zero") -> Iterator[Estimate]:
        chosen("at", at, ("zero", "centre"))
        fit, design = analysis.fit, analysis.fit.design
        moved = _Moved(fit) if at == "zero" else None
        scale = analysis.outcome_unit if design.family.link == "identity" else design.family.link
        row = partial(self.row, analysis, population=None)

        def unit(column: Column) -> dict[str, str]:
            per = " × ".join(analysis.unit_of(name) for name in column.numeric)
            return {"outcome": f"{scale} per {per}" if per else scale}

        known, note = fit.coefficients_of_known, ""
        if moved is not None:
            known, note = moved.coefficients(known)
        for column, draws in zip(design.columns, known.T, strict=False):
            yield row("coefficient", draws, term=column.label, words=unit(column), note=note)
        if design.family.link == "logit":
            for column, draws in zip(design.columns, known.T, strict=False):
                if column.order:
                    yield row("odds_ratio", np.exp(draws), term=column.label, note=note)
        for factor in design.factors:
            tau, note = fit.stacked[f"tau_{factor.name}"], ""
            corr = fit.stacked[f"corr_{factor.name}"] if factor.correlated else None
            if moved is not None:
                tau, corr, note = moved.levels(factor.name, tau, corr)
            for number, column in enumerate(factor.columns):
                yield row(
                    "level_sd", tau[:, number], term=column.label, factor=factor.name, words=unit(column), note=note
                )
            if corr is not None:
                for a, b in combinations(range(len(factor.terms)), 2):
                    both = f"{factor.terms[a]}, {factor.terms[b]}"
                    yield row("level_correlation", corr[:, a, b], term=both, factor=factor.name, note=note)
        for smooth in design.smooths:
            tau = fit.stacked[f"tau_{smooth.name}"].reshape(-1)
            yield row("level_sd", tau, term=smooth.title, factor=smooth.name, words={"outcome": scale})
        for name, draws in fit.parameters.items():
            columns = draws.reshape(len(draws), -1).T
            for number, values in enumerate(columns):
                if design.residual is not None and name == "sigma":
                    of = design.residual
                    yield row("parameter", values, term=name, factor=of.name, level=of.levels[number])
                else:
                    yield row("parameter", values, term=name if len(columns) == 1 else f"{name}[{number + 1}]")
        if design.sigma is not None:
            for name, draws in zip(design.sigma.parameters, fit.stacked[GAMMA].T, strict=True):
                yield row("parameter", draws, term=name)


COEFFICIENTS = Coefficients()


class _Moved:
    """Parameters of a model whose columns are not centred, from those of the one whose are.

    A centred column is a linear combination of columns that are not: its own, and those of what it is multiplied with.
    """

    def __init__(self, fit: FittedModel) -> None:
        design = fit.design
        self.fit = fit
        # Where products are of weighted points, both are evaluated on these, on which the combinations are the same.
        frame = design.frame
        self.centred = design.evaluate(frame)
        self.plain = replace(design, centres=dict.fromkeys(design.centres, 0.0)).evaluate(frame)

    def coefficients(self, known: np.ndarray) -> tuple[np.ndarray, str]:
        """Common coefficients, and a note where they are still those at the centring values."""
        combination = _combination(self.plain.known, self.centred.known)
        return (known, self._note()) if combination is None else (known @ combination.T, "")

    def levels(
        self, factor: str, tau: np.ndarray, corr: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray | None, str]:
        """SDs and correlations of level effects, and a note where they are still those at the centring values."""
        combination = _combination(self.plain.z[factor], self.centred.z[factor])
        if combination is not None and np.array_equal(combination, np.eye(len(combination))):
            return tau, corr, ""
        if combination is None or corr is None:
            return tau, corr, self._note()
        covariance = combination @ self.fit.level_covariance(factor) @ combination.T
        sd = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
        return sd, covariance / np.maximum(sd[:, :, None] * sd[:, None, :], np.finfo(float).tiny), ""

    def _note(self) -> str:
        centres = [f"{name} = {value:.4g}" for name, value in self.fit.design.centres.items() if value]
        return f"at {', '.join(centres)}" if centres else ""


def _combination(plain: np.ndarray, centred: np.ndarray) -> np.ndarray | None:
    """The matrix C with ``centred = plain @ C``; None where there is none, as without an intercept."""
    if np.array_equal(plain, centred):
        return np.eye(plain.shape[1])
    size = np.linalg.norm(plain, axis=0)
    size[size == 0] = 1.0
    solved, *_ = np.linalg.lstsq(plain / size, centred, rcond=None)
    left = np.abs(plain / size @ solved - centred).max(axis=0, initial=0.0)
    if (left > _ROUNDING * np.abs(centred).max(axis=0, initial=1.0)).any():
        return None
    return np.asarray(solved / size[:, None])
