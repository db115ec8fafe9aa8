"""Levels: one label for one code however it is kept, and none for two."""

from __future__ import annotations

import datetime as dt
import unicodedata
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes.cohort.cells import CellError, level_label
from alliance_bayes.errors import DataError, ModelError, UsageError
from alliance_bayes.model import ModelSpec
from alliance_bayes.model.levels import joined_level, labels_of, new_labels, split_level
from builders import fitted, rows

CODES = {
    "1": [1, 1.0, np.float32(1), np.int8(1), Decimal("1.00"), "1", "1.0", "1.00"],
    "0": [0, -0.0, "0", "0.0", "-0.0", Decimal("-0")],
    "-3": [-3, -3.0, "-3.000"],
    "9007199254740993": [2**53 + 1, "9007199254740993", "9007199254740993.0", Decimal(2**53 + 1)],
    "0.1": [0.1, np.float32(0.1), "0.1", Decimal("0.10")],
    "True": [True, np.True_],
    "2024-03-01": [dt.date(2024, 3, 1), np.datetime64("2024-03-01"), pd.Timestamp(2024, 3, 1)],
}
# Texts that are codes of their own: leading zeros, exponents, signs, decimals with a nought behind.
OWN = ["01", "1e0", "+1", "1.10", "1.", "true", "a:b", "", "007", "1.0.0"]


@pytest.mark.parametrize("label", CODES)
def test_a_code_has_one_label_however_it_is_kept(label: str) -> None:
    assert [level_label(value) for value in CODES[label]] == [label] * len(CODES[label])


@pytest.mark.parametrize("text", OWN)
def test_any_other_text_is_its_own_label(text: str) -> None:
    assert level_label(text) == text


@pytest.mark.parametrize("value", [2.0**53, -1e300, float("inf"), [1], 1 + 2j, Decimal("NaN")])
def test_what_is_no_level_is_refused(value: object) -> None:
    with pytest.raises(CellError):
        level_label(value)


@given(st.integers(-(10**20), 10**20), st.integers(1, 5))
def test_whole_numbers_are_told_apart_and_text_agrees(code: int, noughts: int) -> None:
    assert level_label(code) == level_label(f"{code}.{'0' * noughts}") == str(code)


@given(st.lists(st.text(), min_size=2, max_size=4))
def test_a_combination_is_split_as_it_was_joined(parts: list[str]) -> None:
    assert split_level(joined_level(parts)) == parts


def test_columns_of_every_kind_give_the_same_levels() -> None:
    codes = [10, 2, 1, 2, 10]
    kinds = [
        pd.Series(codes),
        pd.Series(codes, dtype=float),
        pd.Series(codes, dtype="Int64"),
        pd.Series(list(map(str, codes))),
        pd.Series([10.0, "2", 1, "2.00", Decimal(10)], dtype=object),
        pd.Series(codes).astype("category"),
        pd.Series(codes, dtype=float).astype("category"),
    ]
    for column in kinds:
        made = labels_of(column)
        assert list(made) == ["10", "2", "1", "2", "10"]
        assert list(made.categories) == ["1", "2", "10"]
    # Equal numbers that are other levels stay apart.
    assert list(labels_of(pd.Series([1, True, "1"], dtype=object))) == ["1", "True", "1"]
    # Declared order is kept, and two categories of one label are one level.
    declared = pd.Series(pd.Categorical(["b", "1.0", 1], categories=["b", 1, "1.0"]))
    assert list(labels_of(declared).categories) == ["b", "1"]


