"""What commands write: that it can be written is found out before a minute of work, and not after it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import alliance_bayes as ab
from alliance_bayes.atomic import check_folder, check_outputs

__all__ = ["check_file", "check_page", "check_tables"]

# A folder of tables has a handful of files.
_MOST = 1_000


def check_file(output: Path, suffixes: tuple[str, ...], *inputs: Path | None) -> None:
    """Refuse an output that could not be written, or is one of the inputs.

    Raises
    ------
    UsageError, WriteError
        Another ending, or see `check_outputs`.
    """
    if output.suffix not in suffixes:
        raise ab.UsageError(f"output '{output}' should end in {' or '.join(suffixes)}. Rename it.")
    check_outputs(output, inputs=_files(*inputs))


def check_page(output: Path, key: Path | None, *inputs: Path | None) -> None:
    """The same of a page, with its numbers and its key."""
    from alliance_bayes.report.rendered import check_target

    check_target(output, key=key, inputs=_files(*inputs))


def check_tables(output: Path, folder: Path | None) -> None:
    """The same of a simulated table, and of the folder for the three tables behind it.

    Raises
    ------
    UsageError, WriteError
        See `check_outputs` and `check_folder`.
    """
    from alliance_bayes.cohort.tables import TABLES

    if folder is not None:
        check_folder(folder)
    three = [] if folder is None or not folder.is_dir() else [folder / f"{name}.csv" for name in TABLES]
    check_outputs(output, *three)


def _files(*inputs: Path | None) -> Iterator[Path]:
    for path in inputs:
        if path is not None:
            yield path
            if path.is_dir() and path.suffix != ".zarr":
                yield from itertools.islice(path.iterdir(), _MOST)
