"""The default outcome model on a simulated cohort of 3,087 people in 40 countries: every contender, one run.

Run alone, it prints its tables: ``python benchmarks/default_model.py``. ``BENCH_SLOW=1`` adds brms and rstanarm, and
``BENCH_BAMBI_PYTHON`` names the interpreter of an environment with bambi, which needs an older formulae than we do.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median

from harness import tables, tasks
from harness.against_lmer import fit_lmer
from harness.contender import Record, SkippedError, cores, python, rscript
from harness.section import Section, announce

import alliance_bayes as ab

COLUMNS = ["who5_followup", *tasks.NUMERIC, "provider_type", "sex", "country"]
OURS = "collapsed"
LMER = "lme4::lmer"


def measure() -> Section:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table, centred = tasks.write_table(_cohort(3087, seed=7), folder, "cohort")
        warm, _ = tasks.write_table(_cohort(900, seed=11), folder, "warm_up")
        found: dict[str, Record] = {}
        left_out: list[str] = []
        for label, run in _contenders(table, centred, warm, folder).items():
            announce(label)
            try:
                found[label] = run()
            except SkippedError as reason:
                left_out.append(f"{label}: {reason}.")
    return Section(
        "The default outcome model",
        _explained(),
        [tables.markdown(_speed(found)), tables.markdown(_quality(found)), *_ratios(found)],
        left_out,
        {name: version for record in found.values() for name, version in record["versions"].items()},
    )


def _cohort(n: int, *, seed: int):
    return ab.simulate_cohort(n=n, seed=seed).data.dropna(subset=["who5_followup"])[COLUMNS]


def _contenders(table: Path, centred: Path, warm: Path, folder: Path) -> dict[str, Callable[[], Record]]:
    def processes(script: str, spec: Record, repeats: int, interpreter: str = sys.executable) -> Record:
        """Three processes: nothing compiled yet; compiled code on disk; warmed up on another table and repeated.

        What takes long, and is therefore measured once, is spared the second.
        """
        caches = Path(tempfile.mkdtemp(dir=folder))
        alone = spec | {"warm_table": None, "repeats": 1}
        first = python(script, alone, caches=caches, interpreter=interpreter)
        fresh = python(script, alone, caches=caches, interpreter=interpreter) if repeats > 1 else None
        again = python(script, spec | {"repeats": repeats}, caches=caches, interpreter=interpreter)
        return again | {
            "first_seconds": first["seconds"][0],
            "fresh_seconds": fresh["seconds"][0] if fresh else None,
            "start_mb": (fresh or first)["start_mb"],
            "peak_mb": (fresh or first)["peak_mb"],
        }

    def lmer(*, derivatives: bool) -> Record:
        record = fit_lmer(centred, tasks.FORMULA, repeats=9, derivatives=derivatives)
        return record | {"fresh_seconds": record["cold_seconds"]}

    plain = {
        "table": str(table),
        "warm_table": str(warm),
        "chains": tasks.CHAINS,
        "draws": tasks.DRAWS,
        "seed": tasks.SEED,
    }
    bambi = os.environ.get("BENCH_BAMBI_PYTHON")
    stan = [centred, tasks.DRAWS, tasks.CHAINS, tasks.SEED, cores()]
    slow = os.environ.get("BENCH_SLOW") == "1"
    return {
        OURS: lambda: processes("own.py", tasks.ours(table, warm=warm, effects=True), 7),
        LMER: lambda: lmer(derivatives=True),
        "lme4::lmer, calc.derivs = FALSE": lambda: lmer(derivatives=False),
        "engine nuts (nutpie)": lambda: processes(
            "own.py", tasks.ours(table, warm=warm, engine="nuts", effects=True), 1
        ),
        "PyMC + nutpie, textbook": lambda: processes("pymc_plain.py", plain, 3),
        "PyMC + nutpie, target_accept 0.95": lambda: processes("pymc_plain.py", plain | {"target_accept": 0.95}, 1),
        "bambi + nutpie, target_accept 0.95": lambda: (
            processes("bambi_fit.py", plain | {"target_accept": 0.95}, 1, bambi)
            if bambi
            else _skip("BENCH_BAMBI_PYTHON names no interpreter")
        ),
        "brms": lambda: rscript("brms.R", stan, package="brms") if slow else _skip("asked for with BENCH_SLOW=1"),
        "rstanarm": lambda: (
            rscript("rstanarm.R", stan, package="rstanarm") if slow else _skip("asked for with BENCH_SLOW=1")
        ),
    }


def _skip(reason: str) -> Record:
    raise SkippedError(reason)


def _explained() -> str:
    return f"""\
