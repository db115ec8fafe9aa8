"""What is given on the command line, by what it is: a formula, a table, a card, a page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import alliance_bayes as ab

__all__ = ["check_place", "is_formula"]

_FITS = {".nc": "a fit or moments", ".zarr": "a fit"}
_OTHERS: dict[str, dict[str, str]] = {
    "model": {".html": "a page", **_FITS},
    "columns": {},
    "table": {".html": "a page", ".toml": "a model card"},
}
_BELONGS = {
    "model": "a model card or a formula",
    "columns": "a column, a model card or a formula",
    "table": "a table",
}


def is_formula(text: str) -> bool:
    """Whether what is given for a card is a formula: it has "~", and no file is called so."""
    return "~" in text and not os.path.exists(text)


def check_place(text: str, belongs: Literal["model", "columns", "table"]) -> None:
    """Refuse a table in the place of a model, a model in that of a table, and what is neither.

    Raises
    ------
    UsageError
        What is given is something else, by its ending or as a formula.
    """
    from alliance_bayes.cohort.contents import ending
    from alliance_bayes.cohort.files import ENDINGS

    last = ending(Path(text))
    if is_formula(text):
        found = "a formula" if belongs == "table" else ""
    elif belongs != "table" and last in ENDINGS and (belongs == "model" or os.path.exists(text)):
        # A column may be called "hosp.tab", where no file is.
        found = "a table"
    else:
        found = _OTHERS[belongs].get(last, "")
    if found:
        raise ab.UsageError(
            f"'{text}' is {found}, where {_BELONGS[belongs]} belongs. Give each in its place: --help shows the order."
        )
