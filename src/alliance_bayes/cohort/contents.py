"""The bytes of a file, within limits, and what they are whatever the file is called."""

from __future__ import annotations

import gzip
import re
import stat
import zlib
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

_SHEET = "Save it from the spreadsheet as CSV (UTF-8)."
_PACKAGE = "Export it as CSV (UTF-8)."
_UNPACK = "Unpack it first; of compressed files only those ending in .gz (.csv.gz) are read."
_PICTURE = "Give the table itself."
_PARQUET = b"PAR1"
#: How files begin that are no text, what they are, and what to do.
_BEGINNINGS: tuple[tuple[bytes, str, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook (.xls)", _SHEET),
    (b"$FL2", "an SPSS file (.sav)", _PACKAGE),
    (b"$FL3", "a compressed SPSS file (.zsav)", _PACKAGE),
    (b"<stata_dta>", "a Stata file (.dta)", _PACKAGE),
    (b"RDX", "an R workspace", _PACKAGE),
    (b"SQLite format 3\0", "an SQLite database", _PACKAGE),
    (b"\x89HDF\r\n", "an HDF5 or NetCDF file", "Moments and fits are files ending in .nc; a table is CSV or Parquet."),
    (_PARQUET, "a Parquet file", "Name it so that it ends in .parquet."),
    (b"ARROW1", "a Feather (Arrow) file", "Write it as Parquet or CSV."),
    (b"FEA1", "a Feather file", "Write it as Parquet or CSV."),
    (b"%PDF", "a PDF document", "Give the table that it was made of."),
    (b"{\\rtf", "an RTF document", "Give the table that it was made of."),
    (b"\x1f\x8b", "compressed (gzip)", "Unpack it, or name it so that it ends in .csv.gz."),
    (b"BZh", "compressed (bzip2)", _UNPACK),
    (b"\xfd7zXZ\0", "compressed (xz)", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed (Zstandard)", _UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"\x89PNG", "a picture (PNG)", _PICTURE),
    (b"\xff\xd8\xff", "a picture (JPEG)", _PICTURE),
    (b"GIF8", "a picture (GIF)", _PICTURE),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "Fetch the file ('git lfs pull')."),
)
_SAS = bytes.fromhex("c2ea8160b31411cfbd92080009c7318c181f1011")
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


def refuse_device(path: Path, what: str) -> None:
    """Raise UsageError where there is something that is neither a file nor a pipe, and may have no end."""
    if path.exists() and not (path.is_file() or path.is_fifo()):
        raise UsageError(f"{what}: {path} is a device or a socket. Give a file or a pipe.")


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


def kind_of(data: bytes, *, parquet: bool = False) -> tuple[str, str] | None:
    """What bytes are that are no table in text, and what to do; None where they may be one, or are Parquet if asked."""
    head = data[:4096]
    if parquet and head.startswith(_PARQUET):
        return None
    if head.startswith(b"PK\x03\x04"):
        if b"[Content_Types].xml" in head or b"xl/" in head:
            return "an Excel workbook (.xlsx)", _SHEET
        if b"opendocument.spreadsheet" in head:
            return "an OpenDocument spreadsheet (.ods)", _SHEET
        return "a ZIP archive", _UNPACK
    if head[12:32] == _SAS:
        return "a SAS file (.sas7bdat)", _PACKAGE
    for beginning, name, remedy in _BEGINNINGS:
        if head.startswith(beginning):
            return name, remedy
    if _MARKUP.match(head):
        return "a page in HTML or XML", "Save the table itself as CSV (a download may have given a page of a website)."
    if _JSON.match(head):
        return "JSON", "Write it as CSV or Parquet, one row a participant."
    return None


def unreadable(path: Path, what: str, remedy: str) -> DataError:
    """The error for a file of which nothing can be read."""
    return DataError([Problem(None, None, None, what, remedy)], source=source_name(path))


def source_name(path: Path) -> str:
    """What to call a file: its name without its directory. The name of a pipe is a number that means nothing."""
    return "pipe" if is_pipe(path) and not path.suffix else path.name
