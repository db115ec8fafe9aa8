from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alliance_bayes.checks import CHECKS, Context
from alliance_bayes.checks.calibration import _share_below
from builders import rows
from checks.exact import ExactGaussian, Known

FORMULA = "who5_followup ~ alliance + who5_baseline + (1 | country)"


@pytest.fixture(scope="module")
def frame():
    return rows(400, seed=5)


@pytest.fixture(scope="module")
def model(frame):
    return ExactGaussian(frame, FORMULA)


def outcomes(model, frame, noise, seed=0):
    rng = np.random.default_rng(seed)
    mean = 48 + 2.2 * (frame["alliance"] - 4.6) + 0.45 * (frame["who5_baseline"] - 41)
    return np.asarray(mean + model.effects(rng) + noise(rng))


def check(fit, **options):
    return CHECKS["calibration"](Context(fit, **options))


def test_the_loo_pit_is_that_of_the_model_fitted_without_the_row(frame):
    model = ExactGaussian(frame, "who5_followup ~ alliance + who5_baseline")
    y = outcomes(model, frame, lambda rng: rng.normal(0, 15, 400))
    low, high = Context(model.fit(y, draws=1000)).pit_bounds
    np.testing.assert_array_equal(low, high)
    for row in (3, 200):
        keep = np.arange(400) != row
        rest = ExactGaussian(frame[keep], "who5_followup ~ alliance + who5_baseline", centre=dict(model.design.centres))
        without = rest.fit(y[keep], draws=1000, seed=row)
        eta = without.stacked["beta"] @ model.design.rows.x[row]
        # Averages over 1,000 draws of a probability that varies by 0.02 over draws: SE below 0.001.
        assert low[row] == pytest.approx(stats.norm.cdf(y[row], eta, without.stacked["sigma"]).mean(), abs=0.004)


def test_a_score_in_steps_is_an_interval_and_heaping_is_no_misfit(model, frame):
    y = 4 * np.round(outcomes(model, frame, lambda rng: rng.normal(0, 15, 400)) / 4)
    context = Context(model.fit(y))
    low, high = context.pit_bounds
    assert context.step == 4.0
    # Four points under a density with an SD of 15: at most 4 / (15 sqrt(2 pi)).
    assert (high > low).all()
    assert (high - low).max() < 4 / (14 * np.sqrt(2 * np.pi))
    found = CHECKS["calibration"](context)
    assert found.verdict == "pass"
    assert found.sentence.endswith(" Scores in steps of 4 count as the interval of half a step to either side.")


def test_coverage_counts_an_interval_of_values_in_part():
    low, high = np.array([0.0, 0.2, 0.5]), np.array([0.4, 0.2, 0.9])
    assert _share_below(low, high, 0.1) == pytest.approx((0.25 + 0 + 0) / 3)
    assert _share_below(low, high, 0.3) == pytest.approx((0.75 + 1 + 0) / 3)
    assert _share_below(low, high, 0.6) == pytest.approx((1 + 1 + 0.25) / 3)


def test_the_table_holds_the_coverage_of_the_stated_intervals(model, frame):
    found = check(model.fit(outcomes(model, frame, lambda rng: rng.normal(0, 15, 400))), rate=0.05)
    table = found.table
    assert table["interval"].tolist() == [0.5, 0.8, 0.89, 0.95]
    np.testing.assert_allclose(table["coverage"] + table["below"] + table["above"], 1)
    np.testing.assert_allclose(table["lower"] * 400, stats.binom.ppf(0.025, 400, table["interval"]))
    np.testing.assert_allclose(table["upper"] * 400, stats.binom.ppf(0.975, 400, table["interval"]))
    assert table["coverage"].between(table["lower"], table["upper"]).all()
    furthest = (table["coverage"] - table["interval"]).abs().idxmax()
    assert found.sentence == (
        "Predictions are calibrated: the LOO-PIT values stay within a band that a calibrated model leaves in at "
        "most 5 % of data "
        f"sets; furthest from what is stated, the {100 * table['interval'][furthest]:.3g} % predictive intervals hold "
        f"{100 * table['coverage'][furthest]:.1f} % of outcomes."
    )
    assert found.details.columns.tolist() == ["point", "ecdf", "lower", "upper"]


@pytest.mark.parametrize(
    ("noise", "pattern"),
    [
        (
            lambda rng: 9 * rng.standard_t(2.5, 400),
            "predictive distributions are too wide in the middle or of the wrong shape",
        ),
        (lambda rng: 15 * (rng.exponential(size=400) - 1), None),
    ],
)
def test_the_wrong_family_fires(model, frame, noise, pattern):
    found = check(model.fit(outcomes(model, frame, noise)))
    assert found.verdict == "warn"
    assert found.sentence.startswith("Predictions are not calibrated: ")
    assert pattern is None or pattern in found.sentence
    assert (
        "Do not read predictive intervals as stated; compare another family (student_t for heavy tails, "
        "beta_binomial, cumulative "
        "or censored_gaussian for a bounded score)." in found.sentence
    )
    outside = (found.details["ecdf"] < found.details["lower"]) | (found.details["ecdf"] > found.details["upper"])
    assert outside.any()


@pytest.mark.parametrize(
    ("beta", "sigma", "words"),
    [
        ([40.0, 2.0, 0.4], 12.0, "outcomes are higher than predicted"),
        ([56.0, 2.0, 0.4], 12.0, "outcomes are lower than predicted"),
        ([48.0, 2.0, 0.4], 8.0, "predictive distributions are too narrow"),
        ([48.0, 2.0, 0.4], 20.0, "predictive distributions are too wide in the middle or of the wrong shape"),
    ],
)
def test_the_direction_of_a_departure_is_told(frame, beta, sigma, words):
    known = Known(frame, FORMULA, "gaussian", {"beta": [48.0, 2.0, 0.4], "sigma": 12.0})
    y = known.simulated(np.random.default_rng(0)).design.outcome.values
    wrong = Known(frame.assign(who5_followup=y), FORMULA, "gaussian", {"beta": beta, "sigma": sigma})
    assert f"Predictions are not calibrated: {words}, and " in check(wrong.fit).sentence


def test_a_ceiling_under_a_gaussian_fires_and_under_a_censored_one_it_does_not(frame):
    truth = {"beta": [80.0, 6.0, 0.5], "sigma": 25.0}
    known = Known(frame, FORMULA, "censored_gaussian", truth)
    fit = known.simulated(np.random.default_rng(1))
    y = fit.design.outcome.values
    assert 0.1 < (y == 100).mean() < 0.5
    assert check(fit).verdict == "pass"
    gaussian = Known(frame.assign(who5_followup=y), FORMULA, "gaussian", truth)
    assert check(gaussian.fit).verdict == "warn"


def test_the_random_part_is_the_seeds(frame):
    known = Known(frame, FORMULA, "beta_binomial", {"beta": [0.0, 0.2, 0.02], "phi": 8.0})
    fit = known.simulated(np.random.default_rng(2))
    one, again, other = (check(fit, seed=seed).details for seed in (1, 1, 2))
    assert one.equals(again)
    assert not one.equals(other)
