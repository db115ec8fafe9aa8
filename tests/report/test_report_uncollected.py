from __future__ import annotations

import gc

import pytest

from alliance_bayes.report.uncollected import uncollected


def test_collecting_goes_on_when_the_last_pause_ends() -> None:
    assert gc.isenabled()

    with uncollected():
        with uncollected():
            pass
        assert not gc.isenabled()

    assert gc.isenabled()


def test_collecting_goes_on_after_an_error() -> None:
    with pytest.raises(KeyboardInterrupt), uncollected():
        raise KeyboardInterrupt

    assert gc.isenabled()


def test_who_collects_by_hand_goes_on_doing_so() -> None:
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
