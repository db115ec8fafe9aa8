"""Families: log densities, expectations, variances and draws agree with each other and with SciPy."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from alliance_bayes.errors import DataError
from alliance_bayes.model import FAMILIES, Outcome, Scale
from alliance_bayes.model.trials import trials_of

LEVELS = np.arange(0, 21, 4.0)  # six levels, in steps of 4
ETA = np.array([[-1.2, 0.3, 2.0]])
PARAMETERS = {
    "gaussian": {"sigma": np.array([2.0])},
    "student_t": {"sigma": np.array([2.0]), "nu": np.array([5.0])},
    "censored_gaussian": {"sigma": np.array([2.0])},
    "beta_binomial": {"phi": np.array([3.0])},
    "cumulative": {"cutpoints": np.array([[-2.0, -0.5, 0.1, 0.2, 3.0]])},
    "bernoulli": {},
    "binomial": {},
    "poisson": {},
    "negative_binomial": {"alpha": np.array([3.0])},
}
COUNTS = ("poisson", "negative_binomial")
TRIALS = np.array([1.0, 7.0, 30.0])


def outcome(family: str, y: np.ndarray) -> Outcome:
    if family in ("beta_binomial", "cumulative"):
        return Outcome("y", LEVELS[y.astype(int)], y, LEVELS, 0.0, 20.0)
    if family == "bernoulli":
        return Outcome("y", y, y, np.array([0.0, 1.0]), 0.0, 1.0)
    if family == "binomial":
        return FAMILIES[family].prepare("y", y, None, TRIALS)
    if family in COUNTS:
        return Outcome("y", y, y, None, 0.0, None)
    limits = (-1.0, 2.5) if family == "censored_gaussian" else (None, None)
    return Outcome("y", y, y, None, *limits)


@pytest.mark.parametrize("family", ["beta_binomial", "cumulative", "bernoulli", *COUNTS])
def test_masses_sum_to_one_and_give_mean_and_variance(family: str) -> None:
    # Of counts as many as leave out less than 1e-13 of the mass and of its second moment.
    codes = np.arange(2 if family == "bernoulli" else 400 if family in COUNTS else LEVELS.size)
    values = LEVELS if family in ("beta_binomial", "cumulative") else codes.astype(float)
    mass = np.exp(
        [FAMILIES[family].log_density(ETA, PARAMETERS[family], outcome(family, np.full(3, k, float)))[0] for k in codes]
    )
    np.testing.assert_allclose(mass.sum(axis=0), 1.0, rtol=1e-12)
    mean = values @ mass
    made = outcome(family, np.zeros(3))
    np.testing.assert_allclose(FAMILIES[family].expectation(ETA, PARAMETERS[family], made)[0], mean, rtol=1e-12)
    np.testing.assert_allclose(
        FAMILIES[family].residual_variance(ETA, PARAMETERS[family], made)[0], values**2 @ mass - mean**2, rtol=1e-10
    )


def test_binomials_are_scipys_and_with_one_trial_bernoullis() -> None:
    family, one = FAMILIES["binomial"], np.ones(3)
    made = outcome("binomial", np.array([0.0, 3.0, 30.0]))
    p = special.expit(ETA)
    law = stats.binom(TRIALS, p)
    np.testing.assert_allclose(family.log_density(ETA, {}, made), law.logpmf(made.coded), rtol=1e-10)
    np.testing.assert_allclose(made.values, made.coded / TRIALS, rtol=0, atol=0)
    np.testing.assert_allclose(family.residual_variance(ETA, {}, made), law.var() / TRIALS**2, rtol=1e-12)
    low, high = family.cumulative_bounds(ETA, {}, made, None)
    np.testing.assert_allclose(low, law.cdf(made.coded - 1), rtol=1e-10)
    np.testing.assert_allclose(high, law.cdf(made.coded), rtol=1e-10)
    events = np.array([0.0, 1.0, 1.0])
    of_one, bernoulli = family.prepare("y", events, None, one), outcome("bernoulli", events)
    for name in ("expectation", "residual_variance", "log_density"):
        np.testing.assert_allclose(
            getattr(family, name)(ETA, {}, of_one), getattr(FAMILIES["bernoulli"], name)(ETA, {}, bernoulli), rtol=1e-14
        )


def test_binomial_counts_are_within_the_trials() -> None:
    with pytest.raises(DataError) as error:
        FAMILIES["binomial"].prepare("kept", np.array([0.0, 4.0, 1.5]), None, np.array([2.0, 3.0, 3.0]))
    assert [(p.row, p.what) for p in error.value.problems] == [
        (1, "is not a count from 0 to the number of trials"),
        (2, "is not a count from 0 to the number of trials"),
    ]
    with pytest.raises(DataError) as error:
        trials_of(pd.DataFrame({"asked": [2.0, 0.0, 3.5]}), "asked")
    assert [(p.column, p.row, p.what) for p in error.value.problems] == [
        ("asked", 1, "is not a number of trials (1, 2, ...)"),
        ("asked", 2, "is not a number of trials (1, 2, ...)"),
    ]


def test_continuous_densities_are_scipys() -> None:
    y = np.array([-3.0, 0.5, 9.0])
    gaussian = FAMILIES["gaussian"].log_density(ETA, PARAMETERS["gaussian"], outcome("gaussian", y))
    np.testing.assert_allclose(gaussian, stats.norm.logpdf(y, ETA, 2.0), rtol=1e-12)
    student = FAMILIES["student_t"].log_density(ETA, PARAMETERS["student_t"], outcome("student_t", y))
    np.testing.assert_allclose(student, stats.t.logpdf(y, 5.0, ETA, 2.0), rtol=1e-12)
    np.testing.assert_allclose(
        FAMILIES["student_t"].residual_variance(ETA, PARAMETERS["student_t"], outcome("student_t", y)), 4 * 5 / 3
    )


def test_a_student_t_with_two_degrees_of_freedom_has_no_variance() -> None:
    parameters = {"sigma": np.array([2.0]), "nu": np.array([2.0])}
    assert np.isinf(FAMILIES["student_t"].residual_variance(ETA, parameters, outcome("student_t", np.zeros(3)))).all()


def test_censoring_puts_the_tails_on_the_limits() -> None:
    made = outcome("censored_gaussian", np.array([-1.0, 0.5, 2.5]))
    got = FAMILIES["censored_gaussian"].log_density(ETA, PARAMETERS["censored_gaussian"], made)[0]
    expected = [
        stats.norm.logcdf(-1.0, ETA[0, 0], 2.0),
        stats.norm.logpdf(0.5, ETA[0, 1], 2.0),
        stats.norm.logsf(2.5, ETA[0, 2], 2.0),
    ]
    np.testing.assert_allclose(got, expected, rtol=1e-10)


def test_censored_moments_are_those_of_the_integral() -> None:
    made, parameters = outcome("censored_gaussian", np.zeros(3)), PARAMETERS["censored_gaussian"]
    grid = np.linspace(-1.0, 2.5, 200_001)
    for k, eta in enumerate(ETA[0]):
        density = stats.norm.pdf(grid, eta, 2.0)
        below, above = stats.norm.cdf(-1.0, eta, 2.0), stats.norm.sf(2.5, eta, 2.0)
        mean = np.trapezoid(grid * density, grid) - 1.0 * below + 2.5 * above
        square = np.trapezoid(grid**2 * density, grid) + 1.0 * below + 6.25 * above
        # The trapezoid rule with this step is exact to about 1e-10.
        np.testing.assert_allclose(
            FAMILIES["censored_gaussian"].expectation(ETA, parameters, made)[0, k], mean, rtol=1e-8
        )
        np.testing.assert_allclose(
            FAMILIES["censored_gaussian"].residual_variance(ETA, parameters, made)[0, k], square - mean**2, rtol=1e-7
        )


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_simulated_outcomes_have_the_stated_mean_and_variance(family: str) -> None:
    n = 40_000
    rng = np.random.default_rng(11)
    eta = np.repeat(ETA, n, axis=0)
    parameters = {name: np.repeat(values, n, axis=0) for name, values in PARAMETERS[family].items()}
    made = outcome(family, np.zeros(3))
    drawn = FAMILIES[family].simulate(eta, parameters, made, rng)
    mean = FAMILIES[family].expectation(ETA, PARAMETERS[family], made)[0]
    variance = FAMILIES[family].residual_variance(ETA, PARAMETERS[family], made)[0]
    # 4.5 standard errors: below 1e-5 by chance for each of the 27 means, at a fixed seed.
    assert np.all(np.abs(drawn.mean(axis=0) - mean) < 4.5 * np.sqrt(variance / n))
    deviation = (drawn - mean) ** 2
    assert np.all(np.abs(deviation.mean(axis=0) - variance) < 4.5 * deviation.std(axis=0) / np.sqrt(n))
    if made.levels is not None:
        assert np.isin(drawn, made.levels).all()


def test_far_tails_of_an_ordinal_model_stay_finite() -> None:
    parameters = {"cutpoints": np.array([[-2.0, -0.5, 0.1, 0.2, 3.0]])}
    eta = np.array([[-60.0, 60.0]])
    got = FAMILIES["cumulative"].log_density(eta, parameters, outcome("cumulative", np.array([5.0, 0.0])))
    # P(Y = top | eta = -60) = expit(-63); P(Y = bottom | eta = 60) = expit(-62).
    np.testing.assert_allclose(got[0], special.log_expit([-63.0, -62.0]), rtol=1e-12)


@pytest.mark.parametrize("alpha", [1e-3, 0.7, 40.0, 1e6, 1e12])
@pytest.mark.parametrize("y", [0, 1, 63, 64, 65, 5000])
def test_negative_binomials_keep_their_digits(alpha: float, y: int) -> None:
    made = Outcome("y", *[np.array([float(y)])] * 2, None, 0.0, None)
    for mean in (1e-6, 0.3, 70.0, 1e5):
        with localcontext() as context:
            context.prec = 60
            a, mu, ways = Decimal(alpha), Decimal(mean), Decimal(1)
            for j in range(y):
                ways *= (a + j) / (j + 1)
            log_p = ways.ln() + a * (a / (a + mu)).ln() + y * (mu / (a + mu)).ln()
        got = FAMILIES["negative_binomial"].log_density(np.log([[mean]]), {"alpha": np.array([alpha])}, made)
        # Rounding of the terms: SciPy's beta function is a difference of log gammas (1e7) up to 1e6.
        rounding = 4e-9 + 1e-14 * y * np.log1p(alpha / mean)
        assert got[0, 0] == pytest.approx(float(log_p), rel=1e-10, abs=rounding)


@pytest.mark.parametrize("family", COUNTS)
def test_counts_are_whole_and_not_negative(family: str) -> None:
    with pytest.raises(DataError) as error:
        FAMILIES[family].prepare("visits", np.array([0.0, 1.5, 3.0, -1.0]), None)
    assert [(p.row, p.value, p.what) for p in error.value.problems] == [
        (1, 1.5, "is not a count (0, 1, 2, ...)"),
        (3, -1.0, "is not a count (0, 1, 2, ...)"),
    ]


@pytest.mark.parametrize("family", COUNTS)
def test_priors_far_too_wide_give_counts_all_the_same(family: str) -> None:
    made = Outcome("y", *[np.zeros(2)] * 2, None, 0.0, None)
    drawn = FAMILIES[family].simulate(np.array([[800.0, -800.0]]), PARAMETERS[family], made, np.random.default_rng(1))
    assert np.isfinite(drawn).all()
    assert drawn[0, 1] == 0.0


@pytest.mark.parametrize("family", COUNTS)
def test_a_prior_of_counts_says_where_its_scale_comes_from(family: str) -> None:
    visits = Scale(mean=4.0, sd=2.0, reason="a survey")
    stated = FAMILIES[family].intercept(visits)
    assert stated is not None
    assert stated.prior.parameters == pytest.approx((np.log(4.0), 1.0))
    assert stated.reason == "log of the expected count; covers 0.54 to 30; a survey"
