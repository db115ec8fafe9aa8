"""Rows, cells of rows and moments give the same normal equations, and none takes more room than the rows need."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.engines.collapsed.equations import Equations, normal_equations
from alliance_bayes.engines.collapsed.hyper import hyperparameters
from alliance_bayes.engines.collapsed.points import points_of
from alliance_bayes.errors import ModelError
from alliance_bayes.model import Design, ModelSpec
from alliance_bayes.moments import Moments, moments_of
from alliance_bayes.moments.weighted import design_of_moments
from engines.collapsed.cases import CASES, Case

# Sums of the same products in another order: a few roundings of the sum of their sizes.
ROUNDING = 1e-12


def equations(spec: ModelSpec, design: Design, moments: Moments | None = None) -> Equations:
    priors = spec.priors_for(design)
    return normal_equations(design, priors, moments, scale=hyperparameters(design, priors).scale)


def same(found: Equations, expected: Equations, design: Design) -> None:
    size = float(np.abs(design.outcome.coded).sum())
    for name in ("n", "ptr", "cols", "runs", "order", "group", "fixed", "correlated"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)
    for name in ("rss", "g_d", "g_e", "v", "offset", "pilot", "outcome_sd"):
        value = np.asarray(getattr(expected, name))
        atol = ROUNDING * float(np.abs(value).max(initial=0.0))
        np.testing.assert_allclose(getattr(found, name), value, rtol=ROUNDING, atol=atol, err_msg=name)
    for name in ("r_d", "r_e"):
        # The pilot has made most of them zero: what is left is the rounding of the outcome's own products.
        atol = ROUNDING * size * np.sqrt(np.abs(expected.g_d).max(initial=1.0))
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-9, atol=atol, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("n", [60, 3000])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_rows_and_moments_are_the_same(case: Case, n: int) -> None:
    case = replace(case, n=n if case.n == 60 else case.n)
    found = equations(case.spec, case.design)
    same(found, equations(case.spec, case.design, moments_of(case.design)), case.design)


@pytest.mark.slow
@pytest.mark.parametrize("n", [60, 3000])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_equations_are_sums_of_products_of_dense_columns(case: Case, n: int) -> None:
    case = replace(case, n=n if case.n == 60 else case.n)
    design, found = case.design, equations(case.spec, case.design)
    rows = design.rows
    stratum = np.zeros(rows.n, dtype=int) if rows.residual is None else rows.residual
    blocks = [rows.x, *rows.basis.values()]
    for factor in design.factors:
        if factor.name != found.eliminated:
            indicator = np.eye(len(factor.levels))[rows.index[factor.name]]
            if factor.exhaustive:
                indicator = indicator @ _helmert(len(factor.levels))
            wide = indicator[:, :, None] * rows.z[factor.name][:, None]
            blocks.append(wide.reshape(rows.n, -1))
    dense, away = np.hstack(blocks), design.outcome.coded - rows.x @ found.pilot
    for s in range(len(found.n)):
        here = stratum == s
        own = dense[here]
        atol = ROUNDING * (np.abs(own).T @ np.abs(own)).max(initial=0.0)
        np.testing.assert_allclose(found.g_d[s], own.T @ own, atol=atol)
        atol = ROUNDING * (np.abs(own).T @ np.abs(design.outcome.coded[here])).max(initial=0.0)
        np.testing.assert_allclose(found.r_d[s], own.T @ away[here], atol=atol)
        if found.eliminated is None:
            continue
        z, index = rows.z[found.eliminated][here], rows.index[found.eliminated][here]
        levels, width = len(found.order), z.shape[1]
        met = np.zeros((levels, width, dense.shape[1]))
        squares, products, with_outcome = (
            np.zeros((levels, width, width)),
            np.zeros_like(met),
            np.zeros((levels, width)),
        )
        for at, level in enumerate(found.order):
            meets = slice(found.ptr[at], found.ptr[at + 1])
            met[at][:, found.cols[meets]] = found.v[s, :, meets]
            if not (there := index == level).any():
                continue
            mine = z[there]
            squares[at], products[at] = mine.T @ mine, mine.T @ own[there]
            with_outcome[at] = mine.T @ away[here][there]
        np.testing.assert_allclose(found.g_e[s], squares, rtol=1e-11, atol=1e-9)
        np.testing.assert_allclose(met, products, rtol=1e-11, atol=1e-8)
        np.testing.assert_allclose(found.r_e[s], with_outcome, rtol=1e-9, atol=1e-6)


def _helmert(levels: int) -> np.ndarray:
    """Column k sets level k + 1 against the mean of those before it, at length one."""
    out = np.zeros((levels, levels - 1))
    for k in range(levels - 1):
        out[: k + 1, k], out[k + 1, k] = 1.0, -(k + 1.0)
    return out / np.linalg.norm(out, axis=0)


def test_weighted_points_count_for_the_rows_they_stand_for() -> None:
    case = Case("weighted", "score ~ x * w + (x | country) + (1 | arm)", n=400)
    spec = replace(case.spec, priors=dict.fromkeys(("Intercept", "x", "w", "x:w"), "Normal(0, 50)"))
    moments = moments_of(case.design, spec=spec)
    design, own = design_of_moments(moments, spec)
    assert design.weights is not None
    found, expected = equations(spec, design), equations(spec, design, own)
    np.testing.assert_allclose(found.n, expected.n, rtol=ROUNDING)
    np.testing.assert_allclose(found.g_d, expected.g_d, rtol=1e-9, atol=1e-9 * np.abs(expected.g_d).max())
    np.testing.assert_allclose(found.rss, expected.rss, rtol=1e-9)


def test_an_outcome_far_from_zero_keeps_its_digits_by_row_too() -> None:
    frame = Case("far", "score ~ x + (1 | country)").frame
    frame = frame.assign(score=np.round(frame["score"] * 64) / 64)
    spec = ModelSpec("score ~ x + (1 | country)", autoscale=True, exhaustive=())
    here, there = (equations(spec, spec.design(frame.assign(score=frame["score"] + by))) for by in (0.0, 2.0**33))
    np.testing.assert_allclose(there.rss, here.rss, rtol=1e-9)
    np.testing.assert_allclose(there.outcome_sd, here.outcome_sd, rtol=1e-12)


@pytest.mark.parametrize("by_moments", [True, False])
def test_an_outcome_that_does_not_vary_is_refused(by_moments: bool) -> None:
    case = Case("constant", "score ~ x + (1 | country)")
    spec = ModelSpec(case.formula, autoscale=True, priors={"sigma": "HalfNormal(5)", "tau_country": "HalfNormal(5)"})
    design = spec.design(case.frame.assign(score=0.1 + 2.0**30))
    with pytest.raises(ModelError, match="same value"):
        equations(spec, design, moments_of(design) if by_moments else None)


# ---------------------------------------------------------------- room


def many_columns(n: int) -> tuple[ModelSpec, pd.DataFrame]:
    """Twenty factors of four levels as common terms, and two pooled ones: every row is a cell of its own."""
    rng = np.random.default_rng(3)
    frame = {f"f{k}": np.array(list("abcd"))[rng.integers(4, size=n)] for k in range(20)}
    frame |= {name: np.array([f"{name}{k}" for k in range(40)])[rng.integers(40, size=n)] for name in ("g", "h")}
    frame["y"] = rng.normal(size=n)
    formula = "y ~ " + " + ".join(f"f{k}" for k in range(20)) + " + (1 | g) + (1 | h)"
    return ModelSpec(formula, autoscale=True), pd.DataFrame(frame)


def test_room_grows_with_rows_times_columns_and_not_with_their_square() -> None:
    spec, frame = many_columns(6000)
    design = spec.design(frame)
    priors = spec.priors_for(design)
    scale = hyperparameters(design, priors).scale
    tracemalloc.start()
    try:
        made = normal_equations(design, priors, None, scale=scale)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # 62 columns: cross-products by cell would take 62 times the rows' own room.
    assert peak < 6 * 8 * 6000 * 62
    by_moments = normal_equations(design, priors, moments_of(design), scale=scale)
    same(made, by_moments, design)


def test_cells_are_kept_only_where_they_take_no_more_room_than_rows() -> None:
    for formula in ("score ~ x + (1 | arm)", "score ~ x + w + (1 | provider) + (1 | site)"):
        design = Case("room", formula, n=3000).design
        points = points_of(design, None)
        p = points.values.shape[1] - 1
        assert points.counts.sum() == 3000
        assert points.cross is None or points.cross.size <= 3000 * p
    few = points_of(Case("few", "score ~ x + sex + (1 | arm)", n=3000).design, None)
    assert few.n == 3  # a factor that nothing is pooled over makes no cells
    assert few.cross is not None


def test_strata_and_levels_of_points_are_those_of_the_rows() -> None:
    case = Case("nested", "score ~ x + (1 | country:site) + (1 | provider)", options={"residual_by": "arm"})
    points, rows = points_of(case.design, None), case.design.rows
    assert points.n == 60
    np.testing.assert_array_equal(points.stratum, rows.residual)
    for name, level in points.levels.items():
        np.testing.assert_array_equal(level, rows.index[name])
