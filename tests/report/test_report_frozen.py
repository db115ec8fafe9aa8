"""What was there before is left alone while a page is made, and collected again afterwards."""

from __future__ import annotations

import gc

import pytest

from alliance_bayes.report.page import frozen


class Ring:
    """Refers to itself, so that only the collector can free it."""

    def __init__(self) -> None:
        self.own = self


def rings() -> int:
    return sum(type(found) is Ring for found in gc.get_objects())


@pytest.mark.slow
def test_only_what_is_made_meanwhile_is_collected() -> None:
    gc.collect()
    assert rings() == 0
    Ring()
    with frozen():
        Ring()
        gc.collect()
        assert rings() == 0  # the later one is gone, the earlier one out of sight
    assert rings() == 1
    gc.collect()
    assert rings() == 0
    assert gc.get_freeze_count() == 0


def test_all_is_collected_again_after_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), frozen():
        raise KeyboardInterrupt
    assert gc.get_freeze_count() == 0
