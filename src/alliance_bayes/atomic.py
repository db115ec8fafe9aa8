"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["replacing"]


@contextmanager
def replacing(*targets: Path) -> Iterator[tuple[Path, ...]]:
    """Yield a temporary path for each target; they take the targets' places when the block ends without an error.

    Parameters
    ----------
    *targets
        Files (or directories, such as Zarr stores) to write; their folders exist. Earlier ones are replaced.

    Yields
    ------
    tuple of pathlib.Path
        Where to write, beside the targets and with their names.

    Notes
    -----
    Nothing is left behind when the block fails or is interrupted, and the earlier files are then as they were. Several
    targets are renamed one after the other, so only a failure between two renames can part them.
    """
    folders: list[Path] = []
    try:
        for target in targets:
            folders.append(Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.")))
        yield tuple(folder / target.name for folder, target in zip(folders, targets, strict=True))
        for folder, target in zip(folders, targets, strict=True):
            if target.is_dir():
                # A directory cannot be renamed over another that holds something.
                os.replace(target, folder / "replaced")
            os.replace(folder / target.name, target)
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
