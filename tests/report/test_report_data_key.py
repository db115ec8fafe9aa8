"""The key of a page's digest of its data: read from plain files only, made once, never overwritten."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from alliance_bayes.errors import FileFormatError, WriteError
from alliance_bayes.report.page import find_key, page_key, read_key


def key_of(page: Path | None, key: Path | None) -> bytes | None:
    with page_key(page, key) as secret:
        return secret


def test_a_key_is_made_once_and_found_beside_its_page(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    made = key_of(page, None)
    assert made is not None
    assert len(made) == 32
    assert key_of(page, None) == find_key(page, None) == read_key(tmp_path / "page.key") == made
    assert (tmp_path / "page.key").stat().st_mode & 0o077 == 0
    assert key_of(None, None) is None
    assert find_key(tmp_path / "other.html", None) is None
    assert key_of(tmp_path / "other.html", None) != made


@pytest.mark.parametrize("kind", ["pipe", "folder", "none", "other", "large", "short", "bytes"])
def test_what_is_no_key_is_refused_and_left_as_it_is(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.key"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "none":
            pass
        case _:
            path.write_bytes(
                {"other": b"g" * 64, "large": b"0" * 100_000, "short": b"0" * 63, "bytes": b"\xff" * 64}[kind]
            )
    with pytest.raises(FileFormatError) as error:
        read_key(path)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    if kind != "none":
        with pytest.raises(FileFormatError):
            key_of(tmp_path / "a.html", None)


@pytest.mark.parametrize("failure", [WriteError("no space"), KeyboardInterrupt(), SystemExit(143)])
def test_a_page_that_fails_leaves_no_key_of_its_own(tmp_path: Path, failure: BaseException) -> None:
    def failing() -> None:
        with page_key(tmp_path / "a.html", None) as secret:
            assert secret == read_key(tmp_path / "a.key")
            raise failure

    with pytest.raises(type(failure)):
        failing()
    assert list(tmp_path.iterdir()) == []
    # One that was there before is another page's, too.
    made = key_of(tmp_path / "a.html", None)
    with pytest.raises(type(failure)):
        failing()
    assert read_key(tmp_path / "a.key") == made


def test_a_key_that_another_run_has_taken_meanwhile_stays(tmp_path: Path) -> None:
    path, taken = tmp_path / "both.key", []

    def failing() -> None:
        with page_key(tmp_path / "a.html", path) as secret:
            time.sleep(0.05)
            taken.append(key_of(tmp_path / "b.html", path))
            assert taken == [secret]
            raise WriteError("no space")

    with pytest.raises(WriteError):
        failing()
    assert [read_key(path)] == taken