def codes_and_scores(n: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    site = rng.integers(1, 4, n)
    score = 4.0 * np.clip(np.round((10 + 15 * site) / 4 + rng.normal(0, 2, n)), 0, 25)
    return pd.DataFrame({"alliance": np.round(rng.uniform(2, 5, n), 1), "site": site, "who5_followup": score})


KEPT = {
    "whole": lambda site: site,
    "float": lambda site: site.astype(float),
    "nullable": lambda site: site.astype("Int64"),
    "text": lambda site: site.astype(str),
    "decimals": lambda site: site.map("{}.00".format),
    "category": lambda site: site.astype(float).astype("category"),
}


@pytest.mark.parametrize("formula", ["(1 | site)", "(1 | site:other)", "site"])
@pytest.mark.parametrize("fitted_as", KEPT)
def test_new_rows_find_their_levels(fitted_as: str, formula: str) -> None:
    table = codes_and_scores().assign(other=lambda d: np.where(d.index % 2, "a:b", "a"))
    cohort = ab.read_cohort(table.assign(site=KEPT[fitted_as](table["site"])), categorical=["site"])
    design = ab.Model(f"who5_followup ~ alliance + {formula}", priors="weak", autoscale=True).design(cohort.data)
    for kept in KEPT.values():
        rows_again = design.evaluate(table.assign(site=kept(table["site"])))
        np.testing.assert_array_equal(rows_again.x, design.rows.x)
        for name, index in design.rows.index.items():
            np.testing.assert_array_equal(rows_again.index[name], index)


def test_residual_and_declared_levels_are_codes_too() -> None:
    table = codes_and_scores()
    model = ab.Model("who5_followup ~ alliance", residual_by="site", levels={"site": (3, 1.0, "2.0")})
    assert dict(model.levels) == {"site": ("3", "1", "2")}
    for kept in KEPT.values():
        design = model.design(table.assign(site=kept(table["site"])))
        assert design.residual is not None
        assert design.residual.levels == ("3", "1", "2")
        np.testing.assert_array_equal(design.rows.residual, (table["site"] % 3).to_numpy())
    with pytest.raises(ModelError, match=r"levels of 'site' should be distinct"):
        ab.Model("who5_followup ~ alliance", levels={"site": (1, "1.0")})
    with pytest.raises(ModelError, match=r"levels of 'site' should be listed"):
        ab.Model("who5_followup ~ alliance", levels={"site": 5})  # type: ignore[dict-item]
    with pytest.raises(UsageError, match="distinct"):
        ab.read_cohort(table, levels={"site": [1, "1.0", 2, 3]})  # type: ignore[list-item]


def test_two_sites_moments_and_rows_have_one_set_of_levels(tmp_path: Path) -> None:
    table = codes_and_scores()
    model = ab.Model("who5_followup ~ alliance + (1 | site)")
    whole = ab.Model("who5_followup ~ alliance + (1 | site)").design(table)
    halves = {"a.csv": table[:60], "b.csv": table[60:].astype({"site": float}), "c.parquet": table[60:]}
    halves["d.csv"] = table[60:].assign(site=lambda d: [f"{s}.00" if i % 2 else s for i, s in enumerate(d["site"])])
    halves["e.parquet"] = table[60:].assign(site=lambda d: d["site"].map("{}.0".format))
    for name, half in halves.items():
        half.to_csv(tmp_path / name, index=False) if name.endswith("csv") else half.to_parquet(tmp_path / name)
    first = ab.reduce_table(tmp_path / "a.csv", model)
    for name in list(halves)[1:]:
        both = first + ab.reduce_table(tmp_path / name, model)
        assert both.levels["site"] == whole.factor("site").levels == ("1", "2", "3")
        np.testing.assert_array_equal(both.counts, np.bincount(table["site"])[1:])
        means = table.groupby("site")["who5_followup"].mean().to_numpy()
        np.testing.assert_allclose(both.means[:, 0], means, rtol=1e-12)


def test_floats_that_hide_codes_are_refused() -> None:
    table = codes_and_scores()
    ids = 10**17 + table["site"]
    with pytest.raises(ModelError, match=r"^a value of 'site' is too large a float"):
        ab.Model("who5_followup ~ alliance + (1 | site)").design(table.assign(site=ids.astype(float)))
    design = ab.Model("who5_followup ~ alliance + (1 | site)").design(table.assign(site=ids))
    assert design.factor("site").levels == tuple(str(10**17 + k) for k in (1, 2, 3))


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("c0", "C0"),
        (" C0", "C0"),
        ("C 0", "C0"),
        ("\uff230", "C0"),
        ("C0\u200b", "C0"),
        (unicodedata.normalize("NFD", "Österreich"), "Österreich"),
        ("ÖSTERREICH", "Österreich"),
        ("01", "1"),
        ("1e0", "1"),
        ("+1", "1"),
        ("2.50", "2.5"),
    ],
)
def test_a_known_level_written_in_another_way_is_an_error_that_names_it(written: str, known: str) -> None:
    names = np.array([known, "elsewhere", "C7"], dtype=object)
    frame = rows(12).assign(country=names[np.arange(12) % 3])
    fit = fitted(frame, formula="who5_followup ~ alliance + (1 | country)", draws=4)
    with pytest.raises(ModelError) as error:
        fit.predict(frame.head(1).assign(country=written))
    assert f"{written!r} in place of {known!r}" in str(error.value)


@given(st.text(min_size=1).filter(lambda text: text == text.strip()))
def test_a_label_is_known_alike_or_new_and_never_silently_another(text: str) -> None:
    known = ["C0", "1", "2.5", "Österreich"]
    try:
        labels, new = new_labels(pd.Series([text], name="g"), known)
    except ModelError:
        return
    assert (labels[0] in known) != (labels[0] in new)
    assert level_label(text) == labels[0]


@pytest.mark.parametrize("gap", ["", "NA", " NaN "])
def test_a_text_that_stands_for_nothing_is_missing_in_new_rows_too(gap: str) -> None:
    fit = fitted(rows(12), formula="who5_followup ~ alliance + (1 | country)", draws=4)
    with pytest.raises(ModelError, match="missing values in 'country'"):
        fit.predict(rows(12).head(1).assign(country=gap))


def test_both_spellings_are_levels_where_the_analysed_rows_have_both() -> None:
    frame = rows(12).assign(country=["1", "01", "a:b", "a"] * 3, sex=["c", "c", "c", "b:c"] * 3)
    design = ModelSpec("who5_followup ~ alliance + (1 | country) + (1 | country:sex)").design(frame)
    assert design.factor("country").levels == ("01", "1", "a", "a:b")
    # "a" in "b:c" and "a:b" in "c" are two combinations.
    assert design.factor("country:sex").levels == ("01:c", "1:c", "a:b\\:c", "a\\:b:c")
    np.testing.assert_array_equal(design.rows.index["country:sex"], [1, 0, 3, 2] * 3)


def test_undeclared_codes_are_told_by_row() -> None:
    with pytest.raises(DataError) as error:
        ModelSpec("who5_followup ~ alliance", levels={"country": ("C0", "C1")}).design(rows(3, countries=3))
    assert [(problem.row, problem.value) for problem in error.value.problems] == [(2, "C2")]


def test_numbers_given_as_text_are_refused_in_new_rows() -> None:
    fit = fitted(rows(12), formula="who5_followup ~ alliance + (1 | country)", draws=4)
    with pytest.raises(ModelError, match=r"'alliance' is numeric in the model"):
        fit.predict(rows(12).astype({"alliance": str}))
