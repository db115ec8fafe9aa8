"""Engines in processes of their own: interruption from the keyboard, and draws that are the same in each."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alliance_bayes import Model
from builders import rows

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")]

FORMULA = "who5_followup ~ alliance + (1 || country) + (1 || sex)"
CORRELATED = "who5_followup ~ alliance + (alliance | country)"
ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")
COMPILING, SAMPLING = rb"compiling", rb"[1-9][0-9,]*/[0-9,]+ draws"


def read_until(terminal: int, pattern: bytes, *, seconds: float) -> bytes:
    """What a terminal showed, escape sequences removed, up to a pattern."""
    shown, deadline = b"", time.monotonic() + seconds
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                shown += os.read(terminal, 65536)
            except OSError:  # the other end is closed
                break
        if re.search(pattern, ESCAPES.sub(b"", shown)):
            return ESCAPES.sub(b"", shown)
    raise AssertionError(f"{pattern!r} was not shown but {shown[-2000:]!r}")


@pytest.mark.parametrize(
    ("formula", "moment"),
    # Correlated terms are sampled by a graph, which takes a while to compile.
    [(CORRELATED, COMPILING), (CORRELATED, SAMPLING), (FORMULA, SAMPLING)],
    ids=["compiling", "sampling the graph", "sampling"],
)
def test_interrupting_the_command_line_leaves_nothing_behind(tmp_path: Path, formula: str, moment: bytes) -> None:
    import pty

    work, temporary = tmp_path / "work", tmp_path / "temporary"
    work.mkdir()
    temporary.mkdir()
    Model(formula).to_card(work / "card.toml")
    rows(80, countries=4).to_csv(work / "cohort.csv", index=False)
    before = sorted(work.iterdir())
    terminal, other_end = pty.openpty()
    # A minute of sampling at least, so that only the interrupt can end it.
    command = [
        "fit",
        "card.toml",
        "cohort.csv",
        "-o",
        "fit.nc",
        "--engine",
        "nuts",
        "--draws",
        "100000",
        "--chains",
        "10",
        "--seed",
        "1",
    ]
    with subprocess.Popen(
        [sys.executable, "-m", "alliance_bayes", *command],
        cwd=work,
        env={**os.environ, "TMPDIR": str(temporary), "TERM": "xterm", "COLUMNS": "200"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=other_end,
    ) as process:
        os.close(other_end)
        try:
            read_until(terminal, moment, seconds=600)
            process.send_signal(signal.SIGINT)
            last_words = read_until(terminal, rb"interrupted; no file was left half-written\.\r?\n", seconds=120)
            assert process.wait(timeout=600) == 130
            assert process.stdout is not None
            assert process.stdout.read() == b""
        finally:
            process.kill()
            os.close(terminal)
    assert b"Traceback" not in last_words
    assert sorted(work.iterdir()) == before
    # PyTensor keeps the sources it generates there, after every run.
    assert [path for path in temporary.iterdir() if not path.read_text().lstrip().startswith("def ")] == []


@pytest.mark.parametrize("engine", ["nuts", "collapsed"])
def test_draws_do_not_depend_on_the_process(tmp_path: Path, engine: str) -> None:
    # Hash seeds change the order of Python's sets, and with it whatever would depend on such an order.
    script = (
        "import hashlib, sys; sys.path.insert(0, sys.argv[1])\n"
        "from builders import rows\n"
        "from alliance_bayes import Model\n"
        f"model, options = Model({FORMULA!r}), dict(draws=100, tune=200, chains=2, seed=3, progress=False)\n"
        f"fit = model.fit(rows(80, countries=4), engine={engine!r}, **options)\n"
        "for name, values in fit.posterior.data_vars.items():\n"
        "    print(name, hashlib.sha256(values.values.tobytes()).hexdigest())\n"
    )
    tests = Path(__file__).parents[1]
    outputs = [
        subprocess.run(
            [sys.executable, "-c", script, str(tests)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=tmp_path,
            check=True,
            capture_output=True,
            text=True,
            timeout=600,
        ).stdout
        for hash_seed in ("1", "2")
    ]
    assert len(outputs[0].splitlines()) == 6
    assert outputs[0] == outputs[1]


def test_a_sampler_that_fails_does_not_bring_the_process_down(tmp_path: Path) -> None:
    # nutpie lets the other chains run on, and Python must not end below them.
    script = (
        "import dataclasses, sys; sys.path.insert(0, sys.argv[1])\n"
        "import numpy as np\n"
        "from builders import rows\n"
        "from alliance_bayes.engines import SamplerSettings, sample_nuts\n"
        "from alliance_bayes.errors import SamplingError\n"
        "from alliance_bayes.model import ModelSpec\n"
        f"spec = ModelSpec({FORMULA!r})\n"
        "design = spec.design(rows(80, countries=4))\n"
        "outcome = dataclasses.replace(design.outcome, coded=np.full(80, np.nan))\n"
        "try:\n"
        "    sample_nuts(dataclasses.replace(design, outcome=outcome), spec.priors_for(design), SamplerSettings())\n"
        "except SamplingError:\n"
        "    print('refused')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parents[1])],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr
