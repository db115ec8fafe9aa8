"""Nothing in a report is about one person, or about fewer than five."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from alliance_bayes.checks import CheckReport, run_checks
from alliance_bayes.effects import effects
from alliance_bayes.report import build_report
from alliance_bayes.report.counts import SMALL, level_counts, shown_counts
from alliance_bayes.report.curve import covered_range, grouped_histogram
from alliance_bayes.report.privacy import factors_with_few, grouped_only, identifying, redaction
from builders import fitted, rows

VALUES = hnp.arrays(
    np.float64, st.integers(2, 300), elements=st.sampled_from([1.0, 2.5, 4.0, 4.25, 4.5, 4.75, 5.0, 97.0])
)


def people(n: int = 120) -> pd.DataFrame:
    frame = rows(n)
    frame["participant_id"] = [f"ID-{k:04d}" for k in range(n)]
    return frame


def test_counts_are_shown_as_they_are_when_none_is_small() -> None:
    assert shown_counts({"a": 5, "b": 15}) == {"a": ("5", "25.0%"), "b": ("15", "75.0%")}


def test_one_small_count_blurs_the_others() -> None:
    shown = shown_counts({"a": 3, "b": 118, "c": 6, "d": 0})

    assert shown == {"a": ("< 5", "–"), "b": ("about 120", "94%"), "c": ("about 5", "4%"), "d": ("< 5", "–")}


@given(st.lists(st.integers(0, 40), min_size=2, max_size=6), st.integers(0, 4))
def test_a_small_count_cannot_be_had_by_subtraction(others: list[int], small: int) -> None:
    counts = {"small": small + (small == 0), **{f"level {k}": size for k, size in enumerate(others)}}

    shown = shown_counts(counts)

    assert shown["small"] == ("< 5", "–")
    assert not any(text.isdigit() for text, _ in shown.values())


@given(VALUES)
def test_every_bar_of_a_histogram_is_at_least_five_people(values: np.ndarray) -> None:
    edges, density = grouped_histogram(values)

    people_in_bar = density * np.diff(edges) * values.size if edges[-1] > edges[0] else np.array([values.size])
    assert people_in_bar.sum() == pytest.approx(values.size)  # nobody is lost
    assert values.size < SMALL or people_in_bar.min() >= SMALL - 1e-6


@given(VALUES)
def test_the_ends_of_the_range_are_beyond_at_most_four_people(values: np.ndarray) -> None:
    lower, upper = covered_range(values)

    ordered = np.sort(values)
    assert lower <= upper
    if values.size >= 2 * SMALL and ordered[SMALL - 1] < ordered[-SMALL]:
        assert (values <= lower).sum() >= SMALL
        assert (values >= upper).sum() >= SMALL


def test_which_factors_may_identify_people() -> None:
    frame = people()
    frame["pair"] = [f"p{k // 2}" for k in range(len(frame))]
    fit = fitted(frame, formula="who5_followup ~ alliance + (1 | participant_id) + (1 | pair) + (1 | country)", draws=4)

    assert [identifying(fit, name) for name in ("participant_id", "pair", "country")] == [True, True, False]
    assert factors_with_few(fit) == ["participant_id", "pair"]
    assert sum(level_counts(fit, "country").values()) == 120


def test_redaction_names_no_such_level_and_leaves_numbers_alone() -> None:
    frame = people()
    frame["pair"] = [str(k // 2) for k in range(len(frame))]
    fit = fitted(frame, formula="who5_followup ~ alliance + (1 | participant_id) + (1 | pair) + (1 | country)", draws=4)
    redact = redaction(fit)

    assert (
        redact("u_participant_id[ID-0007, Intercept] and ID-0007 of C1")
        == "u_participant_id[(a level), Intercept] and (a level) of C1"
    )
    assert (
        redact("u_pair[12, Intercept] in 12 of 34 draws, 0.12")
        == "u_pair[(a level), Intercept] in 12 of 34 draws, 0.12"
    )
    assert redact("ID-00071") == "ID-00071"
    assert redact("a\x00\nb") == "a�\nb"


def test_tables_of_checks_lose_what_is_about_few_people() -> None:
    frame = rows(100)
    codes = np.r_[[0, 0, 0], np.arange(97) % 2 + 1]
    frame["country"] = pd.Categorical.from_codes(codes, ["tiny", "A", "B"], ordered=True)
    fit = fitted(frame, draws=4)

    single = pd.DataFrame({"row": [3], "outcome": [80.0]})
    parts = pd.DataFrame(
        {"column": ["age", "age"], "low": [18.0, 40.0], "high": [40.0, 80.0], "n": [96, 4], "residual": [0.1, 9.0]}
    )
    levels = pd.DataFrame(
        {
            "column": ["country"] * 3 + ["sex"],
            "level": ["tiny", "A", "B", "male"],
            "n": [3, 49, 48, 51],
            "residual": [9.0, 0.0, 0.0, 0.0],
        }
    )

    assert len(grouped_only(fit, single)) == 0
    assert grouped_only(fit, parts).to_dict("list") == {"column": ["age"], "n": [96], "residual": [0.1]}
    kept = grouped_only(fit, levels)
    assert kept["level"].tolist() == ["A", "B", "male"]
    assert kept["n"].tolist() == [50, 50, 51]  # country is rounded, since it has a small level
    other = pd.DataFrame({"quantity": ["n"], "value": [3.0]})
    assert grouped_only(fit, other) is other


@pytest.mark.parametrize("passed", [False, True])
def test_a_report_with_an_effect_of_every_participant_names_none(
    passed: bool, checks_of: Callable[..., CheckReport]
) -> None:
    fit = fitted(people(), formula="who5_followup ~ alliance + (1 | participant_id)", draws=100)
    table = effects(fit)
    # The real checks fail on so few draws, and name the participants with the smallest sample sizes.
    report = build_report(fit, effects=table, checks=checks_of() if passed else run_checks(fit, effects=table))

    assert report.withheld is not passed
    assert "ID-0" not in report.html
    assert "ID-0" not in report.json
    assert report.numbers["participants"]["summary"][-1] == {"variable": "participant_id", "levels": 120}
    if passed:
        assert "The levels of participant may each be one person" in report.html
        assert [row for row in report.numbers["effects"] if row["factor"] == "participant_id" and row["level"]] == []


def test_no_row_of_a_participant_is_in_a_report() -> None:
    frame = rows(200)
    # Values that nobody else has, in every numeric column: each would give a person away.
    marks = {"alliance": 3.14159, "who5_baseline": 27.1828, "age": 61.8034, "days_in_care": 577.2157}
    for name, mark in marks.items():
        frame.loc[17, name] = mark
    frame.loc[17, "who5_followup"] = 92.0

    report = build_report(fitted(frame, draws=150))

    for mark in marks.values():
        assert f"{mark:.4f}"[:-1] not in report.html
        assert f"{mark:.4f}"[:-1] not in report.json
    assert not any("row" in record for check in report.numbers["checks"] for record in (check["table"] or []))
    json.loads(report.json)
