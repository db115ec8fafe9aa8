"""Design columns: centring, coding, levels, new rows, and what a formula cannot do."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes.errors import DataError, ModelError
from alliance_bayes.model import Design, ModelSpec, Scale
from alliance_bayes.model.columns import component_block
from builders import rows


def design(formula: str, frame: pd.DataFrame | None = None, **spec: object) -> Design:
    return ModelSpec(formula, autoscale=True, **spec).design(rows() if frame is None else frame)  # type: ignore[arg-type]


def test_numeric_columns_are_centred_before_they_are_multiplied() -> None:
    frame = rows()
    made = design("who5_followup ~ alliance * who5_baseline", frame)
    a = frame["alliance"] - frame["alliance"].mean()
    b = frame["who5_baseline"] - frame["who5_baseline"].mean()
    assert made.terms == ("Intercept", "alliance", "who5_baseline", "alliance:who5_baseline")
    np.testing.assert_allclose(made.rows.x, np.column_stack([np.ones(len(frame)), a, b, a * b]), rtol=0, atol=1e-10)
    assert made.centres == pytest.approx(
        {"alliance": frame["alliance"].mean(), "who5_baseline": frame["who5_baseline"].mean()}
    )


def test_a_call_is_evaluated_on_the_column_as_it_is_and_then_centred() -> None:
    frame = rows()
    made = design("who5_followup ~ I(alliance ** 2) + log(n_sessions)", frame)
    square, logged = frame["alliance"] ** 2, np.log(frame["n_sessions"])
    np.testing.assert_allclose(made.rows.x[:, 1], square - square.mean(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(made.rows.x[:, 2], logged - logged.mean(), rtol=0, atol=1e-10)


def test_chosen_centres_replace_the_means() -> None:
    frame = rows()
    made = design("who5_followup ~ alliance", frame, centre={"alliance": 4.0})
    np.testing.assert_array_equal(made.rows.x[:, 1], frame["alliance"] - 4.0)


def test_categories_keep_their_declared_order_and_unused_levels_go() -> None:
    frame = rows()
    frame["provider_type"] = frame["provider_type"].cat.set_categories(["therapist", "both", "chatbot", "coach"])
    made = design("who5_followup ~ alliance + provider_type + (1 || sex)", frame)
    assert made.terms == ("Intercept", "alliance", "provider_type[both]", "provider_type[coach]")
    assert made.frame["provider_type"].cat.categories.tolist() == ["therapist", "both", "coach"]
    np.testing.assert_array_equal(made.rows.x[:, 2], frame["provider_type"] == "both")


def test_numeric_codes_of_a_factor_become_levels_in_numeric_order() -> None:
    frame = rows().assign(site=np.arange(240) % 12 + 1.0)
    made = design("who5_followup ~ 1 + (1 | site)", frame)
    assert made.factor("site").levels == tuple(str(k) for k in range(1, 13))
    np.testing.assert_array_equal(made.rows.index["site"], np.arange(240) % 12)


def test_combinations_have_only_levels_with_rows() -> None:
    frame = rows(30, countries=3)
    made = design("who5_followup ~ 1 + (1 | country:sex)", frame)
    seen = {f"{c}:{s}" for c, s in zip(frame["country"], frame["sex"], strict=True)}
    assert set(made.factor("country:sex").levels) == seen
    labels = [made.factor("country:sex").levels[k] for k in made.rows.index["country:sex"]]
    assert labels == [f"{c}:{s}" for c, s in zip(frame["country"], frame["sex"], strict=True)]


@settings(max_examples=40, deadline=None)
@given(
    picked=st.lists(st.integers(0, 59), min_size=1, max_size=20),
    categories=st.permutations(["coach", "therapist", "both"]),
    ordered=st.booleans(),
    text=st.booleans(),
)
def test_columns_of_levels_at_new_rows_are_those_of_formulae(
    picked: list[int], categories: list[str], ordered: bool, text: bool
) -> None:
    """Whether a column is a factor with the formula's levels, has them in another order, or is text."""
    made = design("who5_followup ~ provider_type + provider_type:sex", rows(60, seed=2))
    new = made.frame.iloc[picked].reset_index(drop=True)
    if text:
        new["provider_type"] = new["provider_type"].astype(str)
    elif ordered:
        new["provider_type"] = new["provider_type"].cat.set_categories(categories, ordered=True)
    for term in made._common[1:]:
        for part in term.components:
            np.testing.assert_array_equal(component_block(part, new, {}, new=True), part.eval_new_data(new))


