"""Completed tables from elsewhere: read as one thing, fitted, told on a page, and verified."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.cli import main

TABLES, PEOPLE = 4, 120


@pytest.fixture(scope="module")
def tables() -> list[pd.DataFrame]:
    rng = np.random.default_rng(5)
    x = rng.normal(size=PEOPLE)
    base = pd.DataFrame(
        {
            "participant_id": [f"p{k}" for k in range(PEOPLE)],
            "y": x + 0.5 * rng.normal(size=PEOPLE),
            "x": x,
            "site": rng.choice(["north", "south"], size=PEOPLE),
        }
    )
    lacking = np.arange(PEOPLE) % 5 == 0
    return [base.assign(x=np.where(lacking, base["y"] + rng.normal(size=PEOPLE), base["x"])) for _ in range(TABLES)]


def long_format(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """As mice writes it: the table with gaps as number 0, and the rows of each numbered."""
    gaps = tables[0].assign(x=tables[0]["x"].where(np.arange(PEOPLE) % 5 != 0))
    return pd.concat([one.assign(**{".imp": k, ".id": range(1, PEOPLE + 1)}) for k, one in enumerate([gaps, *tables])])


def test_every_way_to_give_them_is_the_same_fit(tables: list[pd.DataFrame], tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    long_format(tables).to_csv(path, index=False)
    read = ab.read_imputed(path)
    assert len(read) == TABLES
    assert [len(one.data) for one in read] == [PEOPLE] * TABLES
    for one, own in zip(read, tables, strict=True):
        assert np.array_equal(one.data["x"], own["x"])

    model = ab.Model("y ~ x")
    fits = [model.fit(given, seed=3, draws=100, progress=False) for given in (tables, long_format(tables), path, read)]
    for fit in fits[1:]:
        assert np.array_equal(fit.posterior["beta"], fits[0].posterior["beta"])
        assert fit.info["cohort_hash"] == fits[0].info["cohort_hash"]
    # All of them are what the fit is of, not the first alone.
    assert fits[0].info["cohort_hash"] != read[0].hash


def test_what_was_observed_is_in_every_table(tables: list[pd.DataFrame], tmp_path: Path) -> None:
    """Of somebody whose value differs from the one with gaps, the completed tables would count it as imputed."""
    whole = long_format(tables).reset_index(drop=True).astype({"site": object})
    # Row 2 of table 3, of whom x and site were observed, and row 1, who lacks x: rows of a file begin with a heading.
    at = 3 * PEOPLE
    whole.loc[at : at + 1, "x"] = [5.0, 6.25]
    whole.loc[at + 1, "site"] = "east"
    path = tmp_path / "long.csv"
    whole.to_csv(path, index=False)
    for given, first in ((path, 2), (whole, None)):
        with pytest.raises(ab.DataError) as caught:
            ab.read_imputed(given)
        told = [(one.column, one.value) for one in caught.value.problems]
        assert told == [("x", "6.25"), ("site", "east")]
        if first is not None:
            assert {one.row for one in caught.value.problems} == {at + 1 + first}
    # Without the one with gaps nobody can know, and a number may be written in another way.
    assert len(ab.read_imputed(whole[whole[".imp"] > 0])) == TABLES
    same = long_format(tables).astype({"x": object}).reset_index(drop=True)
    same["x"] = [f"{float(one):.17e}" if k % 2 else one for k, one in enumerate(same["x"])]
    assert len(ab.read_imputed(same.assign(x=same["x"].replace("nan", "NA")))) == TABLES


def test_a_table_with_gaps_alone_is_no_set_of_tables(tables: list[pd.DataFrame]) -> None:
    whole = long_format(tables)
    with pytest.raises(ab.UsageError, match=r"'.imp' of .* numbers 0: 0 is the one with gaps"):
        ab.read_imputed(whole[whole[".imp"] == 0])


def test_what_is_no_set_of_tables_is_refused(tables: list[pd.DataFrame], tmp_path: Path) -> None:
    whole = long_format(tables)
    with pytest.raises(ab.UsageError, match=r"read_imputed\(\)"):
        ab.read_cohort(whole)
    with pytest.raises(ab.UsageError, match=r"no column '\.imp'"):
        ab.read_imputed(tables[0])
    for few in ([tables[0]], [], whole[whole[".imp"] <= 1]):
        with pytest.raises(ab.UsageError, match="at least two"):
            ab.read_imputed(few)
    wrong = whole.assign(**{".imp": ["1.5", *whole[".imp"].astype(str)[1:]]})
    with pytest.raises(ab.DataError) as caught:
        ab.read_imputed(wrong)
    assert [(one.column, one.value) for one in caught.value.problems] == [(".imp", "1.5")]
    other = ab.read_cohort(tables[0], person="participant_id")
    with pytest.raises(ab.UsageError, match="different ways"):
        ab.read_imputed([other, tables[1]])
    # One that was read already is not read again.
    with pytest.raises(ab.UsageError, match="read before"):
        ab.Model("y ~ x").fit([other, other], person="participant_id", progress=False)


def swapped(table: pd.DataFrame) -> pd.DataFrame:
    return table.iloc[::-1].reset_index(drop=True)


def test_tables_of_other_people_rows_or_levels_are_refused(tables: list[pd.DataFrame]) -> None:
    """What differs between tables counts as imputed, so that all that is not imputed has to be the same."""
    model = ab.Model("y ~ x + site")
    first, second = tables[:2]
    others = [f"q{k}" for k in range(PEOPLE)]
    for wrong in (swapped(second), second.assign(participant_id=others)):
        with pytest.raises(ab.UsageError, match=r"table 2 has '\w+' where table 1 has 'p0' \(row 1\)"):
            model.fit([first, wrong], progress=False)
    with pytest.raises(ab.UsageError, match="table 2 has 119 rows, and table 1 has 120"):
        model.fit([first, second.iloc[1:]], progress=False)
    # As many complete rows, and others.
    gaps = [one.assign(x=one["x"].where(np.arange(PEOPLE) != k)) for k, one in ((3, first), (7, second))]
    with pytest.raises(ab.UsageError, match="119 complete rows, and table 1 has 119, or others"):
        model.fit(gaps, progress=False)
    rare = second.assign(site=np.where(np.arange(PEOPLE) == 5, "east", second["site"]))
    for pair in ((first, rare), (rare, first)):
        with pytest.raises(ab.UsageError, match=r"table 2 has other levels of 'site' than table 1 \('east'\)"):
            model.fit(list(pair), progress=False)
    with pytest.raises(ab.UsageError, match="1,001 completed tables are given"):
        ab.read_imputed([ab.read_cohort(first)] * 1001)


def test_rows_of_the_long_format_are_numbered_alike(tables: list[pd.DataFrame]) -> None:
    whole = long_format(tables).drop(columns="participant_id")
    assert len(ab.read_imputed(whole)) == TABLES
    with pytest.raises(ab.UsageError, match=r"as the values of '\.id' say"):
        ab.read_imputed(whole.sample(frac=1, random_state=3))
    with pytest.raises(ab.DataError) as caught:
        ab.read_imputed(whole.assign(**{".id": np.maximum(2, whole[".id"])}))
    (problem,) = caught.value.problems
    assert (problem.column, problem.value) == (".id", 2)


def test_tables_that_are_all_the_same_are_one(tables: list[pd.DataFrame]) -> None:
    model = ab.Model("y ~ x", focal="x")
    fit = model.fit([tables[0]] * 3, draws=300, seed=1, progress=False)
    one = model.fit(tables[0], draws=300, seed=1, progress=False)
    for name in ("confounding", "slopes"):
        several, alone = getattr(fit, name)(), getattr(one, name)()
        assert several["mean"].notna().all()
        # Other draws: four Monte Carlo standard errors of the two.
        error = 4 * np.hypot(several["mcse_mean"].fillna(0), alone["mcse_mean"].fillna(0)) + 1e-9
        assert ((several["mean"] - alone["mean"]).abs() <= error).all()


@pytest.mark.slow
def test_a_page_of_them_is_verified_with_all_of_them(
    tables: list[pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    long_format(tables).to_csv("long.csv", index=False)
    Path("model.toml").write_text('format = 4\nformula = "y ~ x"\n', encoding="utf-8")

    def run(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    assert run("report", "model.toml", "long.csv", "-o", "page.html", "--seed", "2")[0] == 0
    status, said = run("verify", "page.html", "long.csv")
    assert status == 0, said
    # The first table alone, and other drawn values in the last one.
    tables[0].to_csv("one.csv", index=False)
    status, said = run("verify", "page.html", "one.csv")
    assert (status, "several completed tables" in said) == (2, True)
    changed = [*tables[:-1], tables[-1].assign(x=tables[-1]["x"] + 0.01 * (np.arange(PEOPLE) % 5 == 0))]
    long_format(changed).to_csv("changed.csv", index=False)
    status, said = run("verify", "page.html", "changed.csv")
    assert (status, "digest differs" in said) == (1, True)
    status, said = run("validate", "long.csv")
    assert (status, f"{TABLES} completed tables" in said) == (2, True)
