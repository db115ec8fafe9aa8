"""A sentence begins with a capital, and a column that is called by a code is written as it is."""

from __future__ import annotations

import pytest

from alliance_bayes.wording import capital


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("alliance: mean", "Alliance: mean"),
        ("days in care", "Days in care"),
        ("after care. all others", "After care. all others"),
        ("bdi was lower", "Bdi was lower"),
        ("bdi.8m: mean", "bdi.8m: mean"),
        ("bdi.pre", "bdi.pre"),
        ("x1, by arm", "x1, by arm"),
        ("tau_x", "tau_x"),
        ("4 of 5 people", "4 of 5 people"),
        ("", ""),
    ],
)
def test_what_begins_with_a_code_stays_as_it_is_written(text: str, shown: str) -> None:
    assert capital(text) == shown
