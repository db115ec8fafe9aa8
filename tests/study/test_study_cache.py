"""PosteriorCache posteriors: named by what they were made from, given back as they were, and none when damaged."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from alliance_bayes.errors import UsageError, WriteError
from alliance_bayes.study.cache import PosteriorCache
from alliance_bayes.trees import write_tree

INFO = {"engine": "nuts", "seed": 3, "proposal_efficiency": 0.25}


def tree(seed: int = 0) -> xr.DataTree:
    rng = np.random.default_rng(seed)
    posterior = xr.Dataset(
        {
            "beta": (("chain", "draw", "term"), rng.normal(size=(2, 5, 2))),
            "sigma": (("chain", "draw"), rng.random((2, 5))),
        },
        coords={"chain": [0, 1], "draw": np.arange(5), "term": ["Intercept", "alliance"]},
    )
    statistics = xr.Dataset({"diverging": (("chain", "draw"), rng.random((2, 5)) > 0.5)})
    return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": statistics})


WHAT = {"card": "formula", "data": "0" * 64, "seed": 7, "versions": {"alliance_bayes": "0.1.0"}}


@pytest.mark.parametrize("name", WHAT)
def test_every_ingredient_changes_the_name(name: str) -> None:
    other = {"card": "another", "data": "1" * 64, "seed": 8, "versions": {"alliance_bayes": "0.2.0"}}[name]

    assert PosteriorCache.key({**WHAT, name: other}) != PosteriorCache.key(WHAT)
    assert PosteriorCache.key({**WHAT, "sessions": "2" * 64}) != PosteriorCache.key(WHAT)
    assert PosteriorCache.key({key: value for key, value in WHAT.items() if key != name}) != PosteriorCache.key(WHAT)


@given(st.permutations(list(WHAT)))
def test_the_order_of_ingredients_does_not(order: list[str]) -> None:
    assert PosteriorCache.key({name: WHAT[name] for name in order}) == PosteriorCache.key(WHAT)
    assert set(PosteriorCache.key(WHAT)) <= set("0123456789abcdef")
    assert len(PosteriorCache.key(WHAT)) == 32


def test_what_is_stored_comes_back_draw_by_draw(tmp_path: Path) -> None:
    kept, made = PosteriorCache(tmp_path / "kept"), tree()
    kept.store("a", made, INFO)

    back = kept.load("a")

    assert back is not None
    for group in ("posterior", "sample_stats"):
        assert back[group].to_dataset().identical(made[group].to_dataset())
    assert json.loads(back.attrs["info"]) == INFO
    assert made.attrs == {}
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["a.nc"]
    assert kept.load("b") is None


def test_storing_again_replaces(tmp_path: Path) -> None:
    kept = PosteriorCache(tmp_path)
    kept.store("a", tree(0), INFO)
    kept.store("a", tree(1), {**INFO, "seed": 4})

    back = kept.load("a")

    assert back is not None
    assert back["posterior"].to_dataset().identical(tree(1)["posterior"].to_dataset())
    assert json.loads(back.attrs["info"])["seed"] == 4


def test_no_folder_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kept = PosteriorCache(None)
    kept.store("a", tree(), INFO)

    assert kept.load("a") is None
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_made_when_something_is_kept_and_not_before(tmp_path: Path) -> None:
    kept = PosteriorCache(tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
    assert kept.load("a") is None
    kept.store("a", tree(), INFO)
    assert (tmp_path / "kept").is_dir()


def test_a_file_in_the_way_and_a_missing_parent_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")

    with pytest.raises(UsageError) as in_the_way:
        PosteriorCache(tmp_path / "file")
    with pytest.raises(UsageError) as missing:
        PosteriorCache(tmp_path / "none" / "kept")

    assert str(in_the_way.value) == f"'{tmp_path / 'file'}' is a file, and no folder. Choose another name."
    assert str(missing.value) == f"the folder of '{tmp_path / 'none' / 'kept'}' does not exist. Create it first."


def whole(folder: Path) -> bytes:
    PosteriorCache(folder).store("a", tree(), INFO)
    return (folder / "a.nc").read_bytes()


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.95, 0.999])
def test_a_file_that_was_cut_off_counts_as_none(tmp_path: Path, share: float) -> None:
    content = whole(tmp_path)
    (tmp_path / "a.nc").write_bytes(content[: int(share * len(content))])

    assert PosteriorCache(tmp_path).load("a") is None


@pytest.mark.parametrize("content", [b"", b"no HDF5 file", b"\x89HDF\r\n\x1a\n" + b"\x00" * 400, b"CDF\x01"])
def test_a_file_of_something_else_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.nc").write_bytes(content)
    assert PosteriorCache(tmp_path).load("a") is None


@pytest.mark.parametrize("start", range(0, 1000, 50))
def test_a_file_with_bytes_overwritten_counts_as_none_or_is_what_was_written(tmp_path: Path, start: int) -> None:
    content = bytearray(whole(tmp_path))
    place = start * len(content) // 1000
    content[place : place + 64] = b"\x5a" * 64
    (tmp_path / "a.nc").write_bytes(content)

    # Some places hold nothing that is read.
    back = PosteriorCache(tmp_path).load("a")
    assert back is None or all(
        back[group].to_dataset().identical(tree()[group].to_dataset()) for group in ("posterior", "sample_stats")
    )


def test_one_changed_draw_is_noticed(tmp_path: Path) -> None:
    content = whole(tmp_path)
    value = tree()["posterior/beta"].values[1, 2, 1].tobytes()
    assert content.count(value) == 1
    (tmp_path / "a.nc").write_bytes(content.replace(value, np.float64(0.0).tobytes()))

    assert PosteriorCache(tmp_path).load("a") is None


@pytest.mark.parametrize("info", [None, "no JSON", "[1]"])
def test_a_file_without_its_description_counts_as_none(tmp_path: Path, info: str | None) -> None:
    whole(tmp_path)
    made = PosteriorCache(tmp_path).load("a")
    assert made is not None
    del made.attrs["info"]
    if info is not None:
        made.attrs["info"] = info
    (tmp_path / "a.nc").unlink()
    write_tree(made, tmp_path / "a.nc")

    assert PosteriorCache(tmp_path).load("a") is None


def test_an_interrupted_write_leaves_the_earlier_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = PosteriorCache(tmp_path)
    kept.store("a", tree(0), INFO)

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(xr.DataTree, "to_netcdf", stop)
    with pytest.raises(KeyboardInterrupt):
        kept.store("a", tree(1), INFO)
    monkeypatch.undo()

    back = kept.load("a")
    assert back is not None
    assert back["posterior"].to_dataset().identical(tree(0)["posterior"].to_dataset())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nc"]


def test_a_first_write_that_fails_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(xr.DataTree, "to_netcdf", full)
    with pytest.raises(WriteError, match="no space left on device"):
        PosteriorCache(tmp_path / "study.kept").store("a", tree(0), INFO)
    assert list(tmp_path.iterdir()) == []
