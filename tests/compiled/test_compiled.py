"""Kernels are compiled wherever the package is installed, and what was compiled is kept where it can be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import alliance_bayes
from alliance_bayes.compiled import ABOVE

PACKAGE = Path(alliance_bayes.__file__).parent


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A copy of the package with one small kernel, where nothing compiled can be kept; nobody may write there."""
    package = tmp_path / "installation" / "alliance_bayes"
    package.mkdir(parents=True)
    for name in ("__init__.py", "__init__.pyi", "caches.py", "compiled.py"):
        shutil.copy(PACKAGE / name, package)
    (package / "kernel.py").write_text(
        "from alliance_bayes.compiled import njit\n\n\n@njit(cache=True)\ndef total(n):\n"
        "    out = 0\n    for k in range(n):\n        out += k\n    return out\n"
    )
    # A file in the folder's place refuses everybody, the superuser too.
    (package / "__pycache__").touch()
    return package.parent


def run(installed: Path, before: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG", "NUMBA", "MPL"))}
    code = f"{before}\nfrom alliance_bayes.kernel import total\nprint(total(10))"
    variables = {**kept, "PYTHONPATH": str(installed), "HOME": "/dev/null/home", "PYTHONWARNINGS": "", **environment}
    return subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)


def warned(done: subprocess.CompletedProcess[str]) -> int:
    assert (done.returncode, done.stdout) == (0, "45\n"), done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr.count("CacheWarning")


@pytest.mark.slow
def test_where_nothing_can_be_written_code_is_kept_in_a_private_temporary_folder(
    installed: Path, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    assert warned(run(installed, TMPDIR=str(temporary))) == 1
    [folder] = temporary.iterdir()
    assert folder.name == f"alliance_bayes-{os.geteuid()}"
    assert folder.stat().st_mode & 0o077 == 0
    [code] = folder.rglob("*.nbc")
    before = code.stat().st_mtime_ns
    assert warned(run(installed, TMPDIR=str(temporary))) == 1
    assert code.stat().st_mtime_ns == before
    # A folder that is the user's own choice is no news.
    chosen = tmp_path / "chosen"
    assert warned(run(installed, NUMBA_CACHE_DIR=str(chosen))) == 0
    assert len(list(chosen.rglob("*.nbc"))) == 1


def test_without_any_place_it_is_compiled_in_each_run(installed: Path) -> None:
    # A locator that finds a place in archives only.
    assert warned(run(installed, NUMBA_CACHE_LOCATOR_CLASSES="ZipCacheLocator")) == 1


def test_a_full_disk_keeps_nothing_and_stops_nothing(installed: Path, tmp_path: Path) -> None:
    # Python would keep the code of the modules that it imports by halves.
    limit = (
        "import resource, sys; sys.dont_write_bytecode = True; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))"
    )
    assert warned(run(installed, limit, NUMBA_CACHE_DIR=str(tmp_path / "full"))) == 1
    assert [path for path in (tmp_path / "full").rglob("*") if path.is_file()] == []


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"\x80", b"not a pickle"])
def test_damaged_code_is_compiled_anew_and_mended(installed: Path, tmp_path: Path, content: bytes) -> None:
    place = {"NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    run(installed, **place)
    for ending in ("nbi", "nbc"):
        [file] = (tmp_path / "kept").rglob(f"*.{ending}")
        whole = file.read_bytes()
        file.write_bytes(content)
        assert warned(run(installed, **place)) == 0
        [file] = (tmp_path / "kept").rglob(f"*.{ending}")
        assert len(file.read_bytes()) == len(whole)


@pytest.mark.slow
def test_what_was_compiled_is_of_the_files_that_it_is_made_of(installed: Path, tmp_path: Path) -> None:
    package, place = installed / "alliance_bayes", {"NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    (package / "report").mkdir()
    (package / "effects").mkdir()
    (package / "step.py").write_text(
        "from alliance_bayes.compiled import njit\n\n@njit()\ndef step(k):\n    return k\n"
    )
    (package / "kernel.py").write_text(
        "from alliance_bayes.compiled import njit\nfrom alliance_bayes.step import step\n\n\n@njit(cache=True)\n"
        "def total(n):\n    out = 0\n    for k in range(n):\n        out += step(k)\n    return out\n"
    )

    def compiled() -> tuple[str, int]:
        said = run(installed, **place).stdout
        return said.strip(), max(file.stat().st_mtime_ns for file in (tmp_path / "kept").rglob("*.nbc"))

    value, first = compiled()
    assert (value, compiled()) == ("45", ("45", first))
    # A page cannot be in a kernel; whatever is below it can.
    (package / "report" / "page.py").write_text("A = 1\n")
    assert compiled() == ("45", first)
    (package / "effects" / "report.py").write_text("A = 1\n")
    value, second = compiled()
    assert value == "45"
    assert second > first
    (package / "step.py").write_text(
        "from alliance_bayes.compiled import njit\n\n@njit()\ndef step(k):\n    return -k\n"
    )
    assert compiled()[0] == "-45"


def test_what_kernels_cannot_be_made_of_is_above_all_kernels() -> None:
    with (Path(__file__).parents[2] / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    [layers] = [one["layers"] for one in contracts if one["id"] == "one-way"]
    ranks = {room.strip(" ()"): rank for rank, layer in enumerate(layers) for room in layer.split("|")}
    above = {name.removesuffix(".py") for name in ABOVE}
    with_kernels = {
        path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for path in PACKAGE.rglob("*.py")
        if "alliance_bayes.compiled import njit" in path.read_text(encoding="utf-8")
    }
    # The layers are a contract that `make lint` checks.
    assert max(ranks[room] for room in above) < min(ranks[room] for room in with_kernels)
    assert all((PACKAGE / name).exists() for name in ABOVE)
