"""Design arrays of some rows, and the factors whose levels they number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from alliance_bayes.model.columns import Column
from alliance_bayes.model.roles import RoleOf

__all__ = ["PooledFactor", "Rows", "term_dim"]


def term_dim(factor: str) -> str:
    """Name of the dimension of the terms that are pooled over a factor."""
    return f"{factor}_term"


@dataclass(frozen=True)
class PooledFactor:
    r"""A factor over whose levels effects are partially pooled.

    Parameters
    ----------
    name
        Column name, or "a:b" for combinations of two columns (whose levels are then "a:b" too; a colon within a level
        is written ``\:`` there).
    levels
        Level labels in their declared order; only levels that have rows.
    columns
        Pooled design columns, "Intercept" first when present.
    exhaustive
        Whether all levels there are have been observed: effects then sum to zero over levels.
    correlated
        Whether the pooled terms are correlated a priori.
    role
        What its levels are: persons, providers or groups.
    idle
        Labels of rows that have nothing to pool over the factor (all their pooled columns are zero): no levels of it.
    """

    name: str
    levels: tuple[str, ...]
    columns: tuple[Column, ...]
    exhaustive: bool
    correlated: bool
    role: RoleOf
    idle: tuple[str, ...] = ()

    @property
    def terms(self) -> tuple[str, ...]:
        """Labels of the pooled columns: the coordinate of the ``<factor>_term`` dimension."""
        return tuple(column.label for column in self.columns)

    @property
    def term_dim(self) -> str:
        """Name of the dimension of the pooled terms."""
        return term_dim(self.name)


@dataclass(frozen=True, eq=False)
class Rows:
    """Design arrays of some rows.

    Parameters
    ----------
    x
        Common columns, shape (n, n_terms).
    z
        Pooled columns by factor, each of shape (n, n_factor_terms).
    index
        Level number by factor, each of shape (n,); -1 - k for the k-th level of ``unseen``. Rows without a level have
        one, too, for counterfactuals that give them something to pool.
    lacking
        Whether a row has no level of its own, by factor with such rows, each of shape (n,).
    residual
        Level number of the residual factor, shape (n,); None where one residual SD is everybody's.
    basis
        Basis columns by smooth, each of shape (n, n_knots).
    unseen
        Labels, by factor, of the levels that the fit has not seen; factors without any may be absent.
    offset
        What is added to the linear predictor as it is, shape (n,); None where the model has no offset.
    trials
        How many trials each outcome is of, shape (n,); None where the family has none.
    weights
        Sampling weight of each row, shape (n,); None where all count alike.
    sigma
        Columns that the logarithm of the residual SD is linear in, shape (n, n_sigma_terms); None where it has none.
    """

    x: np.ndarray
    z: Mapping[str, np.ndarray]
    index: Mapping[str, np.ndarray]
    residual: np.ndarray | None = None
    basis: Mapping[str, np.ndarray] = field(default_factory=dict)
    unseen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    offset: np.ndarray | None = None
    trials: np.ndarray | None = None
    lacking: Mapping[str, np.ndarray] = field(default_factory=dict)
    weights: np.ndarray | None = None
    sigma: np.ndarray | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.x.shape[0])

    @property
    def strata(self) -> np.ndarray:
        """Number of the residual SD of each row, shape (n,): 0 where one is everybody's."""
        return np.zeros(self.n, dtype=np.intp) if self.residual is None else np.asarray(self.residual)

    def take(self, at: slice | np.ndarray) -> Rows:
        """Some of the rows, by place."""
        return Rows(
            self.x[at],
            {name: z[at] for name, z in self.z.items()},
            {name: index[at] for name, index in self.index.items()},
            None if self.residual is None else self.residual[at],
            {name: basis[at] for name, basis in self.basis.items()},
            self.unseen,
            None if self.offset is None else self.offset[at],
            None if self.trials is None else self.trials[at],
            {name: lacking[at] for name, lacking in self.lacking.items()},
            None if self.weights is None else self.weights[at],
            None if self.sigma is None else self.sigma[at],
        )

    def columns_beside(self, other: Rows) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Design columns, bases, offset and columns of the residual SD, each with that of other rows of the design."""
        yield self.x, other.x
        yield from ((z, other.z[name]) for name, z in self.z.items())
        yield from ((basis, other.basis[name]) for name, basis in self.basis.items())
        if self.offset is not None and other.offset is not None:
            yield self.offset, other.offset
        if self.sigma is not None and other.sigma is not None:
            yield self.sigma, other.sigma

    def put(self, at: np.ndarray, other: Rows) -> None:
        """Write the design arrays of other rows over those of some of these, by place."""
        pairs = [*self.columns_beside(other), *((index, other.index[name]) for name, index in self.index.items())]
        if self.residual is not None and other.residual is not None:
            pairs.append((self.residual, other.residual))
        for target, new in pairs:
            target[at] = new

    def of_seen_levels(self) -> Rows:
        """The rows with nothing to pool where they have a level that the fit has not seen."""
        unseen = {name: index < 0 for name, index in self.index.items() if (index < 0).any()}
        if not unseen:
            return self
        z = {name: np.where(lost[:, None], 0.0, self.z[name]) for name, lost in unseen.items()}
        index = {name: np.maximum(self.index[name], 0) for name in unseen}
        return replace(self, z={**self.z, **z}, index={**self.index, **index}, unseen={})

    def average(self, values: np.ndarray) -> np.ndarray:
        """Mean over the people whom the rows stand for of something that each has, shape (n, ...)."""
        return np.asarray(np.average(values, axis=0, weights=self.weights))

    def difference(self, other: Rows, by: float) -> Rows:
        """What the columns of other rows have more than these, ``by`` times."""
        return replace(
            self,
            x=by * (other.x - self.x),
            z={name: by * (other.z[name] - z) for name, z in self.z.items()},
            basis={name: by * (other.basis[name] - basis) for name, basis in self.basis.items()},
            offset=None if self.offset is None or other.offset is None else by * (other.offset - self.offset),
            sigma=None if self.sigma is None or other.sigma is None else by * (other.sigma - self.sigma),
        )

    def along(self, change: Rows, by: float) -> Rows:
        """The rows a step further along their derivatives (:meth:`Design.change`)."""
        return replace(
            self,
            x=self.x + by * change.x,
            z={name: z + by * change.z[name] for name, z in self.z.items()},
            basis={name: basis + by * change.basis[name] for name, basis in self.basis.items()},
            offset=None if self.offset is None or change.offset is None else self.offset + by * change.offset,
            sigma=None if self.sigma is None or change.sigma is None else self.sigma + by * change.sigma,
        )

    @property
    def known(self) -> np.ndarray:
        """The common columns and then the offset, where there is one, shape (n, n_terms [+ 1]).

        What multiplies them is ``FittedModel.coefficients_of_known``.
        """
        return self.x if self.offset is None else np.column_stack([self.x, self.offset])
