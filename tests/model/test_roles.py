"""What the levels of a factor are, and the default priors that follow from it: STATISTICS 7.2, by hand."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.errors import ModelError
from alliance_bayes.model import ModelSpec, Prior, Scale
from alliance_bayes.model.card import card_arguments, card_text
from alliance_bayes.model.roles import RoleOf, role_of, role_wanted
from builders import rows as people

LOGIT = math.pi / math.sqrt(3)


def table(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "score": rng.normal(300.0, 50.0, n),
            "better": rng.integers(0, 2, n).astype(float),
            "who5_followup": 4.0 * rng.integers(0, 26, n),
            "alliance": rng.uniform(1, 5, n),
            "wai": rng.uniform(12, 60, n),
            "days": rng.uniform(0, 9, n),
            "arm": np.resize(["a", "b", "c"], n),
            "pid": [f"p{k}" for k in np.resize(range(12), n)],
            "provider_id": [f"t{k}" for k in np.resize(range(7), n)],
            "country": np.resize(["X", "Y"], n),
            "ward": np.resize(["u", "v", "w", "x"], n),
        }
    )


def priors(formula: str, **options: object) -> dict[str, Prior]:
    spec = ModelSpec(formula, **options)  # type: ignore[arg-type]
    made = spec.priors_for(spec.design(table()))
    return {name: stated.prior for name, stated in made.items()}


def sd(column: str) -> float:
    return float(table()[column].std())


def is_close(prior: Prior, distribution: str, *numbers: float) -> bool:
    return prior.distribution == distribution and prior.parameters == pytest.approx(numbers, rel=1e-9)


@pytest.mark.parametrize(
    ("factor", "roles", "level", "slope"),
    [
        ("pid", {"pid": "person"}, 1.0, 0.5),
        ("pid", {"pid": "provider"}, 0.35, 0.35 * 0.5),
        ("pid", {"pid": "group"}, 0.25, 0.15),
        # Nothing says what a ward is: the weakest prior.
        ("ward", {}, 1.0, 0.5),
        ("provider_id", {}, 0.35, 0.35 * 0.5),
        ("country", {}, 0.25, 0.15),
        # A declared role goes before a known name; a combination is as fine as its finest column.
        ("country", {"country": "person"}, 1.0, 0.5),
        ("provider_id:country", {}, 0.35, 0.35 * 0.5),
        ("ward:country", {"ward": "group"}, 0.25, 0.15),
        ("ward:country", {"ward:country": "provider"}, 0.35, 0.35 * 0.5),
        ("ward:country", {}, 1.0, 0.5),
    ],
)
@pytest.mark.parametrize("outcome", ["score", "better", "phq9"])
def test_scales_of_level_effects_follow_the_role(
    factor: str, roles: dict[str, str], level: float, slope: float, outcome: str
) -> None:
    family = "bernoulli" if outcome == "better" else "gaussian"
    scales = {"score": Scale(10.0, 6.0)} if outcome == "phq9" else {}
    column = "score" if outcome == "phq9" else outcome
    made = priors(f"{column} ~ days + (days || {factor})", family=family, roles=roles, scales=scales)
    unit = {"score": sd("score"), "better": LOGIT, "phq9": 6.0}[outcome]
    assert is_close(made[f"tau_{factor}[Intercept]"], "HalfNormal", level * unit)
    assert is_close(made[f"tau_{factor}[days]"], "HalfNormal", slope * unit / sd("days"))


@pytest.mark.parametrize(
    ("factor", "roles", "level", "slope"),
    [
        ("country", {}, 5.0, 2.0),
        ("ward", {"ward": "group"}, 5.0, 2.0),
        ("provider_id", {}, 0.35 * 19, 0.35 * 0.5 * 19 / 0.7),
        ("pid", {"pid": "person"}, 19.0, 0.5 * 19 / 0.7),
    ],
)
def test_a_persons_spread_on_the_who5_is_not_that_of_countries(
    factor: str, roles: dict[str, str], level: float, slope: float
) -> None:
    made = priors(f"who5_followup ~ alliance + (alliance || {factor})", roles=roles)
    assert is_close(made[f"tau_{factor}[Intercept]"], "HalfNormal", level)
    assert is_close(made[f"tau_{factor}[alliance]"], "HalfNormal", slope)


def test_coefficients_on_scales_that_no_instrument_fixes_are_weak() -> None:
    s_y, s_x = sd("score"), sd("days")
    made = priors("score ~ days + alliance + arm + days:alliance")
    assert is_close(made["days"], "Normal", 0.0, 2.5 * s_y / s_x)
    assert is_close(made["alliance"], "Normal", 0.0, 2.5 * s_y / 0.7)
    assert is_close(made["arm[b]"], "Normal", 0.0, 2.5 * s_y)
    assert is_close(made["days:alliance"], "Normal", 0.0, 2.5 * s_y / (s_x * 0.7))
    assert is_close(made["Intercept"], "Normal", float(table()["score"].mean()), 2.5 * s_y)
    assert is_close(made["sigma"], "HalfNormal", 2 * s_y)


def test_coefficients_between_instruments_are_as_before() -> None:
    made = priors("score ~ alliance + days + arm", scales={"score": Scale(10.0, 6.0)})
    assert is_close(made["alliance"], "Normal", 0.0, 0.5 * 6 / 0.7)
    assert is_close(made["arm[c]"], "Normal", 0.0, 0.5 * 6)
    # The predictor's scale is that of the rows.
    assert is_close(made["days"], "Normal", 0.0, 2.5 * 6 / sd("days"))


def test_log_odds_have_a_scale_but_arms_have_none_on_it() -> None:
    made = priors("better ~ alliance", family="bernoulli")
    assert is_close(made["alliance"], "Normal", 0.0, 0.5 * LOGIT / 0.7)
    made = priors("better ~ alliance + days + arm", family="bernoulli")
    part = 1 / math.sqrt(3) * LOGIT
    # Between known instruments a slope has half an SD at most.
    assert is_close(made["alliance"], "Normal", 0.0, 0.5 * LOGIT / 0.7)
    assert is_close(made["days"], "Normal", 0.0, part / sd("days"))
    assert is_close(made["arm[b]"], "Normal", 0.0, 2 * part)


@pytest.mark.parametrize(("named", "mean", "width"), [("literature", 0.15, 0.1), ("enthusiastic", 0.28, 0.1)])
@pytest.mark.parametrize("scales", [{}, {"wai": Scale(44.0, 9.0)}])
def test_a_named_set_is_about_whatever_score_is_declared_as_the_alliance(
    named: str, mean: float, width: float, scales: dict[str, Scale]
) -> None:
    s_x = scales["wai"].sd if scales else sd("wai")
    made = priors("who5_followup ~ wai + days", alliance="wai", priors=named, scales=scales)
    assert is_close(made["wai"], "Normal", mean * 19 / s_x, width * 19 / s_x)
    # A column of that name is an adjustment then.
    made = priors("who5_followup ~ wai + alliance", alliance="wai", priors=named, scales=scales)
    assert is_close(made["alliance"], "Normal", 0.0, 0.5 * 19 / 0.7)


def test_every_reason_names_the_column_and_where_its_scale_comes_from() -> None:
    spec = ModelSpec("score ~ days + (days || pid) + (1 | ward)", roles={"pid": "person"})
    made = spec.priors_for(spec.design(table()))
    assert made["tau_pid[days]"].reason == (
        "levels of 'pid' are persons: standardised slope SD HalfNormal(0.5); "
        f"SD {sd('score'):.3g} of 'score' in the analysed rows, {sd('days'):.3g} of 'days' in the analysed rows"
    )
    assert made["tau_ward[Intercept]"].reason.startswith(
        "nothing says what the levels of 'ward' are, so they are taken for persons: "
    )


def test_roles_are_checked_before_any_rows_are_read() -> None:
    with pytest.raises(ModelError) as caught:
        ModelSpec("score ~ days + (1 | pid)", roles={"pid": "patient", "site": "group"})  # type: ignore[dict-item]
    assert str(caught.value) == (
        "roles of 'pid' should be one of 'person', 'provider', 'group' but got 'patient'. "
        "roles names 'site', but the formula pools over 'pid'."
    )
    with pytest.raises(
        ModelError, match=r"alliance names 'ta', which is not in the formula\. Its predictors: days, pid"
    ):
        ModelSpec("score ~ days + (1 | pid)", alliance="ta")


def test_a_card_keeps_roles_and_the_alliance_score() -> None:
    spec = ModelSpec("score ~ wai + (1 | pid:ward)", roles={"pid": "provider", "ward": "group"}, alliance="wai")
    again = ModelSpec(**card_arguments(card_text(spec)))
    assert dict(again.roles) == {"pid": "provider", "ward": "group"}
    assert again.alliance == "wai"
    assert again.focal_predictor(again.design(table())) == "wai"


@pytest.mark.parametrize(
    ("levels", "rows", "asked"), [(57, 563, True), (18, 180, True), (8, 3087, False), (40, 800, True), (40, 801, False)]
)
def test_a_factor_of_about_one_level_for_every_few_rows_asks_to_be_told(levels: int, rows: int, asked: bool) -> None:
    assert bool(role_wanted("pid", levels, rows)) is asked


def test_roles_by_name() -> None:
    assert role_of("participant_id", {}) == RoleOf("person", known=True)
    assert role_of("site", {}) == RoleOf("group", known=True)
    assert role_of("clinic", {}) == RoleOf("person", known=False)


@pytest.mark.parametrize(
    ("formula", "priors", "alliance", "why"),
    [
        ("who5_followup ~ alliance + age", "literature", "alliance", ""),
        ("who5_followup ~ alliance + age", "weak", "alliance", ""),
        ("who5_followup ~ age", "weak", "alliance", ""),
        ("who5_followup ~ age + who5_baseline", "literature", "alliance", "is no predictor of this model"),
        ("who5_followup ~ age", "sceptical", "age", ""),
        ("who5_followup ~ log(alliance) + age", "sceptical", "alliance", "no coefficient of its own"),
        ("who5_followup ~ alliance", {"set": "enthusiastic", "alliance": "Normal(0, 1)"}, "alliance", "was given"),
    ],
)
def test_a_named_set_that_has_no_part_in_the_priors_is_said_to_have_none(
    formula: str, priors: str | dict[str, str], alliance: str, why: str
) -> None:
    spec = ModelSpec(formula, priors=priors, alliance=alliance)
    design = spec.design(people())
    stated = spec.priors_for(design)
    said = spec.set_without_use(design, stated)
    # Independently: the set has a part where taking the weak one in its place changes a prior.
    given = {name: str(prior) for name, prior in spec.given_priors.items()}
    weak = ModelSpec(formula, priors={"set": "weak", **given}, alliance=alliance)
    same = [str(one.prior) for one in stated.values()] == [
        str(one.prior) for one in weak.priors_for(weak.design(people())).values()
    ]
    assert bool(said) == (same and spec.prior_set != "weak")
    assert why in said
