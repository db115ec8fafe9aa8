"""The study's cards make models, differ by what their names say, and bend to tables that lack a factor."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes.errors import FileFormatError
from alliance_bayes.model.formula import parse_formula
from alliance_bayes.model.shipped import shipped_cards
from alliance_bayes.study import study_card
from alliance_bayes.study.cards import without_factors

MODELS = Path(__file__).parents[2] / "models"
NAMES = sorted(path.stem for path in MODELS.glob("*.toml"))
FAMILIES = {
    "outcome": ["outcome_student_t", "outcome_beta_binomial", "outcome_ordinal"],
    "alliance": ["alliance_gaussian", "alliance_ordinal"],
}


def test_every_file_of_the_folder_is_a_card_and_no_other() -> None:
    cards = shipped_cards()

    assert list(cards) == NAMES
    assert {name: card.read_text(encoding="utf-8") for name, card in cards.items()} == {
        name: (MODELS / f"{name}.toml").read_text(encoding="utf-8") for name in NAMES
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_card_makes_the_model_that_its_file_describes(name: str) -> None:
    table = tomllib.loads((MODELS / f"{name}.toml").read_text(encoding="utf-8"))

    model = ab.Model(**study_card(name))

    assert table["name"] == name
    assert (model.formula, model.family, model.prior_set) == (
        table["formula"],
        table["family"],
        table["priors"]["set"],
    )
    assert model.card.title == table["title"]
    assert model.card.question.endswith("?")
    assert len(model.card.assumptions) >= 2
    assert len(model.card.sources) >= 1


@pytest.mark.parametrize(("base", "other"), [(base, other) for base, more in FAMILIES.items() for other in more])
def test_families_of_one_model_differ_in_nothing_that_the_family_does_not_bring(base: str, other: str) -> None:
    words = ("card", "family")
    ours, theirs = study_card(base), study_card(other)

    assert {key: value for key, value in ours.items() if key not in words} == {
        key: value for key, value in theirs.items() if key not in words
    }
    assert ours["family"] != theirs["family"]
    assert (ours["card"].question, ours["card"].estimand == theirs["card"].estimand or base == "alliance") == (
        theirs["card"].question,
        True,
    )


def test_an_unknown_card_is_refused_with_all_names() -> None:
    with pytest.raises(FileFormatError) as caught:
        study_card("outcomes")

    assert str(caught.value) == f"the study has no card 'outcomes'. Cards: {', '.join(NAMES)}."


@pytest.mark.parametrize(
    ("formula", "factors", "expected"),
    [
        ("y ~ x + (x || sex) + (x || country)", ("sex",), "y ~ x + (x || country)"),
        ("y ~ x + (x | sex) + (x | country)", ("country",), "y ~ x + (x | sex)"),
        ("y ~ x + (1 | sex) + (1 | country)", ("sex", "country"), "y ~ x"),
        ("y ~ x + (1|sex)", ("sex",), "y ~ x"),
        ("y ~ x + ( x + z | sex ) + z", ("sex",), "y ~ x + z"),
        ("y ~ x + (1 | sex)", ("modality",), "y ~ x + (1 | sex)"),
        ("y ~ x + (1 | sex)", (), "y ~ x + (1 | sex)"),
        ("y ~ (1 | sex)", ("sex",), "y ~ 1"),
        ("y ~ 1 + (1 | sex)", ("sex",), "y ~ 1"),
        # A predictor of that name is no pooled term, nor is a factor whose name only begins alike.
        ("y ~ sex + (1 | sex)", ("sex",), "y ~ sex"),
        ("y ~ x + (1 | sex2)", ("sex",), "y ~ x + (1 | sex2)"),
        ("y ~ s(x) + a * b + (a || country)", ("country",), "y ~ s(x) + a * b"),
    ],
)
def test_pooled_terms_over_a_factor_are_left_out(formula: str, factors: tuple[str, ...], expected: str) -> None:
    assert without_factors(formula, factors) == expected


SLOPES = st.sampled_from(["1", "x", "x + z", "z"])
POOLED = st.dictionaries(
    st.sampled_from(["sex", "country", "provider_type", "modality"]), st.tuples(SLOPES, st.sampled_from(["|", "||"]))
)


@given(
    st.lists(st.sampled_from(["x", "z", "x:z", "s(w)"]), unique=True),
    POOLED,
    st.sets(st.sampled_from(["sex", "country", "provider_type", "modality", "other"])),
)
def test_what_is_left_is_what_was_there_without_them(
    common: list[str], pooled: dict[str, tuple[str, str]], factors: set[str]
) -> None:
    def written(names: list[str]) -> str:
        terms = [*common, *(f"({pooled[name][0]} {pooled[name][1]} {name})" for name in names)]
        return f"y ~ {' + '.join(terms) or '1'}"

    made = without_factors(written(list(pooled)), tuple(factors))

    assert made == written([name for name in pooled if name not in factors])
    assert parse_formula(made) == parse_formula(written([name for name in pooled if name not in factors]))
    assert without_factors(made, tuple(factors)) == made
