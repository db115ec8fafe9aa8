"""A residual SD that differs along columns: its formula, the columns and priors it has, and what it is refused with."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import alliance_bayes as ab
from alliance_bayes.errors import DataError, ModelError, UsageError
from alliance_bayes.model import ModelSpec, card_arguments, card_text
from alliance_bayes.model.adjustment import spec_without
from alliance_bayes.moments.pushdown import _check_model as check_model
from builders import rows

FORMULA = "who5_followup ~ alliance + age + (1 | country)"


@pytest.mark.parametrize("text", ["alliance + sex", "~ alliance + sex", " sigma ~alliance + sex ", "~alliance + sex"])
def test_it_is_read_with_and_without_its_left_side_and_kept_in_one_way(text: str) -> None:
    spec = ModelSpec(FORMULA, sigma=text)
    assert spec.sigma == "~ alliance + sex"
    assert spec.columns == ("who5_followup", "alliance", "age", "country", "sex")
    again = ModelSpec(**card_arguments(card_text(spec)))
    assert again.sigma == spec.sigma
    assert card_text(again) == card_text(spec)
    assert 'sigma = "~ alliance + sex"' in card_text(spec)
    assert "sigma='~ alliance + sex'" in repr(spec)


def test_its_columns_are_those_of_the_rows_centred_as_the_formulas_are() -> None:
    frame = rows(50)
    design = ModelSpec(FORMULA, sigma="~ alliance * sex + n_sessions", centre={"n_sessions": 2.0}).design(frame)
    assert design.sigma is not None
    assert design.sigma.labels == ("alliance", "sex[male]", "alliance:sex[male]", "n_sessions")
    assert design.terms == ("Intercept", "alliance", "age")
    alliance = (frame["alliance"] - frame["alliance"].mean()).to_numpy()
    male = (frame["sex"] == "male").to_numpy(float)
    expected = np.column_stack([alliance, male, alliance * male, frame["n_sessions"] - 2.0])
    np.testing.assert_allclose(design.rows.sigma, expected, atol=1e-12)
    assert design.of_residual == {"alliance", "sex", "n_sessions"}
    # Other rows, by place and made anew, have the columns of the same centres.
    np.testing.assert_allclose(design.rows.take(np.array([3, 7])).sigma, expected[[3, 7]], atol=1e-12)
    np.testing.assert_allclose(design.evaluate(frame.iloc[[3, 7]]).sigma, expected[[3, 7]], atol=1e-12)
    changed = design.change(frame, "alliance", design.rows).sigma
    np.testing.assert_allclose(changed, np.column_stack([np.ones(50), 0 * male, male, 0 * male]), atol=1e-12)


def test_a_call_is_evaluated_as_in_the_formula() -> None:
    frame = rows(50)
    design = ModelSpec(FORMULA, sigma="~ log(age) + I(alliance >= 4)").design(frame)
    assert design.rows.sigma is not None
    logs = np.log(frame["age"])
    np.testing.assert_allclose(design.rows.sigma[:, 0], logs - logs.mean(), atol=1e-12)
    step = (frame["alliance"] >= 4).astype(float)
    np.testing.assert_allclose(design.rows.sigma[:, 1], step - step.mean(), atol=1e-12)


def test_priors_are_of_one_sd_of_the_column_or_another_level_and_can_be_given() -> None:
    frame = rows(60).assign(steps=np.arange(60.0) ** 2)
    spec = ModelSpec(FORMULA, sigma="~ alliance + steps + provider_type")
    priors = spec.priors_for(spec.design(frame))
    # The SD at the centre has the prior that everybody's has; alliance has the instrument's SD, 0.7.
    plain = ModelSpec(FORMULA)
    assert priors["sigma"] == plain.priors_for(plain.design(frame))["sigma"]
    assert priors["gamma[alliance]"].prior.parameters == pytest.approx((0.0, 0.5 / 0.7))
    assert priors["gamma[steps]"].prior.parameters == pytest.approx((0.0, 0.5 / frame["steps"].std()))
    assert priors["gamma[provider_type[both]]"].prior.parameters == (0.0, 0.5)
    assert set(spec.priors) >= {"sigma", "gamma[alliance]", "gamma[provider_type]"}

    given = {
        "gamma": "Normal(0, 2)",
        "gamma[provider_type]": "Normal(0, 1)",
        "gamma[provider_type[both]]": "Normal(1, 3)",
    }
    own = ModelSpec(FORMULA, sigma="~ alliance + provider_type", priors=given)
    found = {name: str(one.prior) for name, one in own.priors_for(own.design(frame)).items() if "gamma" in name}
    assert found == {
        "gamma[alliance]": "Normal(0, 2)",
        "gamma[provider_type[therapist]]": "Normal(0, 1)",
        "gamma[provider_type[both]]": "Normal(1, 3)",
    }
    with pytest.raises(
        ModelError, match=r"prior for unknown parameter\(s\) 'gamma\[age\]'\. Known parameters: .*gamma"
    ):
        ModelSpec(FORMULA, sigma="~ alliance", priors={"gamma[age]": "Normal(0, 1)"})
    with pytest.raises(ModelError, match=r"'gamma\[alliance\]': HalfNormal\(1\) has positive support"):
        ModelSpec(FORMULA, sigma="~ alliance", priors={"gamma[alliance]": "HalfNormal(1)"})


@pytest.mark.parametrize(
    ("sigma", "options", "message"),
    [
        (
            "~ alliance",
            {"family": "beta_binomial"},
            "sigma='~ alliance': family 'beta_binomial' has no residual SD that could differ. Families that have one: "
            "gaussian, student_t, censored_gaussian.",
        ),
        (
            "~ alliance",
            {"residual_by": "sex"},
            "sigma='~ alliance' and residual_by='sex' are two ways for the residual SD to differ. Take one of them "
            "out; the levels may be a term of the other: sigma='~ alliance + sex'.",
        ),
        (
            "~ alliance + (1 | country)",
            {},
            "sigma='~ alliance + (1 | country)' pools over 'country', which the model of a residual SD does not. Write "
            "the column itself (sigma='~ country'), or give each level an SD of its own: residual_by='country'.",
        ),
        (
            "~ s(alliance)",
            {},
            "sigma='~ s(alliance)' has the smooth s(alliance), which the model of a residual SD does not. Write the "
            "column itself, or a spline without a penalty: sigma='~ bs(alliance, df=4)'.",
        ),
        (
            "~ alliance + offset(age)",
            {},
            "sigma='~ alliance + offset(age)' has offset(age), which the model of a residual SD does not. Take it out.",
        ),
        (
            "~ 0 + alliance",
            {},
            "sigma='~ 0 + alliance' has no intercept, so that everybody's SD would be 1 at zero. Take '0 +' or '- 1' "
            "out.",
        ),
        ("~ 1", {}, "sigma='~ 1' has no column, so that the residual SD is everybody's. Leave sigma out."),
        (
            "~ who5_followup",
            {},
            "sigma='~ who5_followup' has the outcome 'who5_followup' itself, which is not known before it is observed. "
            "Name predictors.",
        ),
        (
            "~ within(alliance)",
            {},
            "sigma='~ within(alliance)' has within(alliance), made of several rows, which the formula has not. Put it "
            "into the formula too, or take it out of sigma. The formula is "
            "'who5_followup ~ alliance + age + (1 | country)'.",
        ),
        (
            "",
            {},
            "sigma should be the right side of a formula but got ''. Write sigma='~ alliance', for example.",
        ),
        (
            ("alliance",),
            {},
            "sigma should be the right side of a formula but got ('alliance',). Write sigma='~ alliance', for example.",
        ),
        (
            "~ alliance",
            {"weights": "w", "weights_kind": "sampling"},
            "sigma='~ alliance' and weights_kind='sampling' do not go together: the width that unequal weights make is "
            "known for residual SDs of levels only. Use residual_by, or take one of them out.",
        ),
    ],
)
def test_what_it_cannot_be_is_refused_before_rows_with_a_remedy(
    sigma: object, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ModelError) as caught:
        ModelSpec(FORMULA, sigma=sigma, **options)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_what_is_no_formula_is_pointed_at() -> None:
    with pytest.raises(ModelError, match=r"^formula 'sigma ~ alliance age': at character 18, 'age' follows a term"):
        ModelSpec(FORMULA, sigma="alliance age")
    with pytest.raises(ModelError, match=r"^formula \"sigma ~ __import__\('os'\)\": at character 9, '__import__'"):
        ModelSpec(FORMULA, sigma="__import__('os')")


def test_an_unknown_column_is_named_with_those_that_there_are() -> None:
    model = ab.Model(FORMULA, sigma="~ aliance")
    with pytest.raises((UsageError, ModelError, DataError), match="aliance"):
        model.prior_predictive(ab.read_cohort(rows(40).assign(participant_id=[f"p{k}" for k in range(40)])), draws=5)


def test_a_column_that_does_not_vary_and_a_level_that_was_not_seen_are_refused() -> None:
    frame = rows(40)
    with pytest.raises(ModelError, match=r"^'n_sessions' has the same value in all 40 analysed rows"):
        ModelSpec(FORMULA, sigma="~ n_sessions").design(frame.assign(n_sessions=2.0))
    with pytest.raises(ModelError, match=r"^'sex' has only the level 'male' in the analysed rows"):
        ModelSpec(FORMULA, sigma="~ sex").design(frame[frame["sex"] == "male"])
    design = ModelSpec(FORMULA, sigma="~ country").design(frame)
    # A new country has a mean, and no residual SD.
    with pytest.raises(ModelError, match=r"^the new rows hold level\(s\) 'elsewhere' of 'country'"):
        design.evaluate(frame.head(2).assign(country="elsewhere"))


def test_names_that_its_layout_has_are_refused_as_columns() -> None:
    with pytest.raises(
        ModelError, match="'gamma' stands for the coefficients of the residual SD among the priors, so rename"
    ):
        ModelSpec("y ~ gamma", sigma="~ gamma", autoscale=True)
    ModelSpec("y ~ gamma", autoscale=True)


def test_people_without_a_value_are_left_out_and_counted() -> None:
    frame = rows(60).assign(participant_id=[f"p{k}" for k in range(60)])
    frame.loc[:4, "n_sessions"] = np.nan
    drawn = ab.Model(FORMULA, sigma="~ n_sessions + sex").prior_predictive(ab.read_cohort(frame), draws=20)
    assert drawn["prior/gamma"].dims == ("chain", "draw", "sigma_term")
    assert drawn["prior/gamma"].coords["sigma_term"].values.tolist() == ["n_sessions", "sex[male]"]
    assert drawn["prior/sigma"].dims == ("chain", "draw")
    assert drawn["prior_predictive/who5_followup"].shape == (1, 20, 55)


def test_the_model_without_a_covariate_has_no_term_of_it_in_the_residual_sd_either() -> None:
    spec = ModelSpec(FORMULA, sigma="~ alliance + age + alliance:age", priors={"gamma[age]": "Normal(0, 1)"})
    bare = spec_without(spec, ["age"])
    assert bare.sigma == "~ alliance"
    assert "gamma[age]" not in bare.priors
    assert spec_without(ModelSpec(FORMULA, sigma="~ age"), ["age"]).sigma is None


def test_moments_do_not_hold_what_it_needs() -> None:
    with pytest.raises(ModelError) as caught:
        check_model(ab.Model("who5_followup ~ alliance", sigma="~ alliance"))
    assert str(caught.value) == (
        "sigma='~ alliance' needs every row, which moments do not hold. Use residual_by, or read the table and fit its "
        "rows."
    )


def test_levels_and_numbers_are_told_apart_in_the_priors_before_there_are_rows() -> None:
    table = ModelSpec("who5_followup ~ alliance", sigma="~ alliance + sex").priors
    frame = table.to_frame().set_index("parameter")
    assert frame.loc["gamma[alliance]", "prior"] == "Normal(0, 0.714286)"
    assert frame.loc["gamma[sex]", "prior"] == "Normal(0, 0.5)"
