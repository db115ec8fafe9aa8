from __future__ import annotations

import numpy as np
import pytest

from alliance_bayes.checks.conclusions import conclusions
from alliance_bayes.effects import slopes
from alliance_bayes.errors import UsageError
from builders import fitted, rows

FORMULA = "who5_followup ~ alliance + age"
LOW, HIGH = np.quantile(rows()["alliance"], [0.1, 0.9])


def line(mean, sd, table=None, **more):
    return fitted(
        rows() if table is None else table,
        formula=FORMULA,
        means={"beta": [45.0, mean, 0.0], "sigma": 15.0},
        sds={"beta": [0.5, sd, 0.01]},
        **more,
    )


def test_families_that_agree_change_no_conclusion():
    # 0.6 logits a point of alliance are up to 15 points of 100; the average slope is that times 4 p (1 - p).
    logit = fitted(
        formula=FORMULA,
        means={"beta": [0.0, 0.3, 0.0]},
        sds={"beta": [0.05, 0.01, 0.001]},
        spec={"family": "beta_binomial"},
    )
    fits = {"line": line(7.0, 0.5), "logit": logit}
    found = conclusions(fits)
    assert found.table["model"].tolist() == ["line", "logit"]
    assert found.table["family"].tolist() == ["gaussian", "beta_binomial"]
    assert found.table["unit"].tolist() == [f"WHO-5 point from alliance {LOW:.2f} to {HIGH:.2f}"] * 2
    for name, row in zip(fits, found.table.to_dict("records"), strict=True):
        own = slopes(fits[name], prob=0.89).set_index("estimand").loc["slope_p10_p90"]
        assert [row[key] for key in ("mean", "lower", "upper", "p_direction", "p_rope")] == [
            own[key] for key in ("mean", "lower", "upper", "p_direction", "p_rope")
        ]
    assert found.table["verdict"].tolist() == ["positive (P at least 0.975); not negligible"] * 2
    assert found.changes is False
    low, high = sorted(found.table["mean"])
    assert found.sentence == (
        f"The difference along alliance is {low:.2f} to {high:.2f} WHO-5 point from alliance {LOW:.2f} to {HIGH:.2f} "
        "in the 2 models, and "
        "the choice between them changes no conclusion: positive (P at least 0.975); not negligible in all."
    )


def test_a_choice_that_changes_a_conclusion_is_named():
    # Draws are normal: 1.8 SDs above zero are .964, inside .95 but not .975; 3 SDs below are beyond both.
    found = conclusions({"a": line(1.8, 1.0), "b": line(-3.0, 1.0), "c": line(0.2, 0.5), "d": line(1.81, 1.0)})
    assert found.changes is True
    assert found.table["direction"].tolist() == [
        "positive (P at least 0.95)",
        "negative (P at least 0.975)",
        "direction open",
        "positive (P at least 0.95)",
    ]
    assert found.table["relevance"].tolist() == ["size open", "size open", "negligible", "size open"]
    low, high = found.table["mean"].min(), found.table["mean"].max()
    assert found.sentence == (
        f"The difference along alliance is {low:.2f} to {high:.2f} WHO-5 point from alliance {LOW:.2f} to {HIGH:.2f} "
        "in the 4 models, and "
        "the choice between them changes a conclusion: positive (P at least 0.95); size open in 'a' and 'd', negative "
        "(P at least 0.975); size open in 'b', direction open; negligible in 'c'."
    )


def test_without_a_region_of_equivalence_only_the_direction_is_judged():
    found = conclusions({"a": line(7.0, 0.5), "b": line(7.0, 0.6)}, rope=None, prob=0.5)
    assert found.table["relevance"].isna().all()
    assert found.table["verdict"].tolist() == ["positive (P at least 0.975)"] * 2
    assert found.table["prob"].tolist() == [0.5, 0.5]


def test_another_predictor_may_be_asked_for_and_fits_must_be_of_the_same_rows():
    found = conclusions({"a": line(7.0, 0.5), "b": line(2.0, 0.5)}, predictor="age")
    assert found.table["term"].tolist() == ["age", "age"]
    assert found.changes is False
    other = rows()
    other["who5_followup"] = np.roll(other["who5_followup"], 1)
    with pytest.raises(UsageError, match=r"^comparing conclusions needs fits of one outcome in the same rows"):
        conclusions({"a": line(7.0, 0.5), "b": line(7.0, 0.5, other)})
    only_sex = {key: fitted(formula="who5_followup ~ 1 + (1 | sex)") for key in "ab"}
    with pytest.raises(UsageError, match=r"^the first fit has no numeric predictor\. Give predictor=\.\.\.$"):
        conclusions(only_sex)
