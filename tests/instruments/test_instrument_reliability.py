from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from alliance_bayes.errors import DataError, UsageError
from alliance_bayes.instruments import ALLIANCE2, WAI_S, cronbach_alpha, mcdonald_omega, recode, spearman_brown
from alliance_bayes.instruments.reliability import one_factor

LOADINGS = np.array([0.8, 0.7, 0.6, 0.5])
# (sum of loadings)^2 = 2.6^2; uniquenesses 0.36 + 0.51 + 0.64 + 0.75.
OMEGA = 6.76 / (6.76 + 2.26)


def model(loadings: np.ndarray, uniquenesses: np.ndarray) -> np.ndarray:
    return np.outer(loadings, loadings) + np.diag(uniquenesses)


def people(covariance: np.ndarray, n: int, seed: int = 1) -> np.ndarray:
    """Answers whose sample covariance is exactly the one given."""
    raw = np.random.default_rng(seed).normal(size=(n, len(covariance)))
    raw -= raw.mean(axis=0)
    whitened = raw @ np.linalg.inv(np.linalg.cholesky(np.cov(raw, rowvar=False))).T
    return whitened @ np.linalg.cholesky(covariance).T


def test_alpha_by_hand():
    # Item variances 5/3 and 4/3; totals 3, 4, 7, 8 have variance 17/3: alpha = 2 (1 - 3 / (17/3)).
    result = cronbach_alpha([[1, 2], [2, 2], [3, 4], [4, 4]])
    assert result.value == pytest.approx(16 / 17, rel=1e-12)
    assert (result.coefficient, result.n, result.n_left_out, result.n_items) == ("alpha", 4, 0, 2)
    assert (result.prob, result.interval, result.note) == (0.95, "confidence interval, Feldt", None)


def test_feldts_interval_by_hand():
    # Three people and two items: F(2, 2) has the distribution function x / (1 + x), so its quantiles are 1/19 and 19.
    result = cronbach_alpha([[1, 1], [2, 3], [3, 2]], prob=0.9)
    assert (result.value, result.lower, result.upper) == pytest.approx((2 / 3, 1 - 19 / 3, 1 - 1 / 57), rel=1e-9)


def test_feldts_interval_covers_at_its_level():
    rng = np.random.default_rng(20)
    covered = 0
    for _ in range(1000):
        # Equal loadings and uniquenesses: three parallel items of reliability 0.75 together.
        answers = rng.normal(size=(30, 1)) + rng.normal(size=(30, 3))
        result = cronbach_alpha(answers, prob=0.8)
        covered += result.lower < 0.75 < result.upper
    # Four standard errors of a share of 0.8 in 1000 trials.
    assert abs(covered / 1000 - 0.8) < 4 * math.sqrt(0.8 * 0.2 / 1000)


def test_alpha_of_parallel_items_is_their_omega():
    answers = people(model(np.full(4, 0.7), np.full(4, 0.51)), n=40)
    omega = 2.8**2 / (2.8**2 + 4 * 0.51)
    assert cronbach_alpha(answers).value == pytest.approx(omega, rel=1e-12)
    # Four millionths: the factor model is found by a search that stops near there.
    assert mcdonald_omega(answers).value == pytest.approx(omega, abs=4e-6)


@given(hnp.arrays(np.int64, st.tuples(st.integers(5, 12), st.integers(2, 5)), elements=st.integers(1, 5)), st.data())
@settings(deadline=None)
def test_alpha_does_not_depend_on_the_order_or_the_common_scale(items, data):
    first = cronbach_alpha(items)
    order = data.draw(st.permutations(range(items.shape[1])))
    again = cronbach_alpha(items[::-1, order] * 3 + 2)
    # Rounding is amplified where the total's variance is small against the items'.
    assert again.value == pytest.approx(first.value, rel=1e-6, abs=1e-9, nan_ok=True)
    assert not first.value > 1 + 1e-12


