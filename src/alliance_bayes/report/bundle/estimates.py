"""Every estimate of a page as one CSV file, a row each, with numbers in columns of numbers."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from alliance_bayes.effects import COLUMNS, EffectTable
from alliance_bayes.report.records import kept, plain
from alliance_bayes.report.text import clean

__all__ = ["COLUMNS_OF_FILE", "csv_text", "estimates_csv"]

#: The file's header: where a row stands in the page, and the columns of an effects table.
COLUMNS_OF_FILE = ("section", "block", "id", *COLUMNS)
# What a spreadsheet takes for a formula, as the page's own script has it: full-width signs, too.
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")


def estimates_csv(rows: EffectTable | None, numbers: Mapping[str, Any]) -> str:
    """The text of the file; its header alone where the page shows no estimate.

    Parameters
    ----------
    rows
        Rows of the page's manifest, by id.
    numbers
        The page's JSON, whose digits the file has.
    """
    if rows is None:
        return csv_text(COLUMNS_OF_FILE, ())
    records = kept(plain(pd.DataFrame(rows)[list(COLUMNS)]))
    places = _places([str(row) for row in rows.index], numbers)
    lines = ((*place, *(record[name] for name in COLUMNS)) for place, record in zip(places, records, strict=True))
    return csv_text(COLUMNS_OF_FILE, lines)


def _places(ids: Sequence[str], numbers: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Section, block and id of each row: blocks are a study's, and a report has its own effects before all others."""
    effects = numbers["effects"] or ()
    part_of = {record["block"]: record["part"] for record in effects if "block" in record}
    for place, identity in enumerate(ids):
        before = identity.partition("/")[0]
        if before in part_of:
            yield part_of[before], before, identity
        elif not part_of and place < len(effects):
            yield "effects", "", identity
        else:
            yield before, "", identity


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows as spreadsheets and programs read them: numbers as they are, and no label that is taken for a formula."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return stream.getvalue()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if not isinstance(value, str):
        # The shortest text that reads back as the same number.
        return repr(value)
    text = clean(value)
    return f"'{text}" if _FORMULA.match(text) else text
