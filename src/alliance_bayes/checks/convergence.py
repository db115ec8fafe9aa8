"""Did the sampler explore the posterior? This is the check that closes the gate."""

from __future__ import annotations

import numpy as np
import pandas as pd

from alliance_bayes.checks.criteria import (
    Criterion,
    acceptance,
    chains,
    divergences,
    effective_size,
    energy,
    fallback,
    proposal_tail,
    rhat,
    tree_depth,
    usable,
)
from alliance_bayes.checks.evidence import Evidence
from alliance_bayes.checks.limits import ESS_LIMIT, RHAT_LIMIT
from alliance_bayes.checks.plots_convergence import effective_sizes, rank_histograms
from alliance_bayes.checks.results import CheckResult, Verdict
from alliance_bayes.checks.wording import count
from alliance_bayes.effects.table import steady
from alliance_bayes.rounding import ROUNDING

__all__ = ["JUDGED", "convergence", "worst"]

#: Statuses of quantities that the criteria are about.
JUDGED = ("broken", "not converged", "converged")

_FIGURES = ["rhat", "ess_bulk", "ess_tail"]
_ORDER = {"broken": 0, "not converged": 1, "converged": 2, "constant": 3, "undefined": 4}
_PLOTTED = 4


def convergence(evidence: Evidence) -> CheckResult:
    """Check the draws of every parameter and of every reported quantity.

    Parameters
    ----------
    evidence
        The fit, and the effects that will be reported.

    Returns
    -------
    CheckResult
        The table has one row a criterion (``criterion``, ``rule``, ``value``, ``where``, ``verdict``), ``details`` one
        a quantity (``quantity``, ``kind``, ``rhat``, ``ess_bulk``, ``ess_tail``, ``status``), those that fail first.

    Notes
    -----
    Rank-normalised R-hat below 1.01 and bulk and tail effective sample sizes above 400 [1]_; no divergences [2]_;
    E-BFMI above 0.3 in every chain [2]_. Independence chains accept more than 15 % of their proposals each, and the
    importance ratios of the proposal have a Pareto k below 0.7 [3]_. At least two chains, and a warning below four.
    Statistics that a sampler does not report are left out of the table.

    A quantity that is constant because the model says so (a correlation of a term with itself; an effect with a finite
    mean and no spread) has no such figures and is passed over, and so is an effect that is not defined in some draws
    and says so in its ``note``. Any other quantity without them fails.

    With 4 x 1,000 independent draws of 60 quantities the rules never fire; with 4 x 250 the largest R-hat reaches 1.01
    in one set of draws in nine. So few effective draws are too few, and more of them are the remedy.

    References
    ----------
    .. [1] Vehtari et al. (2021), Bayesian Analysis 16(2):667-718, doi 10.1214/20-BA1221.
    .. [2] Betancourt (2017), A conceptual introduction to Hamiltonian Monte Carlo, arXiv 1701.02434.
    .. [3] Vehtari et al. (2024), Journal of Machine Learning Research 25(72):1-58.
    """
    quantities = _quantities(evidence)
    judged = quantities[quantities["status"].isin(JUDGED)]
    found = _criteria(evidence, judged)
    failing = tuple(criterion.words for criterion in found if criterion.verdict == "fail")
    warning = tuple(criterion.words for criterion in found if criterion.verdict == "warn")
    verdict: Verdict = "fail" if failing else "warn" if warning else "pass"
    return CheckResult(
        "convergence",
        "Convergence of the sampler",
        verdict,
        " ".join([*failing, *warning]) or _reassurance(judged, *evidence.fit.shape),
        pd.DataFrame(
            [(c.criterion, c.rule, c.value, c.where, c.verdict) for c in found],
            columns=["criterion", "rule", "value", "where", "verdict"],
        ),
        (effective_sizes(judged, ESS_LIMIT), rank_histograms(evidence.fit.posterior, worst(evidence.quantities))),
        quantities,
        failing,
    )


def _criteria(evidence: Evidence, judged: pd.DataFrame) -> list[Criterion]:
    n_chains, n_draws = evidence.fit.shape
    statistics = evidence.fit.sample_stats
    candidates = [
        chains(n_chains),
        usable(judged),
        rhat(judged),
        effective_size(judged, "bulk", n_chains * n_draws),
        effective_size(judged, "tail", n_chains * n_draws),
        divergences(statistics),
        energy(statistics),
        tree_depth(statistics),
        acceptance(statistics),
        proposal_tail(statistics),
        fallback(evidence.fit.info),
    ]
    return [criterion for criterion in candidates if criterion is not None]


