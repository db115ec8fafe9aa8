"""From formulae's evaluated terms to labelled, centred columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from formulae.terms import Variable

from alliance_bayes.errors import ModelError
from alliance_bayes.model.families.family import demand
from alliance_bayes.model.scales import Scale, check_size, sample_scale, scale_of
from alliance_bayes.remedies import setting
from alliance_bayes.rounding import is_constant

__all__ = [
    "Column",
    "centring",
    "check_products",
    "column_sizes",
    "component_block",
    "describe",
    "multiply",
    "numeric_parts",
    "refuse_constant",
    "term_block",
    "values_of",
]


# A mean of numbers that add up to zero, as a share of the largest of them.
_ROUNDED = 1e-12


@dataclass(frozen=True)
class Column:
    """One design column.

    Parameters
    ----------
    label
        Its name in the posterior's ``term`` coordinate.
    term
        The formula term it belongs to ("sex" for "sex[male]").
    numeric
        Names of its numeric components (columns or calls); empty for the intercept and for indicator columns.
    order
        Number of components: 0 for the intercept, 1 for a main effect, more for an interaction.
    whole
        Whether its categorical components are coded by all their levels, so that the column holds a level itself and
        not a difference from the first.
    """

    label: str
    term: str
    numeric: tuple[str, ...]
    order: int
    whole: bool = True


def term_block(term: Any, frame: pd.DataFrame, centres: Mapping[str, float], *, new: bool) -> np.ndarray:
    """Columns of one formula term, shape (n, n_columns); numeric components are centred before they are multiplied."""
    if _is_intercept(term):
        return np.ones((len(frame), 1))

    return reduce(multiply, (component_block(part, frame, centres, new=new) for part in term.components))


def component_block(part: Any, frame: pd.DataFrame, centres: Mapping[str, float], *, new: bool) -> np.ndarray:
    """Columns of one component, shape (n, n_columns), centred where they are numbers."""
    values = _two_dimensional(_of_new(part, frame) if new else part.value)
    if part.kind == "numeric":
        values = values - np.array([centres[name] for name in _names(part)])
    return values


def _of_new(part: Any, frame: pd.DataFrame) -> Any:
    """A component at other rows. Where a column's levels are those of the formula, their numbers say which columns."""
    if isinstance(part, Variable) and part.kind == "categoric":
        column = frame[part.name]
        if isinstance(column.dtype, pd.CategoricalDtype) and column.cat.categories.tolist() == part.levels:
            codes = column.cat.codes.to_numpy()
            if (codes >= 0).all():
                # formulae would make a factor of all labels anew, which takes most of the time.
                return part.contrast_matrix.matrix[codes]
    return part.eval_new_data(frame)


