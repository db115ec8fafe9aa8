"""Simulated tables: what they hold, where they come from, and what their truth says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes.cohort import Cohort, read_tables
from alliance_bayes.errors import UsageError
from alliance_bayes.simulation.people import COUNTRY_CODES
from alliance_bayes.simulation.settings import Process, SimulationSettings
from alliance_bayes.simulation.simulate import SimulatedCohort, simulate_cohort

LARGE = 30_000

# Every kind of effect at once, so that each term of the truth is seen.
EVERYTHING = SimulationSettings(
    slope_by_provider_type={"coach": 1.0, "both": -2.0},
    slope_by_sex={"male": -0.5},
    slope_by_baseline=0.02,
    slope_by_session=0.1,
    curvature=0.7,
    contextual_slope=4.0,
    level_by_provider_type={"therapist": -3.0},
    log_sd_by_provider_type={"therapist": 0.3},
)


@pytest.fixture(scope="module")
def cohort() -> SimulatedCohort:
    return simulate_cohort(seed=7)


@pytest.fixture(scope="module")
def large() -> SimulatedCohort:
    return simulate_cohort(LARGE, seed=11)


def test_a_simulated_cohort_is_a_cohort_with_its_tables_and_truth(cohort: SimulatedCohort):
    assert isinstance(cohort, Cohort)
    assert cohort.source == "simulated (n=3087, seed=7)"
    assert cohort.excluded == ()
    assert len(cohort) == 3087
    assert list(cohort.data.columns) == [
        "participant_id",
        "age",
        "sex",
        "country",
        "provider_type",
        "provider_id",
        "alliance",
        "n_sessions",
        "days_in_care",
        "who5_baseline",
        "who5_followup",
        "who5_change",
    ]
    assert {name: list(table.columns) for name, table in cohort.tables.items()} == {
        "participants": ["participant_id", "age", "sex", "country"],
        "sessions": ["participant_id", "provider_id", "provider_type", "date", "goal", "bond"],
        "surveys": ["participant_id", "date", "who5_1", "who5_2", "who5_3", "who5_4", "who5_5"],
    }
    assert list(cohort.data["sex"].cat.categories) == ["female", "male"]
    assert list(cohort.data["provider_type"].cat.categories) == ["coach", "therapist", "both"]


def test_answers_lie_on_their_grids(large: SimulatedCohort):
    sessions, surveys, data = large.tables["sessions"], large.tables["surveys"], large.data
    for rating in ("goal", "bond"):
        assert sorted(sessions[rating].unique()) == [1, 2, 3, 4, 5]
    for item in range(1, 6):
        assert sorted(surveys[f"who5_{item}"].unique()) == [0, 1, 2, 3, 4, 5]
    for score in ("who5_baseline", "who5_followup"):
        assert sorted(data[score].dropna().unique()) == list(range(0, 101, 4))
    assert data["alliance"].min() == 1
    assert data["alliance"].max() == 5


def test_ratings_have_a_ceiling(large: SimulatedCohort):
    # The more a rating the more often it is given, and most are 5. Some 120,000 ratings: little chance.
    for rating in ("goal", "bond"):
        shares = large.tables["sessions"][rating].value_counts(normalize=True).sort_index()
        assert shares.is_monotonic_increasing
        assert 0.6 < shares[5] < 0.8
    assert 0.40 < (large.data["alliance"] == 5).mean() < 0.48


def test_dates_lie_in_the_published_window_and_in_order(large: SimulatedCohort):
    sessions, surveys = large.tables["sessions"], large.tables["surveys"]
    both = pd.concat([sessions["date"], surveys["date"]])
    # In so large a cohort the first and the last day of the window are in use.
    assert both.min() == pd.Timestamp("2020-09-29")
    assert both.max() == pd.Timestamp("2021-10-12")
    surveyed = surveys.groupby("participant_id")["date"].agg(["min", "max", "size"])
    seen = sessions.groupby("participant_id")["date"].agg(["min", "max"])
    assert (surveyed["min"] <= seen["min"]).all()
    followed = surveyed["size"] == 2
    assert set(surveyed["size"]) == {1, 2}
    assert (surveyed["max"] >= seen["max"])[followed].all()
    assert ((surveyed["max"] - surveyed["min"]).dt.days >= 14)[followed].all()
    # Within a participant, sessions are in order of time.
    same = sessions["participant_id"].eq(sessions["participant_id"].shift())
    assert (sessions["date"].diff()[same] >= pd.Timedelta(0)).all()


def test_participants_are_adults_in_countries_that_are_nobodys(large: SimulatedCohort):
    people = large.tables["participants"]
    assert people["age"].between(18, 78).all()
    assert people["participant_id"].is_unique
    # ISO 3166-1 reserves XA-XZ and QM-QZ for users.
    assert len(set(COUNTRY_CODES)) == 40
    assert set(people["country"]) == set(COUNTRY_CODES)
    shares = people["country"].value_counts(normalize=True)
    assert shares.index[0] == "XA"
    # 1 / sum of k ** -1.2 over 40 countries; four binomial standard errors.
    expected = 1 / np.sum(np.arange(1, 41) ** -1.2)
    assert shares.iloc[0] == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / LARGE))


def test_provider_types_follow_from_the_sessions(large: SimulatedCohort):
    sessions = large.tables["sessions"]
    kinds = sessions.groupby("participant_id")["provider_type"].agg(lambda kind: "/".join(sorted(set(kind))))
    told = large.data.set_index("participant_id")["provider_type"].astype("str")
    words = {"coach": "coach", "therapist": "therapist", "coach/therapist": "both"}
    assert kinds.map(words).reindex(told.index).tolist() == told.tolist()
    # One provider of each kind a participant, told apart by the first letter.
    providers = sessions.groupby(["participant_id", "provider_type"])["provider_id"].nunique()
    assert set(providers) == {1}
    assert (sessions["provider_id"].str[0].map({"C": "coach", "T": "therapist"}) == sessions["provider_type"]).all()


def test_caseloads_are_of_the_assumed_size(large: SimulatedCohort):
    pairs = large.tables["sessions"].drop_duplicates(["participant_id", "provider_id"])
    providers = large.truth["u_provider_id"]["Intercept"]
    assert set(pairs["provider_id"]) <= set(providers)
    # 10 on average over all providers, idle ones included, but for the chance of how many see both kinds: 4 standard
    # errors of that share, .37 / sqrt(n), are 1 %.
    assert len(pairs) / len(providers) == pytest.approx(10, rel=0.01)
    loads = pairs["provider_id"].value_counts().reindex(list(providers), fill_value=0)
    # Gamma, shape 2 (variance 10 ** 2 / 2), then Poisson (variance 10); the SD of some 3,500 loads is known to 3 %.
    assert loads.std() == pytest.approx(np.sqrt(50 + 10), rel=0.09)


def test_reading_the_tables_gives_the_same_cohort(cohort: SimulatedCohort):
    read = read_tables(**cohort.tables)
    pd.testing.assert_frame_equal(read.data, cohort.data)
    assert read.hash == cohort.hash
    assert str(read.flow) == str(cohort.flow)


@pytest.mark.slow
@given(n=st.integers(1, 40), seed=st.integers(0, 2**63))
@settings(max_examples=25, deadline=None)
def test_tables_of_any_size_and_seed_can_be_read(n: int, seed: int):
    cohort = simulate_cohort(n, seed=seed)
    assert len(cohort) == n
    assert read_tables(**cohort.tables).hash == cohort.hash
    assert cohort.data[["alliance", "n_sessions", "days_in_care", "who5_baseline"]].notna().all(axis=None)


def test_the_seed_decides_everything(cohort: SimulatedCohort):
    again, other = simulate_cohort(seed=7), simulate_cohort(seed=8)
    assert again.hash == cohort.hash
    for name, table in cohort.tables.items():
        pd.testing.assert_frame_equal(again.tables[name], table)
        assert not table.equals(other.tables[name])
    assert again.truth["u_country"] == cohort.truth["u_country"]
    assert again.truth["u_country"] != other.truth["u_country"]


def test_changing_one_effect_leaves_the_rest_of_the_study_as_it_was(cohort: SimulatedCohort):
    changed = simulate_cohort(seed=7, alliance_slope=10.0)
    for name in ("participants", "sessions"):
        pd.testing.assert_frame_equal(changed.tables[name], cohort.tables[name])
    pd.testing.assert_series_equal(changed.data["who5_baseline"], cohort.data["who5_baseline"])
    pd.testing.assert_series_equal(changed.latent["lost"], cohort.latent["lost"])
    assert not changed.data["who5_followup"].equals(cohort.data["who5_followup"])


def test_truth_names_its_parts_as_posteriors_do(cohort: SimulatedCohort):
    truth = cohort.truth
    assert list(truth) == [
        "beta",
        "sigma",
        "u_provider_type",
        "u_sex",
        "u_country",
        "u_provider_id",
        "tau_country",
        "tau_provider_id",
        "centre",
        "settings",
    ]
    defaults = SimulationSettings()
    assert truth["beta"] == {
        # The .04 points of men are split: half of it to the average of the sexes.
        "Intercept": pytest.approx(defaults.followup_mean + 0.02, abs=1e-12),
        "alliance": defaults.alliance_slope,
        "who5_baseline": defaults.baseline_slope,
        "age": 0.03,
        "days_in_care": -0.01,
    }
    assert truth["sigma"] == defaults.residual_sd
    assert truth["u_sex"]["Intercept"] == {"female": pytest.approx(-0.02), "male": pytest.approx(0.02)}
    assert truth["u_provider_type"] == {
        "Intercept": {"coach": 0.0, "therapist": 0.0, "both": 0.0},
        "alliance": {"coach": 0.0, "therapist": 0.0, "both": 0.0},
    }
    assert truth["tau_country"] == {"Intercept": 1.75, "alliance": 0.3}
    assert truth["tau_provider_id"] == {"Intercept": 1.5}
    assert set(truth["u_country"]["Intercept"]) == set(COUNTRY_CODES)
    assert set(cohort.tables["sessions"]["provider_id"]) <= set(truth["u_provider_id"]["Intercept"])
    assert truth["centre"] == {
        "alliance": 4.5,
        "who5_baseline": defaults.baseline_mean,
        "age": 36.0,
        "days_in_care": 45.0,
    }
    assert truth["settings"] == defaults


def test_exhaustive_factors_sum_to_zero_in_the_truth():
    truth = simulate_cohort(10, settings=EVERYTHING).truth
    for factor in ("u_provider_type", "u_sex"):
        for effects in truth[factor].values():
            assert sum(effects.values()) == pytest.approx(0, abs=1e-12)
    assert truth["beta"]["alliance"] == pytest.approx(EVERYTHING.alliance_slope + (1 - 2) / 3 - 0.5 / 2)
    assert truth["beta"]["Intercept"] == pytest.approx(EVERYTHING.followup_mean - 3 / 3 + 0.04 / 2)


@pytest.mark.parametrize("chosen", [SimulationSettings(), EVERYTHING], ids=["default", "everything"])
def test_truth_reproduces_the_latent_followup(chosen: SimulationSettings):
    cohort = simulate_cohort(LARGE, seed=3, settings=chosen)
    data, latent, truth = cohort.data, cohort.latent, cohort.truth
    sessions = cohort.tables["sessions"]
    provider = sessions["provider_id"].map(truth["u_provider_id"]["Intercept"])
    provider = provider.groupby(sessions["participant_id"].to_numpy()).mean().reindex(data["participant_id"]).to_numpy()

    def effects(factor: str, term: str) -> np.ndarray:
        return data[factor].astype("str").map(truth[f"u_{factor}"][term]).to_numpy(dtype=float)

    above = latent["alliance"] - truth["centre"]["alliance"]
    behind = latent["who5_baseline"] - truth["centre"]["who5_baseline"]
    factors = ("provider_type", "sex", "country")
    slope = truth["beta"]["alliance"] + sum(effects(factor, "alliance") for factor in factors)
    slope = slope + chosen.slope_by_baseline * behind + chosen.slope_by_session * (data["n_sessions"] - 4)
    expected = (
        truth["beta"]["Intercept"]
        + truth["beta"]["who5_baseline"] * behind
        + truth["beta"]["age"] * (data["age"] - truth["centre"]["age"])
        + truth["beta"]["days_in_care"] * (data["days_in_care"] - truth["centre"]["days_in_care"])
        + slope * above
        + chosen.curvature * above**2
        + chosen.contextual_slope * latent["alliance_from_provider"]
        + sum(effects(factor, "Intercept") for factor in factors)
        + provider
    )
    scale = data["provider_type"].astype("str").map(lambda kind: np.exp(chosen.log_sd_by_provider_type.get(kind, 0.0)))
    noise = ((latent["who5_followup"] - expected) / scale / truth["sigma"]).to_numpy()
    # If a term were missing or wrong, what is left over would not be standard normal noise, free of every predictor.
    # Four standard errors: of a mean, an SD and a correlation.
    assert abs(noise.mean()) < 4 / np.sqrt(LARGE)
    assert abs(noise.std() - 1) < 4 / np.sqrt(2 * LARGE)
    products = [above, above**2, behind, above * behind, above * data["n_sessions"], data["age"], data["days_in_care"]]
    products += [latent["alliance_from_provider"], provider, effects("country", "Intercept")]
    products += [(data["provider_type"] == kind) * above for kind in ("coach", "therapist", "both")]
    products += [data["provider_type"] == "therapist", data["sex"] == "male", (data["sex"] == "male") * above]
    for product in products:
        assert abs(np.corrcoef(noise, np.asarray(product, dtype=float))[0, 1]) < 4 / np.sqrt(LARGE)
    assert abs(np.corrcoef(noise**2, data["provider_type"] == "therapist")[0, 1]) < 4 / np.sqrt(LARGE)


def test_true_alliance_is_what_ratings_are_expected_to_be(large: SimulatedCohort):
    true, seen = large.latent["alliance"], large.data["alliance"]
    error = seen - true
    # No bias, and none that depends on the true value: four standard errors.
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(LARGE)
    assert abs(np.corrcoef(true, error)[0, 1]) < 4 / np.sqrt(LARGE)
    # More sessions, less error.
    by_sessions = error.groupby(large.data["n_sessions"]).std()
    assert by_sessions[1] > by_sessions[2] > by_sessions[4] > by_sessions[8]


def test_the_providers_part_is_what_an_average_participant_would_give(large: SimulatedCohort):
    part = large.latent["alliance_from_provider"]
    # A slope of 1; the standard error allows for participants who share a provider (10 each, whose ratings correlate by
    # about .02: variance larger by a factor of 1.2).
    slope, intercept = np.polyfit(part, large.data["alliance"], 1)
    error = large.data["alliance"].std() / part.std() / np.sqrt(LARGE) * np.sqrt(1.2)
    assert slope == pytest.approx(1, abs=4 * error)
    assert intercept == pytest.approx(large.data["alliance"].mean(), abs=0.01)


def test_country_effects_average_to_zero_over_expected_shares(cohort: SimulatedCohort):
    shares = np.arange(1, 41) ** -1.2 / np.sum(np.arange(1, 41) ** -1.2)
    for effects in cohort.truth["u_country"].values():
        assert shares @ np.array([effects[code] for code in COUNTRY_CODES]) == pytest.approx(0, abs=1e-12)


def test_shares_lost_depend_on_the_baseline_as_set(large: SimulatedCohort):
    lost, low = large.data["who5_followup"].isna(), large.data["who5_baseline"] <= 28
    assert lost.equals(large.latent["lost"].rename("who5_followup"))
    for share, group in ((0.19, low), (0.07, ~low)):
        assert lost[group].mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / group.sum()))


@pytest.mark.parametrize("n", [0, -3, 2.0, True, "10"])
def test_impossible_n_is_refused(n: object):
    with pytest.raises(UsageError) as caught:
        simulate_cohort(n)
    assert str(caught.value) == f"simulate_cohort: n should be a whole number, 1 or more, but got {n!r}."


def test_impossible_seed_is_refused():
    with pytest.raises(UsageError) as caught:
        simulate_cohort(10, seed=-1)
    assert str(caught.value) == "simulate_cohort: seed should be a whole number, 0 or more, but got -1."


def test_a_process_of_its_own_is_followed():
    process = Process(n_countries=2, max_sessions=2, female_share=1.0, provider_type_shares=(0.0, 0.0, 1.0))
    data = simulate_cohort(200, process=process).data
    assert set(data["country"]) == {"XA", "XB"}
    assert set(data["n_sessions"]) == {2}
    assert set(data["sex"]) == {"female"}
    assert set(data["provider_type"]) == {"both"}


@pytest.mark.parametrize("n", [20_000_001, 10**9, 10**30])
def test_more_people_than_memory_holds_are_refused_before_any_is_drawn(n: int) -> None:
    with pytest.raises(UsageError, match=r"^simulate_cohort: n should be at most 20,000,000, so that"):
        simulate_cohort(n=n)
