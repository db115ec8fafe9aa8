"""A model as arrays: which number of the sampler is what, and what the data are."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from alliance_bayes.engines.correlation import lkj_arguments, partials, roots_of
from alliance_bayes.engines.density.kernel import cutpoints_of
from alliance_bayes.engines.prior_density import FIRST_POSITIVE, KINDS, coded
from alliance_bayes.model import FAMILIES, Design, PooledFactor, PriorTable
from alliance_bayes.model.sigma import GAMMA

__all__ = [
    "ModelData",
    "coefficients_of",
    "information",
    "model_data_of",
    "on_their_scales",
    "scalar_names",
    "shared_terms",
    "starting_point",
    "typical_point",
    "variables_of",
]


class ModelData(NamedTuple):
    """Everything that the density depends on besides the unconstrained vector.

    Those are, in this order: the parameters with a prior of their own (positive ones as logarithms); the partial
    correlations of correlated factors; the sums of a shared column's coefficient and level means, standardised; level
    effects in their unit, block by block (a block is a factor's column; effects of correlated columns are made
    independent of each other first); smooths' coefficients, standardised; the sticks of an ordinal model, as log odds.
    """

    size: int
    # Parameters with a prior of their own: each prior as :func:`coded` has it.
    priors: np.ndarray  # (n_scalars, 5)
    # What is added to each row's linear predictor.
    offset: np.ndarray  # (n,)
    # Common columns, each with the scalar that is its coefficient; -1 where it is a shared one.
    x: np.ndarray  # (n_terms, n)
    coefficient: np.ndarray
    # Shared columns: which they are, their coefficients' priors, and what adds to the variance of the sum.
    shared: np.ndarray
    shared_mean: np.ndarray
    shared_variance: np.ndarray
    part_shared: np.ndarray
    part_tau: np.ndarray
    part_levels: np.ndarray
    # Blocks of level effects.
    block_tau: np.ndarray
    block_levels: np.ndarray
    block_summing: np.ndarray
    block_information: np.ndarray
    block_factor: np.ndarray
    block_correlated: np.ndarray
    # Correlated factors: first block, number of blocks, and the arguments of the partial correlations' priors.
    first_block: np.ndarray
    n_terms: np.ndarray
    lkj: np.ndarray  # (n_partials, 2)
    z: np.ndarray  # (n_blocks, n)
    level: np.ndarray  # (n_factors, n), the level of each row
    # Columns of smooths, each with the scalar that is its SD.
    basis: np.ndarray  # (n_columns, n)
    basis_tau: np.ndarray
    # The outcome.
    family: int
    y: np.ndarray
    sigma: int  # scalar of the first residual SD
    sigma_levels: int
    sigma_index: np.ndarray
    # Columns that the logarithm of the residual SD is linear in, and the scalars of the SD where they are zero and of
    # the first coefficient. The SD of each row then stands behind the scalars, and its number is that of the row.
    sigma_x: np.ndarray  # (n_columns, n)
    sigma_base: int
    sigma_slope: int
    shape: int  # scalar of the family's other parameter: nu, phi
    lower: float
    upper: float
    trials: int
    totals: np.ndarray  # (n,) trials of each row; (0,) where the family has none
    weights: np.ndarray  # (n,) what each row counts; (0,) where all count once
    stick_first: float
    stick_second: np.ndarray
    constant: float


def shared_terms(design: Design, priors: PriorTable) -> tuple[str, ...]:
    """Common columns with a normal prior whose effects differ, uncorrelated, by the levels of a sampled factor.

    The data inform the sum of such a column's coefficient and the level mean only, so the sum is what is sampled.
    """
    pooled = {term for factor in design.factors if _shares(factor) for term in factor.terms}
    return tuple(t for t in design.terms if t in pooled and priors[t].prior.distribution == "Normal")


def _shares(factor: PooledFactor) -> bool:
    """Whether the mean over a factor's levels is free to be anything."""
    return not (factor.exhaustive or factor.correlated)


