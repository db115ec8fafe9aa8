"""Missing values of columns with parts within and between persons, or lags: each value changes other rows, too."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import alliance_bayes as ab
from alliance_bayes.cli import main
from alliance_bayes.errors import ModelError, UsageError
from alliance_bayes.imputation.impute import all_rows, begin
from alliance_bayes.imputation.linked import touches, with_stand_ins
from linking import FORMULA, TRUTH, fitted, graph, hold_to_graph, made
from sizes import sized

NAMES, PROB = ("within(x)", "between(x)", "z"), 0.89
SETS = sized(40, 5)
Record = Callable[[str, object], None]


@pytest.mark.slow
@pytest.mark.parametrize("formula", [FORMULA, "y ~ x + lag(x) + z + (1 | pid)"], ids=["parts", "lags"])
def test_posterior_is_that_of_the_graph(formula: str, record_property: Record) -> None:
    _, data = made(7, persons=25, occasions=4)
    fit = fitted(data, formula, time="week", seed=3, draws=sized(4000, 1500))
    hold_to_graph(fit, graph(fit, data), record_property)


@pytest.mark.slow
def test_missing_at_random_is_made_up_for(record_property: Record) -> None:
    """Slopes, paired with the complete data of the same set; `x` is missing more where `y` is high."""
    means: dict[str, list[np.ndarray]] = {"imputed": [], "complete": [], "dropped": []}
    covered = []
    for seed in range(SETS):
        full, gaps = made(1000 + seed)
        for name, data in (("imputed", gaps), ("complete", full), ("dropped", gaps)):
            missing = "impute" if name == "imputed" else "drop"
            fit = fitted(data, missing=missing, seed=seed)
            draws = fit.posterior["beta"].sel(term=list(NAMES)).to_numpy().reshape(-1, len(NAMES))
            means[name].append(draws.mean(axis=0))
            if name == "imputed":
                low, high = np.quantile(draws, [(1 - PROB) / 2, (1 + PROB) / 2], axis=0)
                covered.append((low < TRUTH) & (high > TRUTH))
    shifts = {name: np.array(own) - np.array(means["complete"]) for name, own in means.items() if name != "complete"}
    errors = {name: own.std(axis=0, ddof=1) / np.sqrt(SETS) for name, own in shifts.items()}
    for name, own in shifts.items():
        found = [f"{mean:+.3f} ({error:.3f})" for mean, error in zip(own.mean(axis=0), errors[name], strict=True)]
        record_property(f"mean shift of {', '.join(NAMES)} (standard error), {name}", ", ".join(found))
    record_property("seeds", f"1000 to {999 + SETS}")
    record_property("coverage", ", ".join(f"{value:.3f}" for value in np.mean(covered, axis=0)))
    assert (np.abs(shifts["imputed"].mean(axis=0)) < 3 * errors["imputed"]).all()
    assert np.abs(shifts["dropped"].mean(axis=0))[1] > 3 * errors["dropped"][1]
    # 3.3 standard errors of a coverage of .89.
    assert (np.mean(covered, axis=0) > PROB - 3.3 * np.sqrt(PROB * (1 - PROB) / SETS)).all()


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    out = made(5, persons=30, occasions=5)[1]
    # One person of whom nothing was observed.
    return out.assign(x=out["x"].mask(out["pid"] == "p3"))


@pytest.mark.parametrize("parts", ["within(x) + between(x)", "within(x) + between(x) + lag(x)", "x + lag(within(x))"])
def test_parts_of_completed_tables_are_those_of_the_drawn_column(data: pd.DataFrame, parts: str) -> None:
    """By their definitions, person by person; and the model's columns are those of its table."""
    fit = fitted(data, f"y ~ {parts} + z + (1 | pid)", time="week", seed=1, draws=40)
    rows = data[data["week"] > 0] if "lag" in parts else data
    rows, drawn = rows.reset_index(drop=True), []
    for one in fit.imputed():
        assert len(one) == len(rows)
        x = one["x"] if "x" in one else one["within(x)"] + one["between(x)"]
        seen = rows["x"].notna()
        assert x[seen].to_numpy() == pytest.approx(rows["x"][seen].to_numpy(), abs=1e-9)
        drawn.append(x[~seen])
        before = x.groupby(rows["pid"]).shift()
        if "lag" not in parts:
            mean = x.groupby(rows["pid"]).transform("mean")
            assert one["between(x)"].to_numpy() == pytest.approx(mean.to_numpy(), abs=1e-9)
        elif "between(x)" in parts:
            assert one["between(x)"].groupby(rows["pid"]).nunique().eq(1).all()
            later = rows["week"] > 1
            assert one["lag(x)"][later].to_numpy() == pytest.approx(before[later].to_numpy(), abs=1e-9)
        else:
            # The mean that both differ from is the person's, in every week.
            usual = (before - one["lag(within(x))"]).groupby(rows["pid"])
            assert (usual.max() - usual.min()).to_numpy() == pytest.approx(0, abs=1e-9)
    assert (np.std(drawn, axis=0) > 0).all()


