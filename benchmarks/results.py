"""Run every benchmark and keep what came out in ``benchmarks/results.md``.

Nothing is asserted: what a machine does in a minute depends on what else it does. Read ratios within one run.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import countries
import default_model
import providers
import rows
from harness.machine import machine

RESULTS = Path(__file__).resolve().parent / "results.md"


def main() -> None:
    began = time.perf_counter()
    sections = []
    for benchmark in (default_model, rows, countries, providers):
        print(f"== {benchmark.__name__}", file=sys.stderr, flush=True)
        sections.append(benchmark.measure())
        print(sections[-1].text(), flush=True)
    versions = {name: version for section in sections for name, version in section.versions.items()}
    named = ", ".join(f"{name} {versions[name]}" for name in sorted(versions, key=str.lower))
    minutes = (time.perf_counter() - began) / 60
    head = f"""\
# Benchmarks

Written by `make bench` in {minutes:.0f} minutes. Every contender is a process of its own, one at a time, on all cores.
Times are wall times on a machine that may have had other work: medians with their ranges where a fit was repeated. Read
ratios, which are of one run.

* Machine: {machine()}.
* Python {sys.version.split()[0]}; {named}.
"""
    text = head + "\n" + "\n".join(section.text() for section in sections)
    temporary = RESULTS.with_suffix(".partial")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(RESULTS)
    print(f"written: {RESULTS}")


if __name__ == "__main__":
    main()
