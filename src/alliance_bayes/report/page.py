"""A finished page: its text by templates, its numbers, how both are written, and the manifest for a machine."""

from __future__ import annotations

import base64
import gc
import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from alliance_bayes.atomic import check_outputs, replacing
from alliance_bayes.caches import can_draw
from alliance_bayes.effects import EffectTable
from alliance_bayes.errors import FileFormatError, UsageError, WriteError
from alliance_bayes.foreign import parse_json, read_text
from alliance_bayes.interrupts import undisturbed
from alliance_bayes.report.bundle.content import Content
from alliance_bayes.report.glossary import explained
from alliance_bayes.report.records import kept, plain
from alliance_bayes.report.sections import Section
from alliance_bayes.report.style import dark_rules
from alliance_bayes.report.text import said_once
from alliance_bayes.versions import versions

if TYPE_CHECKING:
    from alliance_bayes.report.finding import Findings

__all__ = [
    "EMPTY",
    "FORMAT",
    "GIVEN",
    "MIXING",
    "NUMBERS",
    "Rendered",
    "body",
    "check_target",
    "embed",
    "faults",
    "find_key",
    "frozen",
    "page",
    "page_key",
    "read_key",
    "read_manifest",
    "rows_by_id",
]


def page(*, title: str, subtitle: Sequence[str], sections: Sequence[Section], findings: Findings) -> str:
    """Render the page.

    Parameters
    ----------
    title, subtitle
        Heading and the lines below it.
    sections
        In order; they are numbered from 1.
    findings
        What `findings.html` shows.
    """
    css, script = _css(), _text("script.js")
    # Only this very style sheet, this very script and pictures inside the page: no font, no frame, no request.
    policy = (
        "default-src 'none'",
        f"style-src '{_hash(css)}'",
        f"script-src '{_hash(script)}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=title,
            subtitle=subtitle,
            sections=sections,
            findings=findings,
            version=versions()["alliance_bayes"],
            css=Markup(css),
            script=Markup(script),
            policy="; ".join(policy),
        )
    )


@cache
def _css() -> str:
    return _text("style.css") + dark_rules()