def test_people_with_missing_items_are_left_out_and_counted():
    items = pd.DataFrame({"goal": [1, 2, 3, 4, np.nan], "bond": [2, 2, 4, 4, 5]})
    result = cronbach_alpha(items, ALLIANCE2)
    assert (result.value, result.n, result.n_left_out) == (pytest.approx(16 / 17, rel=1e-12), 4, 1)
    assert str(result) == (
        "Cronbach's alpha: 0.94 [0.09, 1.00] (95% confidence interval, Feldt; 2 items, n = 4, "
        "1 left out for missing items)"
    )


def test_an_instrument_recodes_its_reversed_items():
    rng = np.random.default_rng(3)
    liking = rng.integers(1, 6, size=(60, 1)) + rng.integers(0, 3, size=(60, 12))
    as_answered = recode(liking, WAI_S)
    assert cronbach_alpha(as_answered, WAI_S).value == pytest.approx(cronbach_alpha(liking).value, rel=1e-12)
    assert mcdonald_omega(as_answered, WAI_S).value == pytest.approx(mcdonald_omega(liking).value, rel=1e-12)
    assert cronbach_alpha(as_answered).value < cronbach_alpha(liking).value - 0.1


def test_one_factor_returns_the_loadings_that_made_the_covariance():
    scales = np.array([1.0, 10.0, 0.1, 3.0])
    fit = one_factor(model(LOADINGS * scales, (1 - LOADINGS**2) * scales**2))
    assert fit.converged
    assert fit.improper == ()
    # The search stops where the gradient is below 1e-9 or progress below rounding: six digits hold.
    np.testing.assert_allclose(fit.loadings, LOADINGS * scales, rtol=1e-6)
    np.testing.assert_allclose(fit.uniquenesses, (1 - LOADINGS**2) * scales**2, rtol=1e-6)


def test_one_factor_reproduces_the_published_fit_of_the_ability_data():
    # Covariances of six ability tests, n = 112 (Smith & Stanley 1983, Intelligence 7:353-368), and the uniquenesses
    # and loadings that the manual of R's factanal prints for one factor, to its three digits.
    lower = """
        24.641
        5.991 6.700
        33.520 18.137 149.831
        6.023 1.782 19.424 12.711
        20.755 4.936 31.430 4.757 52.604
        29.701 7.204 50.753 9.075 66.762 135.292"""
    covariance = np.zeros((6, 6))
    covariance[np.tril_indices(6)] = [float(number) for number in lower.split()]
    covariance += np.tril(covariance, -1).T
    fit = one_factor(covariance)
    variances = np.diag(covariance)
    np.testing.assert_allclose(fit.uniquenesses / variances, [0.535, 0.853, 0.748, 0.910, 0.232, 0.280], atol=5e-4)
    np.testing.assert_allclose(fit.loadings / np.sqrt(variances), [0.682, 0.384, 0.502, 0.300, 0.877, 0.849], atol=5e-4)


def test_omega_from_known_loadings():
    result = mcdonald_omega(people(model(LOADINGS, 1 - LOADINGS**2), n=200))
    # As above: the search leaves an error of about 1e-8 in the loadings.
    assert result.value == pytest.approx(OMEGA, abs=1e-6)
    assert (result.coefficient, result.n, result.n_items, result.note) == ("omega", 200, 4, None)
    assert str(result) == (
        "McDonald's omega (total, one factor): 0.75 [0.69, 0.80] (95% confidence interval, delta method on the logit "
        "scale; 4 items, n = 200, 0 left out for missing items)"
    )


def test_omegas_standard_error_is_that_of_the_general_formula():
    covariance = model(LOADINGS, 1 - LOADINGS**2)

    def implied(parameters: np.ndarray) -> np.ndarray:
        return model(parameters[:4], parameters[4:])

    def logit(parameters: np.ndarray) -> float:
        return 2 * math.log(parameters[:4].sum()) - math.log(parameters[4:].sum())

    at = np.concatenate([LOADINGS, 1 - LOADINGS**2])
    steps = 1e-5 * np.eye(8)
    slopes = [np.linalg.solve(covariance, implied(at + h) - implied(at - h)) / 2e-5 for h in steps]
    information = 199 / 2 * np.array([[np.trace(one @ other) for other in slopes] for one in slopes])
    gradient = np.array([(logit(at + h) - logit(at - h)) / 2e-5 for h in steps])
    expected = math.sqrt(gradient @ np.linalg.solve(information, gradient))
    # Central differences of quadratics are exact but for rounding, about 1e-16 / 1e-5; the fit adds 1e-8.
    assert one_factor(covariance).omega_logit_sd(200) == pytest.approx(expected, rel=1e-6)