def multiply(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Every column times every other, the last varying fastest."""
    return (left[:, :, None] * right[:, None, :]).reshape(len(left), -1)


def describe(term: Any) -> tuple[Column, ...]:
    """The columns that :func:`term_block` makes of a term, in its order."""
    if _is_intercept(term):
        return (Column("Intercept", "Intercept", (), 0),)
    parts = [
        [
            (label, (label,) if part.kind == "numeric" else ())
            for label in (_names(part) if part.kind == "numeric" else part.labels)
        ]
        for part in term.components
    ]
    return tuple(
        Column(
            ":".join(label for label, _ in combination),
            str(term.name),
            tuple(name for _, names in combination for name in names),
            len(parts),
            all(part.kind == "numeric" or bool(part.spans_intercept) for part in term.components),
        )
        for combination in product(*parts)
    )


def centring(
    terms: list[Any],
    stated: Mapping[str, float],
    declared: Mapping[str, Scale],
    autoscale: bool,
    weights: np.ndarray | None = None,
    *,
    offsets: tuple[Any, ...] = (),
    is_centred: Callable[[str], bool] = lambda component: True,
) -> tuple[dict[str, float], dict[str, Scale]]:
    """Centring value and reference scale of every numeric component.

    Parameters
    ----------
    terms
        Evaluated formula terms, common and pooled.
    asked
        Values the analyst asked for, by component name; the rows' mean elsewhere.
    declared, autoscale
        Declared reference scales, and whether other columns take theirs from the rows.
    weights
        Participants that each row stands for; one each by default.
    offsets
        Components of the offsets, which are centred like the others and have no scale.
    is_centred
        Whether a component is centred at the rows' mean where the analyst states no value; else it is left as it is.

    Raises
    ------
    ModelError
        A centring value for a component that the formula does not have, or that is not finite.
    DataError
        Missing or infinite values in a component (the logarithm of zero, say).
    """
    centres: dict[str, float] = {}
    scales: dict[str, Scale] = {}
    for part in (*numeric_parts(terms), *offsets):
        for name, column in values_of(part).items():
            demand(
                name,
                column,
                np.isfinite(column),
                "is not a finite number",
                "Choose a transformation that is finite for every row, or leave the row out.",
            )
            check_size(column, f"'{name}'")
            mean = np.average(column, weights=weights) if is_centred(str(part.name)) else 0.0
            if abs(mean) < _ROUNDED * np.abs(column).max():
                # Differences from means add up to nothing but rounding.
                mean = 0.0
            centres[name] = float(stated.get(name, mean))
            if name in stated:
                _check_centre(name, column, centres[name])
            if any(part is offset for offset in offsets):
                continue
            known = scale_of(name, declared)
            if known is None and (autoscale or not isinstance(part, Variable)):
                # A derived basis has no instrument scale, so its own spread is the only one there is.
                known = sample_scale(column, weights, name)
            if known is not None:
                scales[name] = known
    unknown = sorted(set(stated) - set(centres))
    if unknown:
        raise ModelError(
            f"{setting('centre')} names {', '.join(unknown)}, but the numeric columns of the formula are "
            f"{', '.join(sorted(centres))}."
        )
    for name, value in stated.items():
        if not np.isfinite(value):
            raise ModelError(f"{setting('centre')} of '{name}' should be a finite number but got {value}.")
    return centres, scales


def _check_centre(name: str, column: np.ndarray, centre: float) -> None:
    """Refuse a stated value so far from a column that its differences are lost when the value is subtracted."""
    if np.isfinite(centre) and not is_constant(column) and is_constant(column - centre, size=abs(centre)):
        raise ModelError(
            f"{setting('centre')} of '{name}' is {centre:g}, so far from its values ({column.min():g} to "
            f"{column.max():g}) that their differences are lost to rounding. State a value near them, or none."
        )


def numeric_parts(terms: Iterable[Any]) -> list[Any]:
    """Numeric components of evaluated terms; one that several have is there several times."""
    return [part for term in terms if not _is_intercept(term) for part in term.components if part.kind == "numeric"]


def values_of(part: Any) -> dict[str, np.ndarray]:
    """Columns of a numeric component by name, shape (n,) each, before centring."""
    return dict(zip(_names(part), _two_dimensional(part.value).T, strict=True))


def check_products(columns: Iterable[Column], values: np.ndarray) -> None:
    """Refuse products of columns, (n, n_columns), that are too large or too small to be multiplied once more."""
    for column, numbers in zip(columns, values.T, strict=True):
        if column.order > 1:
            check_size(numbers, f"'{column.label}'", "one of its columns")


def column_sizes(terms: tuple[Any, ...], centres: Mapping[str, float]) -> np.ndarray:
    """Size of the numbers that each column was computed from, shape (n_columns,): what its rounding is a share of.

    A centred column has the rounding of the values before; a product, that of each component times the others.
    """
    sizes: list[float] = []
    for term in terms:
        parts = [] if _is_intercept(term) else term.components
        before, after = [], []
        for part in parts:
            values = _two_dimensional(part.value)
            centre = np.array([centres[name] for name in _names(part)]) if part.kind == "numeric" else np.zeros(1)
            before.append(np.maximum(np.abs(values).max(axis=0), np.abs(centre)))
            after.append(np.abs(values - centre).max(axis=0))
        for combination in product(*(range(len(largest)) for largest in before)):
            largest, centred = (
                [column[place] for column, place in zip(numbers, combination, strict=True)]
                for numbers in (before, after)
            )
            sizes.append(sum(largest[k] * float(np.prod(centred[:k] + centred[k + 1 :])) for k in range(len(largest))))
    return np.array(sizes)


def refuse_constant(x: np.ndarray, columns: tuple[Column, ...], sizes: np.ndarray) -> None:
    """Raise for a common column without variation: the data say nothing about its coefficient."""
    for position, column in enumerate(columns):
        values = x[:, position]
        if column.label != "Intercept" and values.size and is_constant(values, size=sizes[position]):
            same = not np.ptp(values)
            fault = "has the same value" if same else "differs by less than its digits can tell"
            remedy = "Remove the term or check the table." if same else "Subtract a constant from the column first."
            raise ModelError(
                f"'{column.label}' {fault} in all {len(values)} analysed rows, so its coefficient cannot be estimated. "
                f"{remedy}"
            )


def _is_intercept(term: Any) -> bool:
    return type(term).__name__ == "Intercept"


def _two_dimensional(values: Any) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    return array[:, None] if array.ndim == 1 else array


def _names(part: Any) -> list[str]:
    width = _two_dimensional(part.value).shape[1]
    return [str(part.name)] if width == 1 else [f"{part.name}[{position}]" for position in range(width)]
