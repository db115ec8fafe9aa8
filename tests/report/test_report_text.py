from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes.effects import effects
from alliance_bayes.report.estimates import words_of
from alliance_bayes.report.phrases import slopes_judged
from alliance_bayes.report.text import (
    MINUS,
    calling,
    capital,
    clean,
    decimals,
    equations,
    exact,
    interval_name,
    join,
    number,
    percent,
    probability,
    range_of,
    said_once,
    shortened,
    step_of,
    typeset,
)
from builders import fitted, rows
from effects.test_effects_of_moments import without_rows


@pytest.mark.parametrize(
    ("mcse", "sd", "expected"),
    [
        (0.0099, 0.5, 2),  # 0.01 is worth more than the error
        (0.011, 0.5, 1),
        (0.0001, 0.5, 2),  # two digits of the SD, however small the error
        (0.0001, 5.0, 1),
        (3.0, 50.0, 0),
        (math.nan, 0.5, 2),
        (math.nan, math.nan, 2),
        (1e-10, 3.1e-8, 9),  # a slope on a column of millions
        (1e-30, 3e-20, 21),
    ],
)
def test_decimals_come_from_the_monte_carlo_error_and_the_sd(mcse: float, sd: float, expected: int) -> None:
    assert decimals(mcse, sd) == expected


@given(st.floats(1e-5, 1e3), st.floats(1.001, 1e4))
def test_the_last_digit_is_never_below_the_monte_carlo_error(mcse: float, ratio: float) -> None:
    places = decimals(mcse, mcse * ratio)

    assert places == 0 or 10.0**-places >= mcse * (1 - 1e-12)


@pytest.mark.parametrize(
    ("value", "places", "expected"),
    [
        (-1.25, 1, "\N{MINUS SIGN}1.3"),
        (-0.04, 1, "0.0"),
        (3.14e-8, 9, "0.000000031"),
        (-3.14e-34, 35, "\N{MINUS SIGN}3.1 × 10⁻³⁴"),
        (2.5e-35, 35, "0.3 × 10⁻³⁴"),
        (2.0, 20, "2.000000000000"),
        (-5.114e46, 0, "\N{MINUS SIGN}5.11 × 10⁴⁶"),
        (12345.6, 0, "12,346"),
        (float("nan"), 2, "–"),
        (None, 2, "–"),
        (-math.inf, 1, "\N{MINUS SIGN}∞"),
        (math.inf, 1, "∞"),
    ],
)
def test_number(value: float | None, places: int, expected: str) -> None:
    assert number(value, places) == expected


def test_intervals_and_chosen_numbers() -> None:
    assert range_of(-1.26, 2.0, 1) == "(\N{MINUS SIGN}1.3 to 2.0)"
    assert exact(-0.5) == "\N{MINUS SIGN}0.5"
    assert exact(4.5) == "4.5"
    assert percent(0.123, 1) == "12.3%"
    assert interval_name("eti", 0.89) == "89% equal-tailed interval"
    assert interval_name("hdi", 0.955) == "95.5% highest-density interval"


@pytest.mark.parametrize(
    ("value", "ess", "expected"),
    [
        (0.5, 400, "50%"),
        (1.0, 400, "> 99%"),
        (0.0, 400, "< 1%"),
        (1.0, 4000, "> 99.9%"),
        (0.9985, 4000, "99.9%"),
        (0.984, 4000, "98%"),  # error 0.002: a tenth of a percent would be noise
        (math.nan, 4000, "–"),
        (0.5, math.nan, "50%"),
    ],
)
def test_probability_never_claims_more_than_the_draws_can_tell(value: float, ess: float, expected: str) -> None:
    assert probability(value, ess) == expected


@given(st.text())
@example("a\x00b\u202ec\nd")
def test_clean_text_has_no_control_characters_and_keeps_the_rest(text: str) -> None:
    cleaned = clean(text)

    assert not any(ord(character) < 32 or character in "\u202e\u2066\ufeff" for character in cleaned)
    assert len(cleaned) == len(text)
    assert clean(cleaned) == cleaned


def test_clean_and_shortened_labels() -> None:
    assert clean("a\x00b\u202ec\nd") == "a�b�c d"
    assert shortened("short") == "short"
    assert shortened("a" * 40, 10) == "a" * 9 + "…"


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("from -1.5 to 2 (-3)", "from \N{MINUS SIGN}1.5 to 2 (\N{MINUS SIGN}3)"),
        ("a 0-100 score on 2021-03-04", "a 0-100 score on 2021-03-04"),
        ("WHO-5 rose by 5 % (95 % interval)", "WHO-5 rose by 5% (95% interval)"),
    ],
)
def test_typeset_changes_signs_and_percentages_only(given_text: str, expected: str) -> None:
    assert typeset(given_text) == expected


