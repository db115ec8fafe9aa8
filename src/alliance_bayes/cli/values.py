"""What the command line gives as text: values of predictors, and options of what is named."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import alliance_bayes as ab

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["estimands_of", "numbers_at", "values_at"]


def values_at(texts: Sequence[str]) -> dict[str, list[str]]:
    """Texts by column, those of one that comes several times together.

    A value with a comma is written in quotation marks, as in a CSV file.

    Raises
    ------
    UsageError
        A text without a column, an equals sign or a value.
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        column, equals, rest = text.partition("=")
        try:
            # A line that breaks off inside quotation marks is none.
            (values,) = csv.reader([rest], strict=True) if rest else [[]]
        except (csv.Error, ValueError):
            values = []
        if not (column.strip() and equals and values and all(values)):
            raise ab.UsageError(
                f"--at {text!r} should be COLUMN=VALUE or COLUMN=VALUE,VALUE,..., such as --at month=12. A value with "
                "a comma is written in quotation marks."
            )
        found.setdefault(column.strip(), []).extend(values)
    return found


def numbers_at(values: Mapping[str, Sequence[str]], frame: pd.DataFrame) -> dict[str, list[str | float]]:
    """The same with numbers for numeric columns; what is no number stays as it is, and is refused with the others."""
    import pandas as pd

    numeric = {name for name in values if name in frame and pd.api.types.is_numeric_dtype(frame[name])}
    return {name: [_number(text) if name in numeric else text for text in texts] for name, texts in values.items()}


def estimands_of(texts: Sequence[str]) -> dict[str, dict[str, object]]:
    """Names with their options, each name once."""
    named: dict[str, dict[str, object]] = {}
    for name, options in map(_estimand, texts):
        if named.setdefault(name, options) != options:
            raise ab.UsageError(f"--estimand gives two sets of options for {name!r}. Choose one.")
    return named


def _estimand(text: str) -> tuple[str, dict[str, object]]:
    """A name with options: "responders:at_least=32,factor=sex"."""
    name, _, rest = text.partition(":")
    options: dict[str, object] = {}
    for option in re.split(r",(?=\w+=)", rest) if rest else ():
        key, equals, value = option.partition("=")
        if not (key.isidentifier() and equals):
            raise ab.UsageError(f"--estimand should be NAME or NAME:OPTION=VALUE,... but got {text!r}.")
        try:
            options[key] = json.loads(value)
        except ValueError:
            options[key] = value
    return name, options


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
