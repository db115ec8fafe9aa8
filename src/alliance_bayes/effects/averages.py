"""Average expected outcomes of scenes, draw by draw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import product
from math import prod

import numpy as np

from alliance_bayes.effects.joined import joined_average, joins
from alliance_bayes.effects.scenes import Piece, Scene
from alliance_bayes.effects.tabulated import Tabulations
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.machine import processors
from alliance_bayes.model import Design, PooledFactor, Rows
from alliance_bayes.model.predictor import sums_by_level
from alliance_bayes.remedies import argument

__all__ = ["average", "slope"]

# Combinations of levels that one scene may need when the family is not linear: each is a pass over draws x rows.
_MOST_COMBINATIONS = 1_000
# Scenes whose averaged rows are in memory at once.
_CHUNK = 64

# Half the step of a central difference, in SDs of the design column that moves fastest. Truncation costs about 1e-8 of
# the curvature's size and rounding about 1e-11 of the outcome's.
_STEP = 1e-4

# A scene as one averaged row: the common columns and the offset, shape (n_known,); by factor the pooled columns spread
# over its levels and then those that the fit has not seen, shape (n_levels + n_unseen, n_factor_terms); by smooth its
# basis, shape (n_knots,).
type _Averaged = tuple[np.ndarray, Mapping[str, np.ndarray], Mapping[str, np.ndarray]]
# Position of a scene, one of its pieces, and what each combination of the piece's levels weighs in the scene.
type _Member = tuple[int, Piece, float]


def average(
    fit: FittedModel, scenes: Sequence[Scene], *, seed: int = 0, tables: Tabulations | None = None
) -> np.ndarray:
    """Average expected outcome of each scene, or of whatever the tables are of.

    Parameters
    ----------
    fit
        The fitted model.
    scenes
        Counterfactual settings.
    seed
        Seed for the effects of new levels; the same seed gives what ``fit.predict`` gives.
    tables
        The fit's tables, where there are some already; those of the expected outcome by default.

    Returns
    -------
    numpy.ndarray
        Shape (n_draws, n_scenes), in units of the outcome, or (n_draws, n_scenes, n_functions) where the tables are of
        several functions; NaN for a scene with a problem.

    Raises
    ------
    UsageError
        A scene crosses too many levels for a family that is not linear.

    References
    ----------
    .. [1] Robins (1986). A new approach to causal inference in mortality studies with a sustained exposure period.
       Mathematical Modelling 7. doi 10.1016/0270-0255(86)90088-6 (the g-formula)
    """
    of = tables or Tabulations(fit)

    def compute(sound: Sequence[Scene]) -> np.ndarray:
        if fit.design.family.linear and of.of_outcome:
            unseen = _unseen(fit, sound)
            return _linear(fit, _averages_of(fit, sound, unseen), seed, unseen)
        return _blocked(fit, sound, seed, of)

    return _where_sound(fit, scenes, [not scene.problem for scene in scenes], compute, n_functions=of.n_functions)


def slope(fit: FittedModel, scenes: Sequence[Scene], *, seed: int = 0, tables: Tabulations | None = None) -> np.ndarray:
    """Average derivative of the expected outcome in each scene, shape (n_draws, n_scenes).

    Parameters
    ----------
    fit, seed, tables
        See :func:`average`.
    scenes
        Scenes whose pieces have a ``change``, the derivatives of the design arrays.
    """

    def compute(sound: Sequence[Scene]) -> np.ndarray:
        if fit.design.family.linear:
            changes = [_moved(scene, lambda piece: piece.change) for scene in sound]
            unseen = _unseen(fit, changes)
            return _linear(fit, _averages_of(fit, changes, unseen), seed, unseen)
        step = _step(sound)
        made: dict[tuple[int, float], Rows] = {}

        def at(piece: Piece, by: float) -> Rows:
            assert piece.change is not None
            key = (id(piece.rows), by)
            # Pieces of the same rows stay of the same rows, so that what they share is computed once.
            return made.setdefault(key, piece.rows.along(piece.change, by))

        pairs = [_moved(scene, partial(at, by=by)) for scene in sound for by in (-step, step)]
        outcomes = _blocked(fit, pairs, seed, tables or Tabulations(fit))
        return np.asarray((outcomes[:, 1::2] - outcomes[:, ::2]) / (2 * step))

    return _where_sound(fit, scenes, [not scene.problem for scene in scenes], compute)


def _moved(scene: Scene, rows_of: Callable[[Piece], Rows | None]) -> Scene:
    """The scene with other rows in each of its pieces."""
    pieces = []
    for piece in scene.pieces:
        rows = rows_of(piece)
        assert rows is not None
        pieces.append(replace(piece, rows=rows))
    return replace(scene, pieces=tuple(pieces))


def _step(scenes: Sequence[Scene]) -> float:
    """Half the width of a central difference: no column moves by more than a ten-thousandth of its spread in a row."""
    fastest = 0.0
    for piece in (piece for scene in scenes for piece in scene.pieces):
        rows, change = piece.rows, piece.change
        assert change is not None
        arrays = [(rows.known, change.known), *((rows.z[name], change.z[name]) for name in rows.z)]
        arrays += [(rows.basis[name], change.basis[name]) for name in rows.basis]
        for values, changes in arrays:
            spread, largest = values.std(axis=0), np.abs(changes).max(axis=0, initial=0.0)
            fastest = max([fastest, *(largest[spread > 0] / spread[spread > 0])])
    return _STEP / fastest if fastest else 1.0


def _where_sound[T](
    fit: FittedModel,
    asked: Sequence[T],
    sound: Sequence[bool],
    compute: Callable[[Sequence[T]], np.ndarray],
    *,
    n_functions: int | None = None,
) -> np.ndarray:
    """Results of ``compute`` in the columns of sound entries, NaN in the others."""
    several = () if n_functions is None else (n_functions,)
    out = np.full((prod(fit.shape), len(asked), *several), np.nan)
    places = np.flatnonzero(sound)
    for start in range(0, len(places), _CHUNK):
        chunk = places[start : start + _CHUNK]
        out[:, chunk] = compute([asked[place] for place in chunk])
    return out


def _unseen(fit: FittedModel, scenes: Sequence[Scene]) -> dict[str, tuple[str, ...]]:
    """Labels, by factor, of all levels in some scenes that the fit has not seen."""
    pieces = [piece for scene in scenes for piece in scene.pieces]
    names = [factor.name for factor in fit.design.factors]
    return {name: tuple(dict.fromkeys(new for piece in pieces for new in piece.new_labels(name))) for name in names}


@dataclass(frozen=True, eq=False)
class _Means:
    """Weighted means of the columns of some rows, each computed once: the scenes of a factor's levels share them."""

    design: Design
    rows: Rows
    _spread: dict[str, np.ndarray] = field(default_factory=dict)

    @cached_property
    def known(self) -> np.ndarray:
        return self.design.average(self.rows.known)

    @cached_property
    def z(self) -> Mapping[str, np.ndarray]:
        return {name: self.design.average(z) for name, z in self.rows.z.items()}

    @cached_property
    def basis(self) -> Mapping[str, np.ndarray]:
        return {name: self.design.average(basis) for name, basis in self.rows.basis.items()}

    def spread(self, factor: PooledFactor) -> np.ndarray:
        """The pooled columns by the rows' own levels, the fit's and then those it has not seen, summing to their mean.

        Shape (n_levels + n_unseen, n_factor_terms).
        """
        name, weights, n_levels = factor.name, self.design.weights, len(factor.levels)
        if name not in self._spread:
            z, at = self.rows.z[name], self.rows.index[name]
            at = np.where(at < 0, n_levels - 1 - at, at)
            # A scene may be of some of the rows.
            own = z / len(z) if weights is None else z * weights[:, None] / self.design.n
            size = n_levels + len(self.rows.unseen.get(name, ()))
            self._spread[name] = sums_by_level(own, at, size)
        return self._spread[name]


