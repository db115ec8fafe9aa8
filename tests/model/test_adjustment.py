"""Roles of covariates: declared, refused, kept in cards; and the model without some of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes.errors import FileFormatError, ModelError
from alliance_bayes.model import card_text
from alliance_bayes.model.adjustment import ADJUSTING, adjustment_sets, formula_without, known_after, spec_without
from alliance_bayes.model.card import card_arguments
from alliance_bayes.model.formula import parse_formula

FORMULA = (
    "who5_followup ~ alliance * who5_baseline + age + I(age ** 2) + days_in_care + s(n_sessions)"
    " + (alliance || sex) + (alliance + age | country)"
)


@pytest.mark.parametrize(
    ("out", "left"),
    [
        (("who5_baseline",), "alliance + age + I(age ** 2) + days_in_care + s(n_sessions) + (1 + alliance || sex)"),
        (("age",), "alliance + who5_baseline + alliance:who5_baseline + days_in_care + s(n_sessions)"),
        (("n_sessions",), "alliance + who5_baseline + alliance:who5_baseline + age + I(age ** 2) + days_in_care + ("),
        (("sex", "country"), "alliance + who5_baseline + alliance:who5_baseline + age + I(age ** 2) + days_in_care"),
    ],
)
def test_every_term_with_a_covariate_goes_and_no_other(out: tuple[str, ...], left: str) -> None:
    text = formula_without(parse_formula(FORMULA), out)
    assert text.startswith(f"who5_followup ~ {left}")
    parsed = parse_formula(text)
    assert not set(parsed.columns) & set(out)
    assert set(parsed.columns) == set(parse_formula(FORMULA).columns) - set(out)
    assert [group.factor for group in parsed.groups] == [one for one in ("sex", "country") if one not in out]
    if out == ("age",):
        assert parsed.groups[1].terms == ("Intercept", "alliance")
        assert parsed.groups[1].correlated


@given(st.dictionaries(st.sampled_from(["age", "sex", "who5_baseline", "days_in_care"]), st.sampled_from(ADJUSTING)))
def test_sets_differ_and_hold_what_their_names_say(roles: dict[str, str]) -> None:
    sets = adjustment_sets(roles)  # type: ignore[arg-type]
    assert next(iter(sets.items())) == ("as declared", ())
    assert len(set(sets.values())) == len(sets)
    post = [name for name, role in roles.items() if role == "post-baseline"]
    assert ("without post-baseline covariates" in sets) == bool(post)
    if post:
        assert list(sets["without post-baseline covariates"]) == post
    for columns in sets.values():
        assert set(columns) <= set(roles)
    assert not roles or set(roles) in [set(columns) for columns in sets.values()]


def test_a_model_without_covariates_keeps_what_was_declared_of_the_others() -> None:
    model = ab.Model(
        "who5_followup ~ alliance + age + days_in_care + (1 | sex)",
        priors={"set": "literature", "age": "Normal(0, 2)", "days_in_care": "Normal(0, 3)"},
        centre={"age": 40, "days_in_care": 60},
        roles={"sex": "group"},
        covariates={"age": "precision", "sex": "confounder", "days_in_care": "post-baseline"},
        contrast=(3, 5),
    )
    bare = spec_without(model, ["days_in_care", "sex"])
    assert bare.parsed.columns == ("who5_followup", "alliance", "age")
    assert (bare.prior_set, list(bare.given_priors), dict(bare.centre)) == ("literature", ["age"], {"age": 40})
    assert (dict(bare.roles), dict(bare.covariates), bare.contrast) == ({}, {"age": "precision"}, (3.0, 5.0))


def test_cards_keep_roles_and_refuse_others() -> None:
    model = ab.Model("who5_followup ~ alliance + age", covariates={"age": "precision"})
    again = ab.Model(**card_arguments(card_text(model)))
    assert dict(again.covariates) == {"age": "precision"}
    text = 'format = 4\nformula = "who5_followup ~ alliance + age"\n[covariates]\nage = "cause"\n'
    with pytest.raises(FileFormatError, match="'confounder', 'precision', 'post-baseline' but got 'cause'"):
        card_arguments(text)
    with pytest.raises(ModelError, match="the predictors of the formula are alliance, age"):
        ab.Model("who5_followup ~ alliance + age", covariates={"height": "confounder"})
    with pytest.raises(ModelError, match="should be one of"):
        ab.Model("who5_followup ~ alliance + age", covariates={"age": "cause"})  # type: ignore[dict-item]


def test_some_columns_are_known_to_come_after_care_began() -> None:
    assert [known_after(name) for name in ("days_in_care", "n_sessions", "within(n_sessions)", "age")] == [
        True,
        True,
        True,
        False,
    ]
