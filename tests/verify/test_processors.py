"""Pages made on another processor are the same, byte for byte."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

CARD = """format = 4
formula = "who5_followup ~ alliance + who5_baseline + age + (alliance || provider_type) + (1 || country)"
"""


def older(folder: Path) -> Mapping[str, str]:
    """Settings by which BLAS, NumPy and numba compute as they would on a processor of twenty years ago."""
    from numpy._core import _multiarray_umath as umath

    can, kinds = umath.__cpu_features__, umath.__cpu_dispatch__
    return {
        "OPENBLAS_CORETYPE": "Prescott",
        "NPY_DISABLE_CPU_FEATURES": " ".join(name for name in kinds if can[name]),
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_CACHE_DIR": str(folder),
        "PYTHONHASHSEED": "1",
        "TZ": "Asia/Tokyo",
    }


@pytest.mark.slow
def test_a_page_and_its_json_do_not_depend_on_the_processor(tmp_path: Path) -> None:
    card, table = tmp_path / "card.toml", tmp_path / "table.csv"
    card.write_text(CARD, encoding="utf-8")
    made = []
    for name, other in (("here", {"PYTHONHASHSEED": "0"}), ("there", older(tmp_path))):

        def run(*arguments: object, other: Mapping[str, str] = other) -> None:
            command = [sys.executable, "-m", "alliance_bayes", *map(str, arguments)]
            subprocess.run(command, check=True, env={**os.environ, **other}, capture_output=True)

        if not table.exists():
            run("simulate", "-o", table, "--n", 900, "--seed", 3)
        page = tmp_path / name / "page.html"
        page.parent.mkdir()
        # One key, or the digests of the data would differ.
        run("report", card, table, "-o", page, "--key", tmp_path / "page.key")
        made.append((page.read_bytes(), page.with_suffix(".json").read_bytes()))
    assert made[0] == made[1]
