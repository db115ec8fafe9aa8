"""Formulas: what they are taken to mean, and what is refused."""

from __future__ import annotations

import pytest

from alliance_bayes.errors import ModelError
from alliance_bayes.model import parse_formula
from alliance_bayes.model.formula import GroupChunk


def test_double_bar_pools_independently_and_single_bar_jointly() -> None:
    formula = parse_formula("y ~ a + (a || g) + (a | h) + (1 | k)")
    assert formula.groups == (
        GroupChunk("g", ("Intercept", "a"), correlated=False),
        GroupChunk("h", ("Intercept", "a"), correlated=True),
        GroupChunk("k", ("Intercept",), correlated=False),
    )
    assert formula.plain == "y ~ a + (a | g) + (a | h) + (1 | k)"
    assert formula.columns == ("y", "a", "g", "h", "k")
    assert formula.common == ("Intercept", "a")


def test_separate_pieces_of_one_factor_are_independent() -> None:
    assert parse_formula("y ~ 1 + (1 | g) + (0 + a | g)").groups == (
        GroupChunk("g", ("Intercept", "a"), correlated=False),
    )


def test_nesting_expands_to_the_outer_factor_and_the_combinations() -> None:
    assert [group.factor for group in parse_formula("y ~ 1 + (1 | a/b)").groups] == ["a", "a:b"]


def test_a_bar_in_quotes_is_no_group_term() -> None:
    assert parse_formula("y ~ `odd | name` + (1 | g)").columns == ("y", "odd | name", "g")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "alliance",
            "formula 'alliance' has no outcome. Write it as 'who5_followup ~ alliance + (alliance || country)'.",
        ),
        ("y ~ a | g", "formula 'y ~ a | g': put the group term in parentheses, as in '(alliance || country)'."),
        (
            "log(y) ~ a",
            "formula 'log(y) ~ a': the outcome should be one column of the table, not an expression. "
            "Make the column first (its name then appears in every output).",
        ),
        (
            "y ~ a + (a | g) + (1 | g)",
            "formula 'y ~ a + (a | g) + (1 | g)': the factor 'g' is pooled twice. Put all its terms into one group "
            "term.",
        ),
        ("y ~ y + a", "formula 'y ~ y + a': the outcome 'y' is also used as a predictor. Remove it from one side."),
        (
            "y ~ a +",
            "formula 'y ~ a +' cannot be parsed: Don't know how to parse ''. Terms are joined by '+', interactions "
            "written "
            "'a:b' or 'a*b', group terms '(a || factor)' in parentheses.",
        ),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse_formula(text)
    assert str(caught.value) == message
