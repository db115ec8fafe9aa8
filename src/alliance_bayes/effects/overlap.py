"""Whether groups are alike: differences of covariates before and after weighting, and people without a counterpart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy import optimize, special

from alliance_bayes.effects.benchmarks import MOST_BENCHMARK_LEVELS
from alliance_bayes.effects.completed import by_table
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.remedies import argument

__all__ = ["EXTRAPOLATES", "Overlap", "main_grouping", "overlap"]

#: Share of the others beyond a level's range from which its adjusted mean is said to extrapolate.
EXTRAPOLATES = 0.05
#: Standardised difference from which groups differ (Austin 2009, doi 10.1002/sim.3697).
UNLIKE = 0.1
# SD of the Normal priors of the propensity's coefficients, per SD of a covariate: without them there is no estimate
# where a covariate tells levels apart.
_PRIOR_SD = 2.5
# Levels that groups may have.
_MOST_GROUPS = 12


@dataclass(frozen=True, eq=False)
class Overlap:
    """How alike the levels of a factor are in what was measured.

    Parameters
    ----------
    by
        The factor.
    differences
        A row for each covariate (and each ``level`` of a categorical one) and pair of levels (``first``, ``second``):
        standardised difference of means, first minus second, ``before`` and ``after`` weighting.
    support
        A row for each level: ``people`` analysed, their ``effective`` number after weighting, the share of all others
        who are ``outside`` its range of the propensity score, whether its adjusted mean ``extrapolates``, and the share
        of its own people who are ``alone``: outside the range of every other level.
    alone
        Share of all people in regions where only one level is found.
    outside_of, alone_rows
        Which analysed rows are outside the range of each level, shape (n_rows, n_levels), and which are alone: 1 or 0,
        or the share of completed tables in which they are.
    """

    by: str
    differences: pd.DataFrame
    support: pd.DataFrame
    alone: float
    outside_of: np.ndarray
    alone_rows: np.ndarray

    @property
    def largest(self) -> pd.DataFrame:
        """Of every covariate the pair of levels that differ most before weighting, with the largest ``after``."""
        return self.of_largest(self.differences)

    @staticmethod
    def of_largest(differences: pd.DataFrame) -> pd.DataFrame:
        """The same of some of the differences.

        Parameters
        ----------
        differences
            Rows of ``differences``.

        Returns
        -------
        pandas.DataFrame
            A row for each covariate, and each level of a categorical one.
        """
        if not len(differences):
            return differences
        size = differences.assign(size=differences["before"].abs().fillna(-1), left=differences["after"].abs())
        groups = size.groupby(["covariate", "level"], dropna=False, sort=False)
        best = differences.loc[groups["size"].idxmax()]
        return best.assign(after=groups["left"].max().to_numpy()).reset_index(drop=True)

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for every level whose adjusted mean extrapolates."""
        rows = self.support[self.support["extrapolates"]]
        return tuple(
            f"The adjusted mean of {row['level']} extrapolates: {row['outside']:.0%} of the others are outside it."
            for _, row in rows.iterrows()
        )

    def __repr__(self) -> str:
        return f"Overlap(by {self.by!r}, {self.alone:.1%} of the people alone)\n{self.support.to_string(index=False)}"


def main_grouping(fit: FittedModel) -> str | None:
    """The factor by whose levels people are compared: the focal one, else the provider type; None without either."""
    focal = fit.spec.focal_factor(fit.design)
    for name in (focal, "provider_type"):
        if name is not None and name in fit.design.frame and name not in fit.unnamed_columns:
            return name
    return None


