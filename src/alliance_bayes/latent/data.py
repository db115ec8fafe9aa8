"""Sessions as the measurement model reads them: numbered people and providers, and counts of pairs of ratings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_bayes.cohort.names import ID
from alliance_bayes.errors import DataError, Problem
from alliance_bayes.latent.kernel import CATEGORIES, MISSING

__all__ = ["RATED", "Ratings", "ratings_of", "standard_normal_nodes"]

#: Columns of a table of sessions that hold ratings, in the order of the kernel's items.
RATED = ("goal", "bond")


@dataclass(frozen=True, eq=False)
class Ratings:
    """Ratings of some people, counted by person, provider and the two ratings.

    Attributes
    ----------
    n, providers
        Number of people, and the providers' labels.
    pair_person, pair_provider, pair_share, pair_rows, row_goal, row_bond, row_count
        As the kernel takes them; see `ratings_and_expectations`.
    """

    n: int
    providers: tuple[str, ...]
    pair_person: np.ndarray
    pair_provider: np.ndarray
    pair_share: np.ndarray
    pair_rows: np.ndarray
    row_goal: np.ndarray
    row_bond: np.ndarray
    row_count: np.ndarray

    @property
    def n_sessions(self) -> int:
        """Sessions with at least one rating."""
        return int(self.row_count.sum())

    def arguments(self, n_nodes: int) -> tuple[np.ndarray, ...]:
        """What the kernel takes after the parameters, with this many quadrature nodes for the session's part."""
        return (
            self.pair_person,
            self.pair_provider,
            self.pair_share,
            self.pair_rows,
            self.row_goal,
            self.row_bond,
            self.row_count,
            *standard_normal_nodes(n_nodes),
        )


def standard_normal_nodes(n_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights (summing to 1) of Gauss-Hermite quadrature for a standard normal variable."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(n_nodes)
    return nodes, weights / weights.sum()


def ratings_of(sessions: pd.DataFrame, people: Sequence[str] | pd.Series) -> Ratings:
    """Number and count the sessions of some people.

    Parameters
    ----------
    sessions
        One row a session: `participant_id`, `goal`, `bond` (1-5; either may be missing) and `provider_id` (where it is
        not known, the participant's unknown sessions are taken to be with one provider whom nobody else sees).
    people
        Participants in the order in which they are to be numbered.

    Returns
    -------
    Ratings
        Sessions without any rating, and those of other people, are left out.

    Raises
    ------
    DataError
        A column is missing, a rating is not a whole number from 1 to 5, or somebody has no rating at all; all problems
        at once.
    """
    number = pd.Index(list(people))
    lacking = [name for name in (ID, *RATED) if name not in sessions.columns]
    if lacking:
        remedy = "Give one row a session, as read_tables reads it."
        raise DataError([Problem(name, None, None, "is missing", remedy) for name in lacking], source="sessions")
    own = sessions[sessions[ID].isin(number)]
    own = own[own[list(RATED)].notna().any(axis=1)]
    problems = _impossible(own)
    without = number.difference(pd.Index(own[ID].unique()))
    if len(without):
        what = f"holds no rating of {len(without):,} of the {len(number):,} participants"
        problems.append(Problem(None, None, None, what, "Leave these participants out, or give their sessions."))
    if problems:
        raise DataError(problems, source="sessions")

    person = number.get_indexer(pd.Index(own[ID]))
    label = _providers(own, person)
    providers, provider = np.unique(label, return_inverse=True)
    coded = pd.DataFrame({"person": person, "provider": provider, **{name: _coded(own[name]) for name in RATED}})
    rows = coded.groupby(["person", "provider", *RATED], sort=True).size().rename("times").reset_index()
    pairs = coded.groupby(["person", "provider"], sort=True).size().rename("times").reset_index()
    in_all = np.bincount(person, minlength=len(number))
    key = rows["person"].to_numpy() * len(providers) + rows["provider"].to_numpy()
    pair_key = pairs["person"].to_numpy() * len(providers) + pairs["provider"].to_numpy()
    return Ratings(
        len(number),
        tuple(str(name) for name in providers),
        _whole(pairs["person"]),
        _whole(pairs["provider"]),
        pairs["times"].to_numpy(float) / in_all[pairs["person"].to_numpy()],
        np.append(np.searchsorted(key, pair_key), len(key)).astype(np.int64),
        _whole(rows["goal"]),
        _whole(rows["bond"]),
        rows["times"].to_numpy(float),
    )


def _impossible(sessions: pd.DataFrame) -> list[Problem]:
    allowed = {float(rating) for rating in range(1, CATEGORIES + 1)}
    return [
        Problem(name, str(row), value, "is not a whole number from 1 to 5", "Correct it, or leave it empty.")
        for name in RATED
        for row, value in sessions[name].dropna().items()
        if float(value) not in allowed
    ]


def _providers(sessions: pd.DataFrame, person: np.ndarray) -> np.ndarray:
    nobody_else = np.array([f"unknown provider of participant {k}" for k in person], dtype=object)
    if "provider_id" not in sessions.columns:
        return nobody_else.astype(str)
    known = sessions["provider_id"].notna().to_numpy()
    return np.where(known, sessions["provider_id"].astype(str).to_numpy(dtype=object), nobody_else).astype(str)


def _coded(ratings: pd.Series) -> np.ndarray:
    values = ratings.to_numpy(dtype=float, na_value=np.nan)
    return np.where(np.isnan(values), MISSING, values - 1).astype(np.int64)


def _whole(values: pd.Series) -> np.ndarray:
    return np.ascontiguousarray(values.to_numpy(np.int64))
