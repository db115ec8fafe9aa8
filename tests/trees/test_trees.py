"""Trees in files: the same comes back, or the file is refused by the name of what is wrong."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from alliance_bayes.errors import FileFormatError
from alliance_bayes.trees import FILE_BYTES, read_tree, write_tree

ENDINGS = ["nc", "zarr"]
LETTERS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)


def tree(n: int = 40) -> xr.DataTree:
    rng = np.random.default_rng(0)
    posterior = xr.Dataset(
        {
            "beta": (("chain", "draw", "term"), rng.normal(size=(2, n, 2))),
            "x": (("chain", "draw"), np.where(rng.random((2, n)) > 0.5, np.nan, -0.0)),
        },
        coords={"chain": [0, 1], "draw": np.arange(n), "term": ["Intercept", "größe"]},
    )
    stats = xr.Dataset({"diverging": (("chain", "draw"), np.zeros((2, n), dtype=bool))})
    made = xr.DataTree.from_dict(
        {
            "posterior": posterior,
            "sample_stats": stats,
            "rows": xr.Dataset({"none": (("cell", "key"), np.empty((3, 0)))}),
        }
    )
    made.attrs = {"format": 2, "card": 'formula = "y ~ größe"', "numbers": [1.5, None]}
    return made


def read(path: Path) -> xr.DataTree:
    return read_tree(path, what="a fit", remedy="Fit again.")


def refusal(path: Path) -> str:
    with pytest.raises(FileFormatError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message
    start, end = f"'{path.name}' cannot be read as a fit: ", ". Fit again."
    assert message.startswith(start)
    assert message.endswith(end)
    return message.removeprefix(start).removesuffix(end)


def same(one: xr.DataTree, other: xr.DataTree) -> bool:
    groups = [node.path for node in other.subtree]
    return (
        one.attrs == other.attrs
        and [node.path for node in one.subtree] == groups
        and all(
            one[group].to_dataset(inherit=False).identical(other[group].to_dataset(inherit=False)) for group in groups
        )
        and all(np.signbit(one["posterior/x"]).equals(np.signbit(other["posterior/x"])) for _ in "x")
    )


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_was_written_comes_back(tmp_path: Path, ending: str) -> None:
    write_tree(tree(), tmp_path / f"a.{ending}")
    back = read(tmp_path / f"a.{ending}")
    assert same(back, tree())
    assert list(back["posterior"].data_vars) == ["beta", "x"]
    assert back["sample_stats/diverging"].dtype == bool
    assert back["rows/none"].shape == (3, 0)


@pytest.mark.parametrize("ending", ENDINGS)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    values=hnp.arrays(
        st.sampled_from(["?", "<f8", ">f8", "<f4", "<i8", "<u8", "<i4", "<u4", "<i2", "<u2", "|u1", "|i1"]),
        hnp.array_shapes(max_dims=3, max_side=3),
    ),
    words=st.lists(LETTERS, min_size=1, max_size=3),
)
def test_any_numbers_and_words_come_back(tmp_path: Path, ending: str, values: np.ndarray, words: list[str]) -> None:
    path = tmp_path / f"a.{ending}"
    shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)
    dims = [f"d{k}" for k in range(values.ndim)]
    made = xr.Dataset({"v": (dims, values), "w": ("word", np.array(words, dtype=object)), "s": ((), words[0])})
    write_tree(xr.DataTree(made), path)
    back = read(path)
    np.testing.assert_array_equal(back["v"].values, values)
    assert back["v"].dtype == values.dtype.newbyteorder("<")
    assert list(back["w"].values) == words
    assert back["s"].item() == words[0]


def test_other_programs_read_the_labelled_draws(tmp_path: Path) -> None:
    write_tree(tree(), tmp_path / "a.nc")
    write_tree(tree(), tmp_path / "a.zarr")
    for path, how in (("a.nc", {"engine": "h5netcdf"}), ("a.zarr", {"engine": "zarr", "consolidated": False})):
        with xr.open_datatree(tmp_path / path, **how) as opened:
            assert opened["posterior"].to_dataset().equals(tree()["posterior"].to_dataset())


@pytest.mark.parametrize("name", ["..", "a\\b", "."])
def test_a_name_that_is_a_path_is_refused_before_anything_is_written(tmp_path: Path, name: str) -> None:
    made = xr.Dataset({name: ("n", [1.0])})
    with pytest.raises(FileFormatError, match="cannot be the name of a variable in a file"):
        write_tree(xr.DataTree.from_dict({"g": made}), tmp_path / "a.nc")
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------------------- damage


def test_a_flipped_bit_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    write_tree(tree(), tmp_path / "a.nc")
    whole = (tmp_path / "a.nc").read_bytes()
    rng, path = random.Random(1), tmp_path / "b.nc"
    refused = 0
    for _ in range(200):
        content = bytearray(whole)
        for _ in range(rng.choice([1, 1, 8])):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
        try:
            assert same(read(path), tree())
        except FileFormatError:
            refused += 1
    assert refused > 100


def test_a_flipped_bit_of_a_store_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    write_tree(tree(), store)
    files = sorted(path for path in store.rglob("*") if path.is_file())
    rng = random.Random(1)
    for file in files * 6:
        whole = file.read_bytes()
        content = bytearray(whole)
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        file.write_bytes(content)
        try:
            assert same(read(store), tree())
            assert file.name == "zarr.json"
        except FileFormatError:
            pass
        file.write_bytes(whole)
    assert same(read(store), tree())


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.95, 0.999])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, share: float) -> None:
    write_tree(tree(), tmp_path / "a.nc")
    content = (tmp_path / "a.nc").read_bytes()
    (tmp_path / "a.nc").write_bytes(content[: int(share * len(content))])
    assert refusal(tmp_path / "a.nc")


def test_every_missing_chunk_and_table_of_a_store_is_named(tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    write_tree(tree(), store)
    for file in sorted(path for path in store.rglob("*") if path.is_file()):
        place = file.relative_to(store).as_posix()
        if place.count("/") == 1 or place.startswith("rows"):
            continue  # of a group, which says nothing that is read, or of what is empty
        whole = file.read_bytes()
        file.unlink()
        name = place.split("/c/")[0].removesuffix("/zarr.json")
        assert refusal(store) == (
            "its zarr.json is missing"
            if place == "zarr.json"
            else f"the chunk of variable '{name}' is missing"
            if "/c/" in place
            else f"the zarr.json of variable '{name}' is missing"
        )
        file.write_bytes(whole)
    assert same(read(store), tree())


def test_one_changed_number_is_named(tmp_path: Path) -> None:
    write_tree(tree(), tmp_path / "a.nc")
    with h5py.File(tmp_path / "a.nc", "r+") as file:
        file["posterior/beta"][1, 2, 1] = 0.0
    assert refusal(tmp_path / "a.nc") == "variable 'posterior/beta' is not as it was written"
    write_tree(tree(), tmp_path / "a.zarr")
    import zarr

    zarr.open_array(tmp_path / "a.zarr" / "posterior" / "draw", mode="r+")[3] = 7
    assert refusal(tmp_path / "a.zarr") == "variable 'posterior/draw' is not as it was written"


def test_a_file_of_another_program_and_one_that_was_written_again_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    xr.Dataset({"x": ("n", [1.0])}).to_netcdf(path, engine="h5netcdf")
    none = "it has no description of itself, so an earlier version or another program wrote it"
    assert refusal(path) == none
    xr.Dataset({"alliance_bayes": ("n", ["a"])}).to_netcdf(path, engine="h5netcdf", mode="w")
    assert refusal(path) == none
    xr.Dataset({"x": ("n", [1.0])}).to_zarr(tmp_path / "a.zarr", zarr_format=3, consolidated=False)
    assert refusal(tmp_path / "a.zarr") == none
    path.write_bytes(b"GIF89a")
    assert refusal(path) == "it is no NetCDF 4 file"
    os.mkfifo(tmp_path / "pipe.nc")
    assert refusal(tmp_path / "pipe.nc") == "it is not a file"


# ------------------------------------------------------------------------------------------------------- malice


def described(path: Path, change: Callable[[dict[str, Any]], object] | None = None) -> dict[str, Any]:
    """A file with a digest that fits, whatever is said in it."""
    write_tree(tree(), path)
    with h5py.File(path, "r+") as file:
        said = json.loads(file["alliance_bayes"][:].tobytes().decode().partition("\n")[2])
        if change is not None:
            change(said)
            body = json.dumps(said)
            del file["alliance_bayes"]
            text = f"{hashlib.sha256(body.encode()).hexdigest()}\n{body}".encode()
            file["alliance_bayes"] = np.frombuffer(text, np.uint8)
    return said


def replaced(path: Path, make: Callable[[h5py.Group], object], change: Callable[[Any], object] | None = None) -> str:
    """What is said when the variable 'x' lies in the file otherwise."""
    path.unlink(missing_ok=True)
    described(path, None if change is None else lambda said: change(said["groups"]["/posterior"]["x"]))
    with h5py.File(path, "r+") as file:
        del file["posterior/x"]
        make(file["posterior"])
    return refusal(path)


def test_only_plain_bytes_of_the_file_itself_are_read(tmp_path: Path) -> None:
    path, numbers = tmp_path / "a.nc", np.zeros((2, 40))
    secret = tmp_path / "secret"
    secret.write_bytes(np.arange(80.0).tobytes())
    with h5py.File(tmp_path / "other.nc", "w") as other:
        other["x"] = numbers
    layout = h5py.VirtualLayout((2, 40), float)
    layout[:] = h5py.VirtualSource(tmp_path / "other.nc", "x", (2, 40))
    elsewhere = "variable 'posterior/x' is not stored as plain bytes in the file itself"
    link, kind = "'posterior/x' is a link to another place", "variable 'posterior/x' is of another type"
    text, pointer = h5py.string_dtype(), h5py.ref_dtype
    cases: list[tuple[Callable[[h5py.Group], object], str]] = [
        (lambda g: g.create_dataset("x", (2, 40), float, external=[(str(secret), 0, 640)]), elsewhere),
        (lambda g: g.create_virtual_dataset("x", layout), elsewhere),
        (lambda g: g.create_dataset("x", data=numbers, chunks=(2, 40)), elsewhere),
        (lambda g: g.create_dataset("x", data=numbers, compression="gzip"), elsewhere),
        (lambda g: g.create_dataset("x", data=numbers, compression="lzf"), elsewhere),
        (lambda g: g.create_dataset("x", data=numbers, fletcher32=True), elsewhere),
        (lambda g: g.create_dataset("x", (200_000, 200_000), float, chunks=(1, 1000)), elsewhere),
        (
            lambda g: g.create_dataset("x", (200_000, 200_000), float),
            "variable 'posterior/x' is of another shape or type",
        ),
        (lambda g: g.__setitem__("x", h5py.ExternalLink("other.nc", "x")), link),
        (lambda g: g.__setitem__("x", h5py.SoftLink("/posterior/beta")), link),
        (lambda g: g.create_group("x"), "variable 'posterior/x' is missing"),
        (lambda g: g.create_dataset("y", data=numbers), "variable 'posterior/x' is missing"),
        (lambda g: g.create_dataset("x", (2, 40), text), kind),
        (lambda g: g.create_dataset("x", (2, 40), pointer), kind),
        (lambda g: g.create_dataset("x", (2, 40), h5py.vlen_dtype(float)), kind),
        (lambda g: g.create_dataset("x", (2, 40), [("a", float)]), kind),
        (lambda g: g.create_dataset("x", (2, 40), "S8"), kind),
        (lambda g: g.create_dataset("x", data=h5py.Empty("f8")), kind),
        (
            lambda g: g.create_dataset("x", data=numbers.astype(">f8")),
            "variable 'posterior/x' is of another shape or type",
        ),
        (lambda g: g.create_dataset("x", data=numbers[:1]), "variable 'posterior/x' is of another shape or type"),
        (lambda g: g.create_dataset("x", (2, 40), float), "variable 'posterior/x' is not stored whole"),
        (lambda g: g.create_dataset("x", data=numbers), "variable 'posterior/x' is not as it was written"),
    ]
    assert [replaced(path, make) for make, _ in cases] == [message for _, message in cases]


def test_a_group_that_holds_itself_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    described(path)
    with h5py.File(path, "r+") as file:
        file["posterior/again"] = file["posterior"]
        file["posterior/up"] = file["/"]
    assert same(read(path), tree())


def test_sizes_that_are_only_said_are_refused_before_memory_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    huge = [200_000, 200_000]
    room = "its variables would take more than the file holds"
    assert replaced(path, lambda g: g.create_dataset("x", huge, float), lambda x: x.update(shape=huge)) == room
    assert replaced(path, lambda g: None, lambda x: x.update(shape=[2**31, 2**31])) == room
    # A hole in a file costs nothing, whatever its length.
    path.unlink()
    write_tree(tree(), path)
    os.truncate(path, FILE_BYTES - 1)
    assert same(read(path), tree())
    os.truncate(path, 8 * FILE_BYTES)
    assert refusal(path) == "it is larger than 2 GiB, the most that is read"


@pytest.mark.parametrize(
    "change",
    [
        lambda said: said.pop("groups"),
        lambda said: said.update(groups=[]),
        lambda said: said.update(attributes=[]),
        lambda said: said["groups"].update({"/../x": {}}),
        lambda said: said["groups"].update({"x": {}}),
        lambda said: said["groups"].update({"/a": {"../../x": said["groups"]["/posterior"]["x"]}}),
        lambda said: said["groups"].update({f"/g{k}": {} for k in range(20_000)}),
        lambda said: said["groups"]["/posterior"].update(x=None),
        lambda said: said["groups"]["/posterior"]["x"].pop("dims"),
        lambda said: said["groups"]["/posterior"]["x"].update(dims=["a", "a"]),
        lambda said: said["groups"]["/posterior"]["x"].update(shape=[2, -40]),
        lambda said: said["groups"]["/posterior"]["x"].update(shape=[2, True]),
        lambda said: said["groups"]["/posterior"]["x"].update(shape=[2]),
        lambda said: said["groups"]["/posterior"]["x"].update(type="object"),
        lambda said: said["groups"]["/posterior"]["x"].update(type=["float64"]),
        lambda said: said["groups"]["/posterior"]["x"].update(sha256="0"),
        lambda said: said["groups"]["/posterior"]["x"].update(coordinate=1),
    ],
)
def test_a_description_of_another_make_is_refused(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    described(tmp_path / "a.nc", change)
    assert refusal(tmp_path / "a.nc") == "its description is none that this version writes"


@pytest.mark.parametrize("field", ["dims", "shape", "type", "coordinate"])
def test_what_is_said_of_a_variable_cannot_be_changed_without_its_digest(tmp_path: Path, field: str) -> None:
    write_tree(tree(), tmp_path / "a.nc")
    with h5py.File(tmp_path / "a.nc", "r+") as file:
        text = file["alliance_bayes"][:].tobytes()
        place = text.index(f'"{field}"'.encode())
        file["alliance_bayes"][place + 1] = ord("X")
    assert refusal(tmp_path / "a.nc") == "its description (model, names, types, digests) is not as it was written"


def test_a_store_is_read_from_its_own_files_only(tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    write_tree(tree(), store)
    chunk, table = store / "posterior/x/c/0/0", store / "posterior/x/zarr.json"
    about = json.loads(table.read_text())

    def changed(**fields: Any) -> str:
        table.write_text(json.dumps({**about, **fields}))
        said = refusal(store)
        table.write_text(json.dumps(about))
        return said

    packed = "variable 'posterior/x' is of another shape, or packed"
    plain = {"name": "bytes", "configuration": {"endian": "little"}}
    assert changed(shape=[200_000, 200_000]) == packed
    assert changed(codecs=[plain, {"name": "zstd", "configuration": {"level": 0, "checksum": False}}]) == packed
    assert changed(codecs=[{"name": "numcodecs.pickle"}]) == packed
    assert changed(codecs=[]) == packed
    assert changed(codecs=None) == packed
    assert changed(dimension_names=["draw", "chain"]) == packed
    assert changed(data_type="object") == "variable 'posterior/x' is of another type"
    assert changed(data_type={"name": "fixed_length_utf32", "configuration": {"length_bytes": 1 << 40}}) == (
        "variable 'posterior/x' is of another type"
    )
    moved = tmp_path / "moved"
    chunk.rename(moved)
    chunk.symlink_to(moved)
    assert refusal(store) == "the chunk of variable 'posterior/x' is a link to another place"
    chunk.unlink()
    os.mkfifo(chunk)
    assert refusal(store) == "the chunk of variable 'posterior/x' is not a file, or larger than it should be"
    chunk.unlink()
    moved.rename(chunk)
    os.truncate(chunk, 1 << 40)
    assert refusal(store) == "the chunk of variable 'posterior/x' is not a file, or larger than it should be"
    os.truncate(chunk, 100)
    assert refusal(store) == "the chunk of variable 'posterior/x' is not whole"
    (store / "zarr.json").write_text("[" * 100_000)
    assert refusal(store).startswith("its zarr.json is damaged (it is nested more than 16 deep)")


WRITES = """
import resource, sys
from pathlib import Path
# Python would keep the code of modules imported below by halves.
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
from test_trees import tree
from alliance_bayes.trees import write_tree