def overlap(fit: FittedModel, *, by: str | None = None, covariates: Sequence[str] | None = None) -> Overlap:
    """How alike the levels of a factor are in what was measured, and who has no counterpart at another level.

    Parameters
    ----------
    fit
        The fitted model, to rows.
    by
        A categorical column of the model, or one of 0 and 1; the focal factor by default, else ``provider_type``.
    covariates
        Columns to compare; by default all predictors but the factor, the focal predictor, persons, providers and
        columns with more than 30 levels.

    Returns
    -------
    Overlap
        Tables ``differences`` and ``support``, the share ``alone``, and ``warnings``.

    Raises
    ------
    UsageError
        There is no such factor, it has one level or more than 12, nothing is left to compare, a column is none of the
        model's, or the fit was made from moments.

    Notes
    -----
    The propensity score of a level is the probability of being at it given the covariates: a multinomial logistic
    regression at the mode of its posterior under Normal(0, 2.5) per SD of a covariate. Weights are the inverse of the
    propensity of one's own level, so that each level stands for all who were analysed, as an adjusted mean has it.
    Standardised differences are of means over the root of the average of both levels' variances, before weighting also
    where the means are weighted [1]_. Sampling weights of rows weight all means, variances and shares, before the
    weights of the propensity multiply them; the variance is then sum(w (x - m)^2) / (sum(w) - sum(w^2) / sum(w)), as in
    R's cobalt. Where values were drawn, everything is averaged over the kept completed tables.

    Somebody is outside the range of a level where the score of being at it is below or above those of all who are at
    it: an adjusted mean of that level is then what the model's lines say, and nobody's experience.

    References
    ----------
    .. [1] Austin (2009). Balance diagnostics for comparing the distribution of baseline covariates between treatment
       groups in propensity-score matched samples. Statistics in Medicine 28(25). doi 10.1002/sim.3697
    """
    fit.need_rows("overlap")
    name = main_grouping(fit) if by is None else by
    if name is None:
        raise UsageError(
            f"the model has no factor of interest. Name one whose levels are compared: {argument('by', ...)}."
        )
    _levels(fit, name)
    names = _covariates(fit, name) if covariates is None else list(dict.fromkeys(covariates))
    if isinstance(covariates, str):
        raise UsageError(f"covariates should be a sequence of names but got {covariates!r}. Write [{covariates!r}].")
    if unknown := [column for column in names if column not in fit.design.predictors or column == name]:
        raise UsageError(
            f"covariates should be predictors of the model besides '{name}', but got {', '.join(map(repr, unknown))}. "
            f"Those that there are: {', '.join(_covariates(fit, name)) or 'none'}."
        )
    if not _columns(fit, names)[1]:
        raise UsageError(f"the model has no covariate of which the levels of '{name}' could differ. Name some.")
    analysed = _of_table(fit, name, names)
    if fit.imputation is None:
        return analysed
    tables = [_of_table(completed, name, names) for completed, _ in by_table(fit)]
    levels = analysed.support["level"].tolist()
    return _averaged(analysed, [table for table in tables if table.support["level"].tolist() == levels])


def _of_table(fit: FittedModel, by: str, names: Sequence[str]) -> Overlap:
    """The comparison in one table."""
    codes, levels = _levels(fit, by)
    columns, labels = _columns(fit, names)
    row_weights = fit.design.rows.weights
    sampled = np.ones(len(codes)) if row_weights is None else row_weights
    scores = propensity(columns, codes, len(levels), weights=sampled)
    weights = sampled / np.take_along_axis(scores, codes[:, None], axis=1)[:, 0]
    return _described(by, levels, codes, columns, labels, scores, sampled, weights, fit.people)


def _averaged(analysed: Overlap, tables: Sequence[Overlap]) -> Overlap:
    """Means over completed tables; a level's people are those of the rows that a fit shows."""
    keys = ["covariate", "level", "first", "second"]
    several = pd.concat([table.differences for table in tables])
    means = several.groupby(keys, dropna=False, sort=False, as_index=False)[["before", "after"]].mean()
    support = analysed.support.copy()
    for name in ("effective", "outside", "alone"):
        support[name] = np.mean([table.support[name].to_numpy(float) for table in tables], axis=0)
    support["extrapolates"] = support["outside"] > EXTRAPOLATES
    return Overlap(
        analysed.by,
        means.assign(level=means["level"].astype(object).where(means["level"].notna(), None)),
        support,
        float(np.mean([table.alone for table in tables])),
        np.mean([table.outside_of for table in tables], axis=0),
        np.mean([table.alone_rows for table in tables], axis=0),
    )


def propensity(
    columns: np.ndarray, codes: np.ndarray, n_levels: int, *, weights: np.ndarray | None = None
) -> np.ndarray:
    """Probability of every level for every row, shape (n_rows, n_levels).

    Parameters
    ----------
    columns
        Covariates, shape (n_rows, n_columns).
    codes
        The level of each row.
    n_levels
        How many there are.
    weights
        What each row counts, with a mean of 1; all alike by default.
    """
    n = len(codes)
    counts = np.ones(n) if weights is None else weights
    away = columns - np.average(columns, axis=0, weights=counts)
    sd = np.sqrt(np.average(away**2, axis=0, weights=counts))
    z = away / np.where(sd > 0, sd, 1.0)
    design, indicators = np.column_stack([np.ones(n), z]), np.eye(n_levels)[codes]
    penalty = np.r_[0.0, np.full(z.shape[1], 1 / _PRIOR_SD**2)]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        beta = flat.reshape(-1, n_levels)
        eta = design @ beta
        logp = eta - special.logsumexp(eta, axis=1, keepdims=True)
        slope = design.T @ (counts[:, None] * (np.exp(logp) - indicators)) + penalty[:, None] * beta
        return float(
            -(counts[:, None] * indicators * logp).sum() + 0.5 * (penalty[:, None] * beta**2).sum()
        ), slope.ravel()

    start = np.zeros((design.shape[1], n_levels))
    start[0] = np.log(np.average(indicators, axis=0, weights=counts))
    # The loss is convex; constants of all levels together are free, and stay where they start.
    fitted = optimize.minimize(
        loss, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 2000, "gtol": 1e-6 * n}
    )
    return np.asarray(special.softmax(design @ fitted.x.reshape(-1, n_levels), axis=1))


