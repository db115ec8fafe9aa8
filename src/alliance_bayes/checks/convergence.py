"""Did the sampler explore the posterior? The check that closes the gate."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from arviz_stats.base import array_stats

from alliance_bayes.checks.evidence import Evidence
from alliance_bayes.checks.plots_convergence import effective_sizes, rank_histograms
from alliance_bayes.checks.results import CheckResult, Verdict
from alliance_bayes.checks.wording import count, some

__all__ = ["BFMI_LIMIT", "ESS_LIMIT", "RHAT_LIMIT", "convergence"]

RHAT_LIMIT = 1.01
ESS_LIMIT = 400.0
BFMI_LIMIT = 0.3
FEWEST_CHAINS = 2
USUAL_CHAINS = 4
SHOWN = 4

_LONGER = "Draw more (draws and tune of SamplerSettings)"
_SMALLER_STEPS = "raise target_accept towards 0.99, tighten a vague prior, or remove a pooled term that the data cannot tell from others"


@dataclass
class _Findings:
    """Rows of the table and sentences, gathered criterion by criterion."""

    rows: list[tuple[str, str, float, str, Verdict]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def add(self, criterion: str, rule: str, value: float, where: str = "", *, fail: str = "", warn: str = "") -> None:
        self.rows.append((criterion, rule, value, where, "fail" if fail else "warn" if warn else "pass"))
        if fail:
            self.problems.append(fail)
        elif warn:
            self.warnings.append(warn)


def convergence(evidence: Evidence) -> CheckResult:
    """Check the draws of every parameter and of every reported quantity.

    Parameters
    ----------
    evidence
        The fit, and the effects that will be reported.

    Returns
    -------
    CheckResult
        The table has one row a criterion (``criterion``, ``rule``, ``value``, ``where``, ``verdict``), ``details`` one a quantity
        (``quantity``, ``kind``, ``rhat``, ``ess_bulk``, ``ess_tail``, ``status``), those that fail first.

    Notes
    -----
    Rank-normalised R-hat below 1.01 and bulk and tail effective sample sizes above 400 [1]_; no divergences [2]_; E-BFMI above
    0.3 in every chain [2]_. At least two chains, and a warning below four. Quantities that are constant because the model says so
    have no such figures and are passed over; any other quantity without them fails. Statistics that a sampler does not
    report are left out of the table.

    References
    ----------
    .. [1] Vehtari et al. (2021), Bayesian Analysis 16(2):667-718, doi 10.1214/20-BA1221.
    .. [2] Betancourt (2017), A conceptual introduction to Hamiltonian Monte Carlo, arXiv 1701.02434.
    """
    found = _Findings()
    chains, draws = evidence.fit.shape
    _chains(found, chains)
    quantities = _quantities(evidence)
    judged = quantities[quantities["status"] != "constant"]
    _broken(found, judged)
    _rhat(found, judged, chains)
    for column, name in (("ess_bulk", "bulk ESS"), ("ess_tail", "tail ESS")):
        _ess(found, judged, column, name, chains * draws)
    _sampler(found, evidence)
    verdict: Verdict = "fail" if found.problems else "warn" if found.warnings else "pass"
    return CheckResult(
        "convergence",
        "Convergence of the sampler",
        verdict,
        " ".join([*found.problems, *found.warnings]) or _reassurance(judged, chains, draws),
        pd.DataFrame(found.rows, columns=["criterion", "rule", "value", "where", "verdict"]),
        (effective_sizes(judged, ESS_LIMIT), rank_histograms(evidence.fit.posterior, _worst(evidence.quantities))),
        quantities,
        tuple(found.problems),
    )


def _quantities(evidence: Evidence) -> pd.DataFrame:
    own = evidence.quantities
    constant, broken = own["by_construction"], own[["rhat", "ess_bulk", "ess_tail"]].isna().any(axis=1)
    if evidence.fit.shape[0] < FEWEST_CHAINS:
        broken = own[["ess_bulk", "ess_tail"]].isna().any(axis=1)
    parameters = own[["quantity", "rhat", "ess_bulk", "ess_tail"]].assign(
        kind="parameter", status=np.select([constant, broken], ["constant", "broken"], "")
    )
    tables = [parameters]
    if evidence.effects is not None and len(evidence.effects):
        tables.append(_derived(evidence.effects, single=evidence.fit.shape[0] < FEWEST_CHAINS))
    out = pd.concat(tables, ignore_index=True)
    low = (out["ess_bulk"] <= ESS_LIMIT) | (out["ess_tail"] <= ESS_LIMIT)
    out["status"] = np.select(
        [out["status"] != "", (out["rhat"] >= RHAT_LIMIT) | low], [out["status"], "not converged"], "converged"
    )
    order = out["status"].map({"broken": 0, "not converged": 1, "converged": 2, "constant": 3})
    size = out[["ess_bulk", "ess_tail"]].min(axis=1)
    out = out.assign(_order=order, _size=size).sort_values(["_order", "_size"], kind="stable")
    return out[["quantity", "kind", "rhat", "ess_bulk", "ess_tail", "status"]].reset_index(drop=True)


def _derived(effects: pd.DataFrame, *, single: bool) -> pd.DataFrame:
    table = pd.DataFrame(effects).reset_index(drop=True)
    figures = table[["rhat", "ess_bulk", "ess_tail"]].apply(pd.to_numeric).astype(float)
    broken = figures[["ess_bulk", "ess_tail"] if single else ["rhat", "ess_bulk", "ess_tail"]].isna().any(axis=1)
    constant = pd.Series(False, index=table.index)
    if {"mean", "sd"} <= set(table.columns):
        # Without a spread a finite figure is no random quantity: a count, say, or a difference that the model fixes at zero.
        mean, sd = (pd.to_numeric(table[name]).astype(float) for name in ("mean", "sd"))
        constant = np.isfinite(mean) & (sd.isna() | (sd <= 1e-12 * np.maximum(1.0, mean.abs())))
    labels = [_label(row) for row in table.to_dict("records")]
    status = np.select([constant, broken], ["constant", "broken"], "")
    return figures.assign(quantity=labels, kind="effect", status=status)


def _label(row: dict[str, object]) -> str:
    parts = [row.get(name) for name in ("term", "factor", "level")]
    inside = ", ".join(str(part) for part in parts if isinstance(part, str) and part)
    versus = row.get("versus")
    inside += f" versus {versus}" if isinstance(versus, str) and versus else ""
    name = str(row.get("estimand", "effect"))
    unit = row.get("unit")
    inside = ", ".join(part for part in (inside, unit if isinstance(unit, str) else "") if part)
    return f"{name}[{inside}]" if inside else name


def _chains(found: _Findings, chains: int) -> None:
    few = f"only {chains} chain{'' if chains == 1 else 's'}"
    found.add(
        "chains",
        f"at least {FEWEST_CHAINS}, better {USUAL_CHAINS}",
        chains,
        fail=f"There is {few}, so nothing tells whether it has found all of the posterior. Sample {USUAL_CHAINS} chains."
        if chains < FEWEST_CHAINS
        else "",
        warn=f"There are {few}; R-hat is dependable from {USUAL_CHAINS}. Sample {USUAL_CHAINS} chains."
        if chains < USUAL_CHAINS
        else "",
    )


def _broken(found: _Findings, judged: pd.DataFrame) -> None:
    broken = judged.loc[judged["status"] == "broken", "quantity"]
    if len(broken):
        found.add(
            "draws usable",
            "every quantity varies and is finite",
            len(broken),
            some(broken),
            fail=f"{count(len(broken), 'quantity')} {'has' if len(broken) == 1 else 'have'} draws that never move or are not "
            f"numbers ({some(broken)}). Check the columns and priors of these terms, and sample again.",
        )


def _rhat(found: _Findings, judged: pd.DataFrame, chains: int) -> None:
    known = judged[judged["rhat"].notna()]
    if chains < FEWEST_CHAINS or known.empty:
        return
    worst = known.loc[known["rhat"].idxmax()]
    over = known[known["rhat"] >= RHAT_LIMIT]
    found.add(
        "R-hat, largest",
        f"below {RHAT_LIMIT:g}",
        float(worst["rhat"]),
        str(worst["quantity"]),
        fail=f"{count(len(over), 'quantity')} of {len(known):,} {'has' if len(over) == 1 else 'have'} an R-hat of {RHAT_LIMIT:g} or more "
        f"(largest {worst['rhat']:.3f}: {worst['quantity']}), so the chains disagree. {_LONGER}; if that does not help, {_SMALLER_STEPS}."
        if len(over)
        else "",
    )


def _ess(found: _Findings, judged: pd.DataFrame, column: str, name: str, total: int) -> None:
    known = judged[judged[column].notna()]
    if known.empty:
        return
    worst = known.loc[known[column].idxmin()]
    under = known[known[column] <= ESS_LIMIT]
    times = ESS_LIMIT / max(float(worst[column]), 1.0)
    found.add(
        f"{name}, smallest",
        f"above {ESS_LIMIT:g}",
        float(worst[column]),
        str(worst["quantity"]),
        fail=f"{count(len(under), 'quantity')} of {len(known):,} {'has' if len(under) == 1 else 'have'} a {name} of {ESS_LIMIT:g} or less "
        f"(smallest {worst[column]:,.0f}: {worst['quantity']}), so {'tail quantiles' if column == 'ess_tail' else 'means'} are imprecise. "
        f"{_LONGER}: about {max(np.ceil(10 * times) / 10, 1.1):,.1f} times the present {total:,}."
        if len(under)
        else "",
    )


def _sampler(found: _Findings, evidence: Evidence) -> None:
    given = evidence.fit.sample_stats
    chains, draws = evidence.fit.shape
    if "diverging" in given:
        diverged = int(np.asarray(given["diverging"].values, dtype=bool).sum())
        found.add(
            "divergences",
            "none",
            diverged,
            fail=f"{count(diverged, 'draw')} of {chains * draws:,} diverged, so part of the posterior may be missing: "
            f"{_SMALLER_STEPS}."
            if diverged
            else "",
        )
    if "energy" in given and draws > 1:
        energy = np.asarray(given["energy"].values, dtype=float)
        bfmi = np.asarray(array_stats.bfmi(energy), dtype=float)
        lowest = float(np.nanmin(bfmi)) if np.isfinite(bfmi).any() else float("nan")
        found.add(
            "E-BFMI, smallest",
            f"above {BFMI_LIMIT:g}",
            lowest,
            f"chain {int(np.nanargmin(bfmi))}" if np.isfinite(lowest) else "",
            fail=f"The E-BFMI of {count(int((~(bfmi > BFMI_LIMIT)).sum()), 'chain')} is {BFMI_LIMIT:g} or less (smallest {lowest:.2f}), so the "
            "sampler moves slowly through the tails. Tune longer, and tighten vague priors of level SDs."
            if not lowest > BFMI_LIMIT
            else "",
        )
    if "reached_max_tree_depth" in given:
        share = float(np.asarray(given["reached_max_tree_depth"].values, dtype=bool).mean())
        found.add(
            "draws at the largest tree depth",
            "none",
            share,
            warn=f"{100 * share:.2g} % of draws were cut short at the largest tree depth. This costs time, not validity: centre or rescale columns "
            "on very different scales."
            if share
            else "",
        )


def _reassurance(judged: pd.DataFrame, chains: int, draws: int) -> str:
    effects = int((judged["kind"] == "effect").sum())
    what = f"all {len(judged) - effects:,} parameters" + (
        f" and {count(effects, 'reported quantity')}" if effects else ""
    )
    smallest = judged[["ess_bulk", "ess_tail"]].min().min()
    return (
        f"The {chains} chains of {draws:,} draws agree for {what}: the largest R-hat is {judged['rhat'].max():.3f} (limit {RHAT_LIMIT:g}) and "
        f"the smallest effective sample size {smallest:,.0f} (limit {ESS_LIMIT:g})."
    )


def _worst(quantities: pd.DataFrame) -> pd.DataFrame:
    """The elements with the largest R-hat, in its absence with the smallest effective sample size."""
    moving = quantities[~quantities["constant"] & quantities["ess_bulk"].notna()]
    order = moving.sort_values(["rhat", "ess_bulk"], ascending=[False, True], kind="stable")
    return order[["quantity", "variable", "index"]].head(SHOWN)
