"""What a page says of one estimate in several places: every sentence recomputed from the tables of the same page."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes.checks import CheckReport
from alliance_bayes.effects import effects
from alliance_bayes.fit import FittedModel
from alliance_bayes.report import Rendered
from alliance_bayes.report.text import MINUS
from alliance_bayes.report.verdicts import SCALE, UNSETTLED
from builders import fitted, of_family, rendered, rows
from report import test_report_page as house

# Sentences and tables: nothing here is about figures.
pytestmark = pytest.mark.usefixtures("undrawn")

NUMBER = rf"{MINUS}?[\d.,]*\d"
EVENTS = ("bernoulli", "binomial")
KINDS = ("gaussian", *EVENTS, "negative_binomial", "imputed")
FORMULA = "who5_followup ~ alliance + age + sex"


def value(text: str) -> float:
    return float(text.replace(MINUS, "-").replace(",", ""))


@cache
def imputed() -> ab.Fit:
    frame = rows(90, countries=3).assign(participant_id=[f"p{k}" for k in range(90)])
    frame.loc[::7, "who5_followup"] = np.nan
    return ab.Model(FORMULA, missing="impute", priors="literature").fit(frame, seed=2, draws=60, progress=False)


def made(kind: str, slope: float, spread: float, sex: float, seed: int) -> FittedModel:
    """A fit of a kind whose slope and difference are normal about what is asked for, in units of its link."""
    scale = 1.0 if kind in ("gaussian", "imputed") else 0.1
    means = [scale * slope, 0.0, scale * sex]
    if kind == "imputed":
        fit = imputed()
        tree = fit.tree.copy(deep=True)
        draws = tree["posterior"]["beta"].values
        own = np.random.default_rng(seed).normal(size=draws.shape)
        draws[..., 1:] = means + np.array([spread, 0.01, spread]) * own[..., 1:]
        return replace(fit, tree=tree)
    frame, options = (rows(90, countries=3), {}) if kind == "gaussian" else of_family(rows(90, countries=3), kind)
    first = {"gaussian": 45.0, "negative_binomial": 3.5}.get(kind, 0.0)
    return fitted(
        frame,
        formula=FORMULA,
        spec=options,
        means={"beta": [first, *means]},
        sds={"beta": [0.02, scale * spread, 0.001, scale * spread]},
        draws=60,
        seed=seed,
    )


def said(text: str) -> dict[str, str]:
    """Amount, interval, and probability of direction of a sentence that states an estimate."""
    found = re.search(
        rf"(?:by|is|female,) (?P<mean>{NUMBER}) (?P<unit>[^(,]*?)(?: on average| of this|,[^(]*)?[^(]* "
        rf"\((?:89% equal-tailed interval )?(?P<low>{NUMBER}) to (?P<high>{NUMBER})"
        rf"(?:; (?P<p>[^;)]*%) probability of being (?P<side>above|below) zero)?\)",
        text,
    )
    assert found is not None, text
    return found.groupdict(default="")


def holds(text: str, row: list[str], *, lower: bool) -> None:
    """Whether a sentence has the figures of a row of a table, and the words that follow from them."""
    words, (mean, interval, direction) = said(text), row[1:4]
    assert words["mean"] == (mean.removeprefix(MINUS) if lower else mean)
    assert f"({words['low']} to {words['high']})" == interval
    if words["p"]:
        assert direction == f"{words['p'].replace('more than ', '> ')} {words['side']} 0"
    word, settled = certainty(interval, direction)
    if settled is None:
        return
    named = [one for _, one in SCALE if re.search(rf"(?<!very ){one} (?:higher|lower|above|below)", text)]
    assert named == ([word] if word != UNSETTLED else [])
    if settled:
        sides = ("higher", "above") if direction.endswith("above 0") else ("lower", "below")
        assert any(f"{word} {side}" in text for side in sides)


def certainty(interval: str, direction: str) -> tuple[str, bool | None]:
    """The word that printed figures allow, and whether a direction is settled; None where an end is printed as zero."""
    low, high = map(value, interval.strip("()").split(" to "))
    share = value(direction.split("%")[0].strip("> ")) / 100
    word = next((one for limit, one in SCALE if share >= limit), UNSETTLED)
    if 0 in (low, high):
        return word, None
    clear = low > 0 or high < 0
    if not clear and word != UNSETTLED:
        word = SCALE[-1][1]
    return word, clear and word != UNSETTLED


def single(cells: dict[str, str], table: list[list[str]]) -> None:
    """Whether the one difference between two levels is judged in the summary as its table has it."""
    if "Slopes" in cells["Question"]:
        return
    head, pair = table
    row = dict(zip(head, pair, strict=True))
    assert cells["Estimate"].removesuffix(" percentage points") == f"{pair[0]}: {pair[1]} {pair[2]}"
    for mine, theirs in (("Negligible", "Probability in ROPE"), ("Relevant", "Probability of ")):
        found, known = (
            [cell for name, cell in of.items() if name.startswith(start) and not name.endswith("direction")]
            for of, start in ((cells, mine), (row, theirs))
        )
        assert [cell.partition(" (")[0] for cell in found] == known[-1:]
    word, settled = certainty(pair[2], pair[3])
    assert cells["How sure"].replace("\xa0", " ").startswith(f"{word.capitalize()} ({pair[3].partition(' a')[0]}")
    if settled is not None:
        assert ("Direction not settled" in cells["In plain words"]) is not settled
        way = "higher" if pair[3].endswith("above 0") else "lower"
        assert not settled or cells["In plain words"].lower().startswith((way, "better", "worse"))


def agrees(page: Rendered, kind: str) -> None:
    """Whether sentences, summary and answer of a page have the numbers and units of its tables."""
    parsed = house.parsed(page.html)

    def table(name: str) -> dict[str, list[str]]:
        return {row[0]: row for row in house.cells(parsed.by_id(name))[1:]}

    slopes = table("table-slopes")
    row, span = slopes["Per alliance point"], slopes["From the 10th to the 90th percentile of alliance"]
    found = {finding["name"]: finding["text"] for finding in page.numbers["findings"]}
    # Settled findings have a size and a way; others the estimate with its sign.
    for name, own in (("slope", row), ("span", span)):
        text = found[name].partition(" The probability")[0]
        holds(text, own, lower=", by " in text and " lower" in text)
    points = {"bernoulli": "percentage points", "binomial": "percentage points"}.get(kind)
    for text in (found["slope"], found["span"]):
        assert points is None or f" {points}" in text
    groups = found["groups: sex"]
    # On a straight scale without an interaction, slopes do not differ.
    for text, of in zip(re.split(r"(?<=\)\.) (?=Whether|The slopes)", groups), ("mean", "slope"), strict=False):
        (pair,) = table(f"table-{of}-pairs-1").values()
        holds(text, pair, lower=False)
        assert points is None or f" {points}" in text
    # The summary and the answer.
    head, first, *others = house.cells(parsed.by_id("table-summary"))
    for other in others:
        single(dict(zip(head, other, strict=True)), house.cells(parsed.by_id("table-mean-pairs-1")))
    cells = dict(zip(head, first, strict=True))
    assert cells["Estimate"].startswith(f"{span[1]} {span[2]} ")
    assert points is None or cells["Estimate"].endswith(f" {points}")
    sentence = page.numbers["answer"]["sentence"]
    ends = span[2].strip("()").split(" to ")
    _, settled = certainty(span[2], span[3])
    # By how much it was lower has no sign; a difference of which no direction is said has its own.
    told = "is not settled" in sentence
    assert f" {span[1] if told else span[1].removeprefix(MINUS)} " in sentence
    if settled is not None:
        assert told is not settled
        assert ("not settled" in cells["In plain words"]) is not settled
        low, high = (
            ends if span[3].endswith("above 0") or not settled else [end.removeprefix(MINUS) for end in ends[::-1]]
        )
        assert f" interval {low} to {high})" in sentence
        assert not settled or cells["How sure"].replace("\xa0", " ").startswith(
            certainty(span[2], span[3])[0].capitalize()
        )


@pytest.mark.slow
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(KINDS),
    slope=st.floats(-4, 4).map(lambda x: round(x, 2)),
    spread=st.floats(0.2, 3).map(lambda x: round(x, 2)),
    sex=st.floats(-4, 4).map(lambda x: round(x, 2)),
    seed=st.integers(0, 100),
)
def test_sentences_of_every_kind_follow_from_the_tables_of_their_page(
    kind: str, slope: float, spread: float, sex: float, seed: int, checks_of: Callable[..., CheckReport]
) -> None:
    fit = made(kind, slope, spread, sex, seed)
    options: dict[str, Any] = {"checks": checks_of(), "sections": ["effects", "groups"]}
    agrees(rendered(fit, effects=effects(fit), **options), kind)


@pytest.mark.parametrize("kind", KINDS)
def test_captions_that_are_read_together_name_the_same_people(kind: str, checks_of: Callable[..., CheckReport]) -> None:
    fit = made(kind, 3.0, 0.3, 2.0, 1)
    page = rendered(fit, effects=effects(fit), checks=checks_of(), sections=["data", "effects", "groups", "variance"])
    parsed = house.parsed(page.html)
    # Nobody lacks a value, or what is lacking was drawn.
    assert fit.count_people() == 90
    for section in ("effects", "groups", "variance"):
        captions = [
            node.text
            for node in parsed.by_id(section).all("p", "figcaption")
            if node.tag == "figcaption" or "tablename" in (node.attributes.get("class") or "")
        ]
        told = [int(n) for text in captions for n in re.findall(r"(\d+) people(?: analysed|$)", text.strip())]
        assert told, section
        assert set(told) == {90}
