"""Numbers of rows of models that share most people: none of which two tell of a few."""

from __future__ import annotations

import dataclasses

import pytest

from alliance_bayes.cohort import Flow, FlowStep
from alliance_bayes.study.runner import Fitted
from alliance_bayes.study.tables import rows_text, shown_rows
from builders import fitted, rows

FIT = fitted(rows(40), draws=20)


def made(name: str, participants: int, *left_out: int) -> Fitted:
    steps = tuple(FlowStep(f"reason {k}", n) for k, n in enumerate(left_out))
    return Fitted(name, dataclasses.replace(FIT, flow=Flow(participants, steps)), 1.0)


def shown(*models: Fitted, small: int = 10) -> dict[str, int | None]:
    return shown_rows({model.name: model for model in models}, small)


def test_those_analysed_all_and_the_elevated_are_told_and_what_is_the_same() -> None:
    found = shown(
        made("alliance", 400),
        made("outcome_everybody", 400, 30),
        made("outcome_elevated", 90, 12),
        made("curve", 370),
        made("change_elevated", 78),
    )
    assert found == {
        "alliance": 400, "outcome_everybody": 370, "outcome_elevated": 78, "curve": 370, "change_elevated": 78
    }  # fmt: skip


@pytest.mark.parametrize("size", [369, 361, 360, 200, 371, 399])
def test_no_other_number_is(size: int) -> None:
    """Whatever its distance: 370 - 360 are 10, but with 12 who lack something else, 2 lack both."""
    found = shown(made("outcome_everybody", 400, 30), made("other", size))
    assert found == {"outcome_everybody": 370, "other": None}


def test_all_in_the_table_are_not_told_where_the_flow_hides_them() -> None:
    # The flow says "from 371 to 379 people", since 4 were left out; a model of all would say how many exactly.
    found = shown(made("alliance", 374), made("outcome_everybody", 374, 4))
    assert found == {"alliance": None, "outcome_everybody": 370}
    assert shown(made("alliance", 374), made("outcome_everybody", 374, 4), small=1)["alliance"] == 374


@pytest.mark.parametrize(("elevated", "told"), [(9, None), (10, 10), (360, 360), (361, None)])
def test_neither_the_elevated_nor_the_others_are_few(elevated: int, told: int | None) -> None:
    found = shown(made("outcome_everybody", 370), made("outcome_elevated", elevated))
    assert found["outcome_elevated"] == told


def test_sessions_are_no_people() -> None:
    assert shown(made("outcome_everybody", 370), made("growth", 1503))["growth"] == 1503


def test_a_number_that_is_not_shown_is_a_dash() -> None:
    assert [rows_text(number) for number in (None, 1234)] == ["–", "1,234"]
