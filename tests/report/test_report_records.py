from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.report.records import plain, records


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
