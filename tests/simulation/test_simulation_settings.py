"""Settings of the simulator: that each moves what it names, that wrong ones are refused, that all are documented."""

from __future__ import annotations

import dataclasses
from functools import cache

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.errors import UsageError
from alliance_bayes.simulation.pseudo_true import pseudo_true
from alliance_bayes.simulation.published import replicate
from alliance_bayes.simulation.settings import Process, SimulationSettings, simulation_assumptions
from alliance_bayes.simulation.simulate import SimulatedCohort, simulate_cohort

N = 10_000
# Least-squares standard error of the alliance slope at this n is about 0.23, and some 0.5 within the smaller provider
# types; effects of 4 points an alliance point are far outside chance, on the same seed even more so.
EFFECT = 4.0


def simulated(**changed: float) -> SimulatedCohort:
    """The cohort of one seed with settings changed; where they are as they were, it is made once."""
    plain = SimulationSettings()
    as_it_was = all(getattr(plain, name) == value for name, value in changed.items())
    return unchanged() if as_it_was else simulate_cohort(N, seed=2, **changed)


@cache
def unchanged() -> SimulatedCohort:
    return simulate_cohort(N, seed=2)


@pytest.fixture(scope="module")
def default() -> dict[str, float]:
    return pseudo_true(n=N, seed=2)


def test_alliance_slope_moves_the_observed_slope(default: dict[str, float]):
    none = pseudo_true(n=N, seed=2, alliance_slope=0.0)
    assert none["alliance"] == pytest.approx(0, abs=4 * none["alliance_se"])
    # On the same seed the difference is the latent slope times the reliability of alliance, less some 2 % that the ends
    # of the WHO-5 take; over 20 seeds that ratio had a mean of .978 and an SD of .022, of which four are allowed.
    moved = default["alliance"] - none["alliance"]
    expected = 0.978 * SimulationSettings().alliance_slope * default["reliability"]
    assert moved == pytest.approx(expected, rel=4 * 0.022)


def test_observed_slope_is_the_published_one(default: dict[str, float]):
    assert default["alliance"] == pytest.approx(2.17, abs=4 * default["alliance_se"])
    assert default["alliance"] < SimulationSettings().alliance_slope
    assert 0.75 < default["reliability"] < 0.87
    assert default["sigma"] > SimulationSettings().residual_sd


def test_pseudo_truth_of_a_cohort_that_answers_without_error_is_its_truth():
    # Ratings with hardly any chance of their own, answers with less of it, no lost follow-ups, well-being far from the
    # ends of the scale.
    exact = Process(
        rating_person_sd=100.0,
        rating_ceiling_stretch=1.0,
        rating_item_sd=0.0,
        rating_session_sd=0.0,
        rating_provider_sd=0.0,
        rating_thresholds=(-100.0, -50.0, 0.0, 50.0),
        bond_minus_goal=0.0,
        who5_item_sd=0.5,
    )
    settings = SimulationSettings(
        process=exact,
        tau_provider=0.0,
        baseline_sd=8.0,
        baseline_mean=50.0,
        followup_mean=52.0,
        residual_sd=5.0,
        alliance_slope=2.0,
        level_by_sex={"male": 1.0},
        level_by_provider_type={"therapist": 3.0, "both": -3.0},
        attrition_elevated=0.0,
        attrition_other=0.0,
    )
    found = pseudo_true(settings, n=N, seed=4)
    error = found["alliance_se"]
    assert found["alliance"] == pytest.approx(2.0, abs=4 * error)
    assert found["reliability"] == pytest.approx(1, abs=0.005)
    # Error variance of a score: 5 answers of SD 0.5 steps (and rounding, 1/12) times 4 points; of the baseline's error,
    # what regression on the observed baseline leaves. Relative standard error of a variance: sqrt(2 / n) = 1.4 %.
    score = 16 * 5 * (0.5**2 + 1 / 12)
    carried = SimulationSettings().baseline_slope ** 2 * score * 64 / (64 + score)
    assert found["sigma"] ** 2 == pytest.approx(25 + score + carried, rel=4 * 0.014)
    # Standard errors of a group's level: sigma over the root of its size, both groups' together.
    level = found["sigma"] * np.sqrt(1 / (0.17 * N) + 1 / (0.65 * N))
    assert found["therapist"] == pytest.approx(3.0, abs=4 * level)
    assert found["both"] == pytest.approx(-3.0, abs=4 * level)
    assert found["male"] == pytest.approx(1.0, abs=4 * found["sigma"] * np.sqrt(1 / (0.54 * N) + 1 / (0.46 * N)))
    # At the centre, sexes and provider types weighted equally: 52 + 1/2 + 0.
    assert found["Intercept"] == pytest.approx(52.5, abs=4 * level)


