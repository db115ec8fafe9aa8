"""Design arrays of the rows whose values change, as some columns take other values: by arrays, not by tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.model import Design, Rows
from alliance_bayes.model.columns import component_block, multiply
from alliance_bayes.model.derivative import RoughnessError
from alliance_bayes.model.design import terms_of
from alliance_bayes.model.levels import present_levels

__all__ = ["ChangingDesign"]

# Most combinations of levels of a factor whose level numbers are looked up in a table.
_MOST_COMBINATIONS = 1_000_000


class ChangingDesign:
    """The columns of some rows, and the design arrays that follow from them.

    Parameters
    ----------
    design
        The model.
    frame
        The rows, every column of the design with a value.
    changing
        Columns whose values change.

    Notes
    -----
    `at` is `Design.evaluate` of the rows with other values in some columns. It computes anew what these are part of
    alone: the blocks of a term's components are multiplied, those of levels are looked up, and only calls are
    evaluated. Where rows may be without a level of a factor, all is left to `Design.evaluate`.
    """

    def __init__(self, design: Design, frame: pd.DataFrame, changing: Collection[str]) -> None:
        frame = frame.loc[:, list(design.needed)]
        self.design, self._frame, self.moved = design, frame, frozenset(changing)
        self.rows = design.evaluate(frame, counterfactual=True)
        self.values: dict[str, np.ndarray] = {
            str(name): column.cat.codes.to_numpy(np.int64, copy=True)
            if isinstance(column.dtype, pd.CategoricalDtype)
            else column.to_numpy(float, copy=True)
            for name, column in frame.items()
        }
        self._blocks: dict[int, np.ndarray] = {}
        self._by_level: dict[int, np.ndarray] = {}
        self._tables: dict[str, tuple[list[str], np.ndarray]] = {}
        self._by_arrays = not self.rows.lacking and self._look_up()
        pooled = {factor.name: terms_of(design._pooled, factor.name) for factor in design.factors}
        self._common = _placed(design._common)
        self._pooled = {name: _placed([term.expr for term in terms]) for name, terms in pooled.items()}
        self._sigma = () if design.sigma is None else _placed(design.sigma.terms)

    def _look_up(self) -> bool:
        """Level numbers by combination of each factor's columns; False where there is no such table."""
        for factor in self.design.factors:
            parts = factor.name.split(":")
            if factor.idle or not all(isinstance(self._frame[part].dtype, pd.CategoricalDtype) for part in parts):
                return False
            if not self.moved & set(parts):
                continue
            sizes = [len(self._frame[part].cat.categories) for part in parts]
            if np.prod(sizes, dtype=float) > _MOST_COMBINATIONS:
                return False
            every = np.indices(sizes).reshape(len(sizes), -1)
            cells = pd.DataFrame(
                {part: _as_in(codes, self._frame[part].dtype) for part, codes in zip(parts, every, strict=True)}
            )
            labels, number = present_levels(cells, parts)
            place = pd.Index(factor.levels).get_indexer(pd.Index(labels))
            self._tables[factor.name] = (parts, np.asarray(place[number]).reshape(sizes))
        return True

    def put(self, name: str, places: np.ndarray, values: np.ndarray) -> None:
        """Write values of a column, numbers or numbers of levels; the design arrays stay as they are."""
        self.values[name][places] = values

    def line(self, name: str, scale: float, beside: Collection[str], frame: pd.DataFrame) -> str:
        """Whether the arrays are straight lines in a number: "always" the same, or "given" the others; empty if not.

        Along it the columns ``beside`` it move, too, by ``scale``.
        """
        frame = frame.copy()
        try:
            here = self.design.change(frame, name, self.rows)
            for other in (name, *beside):
                frame[other] += 0.37 * scale
            moved = self.design.change(frame, name, self.rows)
        except RoughnessError:
            return ""
        if not _alike(here, moved):
            return ""
        terms = [*self.design.formula.common, *(term for one in self.design.formula.groups for term in one.terms)]
        terms += [] if self.design.sigma is None else self.design.sigma.formula.common
        unknown = self.moved - {name}
        with_others = any(name in term.split(":") and set(term.split(":")) & unknown for term in terms)
        # Other values in the same rows, of columns inside a call too: those of the row before.
        for other in unknown:
            if not isinstance(frame[other].dtype, pd.CategoricalDtype):
                frame[other] = np.roll(np.asarray(frame[other]), 1)
        return "given" if with_others or not _alike(here, self.design.change(frame, name, self.rows)) else "always"

    def at(self, given: Mapping[str, np.ndarray], places: np.ndarray, here: Rows) -> Rows:
        """Design arrays of some of the rows with other values of some columns.

        Parameters
        ----------
        given
            Values there of one or several of the changing columns: numbers, or numbers of levels.
        places
            Which rows, shape (n,).
        here
            The rows' design arrays as they are.
        """
        if not self._by_arrays:
            return self.design.evaluate(self._table(self.values, places, given), counterfactual=True)
        design = self.design
        index = dict(here.index)
        for factor, (parts, table) in self._tables.items():
            if given.keys() & set(parts):
                index[factor] = table[tuple(self._now(part, places, given) for part in parts)]
        basis = {
            smooth.name: smooth.evaluate(given[smooth.column]) if smooth.column in given else here.basis[smooth.name]
            for smooth in design.smooths
        }
        offset = here.offset
        if offset is not None and any(given.keys() & set(part.var_names) for part in design._offsets):
            parts_at = [
                part.eval_new_data(self._table(set(part.var_names) & set(self.values), places, given))
                - design.centres[part.name]
                for part in design._offsets
            ]
            offset = np.asarray(np.sum(parts_at, axis=0), dtype=float)
        residual = here.residual
        if design.residual is not None and (name := design.residual.name) in given:
            labels = pd.Index(list(map(str, self._frame[name].cat.categories)))
            residual = pd.Index(design.residual.levels).get_indexer(labels)[given[name]]
        return replace(
            here,
            x=self._columns(self._common, here.x, places, given),
            z={factor: self._columns(terms, here.z[factor], places, given) for factor, terms in self._pooled.items()},
            index=index,
            basis=basis,
            offset=offset,
            residual=residual,
            sigma=None if here.sigma is None else self._columns(self._sigma, here.sigma, places, given),
        )

    def _columns(
        self,
        terms: Sequence[tuple[slice, Any]],
        now: np.ndarray,
        places: np.ndarray,
        given: Mapping[str, np.ndarray],
    ) -> np.ndarray:
        """Columns of some terms, those anew that a changed column is part of."""
        own = [(where, term) for where, term in terms if given.keys() & _variables(term)]
        if not own:
            return now
        out = now.copy()
        for where, term in own:
            out[:, where] = reduce(multiply, (self._block(part, places, given) for part in term.components))
        return out

    def _block(self, part: Any, places: np.ndarray, given: Mapping[str, np.ndarray]) -> np.ndarray:
        """Columns of one component in some of the rows."""
        names = self._names(part)
        if not names & self.moved:
            if id(part) not in self._blocks:
                every = np.arange(len(self._frame))
                self._blocks[id(part)] = component_block(
                    part, self._table(names, every, {}), self.design.centres, new=True
                )
            return np.asarray(self._blocks[id(part)][places])
        if part.kind != "numeric":
            (name,) = names
            if id(part) not in self._by_level:
                dtype = self._frame[name].dtype
                codes = np.arange(len(self._frame[name].cat.categories))
                table = pd.DataFrame({name: _as_in(codes, dtype)})
                self._by_level[id(part)] = component_block(part, table, self.design.centres, new=True)
            return np.asarray(self._by_level[id(part)][self._now(name, places, given)])
        if not hasattr(part, "call"):
            (name,) = names
            return (self._now(name, places, given) - self.design.centres[str(part.name)])[:, None]
        return component_block(part, self._table(names, places, given), self.design.centres, new=True)

    def _names(self, part: Any) -> frozenset[str]:
        """Columns of a component; numbers in a call are among its variables, without a name."""
        return frozenset(part.var_names) & self.values.keys()

    def _table(self, names: Iterable[str], places: np.ndarray, given: Mapping[str, np.ndarray]) -> pd.DataFrame:
        """A few columns of some of the rows."""
        return pd.DataFrame({name: _as_in(self._now(name, places, given), self._frame[name].dtype) for name in names})

    def _now(self, name: str, places: np.ndarray, given: Mapping[str, np.ndarray]) -> np.ndarray:
        """Values of a column in some of the rows: those given, or its own."""
        return given[name] if name in given else self.values[name][places]


def _as_in(values: np.ndarray, dtype: Any) -> Any:
    """Numbers, or numbers of levels, as a column of a table has them."""
    categorical = isinstance(dtype, pd.CategoricalDtype)
    return pd.Categorical.from_codes(values.tolist(), dtype=dtype) if categorical else values


def _variables(term: Any) -> frozenset[str]:
    return frozenset(name for part in getattr(term, "components", ()) for name in part.var_names)


def _placed(terms: Sequence[Any]) -> tuple[tuple[slice, Any], ...]:
    """Terms with the places of their columns."""
    widths = [_width(term) for term in terms]
    ends = np.concatenate([[0], np.cumsum(widths)]).astype(int).tolist()
    return tuple((slice(start, end), term) for (start, end), term in zip(pairwise(ends), terms, strict=True))


def _width(term: Any) -> int:
    parts = getattr(term, "components", ())
    return int(np.prod([np.asarray(part.value).reshape(len(part.value), -1).shape[1] for part in parts], dtype=int))


def _alike(a: Rows, b: Rows) -> bool:
    """Whether two sets of derivatives are the same."""
    return all(np.allclose(left, right, rtol=1e-9, atol=1e-12) for left, right in a.columns_beside(b))
