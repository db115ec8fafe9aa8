"""The model written out: its equations line by line, and what each parameter means."""

from __future__ import annotations

from alliance_bayes.model import Column, Design
from alliance_bayes.report.text import MINUS, clean, exact
from alliance_bayes.report.words import column_name, factor_name, term_name, unit_of, units

__all__ = ["equations", "meaning"]

_LINEAR = "the linear predictor"


def equations(design: Design, *, centres: bool = True) -> tuple[str, ...]:
    """Lines of plain text: likelihood, linear predictor, distribution of every factor's and smooth's effects.

    Parameters
    ----------
    design
        The model's design.
    centres
        Whether the values subtracted from predictors are written as numbers. Beside each other, the means over rows
        of models that share most of them give the sum over the others.
    """
    sigma = "σ" if design.residual is None else f"σ[{clean(design.residual.name)}]"
    lines = [
        design.family.equation.format(y=clean(design.outcome.name), sigma=sigma, trials=clean(design.trials or ""))
    ]
    parts = [f"β[{clean(c.label)}]{_columns(c, design, centres)}" for c in design.columns]
    parts += [
        f"u[{clean(f.name)}, {clean(c.label)}]{_columns(c, design, centres)}" for f in design.factors for c in f.columns
    ]
    for smooth in design.smooths:
        column = clean(smooth.column)
        parts.append(f"Σₖ u[s({column}), k] · Bₖ({column})")
    for offset in design.formula.offsets:
        parts.append(_less(offset.name, design, centres))
    lines.append("η = " + " + ".join(parts))
    for factor in design.factors:
        name = clean(factor.name)
        how = (
            f"Normal(0, τ[{name}])"
            if not factor.correlated
            else f"MultivariateNormal(0, τ[{name}], correlation ρ[{name}])"
        )
        total = ", summing to zero over the levels" if factor.exhaustive else ""
        lines.append(f"u[{name}] ~ {how} for each of {len(factor.levels)} levels{total}")
    for smooth in design.smooths:
        name = f"s({clean(smooth.column)})"
        lines.append(f"u[{name}] ~ Normal(0, τ[{name}]) for each of {smooth.size} natural cubic splines Bₖ")
    return tuple(lines)


def _columns(column: Column, design: Design, centres: bool) -> str:
    """What a coefficient multiplies: nothing for an intercept, centred columns, indicators of levels."""
    if column.order == 0:
        return ""
    return "".join(
        f" · {_less(part, design, centres)}" if part in column.numeric else f" · 1[{clean(part)}]"
        for part in _split(column)
    )


def _less(part: str, design: Design, centres: bool) -> str:
    """A numeric component less its centring value."""
    value = design.centres[part]
    if value == 0.0 and not design.formula.is_centred(part):
        return clean(part)
    return f"({clean(part)} {MINUS} {exact(value) if centres else f'mean {clean(part)}'})"


def _split(column: Column) -> list[str]:
    return column.label.split(":") if column.order > 1 else [column.label]


def meaning(design: Design, parameter: str) -> str:
    """One clause for a parameter as the prior table names it."""
    own_scale = design.family.link == "identity"
    unit = units(unit_of(design, design.outcome.name)) if own_scale else "units of the linear predictor"
    outcome = column_name(design.outcome.name)
    if parameter == "Intercept":
        return (
            f"expected {outcome} at the centring values, {unit}" if own_scale else f"{_LINEAR} at the centring values"
        )
    fixed = {name: own.meaning.format(unit=unit) for name, own in design.family.parameters.items()}
    if design.residual is not None and parameter.startswith("sigma "):
        return f"{fixed['sigma']}, at some levels of {column_name(design.residual.name)}"
    if parameter in fixed:
        return fixed[parameter]
    if design.residual is not None and parameter in design.residual.parameters:
        level = design.residual.levels[design.residual.parameters.index(parameter)]
        return f"{fixed['sigma']}; {column_name(design.residual.name)}: {clean(level)}"
    for factor in design.factors:
        name = factor_name(factor.name)
        if parameter == f"corr_{factor.name}":
            return f"correlation between the effects of a {name}"
        for term in factor.terms:
            if parameter == f"tau_{factor.name}[{term}]":
                what = "the outcome’s level" if term == "Intercept" else f"the slope of {term_name(term)}"
                return f"SD of {what} over {name}"
    for smooth in design.smooths:
        if parameter == f"tau_{smooth.name}":
            return f"SD of the departure from a straight line along {column_name(smooth.column)}, {unit}"
    column = next((c for c in design.columns if c.label == parameter), None)
    if column is not None and len(column.numeric) == 1 and column.order == 1:
        what = outcome if own_scale else _LINEAR
        return f"difference in {what} per {unit_of(design, column.numeric[0])}"
    return f"coefficient of {term_name(parameter)}"
