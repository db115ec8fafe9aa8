"""Formulas: what they are taken to mean, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from alliance_bayes.errors import ModelError
from alliance_bayes.model import parse_formula
from alliance_bayes.model.formula import GroupChunk
from alliance_bayes.model.grammar import FUNCTIONS
from alliance_bayes.model.nodes import WINDOWS


def test_double_bar_pools_independently_and_single_bar_jointly() -> None:
    formula = parse_formula("y ~ a + (a || g) + (a | h) + (1 | k)")
    assert formula.groups == (
        GroupChunk("g", ("Intercept", "a"), correlated=False),
        GroupChunk("h", ("Intercept", "a"), correlated=True),
        GroupChunk("k", ("Intercept",), correlated=False),
    )
    assert str(formula) == "y ~ a + (1 + a || g) + (1 + a | h) + (1 | k)"
    assert formula.columns == ("y", "a", "g", "h", "k")
    assert formula.common == ("Intercept", "a")


@pytest.mark.parametrize(
    "pieces",
    [
        "(1 | g) + (0 + a | g)",
        "(0 + a | g) + (1 | g)",
        "(0 + a || g) + (1 || g)",
        "(a - 1 | g) + (1 | g)",
        "(a || g)",
    ],
)
def test_separate_pieces_of_one_factor_are_independent_in_any_order(pieces: str) -> None:
    formula = parse_formula(f"y ~ 1 + {pieces}")
    assert formula.groups == (GroupChunk("g", ("Intercept", "a"), correlated=False),)
    assert formula == replace(parse_formula("y ~ 1 + (1 + a || g)"), text=formula.text)


@pytest.mark.parametrize(
    ("pieces", "what"),
    [
        ("(1 | g) + (a | g)", "its level is in two group terms"),
        ("(a | g) + (1 | g)", "its level is in two group terms"),
        ("(1 | g) + (1 | g)", "its level is in two group terms"),
        ("(1 | g/h) + (a | g)", "its level is in two group terms"),
        ("(1 | g:h) + (1 | h:g)", "its level is in two group terms"),
        ("(0 + a | g) + (0 + a + b | g)", "its effect of 'a' is in two group terms"),
        ("(0 + a + b | g) + (1 | g)", "once with correlations"),
    ],
)
def test_a_factor_that_is_pooled_twice_is_explained(pieces: str, what: str) -> None:
    with pytest.raises(ModelError, match=re.escape(what)):
        parse_formula(f"y ~ a + {pieces}")


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
        (
            "y ~ a | g",
            "formula 'y ~ a | g': at character 7, put the group term in parentheses, as in '(alliance || country)'.",
        ),
        (
            "log(y) ~ a",
            "formula 'log(y) ~ a': the outcome should be one column of the table, not an expression. "
            "Make the column first (its name then appears in every output).",
        ),
        (
            "y ~ a + (a | g) + (1 | g)",
            "formula 'y ~ a + (a | g) + (1 | g)': the factor 'g' is pooled twice: its level is in two group terms. Put "
            "all its terms into one, as in '(1 + a | g)', or with '||' where they are independent.",
        ),
        ("y ~ y + a", "formula 'y ~ y + a': the outcome 'y' is also used as a predictor. Remove it from one side."),
        (
            "y ~ a +",
            "formula 'y ~ a +': its end stands where a term should be. Terms are joined by '+', interactions written "
            "'a:b' or 'a*b', group terms '(a || factor)' in parentheses.",
        ),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse_formula(text)
    assert str(caught.value) == message


AFTER = "follows a term without an operator"


@pytest.mark.parametrize(
    ("text", "at", "token", "what"),
    [
        ("y ~ alliance who5_baseline + age", 14, "who5_baseline", AFTER),
        ("y ~ a + (1 | g) b + c", 17, "b", AFTER),
        ("y ~ (a b || g)", 8, "b", AFTER),
        ("y ~ (a || g h)", 13, "h", AFTER),
        ("y ~ a == 3 + b", 7, "==", "compares, which only I(...) does, as in I(alliance >= 4)"),
        ("y ~ (a > 40)", 8, ">", "compares, which only I(...) does, as in I(alliance >= 4)"),
        ("y ~ a, b", 6, ",", "separates nothing; a list of terms is joined by '+'"),
        ("y ~ a) + b", 6, ")", "closes a parenthesis that is not open"),
        ("y ~ a %in% b", 7, "%in%", "is no operator here; an interaction is written 'a:b'"),
        ("y ~ a // b", 7, "//", "is no operator here; nested terms, and a division, are written 'a/b'"),
        ("y ~ (a + b)^2", 12, "^", "is no operator here; an order of interactions, and a power, is written '**'"),
        ("y ~ (1 | )", 10, ")", "stands where a term should be"),
        ("y ~ log()", 9, ")", "stands where a column or a number should be"),
        ("y ~ (| g)", 6, "|", "has nothing to pool before it; levels alone are written '(1 | country)'"),
        ("y ~ I(a % 2)", 9, "%", "is no operator here; make a column of the remainder in the table"),
        ("y ~ a ~ b", 7, "~", "is a second '~'; a formula has one"),
        ("y ~ a ! b", 7, "!", "stands where an operator or the end should be"),
        ("y ~ a = 3", 7, "=", "assigns, which only options of bs() and s() do"),
        ("y ~ a[male]", 6, "[", "is no bracket here; a level cannot be chosen in a formula"),
        ("y ~ log(a)(b)", 11, "(", "stands where an operator or the end should be"),
        ("y ~ log(a b)", 11, "b", AFTER),
        ("y ~ I(a < b < c)", 13, "<", "is a second comparison; multiply two of them, each in parentheses"),
        ("y ~ I(a ** 2 ** 3)", 14, "**", "is a second power; put the first in parentheses"),
        ("y ~ a ** 2", 7, "**", "makes interactions of a sum, as in (a + b)**2; a square is written I(a ** 2)"),
        ("y ~ 2 * a", 5, "2", "is a number; the only ones among the terms are 0 and 1, the intercept"),
        ("y ~ .", 5, ".", "names no column; write the columns that are meant"),
        ("y ~ 'a'", 5, "'a'", "is a text, which has no place in a formula; a name goes in `backquotes`"),
        ("y ~ a + \N{MULTIPLICATION SIGN}", 9, "\N{MULTIPLICATION SIGN}", "is not part of a formula; put names in"),
    ],
)
def test_every_token_that_has_no_place_is_pointed_at(text: str, at: int, token: str, what: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse_formula(text)
    assert str(caught.value).startswith(f"formula {text!r}: at character {at}, {token!r} {what}")


@pytest.mark.parametrize(
    ("terms", "common"),
    [
        ("a * b * c", ("a", "b", "a:b", "c", "a:c", "b:c", "a:b:c")),
        ("(a + b) * c", ("a", "b", "c", "a:c", "b:c")),
        ("(a + b) : (c + d)", ("a:c", "a:d", "b:c", "b:d")),
        ("a / b", ("a", "a:b")),
        ("a / b / c", ("a", "a:b", "a:b:c")),
        ("(a + b) / c", ("a", "b", "a:b:c")),
        ("(a + b + c)**2", ("a", "b", "c", "a:b", "a:c", "b:c")),
        ("(a + b + c)**2 - a:b", ("a", "b", "c", "a:c", "b:c")),
        ("a * b - b", ("a", "a:b")),
        ("a + a + b:a + a:b", ("a", "b:a")),
        ("{a * b} + I((a + b) * c)", ("I(a * b)", "I((a + b) * c)")),
        ("I(-a ** 2) + I((-a) ** 2)", ("I(-a ** 2)", "I((-a) ** 2)")),
    ],
)
def test_operators_mean_what_the_documentation_says(terms: str, common: tuple[str, ...]) -> None:
    assert parse_formula(f"y ~ {terms}").common == ("Intercept", *common)
    assert parse_formula(f"y ~ 0 + {terms}").common == common
    assert parse_formula(f"y ~ {terms} - 1").common == common


@pytest.mark.parametrize(
    ("terms", "what"),
    [
        ("-a", "takes out a term that is not there"),
        ("a - b", "takes out a term that is not there"),
        ("a - (1 | g)", "a group term cannot be taken out"),
        ("a:a", "'a' cannot interact with itself"),
        ("a * (a + b)", "'a' cannot interact with itself"),
        ("(a)**2", "'a' alone has no interactions"),
        ("(1 + a):b", "1 stands for the intercept"),
        ("a:(b | g)", "a group term should be a term of its own"),
        ("bs(a, df=4):b", "bs(a, df=4) cannot be part of an interaction"),
        ("(1 | log(g))", "log(g) cannot be a grouping factor"),
        ("(0 | g)", "a group term has nothing to pool"),
        ("`log(a)` + log(a)", "the column 'log(a)' has the name of a call"),
        ("offset(a):b", "offset(a) should be a term of its own"),
        ("(a + offset(b) | g)", "offset(b) should be a term of its own"),
        ("a - offset(b)", "offset(b) cannot be taken out"),
        ("`a:b`", "cannot be the name of a column in a formula"),
        ("a:b:c:d:e:f", "an interaction of more than 5 columns"),
    ],
)
def test_what_would_be_read_otherwise_than_meant_is_refused(terms: str, what: str) -> None:
    with pytest.raises(ModelError, match=re.escape(what)):
        parse_formula(f"y ~ {terms}")


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        *((f"{name}(a)", "write the column itself") for name in ("C", "S", "T", "B", "binary", "factor")),
        *((f"{name}(a)", "write s(column) for a smooth") for name in ("cr", "cc", "tp", "te", "hsgp", "ns")),
        ("proportion(a, 3)", "make a column of the outcome"),
        ("sin(a)", "make a column of it in the table"),
        ("np.sin(a)", "make a column of it in the table"),
        ("rolling(a)", "make a column of it in the table"),
    ],
)
def test_a_call_that_is_not_supported_says_what_to_write(call: str, instead: str) -> None:
    for shape in ("y ~ {}", "y ~ ({} || g)", "y ~ b * {}"):
        with pytest.raises(ModelError, match=re.escape(instead)):
            parse_formula(shape.format(call))


@pytest.mark.parametrize(
    "term",
    [
        "{x}",
        *(f"{name}({{x}})" for name in (*WINDOWS, "s", "I", "center", "scale", "offset")),
        *(f"{name}({', '.join(['{x}'] * count)})" for name, count in FUNCTIONS.items()),
        "bs({x}, df=4)",
        "poly({x}, 2)",
        "s({x}, k=5)",
        "s({x}, knots=(1, 2))",
        "s(lag({x}))",
        "z:{x}",
        "({x} | {x} g)",
        "(1 | {x}/g)",
        "(1 | {x}:g)",
    ],
)
def test_a_name_in_backquotes_stands_wherever_a_plain_one_does(term: str) -> None:
    """What is made of a column called "a b" is what is made of one called "ab", and reads back."""
    plain = parse_formula("y ~ " + term.replace("{x} g", "h").format(x="ab"))
    quoted = parse_formula("y ~ " + term.replace("{x} g", "h").format(x="`a b`"))
    for found, names in ((quoted.columns, plain.columns), (quoted.common, plain.common)):
        assert found == tuple(re.sub(r"\bab\b", "`a b`" if "(" in name else "a b", name) for name in names)
    again = parse_formula(str(quoted))
    assert replace(again, text="") == replace(quoted, text="")
