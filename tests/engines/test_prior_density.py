"""Priors as machine code against SciPy, in the middle and far out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alliance_bayes.engines.prior_density import FIRST_POSITIVE, KINDS, coded, log_prior, log_prior_at, slope_at
from alliance_bayes.model.priors import parse_prior

LAWS = {
    "Normal(3, 2)": stats.norm(3, 2),
    "StudentT(4, 1, 2.5)": stats.t(4, 1, 2.5),
    "HalfNormal(3)": stats.halfnorm(scale=3),
    "Exponential(0.4)": stats.expon(scale=2.5),
    "Gamma(2, 0.1)": stats.gamma(2, scale=10),
}


def at(text: str, x: float) -> tuple[float, float]:
    code = np.array(coded(parse_prior(text)))
    return log_prior_at(code, x, np.log(x)), slope_at(code, x)


@pytest.mark.parametrize("text", [*LAWS, "HalfStudentT(4, 5)"])
@pytest.mark.parametrize("x", [1e-3, 0.7, 30.0])
def test_priors_are_those_of_scipy(text: str, x: float) -> None:
    expected = LAWS[text].logpdf(x) if text in LAWS else np.log(2) + stats.t(4, 0, 5).logpdf(x)
    value, slope = at(text, x)
    assert value == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(log_prior(parse_prior(text), np.array([[x]])), [[value]], rtol=1e-15)
    step = 1e-5 * x
    # A central difference: curvature 1e-10 of itself, rounding 1e-16 of the value over the step.
    difference = (at(text, x + step)[0] - at(text, x - step)[0]) / (2 * step)
    # Of a positive parameter it is the derivative by its logarithm.
    by = x if parse_prior(text).support == "positive" else 1.0
    assert slope == pytest.approx(difference * by, rel=1e-7, abs=1e-15 * by * abs(value) / step)


@pytest.mark.parametrize(("text", "limit"), [("HalfStudentT(4, 5)", -5.0), ("HalfNormal(3)", -np.inf)])
def test_slopes_far_out_are_those_of_the_tail(text: str, limit: float) -> None:
    with np.errstate(over="ignore"):
        assert at(text, 1e200)[1] == limit


def test_every_scalar_prior_has_its_number() -> None:
    supports = {"Normal": "real", "StudentT": "real"}
    for name, number in KINDS.items():
        n_arguments = {"Normal": 2, "StudentT": 3, "HalfNormal": 1, "HalfStudentT": 2, "Exponential": 1, "Gamma": 2}
        prior = parse_prior(f"{name}({', '.join(['1'] * n_arguments[name])})")
        assert prior.support == supports.get(name, "positive")
        assert (number >= FIRST_POSITIVE) == (prior.support == "positive")
