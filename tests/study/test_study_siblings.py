"""Sentences about sibling models and about several pairs, recomputed from the tables of the page that says them."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from alliance_bayes.effects import EffectTable
from alliance_bayes.report.finding import Finding, Findings
from alliance_bayes.report.page import page
from alliance_bayes.report.rows import rows_of
from alliance_bayes.report.text import MINUS
from alliance_bayes.report.verdicts import SCALE, differ_words, settled_words, standings_words, told_apart
from alliance_bayes.study.answers import Answers
from alliance_bayes.study.bend import bend_of
from alliance_bayes.study.families import conclusion_under
from alliance_bayes.study.options import StudyOptions
from alliance_bayes.study.page import _section
from alliance_bayes.study.part import Block, Part
from alliance_bayes.study.ratings import pair_under_families
from alliance_bayes.study.tables import block_table, prefix_of
from builders import row_of, table_of

MARGIN, RELEVANT, DECIDED = 2.0, 10.0, 0.95
#: The lowest limit from which a direction is said.
SAID = SCALE[-1][0]
FAMILIES = ("Gaussian", "Student's t", "Ordinal")
# Many of them near the limits at which a verdict changes.
NORMALS = st.tuples(st.floats(-14, 14), st.floats(0.2, 4)).map(lambda one: (round(one[0], 2), round(one[1], 2)))


def judged(mean: float, sd: float, **values: object) -> dict[str, object]:
    """A row with the probabilities of a normal posterior."""
    above, below = norm.sf(MARGIN, mean, sd), norm.cdf(-MARGIN, mean, sd)
    return row_of(
        mean,
        sd,
        p_direction=float(norm.cdf(abs(mean) / sd)),
        rope_low=-MARGIN,
        rope_high=MARGIN,
        p_rope=float(1 - above - below),
        p_above_rope=float(above),
        relevant=RELEVANT,
        p_relevant=float(norm.sf(RELEVANT, mean, sd) + norm.cdf(-RELEVANT, mean, sd)),
        **values,
    )


def shown_page(rows: EffectTable, sentence: str) -> tuple[str, dict[str, dict[str, str]]]:
    """A sentence and the cells of the table by row and heading, as the study's page has both."""
    block = Block("b", "B", rows, tables=(block_table("t", "Caption", rows, label=lambda row: prefix_of(row)),))
    part = Part("p", "P", "?", (block,), (Finding(sentence),))
    html = page(
        title="T",
        subtitle=[],
        sections=[_section(part, {}, Answers(pd.DataFrame(), StudyOptions(), {}, {}), {})],  # type: ignore[arg-type]
        findings=Findings(False, (), (), (), False),
    )
    found = BeautifulSoup(html, "html.parser")
    item = found.select_one("#p li")
    table = found.find(id="t")
    assert item is not None
    assert table is not None
    head = [cell.get_text() for cell in table.select("thead th")]
    cells = [[cell.get_text() for cell in line.find_all(["th", "td"])] for line in table.select("tbody tr")]
    return item.get_text(), {line[0]: dict(zip(head, line, strict=True)) for line in cells}


def number_of(text: str) -> float:
    return float(text.replace(MINUS, "-").replace(",", ""))


def ends(cell: str) -> tuple[float, float]:
    low, high = cell.strip("()").split(" to ")
    return number_of(low), number_of(high)


def share(cell: str) -> float:
    """A printed probability; of "< 0.1%" and "> 99.9%" one beyond the limit."""
    number = float(re.findall(r"[\d.]+", cell)[0]) / 100
    return number / 2 if cell.startswith("<") else (1 + number) / 2 if cell.startswith(">") else number


def cell_of(line: Mapping[str, str], start: str) -> str:
    return next(cell for heading, cell in line.items() if heading.startswith(start))


def is_settled(line: Mapping[str, str]) -> bool | None:
    """Whether a direction is, by the printed interval and probability; None where an end is printed as zero."""
    low, high = ends(cell_of(line, "89%"))
    if low == 0 or high == 0:
        return None
    return (low > 0 or high < 0) and share(cell_of(line, "Probability of direction")) >= SAID


def sizes(line: Mapping[str, str]) -> set[str]:
    """The words for size that the printed probabilities allow: one, but where they leave it open on which side."""
    inside, relevant = share(cell_of(line, "Probability within")), share(cell_of(line, "Probability of 10 or more"))
    direction = share(cell_of(line, "Probability of direction"))
    if relevant >= DECIDED:
        return {"relevant"}
    reach = ", short of relevant" if relevant <= 1 - DECIDED else ", may be relevant"
    if inside >= DECIDED:
        return {"negligible"}
    if inside > 1 - DECIDED:
        return {f"may be negligible{reach}"}
    # Beyond to one side: as much as the direction less the inside at least, and half a per cent of rounding each.
    if direction - inside >= DECIDED + 0.011:
        return {f"more than negligible{reach}"}
    return {f"more than negligible{reach}", f"may be negligible{reach}"}


def verdicts(line: Mapping[str, str]) -> set[str]:
    """What the printed row allows to be said of it."""
    settled = is_settled(line)
    way = "higher" if number_of(cell_of(line, "Mean")) > 0 else "lower"
    ways = {way, "not settled"} if settled is None else {way if settled else "not settled"}
    return {f"{one}, {size}" for one in ways for size in sizes(line)}


