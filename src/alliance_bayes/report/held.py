"""What a finding was tried with, and whether it held: other priors, groups left out, and what was not examined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from markupsafe import Markup

from alliance_bayes.checks.refits import NUMBERS, called_difference
from alliance_bayes.checks.sensitivity import SHIFT, numbers_of, prior_driven
from alliance_bayes.report.checked import Item
from alliance_bayes.report.complete_rows import compared_with
from alliance_bayes.report.dropped import Dropped
from alliance_bayes.wording import Wording

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["Mark", "is_of_contrast", "marks_of", "under_priors"]

SENTENCES = Wording("alliance_bayes.report", "sentences/summary.toml")
_SIGNS = {"pass": "✓", "warn": "!", "fail": "✕"}


@dataclass(frozen=True)
class Mark:
    """What a finding was tried with, whether it held, and where the evidence is; no verdict where it was not tried."""

    label: str
    verdict: str = ""
    where: str = ""

    @property
    def markup(self) -> Markup:
        """As the table has it: a sign, and a word for those who cannot see it."""
        sign = Markup('<span aria-hidden="true">{}</span>').format(_SIGNS.get(self.verdict, "–"))
        text = Markup('<span class="unseen">{}</span>').format(self.verdict or SENTENCES("not_examined"))
        if not self.verdict:
            return Markup('<span class="mark">{}{}</span>').format(sign, text)
        return Markup('<a class="mark {}" href="#{}">{}{}</a>').format(self.verdict, self.where, sign, text)


def is_of_contrast(row: pd.Series, called: str) -> bool:
    """Whether a number of the check of the priors is the declared contrast, by what it is called there."""
    if isinstance(row["level"], str):
        return called == called_difference(str(row["factor"]), "mean", str(row["level"]), str(row["versus"]))
    return called in NUMBERS.values()


def marks_of(
    view: View, about: Callable[[str], bool], *, main: bool = False, cost: Dropped | None = None
) -> tuple[Mark, ...]:
    """What an estimate of one model was tried with.

    Parameters
    ----------
    view
        The report's.
    about
        Which numbers of the check of the priors are of the estimate, by what they are called there.
    main
        Whether it is what the model is asked, which is what groups are left out for.
    cost
        What leaving rows out costs the estimate, where that was tried.
    """
    items = {item.name: item for item in view.checked.completed}
    priors, groups = items.get("prior_sensitivity"), items.get("influence") if main else None
    prior_mark = under_priors(priors, about, main=main)
    # What found nobody to leave out has examined nothing.
    without = "" if groups is None or groups.verdict not in _SIGNS else groups.verdict
    marks = (
        Mark(SENTENCES("priors"), prior_mark, "" if priors is None else priors.id),
        Mark(SENTENCES("groups"), without, "" if groups is None else groups.id),
    )
    comparison = compared_with(view) if main and view.fit.imputation is not None else None
    values = Mark(SENTENCES("missing"))
    if comparison is not None:
        values = Mark(values.label, comparison.verdict, "missing")
    elif cost is not None and cost.verdict:
        values = Mark(values.label, cost.verdict, "findings")
    return (*marks, Mark(SENTENCES("families")), values)


def under_priors(item: Item | None, about: Callable[[str], bool], *, main: bool) -> str:
    """Whether the numbers that an estimate is made of depend on the priors; empty where none was tried."""
    if (
        item is None
        or "depends" not in (numbers := numbers_of(item.result))
        or not any(map(about, numbers["quantity"]))
    ):
        return ""
    driven = any(map(about, prior_driven(numbers)))
    refits = item.result.table
    if main and "settled" in refits:
        rows = refits[[about(str(quantity)) for quantity in refits["quantity"]]] if "quantity" in refits else refits
        driven |= rows["settled"].nunique() > 1 or bool((rows["shift"].abs() >= SHIFT).any())
    return "warn" if driven else "pass"
