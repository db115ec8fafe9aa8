"""Scales of columns by name: every figure is that of the instrument's entry."""

from __future__ import annotations

import math

import numpy as np
import pytest

from alliance_bayes.cohort.schema import named_rules
from alliance_bayes.errors import ModelError
from alliance_bayes.instruments import INSTRUMENTS
from alliance_bayes.model.scales import (
    BUILT_IN,
    SampleScale,
    Scale,
    called,
    sample_scale,
    scale_of,
    two_values,
    unit_of,
)
from builders import fitted, rows

WHO5 = "WHO-5 percentage score, 0-100 in steps of 4; SD 19 in adults in video care (Sagui-Henson et al. 2022, derived)"


def test_the_scales_that_priors_are_fixed_by() -> None:
    who5 = Scale(50.0, 19.0, 0.0, 100.0, 4.0, "WHO-5 point", True, WHO5, 10.0, "WHO-5")
    change = Scale(0.0, 19.0, -100.0, 100.0, 4.0, "WHO-5 point", True, "difference of two WHO-5 scores", 10.0, "WHO-5")
    alliance = Scale(
        4.5,
        0.7,
        1.0,
        5.0,
        None,
        "alliance point",
        True,
        "mean of ratings 1-5; SD about 0.7 (derived)",
        instrument="ALLIANCE2",
    )
    phq9 = Scale(10.0, 6.0, 0.0, 27.0, 1.0, "PHQ-9 point", False, "PHQ-9 range 0-27; SD assumed 6", 5.0, "PHQ-9")
    assert {name: BUILT_IN[name] for name in ("who5", "who5_change", "alliance")} == {
        "who5": who5,
        "who5_change": change,
        "alliance": alliance,
    }
    assert scale_of("phq9", {}) == phq9
    assert scale_of("srs_3", {}) == Scale(
        36.0, 4.0, 0.0, 40.0, None, "SRS point", True, "SRS range 0-40; SD assumed 4", instrument="SRS"
    )
    assert BUILT_IN["age"].sd == 9


@pytest.mark.parametrize("when", ["baseline", "followup", "first", "early", "last", "mean", "7"])
def test_an_occasion_has_the_instruments_scale(when: str) -> None:
    for column in ("who5", "alliance", "phq9", "phq2", "srs"):
        known = scale_of(column, {})
        assert known is not None
        assert scale_of(f"{column}_{when}", {}) == known
    assert scale_of(f"who5_{when}_x", {}) is None
    assert scale_of(f"who_{when}", {}) is None


def test_a_name_is_found_however_it_is_written() -> None:
    for column in ("phq9", "phq_9", "PHQ9", "PHQ_9_baseline"):
        assert scale_of(column, {}) == scale_of("phq9", {})
    declared = Scale(1.0, 2.0)
    assert scale_of("phq9", {"phq9": declared}) is declared
    assert scale_of("score", {}) is None


@pytest.mark.parametrize("entry", INSTRUMENTS, ids=lambda entry: entry.name)
@pytest.mark.parametrize("change", [False, True])
def test_a_column_of_an_instrument_has_its_facts(entry, change) -> None:
    """Without a reference, mean and SD are the rows' (3, and 1 by hand), and everything else is the instrument's."""
    column = entry.name.lower().replace("-", "_") + "_change" * change
    made = sample_scale(np.array([2.0, 3.0, 4.0]), column=column)
    low, high = entry.score_range
    assert isinstance(made, SampleScale)
    assert (made.mean, made.sd) == (3.0, 1.0)
    assert (made.lower, made.upper) == ((low - high, high - low) if change else (low, high))
    assert made.step == entry.score_step
    assert made.higher_is_better is (entry.higher_is == "better")
    assert made.smallest_relevant_change == entry.smallest_relevant_change
    assert made.unit == unit_of(column, {}) == f"{entry.name} point"
    known = scale_of(column, {})
    assert (known is None) == (entry.reference is None)
    if known is not None:
        assert (known.mean, known.sd) == (0.0 if change else entry.reference.mean, entry.reference.sd)
        assert (known.lower, known.upper, known.step) == (made.lower, made.upper, made.step)


