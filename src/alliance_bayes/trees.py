"""Trees of arrays in one NetCDF file or Zarr store, which come back as they were written or are refused by name.

A file describes itself: one text of JSON, with its own digest before it, names every variable with dims, shape, type
and the digest of its values. Only what is described is read, and only as plain bytes: no link, no filter, no reference,
no text of variable length, nothing from another file. A digest shows damage and chance; it is no signature, since
whoever changes a file on purpose can write another digest.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from alliance_bayes.errors import FileFormatError
from alliance_bayes.foreign import JSON_BYTES, is_regular, parse_json
from alliance_bayes.interrupts import undisturbed

__all__ = ["FILE_BYTES", "read_tree", "write_tree"]

#: Largest file or store.
FILE_BYTES = 2 << 30

# Where a file describes itself: a variable of bytes in NetCDF, an attribute of the root group in Zarr.
_DESCRIPTION = "alliance_bayes"
_MAGIC = b"\x89HDF\r\n\x1a\n"
# Kinds of values by the name they are described with, as they lie in a file.
_TYPES = {
    "bool": "|b1",
    "int8": "|i1",
    "uint8": "|u1",
    "int16": "<i2",
    "uint16": "<u2",
    "int32": "<i4",
    "uint32": "<u4",
    "int64": "<i8",
    "uint64": "<u8",
    "float32": "<f4",
    "float64": "<f8",
}
_TEXT = "text"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NODES = 10_000
_RANK = 8


def write_tree(tree: xr.DataTree, path: Path) -> None:
    """Write a tree with its description.

    Parameters
    ----------
    tree
        Numbers, truth values and text; attributes are JSON values and are kept of the root only.
    path
        Ends in ``.nc`` or ``.zarr``; nothing is there yet.

    Raises
    ------
    FileFormatError
        A name that cannot be the name of a variable in a file, or more than `FILE_BYTES`.
    """
    groups: dict[str, dict[str, Any]] = {}
    plain: dict[str, xr.Dataset] = {}
    encoding: dict[str, dict[str, Any]] = {}
    size = 0
    for node in tree.subtree:
        dataset = node.to_dataset(inherit=False)
        described = groups[node.path] = {}
        variables = {str(name): _plain(variable) for name, variable in dataset.variables.items()}
        for name, variable in variables.items():
            if not _is_name(name):
                raise FileFormatError(
                    f"{name!r} cannot be the name of a variable in a file. Rename the column: no '/', and no '.' alone."
                )
            size += variable.nbytes
            described[name] = {
                "dims": list(map(str, variable.dims)),
                "shape": list(variable.shape),
                "type": _TEXT if variable.dtype.kind == "U" else variable.dtype.name,
                "coordinate": name in dataset.coords,
                "sha256": _digest(variable.values),
            }
        plain[node.path] = xr.Dataset(
            {name: variables[name] for name in map(str, dataset.data_vars)},
            coords={name: variables[name] for name in map(str, dataset.coords)},
        )
        encoding[node.path] = {name: _encoding(variable, path.suffix) for name, variable in variables.items()}
    if size > FILE_BYTES:
        raise FileFormatError(
            f"'{path.name}' would take {size / 2**30:.1f} GiB, more than the {FILE_BYTES >> 30} GiB that are read "
            "again. Keep fewer draws."
        )
    text = _sealed({"attributes": dict(tree.attrs), "groups": groups})
    if path.suffix == ".nc":
        letters = np.frombuffer(text.encode(), np.uint8)
        plain["/"] = plain["/"].assign({_DESCRIPTION: ((f"{_DESCRIPTION}_letter",), letters)})
        with _Sink(path) as sink:
            xr.DataTree.from_dict(plain).to_netcdf(sink, engine="h5netcdf", encoding=encoding)
    else:
        plain["/"] = plain["/"].assign_attrs({_DESCRIPTION: text})
        # Zarr's own threads write on when they are not waited for.
        with undisturbed():
            xr.DataTree.from_dict(plain).to_zarr(
                path, zarr_format=3, consolidated=False, write_empty_chunks=True, encoding=encoding
            )


class _Sink(io.RawIOBase):
    """A new file that takes all that HDF5 gives it, and raises at its end what the system refused.

    HDF5 cannot close a file that it could not write, and ends the process when that is tried again.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb+", buffering=0)
        self._error: OSError | None = None
        self._at = self._end = 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._end}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        left = memoryview(data).cast("B")
        size, at = len(left), self._at
        while left and self._error is None:
            try:
                written = os.pwrite(self._file.fileno(), left, at)
            except OSError as error:
                self._error = error
                break
            left, at = left[written:], at + written
        self._at += size
        self._end = max(self._end, self._at)
        return size

    def readinto(self, buffer: Any) -> int:
        space = memoryview(buffer).cast("B")
        # What could not be written is read as zeros.
        space[:] = bytes(len(space))
        size = min(len(space), max(self._end - self._at, 0))
        if self._error is None:
            space[:size] = os.pread(self._file.fileno(), size, self._at)
        self._at += size
        return size

    def truncate(self, size: int | None = None) -> int:
        self._end = self._at if size is None else size
        if self._error is None:
            try:
                os.ftruncate(self._file.fileno(), self._end)
            except OSError as error:
                self._error = error
        return self._end

    def __exit__(self, *raised: object) -> None:
        self._file.close()
        super().__exit__(*raised)  # type: ignore[arg-type]
        if self._error is not None:
            raise self._error


