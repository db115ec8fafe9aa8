"""Run the validations at full size, a file at a time, and keep what they found in docs/validation/results.md.

    python scripts/validate.py                                    # all of them, half an hour on two cores
    python scripts/validate.py tests/validation/test_sbc.py ...   # these

Coverage, calibration and agreement of engines over hundreds of fits: the tests marked `slow` or `validation` of each
file, with `ALLIANCE_BAYES_VALIDATE=full`. Tests say by `record_property` what they found, and by which seeds. As soon
as a file is done its section is written in place of the earlier one, whether its tests passed or not, so a run that is
stopped loses one file only.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "validation" / "results.md"
# File and title. Those that take longest first, so that no core is left alone with one of them.
FILES = {
    "tests/latent/test_latent_recovery.py": "Recovery of the slope behind ratings with error",
    "tests/validation/test_families_sbc.py": "Calibration of NUTS, every other family",
    "tests/checks/test_false_alarms.py": "False alarms of the checks",
    "tests/validation/test_collapsed_nuts.py": "Agreement of the two engines",
    "tests/validation/test_sbc.py": "Calibration of NUTS, Gaussian model",
    "tests/validation/test_collapsed_sbc.py": "Calibration of the collapsed engine",
    "tests/validation/test_random_models.py": "Random models by the collapsed engine",
    "tests/validation/test_residual_sd_along.py": "A residual SD along columns: recovery and calibration",
    "tests/validation/test_families_recovery.py": "Recovery of known parameters, every other family",
    "tests/validation/test_population_slopes.py": "Slopes of the population: lme4, glmer, and coverage of the truth",
    "tests/validation/test_imputation.py": "Missing values: the joint density as a graph, and coverage of the truth",
    "tests/validation/test_imputed_factors.py": "Missing levels of a factor of many: coverage of the truth",
    "tests/imputation/test_linked.py": "Missing values that change other rows: a graph, and coverage",
    "tests/imputation/test_persons.py": "Missing values of persons in several rows: a graph, and coverage",
    "tests/imputation/test_tipping.py": "Values missing not at random: a known shift",
    "tests/api/test_sampling_weights.py": "Sampling weights: coverage of the population",
    "tests/validation/test_trial_of_two_arms.py": "The difference of two arms: coverage of the truth",
    "tests/validation/test_hsb82.py": "Agreement of NUTS with lme4",
    "tests/checks/test_checks_after_sampling.py": "Checks of draws from NUTS",
    "tests/engines/collapsed/test_collapsed_sampling.py": "NUTS on the marginal density",
}
HEAD = """# Validation at full size

What hundreds of fits showed. Each section was written by its command, and says with which seeds, when, and of which
commit the package was. `make validate` runs all of them; CI runs a small instance of each (`make test-slow`).
"""


def processor() -> str:
    """The processor's name, where the system tells it."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text(encoding="utf-8").splitlines() if known.exists() else []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def git(*words: str) -> str:
    """What git says."""
    return subprocess.run(("git", *words), cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def state() -> str:
    """The last commit that changed the package, and whether it was changed since."""
    changed = git("status", "--porcelain", "--", "src", "tests")
    return git("log", "-1", "--format=%h", "--abbrev=8", "--", "src") + (", changed since" if changed else "")


def rows(report: Path) -> list[str]:
    """Test, seeds, what it found, verdict and seconds, of every test in a JUnit report."""
    found = []
    # pytest wrote it just now.
    for case in ET.parse(report).getroot().iter("testcase"):
        properties = {str(p.get("name")): p.get("value") for p in case.iter("property")}
        seeds = properties.pop("seeds", "in the test")
        failed = case.find("failure") is not None or case.find("error") is not None
        verdict = "failed" if failed else "skipped" if case.find("skipped") is not None else "passed"
        name = (case.get("name") or "").removeprefix("test_").replace("_", " ")
        what = "; ".join(f"{name} {value}" for name, value in properties.items())
        found.append(f"| {name} | {seeds} | {what} | {verdict} | {float(case.get('time') or 0.0):.0f} |")
    return found


def validated(file: str) -> tuple[int, str]:
    """Exit status of pytest, and the section of a file."""
    package, began = state(), datetime.now(UTC)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        # The family of reports that has properties of tests.
        asked = ("-m", "slow or validation", "-q", "-o", "junit_family=xunit1", f"--junitxml={report}")
        command = (sys.executable, "-m", "pytest", file, *asked)
        # Two files are at work side by side: threads of BLAS would only take turns.
        environment = os.environ | {"ALLIANCE_BAYES_VALIDATE": "full", "OPENBLAS_NUM_THREADS": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode not in (0, 1):
            return done.returncode, done.stdout + done.stderr
        if done.returncode == 1:
            print(done.stdout, file=sys.stderr)
        found = rows(report)
    seconds = (datetime.now(UTC) - began).total_seconds()
    lines = [
        f"## {FILES[file]}",
        "",
        f"`python scripts/validate.py {file}`, {began:%Y-%m-%d}, {seconds:,.0f} s, package of commit {package}; "
        f"Python {platform.python_version()} on {platform.system()}, {processor()}, {os.cpu_count()} cores.",
        "",
        "| test | seeds | found | verdict | seconds |",
        "|---|---|---|---|---|",
        *found,
    ]
    return done.returncode, "\n".join(lines) + "\n"


def kept(text: str) -> dict[str, str]:
    """Sections of the results by the file that they are of."""
    sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)[1:]
    named = (re.search(r"^`python scripts/validate\.py (\S+)`", section, re.MULTILINE) for section in sections)
    return {name[1]: section.rstrip() + "\n" for name, section in zip(named, sections, strict=True) if name}


def main() -> int:
    """Run, write, and give 1 where a test failed."""
    files, lock = tuple(sys.argv[1:]) or tuple(FILES), Lock()
    if unknown := [file for file in files if file not in FILES]:
        print(f"no validation is in {', '.join(unknown)}. Give some of {', '.join(FILES)}.", file=sys.stderr)
        return 2

    def run(file: str) -> int:
        status, section = validated(file)
        with lock:
            if status not in (0, 1):
                print(section, file=sys.stderr)
                return status
            sections = kept(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
            sections[file] = section
            RESULTS.parent.mkdir(parents=True, exist_ok=True)
            text = "\n".join((HEAD, *(sections[name] for name in FILES if name in sections)))
            RESULTS.write_text(text, encoding="utf-8")
            print(f"{file}: {'passed' if status == 0 else 'failed'}", flush=True)
        return status

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return max(pool.map(run, files))


if __name__ == "__main__":
    sys.exit(main())