def test_slope_by_provider_type_and_sex_move_only_their_levels(default: dict[str, float]):
    by_type = pseudo_true(n=N, seed=2, slope_by_provider_type={"therapist": EFFECT})
    assert by_type["alliance[therapist]"] - default["alliance[therapist]"] > EFFECT / 2
    assert by_type["alliance[coach]"] == pytest.approx(default["alliance[coach]"], abs=0.2)
    by_sex = pseudo_true(n=N, seed=2, slope_by_sex={"male": EFFECT})
    assert by_sex["alliance[male]"] - default["alliance[male]"] > EFFECT / 2
    assert by_sex["alliance[female]"] == pytest.approx(default["alliance[female]"], abs=0.2)


@pytest.mark.parametrize(
    ("setting", "value", "probability"),
    [
        ("slope_by_provider_type", {"both": 6.0}, "p_by_provider_type"),
        ("slope_by_baseline", 0.2, "p_by_baseline"),
        ("slope_by_session", 0.8, "p_by_session"),
    ],
)
def test_moderation_that_is_switched_on_is_found(setting: str, value: object, probability: str):
    cohort = simulate_cohort(N, seed=2, **{setting: value})
    # Each is some 8 standard errors or more; 4 below that are still beyond any chance when there is nothing to find.
    assert replicate(cohort.data, cohort.tables["sessions"])[probability] < 1e-4


def test_levels_move_adjusted_means(default: dict[str, float]):
    moved = pseudo_true(n=N, seed=2, level_by_provider_type={"both": EFFECT}, level_by_sex={"male": -EFFECT})
    # Same seed: only answers near a threshold differ by chance.
    assert moved["both"] - default["both"] == pytest.approx(EFFECT, rel=0.1)
    assert moved["male"] - default["male"] == pytest.approx(-EFFECT, rel=0.1)


def test_countries_spread_as_set():
    def spread(tau: float) -> tuple[float, float]:
        cohort = simulate_cohort(N, seed=2, tau_country=tau, tau_country_slope=0.0)
        data = cohort.data.dropna()
        table = data["who5_change"].groupby(data["country"], observed=True).agg(["mean", "var", "size"])
        table = table.nlargest(15, "size")
        drawn = pd.Series(cohort.truth["u_country"]["Intercept"])[list(table.index)]
        # Variance of the means beyond what the variance within countries gives, and that of the effects drawn.
        return float(table["mean"].var() - (table["var"] / table["size"]).mean()), float(drawn.var())

    # The means' error variance is about 2 points squared, known from 15 countries to 38 %.
    none, nothing = spread(0.0)
    assert nothing == 0
    assert abs(none) < 4 * 0.38 * 2
    much, drawn = spread(6.0)
    # Error of the difference: twice the SD of the means' errors (1.4) times that of the effects, over the root of 14.
    assert much == pytest.approx(drawn, abs=4 * 2 * 1.4 * np.sqrt(drawn / 14))


def test_country_slopes_are_drawn_with_their_tau():
    drawn = simulate_cohort(10, seed=2, tau_country_slope=2.0).truth["u_country"]["alliance"]
    # SD of 40 draws: relative standard error 11 %, three times.
    assert np.std(list(drawn.values()), ddof=1) == pytest.approx(2.0, rel=0.34)
    none = simulate_cohort(10, seed=2, tau_country_slope=0.0).truth["u_country"]["alliance"]
    assert set(none.values()) == {0.0}


