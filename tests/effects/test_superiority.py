"""Superiority, medians and ceilings of predicted distributions, against sums over all rows and simulation."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import override

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from alliance_bayes.effects import EffectTable, adjusted_means, responders, superiority
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import FAMILIES, Outcome
from alliance_bayes.model.families import Draws
from alliance_bayes.model.families.poisson import Poisson
from builders import fitted, of_family, rows

LEVELS = ("coach", "therapist", "both")
LOGIT = {"means": {"beta": 0.1, "phi": 6.0}, "sds": {"beta": 0.1, "u_country": 0.3, "u_provider_type": 0.6}}
POINTS = {"means": {"nu": 5.0}, "sds": {"beta": 0.3, "u_country": 3.0, "u_provider_type": 8.0}}
RATING = {
    "means": {"beta": [4.9, 0.0], "sigma": 0.7},
    "sds": {"beta": [0.1, 0.01], "u_country": 0.1, "u_provider_type": 0.3},
}
# Interpolation of probabilities below 1e-6, cells below 1e-5.
ATOL = 1e-5


def built(family: str, n: int = 60, countries: int = 3, **spec: object) -> FittedModel:
    frame, options = of_family(rows(n, countries=countries, seed=3), family)
    formula = "who5_followup ~ alliance + (1 | provider_type) + (1 | country)"
    shape: dict[str, object] = dict(LOGIT if FAMILIES[family].discrete else POINTS)
    if family == "censored_gaussian":
        formula, shape = "alliance ~ age + (1 | provider_type) + (1 | country)", dict(RATING)
    return fitted(frame, formula=formula, chains=2, draws=6, spec=options | spec, **shape)  # type: ignore[arg-type]


def at(fit: FittedModel, level: str) -> tuple[np.ndarray, np.ndarray]:
    """Linear predictors (n_draws, n) and residual SDs with everybody at a level."""
    frame = fit.design.frame.copy()
    frame["provider_type"] = pd.Series([level] * len(frame)).astype(str)
    placed = fit.design.evaluate(frame)
    sigma = fit.stacked.get("sigma", np.ones(12))
    sigma = sigma[:, None] if sigma.ndim == 1 else sigma[:, placed.residual]
    return fit.linear_predictor(placed), np.broadcast_to(sigma, (12, placed.n))


def masses(fit: FittedModel, level: str) -> np.ndarray:
    """Probabilities of the levels of a discrete outcome, shape (n_draws, n_levels)."""
    eta, _ = at(fit, level)
    p = 1 / (1 + np.exp(-eta))
    if fit.spec.family == "bernoulli":
        return np.stack([1 - p.mean(axis=1), p.mean(axis=1)], axis=1)
    if fit.spec.family == "beta_binomial":
        phi = fit.stacked["phi"][:, None]
        return np.stack([stats.betabinom.pmf(k, 25, p * phi, (1 - p) * phi).mean(axis=1) for k in range(26)], axis=1)
    if fit.design.family.link == "log":
        mean, counts = np.exp(eta)[..., None], np.arange(401)
        if fit.spec.family == "poisson":
            return stats.poisson.pmf(counts, mean).mean(axis=1)
        alpha = fit.stacked["alpha"][:, None, None]
        return stats.nbinom.pmf(counts, alpha, alpha / (alpha + mean)).mean(axis=1)
    above = 1 / (1 + np.exp(fit.stacked["cutpoints"][:, None, :] - eta[..., None]))
    return -np.diff(above.mean(axis=1), axis=1, prepend=1.0, append=0.0)


def draws(table: EffectTable, estimand: str, level: str, versus: str | None = None) -> np.ndarray:
    same = table["versus"].isna() if versus is None else table["versus"] == versus
    (name,) = table.index[(table["estimand"] == estimand) & (table["level"] == level) & same]
    return table.draws[name].ravel()


@pytest.mark.parametrize("family", ["cumulative", "beta_binomial", "bernoulli", "poisson", "negative_binomial"])
def test_levels_of_discrete_families_are_counted(family: str) -> None:
    fit = built(family)
    table = superiority(fit, "provider_type", population="sample")
    a, b = masses(fit, "both"), masses(fit, "coach")
    values = np.arange(401.0) if fit.design.outcome.levels is None else fit.design.outcome.levels
    expected = (a[:, :, None] * b[:, None, :] * (np.sign(values[:, None] - values) + 1) / 2).sum(axis=(1, 2))
    np.testing.assert_allclose(draws(table, "probability_of_superiority", "both", "coach"), expected, rtol=0, atol=ATOL)
    if family == "bernoulli":
        assert set(table["estimand"]) == {"probability_of_superiority"}
        means = adjusted_means(fit, "provider_type", population="sample")
        difference = draws(means, "mean", "both") - draws(means, "mean", "coach")
        np.testing.assert_allclose(expected, (1 + difference) / 2, rtol=0, atol=ATOL)
        return
    if fit.design.outcome.levels is None:
        # Counts have no ceiling.
        assert "share_at_ceiling" not in set(table["estimand"])
    else:
        np.testing.assert_allclose(draws(table, "share_at_ceiling", "both"), a[:, -1], rtol=0, atol=ATOL)
    median = values[(np.cumsum(a, axis=1) >= 0.5).argmax(axis=1)]
    np.testing.assert_array_equal(draws(table, "predictive_median", "both"), median)


@pytest.mark.parametrize("residual_by", [None, "provider_type"])
def test_a_gaussian_is_the_average_over_all_pairs_of_rows(residual_by: str | None) -> None:
    fit = built("gaussian", residual_by=residual_by)
    table = superiority(fit, "provider_type", population="sample")
    assert table["estimand"].tolist() == ["predictive_median"] * 3 + ["probability_of_superiority"] * 3
    assert table["unit"].tolist() == ["WHO-5 point"] * 3 + ["probability"] * 3
    for level, versus in (("therapist", "coach"), ("both", "coach"), ("both", "therapist")):
        (a, sd_a), (b, sd_b) = at(fit, level), at(fit, versus)
        sd = np.sqrt(sd_a[:, :, None] ** 2 + sd_b[:, None, :] ** 2)
        expected = stats.norm.cdf((a[:, :, None] - b[:, None, :]) / sd).mean(axis=(1, 2))
        np.testing.assert_allclose(
            draws(table, "probability_of_superiority", level, versus), expected, rtol=0, atol=ATOL
        )
    median = draws(table, "predictive_median", "both")
    eta, sd = at(fit, "both")
    # Linear between points an eighth of an SD apart: a hundredth of an SD at the very most, by the density's slope.
    below = stats.norm.cdf((median[:, None] - eta) / sd).mean(axis=1)
    np.testing.assert_allclose(below, 0.5, rtol=0, atol=0.001)


class Waiting(Poisson):
    """An exponential distribution: continuous, without a residual SD."""

    discrete = False

    @override
    def residual_variance(self, eta: np.ndarray, own: Draws, outcome: Outcome) -> np.ndarray:
        return np.exp(2 * eta)

    @override
    def level_probability(self, eta: np.ndarray, own: Draws, outcome: Outcome, step: float) -> np.ndarray:
        raise NotImplementedError

    @override
    def exceedance(self, eta: np.ndarray, own: Draws, outcome: Outcome, codes: np.ndarray) -> np.ndarray:
        return np.exp(-codes * np.exp(-eta)[..., None])


def test_a_continuous_family_needs_no_residual_sd() -> None:
    counts = built("poisson")
    fit = replace(counts, design=replace(counts.design, family=Waiting()))
    shares = responders(fit, at_least=2.5, step=None, factor="provider_type", population="sample")
    table = superiority(fit, "provider_type", population="sample")
    a, b = (np.exp(at(fit, level)[0]) for level in ("both", "coach"))
    expected = np.exp(-2.5 / a).mean(axis=1)
    np.testing.assert_allclose(draws(shares, "share_at_least", "both"), expected, rtol=0, atol=ATOL)
    expected = (a[:, :, None] / (a[:, :, None] + b[:, None, :])).mean(axis=(1, 2))
    # Cells of an eighth of an SD, in which the densities are taken for straight lines.
    np.testing.assert_allclose(draws(table, "probability_of_superiority", "both", "coach"), expected, rtol=0, atol=1e-4)
    above = np.exp(-draws(table, "predictive_median", "both")[:, None] / a).mean(axis=1)
    # The cells are those of the typical draw, and coarse for one that varies less.
    np.testing.assert_allclose(above, 0.5, rtol=0, atol=0.005)


@pytest.mark.slow
def test_a_student_t_is_integrated() -> None:
    fit = built("student_t")
    table = superiority(fit, "provider_type", population="sample")
    (a, sd), (b, _) = at(fit, "both"), at(fit, "coach")
    nu = fit.stacked["nu"][:, None]
    grid = np.linspace(-3000, 3000, 120_001)
    for draw in (0, 7):
        above = [stats.t.sf(grid[:, None], nu[draw], a[draw], sd[draw]).mean(axis=1)]
        below = stats.t.cdf(grid[:, None], nu[draw], b[draw], sd[draw]).mean(axis=1)
        # Cells of 0.05 points, a third of a hundredth of an SD.
        middle = (below[1:] + below[:-1]) / 2
        expected = float(-(np.diff(above[0]) * middle).sum())
        # What lies beyond six SDs counts as tied: some 1e-4 of either side at 5 degrees of freedom.
        assert draws(table, "probability_of_superiority", "both", "coach")[draw] == pytest.approx(expected, abs=5e-5)


def test_a_censored_rating_has_its_ceiling_and_ties_there() -> None:
    fit = built("censored_gaussian")
    table = superiority(fit, "provider_type", population="sample")
    assert table["unit"].iloc[0] == "alliance point"
    rng = np.random.default_rng(1)
    (a, sd), (b, _) = at(fit, "both"), at(fit, "coach")
    ceiling = stats.norm.sf((5 - a) / sd).mean(axis=1)
    np.testing.assert_allclose(draws(table, "share_at_ceiling", "both"), ceiling, rtol=0, atol=ATOL)
    found = draws(table, "probability_of_superiority", "both", "coach")
    medians = draws(table, "predictive_median", "both")
    n = 400_000
    for draw in (0, 5):
        x, y = (np.clip(rng.normal(eta[draw, rng.integers(60, size=n)], sd[draw, 0]), 1, 5) for eta in (a, b))
        simulated = (x > y).mean() + (x == y).mean() / 2
        # Four standard errors of a share of 400,000 pairs.
        assert found[draw] == pytest.approx(simulated, abs=4 * 0.5 / np.sqrt(n))
        # The simulated median's standard error is 0.5 / (density of about 0.4 x sqrt(n)) = 0.002.
        assert medians[draw] == pytest.approx(np.median(x), abs=0.01)
    assert (medians <= 5).all()


@pytest.mark.parametrize("family", [name for name in FAMILIES if not FAMILIES[name].has_trials])
def test_turning_a_pair_round_gives_one_minus_it(family: str) -> None:
    fit = built(family)
    there = superiority(fit, "provider_type", levels=("coach", "both"), population="sample")
    back = superiority(fit, "provider_type", levels=("both", "coach"), population="sample")
    one = draws(there, "probability_of_superiority", "both", "coach")
    other = draws(back, "probability_of_superiority", "coach", "both")
    # Rounding only: the sums are the same.
    np.testing.assert_allclose(one + other, 1.0, rtol=0, atol=1e-12)
    assert ((one > 0) & (one < 1)).all()


def test_more_than_twelve_levels_are_compared_with_all_others() -> None:
    fit = built("cumulative", n=90, countries=13)
    table = superiority(fit, "country", population="sample")
    compared = table[table["estimand"] == "probability_of_superiority"]
    assert set(compared["versus"]) == {"(all others)"}
    assert compared["level"].tolist() == [f"C{k}" for k in range(13)]
    names = [f"C{k}" for k in range(13)]
    pairs = superiority(fit, "country", levels=names, population="sample")
    shares = fit.design.frame["country"].value_counts().reindex(names).to_numpy() / 90
    expected = np.zeros(12)
    for k, name in enumerate(names[:-1]):
        expected += shares[k] * draws(pairs, "probability_of_superiority", "C12", name)
    # Superiority over a mixture is the mixture of superiorities.
    np.testing.assert_allclose(
        draws(table, "probability_of_superiority", "C12", "(all others)"),
        expected / (1 - shares[12]),
        rtol=0,
        atol=1e-9,
    )


def test_what_cannot_be_asked() -> None:
    fit = built("cumulative")
    message = (
        "population 'new' puts one new level in place of those of the sampled factor 'country', so there is nothing to "
        "compare. Use population='sample' or 'equal'."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        superiority(fit, "country", population="new")
    message = "'age' is not a factor of this model. Its factors: provider_type, country."
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        superiority(fit, "age", population="sample")
    assert len(superiority(fit, "provider_type", population="new")) == 9
