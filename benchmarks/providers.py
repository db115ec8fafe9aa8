"""From 100 to 10,000 providers in 40 countries, 300,000 people: the collapsed engine beside lmer.

Run alone, it prints its table: ``python benchmarks/providers.py``. lmer gets a tenth of the rows and three minutes;
``BENCH_SLOW=1`` fits it to all of them, however long that takes.
"""

from __future__ import annotations

import os
import sys

from harness import tables, tasks
from harness.against_lmer import both, compared
from harness.contender import PATIENCE
from harness.section import Section, announce
from harness.simulated import simulate

PROVIDERS = (100, 1_000, 10_000)
PEOPLE, FEWER = 300_000, 30_000


def measure() -> Section:
    rows, left_out, versions = [], [], {}
    slow = os.environ.get("BENCH_SLOW") == "1"
    warm = simulate(3_000, countries=20, providers=60, seed=11)
    for people in (FEWER, PEOPLE):
        for count in PROVIDERS:
            announce(f"{count:,} providers, {people:,} people")
            table = simulate(people, countries=40, providers=count)
            lmer_repeats = 0 if slow or people == FEWER else None
            ours, lmer, missing = both(
                table,
                warm,
                formula=tasks.WITH_PROVIDERS,
                repeats=3 if count < 10_000 else 1,
                lmer_repeats=lmer_repeats,
                patience=PATIENCE if slow else 180,
            )
            left_out += [f"{count:,} providers: {reason}" for reason in missing]
            versions |= ours.get("versions", {}) | lmer.get("versions", {})
            rows.append({"providers": f"{count:,}", "rows": f"{len(table):,}", **compared(ours, lmer)})
    if not slow:
        left_out.append(f"lme4::lmer on {PEOPLE:,} rows: takes many minutes, asked for with BENCH_SLOW=1.")
    return Section("Providers", _explained(), [tables.markdown(rows)], list(dict.fromkeys(left_out)), versions)


def _explained() -> str:
    return f"""\
`{tasks.WITH_PROVIDERS}`: providers nested in countries, their caseloads unequal; a provider has
one type, and 18 % of the people saw both. {tasks.CHAINS} chains of {tasks.DRAWS:,} draws from rows, reading aside, in a
process that has fitted another table before. lmer with `calc.derivs = FALSE`, which is faster. Memory and estimates:
ours / lmer's, whose slope is that of a population of provider types and sexes and less certain by definition."""


if __name__ == "__main__":
    sys.stdout.write(measure().text())
