"""Rendered: a finished page, its numbers, and how both are written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alliance_bayes.atomic import check_outputs, replacing
from alliance_bayes.effects import EffectTable
from alliance_bayes.errors import UsageError
from alliance_bayes.report.data_key import key_path

__all__ = ["FORMAT", "Rendered", "check_target"]

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
    """

    title: str
    html: str = field(repr=False)
    numbers: Mapping[str, Any] = field(repr=False)
    findings: tuple[str, ...] = field(repr=False)
    withheld: bool
    rows: EffectTable | None = field(default=None, repr=False)

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
    kept = key_path(page, key)
    check_outputs(
        page, numbers, *([] if kept.exists() else [kept]), inputs=[kept, *inputs] if kept.exists() else inputs
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
