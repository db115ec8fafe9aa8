"""From 40 to 400 countries: the collapsed engine beside lmer.

Run alone, it prints its table: ``python benchmarks/countries.py``.
"""

from __future__ import annotations

import sys

from harness import tables, tasks
from harness.against_lmer import both, compared
from harness.section import Section, announce
from harness.simulated import simulate

COUNTRIES = (40, 100, 200, 400)
#: People a country, on average: as many as in the default cohort.
PEOPLE = 77


def measure() -> Section:
    rows, left_out, versions = [], [], {}
    warm = simulate(2_000, countries=30, seed=11)
    for count in COUNTRIES:
        announce(f"{count} countries")
        table = simulate(PEOPLE * count, countries=count)
        ours, lmer, missing = both(table, warm, formula=tasks.FORMULA, repeats=5, lmer_repeats=5)
        left_out += missing
        versions |= ours.get("versions", {}) | lmer.get("versions", {})
        rows.append({"countries": f"{count}", "rows": f"{len(table):,}", **compared(ours, lmer)})
    return Section("Countries", _explained(), [tables.markdown(rows)], list(dict.fromkeys(left_out)), versions)


def _explained() -> str:
    return f"""\
The same formula, {PEOPLE} people a country on average, a few countries large and most small.
{tasks.CHAINS} chains of {tasks.DRAWS:,} draws from rows, reading aside, in a process that has fitted another table
before. lmer with `calc.derivs = FALSE`, which is faster. Memory and estimates:
ours / lmer's, whose slope is that of a population of provider types and sexes and less certain by definition."""


if __name__ == "__main__":
    sys.stdout.write(measure().text())