def _averages_of(fit: FittedModel, scenes: Sequence[Scene], unseen: Mapping[str, tuple[str, ...]]) -> list[_Averaged]:
    means: dict[int, _Means] = {}
    for piece in (piece for scene in scenes for piece in scene.pieces):
        means.setdefault(id(piece.rows), _Means(fit.design, piece.rows))
    return [_averaged(fit, scene, unseen, means) for scene in scenes]


def _averaged(
    fit: FittedModel, scene: Scene, unseen: Mapping[str, tuple[str, ...]], means: Mapping[int, _Means]
) -> _Averaged:
    design, own = fit.design, [means[id(piece.rows)] for piece in scene.pieces]
    x = np.mean([of.known for of in own], axis=0)
    spread: dict[str, np.ndarray] = {}
    for factor in design.factors:
        name, n_levels = factor.name, len(factor.levels)
        spread[name] = np.zeros((n_levels + len(unseen[name]), len(factor.columns)))
        for piece, of in zip(scene.pieces, own, strict=True):
            levels = piece.levels.get(name)
            place = [n_levels + unseen[name].index(label) for label in piece.new_labels(name)]
            if levels is not None:
                at = np.where(levels < 0, place[0], levels) if place else levels
                spread[name][at] += of.z[name] / len(levels)
            else:
                spread[name][[*range(n_levels), *place]] += of.spread(factor)
        spread[name] /= len(scene.pieces)
    basis = {smooth.name: np.mean([of.basis[smooth.name] for of in own], axis=0) for smooth in design.smooths}
    return x, spread, basis


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
        # Scenes mostly differ in a few levels, so the first is computed in full and the others by what differs.
        base = seen[:, :1]
        differs = np.flatnonzero((seen != base).any(axis=1))
        flat = u.reshape(len(u), -1)
        out += flat @ base + flat[:, differs] @ (seen[differs] - base[differs])
        for label, own in zip(unseen[factor.name], weights[n_levels:], strict=True):
            out += fit.new_levels(factor.name, [label], seed=seed)[:, 0] @ own
    for smooth in fit.design.smooths:
        out += fit.stacked[f"u_{smooth.name}"] @ np.column_stack([basis[smooth.name] for _, _, basis in averaged])
    return out


