"""Who left: those who were not observed beside those who were, a model of being observed, and weights from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import special

from alliance_bayes.api import Fit, Model
from alliance_bayes.cohort import Cohort, read_cohort
from alliance_bayes.cohort.left import compared
from alliance_bayes.cohort.names import ID
from alliance_bayes.cohort.weights import effective_size
from alliance_bayes.errors import ModelError, UsageError
from alliance_bayes.model import ModelSpec
from alliance_bayes.report.left_out import NOTABLE, paint_differences

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Attrition", "attrition"]

_OBSERVED, _WEIGHT, _UNKNOWN, _GAP = "observed", "observation_weight", "(missing)", "_missing"
# Factors of more levels are pooled, and of more than the other left out: they name people.
_COMMON_LEVELS, _MOST_LEVELS = 12, 60


@dataclass(frozen=True, eq=False, repr=False)
class Attrition:
    """Who was observed, and who was not.

    Parameters
    ----------
    cohort
        Everybody.
    observed
        Whether a row has a value in every column asked about, shape (n_rows,).
    differences
        Those not observed beside those observed, on every column known of both. Rows that would tell of fewer than
        `small` people are left out.
    fit
        The model of being observed, a fit of family ``bernoulli``.
    probability
        Posterior mean of each row's probability of being observed, shape (n_rows,).
    small
        Fewest people that a shown number rests on.
    """

    cohort: Cohort
    observed: np.ndarray
    differences: pd.DataFrame
    fit: Fit
    probability: np.ndarray
    small: int

    @property
    def weights(self) -> np.ndarray:
        """One over the probability of being observed, times the share observed (stabilised), shape (n_rows,)."""
        return np.asarray(self.observed.mean() / self.probability)

    @property
    def effective(self) -> float:
        """Kish's effective sample size of those observed, with these weights."""
        return effective_size(self.weights[self.observed])

    @property
    def unsupported(self) -> float:
        """Share of those not observed who were less likely to be than anybody who was: no weight stands for them."""
        return float((self.probability[~self.observed] < self.probability[self.observed].min()).mean())

    def weighted(self, name: str = _WEIGHT) -> Cohort:
        """The cohort with a column of weights, for ``Model(weights=name, weights_kind="sampling")``.

        Parameters
        ----------
        name
            What the column is called.

        Returns
        -------
        Cohort
            Everybody; those not observed have a weight, too, and are left out for what they lack.

        Raises
        ------
        UsageError
            There is such a column.
        """
        if name in self.cohort.data:
            raise UsageError(f"the cohort has a column {name!r}. Give another name.")
        return replace(self.cohort, data=self.cohort.data.assign(**{name: self.weights}))

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the standardised differences, the largest first.

        Parameters
        ----------
        ax
            Matplotlib axes to draw onto; a figure of its own by default.

        Returns
        -------
        matplotlib.axes.Axes
            What was drawn onto.
        """
        if ax is None:
            from matplotlib.figure import Figure

            ax = Figure(figsize=(4.9, 0.8 + 0.22 * len(self.differences))).subplots()
        return paint_differences(ax, self.differences)

    def __repr__(self) -> str:
        n, n_seen = len(self.observed), int(self.observed.sum())
        notable = int((self.differences["difference"].abs() > NOTABLE).sum())
        return (
            f"Attrition({n_seen:,} of {n:,} observed; {notable} of {len(self.differences)} standardised differences "
            f"above {NOTABLE}; effective sample size {self.effective:,.1f}; {self.unsupported:.0%} of the others "
            "unlike anybody observed)"
        )


def attrition(
    cohort: Cohort | pd.DataFrame | str | Path,
    of: str | Sequence[str] | ModelSpec,
    *,
    formula: str | None = None,
    small: int = 10,
    seed: int | None = None,
    **options: Any,
) -> Attrition:
    """Compare those who were not observed with those who were, and model who was.

    Parameters
    ----------
    cohort
        The cohort, or a table that `read_cohort` accepts.
    of
        What has to be observed: a column (``"who5_followup"``), several, or a model for all of its columns.
    formula
        What being observed depends on (``"age + sex + who5_baseline"``); by default every column that is known of
        those not observed, too: factors of more than 12 levels pooled, those of more than 60 and of persons left out.
    small
        Fewest people that a shown number rests on.
    seed
        Seed of the fit.
    **options
        Others of :meth:`alliance_bayes.Model.fit`.

    Returns
    -------
    Attrition
        The table, the fit, and weights of one over the probability of being observed.

    Raises
    ------
    UsageError
        A column that is not there, or a table of several rows a person.
    ModelError
        Everybody was observed, nobody was, or nothing is known of both.

    Notes
    -----
    Weights undo that some are more likely to be observed, as far as the model's columns explain it (missing at random
    given these). Where one of these columns has gaps itself, a gap counts as a level of its own, or as the mean beside
    an indicator of it. That the probabilities are estimated is not in the intervals of a fit with these weights, which
    are then rather too wide than too narrow. Nobody observed stands for those who were less likely to be than anybody
    who was (`unsupported`).

    Examples
    --------
    ``found = attrition(cohort, "who5_followup")``, then ``Model(formula, weights="observation_weight",
    weights_kind="sampling").fit(found.weighted())``.
    """
    if not isinstance(cohort, Cohort):
        cohort = read_cohort(cohort, set_aside=True)
    columns = list(of.columns) if isinstance(of, ModelSpec) else [of] if isinstance(of, str) else list(of)
    if isinstance(of, ModelSpec):
        cohort = of.derive(cohort)
    if cohort.persons is not None and np.unique(cohort.persons).size < len(cohort):
        raise UsageError(
            "being observed is modelled of people, and this table has several rows of a person. Give one of one row a "
            "person."
        )
    cohort.complete(columns)
    observed = cohort.data[columns].notna().all(axis=1).to_numpy()
    if observed.all() or not observed.any():
        raise ModelError(
            f"{'everybody' if observed.all() else 'nobody'} has a value of {', '.join(map(repr, columns))}, so "
            "there is nothing to compare. Name the columns that some lack."
        )
    known = compared(cohort, observed)
    data, terms = _predictors(cohort, columns, observed)
    if formula is not None:
        terms = [formula]
    if not terms:
        raise ModelError("nothing but what has to be observed is known of those who were not. Give a table with more.")
    outcome = _free(_OBSERVED, cohort.data.columns)
    data[outcome] = observed.astype(float)
    model = Model(f"{outcome} ~ {' + '.join(terms)}", family="bernoulli", focal=None)
    everybody = Cohort(data, source=cohort.source, row_names=cohort.row_names, joined_rows=cohort.joined_rows)
    fit = model.fit(everybody, seed=seed, **options)
    if fit.design.rows.n != len(data):
        raise ModelError(
            f"formula {formula!r} has columns that some people lack, so that nothing can be said of how probable they "
            "were to be observed. Leave these columns out."
        )
    chance = np.empty(len(data))
    for start in range(0, len(data), 5000):
        rows = fit.design.rows.take(slice(start, start + 5000))
        chance[start : start + 5000] = special.expit(fit.linear_predictor(rows)).mean(axis=0)
    return Attrition(cohort, observed, known[known["least"] >= small].reset_index(drop=True), fit, chance, small)


def _predictors(cohort: Cohort, needed: Sequence[str], observed: np.ndarray) -> tuple[pd.DataFrame, list[str]]:
    """Columns that being observed may depend on, without gaps, and the terms of a formula of them."""
    data, terms = pd.DataFrame(index=cohort.data.index), []
    for name in map(str, cohort.data.columns):
        column = cohort.data[name]
        gaps = column.isna().to_numpy()
        if name in (ID, cohort.person, cohort.time) or pd.api.types.is_string_dtype(column.dtype):
            continue
        # Of what has to be observed, a gap says who was not; of what is known of none of these, so does a value.
        if (name in needed and gaps.any()) or gaps[~observed].mean() > 0.5 or not name.isidentifier():
            continue
        if isinstance(column.dtype, pd.CategoricalDtype):
            levels = column.cat.remove_unused_categories()
            if gaps.any():
                unknown = _free(_UNKNOWN, levels.cat.categories)
                levels = levels.cat.add_categories([unknown]).fillna(unknown)
            n_levels = levels.nunique()
            if not 1 < n_levels <= _MOST_LEVELS:
                continue
            data[name] = levels
            terms.append(name if n_levels <= _COMMON_LEVELS else f"(1 | {name})")
        elif pd.api.types.is_numeric_dtype(column.dtype) and column.nunique() > 1:
            data[name] = column.fillna(column.mean())
            terms.append(name)
            if gaps.any():
                beside = _free(f"{name}{_GAP}", [*cohort.data.columns, *data.columns])
                data[beside] = gaps.astype(float)
                terms.append(beside)
    return data, terms


def _free(name: str, taken: Iterable[object]) -> str:
    """A name, longer where it is taken: tables have columns and levels of any name."""
    known = set(map(str, taken))
    while name in known:
        name += "_"
    return name