whole = int(sys.argv[3])
for limit in (0, 1, 100, whole // 3, whole // 2, whole - 1, whole):
    path = Path(sys.argv[2].format(limit))
    # Stands for a disk that is full: the system refuses what is beyond.
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        write_tree(tree(4000), path)
        print(limit, 0)
    except OSError as error:
        print(limit, error.errno)
"""


@pytest.mark.slow
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_disk_that_is_full_is_an_error_of_the_system_and_no_crash(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"whole.{ending}"
    write_tree(tree(4000), path)
    sizes = [file.stat().st_size for file in ([path] if ending == "nc" else path.rglob("*")) if file.is_file()]
    arguments = [str(Path(__file__).parent), str(tmp_path / ("{}." + ending)), str(max(sizes))]
    done = subprocess.run([sys.executable, "-c", WRITES, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    said = dict(map(int, line.split()) for line in done.stdout.splitlines())
    assert list(said.values()) == [errno.EFBIG] * 6 + [0]
    assert read(tmp_path / f"{max(sizes)}.{ending}").identical(read(path))


def test_an_interrupt_waits_for_the_threads_that_write_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = xr.DataTree.to_zarr

    def interrupted(self: xr.DataTree, path: Path, **options: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        write(self, path, **options)

    monkeypatch.setattr(xr.DataTree, "to_zarr", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_tree(tree(), tmp_path / "a.zarr")
    monkeypatch.undo()
    write_tree(tree(), tmp_path / "b.zarr")
    assert read(tmp_path / "a.zarr").identical(read(tmp_path / "b.zarr"))
