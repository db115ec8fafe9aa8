from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes import Model
from alliance_bayes.checks import run_checks
from alliance_bayes.checks.statistics import Cells, group_statistics, simultaneous_limits
from alliance_bayes.diagnostics import diagnose, effective_sample_size
from alliance_bayes.effects import contrasts, slopes
from alliance_bayes.errors import DataError, ModelError
from alliance_bayes.fit import FittedModel
from alliance_bayes.instruments import cronbach_alpha, mcdonald_omega, spearman_brown
from alliance_bayes.model import ModelSpec, Scale
from alliance_bayes.model.families import Outcome
from alliance_bayes.model.scales import sample_scale
from alliance_bayes.moments import reduce_table
from alliance_bayes.rounding import is_constant
from builders import fitted

UNITS = (1e-8, 1.0, 1e8)


@given(
    numbers=st.lists(st.integers(-1000, 1000), min_size=2, max_size=8),
    power=st.integers(-60, 60),
)
def test_what_varies_does_not_depend_on_the_unit(numbers: list[int], power: int) -> None:
    # Powers of two scale without rounding, so nothing but the rule decides.
    assert bool(is_constant(np.array(numbers) * 2.0**power)) == (len(set(numbers)) == 1)


def test_rounding_is_no_variation_and_what_is_beyond_it_is() -> None:
    assert is_constant([0.1 + 0.2, 0.3])
    assert is_constant([1e8 * (0.1 + 0.2), 1e8 * 0.3])
    assert not is_constant([1e-8, 2e-8])
    assert not is_constant([1e8, 1e8 + 1])
    assert is_constant([1e-17, -2e-17], size=0.5)
    assert is_constant([np.inf, np.inf])
    assert not is_constant([0.0, np.inf])
    assert not is_constant([0.0, np.nan])
    np.testing.assert_array_equal(is_constant([[1.0, 1.0], [1.0, 2.0]]), [True, False])


def items(unit: float, n_items: int = 4) -> np.ndarray:
    rng = np.random.default_rng(0)
    return unit * (3 + rng.normal(size=(80, 1)) + rng.normal(size=(80, n_items)))


@pytest.mark.parametrize("unit", [1e-200, *UNITS, 1e100])
def test_reliability_does_not_depend_on_the_unit(unit: float) -> None:
    for function, n_items in ((cronbach_alpha, 4), (mcdonald_omega, 4), (spearman_brown, 2)):
        at_one, there = function(items(1.0, n_items)), function(items(unit, n_items))
        figures = [(r.value, r.lower, r.upper) for r in (at_one, there)]
        np.testing.assert_allclose(figures[1], figures[0], rtol=1e-6)
        assert np.isfinite(figures[1]).all()
        assert there.note == at_one.note


@pytest.mark.parametrize("unit", UNITS)
def test_constant_items_are_found_in_any_unit(unit: float) -> None:
    same = items(unit)
    same[:, 2] = 0.3 * unit
    same[::2, 2] = (0.1 + 0.2) * unit
    assert "the same answer" in str(mcdonald_omega(same).note)
    opposed = items(unit, 2)
    opposed[:, 1] = 6 * unit - opposed[:, 0]
    assert "the same total" in str(cronbach_alpha(opposed).note)


def table(unit: float, *, constant: bool = False) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    x = np.round(rng.normal(4, 1, 120), 2)
    frame = pd.DataFrame({"x": x, "y": 2 * x + rng.normal(size=120), "g": rng.choice(list("abcd"), 120)})
    if constant:
        frame["x"] = np.where(np.arange(120) % 2, 0.1 + 0.2, 0.3)
    return frame.assign(x=frame["x"] * unit, y=frame["y"] * unit)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("route", ["rows", "moments"])
def test_constant_columns_are_refused_and_others_kept_in_any_unit(unit: float, route: str, tmp_path: Path) -> None:
    def apply(frame: pd.DataFrame, formula: str) -> None:
        spec = ModelSpec(formula, autoscale=True)
        if route == "rows":
            spec.design(frame)
        else:
            frame.to_parquet(tmp_path / "table.parquet")
            reduce_table(tmp_path / "table.parquet", spec)

    apply(table(unit), "y ~ x + (1 | g)")
    apply(table(unit).assign(z=table(unit)["y"]), "y ~ x + z + x:z + (1 | g)")
    said = r"'x' (has the same value|differs by less than its digits can tell) in all 120 analysed rows"
    with pytest.raises(ModelError, match=said):
        apply(table(unit, constant=True), "y ~ x + (1 | g)")


