"""Log likelihoods of the graph against those of NumPy, in the middle and far out, with their gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest

from alliance_bayes.engines.graph import build_graph
from alliance_bayes.model import FAMILIES, ModelSpec, Outcome, Scale
from alliance_bayes.model.families.bernoulli import bernoulli_logp
from alliance_bayes.model.families.beta_binomial import beta_binomial_logp
from alliance_bayes.model.families.censored_gaussian import censored_logp
from alliance_bayes.model.families.cumulative import cumulative_logp
from builders import rows

LEVELS = np.arange(0, 104, 4.0)
ETA = np.concatenate([np.random.default_rng(3).normal(0, 2, 60), [-40.0, 40.0, -40.0, 40.0, 0.0]])
CODES = np.concatenate([np.random.default_rng(4).integers(0, 26, 60), [0, 25, 25, 0, 12]]).astype(float)
CUTPOINTS = np.sort(np.random.default_rng(5).normal(0, 2, 25))

CASES: dict[str, tuple[Outcome, np.ndarray, dict[str, np.ndarray], Callable[..., Any]]] = {
    "bernoulli": (
        Outcome("y", CODES > 12, (CODES > 12).astype(float), np.array([0.0, 1.0]), 0.0, 1.0), ETA, {}, bernoulli_logp
    ),
    "beta_binomial": (
        Outcome("y", LEVELS[CODES.astype(int)], CODES, LEVELS, 0.0, 100.0),
        ETA,
        {"phi": np.array(4.3)},
        lambda y, eta, phi: beta_binomial_logp(y, eta, phi, 25),
    ),
    "cumulative": (
        Outcome("y", LEVELS[CODES.astype(int)], CODES, LEVELS, 0.0, 100.0), ETA, {"cutpoints": CUTPOINTS},
        cumulative_logp,
    ),
    "censored_gaussian": (
        Outcome("y", CODES * 4, CODES * 4, None, 0.0, 100.0),
        ETA * 20 + 50,
        {"sigma": np.array(13.0)},
        lambda y, mu, sigma: censored_logp(y, mu, sigma, 0.0, 100.0),
    ),
}  # fmt: skip


def functions(family: str) -> tuple[Any, Any, list[np.ndarray], Outcome]:
    outcome, eta, own, logp = CASES[family]
    inputs = [pt.dvector("eta"), *(pt.dscalar(n) if v.ndim == 0 else pt.dvector(n) for n, v in own.items())]
    integer = FAMILIES[family].discrete
    value = pt.constant(outcome.coded.astype(int) if integer else outcome.coded)
    log_p = logp(value, *inputs)
    options: dict[str, Any] = {"mode": pytensor.compile.mode.Mode(linker="py")}
    gradient = pytensor.function(inputs, pytensor.grad(log_p.sum(), inputs), **options)
    return pytensor.function(inputs, log_p, **options), gradient, [eta, *own.values()], outcome


def by_numpy(family: str, outcome: Outcome, values: list[np.ndarray]) -> np.ndarray:
    own = {name: np.asarray(v)[None] for name, v in zip(CASES[family][2], values[1:], strict=True)}
    return FAMILIES[family].log_density(values[0][None], own, outcome)[0]


@pytest.mark.parametrize("family", list(CASES))
def test_values_are_numpys_in_the_middle_and_far_out(family: str) -> None:
    log_p, _, values, outcome = functions(family)
    # A few logarithms and gamma functions in double precision; the largest here are about 1,000.
    np.testing.assert_allclose(log_p(*values), by_numpy(family, outcome, values), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("family", list(CASES))
def test_gradients_are_finite_and_those_of_numpys_differences(family: str) -> None:
    _, gradient, values, outcome = functions(family)
    for k, (given, found) in enumerate(zip(values, gradient(*values), strict=True)):
        flat = np.atleast_1d(given).astype(float)

        def total(x: np.ndarray, k: int = k, shape: tuple[int, ...] = given.shape) -> float:
            here = [*values[:k], x.reshape(shape), *values[k + 1 :]]
            return float(by_numpy(family, outcome, here).sum())

        # A central difference of a sum of about 1,000 in steps of 1e-5: rounding 1e-8, curvature 1e-7 of itself.
        step = 1e-5 * np.maximum(1.0, np.abs(flat))
        differences = [
            (total(flat + step * at) - total(flat - step * at)) / (2 * step[j])
            for j, at in enumerate(np.eye(flat.size))
        ]
        assert np.isfinite(found).all()
        np.testing.assert_allclose(np.atleast_1d(found), differences, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("family", list(CASES))
def test_the_observed_variable_can_be_drawn_from_the_prior(family: str) -> None:
    frame = rows(60, countries=3)
    frame["outcome"] = frame["who5_followup"] > 45 if family == "bernoulli" else frame["who5_followup"]
    frame["outcome"] = frame["outcome"].astype(float)
    scales = {} if family == "bernoulli" else {"outcome": Scale(50, 19, 0, 100, 4)}
    spec = ModelSpec("outcome ~ alliance + (1 || country)", family=family, scales=scales)
    design = spec.design(frame)
    with pytensor.config.change_flags(mode="FAST_COMPILE", cxx=""):
        with build_graph(design, spec.priors_for(design)):
            drawn = pm.sample_prior_predictive(draws=20, random_seed=1)
        values = drawn["prior_predictive"]["outcome"].values
    assert values.shape == (1, 20, 60)
    ends = {"bernoulli": (0, 1), "censored_gaussian": (0, 100)}.get(family, (0, 25))
    assert (values.min(), values.max()) == ends
    if family != "censored_gaussian":
        np.testing.assert_array_equal(values, np.round(values))
    # Draws differ between rows with one linear predictor: they are outcomes, not expectations.
    assert (np.ptp(values, axis=2) > 0).any()
