"""What a page says of parts within and between persons and of lagged outcomes: of whom, and what not to conclude."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.effects import compared_slopes
from alliance_bayes.report.limitations import not_to_conclude, parts_of
from alliance_bayes.report.rows import row_words, rows_of
from alliance_bayes.report.small_counts import alike_but_for
from alliance_bayes.report.text import column_name, unit_of


@pytest.fixture(scope="module")
def fitted() -> Callable[..., ab.Fit]:
    rng = np.random.default_rng(4)
    table = pd.DataFrame(
        {"pid": np.repeat([f"p{n}" for n in range(25)], 6), "session": np.tile(np.arange(6), 25), "ward": "a"}
    )
    table["ward"] = np.where(np.arange(len(table)) // 6 % 2, "a", "b")
    table["age"] = np.repeat(rng.normal(40, 9, 25), 6)
    table["alliance"] = np.clip(np.repeat(rng.normal(4, 0.5, 25), 6) + rng.normal(0, 0.3, len(table)), 1, 5)
    table["y"] = table["alliance"] + rng.normal(size=len(table))

    def fit(formula: str, **options: str) -> ab.Fit:
        given = {"person": "pid", "time": "session", "unit": "session", **options}
        return ab.Model(formula).fit(table, **given, seed=1, draws=50, progress=False)

    return fit


def test_whom_a_predictor_tells_apart(fitted: Callable[..., ab.Fit]) -> None:
    fit = fitted("y ~ within(alliance) + between(alliance) + age + session + lag(within(alliance), 2) + (1 | pid)")
    whom = {name: alike_but_for(fit, name) for name in fit.design.predictors if name != "pid"}
    assert whom == {
        "within(alliance)": "sessions of one person",
        "between(alliance)": "people",
        "age": "people",
        "session": "sessions",
        "lag(within(alliance), 2)": "sessions of one person",
    }
    assert alike_but_for(fitted("y ~ within(alliance, ward) + (1 | pid)"), "within(alliance, ward)") == (
        "sessions of one ward"
    )


def test_columns_are_called_by_what_they_are(fitted: Callable[..., ab.Fit]) -> None:
    names = {
        "within(alliance)": "alliance within persons",
        "between(alliance, provider_id)": "mean alliance of providers",
        "between(phq9_baseline, ward)": "mean baseline PHQ-9 of levels of ward",
        "lag(days_in_care)": "days in care one occasion before",
        "lag(within(alliance), 2)": "alliance within persons 2 occasions before",
        "within(lag(x))": "x one occasion before within persons",
    }
    assert {name: column_name(name) for name in names} == names
    design = fitted("y ~ within(age, ward) + lag(alliance) + (1 | pid)").design
    assert unit_of(design, "within(age, ward)") == "year"
    assert unit_of(design, "lag(alliance)") == "alliance point"


def test_parts_are_told_with_the_rows_that_a_mean_is_of(fitted: Callable[..., ab.Fit]) -> None:
    fit = fitted("y ~ within(alliance) + between(alliance) + between(age, ward) + (1 | pid) + (1 | ward)")
    persons, wards = parts_of(fit)
    assert persons == {"what": "alliance", "whose": "persons", "one": "person", "rows": "6.0"}
    assert (wards["whose"], wards["rows"]) == ("levels of ward", "75.0")


def test_a_lagged_outcome_stands_among_what_must_not_be_concluded(fitted: Callable[..., ab.Fit]) -> None:
    said = [text for text in not_to_conclude(fitted("y ~ lag(y) + (1 | pid)"), 10) if "carries over" in text]
    assert len(said) == 1
    assert "here 5.0 a person on average" in said[0]
    for other in ("y ~ lag(y) + alliance", "y ~ lag(alliance) + (1 | pid)"):
        assert not any("carries over" in text for text in not_to_conclude(fitted(other), 10))


@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_one_unit_of_a_compared_part_is_named_once(fitted: Callable[..., ab.Fit]) -> None:
    fit = fitted("y ~ within(alliance) + between(alliance) + (1 | pid)")
    table = compared_slopes(fit, against="between(alliance)", predictor="within(alliance)")
    words = row_words(rows_of(table)[0], fit.design)
    measure = table.measure("compared_slope")
    assert words["step"] == f"point of {column_name('between(alliance)')}"
    assert measure.sentence.format_map(defaultdict(str, words)).startswith(f"For each additional {words['step']}, ")
