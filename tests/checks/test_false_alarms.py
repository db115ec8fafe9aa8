"""How often the model checks fire on outcomes that come from the very model: at most at the stated rate."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alliance_bayes.checks import CHECKS, Context
from builders import rows
from checks.exact import ExactGaussian, Known
from sizes import sized

JUDGED = ("posterior_predictive", "calibration", "curvature", "groups")
FORMULA = "who5_followup ~ alliance + who5_baseline + (1 | country)"
TRUTHS = {
    "gaussian": {"beta": [48.0, 2.0, 0.4], "sigma": 12.0},
    "student_t": {"beta": [48.0, 2.0, 0.4], "sigma": 10.0, "nu": 5.0},
    "censored_gaussian": {"beta": [70.0, 4.0, 0.8], "sigma": 25.0},
    "beta_binomial": {"beta": [0.1, 0.2, 0.02], "phi": 8.0},
    "cumulative": {"beta": [0.3, 0.03]},
    "bernoulli": {"beta": [0.0, 0.3, 0.03]},
}


def alarms(fits, rate, **options):
    """How many fits each check fires on, and how many fits there were."""
    count = dict.fromkeys(JUDGED, 0)
    total = 0
    for seed, (fit, extra) in enumerate(fits):
        context = Context(fit, extra=extra, rate=rate, seed=seed, **options)
        for name in JUDGED:
            count[name] += CHECKS[name](context).verdict == "warn"
        total += 1
    return count, total


def most(rate, total):
    """The count that a check with this rate exceeds once in 10,000 times."""
    return stats.binom.isf(1e-4, total, rate)


def known(family, n, repeats):
    frame = rows(n, seed=3).assign(better=lambda data: (data["who5_followup"] > 48).astype(float))
    formula = FORMULA.replace("who5_followup", "better") if family == "bernoulli" else FORMULA
    truth = Known(frame, formula, family, TRUTHS[family])
    # Both columns beside the model have nothing to do with the simulated outcomes.
    return ((truth.simulated(np.random.default_rng([1, k])), frame[["sex", "age"]]) for k in range(repeats))


def gaussian(n, repeats, *, draws=250, rounded=False):
    frame = rows(n, seed=1)
    model = ExactGaussian(
        frame, "who5_followup ~ alliance + who5_baseline + (alliance || country) + (1 | provider_type)"
    )
    mean = np.asarray(48 + 2.2 * (frame["alliance"] - 4.6) + 0.45 * (frame["who5_baseline"] - 41))
    for k in range(repeats):
        rng = np.random.default_rng([5, k])
        y = mean + model.effects(rng) + rng.normal(0, 15, n)
        yield model.fit(4 * np.round(y / 4) if rounded else y, draws=draws, seed=k), frame[["sex", "n_sessions"]]


@pytest.mark.slow
@pytest.mark.parametrize("family", TRUTHS)
def test_with_nothing_estimated_every_family_is_quiet_at_the_rate(family):
    count, total = alarms(known(family, 120, 30), 0.1, replicates=200)
    assert max(count.values()) <= most(0.1, total), count


@pytest.mark.slow
@pytest.mark.parametrize("rounded", [False, True])
def test_exact_posteriors_are_quiet_at_the_rate(rounded):
    count, total = alarms(gaussian(100, 30, draws=100, rounded=rounded), 0.05, replicates=200)
    assert max(count.values()) <= most(0.05, total), count


@pytest.mark.slow
@pytest.mark.parametrize("family", TRUTHS)
def test_with_nothing_estimated_the_rate_is_the_stated_one(family, record_property):
    count, total = alarms(known(family, 300, sized(300, 60)), 0.1, replicates=400)
    record_property("alarms at .1", f"{min(count.values())} to {max(count.values())} of {total}")
    record_property("seeds", f"(1, 0) to (1, {total - 1})")
    # Nothing is estimated, so the rate is met from below as well. Only few values are possible for the departure of
    # a two-valued outcome's share or of 400 replicates: a third less is allowed for.
    for name in JUDGED:
        assert stats.binom.isf(1 - 1e-4, total, 0.066) <= count[name] <= most(0.1, total), count


@pytest.mark.slow
def test_the_default_rate_holds_over_many_exact_posteriors(record_property):
    count, total = alarms(gaussian(300, sized(400, 80)), 0.01)
    record_property("alarms at .01", f"{min(count.values())} to {max(count.values())} of {total}")
    record_property("seeds", f"(5, 0) to (5, {total - 1})")
    assert max(count.values()) <= most(0.01, total), count
