"""Leaving out incomplete rows never empties a column in silence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.errors import DataError, ModelError

# One arm of a trial has no therapists; x2 is constant in the other; country is missing for all but one sex.
TRIAL = pd.DataFrame(
    {
        "y": [0.0, 2, 4, 6, 8, 5, 7, 9, 11, 13, 10, 12],
        "x": [1.0, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4],
        "x2": [5.0] * 6 + [1.0, 2, 3, 4, 5, 6],
        "arm": ["A"] * 6 + ["B"] * 6,
        "code": [1] * 6 + [2] * 6,
        "ther": ["t1", "t1", "t2", "t2", "t3", "t3"] + [None] * 6,
        "z": [1.0, 2, 3, 4, 5, 6, 1, 2, 3, np.nan, np.nan, np.nan],
    }
)


def model(right: str, **more: object) -> ab.Model:
    return ab.Model(f"y ~ {right}", autoscale=True, **more)  # type: ignore[arg-type]


def message(right: str, frame: pd.DataFrame = TRIAL, **more: object) -> str:
    with pytest.raises(ModelError) as error:
        model(right, **more).fit(frame, draws=10, progress=False)
    return str(error.value)


EMPTIED = "'arm' has only the level 'A' in the complete rows, because all 6 rows with 'B' lack a value elsewhere"


@pytest.mark.parametrize(
    ("right", "more"),
    [
        ("x + arm + (1 | ther)", {}),
        ("x + (1 | arm) + (1 | ther)", {}),
        ("x * arm + (1 | ther)", {}),
        ("x + (arm | ther)", {}),
        ("x + (1 | ther)", {"residual_by": "arm"}),
    ],
)
def test_a_column_that_another_empties_is_named_with_it(right: str, more: dict[str, object]) -> None:
    assert f"{EMPTIED}: 'ther' is missing in 6." in message(right, **more)


def test_all_emptied_columns_are_told_at_once_with_what_each_lacks() -> None:
    said = message("x2 + z + arm + (1 | arm:code) + (1 | code) + (1 | ther)")
    assert f"{EMPTIED}: 'ther' is missing in 6, 'z' is missing in 3. Fill" in said
    assert "'arm:code' has only the level 'A:1' in the complete rows, because all 6 rows with 'B:2' lack" in said
    assert "'code' has only the level '1' in the complete rows, because all 6 rows with '2' lack" in said
    assert "'x2' has only the value 5 in the complete rows, because all 5 rows with 1, 2, 3, 4, 6 lack" in said
    assert said.count("has only") == 4


def test_one_level_in_the_whole_table_is_an_error_too() -> None:
    frame = TRIAL.assign(ther="t1", arm="A")
    assert "'arm' has only the level 'A' in the table." in message("x + arm", frame)
    assert "'ther' has only the level 't1' in the table." in message("x + (1 | ther)", frame)
    with pytest.raises(ModelError, match="'arm' has only the level 'A' in the analysed rows"):
        model("x + arm").design(frame)


def test_no_rows_left_says_what_they_lack() -> None:
    frame = TRIAL.assign(x=[np.nan] * 6 + [1.0] * 6)
    said = message("x + (1 | ther)", frame)
    assert said.startswith("the model needs at least 2 complete rows but got 0 of 12: 'x' is missing in 6, 'ther' is")


def test_what_keeps_two_levels_is_fitted() -> None:
    frame = TRIAL.assign(ther=TRIAL["ther"].fillna("none"))
    fit = model("x + arm + (1 | ther)").fit(frame, draws=20, chains=2, seed=1, progress=False)
    assert fit.design.terms == ("Intercept", "x", "arm[B]")
    assert fit.flow.analysed == 12


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_table_that_stays_where_it_is_says_the_same(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"trial.{ending}"
    TRIAL.to_csv(path, index=False) if ending == "csv" else TRIAL.to_parquet(path)
    for right, more in (
        ("x + arm + (1 | ther)", {}),
        ("x + (1 | ther)", {"residual_by": "arm"}),
        ("x2 + z + arm + (1 | arm:code) + (1 | code) + (1 | ther)", {}),
    ):
        there = model(right, levels={"code": (1, 2)}, **more)
        with pytest.raises(ModelError) as error:
            ab.reduce_table(path, there)
        with pytest.raises(ModelError) as here:
            there.fit(ab.read_cohort(TRIAL, levels={"code": ["1", "2"]}), progress=False)
        assert str(error.value) == str(here.value)


MIXED = "patient,month,grp,phq9\n" + "\n".join(
    f"p{k},{month},{'AB'[k % 2]},{20 - k % 7}" for k, month in enumerate(["0", "1", "0", "Post-Rx", "0", "1", "0", "1"])
)


def test_a_column_that_the_model_does_not_use_does_not_block(tmp_path: Path) -> None:
    path = tmp_path / "mixed.csv"
    path.write_text(MIXED)
    cohort = ab.read_cohort(path)
    assert list(cohort.aside) == ["month"]
    assert "not read: month" in repr(cohort)
    fit = ab.Model("phq9 ~ grp", autoscale=True).fit(cohort, draws=20, chains=2, seed=1, progress=False)
    assert fit.design.n == 8
    with pytest.raises(DataError) as error:
        ab.Model("phq9 ~ grp + month", autoscale=True).fit(cohort, progress=False)
    (problem,) = error.value.problems
    assert (problem.column, problem.row, problem.value) == ("month", 5, "Post-Rx")
    # Whoever asks for the column is told at once.
    for asked in ({"numeric": ["month"]}, {"columns": {"when": "month"}}):
        with pytest.raises(DataError):
            ab.read_cohort(path, **asked)  # type: ignore[arg-type]
    read = ab.read_cohort(path, categorical=["month"])
    assert list(read.data["month"].cat.categories) == ["0", "1", "Post-Rx"]


def test_codes_that_are_no_levels_are_told_as_that() -> None:
    frame = TRIAL.assign(code=np.where(TRIAL["ther"].isna(), 1e20, 1e20 + 1e5))
    said = message("x + (1 | code) + (1 | ther)", frame)
    assert "a value of 'code' is too large a float to tell a code from its neighbours" in said
