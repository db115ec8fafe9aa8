"""Reading on the command line: what the readers take, each command has; what a message says to pass, works."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.cli import main
from alliance_bayes.cli.files import READ, ReadOptions, read

CARD = 'format = 4\nformula = "who5_followup ~ alliance + who5_baseline + (1 | sex)"\n[priors]\nset = "sceptical"\n'


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def advised(message: str, option: str) -> list[str]:
    """What the first line with an option says to pass with it, as a shell would give it."""
    line = next(line for line in message.splitlines() if option in line)
    shown = re.findall(rf"{option}[ =](?:'[^']*'|[^\s'])+", line)
    return [word for one in dict.fromkeys(shown) for word in shlex.split(one.rstrip(".,"))]


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(ab.simulate_cohort(n=40, seed=3).data).drop(columns="who5_change")


def test_following_what_messages_say_leads_to_the_table(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, frame: pd.DataFrame
) -> None:
    """A semicolon file in Latin-1 with decimal commas, own marks of missing values and a level that looks misspelt."""
    theirs = frame.assign(
        sex=frame["sex"].astype(str).where(frame.index > 2, "Female"),
        town="Köln",
        age=[f"{age:.0f}" for age in frame["age"]],
    )
    theirs.loc[5, "age"], theirs.loc[6, "age"] = "-99", "k. A."
    path = tmp_path / "theirs.csv"
    path.write_bytes(theirs.to_csv(index=False, sep=";", decimal=",").encode("latin-1"))
    given: list[str] = []
    for option in ("--encoding", "--sep", "--decimal", "--missing", "--missing", "--levels"):
        status, _, err = run(capsys, "validate", path, *given)
        assert status == 1
        assert option in err
        if option == "--encoding":
            given += [option, "latin-1"]
        else:
            given += advised(err, option)
    status, out, err = run(capsys, "validate", path, *given)
    assert (status, err) == (0, "")
    assert ["sex", "Female", "3"] in [line.split()[:3] for line in out.splitlines()]


def test_a_folder_is_read_with_the_options_of_read_tables(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    ab.write_tables(ab.simulate_cohort(n=40, seed=3), tmp_path)
    expected = read(tmp_path, READ)
    for name in ("participants", "sessions", "surveys"):
        table = pd.read_csv(tmp_path / f"{name}.csv", dtype=str, keep_default_na=False)
        if "date" in table:
            table = table.rename(columns={"date": "day"})
            day, time = table["day"].str[:10], table["day"].str[10:]
            assert set(time) == {""}
            table["day"] = day.str[8:] + "." + day.str[5:7] + "." + day.str[:4]
        table.to_csv(tmp_path / f"{name}.csv.gz", index=False)
        (tmp_path / f"{name}.csv").unlink()
    given = ["--map", "sessions.date=day", "--map", "surveys.date=day", "--date-format", "%d.%m.%Y"]
    status, out, err = run(capsys, "validate", tmp_path, *given)
    assert (status, err) == (0, "")
    assert isinstance(expected, ab.Cohort)
    assert out.startswith(f"{expected.flow}\n")
    status, _, err = run(capsys, "validate", tmp_path, *given, "--today", "2020-01-01")
    assert status == 1
    (tmp_path / "surveys.tsv").write_text("x\n", encoding="utf-8")
    assert run(capsys, "validate", tmp_path, *given)[0] == 2


def test_a_name_that_is_almost_known_is_told_and_can_be_mapped(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, frame: pd.DataFrame
) -> None:
    path = tmp_path / "a.csv"
    frame.rename(columns={"age": "Age", "sex": "SEX"}).to_csv(path, index=False)
    status, _, err = run(capsys, "validate", path)
    assert (status, len(err.splitlines())) == (0, 2)
    given = [word for line in err.splitlines() for word in advised(line, "--map")]
    assert given == ["--map", "age=Age", "--map", "sex=SEX"]
    status, _, err = run(capsys, "validate", path, *given)
    assert (status, err) == (0, "")


@pytest.mark.slow
@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_what_a_model_does_not_use_is_in_no_ones_way(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, frame: pd.DataFrame
) -> None:
    card, path, page = tmp_path / "m.toml", tmp_path / "a.csv", tmp_path / "p.html"
    card.write_text(CARD, encoding="utf-8")
    broken = frame.assign(age=frame["age"].astype(object), month=[str(k % 3) for k in range(len(frame))])
    broken.loc[3, "age"], broken.loc[4, "month"] = "unknown", "later"
    # Two columns of one name, and one without.
    text = broken.assign(note="x", number=range(len(broken))).to_csv(index=False)
    path.write_text(text.replace(",note,number", ",month,", 1), encoding="utf-8")
    assert run(capsys, "validate", path)[0] == 1
    whole = tmp_path / "whole.csv"
    frame.to_csv(whole, index=False)
    means = {}
    for table in (path, whole):
        kept = tmp_path / f"{table.stem}.nc"
        status, _, err = run(capsys, "fit", card, table, "-o", kept, "--draws", "100", "--chains", "2")
        assert status == 0
        assert ("note: " in err) == (table == path)
        means[table] = float(ab.load_fit(kept).posterior["beta"].mean())
    assert means[path] == means[whole]
    status, _, _ = run(capsys, "report", card, path, "-o", page, "--draws", "300")
    assert status == 0
    assert json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    assert run(capsys, "verify", page, path)[0] == 0


def test_options_of_reading_need_something_to_read(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for given in (["--sep", ";"], ["--missing", "x"], ["--date-format", "%d"]):
        assert run(capsys, "study", "--demo", *given)[0] == 2
        assert run(capsys, "validate", tmp_path / "m.nc", *given)[0] == 2


@pytest.mark.parametrize(
    "given",
    [
        ["--levels", "sex"],
        ["--levels", "sex="],
        ["--levels", 'sex="a'],
        ["--levels", "sex=a,b", "--levels", "sex=b,c"],
        ["--map", "age=a", "--map", "age=b"],
        ["--sep", "ab"],
        ["--decimal", ";"],
        ["--prorate", "2"],
    ],
)
def test_options_that_cannot_be_are_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, frame: pd.DataFrame, given: list[str]
) -> None:
    frame.to_csv(tmp_path / "a.csv", index=False)
    status, out, err = run(capsys, "validate", tmp_path / "a.csv", *given)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert given[0] in err


def test_what_is_given_is_what_differs_from_the_defaults() -> None:
    assert READ.given() == {}
    assert ReadOptions(sep=";", missing=["x"]).given() == {"sep": ";", "missing": ["x"]}