def scalar_names(design: Design, priors: PriorTable) -> tuple[str, ...]:
    """Names of the parameters with a prior of their own, in the order of the unconstrained vector."""
    shared = shared_terms(design, priors)
    names = [term for term in design.terms if term not in shared]
    names += [f"tau_{factor.name}[{term}]" for factor in design.factors for term in factor.terms]
    names += [f"tau_{smooth.name}" for smooth in design.smooths]
    for parameter in design.family.parameters:
        if parameter == "sigma" and design.residual is not None:
            names += list(design.residual.parameters)
        elif parameter == "sigma" and design.sigma is not None:
            names += ["sigma", *design.sigma.parameters]
        elif design.family.parameters[parameter].support != "simplex":
            names.append(parameter)
    return tuple(names)


def model_data_of(design: Design, priors: PriorTable) -> ModelData:
    """Lay out a model.

    Parameters
    ----------
    design, priors
        The model on its rows.
    """
    names, shared, n = scalar_names(design, priors), shared_terms(design, priors), design.rows.n
    number = {name: position for position, name in enumerate(names)}
    stated = [priors[name].prior for name in names]
    normal = [priors[term].prior.arguments for term in shared]
    blocks = [(f, t, term) for f, factor in enumerate(design.factors) for t, term in enumerate(factor.terms)]
    factors = [design.factors[f] for f, _, _ in blocks]
    taus = [number[f"tau_{factor.name}[{term}]"] for factor, (_, _, term) in zip(factors, blocks, strict=True)]
    correlated = [factor.correlated for factor in factors]
    parts = [b for b, (_, _, term) in enumerate(blocks) if term in shared and _shares(factors[b])]
    summing = [factor.exhaustive or b in parts for b, factor in enumerate(factors)]
    known = [information(design, factor) for factor in design.factors]
    levels = [len(factor.levels) for factor in factors]
    columns = [(smooth, k) for smooth in design.smooths for k in range(smooth.size)]
    first, second = _sticks(design, priors)
    effects = sum(size - out for size, out in zip(levels, summing, strict=True))
    together = [(f, factor) for f, factor in enumerate(design.factors) if factor.correlated]
    lkj = [lkj_arguments(len(f.terms), priors[f"corr_{f.name}"].prior.arguments["eta"]) for _, f in together]
    partial = np.concatenate([np.empty((0, 2)), *lkj])
    return ModelData(
        size=len(names) + len(partial) + len(shared) + effects + len(columns) + second.size,
        priors=_table([coded(prior) for prior in stated], 5),
        offset=_real(np.zeros(n) if design.rows.offset is None else design.rows.offset),
        x=np.ascontiguousarray(design.rows.x.T, dtype=float),
        coefficient=_whole([number.get(term, -1) for term in design.terms]),
        shared=_whole([design.terms.index(term) for term in shared]),
        shared_mean=_real([prior["mu"] for prior in normal]),
        shared_variance=_real([prior["sigma"] ** 2 for prior in normal]),
        part_shared=_whole([shared.index(blocks[b][2]) for b in parts]),
        part_tau=_whole([taus[b] for b in parts]),
        part_levels=_real([levels[b] for b in parts]),
        block_tau=_whole(taus),
        block_levels=_whole(levels),
        block_summing=_whole(summing),
        block_information=_real([known[f][t] for f, t, _ in blocks]),
        block_factor=_whole([f for f, _, _ in blocks]),
        block_correlated=_whole(correlated),
        first_block=_whole([blocks.index((f, 0, factor.terms[0])) for f, factor in together]),
        n_terms=_whole([len(factor.terms) for _, factor in together]),
        lkj=_table(list(partial), 2),
        z=_table([design.rows.z[factor.name][:, t] for factor, (_, t, _) in zip(factors, blocks, strict=True)], n),
        level=_table([design.rows.index[factor.name] for factor in design.factors], n).astype(np.int64),
        basis=_table([design.rows.basis[smooth.name][:, k] for smooth, k in columns], n),
        basis_tau=_whole([number[f"tau_{smooth.name}"] for smooth, _ in columns]),
        **_outcome(design, number),
        **_residual_sd(design, number),
        stick_first=first,
        stick_second=second,
    )


