"""Priors as text: what is read, what is refused, and what the numbers mean."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from alliance_bayes.errors import ModelError
from alliance_bayes.model import Prior, parse_prior

finite = st.floats(-1e6, 1e6, allow_nan=False)
positive = st.floats(1e-6, 1e6)


@given(finite, positive)
def test_text_reads_back_to_the_same_numbers(mu: float, sigma: float) -> None:
    prior = Prior("Normal", (mu, sigma))
    assert parse_prior(prior.exact) == prior


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Normal(0, 10)", Prior("Normal", (0.0, 10.0))),
        ("  HalfNormal( 2.5 ) ", Prior("HalfNormal", (2.5,))),
        ("HalfStudentT(3,10)", Prior("HalfStudentT", (3.0, 10.0))),
        ("Exponential(1e-1)", Prior("Exponential", (0.1,))),
        ("Gamma(2, 0.1)", Prior("Gamma", (2.0, 0.1))),
        ("LKJ(2)", Prior("LKJ", (2.0,))),
    ],
)
def test_reading(text: str, expected: Prior) -> None:
    assert parse_prior(text) == expected


KNOWN = (
    "Normal(mu, sigma), StudentT(nu, mu, sigma), HalfNormal(sigma), HalfStudentT(nu, sigma), Exponential(lam), "
    "Gamma(alpha, beta), LKJ(eta), Dirichlet(a)"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "wide",
            "prior of 'alliance': 'wide' is not of the form 'Normal(0, 10)'. Write a distribution and its "
            f"numbers; known: {KNOWN}.",
        ),
        ("Cauchy(0, 1)", f"prior of 'alliance': unknown distribution 'Cauchy'. Known distributions: {KNOWN}."),
        ("Normal(0)", "prior of 'alliance': Normal takes 2 number(s) (mu, sigma) but got 1 in 'Normal(0)'."),
        ("Normal(a, 1)", "prior of 'alliance': mu should be a finite number but got 'a' in 'Normal(a, 1)'."),
        ("Normal(inf, 1)", "prior of 'alliance': mu should be a finite number but got 'inf' in 'Normal(inf, 1)'."),
        ("Normal(0, -1)", "prior of 'alliance': sigma should be greater than 0 but got -1 in 'Normal(0, -1)'."),
    ],
)
def test_refusals_say_what_to_write(text: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse_prior(text, name="alliance")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("Normal(3, 2)", stats.norm(3, 2)),
        ("StudentT(5, 3, 2)", stats.t(5, 3, 2)),
        ("HalfNormal(2)", stats.halfnorm(scale=2)),
        ("Exponential(0.5)", stats.expon(scale=2)),
        ("Gamma(2, 0.1)", stats.gamma(2, scale=10)),
    ],
)
def test_draws_follow_the_distribution_and_rescaling_multiplies(text: str, reference: stats.rv_continuous) -> None:
    prior = parse_prior(text)
    draws = prior.draw(np.random.default_rng(0), 4000)
    # Kolmogorov-Smirnov at a fixed seed; below 1e-4 by chance once in ten thousand seeds.
    assert stats.kstest(draws, reference.cdf).pvalue > 1e-4
    scaled = prior.rescaled(0.25).draw(np.random.default_rng(0), 4000)
    np.testing.assert_allclose(scaled, 0.25 * draws, rtol=1e-12)


def test_a_joint_distribution_has_no_scalar_draws() -> None:
    with pytest.raises(ModelError) as caught:
        parse_prior("LKJ(2)").draw(np.random.default_rng(0), 3)
    assert (
        str(caught.value) == "LKJ(2) is not a distribution of one number, so no independent draws can be taken from it."
    )
