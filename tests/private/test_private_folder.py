"""Hidden folders: gone when they are done with, removed by the next run where a kill left them, and nothing else is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest

from alliance_bayes import private
from alliance_bayes.private import BEFORE, private_folder, remove_leftovers

HOLDS = """
import sys, time
from pathlib import Path
from alliance_bayes.private import private_folder
with private_folder(Path(sys.argv[1])) as folder:
    (folder / "rows").write_text("secret")
    print(folder, flush=True)
    time.sleep(100)
"""


@contextmanager
def another_run(parent: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    """A process that holds a private folder, and the folder; at the end it is killed."""
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(parent)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, Path(process.stdout.readline().strip())
        finally:
            process.kill()


def test_a_folder_is_its_owners_and_goes(tmp_path: Path) -> None:
    with private_folder(tmp_path) as folder:
        assert folder.is_dir()
        assert folder.parent.parent == tmp_path
        assert folder.parent.name.startswith(".")
        assert folder.parent.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == []


def test_the_next_run_removes_what_a_killed_one_left_and_leaves_a_living_ones(tmp_path: Path) -> None:
    with another_run(tmp_path) as (process, folder), another_run(tmp_path) as (_, living):
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (folder / "rows").exists()
        with private_folder(tmp_path) as own:
            assert set(tmp_path.iterdir()) == {living.parent, own.parent}
            assert (living / "rows").read_text() == "secret"
            remove_leftovers(tmp_path)
            assert own.is_dir()
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_a_leftover_of_ones_own_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim, parent = tmp_path / "victim", tmp_path / "parent"
    for folder in (victim, parent, parent / ".alliance_bayes-notours!", parent / ".alliance_bayes-toolongname"):
        folder.mkdir()
        (folder / "lock").touch()
        (folder / "data").write_text("mine")
    (parent / ".alliance_bayes-aaaaaaaa").symlink_to(victim)
    (parent / ".alliance_bayes-bbbbbbbb").write_text("a file")
    # Without a lock's file: of a run on a file system without locks.
    (parent / ".alliance_bayes-cccccccc").mkdir()
    (parent / ".alliance_bayes-cccccccc" / "data").touch()
    left = parent / ".alliance_bayes-dddddddd"
    left.mkdir()
    (left / "lock").touch()
    # What is linked from a leftover is not in it.
    (left / "link").symlink_to(victim)
    (left / "data").hardlink_to(victim / "data")
    before = sorted(tmp_path.rglob("*"))
    with monkeypatch.context() as other:
        other.setattr(os, "geteuid", lambda: os.getuid() + 1)
        remove_leftovers(parent)
    assert sorted(tmp_path.rglob("*")) == before
    remove_leftovers(parent)
    assert sorted(tmp_path.rglob("*")) == [path for path in before if not path.is_relative_to(left)]
    assert (victim / "data").read_text() == "mine"


def test_a_lock_that_is_a_link_or_a_pipe_is_no_lock(tmp_path: Path) -> None:
    for name, make in (("a" * 8, os.symlink), ("b" * 8, None)):
        folder = tmp_path / f".alliance_bayes-{name}"
        folder.mkdir()
        (folder / "data").touch()
        if make is not None:
            make("/etc/hostname", folder / "lock")
            remove_leftovers(tmp_path)
            assert (folder / "data").exists()
        else:
            os.mkfifo(folder / "lock")
            # It is looked at without waiting for a writer.
            remove_leftovers(tmp_path)


def test_a_store_that_waited_goes_back_unless_another_took_its_place(tmp_path: Path) -> None:
    for k, name in enumerate(("gone.zarr", "there.zarr")):
        before = tmp_path / f".alliance_bayes-{k}{'x' * 7}" / BEFORE / name
        before.mkdir(parents=True)
        (before / "zarr.json").write_text("old")
        (before.parent.parent / "lock").touch()
    (tmp_path / "there.zarr").mkdir()
    (tmp_path / "there.zarr" / "zarr.json").write_text("new")
    remove_leftovers(tmp_path)
    assert {path.name: (path / "zarr.json").read_text() for path in tmp_path.iterdir()} == {
        "gone.zarr": "old",
        "there.zarr": "new",
    }


def test_without_locks_a_folder_is_made_and_nobody_elses_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: object) -> None:
        raise OSError("no locks here")

    monkeypatch.setattr(private.fcntl, "flock", none)
    with private_folder(tmp_path) as folder:
        monkeypatch.undo()
        remove_leftovers(tmp_path)
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_taken_for_a_leftover_before_its_lock_is_held_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, calls = private.fcntl.flock, 0

    def late(handle: int, how: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            remove_leftovers(tmp_path)
        flock(handle, how)

    monkeypatch.setattr(private.fcntl, "flock", late)
    with private_folder(tmp_path) as folder:
        assert [path.name for path in tmp_path.iterdir()] == [folder.parent.name]
        assert calls == 3
    assert list(tmp_path.iterdir()) == []


def test_a_thread_that_still_writes_is_waited_for(tmp_path: Path) -> None:
    ready, end = threading.Event(), threading.Event()

    def write(folder: Path) -> None:
        with suppress(FileNotFoundError):
            for k in count():
                (folder / f"{k}").touch()
                ready.set()
                # A folder that stays would be written to for ever.
                if end.is_set():
                    return

    with private_folder(tmp_path) as folder:
        thread = threading.Thread(target=write, args=(folder,))
        thread.start()
        ready.wait()
    left = list(tmp_path.iterdir())
    end.set()
    thread.join()
    assert left == []
