"""Persons in what checks and effects say: numbered or called "a person", in JSON, in sentences, as printed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.checks.nameless import Nameless
from alliance_bayes.cli import main

# Some with the marks that end a level in the name of a quantity.
NAMES = [f"zq{k:02d}" for k in range(28)] + ["zq28, 2", "zq29 vs us"]
FORMS = ("u_pid[{}, Intercept]", "u_pid[{}, x]", "beta[pid[{}]]", "(u_pid[{}])", "mean/pid={}/sample", "m/pid={}")


@pytest.fixture(scope="module")
def fit() -> ab.Fit:
    rng = np.random.default_rng(3)
    pid = np.repeat(NAMES, 3)
    x = rng.normal(size=pid.size)
    y = x + np.repeat(rng.normal(size=len(NAMES)), 3) + rng.normal(size=pid.size)
    site = np.repeat(np.array(["a", "b", "c"])[np.arange(len(NAMES)) % 3], 3)
    cohort = ab.read_cohort(pd.DataFrame({"pid": pid, "x": x, "y": y, "site": site}), person="pid")
    # So few draws that the gate is closed, and names what converges worst.
    return ab.Model("y ~ x + (x | pid) + (1 | site)").fit(cohort, draws=40, chains=2, seed=1, progress=False)


def test_nothing_that_checks_print_or_keep_names_a_person(fit: ab.Fit) -> None:
    named = {"contrasts": {"factor": "pid", "levels": NAMES[:3]}, "ranks": {"factor": "pid"}, "slopes": {}}
    report = fit.check(effects=fit.effects(named))
    assert not report.gate.passed
    told = report.to_dict()
    said = json.dumps(told) + str(report) + str(report.to_frame()) + " ".join(report.gate.reasons)
    assert "zq" not in said
    assert "pid[a person" in said
    # People stay apart: each has a number of its own, the place among the factor's levels.
    (kept,) = (check["table"] for check in told["checks"] if check["name"] == "groups")
    table, levels = report["groups"].table, list(fit.design.factor("pid").levels)
    theirs = table.loc[table["column"] == "pid", "level"]
    assert [row["level"] for row in kept if row["column"] == "pid"] == [
        f"person {levels.index(name) + 1}" for name in theirs
    ]
    assert {row["level"] for row in kept if row["column"] == "site"} == {"a", "b", "c"}


def test_quantities_ids_and_records_by_number(fit: ab.Fit) -> None:
    nameless, levels = Nameless.of(fit), list(fit.design.factor("pid").levels)
    number = {name: levels.index(name) + 1 for name in NAMES}
    for name in NAMES:
        for form in FORMS:
            assert nameless.label(form.format(name)) == form.format(f"person {number[name]}")
            assert nameless.sentence(f"of {form.format(name)}, of") == f"of {form.format('a person')}, of"
    both = f"c/pid=person {number['zq03']} vs person {number['zq05']}/sample"
    assert nameless.label("c/pid=zq03 vs zq05/sample") == both
    for other in ("u_apid[zq03]", "u_site[a]", "pid[nobody]", "zq03", ""):
        assert nameless.label(other) == other
    assert nameless.records([{"factor": "site", "level": "zq03"}]) == [{"factor": "site", "level": "zq03"}]


def test_effects_of_persons_number_them_on_the_command_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, fit: ab.Fit
) -> None:
    fit.save(tmp_path / "f.nc")
    for more in ([], ["--json"]):
        for estimand in ("ranks:factor=pid", 'contrasts:factor=pid,levels=["zq01","zq02"]'):
            with pytest.raises(SystemExit) as ended:
                main(["effects", str(tmp_path / "f.nc"), "--estimand", estimand, *more])
            out, err = capsys.readouterr()
            assert (ended.value.code, "zq" in out + err, "person 2" in out) == (0, False, True)
