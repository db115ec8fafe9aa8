"""Rows that are the same under different ids: those that were pasted, and those that few coarse columns make."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes.cohort.doubts import identical_rows


def simulated(n: int = 600, seed: int = 3) -> pd.DataFrame:
    return ab.simulate_cohort(n=n, seed=seed).data.drop(columns=["participant_id", "who5_change"])


@pytest.mark.parametrize("copies", [2, 20, 600])
def test_pasted_rows_are_counted(copies: int) -> None:
    table = simulated()
    both = pd.concat([table, table.iloc[:copies]], ignore_index=True)
    found = identical_rows(both, np.arange(len(both)))
    assert found is not None
    assert found.copies == copies
    assert found.expected < 0.1
    # Somebody's own rows may be the same.
    assert identical_rows(both, [*range(600), *range(copies)]) is None


@pytest.mark.parametrize("copies", [3, 40, 400])
def test_copies_are_seen_in_few_columns_of_numbers_without_steps(copies: int) -> None:
    # The first number tells all rows apart, so that it seemed as if the others said nothing more.
    rng = np.random.default_rng(2)
    table = pd.DataFrame(rng.normal(size=(400, 3)), columns=list("xyw")).assign(b=rng.integers(0, 2, 400))
    assert identical_rows(table, np.arange(400)) is None
    both = pd.concat([table, table.iloc[:copies]], ignore_index=True)
    found = identical_rows(both, np.arange(len(both)))
    assert found is not None
    assert (found.copies, found.columns) == (copies, 4)


@pytest.mark.parametrize(
    "columns",
    [
        ["sex"],
        ["sex", "age"],
        ["sex", "provider_type", "who5_baseline"],
        ["alliance", "who5_followup", "provider_type"],
        ["age", "sex", "alliance", "who5_baseline", "who5_followup"],
    ],
)
def test_few_coarse_columns_make_people_alike(columns: list[str]) -> None:
    table = simulated(3087)[columns]
    assert table.duplicated().sum() > 10
    assert identical_rows(table, np.arange(len(table))) is None


def test_columns_that_follow_from_others_tell_nobody_apart() -> None:
    rng = np.random.default_rng(5)
    item = pd.DataFrame(rng.integers(1, 6, (1000, 3)), columns=list("abc"))
    table = item.assign(total=item.sum(axis=1), mean=item.mean(axis=1), high=item["a"] > 3, twice=2 * item["a"])
    assert table.duplicated().sum() > 100
    assert identical_rows(table, np.arange(1000)) is None


@pytest.mark.parametrize("columns", [2, 300])
def test_one_column_under_many_names_is_one(columns: int) -> None:
    table = pd.DataFrame({f"x{k}": np.arange(1000) % 7 * (k + 1.0) for k in range(columns)})
    assert identical_rows(table, np.arange(1000)) is None


def test_rows_without_a_value_are_nobodys() -> None:
    table = simulated()
    empty = pd.DataFrame(np.nan, index=range(30), columns=table.columns, dtype=object)
    both = pd.concat([table.astype(object), empty], ignore_index=True)
    assert identical_rows(both, np.arange(len(both))) is None


def test_false_alarms_are_rare() -> None:
    """At most 5 % of tables by design; here of 200 tables that are coarse, sparse and dependent in many ways."""
    alarms = coincidences = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        n, p, shared = rng.choice([50, 300, 1000]), rng.integers(1, 8), rng.choice([0, 0.5, 0.9])
        latent = rng.normal(size=(n, 1)) * shared + rng.normal(size=(n, p)) * np.sqrt(1 - shared**2)
        table = pd.DataFrame(np.floor(latent * rng.choice([1, 2, 5, 8], size=p)))
        table[rng.random((n, p)) < 0.1] = np.nan
        coincidences += table.duplicated().any()
        alarms += identical_rows(table, np.arange(n)) is not None
    assert coincidences > 100
    # 10 are expected at most: 20 are three of their SDs above.
    assert alarms <= 20


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.integers(1, 5))
def test_neither_the_order_of_rows_and_columns_nor_the_names_of_values_matter(seed: int, copies: int) -> None:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.integers(0, [2, 5, 40, 300, 9], (80, 5)).astype(float))
    table = pd.concat([table, table.iloc[:copies]], ignore_index=True)
    found = identical_rows(table, np.arange(len(table)))
    shuffled = table.sample(frac=1, random_state=seed).iloc[:, rng.permutation(5)]
    renamed = shuffled.map(lambda value: f"level {-value}")
    other = identical_rows(renamed, np.arange(len(table)))
    assert (found is None) == (other is None)
    if found is not None and other is not None:
        assert (other.copies, other.columns) == (found.copies, found.columns)
        assert other.expected == pytest.approx(found.expected)
