"""Smooths in formulas: what they are taken to mean, and what is refused."""

from __future__ import annotations

import pytest

from alliance_bayes.errors import ModelError
from alliance_bayes.model import ModelSpec, card_arguments, card_text, parse_formula
from alliance_bayes.model.nodes import SmoothTerm
from builders import rows


@pytest.mark.parametrize(
    ("text", "common", "smooths"),
    [
        ("y ~ s(a)", ("Intercept", "a"), (SmoothTerm("a", 6),)),
        ("y ~ b + s(a, k=5) - 1", ("b", "a"), (SmoothTerm("a", 3),)),
        ("y ~ s (a, knots=(2, 3.5)) + a:b", ("Intercept", "a", "a:b"), (SmoothTerm("a", 2, (2.0, 3.5)),)),
        (
            "y ~ s(a, knots=[-1]) + s(b)",
            ("Intercept", "a", "b"),
            (SmoothTerm("a", 1, (-1.0,)), SmoothTerm("b", 6)),
        ),
        ("y ~ s + bs(a, df=4) + np.abs(b) + (s || g)", ("Intercept", "s", "bs(a, df=4)", "abs(b)"), ()),
        ("y ~ s(`a b`) + `s c`", ("Intercept", "a b", "s c"), (SmoothTerm("a b", 6),)),
        ("y ~ `s (a)` + b", ("Intercept", "s (a)", "b"), ()),
    ],
)
def test_a_smooth_leaves_its_column_behind(text: str, common: tuple[str, ...], smooths: tuple[SmoothTerm, ...]) -> None:
    formula = parse_formula(text)
    assert (formula.common, formula.smooths) == (common, smooths)


def test_the_straight_line_is_a_common_term_once() -> None:
    formula = parse_formula("y ~ a + s(a) + b + (a || g)")
    assert formula.common == ("Intercept", "a", "b")
    assert formula.columns == ("y", "a", "b", "g")
    assert str(formula) == "y ~ s(a) + b + (1 + a || g)"
    assert formula.text == "y ~ a + s(a) + b + (a || g)"
    assert parse_formula("y ~ s(a) + b").common == ("Intercept", "a", "b")
    assert parse_formula("y ~ a").smooths == ()


USAGE = "Write s(alliance), s(alliance, k=8) or s(alliance, knots=(2, 3, 4))."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        *(
            (
                text,
                f"formula {text!r}: s(a) should be a term of its own, joined by '+'. A smooth cannot be part of a "
                "group term, an interaction or another function: use the column itself there.",
            )
            for text in (
                "y ~ 1 + (s(a) || g)",
                "y ~ s(a):b",
                "y ~ b * s(a)",
                "y ~ a - s(a)",
                "y ~ (s(a) + b)",
                "y ~ (s(a) + b)**2",
            )
        ),
        (
            "y ~ s(a) + s(a, k=4)",
            "formula 'y ~ s(a) + s(a, k=4)': 'a' has two smooths. Keep one, with more knots if need be.",
        ),
        ("y ~ s(log(a))", f"formula 'y ~ s(log(a))': s(log(a)) should name one column. {USAGE}"),
        ("y ~ s(a, b)", f"formula 'y ~ s(a, b)': s(a, b) should name one column. {USAGE}"),
        ("y ~ s()", f"formula 'y ~ s()': s() should name one column. {USAGE}"),
        ("y ~ s(a b)", f"formula 'y ~ s(a b)': s(a b) should name one column. {USAGE}"),
        (
            "y ~ log(s(a))",
            "formula 'y ~ log(s(a))': at character 9, 's' is a term of its own and no part of an expression. Terms are "
            "joined by '+', interactions written 'a:b' or 'a*b', group terms '(a || factor)' in parentheses.",
        ),
        ("y ~ s(a, df=4)", f"formula 'y ~ s(a, df=4)': s(a, df=4) knows k and knots, not df. {USAGE}"),
        (
            "y ~ s(a, k=4, knots=(1, 2))",
            "formula 'y ~ s(a, k=4, knots=(1, 2))': s(a, k=4, knots=(1, 2)) has both k and knots, which is the number "
            f"of knots twice. {USAGE}",
        ),
        (
            "y ~ s(a, k=8, k=9)",
            f"formula 'y ~ s(a, k=8, k=9)': s(a, k=8, k=9) has k a second time. {USAGE}",
        ),
        *(
            (
                f"y ~ s(a, k={k})",
                f"formula 'y ~ s(a, k={k})': s(a, k={k}) should have a whole number k from 3 (a straight line and one "
                f"bend) to 100 but got {k}. {USAGE}",
            )
            for k in ("2", "8.0", "True", "101", "n")
        ),
        *(
            (
                f"y ~ s(a, knots={knots})",
                f"formula 'y ~ s(a, knots={knots})': s(a, knots={knots}) should have 1 to 100 increasing numbers as "
                f"knots, as in knots=(3, 4) or knots=(4,). {USAGE}",
            )
            for knots in ("3", "()", "(2, 2)", "(3, 1)", "(1, True)", "(1 + 1)", "(n,)")
        ),
        (
            "y ~ s(a) - a",
            "formula 'y ~ s(a) - a': s(a) departs from the straight line of 'a', which the formula takes out again. "
            "Remove '- a'.",
        ),
        ("y ~ s(y)", "formula 'y ~ s(y)': the outcome 'y' is also used as a predictor. Remove it from one side."),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse_formula(text)
    assert str(caught.value) == message


# ---------------------------------------------------------------- priors and cards


@pytest.mark.parametrize(
    ("outcome", "options", "prior"),
    [
        ("who5_followup", {}, "HalfNormal(5)"),
        ("who5_followup", {"family": "beta_binomial"}, "HalfNormal(0.2)"),  # 4 / 100 log odds a point
        ("better", {"family": "bernoulli"}, "HalfNormal(0.45345)"),  # a quarter of the logistic SD, pi / sqrt(3)
        ("who5_followup", {"priors": {"tau_s_alliance": "Exponential(0.5)"}}, "Exponential(0.5)"),
    ],
)
def test_the_bend_has_a_prior_with_a_reason(outcome: str, options: dict[str, object], prior: str) -> None:
    spec = ModelSpec(f"{outcome} ~ s(alliance)", **options)  # type: ignore[arg-type]
    stated = spec.priors["tau_s_alliance"]  # type: ignore[index]
    assert str(stated.prior) == prior
    assert stated.reason
    frame = rows(60)
    frame["better"] = (frame["who5_followup"] > 45).astype(float)
    table = spec.priors_for(spec.design(frame))
    assert str(table["tau_s_alliance"].prior) == prior
    assert [name for name in table if "tau" in name] == ["tau_s_alliance"]


def test_a_quarter_of_the_reference_sd_for_other_outcomes() -> None:
    spec = ModelSpec("phq9_followup ~ s(alliance)")
    assert str(spec.priors["tau_s_alliance"].prior) == "HalfNormal(1.5)"  # type: ignore[index]


def test_the_formula_in_a_card_keeps_its_smooths() -> None:
    spec = ModelSpec("who5_followup ~ s(alliance, knots=(3, 4)) + s(age)")
    again = ModelSpec(**card_arguments(card_text(spec)))
    assert again.parsed == spec.parsed
    assert spec.priors.keys() == again.priors.keys()  # type: ignore[union-attr]
