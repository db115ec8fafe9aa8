"""What a page says of values that were not observed is found where it is changed and sealed again."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.report.page import EMPTY, embed, read_manifest
from alliance_bayes.verify import verification
from alliance_bayes.verify.again import make_again
from imputing import table

MANIFEST = re.compile(r'<script type="application/json" id="manifest">.*?</script>', re.DOTALL)
N = 120
type Change = Callable[[dict[str, Any]], None]


def rows() -> pd.DataFrame:
    """Complete but for a tenth of the outcome."""
    frame = table(n=N, complete=True).drop(columns="z")
    frame.loc[:11, "y"] = np.nan
    return frame


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with the section, its JSON beside it."""
    path = tmp_path_factory.mktemp("pages") / "page.html"
    model = ab.Model("y ~ x + w", missing="impute", focal="x", auxiliary=("aux",))
    fit = model.fit(ab.read_cohort(rows()), seed=11, draws=400, progress=False)
    effects = fit.effects(["slopes"])
    checks = fit.check(effects=effects, checks=["convergence"])
    page = ab.Report(sections=["missing", "limitations"]).render(fit, effects=effects, checks=checks)
    assert not page.withheld
    page.write(path)
    return path


@pytest.fixture(scope="module")
def verify(made: Path) -> Iterator[Callable[..., ab.Verification]]:
    """Verifies a page and its JSON, fitting once what would be fitted the same."""
    cohort = ab.read_cohort(rows())
    again = make_again(read_manifest(made.read_text("utf-8"), name="page"), cohort, tell=lambda line: None, name="page")
    beside = made.with_suffix(".json").read_text("utf-8")

    def call(html: str, numbers: Any = None) -> ab.Verification:
        path = made.with_name("forged.html")
        path.write_text(html, encoding="utf-8")
        path.with_suffix(".json").write_text(beside if numbers is None else json.dumps(numbers), encoding="utf-8")
        return ab.verify_report(path, cohort)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verification, "make_again", lambda *arguments, **options: again)
        yield call


def resealed(html: str, change: Change = lambda manifest: None) -> str:
    manifest = read_manifest(html, name="page")
    change(manifest)
    return embed(MANIFEST.sub(EMPTY, html), {key: manifest[key] for key in manifest if key not in ("page", "digest")})


@pytest.mark.slow
def test_every_number_of_the_section_is_compared(made: Path, verify: Callable[..., ab.Verification]) -> None:
    """Of its words, tables, captions and descriptions; that of a drawing's places is a hundredth of a point."""
    html, chance = made.read_text("utf-8"), random.Random(2)
    assert verify(html).problems == ()
    section = re.search(r'<section id="missing".*?</section>', html, re.DOTALL)
    assert section
    texts = [one.span(1) for one in re.finditer(r">([^<]*\d[^<]*)<", section[0])]
    at = [section.start() + k for first, last in texts for k in range(first, last) if section[0][k].isdigit()]
    assert len(at) > 100
    for place in chance.sample(at, 30):
        digit = str((int(html[place]) + chance.randrange(1, 9)) % 10)
        assert verify(resealed(html[:place] + digit + html[place + 1 :])).problems, html[place - 40 : place + 20]


@pytest.mark.slow
def test_every_number_of_its_json_is_compared(made: Path, verify: Callable[..., ab.Verification]) -> None:
    numbers = json.loads(made.with_suffix(".json").read_text("utf-8"))
    told = numbers["missing"]
    leaves = [(one, key) for one in [*told["columns"], *told["patterns"], *told["shifted"]] for key in one]
    leaves += [(one["observed"], "mean") for one in told["columns"] if "observed" in one]
    leaves += [(turn, "nearest") for one in told["shifted"] for turn in one["turns"]]
    html = made.read_text("utf-8")
    for holder, key in leaves:
        kept = holder[key]
        holder[key] = [kept, "changed"]
        assert verify(html, numbers).problems, key
        holder[key] = kept


@pytest.mark.slow
def test_a_manifest_with_other_columns_is_a_problem_and_no_traceback(
    made: Path, verify: Callable[..., ab.Verification]
) -> None:
    """Its rows were read by the columns of the refit: a KeyError, after fits with four other seeds."""
    html = made.read_text("utf-8")
    columns = read_manifest(html, name="page")["columns"]
    for place in range(1, len(columns)):

        def rename(manifest: dict[str, Any], place: int = place) -> None:
            manifest["columns"][place] += "x"

        assert any("other columns" in problem for problem in verify(resealed(html, rename)).problems), columns[place]
