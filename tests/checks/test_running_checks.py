from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from alliance_bayes import Model
from alliance_bayes.checks import CHECKS, CheckReport, Context, Gate, registry, run_checks
from alliance_bayes.errors import UsageError
from builders import fitted, rows


def result(name="loo", verdict="warn", table=None, **more):
    return replace(CHECKS[name].result("info", "A sentence.", table, **more), verdict=verdict)


def test_a_verdict_that_does_not_exist_is_refused():
    with pytest.raises(UsageError) as error:
        result(verdict="passed")
    assert str(error.value) == "verdict should be one of pass, warn, fail, info but got 'passed' for check 'loo'."


def test_a_report_gives_results_by_name_in_order_and_says_which_there_are():
    report = CheckReport((result("convergence", "pass"), result("loo")), Gate(True))
    assert report["loo"].verdict == "warn"
    assert [entry.name for entry in report] == ["convergence", "loo"]
    assert len(report) == 2
    assert not report.conclusions_withheld
    with pytest.raises(UsageError) as error:
        report["groups"]
    assert str(error.value) == "no check 'groups' in this report. Checks that were run: convergence, loo."


def test_a_report_as_a_frame_and_in_the_terminal():
    report = CheckReport(
        (result("convergence", "fail"), result()), Gate(False, ("Too few draws.",)), "y ~ x (Gaussian)"
    )
    frame = report.to_frame()
    assert list(frame.columns) == ["name", "title", "verdict", "sentence"]
    assert frame.to_numpy().tolist() == [
        ["convergence", "Convergence of the sampler", "fail", "A sentence."],
        ["loo", "Leave-one-out predictions (PSIS-LOO)", "warn", "A sentence."],
    ]
    assert str(report) == (
        "Checks of y ~ x (Gaussian): 0 pass, 1 warn, 1 fail, 0 info\n"
        "FAIL  Convergence of the sampler\n      A sentence.\n"
        "WARN  Leave-one-out predictions (PSIS-LOO)\n      A sentence.\n"
        "Gate: CLOSED. Conclusions are withheld. Too few draws."
    )
    assert repr(report) == "CheckReport(convergence: fail, loo: warn; gate closed)"
    assert report.conclusions_withheld


def test_lines_for_the_terminal_are_wrapped_and_an_open_gate_says_so():
    long = CHECKS["loo"].result("pass", "word " * 60)
    text = str(CheckReport((long,), Gate(True)))
    assert max(map(len, text.splitlines())) <= 100
    assert text.splitlines()[0] == "Checks: 1 pass, 0 warn, 0 fail, 0 info"
    assert text.splitlines()[-1] == "Gate: open. The draws may be used for conclusions."


def test_everything_but_the_figures_goes_to_json():
    table = pd.DataFrame({"quantity": ["a", "b"], "value": [1.5, np.nan], "n": [1, 2], "outside": [True, False]})
    report = CheckReport((result(table=table),), Gate(False, ("Why.",)), "y ~ x")
    out = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert out["gate"] == {"passed": False, "reasons": ["Why."]}
    assert out["checks"][0]["table"] == [
        {"quantity": "a", "value": 1.5, "n": 1, "outside": True},
        {"quantity": "b", "value": None, "n": 2, "outside": False},
    ]
    assert out["checks"][0]["details"] == []


def test_all_checks_run_in_their_order_and_the_gate_opens():
    fit = fitted(draws=1000)
    report = run_checks(fit, replicates=300)
    assert [entry.name for entry in report] == list(CHECKS)
    assert list(CHECKS) == [
        "convergence",
        "prior_predictive",
        "posterior_predictive",
        "calibration",
        "loo",
        "curvature",
        "groups",
        "spread",
        "interactions",
        "unused_columns",
        "order",
        "copies",
        "absent",
        "prior_sensitivity",
        "influence",
    ]
    assert report["convergence"].verdict == "pass"
    assert report.gate == Gate(True)
    assert json.dumps(report.to_dict(), allow_nan=False)


def test_failed_convergence_closes_the_gate_with_its_reasons():
    report = run_checks(fitted(draws=1000, divergences=3), checks=["convergence"])
    assert report.conclusions_withheld
    assert report.gate.reasons == report["convergence"].problems
    assert len(report.gate.reasons) == 1


