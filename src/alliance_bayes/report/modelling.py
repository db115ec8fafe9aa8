"""The model in words and in symbols, its priors with their reasons, and what the data made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Prior, StatedPrior
from alliance_bayes.report.counts import hidden_parameters
from alliance_bayes.report.figure_data import written
from alliance_bayes.report.figures import Panel, prior_panels
from alliance_bayes.report.model_graph import model_graph
from alliance_bayes.report.model_words import equations, meaning
from alliance_bayes.report.prior_density import prior_density
from alliance_bayes.report.privacy import identifying
from alliance_bayes.report.sections import Picture, Section
from alliance_bayes.report.svg import draw
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import MINUS, clean, exact
from alliance_bayes.report.words import (
    column_name,
    factor_name,
    family_sentence,
    pooling_sentence,
    smooth_sentence,
    term_name,
)

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["modelling", "prior_table", "stated_as"]

MOST_PANELS = 12


def modelling(view: View) -> Section:
    """The section."""
    fit, withheld = view.fit, view.withheld
    design, card, stated_priors = fit.design, fit.spec.card, _stated(fit)
    centres = Table.of(
        "table-centres",
        "Values subtracted from the predictors, so that the intercept and the slopes of groups have a meaning",
        ("Predictor", "Value", "Where it comes from"),
        [
            (
                column_name(name),
                exact(value),
                "asked for by the analyst"
                if name in fit.spec.centre
                else "mean of those analysed"
                if design.formula.is_centred(name)
                else "not centred: no intercept would take up the mean",
            )
            for name, value in design.centres.items()
        ],
        words=(2,),
    )
    context = {
        "question": clean(card.question),
        "estimand": clean(card.estimand),
        "assumptions": [clean(item) for item in card.assumptions],
        "sources": [clean(item) for item in card.sources],
        "formula": clean(fit.spec.formula),
        "outcome": column_name(design.outcome.name),
        "family": design.family.title,
        "sentence": family_sentence(design),
        "factors": [(factor_name(factor.name), pooling_sentence(factor)) for factor in design.factors]
        + [(column_name(smooth.column), smooth_sentence(smooth)) for smooth in design.smooths],
        "equations": equations(design),
        "centres": centres,
        "prior_set": clean(fit.spec.prior_set),
        "priors": prior_table(fit, "table-priors", "Priors, each with its reason"),
        "prior_check": view.checked.repeated_in("model"),
        "graph": model_graph(view, stated_priors),
        "picture": None if withheld else _prior_picture(fit, view.small),
        "withheld": withheld,
    }
    numbers = {
        "priors": [
            {"parameter": name, "prior": stated.prior.exact, "reason": stated.reason}
            for name, stated in stated_priors.items()
        ],
        "centres": dict(design.centres),
    }
    return Section("model", "Model and priors", "model.html", context, {"model": numbers})


def prior_table(fit: FittedModel, name: str, caption: str) -> Table:
    """Every prior of a model with its reason."""
    rows = [
        (clean(parameter), meaning(fit.design, parameter), stated_as(stated.prior), clean(stated.reason))
        for parameter, stated in _stated(fit).items()
    ]
    return Table.of(name, caption, ("Parameter", "Meaning", "Prior", "Reason"), rows, words=(1, 3))


def _stated(fit: FittedModel) -> dict[str, StatedPrior]:
    """The priors by name; those of levels that may be one person each are stated once, without a name."""
    residual = fit.design.residual
    if residual is None or not identifying(fit, residual.name):
        return dict(fit.priors)
    hidden = {name: stated for name, stated in fit.priors.items() if name in residual.parameters}
    kinds = dict.fromkeys(hidden.values())
    named = {f"sigma{'' if len(kinds) == 1 else f' {n}'}": stated for n, stated in enumerate(kinds, start=1)}
    return {name: stated for name, stated in fit.priors.items() if name not in hidden} | named


def stated_as(prior: Prior) -> str:
    """A prior with four digits of each number; the JSON has all of them."""
    return f"{prior.distribution}({', '.join(f'{value:.4g}' for value in prior.parameters)})".replace("-", MINUS)


def _prior_picture(fit: FittedModel, small: int) -> Picture | None:
    panels, rows = [], []
    for name, title, draws in _parameters(fit, small)[:MOST_PANELS]:
        stated = fit.priors[name].prior
        if (known := prior_density(stated)) is not None:
            density, centre, spread = known
            panels.append(Panel(title, density, draws, stated.support == "positive", spread, centre))
            quantiles = (written(value) for value in np.quantile(draws, [0.055, 0.5, 0.945]))
            rows.append((title, stated_as(stated), written(float(draws.mean())), *quantiles))
    if not panels:
        return None
    painter, size = prior_panels(panels)
    title = "Prior and posterior of the main parameters"
    names = ", ".join(panel.title for panel in panels)
    markup = draw(
        painter,
        name="prior-posterior",
        title=title,
        description=f"Dashed prior density and filled posterior density of {names}.",
        size=size,
    )
    caption = (
        "Dashed: prior. Filled: posterior. Where both have the same shape, the data said little about that parameter; "
        "where the dashed line is flat, the prior said little. Heights are scaled to each panel."
    )
    data = Table.of(
        "prior-posterior-data",
        title,
        ("Parameter", "Prior", "Posterior mean", "5.5%", "50%", "94.5%"),
        rows,
        words=(1,),
        note="The last columns are quantiles of the posterior.",
    )
    return Picture(title, caption, markup, data)


def _parameters(fit: FittedModel, small: int) -> list[tuple[str, str, Any]]:
    """Prior-table name, title and draws: the focal slope first, the others in the order of the priors."""
    design, draws = fit.design, fit.stacked
    focal, hidden = fit.spec.focal_predictor(design), hidden_parameters(fit, small)
    terms = sorted(
        (term for term in design.terms if term not in hidden),
        key=lambda term: (term != focal, term == "Intercept"),
    )
    found: list[tuple[str, str, Any]] = [
        (
            term,
            "intercept" if term == "Intercept" else f"slope: {term_name(term)}",
            draws["beta"][:, design.terms.index(term)],
        )
        for term in terms
    ]
    titles = {name: own.title for name, own in design.family.parameters.items() if own.title}
    for name in titles:
        if name == "sigma" and design.residual is not None:
            if identifying(fit, design.residual.name):
                continue
            named = zip(design.residual.parameters, design.residual.levels, draws[name].T, strict=True)
            own = [one for one in named if one[0] not in hidden]
            found += [(parameter, f"{titles[name]}: {clean(level)}", values) for parameter, level, values in own]
        else:
            found.append((name, titles[name], draws[name]))
    for factor in design.factors:
        for position, term in enumerate(factor.terms):
            what = "level" if term == "Intercept" else "slope"
            title, name = f"{what} SD: {factor_name(factor.name)}", f"tau_{factor.name}[{term}]"
            if name in hidden:
                continue
            found.append((name, title, draws[f"tau_{factor.name}"][:, position]))
    for smooth in design.smooths:
        name = f"tau_{smooth.name}"
        found.append((name, f"SD of the bend: {column_name(smooth.column)}", draws[name]))
    return found
