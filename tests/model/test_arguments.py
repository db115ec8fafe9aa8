"""Arguments of a model of another kind than theirs: told by name, all at once, and as nothing but a ModelError."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes.errors import ModelError
from alliance_bayes.model import ModelSpec, Prior, Scale
from alliance_bayes.model.arguments import _KINDS
from builders import rows

FORMULA = "who5_followup ~ alliance + (1 | country)"
NAMES = [one.name for one in dataclasses.fields(ab.Model) if one.name != "formula"]
# Fields with a value that each can have.
RIGHT: dict[str, Any] = {
    "family": "student_t",
    "priors": {"sigma": "Exponential(0.1)"},
    "exhaustive": ["country"],
    "focal": "alliance",
    "contrast": (3, 5),
    "centre": {"alliance": 4},
    "scales": {"alliance": ab.Scale(4.0, 1.0)},
    "autoscale": False,
    "roles": {"country": "group"},
    "residual_by": "country",
    "missing": "impute",
}
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=2)
odd = st.recursive(
    scalars | st.sampled_from(["alliance", "country", "who5_followup", "~ alliance"]) | st.builds(object),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(scalars, inner, max_size=2) | st.frozensets(scalars),
    max_leaves=4,
)


@pytest.mark.parametrize("name", RIGHT)
def test_right_ones_pass(name: str) -> None:
    ab.Model(FORMULA, **{name: RIGHT[name]})


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25, deadline=None)
@given(value=odd)
def test_whatever_an_argument_is_only_a_model_error_comes_of_it(name: str, value: object) -> None:
    told = ""
    try:
        ab.Model(FORMULA, **{name: value})
    except ab.ModelError as error:
        told = str(error)
    assert len(told) < 2_000


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, 3) for name in _KINDS),
        ("card", None),
        ("scales", {"alliance": 3}),
        ("centre", {"alliance": math.nan}),
        ("centre", {"alliance": "4"}),
        # Draws would follow the order of a set, which is another one in every process.
        ("auxiliary", {"a", "b"}),
        ("exhaustive", {"sex"}),
        ("exhaustive", "sex"),
        ("autoscale", "no"),
    ],
)
def test_another_kind_is_told_by_the_name_of_the_argument(name: str, value: object) -> None:
    with pytest.raises(ab.ModelError, match=rf"^{name} should be"):
        ab.Model(FORMULA, **{name: value})


def test_all_that_are_wrong_are_told_at_once() -> None:
    with pytest.raises(ab.ModelError) as raised:
        ab.Model(FORMULA, family=[], focal=3, centre={"alliance": math.inf}, auxiliary="age")
    told = [line.split(" should be ")[0].split()[-1] for line in str(raised.value).split("but got") if "should" in line]
    assert told == ["family", "focal", "centre", "auxiliary"]


@pytest.mark.parametrize(("name", "value"), [("name", None), ("title", 3), ("assumptions", "one"), ("sources", [3])])
def test_words_of_a_card_are_texts(name: str, value: Any) -> None:
    with pytest.raises(ab.ModelError, match=rf"^{name} should be a"):
        ab.Card(**{name: value})


@pytest.mark.parametrize("value", [1e101, 1e200, 1e308, 1e-101, 1e-300])
@pytest.mark.parametrize("formula", ["y ~ x", "y ~ w + I(x / 2)", "y ~ w + s(x)", "x ~ w", "y ~ w + (x | g)"])
def test_numbers_whose_products_cannot_be_computed_are_refused_by_name(formula: str, value: float) -> None:
    # To 1e-170 they passed for an outcome that is explained exactly, above 1e152 for a scale of an infinite SD.
    steps = [1.0, 2.5, 4.0, 3.0, 5.0, 1.5, 2.0, 4.5]
    table = pd.DataFrame({"y": steps, "w": steps[::-1], "x": [step / 5 * value for step in steps], "g": [*"aabbccdd"]})
    name = "x / 2" if "I(" in formula else "x"
    with pytest.raises(ab.ModelError, match=rf"{name}\S* has values of (up to|no more than) "):
        ab.Model(formula).fit(ab.read_cohort(table), seed=1, draws=100)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("formula", "column", "said"),
    [
        ("y ~ a * b", "a:b", "of up to"),
        ("y ~ a + (a:b | g)", "a:b", "of up to"),
        ("y ~ s * t", "s:t", "of no more than"),
    ],
)
def test_products_beyond_the_numbers_of_a_computer_are_refused_by_name(formula: str, column: str, said: str) -> None:
    """They ended in errors of NumPy and of Python: "SVD did not converge", "Numerical result out of range"."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({name: rng.normal(size=40) * size for name, size in [("y", 1), ("a", 1e80), ("b", 1e80)]})
    table = table.assign(s=table["a"] * 1e-160, t=table["b"] * 1e-160, g=[*"abcd"] * 10)
    with pytest.raises(ab.ModelError, match=rf"^'{column}' has values {said} .*; products of .* one of its columns by"):
        ab.Model(formula).fit(ab.read_cohort(table), seed=1, draws=100)


@pytest.mark.parametrize("formula", ["a ~ s + b", "a ~ b + s(s)", "s ~ a", "s ~ b + (a | g)"])
def test_default_priors_beyond_the_numbers_of_a_computer_are_refused_by_name(formula: str) -> None:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({name: rng.normal(size=40) * size for name, size in [("a", 1e80), ("b", 1e80), ("s", 1e-80)]})
    with pytest.raises(ab.ModelError, match=r"^prior of '.*': sigma is .*, and numbers (above|below) .* cannot be"):
        ab.Model(formula).fit(ab.read_cohort(table.assign(g=[*"abcd"] * 10)), seed=1, draws=100)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            lambda: ModelSpec("y ~ a", priors={"a": "Normal(0, 1e308)"}),
            "prior of 'a': sigma is 1e+308 in Normal(0, 1e+308), and numbers above 1e+100 cannot be computed with.",
        ),
        (
            lambda: ModelSpec("y ~ a", priors={"a": Prior("Normal", (0.0, 1e-308))}),
            "prior of 'a': sigma is 1e-308 in Normal(0, 1e-308), and numbers below 1e-100 cannot be computed with.",
        ),
        (
            lambda: ModelSpec("y ~ a", priors={"a": "Normal(-1e200, 1)"}),
            "prior of 'a': mu is -1e+200 in Normal(-1e+200, 1), and numbers above 1e+100 cannot be computed with.",
        ),
        (lambda: Scale(mean=4, sd=1e-320), "a scale's numbers should be at most 1e+100, and its sd at least 1e-100"),
        (lambda: Scale(mean=1e200, sd=1), "a scale's numbers should be at most 1e+100, and its sd at least 1e-100"),
        (
            lambda: ModelSpec("who5_followup ~ alliance", centre={"alliance": 1e20}).design(rows(30)),
            "centre of 'alliance' is 1e+20, so far from its values (",
        ),
    ],
)
def test_numbers_that_cannot_be_computed_with_are_named(made: Callable[[], object], said: str) -> None:
    with pytest.raises(ModelError) as caught:
        made()
    assert str(caught.value).startswith(said)


def test_numbers_at_the_edge_are_computed_with() -> None:
    # The squares of 1e100, and of 1e-100, are numbers still.
    assert ModelSpec("y ~ a", priors={"a": "Normal(0, 1e100)"}).given_priors["a"].arguments["sigma"] == 1e100
    assert Scale(mean=0, sd=1e-100).sd == 1e-100