def test_omegas_interval_covers_at_its_level():
    rng = np.random.default_rng(21)
    covered = 0
    for _ in range(100):
        answers = rng.normal(size=(200, 1)) * LOADINGS + rng.normal(size=(200, 4)) * np.sqrt(1 - LOADINGS**2)
        result = mcdonald_omega(answers, prob=0.8)
        covered += result.lower < OMEGA < result.upper
    # Four standard errors of a share of 0.8 in 100 trials.
    assert abs(covered / 100 - 0.8) < 4 * math.sqrt(0.8 * 0.2 / 100)


def test_an_item_that_points_the_other_way_is_named():
    answers = people(model(LOADINGS * [1, 1, 1, -1], 1 - LOADINGS**2), n=100)
    result = mcdonald_omega(pd.DataFrame(answers, columns=list("abcd")))
    assert result.value == pytest.approx(1.6**2 / (1.6**2 + 2.26), abs=1e-6)
    assert result.note == "Loading against the others: d; recode what is reversed."
    assert cronbach_alpha([[1, 5], [2, 3], [4, 2], [5, 2]]).note == (
        "A negative value means that items point in different directions; recode what is reversed."
    )


def test_a_heywood_case_has_a_value_but_no_interval():
    # r12 r13 / r23 = 0.81 / 0.7 > 1: the first item would need more common variance than it has.
    covariance = np.array([[1, 0.9, 0.9], [0.9, 1, 0.7], [0.9, 0.7, 1]])
    result = mcdonald_omega(pd.DataFrame(people(covariance, n=80), columns=list("abc")))
    assert 0 < result.value < 1
    assert math.isnan(result.lower)
    assert math.isnan(result.upper)
    assert result.note == "The factor explains all of a (a Heywood case), so there is no interval."
    assert str(result) == (
        f"McDonald's omega (total, one factor): {result.value:.2f} (3 items, n = 80, 0 left out for missing items). "
        "The factor explains all of a (a Heywood case), so there is no interval."
    )


def test_two_items_have_no_omega_and_the_result_says_why():
    result = mcdonald_omega([[1, 2], [2, 2], [3, 4], [4, 4]], ALLIANCE2)
    assert math.isnan(result.value)
    assert str(result) == (
        "McDonald's omega (total, one factor): not available (2 items, n = 4, 0 left out for missing items). "
        "One factor is not identified by two items. Use alpha or the Spearman-Brown coefficient, which are equal to "
        "omega when both items have the same loading and the same uniqueness."
    )


def test_spearman_brown_by_hand():
    items = [[1, 2], [2, 1], [3, 4], [4, 3]]  # both variances 5/3, r = 0.6
    # At this level the interval reaches log(2) either way of Fisher's z, which is log(2): r from 0 to 15/17.
    prob = math.erf(math.log(2) / math.sqrt(2))
    result = spearman_brown(items, ALLIANCE2, prob=prob)
    assert (result.value, result.upper) == pytest.approx((0.75, 30 / 32), rel=1e-12)
    assert result.lower == pytest.approx(0, abs=1e-12)
    assert cronbach_alpha(items).value == pytest.approx(0.75, rel=1e-12)


def test_spearman_brown_exceeds_alpha_when_variances_differ():
    items = [[1, 1], [2, 1], [3, 1], [4, 2], [5, 2]]
    assert spearman_brown(items).value > cronbach_alpha(items).value + 0.05


