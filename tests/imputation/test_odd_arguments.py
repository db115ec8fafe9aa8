"""Errors of measurement, amounts, grids and names of every form: refused by name, never by a traceback."""

from __future__ import annotations

from typing import Any

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
    with pytest.raises(ab.ModelError, match=f"{name} should be a mapping by column"):
        ab.Model("y ~ x + w", missing="impute", **options)


@pytest.mark.parametrize("size", [1.0, 5.0, 1e12])
def test_an_error_is_smaller_than_what_it_is_an_error_of(size: float) -> None:
    """A variance of errors above that of the values leaves none for what was measured."""
    frame = table(n=60)
    model = ab.Model("y ~ x + w", focal="x", missing="impute", error={"x": size * float(frame["x"].std())})
    with pytest.raises(ab.ModelError, match="'x' has an error of measurement of SD"):
        model.fit(frame, draws=40, chains=2, seed=1, progress=False)


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
