"""What was drawn in place of values that were not observed, as a fit keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.model import Design, ModelSpec

__all__ = ["GROUP", "Imputed", "asked_columns", "in_numbers", "nearest_table", "standardised"]

#: The group of a fit's tree that holds it.
GROUP = "imputation"
# SD of a column's mean over draws, in SDs of the column, up to which it is rounding.
_SAME = 1e-9


def nearest_table(
    tables: Iterable[tuple[np.ndarray, np.ndarray]], of_all: np.ndarray | None, sds: np.ndarray, focal: Sequence[int]
) -> int:
    """The table that can stand for all: nearest in the means of columns and in what the model is asked about.

    What checks find of one table is said of the association of all, so that this is to be the same there: by least
    squares, which is near enough to choose by in every family.

    Parameters
    ----------
    tables
        Of each table the columns of its design, shape (rows, columns), and its outcome in numbers, shape (rows,).
    of_all
        Means of the columns in what is to be represented, shape (n, columns); None for those of the tables.
    sds
        Of the columns over rows.
    focal
        The columns of the association.
    """
    averages, slopes = [], []
    for x, y in tables:
        averages.append(x.mean(axis=0))
        slopes.append(np.linalg.lstsq(x - averages[-1], y - y.mean(), rcond=None)[0][list(focal)])
    means, along = np.array(averages), np.array(slopes)
    of_all = means if of_all is None else of_all
    apart = standardised(means, of_all, of_all.mean(axis=0, keepdims=True), sds)[0]
    differ = standardised(along, along, along.mean(axis=0, keepdims=True), np.abs(along).max(axis=0, initial=0.0))[0]
    # Means of many columns are no more than the association.
    return int(np.argmin(apart / max(1, means.shape[1]) + differ))


def standardised(means: np.ndarray, of_all: np.ndarray, points: np.ndarray, sds: np.ndarray) -> np.ndarray:
    """Squared distance of each table's means from some points, shape (points, tables), in the SDs of all.

    Parameters
    ----------
    means
        Of each table, shape (tables, columns).
    of_all
        Of what is to be represented, shape (n, columns).
    sds
        Of the columns over rows.
    points
        Shape (points, columns).
    """
    spread = of_all.std(axis=0)
    # The mean of a column without drawn values differs between draws by rounding alone, which is no distance.
    used = spread > _SAME * sds
    return np.asarray((((points[:, None, used] - means[None, :, used]) / spread[used]) ** 2).sum(axis=2))


def asked_columns(spec: ModelSpec, design: Design) -> list[int]:
    """The common columns that the predictor of interest, or the factor, is in; all of them where there is none."""
    predictor, factor = spec.focal_predictor(design), spec.focal_factor(design)
    focal = [
        number
        for number, column in enumerate(design.columns)
        if predictor in column.numeric or factor in column.term.split(":")
    ]
    return focal or list(range(len(design.columns)))


def in_numbers(column: pd.Series) -> np.ndarray:
    """An outcome as numbers: those of its levels, where it has levels."""
    return column.cat.codes.to_numpy(float) if isinstance(column.dtype, pd.CategoricalDtype) else column.to_numpy(float)


@dataclass(frozen=True, eq=False)
class Imputed:
    """Drawn values of several tables.

    Parameters
    ----------
    places
        By column, the rows whose value was drawn, shape (n_drawn,).
    values
        By column, the values of each kept table, shape (tables, n_drawn): numbers, or numbers of levels.
    column_means
        Mean over all rows of each common design column, with the values of each draw, shape (chain, draw, terms).
    traces
        Mean and SD of a column's drawn values, by name, shape (chain, states).
    table
        Number of the set of values that each draw of the parameters is given, shape (chain, draw). Several draws share
        one, and few of the sets are kept.
    """

    places: Mapping[str, np.ndarray]
    values: Mapping[str, np.ndarray]
    column_means: np.ndarray
    traces: Mapping[str, np.ndarray]
    table: np.ndarray

    @property
    def tables(self) -> int:
        """How many tables are kept."""
        return max((len(values) for values in self.values.values()), default=0)

    def completed(self, frame: pd.DataFrame, table: int) -> pd.DataFrame:
        """The rows with the values of one kept table.

        Parameters
        ----------
        frame
            All rows; what stands where values were drawn does not matter.
        table
            From 0.
        """
        out = frame.copy()
        for name, places in self.places.items():
            if name not in out:
                continue
            values = self.values[name][table]
            column = out[name].copy()
            if isinstance(column.dtype, pd.CategoricalDtype):
                codes = column.cat.codes.to_numpy(copy=True)
                codes[places] = values.astype(np.int64)
                out[name] = pd.Categorical.from_codes(codes, dtype=column.dtype)
            else:
                numbers = column.to_numpy(float, copy=True)
                numbers[places] = values
                out[name] = numbers
        return out

    def dataset(self) -> xr.Dataset:
        """As a group of a tree."""
        variables: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
            "column_means": (("chain", "draw", "common_term"), self.column_means),
            "column": (("column",), np.array(list(self.places), dtype=object)),
            "trace": (("trace",), np.array(list(self.traces), dtype=object)),
            "set_of_values": (("chain", "draw"), self.table.astype(np.int64)),
        }
        for number, (name, places) in enumerate(self.places.items()):
            variables[f"places_{number}"] = ((f"cell_{number}",), places.astype(np.int64))
            variables[f"values_{number}"] = (("table", f"cell_{number}"), self.values[name])
        for number, trace in enumerate(self.traces.values()):
            variables[f"trace_{number}"] = (("chain", "state"), trace)
        return xr.Dataset(variables)

    @classmethod
    def of(cls, group: xr.Dataset) -> Imputed:
        """Of a group of a tree.

        Raises
        ------
        KeyError, ValueError
            It is not what :meth:`dataset` made.
        """
        names, traces = ([str(name) for name in group[key].to_numpy()] for key in ("column", "trace"))
        return cls(
            {name: group[f"places_{k}"].to_numpy() for k, name in enumerate(names)},
            {name: group[f"values_{k}"].to_numpy() for k, name in enumerate(names)},
            group["column_means"].to_numpy(),
            {name: group[f"trace_{k}"].to_numpy() for k, name in enumerate(traces)},
            group["set_of_values"].to_numpy(),
        )

    def thinned(self, by: int) -> Imputed:
        """With what goes with every ``by``-th draw of each chain."""
        return replace(self, column_means=self.column_means[:, ::by], table=self.table[:, ::by])

    def check(self, frame: pd.DataFrame, shape: tuple[int, int], terms: int) -> None:
        """Refuse what does not belong to a fit of some rows: contents of a file are anybody's.

        Raises
        ------
        ValueError
            It does not.
        """
        if self.table.shape != shape or self.table.dtype.kind != "i":
            raise ValueError("its draws are not each of a table")
        if self.column_means.shape != (*shape, terms) or not np.isfinite(self.column_means).all():
            raise ValueError("the means of its columns are not one a draw and term")
        for name, places in self.places.items():
            values = self.values[name]
            if places.dtype.kind != "i" or places.ndim != 1 or values.shape != (self.tables, len(places)):
                raise ValueError("its imputed values are not one a place and table")
            if len(places) and not (places.min() >= 0 and places.max() < len(frame) and np.isfinite(values).all()):
                raise ValueError("its imputed values are of rows that there are not")
            if name in frame and isinstance(frame[name].dtype, pd.CategoricalDtype):
                levels = len(frame[name].cat.categories)
                if len(places) and not ((values >= 0) & (values < levels) & (values == np.rint(values))).all():
                    raise ValueError("its imputed values are of levels that there are not")
