"""A bundle's folder: all files or none, earlier ones replaced, others left alone."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path

import pytest

from alliance_bayes.errors import UsageError, WriteError
from alliance_bayes.report import Rendered
from alliance_bayes.report.bundle import check_bundle, writing


@pytest.fixture
def report(report: Rendered) -> Rendered:
    """With a few figures: drawing all of them takes seconds."""
    return dataclasses.replace(
        report, content=dataclasses.replace(report.content, pictures=report.content.pictures[:2])
    )


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_the_list_names_every_file(report: Rendered, tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    made = report.bundle(folder)
    assert {str(path.relative_to(folder)) for path in made} == set(files(folder))
    with (folder / "contents.csv").open(encoding="utf-8-sig", newline="") as stream:
        header, *rows = csv.reader(stream)
    assert header == ["File", "Holds", "Note"]
    assert {row[0] for row in rows} | {"contents.csv"} == set(files(folder))
    assert all(row[1] for row in rows)


@pytest.mark.slow
def test_the_same_page_gives_the_same_files(report: Rendered, tmp_path: Path) -> None:
    report.bundle(tmp_path / "one")
    report.bundle(tmp_path / "other")
    assert files(tmp_path / "one") == files(tmp_path / "other")


def test_what_an_earlier_bundle_left_goes_and_what_is_not_its_own_stays(
    report: Rendered, withheld: Rendered, tmp_path: Path
) -> None:
    report.bundle(tmp_path)
    (tmp_path / "figures").mkdir(exist_ok=True)
    (tmp_path / "figures" / "gone.svg").write_text("old", encoding="utf-8")
    (tmp_path / "mine.docx").write_text("mine", encoding="utf-8")
    (tmp_path / "figures" / "mine.svg").write_text("mine", encoding="utf-8")
    listed = (tmp_path / "contents.csv").read_text(encoding="utf-8")
    more = "figures/gone.svg,A figure,\r\n../mine.csv,Another's,\r\n/etc/mine.csv,Another's,\r\n"
    (tmp_path / "contents.csv").write_text(listed + more, encoding="utf-8")
    (tmp_path.parent / "mine.csv").write_text("mine", encoding="utf-8")

    made = withheld.bundle(tmp_path)
    own = {str(path.relative_to(tmp_path)) for path in made}
    assert own | {"mine.docx", "figures/mine.svg"} == set(files(tmp_path))
    assert (tmp_path.parent / "mine.csv").read_text(encoding="utf-8") == "mine"


@pytest.mark.slow
def test_a_list_that_is_not_a_bundles_removes_nothing(report: Rendered, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("x", encoding="utf-8")
    for text in ("File,Kind\ndata.csv,x\n", "", "\x00", "File,Holds,Note\n\n"):
        (tmp_path / "contents.csv").write_text(text, encoding="utf-8")
        report.bundle(tmp_path)
        assert (tmp_path / "data.csv").read_text(encoding="utf-8") == "x"


def test_nothing_is_left_when_it_fails(report: Rendered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = writing.files_of(report, docx=False)
    broken = {**whole, "figures/last.svg": dataclasses.replace(whole["estimates.csv"], data=None)}  # type: ignore[arg-type]
    monkeypatch.setattr(writing, "files_of", lambda *_, **__: dict(broken))
    with pytest.raises(TypeError):
        report.bundle(tmp_path / "new" / "out")
    assert list(tmp_path.iterdir()) == []

    (tmp_path / "estimates.csv").write_text("earlier", encoding="utf-8")
    with pytest.raises(TypeError):
        report.bundle(tmp_path)
    assert files(tmp_path) == {"estimates.csv": b"earlier"}


@pytest.mark.slow
def test_what_is_no_folder_is_refused_before_the_work(report: Rendered, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for write in (check_bundle, report.bundle):
        with pytest.raises(UsageError, match="is a file, and no folder"):
            write(tmp_path / "file")
        with pytest.raises(UsageError, match="is a file, and no folder"):
            write(tmp_path / "file" / "out")
    (tmp_path / "estimates.csv").mkdir()
    for write in (check_bundle, report.bundle):
        with pytest.raises(UsageError, match="is a folder"):
            write(tmp_path)
    with pytest.raises(UsageError, match="is a file of this call"):
        check_bundle(tmp_path / "page.html", inputs=[tmp_path / "page.html"])
    with pytest.raises(WriteError, match="cannot be written"):
        check_bundle(Path("/proc/nowhere"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["estimates.csv", "file"]


def test_data_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "estimates.csv").write_text("data", encoding="utf-8")
    with pytest.raises(UsageError, match="is what is read, and would be replaced"):
        check_bundle(tmp_path, inputs=[tmp_path / "estimates.csv"])