def information(design: Design, factor: PooledFactor) -> np.ndarray:
    """What the data say of the effects of a typical level, as one over a squared standard error.

    Parameters
    ----------
    design
        The formula applied to rows.
    factor
        One of its factors.

    Returns
    -------
    numpy.ndarray
        Shape (n_terms,), the median over levels: of the intercept's column the sum of squares, of other columns that
        around the level's mean, times what one outcome tells of its linear predictor.
    """
    columns, index = design.rows.z[factor.name], design.rows.index[factor.name]
    weights = np.ones(design.rows.n) if design.weights is None else design.information_weights
    n = np.bincount(index, weights, minlength=len(factor.levels))
    typical = []
    for term, column in zip(factor.terms, columns.T, strict=True):
        squares = np.bincount(index, column**2 * weights, n.size)
        if term != "Intercept":
            least = np.finfo(float).tiny
            squares = np.maximum(
                squares - np.bincount(index, column * weights, n.size) ** 2 / np.maximum(n, least), 0.0
            )
        typical.append(np.median(squares))
    return design.family.information(design.outcome) * np.array(typical)


def _outcome(design: Design, number: dict[str, int]) -> dict[str, Any]:
    """Fields that say what was observed."""
    outcome, family = design.outcome, design.family
    lower, upper = family.ends(outcome)
    return {
        "family": list(FAMILIES).index(family.name),
        "y": _real(outcome.coded),
        "shape": next((number[label] for label in family.parameters if label != "sigma" and label in number), -1),
        "lower": -math.inf if lower is None else float(lower),
        "upper": math.inf if upper is None else float(upper),
        "trials": 0 if outcome.levels is None else outcome.levels.size - 1,
        "totals": _real([] if outcome.trials is None else outcome.trials),
        "weights": _real([] if design.weights is None else design.information_weights),
        "constant": family.constant(outcome) if design.weights is None else weighted_constant(design),
    }


def _residual_sd(design: Design, number: dict[str, int]) -> dict[str, Any]:
    """Fields that say what residual SD each row has."""
    rows, residual, of_sigma = design.rows, design.residual, design.sigma
    sigma = number.get("sigma" if residual is None else residual.parameters[0], -1)
    if of_sigma is None:
        return {
            "sigma": sigma,
            "sigma_levels": 1 if residual is None else len(residual.levels),
            "sigma_index": _whole(rows.strata),
            "sigma_x": np.zeros((0, rows.n)),
            "sigma_base": -1,
            "sigma_slope": -1,
        }
    assert rows.sigma is not None
    return {
        "sigma": len(number),
        "sigma_levels": rows.n,
        "sigma_index": _whole(range(rows.n)),
        "sigma_x": np.ascontiguousarray(rows.sigma.T, dtype=float),
        "sigma_base": sigma,
        "sigma_slope": number[of_sigma.parameters[0]],
    }


def weighted_constant(design: Design) -> float:
    """What the log likelihood has besides the kernel's, where rows count by their weights."""
    outcome, weights = design.outcome, design.information_weights
    assert weights is not None
    each = (design.family.constant(outcome.take(slice(row, row + 1))) for row in range(design.rows.n))
    return float(weights @ np.fromiter(each, dtype=float, count=design.rows.n))


def _sticks(design: Design, priors: PriorTable) -> tuple[float, np.ndarray]:
    """Both shapes of the sticks' beta priors: the one they share, and each one's other."""
    if "cutpoints" not in design.family.parameters:
        return 0.0, np.zeros(0)
    concentration = priors["cutpoints"].prior.arguments["a"]
    return float(concentration), concentration * np.arange(design.outcome.known_levels.size - 1, 0, -1, dtype=float)


# One layout in memory whatever the model, or the kernel would be compiled again.
def _whole(values: object) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def _real(values: object) -> np.ndarray:
    return np.array(values, dtype=np.float64)


def _table(rows: list[object], width: int) -> np.ndarray:
    return np.array(rows, dtype=np.float64).reshape(len(rows), width)


def starting_point(data: ModelData) -> Callable[[int], np.ndarray]:
    """Where chains begin: typical values under the priors, up to 1 away from them in the unconstrained vector.

    Coefficients are less far away where their columns are wide: a slope of 1 by a column with an SD of 40 is a linear
    predictor of 40, whose exponential no chain comes back from.
    """
    centre = typical_point(data)
    reach = _reach(data, centre)

    def first_point(seed: int) -> np.ndarray:
        return centre + reach * np.random.default_rng(seed).uniform(-1.0, 1.0, data.size)

    return first_point