def test_curvature_bends_the_line():
    def bend(curvature: float) -> float:
        data = simulated(curvature=curvature).data.dropna()
        return float(np.polyfit(data["alliance"] - 4.5, data["who5_followup"], 2)[0])

    assert bend(-3.0) < bend(0.0) - 1 < bend(3.0) - 2


def test_contextual_slope_steepens_the_line_between_providers():
    def between(contextual: float) -> float:
        cohort = simulated(contextual_slope=contextual)
        data = cohort.data.assign(part=cohort.latent["alliance_from_provider"]).dropna()
        return float(np.polyfit(data["part"], data["who5_followup"], 1)[0])

    assert between(30.0) - between(0.0) == pytest.approx(30.0, rel=0.1)


def test_provider_effects_correlate_outcomes_within_providers():
    def share(tau: float) -> float:
        data = simulated(tau_provider=tau).data.dropna()
        groups = data["who5_change"].groupby(data["provider_id"], observed=True)
        table = groups.agg(["mean", "var", "size"]).query("size >= 5")
        # Variance of the means beyond what the variance within providers gives.
        return float(table["mean"].var() - (table["var"] / table["size"]).mean())

    # Those who see both kinds have half of each provider's effect, so somewhat less than 36 points squared.
    assert 20 < share(6.0) < 40
    assert abs(share(0.0)) < 4


def test_residual_sd_differs_as_set():
    data = simulate_cohort(N, seed=2, log_sd_by_provider_type={"therapist": np.log(2)}).data.dropna()
    spread = data.groupby("provider_type", observed=True)["who5_change"].std()
    assert spread["therapist"] > 1.3 * spread["coach"]
    assert spread["both"] == pytest.approx(spread["coach"], rel=0.1)


def test_followups_missing_by_what_they_would_have_been():
    def gap(per_point: float) -> float:
        latent = simulated(attrition_per_followup_point=per_point).latent
        means = latent.groupby("lost")["who5_followup"].mean()
        return float(means[True] - means[False])

    # Some are lost more often at a low baseline, hence a gap below 0 even when missing at random given the baseline.
    assert gap(0.05) > 2 > 0 > gap(0.0) > gap(-0.05)


def test_attrition_of_zero_loses_nobody():
    kept = simulate_cohort(500, attrition_elevated=0.0, attrition_other=0.0, attrition_per_followup_point=-0.1)
    assert kept.flow.analysed == 500


def test_group_differences_of_alliance_can_be_switched_off():
    def deviates(**changed: float) -> tuple[float, float]:
        cohort = simulated(**changed)
        found = replicate(cohort.data, cohort.tables["sessions"])
        return found["alliance_z_sex"], found["alliance_z_coach"]

    sex, coach = deviates()
    sex_off, coach_off = deviates(alliance_women_minus_men=0.0, alliance_coach_minus_other=0.0)
    # Switched off: standard normal deviates, SD 1. Those not with a coach alone have more sessions, hence fewer means
    # of exactly 5, which leaves the second an average of 1.4 at this n.
    assert abs(sex_off) < 4
    assert abs(coach_off - 1.4) < 4
    # What is switched off, on the same seed: 7.4 and 3.8 over 20 seeds, SD 0.2.
    assert sex - sex_off == pytest.approx(7.4, abs=0.8)
    assert coach - coach_off == pytest.approx(3.8, abs=0.8)


def test_settings_and_overrides_go_together():
    truth = simulate_cohort(5, settings=SimulationSettings(curvature=1.0), alliance_slope=9.0).truth
    assert truth["settings"] == SimulationSettings(curvature=1.0, alliance_slope=9.0)