def test_lists_and_capitals() -> None:
    assert join(["a"]) == "a"
    assert join(["a", "b"]) == "a and b"
    assert join(["a", "b", "c"]) == "a, b and c"
    assert join([]) == ""
    assert capital("provider type") == "Provider type"


@pytest.mark.parametrize(
    ("value", "places", "shown"),
    [(12.25, 1, "12.3"), (0.125, 2, "0.13"), (2.5, 0, "3"), (0.35, 1, "0.4"), (-0.35, 1, "\N{MINUS SIGN}0.4")],
)
def test_half_of_a_last_digit_is_rounded_the_same_way_whatever_the_last_bits_are(
    value: float, places: int, shown: str
) -> None:
    for off in (-4e-16, -2e-16, 0.0, 2e-16, 4e-16):
        assert number(value * (1 + off), places) == shown


def test_a_step_says_of_what_it_is_one() -> None:
    design = fitted(rows(60), formula="who5_followup ~ alliance + age + sex").design
    assert step_of(design, "alliance") == "alliance point"
    assert step_of(design, "age") == "year of age"
    with calling({"alliance": "Working Alliance, mean", "age": "Years lived"}):
        assert step_of(design, "alliance") == "point of Working Alliance, mean"
        assert step_of(design, "age") == "year of Years lived"


def test_the_kind_of_an_interval_is_said_once() -> None:
    texts = [
        "No interval.",
        "A is 2.4 (89% equal-tailed interval 1.6 to 3.2; 99%).",
        "B is \N{MINUS SIGN}1 (89% equal-tailed interval \N{MINUS SIGN}2 to 0).",
        "C is 3 (95% highest-density interval 1 to 5), D 4 (89% equal-tailed interval 3 to 5).",
        "An 89% equal-tailed interval is one.",
    ]
    assert said_once(texts) == [
        texts[0],
        texts[1],
        "B is \N{MINUS SIGN}1 (\N{MINUS SIGN}2 to 0).",
        "C is 3 (95% highest-density interval 1 to 5), D 4 (3 to 5).",
        texts[4],
    ]


def test_a_step_of_no_scale_names_its_column_once() -> None:
    frame = rows(60).assign(pid=[f"p{row // 3}" for row in range(60)], bond=rows(60)["alliance"])
    fit = ab.Model("who5_followup ~ within(bond) + between(bond) + (1 | pid)").fit(
        ab.read_cohort(frame.drop(columns="participant_id", errors="ignore"), person="pid"), draws=20, progress=False
    )
    assert step_of(fit.design, "bond") == "unit of bond"
    assert step_of(fit.design, "within(bond)") == "unit of bond within persons"
    # Of what a difference is, too: on axes and in tables.
    rows_of = fit.slopes()
    ends = rows_of[rows_of["estimand"] == "slope_p10_p90"].iloc[0].to_dict()
    said = words_of(ends, "unit")
    assert "within(bond)" in str(ends["unit"])
    assert re.search(r"from bond within persons .+ to ", said)


@pytest.mark.parametrize("kind", ["percentiles", "same", "declared", "moments"])
def test_a_page_names_the_step_over_which_slopes_are_judged(kind: str) -> None:
    frame = rows(80)
    if kind == "same":
        frame["alliance"] = np.where(np.arange(80) < 6, 3.0, 4.0)
    declared = {"focal": "alliance", "contrast": (2, 4)} if kind == "declared" else {}
    fit = fitted(frame, formula="who5_followup ~ alliance + (alliance || sex)", spec=declared, draws=25)
    fit = without_rows(fit) if kind == "moments" else fit
    steps = {
        "percentiles": (
            "from the predictor’s 10th to its 90th percentile",
            np.ptp(np.quantile(frame["alliance"], [0.1, 0.9])),
        ),
        "same": ("one unit of the predictor, whose 10th and 90th percentile are the same", 1.0),
        "declared": ("from 2 to 4 that the model declares", 2.0),
        "moments": ("one unit of the predictor, since moments tell no percentiles", 1.0),
    }
    words, step = steps[kind]
    assert words in slopes_judged(fit, "alliance")
    table = effects(fit)
    (high,) = table.loc[table["estimand"] == "contrast_of_slopes", "rope_high"]
    # Half of the two points that count as none.
    assert high == pytest.approx(1.0 / step, rel=1e-9)


def test_a_negative_centre_is_added_and_no_minus_follows_another() -> None:
    fit = fitted(rows(40), formula="who5_followup ~ alliance + age", spec={"centre": {"alliance": -1.5, "age": 40}})
    (line,) = [one for one in equations(fit.design) if "alliance" in one]
    assert "(alliance + 1.5)" in line
    assert f"(age {MINUS} 40)" in line
    assert f"{MINUS} {MINUS}" not in line
