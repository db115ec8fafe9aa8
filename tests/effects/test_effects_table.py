"""EffectTable: rows keep their draws or lose them, but never get another row's."""

from __future__ import annotations

import copy
import json
import pickle
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliance_bayes.effects import COLUMNS, EffectTable, adjusted_means, contrasts, slopes
from alliance_bayes.effects.options import Options
from alliance_bayes.effects.summary import Estimate, Fixed, summarise
from alliance_bayes.errors import UsageError
from builders import fitted, rows


@pytest.fixture(scope="module")
def table() -> EffectTable:
    return contrasts(fitted(rows(60, countries=4), chains=2, draws=30), "country")


def test_columns_and_their_order(table: EffectTable) -> None:
    assert tuple(table.columns) == COLUMNS
    assert COLUMNS[:24] == (
        *("estimand", "term", "factor", "level", "versus", "at", "unit", "denominator", "population"),
        *("mean", "sd", "median", "lower", "upper", "interval", "prob", "p_direction"),
        *("rope_low", "rope_high", "p_rope", "ess_bulk", "ess_tail", "rhat", "mcse_mean"),
    )
    assert table.index.name == "id"
    assert table.index.is_unique


def agrees(table: pd.DataFrame) -> None:
    assert isinstance(table, EffectTable)
    assert len(table.draws) > 0
    for row in table.draws:
        assert table.draws[row].shape == (2, 30)
        np.testing.assert_allclose(table.draws[row].mean(), table.loc[row, "mean"], rtol=1e-12, atol=1e-14)


def test_draws_follow_their_rows(table: EffectTable) -> None:
    agrees(table)
    for part in (
        table[table["estimand"] == "contrast_of_means"],
        table.sort_values("mean"),
        table.iloc[::-1],
        table.head(3),
        table[["mean", "sd"]],
        table.copy(),
        copy.deepcopy(table),
        pickle.loads(pickle.dumps(table)),
        table.assign(twice=2 * table["mean"]),
    ):
        agrees(part)
        assert set(part.draws) == set(part.index)


def test_rows_without_their_ids_have_no_draws(table: EffectTable) -> None:
    assert len(table.reset_index(drop=True).draws) == 0
    assert len(EffectTable(pd.DataFrame(table)).draws) == 0
    with pytest.raises(KeyError):
        table.head(1).draws[table.index[1]]
    assert repr(table.head(1).draws) == "Draws(1 rows)"


@given(order=st.permutations(range(12)), cut=st.integers(1, 12))
def test_any_selection_keeps_draws_with_rows(order: list[int], cut: int) -> None:
    draws = np.arange(12.0)[:, None, None] + np.zeros((1, 2, 30))
    made = summarise([Estimate(f"q{i}", Fixed(draws[i]), "point") for i in range(12)], Options())
    agrees(made.iloc[order[:cut]])


def test_concatenated_tables_keep_everything(table: EffectTable) -> None:
    fit = fitted(rows(60, countries=4), chains=2, draws=30)
    other = adjusted_means(fit, "sex")
    both = EffectTable.concat([table, other])
    agrees(both)
    assert list(both.index) == [*table.index, *other.index]
    assert both.iloc[: len(table)].equals(table)
    # pandas' own way forgets the draws, and does not mix them up.
    assert len(pd.concat([table, other]).draws) == 0


def test_a_row_cannot_come_twice(table: EffectTable) -> None:
    message = (
        "an effects table holds every estimand once, but 'contrast_of_means/country=C1 vs C0/average' came twice. "
        "Remove one of the two."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        EffectTable.concat([table, table])


def test_records_are_json(table: EffectTable) -> None:
    made = slopes(fitted(rows(60, countries=3), chains=2, draws=30, means={"beta": 0.0}, sds={"beta": 1.0}))
    records = made.to_records_list()
    assert json.loads(json.dumps(records, allow_nan=False)) == records
    assert [list(record) for record in records] == [list(COLUMNS)] * len(made)
    slope, needed = records[0], records[-1]
    assert (slope["estimand"], slope["factor"], slope["versus"]) == ("slope", None, None)
    assert slope["mean"] == made["mean"].iloc[0]
    assert needed["mean"] is None
    assert isinstance(needed["note"], str)


LABELS = st.text(alphabet="a/\\= vs", min_size=1, max_size=6)


@given(pairs=st.lists(st.tuples(LABELS, LABELS, LABELS), min_size=2, max_size=6, unique=True))
def test_ids_tell_rows_apart_whatever_the_labels(pairs: list[tuple[str, str, str]]) -> None:
    ids = [
        Estimate("contrast", Fixed(np.zeros((1, 1))), "p", factor=f, level=a, versus=b, population="sample").row_id
        for f, a, b in pairs
    ]
    # A factor is a column or columns of a formula, which cannot hold "=": only equal factors share a prefix.
    if not any("=" in f for f, _, _ in pairs):
        assert len(set(ids)) == len(pairs)


def test_no_rows_at_all() -> None:
    empty = summarise([], Options(), left_out=["nothing asked for"])
    assert (len(empty), tuple(empty.columns), empty.left_out) == (0, COLUMNS, ("nothing asked for",))
    assert empty.to_records_list() == []
