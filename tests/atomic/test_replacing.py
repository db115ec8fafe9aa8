"""Files appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from alliance_bayes.atomic import replacing


def test_targets_are_replaced_together(tmp_path: Path) -> None:
    first, second = tmp_path / "a.txt", tmp_path / "b.txt"
    first.write_text("old")
    with replacing(first, second) as (one, two):
        one.write_text("new")
        assert first.read_text() == "old"
        two.write_text("other")
    assert (first.read_text(), second.read_text()) == ("new", "other")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_everything_as_it_was(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")

    def fail() -> None:
        with replacing(target, tmp_path / "b.txt") as (one, _):
            one.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_directories_are_replaced_whole(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    (store / "old").touch()
    with replacing(store) as (draft,):
        draft.mkdir()
        (draft / "new").touch()
    assert [path.name for path in store.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
