"""Files that appear whole or not at all, and outputs that cannot be written, found out before the work."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from alliance_bayes.errors import UsageError, WriteError
from alliance_bayes.interrupts import undisturbed
from alliance_bayes.private import BEFORE, private_folder

__all__ = ["check_folder", "check_outputs", "make_folder", "replacing", "scratch"]

# Enough to take a block of the disk.
_PROBE = bytes(4096)
_REMEDIES = {
    errno.ENOSPC: "Free some space, or choose another folder.",
    errno.EDQUOT: "Free some space, or choose another folder.",
    errno.EFBIG: "Raise the limit of the size of a file (ulimit -f), or choose another folder.",
}


@contextmanager
def replacing(*targets: Path, again: bool = True) -> Iterator[tuple[Path, ...]]:
    """Yield a temporary path for each target; they take the targets' places when the block ends without an error.

    Parameters
    ----------
    *targets
        Files, or Zarr stores (``.zarr``), to write; their folders exist. Earlier ones are replaced, and files pass
        their permissions on; of a symbolic link, what it points to.
    again
        Whether what is there may be replaced.

    Yields
    ------
    tuple of pathlib.Path
        Where to write, beside the targets and with their names.

    Raises
    ------
    UsageError
        What is no file or store, or may not be replaced; see :func:`check_outputs`.
    WriteError
        The system refuses: no space, no permission.
    FileExistsError
        A file has come to be there that is not to be replaced.

    Notes
    -----
    Nothing is left behind when the block fails or is interrupted, and the earlier files are then as they were. What a
    killed process leaves is removed by the next that writes there. Several targets are renamed one after the other, so
    only a kill between two renames can part them.
    """
    places = _places(targets)
    drafts: list[Path] = []
    with ExitStack() as stack:
        try:
            for target, place in zip(targets, places, strict=True):
                drafts.append(stack.enter_context(private_folder(place.parent)) / target.name)
            yield tuple(drafts)
            for draft in drafts:
                _settle(draft)
            with undisturbed():
                for draft, place in zip(drafts, places, strict=True):
                    (_replace if again else _place_new)(draft, place)
        except (WriteError, FileExistsError):
            raise
        except OSError as error:
            # They are written in order, so it was the last that is there; if none, one had no folder to be in.
            begun = [k for k, draft in enumerate(drafts) if os.path.lexists(draft)]
            raise _refused(targets[begun[-1] if begun else min(len(drafts), len(targets) - 1)], error) from error


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a folder for temporary files that nobody else can read, and that is gone when the block ends.

    Raises
    ------
    WriteError
        There is no place for one.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(private_folder(Path(tempfile.gettempdir())))
        except OSError as error:
            raise WriteError(
                f"no temporary files can be written: {_reason(error)}. Set TMPDIR to a folder with free space."
            ) from error
        yield folder


def check_outputs(*outputs: Path, inputs: Iterable[Path] = ()) -> None:
    """Refuse outputs that could not be written, before the work and not after it.

    Parameters
    ----------
    *outputs
        Files, or Zarr stores (``.zarr``).
    inputs
        What is read, and is not to be replaced.

    Raises
    ------
    UsageError
        A folder that does not exist; a folder, a device or a pipe in an output's place; a write-protected file; two
        outputs that are one, one that is an input, or one to which standard input, output or error go.
    WriteError
        The system refuses to write there.
    """
    inputs = list(inputs)
    places = _places(outputs)
    for number, (output, place) in enumerate(zip(outputs, places, strict=True)):
        if any(_same(place, other) for other in places[:number]):
            raise UsageError(f"'{output}' would be written twice. Give every output a name of its own.")
        if any(_same(place, source) for source in inputs):
            raise UsageError(f"'{output}' is what is read, and would be replaced. Give the output another name.")
    for output, place in zip(outputs, places, strict=True):
        _probe(output, place.parent, output.name)


def check_folder(folder: Path) -> None:
    """Refuse a folder that files could not be written to, or that could not be made.

    Raises
    ------
    UsageError
        Something else is in its place.
    WriteError
        The system refuses to write there.
    """
    place = Path(os.path.realpath(folder))
    nearest = next(path for path in (place, *place.parents) if os.path.lexists(path))
    if not nearest.is_dir():
        raise UsageError(f"'{nearest if nearest != place else folder}' is a file, and no folder. Choose another name.")
    _probe(folder, nearest, "file" if nearest == place else place.relative_to(nearest).parts[0])


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, where they are not there.

    Raises
    ------
    UsageError, WriteError
        See :func:`check_folder`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        check_folder(folder)
        raise _refused(folder, error) from error


def _probe(target: Path, parent: Path, name: str) -> None:
    try:
        with private_folder(parent) as folder:
            (folder / name).write_bytes(_PROBE)
    except OSError as error:
        raise _refused(target, error) from error


def _places(targets: Sequence[Path]) -> list[Path]:
    return [_place(target) for target in targets]


def _place(target: Path) -> Path:
    """Where a target is, links followed, once it is clear that what is there may be replaced."""
    try:
        place = Path(os.path.realpath(target))
        status = place.lstat() if os.path.lexists(place) else None
    except (OSError, ValueError) as error:
        raise UsageError(f"'{target}' cannot be the name of a file ({error}). Choose another name.") from error
    if not place.parent.is_dir():
        if os.path.islink(target):
            raise UsageError(f"'{target}' points to '{place}', whose folder does not exist. Create it first.")
        raise UsageError(f"the folder of '{target}' does not exist. Create it first.")
    if status is None and not os.path.exists(target):
        return place
    is_folder = status is not None and stat.S_ISDIR(status.st_mode)
    # The system's own link to a file that is deleted, yet open, points nowhere.
    if status is None or not (is_folder or stat.S_ISREG(status.st_mode)):
        raise UsageError(f"'{target}' is there and is no file. Choose another name.")
    # All that is in a folder goes when a store takes its place.
    if is_folder and target.suffix != ".zarr":
        raise UsageError(f"'{target}' is a folder. Choose another name.")
    if is_folder and not (place / "zarr.json").is_file() and any(place.iterdir()):
        raise UsageError(f"'{target}' is a folder that holds no Zarr store. Choose another name.")
    if not is_folder and target.suffix == ".zarr":
        raise UsageError(f"'{target}' is a file, and no Zarr store. Choose another name.")
    if not os.access(place, os.W_OK) or _is_anothers(status, place.parent):
        raise UsageError(f"'{target}' is write-protected. Choose another name, or permit writing to it.")
    if _is_mounted(place):
        raise UsageError(f"'{target}' is mounted by itself, and cannot be replaced. Mount its folder in its place.")
    for number, stream in enumerate(("input", "output", "error")):
        with suppress(OSError):
            if os.path.samestat(status, os.fstat(number)):
                raise UsageError(f"'{target}' is standard {stream}, and no file of its own. Choose another name.")
    return place


def _is_anothers(status: os.stat_result, parent: Path) -> bool:
    """Whether a file is in a folder, as that for temporary files, where none but its owner may replace it."""
    folder = parent.stat()
    return bool(folder.st_mode & stat.S_ISVTX) and os.geteuid() not in (0, status.st_uid, folder.st_uid)


def _is_mounted(place: Path) -> bool:
    """Whether a single file is mounted, as containers have them."""
    try:
        table = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return os.path.ismount(place)
    escaped = "".join(f"\\{ord(letter):03o}" if letter in " \t\n\\" else letter for letter in str(place))
    return any(line.split(" ")[4] == escaped for line in table.splitlines())


def _same(path: Path, other: Path) -> bool:
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):
        return os.path.realpath(path) == os.path.realpath(other)


def _refused(target: Path, error: OSError) -> WriteError:
    remedy = _REMEDIES.get(error.errno or 0, "Check the folder and its permissions, or choose another.")
    return WriteError(f"'{target}' cannot be written: {_reason(error)}. {remedy}")


def _reason(error: OSError) -> str:
    text = " ".join((error.strerror or str(error) or type(error).__name__).split())
    return text[:1].lower() + text[1:]


def _settle(draft: Path) -> None:
    """Have what was written reach the disk: some file systems find out only then that it is full."""
    for path in [file for file in draft.rglob("*") if file.is_file()] if draft.is_dir() else [draft]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as error:
            # Others have no such thing, which is no fault of the file.
            if error.errno in (errno.EIO, errno.ENOSPC, errno.EDQUOT):
                raise
        finally:
            os.close(handle)


def _replace(draft: Path, place: Path) -> None:
    if place.is_dir():
        # A folder cannot be renamed over another that holds something.
        before = draft.parent.parent / BEFORE
        before.mkdir()
        os.replace(place, before / place.name)
    elif place.exists():
        was = place.stat()
        # Not every file system knows owners and permissions.
        with suppress(OSError):
            os.chmod(draft, stat.S_IMODE(was.st_mode))
        with suppress(OSError):
            os.chown(draft, was.st_uid, was.st_gid)
    os.replace(draft, place)


def _place_new(draft: Path, place: Path) -> None:
    try:
        os.link(draft, place)
    except FileExistsError:
        raise
    except OSError:
        # Not every file system gives a file two names.
        if os.path.lexists(place):
            raise FileExistsError from None
        os.replace(draft, place)
