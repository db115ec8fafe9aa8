"""The key of the digest by which a page knows its data: kept beside the page, and never in it."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from alliance_bayes.errors import FileFormatError, UsageError
from alliance_bayes.foreign import read_text

__all__ = ["KEY_SUFFIX", "find_key", "key_of", "read_key"]

#: Ending of the file beside the page.
KEY_SUFFIX = ".key"
_BYTES = 32
_TEXT = re.compile(rf"[0-9a-f]{{{2 * _BYTES}}}\n?")


def read_key(path: Path) -> bytes:
    """The key in a file.

    Raises
    ------
    FileFormatError
        No such file, or one that holds no key.
    """
    text = read_text(path, what=f"the key '{path}'", limit=4 * _BYTES)
    if not _TEXT.fullmatch(text):
        raise FileFormatError(
            f"'{path}' holds no key: {2 * _BYTES} hexadecimal digits are expected. Give the .key file written with the "
            "page, or another name for a new one."
        )
    return bytes.fromhex(text.strip())


def find_key(page: Path, key: str | os.PathLike[str] | None) -> bytes | None:
    """The key of a page that is to be verified: the file given, else the one beside the page, else None."""
    if key is not None:
        return read_key(Path(key))
    beside = page.with_suffix(KEY_SUFFIX)
    return read_key(beside) if beside.is_file() else None


def key_of(page: Path | None, key: str | os.PathLike[str] | None) -> bytes | None:
    """The key for a page that is to be written, from its file; a file that is not there is written with a new key.

    Parameters
    ----------
    page
        The page; None where it is not written.
    key
        The key's file; by default ``<page>.key`` beside the page, and no key without a page.

    Raises
    ------
    FileFormatError
        A file that holds no key.
    UsageError
        The file cannot be written.
    """
    if key is None and page is None:
        return None
    path = Path(key) if key is not None else page.with_suffix(KEY_SUFFIX)  # type: ignore[union-attr]
    if path.exists():
        return read_key(path)
    made = secrets.token_bytes(_BYTES)
    try:
        # Readable by its owner alone; of two runs at once, one writes it.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(f"{made.hex()}\n")
    except FileExistsError:
        return read_key(path)
    except OSError as error:
        raise UsageError(f"the key '{path}' cannot be written ({error.strerror}). Choose another folder.") from error
    return made
