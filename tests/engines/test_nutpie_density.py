"""A density given as a function of numbers is sampled, by threads that Python comes to know once."""

from __future__ import annotations

import threading
import warnings

import numpy as np

from alliance_bayes.engines import SamplerSettings
from alliance_bayes.engines.nuts import NutpieDensity, run_nutpie, unconstrained_draws

SETTINGS = SamplerSettings(draws=1000, tune=300, chains=2, cores=1, seed=3)


def test_draws_are_those_of_the_density() -> None:
    def density(q: np.ndarray) -> tuple[float, np.ndarray]:
        scaled = (q - 1.0) / np.array([1.0, 10.0])
        return float(-0.5 * scaled @ scaled), -scaled / np.array([1.0, 10.0])

    draws = unconstrained_draws(run_nutpie(NutpieDensity(2, density, lambda seed: np.zeros(2)), SETTINGS, None))
    assert draws.shape == (2, 1000, 2)
    # 2,000 draws of NUTS from two independent normals: five Monte Carlo standard errors, were they as good as 500.
    flat = (draws.reshape(-1, 2) - 1.0) / np.array([1.0, 10.0])
    np.testing.assert_allclose(flat.mean(axis=0), 0, atol=5 / np.sqrt(500))
    np.testing.assert_allclose(flat.var(axis=0), 1, atol=5 * np.sqrt(2 / 500))


def test_python_knows_a_samplers_thread_from_one_call_to_the_next() -> None:
    own, longest, calls = threading.local(), 0, 0

    def density(q: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal longest, calls
        own.calls = getattr(own, "calls", 0) + 1
        calls, longest = calls + 1, max(longest, own.calls)
        return float(-0.5 * q @ q), -q

    run_nutpie(NutpieDensity(1, density, lambda seed: np.ones(1)), SETTINGS, None)
    # One thread runs both chains, or each has its own.
    assert longest >= calls / 2 > 1000


def test_numbers_out_of_range_are_no_warning() -> None:
    """Where it overflows the density says so, and the sampler turns back; a page is made beside it."""
    told = 0

    def density(q: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal told
        if abs(q[0]) > 1.5:
            told += 1
            huge = np.array([1e308, -1e308])
            return float(huge[0] * -10.0), np.array([huge @ huge, 0.0]) + (np.inf - huge * 10)
        return float(-0.5 * q @ q), -q

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run_nutpie(NutpieDensity(2, density, lambda seed: np.full(2, 0.5)), SETTINGS, None)
    assert told > 0
