"""Docstrings as the reader of sections needs them.

References become lists, since numbered targets would clash where a class shows the docstrings of its methods. What is
said of an attribute begins with an empty line, since what stands before a colon would else be taken for its type.
"""

import re
from inspect import signature
from typing import Any

from sphinx.application import Sphinx

TARGET = re.compile(r"^(\s*)\.\. (\[\d+\]) ")
# What a function calls the fit is the object that a method is one of.
FIT = re.compile(r"^fit\n(?: +.*\n)+", re.MULTILINE)
CITED = re.compile(r"(\[\d+\])_\b")


def plain(app: Sphinx, what: str, name: str, obj: Any, options: object, lines: list[str]) -> None:
    """Write `.. [1] Author` as an item of a list, `[1]_` as `[1]`, and an attribute's type nowhere."""
    lines[:] = [CITED.sub(r"\1", TARGET.sub(r"\1*  \2 ", line)) for line in lines]
    if what == "method" and lines[:1] and next(iter(signature(obj).parameters), "") == "fit":
        lines[:] = FIT.sub("", "\n".join(lines)).split("\n")
    if what in ("attribute", "data", "property"):
        lines.insert(0, "")


def setup(app: Sphinx) -> dict[str, bool]:
    """Go before the reading of sections, which is connected with the default priority of 500."""
    app.connect("autodoc-process-docstring", plain, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
