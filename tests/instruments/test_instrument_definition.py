from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest

from alliance_bayes.errors import UsageError
from alliance_bayes.instruments import (
    ALLIANCE2,
    INSTRUMENTS,
    SRS,
    WAI_S,
    WHO5,
    Band,
    Figure,
    Instrument,
    MissingItems,
    instrument,
)


def test_every_entry_is_frozen_hashable_and_survives_pickling():
    for entry in INSTRUMENTS:
        with pytest.raises(dataclasses.FrozenInstanceError):
            entry.n_items = 1
        assert pickle.loads(pickle.dumps(entry)) == entry
    assert len(set(INSTRUMENTS)) == len({entry.name for entry in INSTRUMENTS}) == len(INSTRUMENTS)


def test_subscales_are_a_copy_that_cannot_change_the_key():
    WAI_S.subscales["task"] = (1,)
    assert WAI_S.subscales == {"task": (1, 2, 8, 12), "bond": (3, 5, 7, 9), "goal": (4, 6, 10, 11)}


def test_grid_and_step_follow_from_the_items():
    assert WHO5.score_grid.tolist() == list(range(0, 101, 4))
    assert ALLIANCE2.score_grid.tolist() == [1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5]
    assert (WHO5.score_step, ALLIANCE2.score_step, WAI_S.score_step) == (4, 0.5, 1)
    assert (SRS.score_step, SRS.score_grid) == (None, None)


def test_on_grid_tells_possible_totals_from_the_rest():
    scores = [0, 4, 45, 100, 104, -4, np.nan, np.inf]
    assert WHO5.on_grid(scores).tolist() == [True, True, False, True, False, False, False, False]
    assert SRS.on_grid([0, 17.3, 40, 40.1, np.nan]).tolist() == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_items": 0}, "it needs at least one item and an item range whose low end is below its high end"),
        ({"item_range": (5, 1)}, "it needs at least one item and an item range whose low end is below its high end"),
        ({"smallest_relevant_change": 5}, "a smallest relevant change needs its source, and a source its figure"),
        (
            {"smallest_relevant_change": -1, "relevant_source": "x"},
            "its smallest relevant change is not between 0 and the 12 points of its range",
        ),
        ({"reliable_change": Figure(13, "x")}, "its reliable change is not between 0 and the 12 points of its range"),
        (
            {"response": Figure(0.5, "x")},
            "a response is a share between 0 and 1 of a score of symptoms that begins at 0",
        ),
        ({"case": "ill"}, "it has no threshold 'ill' that a person could leave"),
        ({"missing": MissingItems(3, "x")}, "its rule for missing items does not fit its items"),
        ({"missing": MissingItems(1, "x", (("a", 0),))}, "its rule for missing items does not fit its items"),
        ({"reliability": (1.0, "x")}, "a reliability lies between 0 and 1"),
        ({"total": "product"}, "total is 'product'; choose one of 'sum', 'mean', 'sum x 4', 'mean x 10'"),
        ({"item_step": 3}, "a step of 3 does not lead from 1 to 5"),
        ({"item_step": -1}, "a step of -1 does not lead from 1 to 5"),
        ({"reversed_items": (0, 2, 4)}, "reversed items name item 0, 4, but there are 3 items"),
        ({"reversed_items": (2, 2)}, "reversed items list item 2 twice"),
        ({"subscale_items": (("a", (1, 2)), ("b", (2, 3)))}, "subscales list item 2 twice"),
        ({"bands": (Band("low", 9, True),)}, "bands must rise and the last one must end at 15, included"),
        ({"bands": (Band("low", 15, False),)}, "bands must rise and the last one must end at 15, included"),
        (
            {"bands": (Band("b", 9, True), Band("a", 4, True), Band("c", 15, True))},
            "bands must rise and the last one must end at 15, included",
        ),
        (
            {"item_step": 3, "reversed_items": (9,)},
            "a step of 3 does not lead from 1 to 5; reversed items name item 9, but there are 3 items",
        ),
    ],
)
def test_parts_that_do_not_fit_together_are_refused_all_at_once(change, message):
    parts = {
        "name": "X",
        "title": "An instrument",
        "n_items": 3,
        "item_range": (1, 5),
        "item_step": 1,
        "measures": "symptoms",
        "total": "sum",
        "higher_is": "better",
    }
    assert Instrument(**parts).score_range == (3, 15)
    with pytest.raises(UsageError) as caught:
        Instrument(**parts | change)
    assert str(caught.value) == f"instrument 'X' does not fit together: {message}."


def test_lookup_forgives_spelling_and_lists_the_names_otherwise():
    for spelling in ("WHO-5", "who5", "who_5", "WHO 5"):
        assert instrument(spelling) is WHO5
    assert instrument("wai_sr").name == "WAI-SR"
    with pytest.raises(UsageError) as caught:
        instrument("unheard of")
    names = ", ".join(entry.name for entry in INSTRUMENTS)
    assert names.startswith("WHO-5, WAI, WAI-S, WAI-SR, ALLIANCE2, SRS, PHQ-9, PHQ-2")
    assert str(caught.value) == f"there is no instrument 'unheard of'. Choose one of: {names}."


def test_an_unknown_threshold_lists_the_known_ones():
    with pytest.raises(UsageError) as caught:
        WHO5.threshold("anxiety")
    assert str(caught.value) == ("WHO-5 has no threshold 'anxiety'. Its thresholds: low_wellbeing, depression_screen.")
    with pytest.raises(UsageError) as caught:
        WAI_S.threshold("low")
    assert str(caught.value) == "WAI-S has no threshold 'low'. Its thresholds: none."


def test_an_instrument_prints_its_key_and_what_is_unverified():
    assert str(WAI_S).splitlines() == [
        "WAI-S: Working Alliance Inventory, short form, 12 items",
        "  items: 12, answered 1 to 7 (steps of 1)",
        "  total: sum of the items, 12 to 84, steps of 1; higher is better",
        "  reversed: 4, 10",
        "  task: items 1, 2, 8, 12",
        "  bond: items 3, 5, 7, 9",
        "  goal: items 4, 6, 10, 11",
        "  missing items: no rule known",
        "  source: Tracey & Kokotovic (1989), Psychological Assessment 1:207-210, doi 10.1037/1040-3590.1.3.207",
        "  UNVERIFIED: the subscale key and the reversed items have not been checked against the authors' scoring key",
    ]
    assert str(WHO5).splitlines()[:10] == [
        "WHO-5: WHO-5 Well-Being Index",
        "  items: 5, answered 0 to 5 (steps of 1)",
        "  total: sum of the items times 4, 0 to 100, steps of 4; higher is better",
        "  threshold low_wellbeing: at or below 50: low well-being (raw sum below 13) (Topp et al. 2015)",
        "  threshold depression_screen: at or below 28: screen for depression (Topp et al. 2015)",
        "  bands: <= 28 (up to 28); 29-50 (up to 50); 51-79 (below 80); >= 80 (up to 100)",
        "  smallest relevant change: 10 points (Topp et al. 2015)",
        "  recovery: leaving depression_screen",
        "  missing items: no rule known",
        "  reference: mean 50, SD 19 (WHO-5 percentage score, 0-100 in steps of 4; SD 19 in adults in video care "
        "(Sagui-Henson et al. 2022, derived))",
    ]
    assert str(SRS).splitlines()[1:3] == [
        "  items: 4, answered 0 to 10 (any value)",
        "  total: sum of the items, 0 to 40; higher is better",
    ]
