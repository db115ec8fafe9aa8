"""Two reporting guidelines, filled from what was really done: the item, where it is in the page, and its status."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from markupsafe import Markup

from alliance_bayes.report.sections import Section
from alliance_bayes.report.tables import Table

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["DONE", "NOT_APPLICABLE", "NOT_DONE", "WITHHELD", "Ground", "filled", "guidelines"]

DONE, NOT_DONE, NOT_APPLICABLE, WITHHELD = "done", "not done", "not applicable", "withheld"
NOWHERE = Markup("–")
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
        Link to the check that answers an item ("BARG 1E") and is shown; None where there is none.
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
    checked: Callable[[str], Markup | None]
    withheld: bool
    stated: bool
    rope: bool
    seeded: bool
    correlated: bool
    densities: bool = True

    @property
    def results(self) -> str:
        """Status of what estimates show."""
        return WITHHELD if self.withheld else DONE

    def part(self, item: str, *sections: str, status: str = DONE) -> Row:
        """An item that sections of the page hold."""
        link = self.where(*sections)
        if link is None:
            return item, NOWHERE, NOT_DONE
        return item, NOWHERE if status == NOT_DONE else link, status

    def check(self, guideline: str, item: str) -> Row:
        """An item that is a check: done where one that answers it was run and the page shows it."""
        link = self.checked(f"{guideline} {item.partition(' ')[0]}")
        return (item, NOWHERE, NOT_DONE) if link is None else (item, link, DONE)


@Section.last("guidelines")
def guidelines(view: View) -> Section:
    """The Bayesian Analysis Reporting Guidelines and the WAMBS checklist, filled for the report of a fit."""

    def where(*sections: str) -> Markup | None:
        return view.link(*sections) if any(name in view.order for name in sections) else None

    def checked(item: str) -> Markup | None:
        found = view.checked.answering(item)
        if found is None or found.check.section not in view.order:
            return None
        return Markup('{}: <a href="#{}">{}</a>').format(view.place(found.check.section), found.id, found.title)

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


def filled(ground: Ground) -> Section:
    """Both guidelines, item by item.

    References
    ----------
    Kruschke (2021), Nature Human Behaviour 5:1282-1291, doi 10.1038/s41562-021-01177-7; Depaoli and van de Schoot
    (2017), Psychological Methods 22(2):240-261, doi 10.1037/met0000065; van de Schoot et al. (2021), Nature Reviews
    Methods Primers 1:1, doi 10.1038/s43586-020-00001-2.
    """
    barg, wambs = tuple(_barg(ground)), tuple(_wambs(ground))
    headings = ("Item", "Where", "Status")
    undone = [item for item, _, status in (*barg, *wambs) if status == NOT_DONE]
    note = (
        "Items in words of this report, under the numbers of the guidelines. “Not done” is said of what a guideline "
        "asks for and this page does not have; “not applicable” of what nothing in this analysis calls for."
    )
    return Section.of(
        "guidelines",
        "Reporting guidelines",
        note,
        Table.of(
            "table-barg",
            "Bayesian Analysis Reporting Guidelines (Kruschke 2021)",
            headings,
            barg,
            words=(1, 2),
        ),
        Table.of(
            "table-wambs",
            "WAMBS: when to worry and how to avoid the misuse of Bayesian statistics (Depaoli and van de Schoot 2017; "
            "second version: van de Schoot et al. 2021)",
            headings,
            wambs,
            words=(1, 2),
        ),
        numbers={
            "guidelines": {
                "barg": {item: status for item, _, status in barg},
                "wambs": {item: status for item, _, status in wambs},
                "not_done": list(dict.fromkeys(undone)),
            }
        },
    )


def _barg(ground: Ground) -> Iterable[Row]:
    part, check = ground.part, partial(ground.check, "BARG")
    yield part("Preamble: why a Bayesian analysis", "model")
    yield part("Preamble: goals, question and estimand", "model", status=DONE if ground.stated else NOT_DONE)
    yield part("1A Variables: outcome and predictors", "data", "model")
    yield part("1B Likelihood, its parameters and the hierarchy", "model")
    yield part("1C Priors, each with its reason", "model")
    yield part("1D Formal specification", "model")
    yield check("1E Prior predictive check")
    yield part("2A Software and versions", "reproduction")
    yield check("2B Convergence of the chains, for every parameter and every effect")
    yield check("2C Effective sample size, for every parameter and every effect")
    yield ("2D Computation other than MCMC: its approximations", NOWHERE, NOT_APPLICABLE)
    yield check("3 Posterior predictive check")
    estimates = ("effects", "groups", "variance")
    yield part("3 Posterior: central tendency and interval, kind and probability", *estimates, status=ground.results)
    yield ("3 Bayes factors and probabilities of models", NOWHERE, NOT_APPLICABLE)
    yield ("4 Decisions and loss function", NOWHERE, NOT_APPLICABLE)
    limits = "4 Limits of the region of practical equivalence, with their reason"
    if ground.rope or ground.withheld:
        yield part(limits, "effects", status=ground.results)
    else:
        yield (limits, NOWHERE, NOT_APPLICABLE)
    yield check("5 Sensitivity of the posterior to the priors: of the focal slope")
    yield ("5 Sensitivity of Bayes factors and of probabilities of models", NOWHERE, NOT_APPLICABLE)
    yield part("6 Model card and command to run again", "reproduction")
    yield part("6 Seed and settings of the sampler", "reproduction", status=DONE if ground.seeded else NOT_DONE)
    yield part("6 Fingerprint of the data", "data", "reproduction")
    # The page cannot know what its author publishes.
    yield ("6 Data made available", NOWHERE, NOT_DONE)
    yield ("6 Draws made available", NOWHERE, NOT_DONE)


def _wambs(ground: Ground) -> Iterable[Row]:
    part, check = ground.part, partial(ground.check, "WAMBS")
    yield part("1 Priors and likelihood described", "model")
    yield check("1 Prior predictive check for conflict of priors and data")
    yield check("2 Convergence, by more than one diagnostic")
    yield ("3 Convergence again with twice the iterations", NOWHERE, NOT_DONE)
    yield check("4 Enough draws for the shape of the posterior")
    yield check("5 Autocorrelation: effective sample size of every parameter")
    drawn = ground.results if ground.densities else NOT_DONE
    yield part("6 Marginal posteriors shown, to be judged by the reader", "model", "effects", status=drawn)
    yield check("6 Posterior predictive check")
    multivariate = "7 Sensitivity to multivariate priors of variances and covariances"
    yield (multivariate, NOWHERE, NOT_DONE if ground.correlated else NOT_APPLICABLE)
    yield check("8 Comparison with priors that say little: of the focal slope")
    yield check("9 Sensitivity to the hyperparameters of the priors: all of one number, weighed more and less together")
    yield part(
        "10 Results reported and interpreted as probabilities", "effects", "groups", "variance", status=ground.results
    )