def _levels(fit: FittedModel, name: str) -> tuple[np.ndarray, list[str]]:
    frame = fit.design.frame
    categorical = name in frame and isinstance(frame[name].dtype, pd.CategoricalDtype)
    if not categorical and not (name in fit.design.predictors and fit.design.is_indicator(name)):
        known = [column for column in fit.design.predictors if isinstance(frame[column].dtype, pd.CategoricalDtype)]
        raise UsageError(f"by should be a factor of the model ({', '.join(known) or 'none'}) but got {name!r}.")
    codes, labels = fit.design.levels_of(name)
    present, codes = np.unique(codes, return_inverse=True)
    if not 2 <= len(present) <= _MOST_GROUPS:
        raise UsageError(
            f"by should be a factor of 2 to {_MOST_GROUPS} levels, but '{name}' has {len(present)} among those "
            "analysed."
        )
    return codes, [str(labels[k]) for k in present]


def _covariates(fit: FittedModel, by: str) -> list[str]:
    """Columns that are compared unless some are named."""
    design, frame = fit.design, fit.design.frame
    barred = {by, fit.spec.focal_predictor(design), *fit.person_columns, *fit.provider_columns}
    return [
        name
        for name in design.predictors
        if name not in barred
        and not (
            isinstance(frame[name].dtype, pd.CategoricalDtype)
            and len(frame[name].cat.categories) > MOST_BENCHMARK_LEVELS
        )
    ]


def _columns(fit: FittedModel, names: Sequence[str]) -> tuple[np.ndarray, list[tuple[str, str | None]]]:
    """Numbers, and indicators of the levels of factors; a column and, of an indicator, its level."""
    columns: list[np.ndarray] = []
    labels: list[tuple[str, str | None]] = []
    for name in names:
        values = fit.design.frame[name]
        if isinstance(values.dtype, pd.CategoricalDtype):
            for level in values.cat.categories:
                indicator = (values == level).to_numpy(float)
                if 0 < indicator.sum() < len(indicator):
                    columns.append(indicator)
                    labels.append((name, str(level)))
        elif values.nunique() > 1:
            columns.append(values.to_numpy(float))
            labels.append((name, None))
    return (np.column_stack(columns) if columns else np.zeros((fit.design.rows.n, 0))), labels


def _described(
    by: str,
    levels: Sequence[str],
    codes: np.ndarray,
    columns: np.ndarray,
    labels: Sequence[tuple[str, str | None]],
    scores: np.ndarray,
    sampled: np.ndarray,
    weights: np.ndarray,
    people: np.ndarray | None,
) -> Overlap:
    masks = [codes == k for k in range(len(levels))]
    plain = np.array([np.average(columns[mask], axis=0, weights=sampled[mask]) for mask in masks])
    spread = np.array([_variance(columns[mask], sampled[mask]) for mask in masks])
    after = np.array([np.average(columns[mask], axis=0, weights=weights[mask]) for mask in masks])
    rows = []
    for place, (covariate, level) in enumerate(labels):
        for a, b in combinations(range(len(levels)), 2):
            sd = np.sqrt((spread[a, place] + spread[b, place]) / 2)
            over = [(means[a, place] - means[b, place]) / sd if sd > 0 else np.nan for means in (plain, after)]
            same = {"covariate": covariate, "level": level, "first": levels[a], "second": levels[b]}
            rows.append({**same, "before": over[0], "after": over[1]})
    ends = [(scores[mask, k].min(), scores[mask, k].max()) for k, mask in enumerate(masks)]
    outside = np.column_stack([(scores[:, k] < low) | (scores[:, k] > high) for k, (low, high) in enumerate(ends)])
    alone = np.array([all(outside[i, k] for k in range(len(levels)) if k != codes[i]) for i in range(len(codes))])
    support = []
    for k, (level, mask) in enumerate(zip(levels, masks, strict=True)):
        share = float(np.average(outside[~mask, k], weights=sampled[~mask]))
        w = weights[mask]
        support.append(
            {
                "level": level,
                "people": int(mask.sum() if people is None else np.unique(people[mask]).size),
                "effective": float(w.sum() ** 2 / (w**2).sum()),
                "outside": share,
                "extrapolates": share > EXTRAPOLATES,
                "alone": float(np.average(alone[mask], weights=sampled[mask])),
            }
        )
    everybody = float(np.average(alone, weights=sampled))
    return Overlap(by, pd.DataFrame(rows), pd.DataFrame(support), everybody, outside, alone)


def _variance(columns: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Variance of columns whose rows count differently; with a divisor of n - 1 where they count alike."""
    away = columns - np.average(columns, axis=0, weights=weights)
    total = weights.sum()
    free = total - (weights**2).sum() / total
    return np.asarray(weights @ away**2 / (free if free > 1e-9 * total else total))
