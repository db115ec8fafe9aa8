from __future__ import annotations

import pytest

from alliance_bayes.instruments import ALLIANCE2, INSTRUMENTS, PHQ2, PHQ9, SRS, WAI, WAI_S, WAI_SR, WHO5


@pytest.mark.parametrize(
    ("entry", "n_items", "item_range", "item_step", "score_range"),
    [
        (WHO5, 5, (0, 5), 1, (0, 100)),
        (WAI, 36, (1, 7), 1, (36, 252)),
        (WAI_S, 12, (1, 7), 1, (12, 84)),
        (WAI_SR, 12, (1, 5), 1, (12, 60)),
        (ALLIANCE2, 2, (1, 5), 1, (1, 5)),
        (SRS, 4, (0, 10), None, (0, 40)),
        (PHQ9, 9, (0, 3), 1, (0, 27)),
        (PHQ2, 2, (0, 3), 1, (0, 6)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_items_and_ranges(entry, n_items, item_range, item_step, score_range):
    assert (entry.n_items, entry.item_range, entry.item_step) == (n_items, item_range, item_step)
    assert entry.score_range == score_range


@pytest.mark.parametrize("entry", [WAI, WAI_S, WAI_SR, ALLIANCE2], ids=lambda entry: entry.name)
def test_subscales_share_out_every_item_equally(entry):
    sizes = {len(items) for items in entry.subscales.values()}
    assert len(sizes) == 1
    named = sorted(item for items in entry.subscales.values() for item in items)
    assert named == list(range(1, entry.n_items + 1))


def test_keys():
    assert WAI.subscales == {
        "task": (2, 4, 7, 11, 13, 15, 16, 18, 24, 31, 33, 35),
        "bond": (1, 5, 8, 17, 19, 20, 21, 23, 26, 28, 29, 36),
        "goal": (3, 6, 9, 10, 12, 14, 22, 25, 27, 30, 32, 34),
    }
    assert WAI_SR.subscales == {"task": (1, 2, 10, 12), "goal": (4, 6, 8, 11), "bond": (3, 5, 7, 9)}
    assert {entry.name: entry.reversed_items for entry in INSTRUMENTS if entry.reversed_items} == {
        "WAI": (1, 3, 7, 9, 10, 11, 12, 15, 20, 27, 29, 31, 33, 34),
        "WAI-S": (4, 10),
    }


def test_cut_offs():
    cut_offs = {
        (entry.name, threshold.name): (threshold.direction, threshold.value)
        for entry in INSTRUMENTS
        for threshold in entry.thresholds
    }
    assert cut_offs == {
        ("WHO-5", "low_wellbeing"): ("at or below", 50),
        ("WHO-5", "depression_screen"): ("at or below", 28),
        ("SRS", "alliance_alert"): ("below", 36),
        ("PHQ-9", "depression_screen"): ("at or above", 10),
        ("PHQ-2", "depression_screen"): ("at or above", 3),
    }
    assert {entry.name: entry.smallest_relevant_change for entry in INSTRUMENTS if entry.smallest_relevant_change} == {
        "WHO-5": 10
    }


def test_what_is_unverified_says_so_and_everything_has_a_source():
    assert {entry.name for entry in INSTRUMENTS if not entry.verified} == {"WAI", "WAI-S", "SRS"}
    for entry in INSTRUMENTS:
        assert entry.sources
        assert str(entry).count("UNVERIFIED") == len(entry.unverified)
    assert {entry.name for entry in INSTRUMENTS if entry.higher_is == "worse"} == {"PHQ-9", "PHQ-2"}
