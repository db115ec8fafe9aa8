"""Where the data come from, who was left out, and who was analysed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alliance_bayes.fit import FittedModel
from alliance_bayes.report.left_out import ShownFlow
from alliance_bayes.report.sections import Section
from alliance_bayes.report.table_one import table_one
from alliance_bayes.report.text import clean, count, percent

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["describe", "participants"]


def participants(view: View) -> Section:
    """The section."""
    return describe(view.fit, view.small)


def describe(fit: FittedModel, small: int) -> Section:
    """The people of a fit; counts below `small` are not shown."""
    table, numbers = table_one(fit, small)
    flow = ShownFlow.of(fit.flow, small)
    stages = [("stage", f"{flow.participants} participants in the table")]
    stages += [("left", f"{size} left out: {clean(reason)}") for reason, size in flow.steps]
    share = f" ({percent(flow.analysed / flow.total, 1)})" if flow.total else ""
    stages.append(("stage final", f"{count(flow.analysed)} analysed{share}"))
    context = {
        "source": clean(fit.info.get("cohort_source", "not recorded")),
        "stages": stages,
        "hidden": flow.total is None,
        "small": small,
        "table": table,
    }
    return Section("data", "Who was studied", "data.html", context, {"participants": {**flow.numbers, **numbers}})
