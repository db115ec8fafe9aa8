"""Models, fits and moments in a user's memory: copied and pickled, and the same after it."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import alliance_bayes as ab
from alliance_bayes.moments.from_rows import moments_of
from alliance_bayes.readonly import ReadOnly
from builders import fitted, rows

COPIES: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda made: pickle.loads(pickle.dumps(made)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}
FORMULA = (
    "who5_followup ~ alliance * sex + s(age, k=5) + bs(days_in_care, df=3) + scale(n_sessions) + I(alliance >= 4.5)"
    " + offset(who5_baseline / 2) + (alliance | country) + (1 | provider_type)"
)
OPTIONS: dict[str, Any] = {
    "priors": {"set": "sceptical", "age": "Normal(0, 1)"},
    "levels": {"sex": ("male", "female")},
    "centre": {"alliance": 4.0},
    "scales": {"n_sessions": ab.Scale(mean=4, sd=2)},
    "residual_by": "sex",
}


@pytest.mark.parametrize("how", COPIES)
def test_a_model_is_the_same_after_it(how: str) -> None:
    model = ab.Model(FORMULA, **OPTIONS)
    again = COPIES[how](model)
    assert type(again) is ab.Model
    assert (repr(again), str(again), again.parsed) == (repr(model), str(model), model.parsed)
    assert all(getattr(again, name) == getattr(model, name) for name in ("centre", "levels", "scales"))
    assert {name: again.priors[name] for name in again.priors} == {name: model.priors[name] for name in model.priors}
    np.testing.assert_array_equal(again.design(rows()).rows.known, model.design(rows()).rows.known)


@pytest.mark.parametrize("how", COPIES)
def test_a_fit_is_the_same_after_it(how: str) -> None:
    fit = fitted(formula=FORMULA, chains=2, draws=20, spec={**OPTIONS, "autoscale": True})
    again = COPIES[how](fit)
    new = rows(20, seed=9)
    np.testing.assert_array_equal(again.predict(new).values, fit.predict(new).values)
    np.testing.assert_array_equal(again.log_likelihood().values, fit.log_likelihood().values)


@pytest.mark.parametrize("how", COPIES)
def test_a_sampled_fit_and_its_effects_are_the_same_after_it(how: str) -> None:
    fit = ab.Model("who5_followup ~ alliance + (1 | country)").fit(
        rows(60), seed=1, chains=2, draws=100, tune=100, progress=False
    )
    again = COPIES[how](fit)
    assert type(again) is type(fit)
    assert again.effects().equals(fit.effects())
    assert COPIES[how](fit.effects()).equals(fit.effects())


@pytest.mark.parametrize("how", COPIES)
def test_moments_are_the_same_after_it(how: str) -> None:
    moments = moments_of(ab.Model("who5_followup ~ alliance + (1 | country)").design(rows()))
    again = COPIES[how](moments)
    assert (again.levels, again.centres, again.parts) == (moments.levels, moments.centres, moments.parts)
    np.testing.assert_array_equal(again.cross, moments.cross)


def test_a_mapping_to_be_read_only() -> None:
    given = {"a": 1}
    held = ReadOnly(given)
    given["b"] = 2
    assert held == {"a": 1}
    assert (dict(held), list(held), len(held), repr(held)) == ({"a": 1}, ["a"], 1, "{'a': 1}")
    with pytest.raises(TypeError):
        held["a"] = 2  # type: ignore[index]
