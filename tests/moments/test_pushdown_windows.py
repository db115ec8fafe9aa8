"""Parts within and between persons and lags, made by window functions where the table is, against those of rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.cli import main
from alliance_bayes.errors import DataError, UsageError
from alliance_bayes.moments import Moments, moments_of
from alliance_bayes.moments.persons import numbered

ibis = pytest.importorskip("ibis")

FORMULAS = (
    "y ~ within(x) + between(x) + (within(x) || pid) + (1 | provider_id)",
    "y ~ lag(y) + lag(x, 2) + within(x, provider_id) * week + (1 | pid)",
    "y ~ between(x, provider_id) + lag(within(x)) + within(lag(z)) + I(x - lag(x)) + (1 | pid)",
    "y ~ s(between(x), knots=(-0.5, 0.5)) + lag(y) + sex + (1 | pid)",
)
LONG = {"person": "pid", "time": "week"}


def long_table(n: int = 40, seed: int = 0) -> pd.DataFrame:
    """Rows in no order, with weeks that are not there, and gaps in every column but the person's and the time."""
    rng = np.random.default_rng(seed)
    whole = pd.DataFrame(
        {
            "pid": np.repeat([f"p{person}" for person in range(n)], 6),
            "week": np.tile(np.arange(6), n),
            "provider_id": np.repeat(rng.choice(list("abcde"), n), 6),
            "sex": np.repeat(rng.choice(["female", "male"], n), 6),
            "x": np.repeat(rng.normal(size=n), 6) + rng.normal(size=6 * n),
            "z": rng.normal(size=6 * n),
        }
    )
    whole["y"] = whole["x"] + rng.normal(size=6 * n)
    table = whole.sample(frac=0.85, random_state=seed).reset_index(drop=True)
    for name in ("provider_id", "sex", "x", "z", "y"):
        table[name] = table[name].astype(object)
        table.loc[rng.random(len(table)) < 0.05, name] = None
    return table


def run(folder: Path, *words: str) -> object:
    """Run the command line in a folder; its exit status."""
    with pytest.raises(SystemExit) as ended:
        main([str(folder / word) if "." in word else word for word in words])
    return ended.value.code


def model_of(formula: str) -> ab.Model:
    return ab.Model(formula, roles={"pid": "person"})


def of_rows(model: ab.Model, table: pd.DataFrame) -> tuple[Moments, Any]:
    frame, flow = model.complete(model.derive(ab.read_cohort(table, **LONG)))
    found = moments_of(model.design(frame), spec=model)
    return numbered(replace(found, person="pid" if "pid" in found.keys else "")), flow


@pytest.mark.slow
@pytest.mark.parametrize("formula", FORMULAS)
@pytest.mark.parametrize("kind", ["csv", "parquet", "table"])
def test_moments_are_those_of_the_rows(formula: str, kind: str, tmp_path: Path) -> None:
    table, model = long_table(), model_of(formula)
    numbers = table.assign(**{name: table[name].astype(float) for name in ("x", "y", "z")})
    path = tmp_path / f"long.{kind}"
    if kind == "csv":
        table.to_csv(path, index=False)
    elif kind == "parquet":
        numbers.to_parquet(path)
    source = ibis.memtable(numbers) if kind == "table" else path
    found = ab.reduce_table(source, model, **LONG)
    expected, flow = of_rows(model, table)
    assert found.columns == expected.columns
    assert dict(found.levels) == dict(expected.levels)
    np.testing.assert_array_equal(found.counts, expected.counts)
    np.testing.assert_allclose(found.means, expected.means, atol=1e-12)
    np.testing.assert_allclose(found.cross, expected.cross, rtol=1e-9, atol=1e-9)
    assert found.centres == pytest.approx(expected.centres, abs=1e-12)
    assert found.flow is not None
    assert found.flow == replace(flow, unit="row")


