"""Notebooks in examples/: kept without outputs, so that a change shows what was changed; `make examples` runs them."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    book = json.loads(path.read_text(encoding="utf-8"))
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    code = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert len(code) > 4
    for cell in code:
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
        # Whatever a notebook's program notes of who ran it, and where.
        assert cell["metadata"] == {}
        ast.parse("".join(cell["source"]))
    assert set(book["metadata"]) == {"kernelspec", "language_info"}
    ids = [cell["id"] for cell in book["cells"]]
    assert len(set(ids)) == len(ids)


def test_make_runs_every_notebook() -> None:
    assert NOTEBOOKS
    makefile = (EXAMPLES.parent / "Makefile").read_text(encoding="utf-8")
    assert "examples/[0-9]*.py examples/[0-9]*.ipynb" in makefile
    assert all(path.name[0].isdigit() for path in NOTEBOOKS)
