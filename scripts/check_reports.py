"""Check that the pages in reports/ are what the package makes today.

The demonstration is made again and compared with the committed files: data hash, settings and model card exactly; every
posterior mean within Monte Carlo error; the page's structure element by element. Sampling is reproducible on one
machine but not across processors, whose last digits differ, so the numbers may move by their Monte Carlo error.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# Every page with the command that makes it; the output is added.
REPORTS = {
    "study.html": ("study", "--demo"),
    "outcome.html": ("report", "models/outcome.toml", "--demo"),
}
# Some 2,000 means are compared; at 5 standard errors one false alarm in about 900 runs.
LIMIT = 5.0
META = ("data", "card", "formula", "family", "prior_set", "seed", "chains", "draws", "options", "cards")
KEYS = (
    "part",
    "block",
    "estimand",
    "term",
    "factor",
    "level",
    "versus",
    "unit",
    "denominator",
    "population",
    "interval",
    "prob",
)


class Skeleton(HTMLParser):
    """The elements of a page with their ids, and the text of its headings; drawings are left out."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, str]] = []
        self._drawing = 0
        self._heading = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._drawing += tag == "svg"
        if not self._drawing:
            self.elements.append((tag, dict(attrs).get("id") or ""))
            self._heading = tag in ("h1", "h2", "h3")

    def handle_endtag(self, tag: str) -> None:
        self._drawing -= tag == "svg"
        self._heading = False

    def handle_data(self, data: str) -> None:
        if self._heading and not self._drawing:
            self.elements.append(("text", data.strip()))


def skeleton(path: Path) -> list[tuple[str, str]]:
    parser = Skeleton()
    parser.feed(path.read_text(encoding="utf-8"))
    return parser.elements


def place(row: dict[str, Any]) -> list[Any]:
    """What a row is about."""
    return [row.get(key) for key in KEYS]


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    found = [f"'{name}' differs" for name in ("format", "title", "withheld", "participants") if old[name] != new[name]]
    found += [f"meta '{name}' differs" for name in META if old["meta"].get(name) != new["meta"].get(name)]
    before, after = old["effects"] or [], new["effects"] or []
    if list(map(place, before)) != list(map(place, after)):
        return [*found, f"the effects are other ones ({len(before)} before, {len(after)} now)"]
    for row, again in zip(before, after, strict=True):
        if (row["mean"] is None) != (again["mean"] is None):
            found.append(f"{place(row)}: one of the means is missing")
        elif row["mean"] is not None and row["mcse_mean"] is not None and again["mcse_mean"] is not None:
            error = math.hypot(row["mcse_mean"], again["mcse_mean"])
            if abs(row["mean"] - again["mean"]) > LIMIT * error + 1e-12:
                found.append(f"{place(row)}: {row['mean']:g} before, {again['mean']:g} now (error {error:g})")
    return found


def main() -> int:
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in REPORTS.items():
            kept, fresh = ROOT / "reports" / name, Path(folder) / name
            command = [sys.executable, "-m", "alliance_bayes", *arguments, "-o", str(fresh)]
            subprocess.run(command, cwd=ROOT, check=True)
            old, new = (json.loads(path.with_suffix(".json").read_text(encoding="utf-8")) for path in (kept, fresh))
            found += [f"reports/{name}: {line}" for line in differences(old, new)]
            if skeleton(kept) != skeleton(fresh):
                found.append(f"reports/{name}: the page is built of other elements or headings")
    for line in found:
        print(line)
    print("reports are not current: run 'make reports' and commit reports/" if found else "reports are current")
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