@pytest.mark.parametrize(
    "formula",
    [
        "who5_followup ~ alliance * sex + bs(age, df=4) + (alliance | country)",
        "who5_followup ~ 0 + sex + alliance:sex",
        "who5_followup ~ scale(age) + poly(alliance, 2) + (sex || country)",
        "who5_followup ~ alliance + (alliance || provider_type) + (1 | country:sex)",
    ],
)
def test_new_rows_are_coded_as_the_analysed_ones(formula: str) -> None:
    frame = rows()
    made = design(formula, frame)
    again = made.evaluate(frame.iloc[::-1])
    np.testing.assert_allclose(again.x[::-1], made.rows.x, rtol=0, atol=1e-12)
    for factor in made.factors:
        np.testing.assert_array_equal(again.index[factor.name][::-1], made.rows.index[factor.name])
        np.testing.assert_allclose(again.z[factor.name][::-1], made.rows.z[factor.name], rtol=0, atol=1e-12)


@given(st.permutations(range(40)))
@settings(max_examples=20)
def test_the_order_of_rows_does_not_matter(order: list[int]) -> None:
    frame = rows(40, countries=3)
    made, shuffled = (
        design("who5_followup ~ alliance + sex", frame),
        design("who5_followup ~ alliance + sex", frame.iloc[order]),
    )
    np.testing.assert_allclose(shuffled.rows.x, made.rows.x[order], rtol=0, atol=1e-12)


def test_the_intercept_of_an_ordinal_model_is_its_cutpoints() -> None:
    made = design("who5_followup ~ alliance + sex", family="cumulative")
    assert made.terms == ("alliance", "sex[male]")
    assert made.outcome.levels is not None
    np.testing.assert_array_equal(made.outcome.levels, np.arange(0, 101, 4))
    np.testing.assert_array_equal(made.outcome.coded * 4, made.outcome.values)


def test_a_new_level_of_a_sampled_factor_gets_no_number_and_of_a_fixed_one_is_refused() -> None:
    frame = rows()
    made = design("who5_followup ~ alliance + (1 | country) + (1 | sex)", frame)
    new = frame.head(3).assign(country=["C0", "elsewhere", "C1"])
    np.testing.assert_array_equal(made.evaluate(new).index["country"], [0, -1, 1])
    with pytest.raises(ModelError) as caught:
        made.evaluate(frame.head(2).assign(sex=["female", "other"]))
    assert str(caught.value) == (
        "the new rows hold level(s) 'other' of 'sex', in row(s) 1, of which the model knows 'female', 'male'. "
        "An unseen level of it cannot be predicted."
    )


def broken(**changes: object) -> pd.DataFrame:
    return rows().assign(**changes)


