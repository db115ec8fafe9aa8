"""Errors of measurement, amounts, grids and names of every form: refused by name, never by a traceback."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from imputing import table


@pytest.fixture(scope="module")
def fit() -> ab.Fit:
    model = ab.Model("y ~ x + w", focal="x", missing="impute")
    return model.fit(table(n=60), draws=40, chains=2, seed=1, progress=False)


@pytest.mark.parametrize("name", ["error", "reliability", "covariates", "roles", "centre", "levels", "scales"])
@pytest.mark.parametrize("given", [0.5, ["x"], "x", None, {"x"}])
def test_what_is_by_column_is_a_mapping(name: str, given: Any) -> None:
    options: dict[str, Any] = {name: given}
    with pytest.raises(ab.ModelError, match=f"{name} should be a mapping of (columns|factors)"):
        ab.Model("y ~ x + w", missing="impute", **options)


@pytest.mark.parametrize("size", [1.0, 5.0, 1e12])
def test_an_error_is_smaller_than_what_it_is_an_error_of(size: float) -> None:
    """A variance of errors above that of the values leaves none for what was measured."""
    frame = table(n=60)
    model = ab.Model("y ~ x + w", focal="x", missing="impute", error={"x": size * float(frame["x"].std())})
    with pytest.raises(ab.ModelError, match="'x' has an error of measurement of SD"):
        model.fit(frame, draws=40, chains=2, seed=1, progress=False)


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e-9])
def test_an_error_of_no_size_is_refused(size: float) -> None:
    """Its precision is the square of one over it, beyond any number."""
    model = ab.Model("y ~ x + w", focal="x", missing="impute", error={"x": size})
    with pytest.raises(ab.ModelError, match=r"which beside values of SD .* is none\. Take 'x' out of error"):
        model.fit(table(n=60), draws=40, chains=2, seed=1, progress=False)


def test_every_wrong_error_is_named_at_once() -> None:
    with pytest.raises(ab.ModelError) as raised:
        ab.Model("y ~ x + w", missing="impute", error={"x": -1.0, "v": 2.0}, reliability={"w": 1.0, "x": 0.5})
    said = str(raised.value)
    told = ("error of 'x' should", "error names 'v'", "reliability of 'w' should", "both given of 'x'")
    assert all(part in said for part in told), said


@pytest.mark.parametrize("amount", [1e308, -1e150, 1e15, "Normal(0, 1e99)", "Normal(2, 400)"])
def test_amounts_of_no_unit_are_refused_before_work(fit: ab.Fit, amount: float | str) -> None:
    """They ended in a marginal density that cannot be computed, in warnings or in a traceback."""
    with pytest.raises(ab.UsageError, match=r"delta would move missing values of 'y' by .*of no more than 100 SDs"):
        fit.with_delta({"y": amount})
    if not isinstance(amount, str):
        with pytest.raises(ab.UsageError, match="grid would move missing values of 'y' by"):
            fit.tipping_point("y", grid=sorted([-1, 0, amount, 1]))


@pytest.mark.parametrize(("amount", "part"), [("Normal(0, 1e308)", "sigma"), ("Normal(1e308, 2)", "mu")])
def test_a_shift_that_cannot_be_computed_with_is_refused(fit: ab.Fit, amount: str, part: str) -> None:
    with pytest.raises(ab.ModelError, match=rf"prior of 'delta of y': {part} is 1e\+308 in .*cannot be computed with"):
        fit.with_delta({"y": amount})


@pytest.mark.parametrize("amount", ["nan", "inf", "-inf", "", "many", float("nan"), float("inf"), True, None])
def test_what_is_no_amount_is_called_so(fit: ab.Fit, amount: Any) -> None:
    with pytest.raises(ab.UsageError, match=r"delta of 'y' should be a finite number or 'Normal\(mean, SD\)' but got"):
        fit.with_delta({"y": amount})


@pytest.mark.parametrize(
    "grid", [5, 0.0, "abc", [], [0], [-1, 0, 0, 1], [-1, float("nan"), 0, 1], [True, 0, 1], {"a": 1}]
)
def test_odd_grids_are_refused(fit: ab.Fit, grid: Any) -> None:
    with pytest.raises(ab.UsageError, match="grid should be from 3 to 200 ascending numbers"):
        fit.tipping_point("y", grid=grid)


@pytest.mark.parametrize("name", [5, 1.5, True, ("y",), "<b>", ""])
def test_odd_names_are_refused(fit: ab.Fit, name: Any) -> None:
    with pytest.raises(ab.UsageError, match="is none of them"):
        fit.tipping_point(name, grid=[-1, 0, 1])
    with pytest.raises(ab.UsageError, match="is none"):
        fit.tipping_point("y", by=name, grid=[-1, 0, 1])


@pytest.mark.slow
@pytest.mark.parametrize("formula", ["y ~ x + (1 | g)", "y ~ x + (x || g)"])
def test_an_error_of_measurement_goes_with_levels_that_are_all_there(formula: str) -> None:
    """Every row changes with such an error, so no row is left of which the products stay: that of no rows was refused.

    What holds is the estimate by moments: within groups, cov(x, y) over the variance of x less that of its error.
    """
    rng, n, error = np.random.default_rng(5), 400, 0.6
    group = rng.choice(["a", "b", "c"], n)
    true = rng.normal(0, 1, n) + (group == "a")
    frame = pd.DataFrame({"participant_id": [f"p{k}" for k in range(n)], "x": true + rng.normal(0, error, n)})
    frame["y"] = 1 + 2 * true - 1.5 * (group == "a") + rng.normal(0, 1, n)
    frame["g"] = group
    model = ab.Model(formula, focal="x", missing="impute", error={"x": error}, exhaustive=["g"], autoscale=True)
    fit = model.fit(ab.read_cohort(frame), seed=1, draws=400, progress=False)
    x, y = (frame[name] - frame.groupby("g")[name].transform("mean") for name in ("x", "y"))
    by_moments = float((x * y).sum() / ((x**2).sum() - (n - 3) * error**2))
    slope = fit.posterior["beta"].sel(term="x")
    # Priors and the form of the estimate move it by a part of its SD; without the error it would be 3 SDs lower.
    assert float(slope.mean()) == pytest.approx(by_moments, abs=0.5 * float(slope.std()))
    assert float((x * y).sum() / (x**2).sum()) < by_moments - 3 * float(slope.std())


def test_a_column_that_there_is_not_or_that_cannot_be_read_is_named() -> None:
    """As it is where incomplete rows are left out: values of it were looked for, and a KeyError was all there was."""
    frame = table(n=60).assign(w=lambda data: data["w"].astype(object))
    frame.loc[3, "w"] = "many"
    cohort = ab.read_cohort(frame, set_aside=True, numeric=["w"])
    for missing in ("impute", "drop"):
        with pytest.raises(ab.UsageError, match="no column 'vv'"):
            ab.Model("y ~ x + vv", missing=missing).fit(cohort, draws=40, chains=2, progress=False)
        with pytest.raises(ab.DataError, match=r"column 'w', row \d+: 'many' is not a number"):
            ab.Model("y ~ x + w", missing=missing).fit(cohort, draws=40, chains=2, progress=False)
    # So is one beside the model.
    with pytest.raises(ab.DataError, match="'many' is not a number"):
        ab.Model("y ~ x", missing="impute", auxiliary=["w"]).fit(cohort, draws=40, chains=2, progress=False)
    with pytest.raises(ab.ModelError, match="the table has no column 'vv'"):
        ab.Model("y ~ x", missing="impute", auxiliary=["vv"]).fit(cohort, draws=40, chains=2, progress=False)
