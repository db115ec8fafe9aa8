"""Libraries are given a temporary folder where they would have no place, and it is one that nobody else can fill."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from alliance_bayes import caches
from alliance_bayes.engines.nuts import NutpieDensity, sample_nuts
from alliance_bayes.errors import WriteError
from alliance_bayes.report.page import check_target

VARIABLES = ("NUMBA_CACHE_DIR", "MPLCONFIGDIR", "PYTENSOR_FLAGS")


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Neither the home nor the installation can be written to; temporary files can."""
    for name in (*VARIABLES, "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        # Set first, so that what is set meanwhile is gone afterwards.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", "/dev/null/home")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__pycache__").touch()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(caches, "__file__", str(tmp_path / "package" / "caches.py"))
    monkeypatch.setattr(caches, "_settled", set())
    monkeypatch.setattr(caches, "_MEMORY", str(tmp_path / "none"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr("numba.config.CACHE_DIR", "")
    return tmp_path / "temporary"


def found() -> dict[str, str]:
    return {name: os.environ[name] for name in VARIABLES if name in os.environ}


def test_each_library_gets_a_place_where_it_has_none(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTENSOR_FLAGS", "floatX=float64")
    caches.settle()
    folder = nowhere / f"alliance_bayes-{os.geteuid()}"
    assert found() == {
        "NUMBA_CACHE_DIR": str(folder),
        "MPLCONFIGDIR": str(folder),
        "PYTENSOR_FLAGS": f"floatX=float64,base_compiledir={folder}",
    }
    assert caches.settled() == folder


def test_who_has_no_home_gets_one(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda _: {}[0])
    caches.settle()
    assert os.environ["HOME"] == os.environ["NUMBA_CACHE_DIR"] == str(nowhere / f"alliance_bayes-{os.geteuid()}")


@pytest.mark.parametrize("name", ["home", "installation"])
def test_a_place_of_its_own_is_left_to_it(
    nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name == "home":
        monkeypatch.setenv("HOME", str(tmp_path))
    else:
        (tmp_path / "package" / "__pycache__").unlink()
    caches.settle()
    assert set(found()) == (set() if name == "home" else {"MPLCONFIGDIR", "PYTENSOR_FLAGS"})
    assert caches.settled() is None


def test_what_the_user_says_holds(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"NUMBA_CACHE_DIR": "/a", "MPLCONFIGDIR": "/b", "PYTENSOR_FLAGS": "base_compiledir=/c"}
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    caches.settle()
    assert found() == said
    assert list(nowhere.iterdir()) == []


@pytest.mark.parametrize("kind", ["open", "link", "file", "another's"])
def test_a_folder_that_another_could_fill_is_not_taken(
    nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = nowhere / f"alliance_bayes-{os.geteuid()}"
    match kind:
        case "open":
            folder.mkdir(mode=0o777)
            folder.chmod(0o777)
        case "link":
            folder.symlink_to(tmp_path)
        case "file":
            folder.touch()
        case _:
            folder.mkdir(mode=0o700)
            monkeypatch.setattr(os, "geteuid", lambda: int(folder.name.rpartition("-")[2]) + 1)
            folder.rename(nowhere / f"alliance_bayes-{os.geteuid()}")
    assert caches._temporary() is None


def test_the_working_folder_is_no_place(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(nowhere)
    assert caches._temporary() is None
    monkeypatch.setenv("TMPDIR", str(nowhere))
    assert caches._temporary() == nowhere / f"alliance_bayes-{os.geteuid()}"


def test_who_can_write_nowhere_is_told_before_a_page_is_begun(
    nowhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    assert caches.can_draw()

    def none() -> str:
        raise FileNotFoundError("No usable temporary directory found")

    monkeypatch.setattr("tempfile.gettempdir", none)
    assert not caches.can_draw()
    with pytest.raises(WriteError, match="Set MPLCONFIGDIR to one"):
        check_target(tmp_path / "page.html")
    assert not list(tmp_path.glob("page.*"))
    # Nor does nutpie, which imports it, come so far as to compile a density.
    never: Any = None
    with pytest.raises(WriteError, match="Set MPLCONFIGDIR to one"):
        sample_nuts(never, never, never)
    with pytest.raises(WriteError, match="Set MPLCONFIGDIR to one"):
        NutpieDensity(1, never, never)
    # Set to a folder that cannot be made, and to one that can.
    monkeypatch.setenv("MPLCONFIGDIR", "/dev/null/fonts")
    assert not caches.can_draw()
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "fonts"))
    assert caches.can_draw()
    assert check_target(tmp_path / "page.html")[0] == tmp_path / "page.html"