@pytest.mark.parametrize("when", ["t2", "_t2", "_w12", "_week_12", "_month6", "_pre", "_post", "_3"])
def test_a_score_has_its_instruments_scale_whatever_its_time_is_called(when: str) -> None:
    """The GAD-7 goes from 0 to 21, and higher is worse."""
    found = sample_scale(np.array([2.0, 3.0, 4.0]), column=f"gad7{when}")
    assert (found.lower, found.upper, found.step, found.higher_is_better) == (0.0, 21.0, 1.0, False)
    assert (found.unit, found.instrument) == ("GAD-7 point", "GAD-7")
    assert scale_of(f"gad7{when}", {}) == scale_of("gad7", {})
    (rule,) = named_rules([f"gad7{when}"])
    assert (rule.low, rule.high) == (0, 21)


def test_what_sentences_call_a_column() -> None:
    words = {
        "who5_baseline": "baseline WHO-5",
        "phq9_followup": "follow-up PHQ-9",
        "core_om_change": "change in CORE-OM",
        "wai_sr": "WAI-SR",
        "wai_sr_3": "WAI-SR at time 3",
        "gad7_t2": "GAD-7 at t2",
        "phq9_w12": "PHQ-9 at week 12",
        "gad7_month_6": "GAD-7 at month 6",
        "phq9_pre": "PHQ-9 before",
        "phq9_last": "last PHQ-9",
        "phq9_item": None,
        "wai_sr_goal": None,
        "gad7_x2": None,
        "alliance": None,
        "score": None,
    }
    assert {column: called(column) for column in words} == words


def test_a_smallest_relevant_change_is_positive() -> None:
    with pytest.raises(ModelError, match="smallest relevant change should be greater than 0 but got -5"):
        Scale(10, 6, higher_is_better=False, smallest_relevant_change=-5)
    with pytest.raises(ModelError, match="smallest_relevant_change should be a finite number but got inf"):
        Scale(10, 6, smallest_relevant_change=math.inf)


@pytest.mark.parametrize(
    ("column", "low", "high"),
    [("wai_sr", 12.0, 60.0), ("srs", 0.0, 40.0), ("wai", 36.0, 252.0), ("sai_early", 0.0, 5.0)],
)
def test_an_alliance_score_is_taken_on_its_instruments_own_scale(column: str, low: float, high: float) -> None:
    """The standardised slope .15 (SD .10), times the outcome's SD, over the score's; negative for symptoms."""
    frame = rows(60)
    frame[column] = np.round(low + (high - low) * (frame["alliance"] - 1) / 4)
    frame["phq9_followup"] = np.arange(60) % 28
    for outcome, sd, sign in (("who5_followup", 19.0, 1), ("phq9_followup", 6.0, -1)):
        spec = {"alliance": column, "priors": "literature"}
        fit = fitted(frame, formula=f"{outcome} ~ {column}", means={"beta": 0.0}, chains=1, draws=4, spec=spec)
        own = 4.0 if column == "srs" else float(np.std(frame[column], ddof=1))
        prior = fit.priors[column].prior.arguments
        assert prior["mu"] == pytest.approx(sign * 0.15 * sd / own)
        assert prior["sigma"] == pytest.approx(0.10 * sd / own)
        scale = fit.design.scales[column]
        assert (scale.lower, scale.upper, scale.higher_is_better) == (low, high, True)


def test_a_family_with_levels_has_those_of_the_instrument() -> None:
    frame = rows(60).assign(gad7_followup=np.arange(60) % 15)
    for family in ("beta_binomial", "cumulative"):
        fit = fitted(frame, formula="gad7_followup ~ alliance", means={"beta": 0.0}, draws=4, spec={"family": family})
        assert fit.design.outcome.levels.tolist() == list(range(22))


def test_numbers_of_a_small_unit_about_zero_are_not_codes_of_moments() -> None:
    """A mean and a variance of nearly nothing passed for those of 0 and 1: priors were 30,000 times as wide."""
    weights = np.full(40, 2.5)
    values = 3e-5 * np.random.default_rng(0).normal(size=40)
    values += -values.mean() - 1e-10
    assert two_values(values, weights) is None
    # One of a million has the other code.
    assert two_values(np.array([0.0, 1.0]), np.array([999_999.0, 1.0])) == (0.0, 1.0)
    assert two_values(np.array([1.4, 1.6]), np.array([25.0, 25.0])) is None
    spread = 0.5
    assert two_values(1.5 + spread * np.array([-1.0, 1.0]), np.array([25.0, 25.0])) == (1.0, 2.0)
