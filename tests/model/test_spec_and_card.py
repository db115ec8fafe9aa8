"""Models: priors by name with reasons, cards that read back, declared levels."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from alliance_bayes.errors import DataError, FileFormatError, ModelError
from alliance_bayes.model import (
    FAMILIES,
    Card,
    ModelSpec,
    Prior,
    Scale,
    card_arguments,
    card_text,
    read_card,
    write_card,
)
from alliance_bayes.model.card import FORMAT
from alliance_bayes.model.defaults import PRIOR_SETS
from alliance_bayes.model.priors import PriorTable
from builders import OUTCOME_FORMULA, rows

CARDS = sorted((Path(__file__).parents[2] / "models").glob("*.toml"))


def resolved(spec: ModelSpec) -> dict[str, str]:
    table = spec.priors_for(spec.design(rows()))
    return {name: str(stated.prior) for name, stated in table.items()}


def test_default_priors_on_the_who5_scale() -> None:
    assert resolved(ModelSpec(OUTCOME_FORMULA)) == {
        "Intercept": "Normal(50, 25)",
        "alliance": "Normal(0, 10)",
        "who5_baseline": "Normal(0, 1)",
        "age": "Normal(0, 1)",
        "days_in_care": "Normal(0, 0.5)",
        "sigma": "HalfNormal(25)",
        "tau_provider_type[Intercept]": "HalfNormal(5)",
        "tau_provider_type[alliance]": "HalfNormal(2)",
        "tau_sex[Intercept]": "HalfNormal(5)",
        "tau_sex[alliance]": "HalfNormal(2)",
        "tau_country[Intercept]": "HalfNormal(5)",
        "tau_country[alliance]": "HalfNormal(2)",
    }


@pytest.mark.parametrize(
    ("named", "mean", "sd"),
    [("literature", 0.15, 0.10), ("sceptical", 0.0, 0.10), ("enthusiastic", 0.28, 0.10)],
)
def test_named_sets_convert_standardised_slopes_by_the_reference_sds(named: str, mean: float, sd: float) -> None:
    prior = ModelSpec(OUTCOME_FORMULA, priors=named).priors["alliance"].prior  # type: ignore[index]
    assert prior.parameters == pytest.approx((mean * 19 / 0.7, sd * 19 / 0.7))


def test_the_literatures_sign_turns_for_a_symptom_score() -> None:
    prior = ModelSpec("phq9_followup ~ alliance", priors="literature").priors["alliance"].prior  # type: ignore[index]
    assert prior.parameters == pytest.approx((-0.15 * 6 / 0.7, 0.10 * 6 / 0.7))


def test_the_same_statement_moves_to_the_scale_of_the_linear_predictor() -> None:
    # 4 / 100 log odds a point where the logistic curve is steepest.
    spec = ModelSpec("who5_followup ~ alliance", family="beta_binomial")
    assert spec.priors["alliance"].prior.parameters == pytest.approx((0.0, 10 * 0.04))  # type: ignore[index]


def test_an_interaction_does_not_get_the_main_effects_prior() -> None:
    spec = ModelSpec("who5_followup ~ alliance * sex", priors="literature")
    assert resolved(spec)["alliance:sex[male]"] == str(Prior("Normal", (0.0, 0.25 * 19 / 0.7)))


def test_given_priors_win_and_a_term_name_covers_its_columns() -> None:
    priors = {
        "set": "sceptical",
        "provider_type": "Normal(0, 3)",
        "provider_type[both]": "Normal(1, 2)",
        "tau_country": "Exponential(1)",
        "tau_country[alliance]": "HalfStudentT(3, 1)",
    }
    table = resolved(ModelSpec("who5_followup ~ alliance + provider_type + (alliance || country)", priors=priors))
    assert table["provider_type[therapist]"] == "Normal(0, 3)"
    assert table["provider_type[both]"] == "Normal(1, 2)"
    assert table["tau_country[Intercept]"] == "Exponential(1)"
    assert table["tau_country[alliance]"] == "HalfStudentT(3, 1)"
    assert table["alliance"] == "Normal(0, 2.71429)"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"priors": "strong"}, "unknown prior set 'strong'. Known sets: weak, literature, sceptical, enthusiastic."),
        (
            {"priors": {"allaince": "Normal(0, 1)"}},
            "prior for unknown parameter(s) 'allaince'. Known parameters: Intercept, alliance, sigma, tau_country, "
            "tau_country[Intercept].",
        ),
        (
            {"priors": {"sigma": "Normal(0, 1)"}},
            "prior of 'sigma': Normal(0, 1) has real support, but this parameter needs positive support.",
        ),
        (
            {"family": "skewed"},
            f"unknown family 'skewed'. Known families: {', '.join(FAMILIES)}.",
        ),
        ({"focal": "age"}, "focal names 'age', which is not in the formula. Its predictors: alliance, country."),
        ({"exhaustive": "sex"}, "exhaustive should be a list of factors but got 'sex'."),
    ],
)
def test_an_impossible_model_fails_before_any_rows_are_read(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError) as caught:
        ModelSpec("who5_followup ~ alliance + (1 | country)", **arguments)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_columns_of_unknown_scale_need_a_statement() -> None:
    frame = rows().assign(score=rows()["age"])
    spec = ModelSpec("score ~ alliance + n_sessions", autoscale=False)
    made = spec.design(frame)
    with pytest.raises(ModelError) as caught:
        spec.priors_for(made)
    assert str(caught.value) == (
        "no default prior is known for 'Intercept', 'alliance', 'n_sessions', 'sigma': the package does not know "
        "the scale of every "
        "column involved. Give these priors, or the columns' scales (scales={'name': Scale(mean=..., sd=...)}), or "
        "leave autoscale=True to take scales from the analysed rows."
    )
    spec = ModelSpec("score ~ alliance", scales={"score": Scale(40, 10)})
    assert str(spec.priors_for(spec.design(frame))["alliance"].prior) == str(Prior("Normal", (0.0, 0.5 * 10 / 0.7)))


def test_every_prior_prints_its_reason() -> None:
    table = ModelSpec(OUTCOME_FORMULA, priors="literature").priors
    lines = str(table).splitlines()
    assert len(lines) == len(table) == 12  # type: ignore[arg-type]
    assert all(stated.reason for stated in table.values())  # type: ignore[union-attr]
    assert table.to_frame().columns.tolist() == ["parameter", "prior", "reason"]  # type: ignore[union-attr]


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_shipped_cards_make_models_and_round_trip(path: Path) -> None:
    spec = ModelSpec(**read_card(path))
    again = ModelSpec(**card_arguments(card_text(spec)))
    assert card_text(again) == card_text(spec)
    assert again.card == spec.card
    assert spec.card.name == path.stem
    assert spec.card.question
    assert spec.card.estimand
    assert spec.card.assumptions
    priors = spec.priors_for(spec.design(with_every_column(rows())))
    assert all(stated.reason for stated in priors.values())


def with_every_column(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows with every column that a shipped card names."""
    halves = np.arange(len(frame)) % 2
    people = pd.Categorical([f"P{k // 3}" for k in range(len(frame))])
    return frame.assign(
        who5_change=frame["who5_followup"] - frame["who5_baseline"],
        improved=halves.astype(float),
        recovered=halves.astype(float),
        alliance_first=frame["alliance"],
        alliance_early=frame["alliance"],
        alliance_provider=4.5 + 0.1 * halves,
        alliance_within=frame["alliance"] - 4.5 - 0.1 * halves,
        rating=frame["alliance"],
        session=(np.arange(len(frame)) % 3).astype(float),
        person=people,
        provider_id=pd.Categorical([f"C{k % 7}" for k in range(len(frame))]),
        modality=pd.Categorical.from_codes(halves, categories=["video", "in_person"]),
    )


