"""Values of predictors as the command line gives them: COLUMN=VALUE[,VALUE...]."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import alliance_bayes as ab

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["numbers_at", "values_at"]


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


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
