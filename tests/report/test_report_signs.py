"""Numbers of a page beside each other: true minus signs everywhere, as many decimals for what is compared."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliance_bayes.report import Rendered
from alliance_bayes.report.text import MINUS, ends_words, typeset
from alliance_bayes.wording import ends_of
from builders import fitted, rendered, rows
from report.test_report_page import Node, parsed

#: A hyphen before a number, with nothing before it that it could join: a minus sign that is none.
HYPHEN = re.compile(r"(?<![\w.,)\]-])-(?=[\d.∞])")
#: A hyphen between two labels, as a difference is written for programs.
DIFFERENCE = re.compile(r"\b(?:by|level) [^:]+: \S.* - \S")
#: What is there to be copied, run or read by programs.
CODE = {"pre", "code", "script", "style"}


def texts(node: Node) -> Iterator[str]:
    """Texts of a page in order, those of its drawings among them."""
    for child in node.children:
        if isinstance(child, str):
            yield child
        elif child.tag not in CODE:
            yield from texts(child)


@pytest.fixture(scope="module")
def standardised() -> Rendered:
    """A page about a predictor in SDs, whose 10th percentile is below zero."""
    frame = rows(240)
    z = np.random.default_rng(4).normal(size=len(frame))
    frame["z"] = z / z.std()
    formula = "who5_followup ~ z + who5_baseline + (z || provider_type) + (z || sex)"
    fit = fitted(frame, formula=formula, spec={"focal": "z", "autoscale": True}, means={"beta": [45, -3.0, 0.4]})
    return rendered(fit)


@pytest.mark.slow
def test_no_hyphen_is_a_minus_sign(standardised: Rendered, report: Rendered, withheld: Rendered) -> None:
    for page in (standardised, report, withheld):
        found = list(texts(parsed(page.html)))
        assert any(MINUS in text for text in found)
        assert [text for text in found if HYPHEN.search(text) or DIFFERENCE.search(text)] == []


@pytest.mark.slow
def test_the_two_values_of_the_answer_have_as_many_decimals(standardised: Rendered) -> None:
    first, *_ = (text for text in texts(parsed(standardised.html)) if "(90th percentile)" in text)
    found = re.search(rf"with z at ({MINUS}?[\d.]+) \(90th percentile\) than at ({MINUS}?[\d.]+) \(10th\)", first)
    assert found is not None
    high, low = found.groups()
    assert [len(value.partition(".")[2]) for value in (high, low)] == [2, 2]
    assert low.startswith(MINUS)
    # The axis of the picture, the sentence below it and the table's unit say the same two.
    whole = " ".join(texts(parsed(standardised.html)))
    assert f"z {low} to {high}" in whole
    assert f"({low} and {high})" in whole


finite = st.floats(-1e6, 1e6, allow_nan=False).filter(lambda value: value == 0 or abs(value) > 1e-6)


@given(low=finite, gap=st.floats(1e-4, 1e6))
def test_values_that_are_compared_have_the_same_decimals_and_differ(low: float, gap: float) -> None:
    high = low + gap
    texts = ends_of(low, high)
    first, second = (len(text.partition(".")[2]) for text in texts)

    assert first == second
    # No value is off by more than half of the last digit, and their distance is told to a hundredth of it.
    for value, text in zip((low, high), texts, strict=True):
        assert abs(float(text) - value) <= 0.5 * 10.0**-first * (1 + 1e-6) + 1e-9 * abs(value)
        assert float(text) != 0 or "-" not in text
    told = float(texts[1]) - float(texts[0])
    # Each is rounded by half of a digit at most, whose unit is a hundredth of the distance at most.
    assert abs(told - (high - low)) <= 10.0**-first * (1 + 1e-6) + 1e-9 * (abs(low) + abs(high))
    assert 10.0**-first <= 0.01 * (high - low) * (1 + 1e-9) or first == 0 or float(texts[0]) == pytest.approx(low)


@given(st.integers(-500, 500), st.integers(1, 500), st.integers(0, 2))
def test_values_with_few_decimals_have_no_more_than_those(low: int, gap: int, places: int) -> None:
    scale = 10**places
    first, second = ends_of(low / scale, (low + gap) / scale)
    decimals = len(first.partition(".")[2])

    assert decimals <= places
    assert (float(first), float(second)) == (low / scale, (low + gap) / scale) or decimals == max(
        0, 2 - math.floor(math.log10(gap / scale))
    )
    if decimals:
        # Not both end in a zero.
        assert not (first.endswith("0") and second.endswith("0"))


def test_values_that_somebody_chose_are_told_as_they_are_and_no_value_in_hundreds_of_digits() -> None:
    assert ends_of(38.35, 48.35) == ("38.35", "48.35")
    assert ends_of(38.3514, 48.3514) == ("38.4", "48.4")
    assert ends_of(-1.31274, 1.46371) == ("-1.31", "1.46")
    assert ends_of(-1e300, 1e300) == ("-1e+300", "1e+300")
    assert ends_of(0.0, 5e-324) == ("0", "4.94066e-324")


@given(low=finite, gap=st.floats(1e-3, 1e5))
def test_on_a_page_they_have_true_minus_signs(low: float, gap: float) -> None:
    for page, plain in zip(ends_words(low, low + gap), ends_of(low, low + gap), strict=True):
        assert page.replace(MINUS, "-") == plain
        assert "-" not in page


def test_signs_of_sentences_are_typeset() -> None:
    assert typeset("a slope beyond +/- 2; R2 0.82; -0.4 to -.1, 2021-01-02, x-1, 95 %") == (
        f"a slope beyond ±2; R² 0.82; {MINUS}0.4 to {MINUS}.1, 2021-01-02, x-1, 95%"
    )