def said_of(text: str) -> dict[str, str]:
    """The verdict by family, from "higher, negligible under A and B; not settled, may be negligible under C"."""
    found = {}
    for one in text.split("; "):
        verdict, under, names = one.partition(" under ")
        for name in re.split(r", | and ", names) if under else FAMILIES:
            found[name] = verdict
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(NORMALS, min_size=3, max_size=3))
def test_families_that_change_a_conclusion_are_those_of_which_the_table_says_something_else(
    normals: list[tuple[float, float]],
) -> None:
    made = [judged(*one, estimand="slope_p10_p90") for one in normals]
    rows = table_of(*made, names=[f"{name}/slope" for name in FAMILIES])
    sentence = conclusion_under({prefix_of({"id": name}): row for name, row in rows.iterrows()})

    text, lines = shown_page(rows, sentence)

    said = said_of(text.rpartition(": ")[2].rstrip("."))
    assert set(said) == set(lines) == set(FAMILIES)
    for name, line in lines.items():
        assert said[name] in verdicts(line), (said, line)
    same = len(set(said.values())) == 1
    assert ("the conclusion is the same" in text) == same
    assert text.startswith("The family that is assumed for the score changes the conclusion") == (not same)
    span = re.search(rf"({MINUS}?[\d.]+) to ({MINUS}?[\d.]+) WHO-5 points", text)
    assert span is not None
    means = [number_of(cell_of(line, "Mean")) for line in lines.values()]
    # A tenth of a point in the sentence, and at least as much in the table.
    assert [number_of(end) for end in span.groups()] == pytest.approx([min(means), max(means)], abs=0.56)


@settings(max_examples=60, deadline=None)
@given(st.lists(NORMALS, min_size=2, max_size=3))
def test_a_pair_of_providers_is_said_of_under_every_family_as_its_table_has_it(
    normals: list[tuple[float, float]],
) -> None:
    pair = {"estimand": "contrast_of_means", "factor": "provider_type", "level": "therapist", "versus": "coach"}
    names = FAMILIES[: len(normals)]
    rows = table_of(*(judged(*one, **pair) for one in normals), names=[f"{name}/pair" for name in names])
    sentence, same = pair_under_families({prefix_of({"id": name}): row for name, row in rows.iterrows()})

    text, lines = shown_page(rows, sentence)

    assert text.startswith("Provider type, therapist compared with coach: ")
    assert ("changes the conclusion" in text) == (not same)
    said = said_of(text.rpartition(": ")[2].rstrip("."))
    for name in names:
        assert said[name] in verdicts(lines[name]), (said, lines[name])


@settings(max_examples=60, deadline=None)
@given(st.lists(NORMALS, min_size=1, max_size=6))
def test_several_pairs_are_counted_as_their_table_has_them(normals: list[tuple[float, float]]) -> None:
    pairs = [{"estimand": "contrast_of_means", "factor": "f", "level": f"l{k}", "versus": "v"} for k in range(6)]
    made = [judged(*one, **pair) for one, pair in zip(normals, pairs, strict=False)]
    rows = table_of(*made, names=[f"m{k}/pair" for k in range(len(made))])
    records = rows_of(rows)

    text, lines = shown_page(rows, differ_words(records))

    intervals = [ends(cell_of(line, "89%")) for line in lines.values()]
    if any(0 in one for one in intervals):
        return
    clear = sum(low > 0 or high < 0 for low, high in intervals)
    n, inside = len(lines), sum(share(cell_of(line, "Probability within")) >= DECIDED for line in lines.values())
    assert settled_words(records) == ({0: "Not settled", 1: "Settled"}[clear] if n == 1 else f"{clear} of {n} settled")
    counted = standings_words(records)
    assert re.findall(rf"(\d+) of {n}", counted) == ([str(inside)] if inside else [])
    rest = sum(int(k) for k in re.findall(r"(\d+) (?:more|undecided)", counted))
    assert rest == n - inside
    apart = told_apart(records)
    if n == 1 and clear:
        # Which of the two it is: "higher in “l0”" where the interval is above zero.
        assert apart.startswith(f"{'higher' if intervals[0][0] > 0 else 'lower'} in “l0”")
        assert ("negligible" in apart.split(", ")) == (inside == 1)
    else:
        assert apart == differ_words(records)
    if clear:
        assert text.startswith("They differ" if n == 1 else "One pair differs" if clear == 1 else "Some pairs differ")
        assert ("negligibly" in text) == (inside == n)
    else:
        assert text in ({"Alike"} if inside == n else {"Undecided", "No difference settled"})
        assert (text == "Undecided") == ("undecided" in counted) or inside == n


@given(st.floats(0, 12), st.floats(0.1, 6), st.floats(0, 1), st.booleans())
def test_a_bend_is_said_alike_in_the_sentence_and_in_the_summary(
    gap: float, se: float, weight: float, ahead: bool
) -> None:
    models = ["spline", "straight line"] if ahead else ["straight line", "spline"]
    weights = [weight, 1 - weight] if ahead else [1 - weight, weight]
    table = pd.DataFrame(
        {"model": models, "elpd_difference": [0.0, -gap], "se_difference": [np.nan, se], "weight": weights}
    )
    bend = bend_of(table)
    # The row of the summary names the better one, and the weight beside it is of that one.
    assert bend.weight_of_better == pytest.approx(table["weight"].iloc[0])
    open_ = gap < 4 or gap < 2 * se
    assert bend.sentence.startswith("Whether the association bends") == open_ == (bend.words == "Not settled")
    if not open_:
        assert ("the association bends" in bend.sentence) == ahead == bend.words.startswith("It bends")
    assert (f"{gap:.1f}" in bend.sentence) or abs(round(10 * gap) - 10 * gap) > 0.49
