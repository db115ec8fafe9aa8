"""Files appear whole or not at all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from alliance_bayes.atomic import check_folder, check_outputs, make_folder, replacing, scratch
from alliance_bayes.errors import UsageError, WriteError


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
    store = tmp_path / "a.zarr"
    store.mkdir()
    (store / "zarr.json").touch()
    with replacing(store) as (draft,):
        draft.mkdir()
        (draft / "new").touch()
    assert [path.name for path in store.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


def test_a_store_whose_place_cannot_be_taken_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, replace = tmp_path / "a.zarr", os.replace
    store.mkdir()
    (store / "zarr.json").write_text("old")

    def refusing(source: Path, target: Path) -> None:
        if target == store:
            raise OSError(5, "Input/output error")
        replace(source, target)

    def write() -> None:
        with replacing(store) as (draft,):
            draft.mkdir()
            monkeypatch.setattr(os, "replace", refusing)

    with pytest.raises(WriteError):
        write()
    assert (store / "zarr.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]


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


def test_permissions_of_an_earlier_file_are_those_of_the_new_one(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_text("old")
    target.chmod(0o600)
    with replacing(target) as (draft,):
        draft.write_text("new")
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "name",
    ["folder", "folder.zarr", "file.zarr", "file/a.txt", "none/a.txt", "away.txt", "x" * 300, "pipe", "a\0b"],
)
def test_what_may_not_be_replaced_or_be_there_is_refused_and_left(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.zarr" / "mine").mkdir(parents=True)
    (tmp_path / "file").touch()
    (tmp_path / "file.zarr").touch()
    (tmp_path / "away.txt").symlink_to(tmp_path / "none" / "a.txt")
    os.mkfifo(tmp_path / "pipe")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises((UsageError, WriteError)):
        check_outputs(tmp_path / name)
    with pytest.raises((UsageError, WriteError)), replacing(tmp_path / name) as (draft,):
        draft.write_text("new")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("device", ["/dev/null", "/dev/full", "/dev/stdout", "/dev/fd/1"])
def test_devices_are_refused(device: str) -> None:
    with pytest.raises(UsageError):
        check_outputs(Path(device))


def test_a_file_that_standard_output_goes_to_is_refused(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from alliance_bayes.atomic import check_outputs\n"
    code += (
        "for name in sys.argv[1:]:\n try: check_outputs(Path(name))\n except ValueError: print('refused', flush=True)"
    )
    with (tmp_path / "out.csv").open("w") as out:
        subprocess.run([sys.executable, "-c", code, "/dev/stdout", tmp_path / "out.csv"], stdout=out, check=True)
    assert (tmp_path / "out.csv").read_text() == "refused\nrefused\n"


@pytest.mark.parametrize("how", ["name", "link", "hard link", "missing"])
def test_an_output_is_neither_an_input_nor_another_output(tmp_path: Path, how: str) -> None:
    one, other = tmp_path / "a.csv", tmp_path / "b.csv"
    match how:
        case "name":
            other = tmp_path / "." / "a.csv"
            one.touch()
        case "link":
            one.touch()
            other.symlink_to(one)
        case "hard link":
            one.touch()
            other.hardlink_to(one)
        case "missing":
            other = one
    with pytest.raises(UsageError):
        check_outputs(one, inputs=[other])
    with pytest.raises(UsageError):
        check_outputs(one, other)
    check_outputs(one, tmp_path / "c.csv", inputs=[tmp_path / "d.csv"])


def test_a_write_protected_file_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.touch(mode=0o444)
    # Nothing is protected from the superuser, who is asked as somebody else.
    code = "import os, sys; from pathlib import Path; from alliance_bayes.atomic import check_outputs\n"
    code += "os.geteuid() or os.setuid(65534)\n"
    code += "try: check_outputs(Path(sys.argv[1]))\nexcept ValueError: print('refused')"
    os.chmod(tmp_path, 0o777)
    for folder in tmp_path.parents[:-2]:
        os.chmod(folder, folder.stat().st_mode | 0o011) if os.geteuid() == 0 else None
    done = subprocess.run([sys.executable, "-c", code, target], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"


def test_folders_are_checked_and_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("file", "file/below"):
        with pytest.raises(UsageError):
            check_folder(tmp_path / name)
        with pytest.raises(UsageError):
            make_folder(tmp_path / name)
    check_folder(tmp_path / "a" / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    make_folder(tmp_path / "a" / "b")
    check_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    with pytest.raises(WriteError):
        check_folder(tmp_path / ("x" * 300))


def test_what_the_system_refuses_names_the_target_that_was_written(tmp_path: Path) -> None:
    targets = [tmp_path / "a.txt", tmp_path / "b.txt", tmp_path / "c.txt"]
    for path in targets:
        path.write_text("old")

    def refused() -> None:
        with replacing(*targets) as (one, two, _):
            one.write_text("new")
            two.touch()
            # As a full disk would.
            with open("/dev/full", "w") as full:
                full.write("x")

    with pytest.raises(WriteError, match=re.escape(f"'{targets[1]}' cannot be written: no space left on device.")):
        refused()
    assert [path.read_text() for path in targets] == ["old"] * 3
    assert sorted(tmp_path.iterdir()) == targets


def test_a_scratch_folder_is_private_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch() as folder:
        (folder / "rows").write_text("secret")
        assert folder.parent.parent == tmp_path
        assert folder.parent.stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
    with pytest.raises(WriteError), scratch():
        raise AssertionError


def test_a_file_that_another_owns_is_not_replaced_where_only_owners_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.txt"
    target.touch()
    tmp_path.chmod(0o1777)
    check_outputs(target)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(UsageError):
        check_outputs(target)
    tmp_path.chmod(0o777)
    # Locks and owners are another matter.
    monkeypatch.setattr("alliance_bayes.atomic._probe", lambda *_: None)
    check_outputs(target)


def test_a_file_that_is_mounted_by_itself_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, table = tmp_path / "a file.txt", tmp_path / "mounts"
    target.touch()
    escaped = str(target).replace(" ", "\\040")
    table.write_text(f"36 25 254:0 / / rw - ext4 /dev/vda rw\n99 36 254:0 /x {escaped} rw - ext4 /dev/vda rw\n")
    read = Path.read_text
    monkeypatch.setattr(Path, "read_text", lambda path, **how: read(table if "mountinfo" in str(path) else path, **how))
    with pytest.raises(UsageError):
        check_outputs(target)
    check_outputs(tmp_path / "other.txt")
