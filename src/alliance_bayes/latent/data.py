"""What the joint model reads: who is in it, with which sessions (numbered and counted), predictors and outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from alliance_bayes.cohort import Cohort, Flow
from alliance_bayes.cohort.names import ID
from alliance_bayes.cohort.row_names import telling_rows
from alliance_bayes.errors import DataError, ModelError, Problem
from alliance_bayes.latent.kernel import CATEGORIES, MISSING
from alliance_bayes.model import Design, ModelSpec
from alliance_bayes.model.levels import labels_of
from alliance_bayes.model.nodes import columns_of

__all__ = ["ALLIANCE", "RATED", "JointData", "Ratings", "analysed", "joint_data", "ratings_of", "standard_normal_nodes"]

ALLIANCE = "alliance"

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
    rated = sessions[sessions[ID].isin(number)]
    rated = rated[rated[list(RATED)].notna().any(axis=1)]
    problems = _impossible(rated)
    without = number.difference(pd.Index(rated[ID].unique()))
    if len(without):
        what = f"holds no rating of {len(without):,} of the {len(number):,} participants"
        problems.append(Problem(None, None, None, what, "Leave these participants out, or give their sessions."))
    if problems:
        raise DataError(problems, source="sessions")

    person = number.get_indexer(pd.Index(rated[ID]))
    label = _providers(rated, person)
    providers, provider = np.unique(label, return_inverse=True)
    coded = pd.DataFrame({"person": person, "provider": provider, **{name: _coded(rated[name]) for name in RATED}})
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


@dataclass(frozen=True, eq=False)
class JointData:
    """Ratings of everybody, and the outcome's design for those who have an outcome.

    Attributes
    ----------
    ratings
        Everybody's, numbered as in ``people``.
    people
        Participant ids.
    observed
        Everybody's observed alliance: the cohort's own column, points 1-5, shape (n,).
    design
        The outcome's model on the people who have an outcome; its alliance column holds the observed alliance.
    rows
        Number (in ``people``) of each row of the design, shape (n_rows,).
    trait_terms, trait_x
        Common columns of the design besides intercept and alliance, divided by their reference SDs, shape (n, k).
    trait_index
        Everybody's level of each pooled factor, -1 where no row of the design has it, shape (n,) each.
    flow
        Into the design's rows.
    """

    ratings: Ratings
    people: tuple[str, ...]
    observed: np.ndarray
    design: Design
    rows: np.ndarray
    trait_terms: tuple[str, ...]
    trait_x: np.ndarray
    trait_index: Mapping[str, np.ndarray]
    flow: Flow


def joint_data(cohort: Cohort, sessions: pd.DataFrame, spec: ModelSpec) -> JointData:
    """Choose the people and put their data together.

    Parameters
    ----------
    cohort
        The table.
    sessions
        One row a session; see `ratings_of`.
    spec
        Model of the outcome. Its alliance slope is one number: no product, smooth or pooled slope of the alliance.

    Raises
    ------
    ModelError
        The model has another shape, or cannot be applied.
    DataError
        See `ratings_of`.

    Notes
    -----
    Everybody with an alliance rating and a value of every predictor is in; who has no outcome contributes ratings
    only. That keeps the measurement model that of the whole cohort, and loses nobody's ratings.
    """
    design, flow = analysed(cohort, spec)
    outcome = spec.parsed.outcome
    predictors = [name for name in spec.columns if name not in (outcome, ALLIANCE)]
    with_outcome = cohort.complete([outcome, *predictors, ALLIANCE])[0][ID]
    everybody, _ = cohort.complete([*predictors, ALLIANCE])
    everybody = everybody[_known_levels(everybody, design)].reset_index(drop=True)
    have = (
        everybody[ID].isin(sessions.loc[sessions[list(RATED)].notna().any(axis=1), ID]) if _usable(sessions) else None
    )
    # Somebody with an outcome but no session is a fault to be told; without either there is nothing to use.
    keep = everybody[ID].isin(with_outcome) if have is None else have | everybody[ID].isin(with_outcome)
    everybody = everybody[keep].reset_index(drop=True)
    people = tuple(everybody[ID])
    ratings = ratings_of(sessions, people)
    evaluated = design.evaluate(everybody)
    columns = [(k, column) for k, column in enumerate(design.columns) if column.label not in ("Intercept", ALLIANCE)]
    # One reference SD a column; a column without a scale (a level of a factor) counts as it is.
    width = [
        float(np.prod([design.scales[name].sd for name in column.numeric if name in design.scales]))
        for _, column in columns
    ]
    return JointData(
        ratings,
        people,
        everybody[ALLIANCE].to_numpy(float),
        design,
        pd.Index(people).get_indexer(with_outcome),
        tuple(column.label for _, column in columns),
        evaluated.x[:, [k for k, _ in columns]] / np.array(width),
        {name: np.maximum(index, -1) for name, index in evaluated.index.items()},
        flow,
    )


def analysed(cohort: Cohort, spec: ModelSpec) -> tuple[Design, Flow]:
    """The outcome's model on the people who have a value of everything in it.

    Raises
    ------
    ModelError
        The model has not one slope of the alliance, or cannot be applied.
    """
    _check_shape(spec)
    outcome = spec.parsed.outcome
    predictors = [name for name in spec.columns if name not in (outcome, ALLIANCE)]
    columns = [outcome, *predictors, ALLIANCE]
    frame, flow = spec.complete(cohort, columns)
    with telling_rows(cohort, columns):
        design = spec.design(frame)
    _check_design(design)
    return design, flow


def _usable(sessions: pd.DataFrame) -> bool:
    return {ID, *RATED} <= set(sessions.columns)


def _known_levels(everybody: pd.DataFrame, design: Design) -> np.ndarray:
    """Who has only such levels as the design can evaluate."""
    keep = np.ones(len(everybody), dtype=bool)
    for name in design.predictors:
        dtype = design.frame[name].dtype
        if isinstance(dtype, pd.CategoricalDtype) and not any(
            factor.name == name and not factor.exhaustive for factor in design.factors
        ):
            keep &= np.isin(labels_of(everybody[name]), dtype.categories)
    return keep


def _check_shape(spec: ModelSpec) -> None:
    if not spec.observation.conjugate or spec.of_residual:
        raise ModelError("the joint model of ratings and outcome is gaussian with one residual SD. Leave both as such.")
    if spec.weights is not None:
        raise ModelError("the joint model of ratings and outcome counts all people alike. Take the weights out.")
    smooths = [smooth.column for smooth in spec.parsed.smooths]
    if ALLIANCE not in spec.parsed.common or ALLIANCE in smooths:
        raise ModelError(
            f"the joint model corrects the slope of '{ALLIANCE}', which the formula must have as a term of its own. "
            f"The formula is {spec.formula!r}."
        )

    for offset in spec.parsed.offsets:
        if ALLIANCE in columns_of(offset):
            raise ModelError(
                f"the joint model estimates what '{ALLIANCE}' was without error, so {offset} would be unknown. Leave "
                "it out of the offset."
            )


def _check_design(design: Design) -> None:
    pooled = [column for factor in design.factors for column in factor.columns]
    more = [column.label for column in (*design.columns, *pooled) if ALLIANCE in column.numeric]
    if more != [ALLIANCE]:
        more.remove(ALLIANCE)
        raise ModelError(
            f"the joint model has one slope of '{ALLIANCE}', but the formula has {', '.join(more)} besides. Write "
            "(1 | factor) for the factors, and leave products of the alliance out."
        )
