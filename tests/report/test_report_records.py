from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliance_bayes.report.records import kept, plain, records, unit


def test_values_become_json_types() -> None:
    given = {
        "nan": float("nan"),
        "inf": np.inf,
        "na": pd.NA,
        "int": np.int64(3),
        "float": np.float32(0.5),
        "bool": np.True_,
        "array": np.array([1.0, np.nan]),
        "tuple": (1, "a", None),
        "surrogate": "a\ud800",
        3: "key",
    }

    assert plain(given) == {
        "nan": None,
        "inf": None,
        "na": None,
        "int": 3,
        "float": 0.5,
        "bool": True,
        "array": [1.0, None],
        "tuple": [1, "a", None],
        "surrogate": "a?",
        "3": "key",
    }
    json.dumps(plain(given), allow_nan=False).encode()


def test_what_has_no_json_counterpart_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^object has no place in the report's JSON$"):
        plain(object())


def test_records_keep_the_order_of_columns_and_rows() -> None:
    frame = pd.DataFrame({"b": [1.0, np.nan], "a": ["x", None]})

    assert records(frame) == [{"b": 1.0, "a": "x"}, {"b": None, "a": None}]
    assert list(records(frame)[0]) == ["b", "a"]


@given(
    value=st.floats(-1e6, 1e6).filter(lambda value: abs(value) > 1e-6),
    sd=st.floats(1e-3, 1e3),
    places=st.integers(-4, 4),
)
def test_what_is_kept_is_near_and_stays_as_it_is(value: float, sd: float, places: int) -> None:
    (alone,) = kept([value])
    assert abs(alone - value) <= 0.51 * unit(value)
    assert 1e-6 <= unit(value) / abs(value) <= 1.01e-5
    assert kept([alone]) == [alone]
    row = kept({"mean": value, "sd": sd, "p_rope": 0.12345678, "n": 12345678.0, "note": "1.23456789"})
    # Five digits of the SD, whatever the mean is: of a mean near zero, digits that rounding decides are not kept.
    assert abs(row["mean"] - value) <= 0.51 * unit(sd, sd)
    assert 1e-5 <= unit(sd, sd) / sd <= 1.01e-4
    assert row == kept(row) == {**row, "p_rope": 0.123457, "n": 12345678.0, "note": "1.23456789"}
    assert unit(10.0**places) == pytest.approx(10.0 ** (places - 5))


def test_what_is_no_number_with_a_fraction_is_kept_whole() -> None:
    assert kept({"a": True, "b": 10**20, "c": None, "d": "x", "e": [0.0, -0.0, 1e300]}) == {
        "a": True,
        "b": 10**20,
        "c": None,
        "d": "x",
        "e": [0.0, 0.0, 1e300],
    }
