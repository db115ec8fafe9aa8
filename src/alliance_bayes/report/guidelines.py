"""Two reporting guidelines, filled from what was really done: the item, where it is in the page, and its status."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from markupsafe import Markup

from alliance_bayes.report.checked import WITHHELD, Item
from alliance_bayes.report.sections import Section
from alliance_bayes.report.tables import Table
from alliance_bayes.wording import Wording, read_wording

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["DONE", "NOT_APPLICABLE", "NOT_DONE", "WITHHELD", "Ground", "answered_by", "filled", "guidelines"]

DONE, NOT_DONE, NOT_APPLICABLE = "done", "not done", "not applicable"
NOWHERE = Markup("–")
_FILE = ("alliance_bayes.report", "sentences/guidelines.toml")
type Row = tuple[str, str | Markup, str]


@dataclass(frozen=True)
class Ground:
    """What a page has, which decides the status of every item.

    Parameters
    ----------
    where
        Links to those of the sections ("data", "model", "effects", "groups", "variance", "reproduction") that the page
        has; None where it has none of them.
    checked
        The check that answers an item ("BARG 1E") and is shown, and the link to it; None where there is none.
    withheld
        Whether estimates are withheld.
    stated
        Whether a question or an estimand is stated.
    rope
        Whether estimates are judged by a region of practical equivalence.
    seeded
        Whether the seed is known.
    correlated
        Whether effects of a level are correlated, so that there is a prior of a matrix.
    densities
        Whether marginal posteriors are drawn.
    """

    where: Callable[..., Markup | None]
    checked: Callable[[str], tuple[Item, Markup] | None]
    withheld: bool
    stated: bool
    rope: bool
    seeded: bool
    correlated: bool
    densities: bool = True

    @cached_property
    def status(self) -> Mapping[str, str]:
        """What an item's status says on this page."""
        results = WITHHELD if self.withheld else DONE
        return {status: status for status in (DONE, NOT_DONE, NOT_APPLICABLE)} | {
            "results": results,
            "stated": DONE if self.stated else NOT_DONE,
            "seeded": DONE if self.seeded else NOT_DONE,
            "rope": results if self.rope or self.withheld else NOT_APPLICABLE,
            "drawn": results if self.densities else NOT_DONE,
            "multivariate": NOT_DONE if self.correlated else NOT_APPLICABLE,
        }

    def rows(self, guideline: str) -> list[Row]:
        """The items of a guideline: where each is in the page, and its status."""
        return [self._row(guideline.upper(), **item) for item in read_wording(*_FILE)[guideline]]

    def _row(
        self, guideline: str, item: str, where: Sequence[str] = (), status: str = DONE, check: bool = False
    ) -> Row:
        verdict = self.status[status]
        if check:
            answer, link = self.checked(f"{guideline} {item.partition(' ')[0]}") or (None, None)
            verdict = WITHHELD if answer is not None and answer.verdict == WITHHELD else verdict
        else:
            link = self.where(*where)
        if verdict == NOT_APPLICABLE:
            return item, NOWHERE, verdict
        return (item, NOWHERE, NOT_DONE) if link is None or verdict == NOT_DONE else (item, link, verdict)


@Section.last("guidelines")
def guidelines(view: View) -> Section:
    """The Bayesian Analysis Reporting Guidelines and the WAMBS checklist, filled for the report of a fit."""

    def where(*sections: str) -> Markup | None:
        return view.link(*sections) if any(name in view.order for name in sections) else None

    def checked(item: str) -> tuple[Item, Markup] | None:
        answer = view.checked.answering(item)
        if answer is None or answer.check.section not in view.order:
            return None
        return answer, answered_by(answer, view.place(answer.check.section))

    fit, card = view.fit, view.fit.spec.card
    return filled(
        Ground(
            where,
            checked,
            withheld=view.withheld,
            stated=bool(card.question or card.estimand),
            rope=not view.withheld and bool(view.estimates.table["p_rope"].notna().any()),
            seeded=isinstance(fit.info.get("seed"), int),
            correlated=any(factor.correlated for factor in fit.design.factors),
        )
    )


def answered_by(item: Item, place: str) -> Markup:
    """Where the check stands that answers an item, linked."""
    return Markup('{}: <a href="#{}">{}</a>').format(place, item.id, item.title)


def filled(ground: Ground) -> Section:
    """Both guidelines, item by item.

    References
    ----------
    Kruschke (2021), Nature Human Behaviour 5:1282-1291, doi 10.1038/s41562-021-01177-7; Depaoli and van de Schoot
    (2017), Psychological Methods 22(2):240-261, doi 10.1037/met0000065; van de Schoot et al. (2021), Nature Reviews
    Methods Primers 1:1, doi 10.1038/s43586-020-00001-2.
    """
    rows = {name: ground.rows(name) for name in ("barg", "wambs")}
    undone = [item for of in rows.values() for item, _, status in of if status == NOT_DONE]
    headings, sentences = ("Item", "Where", "Status"), Wording(*_FILE)
    tables = [
        Table.of(f"table-{name}", sentences(f"{name}_caption"), headings, of, words=(1, 2)) for name, of in rows.items()
    ]
    return Section.of(
        "guidelines",
        "Reporting guidelines",
        sentences("note"),
        *tables,
        numbers={
            "guidelines": {
                **{name: {item: status for item, _, status in of} for name, of in rows.items()},
                "not_done": list(dict.fromkeys(undone)),
            }
        },
    )
