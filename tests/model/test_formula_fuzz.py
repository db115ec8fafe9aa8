"""Formulas at random: none runs code, none ends in another error, none is read otherwise than it is printed."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes.errors import DataError, ModelError
from alliance_bayes.model import ModelSpec, described, parse_formula

NAMES = st.sampled_from(
    [
        "a",
        "b",
        "c",
        "g",
        "h",
        "s",
        "I",
        "np",
        "log",
        "I.__globals__",
        "__import__",
        "_x",
        "e1",
        "größe",
        "True",
        "`a b`",
    ]
)
FUNCTIONS = st.sampled_from(
    [
        *("I", "log", "np.log", "maximum", "scale", "center", "bs", "poly", "offset", "s", "within", "between", "lag"),
        *("C", "eval", "I.__call__", "exec"),
    ]
)
NUMBERS = st.sampled_from(["0", "1", "2", "3.5", ".5", "1e3", "1e999", "10", "99999999999999999999"])
TOKENS = st.one_of(
    NAMES,
    FUNCTIONS.map(lambda name: name + "("),
    NUMBERS,
    st.sampled_from(
        [
            "+",
            "-",
            "*",
            "/",
            ":",
            "**",
            "~",
            "|",
            "||",
            "(",
            ")",
            ",",
            "=",
            "==",
            "<",
            "[",
            "]",
            "{",
            "}",
            "`",
            "'",
            ".",
        ]
    ),
    st.characters(),
)
PARTS = st.recursive(
    st.one_of(
        NAMES,
        st.builds("{}({})".format, FUNCTIONS, NAMES),
        st.builds("{}({}, {})".format, FUNCTIONS, NAMES, NUMBERS),
        st.builds("{}({}, {})".format, FUNCTIONS, NAMES, NAMES),
        st.builds("{}({}({}))".format, FUNCTIONS, FUNCTIONS, NAMES),
        st.builds("{}({}, {}={})".format, FUNCTIONS, NAMES, st.sampled_from(["df", "k", "degree"]), NUMBERS),
        st.builds("I({} {} {})".format, NAMES, st.sampled_from(["+", "-", "*", "/", "**", ">="]), NUMBERS),
        NUMBERS,
    ),
    lambda inner: st.one_of(
        st.builds("{} {} {}".format, inner, st.sampled_from(["+", "-", "*", "/", ":"]), inner),
        st.builds("({})".format, inner),
        st.builds("({})**{}".format, inner, st.sampled_from("123")),
        st.builds("I(({}) * {})".format, inner, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["|", "||"]), inner),
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def watched() -> Any:
    """Names of whatever is compiled, imported or opened while formulas are read."""
    seen: list[str] = []
    watching = [True]

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if watching[0] and event in ("compile", "exec", "import", "open", "os.system", "subprocess.Popen"):
            seen.append(f"{event} {arguments[:1]}")

    parse_formula("y ~ a")
    sys.addaudithook(hook)
    yield seen
    watching[0] = False


def check(text: str, watched: list[str]) -> None:
    before = len(watched)
    try:
        formula = parse_formula(text)
    except ModelError:
        return
    finally:
        assert not [event for event in watched[before:] if "hypothesis" not in event]
    printed = str(formula)
    assert replace(parse_formula(printed), text=text) == formula
    assert str(parse_formula(printed)) == printed
    description = described(formula)
    assert tuple(str(term.name) for term in description.common_terms) == formula.common
    expected = tuple(
        f"{'1' if name == 'Intercept' else name}|{group.factor}" for group in formula.groups for name in group.terms
    )
    assert tuple(term.name for term in description.group_terms) == expected
    assert formula.has_intercept == ("Intercept" in formula.common)


@settings(max_examples=600, deadline=None)
@given(st.lists(TOKENS, max_size=14))
def test_random_tokens(watched: list[str], tokens: list[str]) -> None:
    check("y ~ " + " ".join(tokens), watched)
    check("".join(tokens), watched)


@pytest.mark.slow
@settings(max_examples=600, deadline=None)
@given(st.lists(PARTS, min_size=1, max_size=4))
def test_random_terms(watched: list[str], parts: list[str]) -> None:
    check("y ~ " + " + ".join(parts), watched)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_random_text(watched: list[str], text: str) -> None:
    check(text, watched)
    check(f"y ~ {text}", watched)


@pytest.mark.parametrize(
    "text",
    [
        "who5_followup ~ alliance * sex + (alliance || country) + (1 | provider_type)",
        "who5_followup ~ 0 + s(alliance, k=5) + offset(who5_baseline) + (0 + age | country)",
    ],
)
def test_a_model_prints_its_formula_as_it_was_read(text: str) -> None:
    spec = ModelSpec(text, autoscale=True)
    assert replace(parse_formula(str(spec)), text=text) == spec.parsed


NUMERIC = st.sampled_from(["a", "b", "c", "`a b`"])
INSIDE = st.recursive(
    st.one_of(NUMERIC, NUMERIC, st.sampled_from(["2", "0.5", "3", "lag(a)", "between(b, g)"])),
    lambda inner: st.one_of(
        st.builds("{} {} {}".format, inner, st.sampled_from(["+", "-", "*"]), inner),
        st.builds("({}) ** {}".format, inner, st.sampled_from(["2", "3"])),
        st.builds("-({})".format, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from([">=", "<", "=="]), inner),
        st.builds("{}({})".format, st.sampled_from(["abs", "exp", "center", "np.sqrt", "I"]), inner),
        st.builds("minimum({}, {})".format, inner, inner),
    ),
    max_leaves=4,
)
ATOMS = st.one_of(
    st.sampled_from(["a", "b", "c", "`a b`", "g", "h", "lag(a)", "within(b, g)", "between(b, g)"]),
    st.builds("I({})".format, INSIDE),
    st.builds("{{{}}}".format, INSIDE),
    st.builds("scale({})".format, NUMERIC),
    st.builds("bs({}, {})".format, NUMERIC, st.sampled_from(["4", "df=5", "knots=(2, 3.5)"])),
    st.builds("poly({}, {})".format, NUMERIC, st.sampled_from(["2", "degree=3"])),
)
SUMS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds("{} {} {}".format, inner, st.sampled_from(["+", "*", ":", "/"]), inner),
        st.builds("({} + {})".format, inner, inner),
        st.builds("({} + {})**2".format, inner, inner),
    ),
    max_leaves=4,
)
TERMS = st.one_of(
    SUMS,
    SUMS,
    st.builds("offset({})".format, INSIDE),
    st.builds("s({})".format, st.sampled_from(["a", "b, k=5", "c, knots=(2, 3)", "lag(a), k=4"])),
    st.builds(
        "({}{} {} {})".format, st.sampled_from(["", "0 + "]), SUMS, st.sampled_from(["|", "||"]), st.sampled_from("gh")
    ),
    st.builds("(1 | {})".format, st.sampled_from(["g", "h", "g/h", "h:g"])),
    st.just("0"),
)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    names = ("y", "a", "b", "c", "a b", "lag(a)", "within(b, g)", "between(b, g)")
    numbers = pd.DataFrame({name: rng.normal(3, 1, 60) for name in names})
    return numbers.assign(g=rng.choice(list("pqr"), 60), h=rng.choice(list("uv"), 60))


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.lists(TERMS, min_size=1, max_size=4))
def test_random_formulas_make_the_columns_that_are_printed(frame: pd.DataFrame, terms: list[str]) -> None:
    """What is applied, on the rows, on new rows and as it is printed, is one thing."""
    try:
        spec = ModelSpec("y ~ " + " + ".join(terms), autoscale=True)
        design = spec.design(frame)
    except (ModelError, DataError):
        return
    assert spec.priors_for(design)
    printed = ModelSpec(str(spec), autoscale=True).design(frame)
    assert (printed.terms, [f.terms for f in printed.factors]) == (design.terms, [f.terms for f in design.factors])
    np.testing.assert_array_equal(printed.rows.known, design.rows.known)
    for size in (1, 7):
        new = design.evaluate(frame.head(size))
        # Sums over one row or sixty differ in their last digits only.
        np.testing.assert_allclose(new.known, design.rows.known[:size], rtol=1e-9, atol=1e-9)
        for factor in design.factors:
            np.testing.assert_allclose(new.z[factor.name], design.rows.z[factor.name][:size], rtol=1e-9, atol=1e-9)
