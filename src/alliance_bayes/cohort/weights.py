"""Weights of rows: how many people a row stands for, or one over the probability of its having been drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd

from alliance_bayes.cohort.cohort import Cohort
from alliance_bayes.cohort.flow import step_of
from alliance_bayes.cohort.names import ID
from alliance_bayes.cohort.row_names import once, row_of
from alliance_bayes.errors import DataError, Problem, UsageError
from alliance_bayes.remedies import setting

__all__ = [
    "KINDS",
    "WeightsKind",
    "effective_size",
    "repeated",
    "weighted_quantiles",
    "weights_of",
    "with_positive_weights",
]

WeightsKind = Literal["frequency", "sampling"]
#: What weights can be.
KINDS: tuple[WeightsKind, ...] = ("frequency", "sampling")
# Rows that a table may have once each stands there as often as it counts.
_MOST_ROWS = 5_000_000
# Rows of equal weights that sampling weights have to be worth.
_LEAST_EFFECTIVE = 2.0
# Numbers up to this are printed digit by digit.
_SAID_WHOLE = 1e15


def weights_of(cohort: Cohort, name: str, kind: WeightsKind) -> np.ndarray:
    """The weights of all rows of a cohort.

    Parameters
    ----------
    cohort
        The cohort.
    name
        Its column of weights.
    kind
        Whether they count people (``"frequency"``) or undo a way of drawing them (``"sampling"``).

    Returns
    -------
    numpy.ndarray
        Shape (n_rows,), finite, at least 0 and not all 0.

    Raises
    ------
    UsageError
        No such column.
    DataError
        Everything that is wrong with it, at once.
    """
    cohort.complete([name])
    column = cohort.data[name]
    if not pd.api.types.is_numeric_dtype(column):
        remedy = f"Give numbers, or name another column: {setting('weights')}."
        problems = [Problem(name, None, None, "holds text or levels, but weights are numbers", remedy)]
        raise DataError(problems, source=cohort.source)
    values = column.to_numpy(float, na_value=np.nan)
    problems = list(_problems(cohort, name, values, kind))
    if not problems and not values.any():
        remedy = "Correct it, or take the weights out of the model."
        problems = [Problem(name, None, 0.0, "is the weight of every row, so nobody counts", remedy)]
    if not problems and kind == "sampling" and len(values) > 1 and effective_size(values) < _LEAST_EFFECTIVE:
        row = int(values.argmax())
        what = f"is {values[row] / values.max() / (values / values.max()).sum():.1%} of the sum of weights"
        remedy = "Estimates would be those of this row. Correct it, or cut weights off at one that is still plausible."
        problems = [Problem(name, row_of(cohort, name, row), float(values[row]), what, remedy)]
    if problems:
        raise DataError(once(problems), source=cohort.source)
    return values


def _problems(cohort: Cohort, name: str, values: np.ndarray, kind: WeightsKind) -> Iterator[Problem]:
    for row in np.flatnonzero(
        ~np.isfinite(values) | (values < 0) | ((np.rint(values) != values) & (kind == "frequency"))
    ):
        value: float | None = float(values[row])
        if np.isnan(values[row]):
            value, what = None, "has no weight"
            remedy = "Fill it in, with 0 for a row that is not to count, or remove the row."
        elif np.isinf(values[row]):
            what, remedy = "is not a finite weight", "Correct it."
        elif values[row] < 0:
            what, remedy = "is negative, but a weight is 0 or more", "Correct it."
        else:
            what = "is no whole number of people"
            remedy = (
                "Correct it; or, if the weights are one over the probability of being drawn or observed, say so: "
                f"{setting('weights_kind', 'sampling')}."
            )
        yield Problem(name, row_of(cohort, name, row), value, what, remedy)


def effective_size(weights: np.ndarray) -> float:
    """Kish's effective sample size: of how many equally weighted rows a weighted mean would be as exact.

    Parameters
    ----------
    weights
        At least 0, shape (n,); their scale does not matter.

    Returns
    -------
    float
        From 1 to n: the squared sum over the sum of squares (Kish 1965, Survey Sampling, 11.7).
    """
    share = weights / weights.max()
    return float(share.sum() ** 2 / (share**2).sum())


def weighted_quantiles(values: np.ndarray, at: Sequence[float], weights: np.ndarray | None) -> np.ndarray:
    """Quantiles of the people whom rows stand for.

    Parameters
    ----------
    values
        Shape (n,).
    at
        Probabilities.
    weights
        Shape (n,); None where all weigh the same.

    Returns
    -------
    numpy.ndarray
        Shape (n_at,): linear between the middles of the sorted values' shares, which go from 0 to 1. Where all weigh
        the same it is NumPy's own.
    """
    if weights is None or len(values) < 2:
        return np.asarray(np.quantile(values, at))
    positive = np.flatnonzero(weights > 0)
    order = positive[np.argsort(values[positive], kind="stable")]
    share = weights[order]
    middle = np.cumsum(share) - share / 2
    place = (middle - middle[0]) / (middle[-1] - middle[0]) if len(order) > 1 else np.zeros(1)
    return np.asarray(np.interp(at, place, values[order]))


def with_positive_weights(cohort: Cohort, weights: np.ndarray) -> Cohort:
    """The cohort without the rows of weight 0, which the flow counts."""
    keep = weights > 0
    if keep.all():
        return cohort
    step = step_of("weight of 0", np.ones(len(keep), dtype=bool), keep, cohort.persons)
    return replace(cohort, data=cohort.data[keep], excluded=(*cohort.excluded, step))


def repeated(cohort: Cohort, name: str, person: str | None = None) -> Cohort:
    """The table in which everybody stands as often as the frequency weights say.

    Parameters
    ----------
    cohort
        The cohort.
    name
        Its column of frequency weights.
    person
        The column that says whose a row is, where people have several rows; that of the cohort by default.

    Returns
    -------
    Cohort
        Each row, or each person's rows, as many times as its weight says; further copies are other people, with ids of
        their own. The column of weights is not in it.

    Raises
    ------
    DataError
        Bad weights, or several of one person.
    UsageError
        More rows than a table may have, or people who were left out before, of whom no weight is known.
    """
    counts = weights_of(cohort, name, "frequency")
    _check_size(cohort, counts, name)
    weights = counts.astype(np.int64)
    person = person or cohort.person or (ID if ID in cohort.data and cohort.data[ID].duplicated().any() else None)
    codes = np.arange(len(weights)) if person is None else pd.factorize(cohort.data[person])[0]
    _check_alike(cohort, name, weights, codes)
    rounds = np.arange(weights.max())
    # One copy of everybody after the other: the order of a person's own rows stays.
    at = np.concatenate([np.flatnonzero(weights > copy) for copy in rounds])
    copy = np.repeat(rounds, [int((weights > copy).sum()) for copy in rounds])
    data = cohort.data.drop(columns=name).iloc[at].reset_index(drop=True)
    for column in dict.fromkeys(key for key in (ID, person) if key is not None and key in data):
        data[column] = _renamed(data[column], copy)
    reasons = None if cohort.reasons is None else cohort.reasons.iloc[at].set_axis(data.index)
    assert cohort.row_names is not None
    row_names, session_names = cohort.row_names[at], cohort.session_names
    sessions, why = cohort.sessions, cohort.why_missing
    if sessions is not None or why:
        copies = pd.Series(weights, index=cohort.data[ID].to_numpy())
        if sessions is not None:
            assert session_names is not None
            sessions, of_sessions = _sessions(sessions, copies)
            session_names = session_names[of_sessions]
        why = {
            column: {reason: frozenset(_copied(ids, copies)) for reason, ids in by_reason.items()}
            for column, by_reason in why.items()
        }
    return replace(
        cohort,
        data=data,
        sessions=sessions,
        why_missing=why,
        reasons=reasons,
        row_names=row_names,
        joined_rows=tuple(joined.take(at) for joined in cohort.joined_rows),
        session_names=session_names,
    )


def _check_size(cohort: Cohort, weights: np.ndarray, name: str) -> None:
    if cohort.excluded:
        raise UsageError(
            f"{cohort.source}: people were left out when it was read, of whom no weight is known, so that the flow "
            "cannot count them. Repeat each row as often as it counts, and read that table without weights."
        )
    # As numbers, whose sum is not cut off where it is more than an integer holds.
    if (total := float(weights.sum())) > _MOST_ROWS:
        amount = f"{total:,.0f}" if total < _SAID_WHOLE else f"{total:.3g}"
        raise UsageError(
            f"the weights in {name!r} add up to {amount} people, and a table may have {_MOST_ROWS:,}. Divide them by "
            "a common number, or reduce the repeated table to its moments where it is."
        )


def _check_alike(cohort: Cohort, name: str, weights: np.ndarray, codes: np.ndarray) -> None:
    """Refuse people whose rows count as different numbers of people."""
    first = np.unique(codes, return_index=True)[1]
    reference = weights[first][np.unique(codes, return_inverse=True)[1]]
    problems = [
        Problem(
            name,
            row_of(cohort, name, row),
            int(weights[row]),
            f"differs from the weight {int(reference[row])} of another row of the same person",
            "Give all rows of a person one weight: it says how many people of the same rows there are.",
        )
        for row in np.flatnonzero(weights != reference)
    ]
    if problems:
        raise DataError(problems, source=cohort.source)


def _copy_of(label: str, copy: int) -> str:
    return label if copy == 0 else f"{label} ({copy + 1})"


def _copied(ids: frozenset[str], copies: pd.Series) -> Iterator[str]:
    for label in ids:
        yield from (_copy_of(label, copy) for copy in range(int(copies.get(label, 0))))


def _renamed(column: pd.Series, copy: np.ndarray) -> pd.Series:
    """Names of people, those of copies with the number of the copy."""
    labels = [value if pd.isna(value) else _copy_of(str(value), int(k)) for value, k in zip(column, copy, strict=True)]
    if isinstance(column.dtype, pd.CategoricalDtype):
        # The declared order first, then copies in the order in which they come.
        known = [label for label in column.cat.categories if label in set(labels)]
        levels = dict.fromkeys([*known, *(label for label in labels if not pd.isna(label))])
        return pd.Series(pd.Categorical(labels, categories=list(levels), ordered=column.cat.ordered))
    return pd.Series(labels, dtype=column.dtype)


def _sessions(sessions: pd.DataFrame, copies: pd.Series) -> tuple[pd.DataFrame, np.ndarray]:
    """Sessions as often as their people are there, and which each is of."""
    times = sessions[ID].map(copies).to_numpy(np.int64)
    at = np.repeat(np.arange(len(sessions)), times)
    copy = np.concatenate([np.arange(k) for k in times]) if len(times) else np.zeros(0, dtype=np.int64)
    copied = sessions.iloc[at].reset_index(drop=True)
    copied[ID] = [_copy_of(str(label), int(k)) for label, k in zip(copied[ID], copy, strict=True)]
    return copied, at
