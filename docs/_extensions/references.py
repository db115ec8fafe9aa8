"""References of docstrings as lists: numbered targets would clash where a class shows the docstrings of its methods."""

import re

from sphinx.application import Sphinx

TARGET = re.compile(r"^(\s*)\.\. (\[\d+\]) ")
CITED = re.compile(r"(\[\d+\])_\b")


def plain(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Write `.. [1] Author` as an item of a list, and `[1]_` as `[1]`."""
    lines[:] = [CITED.sub(r"\1", TARGET.sub(r"\1* \2 ", line)) for line in lines]


def setup(app: Sphinx) -> dict[str, bool]:
    """Go before the reading of sections, which is connected with the default priority of 500."""
    app.connect("autodoc-process-docstring", plain, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
