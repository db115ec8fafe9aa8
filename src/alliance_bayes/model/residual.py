"""The factor whose levels have residual SDs of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_bayes.errors import ModelError
from alliance_bayes.model.families import Family
from alliance_bayes.model.formula import Formula
from alliance_bayes.model.sigma import able_families
from alliance_bayes.remedies import setting

__all__ = ["ResidualFactor", "check_residual_by", "residual_factor"]


@dataclass(frozen=True)
class ResidualFactor:
    """A factor by whose levels the residual SD differs.

    Parameters
    ----------
    name
        Column name.
    levels
        Level labels in their declared order; only levels that have rows.
    """

    name: str
    levels: tuple[str, ...]

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the levels' residual SDs among the priors: ``sigma[<level>]``."""
        return tuple(f"sigma[{level}]" for level in self.levels)

    def numbers(self, frame: pd.DataFrame) -> np.ndarray:
        """Level number of each row, shape (n,).

        Parameters
        ----------
        frame
            Rows whose column ``name`` holds no other levels.
        """
        return pd.Index(self.levels).get_indexer(pd.Index(frame[self.name].astype(str)))


def check_residual_by(name: object, formula: Formula, family: Family) -> None:
    """Refuse what cannot name a residual factor, as far as the formula and the family tell.

    Raises
    ------
    ModelError
        Not a column name, the outcome, or a family without a residual SD.
    """
    if not isinstance(name, str) or not name:
        raise ModelError(
            f"{setting('residual_by')} should be the name of one categorical column but got {name!r}. Write "
            f"{setting('residual_by', 'provider_type')}, for example."
        )
    if "sigma" not in family.parameters:
        raise ModelError(
            f"{setting('residual_by', name)}: family '{family.name}' has no residual SD that could differ. "
            f"Families that have one: {able_families()}."
        )
    if name == formula.outcome:
        raise ModelError(
            f"{setting('residual_by', name)} is the outcome itself. Name a categorical column of the participants."
        )


def residual_factor(name: str, frame: pd.DataFrame) -> ResidualFactor:
    """The residual factor of some rows.

    Parameters
    ----------
    name
        A column of ``frame``.
    frame
        Complete rows; categorical and grouping columns are ordered categoricals without unused levels.

    Raises
    ------
    ModelError
        The column is numeric, or has one level only.
    """
    column = frame[name]
    if not isinstance(column.dtype, pd.CategoricalDtype):
        raise ModelError(
            f"{setting('residual_by', name)}: the column is numeric, so it has no levels. Give it as text, or "
            f"declare its levels ({setting('levels', {name: ['...']})}); an SD that differs along its numbers is "
            f"{setting('sigma', f'~ {name}')}."
        )
    levels = tuple(str(level) for level in column.cat.categories)
    if len(levels) < 2:
        raise ModelError(
            f"{setting('residual_by', name)}: only the level {levels[0]!r} has analysed rows, so there is nothing "
            f"to differ. Remove {setting('residual_by')} or check the table."
        )
    return ResidualFactor(name, levels)
