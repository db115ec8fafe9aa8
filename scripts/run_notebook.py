"""Run a notebook from top to bottom in a kernel of this environment, and keep it with its outputs.

    python scripts/run_notebook.py NOTEBOOK

The kernel's folder, and that of the notebook with outputs, is the current one. A cell that fails ends the run with what
it said. The notebook itself is not changed: the one that is kept in examples/ has no outputs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from traitlets.config import Config

SECONDS = 600


def main(path: Path) -> int:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    # The kernel is on this machine, and needs no port of it.
    local = Config({"KernelManager": {"transport": "ipc"}})
    client = NotebookClient(
        notebook, config=local, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": "."}}
    )
    try:
        client.execute()
    except CellExecutionError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        nbformat.write(notebook, path.name)
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    tables = sum("<table" in output.get("data", {}).get("text/html", "") for output in shown)
    print(f"{len(notebook.cells)} cells, {len(shown)} outputs, {tables} of them tables")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
