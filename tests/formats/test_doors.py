"""Every place that takes a table takes all kinds of them: folders, the command line, fits."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyreadstat
import pytest

import alliance_bayes as ab
from alliance_bayes.cli import main
from workbooks import write_workbook

SURVEYS = [[who, day, *[score] * 5] for who in (1, 2) for day, score in (("2024-01-01", 2), ("2024-03-01", 3))]
SURVEY_NAMES = ["participant_id", "date", *(f"who5_{k}" for k in range(1, 6))]


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


def folder(root: Path) -> Path:
    """A folder of three programs."""
    people = pd.DataFrame({"participant_id": [1.0, 2.0], "age": [30.0, 40.0], "sex": [1.0, 2.0]})
    pyreadstat.write_sav(people, root / "participants.sav", variable_value_labels={"sex": {1: "female", 2: "male"}})
    days = pd.to_datetime(["2024-01-01", "2024-02-01", "2024-01-01"]).date
    cells = [[who, day, 4, 5] for who, day in zip([1, 1, 2], days, strict=True)]
    write_workbook(root / "sessions.xlsx", {"S": [["participant_id", "date", "goal", "bond"], *cells]})
    surveys = pd.DataFrame(SURVEYS, columns=SURVEY_NAMES)
    surveys["date"] = pd.to_datetime(surveys["date"]).dt.date
    pyreadstat.write_dta(surveys, root / "surveys.dta")
    return root


@pytest.mark.slow
def test_a_folder_of_three_programs_is_that_of_three_texts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cohort = ab.read_tables(*(folder(tmp_path) / name for name in ("participants.sav", "sessions.xlsx", "surveys.dta")))
    people = io.StringIO("participant_id,age,sex\n1,30,female\n2,40,male\n")
    sessions = io.StringIO("participant_id,date,goal,bond\n1,2024-01-01,4,5\n1,2024-02-01,4,5\n2,2024-01-01,4,5\n")
    texts = [pd.read_csv(text, dtype=str) for text in (people, sessions)]
    expected = ab.read_tables(*texts, pd.DataFrame(SURVEYS, columns=SURVEY_NAMES).astype(str))
    assert cohort.hash == expected.hash
    assert cohort.digest(b"k") == expected.digest(b"k")
    assert run("validate", tmp_path) == 0
    assert "analysed      2  (100.0 %)" in capsys.readouterr().out
    assert run("validate", tmp_path, "--sheet", "S") == 2
    assert "--sheet is for one table, and" in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_line_takes_sheets_wide_tables_and_second_tables(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = [["pid", "therapist_id", "who5_t1", "who5_t2"], ["a", 1, 40, 48], ["b", 2, 52, None]]
    write_workbook(tmp_path / "all.xlsx", {"P": cells, "T": [["therapist_id", "years"], [1, 3], [2, 4]]})
    options = ["--wide", "who5=who5_t{time}", "--person", "pid", "--join", f"therapist_id={tmp_path / 'all.xlsx'}:T"]
    assert run("validate", tmp_path / "all.xlsx", "--sheet", "P", *options, "--label", "years=years of practice") == 0
    told = capsys.readouterr()
    assert "in the table     3       2" in told.out
    assert "has 4 rows now, 2 a row, and 1 without a value of who5 are left out" in told.err
    assert run("validate", tmp_path / "all.xlsx", *options) == 2
    assert "all.xlsx has several sheets: 'P', 'T'. Say which is meant: --sheet P." in capsys.readouterr().err
    assert run("validate", tmp_path / "all.xlsx", "--sheet", "P", "--wide", "who5") == 2
    assert "--wide 'who5' should be NAME=VALUE, such as --wide who5=who5_t{time}." in capsys.readouterr().err
    assert run("reduce", tmp_path / "all.xlsx", "--card", "change", "-o", tmp_path / "m.nc") == 2
    assert "Others are read whole, by 'alliance-bayes fit'." in capsys.readouterr().err


@pytest.mark.slow
def test_a_dash_is_standard_input(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "alliance_bayes", "validate", "-"]
    text = "participant_id,age\n1,30\n2,40\n"
    done = subprocess.run(command, input=text, capture_output=True, text=True, env=os.environ, check=False)
    assert done.returncode == 0, done.stderr
    assert "participants  2" in done.stdout
    wrong = subprocess.run(command, input="age\nx\n", capture_output=True, text=True, env=os.environ, check=False)
    assert wrong.returncode == 1
    assert "pipe: 1 problem found" in wrong.stderr


def test_a_fit_takes_a_path(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"age": [float(20 + k) for k in range(40)], "who5_followup": [4.0 * (k % 11) for k in range(40)]}
    )
    pyreadstat.write_dta(frame, tmp_path / "a.dta")
    fit = ab.Model("who5_followup ~ age").fit(tmp_path / "a.dta", seed=1, draws=100)
    assert fit.info["cohort_source"] == "a.dta"
    assert fit.flow.analysed == 40
