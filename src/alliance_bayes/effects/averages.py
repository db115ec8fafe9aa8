"""Average expected outcomes of counterfactuals, draw by draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import combinations_with_replacement, product
from math import prod

import numpy as np

from alliance_bayes.effects.counterfactual import Counterfactual, Grid
from alliance_bayes.effects.joined import joined_average, joins
from alliance_bayes.effects.tabulated import Tabulations
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.machine import processors
from alliance_bayes.model import Design, PooledFactor, Rows
from alliance_bayes.model.predictor import sums_by_level
from alliance_bayes.remedies import argument
from alliance_bayes.rounding import ROUNDING

__all__ = ["average", "slope"]


# Combinations of levels that one setting may need when the family is not linear: each is a pass over draws x rows.
_MOST_COMBINATIONS = 1_000
# Counterfactuals whose averaged rows are in memory at once.
_CHUNK = 64

# Half the step of a central difference, in SDs of the design column that moves fastest. Truncation costs about 1e-8 of
# the curvature's size and rounding about 1e-11 of the outcome's.
_STEP = 1e-4

# Points of Gauss-Hermite quadrature up to some SD of the effects that are integrated out. Beyond, the trapezoidal rule,
# whose error falls exponentially with its step, needs fewer: here a step of an SD, or of 1.2 logits.
_POINTS_BY_SPREAD, _LONGEST, _REACH, _MOST_POINTS = ((0.5, 5), (1.0, 9)), 1.2, 6.0, 401

# A counterfactual as one averaged row: the common columns and the offset, shape (n_known,); by factor the pooled
# columns spread over its levels and then those that the fit has not seen, shape (n_levels + n_unseen, n_factor_terms);
# by smooth its basis, shape (n_knots,).
type _Averaged = tuple[np.ndarray, Mapping[str, np.ndarray], Mapping[str, np.ndarray]]
# Position of a setting, one of its grids, and what each combination of the grid's levels weighs in the setting.
type _Member = tuple[int, Grid, float]


def average(
    fit: FittedModel,
    settings: Sequence[Counterfactual],
    *,
    seed: int = 0,
    tables: Tabulations | None = None,
    apart: bool = False,
) -> np.ndarray:
    """Average expected outcome of each counterfactual, or of whatever the tables are of.

    Parameters
    ----------
    fit
        The fitted model.
    settings
        The counterfactuals.
    seed
        Seed for the effects of new levels; the same seed gives what ``fit.predict`` gives.
    tables
        The fit's tables, where there are some already; those of the expected outcome by default.
    apart
        Whether only differences between the averages count. Where the family is linear they are then all less the first
        of them, and differ by what the design columns do: a small difference of large averages keeps its digits.

    Returns
    -------
    numpy.ndarray
        Shape (n_draws, n_counterfactuals), in units of the outcome, or (n_draws, n_counterfactuals, n_functions) where
        the tables are of several functions; NaN for one with a problem.

    Raises
    ------
    UsageError
        A counterfactual crosses too many levels for a family that is not linear.

    References
    ----------
    .. [1] Robins (1986). A new approach to causal inference in mortality studies with a sustained exposure period.
       Mathematical Modelling 7. doi 10.1016/0270-0255(86)90088-6 (the g-formula)
    """
    of = tables or Tabulations(fit)

    def compute(sound: Sequence[Counterfactual]) -> np.ndarray:
        if fit.design.family.linear and of.of_outcome:
            first = [next(setting for setting in settings if not setting.problem)] if apart else []
            unseen = _unseen(fit, [*first, *sound])
            averaged = _averages_of(fit, [*first, *sound], unseen)
            imputed = _imputed(fit, [*first, *sound])
            if apart:
                averaged = [_less(fit.design.rows, one, averaged[0]) for one in averaged[1:]]
                imputed = (imputed - imputed[:, :1])[:, 1:]
            return _linear(fit, averaged, seed, unseen) + imputed
        return _blocked(fit, sound, seed, of)

    return _where_sound(fit, settings, compute, n_functions=of.n_functions)


def slope(
    fit: FittedModel, settings: Sequence[Counterfactual], *, seed: int = 0, tables: Tabulations | None = None
) -> np.ndarray:
    """Average derivative of the expected outcome in each counterfactual, shape (n_draws, n_counterfactuals).

    Parameters
    ----------
    fit, seed, tables
        See :func:`average`.
    settings
        Counterfactuals whose grids have a ``change``, the derivatives of the design arrays.
    """

    def compute(sound: Sequence[Counterfactual]) -> np.ndarray:
        if fit.design.family.linear:
            changes = [_moved(setting, lambda grid: grid.change) for setting in sound]
            unseen = _unseen(fit, changes)
            return _linear(fit, _averages_of(fit, changes, unseen), seed, unseen)
        step = _step(sound)
        moved: dict[tuple[int, float], Rows] = {}

        def at(grid: Grid, by: float) -> Rows:
            assert grid.change is not None
            key = (id(grid.rows), by)
            # Grids of the same rows stay of the same rows, so that what they share is computed once.
            return moved.setdefault(key, grid.rows.along(grid.change, by))

        pairs = [_moved(setting, partial(at, by=by)) for setting in sound for by in (-step, step)]
        outcomes = _blocked(fit, pairs, seed, tables or Tabulations(fit))
        return np.asarray((outcomes[:, 1::2] - outcomes[:, ::2]) / (2 * step))

    return _where_sound(fit, settings, compute)


def _moved(setting: Counterfactual, rows_of: Callable[[Grid], Rows | None]) -> Counterfactual:
    """The setting with other rows in each of its grids."""
    grids = []
    for grid in setting.grids:
        rows = rows_of(grid)
        assert rows is not None
        grids.append(replace(grid, rows=rows))
    return replace(setting, grids=tuple(grids))


def _step(settings: Sequence[Counterfactual]) -> float:
    """Half the width of a central difference: no column moves by more than a ten-thousandth of its spread in a row."""
    fastest = 0.0
    for grid in (grid for setting in settings for grid in setting.grids):
        rows, change = grid.rows, grid.change
        assert change is not None
        arrays = [(rows.known, change.known), *((rows.z[name], change.z[name]) for name in rows.z)]
        arrays += [(rows.basis[name], change.basis[name]) for name in rows.basis]
        arrays += [] if rows.sigma is None or change.sigma is None else [(rows.sigma, change.sigma)]
        for values, changes in arrays:
            spread, largest = values.std(axis=0), np.abs(changes).max(axis=0, initial=0.0)
            fastest = max([fastest, *(largest[spread > 0] / spread[spread > 0])])
    return _STEP / fastest if fastest else 1.0


def _where_sound(
    fit: FittedModel,
    settings: Sequence[Counterfactual],
    compute: Callable[[Sequence[Counterfactual]], np.ndarray],
    *,
    n_functions: int | None = None,
) -> np.ndarray:
    """Results of ``compute`` in the columns of counterfactuals without a problem, NaN in the others."""
    several = () if n_functions is None else (n_functions,)
    out = np.full((prod(fit.shape), len(settings), *several), np.nan)
    places = np.flatnonzero([not setting.problem for setting in settings])
    for start in range(0, len(places), _CHUNK):
        chunk = places[start : start + _CHUNK]
        out[:, chunk] = compute([settings[place] for place in chunk])
    return out


def _unseen(fit: FittedModel, settings: Sequence[Counterfactual]) -> dict[str, tuple[str, ...]]:
    """Labels, by factor, of all levels in some settings that the fit has not seen."""
    grids = [grid for setting in settings for grid in setting.grids]
    names = [factor.name for factor in fit.design.factors]
    return {name: tuple(dict.fromkeys(new for grid in grids for new in grid.new_labels(name))) for name in names}


@dataclass(frozen=True, eq=False)
class _Means:
    """Weighted means of the columns of some rows, each computed once: the settings of a factor's levels share them."""

    design: Design
    rows: Rows
    _spread: dict[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def known(self) -> np.ndarray:
        return self._average(self.rows.known)

    @cached_property
    def z(self) -> Mapping[str, np.ndarray]:
        return {name: self._average(z) for name, z in self.rows.z.items()}

    @cached_property
    def basis(self) -> Mapping[str, np.ndarray]:
        return {name: self._average(basis) for name, basis in self.rows.basis.items()}

    def _average(self, values: np.ndarray) -> np.ndarray:
        # A setting may be of some of the rows, which have weights of their own; points are all of them.
        return self.design.average(values) if self.design.points else self.rows.average(values)

    def spread(self, factor: PooledFactor) -> np.ndarray:
        """The pooled columns by the rows' own levels, the fit's and then those it has not seen, summing to their mean.

        Shape (n_levels + n_unseen, n_factor_terms).
        """
        name, n_levels = factor.name, len(factor.levels)
        weights = self.design.weights if self.design.points else self.rows.weights
        if name not in self._spread:
            z, at = self.rows.z[name], self.rows.index[name]
            at = np.where(at < 0, n_levels - 1 - at, at)
            weighted = z / len(z) if weights is None else z * (weights / weights.sum())[:, None]
            size = n_levels + len(self.rows.unseen.get(name, ()))
            lacking = self.rows.lacking.get(name)
            nobody = np.zeros(weighted.shape[1]) if lacking is None else weighted[lacking].sum(axis=0)
            if lacking is not None:
                weighted = np.where(lacking[:, None], 0.0, weighted)
            self._spread[name] = sums_by_level(weighted, at, size)
            if nobody.any():
                # Rows without a level have each of those in the data, as often as rows with one do.
                known = self.design.rows
                having = ~known.lacking[name]
                share = None if known.weights is None else known.weights[having]
                counts = np.bincount(known.index[name][having], weights=share, minlength=n_levels)
                self._spread[name][:n_levels] += np.outer(counts / counts.sum(), nobody)
        return self._spread[name]


def _averages_of(
    fit: FittedModel, settings: Sequence[Counterfactual], unseen: Mapping[str, tuple[str, ...]]
) -> list[_Averaged]:
    means: dict[int, _Means] = {}
    for grid in (grid for setting in settings for grid in setting.grids):
        means.setdefault(id(grid.rows), _Means(fit.design, grid.rows))
    return [_averaged(fit, setting, unseen, means) for setting in settings]


def _averaged(
    fit: FittedModel, setting: Counterfactual, unseen: Mapping[str, tuple[str, ...]], means: Mapping[int, _Means]
) -> _Averaged:
    design, by_grid = fit.design, [means[id(grid.rows)] for grid in setting.grids]
    x = np.mean([of.known for of in by_grid], axis=0)
    spread: dict[str, np.ndarray] = {}
    for factor in design.factors:
        name, n_levels = factor.name, len(factor.levels)
        spread[name] = np.zeros((n_levels + len(unseen[name]), len(factor.columns)))
        for grid, of in zip(setting.grids, by_grid, strict=True):
            if name in grid.averaged:
                continue
            levels = grid.levels.get(name)
            place = [n_levels + unseen[name].index(label) for label in grid.new_labels(name)]
            if levels is not None:
                at = np.where(levels < 0, place[0], levels) if place else levels
                spread[name][at] += of.z[name] / len(levels)
            else:
                spread[name][[*range(n_levels), *place]] += of.spread(factor)
        spread[name] /= len(setting.grids)
    basis = {smooth.name: np.mean([of.basis[smooth.name] for of in by_grid], axis=0) for smooth in design.smooths}
    return x, spread, basis


def _less(rows: Rows, one: _Averaged, other: _Averaged) -> _Averaged:
    """One averaged row less another; what differs by the rounding of a column's values does not."""

    def part(values: np.ndarray, others: np.ndarray, column: np.ndarray) -> np.ndarray:
        change = values - others
        return np.where(np.abs(change) <= ROUNDING * np.abs(column).max(axis=0, initial=0.0), 0.0, change)

    return (
        part(one[0], other[0], rows.known),
        {name: part(one[1][name], other[1][name], rows.z[name]) for name in one[1]},
        {name: part(one[2][name], other[2][name], rows.basis[name]) for name in one[2]},
    )


def _linear(
    fit: FittedModel, averaged: Sequence[_Averaged], seed: int, unseen: Mapping[str, tuple[str, ...]]
) -> np.ndarray:
    out = np.zeros((prod(fit.shape), len(averaged)))
    known = fit.coefficients_of_known
    if known.shape[1]:
        out += known @ np.column_stack([x for x, _, _ in averaged])
    for factor in fit.design.factors:
        u = fit.stacked[f"u_{factor.name}"]
        weights = np.stack([spread[factor.name] for _, spread, _ in averaged], axis=-1)
        n_levels = len(factor.levels)
        seen = weights[:n_levels].reshape(-1, len(averaged))
        # They mostly differ in a few levels, so the first is computed in full and the others by what differs.
        base = seen[:, :1]
        differs = np.flatnonzero((seen != base).any(axis=1))
        flat = u.reshape(len(u), -1)
        out += flat @ base + flat[:, differs] @ (seen[differs] - base[differs])
        for label, weight in zip(unseen[factor.name], weights[n_levels:], strict=True):
            out += fit.new_levels(factor.name, [label], seed=seed)[:, 0] @ weight
    for smooth in fit.design.smooths:
        out += fit.stacked[f"u_{smooth.name}"] @ np.column_stack([basis[smooth.name] for _, _, basis in averaged])
    return out


def _imputed(fit: FittedModel, settings: Sequence[Counterfactual]) -> np.ndarray:
    """What averages over people change by with the values that each draw has where none were observed.

    The analysed rows have those of one table. Of columns that a setting leaves as they are, the mean with each draw's
    own values is known; others have the values of that table.
    """
    rows = fit.design.rows
    if fit.imputation is None or not rows.x.shape[1]:
        return np.zeros((1, len(settings)))
    means = fit.imputation.column_means.reshape(-1, rows.x.shape[1])
    by = fit.stacked["beta"] * (means - rows.x.mean(axis=0))
    unchanged = np.zeros((rows.x.shape[1], len(settings)))
    for place, setting in enumerate(settings):
        for grid in setting.grids:
            if grid.rows.n == rows.n:
                same = [np.array_equal(new, old) for new, old in zip(grid.rows.x.T, rows.x.T, strict=True)]
                unchanged[:, place] += np.array(same) / len(setting.grids)
    return np.asarray(by @ unchanged)


def _blocked(fit: FittedModel, settings: Sequence[Counterfactual], seed: int, tables: Tabulations) -> np.ndarray:
    """Expected outcomes of every row, averaged; draws x rows are in memory for a block of draws at a time."""
    several = () if tables.n_functions is None else (tables.n_functions,)
    out = np.zeros((prod(fit.shape), len(settings), *several))
    # Grids that replace levels of the same factors (by the same new ones) in the same rows share the rest of the linear
    # predictor.
    groups: dict[object, list[_Member]] = {}
    for position, setting in enumerate(settings):
        combinations = [prod(map(len, grid.levels.values())) for grid in setting.grids]
        if sum(combinations) > _MOST_COMBINATIONS:
            raise UsageError(
                "population 'equal' crosses the levels of all factors, here in "
                f"{sum(combinations):,} combinations, but a model of family '{fit.spec.family}' can be averaged over "
                f"at most {_MOST_COMBINATIONS:,}. Use {argument('population', 'sample')}."
            )
        for grid, count in zip(setting.grids, combinations, strict=True):
            same = (id(grid.rows), frozenset(grid.levels), frozenset(grid.unseen.items()), grid.averaged)
            members = groups.setdefault(same, [])
            members.append((position, grid, 1 / (len(setting.grids) * count)))
    for members in groups.values():
        if not tables.of_outcome:
            members = [member for member in members if not _joined(out, fit, member, tables)]
            if not members:
                continue
        unseen = members[0][1].unseen
        new = {name: fit.new_levels(name, [label], seed=seed)[:, 0] for name, label in unseen.items()}
        add, blocks = (_add, tables.blocks) if fit.design.sigma is None else (_add_by_row, tables.by_row)
        # Blocks are of different draws, and what takes time in them releases the interpreter's lock.
        with ThreadPoolExecutor(processors()) as pool:
            list(pool.map(partial(add, out, fit, members, tables, new, seed), blocks(members[0][1].rows.n)))
    return out


def _joined(out: np.ndarray, fit: FittedModel, member: _Member, tables: Tabulations) -> bool:
    """Add the average of a grid to ``out`` with its rows joined, and say whether; not where every row is computed."""
    position, grid, weight = member
    if grid.averaged or not joins(fit, grid.rows.n):
        return False
    rows, total, strata = grid.rows, np.zeros_like(out[:, position]), grid.rows.strata
    for levels in product(*grid.levels.values()):
        placed = {name: np.full(rows.n, level) for name, level in zip(grid.levels, levels, strict=True)}
        at = replace(rows, index={**rows.index, **placed})
        average = joined_average(fit, at, strata, tables.given)
        if average is None:
            return False
        total += weight * average
    out[:, position] += total
    return True


def _add(
    out: np.ndarray,
    fit: FittedModel,
    members: Sequence[_Member],
    tables: Tabulations,
    new: Mapping[str, np.ndarray],
    seed: int,
    which: slice,
) -> None:
    """Add averages of grids with the same rows and replaced factors to ``out``, for a block of draws."""
    rows, averaged = members[0][1].rows, members[0][1].averaged
    base, effects, sd = _apart(fit, members[0][1], new, seed, which)
    z, strata = np.hstack([np.zeros((rows.n, 0)), *(rows.z[name] for name in effects)]), rows.strata
    reach = sum((_reach(effects[name], rows.z[name]) for name in effects), np.zeros((2, len(base))))
    nodes, node_weights = _quadrature(
        float(sd.max(initial=0.0)) / _bending(fit, which), unbounded=fit.design.family.link == "log"
    )
    reach = reach + np.outer([-1, 1], nodes.max() * sd.max(axis=1))
    low, high = base.min(axis=1) + reach[0], base.max(axis=1) + reach[1]
    table = tables.expected(which, low, high)
    if averaged and not np.ptp(sd, axis=1).any():
        # Everybody's effects are as wide: the integral is one of the table, and no further pass over rows is needed.
        # Interpolation between smoothed points then needs some points more at either end.
        table = tables.expected(which, low - 4 * table.step, high + 4 * table.step)
        table, nodes, node_weights = table.smoothed(sd[:, 0], nodes, node_weights), np.zeros(1), np.ones(1)
    for node, node_weight in zip(nodes, node_weights, strict=True):
        eta = base + node * sd if averaged else base
        for position, grid, weight in members:
            for levels in product(*grid.levels.values()):
                chosen = [by_level[:, level] for by_level, level in zip(effects.values(), levels, strict=True)]
                together = np.hstack([np.zeros((len(base), 0)), *chosen])
                out[which, position] += weight * node_weight * table.mean(eta, strata, together, z, rows.weights)


def _add_by_row(
    out: np.ndarray,
    fit: FittedModel,
    members: Sequence[_Member],
    tables: Tabulations,
    new: Mapping[str, np.ndarray],
    seed: int,
    which: slice,
) -> None:
    """The same as :func:`_add` where each row has a residual SD of its own, so that no table is of several."""
    rows, family = members[0][1].rows, fit.design.family
    parameters = fit.parameters_at(which, rows)
    base, effects, sd = _apart(fit, members[0][1], new, seed, which)
    nodes, node_weights = np.zeros(1), np.ones(1)
    if family.normal:
        # Normal effects on top of normal noise are more of it.
        parameters = parameters | {"sigma": np.hypot(parameters["sigma"], sd)}
    else:
        nodes, node_weights = _quadrature(float((sd / parameters["sigma"]).max(initial=0.0)), unbounded=False)
    for node, node_weight in zip(nodes, node_weights, strict=True):
        for position, grid, weight in members:
            for levels in product(*grid.levels.values()):
                eta = base + node * sd
                for (name, by_level), level in zip(effects.items(), levels, strict=True):
                    eta += by_level[:, level] @ rows.z[name].T
                values = tables.function(family, eta, parameters, fit.design.outcome)
                mean = np.average(values, axis=1, weights=rows.weights)
                out[which, position] += weight * node_weight * mean


def _apart(
    fit: FittedModel, grid: Grid, new: Mapping[str, np.ndarray], seed: int, which: slice
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """Linear predictors without what a grid replaces or averages over; effects of the one, SD of the other."""
    base = fit.linear_predictor(grid.rows, which=which, seed=seed, without=(*grid.levels, *grid.averaged))
    effects = {name: _effects(fit, name, which, new.get(name)) for name in grid.levels}
    return base, effects, level_sd(fit, grid.rows, grid.averaged, which)


def level_sd(fit: FittedModel, rows: Rows, factors: Sequence[str], which: slice) -> np.ndarray:
    """SD of what the levels of some sampled factors add to each row's linear predictor, shape (n_draws, n_rows)."""
    variance = np.zeros((len(next(iter(fit.stacked.values()))[which]), rows.n if factors else 1))
    for name in factors:
        covariance, z = fit.level_covariance(name)[which], rows.z[name]
        for a, b in combinations_with_replacement(range(z.shape[1]), 2):
            if a == b or fit.design.factor(name).correlated:
                variance += (1 if a == b else 2) * covariance[:, a, b, None] * (z[:, a] * z[:, b])
    return np.sqrt(np.maximum(variance, 0.0))


def _bending(fit: FittedModel, which: slice) -> float:
    """Over what length of the linear predictor an expected outcome or a probability bends: a logit, a residual SD."""
    return float(fit.stacked["sigma"][which].min()) if fit.design.family.link == "identity" else 1.0


def _quadrature(spread: float, *, unbounded: bool) -> tuple[np.ndarray, np.ndarray]:
    """Points and weights that integrate over a standard normal; more of them the wider the effects are.

    ``spread`` is their SD in units in which the expected outcome bends; the error stays below 1e-6 of its range.
    """
    if spread == 0:
        return np.zeros(1), np.ones(1)
    for most, count in _POINTS_BY_SPREAD:
        if spread <= most:
            nodes, weights = np.polynomial.hermite_e.hermegauss(count)
            return nodes, weights / weights.sum()
    # What grows as the exponential of the effects has its mass as many SDs further out.
    reach = _REACH + (spread if unbounded else 0.0)
    count = min(int(np.ceil(reach / min(1.0, _LONGEST / spread))), _MOST_POINTS // 2)
    nodes = np.linspace(-reach, reach, 2 * count + 1)
    weights = np.exp(-(nodes**2) / 2)
    return nodes, weights / weights.sum()


def _effects(fit: FittedModel, factor: str, which: slice, new: np.ndarray | None) -> np.ndarray:
    """Effects by level and then of the new one (zero without), shape (n_draws, n_levels + 1, n_factor_terms)."""
    u = fit.stacked[f"u_{factor}"][which]
    return np.concatenate([u, (np.zeros_like(u[:, 0]) if new is None else new[which])[:, None]], axis=1)


def _reach(effects: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Bounds of z'u over all levels and rows, shape (2, n_draws)."""
    ends = np.stack([effects * z.min(axis=0), effects * z.max(axis=0)])
    return np.stack([ends.min(axis=0).sum(axis=2).min(axis=1), ends.max(axis=0).sum(axis=2).max(axis=1)])
