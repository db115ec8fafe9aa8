"""What an estimate is of: a numeric predictor, or one level of a factor against another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alliance_bayes.effects.counterfactual import terms_with
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Design

__all__ = ["Exposure"]


@dataclass(frozen=True)
class Exposure:
    """A numeric column; or two levels of a categorical one, of which one is compared with the other.

    Parameters
    ----------
    name
        The column.
    level, versus
        The two levels; None of a numeric column.
    """

    name: str
    level: str | None = None
    versus: str | None = None

    def values(self, fit: FittedModel) -> np.ndarray:
        """The column in the analysed rows, or 1 at the level and 0 elsewhere, shape (n_rows,)."""
        if self.level is None:
            return fit.design.frame[self.name].to_numpy(float)
        return self._indicators(fit, [self.level])[:, 0]

    def besides(self, fit: FittedModel) -> np.ndarray:
        """Indicators of the factor's other levels, which are compared with neither, shape (n_rows, k)."""
        if self.level is None:
            return np.zeros((fit.design.rows.n, 0))
        _, labels = fit.design.levels_of(self.name)
        return self._indicators(fit, [label for label in map(str, labels) if label not in (self.level, self.versus)])

    def _indicators(self, fit: FittedModel, levels: list[str]) -> np.ndarray:
        codes, labels = fit.design.levels_of(self.name)
        known = list(map(str, labels))
        return np.column_stack([np.zeros((len(codes), 0)), *(codes == known.index(level) for level in levels)]).astype(
            float
        )

    def terms(self, design: Design) -> set[str]:
        """Names of the terms that hold it, pooled over its own levels among them."""
        terms = {term.name for term in terms_with(design, self.name)}
        factors = self.factors(design)
        return terms | {
            f"{column.term}|{factor.name}"
            for factor in design.factors
            for column in factor.columns
            if factor.name in factors
        }

    def factors(self, design: Design) -> set[str]:
        """Pooled factors whose levels are its own, or combinations with them."""
        if self.level is None:
            return set()
        return {factor.name for factor in design.factors if self.name in factor.name.split(":")}
