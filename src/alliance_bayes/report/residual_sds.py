"""How large the residual SD is at each level that it differs by, or at low and high values of what it differs along."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from alliance_bayes.effects import EffectTable, Estimate, Measure
from alliance_bayes.effects.options import make_options
from alliance_bayes.effects.summary import Fixed, summarise
from alliance_bayes.fit import FittedModel
from alliance_bayes.model.nodes import columns_of
from alliance_bayes.report.estimates import text_of
from alliance_bayes.report.privacy import identifying
from alliance_bayes.report.rows import Column, effect_table, estimate_columns
from alliance_bayes.report.small_counts import hidden_levels, hidden_parameters
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import Row, clean, column_name, exact, unit_of, units
from alliance_bayes.report.untold import untold

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["residual_sd_effects", "residual_sds"]

_SD, _RATIO = "residual_sd", "residual_sd_ratio"


def residual_sds(view: View, rows: EffectTable) -> Table:
    """The rows as the page has them."""
    design, estimates = view.fit.design, view.estimated("variance", rows)
    unit = units(unit_of(design, design.outcome.name))
    along = "" if design.sigma is None else " with everybody at a value, root mean square over those analysed"
    return effect_table(
        "table-residual-sds",
        f"Residual SD σ ({unit}){along}; and how many times as large",
        estimates.table,
        [Column("Quantity", _label, words=True), *estimate_columns(estimates, estimates.table, judged=())],
    )


def residual_sd_effects(fit: FittedModel, *, prob: float, small: int) -> EffectTable | None:
    """The estimates; None where the residual SD does not differ, or along nothing that may be told."""
    if fit.design.residual is None and fit.design.sigma is None:
        return None
    sds = list(_by_level(fit, small) if fit.design.sigma is None else _estimates(fit, small))
    return summarise(sds, make_options(fit, prob=prob)) if sds else None


def _label(row: Row) -> str:
    name, level, versus = (text_of(row, key) for key in ("factor", "level", "versus"))
    column = column_name(name)
    if row["estimand"] == _RATIO:
        return f"{column}: {clean(level)} over {clean(versus)}, ratio of SDs"
    return f"{column}: {clean(level)}"


def _by_level(fit: FittedModel, small: int) -> Iterator[Estimate]:
    """The residual SD of each level that may be told."""
    residual = fit.design.residual
    assert residual is not None
    if identifying(fit, residual.name):
        return
    hidden = hidden_parameters(fit, small)
    yield from _rows(
        fit,
        residual.name,
        {
            level: fit.stacked["sigma"][:, place]
            for place, (level, parameter) in enumerate(zip(residual.levels, residual.parameters, strict=True))
            if parameter not in hidden
        },
    )


def _estimates(fit: FittedModel, small: int) -> Iterator[Estimate]:
    design, of_sigma = fit.design, fit.design.sigma
    assert of_sigma is not None
    hidden, quiet, few = hidden_parameters(fit, small), untold(fit, small), hidden_levels(fit, small)
    for name in of_sigma.formula.columns[1:]:
        # What is not said of a coefficient is not said in other words.
        parameters = [f"gamma[{column.label}]" for column in of_sigma.columns if name in _parts(fit, column.term)]
        levelled = isinstance(design.frame[name].dtype, pd.CategoricalDtype)
        if hidden & {*parameters, "sigma"} or name in quiet or (levelled and identifying(fit, name)):
            continue
        settings = _settings(fit, name)
        if few.get(name, frozenset()) & settings.keys():
            continue
        draws = {label: _root_mean_square(fit, name, value) for label, value in settings.items()}
        yield from _rows(fit, name, draws)


def _rows(fit: FittedModel, name: str, draws: Mapping[str, np.ndarray]) -> Iterator[Estimate]:
    """SDs at the values or levels of a column, and how many times as large as at the first the others are."""
    unit, first = unit_of(fit.design, fit.design.outcome.name), next(iter(draws), "")
    for label, values in draws.items():
        yield Estimate(
            _SD, Fixed(fit.with_chains(values)), unit, factor=name, level=label, measure=Measure("Residual SD")
        )
    for label, values in list(draws.items())[1:]:
        yield Estimate(
            _RATIO,
            Fixed(fit.with_chains(values / draws[first])),
            "ratio",
            factor=name,
            level=label,
            versus=first,
            measure=Measure("Ratio of residual SDs"),
        )


def _parts(fit: FittedModel, term: str) -> set[str]:
    """Columns of the table that a term of the residual SD is made of."""
    assert fit.design.sigma is not None
    calls = {call.name: columns_of(call) for call in fit.design.sigma.formula.calls}
    return {name for part in term.split(":") for name in calls.get(part, (part,))}


def _settings(fit: FittedModel, name: str) -> dict[str, float | str]:
    """Values of a column, by what they are called: a low and a high one of a number, the levels of others."""
    design = fit.design
    if isinstance(design.frame[name].dtype, pd.CategoricalDtype):
        return {str(level): str(level) for level in design.frame[name].cat.categories}
    ends = (0.0, 1.0) if design.is_indicator(name) else fit.spec.declared_contrast(design, name)
    if ends is None:
        low, high = fit.quantiles(name, (0.1, 0.9))
        ends = low, high
    return {exact(value): value for value in ends}


def _root_mean_square(fit: FittedModel, name: str, value: float | str) -> np.ndarray:
    """The residual SD with everybody at a value, root mean square over the analysed rows, shape (n_draws,)."""
    frame = fit.design.frame.copy()
    same = [value] * len(frame)
    frame[name] = pd.Series(same).astype(frame[name].dtype).array if isinstance(value, str) else same
    rows = fit.design.evaluate(frame, counterfactual=True)
    each = (fit.parameters_at(which, rows)["sigma"] for which in fit.blocks(rows.n))
    return np.sqrt(np.concatenate([np.average(sigma**2, axis=1, weights=fit.design.weights) for sigma in each]))
