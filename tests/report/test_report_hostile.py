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
from alliance_bayes.report import Rendered
from builders import fitted, rendered, rows

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
        self.scripts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.scripts += [""] if tag == "script" else []

    def handle_data(self, data: str) -> None:
        if self.lasttag == "script":
            self.scripts[-1] += data.strip("\n")


@pytest.fixture(scope="module")
def hostile(checks_of: Callable[..., CheckReport]) -> Rendered:
    frame = rows(240)
    frame["country"] = pd.Categorical.from_codes(np.arange(240) % len(LEVELS), LEVELS, ordered=True)
    card = Card(
        title="</title><script>alert(3)</script>", question="<img src=x onerror=alert(4)>", assumptions=("a & b",)
    )
    fit = fitted(frame, formula="who5_followup ~ alliance + (alliance || country)", draws=120, spec={"card": card})
    info = {**fit.info, "cohort_source": "<b>c</b>.csv", "engine_reason": "</pre><script>"}
    import dataclasses

    fit = dataclasses.replace(fit, info=info)
    return rendered(fit, effects=effects(fit), checks=checks_of())


@pytest.mark.slow
def test_no_label_becomes_markup(hostile: Rendered, report: Rendered) -> None:
    ours, theirs = Tags(), Tags()
    ours.feed(report.html)
    theirs.feed(hostile.html)

    # Nothing may appear that a report of harmless labels does not have.
    assert theirs.tags <= ours.tags | {"dl", "dt", "dd", "details", "summary"}
    assert theirs.attributes <= ours.attributes | {"open"}
    # The page's own script, letter for letter, and data in which nothing can end the element that holds it.
    assert len(theirs.scripts) == len(ours.scripts) == 2
    assert theirs.scripts[1] == ours.scripts[1]
    assert "<" not in theirs.scripts[0]
    assert json.loads(theirs.scripts[0])["data"]["source"] == "<b>c</b>.csv"


def test_labels_are_shown_as_they_are(hostile: Rendered) -> None:
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in hostile.html
    assert "$\\frac{1}$" in hostile.html
    assert "nul��gnp.exe" in hostile.html
    assert "{{ 7 * 7 }}" in hostile.html
    assert "&lt;b&gt;c&lt;/b&gt;.csv" in hostile.html
    assert "&lt;/pre&gt;&lt;script&gt;" in hostile.html
    assert "\x00" not in hostile.html
    assert "\u202e" not in hostile.html
    assert hostile.title == "</title><script>alert(3)</script>"


def test_drawings_show_them_too_and_cut_the_long_one(hostile: Rendered) -> None:
    drawing = hostile.html.split('id="means-1-title"')[1].split("</svg>")[0]

    assert ">$\\frac{1}$</text>" in drawing
    assert ">&lt;script&gt;alert(1)&lt;/script&gt;</text>" in drawing
    assert f">一{'L' * 32}…</text>" in drawing


def test_the_json_holds_the_labels_themselves(hostile: Rendered) -> None:
    data = json.loads(hostile.json)

    assert {row["level"] for row in data["effects"] if row["estimand"] == "mean"} == set(LEVELS)
    assert [record["level"] for record in data["participants"]["summary"] if "level" in record] == LEVELS


def test_column_names_are_hostile_too(checks_of: Callable[..., CheckReport]) -> None:
    frame = rows(200).rename(columns={"country": "c$\\alpha$<i>"})
    fit = fitted(frame, formula="who5_followup ~ alliance + (1 | `c$\\alpha$<i>`)", draws=120)

    report = rendered(fit, effects=effects(fit), checks=checks_of())

    assert "<i>" not in report.html
    assert "c$\\alpha$&lt;i&gt;" in report.html
