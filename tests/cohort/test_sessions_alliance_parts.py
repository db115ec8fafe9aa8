"""Parts of the alliance: values by hand, a second computation by loops, and what centring must do."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes.cohort import Cohort, session_cohort, with_alliance_parts
from alliance_bayes.cohort.scoring import score_sessions
from alliance_bayes.errors import UsageError
from alliance_bayes.simulation import SimulatedCohort, simulate_cohort

type Row = tuple[str, str | None, int, int | None, int | None]

ADDED = ["alliance_first", "alliance_early", "alliance_provider", "alliance_within", "provider_clients"]
PEOPLE = ["a", "b", "c", "d"]


def cohort_of(rows: list[Row], *, providers: bool = True) -> Cohort:
    """Cohort of four people from (person, provider, day, goal, bond), scored as the tables are."""
    table = pd.DataFrame(rows, columns=["participant_id", "provider_id", "date", "goal", "bond"])
    table = table.astype({"participant_id": "str", "goal": "float64", "bond": "float64"})
    table["date"] = pd.Timestamp("2021-01-01") + pd.to_timedelta(table["date"], unit="D")
    known = sorted({provider for _, provider, *_ in rows if provider is not None})
    table["provider_id"] = table["provider_id"].astype(pd.CategoricalDtype(pd.Index(known, dtype="str")))
    if not providers:
        table = table.drop(columns="provider_id")
    scored = score_sessions(table)
    people = pd.DataFrame({"participant_id": pd.Series(PEOPLE, dtype="str")})
    people["alliance"] = scored["alliance"].reindex(PEOPLE).to_numpy()
    return Cohort(people, "four people", sessions=table)


BY_HAND: list[Row] = [
    # a: 5, 4, (unrated), 3 with p; b: 2 with p and 4 with q; c: 5 with q; d: nothing rated, mostly with q.
    ("a", "p", 9, 3, 3),
    ("a", "p", 1, 5, 5),
    ("a", "p", 2, 3, 5),
    ("a", "p", 3, 1, None),
    ("b", "p", 1, 2, 2),
    ("b", "q", 4, 4, 4),
    ("c", "q", 1, 5, 5),
    ("d", "q", 1, None, 4),
]


def test_parts_by_hand() -> None:
    data = with_alliance_parts(cohort_of(BY_HAND)).data
    assert list(data.columns) == ["participant_id", "alliance", *ADDED]
    assert data["alliance_first"].tolist()[:3] == [5.0, 2.0, 5.0]
    # b has two rated sessions, c has one.
    assert data["alliance_early"].tolist()[:3] == [4.5, 3.0, 5.0]
    # p: clients a (mean 4) and b (2), so 3, not the 3.5 of its four sessions; q: b (4) and c (5), so 4.5.
    assert data["alliance_provider"].tolist()[:3] == [3.0, (3.0 + 4.5) / 2, 4.5]
    assert data["alliance_within"].tolist()[:3] == [1.0, 3.0 - 3.75, 0.5]
    assert data[ADDED[:4]].iloc[3].isna().all()
    # The main provider of b is the earlier of two equals.
    assert data["provider_clients"].tolist() == [2.0, 2.0, 2.0, 2.0]


@pytest.mark.parametrize(("early", "expected"), [(1, [5.0, 2.0, 5.0]), (3, [4.0, 3.0, 5.0]), (99, [4.0, 3.0, 5.0])])
def test_early_sessions_are_as_many_as_asked(early: int, expected: list[float]) -> None:
    data = with_alliance_parts(cohort_of(BY_HAND), early=early).data
    assert data["alliance_early"].tolist()[:3] == expected


def test_unknown_providers_leave_gaps_only_where_they_matter() -> None:
    rows: list[Row] = [
        ("a", "p", 1, 5, 5),
        ("a", None, 2, 3, 3),
        # An unrated session with an unknown provider matters to nothing.
        ("b", "p", 1, 4, 4),
        ("b", None, 2, None, None),
        ("c", None, 1, 2, 2),
        ("d", "q", 1, None, 1),
    ]
    data = with_alliance_parts(cohort_of(rows)).data
    np.testing.assert_array_equal(data["alliance_first"], [5, 4, 2, np.nan])
    # p's mean still holds what a gave in the session with p.
    np.testing.assert_array_equal(data["alliance_provider"], [np.nan, 4.5, np.nan, np.nan])
    np.testing.assert_array_equal(data["alliance_within"], [np.nan, -0.5, np.nan, np.nan])
    np.testing.assert_array_equal(data["provider_clients"], [2, 2, np.nan, 0])


def test_without_provider_ids_there_is_the_early_part_alone() -> None:
    data = with_alliance_parts(cohort_of(BY_HAND, providers=False)).data
    assert list(data.columns) == ["participant_id", "alliance", "alliance_first", "alliance_early"]


def test_everything_else_of_the_cohort_stays() -> None:
    cohort = simulate_cohort(60, seed=1)
    parts = with_alliance_parts(cohort)
    assert isinstance(parts, SimulatedCohort)
    pd.testing.assert_frame_equal(parts.data.drop(columns=ADDED), cohort.data)
    assert parts.truth is cohort.truth
    assert cohort.sessions is not None
    pd.testing.assert_frame_equal(parts.sessions, cohort.sessions)
    assert (parts.source, parts.excluded) == (cohort.source, cohort.excluded)
    assert not set(ADDED) & set(cohort.data.columns)


ratings = st.none() | st.integers(1, 5)
rows_of_sessions = st.lists(
    st.tuples(st.sampled_from(PEOPLE), st.sampled_from(["p", "q", "r", None]), st.integers(0, 20), ratings, ratings),
    min_size=1,
    max_size=25,
)


def by_loops(rows: list[Row], early: int) -> dict[str, list[float]]:
    """The same, one session at a time."""
    held = sorted(rows, key=lambda row: row[2])
    rated = [
        (who, whom, (goal + bond) / 2) for who, whom, _, goal, bond in held if goal is not None and bond is not None
    ]

    def mean(values: list[float]) -> float:
        return sum(values) / len(values) if values else math.nan

    def provider_mean(provider: str | None) -> float:
        clients = {who for who, whom, _ in rated if whom == provider}
        if provider is None:
            return math.nan
        return mean([mean([r for who, whom, r in rated if (who, whom) == (one, provider)]) for one in sorted(clients)])

    out: dict[str, list[float]] = {name: [] for name in ADDED}
    for person in PEOPLE:
        mine = [rating for who, _, rating in rated if who == person]
        out["alliance_first"].append(mine[0] if mine else math.nan)
        out["alliance_early"].append(mean(mine[:early]))
        out["alliance_provider"].append(mean([provider_mean(whom) for who, whom, _ in rated if who == person]))
        out["alliance_within"].append(mean(mine) - out["alliance_provider"][-1])
        seen = [whom for who, whom, *_ in held if who == person and whom is not None]
        main = max(dict.fromkeys(seen), key=seen.count) if seen else None
        clients = {who for who, whom, _ in rated if whom == main}
        out["provider_clients"].append(math.nan if main is None else len(clients))
    return out


@pytest.mark.slow
@given(rows=rows_of_sessions, early=st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_parts_agree_with_loops(rows: list[Row], early: int) -> None:
    cohort = with_alliance_parts(cohort_of(rows), early=early)
    data = cohort.data
    for name, expected in by_loops(rows, early).items():
        # Sums of up to 25 ratings in another order: rounding of some 1e-15.
        np.testing.assert_allclose(data[name], expected, rtol=0, atol=1e-12)
    # The parts make up the whole, to the last bit or the rounding of one subtraction and one addition.
    known = data["alliance_provider"].notna()
    whole = (data["alliance_within"] + data["alliance_provider"])[known]
    np.testing.assert_allclose(whole, data["alliance"][known], rtol=0, atol=4 * np.finfo(float).eps * 5)
    # Session rows average to the same alliance.
    rows_again = session_cohort(cohort_of(rows)).data
    means = rows_again.groupby("person", observed=True)["rating"].mean()
    again = means.set_axis(means.index.astype("str")).reindex(PEOPLE)
    np.testing.assert_allclose(again, data["alliance"], rtol=0, atol=1e-12)


def test_clients_of_one_provider_deviate_by_nothing_on_average() -> None:
    cohort = with_alliance_parts(simulate_cohort(2000, seed=3))
    data, sessions = cohort.data, cohort.sessions
    assert sessions is not None
    # Those whose provider has only clients with no other one: manifest-mean centring is exact for them.
    pairs = sessions.drop_duplicates(["participant_id", "provider_id"])
    one = pairs.groupby("participant_id")["provider_id"].transform("size") == 1
    alone = one.groupby(pairs["provider_id"], observed=True).all()
    table = data[data["provider_id"].astype("str").map(alone.set_axis(alone.index.astype("str")))]
    groups = table.groupby("provider_id", observed=True)
    assert len(groups) > 5
    # Sums of some ten deviations of at most 4: rounding.
    np.testing.assert_allclose(groups["alliance_within"].sum(), 0, atol=1e-12)
    # And the provider's part is one number a provider, resting on all its clients.
    assert (groups["alliance_provider"].max() - groups["alliance_provider"].min()).abs().max() < 1e-12
    assert (groups["provider_clients"].first() == groups.size()).all()


def test_a_cohort_without_sessions_or_alliance_is_refused() -> None:
    cohort = cohort_of(BY_HAND)
    with pytest.raises(UsageError) as caught:
        with_alliance_parts(Cohort(cohort.data, "cohort.csv"))
    assert str(caught.value) == (
        "with_alliance_parts: cohort.csv has no sessions, only one row a participant. Give the three tables "
        "(read_tables())."
    )
    with pytest.raises(UsageError) as caught:
        with_alliance_parts(Cohort(cohort.data[["participant_id"]], "x", sessions=cohort.sessions))
    assert str(caught.value) == (
        "with_alliance_parts: x has no column 'alliance', of which these are parts. Give the three tables "
        "(read_tables())."
    )


def test_columns_that_are_there_already_are_not_replaced() -> None:
    with pytest.raises(UsageError) as caught:
        with_alliance_parts(with_alliance_parts(cohort_of(BY_HAND)))
    assert str(caught.value) == (
        "with_alliance_parts: four people already has 'alliance_first', 'alliance_early', 'alliance_provider', "
        "'alliance_within', 'provider_clients'. Rename or remove what is there, or use it as it is."
    )


@pytest.mark.parametrize("early", [0, -1, 1.0, True, "2"])
def test_impossible_numbers_of_early_sessions_are_refused(early: object) -> None:
    with pytest.raises(UsageError) as caught:
        with_alliance_parts(cohort_of(BY_HAND), early=early)  # type: ignore[arg-type]
    assert str(caught.value) == (f"with_alliance_parts: early should be a whole number, 1 or more, but got {early!r}.")
