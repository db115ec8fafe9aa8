"""Two reporting guidelines, filled from what was really done: the item, where it is in the page, and its status."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from markupsafe import Markup

from alliance_bayes.report.checking import SENSITIVITY
from alliance_bayes.report.doing import ran
from alliance_bayes.report.sections import Section
from alliance_bayes.report.tables import Table

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["DONE", "NOT_APPLICABLE", "NOT_DONE", "guidelines"]

DONE, NOT_DONE, NOT_APPLICABLE, WITHHELD = "done", "not done", "not applicable", "withheld"
_NOWHERE = Markup("–")
type Row = tuple[str, str | Markup, str]


def guidelines(view: View) -> Section:
    """The Bayesian Analysis Reporting Guidelines and the WAMBS checklist.

    References
    ----------
    Kruschke (2021), Nature Human Behaviour 5:1282-1291, doi 10.1038/s41562-021-01177-7; Depaoli and van de Schoot
    (2017), Psychological Methods 22(2):240-261, doi 10.1037/met0000065; van de Schoot et al. (2021), Nature Reviews
    Methods Primers 1:1, doi 10.1038/s43586-020-00001-2.
    """
    barg, wambs = tuple(_barg(view)), tuple(_wambs(view))
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


def _barg(view: View) -> Iterable[Row]:
    fit, card = view.fit, view.fit.spec.card
    results = WITHHELD if view.withheld else DONE
    rope = not view.withheld and bool(view.estimates.table["p_rope"].notna().any())
    yield _part(view, "Preamble: why a Bayesian analysis", "model")
    goal = bool(card.question or card.estimand)
    yield _part(view, "Preamble: goals, question and estimand", "model", status=DONE if goal else NOT_DONE)
    yield _part(view, "1A Variables: outcome and predictors", "data", "model")
    yield _part(view, "1B Likelihood, its parameters and the hierarchy", "model")
    yield _part(view, "1C Priors, each with its reason", "model")
    yield _part(view, "1D Formal specification", "model")
    yield _check(view, "1E Prior predictive check", "prior_predictive")
    yield _part(view, "2A Software and versions", "reproduction")
    yield _check(view, "2B Convergence of the chains, for every reported quantity", "convergence")
    yield _check(view, "2C Effective sample size, for every reported quantity", "convergence")
    yield ("2D Computation other than MCMC: its approximations", _NOWHERE, NOT_APPLICABLE)
    yield _check(view, "3 Posterior predictive check", "posterior_predictive")
    yield _part(
        view, "3 Posterior: central tendency and interval, kind and probability", "effects", "groups", "variance",
        status=results,
    )  # fmt: skip
    yield ("3 Bayes factors and probabilities of models", _NOWHERE, NOT_APPLICABLE)
    yield ("4 Decisions and loss function", _NOWHERE, NOT_APPLICABLE)
    if rope or view.withheld:
        yield _part(
            view, "4 Limits of the region of practical equivalence, with their reason", "effects", status=results
        )
    else:
        yield ("4 Limits of the region of practical equivalence, with their reason", _NOWHERE, NOT_APPLICABLE)
    yield _check(view, "5 Sensitivity of the posterior to the priors", "prior_sensitivity")
    yield ("5 Sensitivity of Bayes factors and of probabilities of models", _NOWHERE, NOT_APPLICABLE)
    yield _part(view, "6 Model card and command to run again", "reproduction")
    seed = isinstance(fit.info.get("seed"), int)
    yield _part(view, "6 Seed and settings of the sampler", "reproduction", status=DONE if seed else NOT_DONE)
    yield _part(view, "6 Fingerprint of the data", "reproduction")
    # The page cannot know what its author publishes.
    yield ("6 Data made available", _NOWHERE, NOT_DONE)
    yield ("6 Draws made available", _NOWHERE, NOT_DONE)


def _wambs(view: View) -> Iterable[Row]:
    design = view.fit.design
    correlated = any(factor.correlated for factor in design.factors)
    yield _part(view, "1 Priors and likelihood described", "model")
    yield _check(view, "1 Prior predictive check for conflict of priors and data", "prior_predictive")
    yield _check(view, "2 Convergence, by more than one diagnostic", "convergence")
    yield ("3 Convergence again with twice the iterations", _NOWHERE, NOT_DONE)
    yield _check(view, "4 Enough draws for the shape of the posterior", "convergence")
    yield _check(view, "5 Autocorrelation: effective sample size of every parameter", "convergence")
    results = WITHHELD if view.withheld else DONE
    yield _part(view, "6 Marginal posteriors shown, to be judged by the reader", "model", "effects", status=results)
    yield _check(view, "6 Posterior predictive check", "posterior_predictive")
    multivariate = "7 Sensitivity to multivariate priors of variances and covariances"
    yield _check(view, multivariate, "prior_sensitivity") if correlated else (multivariate, _NOWHERE, NOT_APPLICABLE)
    yield _check(view, "8 Comparison with priors that say little", "prior_sensitivity")
    yield _check(view, "9 Sensitivity to the hyperparameters of the priors", "prior_sensitivity")
    yield _part(
        view, "10 Results reported and interpreted as probabilities", "effects", "groups", "variance",
        status=WITHHELD if view.withheld else DONE,
    )  # fmt: skip


def _part(view: View, item: str, *sections: str, status: str = DONE) -> Row:
    """An item that sections of the page hold."""
    there = any(name in view.order for name in sections)
    return item, view.link(*sections) if there and status != NOT_DONE else _NOWHERE, status if there else NOT_DONE


def _check(view: View, item: str, name: str) -> Row:
    """An item that is a check: done where it was run and the page shows it."""
    found = ran(view, name)
    section = "sensitivity" if name in SENSITIVITY else "checks"
    if found is None or section not in view.order:
        return item, _NOWHERE, NOT_DONE
    place = view.order.index(section) + 1
    return item, Markup('Section {}: <a href="#{}">{}</a>').format(place, found.id, found.title), DONE
