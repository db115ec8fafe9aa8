"""What commands print with --json: one document, no rounding, no NaN, the keys that the docs list, no person."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.cli import main

DOCS = Path(__file__).parents[2] / "docs" / "command-line.md"


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def people(n: int = 40, rows: int = 3) -> pd.DataFrame:
    """A table with several rows a person, each called so that nothing else is."""
    rng = np.random.default_rng(3)
    pid = np.repeat([f"zq{k:03d}" for k in range(n)], rows)
    x = rng.normal(size=n * rows)
    y = 2 + x + np.repeat(rng.normal(size=n), rows) + rng.normal(size=n * rows)
    site = np.repeat(np.array(["a", "b", "c", "d"])[np.arange(n) % 4], rows)
    return pd.DataFrame({"pid": pid, "week": np.tile(np.arange(rows), n), "x": x, "y": y, "site": site})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A table, two fits of it, and the page of one of them."""
    made = tmp_path_factory.mktemp("json")
    people().to_csv(made / "long.csv", index=False)
    few = people(60, rows=1).drop(columns=["pid", "week"])
    few.assign(y=few["y"].where(few["x"] > -0.3)).to_csv(made / "gaps.csv", index=False)
    before = Path.cwd()
    os.chdir(made)
    try:
        yield made
    finally:
        os.chdir(before)


LONG = ("--person", "pid", "--time", "week")
FEW = ("--draws", "400", "--chains", "4")
FORMULA = "y ~ x + (1 | pid) + (1 | site)"
# In an order in which each finds what it needs.
RUNS: dict[str, tuple[str, ...]] = {
    "version": ("version",),
    "card": ("card", FORMULA, "--role", "site=group"),
    "simulate": ("simulate", "-o", "c.csv", "--n", "60"),
    "validate": ("validate", "long.csv", *LONG),
    "attrition": ("attrition", "gaps.csv", "y", *FEW),
    "fit": ("fit", FORMULA, "long.csv", "-o", "f.nc", "--role", "site=group", *LONG, *FEW),
    "effects": ("effects", "f.nc", "--at", "x=0.5"),
    "check": ("check", "f.nc", "--replicates", "200"),
    "compare": ("compare", "f.nc", "g.nc"),
    "report": ("report", "f.nc", "-o", "p.html"),
    "verify": ("verify", "p.html", "long.csv", *LONG),
    "reduce": ("reduce", "long.csv", "--card", "y ~ x + (1 | site)", "-o", "m.nc", "--role", "site=group"),
}


def keys_in_docs() -> dict[str, set[str]]:
    """The first keys of each command's document, as the table of the docs has them."""
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    return {command: set(re.findall(r"`(\w+)`", re.sub(r"\([^()]*\)", "", said))) for command, said in rows}


@pytest.mark.slow
def test_every_command_prints_one_document_with_the_keys_that_the_docs_list(
    capsys: pytest.CaptureFixture[str], folder: Path, request: pytest.FixtureRequest
) -> None:
    documented = keys_in_docs()
    # 'study' is tried where a study is made.
    assert set(documented) == {*RUNS, "study"}
    run(capsys, "fit", "y ~ x + (1 | pid)", "long.csv", "-o", "g.nc", *LONG, *FEW)
    for name, arguments in RUNS.items():
        if name == "report":
            # `check` has printed what all of them find; a page and its verification would make them twice more.
            for light in ("gate_alone", "undrawn"):
                request.getfixturevalue(light)
        status, out, err = run(capsys, *arguments, "--json")
        assert status in (0, 1), err

        def refuse(constant: str, of: str = name) -> None:
            raise AssertionError(f"{of}: {constant}")

        document: dict[str, Any] = json.loads(out, parse_constant=refuse)
        assert set(document) == documented[name], name
        assert "zq0" not in out, name
        assert "zq0" not in err, name


def test_numbers_are_those_of_python(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    if not Path("f.nc").exists():
        run(capsys, *RUNS["fit"])
    fit = ab.load_fit("f.nc")
    given = ("--prob", "0.95", "--interval", "hdi", "--rope=-1,1", "--relevant", "2", "--predictor", "x")
    more = ("--denominator", "total_sd", "--population", "new", "--seed", "3", "--estimand", "slopes")
    table = fit.effects(
        ["slopes"],
        **{"prob": 0.95, "interval": "hdi", "rope": (-1, 1), "relevant": 2, "predictor": "x"},  # type: ignore[arg-type]
        denominator="total_sd",
        population="new",
        seed=3,
    )
    told = json.loads(run(capsys, "effects", "f.nc", "--json", *given, *more)[1])
    assert told["effects"] == table.to_records_list()
    assert told["left_out"] == list(table.left_out)
    # None of a region, and of a smallest change.
    without = json.loads(run(capsys, "effects", "f.nc", "--json", "--rope", "none", "--relevant", "none")[1])
    assert {row["rope_low"] for row in without["effects"]} == {None}
    some = json.loads(run(capsys, "check", "f.nc", "--json", "--check", "convergence", "--population", "sample")[1])
    assert list(some["checks"]) == ["convergence"]
    for option, text in (("--rope", "1"), ("--rope", "1_0,2_0"), ("--relevant", "1_0"), ("--rope", "nan,1")):
        status, out, err = run(capsys, "effects", "f.nc", f"{option}={text}")
        assert (status, out) == (2, "")
        assert err.startswith(f"error: {option} {text!r} should be ")
    assert math.isfinite(told["effects"][0]["mean"])


def test_options_that_a_fit_has_behind_it_are_refused(capsys: pytest.CaptureFixture[str], folder: Path) -> None:
    if not Path("f.nc").exists():
        run(capsys, *RUNS["fit"])
    for given in (["--person", "pid"], ["--unit", "visit"], ["--draws", "5"], ["--family", "poisson"]):
        status, out, err = run(capsys, "report", "f.nc", "-o", "x.html", *given)
        assert (status, out) == (2, "")
        assert err.startswith(f"error: {given[0]} has no effect on a fit, which was made before.")
    assert not Path("x.html").exists()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("alliance-bayes va", {"validate"}),
        ("alliance-bayes fit outcome_s", {"outcome_student_t"}),
        ("alliance-bayes fit --family b", {"beta_binomial", "bernoulli", "binomial"}),
        ("alliance-bayes fit --engine ", {"auto", "collapsed", "nuts"}),
        ("alliance-bayes effects f.nc --estimand respond", {"responders"}),
        ("alliance-bayes effects f.nc --estimand responders:at", {"responders:at_least="}),
        ("alliance-bayes validate --instrument alliance=wai_s", {"alliance=wai_sr"}),
        ("alliance-bayes check f.nc --check lo", {"loo"}),
    ],
)
def test_a_shell_completes_commands_options_and_choices(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: str, offered: set[str]
) -> None:
    place = len(words.split()) - (not words.endswith(" "))
    asked = {"_ALLIANCE_BAYES_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(place)}
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    status, out, err = run(capsys)
    assert (status, err) == (0, "")
    assert set(out.split()) >= offered


def test_the_script_for_a_shell_names_the_command() -> None:
    asked = {**os.environ, "_ALLIANCE_BAYES_COMPLETE": "source_zsh"}
    command = [sys.executable, "-m", "alliance_bayes"]
    done = subprocess.run(command, env=asked, capture_output=True, text=True, check=True)
    assert "#compdef alliance-bayes" in done.stdout
