"""Files appear whole or not at all."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from alliance_bayes.atomic import replacing
from alliance_bayes.errors import UsageError


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


def test_a_link_stays_one_and_its_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "a.txt", tmp_path / "b.txt"
    target.write_text("old")
    link.symlink_to(target)
    with replacing(link) as (draft,):
        assert draft.name == "b.txt"
        draft.write_text("new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.txt", "b.txt", "far"]


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "links in a circle"])
def test_what_is_no_file_is_not_replaced(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "a.txt"
    if kind == "links in a circle":
        target.symlink_to(tmp_path / "b.txt")
        (tmp_path / "b.txt").symlink_to(target)
    else:
        os.mkfifo(tmp_path / "pipe" if kind == "link to a pipe" else target)
        if kind == "link to a pipe":
            target.symlink_to(tmp_path / "pipe")
    before = sorted(tmp_path.iterdir())
    said = re.escape(f"'{target}' is there and is no file. Choose another name.")
    with pytest.raises(UsageError, match=said), replacing(target):
        raise AssertionError("nothing is to be written")
    assert sorted(tmp_path.iterdir()) == before
