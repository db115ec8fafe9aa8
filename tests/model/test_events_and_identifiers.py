"""Events that are written as words are 1 and 0, and columns that name rows are no predictors."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.model.families.bernoulli import event_of


def table(n: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    x = rng.normal(size=n).round(3)
    return pd.DataFrame({"participant_id": [f"p{k}" for k in range(n)], "x": x, "better": (x + rng.normal(size=n) > 0)})


@pytest.mark.parametrize(
    ("levels", "numbers"),
    [
        (["TRUE", "FALSE", "TRUE", None], [1.0, 0.0, 1.0, np.nan]),
        (["false", "true", "false", "true"], [0.0, 1.0, 0.0, 1.0]),
        (["True", "True", None, "True"], [1.0, 1.0, np.nan, 1.0]),
    ],
)
def test_an_event_in_words_is_a_number(levels: list[str | None], numbers: list[float]) -> None:
    data = pd.DataFrame({"better": pd.Categorical(levels), "other": pd.Categorical(["TRUE", "FALSE"] * 2)})
    made = event_of(data, "better")
    np.testing.assert_array_equal(made["better"], numbers)
    # Nothing else is touched, and what says something else stays.
    assert isinstance(made["other"].dtype, pd.CategoricalDtype)
    other = data.assign(better=pd.Categorical(["yes", "no", "yes", "TRUE"]))
    assert event_of(other, "better") is other
    assert event_of(data, "absent") is data


def test_words_fit_as_their_numbers_do(caplog: pytest.LogCaptureFixture) -> None:
    frame = table()
    model = ab.Model("better ~ x", family="bernoulli", autoscale=True)
    words = frame.assign(better=np.where(frame["better"], "TRUE", "FALSE"))
    numbers = frame.assign(better=frame["better"].astype(int))
    draws = []
    for of in (words, frame, numbers):
        caplog.clear()
        with caplog.at_level(logging.INFO, "alliance_bayes"):
            fit = model.fit(ab.read_cohort(of), draws=20, tune=50, chains=1, seed=1, progress=False)
        told = [line for line in caplog.messages if "TRUE is the event (1), FALSE its absence (0)" in line]
        assert len(told) == (of is not numbers)
        assert fit.info.get("outcome_written", "") == (told[0] if told else "")
        draws.append(fit.posterior["beta"].to_numpy())
    np.testing.assert_array_equal(draws[0], draws[2])
    np.testing.assert_array_equal(draws[1], draws[2])


@pytest.mark.parametrize(("distinct", "refused"), [(60, True), (48, True), (47, False)])
def test_a_column_that_names_rows_is_no_predictor(distinct: int, refused: bool) -> None:
    frame = table().assign(note=[f"t{min(k, distinct - 1)}" for k in range(60)])
    frame["y"] = frame["x"] * 2 + np.arange(60) % 7
    cohort = ab.read_cohort(frame, categorical=["note"])
    model = ab.Model("y ~ x + note", autoscale=True)
    if not refused:
        assert len(model.fit(cohort, draws=10, progress=False).design.terms) == distinct + 1
        return
    with pytest.raises(ab.ModelError, match=rf"'note' has {distinct} levels in 60 analysed rows, .* \(1 \| note\)\."):
        model.fit(cohort, draws=10, progress=False)
    # Pooled over, they are what they seem.
    pooled = ab.Model("y ~ x + (1 | note)", autoscale=True, roles={"note": "group"})
    assert pooled.fit(cohort, draws=10, progress=False).design.factors[0].name == "note"
