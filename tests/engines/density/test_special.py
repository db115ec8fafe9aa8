"""Special functions and priors as machine code against SciPy, in the middle and far out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from alliance_bayes.engines.density.priors import FIRST_POSITIVE, KINDS, log_prior
from alliance_bayes.model.families.special import digamma, log_ndtr
from alliance_bayes.model.priors import parse_prior

LAWS = {
    "Normal(3, 2)": stats.norm(3, 2),
    "StudentT(4, 1, 2.5)": stats.t(4, 1, 2.5),
    "HalfNormal(3)": stats.halfnorm(scale=3),
    "Exponential(0.4)": stats.expon(scale=2.5),
    "Gamma(2, 0.1)": stats.gamma(2, scale=10),
}


def at(text: str, x: float) -> tuple[float, float]:
    prior = parse_prior(text)
    arguments = [*prior.parameters, 0.0, 0.0][:3]
    return log_prior(KINDS[prior.distribution], *arguments, x)


@pytest.mark.parametrize("text", [*LAWS, "HalfStudentT(4, 5)"])
@pytest.mark.parametrize("x", [1e-3, 0.7, 30.0])
def test_priors_are_those_of_scipy(text: str, x: float) -> None:
    expected = LAWS[text].logpdf(x) if text in LAWS else np.log(2) + stats.t(4, 0, 5).logpdf(x)
    value, slope = at(text, x)
    assert value == pytest.approx(expected, rel=1e-12)
    step = 1e-5 * x
    # A central difference: curvature 1e-10 of itself, rounding 1e-16 of the value over the step.
    difference = (at(text, x + step)[0] - at(text, x - step)[0]) / (2 * step)
    assert slope == pytest.approx(difference, rel=1e-7, abs=1e-15 * abs(value) / step)


def test_every_scalar_prior_has_its_number() -> None:
    supports = {"Normal": "real", "StudentT": "real"}
    for name, number in KINDS.items():
        n_arguments = {"Normal": 2, "StudentT": 3, "HalfNormal": 1, "HalfStudentT": 2, "Exponential": 1, "Gamma": 2}
        prior = parse_prior(f"{name}({', '.join(['1'] * n_arguments[name])})")
        assert prior.support == supports.get(name, "positive")
        assert (number >= FIRST_POSITIVE) == (prior.support == "positive")


def test_digamma_is_scipys() -> None:
    x = np.concatenate([np.geomspace(1e-3, 1e6, 200), [7.999999, 8.0, 8.000001]])
    # The function crosses zero at 1.46, where its error counts against the size of the terms, about 1.
    np.testing.assert_allclose([digamma(value) for value in x], special.digamma(x), rtol=1e-12, atol=1e-12)


def test_normal_tail_is_scipys() -> None:
    z = np.concatenate([np.linspace(-60, 9, 691), [-36.0000001, -35.9999999, -1e4]])
    values, slopes = np.array([log_ndtr(value) for value in z]).T
    np.testing.assert_allclose(values, special.log_ndtr(z), rtol=1e-12, atol=1e-300)
    # The derivative is the density over the distribution function, by logarithms; of the last, about 5e7, too little is
    # left after a difference, and minus z minus 1 / z is exact to 1e-12.
    expected = np.exp(stats.norm.logpdf(z) - special.log_ndtr(z))
    np.testing.assert_allclose(slopes[:-1], expected[:-1], rtol=1e-9, atol=1e-300)
    assert slopes[-1] == pytest.approx(1e4 + 1e-4, rel=1e-12)