@pytest.mark.parametrize(
    ("formula", "frame", "message"),
    [
        (
            "who5_followup ~ alliance + age",
            broken(age=40.0),
            "'age' has the same value in all 240 analysed rows, so its coefficient cannot be estimated. "
            "Remove the term or check the table.",
        ),
        (
            "who5_followup ~ alliance + (1 | sex)",
            broken(sex="female"),
            "the factor 'sex' has only the level 'female' in the analysed rows, so nothing can be pooled over it. "
            "Remove it from the formula.",
        ),
        (
            "who5_followup ~ alliance",
            rows().head(1),
            "the model needs at least 2 complete rows but got 1. The participant flow tells why.",
        ),
        ("sex ~ alliance", rows(), "the outcome 'sex' is text. Give it as numbers (0/1 for family 'bernoulli')."),
        (
            "who5_followup ~ system(alliance)",
            rows(),
            "formula 'who5_followup ~ system(alliance)': at character 17, 'system' is not a function of formulas: make "
            "a column of it in the table and name that. Functions: I, center, scale, bs, poly, offset, log, log1p, "
            "log2, log10, exp, sqrt, abs, minimum, maximum, within, between, lag, s.",
        ),
    ],
)
def test_refusals(formula: str, frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        design(formula, frame)
    assert str(caught.value) == message


def test_terms_that_are_no_finite_numbers_are_all_named() -> None:
    with pytest.raises(DataError) as caught:
        design("who5_followup ~ log(days)", broken(days=np.r_[0.0, np.ones(238), -1.0]))
    found = [(p.column, p.row, repr(p.value), p.what) for p in caught.value.problems]
    assert found == [
        ("log(days)", 0, "-inf", "is not a finite number"),
        ("log(days)", 239, "nan", "is not a finite number"),
    ]


def test_outcomes_a_family_cannot_produce_are_all_named() -> None:
    frame = rows(20, countries=3)
    frame.loc[[3, 7], "who5_followup"] = [41.0, 42.0]
    with pytest.raises(DataError) as caught:
        design("who5_followup ~ alliance", frame, family="beta_binomial")
    assert str(caught.value) == (
        "rows as analysed, from 0: 2 problems found; nothing was analysed.\n"
        "  - column 'who5_followup', row 3: 41.0 is not one of the 26 levels from 0 to 100. "
        "Correct it, or declare the scale's step.\n"
        "  - column 'who5_followup', row 7: 42.0 is not one of the 26 levels from 0 to 100. "
        "Correct it, or declare the scale's step."
    )


def test_a_bernoulli_outcome_is_zero_or_one() -> None:
    frame = rows(20, countries=3).assign(better=np.r_[2.0, np.tile([0.0, 1.0], 10)[:19]])
    with pytest.raises(DataError) as caught:
        design("better ~ alliance", frame, family="bernoulli")
    assert [(p.row, p.value, p.what) for p in caught.value.problems] == [(0, 2.0, "is not 0 or 1")]


def test_a_count_family_needs_a_declared_step() -> None:
    frame = rows(20, countries=3).assign(score=np.arange(20.0))
    with pytest.raises(ModelError) as caught:
        design("score ~ alliance", frame, family="beta_binomial")
    assert str(caught.value) == (
        "family 'beta_binomial' counts steps of a scale, and 'score' has no known step. "
        "Declare it: scales={'score': Scale(mean=..., sd=..., lower=0, upper=..., step=...)}."
    )
    made = design("score ~ alliance", frame, family="beta_binomial", scales={"score": Scale(10, 5, 0, 20, 0.5)})
    np.testing.assert_array_equal(made.outcome.coded, 2 * np.arange(20.0))


@pytest.mark.parametrize(
    ("family", "remedy"),
    [
        ("cumulative", "Give its levels as numbers in their order, 1 for the lowest."),
        ("bernoulli", "Give it as numbers, 1 for the event and 0 for its absence."),
        ("binomial", "Give it as whole numbers: how many of the trials were successes."),
        ("negative_binomial", "Give it as whole numbers."),
        ("student_t", "Give it as numbers (0/1 for family 'bernoulli')."),
    ],
)
def test_an_outcome_that_is_text_is_told_what_its_family_takes(family: str, remedy: str) -> None:
    trials = {"trials": "n_sessions"} if family == "binomial" else {}
    with pytest.raises(ModelError) as caught:
        ModelSpec("sex ~ alliance", family=family, **trials).design(rows())
    assert str(caught.value) == f"the outcome 'sex' is text. {remedy}"
