"""From 3 thousand to 10 million rows: reducing Parquet files to moments, and fitting the model to the moments.

Run alone, it prints its table: ``python benchmarks/rows.py``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from harness import tables, tasks
from harness.against_lmer import fit_lmer
from harness.contender import Record, SkippedError, python
from harness.section import Section, announce
from harness.simulated import draw_groups, draw_rows, simulate

SIZES = (3_000, 30_000, 300_000, 3_000_000, 10_000_000)
#: lmer reads all rows at every step, so it is asked for the smaller tables only, and for four minutes at most.
FOR_LMER = (3_000, 30_000, 300_000)
PATIENCE = 240
CHUNK = 500_000


def measure() -> Section:
    rows, left_out, versions = [], [], {}
    for n in SIZES:
        announce(f"{n:,} rows")
        record, lmer = _from_files(n, left_out), _lmer(n, left_out) if n in FOR_LMER else {}
        for part in (record, lmer):
            versions |= part.get("versions", {})
        rows.append(_row(n, record, lmer))
    return Section("Rows", _explained(), [tables.markdown(rows)], list(dict.fromkeys(left_out)), versions)


def write_files(folder: Path, n: int, *, seed: int) -> tuple[str, float]:
    """Write n rows as Parquet files of half a million at most; returns their pattern and size in MB."""
    rng = np.random.default_rng(seed)
    groups = draw_groups(rng, countries=40)
    for number, start in enumerate(range(0, n, CHUNK)):
        chunk = draw_rows(rng, groups, min(CHUNK, n - start))
        chunk.to_parquet(folder / f"part-{number:03d}.parquet", index=False)
    return str(folder / "part-*.parquet"), sum(file.stat().st_size for file in folder.iterdir()) / 2**20


def _from_files(n: int, left_out: list[str]) -> Record:
    with tempfile.TemporaryDirectory() as name:
        pattern, size = write_files(Path(name), n, seed=7)
        spec = {
            "files": pattern,
            "formula": tasks.FORMULA,
            "repeats": 5 if n <= 300_000 else 3,
            "fits": 5,
            "chains": tasks.CHAINS,
            "draws": tasks.DRAWS,
            "seed": tasks.SEED,
        }
        try:
            return python("from_moments.py", spec) | {"file_mb": size}
        except SkippedError as reason:
            left_out.append(f"{n:,} rows: {reason}.")
            return {"file_mb": size}


def _lmer(n: int, left_out: list[str]) -> Record:
    with tempfile.TemporaryDirectory() as name:
        _, centred = tasks.write_table(simulate(n, countries=40), Path(name), "rows")
        try:
            return fit_lmer(
                centred, tasks.FORMULA, repeats=5 if n < 10_000 else 1 if n < 100_000 else 0, patience=PATIENCE
            )
        except SkippedError as reason:
            left_out.append(f"lme4::lmer, {n:,} rows: {reason}.")
            return {}


def _row(n: int, record: Record, lmer: Record) -> tables.Row:
    return {
        "rows": f"{n:,}",
        "Parquet": tables.megabytes(record["file_mb"]),
        "reducing": tables.timing(record["reduce_seconds"]) if "reduce_seconds" in record else tables.NONE,
        "peak memory": tables.megabytes(record.get("peak_mb")),
        "before": tables.megabytes(record.get("start_mb")),
        "fitting the moments": tables.timing(record["seconds"]) if "seconds" in record else tables.NONE,
        "least ESS": tables.count(record.get("ess")),
        "alliance slope": tables.estimate(record),
        "lmer's": tables.estimate(lmer),
        "lme4::lmer": tables.timing(lmer["seconds"]) if lmer else tables.NONE,
    }


def _explained() -> str:
    return f"""\
The same formula on simulated rows of 40 countries in Parquet files of half a million rows at most: five numeric columns
and three categorical ones. `reduce_table` makes moments of the files; the model is then fitted to the moments,
{tasks.CHAINS} chains of {tasks.DRAWS:,} draws. *Peak memory* is that of the process that reduces, and *before* what it
holds before it starts; the files are in the system's cache. lmer with `calc.derivs = FALSE`, which is faster, stopped
after {PATIENCE} s; its slope is that of a population of provider types and sexes, and less certain by definition."""


if __name__ == "__main__":
    sys.stdout.write(measure().text())
