"""Level effects sampled in a unit of their own have the density of effects times that unit."""

from __future__ import annotations

import numpy as np
import pymc as pm
import pytest
from scipy import stats

from alliance_bayes.engines.scaled import ScaledEffects
from engines.test_graph import values_at


@pytest.mark.usefixtures("python_mode")
@pytest.mark.parametrize("tau", [0.01, 0.7, 40.0])
@pytest.mark.parametrize("known", [0.0, 0.3, 1e4])
def test_density_in_the_unit_is_that_of_the_effects_times_the_unit(tau: float, known: float) -> None:
    scales, told = np.array([tau, 2 * tau]), np.array([known, 3.0])
    with pm.Model() as model:
        pm.Normal("free", sigma=scales[:, None], shape=(2, 3), transform=ScaledEffects("Normal", told))
        pm.ZeroSumNormal(
            "summing",
            sigma=scales[:, None],
            shape=(2, 3),
            n_zerosum_axes=1,
            transform=ScaledEffects("ZeroSumNormal", told),
        )
    unit = scales / np.sqrt(1 + scales**2 * told)
    rng = np.random.default_rng(1)
    values = {"free_scaled__": rng.normal(size=(2, 3)), "summing_chain__": rng.normal(size=(2, 2))}
    free, summing = values_at(model, [model["free"], model["summing"]], values)
    np.testing.assert_allclose(free, values["free_scaled__"] * unit[:, None], rtol=1e-12)
    np.testing.assert_allclose(summing.sum(axis=1), 0.0, atol=1e-12 * np.abs(summing).max())
    # Effects that sum to zero are two coordinates on an orthonormal basis, of the same length.
    np.testing.assert_allclose(
        (summing**2).sum(axis=1), (values["summing_chain__"] ** 2).sum(axis=1) * unit**2, rtol=1e-12
    )
    by_hand = [
        stats.norm(0, scales[:, None]).logpdf(values[name] * unit[:, None]).sum() + size * np.log(unit).sum()
        for name, size in (("free_scaled__", 3), ("summing_chain__", 2))
    ]
    for name, expected in zip(("free", "summing"), by_hand, strict=True):
        # PyMC holds some constants in single precision.
        assert model.compile_logp(vars=[model[name]])(values) == pytest.approx(expected, rel=1e-6)