def test_the_shipped_cards() -> None:
    assert {path.stem for path in CARDS} >= {
        "alliance",
        "alliance_gaussian",
        "alliance_modality",
        "alliance_ordinal",
        "change",
        "dose_response",
        "early",
        "first_session",
        "followup",
        "growth",
        "improved",
        "latent",
        "modality",
        "moderation",
        "outcome",
        "outcome_beta_binomial",
        "outcome_ordinal",
        "outcome_student_t",
        "recovered",
        "within_between",
    }


def test_everything_a_card_can_say_reads_back(tmp_path: Path) -> None:
    spec = ModelSpec(
        "score ~ alliance + (alliance | site)",
        family="student_t",
        priors={"set": "sceptical", "alliance": "Normal(0.1, 0.30000000000000004)", "corr_site": "LKJ(3)"},
        exhaustive=("site",),
        focal="alliance",
        centre={"alliance": 4.5},
        scales={"score": Scale(10, 5, 0, 20, 0.5, "point", False, "manual", 2.5)},
        autoscale=True,
        levels={"site": ("b", "a")},
        residual_by="site",
        card=Card("c", 'A "title" \\ with <marks>', "Why?", "What", ("one", "two"), ("source",)),
    )
    write_card(spec, tmp_path / "c.toml")
    # As an editor saves it that marks UTF-8.
    (tmp_path / "c.toml").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "c.toml").read_bytes())
    again = ModelSpec(**read_card(tmp_path / "c.toml"))
    for name in (
        "formula",
        "family",
        "exhaustive",
        "focal",
        "centre",
        "scales",
        "autoscale",
        "levels",
        "residual_by",
        "card",
        "given_priors",
        "prior_set",
    ):
        assert getattr(again, name) == getattr(spec, name), name
    assert [path.name for path in tmp_path.iterdir()] == ["c.toml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("formula = ", "card is not TOML: Invalid value (at end of document). Correct that line."),
        ('family = "gaussian"', 'card: no formula. Add a line such as formula = "who5_followup ~ alliance".'),
        ('formula = "y ~ x"\npriors = "weak"', "card: 'priors' should be a table ([priors]) but got 'weak'."),
        ('formula = "y ~ x"\n[centre]\nx = "a"', "card: centre of 'x' should be a number but got 'a'."),
        ('formula = "y ~ x"\nautoscale = 1', "card: 'autoscale' should be true or false but got 1."),
        (
            'formula = "y ~ x"\n[scales.y]\nmean = 1',
            "card: scales of 'y' needs mean and sd and knows mean, sd, lower, upper, step, unit, "
            "higher_is_better, reason, smallest_relevant_change, instrument.",
        ),
    ],
)
def test_bad_cards_are_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(FileFormatError) as caught:
        card_arguments(f"format = 4\n{text}", source="card")
    assert str(caught.value) == message


