"""Nothing in a report is about one person, or about fewer than ten."""

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
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.codings import level_counts
from alliance_bayes.report.curve import covered_range, grouped_histogram
from alliance_bayes.report.privacy import factors_with_few, grouped_only, identifying, redaction
from alliance_bayes.report.small_counts import SMALL, shown_cells, shown_counts, split_factor
from builders import fitted, rendered, rows

VALUES = hnp.arrays(
    np.float64, st.integers(2, 300), elements=st.sampled_from([1.0, 2.5, 4.0, 4.25, 4.5, 4.75, 5.0, 97.0])
)


def people(n: int = 120) -> pd.DataFrame:
    frame = rows(n)
    frame["participant_id"] = [f"ID-{k:04d}" for k in range(n)]
    return frame


def sized(**sizes: tuple[int, ...]) -> FittedModel:
    """A fit with the counts asked for: of each factor by level, or of sex (down) by provider type (across)."""
    n = sum(next(iter(sizes.values())))
    frame = rows(n)
    for name, counts in sizes.items():
        levels = [f"{name}-{k}" for k in range(len(counts))]
        frame[name] = pd.Categorical.from_codes(np.repeat(np.arange(len(counts)), counts), levels, ordered=True)
    pooled = " + ".join(f"(1 | {name})" for name in sizes)
    return fitted(frame, formula=f"who5_followup ~ alliance + {pooled}", draws=4)


def test_counts_are_shown_as_they_are_when_none_is_small() -> None:
    fit = sized(sex=(10, 30))
    assert [(cell.number, cell.both) for cell in shown_counts(fit, "sex", SMALL).values()] == [
        (10, "10 (25.0%)"),
        (30, "30 (75.0%)"),
    ]


def test_one_small_count_hides_another_and_both_shares() -> None:
    shown = shown_counts(sized(country=(3, 118, 26)), "country", SMALL)

    assert {level: (cell.number, cell.text, cell.share) for level, cell in shown.items()} == {
        "country-0": (None, "< 10", "–"),
        "country-1": (118, "118", "80.3%"),
        "country-2": (None, "–", "–"),
    }


def test_combinations_are_shown_as_in_table_one_and_others_not_at_all() -> None:
    formula = "who5_followup ~ alliance + (1 | provider_type) + (1 | provider_type:country) + (1 | sex:country)"
    fit = fitted(rows(600, countries=6), formula=formula, draws=4)
    assert split_factor(fit, 15) == "provider_type"

    cells = shown_cells(fit, "country", "provider_type", 15)
    combined = shown_counts(fit, "provider_type:country", 15)

    assert {level: cell.text for level, cell in combined.items()} == {
        f"{group}:{level}": cell.text for level, groups in cells.items() for group, cell in groups.items()
    }
    assert 0 < sum(cell.number is None for cell in combined.values()) < 18
    assert {cell.text for cell in shown_counts(fit, "sex:country", 15).values()} == {"–"}


def test_what_is_hidden_in_sum_is_protected_too() -> None:
    # Two provider types are hidden (9 people, and 30 so that they cannot be had). Of those 39, 2 are of one sex: this
    # would be the total of that sex less those shown of it.
    frame = rows(239)
    frame["provider_type"] = pd.Categorical(np.repeat(["a", "b", "c"], [200, 9, 30]))
    frame["sex"] = pd.Categorical(np.r_[np.tile(["f", "m"], 100), ["f"] * 2, ["m"] * 37])
    fit = fitted(frame, formula="who5_followup ~ alliance + (1 | provider_type) + (1 | sex)", draws=4)

    cells = shown_cells(fit, "sex", "provider_type", SMALL)

    assert [cell.text for cell in shown_counts(fit, "sex", SMALL).values()] == ["102", "137"]
    assert all(cell.number is None for level in cells.values() for cell in level.values())


@given(VALUES)
def test_every_bar_of_a_histogram_is_of_enough_people(values: np.ndarray) -> None:
    edges, density = grouped_histogram(values, SMALL)

    people_in_bar = density * np.diff(edges) * values.size
    assert people_in_bar.sum() == pytest.approx(values.size)  # nobody is lost
    assert values.size < SMALL or people_in_bar.min() >= SMALL - 1e-6


@given(VALUES)
def test_the_ends_of_the_range_are_nobodys_own_values(values: np.ndarray) -> None:
    lower, upper = covered_range(values, SMALL)

    assert lower < upper
    ordered = np.sort(values)
    beyond = SMALL - 1 if values.size >= 2 * SMALL else values.size // 4
    inner = ordered[beyond : values.size - beyond]
    half = 0.5 * abs(inner[0]) or 0.5
    # Where one value is left, the range is around it, and may reach as far as somebody's only by chance.
    assert (lower, upper) == ((inner[0], inner[-1]) if inner[0] < inner[-1] else (inner[0] - half, inner[0] + half))
    if values.size >= 2 * SMALL and inner[0] < inner[-1]:
        assert (values <= lower).sum() >= SMALL
        assert (values >= upper).sum() >= SMALL


