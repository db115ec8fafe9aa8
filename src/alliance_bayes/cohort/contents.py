"""The bytes of a file, within limits, and what they are whatever the file is called."""

from __future__ import annotations

import gzip
import re
import stat
import zlib
from collections.abc import Container
from pathlib import Path

from alliance_bayes.errors import DataError, Problem, UsageError

__all__ = [
    "TABLE_BYTES",
    "TABLE_CELLS",
    "TABLE_COLUMNS",
    "TABLE_ROWS",
    "TOO_LARGE",
    "ending",
    "is_pipe",
    "is_text",
    "kind_of",
    "read_bytes",
    "refuse_device",
    "source_name",
    "unreadable",
]

#: Largest file that is read whole, and largest that a compressed one may become.
TABLE_BYTES = 256 << 20
#: Largest table that is read whole. A cell of text takes some sixty bytes in memory, however short it is.
TABLE_ROWS, TABLE_COLUMNS, TABLE_CELLS = 2_000_000, 10_000, 10_000_000
TOO_LARGE = "Leave out what no model needs, or reduce the table where it is ('alliance-bayes reduce')."

_UNPACK = "Unpack it first; of compressed files only those ending in .gz (.csv.gz) are read."
_PICTURE = "Give the table itself."
_PARQUET = b"PAR1"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
#: How files begin that are no text, what they are, and the endings that they are read under, or else what to do.
_BEGINNINGS: tuple[tuple[bytes, str, tuple[str, ...] | str], ...] = (
    (_OLE, "an Excel workbook (.xls)", (".xls",)),
    (b"$FL2", "an SPSS file (.sav)", (".sav",)),
    (b"$FL3", "a compressed SPSS file (.zsav)", (".zsav", ".sav")),
    (b"<stata_dta>", "a Stata file (.dta)", (".dta",)),
    (b"HEADER RECORD*******LIB", "a SAS transport file (.xpt)", (".xpt",)),
    (b"RDX", "an R workspace", "Save one data.frame: saveRDS(x, 'table.rds')."),
    (b"X\n\0\0\0", "an R file (.rds)", (".rds",)),
    (b"A\n2\n", "an R file (.rds)", (".rds",)),
    (b"A\n3\n", "an R file (.rds)", (".rds",)),
    (b"SQLite format 3\0", "an SQLite database", "Export the table as CSV (UTF-8)."),
    (b"\x89HDF\r\n", "an HDF5 or NetCDF file", "Moments and fits are files ending in .nc; a table is CSV or Parquet."),
    (_PARQUET, "a Parquet file", (".parquet", ".pq")),
    (b"ARROW1", "a Feather (Arrow) file", (".feather", ".arrow")),
    (b"FEA1", "a Feather file", (".feather", ".arrow")),
    (b"%PDF", "a PDF document", "Give the table that it was made of."),
    (b"{\\rtf", "an RTF document", "Give the table that it was made of."),
    (b"\x1f\x8b", "compressed (gzip)", (".csv.gz", ".rds")),
    (b"BZh", "compressed (bzip2)", (".rds",)),
    (b"\xfd7zXZ\0", "compressed (xz)", (".rds",)),
    (b"\x28\xb5\x2f\xfd", "compressed (Zstandard)", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"\x89PNG", "a picture (PNG)", _PICTURE),
    (b"\xff\xd8\xff", "a picture (JPEG)", _PICTURE),
    (b"GIF8", "a picture (GIF)", _PICTURE),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "Fetch the file ('git lfs pull')."),
)
_SAS = bytes.fromhex("c2ea8160b31411cfbd92080009c7318c181f1011")
_ZIP, _ZIPPED = "a ZIP archive", (".xlsx", ".xlsm", ".xlsb", ".ods")
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype|\?xml|html|head|body|table|div|meta)[\s>]", re.IGNORECASE)
_JSON = re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:\{\s*"|\[\s*[\[{])')


def ending(path: Path) -> str:
    """The ending that says what a file is, in small letters: ".csv", ".csv.gz"."""
    last = path.suffix.lower()
    return Path(path.stem).suffix.lower() + last if last == ".gz" else last


def is_pipe(path: Path) -> bool:
    """Whether a path is a pipe, as of ``<(...)`` or ``/dev/stdin``, whose bytes come once and which has no ending."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or (stat.S_ISREG(mode) and path.parts[:2] in (("/", "dev"), ("/", "proc")))


def refuse_device(path: Path, name: str) -> None:
    """Raise UsageError where there is something that is neither a file nor a pipe, and may have no end."""
    if path.exists() and not (path.is_file() or path.is_fifo()):
        raise UsageError(f"{name}: {path} is a device or a socket. Give a file or a pipe.")


def read_bytes(path: Path) -> bytes:
    """All bytes of a file or of a pipe, unpacked where it ends in .gz.

    Raises
    ------
    DataError
        Too large, packed or unpacked, or no gzip.
    """
    with path.open("rb") as file:
        if path.suffix.lower() != ".gz":
            data = file.read(TABLE_BYTES + 1)
        else:
            try:
                # No more is unpacked than is read, however little the file takes on disk.
                data = gzip.GzipFile(fileobj=file).read(TABLE_BYTES + 1)
            except (gzip.BadGzipFile, EOFError, zlib.error) as error:
                what = f"ends in .gz but cannot be unpacked ({str(error).rstrip('.')})"
                raise unreadable(path, what, "Check that it was copied whole; compress it with gzip.") from None
    if len(data) > TABLE_BYTES:
        how = "unpacks to more than" if path.suffix.lower() == ".gz" else "is larger than"
        raise unreadable(path, f"{how} {TABLE_BYTES >> 20} MiB, the most that is read whole", TOO_LARGE)
    return data


def kind_of(data: bytes, ending: str | None = None, *, read: Container[str] = ()) -> tuple[str, str] | None:
    """What bytes are that are not what a file's ending says, and what to do.

    Parameters
    ----------
    data
        The first of them, or all.
    ending
        What the file is called; None where it is to be text.
    read
        Endings under which the caller reads files: it can be renamed to one of them.

    Returns
    -------
    tuple of str, or None
        None where nothing tells that the file is something else.
    """
    head = data[:4096]
    kind = _kind(head)
    if kind is None:
        return None
    name, endings = kind
    if name == _ZIP and ending in _ZIPPED:
        # What is first in the archive does not tell all that it holds.
        return None
    if isinstance(endings, str):
        return name, endings
    if ending in endings:
        return None
    if name.startswith("compressed"):
        return name, _UNPACK if ".csv.gz" not in endings else "Unpack it, or name it so that it ends in .csv.gz."
    under = next((suffix for suffix in endings if suffix in read), None)
    return name, "Export it as CSV (UTF-8)." if under is None else f"Name it so that it ends in {under}."


def _kind(head: bytes) -> tuple[str, tuple[str, ...] | str] | None:
    """What a file begins as, and the endings that such files are read under, or what to do."""
    if head.startswith(b"PK\x03\x04"):
        if b"opendocument.spreadsheet" in head:
            return "an OpenDocument spreadsheet (.ods)", (".ods",)
        if b"[Content_Types].xml" in head or b"xl/" in head:
            return "an Excel workbook (.xlsx)", (".xlsx", ".xlsm", ".xlsb")
        return _ZIP, _UNPACK
    if head[12:32] == _SAS:
        return "a SAS file (.sas7bdat)", (".sas7bdat",)
    if b"SPSS PORT FILE" in head[:600]:
        return "an SPSS portable file (.por)", (".por",)
    for beginning, name, endings in _BEGINNINGS:
        if head.startswith(beginning):
            return name, endings
    if _MARKUP.match(head):
        return "a page in HTML or XML", "Save the table itself as CSV (a download may have given a page of a website)."
    if _JSON.match(head):
        return "JSON", "Write it as CSV or Parquet, one row a participant."
    return None


def is_text(head: bytes) -> bool:
    """Whether the first bytes of a file are of a text, and of nothing that a program keeps for itself."""
    return bool(head) and not any(byte < 32 and byte not in (9, 10, 13) for byte in head)


def unreadable(path: Path, what: str, remedy: str) -> DataError:
    """The error for a file of which nothing can be read."""
    return DataError([Problem(None, None, None, what, remedy)], source=source_name(path))


def source_name(path: Path) -> str:
    """What to call a file: its name without its directory. The name of a pipe is a number that means nothing."""
    return "pipe" if is_pipe(path) and not path.suffix else path.name
