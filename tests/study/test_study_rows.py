"""Numbers of rows of models that share most people: none of which two tell of a few."""

from __future__ import annotations

import dataclasses

import pytest

from alliance_bayes.cohort import Flow, FlowStep
from alliance_bayes.study.bench import Fitted
from alliance_bayes.study.rows import rows_text, shown_rows
from builders import fitted, rows

FIT = fitted(rows(40), draws=20)


def made(name: str, participants: int, *left_out: int) -> Fitted:
    steps = tuple(FlowStep(f"reason {k}", n) for k, n in enumerate(left_out))
    return Fitted(name, dataclasses.replace(FIT, flow=Flow(participants, steps)), 1.0)


def shown(*models: Fitted, small: int = 10) -> dict[str, int | None]:
    return shown_rows({model.name: model for model in models}, small)


def test_numbers_that_are_far_apart_or_the_same_are_shown() -> None:
    found = shown(
        made("alliance", 400), made("outcome_everybody", 400, 30), made("outcome_elevated", 90, 2), made("curve", 370)
    )
    assert found == {"alliance": 400, "outcome_everybody": 370, "outcome_elevated": 88, "curve": 370}


@pytest.mark.parametrize(("gap", "number"), [(0, 370), (1, None), (9, None), (10, 360)])
def test_a_number_a_few_below_another_is_not(gap: int, number: int | None) -> None:
    found = shown(made("outcome_everybody", 400, 30), made("longer", 370 - gap))
    assert found == {"outcome_everybody": 370, "longer": number}


def test_all_in_the_table_are_not_told_where_the_flow_hides_them() -> None:
    # The flow says "from 371 to 379 people", since 4 were left out; a model of all would say how many exactly.
    found = shown(made("alliance", 374), made("outcome_everybody", 374, 4))
    assert found == {"alliance": None, "outcome_everybody": 370}
    assert shown(made("alliance", 374), made("outcome_everybody", 374, 4), small=1)["alliance"] == 374


def test_two_that_hide_each_other_are_never_both_shown() -> None:
    found = shown(made("outcome_everybody", 400, 30), made("first", 300), made("second", 295), made("third", 290))
    assert found == {"outcome_everybody": 370, "first": 300, "second": None, "third": 290}


def test_a_number_that_is_not_shown_is_a_dash() -> None:
    assert [rows_text(number) for number in (None, 1234)] == ["–", "1,234"]
