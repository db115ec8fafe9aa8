"""Design arrays made by arrays are those that the design itself makes of a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.imputation.evaluation import ChangingDesign
from alliance_bayes.model import Design, Rows

FORMULAS = [
    "y ~ x + z + b + g + w",
    "y ~ x*g + b*z + (x || h) + I(x**2)",
    "y ~ x*b*g + log(z + 9) + poly(w, 2) + (1 + x | g)",
    "y ~ s(x) + g:b + (b | g:h) + offset(w)",
    "y ~ 0 + g + x:z + bs(z, df=4) + (x | h)",
]


def table(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    out = pd.DataFrame(rng.normal(0, 1, (n, 4)), columns=["y", "x", "z", "w"])
    out["b"] = rng.integers(0, 2, n).astype(float)
    for name, levels in (("g", "abc"), ("h", "pqrst")):
        out[name] = pd.Categorical(rng.choice(list(levels), n), list(levels), ordered=True)
    return out


def assert_same(one: Rows, other: Rows) -> None:
    for own, theirs in one.columns_beside(other):
        # The same sums and products, in another order of the last digits.
        np.testing.assert_allclose(own, theirs, rtol=1e-12, atol=1e-12)
    for name, index in one.index.items():
        # Levels that no row has are those below zero, whatever their number.
        np.testing.assert_array_equal(np.maximum(index, -1), np.maximum(other.index[name], -1))
    assert (one.residual is None) == (other.residual is None)
    if one.residual is not None:
        np.testing.assert_array_equal(one.residual, other.residual)


def designed(formula: str, frame: pd.DataFrame, **options: Any) -> Design:
    return ab.Model(formula, **options).design(frame)


@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("options", [{}, {"residual_by": "g"}])
def test_one_column_after_the_other_takes_other_values(formula: str, options: dict[str, str]) -> None:
    frame = table()
    design, rng = designed(formula, frame, **options), np.random.default_rng(1)
    frame = design.frame.copy()
    used = [str(name) for name in frame if name in design.predictors]
    changing = ChangingDesign(design, frame, used)
    assert changing._by_arrays
    places = np.arange(0, 60, 2)
    for name in [*used, *used]:
        categorical = isinstance(frame[name].dtype, pd.CategoricalDtype)
        if categorical:
            values = rng.integers(0, len(frame[name].cat.categories), places.size)
            frame.loc[places, name] = frame[name].cat.categories.to_numpy()[values]
        else:
            # Within the knots of a spline, beyond which it is none of a table either.
            own = frame[name].to_numpy(float)
            values = rng.integers(0, 2, places.size).astype(float) if name == "b" else rng.permutation(own[places])
            frame.loc[places, name] = values
        found = changing.at({name: values}, places, changing.rows.take(places))
        assert_same(found, design.evaluate(frame.iloc[places], counterfactual=True))
        changing.put(name, places, values)
        changing.rows.put(places, found)
        assert_same(changing.rows, design.evaluate(frame, counterfactual=True))


def test_rows_without_a_level_are_left_to_the_design() -> None:
    frame = table().assign(client=lambda rows: rows["b"])
    frame["h"] = frame["h"].astype(object).where(frame["b"] == 1)
    design = ab.Model("y ~ x + b + (0 + b | h)").fit(ab.read_cohort(frame), draws=20, chains=1, progress=False).design
    changing = ChangingDesign(design, design.frame, ["x"])
    assert not changing._by_arrays
    places, values = np.arange(5), np.linspace(-1, 1, 5)
    other = design.frame.iloc[places].assign(x=values)
    assert_same(
        changing.at({"x": values}, places, changing.rows.take(places)), design.evaluate(other, counterfactual=True)
    )