def test_unknown_keys_are_listed_with_the_known_ones() -> None:
    with pytest.raises(FileFormatError) as caught:
        card_arguments('format = 4\nformula = "y ~ x"\nfamly = "gaussian"', source="card")
    assert str(caught.value) == (
        "card: unknown key(s) 'famly'. Known keys: format, name, title, question, estimand, assumptions, sources, "
        "formula, family, exhaustive, "
        "focal, against, contrast, alliance, residual_by, sigma, trials, autoscale, rows, derived, weights, "
        "weights_kind, missing, auxiliary, priors, centre, scales, "
        "roles, levels, events, among, error, reliability, covariates."
    )


def test_an_undeclared_level_is_an_error_not_a_new_level() -> None:
    frame = rows(20, countries=3)
    spec = ModelSpec("who5_followup ~ alliance + (1 | country)", levels={"country": ("C2", "C1")})
    with pytest.raises(DataError) as caught:
        spec.design(frame)
    assert {problem.value for problem in caught.value.problems} == {"C0"}
    assert len(caught.value.problems) == int((frame["country"] == "C0").sum())
    kept = frame[frame["country"] != "C0"]
    assert spec.design(kept).factor("country").levels == ("C2", "C1")


def refusal(text: str) -> str:
    with pytest.raises(FileFormatError) as caught:
        card_arguments(text, source="card")
    return str(caught.value)


def test_a_card_of_another_format_is_refused_with_what_to_do() -> None:
    assert refusal('formula = "y ~ x"') == (
        "card: no format number, so it is of an earlier version. Put the line format = 4 at its top, and see under "
        "'Cards' in docs/models.md what the keys it leaves out then mean."
    )
    for number in ("1", "2", "3", '"4"', "4.0", "true", "[3]"):
        assert refusal(f'format = {number}\nformula = "y ~ x"').endswith(
            ", but this version reads format 4. Write the card again with to_card(), or install the version that "
            "wrote it."
        )


