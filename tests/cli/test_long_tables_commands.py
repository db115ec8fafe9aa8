"""Long tables on the command line: validate, and what goes with nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from alliance_bayes.cli import main


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Three people in two weeks each, one of them in one."""
    path = tmp_path / "long.csv"
    frame = pd.DataFrame({"pid": ["a", "a", "b", "b", "c"], "day": [1, 2, 1, 2, 1], "y": [1.5, 2, None, 4, None]})
    frame.to_csv(path, index=False)
    return path


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return int(ended.value.code or 0)


LONG = ("--person", "pid", "--time", "day", "--unit", "visit")


def test_validate_counts_people_and_rows(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("validate", table, *LONG) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:3]] == [
        ["visits", "people"],
        ["in", "the", "table", "5", "3"],
        ["analysed", "5", "3", "(100.0", "%", "of", "the", "visits)"],
    ]
    assert run("validate", table, *LONG, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["unit"], told["flow"]["people"]) == ("visit", 3)
    assert {row["variable"]: row.get("people") for row in told["columns"]} == {"day": 3, "y": 2}


def test_remedies_are_options(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("validate", table, "--time", "day") == 2
    assert "Say which column tells whose a row is: --person ..." in " ".join(capsys.readouterr().err.split())
    renamed = tmp_path / "ids.csv"
    renamed.write_text(table.read_text().replace("pid", "participant_id"))
    assert run("validate", renamed) == 1
    assert "or pass --person participant_id if participants have several" in " ".join(capsys.readouterr().err.split())
    assert run("validate", tmp_path, *LONG) == 2
    assert "--person is for one table with several rows a person" in " ".join(capsys.readouterr().err.split())


def test_dates_may_be_written_otherwise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "dated.csv"
    path.write_text("pid,day,y\na,01.02.2024,1\na,02.02.2024,2\nb,01.02.2024,3\n")
    assert run("validate", path, *LONG) == 1
    assert "or pass --date-format %d.%m.%Y if every date" in " ".join(capsys.readouterr().err.split()).replace("'", "")
    assert run("validate", path, *LONG, "--date-format", "%d.%m.%Y") == 0


def test_the_study_takes_people_not_rows(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("study", table, *LONG, "-o", tmp_path / "study.html") == 2
    assert "the study is of people, one row each" in " ".join(capsys.readouterr().err.split())