def read_tree(path: Path, *, what: str, remedy: str) -> xr.DataTree:
    """Read a tree that `write_tree` wrote.

    Parameters
    ----------
    path
        The file or store.
    what
        What should be in it, for messages: "a fit".
    remedy
        What to do when it cannot be used: "Fit the model again.".

    Raises
    ------
    FileFormatError
        There is no such file, it describes nothing, or something of it is not as it was written.
    """
    name = path.name
    if not path.exists():
        raise FileFormatError(f"'{name}' does not exist. Check the path.")
    try:
        with (_netcdf if path.suffix == ".nc" else _zarr)(path) as read:
            attributes, groups = _description(read("/", _DESCRIPTION, None))
            if sum(_bytes(entry) for variables in groups.values() for entry in variables.values()) > _stored(path):
                raise _UnlikeError("its variables would take more than the file holds")
            datasets = {group: _dataset(group, variables, read) for group, variables in groups.items()}
    except _UnlikeError as error:
        raise FileFormatError(f"'{name}' cannot be read as {what}: {error}. {remedy}") from error
    # Libraries raise errors of every kind on files that were made to break them; each means the same to a reader.
    except Exception as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise FileFormatError(f"'{name}' cannot be read as {what}: it is damaged ({reason}). {remedy}") from error
    tree = xr.DataTree.from_dict(datasets)
    tree.attrs = attributes
    return tree


class _UnlikeError(Exception):
    """How a file is unlike what was written, as a clause."""


# Gives the values of a variable (group, name, its entry in the description), or without an entry the description.
_Reader = Callable[[str, str, Mapping[str, Any] | None], Any]


def _dataset(group: str, variables: Mapping[str, Any], read: _Reader) -> xr.Dataset:
    coordinates: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for name, entry in variables.items():
        # What is empty has no place in a file of its own.
        array = read(group, name, entry) if _bytes(entry) else _empty(entry)
        if _digest(array) != entry["sha256"]:
            raise _UnlikeError(f"variable '{_place(group, name)}' is not as it was written")
        (coordinates if entry["coordinate"] else values)[name] = (entry["dims"], array)
    return xr.Dataset(values, coords=coordinates)


# ---------------------------------------------------------------------------------------------------- description


def _sealed(description: Mapping[str, Any]) -> str:
    text = json.dumps(description, allow_nan=False, separators=(",", ":"))
    if len(text) > JSON_BYTES - 65:
        raise FileFormatError(
            f"the description of the file would take more than {JSON_BYTES >> 20} MiB. Give levels shorter names."
        )
    return f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}"


