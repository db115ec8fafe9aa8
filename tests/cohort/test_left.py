"""Those left out beside those analysed: means, shares and standardised differences."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.cohort.left import COMPARED, compared, is_told, records, standardised_difference


def table() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    n = 300
    frame = pd.DataFrame(
        {
            "participant_id": [f"p{k}" for k in range(n)],
            "age": rng.normal(40, 10, n),
            "site": rng.choice(["a", "b", "c"], n),
            "sex": rng.choice(["female", "male"], n),
            "score": rng.integers(0, 3, n),
        }
    )
    frame["y"] = rng.normal(size=n)
    frame.loc[frame["age"] > 48, "y"] = np.nan
    frame.loc[[0, 5], "age"] = np.nan
    return frame


def test_differences_are_those_of_the_formula() -> None:
    frame = table()
    cohort = ab.read_cohort(frame)
    kept = frame["y"].notna().to_numpy()
    found = compared(cohort, kept)
    assert list(found["column"].unique()) == ["age", "site", "sex", "score"]
    assert found["level"].fillna("").tolist() == ["", "a", "b", "c", "male", "0", "1", "2"]
    inside, outside = frame.loc[kept, "age"].dropna(), frame.loc[~kept, "age"].dropna()
    age = found.iloc[0]
    assert (age["n_analysed"], age["n_left_out"]) == (len(inside), len(outside))
    spread = np.sqrt((inside.var() + outside.var()) / 2)
    assert age["difference"] == pytest.approx((outside.mean() - inside.mean()) / spread)
    shares = [(frame["site"][rows] == "b").mean() for rows in (kept, ~kept)]
    row = found.set_index("level").loc["b"]
    assert (row["analysed"], row["left_out"]) == pytest.approx(shares)
    counts = [(frame["site"][rows] == level).sum() for rows in (kept, ~kept) for level in "abc"]
    assert row["least"] == min(counts)


def test_people_of_several_rows_count_once_and_are_left_out_where_no_row_is_left() -> None:
    frame = pd.DataFrame({"pid": np.repeat([f"p{k}" for k in range(40)], 2), "x": np.repeat(np.arange(40.0), 2)})
    kept = np.tile([True, False], 40)
    kept[:20] = False
    found = compared(ab.read_cohort(frame, person="pid"), kept).iloc[0]
    assert (found["n_left_out"], found["n_analysed"]) == (10, 30)
    assert (found["left_out"], found["analysed"]) == (4.5, 24.5)


def test_groups_that_do_not_vary_have_no_standardised_difference() -> None:
    assert np.isnan(standardised_difference(np.ones(5), np.ones(5)))
    assert np.isnan(standardised_difference(np.ones(1), np.arange(5.0)))
    # Means 2 and 1, variances 1 and 0.
    assert standardised_difference(np.array([1.0, 2, 3]), np.ones(3)) == pytest.approx(np.sqrt(2))


def test_records_are_known_from_anything_else() -> None:
    kept = table()["y"].notna().to_numpy()
    told = records(compared(ab.read_cohort(table()), kept))
    assert is_told(told)
    assert tuple(told[0]) == COMPARED
    assert told[0]["level"] is None
    for wrong in ({}, [1], [{**told[0], "column": 3}], [{**told[0], "analysed": "<b>"}], [{"column": "age"}]):
        assert not is_told(wrong)
