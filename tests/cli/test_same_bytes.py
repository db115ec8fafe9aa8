"""The same command on the same data gives the same bytes, in another process and with other hashes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MODELS = Path(__file__).parents[2] / "models"

# What is printed is kept beside what is written.
RUN = """
import contextlib, sys
from pathlib import Path
from alliance_bayes.cli import main

for number, line in enumerate(sys.argv[1:]):
    with Path(f"{number}.out").open("w", encoding="utf-8") as out, contextlib.redirect_stdout(out):
        try:
            main(line.split())
        except SystemExit as ended:
            print(ended.code)
"""

COMMANDS = (
    "simulate -o cohort.csv --n 90 --seed 4 --tables tables",
    "validate cohort.csv --json",
    "validate tables",
    "fit small.toml cohort.csv -o fit.nc --seed 2 --chains 2 --draws 300",
    "fit small.toml cohort.csv -o nuts.nc --seed 2 --chains 2 --draws 100 --tune 100 --engine nuts",
    "effects fit.nc --json",
    "effects nuts.nc",
    "check fit.nc --json",
)
MORE = (
    "simulate -o cohort.csv --n 300 --seed 4",
    "fit small.toml cohort.csv -o fit.nc --seed 2 --chains 2 --draws 600",
    "reduce cohort.csv --card small.toml -o moments.nc",
    "fit small.toml moments.nc -o from_moments.nc --seed 2",
    "report fit.nc -o page.html --key the.key",
    "verify page.html cohort.csv --key the.key",
    "study cohort.csv -o study.html --key the.key",
)
CARD = 'format = 4\nformula = "who5_followup ~ alliance + age + (1 | provider_type)"\n'


def run(folder: Path, hashes: int, commands: tuple[str, ...]) -> dict[str, bytes]:
    """Every file of a folder after some commands."""
    folder.mkdir()
    (folder / "small.toml").write_text(CARD, encoding="utf-8")
    (folder / "the.key").write_text("00" * 32, encoding="utf-8")
    environment = {**os.environ, "PYTHONHASHSEED": str(hashes)}
    subprocess.run([sys.executable, "-c", RUN, *commands], cwd=folder, env=environment, check=True, capture_output=True)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.slow
@pytest.mark.parametrize("commands", [COMMANDS, MORE])
def test_the_same_run_gives_the_same_bytes(tmp_path: Path, commands: tuple[str, ...]) -> None:
    first, second = (run(tmp_path / str(hashes), hashes, commands) for hashes in (1, 2))
    assert list(first) == list(second)
    assert [name for name in first if first[name] != second[name]] == []
    # A command that failed would have written the same nothing twice.
    written = {line.partition(" -o ")[2].split(" ")[0] for line in commands} - {""}
    assert written <= set(first)