def test_unknown_setting_names_the_near_and_the_known():
    known = ", ".join(f.name for f in dataclasses.fields(SimulationSettings))
    with pytest.raises(UsageError) as caught:
        simulate_cohort(5, aliance_slope=1.0)
    assert str(caught.value) == (
        f"simulate_cohort has no setting 'aliance_slope'. Did you mean 'alliance_slope'? Settings: {known}."
    )


def test_every_wrong_setting_is_named_at_once():
    with pytest.raises(UsageError) as caught:
        SimulationSettings(
            alliance_slope=float("nan"),
            tau_country=-1.0,
            residual_sd=-2.0,
            attrition_other=1.0,
            slope_by_sex={"m": 1.0},
            level_by_provider_type={"coach": float("inf")},
            curvature="2",
            process=None,
        )
    assert str(caught.value) == (
        "SimulationSettings: process should be a Process but got None; "
        "alliance_slope should be a finite number but got nan; "
        "slope_by_sex should name female, male but got 'm'; "
        "curvature should be a finite number but got '2'; "
        "level_by_provider_type['coach'] should be a finite number but got inf; "
        "tau_country should be 0 or more but got -1.0; "
        "residual_sd should be 0 or more but got -2.0; "
        "attrition_other should be in the interval [0, 1) but got 1.0. "
        "Change these values; nothing was simulated."
    )


def test_every_wrong_constant_of_the_process_is_named_at_once():
    with pytest.raises(UsageError) as caught:
        Process(
            female_share=1.2,
            provider_type_shares=(0.5, 0.5, 0.5),
            extra_sessions=(1.0, 0.0, 1.0),
            gap_days=0.0,
            rating_item_sd=-1.0,
            age_range=(18, 30),
            n_countries=41,
            max_sessions=1,
            rating_thresholds=(0.0, 1.0, 0.5, 2.0),
            who5_item_offsets=(1.0, 0.0, 0.0, 0.0, 0.0),
        )
    assert str(caught.value) == (
        "Process: female_share should be in the interval [0, 1] but got 1.2; "
        "provider_type_shares should be 3 shares (coach, therapist, both) that sum to 1 but got (0.5, 0.5, 0.5); "
        "gap_days should be above 0 but got 0.0; "
        "rating_item_sd should be 0 or more but got -1.0; "
        "extra_sessions should be 3 numbers above 0 (coach, therapist, both) but got (1.0, 0.0, 1.0); "
        "age_range (18, 30) has no room for a mean of 36.0 and an SD of 9.0; "
        "n_countries should be between 1 and 40 but got 41; "
        "max_sessions should be 2 or more but got 1; "
        "rating_thresholds should be 4 ascending numbers but got (0.0, 1.0, 0.5, 2.0); "
        "who5_item_offsets should be 5 numbers that sum to 0 but got (1.0, 0.0, 0.0, 0.0, 0.0). "
        "Change these values; nothing was simulated."
    )


def test_every_parameter_is_listed_with_its_standing():
    table = simulation_assumptions()
    assert list(table.columns) == ["parameter", "value", "unit", "status", "basis"]
    fields = [f.name for part in (SimulationSettings, Process) for f in dataclasses.fields(part) if f.name != "process"]
    assert table["parameter"].tolist() == fields
    assert set(table["status"]) == {"published", "derived", "calibrated", "assumed"}
    assert (table["basis"].str.len() > 5).all()
    rows = table.set_index("parameter")
    assert rows.loc["age_slope"].tolist() == [
        "0.03",
        "points per year",
        "published",
        "Table 2 (elevated subgroup), P = .70",
    ]
    assert rows.loc["slope_by_sex", "value"] == "0 for every level"
    assert rows.loc["level_by_sex", "value"] == "male: 0.04"
    assert rows.loc["age_range", "value"] == "18, 78"


def test_a_changed_parameter_is_listed_as_changed():
    table = simulation_assumptions(SimulationSettings(curvature=0.5, process=Process(n_countries=3)))
    changed = table[table["status"] == "changed"]
    assert changed["parameter"].tolist() == ["curvature", "n_countries"]
    assert changed["value"].tolist() == ["0.5", "3"]
