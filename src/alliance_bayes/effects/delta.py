"""Effects if missing values differ from imputed ones by stated amounts, or by amounts of which there is a prior."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import xarray as xr
from scipy import special

from alliance_bayes.effects.tipping import levels_of_lacking, refuse_far, shiftable, why_not_linked
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.imputation.imputed import GROUP, Imputed
from alliance_bayes.imputation.shifted import ShiftedTables
from alliance_bayes.model.grammar import shown
from alliance_bayes.model.priors import Prior, parse_prior
from alliance_bayes.remedies import argument

__all__ = ["Amount", "Delta", "moved_fit"]

#: What is added to missing values: a number, or what is known of it, "Normal(-5, 2)".
type Amount = float | str
#: The same of everybody, or by the levels of a factor: ``{"reason": {"moved": 0, "worse": -8}}``.
type Delta = Amount | Mapping[str, Mapping[str, Amount]]

# What is no prior, but a word for a number that there is not.
_PLAIN = re.compile(r"[+-]?[A-Za-z]*")
# Draws over all sets of values, and sets of each table where a shift has a prior.
_DRAWS, _SETS = 4000, 5


@dataclass(frozen=True)
class _Unknown:
    """Mean and SD of what is added to some of a column's missing values."""

    mean: float
    sd: float
    whose: np.ndarray

    def drawn(self, sets: int, rng: np.random.Generator) -> np.ndarray:
        """One number a set: evenly spread quantiles in a random order."""
        quantiles = special.ndtri((np.arange(sets) + 0.5) / sets)
        # Evenly spread quantiles have a little less than the SD.
        spread = quantiles / (quantiles.std() or 1.0)
        return self.mean + self.sd * rng.permutation(spread)


def moved_fit[Made: FittedModel](
    fit: FittedModel, delta: Mapping[str, Delta], kind: type[Made], *, seed: int = 0
) -> Made:
    """The fit of tables whose imputed values are moved; see `FitWithEffects.with_delta`."""
    if not isinstance(delta, Mapping) or not delta:
        raise UsageError(
            f"{argument('delta')} should say by column what is added to its missing values, but got {delta!r:.100}."
        )
    known = shiftable(fit)
    imputation = fit.imputation
    if imputation is None or (wrong := [name for name in delta if name not in known]):
        which = f"It has {', '.join(map(shown, known))}." if known else "It has none."
        name = shown(str(next(iter(delta)) if imputation is None else wrong[0]))
        raise UsageError(
            f"what can be moved are imputed values of numbers of a Gaussian model, not {name}. "
            f"{which}{why_not_linked(fit)}"
        )
    parts = {name: _unknown(fit, name, shift) for name, shift in delta.items()}
    uncertain = any(amount.sd > 0 for amounts in parts.values() for amount in amounts)
    sets = np.tile(np.arange(imputation.tables), _SETS if uncertain else 1)
    rng = np.random.default_rng([seed, 11])
    shifts = {
        name: np.sum([np.outer(amount.drawn(len(sets), rng), amount.whose) for amount in amounts], axis=0)
        for name, amounts in parts.items()
    }
    chains = fit.shape[0] if len(sets) % fit.shape[0] == 0 else 1
    tables = ShiftedTables(fit.design, fit.priors, imputation, draws=-(-_DRAWS // len(sets)), seed=seed)
    tree = _in_chains(tables.posterior(shifts, sets), chains, rng)
    attributes = {field.name: getattr(fit, field.name) for field in fields(fit) if field.init}
    about = dict(fit.info.get("imputation") or {})
    info = {**fit.info, "imputation": about | {"delta": {name: _plain(shift) for name, shift in delta.items()}}}
    return kind(**(attributes | {"tree": tree, "info": info}))


def _unknown(fit: FittedModel, name: str, delta: Delta) -> list[_Unknown]:
    imputation = fit.imputation
    assert imputation is not None
    if not isinstance(delta, Mapping):
        mean, sd = _amount(fit, name, delta)
        return [_Unknown(mean, sd, np.ones(imputation.places[name].size))]
    if len(delta) != 1 or not isinstance(next(iter(delta.values())), Mapping):
        raise UsageError(
            f"{argument('delta')} of {shown(name)} should be a number, a prior, or by the levels of one factor "
            f"{{'reason': {{'moved': 0, 'worse': -8}}}}, but got {delta!r:.100}."
        )
    by, amounts = next(iter(delta.items()))
    labels, levels = levels_of_lacking(fit, name, by)
    present = [level for level in levels if (labels == level).any()]
    if unknown := [str(level) for level in amounts if str(level) not in levels]:
        raise UsageError(f"{shown(by)} has no level {', '.join(map(shown, unknown))}. It has {', '.join(levels)}.")
    if lacking := [level for level in present if level not in map(str, amounts)]:
        raise UsageError(
            f"{argument('delta')} of {shown(name)} says nothing of the levels {', '.join(map(shown, lacking))} of "
            f"{shown(by)}, which some have who lack it. Give each a number: 0 is missing at random."
        )
    if n := int((labels == "").sum()):
        raise UsageError(f"{n} rows that lack {shown(name)} have no level of {shown(by)} either. Give them one.")
    by_level = {str(level): _amount(fit, name, amount) for level, amount in amounts.items()}
    return [_Unknown(*by_level[level], (labels == level).astype(float)) for level in present]


def _amount(fit: FittedModel, name: str, amount: Amount) -> tuple[float, float]:
    """Mean and SD of what is added."""
    mean, sd, odd = math.nan, 0.0, isinstance(amount, bool)
    if isinstance(amount, int | float | np.number) and not odd and np.isfinite(amount):
        mean = float(amount)
    elif isinstance(amount, str | Prior) and not (isinstance(amount, str) and _PLAIN.fullmatch(amount.strip())):
        prior = parse_prior(amount, name=f"delta of {name}")
        if prior.distribution == "Normal":
            mean, sd = prior.parameters
    if math.isnan(mean):
        raise UsageError(
            f"{argument('delta')} of {shown(name)} should be a finite number or 'Normal(mean, SD)' but got "
            f"{amount!r:.60}."
        )
    # As far as one draw in some thousands of the amount.
    refuse_far(fit, name, mean + math.copysign(4 * sd, mean), argument("delta"))
    return mean, sd


def _in_chains(tree: xr.DataTree, chains: int, rng: np.random.Generator) -> xr.DataTree:
    """The draws of all sets in a random order, in so many chains: every part of one is of many sets."""
    posterior, imputed = tree["posterior"].to_dataset(), Imputed.of(tree[GROUP].to_dataset())
    sets, draws = imputed.table.shape
    order = rng.permutation(sets * draws).reshape(chains, -1)

    def shuffled(values: np.ndarray) -> np.ndarray:
        return values.reshape(sets * draws, *values.shape[2:])[order]

    coords = {"chain": np.arange(chains), "draw": np.arange(order.shape[1])}
    like = posterior.drop_vars(["chain", "draw"])
    moved = xr.Dataset(
        {name: (posterior[name].dims, shuffled(posterior[name].to_numpy())) for name in posterior.data_vars},
        coords={**like.coords, **coords},
    )
    reordered = replace(imputed, column_means=shuffled(imputed.column_means), table=shuffled(imputed.table))
    return xr.DataTree.from_dict(
        {"posterior": moved, "sample_stats": xr.Dataset(coords=coords), GROUP: reordered.dataset()}
    )


def _plain(delta: Any) -> Any:
    if isinstance(delta, Mapping):
        return {str(key): _plain(value) for key, value in delta.items()}
    return str(delta) if isinstance(delta, Prior | str) else float(delta)
