"""A residual SD by the levels of a factor: what the design, the priors and the likelihood make of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.errors import ModelError
from alliance_bayes.model import FAMILIES, ModelSpec, Outcome, ResidualFactor, card_arguments, card_text
from builders import rows

FORMULA = "who5_followup ~ alliance + (1 | country)"


def test_the_column_joins_the_rows_and_numbers_them() -> None:
    frame = rows(40)
    spec = ModelSpec(FORMULA, residual_by="provider_type")
    design = spec.design(frame)
    assert spec.columns == ("who5_followup", "alliance", "country", "provider_type")
    assert list(design.frame.columns) == list(spec.columns)
    assert design.predictors == spec.columns[1:]
    assert design.residual == ResidualFactor("provider_type", ("coach", "therapist", "both"))
    assert design.frame["provider_type"].cat.ordered
    labels = np.array(design.residual.levels)[design.rows.residual]
    assert labels.tolist() == frame["provider_type"].astype(str).tolist()
    shares = frame["provider_type"].value_counts(normalize=True)[["coach", "therapist", "both"]]
    np.testing.assert_allclose(design.residual_shares, shares, rtol=1e-15)
    assert design.evaluate(frame.head(3)).residual.tolist() == design.rows.residual[:3].tolist()


def test_a_column_of_the_formula_is_needed_once_and_keeps_its_levels() -> None:
    spec = ModelSpec(FORMULA, residual_by="country")
    design = spec.design(rows(40))
    assert spec.columns == ("who5_followup", "alliance", "country")
    assert design.residual is not None
    assert design.residual.levels == design.factor("country").levels
    np.testing.assert_array_equal(design.rows.residual, design.rows.index["country"])


def test_levels_without_rows_do_not_count() -> None:
    frame = rows(40)
    design = ModelSpec(FORMULA, residual_by="provider_type").design(frame[frame["provider_type"] != "therapist"])
    assert design.residual is not None
    assert design.residual.levels == ("coach", "both")
    assert set(design.rows.residual) == {0, 1}


def test_without_it_nothing_is_numbered() -> None:
    design = ModelSpec(FORMULA).design(rows(40))
    assert design.residual is None
    assert design.rows.residual is None
    assert design.residual_shares.tolist() == [1.0]


@pytest.mark.parametrize(
    ("family", "residual_by", "message"),
    [
        (
            "beta_binomial",
            "sex",
            "residual_by='sex': family 'beta_binomial' has no residual SD that could differ. "
            "Families that have one: gaussian, student_t, censored_gaussian.",
        ),
        (
            "gaussian",
            "who5_followup",
            "residual_by='who5_followup' is the outcome itself. Name a categorical column of the participants.",
        ),
        (
            "gaussian",
            ("sex",),
            "residual_by should be the name of one categorical column but got ('sex',). Write "
            "residual_by='provider_type', for example.",
        ),
        (
            "gaussian",
            "",
            "residual_by should be the name of one categorical column but got ''. Write residual_by='provider_type', "
            "for example.",
        ),
    ],
)
def test_what_cannot_be_a_residual_factor_is_refused_before_rows(
    family: str, residual_by: object, message: str
) -> None:
    with pytest.raises(ModelError) as caught:
        ModelSpec(FORMULA, family=family, residual_by=residual_by)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_a_numeric_column_has_no_levels_unless_they_are_declared() -> None:
    frame = rows(40)
    frame["n_sessions"] = np.where(np.arange(40) % 2, 3, 4)
    with pytest.raises(ModelError) as caught:
        ModelSpec(FORMULA, residual_by="n_sessions").design(frame)
    assert str(caught.value) == (
        "residual_by='n_sessions': the column is numeric, so it has no levels. Give it as text, or declare its levels "
        "(levels={'n_sessions': ['...']}); an SD that differs along its numbers is sigma='~ n_sessions'."
    )
    design = ModelSpec(FORMULA, residual_by="n_sessions", levels={"n_sessions": ("4", "3")}).design(frame)
    assert design.residual == ResidualFactor("n_sessions", ("4", "3"))


def test_one_level_is_too_few() -> None:
    frame = rows(40)
    with pytest.raises(ModelError) as caught:
        ModelSpec(FORMULA, residual_by="sex").design(frame[frame["sex"] == "male"])
    assert str(caught.value) == (
        "residual_by='sex': only the level 'male' has analysed rows, so there is nothing to differ. "
        "Remove residual_by or check the table."
    )


def test_new_rows_need_a_level_that_was_seen() -> None:
    frame = rows(40)
    design = ModelSpec(FORMULA, residual_by="sex").design(frame)
    with pytest.raises(ModelError) as caught:
        design.evaluate(frame.head(2).assign(sex="other"))
    assert str(caught.value) == (
        "the new rows hold level(s) 'other' of 'sex', in row(s) 0, 1, of which the model knows 'female', 'male'. "
        "An unseen level of it cannot be predicted."
    )
    with pytest.raises(ModelError) as caught:
        design.evaluate(frame.head(2).drop(columns="sex"))
    assert str(caught.value) == ("the new rows lack the column(s) sex. The model uses alliance, country, sex.")
    # A sampled factor may have new levels, but not one whose residual SD is nobody's.
    design = ModelSpec(FORMULA, residual_by="country").design(frame)
    with pytest.raises(ModelError, match=r"^the new rows hold level\(s\) 'elsewhere' of 'country'"):
        design.evaluate(frame.head(2).assign(country="elsewhere"))


def test_people_without_a_level_are_left_out_and_counted() -> None:
    frame = rows(60).assign(participant_id=[f"p{k}" for k in range(60)])
    frame["modality"] = pd.Series(np.where(np.arange(60) % 3, "video", "phone"), dtype="str").where(frame.index > 4)
    drawn = ab.Model(FORMULA, residual_by="modality").prior_predictive(ab.read_cohort(frame), draws=20)
    assert drawn["prior/sigma"].dims == ("chain", "draw", "modality")
    assert drawn["prior/sigma"].coords["modality"].values.tolist() == ["phone", "video"]
    assert drawn["prior_predictive/who5_followup"].shape == (1, 20, 55)


# ---------------------------------------------------------------- priors


def resolved(**options: object) -> dict[str, str]:
    spec = ModelSpec("who5_followup ~ alliance", **options)  # type: ignore[arg-type]
    return {name: str(stated.prior) for name, stated in spec.priors_for(spec.design(rows(40))).items()}


def test_every_level_has_a_prior_of_its_own() -> None:
    assert resolved(residual_by="sex") == {
        "Intercept": "Normal(50, 25)",
        "alliance": "Normal(0, 10)",
        "sigma[female]": "HalfNormal(25)",
        "sigma[male]": "HalfNormal(25)",
    }


def test_priors_of_levels_are_given_one_by_one_or_all_at_once() -> None:
    priors = {"sigma": "Exponential(0.1)", "sigma[male]": "HalfNormal(12)"}
    found = resolved(residual_by="sex", priors=priors)
    assert (found["sigma[female]"], found["sigma[male]"]) == ("Exponential(0.1)", "HalfNormal(12)")
    # Before there are rows the name of a level can be anything.
    assert str(ModelSpec("who5_followup ~ alliance", residual_by="sex", priors=priors).priors["sigma"].prior) == (  # type: ignore[index]
        "Exponential(0.1)"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"residual_by": "sex", "priors": {"sigma[other]": "HalfNormal(12)"}},
            "prior for unknown parameter(s) 'sigma[other]'. Known parameters: Intercept, alliance, sigma, "
            "sigma[female], sigma[male].",
        ),
        (
            {"priors": {"sigma[male]": "HalfNormal(12)"}},
            "prior for unknown parameter(s) 'sigma[male]'. Known parameters: Intercept, alliance, sigma.",
        ),
        (
            {"residual_by": "sex", "priors": {"sigma[male]": "Normal(0, 12)"}},
            "prior of 'sigma[male]': Normal(0, 12) has real support, but this parameter needs positive support.",
        ),
    ],
)
def test_priors_of_no_level_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        resolved(**options)
    assert str(caught.value) == message


def test_the_card_says_it() -> None:
    spec = ModelSpec(FORMULA, residual_by="sex")
    assert 'residual_by = "sex"\n' in card_text(spec)
    assert ModelSpec(**card_arguments(card_text(spec))).residual_by == "sex"
    assert "residual_by" not in card_text(ModelSpec(FORMULA))
    assert repr(spec).endswith("residual_by='sex')")


# ---------------------------------------------------------------- likelihood


@pytest.mark.parametrize("family", ["gaussian", "student_t", "censored_gaussian"])
def test_sigma_by_row_is_one_sigma_for_every_row(family: str) -> None:
    eta = np.array([[-1.2, 0.3, 2.0], [0.4, 1.1, -0.6]])
    sigma = np.array([[0.5, 2.0, 1.0], [3.0, 0.2, 0.7]])
    nu = {"nu": np.array([5.0, 3.0])} if family == "student_t" else {}
    y = np.array([-1.0, 0.5, 2.5])
    limits = (-1.0, 2.5) if family == "censored_gaussian" else (None, None)
    for name in ("expectation", "log_density", "residual_variance"):
        function = getattr(FAMILIES[family], name)
        whole = function(eta, {"sigma": sigma, **nu}, Outcome("y", y, y, None, *limits))
        assert whole.shape == eta.shape
        for i in range(3):
            alone = Outcome("y", y[[i]], y[[i]], None, *limits)
            one = function(eta[:, [i]], {"sigma": sigma[:, i], **nu}, alone)
            np.testing.assert_array_equal(whole[:, [i]], one)
    made = Outcome("y", y, y, None, *limits)
    n = 20_000
    repeated = {"sigma": np.tile(sigma[0], (n, 1)), **{name: np.full(n, value[0]) for name, value in nu.items()}}
    drawn = FAMILIES[family].simulate(np.tile(eta[0], (n, 1)), repeated, made, np.random.default_rng(3))
    variance = FAMILIES[family].residual_variance(eta, {"sigma": sigma, **nu}, made)[0]
    deviation = (drawn - FAMILIES[family].expectation(eta, {"sigma": sigma, **nu}, made)[0]) ** 2
    # 4.5 standard errors of a mean of 20,000: below 1e-5 by chance for each of the 9 variances, at a fixed seed.
    assert np.all(np.abs(deviation.mean(axis=0) - variance) < 4.5 * deviation.std(axis=0) / np.sqrt(n))
