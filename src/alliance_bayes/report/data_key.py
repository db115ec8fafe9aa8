"""The key of the digest by which a page knows its data: kept beside the page, and never in it."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from alliance_bayes.atomic import replacing
from alliance_bayes.errors import FileFormatError
from alliance_bayes.foreign import read_text

__all__ = ["KEY_SUFFIX", "find_key", "key_of", "key_path", "read_key"]

#: Ending of the file beside the page.
KEY_SUFFIX = ".key"
_BYTES = 32
_TEXT = re.compile(rf"[0-9a-f]{{{2 * _BYTES}}}\n?")


def key_path(page: Path, key: str | os.PathLike[str] | None) -> Path:
    """Where a page's key is, or would be."""
    return page.with_suffix(KEY_SUFFIX) if key is None else Path(key)


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
    beside = key_path(page, None)
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
    UsageError, WriteError
        The file cannot be written.
    """
    if key is None and page is None:
        return None
    path = Path(key) if page is None else key_path(page, key)  # type: ignore[arg-type]
    if path.exists():
        return read_key(path)
    made = secrets.token_bytes(_BYTES)
    try:
        with replacing(path, again=False) as (draft,):
            # Readable by its owner alone.
            draft.touch(mode=0o600)
            draft.write_text(f"{made.hex()}\n", encoding="ascii")
    except FileExistsError:
        # Of two runs at once, one writes it.
        return read_key(path)
    return made
