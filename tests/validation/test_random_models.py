"""Models that nobody chose, by the exact engine: how well the draws mix, and how seldom it needs NUTS."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from scripted import script
from sizes import FULL

# Six have what ten from zero have: a smooth, one to three factors of 2 to 64 levels, levels of one row, every kind of
# term, residual SDs by level, 74 to 3,855 rows.
SEEDS = range(100) if FULL else (0, 1, 2, 3, 4, 8)


@pytest.mark.slow
def test_draws_of_random_models_mix(record_property: Callable[[str, object], None]) -> None:
    own = script("scripts", "random_models")
    found = [own.one(seed) for seed in SEEDS]
    ess = np.array([model["least_ess"] for model in found])
    rhat = np.array([model["largest_rhat"] for model in found])
    fallbacks = [model["seed"] for model in found if model["fallback"]]
    record_property("seeds", f"0 to {len(SEEDS) - 1}" if FULL else str(SEEDS))
    record_property("least ESS", f"{ess.min()}, median {np.median(ess):.0f}, of 4,000 draws")
    record_property("largest R-hat", f"{rhat.max():.4f}")
    record_property("fell back to NUTS", fallbacks or "none")
    # What is let through: a draw worth a tenth of an independent one. R-hat is looked at over thousands of numbers, of
    # which the largest may be beyond 1.01 by chance.
    assert ess.min() >= 400
    assert rhat.max() < 1.02
    assert len(fallbacks) <= len(SEEDS) // 20