def test_a_product_of_far_off_columns_that_vary_little_is_kept() -> None:
    frame = table(1.0).assign(a=1e6 + np.arange(120) % 2, b=1e6 + np.arange(120) // 2 % 2)
    assert "a:b" in Model("y ~ a + b + a:b", autoscale=True).design(frame).terms


@pytest.mark.parametrize("unit", UNITS)
def test_the_scale_of_rows_is_in_their_unit(unit: float) -> None:
    np.testing.assert_allclose(sample_scale(np.array([1.0, 2.0, 3.0]) * unit).sd, unit)
    # Equal rows have no spread; their own size is the only one there is.
    np.testing.assert_allclose(sample_scale(np.array([0.3, 0.1 + 0.2]) * unit).sd, 0.3 * unit)
    assert sample_scale(np.zeros(3)).sd == 1.0


@pytest.mark.parametrize("unit", UNITS)
def test_an_outcome_is_on_a_level_relative_to_the_step(unit: float) -> None:
    frame = table(1.0)
    levels = np.arange(120) % 5 * 0.1 * unit
    scales = {"y": Scale(0.2 * unit, 0.1 * unit, 0.0, 0.4 * unit, 0.1 * unit)}
    model = Model("y ~ x", family="cumulative", scales=scales, autoscale=True)
    model.design(frame.assign(y=levels))
    with pytest.raises(DataError, match="is not one of the 5 levels"):
        model.design(frame.assign(y=levels + np.where(np.arange(120) == 7, 0.01 * unit, 0.0)))


@pytest.mark.parametrize("unit", [1e-20, *UNITS])
def test_effective_sample_sizes_do_not_depend_on_the_unit(unit: float) -> None:
    rng = np.random.default_rng(2)
    steps = rng.normal(size=(1, 4, 500))
    chains = np.cumsum(steps, axis=2) * 0.01 + steps
    np.testing.assert_allclose(effective_sample_size(chains * unit), effective_sample_size(chains), rtol=1e-9)
    assert effective_sample_size(chains)[0] < 1500


@settings(max_examples=20)
@given(power=st.integers(-100, 100))
def test_shapes_and_limits_of_outcomes_do_not_depend_on_the_unit(power: int) -> None:
    rng = np.random.default_rng(3)
    unit, values, groups = 2.0**power, rng.gamma(2.0, size=(40, 30)), Cells.of([np.zeros(30, int)])

    def judged(unit: float) -> np.ndarray:
        seen = values[:1] * unit
        outcome = Outcome("y", seen[0], seen[0], None, None, None)
        observed, replicated = (group_statistics(v * unit, groups, outcome, None) for v in (values[:1], values[1:]))
        names = list(observed)
        limits = simultaneous_limits(
            names,
            np.full(len(names), 30.0),
            np.concatenate([observed[name][0] for name in names]),
            np.column_stack([replicated[name] for name in names]),
            rate=0.1,
        )
        return np.asarray(limits.departure)

    np.testing.assert_allclose(judged(unit), judged(1.0), rtol=1e-6)


@pytest.mark.parametrize("unit", UNITS)
def test_a_fit_in_other_units_is_the_same_fit(unit: float) -> None:
    frame, formula = table(1.0), "y ~ x + (1 | g)"
    model = Model(formula, autoscale=True)
    one = model.fit(frame, seed=3, draws=250)
    # A power of two near the unit: the arithmetic is then the same to the last digit.
    power = 2.0 ** round(np.log2(unit))
    there = model.fit(frame.assign(x=frame["x"] * power, y=frame["y"] * power), seed=3, draws=250)
    expected, found = one.posterior["beta"].to_numpy(), there.posterior["beta"].to_numpy()
    np.testing.assert_allclose(found * [1 / power, 1.0], expected, rtol=1e-6)
    diagnostics = [diagnose(fit.posterior) for fit in (one, there)]
    # Draws that are equal but for rounding may change ranks, which moves a diagnostic in its fourth digit.
    pd.testing.assert_frame_equal(diagnostics[0], diagnostics[1], rtol=1e-2)
    tables = [slopes(fit, predictor="x") for fit in (one, there)]
    same = tables[0]["estimand"].isin(["slope", "slope_standardised", "partial_correlation", "delta_r2"]).to_numpy()
    for column in ("mean", "lower", "upper"):
        np.testing.assert_allclose(
            tables[1].loc[same, column].to_numpy(), tables[0].loc[same, column].to_numpy(), rtol=1e-6
        )
    # No slope differs by group in this model, which is exactly nothing in any unit.
    assert (contrasts(there, "g", of="slope", predictor="x")["mean"] == 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("unit", UNITS)
def test_a_censored_outcome_in_other_units_has_the_same_slope_and_residual_check(unit: float) -> None:
    def fit_in(unit: float) -> FittedModel:
        frame = table(1.0)
        frame["y"] = np.clip(frame["y"], 4.0, 10.0)
        ends = Scale(7.0 * unit, 2.0 * unit, 4.0 * unit, 10.0 * unit)
        return fitted(
            frame.assign(x=frame["x"] * unit, y=frame["y"] * unit),
            formula="y ~ x + (1 | g)",
            means={"beta": [8.0 * unit, 2.0], "sigma": unit, "tau_g": 0.3 * unit, "u_g": 0.0},
            sds={"beta": [0.1 * unit, 0.1], "sigma": 0.1 * unit, "tau_g": 0.03 * unit, "u_g": 0.1 * unit},
            spec={"family": "censored_gaussian", "scales": {"y": ends}, "autoscale": True},
        )

    one, there = fit_in(1.0), fit_in(unit)
    tables = [slopes(fit, predictor="x").set_index("estimand") for fit in (one, there)]
    for estimand in ("slope", "slope_standardised", "partial_correlation", "delta_r2"):
        figures = [table.loc[estimand, ["mean", "lower", "upper"]].to_numpy(float) for table in tables]
        np.testing.assert_allclose(figures[1], figures[0], rtol=1e-4)
    curvature = [run_checks(fit, checks=["curvature"]).results[0] for fit in (one, there)]
    assert curvature[0].sentence == curvature[1].sentence
    assert curvature[0].verdict == curvature[1].verdict
