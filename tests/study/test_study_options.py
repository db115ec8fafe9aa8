"""What a study is asked for, and what a table must hold, is refused before anything is fitted."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes.cohort import Cohort
from alliance_bayes.errors import UsageError
from alliance_bayes.study import StudyOptions, run_study
from alliance_bayes.study.study import COLUMNS, FEWEST, check_columns
from builders import rows


def test_the_defaults_are_those_of_the_study() -> None:
    options = StudyOptions()

    assert vars(options) == {
        "full": False,
        "prob": 0.89,
        "elevated": 28.0,
        "improvement": 10.0,
        "margin": 2.0,
        "alliance_margin": 0.07,
        "population_mean": (47.0, 70.0),
        "seed": 7,
        "small": 10,
        "same_people": False,
        "missing": "drop",
        "auxiliary": (),
    }


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        StudyOptions(prob=1.0, elevated=100, improvement=0, margin=math.inf, alliance_margin=math.nan, seed=-1)

    assert str(caught.value) == (
        "run_study: prob should be in the interval (0, 1) but got 1.0; "
        "elevated should be in the interval [0, 100) but got 100; "
        "improvement should be a finite number above 0 but got 0; "
        "margin should be a finite number above 0 but got inf; "
        "alliance_margin should be a finite number above 0 but got nan; "
        "seed should be a whole number, 0 or more, but got -1. Nothing was fitted."
    )


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("prob", 0, "in the interval (0, 1) but got 0"),
        ("prob", math.nan, "in the interval (0, 1) but got nan"),
        ("elevated", -4, "in the interval [0, 100) but got -4"),
        ("elevated", math.nan, "in the interval [0, 100) but got nan"),
        ("margin", -2.0, "a finite number above 0 but got -2.0"),
        *(
            ("population_mean", value, f"two numbers from 0 to 100, the lower first, but got {value!r}")
            for value in (50, "47", (47,), (70, 47), (50, 50), (0, 101), (math.nan, 60), (True, 60))
        ),
        ("seed", 1.0, "a whole number, 0 or more, but got 1.0"),
        ("seed", True, "a whole number, 0 or more, but got True"),
        ("small", 0, "a whole number, 1 or more, but got 0"),
        ("missing", "guess", "'drop' or 'impute' but got 'guess'"),
        ("auxiliary", "n_sessions", "a list of names of columns but got 'n_sessions'"),
    ],
)
def test_one_fault_is_one_sentence(name: str, value: object, rule: str) -> None:
    with pytest.raises(UsageError) as caught:
        StudyOptions(**{name: value})  # type: ignore[arg-type]

    assert str(caught.value) == f"run_study: {name} should be {rule}. Nothing was fitted."


@pytest.mark.parametrize("name", ["prob", "elevated", "improvement", "margin", "alliance_margin", "seed"])
@pytest.mark.parametrize("value", ["0.9", None, [1]])
def test_what_is_no_number_is_refused_in_the_same_words(name: str, value: object) -> None:
    with pytest.raises(UsageError) as caught:
        StudyOptions(**{name: value})  # type: ignore[arg-type]

    assert str(caught.value).startswith(f"run_study: {name} should be ")
    assert str(caught.value).endswith(f"but got {value!r}. Nothing was fitted.")


@given(
    st.floats(0.001, 0.999),
    st.floats(0, 99.9),
    st.floats(0.001, 1e6),
    st.floats(0.001, 1e6),
    st.floats(0.001, 1e6),
    st.tuples(st.floats(0, 49), st.floats(50, 100)),
    st.integers(0, 2**32),
    st.integers(1, 10_000),
)
def test_whatever_is_in_range_is_accepted(
    prob: float,
    elevated: float,
    improvement: float,
    margin: float,
    alliance_margin: float,
    population_mean: tuple[float, float],
    seed: int,
    small: int,
) -> None:
    given_ = {
        "prob": prob,
        "elevated": elevated,
        "improvement": improvement,
        "margin": margin,
        "alliance_margin": alliance_margin,
        "population_mean": population_mean,
        "seed": seed,
        "small": small,
    }

    assert vars(StudyOptions(**given_)) == {
        "full": False,
        "same_people": False,
        "missing": "drop",
        "auxiliary": (),
        **given_,
    }


@given(st.sets(st.sampled_from(["prob", "elevated", "improvement", "margin", "alliance_margin", "seed"]), min_size=1))
def test_the_faults_named_are_the_faults_there_are(names: set[str]) -> None:
    with pytest.raises(UsageError) as caught:
        StudyOptions(**dict.fromkeys(names, -1))

    faults = str(caught.value).removeprefix("run_study: ").removesuffix(". Nothing was fitted.").split("; ")
    assert {fault.split(" should be ")[0] for fault in faults} == names


def people(n: int = 60) -> pd.DataFrame:
    return rows(n)


def test_a_whole_table_is_accepted() -> None:
    frame = people()
    frame["who5_baseline"] = np.where(np.arange(60) < FEWEST, 28.0, 60.0)

    check_columns(Cohort(frame, source="table.csv"), StudyOptions())


@given(st.sets(st.sampled_from(COLUMNS), min_size=1))
def test_every_missing_column_is_named(missing: set[str]) -> None:
    cohort = Cohort(people().drop(columns=list(missing)), source="table.csv")

    with pytest.raises(UsageError) as caught:
        check_columns(cohort, StudyOptions())

    assert str(caught.value) == (
        "table.csv: the study needs the columns alliance, who5_baseline, who5_followup, age, sex, country, "
        "provider_type, days_in_care, n_sessions, and this table has no "
        f"{', '.join(name for name in COLUMNS if name in missing)}. Add them (rename columns with "
        "columns=...), or fit single models with 'alliance-bayes fit'."
    )


REMEDY = "and the study needs 20 of each. Fit single models with 'alliance-bayes fit' instead."


@pytest.mark.parametrize(
    ("complete", "low", "faults"),
    [
        (
            19,
            15,
            "19 people have a value in every column, 15 people with a baseline WHO-5 of 28 or less have a value in "
            "every column, 4 people with a baseline WHO-5 above 28 have a value in every column",
        ),
        (60, 19, "19 people with a baseline WHO-5 of 28 or less have a value in every column"),
        (60, 0, "0 people with a baseline WHO-5 of 28 or less have a value in every column"),
    ],
)
def test_too_few_people_are_counted(complete: int, low: int, faults: str) -> None:
    frame = people()
    frame["who5_baseline"] = np.where(np.arange(60) < low, 28.0, 60.0)
    frame.loc[frame.index >= complete, "who5_followup"] = np.nan

    with pytest.raises(UsageError) as caught:
        check_columns(Cohort(frame, source="table.csv"), StudyOptions())

    assert str(caught.value) == f"table.csv: {faults}, {REMEDY}"


def test_nobody_above_the_elevated_range_is_refused_before_fitting() -> None:
    frame = people()
    frame["who5_baseline"] = 28.0

    with pytest.raises(UsageError) as caught:
        check_columns(Cohort(frame, source="table.csv"), StudyOptions())

    assert str(caught.value) == (
        f"table.csv: 0 people with a baseline WHO-5 above 28 have a value in every column, {REMEDY}"
    )


def test_options_are_judged_before_the_table_and_both_before_fitting() -> None:
    said: list[str] = []
    table = pd.DataFrame({"age": [36.0, 40.0]})

    with pytest.raises(UsageError, match=r"^run_study: margin should be a finite number above 0 but got 0\."):
        run_study(table, margin=0, tell=said.append)
    with pytest.raises(UsageError, match=r"^[^:]*: the study needs the columns "):
        run_study(ab.read_cohort(table), tell=said.append)

    assert said == []


def test_an_unknown_option_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="margins"):
        run_study(people(), margins=2)
