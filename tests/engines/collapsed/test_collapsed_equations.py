"""The normal equations depend on the rows, not on their order, the levels' names, the cells, or where zero is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes.engines.collapsed import marginal_posterior
from alliance_bayes.engines.collapsed.equations import eliminated_factor
from alliance_bayes.engines.collapsed.marginal import Marginal
from alliance_bayes.errors import ModelError
from alliance_bayes.model import ModelSpec
from alliance_bayes.moments import Moments, moments_of
from engines.collapsed.cases import BY_NAME, Case, table
from engines.collapsed.dense import points

FORMULA = "score ~ x + w + (x | country) + (x || provider) + (1 || arm)"
CENTRES = {"x": 4.5, "w": 16.0}


def spec(**options: Any) -> ModelSpec:
    """A model whose priors and centres do not depend on the rows."""
    priors = {
        "Intercept": "Normal(50, 25)",
        "x": "Normal(0, 5)",
        "w": "Normal(0, 1)",
        "sigma": "HalfNormal(25)",
        **{f"tau_{name}": "HalfNormal(4)" for name in ("country", "provider", "arm")},
    }
    return ModelSpec(FORMULA, **{"priors": priors, "centre": CENTRES, "exhaustive": ("arm",), **options})


def marginal(frame: pd.DataFrame, **options: Any) -> Marginal:
    model = spec(**options)
    design = model.design(frame)
    return marginal_posterior(design, model.priors_for(design), moments_of(design))


def log_likelihood(of: Marginal, theta: np.ndarray) -> np.ndarray:
    return of.log_density(theta) - of.hyper.log_prior(theta)


THETA = points(BY_NAME["correlated_dense"].marginal.hyper, 5)[:, :7]  # one residual SD, five scales, one correlation
# Sums of 60 rows' products in another order: 1e-15 of squares of up to 1e5.
SAME = {"rtol": 1e-12, "atol": 1e-10}


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    found = marginal(table())
    assert found.hyper.size == 7
    return log_likelihood(found, THETA)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_order_of_the_rows_does_not_matter(expected: np.ndarray, seed: int) -> None:
    shuffled = table().sample(frac=1.0, random_state=seed)
    np.testing.assert_allclose(log_likelihood(marginal(shuffled), THETA), expected, **SAME)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_names_and_order_of_the_levels_do_not_matter(expected: np.ndarray, seed: int) -> None:
    frame, rng = table(), np.random.default_rng(seed)
    for name in ("country", "provider", "arm"):
        old = frame[name].astype(str)
        labels = sorted(set(old))
        new = dict(zip(labels, rng.permutation([f"{k} [{name}], {k * k}" for k in range(len(labels))]), strict=True))
        frame[name] = pd.Categorical(old.map(new), categories=list(rng.permutation(list(new.values()))), ordered=True)
    np.testing.assert_allclose(log_likelihood(marginal(frame), THETA), expected, **SAME)


def test_cells_may_be_split_by_what_the_model_does_not_know(expected: np.ndarray) -> None:
    model = spec()
    design = model.design(table())
    finer = ModelSpec(f"{FORMULA} + w:sex + (1 | site)", autoscale=True, centre=CENTRES).design(table())
    moments, coarse = moments_of(finer), moments_of(design)
    assert moments.n_cells > coarse.n_cells
    assert set(moments.keys) > set(coarse.keys)
    found = marginal_posterior(design, model.priors_for(design), moments)
    np.testing.assert_allclose(log_likelihood(found, THETA), expected, **SAME)
    pooled = marginal_posterior(design, model.priors_for(design), moments.keep_keys(coarse.keys))
    np.testing.assert_allclose(log_likelihood(pooled, THETA), expected, **SAME)


def test_moments_of_two_tables_add_up_to_those_of_both(expected: np.ndarray) -> None:
    frame, model = table(), spec()
    design = model.design(frame)
    halves = [moments_of(model.design(frame[frame["sex"] == sex])) for sex in ("male", "female")]
    found = marginal_posterior(design, model.priors_for(design), halves[0] + halves[1])
    np.testing.assert_allclose(log_likelihood(found, THETA), expected, **SAME)


def test_counts_stand_for_repeated_rows() -> None:
    frame, model = table(), spec()
    design = model.design(frame)
    moments = moments_of(design)
    tripled = replace(moments, counts=3 * moments.counts, cross=3 * moments.cross)
    found = marginal_posterior(design, model.priors_for(design), tripled)
    np.testing.assert_allclose(
        log_likelihood(found, THETA), log_likelihood(marginal(pd.concat([frame] * 3)), THETA), **SAME
    )
    assert found.equations.n.tolist() == [180.0]


@pytest.mark.parametrize("shift", [1e9, -3e9])
def test_outcome_far_from_zero_loses_no_digits(shift: float) -> None:
    frame = table()
    frame["score"] = np.round(frame["score"] * 64) / 64  # so that a sum with 1e9 is exact
    plain = spec()
    here = marginal(frame)
    far = ModelSpec(
        FORMULA,
        priors={**plain.given_priors, "Intercept": f"Normal({50 + shift:.0f}, 25)"},
        centre=CENTRES,
        exhaustive=("arm",),
    )
    design = far.design(frame.assign(score=frame["score"] + shift))
    assert float((design.outcome.coded - shift - frame["score"]).abs().max()) == 0.0
    there = marginal_posterior(design, far.priors_for(design), moments_of(design))
    # The intercept of the pilot is near 1e9, so its distance from the prior mean is known to 1e-7: a log density
    # changes by that over the prior SD of 25 times at most a few. Everything else is counted from the pilot.
    np.testing.assert_allclose(log_likelihood(there, THETA), log_likelihood(here, THETA), atol=1e-6)
    # The draws are the same too, up to the shift of the intercept.
    seeds = np.random.SeedSequence(1), np.random.SeedSequence(1)
    (mine, own), (theirs, other) = here.draw(THETA, seed=seeds[0]), there.draw(THETA, seed=seeds[1])
    np.testing.assert_allclose(theirs[:, 1:], mine[:, 1:], atol=1e-6)
    np.testing.assert_allclose(other, own, atol=1e-6)
    intercepts = theirs[:, 0] + (there.equations.pilot[0] - shift), mine[:, 0] + here.equations.pilot[0]
    np.testing.assert_allclose(*intercepts, atol=1e-6)


@pytest.mark.parametrize("unit", [1e-9, 1e-6, 1e6])
def test_unit_of_the_outcome_does_not_matter(expected: np.ndarray, unit: float) -> None:
    model = spec()
    scaled = {name: prior.rescaled(unit) for name, prior in model.given_priors.items() if prior.support != "corr"}
    frame = table()
    frame["score"] *= unit
    found = marginal(frame, priors=scaled)
    theta = THETA + np.log(unit) * np.r_[np.ones(6), 0.0]
    np.testing.assert_allclose(log_likelihood(found, theta) + 60 * np.log(unit), expected, rtol=1e-11)


@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_unit_of_a_predictor_does_not_matter(expected: np.ndarray, unit: float) -> None:
    model = spec()
    slopes = {name for name in model.given_priors if name == "x" or name.endswith("[x]")}
    frame = table()
    frame["x"] *= unit
    by_term = {
        **{name: prior for name, prior in model.given_priors.items() if name not in slopes},
        "x": model.given_priors["x"].rescaled(1 / unit),
        **{f"tau_{name}[x]": f"HalfNormal({4 / unit!r})" for name in ("country", "provider")},
        **{f"tau_{name}[Intercept]": "HalfNormal(4)" for name in ("country", "provider")},
    }
    del by_term["tau_country"], by_term["tau_provider"]
    found = marginal(frame, priors=by_term, centre={"x": 4.5 * unit, "w": 16.0})
    names = found.hyper.names
    theta = THETA - np.log(unit) * np.array([name.endswith("[x]") for name in names])
    np.testing.assert_allclose(log_likelihood(found, theta), expected, rtol=1e-11)


def test_residual_strata_count_their_own_rows() -> None:
    case = BY_NAME["residual_by"]
    equations = case.marginal.equations
    np.testing.assert_array_equal(equations.n, np.bincount(case.design.rows.residual))
    residual = case.design.outcome.coded - case.design.rows.x @ equations.pilot
    np.testing.assert_allclose(equations.rss, np.bincount(case.design.rows.residual, residual**2), rtol=1e-12)


# ---------------------------------------------------------------- moments of another model


def refusal(case: Case, moments: Moments) -> str:
    with pytest.raises(ModelError) as raised:
        marginal_posterior(case.design, case.priors, moments)
    return str(raised.value)


def test_moments_of_another_model_are_refused() -> None:
    case = Case("wanted", "score ~ x + w + (1 | country) + (1 | arm)")
    lacking = moments_of(Case("less", "score ~ x + (1 | country) + (1 | arm)").design)
    assert refusal(case, lacking) == (
        "the moments lack the column(s) 'w' of the model. Reduce the table again with this model's card."
    )
    lacking = moments_of(Case("less", "score ~ x + w + (1 | country)").design)
    assert refusal(case, lacking) == (
        "the moments lack the factor(s) 'arm' of the model. Reduce the table again with this model's card."
    )
    other = case.spec.design(table().assign(arm=["new", *table()["arm"][1:]]))
    assert refusal(case, moments_of(other)) == "the moments hold level(s) of 'arm' that the model lacks: 'new'."


@pytest.mark.parametrize(
    ("factors", "eliminated"),
    [
        ("(1 | site) + (1 | country)", "country"),
        ("(x + w || site) + (1 | country)", "site"),
        ("(x + w | site) + (x || country)", "country"),
    ],
)
def test_the_factor_with_the_most_columns_is_eliminated(factors: str, eliminated: str) -> None:
    # Three sites, five countries.
    design = ModelSpec(f"score ~ x + w + {factors}", exhaustive=()).design(table())
    found = eliminated_factor(design)
    assert found is not None
    assert found.name == eliminated
