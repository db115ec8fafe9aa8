from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest

from alliance_bayes.errors import UsageError, WriteError
from alliance_bayes.report import FORMAT, Rendered


def test_the_page_and_its_numbers_are_written_side_by_side(report: Rendered, tmp_path: Path) -> None:
    written = report.write(tmp_path / "a & b.html")

    assert written == (tmp_path / "a & b.html", tmp_path / "a & b.json")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a & b.html", "a & b.json"]
    html = written[0].read_text(encoding="utf-8")
    # The page is the same under every name, so that its fingerprint is.
    assert html == report.html
    assert json.loads(written[1].read_text(encoding="utf-8")) == report.numbers
    umask = os.umask(0)
    os.umask(umask)
    for path in written:
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_writing_again_replaces_both(report: Rendered, withheld: Rendered, tmp_path: Path) -> None:
    report.write(tmp_path / "r.html")
    withheld.write(str(tmp_path / "r.html"))

    assert json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))["withheld"] is True
    assert "Conclusions are withheld" in (tmp_path / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["r.htm", "r", "r.json", "r.html.txt", "R.HTML"])
def test_another_ending_is_refused(report: Rendered, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"^the report's file '{re.escape(name)}' should end in .html. Rename it.$"):
        report.write(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_refused(report: Rendered, tmp_path: Path) -> None:
    target = tmp_path / "no" / "r.html"
    with pytest.raises(
        UsageError, match=f"^the folder of '{re.escape(str(target))}' does not exist. Create it first.$"
    ):
        report.write(target)


@pytest.mark.parametrize("name", ["r.html", "r.json"])
def test_a_folder_in_the_way_is_refused(report: Rendered, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    expected = f"^'{re.escape(str(tmp_path / name))}' is a folder. Choose another name.$"
    with pytest.raises(UsageError, match=expected):
        report.write(tmp_path / "r.html")
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("broken", ["write_text", "replace"])
def test_a_failure_leaves_what_was_there(
    report: Rendered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    (tmp_path / "r.html").write_text("old page")
    (tmp_path / "r.json").write_text("old numbers")

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path if broken == "write_text" else os, broken, fail)
    with pytest.raises(WriteError, match="no space left on device"):
        report.write(tmp_path / "r.html")

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "r.html": "old page",
        "r.json": "old numbers",
    }


def test_the_format_is_stated(report: Rendered) -> None:
    assert report.numbers["format"] == FORMAT == 2
