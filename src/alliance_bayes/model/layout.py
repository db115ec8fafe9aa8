"""The variables every engine returns: names, dims and coordinates; and the columns' names that these leave free."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from alliance_bayes.errors import ModelError
from alliance_bayes.model.design import Design
from alliance_bayes.model.design_rows import term_dim
from alliance_bayes.model.families import Family
from alliance_bayes.model.formula import Formula
from alliance_bayes.model.grammar import shown
from alliance_bayes.model.sigma import GAMMA, SIGMA_DIM
from alliance_bayes.remedies import argument

__all__ = ["check_names", "posterior_coords", "posterior_dataset", "posterior_dims", "refuse_shared"]

# Labels and paths are built with these, so that a name that holds one could be read as something else.
_MARKS = ":/[]"


@dataclass(frozen=True)
class _Name:
    """A name in the layout: what it names, and the column it comes from (None for the layout's own)."""

    name: str
    what: str
    column: str | None = None


@dataclass(frozen=True)
class _Variable(_Name):
    """A posterior variable and its dims besides chain and draw."""

    dims: tuple[_Name, ...] = ()


def _variables(formula: Formula, family: Family, residual_by: str | None, sigma: bool = False) -> Iterator[_Variable]:
    """Every variable of the posterior, in its order.

    ``u_<factor>`` comes before ``tau_<factor>``: ``arviz.summary`` labels the elements of a variable by the order in
    which dims first appear in the dataset, so a variable with fewer dims must not come first.
    """

    def levels(factor: str) -> _Name:
        return _Name(factor, f"the levels of '{factor}'", factor)

    yield _Variable("beta", "the common coefficients", None, (_Name("term", "the common terms"),))
    dims = {
        name: (_Name(parameter.dim, f"the {parameter.dim}s"),)
        for name, parameter in family.parameters.items()
        if parameter.dim is not None
    }
    dims |= {} if residual_by is None else {"sigma": (levels(residual_by),)}
    for name in family.parameters:
        yield _Variable(name, f"the parameter '{name}' of the family", None, dims.get(name, ()))
    if sigma:
        terms = _Name(SIGMA_DIM, "the terms of the residual SD")
        yield _Variable(GAMMA, "the coefficients of the residual SD", None, (terms,))
    for group in formula.groups:
        factor = group.factor
        terms = _Name(term_dim(factor), f"the terms pooled over '{factor}'", factor)
        other = _Name(f"{terms.name}_other", f"the terms pooled over '{factor}', once more", factor)
        yield _Variable(f"u_{factor}", f"the effects of '{factor}'", factor, (levels(factor), terms))
        yield _Variable(f"tau_{factor}", f"the SDs of the effects of '{factor}'", factor, (terms,))
        if group.correlated:
            yield _Variable(f"corr_{factor}", f"the correlations of '{factor}'", factor, (terms, other))
    for smooth in formula.smooths:
        title, column = f"s({smooth.column})", smooth.column
        basis = _Name(smooth.name, f"the basis of {title}", column)
        yield _Variable(f"u_{smooth.name}", f"the coefficients of {title}", column, (basis,))
        yield _Variable(f"tau_{smooth.name}", f"the SD of {title}", column)


def check_names(
    formula: Formula,
    family: Family,
    residual_by: str | None,
    trials: str | None = None,
    sigma: Formula | None = None,
) -> None:
    """Refuse columns whose names the layout has for something else, before anything is computed.

    What a fit returns and keeps, and the PyMC graph, are looked through as they are laid out, so that a new name in the
    layout is watched from the start.

    Raises
    ------
    ModelError
        Every column that needs another name.
    """
    beside = [column for column in (residual_by, trials) if column is not None]
    needed = tuple(dict.fromkeys([*formula.columns, *beside, *(() if sigma is None else sigma.columns)]))
    unclear = {}
    for name in needed:
        marks = [mark for mark in _MARKS if mark in name]
        if marks or not name.strip(". "):
            unclear[name] = f"holds {' and '.join(map(repr, marks))}" if marks else "is nothing but dots"
    if unclear:
        reasons = "; ".join(
            f"the column '{name}' cannot be told from a combination, a level or a path, because its name {why}"
            for name, why in unclear.items()
        )
        them = "column" if len(unclear) == 1 else "columns"
        raise ModelError(f"formula {shown(formula.text)}: {reasons}. Rename the {them}, or {_renamed(unclear)}.")
    variables = tuple(_variables(formula, family, residual_by, sigma is not None))
    index = [_Name("chain", "the chains"), _Name("draw", "the draws"), _Name("obs", "the rows")]
    columns = [_Name(name, f"the values of '{name}'", name) for name in needed]
    outcome = [_Name(formula.outcome, f"the values of '{formula.outcome}'", formula.outcome)]
    draws = [*index, *variables, *(dim for variable in variables for dim in variable.dims), *outcome]
    rows = [index[2], _Name("Intercept", "the intercept"), *columns]
    refuse_shared(formula, (*_shared(draws), *_shared(rows)))


def _shared(names: Iterable[_Name]) -> Iterator[tuple[str, str, str]]:
    """Each name that stands for two things, with the column that has it and the other thing."""
    known: dict[str, _Name] = {}
    for name in names:
        before = known.setdefault(name.name, name)
        if before.what != name.what:
            # The column that bears the name itself can be renamed; the other name follows from the model.
            bearer, other = (before, name) if before.column == name.name else (name, before)
            yield bearer.column or bearer.name, bearer.name, other.what


def _renamed(columns: Iterable[str]) -> str:
    """What to do about columns that cannot be called what they are: the data stay as they are."""
    called: dict[str, str] = {}
    for column in dict.fromkeys(columns):
        plain = re.sub(r"\W+", "_", column).strip("_") or "column"
        called[plain if plain != column and plain not in called else f"{plain}_{len(called) + 1}"] = column
    them = "it" if len(called) == 1 else "them"
    return f"call {them} otherwise as the table is read ({argument('columns', called)}) and in the formula"


def refuse_shared(formula: Formula, shared: Iterable[tuple[str, str, str]]) -> None:
    """Raise ModelError where columns have names that stand for something else (column, name, what it stands for)."""
    known = tuple(dict.fromkeys(shared))
    if known:
        clashes = "; ".join(f"'{name}' stands for {what}, so rename the column '{of}'" for of, name, what in known)
        otherwise = _renamed(column for column, *_ in known)
        raise ModelError(f"formula {shown(formula.text)}: in a fit of this model {clashes}, or {otherwise}.")


def posterior_dims(design: Design) -> dict[str, tuple[str, ...]]:
    """Dims of every posterior variable besides chain and draw, in the order of the variables."""
    residual = None if design.residual is None else design.residual.name
    declared = {v.name: v.dims for v in _variables(design.formula, design.family, residual, design.sigma is not None)}
    # The rows tell how many columns there are: of none there is no coefficient, of one no correlation.
    absent = {f"corr_{factor.name}" for factor in design.factors if not factor.correlated}
    absent |= set() if design.terms else {"beta"}
    return {name: tuple(dim.name for dim in dims) for name, dims in declared.items() if name not in absent}


def posterior_coords(design: Design) -> dict[str, list[Any]]:
    """Coordinates of those dims. A cutpoint is named by the level that starts above it."""
    coords: dict[str, list[Any]] = {"term": list(design.terms)} if design.terms else {}
    if "cutpoints" in design.family.parameters and design.outcome.levels is not None:
        coords["cutpoint"] = [float(level) for level in design.outcome.levels[1:]]
    if design.residual is not None:
        coords[design.residual.name] = list(design.residual.levels)
    if design.sigma is not None:
        coords[SIGMA_DIM] = list(design.sigma.labels)
    for factor in design.factors:
        coords[factor.name] = list(factor.levels)
        coords[factor.term_dim] = list(factor.terms)
        if factor.correlated:
            coords[f"{factor.term_dim}_other"] = list(factor.terms)
    return coords | {smooth.name: list(smooth.labels) for smooth in design.smooths}


def posterior_dataset(
    design: Design,
    values: Mapping[str, np.ndarray],
    *,
    chain: np.ndarray | None = None,
    draw: np.ndarray | None = None,
) -> xr.Dataset:
    """Draws under their names.

    Parameters
    ----------
    design
        The model.
    values
        Draws of every variable of :func:`posterior_dims`, shape (chain, draw, ...); others are left out.
    chain, draw
        Labels; numbers from 0 by default.
    """
    dims = posterior_dims(design)
    chains, draws = next(values[name] for name in dims).shape[:2]
    return xr.Dataset(
        {name: (("chain", "draw", *inner), values[name]) for name, inner in dims.items()},
        coords={
            "chain": np.arange(chains) if chain is None else chain,
            "draw": np.arange(draws) if draw is None else draw,
            **posterior_coords(design),
        },
    )
