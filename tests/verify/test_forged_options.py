"""Pages whose options are forged, or whose conclusions are withheld, held to whole refits, of which none is shared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from markupsafe import escape

import alliance_bayes as ab
from verify.test_forged_imputed import resealed, rows


def test_numbers_of_checks_of_a_withheld_page_are_compared(tmp_path: Path) -> None:
    """No estimate says whose draws the refit has: it was held against other draws, and any number of a check passed."""
    cohort, path = ab.read_cohort(rows()), tmp_path / "page.html"
    fit = ab.Model("y ~ x + w", missing="impute", focal="x").fit(cohort, seed=11, draws=25, progress=False)
    checks = fit.check(effects=fit.effects(["slopes"]), checks=["convergence"])
    page = ab.Report(sections=["checks", "missing"]).render(fit, effects=fit.effects(["slopes"]), checks=checks)
    assert page.withheld
    page.write(path)
    beside = path.with_suffix(".json")
    numbers = json.loads(beside.read_text("utf-8"))
    assert ab.verify_report(path, cohort).problems == ()
    (check,) = numbers["checks"]
    for holder, key, value in (
        (check["details"][0], "rhat", check["details"][0]["rhat"] + 0.001),
        (check["details"][-1], "ess_bulk", check["details"][-1]["ess_bulk"] * 1.05),
        (check["table"][0], "verdict", "info"),
        (check["details"][0], "kind", "other"),
    ):
        kept, holder[key] = holder[key], value
        beside.write_text(json.dumps(numbers), encoding="utf-8")
        (problem,) = ab.verify_report(path, cohort).problems
        assert problem.startswith(f"JSON /checks/0/{'table' if holder is check['table'][0] else 'details'}/"), problem
        assert problem.split(":")[0].endswith(f"/{key}")
        holder[key] = kept


@pytest.mark.slow
@pytest.mark.parametrize("name", ["error", "reliability", "auxiliary", "missing", "sigma"])
def test_what_was_asked_is_what_the_numbers_follow_from(name: str, tmp_path: Path) -> None:
    """Another error, no auxiliary column or another model of the residual SD in the card, of page and manifest."""
    cohort, path = ab.read_cohort(rows()), tmp_path / "page.html"
    asked: dict[str, tuple[dict[str, Any], str, str]] = {
        "error": ({"missing": "impute", "error": {"x": 0.4}}, "x = 0.4\n", "x = 0.1\n"),
        "reliability": ({"missing": "impute", "reliability": {"x": 0.7}}, "x = 0.7\n", "x = 0.95\n"),
        "auxiliary": ({"missing": "impute", "auxiliary": ("aux",)}, 'auxiliary = [\n    "aux",\n]\n', ""),
        "missing": ({"missing": "impute"}, 'missing = "impute"\n', ""),
        "sigma": ({"sigma": "~ x"}, 'sigma = "~ x"\n', ""),
    }
    options, stated, forged = asked[name]
    fit = ab.Model("y ~ x + w", focal="x", **options).fit(cohort, seed=11, draws=500, progress=False)
    effects = fit.effects(["slopes"])
    checks = fit.check(effects=effects, checks=["convergence"])
    ab.Report(sections=["model", "effects", "reproduction"]).render(fit, effects=effects, checks=checks).write(path)
    html = path.read_text("utf-8")
    assert ab.verify_report(path, cohort).problems == ()

    def change(manifest: dict[str, Any]) -> None:
        assert stated in manifest["card"]
        manifest["card"] = manifest["card"].replace(stated, forged)

    assert str(escape(stated)) in html
    path.write_text(resealed(html.replace(str(escape(stated)), str(escape(forged))), change), encoding="utf-8")
    assert ab.verify_report(path, cohort).problems
