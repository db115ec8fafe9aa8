"""What the engine's tests share: one small model, and short runs of NUTS."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr

from alliance_bayes.engines import SamplerSettings, sample_nuts
from alliance_bayes.model import Design, ModelSpec, PriorTable
from builders import rows


@pytest.fixture(scope="session")
def short() -> dict[str, Any]:
    """Settings of a short run, whose numbers nobody looks at."""
    return {"draws": 200, "tune": 200, "chains": 2, "cores": 2, "seed": 7}


@pytest.fixture(scope="session")
def small() -> tuple[Design, PriorTable]:
    """A model with a sampled and an exhaustive factor, on 80 rows."""
    spec = ModelSpec("who5_followup ~ alliance + (1 || country) + (1 || sex)")
    design = spec.design(rows(80, countries=4))
    return design, spec.priors_for(design)


@pytest.fixture
def sample(small: tuple[Design, PriorTable], short: dict[str, Any]) -> Callable[..., xr.DataTree]:
    """``sample_nuts`` on the small model, by short runs."""
    design, priors = small

    def run(*, outcome: np.ndarray = design.outcome.coded, progress: Any = None, **settings: Any) -> xr.DataTree:
        exchanged = dataclasses.replace(design, outcome=dataclasses.replace(design.outcome, coded=outcome))
        return sample_nuts(exchanged, priors, SamplerSettings(**{**short, **settings}), progress=progress)[0]

    return run
