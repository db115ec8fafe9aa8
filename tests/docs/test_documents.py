"""The code of README and docs/ runs as it stands, and the pages that list something list all of it."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import alliance_bayes as ab
from alliance_bayes.cli import main
from alliance_bayes.effects import ESTIMANDS
from alliance_bayes.effects.ratings import MEASURES
from alliance_bayes.latent.result import MEASURES as LATENT_MEASURES
from alliance_bayes.model import FAMILIES

ROOT = Path(__file__).parents[2]
DOCS = (path for pattern in ("*.md", "validation/*.md") for path in sorted((ROOT / "docs").glob(pattern)))
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]
# Pages whose code makes reports or studies, or samples by NUTS.
LONG = {"README.md", "checks.md", "data.md", "effects.md", "missing.md", "models.md", "report.md", "study.md"}
# Pages of which the Python makes all checks and draws all figures; elsewhere both would take most of the time again.
CHECKED = {"README.md", "checks.md"}
# Enough for all levels to be there, and few enough for a study to take seconds.
PEOPLE = 400

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHOWN_ONLY = re.compile(r"<!-- shown only: .+ -->\n\Z")


@dataclass(frozen=True)
class Block:
    """A block of code: its language, text, line of the page, and whether it only shows something."""

    language: str
    text: str
    line: int
    shown_only: bool


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            found[1],
            found[2],
            text.count("\n", 0, found.start()) + 1,
            SHOWN_ONLY.search(text[: found.start()]) is not None,
        )
        for found in FENCE.finditer(text)
    ]


def coded() -> Iterator[Any]:
    for page in PAGES:
        if any(block.language in ("python", "sh") and not block.shown_only for block in blocks(page)):
            yield pytest.param(page, id=page.name, marks=[pytest.mark.slow] if page.name in LONG else [])


def commands(block: Block) -> Iterator[list[str]]:
    for line in block.text.splitlines():
        if words := shlex.split(line, comments=True):
            yield words


def begun(folder: Path) -> dict[str, Any]:
    """What the pages go on from: the names of "Getting started", and its files."""
    shutil.copytree(ROOT / "models", folder / "models")
    shutil.copytree(ROOT / "examples" / "clinic", folder / "clinic")
    cohort = ab.simulate_cohort(n=PEOPLE, seed=7)
    ab.write_cohort(cohort, folder / "cohort.csv")
    ab.write_tables(cohort, folder / "tables")
    (folder / "cohort").mkdir()
    cohort.data.to_parquet(folder / "cohort" / "part.parquet")
    return {"__name__": "document", "ab": ab, "cohort": ab.read_cohort(folder / "cohort.csv")}


@pytest.mark.slow
@pytest.mark.parametrize("page", list(coded()))
def test_code_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    whole = page.name in CHECKED
    names = begun(tmp_path)
    monkeypatch.chdir(tmp_path)
    if page.name != "README.md":
        # The others go on from a fit, and not from what is printed and written of it.
        first = next(block for block in blocks(ROOT / "README.md") if block.language == "python")
        exec(first.text.partition("\nprint(")[0], names)
    for block in blocks(page):
        if block.shown_only or block.language not in ("python", "sh"):
            continue
        if block.language == "sh" or not whole:
            for light in ("gate_alone", "undrawn"):
                request.getfixturevalue(light)
        if block.language == "python":
            # Errors name the line of the page.
            exec(compile("\n" * block.line + block.text, str(page), "exec"), names)
            continue
        for words in commands(block):
            if words[0] == "make":
                assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
                continue
            assert words[0] == "alliance-bayes", f"{page.name}: {words} cannot be run here"
            with pytest.raises(SystemExit) as ended:
                main(words[1:])
            assert ended.value.code == 0, f"{page.name}: {shlex.join(words)}"


def test_every_block_has_a_language() -> None:
    for page in PAGES:
        assert not [block.line for block in blocks(page) if not block.language and "{" not in block.text], page.name


def test_every_estimand_and_row_is_in_the_guide_and_has_a_formula() -> None:
    guide, formulas = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("effects.md", "statistics.md"))
    rows = {name for estimand in ESTIMANDS.values() for name in estimand.measures}
    assert not [name for name in {*ESTIMANDS, *rows} if f"`{name}`" not in guide]
    assert not [name for name in {*rows, *MEASURES, *LATENT_MEASURES} if f"`{name}`" not in formulas]


def test_every_family_has_its_formulas() -> None:
    text = (ROOT / "docs" / "statistics.md").read_text(encoding="utf-8")
    assert not [name for name in FAMILIES if f"| `{name}` |" not in text]


def test_everything_public_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^   (\w[\w.]*)$", text, re.MULTILINE))
    assert set(ab.__all__) - {"__version__"} <= listed
    assert set(ESTIMANDS) <= listed
