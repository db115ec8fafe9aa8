"""Variance partition, intraclass correlations and the Bayesian R2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack, override

import numpy as np

from alliance_bayes.cohort.flow import plural
from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.estimand import Estimand
from alliance_bayes.effects.explained import contributions, covariance, mean_square_sigma
from alliance_bayes.effects.options import IntervalOptions, with_common_options
from alliance_bayes.effects.summary import Estimate
from alliance_bayes.effects.table import EffectTable, Measure
from alliance_bayes.fit import FittedModel
from alliance_bayes.model.families import Averages
from alliance_bayes.model.levels import lies_within
from alliance_bayes.readonly import ReadOnly

__all__ = ["BAYESIAN_R2", "VARIANCE_PARTITION", "bayesian_r2", "variance_partition"]


@with_common_options
def variance_partition(fit: FittedModel, **options: Unpack[IntervalOptions]) -> EffectTable:
    """What the variance of the linear predictor and the residual is made of, and intraclass correlations.

    Parameters
    ----------
    fit
        The fitted model.

    Returns
    -------
    EffectTable
        Rows of two estimands:

        ``variance_share``
            For each pooled factor the variance over the analysed rows (divisor n - 1) of what it adds to the linear
            predictor, its slopes included; for the common terms (``term`` "common terms") the same; for each smooth
            (``term`` "s(alliance)", say) that of its departure from the straight line, which is among the common
            terms; for ``term`` "covariance" twice the sum of the covariances of all these parts, which can be
            negative; for ``term`` "residual" the residual variance: each divided by the variance of the whole linear
            predictor plus the residual variance. The shares add to 1 in every draw.
        ``icc``
            For each sampled factor the correlation of two people of one new level, given the common terms and the
            exhaustive factors (adjusted ICC), for two people drawn from those analysed: their covariance, m' Sigma m
            with m the mean of the analysed rows' pooled columns, divided by their variance, the mean of z' Sigma z over
            rows, summed over all sampled factors, plus the residual variance. Where a slope varies, it is that of
            people who differ as much as those analysed do. Factors that the levels of this one lie within (the site of
            a provider) are shared by the two people, too, which the note says.

    Raises
    ------
    UsageError
        An option is outside what is accepted.

    Notes
    -----
    The residual variance is that of the outcome for identity links (for a Student t sigma^2 nu / (nu - 2), for a
    censored Gaussian that of the uncensored variable); where the residual SD differs by level, its average over the
    analysed rows. Other links are partitioned on the scale of the linear predictor, with pi^2 / 3 for ``bernoulli`` and
    ``cumulative`` (their latent variable is logistic), and for ``beta_binomial`` the variance of the outcome brought
    there by the delta method, for counts the variance of the logarithm of a gamma variable of their mean and variance,
    both at the average expected outcome [1]_.

    References
    ----------
    .. [1] Nakagawa, Johnson, Schielzeth (2017). The coefficient of determination R2 and intra-class correlation
       coefficient from generalized linear mixed-effects models revisited and expanded. Journal of the Royal Society
       Interface 14. doi 10.1098/rsif.2017.0213
    .. [2] Johnson (2014). Extension of Nakagawa & Schielzeth's R2GLMM to random slopes models. Methods in Ecology and
       Evolution 5(9). doi 10.1111/2041-210X.12225
    """
    return VARIANCE_PARTITION(fit, **options)


class VariancePartition(Estimand):
    """See :func:`variance_partition`."""

    name = "variance_partition"
    title = "shares of variance"
    options = IntervalOptions
    measures = ReadOnly(
        {
            "variance_share": Measure(
                "Share: {term}", "share of variance", short="Share: {term}", lead="variance", tells="parts"
            ),
            "icc": Measure(
                "Intraclass correlation: {factor}",
                "correlation",
                short="Intraclass correlation: {factor}",
                tells="parts",
            ),
        }
    )

    @override
    def estimates(self, analysis: Analysis) -> Iterator[Estimate]:
        parts = contributions(analysis.fit)
        residual = _residual(analysis)
        variances = [np.maximum(covariance(part, part), 0.0) for part in parts]
        cross = np.zeros(analysis.n_draws)
        for number, part in enumerate(parts):
            for other in parts[:number]:
                cross += 2 * covariance(part, other)
        explained = np.maximum(sum(variances, cross), 0.0)
        total = explained + residual
        scale = "" if analysis.fit.design.family.link == "identity" else " (scale of the linear predictor)"
        titles: dict[str | None, str] = {smooth.name: smooth.title for smooth in analysis.fit.design.smooths}
        titles[None] = "common terms"
        shares: list[tuple[str | None, str | None, np.ndarray]] = [
            (titles.get(part.name), None if part.name in titles else part.name, variance / total)
            for part, variance in zip(parts, variances, strict=True)
        ]
        shares.append(("covariance", None, cross / total))
        # Where the residual variance is infinite it is all there is.
        with np.errstate(invalid="ignore"):
            shares.append(("residual", None, np.where(np.isinf(residual), 1.0, residual / total)))
        for term, factor, share in shares:
            yield self.row(
                analysis,
                "variance_share",
                share,
                term=term,
                factor=factor,
                denominator=f"variance of the linear predictor + residual variance{scale}",
                population="sample",
                note=analysis.infinite_variance,
            )
        sampled = [factor.name for factor in analysis.fit.design.factors if not factor.exhaustive]
        everybody = {name: _new_level(analysis, name) for name in sampled}
        for name in sampled:
            # Two people of one level are two who have one.
            lacking = analysis.fit.design.rows.lacking.get(name)
            spreads = everybody if lacking is None else {n: _new_level(analysis, n, ~lacking) for n in sampled}
            variance = sum((spread for spread, _ in spreads.values()), residual)
            around = [other for other in sampled if other != name and _lies_within(analysis.fit, name, other)]
            shared = sum((spreads[other][1] for other in around), spreads[name][1])
            fit = analysis.fit
            two = f"{plural(fit.flow.unit)} of one person" if name in fit.person_columns else f"people of one {name}"
            too = f"two {two} share {' and '.join(around)}, too" if around else ""
            having = "" if lacking is None else f"of two among those who have a {name}"
            yield self.row(
                analysis,
                "icc",
                shared / variance,
                factor=name,
                denominator=f"variance of all sampled factors + residual variance{scale}",
                population="new",
                note="; ".join(part for part in (analysis.infinite_variance, too, having) if part),
            )


VARIANCE_PARTITION = VariancePartition()


@with_common_options
def bayesian_r2(fit: FittedModel, **options: Unpack[IntervalOptions]) -> EffectTable:
    """Bayesian R2 (estimand ``bayesian_r2``): variance of the expected outcome over that plus the residual variance.

    Parameters
    ----------
    fit
        The fitted model.

    Returns
    -------
    EffectTable
        One row, on the outcome's own scale for every family.

    Raises
    ------
    UsageError
        An option is outside what is accepted.

    References
    ----------
    .. [1] Gelman, Goodrich, Gabry, Vehtari (2019). R-squared for Bayesian regression models. The American Statistician
       73(3). doi 10.1080/00031305.2018.1549100
    """
    return BAYESIAN_R2(fit, **options)


class BayesianR2(Estimand):
    """See :func:`bayesian_r2`."""

    name = "bayesian_r2"
    title = "R2"
    options = IntervalOptions
    measures = ReadOnly(
        {
            "bayesian_r2": Measure(
                "R² of the whole model (Bayesian)",
                "share of variance",
                short="Bayesian R²",
                sentence="The model explains {mean} of the variance of the outcome (Bayesian R²; {interval}).",
            )
        }
    )

    @override
    def estimates(self, analysis: Analysis) -> Iterator[Estimate]:
        yield self.row(
            analysis,
            "bayesian_r2",
            analysis.spread.explained / analysis.spread.total,
            denominator="explained + residual variance",
            population="sample",
            note=analysis.infinite_variance,
        )


BAYESIAN_R2 = BayesianR2()


def _residual(analysis: Analysis) -> np.ndarray:
    """Residual variance on the scale of the linear predictor, shape (n_draws,)."""
    fit, design = analysis.fit, analysis.fit.design
    rows = Averages(
        mean=lambda: analysis.averages([analysis.counterfactuals.of()])[:, 0],
        residual=lambda: analysis.spread.residual,
        shares=design.residual_shares,
    )
    parameters = dict(fit.parameters)
    if design.sigma is not None:
        # What is asked for is a mean over the rows of its square.
        parameters["sigma"] = np.sqrt(mean_square_sigma(fit))
    return np.broadcast_to(design.family.predictor_variance(parameters, design.outcome, rows), analysis.n_draws)


def _new_level(
    analysis: Analysis, factor: str, among: np.ndarray | slice = slice(None)
) -> tuple[np.ndarray, np.ndarray]:
    """Variance of a new level's effect on a person, and its covariance between two people, each of shape (n_draws,)."""
    fit = analysis.fit
    covariances = fit.level_covariance(factor)
    z = fit.design.rows.z[factor][among]
    weights = np.ones(len(z)) if fit.design.weights is None else fit.design.weights[among]
    weighted, total = z * weights[:, None], weights.sum()
    mean = weighted.sum(axis=0) / total

    def spread(moments: np.ndarray) -> np.ndarray:
        return np.asarray(np.einsum("dst,st->d", covariances, moments))

    return spread(z.T @ weighted / total), spread(np.outer(mean, mean))


def _lies_within(fit: FittedModel, factor: str, other: str) -> bool:
    """Whether every level of a factor has people of one level of another factor only."""
    inner, outer = (fit.design.levels_of(name)[0] for name in (factor, other))
    return lies_within(inner, outer)