def typical_point(data: ModelData) -> np.ndarray:
    """Typical values of the unconstrained vector under the priors, shape (size,)."""
    centre = np.zeros(data.size)
    centre[: len(data.priors)] = [_typical(*prior) for prior in data.priors]
    # Sticks at the odds of their prior means: equal shares of all levels.
    centre[data.size - data.stick_second.size :] = np.log(data.stick_first / data.stick_second)
    return centre


def on_their_scales(data: ModelData, unconstrained: np.ndarray) -> np.ndarray:
    """Parameters that have a prior of their own, of their unconstrained values, both of shape (..., n_priors)."""
    out, positive = unconstrained.copy(), data.priors[:, 0] >= FIRST_POSITIVE
    with np.errstate(over="ignore"):  # infinite draws are told of by name
        out[..., positive] = np.exp(out[..., positive])
    return out


def _reach(data: ModelData, centre: np.ndarray) -> np.ndarray:
    """How far from their typical values parameters begin, shape (size,): at most 1, and all columns together a unit."""
    reach = np.ones(data.size)
    link = list(FAMILIES.values())[data.family].link
    unit = max(float(data.y.std()), np.finfo(float).tiny) if link == "identity" else 1.0
    tau = on_their_scales(data, centre[: len(data.priors)])
    at, column, units = coefficients_of(data, tau)
    n_columns = len(data.x) + len(data.basis)
    at_smooths = data.size - data.stick_second.size - len(data.basis)
    for places, widths, whole, n in (
        (at, _widths(data.x)[column] * units, unit, n_columns),
        (at_smooths + np.arange(len(data.basis)), _widths(data.basis) * tau[data.basis_tau], unit, n_columns),
        (data.sigma_slope + np.arange(len(data.sigma_x)), _widths(data.sigma_x), 1.0, len(data.sigma_x)),
    ):
        reach[places] = np.minimum(1.0, whole / (np.maximum(widths, np.finfo(float).tiny) * math.sqrt(max(n, 1))))
    return reach


