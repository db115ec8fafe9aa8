"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alliance_bayes.errors import UsageError

__all__ = ["replacing"]


@contextmanager
def replacing(*targets: Path) -> Iterator[tuple[Path, ...]]:
    """Yield a temporary path for each target; they take the targets' places when the block ends without an error.

    Parameters
    ----------
    *targets
        Files (or directories, such as Zarr stores) to write; their folders exist. Earlier ones are replaced; of a
        symbolic link, what it points to.

    Yields
    ------
    tuple of pathlib.Path
        Where to write, beside the targets and with their names.

    Raises
    ------
    UsageError
        A device, a pipe or a socket, which would be no more afterwards.

    Notes
    -----
    Nothing is left behind when the block fails or is interrupted, and the earlier files are then as they were. Several
    targets are renamed one after the other, so only a failure between two renames can part them.
    """
    places = [Path(os.path.realpath(target)) for target in targets]
    for target, place in zip(targets, places, strict=True):
        if os.path.lexists(place) and not (place.is_file() or place.is_dir()):
            raise UsageError(f"'{target}' is there and is no file. Choose another name.")
    folders: list[Path] = []
    try:
        for place in places:
            folders.append(Path(tempfile.mkdtemp(dir=place.parent, prefix=f".{place.name}.")))
        drafts = tuple(folder / target.name for folder, target in zip(folders, targets, strict=True))
        yield drafts
        for folder, draft, place in zip(folders, drafts, places, strict=True):
            if place.is_dir():
                # A directory cannot be renamed over another that holds something.
                os.replace(place, folder / "replaced")
            os.replace(draft, place)
    finally:
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