def test_auxiliary_gaps_in_rows_that_are_not_analysed_hide_nothing(data: pd.DataFrame) -> None:
    """An auxiliary column that is `x` but for .1 tells what `x` is, whatever it lacks in the weeks before a lag."""
    rng, n = np.random.default_rng(3), len(data)
    x, first = rng.normal(0, 1, n), data["week"] == 0
    lost = rng.random(n) < 0.3
    own = data.assign(x=np.where(lost, np.nan, x), y=x + rng.normal(0, 1, n), aux=x + rng.normal(0, 0.1, n))
    own["aux"] = own["aux"].mask(first & (rng.random(n) < 0.4))
    fit = fitted(own, "y ~ x + lag(x) + (1 | pid)", time="week", auxiliary=["aux"], seed=1, draws=40)
    drawn = np.array([one["x"] for one in fit.imputed()])
    apart_by = drawn[:, lost[~first]] - x[~first & lost]
    # .17 of an error of .1 in the auxiliary column and of a residual SD near it; .7 where the outcome alone tells.
    assert np.sqrt((apart_by**2).mean()) < 0.25


def test_how_parts_change_with_a_value_is_what_they_change_by(data: pd.DataFrame) -> None:
    """The slopes of all columns against the parts made anew of a table with one value moved."""
    model = ab.Model("y ~ within(x) + between(x) + lag(x) + z + lag(within(x)) + (1 | pid)", missing="impute")
    cohort = model.derive(ab.read_cohort(data, person="pid", time="week"))
    gaps, _, _ = all_rows(model, with_stand_ins(model, cohort))
    _, columns, filled = begin(model, gaps, seed=0)
    at = columns["x"].unknown
    units = sparse.csr_matrix((np.ones(len(at)), (at, np.arange(len(at)))), shape=(len(filled), len(at)))
    by = gaps.followed("x", units, filled)
    assert set(by) == {"within(x)", "between(x)", "lag(x)", "lag(within(x))"}
    for unit, row in enumerate(at[:20]):
        moved = filled.copy()
        moved.loc[row, "x"] += 2.0
        moved = gaps.with_parts(moved)
        for name, slopes in by.items():
            change = (moved[name] - filled[name]).fillna(0).to_numpy() / 2
            assert slopes[:, [unit]].toarray().ravel() == pytest.approx(change, abs=1e-12), name
    # Values that are drawn at once change no row together, and each is in one group.
    places = np.arange(len(filled))
    groups = touches(units, {"x": units, **by}, places, plain=False)
    assert sum(one.n for one in groups) == len(at)
    assert sorted(np.concatenate([one.first for one in groups])) == sorted(at)
    assert all(len(np.unique(one.inside)) == len(one.inside) for one in groups)
    # A person without any value has as many groups as rows.
    assert len(groups) >= 5


def test_what_cannot_be_drawn_is_refused_with_what_to_do(data: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once, before anything is drawn."""
    lost = data.assign(y=data["y"].mask(np.arange(len(data)) % 9 == 0))
    monkeypatch.setattr("alliance_bayes.imputation.sampler.Imputer.__init__", None)
    with pytest.raises(ModelError) as refused:
        fitted(
            lost,
            "y ~ lag(y) + within(x) + z + (1 | pid)",
            time="week",
            error={"within(x)": 0.3},
            among={"week": {"at_most": 3}},
        )
    faults = str(refused.value)
    assert re.findall(r"'(lag\(y\)|within\(x\))': ", faults) == ["lag(y)", "within(x)", "within(x)"]
    assert faults.count("missing='drop'") == 3
    assert "Take them out of error and reliability," in faults
    assert "or leave out among." in faults
    # A column of the table that is not what the name says would stand still while values are drawn.
    held = data.assign(**{"within(x)": np.arange(len(data)) / 10})
    with pytest.raises(ModelError, match=r"'within\(x\)' is a column of the table and not made of its 'x'"):
        fitted(held, "y ~ within(x) + z + (1 | pid)")
    with pytest.raises(ModelError, match="error names 'x', which is no predictor of the formula"):
        fitted(data, "y ~ within(x) + z + (1 | pid)", error={"x": 0.3})


def test_values_that_would_move_other_rows_are_not_moved(data: pd.DataFrame) -> None:
    fit = fitted(data.assign(y=data["y"].where(data["week"] > 0)), seed=1, draws=40)
    why = "Of 'x', 'within\\(x\\)', 'between\\(x\\)' none is: a value moved there would move other rows, too"
    with pytest.raises(UsageError, match=why):
        fit.tipping_point("x")
    with pytest.raises(UsageError, match=why):
        fit.with_delta({"between(x)": 1.0})
    assert fit.tipping_point(grid=[-1, 0, 1]).column == "y"
    with pytest.raises(UsageError, match="missing values were drawn together with the parameters"):
        fit.multiverse()


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_page_concludes_and_is_verified(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table, page = tmp_path / "a.csv", tmp_path / "r.html"
    made(5, persons=60)[1].to_csv(table, index=False)

    def run(*arguments: str | Path) -> int:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        assert isinstance(ended.value.code, int)
        return ended.value.code

    person = ("--person", "pid")
    # Status 1 is that of a page which withholds its conclusions.
    assert run("report", FORMULA, table, "-o", page, "--missing", "impute", "--focal", "within(x)", *person) == 0
    numbers = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert "Values of x within persons and mean x of persons were made anew" in numbers["methods"]["text"]
    assert "the mean of each person, over all rows, and the difference" in numbers["methods"]["text"]
    capsys.readouterr()
    assert run("verify", page, table, *person) == 0
    out = capsys.readouterr().out.splitlines()
    assert {line.split()[4] for line in out[1 : out.index("")]} == {"0"}
    assert out[-1].startswith(f"{page}: verified, ")
