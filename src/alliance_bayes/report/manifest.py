"""The manifest: what a page was made from and its estimates, for a machine, inside the page itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from alliance_bayes.errors import FileFormatError
from alliance_bayes.foreign import parse_json
from alliance_bayes.report.records import kept, plain

__all__ = [
    "EMPTY",
    "GIVEN",
    "MIXING",
    "NUMBERS",
    "body",
    "embed",
    "faults",
    "manifest_of",
    "read_manifest",
    "rows_by_id",
]

FORMAT = 2
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
    return {"format": FORMAT, "kind": kind, **plain(made), "columns": ["id", *columns], "rows": rows}


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
    found = html.count(_START)
    place = _element(html)
    if place is None:
        raise FileFormatError(
            f"'{name}' holds {f'{found} manifests' if found > 1 else 'no manifest'}, so there is nothing to "
            "verify. Give a page made by 'alliance-bayes report' or 'alliance-bayes study'."
        )
    manifest = parse_json(
        html[place[0] + len(_START) : place[1] - len(_END)],
        what=f"the manifest of '{name}'",
        remedy="Make the report again.",
    )
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        known = manifest.get("format") if isinstance(manifest, dict) else None
        raise FileFormatError(
            f"the manifest of '{name}' has format {known!r}, but this version reads {FORMAT}. Make the report again, "
            "or install the version that made it."
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
    found = []
    if manifest.get("digest") != _seal(manifest):
        found.append("The manifest was changed after the page was made: its fingerprint is another one.")
    if manifest.get("page") != _digest(body(html)):
        found.append("The page was changed after it was made: its fingerprint is not the one in its manifest.")
    return found


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
