"""Cohort, Flow, summary and fingerprint on tables small enough to count by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.cohort import Cohort, Flow, FlowStep, single_level_columns
from alliance_bayes.errors import UsageError


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "participant_id": ["007", "8", "9", "10"],
            "age": [30.0, 40.0, np.nan, 60.0],
            "sex": pd.Categorical(["female", "male", "female", None], categories=["male", "female", "other"]),
            "alliance": [5.0, 4.0, 3.0, np.nan],
            "who5_baseline": [20.0, 40.0, 48.0, 52.0],
            "who5_followup": [40.0, np.nan, 44.0, 52.0],
        },
        index=[5, 3, 3, 9],
    )


def test_flow_counts_and_texts() -> None:
    flow = Flow(3087, (FlowStep("no session", 12), FlowStep("no follow-up WHO-5", 675)))
    assert flow.analysed == 2400
    assert flow.to_frame().to_dict("list") == {
        "stage": ["participants", "no session", "no follow-up WHO-5", "analysed"],
        "left_out": [0, 12, 675, 0],
        "remaining": [3087, 3075, 2400, 2400],
    }
    assert str(flow).splitlines() == [
        "participants                    3,087",
        "  left out: no session             12",
        "  left out: no follow-up WHO-5    675",
        "analysed                        2,400  (77.7 %)",
    ]


def test_flow_of_nobody_has_no_share() -> None:
    assert str(Flow(0)).splitlines() == ["participants  0", "analysed      0"]


def test_flow_refuses_impossible_counts() -> None:
    with pytest.raises(UsageError) as too_many:
        Flow(3, (FlowStep("a", 2), FlowStep("b", 2)))
    assert str(too_many.value) == "Flow: the steps leave out 4 of 3 participants. Count each person at one step only."
    with pytest.raises(UsageError) as negative:
        FlowStep("a", -1)
    assert str(negative.value) == "FlowStep 'a': n should be 0 or more but got -1. Count people left out."


def test_constructor_renumbers_rows_and_adds_change() -> None:
    given = table()
    cohort = Cohort(given, "x.csv")
    assert list(cohort.data.index) == [0, 1, 2, 3]
    np.testing.assert_array_equal(cohort.data["who5_change"], [20.0, np.nan, -4.0, 0.0])
    assert "who5_change" not in given
    assert list(given.index) == [5, 3, 3, 9]
    assert len(cohort) == 4


def test_constructor_turns_integers_into_floats() -> None:
    cohort = Cohort(pd.DataFrame({"n_sessions": [1, 2], "x": pd.array([3, None], dtype="Int64")}), "x.csv")
    assert cohort.data.dtypes.to_dict() == {"n_sessions": np.float64, "x": np.float64}
    np.testing.assert_array_equal(cohort.data["x"], [3.0, np.nan])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pd.DataFrame({"sex": ["f"]}), "Cohort: column 'sex' has dtype str; it should be numeric or categorical."),
        (pd.DataFrame({"x": [True]}), "Cohort: column 'x' has dtype bool; it should be numeric or categorical."),
        (pd.DataFrame({"sex": pd.Categorical([1])}), "Cohort: the levels of 'sex' should be text."),
        (
            pd.DataFrame({"participant_id": [1]}),
            "Cohort: 'participant_id' should be text without gaps but has dtype int64.",
        ),
        (
            pd.DataFrame({"participant_id": ["a", None]}),
            "Cohort: 'participant_id' should be text without gaps but has dtype str.",
        ),
    ],
)
def test_constructor_refuses_other_kinds(data: pd.DataFrame, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Cohort(data, "x.csv")
    assert str(caught.value) == f"{message} Use read_cohort."


def test_constructor_refuses_repeated_names() -> None:
    with pytest.raises(UsageError) as caught:
        Cohort(pd.DataFrame([[1.0, 2.0]], columns=["age", "age"]), "x.csv")
    assert str(caught.value) == "Cohort: columns named more than once: age. Rename one of each."


def test_repr_shows_no_values() -> None:
    cohort = Cohort(table(), "x.csv", (FlowStep("no session", 3), FlowStep("none", 0)))
    assert repr(cohort) == (
        "<Cohort 'x.csv': 4 participants, 3 left out before; columns: participant_id, age, sex, alliance, "
        "who5_baseline, who5_followup, who5_change>"
    )
    assert str(cohort) == repr(cohort)
    assert repr(Cohort(table().head(1), "x.csv")).startswith("<Cohort 'x.csv': 1 participant; columns")


def test_cohort_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Cohort(table(), "x.csv").source = "y"  # type: ignore[misc]


def test_complete_leaves_people_out_once_and_in_order() -> None:
    cohort = Cohort(table(), "x.csv", (FlowStep("no session", 3),))
    data, flow = cohort.complete(["who5_followup", "alliance", "age", "who5_followup"])
    assert data["participant_id"].tolist() == ["007"]
    assert list(data.index) == [0]
    assert list(data["sex"].cat.categories) == ["male", "female", "other"]
    assert flow == Flow(
        7,
        (
            FlowStep("no session", 3),
            FlowStep("no follow-up WHO-5", 1),
            FlowStep("no alliance rating", 1),
            FlowStep("age unknown", 1),
        ),
    )
    # The other order leaves the same people out, for other reasons.
    assert cohort.complete(["age", "alliance", "who5_followup"])[1].steps[1:] == (
        FlowStep("age unknown", 1),
        FlowStep("no alliance rating", 1),
        FlowStep("no follow-up WHO-5", 1),
    )


def test_complete_on_nothing_keeps_everybody() -> None:
    cohort = Cohort(table(), "x.csv")
    data, flow = cohort.complete([])
    pd.testing.assert_frame_equal(data, cohort.data)
    assert flow == Flow(4)


def test_default_flow_uses_the_columns_there_are() -> None:
    assert Cohort(table(), "x.csv").flow == Flow(
        4, (FlowStep("no follow-up WHO-5", 1), FlowStep("no alliance rating", 1), FlowStep("age unknown", 1))
    )
    assert Cohort(pd.DataFrame({"phq9": [1.0, np.nan]}), "x.csv").flow == Flow(2)


def test_complete_names_further_columns() -> None:
    cohort = Cohort(pd.DataFrame({"phq9": [1.0, np.nan]}), "x.csv")
    assert cohort.complete(["phq9"])[1] == Flow(2, (FlowStep("no PHQ-9", 1),))
    assert Cohort(table(), "x.csv").complete(["who5_change"])[1] == Flow(4, (FlowStep("no WHO-5 change", 1),))


def test_complete_refuses_unknown_names() -> None:
    cohort = Cohort(table(), "x.csv")
    with pytest.raises(UsageError) as unknown:
        cohort.complete(["aliance"])
    assert str(unknown.value) == (
        "x.csv: no column 'aliance'. Did you mean 'alliance'? "
        "Columns: participant_id, age, sex, alliance, who5_baseline, who5_followup, who5_change."
    )
    with pytest.raises(UsageError) as text:
        cohort.complete("age")
    assert str(text.value) == "columns should be a sequence of names but got the text 'age'. Write ['age']."


def test_summary_by_hand() -> None:
    rows = Cohort(table(), "x.csv").summary()
    assert rows["variable"].tolist() == [
        "age",
        *["sex"] * 3,
        "alliance",
        "who5_baseline",
        "who5_followup",
        "who5_change",
    ]
    assert rows["level"].dropna().tolist() == ["male", "female", "other"]
    age = rows[rows["variable"] == "age"].iloc[0]
    # 30, 40, 60: mean 130 / 3; SD sqrt(((40/3)^2 + (10/3)^2 + (50/3)^2) / 2) = sqrt(2100/9).
    assert (age["n"], age["missing"], age["median"], age["min"], age["max"]) == (3, 1, 40.0, 30.0, 60.0)
    assert age["mean"] == pytest.approx(130 / 3, rel=1e-14)
    assert age["sd"] == pytest.approx((2100 / 9) ** 0.5, rel=1e-14)
    sex = rows[rows["variable"] == "sex"]
    assert sex["n"].tolist() == [1, 2, 0]
    assert sex["missing"].tolist() == [1, 1, 1]
    assert sex["share"].tolist() == [1 / 3, 2 / 3, 0.0]


def test_summary_counts_many_levels_without_listing_them() -> None:
    data = pd.DataFrame({"provider_id": pd.Categorical([f"p{k}" for k in range(51)] + [None])})
    rows = Cohort(data, "x.csv").summary()
    assert rows[["variable", "level", "n", "missing"]].to_numpy().tolist() == [["provider_id", "(51 levels)", 51, 1]]


def test_single_level_columns() -> None:
    data = pd.DataFrame(
        {
            "sex": pd.Categorical(["f", "f"], categories=["f", "m"]),
            "country": pd.Categorical(["A", "B"]),
            "site": pd.Categorical([None, None], categories=["x"]),
            "age": [30.0, 30.0],
        }
    )
    assert single_level_columns(data) == ("sex", "site")
    assert single_level_columns(data.iloc[:1]) == ("sex", "country", "site")


# Any change of the fingerprint's definition breaks saved fits: this one was computed once and must stay.
FINGERPRINT = "586e51537967ba59f9ece524596a6b49cb580da76e4e15039cd110f73de52b10"


def test_hash_is_fixed() -> None:
    assert Cohort(table(), "x.csv").hash == FINGERPRINT


def test_hash_ignores_index_source_and_column_order() -> None:
    data = table()
    assert Cohort(data.reset_index(drop=True), "other.csv", (FlowStep("x", 1),)).hash == FINGERPRINT
    assert Cohort(data[data.columns[::-1]], "x.csv").hash == FINGERPRINT


def test_hash_ignores_the_sign_of_zero_and_the_bits_of_nan() -> None:
    other_nan = np.frombuffer(np.uint64(0xFFF8000000000123).tobytes(), dtype=np.float64)[0]
    assert (
        Cohort(pd.DataFrame({"x": [0.0, np.nan]}), "a").hash == Cohort(pd.DataFrame({"x": [-0.0, other_nan]}), "a").hash
    )


def changed(what: str) -> pd.DataFrame:
    data = table()
    if what == "value":
        data.iloc[0, 1] = np.nextafter(30.0, 31.0)
    elif what == "missing":
        data.iloc[0, 1] = np.nan
    elif what == "level order":
        data["sex"] = data["sex"].cat.reorder_categories(["female", "male", "other"])
    elif what == "unused level":
        data["sex"] = data["sex"].cat.remove_unused_categories()
    elif what == "name":
        data = data.rename(columns={"age": "years"})
    elif what == "row order":
        data = data.iloc[[1, 0, 2, 3]]
    elif what == "identifier":
        data["participant_id"] = ["7", "8", "9", "10"]
    elif what == "column":
        data = data.drop(columns="alliance")
    return data


@pytest.mark.parametrize(
    "what", ["value", "missing", "level order", "unused level", "name", "row order", "identifier", "column"]
)
def test_hash_notices_every_change(what: str) -> None:
    assert Cohort(changed(what), "x.csv").hash != FINGERPRINT


def test_missing_values_are_counted_by_the_reason_that_is_known() -> None:
    data = pd.DataFrame(
        {
            "participant_id": list("abcdef"),
            "who5_baseline": [np.nan, 40, 40, 40, np.nan, 40],
            "who5_followup": [np.nan, np.nan, np.nan, 60, np.nan, 60],
            "alliance": [4, np.nan, 4, 4, 4, np.nan],
        }
    )
    late, early = {"late": frozenset("a")}, {"early": frozenset("bd")}
    cohort = Cohort(data, "x", why_missing={"who5_baseline": late, "who5_followup": late | early})

    def steps(*columns: str) -> dict[str, int]:
        return {step.reason: step.n for step in cohort.complete(columns)[1].steps}

    # d has a follow-up, whatever is said of it.
    assert steps("who5_followup") == {"late": 1, "early": 1, "no follow-up WHO-5": 2}
    assert steps("who5_change") == {"late": 1, "early": 1, "no WHO-5 change": 2}
    assert steps("who5_baseline", "who5_followup") == {
        "late": 1,
        "no baseline WHO-5": 1,
        "early": 1,
        "no follow-up WHO-5": 1,
    }
    assert steps("alliance", "who5_followup") == {"no alliance rating": 2, "late": 1, "no follow-up WHO-5": 2}