def test_which_factors_may_identify_people() -> None:
    frame = people()
    frame["pair"] = [f"p{k // 2}" for k in range(len(frame))]
    fit = fitted(frame, formula="who5_followup ~ alliance + (1 | participant_id) + (1 | pair) + (1 | country)", draws=4)

    assert [identifying(fit, name) for name in ("participant_id", "pair", "country")] == [True, True, False]
    assert factors_with_few(fit, SMALL) == ["participant_id", "pair"]
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
        {
            "column": ["age"] * 3,
            "low": [18.0, 40.0, 60.0],
            "high": [40.0, 60.0, 80.0],
            "n": [60, 36, 4],
            "residual": 0.1,
        }
    )
    levels = pd.DataFrame(
        {
            "column": ["country"] * 3 + ["sex"] + ["beside"] * 3,
            "level": ["tiny", "A", "B", "male", "x", "y", "z"],
            "n": [3, 49, 48, 51, 9, 71, 20],
            "residual": [9.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        }
    )

    assert len(grouped_only(fit, single, SMALL)) == 0
    # With the 4, the next smallest is left out: the total less those shown would tell.
    assert grouped_only(fit, parts, SMALL).to_dict("list") == {"column": ["age"], "n": [60], "residual": [0.1]}
    kept = grouped_only(fit, levels, SMALL)
    assert kept["level"].tolist() == ["A", "male", "y"]
    assert kept["n"].tolist() == [49, 51, 71]
    assert [level for level, cell in shown_counts(fit, "country", SMALL).items() if cell.number] == ["A"]
    other = pd.DataFrame({"quantity": ["n"], "value": [3.0]})
    assert grouped_only(fit, other, SMALL) is other


def test_shares_that_stand_for_few_people_are_left_out() -> None:
    fit = fitted(rows(100), formula="who5_followup ~ alliance + (1 | sex)", draws=4)
    women = int((fit.design.frame["sex"] == "female").sum())
    sizes = {"female": women, "male": 100 - women}

    def shares(of_women: int, of_men: int) -> pd.DataFrame:
        counts = {"female": of_women, "male": of_men}
        table = [("share at floor", "", "all", 100, (of_women + of_men) / 100)]
        table += [("share at floor", "sex", level, n, counts[level] / n) for level, n in sizes.items()]
        table += [("mean", "sex", level, n, 0.03) for level, n in sizes.items()]
        return pd.DataFrame(table, columns=["statistic", "factor", "level", "n", "observed"])

    def kept(of_women: int, of_men: int) -> list[tuple[str, str]]:
        frame = grouped_only(fit, shares(of_women, of_men), SMALL)
        return list(zip(frame["statistic"], frame["level"], strict=True))

    means = [("mean", "female"), ("mean", "male")]
    floor = [("share at floor", level) for level in ("all", "female", "male")]
    assert kept(12, 15) == [*floor, *means]
    assert kept(0, 15) == [*floor, *means]
    # 3 women: neither theirs nor the men's, whose count would tell; and not all, where those are few.
    assert kept(3, 15) == [floor[0], *means]
    assert kept(3, 4) == means


@pytest.mark.parametrize("passed", [False, True])
def test_a_report_with_an_effect_of_every_participant_names_none(
    passed: bool, checks_of: Callable[..., CheckReport]
) -> None:
    fit = fitted(people(), formula="who5_followup ~ alliance + (1 | participant_id)", draws=100)
    table = effects(fit)
    # The real checks fail on so few draws, and name the participants with the smallest sample sizes.
    report = rendered(fit, effects=table, checks=checks_of() if passed else run_checks(fit, effects=table))

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

    report = rendered(fitted(frame, draws=150))

    for mark in marks.values():
        assert f"{mark:.4f}"[:-1] not in report.html
        assert f"{mark:.4f}"[:-1] not in report.json
    assert not any("row" in record for check in report.numbers["checks"] for record in (check["table"] or []))
    json.loads(report.json)


@pytest.mark.parametrize(("small", "there"), [(20, True), (21, False)])
def test_bars_of_twenty_people_are_not_shown_where_more_are_wanted(small: int, there: bool) -> None:
    fit = fitted(rows(240), draws=500)
    checks = run_checks(fit, effects=effects(fit), checks=["convergence", "posterior_predictive"])
    html = rendered(fit, checks=checks, sections=["checks"], small=small).html
    assert ("Observed and replicated outcomes" in html) == there
    note = "Figures that would show groups of fewer than 21 people are left out."
    assert (note in html) == (not there)