def test_everything_that_is_wrong_with_a_card_is_told_at_once() -> None:
    text = """
format = 4
family = 7
focal = ["alliance"]
exhaustive = "sex"
autoscale = "yes"
sources = [1]
question = 2026-01-01
[priors]
set = 3
age = 1.5
alliance = "Normal(0)"
[centre]
age = true
[scales.score]
mean = "10"
sd = 5
unit = 1
[scales.other]
mean = 1.0
sd = -1
[scales]
third = 5
[levels]
sex = 5
country = []
site = [1.5]
ward = [1, "1"]
"""
    assert refusal(text) == (
        'card: no formula. Add a line such as formula = "who5_followup ~ alliance". '
        "'family' should be text but got 7. "
        "'focal' should be text but got ['alliance']. "
        "'question' should be text but got datetime.date(2026, 1, 1). "
        "'exhaustive' should be a list of texts but got 'sex'. "
        "'sources' should be a list of texts but got [1]. "
        "'autoscale' should be true or false but got 'yes'. "
        "unknown prior set 3. Known sets: weak, literature, sceptical, enthusiastic. "
        "prior of 'age' should be text such as \"Normal(0, 10)\" but got 1.5. "
        "prior of 'alliance': Normal takes 2 number(s) (mu, sigma) but got 1 in 'Normal(0)'. "
        "centre of 'age' should be a number but got True. "
        "scales of 'score': mean should be a number but got '10'. "
        "scales of 'score': unit should be text but got 1. "
        "scales of 'other': a scale needs a finite mean and an sd greater than 0 but got mean=1.0, sd=-1. "
        "scales of 'third' needs mean and sd and knows mean, sd, lower, upper, step, unit, higher_is_better, reason, "
        "smallest_relevant_change, instrument; not (not a table). "
        "levels of 'sex' should be a list of distinct texts or whole numbers but got 5. "
        "levels of 'country' should be a list of distinct texts or whole numbers but got []. "
        "levels of 'site' should be a list of distinct texts or whole numbers but got [1.5]. "
        "levels of 'ward' should be a list of distinct texts or whole numbers but got [1, '1']."
    )


def test_a_scale_of_a_billion_levels_is_refused() -> None:
    scale = "[scales.y]\nmean = 1\nsd = 1\nlower = 0\nupper = 100\nstep = 1e-7"
    assert "has more than 100,000 levels" in refusal(f'format = 4\nformula = "y ~ x"\n{scale}')


KEYS = ("formula", "family", "focal", "residual_by", "autoscale", "exhaustive", "name", "sources", "priors", "centre")
THINGS = st.recursive(
    st.one_of(
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(["y ~ x", "alliance ~ age + (1 | sex)", "weak", "sex", "Normal(0, 1)", "gaussian", "", "\x00"]),
        st.dates(),
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["set", "mean", "sd", "x", "sex", "age", "step"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*KEYS, "scales", "levels", "title", "other"]), THINGS, max_size=5))
def test_any_card_makes_a_model_or_is_refused_in_one_line(table: dict[str, object]) -> None:
    try:
        arguments = card_arguments(tomli_w.dumps({"format": 2, **table}), source="card")
        made = ModelSpec(**arguments)
    except (FileFormatError, ModelError) as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    assert card_text(ModelSpec(**card_arguments(card_text(made)))) == card_text(made)


def test_what_a_card_leaves_open_is_written_out() -> None:
    written = card_text(ModelSpec(**card_arguments('format = 4\nformula = "who5_followup ~ alliance"')))
    assert written == (
        'format = 4\nname = "model"\nformula = "who5_followup ~ alliance"\nfamily = "gaussian"\nexhaustive = [\n'
        '    "provider_type",\n    "sex",\n    "modality",\n]\nautoscale = true\n\n[priors]\nset = "weak"\n'
    )


def test_the_numbers_behind_a_prior_sets_name_belong_to_the_format_of_cards() -> None:
    """Where they change, `card.FORMAT` is raised, so that no card means something else without a word."""
    lines = []
    for family in ("gaussian", "student_t", "beta_binomial", "cumulative", "censored_gaussian"):
        for named in PRIOR_SETS:
            spec = ModelSpec(OUTCOME_FORMULA + " + s(age) + (alliance | modality)", family=family, priors=named)
            assert isinstance(spec.priors, PriorTable)
            lines += [f"{family} {named} {name} {stated.prior}" for name, stated in spec.priors.items()]
    digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    assert (FORMAT, len(lines), digest) == (4, 320, "b024571d29dc1fb40bff10e1db433e54de87351a438fd162a172863afb7f9021")


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ("outcom", "Did you mean 'outcome'? Check the path; "),
        ("depresion.toml", "Did you mean 'depression.toml'? Check the path."),
        ("none.toml", "Check the path."),
        ("zzz", "Check the path; "),
        ("y x", "A formula has '~' between the outcome and its predictors: 'y ~ x'; "),
        ("y = x + age", "A formula has '~' between the outcome and its predictors: 'y ~ x'; "),
    ],
)
def test_what_is_no_card_is_answered_with_what_may_be_meant(
    given: str, hint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("depression.toml").write_text('format = 4\nformula = "y ~ x"\n', encoding="utf-8")
    with pytest.raises(FileFormatError) as caught:
        read_card(given)
    known = ", ".join(sorted(path.stem for path in (Path(__file__).parents[2] / "models").glob("*.toml")))
    listed = "" if given.endswith(".toml") else f"the cards that come with the package are {known}."
    assert str(caught.value) == f"model card '{given}' does not exist. {hint}{listed}"