@pytest.mark.parametrize(
    ("result", "note"),
    [
        (cronbach_alpha([[1, 2]]), "Variances need at least 2 people with every item, not 1."),
        (
            cronbach_alpha([[1, 2], [2, 1], [3, 0]]),
            "Everybody has the same total, so there is no variance to explain.",
        ),
        (mcdonald_omega([[1, 2, 3], [3, 2, 1], [2, 2, 5]]), "3 items need more than 3 people with every item, not 3."),
        (
            mcdonald_omega(pd.DataFrame({"a": [1, 2, 3, 4], "b": [2, 2, 2, 2], "c": [1, 1, 2, 5]})),
            "Everybody gave the same answer to b.",
        ),
        (
            mcdonald_omega([[1, 1, 3], [2, 2, 1], [4, 4, 4], [5, 5, 3]]),
            "Some items are exact combinations of others; leave the duplicates out.",
        ),
        (spearman_brown([[1, 2], [2, 3], [3, 3]]), "Fisher's z needs at least 4 people with every item, not 3."),
        (spearman_brown([[1, 2], [1, 3], [1, 3], [1, 4]]), "Everybody gave the same answer to item_1."),
        (
            spearman_brown([[1, 4], [2, 3], [3, 2], [4, 1]]),
            "The items are exactly collinear, so there is no interval.",
        ),
    ],
)
def test_a_missing_number_comes_with_its_reason(result, note):
    assert math.isnan(result.value)
    assert math.isnan(result.lower)
    assert result.note == note


@pytest.mark.parametrize("loadings", [(0, 0, 0), (0.8, 0.7, 0), (0, 0.6, 0, 0.5)])
def test_items_of_which_fewer_than_three_share_anything_have_no_omega(loadings):
    given = np.array(loadings)
    result = mcdonald_omega(people(model(given, 1 - given**2), n=50))
    assert math.isnan(result.value)
    assert result.note == "Fewer than three items share anything, which does not determine a factor."


def test_loadings_that_cancel_leave_an_omega_of_zero_without_an_interval():
    loadings = np.array([0.7, 0.7, -0.7, -0.7])
    result = mcdonald_omega(pd.DataFrame(people(model(loadings, np.full(4, 0.51)), n=50), columns=list("abcd")))
    # Omega is the square of what the search leaves of the loadings' sum, about 1e-8.
    assert result.value == pytest.approx(0, abs=1e-12)
    assert math.isnan(result.lower)
    assert result.note in {f"Loading against the others: {pair}; recode what is reversed." for pair in ("a, b", "c, d")}


@pytest.mark.parametrize("prob", [0, 1, -0.1, 95, float("nan")])
def test_prob_must_be_a_probability(prob):
    for coefficient in (cronbach_alpha, mcdonald_omega, spearman_brown):
        with pytest.raises(UsageError) as caught:
            coefficient([[1, 2], [2, 1]], prob=prob)
        assert str(caught.value) == (
            f"prob should be in the interval (0, 1) but got {prob!r}. Pass a confidence level such as 0.95."
        )


def test_wrong_tables_are_refused():
    with pytest.raises(UsageError) as caught:
        cronbach_alpha([[1], [2]])
    assert str(caught.value) == (
        "reliability needs at least 2 items, but the table has 1. Pass every item of the scale, one a column."
    )
    with pytest.raises(UsageError) as caught:
        spearman_brown([[1, 2, 3]])
    assert str(caught.value) == (
        "the Spearman-Brown coefficient is of two items, not 3. Use cronbach_alpha or mcdonald_omega."
    )
    with pytest.raises(DataError) as caught:
        cronbach_alpha(pd.DataFrame({"goal": [6, 1], "bond": ["?", "2"]}), ALLIANCE2)
    remedy = "Correct the entry, or leave it empty if the item was not answered."
    assert str(caught.value) == (
        "items: 2 problems found; nothing was analysed.\n"
        f"  - column 'goal', row 0: 6 is outside the range 1 to 5 of ALLIANCE2 items. {remedy}\n"
        f"  - column 'bond', row 0: '?' is not a number. {remedy}"
    )