`{tasks.FORMULA}` on `simulate_cohort(n=3087, seed=7)`: 2,773 people with a follow-up score, 40 countries;
{tasks.CHAINS} chains of {tasks.DRAWS:,} draws.

* *Warm*: median of fits in a process that has fitted another table before. *New process*: its first fit, with compiled
  code on disk where the contender keeps any. *Nothing compiled*: the same with empty caches. Reading the table is never
  counted; building and compiling the graph for nutpie always is, and stated apart too.
* *Least ESS*: the smallest bulk effective sample size (Vehtari et al. 2021) of any element of the posterior;
  *reported*: of any row of `fit.effects()`.
* *Peak memory* is of a new process that fits once, and *before the fit* what imports and the table take of it.
* lmer gives REML estimates and standard errors, no posterior. It, bambi, brms and rstanarm draw provider types and
  sexes from a Normal instead of making them sum to zero: their alliance slope is that of a population of such types and
  less certain by definition, and their posterior is not quite the same."""


def _speed(found: dict[str, Record]) -> list[tables.Row]:
    return [
        {
            "contender": label,
            "warm": tables.timing(record["seconds"]),
            "of it compiling": tables.seconds(record.get("compile_seconds")),
            "of it sampling": tables.seconds(record.get("sample_seconds")),
            "new process": tables.seconds(record.get("fresh_seconds")),
            "nothing compiled": tables.seconds(record.get("first_seconds")),
            "peak memory": tables.megabytes(record.get("peak_mb")),
            "before the fit": tables.megabytes(record.get("start_mb")),
        }
        for label, record in found.items()
    ]


def _quality(found: dict[str, Record]) -> list[tables.Row]:
    return [
        {
            "contender": label,
            "alliance slope": tables.estimate(record),
            "least ESS": tables.count(record.get("ess")),
            "least ESS reported": tables.count(record.get("ess_reported")),
            "least ESS a second": tables.count(_rate(record)),
            "divergences": tables.count(record.get("divergences")),
            "remark": "; ".join(["singular fit"] * bool(record.get("singular")) + record.get("remarks", []))
            or tables.NONE,
        }
        for label, record in found.items()
    ]


def _remark(record: Record) -> str:
    singular = ["singular fit"] if record.get("singular") else []
    return "; ".join([*singular, *record.get("remarks", [])]) or tables.NONE


def _rate(record: Record) -> float | None:
    return record["ess"] / median(record["seconds"]) if "ess" in record else None


def _ratios(found: dict[str, Record]) -> list[str]:
    """How many times as long the others take, and how many times as much they need for one effective draw."""
    if OURS not in found:
        return []
    us = found[OURS]
    mine = median(us["seconds"])
    rows = []
    for label, record in found.items():
        if label == OURS:
            continue
        theirs, rate = median(record["seconds"]), _rate(record)
        sampling = record.get("sample_seconds")
        rows.append(
            {
                f"against {OURS}": label,
                "time": tables.ratio(theirs, mine),
                "time for one effective draw": tables.ratio(_rate(us), rate) if rate else tables.NONE,
                "time, sampling alone": tables.ratio(sampling, mine) if sampling else tables.NONE,
                "effective draw, sampling alone": (
                    tables.ratio(_rate(us), record["ess"] / sampling) if rate and sampling else tables.NONE
                ),
            }
        )
    return [tables.markdown(rows)] if rows else []


if __name__ == "__main__":
    print(measure().text())
