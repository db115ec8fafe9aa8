"""Varied Gaussian models on small tables: what the tests of the collapsed engine have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.engines.collapsed import marginal_posterior
from alliance_bayes.engines.collapsed.marginal import Marginal
from alliance_bayes.model import Design, ModelSpec, PriorTable

__all__ = ["BY_NAME", "CASES", "Case", "table"]


def table(n: int = 60, *, seed: int = 0) -> pd.DataFrame:
    """Rows with factors that cross (country, arm, sex), nest (provider in country) and repeat labels (site).

    Providers have a row or two each; ``x`` and ``w`` are numeric and not centred.
    """
    rng = np.random.default_rng(seed)
    country = np.r_[np.arange(5), rng.choice(5, n - 5, p=[0.5, 0.2, 0.15, 0.1, 0.05])]
    arm = np.r_[np.arange(3), rng.choice(3, n - 3, p=[0.6, 0.3, 0.1])]
    sex = np.r_[[0, 1], rng.choice(2, n - 2)]
    provider = [f"p{c}_{k}" for c, k in zip(country, rng.integers(0, max(n // 10, 2), n), strict=True)]
    x, w = np.round(rng.normal(4.5, 0.8, n), 2), np.round(rng.gamma(2.0, 8.0, n), 1)
    score = 40 + 3 * (x - 4.5) + 0.3 * (w - 16) + rng.normal(0, 3, 5)[country] + 2 * arm + rng.normal(0, 6, n)
    return pd.DataFrame(
        {
            "score": np.round(score, 1),
            "x": x,
            "w": w,
            "country": pd.Categorical.from_codes(country, [f"C{k}" for k in range(5)], ordered=True),
            "provider": provider,
            "site": [f"s{k}" for k in rng.integers(0, 3, n)],
            "arm": pd.Categorical.from_codes(arm, ["coach", "therapist", "both"], ordered=True),
            "sex": pd.Categorical.from_codes(sex, ["female", "male"], ordered=True),
        }
    )


@dataclass(frozen=True)
class Case:
    """A model on a table; ``options`` go to :class:`ModelSpec`."""

    name: str
    formula: str
    n: int = 60
    options: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def frame(self) -> pd.DataFrame:
        return table(self.n)

    @cached_property
    def spec(self) -> ModelSpec:
        return ModelSpec(self.formula, **{"autoscale": True, "exhaustive": (), **self.options})

    @cached_property
    def design(self) -> Design:
        return self.spec.design(self.frame)

    @cached_property
    def priors(self) -> PriorTable:
        return self.spec.priors_for(self.design)

    @cached_property
    def marginal(self) -> Marginal:
        return marginal_posterior(self.design, self.priors)

    def __str__(self) -> str:
        return self.name


CASES = (
    Case("intercept", "score ~ 1"),
    Case("no_factor", "score ~ x * w + sex"),
    Case("no_intercept", "score ~ 0 + x + (1 | country)", options={"centre": {"x": 0.0}}),
    Case("no_common_terms", "score ~ 0 + (1 | country) + (0 + x || arm)"),
    Case("crossed", "score ~ x + w + (x || country) + (x + w || arm) + (1 | sex)"),
    Case("nested_labels", "score ~ x + (1 | country) + (x || provider)"),
    Case("nested_product", "score ~ x + (x || country) + (1 | country:site) + (1 | arm)"),
    Case("exhaustive", "score ~ x + (x || arm) + (1 | sex)", options={"exhaustive": ("arm", "sex")}),
    Case("exhaustive_crossed", "score ~ x + (x || arm) + (x || provider)", options={"exhaustive": ("arm",)}),
    Case("correlated_2", "score ~ x + (x | country)"),
    Case("correlated_3", "score ~ x + w + (x + w | provider)"),
    Case("correlated_dense", "score ~ x + (x | arm) + (x + w | country) + (x || provider)"),
    Case("correlated_both", "score ~ x + (x | country) + (x | provider) + (1 | sex)"),
    Case("correlated_exhaustive", "score ~ x + (x + w | arm) + (1 | country)", options={"exhaustive": ("arm",)}),
    Case("residual_by", "score ~ x + (x | country) + (1 | provider)", options={"residual_by": "arm"}),
    Case(
        "residual_by_many",
        "score ~ s(x, k=4) + w + (x + w | country) + (x || site) + (1 | provider)",
        options={"residual_by": "provider"},
    ),
    Case(
        "residual_by_alone",
        "score ~ x",
        options={"residual_by": "country", "priors": {"sigma[C0]": "Exponential(0.2)", "sigma[C4]": "Gamma(2, 0.3)"}},
    ),
    Case("smooth", "score ~ s(x, k=6) + s(w, k=4) + (1 | country)"),
    Case(
        "everything",
        "score ~ s(w, k=4) + x * sex + (x | arm) + (x | country) + (1 | sex) + (x || provider)",
        options={"residual_by": "arm", "exhaustive": ("arm", "sex")},
    ),
    Case("more_coefficients_than_rows", "score ~ x + w + (x + w || country) + (x + w | provider)", n=14),
    Case("few_rows", "score ~ 1 + (1 | sex)", n=6),
    Case(
        "far_priors",
        "score ~ x + (x || country)",
        options={"priors": {"Intercept": "Normal(-2000, 1)", "x": "Normal(300, 0.1)"}},
    ),
    Case(
        "heavy_tails",
        "score ~ x + (x || country) + (x | arm)",
        options={
            "priors": {
                "sigma": "HalfStudentT(2, 10)",
                "tau_country[Intercept]": "Exponential(0.3)",
                "tau_country[x]": "HalfStudentT(1, 2)",
                "tau_arm": "Gamma(0.7, 0.1)",
                "corr_arm": "LKJ(1)",
            }
        },
    ),
)
BY_NAME = {case.name: case for case in CASES}
