"""Run the validations at full size and write what they found to docs/validation/results.md.

    python scripts/validate.py [what pytest takes]

Coverage, calibration and agreement of engines over hundreds of fits: the tests marked `slow` or `validation` in
`tests/validation`, `tests/latent` and `tests/checks`, with `ALLIANCE_BAYES_VALIDATE=full`. Tests say by
`record_property` what they found. The table is written where all of them ran, passed or not.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path

import alliance_bayes as ab

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "validation" / "results.md"
WHERE = ("tests/validation", "tests/latent", "tests/checks", "tests/engines/collapsed/test_collapsed_sampling.py")


def processor() -> str:
    """The processor's name, where the system tells it."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text(encoding="utf-8").splitlines() if known.exists() else []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def rows(report: Path) -> list[tuple[str, str, str, float]]:
    """Test, what it found, verdict and seconds, of every test in a JUnit report."""
    found = []
    # pytest wrote it just now.
    for case in ET.parse(report).getroot().iter("testcase"):
        properties = [f"{p.get('name')} {p.get('value')}" for p in case.iter("property")]
        failed = case.find("failure") is not None or case.find("error") is not None
        verdict = "failed" if failed else "skipped" if case.find("skipped") is not None else "passed"
        file = (case.get("classname") or "").rsplit(".", 1)[-1].removeprefix("test_").replace("_", " ")
        name = (case.get("name") or "").removeprefix("test_").replace("_", " ")
        found.append((f"{file}: {name}", "; ".join(properties), verdict, float(case.get("time") or 0.0)))
    return found


def main() -> int:
    """Run, write, and give pytest's exit status."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        asked = ("-m", "slow or validation", "-q", "-n", "auto", "--dist", "loadfile", f"--junitxml={report}")
        command = (sys.executable, "-m", "pytest", *WHERE, *asked, *sys.argv[1:])
        environment = os.environ | {"ALLIANCE_BAYES_VALIDATE": "full", "OPENBLAS_NUM_THREADS": "1"}
        status = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        if status not in (0, 1):
            return status
        found = rows(report)
    commit = subprocess.run(
        ("git", "rev-parse", "--short", "HEAD"), cwd=ROOT, capture_output=True, text=True, check=True
    )
    lines = [
        "# Validation at full size",
        "",
        f"`make validate`, {datetime.now(UTC):%Y-%m-%d}, alliance_bayes {ab.__version__} at commit "
        f"{commit.stdout.strip()}; Python {platform.python_version()} on {platform.system()}, {processor()}, "
        f"{os.cpu_count()} cores. Seeds stand in the tests. CI runs a small instance of each.",
        "",
        f"{sum(verdict == 'passed' for *_, verdict, _ in found)} of {len(found)} passed.",
        "",
        "| test | found | verdict | seconds |",
        "|---|---|---|---|",
        *(f"| {test} | {what} | {verdict} | {seconds:.0f} |" for test, what, verdict, seconds in sorted(found)),
        "",
    ]
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text("\n".join(lines), encoding="utf-8")
    return status


if __name__ == "__main__":
    sys.exit(main())
