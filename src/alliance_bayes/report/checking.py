"""The sections of the checks: those of draws and model, and those that change a choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from alliance_bayes.checks import run_checks
from alliance_bayes.checks.power_scaling import LIMIT
from alliance_bayes.checks.stated import MOVED, RATIO
from alliance_bayes.effects import EffectTable
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.checked import Checked, Item
from alliance_bayes.report.drawn import is_imputed
from alliance_bayes.report.sections import Section
from alliance_bayes.report.view import View
from alliance_bayes.wording import Wording

__all__ = ["checking", "sensitivity"]

SENTENCES = Wording("alliance_bayes.report", "sentences/checking.toml")


def checking(view: View) -> Section:
    """The section of the checks of draws and model; its numbers are those of all checks."""
    numbers = {"checks": [item.numbers for item in view.checked.items]}
    return _of_checks(view, "checks", "Whether to trust it", numbers)


def sensitivity(view: View) -> Section | None:
    """The section of the checks that change a choice; None where none was run."""
    return _of_checks(view, "sensitivity", "Sensitivity", {}) if view.checked.in_section("sensitivity") else None


def _of_checks(view: View, section: str, title: str, numbers: Mapping[str, Any]) -> Section:
    items = view.checked.in_section(section)
    limits = {"limit": f"{LIMIT:g}", "moved": f"{MOVED:g}", "ratio": f"{1 + RATIO:g}"}
    context = {"items": items, "introduction": SENTENCES(section, imputed=is_imputed(view.fit), **limits)}
    rows = _refits(items)
    remake = None if rows is None else partial(_refits_of, view, items)
    return Section(section, title, "checks.html", context, numbers, rows, remake)


def _refits(items: Sequence[Item]) -> EffectTable | None:
    """The rows of all refits, under their checks' names; None where there are none."""
    estimated = [item.rows.under(item.name) for item in items if item.rows is not None]
    return EffectTable.concat(estimated) if estimated else None


def _refits_of(view: View, items: Sequence[Item], fit: FittedModel) -> EffectTable | None:
    """The same of another fit, by the checks that a view shows; its own are at hand."""
    if fit is not view.fit:
        settings = {key: value for key, value in (view.checks.asked or {}).items() if key in ("rate", "seed")}
        report = run_checks(fit, checks=[item.check for item in items], **settings)
        items = Checked.of(fit, replace(report, gate=view.checks.gate), view.redact, view.small).items
    return _refits(items)