def test_the_gate_stays_closed_when_convergence_was_not_checked():
    report = run_checks(fitted(), checks=["prior_predictive"])
    assert report.gate == Gate(False, ("Convergence was not checked. Run that check too.",))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"checks": ["loo", "waic"]},
            "unknown check(s) 'waic'. Known checks: convergence, prior_predictive, posterior_predictive, "
            "calibration, loo, "
            "curvature, groups, spread, interactions, unused_columns, order, copies, absent, prior_sensitivity, "
            "influence.",
        ),
        ({"checks": "loo"}, "checks should be a list of names and checks but got 'loo'. Write ['loo']."),
        ({"seed": -1}, "seed should be a whole number of at least 0 but got -1."),
        ({"rate": 0.5}, "rate should be in the interval (0, 0.5) but got 0.5."),
        ({"replicates": 150}, "replicates should be a whole number of at least 200 for a rate of 0.01 but got 150."),
        (
            {"effects": pd.DataFrame({"estimand": ["slope"], "rhat": [1.0]})},
            "effects lacks the column(s) ess_bulk, ess_tail. Give the table that effects() returns.",
        ),
        (
            {"extra": pd.DataFrame({"sex": ["female", "male"]})},
            "extra has 2 rows but the fit has 240. Give the analysed rows, in their order.",
        ),
    ],
)
def test_wrong_options_are_refused_before_anything_is_computed(options, message):
    with pytest.raises(UsageError) as error:
        run_checks(fitted(), **options)
    assert str(error.value) == message


def test_extra_columns_of_the_model_and_identifiers_are_passed_over():
    frame = rows(60)
    frame["person"] = [f"P{k}" for k in range(60)]
    frame["ward"] = np.where(np.arange(60) % 2 == 0, "A", None)
    frame["one"] = "same"
    frame["flat"] = 3.0
    fit = fitted(frame, formula="who5_followup ~ alliance + sex + (1 | country)")
    context = Context(fit, extra=frame)
    assert [(g.name, g.role, g.levels) for g in context.groupings] == [
        ("country", "pooled", ("C0", "C1", "C2", "C3", "C4")),
        ("sex", "column", ("female", "male")),
        ("provider_type", "left out", ("both", "coach", "therapist")),
        ("ward", "left out", ("A", "missing")),
    ]
    assert list(context.numeric) == ["alliance", "who5_baseline", "age", "days_in_care", "n_sessions"]
    assert context.groupings[3].counts.tolist() == [30, 30]


def test_what_is_simulated_depends_on_the_seed_only():
    fit = fitted()
    once, again, other = (run_checks(fit, checks=["posterior_predictive"], seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(once["posterior_predictive"].table, again["posterior_predictive"].table)
    assert not once["posterior_predictive"].table.equals(other["posterior_predictive"].table)


def test_results_do_not_depend_on_what_runs_beside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    reports = []
    for processors in (1, 2):
        monkeypatch.setattr(registry, "processors", lambda found=processors: found)
        reports.append(run_checks(fitted(), replicates=200))
    alone, beside = reports
    assert [result.name for result in beside] == list(CHECKS)
    for one, other in zip(alone, beside, strict=True):
        assert one.sentence == other.sentence
        pd.testing.assert_frame_equal(one.table, other.table, check_exact=True)
        pd.testing.assert_frame_equal(one.details, other.details, check_exact=True)


@pytest.mark.parametrize("fault", ["spread", "group", "tails"])
def test_another_family_is_the_remedy_only_where_no_term_of_the_model_is(fault):
    rng = np.random.default_rng(1)
    x, g = rng.normal(4, 1, 600), rng.choice(list("abcd"), 600)
    noise = 6 * (rng.standard_t(2.5, 600) if fault == "tails" else rng.normal(0, 1, 600))
    noise *= np.exp(0.7 * (x - 4)) if fault == "spread" else 1
    y = 50 + 3 * x + noise + np.where((g == "a") & (fault == "group"), 40, 0)
    frame = pd.DataFrame({"participant_id": np.arange(600).astype(str), "y": y, "x": x, "g": g})
    fit = Model("y ~ x").fit(frame, draws=200, progress=False)
    report = run_checks(fit, checks=["calibration", "posterior_predictive", "spread", "groups"], extra=frame[["g"]])
    assert {name for name in ("spread", "groups") if report[name].verdict == "warn"} == {
        "spread": {"spread"},
        "group": {"groups"},
        "tails": set(),
    }[fault]
    first = {
        "spread": "first mend what the check of the spread of residuals along numeric columns found",
        "group": "first mend what the check of residuals by group found",
        "tails": "",
    }[fault]
    for name in ("calibration", "posterior_predictive"):
        assert report[name].verdict == "warn"
        expected = f"{first}, which shows here, too; where this stays, " if first else ""
        assert f"; {expected}compare another family (" in report[name].sentence
