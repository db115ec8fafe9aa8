"""FittedModel: the posterior of a model on its rows, what it predicts, and how it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from typing import Any, Self

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.cohort import Flow
from alliance_bayes.cohort.beside import Beside
from alliance_bayes.cohort.flow import counted
from alliance_bayes.cohort.names import ID
from alliance_bayes.cohort.weights import weighted_quantiles
from alliance_bayes.errors import UsageError
from alliance_bayes.imputation.imputed import GROUP, Imputed
from alliance_bayes.kinds import is_number, is_whole
from alliance_bayes.model import Design, ModelSpec, PriorTable, Rows
from alliance_bayes.model.levels import NEW_LEVEL, lies_within
from alliance_bayes.model.new_rows import check_defined
from alliance_bayes.model.predictor import add_effects
from alliance_bayes.model.roles import columns_of
from alliance_bayes.model.sigma import GAMMA
from alliance_bayes.moments import Moments
from alliance_bayes.notebook import overview
from alliance_bayes.remedies import argument, setting

__all__ = ["BLOCK", "FittedModel", "followed", "seen", "without_times"]

#: Draws x rows that are in memory at once (doubles), by thread: a million are 8 MB.
BLOCK = 1_000_000


def without_times(ran: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, float]]:
    """What an engine says of a run, and how long what took, by name without its unit."""
    times = {name.removesuffix("_seconds"): ran[name] for name in ran if name.endswith("_seconds")}
    return {name: value for name, value in ran.items() if not name.endswith("_seconds")}, times


@dataclass(frozen=True, eq=False)
class FittedModel:
    """A posterior together with everything needed to use it.

    Parameters
    ----------
    spec, design, priors
        The model, the rows it was fitted to, and the prior of every parameter.
    tree
        Groups ``posterior`` and ``sample_stats``, dims chain and draw first.
    flow
        Participants in, left out by reason, analysed.
    info
        How the draws came about: engine, sampler, settings, versions, the cohort's source and hash. JSON values only,
        and the same in every run.
    moments
        What the fit was made from, where the rows are out of reach; the design's rows are then weighted points that
        have the same moments, and nothing is said of single participants.
    people
        Number of the person of each analysed row, shape (n,), where some have several rows; None where a row is a
        person.
    seconds
        How long what took; empty for draws that were not made here. It is kept in no file, since the same run takes
        longer or shorter each time.
    names_providers
        Whether a page about the fit may name single providers; kept in no file.
    beside
        What the table held beside the model's columns and the analysed rows, for the checks; None where it is not
        known: it is kept in no file.
    """

    spec: ModelSpec
    design: Design
    priors: PriorTable
    tree: xr.DataTree
    flow: Flow
    info: Mapping[str, Any]
    moments: Moments | None = None
    people: np.ndarray | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    names_providers: bool = False
    beside: Beside | None = field(default=None, repr=False)
    _new_levels: dict[str, tuple[tuple[tuple[str, ...], int], np.ndarray]] = field(
        default_factory=dict, init=False, repr=False
    )

    @property
    def person(self) -> str:
        """The column that says whose a row is, or "person" where it has no name."""
        return str(dict(self.info.get("long") or {}).get("person") or "person")

    def count_people(self, rows: np.ndarray | None = None) -> int:
        """People among some of the analysed rows, of which somebody may have several.

        Parameters
        ----------
        rows
            True for each of these rows, shape (n,); all by default.

        Returns
        -------
        int
            People, who are rows where a row is one.
        """
        if self.people is not None:
            return int(np.unique(self.people if rows is None else self.people[rows]).size)
        return self.count_rows(rows)

    def count_rows(self, rows: np.ndarray | None = None) -> int:
        """How many of the analysed rows some are; the sum of their weights, of a fit made from moments.

        Parameters
        ----------
        rows
            True for each of these rows, shape (n,); all by default.

        Returns
        -------
        int
            Rows; people where a row is one.
        """
        weights = self.design.copies
        if weights is None:
            return len(self.design.frame) if rows is None else int(np.count_nonzero(rows))
        return round(float(weights.sum() if rows is None else weights[rows].sum()))

    @property
    def person_columns(self) -> frozenset[str]:
        """Columns whose levels are persons: that of participants, and what a table or a model declares to be one."""
        roles = {ID: "person", self.person: "person", **self.spec.roles}
        return frozenset(name for name, role in roles.items() if role == "person")

    @property
    def provider_columns(self) -> frozenset[str]:
        """Columns whose levels are providers of care: that of a cohort, and what a model declares to be one."""
        return columns_of("provider", self.spec.roles)

    @property
    def unnamed_columns(self) -> frozenset[str]:
        """Columns of whose levels a page names none: persons, and providers, who are persons too, unless it may."""
        return self.person_columns | (frozenset() if self.names_providers else self.provider_columns)

    @property
    def has_person_effects(self) -> bool:
        """Whether rows of one person share an effect; True where a row is a person.

        They do where a pooled factor, or a categorical predictor, has levels of one person each, of which some have
        several rows.
        """
        if self.people is None:
            return True
        codes = list(self.design.rows.index.values())
        for name in {part for term in self.design.formula.common for part in term.split(":")}:
            if name in self.design.frame and isinstance(self.design.frame[name].dtype, pd.CategoricalDtype):
                codes.append(self.design.frame[name].cat.codes.to_numpy())
        return any(lies_within(code, self.people) and np.unique(code).size < self.people.size for code in codes)

    def need_rows(self, what: str) -> None:
        """Refuse what the analysed rows are needed for.

        Parameters
        ----------
        what
            What they are needed for, for the message.

        Raises
        ------
        UsageError
            The fit was made from moments.
        """
        if self.moments is not None:
            raise UsageError(
                f"{what} needs the analysed rows, but this fit was made from moments, which hold no row. "
                "Fit the model to the table itself, or give the rows to predict."
            )

    @property
    def posterior(self) -> xr.Dataset:
        """The draws: ``beta``, the family's parameters, and ``u_``, ``tau_`` and ``corr_`` by factor and smooth."""
        return self.tree["posterior"].to_dataset()

    @property
    def sample_stats(self) -> xr.Dataset:
        """What the sampler says of itself, dims (chain, draw)."""
        return self.tree["sample_stats"].to_dataset()

    @cached_property
    def imputation(self) -> Imputed | None:
        """What was drawn in place of values that were not observed; None where nothing was.

        The analysed rows are then those of one of its tables.
        """
        return Imputed.of(self.tree[GROUP].to_dataset()) if GROUP in self.tree.children else None

    def imputed(self, tables: int | None = None) -> list[pd.DataFrame]:
        """The analysed rows of the model's columns with drawn values in place of those that were not observed.

        Parameters
        ----------
        tables
            How many of the tables that are kept (40), evenly over the chains; all by default.

        Returns
        -------
        list of pandas.DataFrame
            One a table, in the order of the analysed rows.

        Raises
        ------
        UsageError
            No values were drawn, or fewer tables are kept.
        """
        drawn = self.imputation
        if drawn is None:
            raise UsageError(
                "no values were imputed: the model leaves incomplete rows out. Ask for it: "
                f"{setting('missing', 'impute')}."
            )
        if tables is not None and not is_whole(tables, 1, drawn.tables):
            raise UsageError(
                f"{argument('tables')} should be a whole number from 1 to {drawn.tables} but got {tables!r}."
            )
        chosen = np.linspace(0, drawn.tables - 1, drawn.tables if tables is None else tables).round().astype(int)
        return [drawn.completed(self.design.frame, int(table)) for table in chosen]

    def quantiles(self, column: str, at: Sequence[float]) -> tuple[float, ...]:
        """Quantiles of a numeric column over the people analysed, or those whom they stand for.

        Where values of it were drawn, they are the means of those of all completed tables: one table's are as far from
        another's as chance has it.

        Parameters
        ----------
        column
            A numeric predictor.
        at
            Shares of people below, from 0 to 1.

        Returns
        -------
        tuple of float
            One quantile for each share.

        Raises
        ------
        UsageError
            The model has no such column, or it holds levels; a share is not one.
        """
        self._check_numbers(column)
        if not all(is_number(share) and 0 <= share <= 1 for share in at):
            raise UsageError(f"{argument('at')} should be shares from 0 to 1 but got {tuple(at)!r}.")
        weights = self.design.rows.weights
        of_tables = [weighted_quantiles(values, at, weights) for values in self._of_tables(column)]
        return tuple(map(float, np.mean(of_tables, axis=0)))

    def sd(self, column: str) -> float:
        """Standard deviation (n - 1) of a numeric column, or of the outcome; the mean over all completed tables.

        Parameters
        ----------
        column
            A numeric predictor or the outcome.

        Returns
        -------
        float
            In units of the column.

        Raises
        ------
        UsageError
            The model has no such column, or it holds levels.
        """
        self._check_numbers(column)
        of_trials = column == self.design.outcome.name and self.spec.trials is not None
        if of_trials:
            return self.design.sd(column)
        return float(np.mean([self.design.sd_of(values) for values in self._of_tables(column)]))

    def _check_numbers(self, column: str) -> None:
        frame = self.design.frame
        known = [name for name in frame if pd.api.types.is_numeric_dtype(frame[name].dtype)]
        if column not in known:
            raise UsageError(
                f"{argument('column')} should be a numeric column of the model but got {column!r}. It has "
                f"{', '.join(map(str, known))}."
            )

    def _of_tables(self, column: str) -> Iterator[np.ndarray]:
        """A numeric column of the analysed rows in each completed table, or as it is where none of it was drawn."""
        values, drawn = self.design.frame[column].to_numpy(float), self.imputation
        places = None if drawn is None else drawn.places.get(column)
        if drawn is None or places is None or not places.size:
            yield values
            return
        for others in drawn.values[column]:
            completed = values.copy()
            completed[places] = others
            yield completed

    @property
    def shape(self) -> tuple[int, int]:
        """Number of chains and of draws in each."""
        sizes = self.tree["posterior"].sizes
        return int(sizes["chain"]), int(sizes["draw"])

    @cached_property
    def stacked(self) -> Mapping[str, np.ndarray]:
        """Draws by variable with chain and draw in one leading axis (chain-major), shape (n_draws, ...)."""
        posterior = self.posterior
        return {
            str(name): np.ascontiguousarray(values.values.reshape(-1, *values.shape[2:]))
            for name, values in posterior.data_vars.items()
        }

    def thinned(self, by: int) -> Self:
        """The fit with every ``by``-th draw of each chain, for summaries that cost much a draw.

        Parameters
        ----------
        by
            1 keeps every draw.

        Returns
        -------
        Fit
            Of the same model and rows.

        Raises
        ------
        UsageError
            ``by`` is not a whole number from 1 up to the number of draws.
        """
        if not is_whole(by, 1, self.shape[1]):
            raise UsageError(f"by should be a whole number from 1 to {self.shape[1]} but got {by!r}.")
        groups = {name: self.tree[name].to_dataset() for name in ("posterior", "sample_stats")}
        thinned = {name: group.isel(draw=slice(None, None, by)) for name, group in groups.items()}
        if self.imputation is not None:
            thinned[GROUP] = self.imputation.thinned(by).dataset()
        return replace(self, tree=xr.DataTree.from_dict(thinned))

    @property
    def parameters(self) -> Mapping[str, np.ndarray]:
        """Stacked draws of the family's own parameters, one column a level where ``sigma`` differs by level.

        Where it differs along columns, ``sigma`` is that at the centring values.
        """
        return {name: self.stacked[name] for name in self.design.family.parameters}

    @cached_property
    def coefficients_of_known(self) -> np.ndarray:
        """What multiplies ``Rows.known``: the common coefficients, and 1 for the offset, shape (n_draws, n_known)."""
        n_draws = self.shape[0] * self.shape[1]
        beta = self.stacked["beta"] if self.design.terms else np.zeros((n_draws, 0))
        return beta if self.design.rows.offset is None else np.column_stack([beta, np.ones(n_draws)])

    def with_chains(self, draws: np.ndarray) -> np.ndarray:
        """Stacked draws (n_draws, ...) as (chain, draw, ...).

        Parameters
        ----------
        draws
            One entry a draw, chain after chain.

        Returns
        -------
        numpy.ndarray
            A view, where that can be.
        """
        return draws.reshape(*self.shape, *draws.shape[1:])

    def linear_predictor(
        self,
        rows: Rows | None = None,
        *,
        which: slice | np.ndarray = slice(None),
        seed: int = 0,
        without: Sequence[str] = (),
    ) -> np.ndarray:
        """Linear predictor of some rows.

        Parameters
        ----------
        rows
            Design arrays (``design.evaluate(frame)``); the analysed rows by default.
        which
            Which of the stacked draws.
        seed
            Seed for the effects of levels the fit has not seen; see :meth:`new_levels`.
        without
            Pooled factors whose effects are left out.

        Returns
        -------
        numpy.ndarray
            Shape (n_draws, n_rows).

        Raises
        ------
        UsageError
            The analysed rows are out of reach.
        """
        rows = self._rows_or_own(rows)
        n_draws = self._count(which)
        known = rows.known
        eta = self.coefficients_of_known[which] @ known.T if known.shape[1] else np.zeros((n_draws, rows.n))
        for name in (factor.name for factor in self.design.factors if factor.name not in without):
            u, index = self.stacked[f"u_{name}"][which], rows.index[name]
            if (index < 0).any():
                unseen = self.new_levels(name, rows.unseen.get(name, (NEW_LEVEL,)), seed=seed)[which]
                index = np.where(index < 0, u.shape[1] - 1 - index, index)
                u = np.concatenate([u, unseen], axis=1)
            add_effects(eta, *(np.ascontiguousarray(part) for part in (u, index, rows.z[name])))
        for smooth in self.design.smooths:
            eta += self.stacked[f"u_{smooth.name}"][which] @ rows.basis[smooth.name].T
        return eta

    def mean_predictor(
        self, rows: Rows | None = None, *, which: slice | np.ndarray = slice(None), without: Sequence[str] = ()
    ) -> np.ndarray:
        """Mean over some draws of the linear predictor of some rows, all of levels that the fit has seen.

        It is the linear predictor of the coefficients' means, so no array of draws x rows is made.

        Parameters
        ----------
        rows, which, without
            See :meth:`linear_predictor`.

        Returns
        -------
        numpy.ndarray
            Shape (n_rows,).

        Raises
        ------
        UsageError
            The analysed rows are out of reach.
        """
        rows = self._rows_or_own(rows)
        eta = np.asarray(rows.known @ self.coefficients_of_known[which].mean(axis=0))
        for name in (factor.name for factor in self.design.factors if factor.name not in without):
            u = self.stacked[f"u_{name}"][which].mean(axis=0, keepdims=True)
            add_effects(eta[None], u, *(np.ascontiguousarray(part) for part in (rows.index[name], rows.z[name])))
        for smooth in self.design.smooths:
            eta += rows.basis[smooth.name] @ self.stacked[f"u_{smooth.name}"][which].mean(axis=0)
        return eta

    def _rows_or_own(self, rows: Rows | None) -> Rows:
        """The rows given, or those that were analysed."""
        if rows is None:
            self.need_rows("the linear predictor of the analysed rows")
            return self.design.rows
        return rows

    def new_levels(self, factor: str, labels: Sequence[str], *, seed: int = 0) -> np.ndarray:
        """Effects of levels that the fit has not seen, drawn from Normal(0, tau).

        Parameters
        ----------
        factor
            Name of the pooled factor.
        labels
            Labels of the levels. A label's draws depend on it and the seed alone, not on what else is asked for, so
            that two rows of one new level share them and those of two levels are independent.
        seed
            Seed of the draws.

        Returns
        -------
        numpy.ndarray
            Shape (n_draws, n_labels, n_factor_terms).
        """
        key = (tuple(labels), seed)
        cached = self._new_levels.get(factor)
        if cached is None or cached[0] != key:
            # Blocks of draws ask for the same levels one after the other.
            drawn = np.stack([self._new_level(factor, label, seed) for label in labels], axis=1)
            cached = self._new_levels[factor] = (key, drawn)
        return cached[1]

    def level_covariance(self, factor: str) -> np.ndarray:
        """Covariance of the terms' effects over all levels that a factor could have.

        Parameters
        ----------
        factor
            Name of the pooled factor.

        Returns
        -------
        numpy.ndarray
            Shape (n_draws, n_factor_terms, n_factor_terms).
        """
        tau = self.stacked[f"tau_{factor}"]
        scale = tau[:, :, None] * tau[:, None, :]
        known = self.design.factor(factor)
        return scale * (self.stacked[f"corr_{factor}"] if known.correlated else np.eye(len(known.terms)))

    def level_root(self, factor: str) -> np.ndarray:
        """Lower root of `level_covariance` in each draw.

        Parameters
        ----------
        factor
            Name of the pooled factor.

        Returns
        -------
        numpy.ndarray
            Shape (n_draws, n_factor_terms, n_factor_terms).
        """
        return self.stacked[f"tau_{factor}"][:, :, None] * self._correlation_root(factor)

    def _correlation_root(self, factor: str) -> np.ndarray:
        """Lower root of the correlations of a level's effects, shape (n_draws or 1, n_factor_terms, n_factor_terms)."""
        known = self.design.factor(factor)
        unit = np.eye(len(known.terms))
        if not known.correlated:
            return unit[None]
        corr = self.stacked[f"corr_{factor}"]
        try:
            return np.linalg.cholesky(corr)
        except np.linalg.LinAlgError:
            # A correlation that is one but for rounding.
            return np.linalg.cholesky(corr + 1e-10 * unit)

    def _new_level(self, factor: str, label: str, seed: int) -> np.ndarray:
        """Effects of one level, shape (n_draws, n_factor_terms)."""
        tau = self.stacked[f"tau_{factor}"]
        # Two factors' new levels are independent, and so are two levels', so each has a stream of its own.
        stream = [seed, [factor.name for factor in self.design.factors].index(factor)]
        if label != NEW_LEVEL:
            stream += np.frombuffer(sha256(label.encode("utf-8", "surrogatepass")).digest(), dtype="<u4").tolist()
        z = np.random.default_rng(stream).normal(size=tau.shape)
        if self.design.factor(factor).correlated:
            z = np.einsum("dij,dj->di", self._correlation_root(factor), z)
        return z * tau

    def _count(self, which: slice | np.ndarray) -> int:
        total = self.shape[0] * self.shape[1]
        return len(range(*which.indices(total))) if isinstance(which, slice) else int(np.size(which))

    def blocks(self, n_rows: int) -> Iterator[slice]:
        """Slices of the stacked draws such that draws x ``n_rows`` stays within a fixed amount of memory.

        Parameters
        ----------
        n_rows
            Rows that are looked at together.

        Returns
        -------
        iterator of slice
            In order.
        """
        total = self.shape[0] * self.shape[1]
        step = max(1, BLOCK // max(n_rows, 1))
        return (slice(start, min(start + step, total)) for start in range(0, total, step))

    def parameters_at(
        self,
        which: slice | np.ndarray = slice(None),
        rows: Rows | None = None,
        *,
        residual: np.ndarray | None = None,
    ) -> dict[str, np.ndarray]:
        """The family's parameters as the likelihood takes them.

        Parameters
        ----------
        which
            Which of the stacked draws.
        rows
            Rows that the likelihood is of; the analysed rows by default.
        residual
            Their levels of the residual factor, where they have others than their own, shape (n_rows,).

        Returns
        -------
        dict
            By name, shape (n_draws,); ``sigma`` of shape (n_draws, n_rows) where it differs between rows, ``cutpoints``
            of shape (n_draws, n_levels - 1).
        """
        parameters = {name: values[which] for name, values in self.parameters.items()}
        if self.design.sigma is not None:
            columns = (self.design.rows if rows is None else rows).sigma
            assert columns is not None
            parameters["sigma"] = parameters["sigma"][:, None] * np.exp(self.stacked[GAMMA][which] @ columns.T)
        if self.design.residual is not None:
            if residual is None:
                residual = (self.design.rows if rows is None else rows).residual
            parameters["sigma"] = parameters["sigma"][:, residual]
        return parameters

    def predict(self, frame: pd.DataFrame | None = None, *, kind: str = "mean", seed: int = 0) -> xr.DataArray:
        """Predictions for participants.

        Parameters
        ----------
        frame
            Rows with every predictor column; the analysed rows by default. Of ``within(x)`` and ``between(x)`` what the
            rows lack is made of ``x`` and the mean, theirs or that of a person whom the fit knows. A new level of a
            sampled factor is predicted from the factor's distribution, each new level from draws of its own that its
            label and the seed determine; a new level of an exhaustive factor is an error, and so is a known level that
            is written in another way.
        kind
            ``"mean"``: the expected outcome. ``"outcome"``: a new outcome, with residual variation.
        seed
            Seed of random parts.

        Returns
        -------
        xarray.DataArray
            Dims (chain, draw, obs), in units of the outcome.

        Raises
        ------
        UsageError
            Unknown kind, something else than a DataFrame, or none where the analysed rows are out of reach.
        ModelError
            See :meth:`alliance_bayes.model.Design.evaluate`; or a term is not a finite number in some of the rows.
        """
        if kind not in ("mean", "outcome"):
            raise UsageError(f"kind should be 'mean' or 'outcome' but got {kind!r}.")
        if frame is None:
            self.need_rows("predicting the analysed rows")
        rows = None
        if frame is not None:
            if not isinstance(frame, pd.DataFrame):
                raise UsageError(
                    f"frame should be a pandas DataFrame of rows to predict but got {type(frame).__name__}. Make one: "
                    "pd.DataFrame({...})."
                )
            # What is not defined is told by its rows, and not by a warning.
            with np.errstate(all="ignore"):
                rows = self.design.evaluate(frame)
            pooled = {factor.name: factor.terms for factor in self.design.factors}
            check_defined(rows, {"": self.design.terms, **pooled}, frame.index)
        n = self.design.rows.n if rows is None else rows.n
        out = np.empty((self.shape[0] * self.shape[1], n))
        rng = np.random.default_rng(seed)
        for which in self.blocks(n):
            eta, parameters = self.linear_predictor(rows, which=which, seed=seed), self.parameters_at(which, rows)
            family = self.design.family
            outcome = self.design.outcome if rows is None else self.design.outcome.of(rows.trials)
            out[which] = (
                family.expectation(eta, parameters, outcome)
                if kind == "mean"
                else family.simulate(eta, parameters, outcome, rng)
            )
        return xr.DataArray(
            self.with_chains(out),
            dims=("chain", "draw", "obs"),
            coords={"chain": self.posterior["chain"], "draw": self.posterior["draw"], "obs": np.arange(n)},
            name=self.design.outcome.name,
        )

    def log_likelihood(self) -> xr.DataArray:
        """Pointwise log density (log mass for discrete families) of the analysed outcomes, dims (chain, draw, obs).

        Returns
        -------
        xarray.DataArray
            On the outcome's own scale.

        Raises
        ------
        UsageError
            The analysed rows are out of reach.
        """
        n = self.design.rows.n
        out = np.empty((self.shape[0] * self.shape[1], n))
        for which in self.blocks(n):
            out[which] = self.log_likelihood_at(which=which)
        return xr.DataArray(
            self.with_chains(out),
            dims=("chain", "draw", "obs"),
            coords={"chain": self.posterior["chain"], "draw": self.posterior["draw"], "obs": np.arange(n)},
            name=self.design.outcome.name,
        )

    def log_likelihood_at(
        self, at: slice | np.ndarray = slice(None), *, which: slice | np.ndarray = slice(None)
    ) -> np.ndarray:
        """Pointwise log density of some of the analysed outcomes, shape (n_draws, n_at).

        Parameters
        ----------
        at
            Which of the analysed rows, by place.
        which
            Which of the stacked draws.

        Returns
        -------
        numpy.ndarray
            On the outcome's own scale.

        Raises
        ------
        UsageError
            The analysed rows are out of reach.
        """
        self.need_rows("the pointwise log likelihood")
        design = self.design
        rows = design.rows.take(at)
        eta, parameters = self.linear_predictor(rows, which=which), self.parameters_at(which, rows)
        return design.family.log_density(eta, parameters, design.outcome.take(at))

    @property
    def _analysed(self) -> str:
        people = self.flow.analysed_people
        if people is None:
            return f"{self.flow.analysed} participants"
        return f"{people} participants, {counted(self.flow.analysed, self.flow.unit)}"

    @property
    def _weights(self) -> str:
        """What weights are, and of sampling weights what they leave; empty where all rows count alike."""
        known = dict(self.info.get("weights") or {})
        if not known:
            return ""
        worth = f", effective sample size {known['effective']:,.1f}" if "effective" in known else ""
        return f"{known['kind']} weights {known['column']!r}{worth}"

    def _repr_html_(self) -> str:
        """In a notebook: of whom, how it was sampled, and how well."""
        chains, draws = self.shape
        facts = [
            ("family", self.spec.family),
            ("analysed", self._analysed),
            ("draws", f"{chains} chains of {draws:,}"),
            ("engine", self.info.get("engine", "unknown")),
        ]
        if weights := self._weights:
            facts.insert(2, ("weights", weights))
        if "diverging" in self.sample_stats:
            facts.append(("divergences", f"{int(self.sample_stats['diverging'].sum()):,}"))
        return overview(f"{type(self).__name__} {self.spec.formula}", facts, *self._in_notebook())

    def _in_notebook(self) -> tuple[str, ...]:
        """What else a notebook shows of it, as HTML."""
        return ()

    def __repr__(self) -> str:
        chains, draws = self.shape
        weights = f"{self._weights}, " if self._weights else ""
        return (
            f"{type(self).__name__}({self.spec.formula!r}, family={self.spec.family!r}: {self._analysed}, {weights}"
            f"{chains} chains x {draws} draws, engine {self.info.get('engine', 'unknown')})"
        )


def followed(fit: FittedModel) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Columns with drawn values that parts of the model are made of, and these parts, which follow from them."""
    places = {} if fit.imputation is None else fit.imputation.places
    if dict(fit.info.get("imputation") or {}).get("given"):
        return (), ()
    made = [one for one in fit.spec.parsed.windows if one.source in places and one.name in places]
    return tuple(dict.fromkeys(one.source for one in made)), tuple(one.name for one in made)


def seen(fit: FittedModel, *names: str) -> np.ndarray:
    """Whether each analysed row has an observed value of some columns, shape (n,); of one with an error none has."""
    observed = np.ones(len(fit.design.frame), dtype=bool)
    if fit.imputation is not None:
        for name in names:
            observed[fit.imputation.places.get(name, np.zeros(0, dtype=np.int64))] = False
    return observed
