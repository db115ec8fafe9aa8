"""What commands write: refused before the work where it cannot be, whole or not there where the disk is full."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.cli import main
from alliance_bayes.storage import save
from builders import fitted, rows

CARD = 'format = 4\nformula = "who5_followup ~ alliance + (1 | sex)"\n'


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """No file can grow beyond so many bytes."""
    before, keeping = resource.getrlimit(resource.RLIMIT_FSIZE), sys.dont_write_bytecode
    # Python would keep the code of modules imported meanwhile by halves.
    sys.dont_write_bytecode = True
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        sys.dont_write_bytecode = keeping
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ab.write_cohort(ab.simulate_cohort(n=200, seed=3), tmp_path / "cohort.csv")
    pd.read_csv(tmp_path / "cohort.csv").to_parquet(tmp_path / "cohort.parquet")
    save(fitted(rows(120, countries=3), chains=4, draws=500), tmp_path / "kept.nc")
    (tmp_path / "card.toml").write_text(CARD, encoding="utf-8")
    return tmp_path


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# Nor can kernels be kept that are compiled here first.
@pytest.mark.slow
@pytest.mark.usefixtures("gate_alone", "undrawn")
@pytest.mark.filterwarnings("ignore:what was compiled cannot be kept:alliance_bayes.caches.CacheWarning")
def test_a_full_disk_is_one_line_that_names_the_file_and_nothing_is_left(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    # Python would keep the code of modules imported below by halves.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    # Outputs are larger than the limit, and earlier ones of their names are to stay.
    for name in ("fit.nc", "page.html", "page.json", "table.csv"):
        (folder / name).write_text("old", encoding="utf-8")
    (folder / "page.key").write_text("0" * 64, encoding="utf-8")
    outputs = {
        "fit.nc": ["fit", "card.toml", "cohort.csv", "-o", "fit.nc"],
        "fit.zarr": ["fit", "card.toml", "cohort.csv", "-o", "fit.zarr"],
        "table.csv": ["simulate", "-o", "table.csv", "--n", "1000"],
        "page.html": ["report", "kept.nc", "-o", "page.html"],
        "moments.nc": ["reduce", "cohort.parquet", "--card", "card.toml", "-o", "moments.nc"],
        # Its rows lie in a temporary file meanwhile.
        None: ["reduce", "cohort.csv", "--card", "card.toml", "-o", "moments.nc"],
    }
    limits = dict.fromkeys(outputs, 20_000) | {"moments.nc": 5_000, None: 5_000}
    before = everything(folder)
    for name, command in outputs.items():
        with full_disk(limits[name]), pytest.raises(SystemExit) as ended:
            main(command)
        said = capsys.readouterr().err
        start = "no temporary files can" if name is None else f"'{name}' cannot"
        last = said.splitlines()[-1]
        assert (ended.value.code, last.startswith(f"error: {start} be written: ")) == (2, True), said
    assert everything(folder) == before


@pytest.mark.parametrize(
    "command",
    [
        ["fit", "card.toml", "cohort.csv", "-o", "none/fit.nc"],
        ["fit", "card.toml", "cohort.csv", "-o", "folder.nc"],
        ["fit", "card.toml", "cohort.csv", "-o", "table.zarr"],
        ["fit", "card.toml", "cohort.csv", "-o", "pipe.nc"],
        ["fit", "card.toml", "input.nc", "-o", "input.nc"],
        ["report", "kept.nc", "-o", "beside.html"],
        ["report", "kept.nc", "-o", "page.html", "--key", "page.json"],
        ["report", "kept.nc", "-o", "page.html", "--key", "none/page.key"],
        ["report", "card.toml", "cohort.csv", "-o", "linked.html"],
        ["study", "cohort.csv", "-o", "folder.html"],
        ["study", "cohort.csv", "-o", "page.html", "--keep", "cohort.csv"],
        ["reduce", "input.nc", "--card", "card.toml", "-o", "input.nc"],
        ["simulate", "-o", "/dev/full"],
        ["simulate", "-o", "/dev/stdout"],
        ["simulate", "-o", "pipe.nc"],
        ["simulate", "-o", "folder.nc"],
        ["simulate", "-o", "a.csv", "--tables", "cohort.csv"],
        ["simulate", "-o", "three/surveys.csv", "--tables", "three"],
    ],
)
def test_an_output_that_cannot_be_written_is_found_out_before_the_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("folder.nc", "folder.html", "beside.json", "three"):
        (tmp_path / name).mkdir()
    for name in ("table.zarr", "input.nc"):
        (tmp_path / name).touch()
    (tmp_path / "card.toml").write_text(CARD, encoding="utf-8")
    (tmp_path / "cohort.csv").write_text("participant_id,age\np1,36\n", encoding="utf-8")
    (tmp_path / "linked.html").symlink_to("cohort.csv")
    os.mkfifo(tmp_path / "pipe.nc")

    def work(*_: object, **__: object) -> None:
        raise AssertionError("nothing is to be read or made")

    for name in ("load_model", "load_fit", "load_moments", "simulate_cohort"):
        monkeypatch.setattr(ab, name, work)
    if command[0] != "study" or "--keep" not in command:
        monkeypatch.setattr(ab, "read_cohort", work)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        main(command)
    out, err = capsys.readouterr()
    assert (ended.value.code, out, len(err.splitlines())) == (2, "", 1), err
    assert sorted(tmp_path.rglob("*")) == before


def test_a_link_as_output_keeps_pointing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "far").mkdir()
    for name in ("table.csv", "new.csv"):
        (tmp_path / name).symlink_to(Path("far") / name)
    (tmp_path / "far" / "table.csv").write_text("old", encoding="utf-8")
    for name in ("table.csv", "new.csv"):
        with pytest.raises(SystemExit) as ended:
            main(["simulate", "-o", name, "--n", "20"])
        assert ended.value.code == 0
        assert (tmp_path / name).is_symlink()
        assert len((tmp_path / "far" / name).read_text(encoding="utf-8").splitlines()) == 21
    assert len(list(tmp_path.rglob("*"))) == 5


STOPPED = """
import sys, time
from pathlib import Path
import pandas as pd
from alliance_bayes.cli import main

def slow(self, path, **_):
    Path(path).write_text("half")
    print("writing", flush=True)
    time.sleep(100)

pd.DataFrame.to_csv = slow
main(["simulate", "-o", sys.argv[1], "--n", "20"])
"""


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGKILL, -signal.SIGKILL)],
)
def test_a_run_that_is_stopped_leaves_nothing_that_the_next_one_does_not_remove(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, number: signal.Signals, status: int
) -> None:
    table = tmp_path / "cohort.csv"
    table.write_text("old", encoding="utf-8")
    command = [sys.executable, "-c", STOPPED, str(table)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.send_signal(number)
        _, err = process.communicate()
    assert process.returncode == status
    assert len(err.splitlines()) == (number != signal.SIGKILL)
    assert table.read_text(encoding="utf-8") == "old"
    assert len(list(tmp_path.iterdir())) == 1 + (number == signal.SIGKILL)
    with pytest.raises(SystemExit):
        main(["simulate", "-o", str(table), "--n", "20"])
    assert [path.name for path in tmp_path.iterdir()] == ["cohort.csv"]
    assert len(table.read_text(encoding="utf-8").splitlines()) == 21
    capsys.readouterr()
