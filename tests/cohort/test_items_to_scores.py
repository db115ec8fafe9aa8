"""Items to scores in the reader: every instrument of the catalogue by its own key, told by name or declared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes.cli import main
from alliance_bayes.cohort.items import scores_in
from alliance_bayes.errors import DataError, UsageError
from alliance_bayes.instruments import INSTRUMENTS, Instrument, instrument
from alliance_bayes.instruments.naming import named_after
from alliance_bayes.model.scales import scale_of, scales_of

SCORED = [one for one in INSTRUMENTS if one.scored]
#: Copied from the publications' keys, not from the catalogue: reversed items, multiplier of the mean, lowest and
#: highest answer.
KEYS: dict[str, tuple[tuple[int, ...], float, float, float]] = {
    "WHO-5": ((), 20, 0, 5),
    "WAI": ((1, 3, 7, 9, 10, 11, 12, 15, 20, 27, 29, 31, 33, 34), 36, 1, 7),
    "WAI-S": ((4, 10), 12, 1, 7),
    "WAI-SR": ((), 12, 1, 5),
    "ALLIANCE2": ((), 1, 1, 5),
    "SRS": ((), 4, 0, 10),
    "PHQ-9": ((), 9, 0, 3),
    "PHQ-2": ((), 2, 0, 3),
    "GAD-7": ((), 7, 0, 3),
    "OQ-45": ((1, 12, 13, 20, 21, 24, 31, 37, 43), 45, 0, 4),
    "CORE-OM": ((3, 4, 7, 12, 19, 21, 31, 32), 10, 0, 4),
    "ORS": ((), 4, 0, 10),
    "WEMWBS": ((), 14, 1, 5),
    "SAI": ((), 1, 0, 5),
    "HAq-II": ((4, 8, 11, 16, 19), 19, 1, 6),
}


def named(one: Instrument) -> str:
    return one.name.lower().replace("-", "_")


def answers(one: Instrument, n: int, *, seed: int = 1, missing: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    low, high = map(int, one.item_range)
    made = rng.integers(low, high + 1, (n, one.n_items)).astype(float)
    made[rng.random(made.shape) < missing] = np.nan
    return made


def by_hand(one: Instrument, items: np.ndarray, *, most: int = 0) -> np.ndarray:
    """Scores by the key above, person by person, in plain Python."""
    reverse, times, low, high = KEYS[one.name]
    scores = []
    for person in items.tolist():
        told = [
            low + high - answer if number in reverse else answer
            for number, answer in enumerate(person, 1)
            if answer == answer
        ]
        scores.append(sum(told) / len(told) * times if len(told) >= len(person) - most and told else float("nan"))
    return np.array(scores)


def table(name: str, items: np.ndarray, **more: Any) -> pd.DataFrame:
    return pd.DataFrame({f"{name}_{number + 1}": column for number, column in enumerate(items.T)} | more)


@pytest.mark.parametrize("one", SCORED, ids=lambda one: one.name)
@settings(deadline=None, max_examples=3)
@given(seed=st.integers(0, 10_000), share=st.sampled_from([0.0, 0.05, 0.3]))
def test_items_make_the_score_of_every_instrument_by_name_and_declared(
    one: Instrument, seed: int, share: float
) -> None:
    """Complete answers, and with up to two items missing, by an independent computation from the key."""
    items, name = answers(one, 6, seed=seed, missing=share), f"{named(one)}_followup"
    whole = np.vstack([items, answers(one, 1, seed=seed)])
    read = ab.read_cohort(table(name, whole)).data
    np.testing.assert_allclose(read[name], by_hand(one, whole), rtol=1e-12)
    declared = ab.read_cohort(table("mood", whole), instruments={"mood": one.name}).data
    np.testing.assert_allclose(declared["mood"], by_hand(one, whole), rtol=1e-12)
    part = (one.n_items - 1) / one.n_items
    made = ab.read_cohort(table(name, whole), prorate={one.name: part}).data[name]
    np.testing.assert_allclose(made, by_hand(one, whole, most=1), rtol=1e-12)


def test_a_score_and_its_items_agree_and_fill_one_another() -> None:
    one = instrument("phq9")
    items = answers(one, 5)
    totals = items.sum(axis=1)
    given = np.where([True, True, False, True, True], totals, np.nan)
    cohort = ab.read_cohort(table("phq9", items, phq9=given))
    np.testing.assert_array_equal(cohort.data["phq9"], totals)
    # Nobody asked for the column, so that what is wrong matters to those who use it.
    given[0] += 1
    cohort = ab.read_cohort(table("phq9", items, phq9=given))
    assert "phq9" not in cohort.data
    with pytest.raises(DataError, match=rf"column 'phq9', row 0: {given[0]} differs from the score of its items"):
        cohort.complete(["phq9"])
    with pytest.raises(DataError, match="differs from the score of its items"):
        ab.read_cohort(table("mood", items, mood=given), instruments={"mood": "phq9"})


def test_a_mean_may_be_rounded_as_its_column_is() -> None:
    items = answers(instrument("core_om"), 8)
    scores = by_hand(instrument("core_om"), items)
    for decimals in (0, 1, 2, 8):
        read = ab.read_cohort(table("core_om", items, core_om=np.round(scores, decimals))).data["core_om"]
        np.testing.assert_array_equal(read, np.round(scores, decimals))
    scores[3] += 0.6
    assert "core_om" not in ab.read_cohort(table("core_om", items, core_om=np.round(scores))).data


@pytest.mark.parametrize(
    ("columns", "scored"),
    [
        ([f"phq9_{k:02d}" for k in range(1, 10)], {"phq9"}),
        ([f"phq9_{k}" for k in range(1, 9)], set()),
        ([f"phq9_{k}" for k in range(1, 13)], set()),
        ([f"phq9_{k}" for k in range(0, 10)], set()),
        ([f"phq9_3_{k}" for k in range(1, 10)], {"phq9_3"}),
        ([f"phq9_change_{k}" for k in range(1, 10)], set()),
        ([f"who5_{k}" for k in range(1, 6)] + [f"who5_baseline_{k}" for k in range(1, 6)], {"who5", "who5_baseline"}),
    ],
)
def test_all_items_and_none_beyond_are_items(columns: list[str], scored: set[str]) -> None:
    """Numbers may be those of occasions: only a whole set of items is taken for one."""
    data = ab.read_cohort(pd.DataFrame({name: [1.0, 2.0] for name in columns})).data
    assert set(data) - set(columns) - {"participant_id"} == scored


def test_occasions_that_look_like_items_are_told_apart_by_saying_so() -> None:
    waves = pd.DataFrame({"phq2_1": [5.0, 2.0], "phq2_2": [3.0, 6.0]})
    cohort = ab.read_cohort(waves)
    assert set(cohort.aside) == {"phq2_1", "phq2_2", "phq2"}
    with pytest.raises(DataError, match=r"5.0 is outside 0 to 3 \(PHQ-2 item\).*instruments=\{'phq2_1': 'phq2'\}"):
        cohort.complete(["phq2_1"])
    read = ab.read_cohort(waves, instruments={"phq2_1": "phq2", "phq2_2": "phq2"})
    assert not read.aside
    assert read.data["phq2_1"].tolist() == [5.0, 2.0]


def test_some_items_of_a_score_at_an_occasion_are_told_to_those_who_use_it() -> None:
    frame = table("gad7_followup", answers(instrument("gad7"), 3)).drop(columns="gad7_followup_4")
    cohort = ab.read_cohort(frame)
    with pytest.raises(DataError, match=r"is one of 6 items of 'gad7_followup', which needs 7. Add gad7_followup_4"):
        cohort.complete(["gad7_followup"])
    with pytest.raises(DataError, match=r"is one of 6 items of 'x', which needs 7. Add x_4, or give 'x' itself"):
        ab.read_cohort(frame.rename(columns=lambda name: name.replace("gad7_followup", "x")), instruments={"x": "gad7"})


def test_scores_and_items_are_held_to_their_ranges_and_steps() -> None:
    """By name the range alone, since a score may have been made up; declared the steps, too."""
    frame = pd.DataFrame({"phq9": [28.0, 12.0], "core_om_change": [-41.0, 1.0], "wai_goal": [11.0, 84.0], "low": 1.5})
    cohort = ab.read_cohort(frame)
    assert {name: (one.row, one.what) for name, (one,) in cohort.aside.items()} == {
        "phq9": (0, "is outside 0 to 27 (PHQ-9 score)"),
        "core_om_change": (0, "is outside -40 to 40 (CORE-OM change)"),
        "wai_goal": (0, "is outside 12 to 84 (WAI goal score)"),
    }
    assert "rename it: columns={'new_name': 'phq9'}" in cohort.aside["phq9"][0].remedy
    with pytest.raises(DataError, match=r"1.5 is not a whole number \(PHQ-9 score\).*prorate=0.8"):
        ab.read_cohort(frame[["low"]], instruments={"low": "phq9"})
    assert ab.read_cohort(frame[["low"]], instruments={"low": "phq9"}, prorate=0.8).data["low"].tolist() == [1.5, 1.5]
    items = answers(instrument("srs"), 4)
    items[2, 1] = 10.5
    with pytest.raises(DataError, match=r"column 'bond_2', row 2: 10.5 is outside 0 to 10 \(SRS item\)"):
        ab.read_cohort(table("bond", items), instruments={"bond": "srs"})


def test_a_column_of_such_a_name_that_holds_levels_stays_a_factor() -> None:
    frame = pd.DataFrame({"phq9": ["low", "high"], "gad7": [1, 2], "sai": [4.0, 60.0]})
    cohort = ab.read_cohort(frame, categorical=["gad7"])
    assert list(cohort.data["phq9"].cat.categories) == ["high", "low"]
    assert list(cohort.data["gad7"].cat.categories) == ["1", "2"]
    # A State Anxiety Inventory, say.
    assert ab.read_cohort(frame.rename(columns={"sai": "sai_score"})).data["sai_score"].tolist() == [4.0, 60.0]


def test_prorating_by_instrument_and_by_their_own_rules() -> None:
    phq9, core = (answers(instrument(name), 4) for name in ("phq9", "core_om"))
    for row, lacking in enumerate((1, 2, 3), 1):
        phq9[row, :lacking] = np.nan
    core[1, [1, 4]], core[2, [0, 1, 4]], core[3, [5, 8, 15, 21]] = np.nan, np.nan, np.nan
    frame = pd.concat(
        [table("phq9", phq9), table("core_om", core), table("who5_baseline", answers(instrument("who5"), 4))], axis=1
    )
    frame.loc[1, "who5_baseline_1"] = np.nan
    scores = ["phq9", "core_om", "who5_baseline"]

    def there(prorate: Any) -> list[int]:
        return [int(n) for n in ab.read_cohort(frame, prorate=prorate).data[scores].notna().sum()]

    assert there(None) == [1, 1, 3]
    assert there({"phq9": 0.75, "who5": 1}) == [3, 1, 3]
    assert there({"PHQ-9": 0.5, "core_om": "instrument", "who5_baseline": 0.8}) == [4, 3, 4]
    cohort = ab.read_cohort(frame, prorate="instrument", subscales=["core_om_problems", "core_om_risk"])
    assert [int(n) for n in cohort.data[scores].notna().sum()] == [3, 3, 3]
    # One of the problems may be missing by the authors' rule, none of the risks.
    answered = frame[[f"core_om_{k}" for k in (2, 5, 8, 11, 13, 15, 18, 20, 23, 27, 28, 30)]].notna().sum(axis=1)
    np.testing.assert_array_equal(cohort.data["core_om_problems"].notna(), answered >= 11)
    np.testing.assert_array_equal(cohort.data["core_om_risk"].notna(), [True, True, True, False])
    told = cohort.prorated
    assert (told["phq9"].n, told["phq9"].scored, told["phq9"].needed, told["phq9"].items) == (2, 3, 7, 9)
    assert (told["phq9"].source, "who5_baseline" in told) == ("NHS Data Dictionary", False)


@pytest.mark.parametrize(
    ("prorate", "message"),
    [
        ({"phq9": 2}, r"\(0, 1\]"),
        ({"phq9": None}, r"\(0, 1\]"),
        ("manual", "'instrument' for each instrument's own rule"),
        ({"mood": 0.8}, "names 'mood', which is neither an instrument of the catalogue nor a score of the table"),
        ({3: 0.8}, "should name instruments or columns"),
    ],
)
def test_impossible_rules_for_missing_items_are_refused(prorate: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ab.read_cohort(pd.DataFrame({"age": [30.0]}), prorate=prorate)


@pytest.mark.parametrize("name", ["wai", "wai_s", "wai_sr", "oq_45", "core_om"])
def test_subscales_are_made_where_they_are_asked_for(name: str) -> None:
    one = instrument(name)
    items = answers(one, 5)
    reverse, _, low, high = KEYS[one.name]
    flipped = items.copy()
    flipped[:, [k - 1 for k in reverse]] = low + high - flipped[:, [k - 1 for k in reverse]]
    asked = [f"{name}_{subscale}" for subscale in one.subscales]
    assert not set(asked) & set(ab.read_cohort(table(name, items)).data)
    data = ab.read_cohort(table(name, items), subscales=asked).data
    for subscale, members in one.subscales.items():
        own = flipped[:, [k - 1 for k in members]]
        expected = own.mean(axis=1) if one.total.startswith("mean") else own.sum(axis=1)
        np.testing.assert_allclose(data[f"{name}_{subscale}"], expected, rtol=1e-12)
    with pytest.raises(UsageError, match=rf"subscales asks for 'wai_hope'.*There are: {asked[0]}"):
        ab.read_cohort(table(name, items), subscales=["wai_hope"])
    with pytest.raises(DataError, match="differs from the score of its items"):
        ab.read_cohort(table(name, items, **{asked[0]: data[asked[0]] + 1}), subscales=asked)
    scale = scale_of(asked[0], {})
    assert scale is None, "a subscale has no reference"


def test_a_long_table_has_scores_of_its_items_row_by_row() -> None:
    items = answers(instrument("phq9"), 6)
    frame = table("phq9", items, pid=list("aabbcc"), week=[0, 1, 0, 1, 0, 1])
    cohort = ab.read_cohort(frame, person="pid", time="week", unit="week")
    np.testing.assert_array_equal(cohort.data["phq9"], items.sum(axis=1))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mood": "phq10"}, "'phq10' is no instrument of the catalogue. There are: WHO-5, WAI,"),
        ({"alliance": "phq9"}, "is no instrument on which an alliance is scored. There are: WAI, WAI-S,"),
        ({"age": "phq9"}, "'age' holds no score"),
        ({"who5_followup": "phq9"}, "is a score of the PHQ-9, but it is named after the WHO-5. Rename the column"),
        ({"phq9_change": "phq9"}, "named after the PHQ-9 and no score"),
        (["mood"], "should map columns to instruments"),
    ],
)
def test_impossible_declarations_are_refused(given: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ab.read_cohort(pd.DataFrame({"mood": [3.0]}), instruments=given)


def test_a_declared_score_that_is_not_there_is_told() -> None:
    with pytest.raises(DataError, match="column 'mood': is declared as a score of the PHQ-9, and neither it nor its"):
        ab.read_cohort(pd.DataFrame({"age": [30.0]}), instruments={"mood": "phq9"})


def test_a_declared_score_has_the_instruments_scale_and_words() -> None:
    frame = table("mood", answers(instrument("phq9"), 40))
    cohort = ab.read_cohort(frame, instruments={"mood": "phq9"})
    scale = scales_of(cohort)["mood"]
    assert (scale.lower, scale.upper, scale.step, scale.unit) == (0.0, 27.0, 1.0, "PHQ-9 point")
    assert (scale.higher_is_better, scale.smallest_relevant_change, scale.instrument) == (False, 5.0, "PHQ-9")


def test_items_of_an_unknown_key_are_not_scored() -> None:
    frame = table("calpas", answers(instrument("calpas"), 3))
    with pytest.raises(DataError, match="of which it is not known here which items are reversed"):
        ab.read_cohort(frame).complete(["calpas"])
    assert ab.read_cohort(frame.assign(calpas=4.5)).data["calpas"].tolist() == [4.5] * 3


NAMES = st.sampled_from(
    ["phq9", "PHQ-9", "who5_baseline", "alliance", "wai", "x", "", "_", "gad7_followup", "phq2", "\u0661"]
)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(NAMES, st.lists(st.sampled_from(["1", "2", "01", "9", "10", "baseline", "goal", "999", "\u0662"])))
    ),
    st.booleans(),
)
def test_whatever_columns_are_called_no_item_is_one_of_two_scores(
    parts: list[tuple[str, list[str]]], whole: bool
) -> None:
    names = ["_".join([base, *more]) for base, more in parts]
    names += [f"{base}_{k}" for base, _ in parts for k in range(1, 10)] if whole else []
    scores = scores_in(list(dict.fromkeys(names)), {})
    items = [item for one in scores for item in one.items]
    assert len(items) == len(set(items))
    assert not {one.name for one in scores if not one.asked} & set(items)
    assert len({one.name for one in scores}) == len(scores)


def test_a_name_without_end_is_nobodys() -> None:
    assert named_after("phq9" + "_1" * 100_000) is None


def test_an_alliance_is_scored_of_the_items_of_its_instrument() -> None:
    items = answers(instrument("wai_sr"), 5)
    cohort = ab.read_cohort(table("alliance", items), instruments={"alliance": "wai_sr"}, subscales=["alliance_goal"])
    np.testing.assert_array_equal(cohort.data["alliance"], items.sum(axis=1))
    np.testing.assert_array_equal(cohort.data["alliance_goal"], items[:, [3, 5, 7, 10]].sum(axis=1))


def test_the_command_line_takes_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mood.csv"
    items = answers(instrument("phq9"), 30)
    items[:4, 0] = np.nan
    table("mood", items).to_csv(path, index=False)
    given = ["validate", str(path), "--instrument", "mood=phq9"]
    for more, code in (
        ([], 0),
        (["--prorate", "mood=0.8"], 0),
        (["--prorate", "instrument"], 0),
        (["--prorate", "x"], 2),
    ):
        with pytest.raises(SystemExit) as ended:
            main([*given, *more])
        assert int(ended.value.code or 0) == code, more
    assert "'instrument' for each instrument's own rule" in re.sub(r"\s+", " ", capsys.readouterr().err)


def test_who_answered_some_items_did_not_fail_to_come_back() -> None:
    rng = np.random.default_rng(1)
    items = [f"phq9_followup_{number}" for number in range(1, 10)]
    frame = pd.DataFrame(rng.integers(0, 4, (40, 9)).astype(float), columns=items)
    frame.loc[3:6, items[1]] = np.nan
    frame.loc[10:11, items] = np.nan
    steps = ab.read_cohort(frame).complete(["phq9_followup"])[1].steps
    assert [(step.reason, step.n) for step in steps] == [
        ("no follow-up PHQ-9: some items are missing", 4),
        ("no follow-up PHQ-9", 2),
    ]
    prorated = ab.read_cohort(frame, prorate="instrument").complete(["phq9_followup"])[1]
    assert [(step.reason, step.n) for step in prorated.steps] == [("no follow-up PHQ-9", 2)]
