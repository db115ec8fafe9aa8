"""The criteria of convergence, one function each: a figure, its rule, and what to do when it breaks the rule."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.checks.limits import (
    ACCEPTANCE_LIMIT,
    BFMI_LIMIT,
    ESS_LIMIT,
    FEWEST_CHAINS,
    PROPOSAL_K_LIMIT,
    RHAT_LIMIT,
    USUAL_CHAINS,
)
from alliance_bayes.checks.results import Verdict
from alliance_bayes.checks.wording import count, percent, some
from alliance_bayes.diagnostics import arviz
from alliance_bayes.effects.table import steady

__all__ = [
    "Criterion",
    "acceptance",
    "chains",
    "divergences",
    "effective_size",
    "energy",
    "fallback",
    "proposal_tail",
    "rhat",
    "tree_depth",
    "usable",
]

_LONGER = "Draw more (draws and tune)"
_GENTLER = (
    "raise target_accept towards 0.99, tighten a vague prior, "
    "or remove a pooled term that the data cannot tell from others"
)


@dataclass(frozen=True)
class Criterion:
    """One criterion applied to a fit.

    Parameters
    ----------
    criterion, rule
        What is looked at, and what it should be.
    value, where
        The figure that decides, and the quantity or chain it belongs to.
    verdict
        ``pass``, ``warn`` or ``fail``; ``info`` for what is only told.
    words
        What is wrong and what to do; empty when it passes.
    """

    criterion: str
    rule: str
    value: float
    where: str = ""
    verdict: Verdict = "pass"
    words: str = ""


def chains(n: int) -> Criterion:
    """Enough chains to compare."""
    rule = f"at least {FEWEST_CHAINS}, better {USUAL_CHAINS}"
    if n < FEWEST_CHAINS:
        words = f"There is only {count(n, 'chain')}, so nothing tells whether it has found all of the posterior."
        return Criterion("chains", rule, n, "", "fail", f"{words} Sample {USUAL_CHAINS} chains.")
    if n < USUAL_CHAINS:
        words = f"There are only {n} chains; R-hat is dependable from {USUAL_CHAINS}. Sample {USUAL_CHAINS} chains."
        return Criterion("chains", rule, n, "", "warn", words)
    return Criterion("chains", rule, n)


def usable(judged: pd.DataFrame) -> Criterion | None:
    """Every quantity moves and is a number; None when all do."""
    broken = judged.loc[judged["status"] == "broken", "quantity"]
    if broken.empty:
        return None
    words = (
        f"{count(len(broken), 'quantity')} {_have(len(broken))} draws that never move or are not numbers "
        f"({some(broken)}). Check the columns and priors of these terms, and sample again."
    )
    return Criterion("quantities without usable draws", "none", len(broken), some(broken), "fail", words)


def rhat(judged: pd.DataFrame) -> Criterion | None:
    """Rank-normalised R-hat; None where no quantity has one."""
    known = judged[judged["rhat"].notna()]
    if known.empty:
        return None
    place = int(steady(known["rhat"]).to_numpy().argmax())
    value, where = float(known["rhat"].iloc[place]), str(known["quantity"].iloc[place])
    over = int((known["rhat"] >= RHAT_LIMIT).sum())
    words = (
        f"{count(over, 'quantity')} of {len(known):,} {_have(over)} an R-hat of {RHAT_LIMIT:g} or more (largest "
        f"{value:.3f}: {where}), so the chains disagree. {_LONGER}; if that does not help, {_GENTLER}."
    )
    rule = f"below {RHAT_LIMIT:g}"
    return Criterion("R-hat, largest", rule, value, where, *(("fail", words) if over else ("pass", "")))


def effective_size(judged: pd.DataFrame, which: str, total: int) -> Criterion | None:
    """Effective sample size, "bulk" or "tail", of ``total`` draws; None where no quantity has one."""
    column = f"ess_{which}"
    known = judged[judged[column].notna()]
    if known.empty:
        return None
    place = int(steady(known[column]).to_numpy().argmin())
    value, where = float(known[column].iloc[place]), str(known["quantity"].iloc[place])
    under = int((known[column] <= ESS_LIMIT).sum())
    # Rounded up to a tenth, and never "1.0 times".
    imprecise = "interval limits" if which == "tail" else "means"
    times = max(math.ceil(10 * ESS_LIMIT / max(value, 1.0)) / 10, 1.1)
    words = (
        f"{count(under, 'quantity')} of {len(known):,} {_have(under)} a {which} effective sample size of "
        f"{ESS_LIMIT:g} or less (smallest {value:,.0f}: {where}), so {imprecise} are imprecise. "
        f"{_LONGER}: about {times:,.1f} times the present {total:,}."
    )
    rule = f"above {ESS_LIMIT:g}"
    name = f"{which} effective sample size, smallest"
    return Criterion(name, rule, value, where, *(("fail", words) if under else ("pass", "")))


def divergences(statistics: xr.Dataset) -> Criterion | None:
    """Divergent transitions; None where the sampler has none to report."""
    if "diverging" not in statistics:
        return None
    diverging = np.asarray(statistics["diverging"].values).astype(bool)
    n = int(diverging.sum())
    words = f"{count(n, 'draw')} of {diverging.size:,} diverged, so part of the posterior may be missing: {_GENTLER}."
    return Criterion("divergences", "none", n, "", *(("fail", words) if n else ("pass", "")))


def energy(statistics: xr.Dataset) -> Criterion | None:
    """Estimated Bayesian fraction of missing information of each chain; None where the sampler reports no energy."""
    if "energy" not in statistics or statistics.sizes["draw"] < 2:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        bfmi = np.asarray(arviz().bfmi(statistics["energy"].values.astype(np.float64)))
    # A chain whose energy never changes has no fraction at all: the worst case.
    bfmi = np.where(np.isfinite(bfmi), bfmi, 0.0)
    low, under = float(bfmi.min()), int((bfmi <= BFMI_LIMIT).sum())
    words = (
        f"The E-BFMI of {count(under, 'chain')} is {BFMI_LIMIT:g} or less (smallest {low:.2f}), so the sampler moves "
        "slowly through the tails. Tune longer, and tighten vague priors of level SDs."
    )
    where = f"chain {int(bfmi.argmin())}"
    rule = f"above {BFMI_LIMIT:g}"
    return Criterion("E-BFMI, smallest", rule, low, where, *(("fail", words) if under else ("pass", "")))


def tree_depth(statistics: xr.Dataset) -> Criterion | None:
    """Draws cut short at the largest tree depth; None where the sampler has no trees."""
    if "reached_max_tree_depth" not in statistics:
        return None
    share = float(np.asarray(statistics["reached_max_tree_depth"].values).astype(bool).mean())
    words = (
        f"{percent(share)} of draws were cut short at the largest tree depth. This costs time, not validity: centre or "
        "rescale columns on very different scales."
    )
    name = "share of draws at the largest tree depth"
    return Criterion(name, "none", share, "", *(("warn", words) if share else ("pass", "")))


def acceptance(statistics: xr.Dataset) -> Criterion | None:
    """Share of proposals that each independence chain accepted; None for other samplers.

    NUTS gives another figure the same name: the mean over its trajectories, which its step size is tuned to.
    """
    if "acceptance_rate" not in statistics or {"tree_depth", "step_size", "diverging"} & set(statistics.data_vars):
        return None
    rate = np.asarray(statistics["acceptance_rate"].values, dtype=float).mean(axis=1)
    low, under = float(rate.min()), int((rate <= ACCEPTANCE_LIMIT).sum())
    words = (
        f"{count(under, 'chain')} accepted {percent(ACCEPTANCE_LIMIT)} of the proposals or fewer (smallest "
        f"{percent(low)}), so the proposal does not resemble the posterior. Use the engine 'nuts'."
    )
    where, rule = f"chain {int(rate.argmin())}", f"above {ACCEPTANCE_LIMIT:g}"
    return Criterion("share of proposals accepted, smallest", rule, low, where, *(("fail", words) if under else ()))


def proposal_tail(statistics: xr.Dataset) -> Criterion | None:
    """Pareto k of an independence sampler's importance ratios; None where there are none."""
    if "pareto_k" not in statistics:
        return None
    k = float(statistics["pareto_k"].values)
    words = (
        f"The importance ratios of the proposal have a Pareto k of {k:.2f} (limit {PROPOSAL_K_LIMIT:g}), so parts of "
        "the posterior may be proposed too rarely. Use the engine 'nuts'."
    )
    rule = f"below {PROPOSAL_K_LIMIT:g}"
    return Criterion("Pareto k of the proposal", rule, k, "", *(() if k < PROPOSAL_K_LIMIT else ("fail", words)))


def fallback(info: Mapping[str, Any]) -> Criterion | None:
    """Why NUTS had to step in on the marginal density; None where it had not."""
    reason = info.get("fallback")
    if not reason:
        return None
    return Criterion("NUTS on the marginal density stepped in", "for information", math.nan, str(reason), "info")


def _have(n: int) -> str:
    return "has" if n == 1 else "have"
