"""`--bundle`: what `report` leaves in a folder beside its page (that of `study`: tests/study/test_study_whole.py)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import alliance_bayes as ab
from alliance_bayes.cli import main
from alliance_bayes.storage import save
from builders import fitted, rows


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    return int(ended.value.code or 0)


@pytest.mark.slow
@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_a_report_writes_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(fitted(rows(120, countries=3), chains=4, draws=500), tmp_path / "fit.nc")
    run("report", tmp_path / "fit.nc", "-o", tmp_path / "page.html", "--bundle", tmp_path / "report", "--json")
    assert set(json.loads(capsys.readouterr().out)) == {"output", "withheld", "findings"}
    assert (tmp_path / "report" / "estimates.csv").exists()


def test_a_bundle_that_cannot_be_written_is_refused_before_the_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ab.write_cohort(ab.simulate_cohort(n=200, seed=3), tmp_path / "cohort.csv")
    page = tmp_path / "page.html"
    for command in (["report", "who5_followup ~ alliance"], ["study"]):
        assert run(*command, tmp_path / "cohort.csv", "-o", page, "--bundle", tmp_path / "cohort.csv") == 2
        assert "cohort.csv' is a file" in capsys.readouterr().err
        assert run(*command, tmp_path / "cohort.csv", "-o", page, "--bundle", page) == 2
        assert "Choose another name." in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["cohort.csv"]
