"""Labels from data that try to break out of the page, the drawings or the JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.checks import CheckReport
from alliance_bayes.effects import effects
from alliance_bayes.model import Card
from alliance_bayes.report import Report, build_report
from builders import fitted, rows

LEVELS = [
    "<script>alert(1)</script>",
    "$\\frac{1}$",
    "nul\x00\u202egnp.exe",
    '" onload="alert(2)',
    "{{ 7 * 7 }}",
    "一" + "L" * 300,
]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.fixture(scope="module")
def hostile(checks_of: Callable[..., CheckReport]) -> Report:
    frame = rows(240)
    frame["country"] = pd.Categorical.from_codes(np.arange(240) % len(LEVELS), LEVELS, ordered=True)
    card = Card(
        title="</title><script>alert(3)</script>", question="<img src=x onerror=alert(4)>", assumptions=("a & b",)
    )
    fit = fitted(frame, formula="who5_followup ~ alliance + (alliance || country)", draws=120, spec={"card": card})
    info = {**fit.info, "cohort_source": "<b>c</b>.csv", "note": "</pre><script>"}
    import dataclasses

    fit = dataclasses.replace(fit, info=info)
    return build_report(fit, effects=effects(fit), checks=checks_of())


def test_no_label_becomes_markup(hostile: Report, report: Report) -> None:
    ours, theirs = Tags(), Tags()
    ours.feed(report.html)
    theirs.feed(hostile.html)

    # Nothing may appear that a report of harmless labels does not have.
    assert theirs.tags <= ours.tags | {"dl", "dt", "dd", "details", "summary"}
    assert theirs.attributes <= ours.attributes | {"open"}
    assert "script" not in theirs.tags


def test_labels_are_shown_as_they_are(hostile: Report) -> None:
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in hostile.html
    assert "$\\frac{1}$" in hostile.html
    assert "nul��gnp.exe" in hostile.html
    assert "{{ 7 * 7 }}" in hostile.html
    assert "&lt;b&gt;c&lt;/b&gt;.csv" in hostile.html
    assert "&lt;/pre&gt;&lt;script&gt;" in hostile.html
    assert "\x00" not in hostile.html
    assert "\u202e" not in hostile.html
    assert hostile.title == "</title><script>alert(3)</script>"


def test_drawings_show_them_too_and_cut_the_long_one(hostile: Report) -> None:
    drawing = hostile.html.split('id="means-1-title"')[1].split("</svg>")[0]

    assert ">$\\frac{1}$</text>" in drawing
    assert ">&lt;script&gt;alert(1)&lt;/script&gt;</text>" in drawing
    assert f">一{'L' * 26}…</text>" in drawing


def test_the_json_holds_the_labels_themselves(hostile: Report) -> None:
    data = json.loads(hostile.json)

    assert {row["level"] for row in data["effects"] if row["estimand"] == "mean"} == set(LEVELS)
    assert [record["level"] for record in data["participants"]["summary"] if "level" in record] == LEVELS


def test_column_names_are_hostile_too(checks_of: Callable[..., CheckReport]) -> None:
    frame = rows(200).rename(columns={"country": "c$\\alpha$<i>"})
    fit = fitted(frame, formula="who5_followup ~ alliance + (1 | `c$\\alpha$<i>`)", draws=120)

    report = build_report(fit, effects=effects(fit), checks=checks_of())

    assert "<i>" not in report.html
    assert "c$\\alpha$&lt;i&gt;" in report.html
