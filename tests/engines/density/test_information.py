"""Level effects sampled in a unit of their own: what the data are said to know, and that it is worth it."""

from __future__ import annotations

from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import pytest

from alliance_bayes.engines.density.model_data import information
from alliance_bayes.engines.nuts import SamplerSettings, sample_nuts
from alliance_bayes.model import Design, ModelSpec
from builders import rows


def design_of(frame: pd.DataFrame, formula: str, **options: Any) -> Design:
    return ModelSpec(formula, autoscale=True, **options).design(frame)


@pytest.mark.parametrize("n", [40, 400])
def test_information_of_balanced_gaussian_rows_is_theirs(n: int) -> None:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {"score": rng.normal(50, 7, n), "x": rng.normal(0, 3, n), "group": np.tile(["a", "b"], n // 2)}
    )
    design = design_of(frame, "score ~ x + (x || group)")
    variance = frame["score"].var(ddof=0)
    of_x = [(part - part.mean()) @ (part - part.mean()) for _, part in frame.groupby("group")["x"]]
    scale = design.rows.z["group"][:, 1].std() / frame["x"].std(ddof=0)
    expected = [n / 2 / variance, np.mean(of_x) * scale**2 / variance]
    np.testing.assert_allclose(information(design, design.factors[0]), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("family", "of_one"),
    [("bernoulli", 0.3 * 0.7), ("cumulative", 1 / 3)],
)
def test_information_of_one_outcome_on_the_scale_of_the_linear_predictor(family: str, of_one: float) -> None:
    frame = pd.DataFrame({"score": np.tile([1.0] * 3 + [0.0] * 7, 20), "group": np.repeat(["a", "b", "c", "d"], 50)})
    design = design_of(frame, "score ~ 1 + (1 || group)", family=family)
    np.testing.assert_allclose(information(design, design.factors[0]), [50 * of_one], rtol=1e-9)


def test_information_of_a_bounded_score_counts_its_spread_beyond_the_binomial() -> None:
    frame = rows(200, countries=4)
    design = design_of(frame, "who5_followup ~ alliance + (1 || country)", family="beta_binomial")
    score = design.outcome.values / 100
    expected = (score.mean() * (1 - score.mean())) ** 2 / score.var()
    each = np.median(np.bincount(design.rows.index["country"]))
    np.testing.assert_allclose(information(design, design.factors[0]), [each * expected], rtol=1e-9)
    # Less than of 25 independent answers, more than of a single one.
    assert score.mean() * (1 - score.mean()) < expected < 25 * score.mean() * (1 - score.mean())


def test_an_outcome_that_does_not_vary_tells_nothing() -> None:
    frame = pd.DataFrame({"score": np.ones(40), "group": np.repeat(["a", "b"], 20)})
    design = design_of(frame, "score ~ 1 + (1 || group)", family="bernoulli")
    np.testing.assert_array_equal(information(design, design.factors[0]), [0.0])


def test_few_well_known_levels_are_sampled_without_divergences() -> None:
    # Two levels, 300 rows each, and a prior of their SD with a heavy tail: the SD runs from a tenth to many times the
    # difference, while each effect is known to a few hundredths of it. Standardised effects diverged here in 4 to 19 of
    # 4,000 draws, worth 58 to 314 independent ones of the SD, over six seeds; in this unit none did, and they were
    # worth 3,800 to 4,180.
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"score": rng.normal(0, 1, 600), "group": np.repeat(["a", "b"], 300)})
    frame["score"] += np.where(frame["group"] == "a", 1.0, -1.0)
    spec = ModelSpec(
        "score ~ 1 + (1 || group)",
        exhaustive=("group",),
        priors={"tau_group[Intercept]": "HalfStudentT(3, 2)", "Intercept": "Normal(0, 5)", "sigma": "HalfNormal(2)"},
        autoscale=True,
    )
    design = spec.design(frame)
    tree, _ = sample_nuts(design, spec.priors_for(design), SamplerSettings(draws=1000, tune=500, seed=1))
    assert int(tree["sample_stats"]["diverging"].sum()) == 0
    posterior = tree["posterior"].to_dataset()
    assert float(az.ess(posterior)["tau_group"].min()) > 2000
