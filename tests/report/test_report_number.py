"""Sentences are right whatever the number of a column's label is: none is the subject of a verb in one number."""

from __future__ import annotations

import html
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from alliance_bayes.report import Rendered
from builders import fitted, rendered, rows

# Columns that are called in the plural, and a few of the names that they have elsewhere.
PLURAL = {
    "alliance": "Contacts",
    "who5_followup": "Symptoms",
    "who5_baseline": "Complaints",
    "age": "Visits",
    "sex": "Arms",
    "country": "Regions",
}
VERBS = (
    "was|is|has|does|differs|goes|moves|lies|stays|falls|rises|lacks|varies|changes|depends|enters|holds|explains|stands|"
    "points|bends|takes|tells|makes|comes|gives|shows|says|needs|counts"
)
# What stands before a label that is no subject: "the mean of Contacts was".
BEFORE = "of|with|for|in|on|by|to|from|along|without|beside|and|or|than|between|over|per|against|about|where|as"
SUBJECT = re.compile(rf"(?<!\w)(?:(\S+) )?((?i:{'|'.join(PLURAL.values())})) ({VERBS})\b")


def subjects(text: str) -> list[str]:
    found = SUBJECT.finditer(text)
    return [match.group() for match in found if not re.fullmatch(BEFORE, (match[1] or "").lower().lstrip("("))]


def words_of(page: Rendered) -> str:
    bare = re.sub(r"<(script|style)\b.*?</\1>", " ", page.html, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"</?(?:b|i|em|strong|a|span)\b[^>]*>", "", bare)).split())


def test_a_label_as_subject_is_found() -> None:
    text = "On average Contacts was higher. Whether symptoms is lower; the mean of Contacts was, and (of Arms has)."
    assert subjects(text) == ["average Contacts was", "Whether symptoms is"]


@pytest.mark.parametrize(
    ("formula", "spec"),
    [
        ("Symptoms ~ Contacts + Complaints + (1 + Contacts || Regions)", {}),
        ("Symptoms ~ s(Contacts) + Visits", {}),
        ("Symptoms ~ Arms + Complaints + Arms:Complaints", {"focal": "Arms"}),
        ("Symptoms ~ Contacts * Arms + offset(Visits)", {}),
        ("Symptoms ~ Contacts + Visits", {"sigma": "~ Contacts"}),
        ("Symptoms ~ Contacts + Arms", {"family": "bernoulli"}),
    ],
)
def test_no_label_is_the_subject_of_a_verb_in_the_singular(formula: str, spec: dict[str, Any]) -> None:
    frame = rows(240).rename(columns=PLURAL)
    if spec.get("family") == "bernoulli":
        frame["Symptoms"] = (frame["Symptoms"] > 48).astype(float)
    means = {"beta": 0.3 if spec.get("family") else 3.0}
    page = rendered(
        fitted(frame, formula=formula, means=means, spec={"priors": "weak", "autoscale": True, **spec}, draws=300)
    )
    assert not page.withheld
    assert subjects(words_of(page)) == []


# What templates call a column by; conditions in them say nothing of what stands before and after.
NAMES = "outcome|expected|focal|predictor|predictors|column|columns|arms|by|along|varied|factor|lagged|parts|beside"
TEMPLATES = [
    path
    for folder in ("sentences", "templates")
    for path in sorted(Path(str(files("alliance_bayes.report").joinpath(folder))).iterdir())
    if path.suffix in (".toml", ".html")
]


def test_no_template_has_a_label_as_the_subject_of_a_verb_in_the_singular() -> None:
    assert len(TEMPLATES) > 20
    found = []
    for path in TEMPLATES:
        text = " ".join(re.sub(r"\{%.*?%\}", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL).split())
        for match in re.finditer(rf"(\S+) \{{\{{ (?:\w+\.)?(?:{NAMES})(?: \| capital)? \}}\}} (?:{VERBS})\b", text):
            if not re.fullmatch(BEFORE, match[1].lower().lstrip("(")):
                found.append((path.name, match.group()))
    # The subject is what is said to be so of one of them: the sentence names it before.
    assert found == []
