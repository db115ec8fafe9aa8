"""The JSON beside the page."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable

import pytest

from alliance_bayes.checks import CheckReport
from alliance_bayes.effects import EffectTable, effects
from alliance_bayes.effects.table import COLUMNS
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import card_text
from alliance_bayes.report import Rendered
from alliance_bayes.report.records import unit
from alliance_bayes.versions import versions
from builders import rendered


@pytest.mark.slow
def test_it_has_the_stated_parts(report: Rendered) -> None:
    data = json.loads(report.json)

    assert data == report.numbers
    # One record a line: a change of one number is a change of one line.
    lines = sum(line.startswith('  {"estimand": ') for line in report.json.splitlines())
    assert lines == sum(len(data[name]) for name in ("effects", "endpoints", "confounding"))
    assert list(data) == [
        *(
            "format",
            "title",
            "withheld",
            "reasons",
            "prob",
            "answer",
            "summary",
            "findings",
            "effects",
            "meta",
            "participants",
            "model",
            "checks",
            "curve",
            "overlap",
            "endpoints",
            "confounding",
            "limitations",
            "guidelines",
            "methods",
        )
    ]
    assert data["prob"] == 0.89
    assert data["withheld"] is False
    assert data["reasons"] == []


def test_every_row_of_the_effects_is_there_to_the_digits_kept(report: Rendered, table: EffectTable) -> None:
    records = report.numbers["effects"]

    assert [record["id"] for record in records] == list(table.index)
    for record, (_, row) in zip(records, table.iterrows(), strict=True):
        # Nobody is set to anything, which is not said in every row.
        assert list(record) == [*(name for name in COLUMNS if name != "at"), "id", "decimals"]
        for name in ("mean", "sd", "lower", "upper", "mcse_mean", "rhat", "ess_bulk", "ess_tail"):
            if math.isnan(row[name]):
                assert record[name] is None
                continue
            scaled = name not in ("rhat", "ess_bulk", "ess_tail") and row["sd"] > 0
            step = unit(row["sd"], row["sd"]) if scaled else unit(row[name])
            assert abs(record[name] - row[name]) <= 0.51 * step
            # Five digits of the SD: far below the Monte Carlo error.
            assert not scaled or step <= 1.01e-4 * row["sd"]
        assert record["interval"] == "eti"
        assert record["prob"] == 0.89


def test_printed_digits_are_above_the_monte_carlo_error(report: Rendered) -> None:
    judged = [record for record in report.numbers["effects"] if record["mcse_mean"]]

    assert len(judged) > 50
    assert [
        record["id"] for record in judged if record["decimals"] and 10.0 ** -record["decimals"] < record["mcse_mean"]
    ] == []


def test_every_finding_names_the_rows_its_numbers_come_from(report: Rendered) -> None:
    records = {record["id"]: record for record in report.numbers["effects"]}

    assert tuple(finding["text"] for finding in report.numbers["findings"]) == report.findings
    for finding in report.numbers["findings"]:
        assert finding["rows"]
        for identity in finding["rows"]:
            record = records[identity]
            scale, places = (
                (100, max(0, record["decimals"] - 2))
                if record["estimand"] == "bayesian_r2"
                else (1, record["decimals"])
            )
            # Points needed for a relevant difference have no mean once the slope may be zero.
            column = "median" if record["estimand"] == "points_needed" else "mean"
            value = f"{abs(scale * record[column]):.{places}f}"
            assert value in finding["text"]
    assert report.numbers["findings"][0]["cautions"] == ["curvature"]
    assert report.numbers["findings"][-1]["cautions"] == []


def test_it_says_where_the_numbers_come_from(report: Rendered, fit: FittedModel) -> None:
    meta = report.numbers["meta"]

    assert meta["data"] == {"source": "built", "rows": True, "analysed": 200}
    assert meta["card"] == card_text(fit.spec)
    assert (meta["formula"], meta["family"], meta["prior_set"]) == (fit.spec.formula, "gaussian", "literature")
    assert (meta["seed"], meta["chains"], meta["draws"]) == (0, 4, 150)
    assert meta["versions"]["alliance_bayes (this report)"] == versions()["alliance_bayes"]
    assert report.numbers["model"]["centres"] == dict(fit.design.centres)
    assert [prior["parameter"] for prior in report.numbers["model"]["priors"]] == list(fit.priors)
    assert all(prior["reason"] for prior in report.numbers["model"]["priors"])


def test_the_curve_and_the_checks_are_there(report: Rendered) -> None:
    curve = report.numbers["curve"]
    assert (curve["interval"], curve["prob"], len(curve["points"])) == ("eti", 0.89, 25)
    assert all(point["lower"] < point["mean"] < point["upper"] for point in curve["points"])
    convergence = report.numbers["checks"][0]
    assert list(convergence) == ["name", "title", "verdict", "sentence", "problems", "table", "details"]
    assert convergence["table"][0] == {"criterion": "R-hat, largest", "value": 1.0031, "verdict": "pass"}


@pytest.mark.slow
def test_the_same_fit_gives_the_same_bytes(
    report: Rendered, fit: FittedModel, table: EffectTable, checks_of: Callable[..., CheckReport]
) -> None:
    again = rendered(fit, effects=table, checks=checks_of(warn=True))

    assert again.html == report.html
    assert again.json == report.json


@pytest.mark.usefixtures("undrawn")
def test_the_probability_of_the_effects_is_that_of_the_page(
    fit: FittedModel, checks_of: Callable[..., CheckReport]
) -> None:
    report = rendered(fit, effects=effects(fit, prob=0.5, interval="hdi"), checks=checks_of())

    assert report.numbers["prob"] == 0.5
    assert "50% highest-density interval" in report.html
    assert "89%" not in re.sub(r"\[.*?\]", "", report.findings[0])
    assert "--prob 0.5" in report.html
    assert report.numbers["curve"]["interval"] == "eti"
    assert "50% equal-tailed band" in report.html


@pytest.mark.parametrize("prob", [0, 1, -0.1, 89])
def test_a_probability_outside_its_range_is_refused(fit: FittedModel, prob: float) -> None:
    expected = re.escape(f"prob should be in the interval (0, 1) but got {prob!r}. 0.89 is the default.")
    with pytest.raises(UsageError, match=f"^{expected}$"):
        rendered(fit, prob=prob)


@pytest.mark.usefixtures("undrawn")
def test_effects_and_checks_are_made_where_they_are_not_given(fit: FittedModel) -> None:
    report = rendered(fit, prob=0.9, title="Own title")

    names = [check["name"] for check in report.numbers["checks"]]
    assert names[:3] == ["convergence", "prior_predictive", "posterior_predictive"]
    assert report.numbers["prob"] == 0.9
    assert report.title == "Own title"
    assert "--prob 0.9" in report.html