def test_a_fit_of_the_moments_is_that_of_the_rows(tmp_path: Path) -> None:
    table, model = long_table(), model_of(FORMULAS[0])
    table.to_csv(tmp_path / "long.csv", index=False)
    model.to_card(tmp_path / "model.toml")
    words = ["long.csv", "--card", "model.toml", "--person", "pid", "--time", "week", "-o", "moments.nc"]
    assert run(tmp_path, "reduce", *words) == 0
    options: dict[str, Any] = {"seed": 1, "draws": 100, "progress": False}
    by_moments = model.fit(ab.load_moments(tmp_path / "moments.nc"), **options)
    by_rows = model.fit(table, **LONG, **options)
    for name in ("beta", "tau_pid", "sigma"):
        np.testing.assert_allclose(by_moments.posterior[name], by_rows.posterior[name], atol=1e-7)


@pytest.mark.parametrize(
    ("formula", "options", "change", "said"),
    [
        ("y ~ within(x) + (1 | pid)", {}, {}, "Say whose a row is (person)"),
        ("y ~ lag(x) + (1 | pid)", {"person": "pid"}, {}, "nothing says when a row was (time)"),
        ("y ~ lag(x) + (1 | pid)", LONG, {"week": lambda d: d["week"] + 0.5}, "should be whole numbers, but"),
        ("y ~ lag(x) + (1 | pid)", LONG, {"week": 1}, "two rows at one time in 'week'"),
        (
            "y ~ lag(x) + (1 | pid)",
            LONG,
            {"week": lambda d: d["week"].where(d.index > 0)},
            "1 rows have no time in 'week'",
        ),
        (
            "y ~ within(x) + (1 | pid)",
            LONG,
            {"pid": lambda d: d["pid"].where(d.index > 0)},
            "does not say of every row whose it is",
        ),
        (
            "y ~ lag(x) + (1 | pid)",
            LONG,
            {"week": lambda d: pd.Timestamp("2020-01-01") + pd.to_timedelta(d["week"], unit="D")},
            "'week' holds dates",
        ),
    ],
)
def test_what_cannot_be_made_where_the_table_is_is_told(
    formula: str, options: dict[str, str], change: dict[str, Any], said: str, tmp_path: Path
) -> None:
    table = long_table().assign(**change)
    table.assign(**{name: table[name].astype(float) for name in ("x", "y", "z")}).to_parquet(tmp_path / "long.parquet")
    with pytest.raises(UsageError) as error:
        ab.reduce_table(tmp_path / "long.parquet", ab.Model(formula), **options)
    assert said in str(error.value)


def test_cells_that_a_column_is_made_of_are_judged(tmp_path: Path) -> None:
    table = long_table().astype({"x": object})
    table.loc[3, "x"] = "many"
    table.to_csv(tmp_path / "long.csv", index=False)
    with pytest.raises(DataError, match="many"):
        ab.reduce_table(tmp_path / "long.csv", ab.Model("y ~ within(x) + (1 | pid)"), **LONG)
    table.loc[3, "x"], table.loc[3, "provider_id"], table.loc[4, "provider_id"] = None, "1", "1.0"
    table.to_csv(tmp_path / "long.csv", index=False)
    with pytest.raises(UsageError, match="writes a level in two ways"):
        ab.reduce_table(tmp_path / "long.csv", ab.Model("y ~ within(x, provider_id) + (1 | pid)"), **LONG)


def test_a_column_of_such_a_name_is_used_as_it_is(tmp_path: Path) -> None:
    table = long_table().drop(columns="x")
    table["within(x)"] = np.arange(len(table)) / 8
    table.to_csv(tmp_path / "long.csv", index=False)
    model = ab.Model("y ~ within(x)")
    found = ab.reduce_table(tmp_path / "long.csv", model)
    expected, _ = of_rows(model, table)
    np.testing.assert_allclose(found.means, expected.means, atol=1e-12)


def test_parts_are_not_made_table_by_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        long_table().to_csv(tmp_path / f"{name}.csv", index=False)
    ab.Model("y ~ within(x)").to_card(tmp_path / "model.toml")
    words = ["a.csv", "b.csv", "--card", "model.toml", "--person", "pid", "-o", "moments.nc"]
    assert run(tmp_path, "reduce", *words) == 2
    assert "Give them as one, by a pattern" in capsys.readouterr().err