def coefficients_of(data: ModelData, tau: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where coefficients stand in the unconstrained vector, of which columns they are, and what one unit is of each.

    Parameters
    ----------
    data
        The layout.
    tau
        Values of the parameters with a prior of their own, of which the SDs of levels are read.
    """
    variance = data.shared_variance.copy()
    np.add.at(variance, data.part_shared, tau[data.part_tau] ** 2 / data.part_levels)
    scalar = np.flatnonzero(data.coefficient >= 0)
    at = np.r_[data.coefficient[scalar], len(data.priors) + len(data.lkj) + np.arange(variance.size)]
    return at, np.r_[scalar, data.shared], np.r_[np.ones(scalar.size), np.sqrt(variance)]


def _widths(columns: np.ndarray) -> np.ndarray:
    """Root mean squares of columns of shape (n_columns, n)."""
    return np.sqrt((columns**2).mean(axis=1)) if columns.size else np.zeros(len(columns))


def _typical(kind: float, location: float, scale: float, shape: float, _: float) -> float:
    """Location of a prior as :func:`coded` has it; of a positive parameter the logarithm of its scale or mean."""
    if kind < FIRST_POSITIVE:
        return location
    if kind == KINDS["Gamma"]:
        return float(np.log(shape / scale))
    return float(-np.log(scale)) if kind == KINDS["Exponential"] else float(np.log(scale))


def variables_of(
    design: Design, priors: PriorTable, data: ModelData, q: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """The posterior's variables.

    Parameters
    ----------
    design, priors, data
        The model.
    q
        The unconstrained vector, shape (n_draws, size).
    rng
        Divides each sum of a shared column's coefficient and level means among its parts, of which the data know
        nothing more: by their conditional distribution given the sum (Matheron's rule).

    Returns
    -------
    dict
        By name, each of shape (n_draws, ...).
    """
    names, shared = scalar_names(design, priors), shared_terms(design, priors)
    scalars = len(names)
    natural = on_their_scales(data, q[:, :scalars])
    value = dict(zip(names, natural.T, strict=True))
    at_shared = scalars + len(data.lkj)
    effects, at = _effects(data, natural, q, at_shared + len(shared))
    roots = _correlated(data, natural, q[:, scalars:at_shared], effects)
    beta = np.zeros((len(q), len(design.terms)))
    for k, term in enumerate(design.terms):
        if term not in shared:
            beta[:, k] = value[term]
    beta[:, data.shared] = _divided(data, natural, q[:, at_shared : at_shared + len(shared)], effects, rng)

    out: dict[str, np.ndarray] = {"beta": beta} if design.terms else {}
    for parameter in design.family.parameters:
        if parameter == "cutpoints":
            out[parameter] = np.array([cutpoints_of(row[q.shape[1] - data.stick_second.size :])[0] for row in q])
        elif parameter == "sigma" and design.residual is not None:
            out[parameter] = np.stack([value[level] for level in design.residual.parameters], axis=-1)
        else:
            out[parameter] = value[parameter]
    if design.sigma is not None:
        out[GAMMA] = np.stack([value[name] for name in design.sigma.parameters], axis=-1)
    for f, factor in enumerate(design.factors):
        blocks = np.flatnonzero(data.block_factor == f)
        out[f"u_{factor.name}"] = np.stack([effects[b] for b in blocks], axis=-1)
        out[f"tau_{factor.name}"] = natural[:, data.block_tau[blocks]]
        if factor.correlated:
            root = roots.pop(0)
            out[f"corr_{factor.name}"] = root @ root.transpose(0, 2, 1)
    for smooth in design.smooths:
        tau = out[f"tau_{smooth.name}"] = value[f"tau_{smooth.name}"]
        out[f"u_{smooth.name}"] = q[:, at : at + smooth.size] * tau[:, None]
        at += smooth.size
    return out


def _effects(data: ModelData, natural: np.ndarray, q: np.ndarray, at: int) -> tuple[list[np.ndarray], int]:
    """Level effects of each block, shape (n_draws, n_levels), and where the next begin."""
    effects = []
    for b, levels in enumerate(data.block_levels):
        tau = natural[:, data.block_tau[b], None]
        size = levels - data.block_summing[b]
        unit = (1.0 if data.block_correlated[b] else tau) / np.sqrt(1.0 + tau**2 * data.block_information[b])
        block = q[:, at : at + size] * unit
        at += size
        if data.block_summing[b]:
            total, root = block.sum(axis=1, keepdims=True), np.sqrt(levels)
            block = np.concatenate([block - total / (root + levels), -total / root], axis=1)
        effects.append(block)
    return effects, at


def _correlated(data: ModelData, natural: np.ndarray, q: np.ndarray, effects: list[np.ndarray]) -> list[np.ndarray]:
    """Cholesky factors of the correlation matrices, shape (n_draws, q, q); correlates standardised effects in place."""
    roots, at = [], 0
    for block, terms in zip(data.first_block, data.n_terms, strict=True):
        size = partials(terms)
        roots.append(roots_of(np.ascontiguousarray(q[:, at : at + size]), terms))
        at += size
        standard = np.stack(effects[block : block + terms])
        for t in range(terms):
            tau = natural[:, data.block_tau[block + t], None]
            effects[block + t] = tau * np.einsum("dj,jdl->dl", roots[-1][:, t], standard)
    return roots


def _divided(
    data: ModelData, natural: np.ndarray, standard: np.ndarray, effects: list[np.ndarray], rng: np.random.Generator
) -> np.ndarray:
    """Coefficients of the shared columns; the level means, drawn with them, are added to the effects in place."""
    parts = [
        (s, b, natural[:, tau] ** 2 / levels)
        for s, tau, levels in zip(data.part_shared, data.part_tau, data.part_levels, strict=True)
        for b in np.flatnonzero(data.block_tau == tau)
    ]
    spread = np.tile(data.shared_variance, (len(natural), 1))
    for s, _, variance in parts:
        spread[:, s] += variance
    drawn = np.sqrt(data.shared_variance) * rng.normal(size=standard.shape)
    coefficients = data.shared_mean + drawn
    means = []
    for s, _, variance in parts:
        means.append(np.sqrt(variance) * rng.normal(size=len(natural)))
        drawn[:, s] += means[-1]
    share = (standard * np.sqrt(spread) - drawn) / spread
    for (s, b, variance), mean in zip(parts, means, strict=True):
        effects[b] += (mean + variance * share[:, s])[:, None]
    return coefficients + data.shared_variance * share
