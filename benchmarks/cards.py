"""Every model of the whole study, as the study fits it: seconds, divergences and effective draws.

Run alone, it prints its table: ``python benchmarks/cards.py``. It takes some ten minutes on two cores.
"""

from __future__ import annotations

import sys
import time
from importlib import metadata
from typing import Any

from harness import tables
from harness.section import Section, announce

import alliance_bayes as ab

SEED = 7


def measure() -> Section:
    cohort = ab.simulate_cohort(n=3087, seed=SEED, in_person_share=0.2)
    began = time.perf_counter()
    study = ab.run_study(cohort, full=True, seed=SEED, tell=announce, progress=False)
    seconds = time.perf_counter() - began
    rows = [_row(record) for record in study.models().to_dict("records")]
    return Section(
        "Cards of the study",
        _explained(seconds),
        [tables.markdown(rows)],
        [f"{part.title}: {reason}" for part in study.parts.values() for reason in (*part.left_out, *part.withheld)],
        {name: metadata.version(name) for name in ("alliance_bayes", "pymc", "nutpie", "numba")},
    )


def _row(record: dict[Any, Any]) -> tables.Row:
    return {
        "model": str(record["model"]),
        "family": str(record["family"]),
        "engine": str(record["engine"]),
        "rows": tables.count(record["people"]),
        "seconds": tables.seconds(record["seconds"]),
        "divergences": tables.count(record["divergences"]),
        "largest R-hat": f"{record['rhat']:.4f}",
        "least bulk ESS": tables.count(record["ess_bulk"]),
        "least ESS a second": tables.count(record["ess_per_second"]),
    }


def _explained(seconds: float) -> str:
    return f"""\
`run_study(full=True)` on `simulate_cohort(n=3087, seed={SEED}, in_person_share=0.2)`: {tables.seconds(seconds)} with
effects, comparisons and checks. Seconds of a model include compiling. *Least bulk ESS* is that of any parameter."""


if __name__ == "__main__":
    sys.stdout.write(measure().text())
