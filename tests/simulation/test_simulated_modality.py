"""The in-person comparison group and the trend over sessions: absent by default, and found when switched on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri
from scipy.stats import norm

from alliance_bayes.cohort import Cohort, FlowStep, read_cohort, read_tables
from alliance_bayes.errors import DataError, UsageError
from alliance_bayes.simulation import pseudo_true, simulate_cohort, simulation_assumptions, write_tables
from alliance_bayes.simulation.people import draw_care, draw_people
from alliance_bayes.simulation.published import as_numbers, least_squares
from alliance_bayes.simulation.ratings import draw_alliance
from alliance_bayes.simulation.settings import Process, SimulationSettings

LARGE = 20_000

#: Fingerprints of tables as they were before there were modalities or trends: neither may change what a seed gives.
BEFORE = {
    "default": {
        "data": "4e0e3a17bd9eddfd",
        "participants": "827153ee94677495",
        "sessions": "a4d5cc3288b26edd",
        "surveys": "1dfba85203a18b5d",
        "latent": "cd86df0a11248898",
    },
    "changed": {
        "data": "17dde4bd0f523ee8",
        "participants": "0a127fbec1351a8e",
        "sessions": "a76538f55d989c8a",
        "surveys": "26ae2b7692f6ac63",
        "latent": "e49953d47e292dd3",
    },
}
CHANGED = {"seed": 8, "alliance_slope": 1.0, "contextual_slope": 4.0, "level_by_sex": {"male": 2.0}}

#: Ratings whose only chance is their own error of SD 1, so that shares of answers are normal probabilities.
PLAIN = {
    "process": Process(rating_person_sd=0.0, rating_item_sd=0.0, rating_session_sd=0.0, rating_provider_sd=0.0),
    "alliance_women_minus_men": 0.0,
    "alliance_coach_minus_other": 0.0,
}


def digest(frame: pd.DataFrame) -> str:
    # Six decimals: what another machine's rounding may change is far below.
    text = frame.to_csv(index=False, lineterminator="\n", float_format="%.6f")
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@pytest.mark.parametrize("case", ["default", "changed"])
def test_without_a_group_in_person_a_seed_gives_what_it_always_gave(case: str) -> None:
    # Effects of a group that nobody is in change nothing.
    absent = {"level_in_person": 9.0, "slope_in_person": 9.0, "alliance_in_person_minus_video": 9.0}
    chosen = {"seed": 7} if case == "default" else {**CHANGED, **absent}
    cohort = simulate_cohort(300, **chosen)
    tables = {**cohort.tables, "latent": cohort.latent}
    assert {"data": cohort.hash[:16], **{name: digest(table) for name, table in tables.items()}} == BEFORE[case]
    assert "modality" not in cohort.data
    assert "u_modality" not in cohort.truth
    # Not even the averages in the truth: half of the 2 points of men, half of the .04 of the default.
    level = SimulationSettings().followup_mean + (0.02 if case == "default" else 1.0)
    assert cohort.truth["beta"]["Intercept"] == pytest.approx(level, abs=1e-12)
    assert cohort.truth["beta"]["alliance"] == (2.75 if case == "default" else 1.0)


def test_a_group_in_person_moves_no_other_draw() -> None:
    without, with_group = simulate_cohort(400, seed=6), simulate_cohort(400, seed=6, in_person_share=0.5)
    pd.testing.assert_frame_equal(with_group.data.drop(columns="modality"), without.data)
    pd.testing.assert_frame_equal(with_group.latent, without.latent)
    for name in ("sessions", "surveys"):
        pd.testing.assert_frame_equal(with_group.tables[name], without.tables[name])
    assert list(with_group.tables["participants"].columns) == ["participant_id", "age", "sex", "country", "modality"]
    assert with_group.data["modality"].cat.categories.tolist() == ["video", "in_person"]


def test_the_share_in_person_is_the_one_set_and_independent() -> None:
    data = simulate_cohort(LARGE, seed=6, in_person_share=0.3).data
    there = data["modality"] == "in_person"
    # Four binomial standard errors; four of a correlation.
    assert there.mean() == pytest.approx(0.3, abs=4 * np.sqrt(0.3 * 0.7 / LARGE))
    for other in (data["age"], data["sex"] == "male", data["provider_type"] == "coach", data["who5_baseline"]):
        assert abs(np.corrcoef(there, other)[0, 1]) < 4 / np.sqrt(LARGE)


def test_effects_in_person_are_in_the_latent_followup() -> None:
    cohort = simulate_cohort(
        LARGE,
        seed=9,
        in_person_share=0.4,
        level_in_person=3.0,
        slope_in_person=-1.5,
        tau_country=0.0,
        tau_country_slope=0.0,
        tau_provider=0.0,
    )
    data, latent = cohort.data, cohort.latent
    above = as_numbers(latent["alliance"] - 4.5)
    there = as_numbers(data["modality"] == "in_person")
    columns = [
        above,
        as_numbers(latent["who5_baseline"]),
        there,
        there * above,
        as_numbers(data["age"]),
        as_numbers(data["days_in_care"]),
        as_numbers(data["sex"] == "male"),
    ]
    coefficients, errors, sigma, _ = least_squares(as_numbers(latent["who5_followup"]), columns)
    # The regression is the very model simulated: four standard errors (level .2, slopes .2 to .3; SD 1 / sqrt(2 n)).
    for place, expected in ((1, 2.75), (3, 3.0), (4, -1.5)):
        assert errors[place] < 0.35
        assert coefficients[place] == pytest.approx(expected, abs=4 * errors[place])
    assert sigma == pytest.approx(SimulationSettings().residual_sd, rel=4 / np.sqrt(2 * LARGE))


def test_truth_of_modality_sums_to_zero_and_moves_the_averages() -> None:
    truth = simulate_cohort(20, in_person_share=0.2, level_in_person=3.0, slope_in_person=-1.0).truth
    assert list(truth)[2:6] == ["u_provider_type", "u_sex", "u_modality", "u_country"]
    assert truth["u_modality"] == {
        "Intercept": {"video": -1.5, "in_person": 1.5},
        "alliance": {"video": 0.5, "in_person": -0.5},
    }
    defaults = SimulationSettings()
    assert truth["beta"]["alliance"] == pytest.approx(defaults.alliance_slope - 0.5, abs=1e-12)
    # Half of the 3 points, and half of the .04 of men.
    assert truth["beta"]["Intercept"] == pytest.approx(defaults.followup_mean + 1.5 + 0.02, abs=1e-12)


def test_alliance_in_person_is_shifted_by_so_many_latent_units() -> None:
    cohort = simulate_cohort(LARGE, seed=9, in_person_share=0.4, alliance_in_person_minus_video=-0.6, **PLAIN)
    there = cohort.data["modality"] == "in_person"
    rated = cohort.tables["sessions"].merge(
        there.rename("there"), left_on="participant_id", right_on=cohort.data["participant_id"]
    )
    found, variance = {}, 0.0
    for group, ratings in rated.groupby("there")["goal"]:
        share, n = (ratings == 5).mean(), len(ratings)
        found[group] = ndtri(share)
        variance += share * (1 - share) / n / norm.pdf(ndtri(share)) ** 2
    # Sessions are independent given the group; delta method. Some .01.
    assert found[True] - found[False] == pytest.approx(-0.6, abs=4 * np.sqrt(variance))


def test_a_trend_raises_each_session_by_so_many_latent_units() -> None:
    trend = -0.15
    cohort = simulate_cohort(LARGE, seed=9, alliance_trend=trend, **PLAIN)
    sessions = cohort.tables["sessions"]
    place = sessions.groupby("participant_id").cumcount()
    for rating, ease in (("goal", -0.1), ("bond", 0.1)):
        for session in (0, 1, 2, 5, 8):
            top = sessions.loc[place == session, rating] == 5
            # P(latent > t) = Phi(ease + trend k - t), with the last threshold; delta method, four standard errors.
            share = top.mean()
            error = np.sqrt(share * (1 - share) / len(top)) / norm.pdf(ndtri(share))
            expected = ease + trend * session - PLAIN["process"].rating_thresholds[3]
            assert ndtri(share) == pytest.approx(expected, abs=4 * error)


def test_true_alliance_holds_the_trend_and_the_shift() -> None:
    cohort = simulate_cohort(
        LARGE, seed=12, alliance_trend=0.2, in_person_share=0.5, alliance_in_person_minus_video=-0.8
    )
    error = cohort.data["alliance"] - cohort.latent["alliance"]
    groups = error.groupby([cohort.data["modality"], cohort.data["n_sessions"].clip(upper=8)], observed=True)
    table = groups.agg(["mean", "std", "size"])
    assert len(table) == 16
    # Ratings differ from what is expected by chance alone, whatever the group: four standard errors.
    assert (table["mean"].abs() < 4 * table["std"] / np.sqrt(table["size"])).all()
    # And the true values do move, where and as they should.
    level = simulate_cohort(LARGE, seed=12, in_person_share=0.5)
    many = cohort.data["n_sessions"] >= 8
    video = cohort.data["modality"] == "video"
    moved = cohort.latent["alliance"] - level.latent["alliance"]
    assert (moved[video & (cohort.data["n_sessions"] == 1)] == 0).all()
    assert (moved[video & (cohort.data["n_sessions"] > 1)] >= 0).all()
    assert moved[video & many].mean() > 0.05
    assert (moved[~video & (cohort.data["n_sessions"] == 1)] <= 0).all()


def test_a_trend_changes_ratings_only_and_what_follows_from_them() -> None:
    level, rising = simulate_cohort(300, seed=2), simulate_cohort(300, seed=2, alliance_trend=0.3)
    pd.testing.assert_frame_equal(rising.tables["participants"], level.tables["participants"])
    pd.testing.assert_frame_equal(
        rising.tables["sessions"].drop(columns=["goal", "bond"]),
        level.tables["sessions"].drop(columns=["goal", "bond"]),
    )
    # The same draws on a higher latent value: no rating is lower, first sessions are the same.
    first = ~level.tables["sessions"]["participant_id"].duplicated()
    for rating in ("goal", "bond"):
        gain = rising.tables["sessions"][rating] - level.tables["sessions"][rating]
        assert (gain >= 0).all()
        assert (gain[first] == 0).all()
        assert gain.sum() > 50


def test_the_providers_part_is_that_of_an_average_session() -> None:
    process = Process()
    people = draw_people(np.random.default_rng(1), 500, process)
    care = draw_care(np.random.default_rng(2), people, process)
    assert care.place.tolist() == [place for held in care.n_sessions for place in range(held)]
    trend, shift = -0.3, np.zeros(500)
    rising = draw_alliance(np.random.default_rng(3), shift, care, process, trend=trend)
    # An average participant in an average session is one whose latent alliance is shifted by the average trend.
    shifted = draw_alliance(np.random.default_rng(3), shift + trend * care.place.mean(), care, process)
    np.testing.assert_allclose(rising.from_provider, shifted.from_provider, rtol=0, atol=1e-12)


def test_pseudo_truth_tells_modalities_apart() -> None:
    # Standard errors at this n: .35 of the level, .45 of the slopes; on one seed, differences have far less.
    chosen = {"n": 10_000, "seed": 2, "in_person_share": 0.4}
    none = pseudo_true(**chosen)
    both = pseudo_true(**chosen, level_in_person=4.0, slope_in_person=3.0)
    assert none["in_person"] == pytest.approx(0, abs=4 * 0.35)
    assert abs(none["alliance[in_person]"] - none["alliance[video]"]) < 4 * np.sqrt(2) * 0.45
    # On one seed what moves is the effect times the reliability of alliance, as for any slope, less what the scale's
    # ends take (.978, SD .022 over seeds for the whole cohort; 40 % of it have sqrt(2.5) times that).
    moved = both["alliance[in_person]"] - none["alliance[in_person]"]
    assert moved == pytest.approx(0.978 * 3.0 * none["reliability"], rel=4 * 0.022 * np.sqrt(2.5))
    assert both["alliance[video]"] == pytest.approx(none["alliance[video]"], abs=0.2)
    # At the mean alliance, which is above 4.5 or below it by less than .1.
    assert both["in_person"] - none["in_person"] == pytest.approx(4.0, abs=0.5)
    assert set(both) - set(pseudo_true(n=500)) == {"in_person", "alliance[video]", "alliance[in_person]"}


def test_written_tables_bring_the_modality_back(tmp_path: Path) -> None:
    cohort = simulate_cohort(100, seed=3, in_person_share=0.3)
    read = read_tables(*write_tables(cohort, tmp_path))
    assert read.data["modality"].cat.categories.tolist() == ["video", "in_person"]
    assert read.hash == cohort.hash


@pytest.mark.parametrize(
    ("cells", "levels"),
    [
        (["in_person", "video"], ["video", "in_person"]),
        (["phone", "in_person", "video", "chat"], ["video", "in_person", "chat", "phone"]),
        # With one of the two alone there is no order to keep.
        (["video", "phone"], ["phone", "video"]),
        (["in_person", ""], ["in_person"]),
    ],
)
def test_video_comes_before_in_person(cells: list[str], levels: list[str]) -> None:
    read = read_cohort(pd.DataFrame({"modality": cells}))
    assert read.data["modality"].cat.categories.tolist() == levels


def test_declared_levels_of_modality_come_first() -> None:
    table = pd.DataFrame({"modality": ["video", "in_person"]})
    declared = ["in_person", "video", "phone"]
    assert read_cohort(table, levels={"modality": declared}).data["modality"].cat.categories.tolist() == declared
    own = table.astype(pd.CategoricalDtype(["in_person", "video"]))
    assert read_cohort(own).data["modality"].cat.categories.tolist() == ["in_person", "video"]


def test_modality_is_a_factor_even_in_numbers_and_has_to_hold_something() -> None:
    codes = read_cohort(pd.DataFrame({"modality": [1, 2, 1]})).data["modality"]
    assert codes.tolist() == ["1", "2", "1"]
    with pytest.raises(DataError) as caught:
        read_cohort(pd.DataFrame({"age": ["30", "40"], "modality": ["", ""]}))
    assert str(caught.value).splitlines()[1:] == [
        "  - column 'modality': has no value in any row. Fill it in, or remove the column."
    ]


def test_unknown_modality_has_a_reason() -> None:
    cohort = Cohort(pd.DataFrame({"modality": pd.Categorical(["video", None])}), "x")
    assert cohort.complete(["modality"])[1].steps == (FlowStep("modality unknown", 1),)


def test_impossible_settings_are_refused_together() -> None:
    with pytest.raises(UsageError) as caught:
        SimulationSettings(in_person_share=1.0, level_in_person=float("nan"), alliance_trend="up")  # type: ignore[arg-type]
    assert str(caught.value) == (
        "SimulationSettings: in_person_share should be in the interval [0, 1) but got 1.0; "
        "level_in_person should be a finite number but got nan; "
        "alliance_trend should be a finite number but got 'up'. "
        "Change these values; nothing was simulated."
    )


def test_assumptions_say_that_the_study_had_no_such_group() -> None:
    rows = simulation_assumptions().set_index("parameter")
    names = ["alliance_in_person_minus_video", "level_in_person", "slope_in_person"]
    for name in names:
        assert rows.loc[name, ["value", "status", "basis"]].tolist() == [
            "0",
            "assumed",
            "no in-person group in the study",
        ]
    assert rows.loc["in_person_share"].tolist() == [
        "0",
        "share",
        "assumed",
        "no in-person group in the study; one that is switched on is drawn independently of everything else",
    ]
    assert rows.loc["alliance_trend", ["value", "unit", "status"]].tolist() == ["0", "latent per session", "assumed"]