def _text(name: str) -> str:
    return files("alliance_bayes.report").joinpath("templates", name).read_text(encoding="utf-8").replace("\r\n", "\n")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("alliance_bayes.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["once"] = said_once
    environment.globals["explained"] = explained
    return environment


#: Version of the layout of the JSON file.
FORMAT = 2
_ENCODER = json.JSONEncoder(allow_nan=False, ensure_ascii=False)


@dataclass(frozen=True, eq=False)
class Rendered:
    """A finished report.

    Parameters
    ----------
    title
        Heading of the page.
    html
        The whole page, self-contained.
    numbers
        The page's numbers as JSON values: `format`, `title`, `withheld`, `reasons`, `prob`, `findings`, `effects`
        (one record a row of the effects table, with Monte Carlo error, interval kind and probability; None when
        withheld), `curve`, `participants`, `model`, `checks` and `meta` (source of data, model card, seed, versions).
    findings
        The key findings as sentences; the reasons when conclusions are withheld.
    withheld
        Whether conclusions are withheld because the checks did not pass.
    rows
        The rows of the manifest with their draws; None when conclusions are withheld.
    content
        What the page shows besides them, for `bundle`.
    """

    title: str
    html: str = field(repr=False)
    numbers: Mapping[str, Any] = field(repr=False)
    findings: tuple[str, ...] = field(repr=False)
    withheld: bool
    rows: EffectTable | None = field(default=None, repr=False)
    content: Content = field(default_factory=Content, repr=False)

    @classmethod
    def of(
        cls,
        kind: str,
        *,
        title: str,
        subtitle: Sequence[str],
        findings: Findings,
        sections: Sequence[Section],
        numbers: Mapping[str, Any],
        rows: EffectTable | None,
        made: Mapping[str, Any],
        sentences: tuple[str, ...] | None = None,
    ) -> Rendered:
        """Put a page together with its manifest and its numbers.

        Parameters
        ----------
        kind, rows, made
            See `manifest_of`.
        title, subtitle, findings, sections
            See `page`.
        numbers
            As JSON values; `withheld` is one of them.
        sentences
            The key findings; by default those of `findings`.
        """
        withheld = bool(numbers["withheld"])
        html = page(title=title, subtitle=list(filter(None, subtitle)), sections=sections, findings=findings)
        manifest = manifest_of(kind, rows, {**made, "withheld": withheld})
        stated = findings.sentences if sentences is None else sentences
        content = Content.of(html, findings, sections)
        return cls(title, embed(html, manifest), kept(numbers), stated, withheld, rows, content)

    @property
    def json(self) -> str:
        """The numbers as the text of a JSON file, one record a line."""
        return _lines(self.numbers, "") + "\n"

    def write(self, path: str | os.PathLike[str]) -> tuple[Path, Path]:
        """Write the page and, beside it, its numbers as ``<stem>.json``. Each file appears whole or not at all.

        Parameters
        ----------
        path
            Ends in ``.html``; its folder exists.

        Returns
        -------
        html, json : pathlib.Path
            The files written.

        Raises
        ------
        UsageError
            Another ending, a folder that does not exist, or something that may not be replaced.
        WriteError
            The system refuses to write there.
        """
        page, numbers = _files(path)
        with replacing(page, numbers) as drafts:
            for draft, text in zip(drafts, (self.html, self.json), strict=True):
                draft.write_text(text, encoding="utf-8", newline="\n")
        return page, numbers

    def bundle(self, folder: str | os.PathLike[str], *, docx: bool = True) -> tuple[Path, ...]:
        """Write what is to be taken from the page into a manuscript or another program.

        Parameters
        ----------
        folder
            Made if it is not there. Files of the same names are replaced, and those that an earlier bundle has left and
            this one has not are removed; others are left alone.
        docx
            Whether methods, references and tables are also written as a Word document, which the extra ``docx`` is
            needed for.

        Returns
        -------
        tuple of pathlib.Path
            The files written: ``estimates.csv``, every estimate of the page as a row with the digits of the JSON;
            ``table1.tex``, ``summary.tex`` and ``methods.tex`` with ``references.bib``, what the page has of them, to
            be read by LaTeX; ``manuscript.docx``, the same in APA style; ``figures/<name>.svg`` and ``.png``, every
            figure; and ``contents.csv``, the list of them. All appear, or none.

        Raises
        ------
        UsageError
            A file in the folder's place, or something that may not be replaced; or python-docx is not installed.
        WriteError
            The system refuses to write there.

        Notes
        -----
        All of it is in the page: where conclusions are withheld, no estimate is in any of the files.
        """
        from alliance_bayes.report.bundle.writing import write_bundle

        return write_bundle(self, folder, docx=docx)


def check_target(
    path: str | os.PathLike[str], *, key: str | os.PathLike[str] | None = None, inputs: Iterable[Path] = ()
) -> tuple[Path, Path]:
    """The files of a page and its numbers, once it is clear that they can be written, and their key.

    Parameters
    ----------
    path
        The page.
    key
        The key's file; by default beside the page.
    inputs
        What is not to be replaced.

    Raises
    ------
    UsageError, WriteError
        See `Rendered.write` and `check_outputs`.
    """
    page, numbers = _files(path)
    secret = key_path(page, key)
    check_outputs(
        page, numbers, *([] if secret.exists() else [secret]), inputs=[secret, *inputs] if secret.exists() else inputs
    )
    # Found out before the work, which may take an hour.
    if not can_draw():
        raise WriteError(
            "no pictures can be drawn: Matplotlib needs a folder that it can write to, and neither the home folder nor "
            "one for temporary files is such. Set MPLCONFIGDIR to one."
        )
    return page, numbers


def _files(path: str | os.PathLike[str]) -> tuple[Path, Path]:
    page = Path(path)
    if page.suffix != ".html":
        raise UsageError(f"the report's file '{page.name}' should end in .html. Rename it.")
    return page, page.with_suffix(".json")


def _lines(value: Any, margin: str) -> str:
    """JSON in which whatever holds no mapping or list of mappings stands on one line: a table reads as a table."""
    if isinstance(value, Mapping):
        if any(isinstance(item, Mapping | list) for item in value.values()):
            items = (f"{margin} {_flat(str(key))}: {_lines(item, margin + ' ')}" for key, item in value.items())
            return "{\n" + ",\n".join(items) + f"\n{margin}}}"
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return "[\n" + ",\n".join(f"{margin} {_lines(item, margin + ' ')}" for item in value) + f"\n{margin}]"
    return _flat(value)


def _flat(value: Any) -> str:
    return _ENCODER.encode(value)


@contextmanager
def frozen() -> Iterator[None]:
    """Have the collector look only at what is made from here on: a page is made of millions of objects that stay."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


_MANIFEST_FORMAT = 2
#: Figures of a row that a refit is compared with, and what it takes to compute them again from its draws.
NUMBERS = ("mean", "sd", "median", "lower", "upper", "p_direction", "p_rope", "p_relevant")
#: What else a row is told by.
GIVEN = ("interval", "prob", "rope_low", "rope_high", "relevant")
#: How well the draws of a row are known to mix, which decides how many digits of it are printed.
MIXING = ("mcse_mean", "ess_bulk", "ess_tail", "rhat")
# What no manifest is without.
_KEYS = ("kind", "data", "versions", "withheld", "columns", "rows", "page", "digest")
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "kind": str,
    "data": dict,
    "versions": dict,
    "columns": list,
    "rows": (list, type(None)),
    "page": str,
    "digest": str,
}
# A data block, which no browser runs: a content policy that allows no script lets it be.
_START = '<script type="application/json" id="manifest">'
_END = "</script>"
#: What the page's template holds until the manifest is known.
EMPTY = f"{_START}{_END}"


def manifest_of(kind: str, effects: pd.DataFrame | None, made: Mapping[str, Any]) -> dict[str, Any]:
    """Put a manifest together.

    Parameters
    ----------
    kind
        ``"report"`` or ``"study"``: what makes such a page again.
    effects
        Rows of an effects table, indexed by id; None when conclusions are withheld.
    made
        What the page was made from: data, cards, settings, versions.

    Returns
    -------
    dict
        JSON values; the rows are lists in the order of ``columns``.
    """
    columns = [*NUMBERS, *GIVEN, *MIXING]
    rows: list[list[Any]] | None = None
    if effects is not None:
        records = kept(plain(pd.DataFrame(effects)[columns]))
        rows = [
            [str(identity), *(record[name] for name in columns)]
            for identity, record in zip(effects.index, records, strict=True)
        ]
    return {"format": _MANIFEST_FORMAT, "kind": kind, **plain(made), "columns": ["id", *columns], "rows": rows}


def embed(html: str, manifest: Mapping[str, Any]) -> str:
    """Put a manifest into a page that was made with an empty one, with the fingerprints of both.

    Parameters
    ----------
    html
        The page; it holds `EMPTY` once.
    manifest
        See `manifest_of`.
    """
    assert html.count(EMPTY) == 1, "the page has no place for the manifest, or more than one"
    sealed = {**manifest, "page": _digest(html)}
    sealed["digest"] = _seal(sealed)
    # "<" must not stand in a script element: "</script" would end it.
    text = json.dumps(sealed, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return html.replace(EMPTY, f"{_START}{text}{_END}")


def read_manifest(html: str, *, name: str) -> dict[str, Any]:
    """The manifest of a page.

    Parameters
    ----------
    html
        The page.
    name
        What the file is called, for errors.

    Raises
    ------
    FileFormatError
        The page has none, more than one, or one of another format.
    """
    n = html.count(_START)
    place = _element(html)
    if place is None:
        raise FileFormatError(
            f"'{name}' holds {f'{n} manifests' if n > 1 else 'no manifest'}, so there is nothing to "
            "verify. Give a page made by 'alliance-bayes report' or 'alliance-bayes study'."
        )
    manifest = parse_json(
        html[place[0] + len(_START) : place[1] - len(_END)],
        what=f"the manifest of '{name}'",
        remedy="Make the report again.",
    )
    if not isinstance(manifest, dict) or manifest.get("format") != _MANIFEST_FORMAT:
        known = manifest.get("format") if isinstance(manifest, dict) else None
        raise FileFormatError(
            f"the manifest of '{name}' has format {known!r}, but this version reads {_MANIFEST_FORMAT}. Make the "
            "report again, or install the version that made it."
        )
    missing = [key for key in _KEYS if key not in manifest]
    wrong = missing or [key for key, kind in _KINDS.items() if not isinstance(manifest[key], kind)]
    if wrong or not _is_table(manifest["columns"], manifest["rows"]):
        raise FileFormatError(
            f"the manifest of '{name}' is damaged (no {', '.join(wrong) or 'rows'}). Make the report again."
        )
    return manifest


def faults(html: str, manifest: Mapping[str, Any]) -> list[str]:
    """Whether a page and its manifest are as they were made together; one sentence a fault."""
    problems = []
    if manifest.get("digest") != _seal(manifest):
        problems.append("The manifest was changed after the page was made: its fingerprint is another one.")
    if manifest.get("page") != _digest(body(html)):
        problems.append("The page was changed after it was made: its fingerprint is not the one in its manifest.")
    return problems


def body(html: str) -> str:
    """A page without its manifest, its lines ending as they did when it was made."""
    place = _element(html)
    empty = html if place is None else html[: place[0]] + EMPTY + html[place[1] :]
    return empty.replace("\r\n", "\n")


def _element(html: str) -> tuple[int, int] | None:
    """Where the page's one manifest begins and ends; None where there is none, or more than one."""
    start = html.find(_START)
    end = html.find(_END, start)
    return None if html.count(_START) != 1 or end < 0 else (start, end + len(_END))


def _is_table(columns: list[Any], rows: list[Any] | None) -> bool:
    named = all(isinstance(name, str) for name in columns)
    return named and all(
        isinstance(row, list) and len(row) == len(columns) and isinstance(row[0], str) for row in rows or []
    )


def _digest(html: str) -> str:
    # A mail programme may change the ends of lines, and nothing of what is said.
    return hashlib.sha256(html.replace("\r\n", "\n").encode()).hexdigest()


def _seal(manifest: Mapping[str, Any]) -> str:
    content = {key: value for key, value in manifest.items() if key != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def rows_by_id(manifest: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The rows of a manifest as mappings, by id; none when conclusions were withheld."""
    columns: Sequence[str] = manifest["columns"]
    return {row[0]: dict(zip(columns, row, strict=True)) for row in manifest["rows"] or []}


#: Ending of the file beside the page.
KEY_SUFFIX = ".key"
_BYTES = 32
_TEXT = re.compile(rf"[0-9a-f]{{{2 * _BYTES}}}\n?")


def key_path(page: Path, key: str | os.PathLike[str] | None) -> Path:
    """Where a page's key is, or would be."""
    return page.with_suffix(KEY_SUFFIX) if key is None else Path(key)


def read_key(path: Path) -> bytes:
    """The key in a file.

    Raises
    ------
    FileFormatError
        No such file, or one that holds no key.
    """
    text = read_text(path, what=f"the key '{path}'", limit=4 * _BYTES)
    if not _TEXT.fullmatch(text):
        raise FileFormatError(
            f"'{path}' holds no key: {2 * _BYTES} hexadecimal digits are expected. Give the .key file written with the "
            "page, or another name for a new one."
        )
    return bytes.fromhex(text.strip())


def find_key(page: Path, key: str | os.PathLike[str] | None) -> bytes | None:
    """The key of a page that is to be verified: the file given, else the one beside the page, else None."""
    if key is not None:
        return read_key(Path(key))
    beside = key_path(page, None)
    return read_key(beside) if beside.is_file() else None


@contextmanager
def page_key(page: Path | None, key: str | os.PathLike[str] | None) -> Iterator[bytes | None]:
    """The key for a page that is to be written, from its file; a file that is not there is written with a new key.

    A new one is gone again where the block fails: it would be the key of no page.

    Parameters
    ----------
    page
        The page; None where it is not written.
    key
        The key's file; by default ``<page>.key`` beside the page, and no key without a page.

    Raises
    ------
    FileFormatError
        A file that holds no key.
    UsageError, WriteError
        The file cannot be written.
    """
    if key is None and page is None:
        yield None
        return
    path = Path(key) if page is None else key_path(page, key)  # type: ignore[arg-type]
    secret, made = _taken(path)
    try:
        yield secret
    except BaseException:
        with undisturbed(), suppress(OSError):
            # Whoever takes it for another page marks it by the time.
            if made is not None and path.stat().st_mtime_ns == made:
                path.unlink()
        raise


def _taken(path: Path) -> tuple[bytes, int | None]:
    """The key in a file, and when the file was made, if it is a new one."""
    if not path.exists():
        secret = secrets.token_bytes(_BYTES)
        # Of two runs at once, one writes it.
        with suppress(FileExistsError):
            with replacing(path, again=False) as (draft,):
                # Readable by its owner alone.
                draft.touch(mode=0o600)
                draft.write_text(f"{secret.hex()}\n", encoding="ascii")
            return secret, path.stat().st_mtime_ns
    secret = read_key(path)
    with suppress(OSError):
        os.utime(path)
    return secret, None