def _blocked(fit: FittedModel, scenes: Sequence[Scene], seed: int, tables: Tabulations) -> np.ndarray:
    """Expected outcomes of every row, averaged; draws x rows are in memory for a block of draws at a time."""
    several = () if tables.n_functions is None else (tables.n_functions,)
    out = np.zeros((prod(fit.shape), len(scenes), *several))
    # Pieces that replace levels of the same factors (by the same new ones) in the same rows share the rest of the
    # linear predictor.
    groups: dict[object, list[_Member]] = {}
    for position, scene in enumerate(scenes):
        combinations = [prod(map(len, piece.levels.values())) for piece in scene.pieces]
        if sum(combinations) > _MOST_COMBINATIONS:
            raise UsageError(
                "population 'equal' crosses the levels of all factors, here in "
                f"{sum(combinations):,} combinations, but a model of family '{fit.spec.family}' can be averaged over "
                f"at most {_MOST_COMBINATIONS:,}. Use {argument('population', 'sample')}."
            )
        for piece, count in zip(scene.pieces, combinations, strict=True):
            same = (id(piece.rows), frozenset(piece.levels), frozenset(piece.unseen.items()))
            members = groups.setdefault(same, [])
            members.append((position, piece, 1 / (len(scene.pieces) * count)))
    for members in groups.values():
        if not tables.of_outcome:
            members = [member for member in members if not _joined(out, fit, member, tables)]
            if not members:
                continue
        unseen = members[0][1].unseen
        new = {name: fit.new_levels(name, [label], seed=seed)[:, 0] for name, label in unseen.items()}
        add = partial(_add, out, fit, members, tables, new, seed)
        # Blocks are of different draws, and what takes time in them releases the interpreter's lock.
        with ThreadPoolExecutor(processors()) as pool:
            list(pool.map(add, tables.blocks(members[0][1].rows.n)))
    return out


def _joined(out: np.ndarray, fit: FittedModel, member: _Member, tables: Tabulations) -> bool:
    """Add the average of a piece to ``out`` with its rows joined, and say whether; not where every row is computed."""
    position, piece, weight = member
    if not joins(fit, piece.rows.n):
        return False
    rows, total, strata = piece.rows, np.zeros_like(out[:, position]), tables.strata(piece.rows)
    for levels in product(*piece.levels.values()):
        placed = {name: np.full(rows.n, level) for name, level in zip(piece.levels, levels, strict=True)}
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
    """Add averages of pieces with the same rows and replaced factors to ``out``, for a block of draws."""
    rows, replaced = members[0][1].rows, tuple(members[0][1].levels)
    z, strata = np.hstack([np.zeros((rows.n, 0)), *(rows.z[name] for name in replaced)]), tables.strata(rows)
    base = fit.linear_predictor(rows, which=which, seed=seed, without=replaced)
    effects = {name: _effects(fit, name, which, new.get(name)) for name in replaced}
    reach = sum((_reach(effects[name], rows.z[name]) for name in replaced), np.zeros((2, len(base))))
    table = tables.expected(which, base.min(axis=1) + reach[0], base.max(axis=1) + reach[1])
    for position, piece, weight in members:
        for levels in product(*piece.levels.values()):
            chosen = [effects[name][:, level] for name, level in zip(replaced, levels, strict=True)]
            together = np.hstack([np.zeros((len(base), 0)), *chosen])
            out[which, position] += weight * table.mean(base, strata, together, z)


def _effects(fit: FittedModel, factor: str, which: slice, new: np.ndarray | None) -> np.ndarray:
    """Effects by level and then of the new one (zero without), shape (n_draws, n_levels + 1, n_factor_terms)."""
    u = fit.stacked[f"u_{factor}"][which]
    return np.concatenate([u, (np.zeros_like(u[:, 0]) if new is None else new[which])[:, None]], axis=1)


def _reach(effects: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Bounds of z'u over all levels and rows, shape (2, n_draws)."""
    ends = np.stack([effects * z.min(axis=0), effects * z.max(axis=0)])
    return np.stack([ends.min(axis=0).sum(axis=2).min(axis=1), ends.max(axis=0).sum(axis=2).max(axis=1)])
