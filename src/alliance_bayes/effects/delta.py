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

from alliance_bayes.effects.tipping import levels_of_lacking, refuse_far, shiftable
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
    kept = fit.imputation
    if kept is None or (wrong := [name for name in delta if name not in known]):
        which = f"It has {', '.join(map(shown, known))}." if known else "It has none."
        name = shown(str(next(iter(delta)) if kept is None else wrong[0]))
        raise UsageError(f"what can be moved are imputed values of numbers of a Gaussian model, not {name}. {which}")
    parts = {name: _unknown(fit, name, given) for name, given in delta.items()}
    uncertain = any(one.sd > 0 for own in parts.values() for one in own)
    sets = np.tile(np.arange(kept.tables), _SETS if uncertain else 1)
    rng = np.random.default_rng([seed, 11])
    shifts = {
        name: np.sum([np.outer(one.drawn(len(sets), rng), one.whose) for one in own], axis=0)
        for name, own in parts.items()
    }
    chains = fit.shape[0] if len(sets) % fit.shape[0] == 0 else 1
    tables = ShiftedTables(fit.design, fit.priors, kept, draws=-(-_DRAWS // len(sets)), seed=seed)
    tree = _in_chains(tables.posterior(shifts, sets), chains, rng)
    given = {one.name: getattr(fit, one.name) for one in fields(fit) if one.init}
    about = dict(fit.info.get("imputation") or {})
    info = {**fit.info, "imputation": about | {"delta": {name: _plain(one) for name, one in delta.items()}}}
    return kind(**(given | {"tree": tree, "info": info}))


def _unknown(fit: FittedModel, name: str, given: Delta) -> list[_Unknown]:
    kept = fit.imputation
    assert kept is not None
    if not isinstance(given, Mapping):
        mean, sd = _amount(fit, name, given)
        return [_Unknown(mean, sd, np.ones(kept.places[name].size))]
    if len(given) != 1 or not isinstance(next(iter(given.values())), Mapping):
        raise UsageError(
            f"{argument('delta')} of {shown(name)} should be a number, a prior, or by the levels of one factor "
            f"{{'reason': {{'moved': 0, 'worse': -8}}}}, but got {given!r:.100}."
        )
    by, amounts = next(iter(given.items()))
    labels, levels = levels_of_lacking(fit, name, by)
    there = [level for level in levels if (labels == level).any()]
    if unknown := [str(level) for level in amounts if str(level) not in levels]:
        raise UsageError(f"{shown(by)} has no level {', '.join(map(shown, unknown))}. It has {', '.join(levels)}.")
    if lacking := [level for level in there if level not in map(str, amounts)]:
        raise UsageError(
            f"{argument('delta')} of {shown(name)} says nothing of the levels {', '.join(map(shown, lacking))} of "
            f"{shown(by)}, which some have who lack it. Give each a number: 0 is missing at random."
        )
    if n := int((labels == "").sum()):
        raise UsageError(f"{n} rows that lack {shown(name)} have no level of {shown(by)} either. Give them one.")
    found = {str(level): _amount(fit, name, amount) for level, amount in amounts.items()}
    return [_Unknown(*found[level], (labels == level).astype(float)) for level in there]


def _amount(fit: FittedModel, name: str, given: Amount) -> tuple[float, float]:
    """Mean and SD of what is added."""
    mean, sd, odd = math.nan, 0.0, isinstance(given, bool)
    if isinstance(given, int | float | np.number) and not odd and np.isfinite(given):
        mean = float(given)
    elif isinstance(given, str | Prior) and not (isinstance(given, str) and _PLAIN.fullmatch(given.strip())):
        prior = parse_prior(given, name=f"delta of {name}")
        if prior.distribution == "Normal":
            mean, sd = prior.parameters
    if math.isnan(mean):
        raise UsageError(
            f"{argument('delta')} of {shown(name)} should be a finite number or 'Normal(mean, SD)' but got "
            f"{given!r:.60}."
        )
    # As far as one draw in some thousands of the amount.
    refuse_far(fit, name, mean + math.copysign(4 * sd, mean), argument("delta"))
    return mean, sd


def _in_chains(tree: xr.DataTree, chains: int, rng: np.random.Generator) -> xr.DataTree:
    """The draws of all sets in a random order, in so many chains: every part of one is of many sets."""
    posterior, kept = tree["posterior"].to_dataset(), Imputed.of(tree[GROUP].to_dataset())
    sets, draws = kept.table.shape
    order = rng.permutation(sets * draws).reshape(chains, -1)

    def shuffled(values: np.ndarray) -> np.ndarray:
        return values.reshape(sets * draws, *values.shape[2:])[order]

    coords = {"chain": np.arange(chains), "draw": np.arange(order.shape[1])}
    like = posterior.drop_vars(["chain", "draw"])
    moved = xr.Dataset(
        {name: (posterior[name].dims, shuffled(posterior[name].to_numpy())) for name in posterior.data_vars},
        coords={**like.coords, **coords},
    )
    made = replace(kept, column_means=shuffled(kept.column_means), table=shuffled(kept.table))
    return xr.DataTree.from_dict({"posterior": moved, "sample_stats": xr.Dataset(coords=coords), GROUP: made.dataset()})


def _plain(given: Any) -> Any:
    if isinstance(given, Mapping):
        return {str(key): _plain(value) for key, value in given.items()}
    return str(given) if isinstance(given, Prior | str) else float(given)
