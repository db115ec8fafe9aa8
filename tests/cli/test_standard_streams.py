"""Standard output and error as shells hand them over: read in part, full, or closed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from alliance_bayes.cli.run import Output
from alliance_bayes.storage import save
from builders import fitted, rows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table, a fit whose conclusions may be told, and one whose may not."""
    made = tmp_path_factory.mktemp("streams")
    table = "".join(f"p{k},{20 + k % 40},level {k % 37}\n" for k in range(200))
    (made / "cohort.csv").write_text(f"participant_id,age,country\n{table}", encoding="utf-8")
    save(fitted(rows(120, countries=3), chains=4, draws=500), made / "good.nc")
    small = fitted(rows(60), formula="who5_followup ~ alliance", chains=4, draws=500, divergences=20)
    save(small, made / "bad.nc")
    return made


def shell(folder: Path, line: str, *options: str) -> tuple[int, str, str]:
    """Status, output and errors of a line in which ``ab`` is the command."""
    setting = f'set -o pipefail; ab() {{ "{sys.executable}" {" ".join(options)} -m alliance_bayes "$@"; }}; {line}'
    done = subprocess.run(["bash", "-c", setting], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "status"),
    [
        # `true` is gone before anything is written; `head` goes in the middle of what is long.
        ("ab effects good.nc | head -n 1", 0),
        ("ab effects good.nc --json | head -n 1", 0),
        ("ab check bad.nc --check convergence --json | true", 1),
        ("ab validate cohort.csv | head -n 1", 0),
        ("ab version | true", 0),
        ("ab --help | true", 0),
        ("ab nonsense 2>&1 | true", 2),
    ],
)
def test_a_reader_that_stops_reading_changes_nothing(folder: Path, line: str, status: int) -> None:
    ended, out, err = shell(folder, line)
    assert (ended, err) == (status, "")
    assert len(out.splitlines()) == ("head" in line)


@pytest.mark.slow
@pytest.mark.parametrize("where", [">/dev/full", ">&-"])
@pytest.mark.parametrize("options", [(), pytest.param(("-u",), marks=pytest.mark.slow)])
def test_output_that_is_lost_is_status_2_and_one_line(folder: Path, where: str, options: tuple[str, ...]) -> None:
    for command in ("simulate -o full.csv --n 30", "check bad.nc --check convergence"):
        ended, out, err = shell(folder, f"ab {command} {where}", *options)
        assert (ended, out, len(err.splitlines())) == (2, "", 1)
        assert "standard output" in err


@pytest.mark.slow
def test_a_closed_error_stream_leaves_the_output_alone(folder: Path) -> None:
    for where in ("2>&-", "2>/dev/full"):
        assert shell(folder, f"ab nonsense {where}") == (2, "", "")
        ended, out, _ = shell(folder, f"ab effects good.nc --estimand slopes --json {where}")
        assert (ended, {record["prob"] for record in json.loads(out)["effects"]}) == (0, {0.89})


def test_what_a_stream_takes_is_whole_and_in_order() -> None:
    # A pipe that does not wait takes what fits: the rest has to wait for its reader.
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    text = b"".join(b"%d\n" % k for k in range(200_000))
    reader = subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"],
        stdin=reading,
        stdout=subprocess.PIPE,
    )
    os.close(reading)
    output = Output(writing)
    sent = 0
    while sent < len(text):
        sent += output.write(text[sent:])
    os.close(writing)
    assert reader.communicate()[0] == text
    assert output.failed is None


@pytest.mark.parametrize(
    "stopping",
    [
        # CPython notes such an interrupt and would end by SIGINT instead, as it did now and then while dataclasses
        # loaded.
        "stop = 'os.kill(os.getpid(), signal.SIGTERM)'\n"
        "type(run.app).__call__ = lambda app, **options: exec(stop, globals())\n",
        # Before the command is known.
        "run._interface = lambda arguments: os.kill(os.getpid(), signal.SIGTERM)\n",
    ],
    ids=["in code that was a string", "before the command is known"],
)
def test_a_stop_at_any_moment_has_the_same_status(tmp_path: Path, stopping: str) -> None:
    text = f"import os, signal\nfrom alliance_bayes.cli import run\n{stopping}run.main(['version'])\n"
    (tmp_path / "stopped.py").write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "stopped"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 128 + signal.SIGTERM
    assert done.stderr == "stopped by SIGTERM; no file was left half-written.\n"