def _quantities(evidence: Evidence) -> pd.DataFrame:
    single = evidence.fit.shape[0] < 2
    own = evidence.quantities
    parameters = own[["quantity", *_FIGURES]].assign(
        kind="parameter", status=np.where(own["by_construction"], "constant", _missing(own, single))
    )
    tables = [parameters]
    if evidence.effects is not None and len(evidence.effects):
        tables.append(_derived(evidence.effects, single))
    out = pd.concat(tables, ignore_index=True)
    off = (out["rhat"] >= RHAT_LIMIT) | (out["ess_bulk"] <= ESS_LIMIT) | (out["ess_tail"] <= ESS_LIMIT)
    out["status"] = np.where(out["status"] != "", out["status"], np.where(off, "not converged", "converged"))
    # As it is shown: the digits behind that differ between machines.
    place, size = out["status"].map(_ORDER), out[["ess_bulk", "ess_tail"]].min(axis=1).round()
    order = pd.DataFrame({"place": place, "size": size}).sort_values(["place", "size"], kind="stable").index
    return out.loc[order, ["quantity", "kind", *_FIGURES, "status"]].reset_index(drop=True)


def _missing(figures: pd.DataFrame, single: bool) -> np.ndarray:
    """Mark rows that lack a figure; a single chain has no R-hat to lack."""
    needed = _FIGURES[1:] if single else _FIGURES
    return np.where(figures[needed].isna().any(axis=1), "broken", "")


def _derived(effects: pd.DataFrame, single: bool) -> pd.DataFrame:
    table = pd.DataFrame(effects)
    names = [*_FIGURES, *(name for name in ("mean", "sd", "median") if name in table.columns)]
    figures = table[names].apply(pd.to_numeric).astype(float).reset_index(drop=True)
    status = _missing(figures, single)
    if {"mean", "sd"} <= set(names):
        # Without a spread a finite figure is not random: a count, say, or a difference that the model fixes at zero.
        small = figures["sd"].isna() | (figures["sd"] <= ROUNDING * figures["mean"].abs())
        status = np.where(np.isfinite(figures["mean"]) & small, "constant", status)
    if {"mean", "median"} <= set(names) and "note" in table.columns:
        explained = table["note"].notna().to_numpy() & figures[["mean", "median"]].isna().all(axis=1).to_numpy()
        status = np.where(explained & (status == "broken"), "undefined", status)
    if pd.api.types.is_string_dtype(table.index.dtype):
        labels = [str(label) for label in table.index]
    else:
        labels = [_label({str(name): value for name, value in row.items()}) for row in table.to_dict("records")]
    return figures[_FIGURES].assign(quantity=labels, kind="effect", status=status)


def _label(row: dict[str, object]) -> str:
    def text(name: str) -> str:
        value = row.get(name)
        return value if isinstance(value, str) else ""

    where = ", ".join(part for part in map(text, ("term", "factor", "level")) if part)
    where += f" versus {text('versus')}" if text("versus") else ""
    where = ", ".join(part for part in (where, text("unit")) if part)
    name = text("estimand") or "effect"
    return f"{name}[{where}]" if where else name


def _reassurance(judged: pd.DataFrame, n_chains: int, n_draws: int) -> str:
    effects = int((judged["kind"] == "effect").sum())
    what = f"all {len(judged) - effects:,} parameters"
    what += f" and {count(effects, 'reported quantity')}" if effects else ""
    return (
        f"The {n_chains} chains of {n_draws:,} draws agree for {what}: the largest R-hat is {judged['rhat'].max():.3f} "
        f"(limit {RHAT_LIMIT:g}) and the smallest effective sample size "
        f"{judged[['ess_bulk', 'ess_tail']].min().min():,.0f} (limit {ESS_LIMIT:g})."
    )


def worst(quantities: pd.DataFrame) -> pd.DataFrame:
    """The elements with the largest R-hat, in its absence with the smallest effective sample size."""
    moving = quantities[~quantities["constant"] & quantities["ess_bulk"].notna()]
    order = moving.sort_values(["rhat", "ess_bulk"], ascending=[False, True], kind="stable", key=steady)
    return order[["quantity", "variable", "index"]].head(_PLOTTED)
