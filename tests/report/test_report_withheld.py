"""When the gate is closed, no estimate leaves: not in a sentence, a table, a figure, nor in the JSON."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from alliance_bayes.checks import CHECKS, CheckReport, Gate
from alliance_bayes.effects import EffectTable, effects
from alliance_bayes.fit import FittedModel
from alliance_bayes.report import Rendered
from alliance_bayes.report.privacy import UNNAMED, redaction, unnamed
from alliance_bayes.report.spoken import in_sentences, with_quantities
from builders import rendered

REASON = "3 draws of 600 diverged, so part of the posterior may be missing: raise target_accept."


def test_the_beginning_says_why_and_what_to_do(withheld: Rendered) -> None:
    assert withheld.withheld
    assert withheld.findings == ("Conclusions are withheld: the draws did not pass the checks.", REASON)
    assert '<h2 id="findings-heading">Conclusions are withheld</h2>' in withheld.html
    assert f"<li>{REASON}</li>" in withheld.html
    assert "Key findings</h2>" not in withheld.html
    assert "What must not be concluded" not in withheld.html


def test_sections_four_to_six_hold_no_number(withheld: Rendered) -> None:
    for section in ("effects", "groups", "variance"):
        (body,) = re.findall(rf'<section id="{section}".*?</section>', withheld.html, flags=re.DOTALL)
        text = re.sub(r"<h2.*?</h2>", "", re.sub(r"\s+", " ", body))
        assert re.findall(r">([^<]*)<", text)[-6:]  # there is text
        assert not re.search(r"\d", re.sub(r"<[^>]*>", "", text))
        assert "<svg" not in body
        assert "<table" not in body
        assert "Withheld, because the checks did not pass." in body


def test_no_estimate_is_anywhere_on_the_page(withheld: Rendered, report: Rendered, table: EffectTable) -> None:
    assert "271.828" in report.html  # what the curvature check found is shown when the gate is open,
    assert "271.828" not in withheld.html  # and not when it is closed
    assert "What this check found is withheld with the conclusions." in withheld.html
    slope = table.loc[table["estimand"] == "slope"].iloc[0]
    interval = f"({slope['lower']:.2f} to {slope['upper']:.2f})"
    assert interval in report.html
    assert interval not in withheld.html
    assert 'id="prior-posterior' not in withheld.html
    # The checks of the draws stay: they tell what to do.
    assert "R-hat, largest" in withheld.html
    assert "Limits \N{MINUS SIGN}10 to 10; 5% beyond." in withheld.html


def numbers_in(value: Any) -> Iterator[float]:
    match value:
        case bool() | None | str():
            return
        case int() | float():
            yield float(value)
        case dict():
            for item in value.values():
                yield from numbers_in(item)
        case list():
            for item in value:
                yield from numbers_in(item)


def test_no_estimate_is_in_the_json(withheld: Rendered, table: EffectTable) -> None:
    data = json.loads(withheld.json)

    assert data["withheld"] is True
    assert data["reasons"] == [REASON]
    assert data["findings"] == []
    assert data["effects"] is None
    assert data["curve"] is None
    assert [(check["name"], check["sentence"] is None, check["table"] is None) for check in data["checks"]] == [
        ("convergence", False, False),
        ("prior_predictive", False, False),
        ("curvature", True, True),
    ]
    present = set(numbers_in(data))
    estimates = {float(value) for name in ("mean", "sd", "median", "lower", "upper") for value in table[name].dropna()}
    # Whole numbers such as the rank 1 may coincide with a setting.
    assert not {value for value in estimates & present if not math.isclose(value, round(value))}


def test_reasons_name_quantities_as_a_reader_knows_them(fit: FittedModel) -> None:
    table = effects(fit)
    redact = unnamed(redaction(fit), ["slope_by_level/alliance/country=C0/average"])
    spoken = with_quantities(in_sentences(fit.design), table, fit.design, redact)
    said = {
        "points_needed/alliance/average": "“alliance points that go with 10 WHO-5 points (median)”",
        "slope/alliance/average": "“slope, per alliance point”",
        "slope_by_level/alliance/sex=male/average": "“slope, sex: male”",
        "contrast_of_means/sex=male vs female/average": "“difference of adjusted means, male minus female”",
        "variance_share/common terms/sample": "“variance, share: common terms”",
        "variance_share/sex/sample": "“variance, share: sex”",
        "bayesian_r2/sample": "“R² of the whole model (Bayesian)”",
        "slope_by_level/alliance/country=C0/average": UNNAMED,
    }
    for identity, words in said.items():
        assert identity in table.index
        assert spoken(redact(f"(largest 1.531: {identity}), so")) == f"(largest 1.531: {words}), so"
    # No id that there is is left in a sentence, and what is none stays.
    for identity in map(str, table.index):
        assert identity not in spoken(redact(f"smallest 7: {identity})"))
    assert spoken(redact("and/or mean/nothing")) == "and/or mean/nothing"
    reason = f"3 of 9 have an R-hat of 1.2 (largest 2.0: {table.index[0]}). Draw."
    page = rendered(fit, effects=table, checks=_failed(reason))
    assert "(largest 2.0: “slope, per alliance point”). Draw." in page.html.replace("&#34;", '"')
    assert "slope/alliance/average" not in page.html.partition('type="application/json"')[0]


def _failed(reason: str) -> CheckReport:
    result = CHECKS["convergence"].result("fail", reason, problems=(reason,))
    return CheckReport((result,), Gate(False, (reason,)))
