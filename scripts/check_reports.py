"""Check that the pages in reports/ are what the package makes today, on whatever processor.

Each page is made again by its command. What it says it was made of (data, card, settings) must be what the kept page
says, and the kept page and its JSON are then compared with that refit by what `alliance-bayes verify` compares with:
numbers within Monte Carlo error, everything else as it is.
"""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import alliance_bayes as ab
from alliance_bayes.cli.files import demonstration
from alliance_bayes.report.page import read_manifest
from alliance_bayes.report.records import kept
from alliance_bayes.verify.pages import compare_numbers

ROOT = Path(__file__).resolve().parents[1]
# Every page with the command that makes it; the output is added.
REPORTS = {
    "study.html": ("study", "--demo"),
    "outcome.html": ("report", "models/outcome.toml", "--demo"),
}
# What a page is made of: neither its numbers and fingerprints, nor how its draws came about.
MADE_OF = ("format", "kind", "data", "card", "cards", "seed", "chains", "draws", "options", "asked", "checks")
PAGE = ("page_options", "sections", "versions", "columns")


def made_of(page: Path) -> dict[str, Any]:
    """What a page says it was made of."""
    manifest = read_manifest(page.read_text(encoding="utf-8"), name=page.name)
    found = {key: kept(manifest[key]) for key in (*MADE_OF, *PAGE) if key in manifest}
    # The packages are locked, and Python is the machine's.
    return found | {"versions": {name: said for name, said in found["versions"].items() if name != "python"}}


def differences(page: Path, fresh: Path, cohort: ab.Cohort) -> list[str]:
    """How a kept page differs from what its command makes today; nothing where it does not."""
    try:
        stated = compare_numbers(made_of(page), made_of(fresh), name="Manifest").problems
        # Another model is not compared number by number.
        return list(stated or ab.verify_report(page, cohort, tell=print).problems)
    except ab.AllianceBayesError as error:
        return [str(error)]


def checked(name: str) -> list[str]:
    """What is wrong with a page, which is made again and then verified."""
    page = ROOT / "reports" / name
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / name
        # With the page's own key, or the digests of the data would differ.
        key = ("--key", str(page.with_suffix(".key")))
        command = [sys.executable, "-m", "alliance_bayes", *REPORTS[name], *key, "-o", str(fresh)]
        subprocess.run(command, cwd=ROOT, check=True)
        return [f"reports/{name}: {line}" for line in differences(page, fresh, demonstration())]


def main() -> int:
    # Side by side, each in a process of its own.
    with ProcessPoolExecutor(len(REPORTS), mp_context=multiprocessing.get_context("spawn")) as pool:
        found = [line for lines in pool.map(checked, REPORTS) for line in lines]
    for line in found:
        print(line)
    print("reports are not current: run 'make reports' and commit reports/" if found else "reports are current")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