def _description(text: object) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Attributes of the root, and what each group holds, both as they were written."""
    if not isinstance(text, str):
        raise _UnlikeError("it has no description of itself, so an earlier version or another program wrote it")
    digest, _, body = text.partition("\n")
    if hashlib.sha256(body.encode(errors="replace")).hexdigest() != digest:
        raise _UnlikeError("its description (model, names, types, digests) is not as it was written")
    try:
        described = parse_json(body, what="its description", remedy="")
    except FileFormatError as error:
        raise _UnlikeError(str(error).rstrip(". ")) from error
    groups: Any = described.get("groups") if isinstance(described, dict) else None
    whole = (
        isinstance(groups, dict)
        and isinstance(described.get("attributes"), dict)
        and all(isinstance(variables, dict) for variables in groups.values())
        and len(groups) + sum(map(len, groups.values())) <= _NODES
        and all(group == "/" or (group[:1] == "/" and all(map(_is_name, group[1:].split("/")))) for group in groups)
        and all(
            _is_name(name) and _is_entry(entry) for variables in groups.values() for name, entry in variables.items()
        )
    )
    if not whole:
        raise _UnlikeError("its description is none that this version writes")
    return described["attributes"], groups


def _is_name(name: str) -> bool:
    return bool(name) and name not in (".", "..") and not any(mark in name for mark in "/\\\0")


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, dict):
        return False
    dims, shape = entry.get("dims"), entry.get("shape")
    return (
        isinstance(dims, list)
        and all(isinstance(dim, str) for dim in dims)
        and len(set(dims)) == len(dims) <= _RANK
        and isinstance(shape, list)
        and len(shape) == len(dims)
        and all(type(length) is int and 0 <= length <= FILE_BYTES for length in shape)
        and entry.get("type") in (*_TYPES, _TEXT)
        and isinstance(entry.get("coordinate"), bool)
        and isinstance(entry.get("sha256"), str)
        and bool(_DIGEST.fullmatch(entry["sha256"]))
    )


def _bytes(entry: Mapping[str, Any]) -> int:
    """Least number of bytes of a described variable."""
    width = 1 if entry["type"] == _TEXT else np.dtype(_TYPES[entry["type"]]).itemsize
    return math.prod(entry["shape"]) * width


def _empty(entry: Mapping[str, Any]) -> np.ndarray:
    return np.empty(entry["shape"], object if entry["type"] == _TEXT else _TYPES[entry["type"]])


def _place(group: str, variable: str) -> str:
    return f"{group.strip('/')}/{variable}".lstrip("/")


def _plain(variable: xr.Variable) -> xr.Variable:
    """A variable without attributes, of a type that files hold as it is."""
    values = np.asarray(variable.values)
    if values.dtype.kind in "UTO":
        # Neither format can tell a text from one with zero bytes at its end.
        words = [str(text).rstrip("\0") for text in values.ravel()]
        values = np.array(words, dtype=f"U{max(map(len, words), default=1) or 1}").reshape(values.shape)
    elif values.dtype.name not in _TYPES:
        raise TypeError(f"values of type {values.dtype} have no place in a file")
    else:
        values = values.astype(_TYPES[values.dtype.name], copy=False)
    return xr.Variable(variable.dims, values)


def _encoding(variable: xr.Variable, suffix: str) -> dict[str, Any]:
    if suffix == ".nc":
        return {"dtype": "S1"} if variable.dtype.kind == "U" else {}
    # One chunk as it is in memory, which can be no larger than its file.
    chunks = {"chunks": tuple(max(length, 1) for length in variable.shape)} if variable.ndim else {}
    return {"compressors": (), "filters": (), **chunks}


def _digest(values: np.ndarray) -> str:
    if values.dtype.kind in "OU":
        data = json.dumps([str(text) for text in values.ravel()]).encode()
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha256(np.ascontiguousarray(values).data).hexdigest()


def _stored(path: Path) -> int:
    """Bytes that a file, or the files of a store, hold: holes, which cost nothing to make, do not count."""
    if not path.is_dir():
        return _held(path)
    total = 0
    for count, file in enumerate(path.rglob("*")):
        if count > 10 * _NODES:
            raise _UnlikeError("it holds too many files")
        if not file.is_symlink() and file.is_file():
            total += _held(file)
    return total


def _held(path: Path) -> int:
    size = path.stat().st_size
    if not hasattr(os, "SEEK_HOLE"):
        return size
    n_bytes = place = 0
    with path.open("rb") as file:
        while place < size:
            try:
                start = os.lseek(file.fileno(), place, os.SEEK_DATA)
            except OSError:  # nothing but a hole up to the end
                break
            place = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            n_bytes += place - start
    return n_bytes


# ---------------------------------------------------------------------------------------------------- NetCDF


@contextmanager
def _netcdf(path: Path) -> Iterator[_Reader]:
    import h5py
    from h5py import h5d, h5g, h5l, h5o, h5s, h5t

    if not is_regular(path):
        raise _UnlikeError("it is not a file")
    if path.stat().st_size > FILE_BYTES + JSON_BYTES:
        raise _UnlikeError(f"it is larger than {FILE_BYTES >> 30} GiB, the most that is read")
    with path.open("rb") as start:
        if start.read(len(_MAGIC)) != _MAGIC:
            raise _UnlikeError("it is no NetCDF 4 file")
    file_bytes = _stored(path)

    def dataset(group: str, name: str) -> Any:
        place = file.id
        for part in [*(part for part in group.split("/") if part), name]:
            key = part.encode()
            if not isinstance(place, (h5g.GroupID, type(file.id))) or not place.links.exists(key):
                return None
            if place.links.get_info(key).type != h5l.TYPE_HARD:
                raise _UnlikeError(f"'{_place(group, name)}' is a link to another place")
            place = h5o.open(place, key)
        return place if isinstance(place, h5d.DatasetID) else None

    def read(group: str, name: str, entry: Mapping[str, Any] | None) -> Any:
        node = dataset(group, name)
        if node is None:
            if entry is None:
                return None
            raise _UnlikeError(f"variable '{_place(group, name)}' is missing")
        place, kind, shape = _place(group, name), node.get_type(), node.shape
        if entry is None and (kind.get_class() != h5t.INTEGER or kind.get_size() != 1 or len(shape or ()) != 1):
            return None
        created = node.get_create_plist()
        if created.get_layout() not in (h5d.CONTIGUOUS, h5d.COMPACT) or created.get_external_count():
            raise _UnlikeError(f"variable '{place}' is not stored as plain bytes in the file itself")
        text = entry is not None and entry["type"] == _TEXT
        if text:
            plain = isinstance(kind, h5t.TypeStringID) and not kind.is_variable_str() and kind.get_size() == 1
        else:
            plain = isinstance(kind, (h5t.TypeIntegerID, h5t.TypeFloatID))
        if not plain or node.get_space().get_simple_extent_type() not in (h5s.SIMPLE, h5s.SCALAR):
            raise _UnlikeError(f"variable '{place}' is of another type")
        if entry is None:
            stored = np.dtype(np.uint8)
        else:
            # Truth values are numbers of one byte in NetCDF, and text is letters along one more dimension.
            stored = np.dtype("S1" if text else "|i1" if entry["type"] == "bool" else _TYPES[entry["type"]])
            if list(shape[:-1] if text else shape) != entry["shape"] or (not text and kind.dtype != stored):
                raise _UnlikeError(f"variable '{place}' is of another shape or type")
        count = math.prod(shape)
        if count and node.get_storage_size() != count * stored.itemsize:
            raise _UnlikeError(f"variable '{place}' is not stored whole")
        if count * stored.itemsize > file_bytes:
            raise _UnlikeError("its variables would take more than the file holds")
        values = np.empty(shape, stored)
        if count:
            node.read(h5s.ALL, h5s.ALL, values, kind if text else h5t.py_create(stored))
        if entry is None:
            return values.tobytes().decode()
        if text:
            return _words(values)
        return values.astype(bool) if entry["type"] == "bool" else values

    with h5py.File(path, "r") as file:
        yield read


def _words(letters: np.ndarray) -> np.ndarray:
    rows = letters.reshape(math.prod(letters.shape[:-1]), letters.shape[-1])
    words = [row.tobytes().rstrip(b"\0").decode() for row in rows]
    return np.array(words, dtype=object).reshape(letters.shape[:-1])


# ---------------------------------------------------------------------------------------------------- Zarr


@contextmanager
def _zarr(path: Path) -> Iterator[_Reader]:
    if not path.is_dir():
        raise _UnlikeError("it is not a Zarr store, which is a folder")

    def read(group: str, name: str, entry: Mapping[str, Any] | None) -> Any:
        place = _place(group, name)
        if entry is None:
            root = _json(path, "zarr.json", "its zarr.json")
            attributes = root.get("attributes")
            return attributes.get(_DESCRIPTION) if isinstance(attributes, dict) else None
        about = _json(path, f"{place}/zarr.json", f"the zarr.json of variable '{place}'")
        shape = entry["shape"]
        if entry["type"] == _TEXT:
            stored = np.dtype(f"<U{_letters(about.get('data_type'), place)}")
        else:
            stored = np.dtype(_TYPES[entry["type"]])
            if about.get("data_type") != entry["type"]:
                raise _UnlikeError(f"variable '{place}' is of another type")
        length = math.prod(shape) * stored.itemsize
        codecs = about.get("codecs")
        if (
            about.get("shape") != shape
            or about.get("dimension_names", entry["dims"]) != entry["dims"]
            or not isinstance(codecs, list)
            or [codec.get("name") if isinstance(codec, dict) else codec for codec in codecs] != ["bytes"]
        ):
            raise _UnlikeError(f"variable '{place}' is of another shape, or packed")
        chunk = "/".join(["c", *("0" for _ in shape)])
        data = _file(path, f"{place}/{chunk}", f"the chunk of variable '{place}'", length)
        if len(data) != length:
            raise _UnlikeError(f"the chunk of variable '{place}' is not whole")
        values = np.frombuffer(data, stored).reshape(shape).copy()
        return values.astype(object) if entry["type"] == _TEXT else values

    yield read


def _letters(kind: object, place: str) -> int:
    """Letters of a text of fixed length."""
    inner = kind.get("configuration") if isinstance(kind, dict) and kind.get("name") == "fixed_length_utf32" else None
    size = inner.get("length_bytes") if isinstance(inner, dict) else None
    if type(size) is not int or not 4 <= size <= JSON_BYTES:
        raise _UnlikeError(f"variable '{place}' is of another type")
    return size // 4


def _json(store: Path, place: str, what: str) -> dict[str, Any]:
    try:
        value = parse_json(_file(store, place, what, JSON_BYTES).decode(), what=what, remedy="")
    except FileFormatError as error:
        raise _UnlikeError(str(error).rstrip(". ")) from error
    if not isinstance(value, dict):
        raise _UnlikeError(f"{what} is no table")
    return value


def _file(store: Path, place: str, what: str, limit: int) -> bytes:
    """A file of a store, reached through folders that are no links."""
    path = store
    for part in place.split("/"):
        path = path / part
        try:
            mode = path.lstat().st_mode
        except OSError as error:
            raise _UnlikeError(f"{what} is missing") from error
        if stat.S_ISLNK(mode):
            raise _UnlikeError(f"{what} is a link to another place")
    if not stat.S_ISREG(mode) or path.stat().st_size > limit:
        raise _UnlikeError(f"{what} is not a file, or larger than it should be")
    return path.read_bytes()
