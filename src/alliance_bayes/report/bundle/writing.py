"""Writing a bundle: which files it has, whether they can be written, and all of them or none."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from alliance_bayes.atomic import check_folder, check_outputs, make_folder, replacing
from alliance_bayes.errors import UsageError
from alliance_bayes.report.bundle.content import Content
from alliance_bayes.report.bundle.estimates import csv_text, estimates_csv
from alliance_bayes.report.bundle.figures import figure_files
from alliance_bayes.report.bundle.latex import methods_tex, table_tex
from alliance_bayes.report.bundle.manuscript import manuscript_tables
from alliance_bayes.report.bundle.word import document, need_docx

if TYPE_CHECKING:
    from alliance_bayes.report.page import Rendered

__all__ = ["check_bundle", "write_bundle"]

_WORD = "manuscript.docx"
_CONTENTS, _HEADER = "contents.csv", ("File", "Holds", "Note")
_ALWAYS = ("estimates.csv", "table1.tex", "summary.tex", "methods.tex", "references.bib", _WORD, _CONTENTS)
# Excel takes a file for UTF-8 only when it begins with this mark.
_MARK = "\ufeff"
# What a bundle calls its files. Nothing else is ever removed.
_OWN = re.compile(r"(?:figures/)?[A-Za-z0-9][A-Za-z0-9_-]*\.(?:csv|tex|bib|docx|svg|png)")


@dataclass(frozen=True)
class File:
    """One file of a bundle: what it holds, and what there is to say about it."""

    holds: str
    data: bytes
    note: str = ""


def check_bundle(folder: str | os.PathLike[str], *, docx: bool = True, inputs: Iterable[Path] = ()) -> None:
    """Refuse a bundle that could not be written, before the work and not after it.

    Parameters
    ----------
    folder
        Where it is to be; made if it is not there.
    docx
        Whether it has a Word document.
    inputs
        What is not to be replaced: data, and the page.

    Raises
    ------
    UsageError
        A file in its place, or in that of a file of it something that may not be replaced; or what writes Word
        documents is not installed.
    WriteError
        The system refuses to write there.
    """
    if docx:
        need_docx()
    place, inputs = Path(folder), list(inputs)
    if any(os.path.realpath(place) == os.path.realpath(one) for one in inputs):
        raise UsageError(f"'{place}' is a file of this call, and no folder. Choose another name.")
    check_folder(place)
    if place.is_dir():
        check_outputs(*(place / name for name in _ALWAYS), inputs=inputs)


def files_of(rendered: Rendered, *, docx: bool) -> dict[str, File]:
    """The files of a page's bundle by name, without the list of them."""
    note = "Withheld: the header alone." if rendered.rows is None else ""
    text = estimates_csv(rendered.rows, rendered.numbers)
    files = {"estimates.csv": File("Every estimate of the page, a row each", (_MARK + text).encode(), note)}
    files |= _latex(rendered.content)
    if docx and (data := document(rendered.content)):
        files[_WORD] = File("Methods, references and tables, as a Word document", data)
    for picture in figure_files(rendered.content.pictures):
        files |= {
            f"figures/{picture.name}{ending}": File(picture.title, data, picture.note)
            for ending, data in picture.files.items()
        }
    return files


def _latex(content: Content) -> dict[str, File]:
    files = {
        f"{table.name}.tex": File(f"{table.title}, as LaTeX", table_tex(table).encode())
        for table in manuscript_tables(content)
    }
    if content.methods:
        text = methods_tex(content.methods, content.sources)
        files["methods.tex"] = File("Methods, as LaTeX", text.encode(), r"To be read by \input, with references.bib.")
        files["references.bib"] = File("What the methods cite, as BibTeX", content.bibtex.encode())
    return files


def write_bundle(rendered: Rendered, folder: str | os.PathLike[str], *, docx: bool = True) -> tuple[Path, ...]:
    """Write all files of a bundle or none; see :meth:`alliance_bayes.Rendered.bundle`."""
    place = Path(folder)
    if docx:
        need_docx()
    files = files_of(rendered, docx=docx)
    files[_CONTENTS] = _contents(files)
    check_folder(place)
    earlier = _earlier(place) - files.keys()
    with _made(place, *{(place / name).parent for name in files}):
        targets = [place / name for name in files]
        with replacing(*targets) as drafts:
            for draft, file in zip(drafts, files.values(), strict=True):
                draft.write_bytes(file.data)
    for name in earlier:
        # A figure of an earlier page beside those of this one would be taken for one of this page.
        with suppress(OSError):
            (place / name).unlink()
    with suppress(OSError):
        (place / "figures").rmdir()
    return tuple(targets)


def _contents(files: Mapping[str, File]) -> File:
    """The list of the files."""
    text = csv_text(_HEADER, [(name, file.holds, file.note) for name, file in files.items()])
    return File("This list", (_MARK + text).encode())


def _earlier(folder: Path) -> set[str]:
    """Files that an earlier bundle has left there, by its own list."""
    try:
        text = (folder / _CONTENTS).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return set()
    header, *rows = [*csv.reader(io.StringIO(text))] or [[]]
    return {row[0] for row in rows if row and _OWN.fullmatch(row[0])} if tuple(header) == _HEADER else set()


@contextmanager
def _made(*folders: Path) -> Iterator[None]:
    """Have folders; those that were not there are gone again when the block fails."""
    new = [one for folder in folders for one in (folder, *folder.parents) if not one.exists()]
    try:
        for folder in folders:
            make_folder(folder)
        yield
    except BaseException:
        for one in sorted(set(new), key=lambda path: -len(path.parts)):
            with suppress(OSError):
                one.rmdir()
        raise
