"""Commands that are killed at random moments; `scripts/kill_runs.py` on its own does it fifty times, the study too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "kill_runs.py"


@pytest.mark.slow
def test_a_killed_run_is_neither_partial_nor_left_behind_and_the_next_gives_the_same(tmp_path: Path) -> None:
    # What is written and when does not depend on the model: of a small one, the checks of its page take seconds less.
    card = tmp_path / "card.toml"
    card.write_text('format = 4\nformula = "who5_followup ~ alliance"\n', encoding="utf-8")
    only = [part for name in ("fit", "report", "reduce", "simulate") for part in ("--only", name)]
    command = [sys.executable, str(SCRIPT), "--kills", "5", "--card", str(card), *only]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
