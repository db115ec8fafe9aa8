"""What chains of values and parameters gave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from alliance_bayes.imputation.parameters import Found

__all__ = ["Drawn", "State"]


@dataclass(frozen=True, eq=False)
class Drawn:
    """What the chains gave.

    Parameters
    ----------
    parameters
        Draws by the names of the posterior's variables, shape (chain, draw, ...).
    statistics
        What the sampler of the parameters says of each draw, by name, shape (chain, draw).
    values
        By column with unknown values, those of each kept table, shape (tables, n_unknown), as the column has them:
        numbers, or level numbers.
    column_means
        Mean over all rows of each common design column, shape (chain, draw, k).
    traces
        Mean and SD of the drawn values by column, shape (chain, states): what chains are judged by, with the
        parameters.
    every
        Which of the sets were kept: every so manyth.
    told
        How, as a fit tells it.
    accepted
        Share of accepted proposals, of the parameters and of values by column.
    """

    parameters: Mapping[str, np.ndarray]
    statistics: Mapping[str, np.ndarray]
    values: Mapping[str, np.ndarray]
    column_means: np.ndarray
    traces: Mapping[str, np.ndarray]
    every: int
    told: Mapping[str, object]
    accepted: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class State:
    """One set of values and what goes with it, of every chain: ``values`` of a few sets only."""

    found: list[Found]
    column_means: np.ndarray
    traces: Mapping[str, np.ndarray]
    values: Mapping[str, np.ndarray] | None
