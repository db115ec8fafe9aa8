"""Rows to predict are told all that is wrong with them, by column, row and value, and never predicted as NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.errors import ModelError, UsageError
from alliance_bayes.fit import FittedModel
from builders import fitted, of_family, rows

FORMULA = "who5_followup ~ log(alliance) + age + sex + offset(sqrt(days_in_care)) + (1 | country)"


def fit(formula: str = FORMULA, **options: Any) -> FittedModel:
    return fitted(rows(60), formula=formula, chains=2, draws=10, **options)


def new(n: int = 4, **changes: Any) -> pd.DataFrame:
    return rows(60).head(n).assign(**changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"alliance": [4.0, 0.0, -1.0, 5.0]},
            ["'log(alliance)' is not a finite number in row(s) 1, 2 of the new rows. Give values for"],
        ),
        (
            {"days_in_care": [1.0, 2.0, -3.0, 4.0]},
            ["the offset is not a finite number in row(s) 2 of the new"],
        ),
        ({"age": [40.0, np.inf, 41.0, -np.inf]}, ["infinite values in 'age', in row(s) 1, 3. Give numbers"]),
        (
            {"age": [40.0, np.nan, 41.0, 42.0], "country": ["C0", None, None, "C1"], "alliance": "4"},
            [
                "missing values in 'age', in row(s) 1. Fill or drop them first.",
                "missing values in 'country', in row(s) 1, 2. Fill or drop them first.",
                "'alliance' is numeric in the model, but the new rows have it as ",
            ],
        ),
        ({"age": np.array([40, 41, 42, 43 + 2j])}, ["the new rows have it as complex128. Convert it to numbers."]),
        (
            {"sex": ["female", "other", "male", "none of these"], "age": True},
            ["level(s) 'none of these', 'other' of 'sex'", "the new rows have it as bool"],
        ),
    ],
)
def test_all_that_is_wrong_is_told(changes: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(ModelError) as caught:
        fit().predict(new(**changes))
    lines = str(caught.value).splitlines()
    assert len(lines) == len(said)
    assert all(any(part in line for line in lines) for part in said), lines


def test_rows_beyond_the_first_five_are_counted() -> None:
    with pytest.raises(ModelError, match=r"in row\(s\) 0, 1, 2, 3, 4 and 15 more\. Fill"):
        fit().predict(new(20, age=np.nan))


def test_a_column_that_stands_twice_is_none() -> None:
    frame = new()
    with pytest.raises(ModelError, match="several columns called 'age'"):
        fit().predict(pd.concat([frame, frame[["age"]]], axis=1))


@pytest.mark.parametrize("frame", [{"alliance": [4.0]}, pd.Series({"alliance": 4.0}), [1, 2]])
def test_something_else_than_a_table_is_refused(frame: Any) -> None:
    with pytest.raises(UsageError, match="frame should be a pandas DataFrame of rows to predict but got "):
        fit().predict(frame)


def test_trials_of_new_rows_are_whole_numbers() -> None:
    frame, options = of_family(rows(60), "binomial")
    made = fitted(frame, formula="who5_followup ~ alliance", chains=2, draws=10, spec=options)
    given = frame.head(4).assign(**{options["trials"]: [5.0, 0.0, 2.5, -1.0]})
    with pytest.raises(ModelError, match=r"no whole numbers from 1, in row\(s\) 1, 2, 3"):
        made.predict(given)


def test_undefined_in_what_is_pooled() -> None:
    made = fit("who5_followup ~ alliance + (0 + log(age) | country)")
    with pytest.raises(ModelError, match=r"'log\(age\)' is not a finite number in row\(s\) 3 "):
        made.predict(new(age=[30.0, 40.0, 50.0, -1.0]))
