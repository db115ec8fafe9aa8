"""Did the sampler explore the posterior? The check that closes the gate, its criteria and its figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.bins import bin_counts
from alliance_bayes.checks.check import Check, CheckResult, Plot, Verdict, count, percent, some
from alliance_bayes.checks.context import Context, Draws, diagnosed
from alliance_bayes.checks.drawing import CHAINS, EXPECTED, GREY, OBSERVED, TEXT, WIDTH, axes_of, legend
from alliance_bayes.diagnostics import arviz, convergence
from alliance_bayes.effects.summary import missing_information
from alliance_bayes.effects.table import steady
from alliance_bayes.fit import FittedModel
from alliance_bayes.imputation.given import tables_wanted
from alliance_bayes.rounding import ROUNDING, is_constant

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ESS_LIMIT", "JUDGED", "RHAT_LIMIT", "Convergence"]

# Vehtari et al. (2021), Bayesian Analysis 16(2):667-718, doi 10.1214/20-BA1221.
RHAT_LIMIT = 1.01
ESS_LIMIT = 400.0
# Betancourt (2017), arXiv 1701.02434.
BFMI_LIMIT = 0.3
# R-hat compares chains, so there must be two; from four on it is dependable (Vehtari et al. 2021).
FEWEST_CHAINS = 2
USUAL_CHAINS = 4
# An independence chain that accepts less stays where it is for long, and may never propose what it lacks.
ACCEPTANCE_LIMIT = 0.15
# Importance ratios are unreliable from there on: Vehtari et al. (2024), JMLR 25(72):1-58.
PROPOSAL_K_LIMIT = 0.7

#: Statuses of quantities that the criteria are about.
JUDGED = ("broken", "not converged", "converged")

#: R-hat from which chains disagree about imputed values.
IMPUTED_LIMIT = 1.05
_FIGURES = ["rhat", "ess_bulk", "ess_tail"]
_ORDER = {"broken": 0, "not converged": 1, "converged": 2, "constant": 3, "undefined": 4}
_PLOTTED = 4
_BINS = 20
# About how many markers a curve of thousands of values has.
_MARKERS = 60
_LONGER = "Draw more (draws and tune)"
_GENTLER = (
    "raise target_accept towards 0.99, tighten a vague prior, "
    "or remove a pooled term that the data cannot tell from others"
)


class Convergence(Check):
    """Check the draws of every parameter and of every reported quantity.

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

    name = "convergence"
    judges = "converged"
    tabled = True
    sees_rows = False
    title = "Convergence of the sampler"
    looks_at = "convergence of the chains and effective sample size of every parameter and every effect"
    meaning = "The numbers may be others when the model is sampled again."
    holds_estimates = False
    references = ("vehtari2021",)
    answers = ("BARG 2B", "BARG 2C", "WAMBS 2", "WAMBS 4", "WAMBS 5")
    gate = "Convergence was not checked. Run that check too."

    def examine(self, context: Context) -> CheckResult:
        """Judge the draws of the fit and the effects that will be reported."""
        return self.of_draws(context.fit, context.effects)

    def of_draws(self, fit: Draws, effects: pd.DataFrame | None = None) -> CheckResult:
        """Judge the draws of a fit of any kind.

        Parameters
        ----------
        fit
            The fit.
        effects
            Table of reported quantities with columns ``rhat``, ``ess_bulk`` and ``ess_tail``.
        """
        quantities = _quantities(fit, effects)
        judged = quantities[quantities["status"].isin(JUDGED)]
        criteria = _criteria(fit, judged)
        failing = tuple(criterion.words for criterion in criteria if criterion.verdict == "fail")
        warning = tuple(criterion.words for criterion in criteria if criterion.verdict == "warn")
        return self.result(
            "fail" if failing else "warn" if warning else "pass",
            " ".join([*failing, *warning]) or _reassurance(judged, *fit.shape),
            pd.DataFrame(
                [(c.criterion, c.rule, c.value, c.where, c.verdict) for c in criteria],
                columns=["criterion", "rule", "value", "where", "verdict"],
            ),
            plots=(effective_sizes(judged), rank_histograms(fit.posterior, _worst(diagnosed(fit)))),
            details=quantities,
            problems=failing,
        )

    def redrawn(self, result: CheckResult, fit: FittedModel, hidden: frozenset[str]) -> tuple[Plot, ...]:
        """Figures of what the table has: the others would be what one has more than the other."""
        quantities, details = diagnosed(fit), result.details
        return (
            effective_sizes(details[details["status"].isin(JUDGED)], "quantities that the page shows"),
            rank_histograms(fit.posterior, _worst(quantities[~quantities["quantity"].isin(hidden)])),
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


def _criterion(
    name: str, rule: str, value: float, broken: object, words: str, where: str = "", verdict: Verdict = "fail"
) -> Criterion:
    """A criterion that says something only where its rule is broken."""
    return Criterion(name, rule, value, where, verdict, words) if broken else Criterion(name, rule, value, where)


def chains(n: int) -> Criterion:
    """Enough chains to compare."""
    few = n < FEWEST_CHAINS
    words = (
        f"There is only {count(n, 'chain')}, so nothing tells whether it has found all of the posterior."
        if few
        else f"There are only {n} chains; R-hat is dependable from {USUAL_CHAINS}."
    )
    rule, remedy = f"at least {FEWEST_CHAINS}, better {USUAL_CHAINS}", f"Sample {USUAL_CHAINS} chains."
    return _criterion("chains", rule, n, n < USUAL_CHAINS, f"{words} {remedy}", verdict="fail" if few else "warn")


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
    worst = known.iloc[int(steady(known["rhat"]).to_numpy().argmax())]
    value, where, over = float(worst["rhat"]), str(worst["quantity"]), int((known["rhat"] >= RHAT_LIMIT).sum())
    words = (
        f"{count(over, 'quantity')} of {len(known):,} {_have(over)} an R-hat of {RHAT_LIMIT:g} or more (largest "
        f"{value:.3f}: {where}), so the chains disagree. {_LONGER}; if that does not help, {_GENTLER}."
    )
    return _criterion("R-hat, largest", f"below {RHAT_LIMIT:g}", value, over, words, where)


def effective_size(judged: pd.DataFrame, which: str, total: int) -> Criterion | None:
    """Effective sample size, "bulk" or "tail", of ``total`` draws; None where no quantity has one."""
    column = f"ess_{which}"
    known = judged[judged[column].notna()]
    if known.empty:
        return None
    worst = known.iloc[int(steady(known[column]).to_numpy().argmin())]
    value, where, under = float(worst[column]), str(worst["quantity"]), int((known[column] <= ESS_LIMIT).sum())
    # Rounded up to a tenth, and never "1.0 times".
    times = max(math.ceil(10 * ESS_LIMIT / max(value, 1.0)) / 10, 1.1)
    words = (
        f"{count(under, 'quantity')} of {len(known):,} {_have(under)} a {which} effective sample size of "
        f"{ESS_LIMIT:g} or less (smallest {value:,.0f}: {where}), so "
        f"{'interval limits' if which == 'tail' else 'means'} are imprecise. "
        f"{_LONGER}: about {times:,.1f} times the present {total:,}."
    )
    return _criterion(f"{which} effective sample size, smallest", f"above {ESS_LIMIT:g}", value, under, words, where)


def divergences(statistics: xr.Dataset) -> Criterion | None:
    """Divergent transitions; None where the sampler has none to report."""
    if "diverging" not in statistics:
        return None
    diverging = np.asarray(statistics["diverging"].values).astype(bool)
    n = int(diverging.sum())
    words = f"{count(n, 'draw')} of {diverging.size:,} diverged, so part of the posterior may be missing: {_GENTLER}."
    return _criterion("divergences", "none", n, n, words)


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
    return _criterion("E-BFMI, smallest", f"above {BFMI_LIMIT:g}", low, under, words, f"chain {int(bfmi.argmin())}")


def tree_depth(statistics: xr.Dataset) -> Criterion | None:
    """Draws cut short at the largest tree depth; None where the sampler has no trees."""
    if "reached_max_tree_depth" not in statistics:
        return None
    share = float(np.asarray(statistics["reached_max_tree_depth"].values).astype(bool).mean())
    words = (
        f"{percent(share)} of draws were cut short at the largest tree depth. This costs time, not validity: centre or "
        "rescale columns on very different scales."
    )
    return _criterion("share of draws at the largest tree depth", "none", share, share, words, verdict="warn")


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
    name, where = "share of proposals accepted, smallest", f"chain {int(rate.argmin())}"
    return _criterion(name, f"above {ACCEPTANCE_LIMIT:g}", low, under, words, where)


def proposal_tail(statistics: xr.Dataset) -> Criterion | None:
    """Pareto k of an independence sampler's importance ratios; None where there are none."""
    if "pareto_k" not in statistics:
        return None
    k = float(statistics["pareto_k"].values)
    words = (
        f"The importance ratios of the proposal have a Pareto k of {k:.2f} (limit {PROPOSAL_K_LIMIT:g}), so parts of "
        "the posterior may be proposed too rarely. Use the engine 'nuts'."
    )
    # What is no number is above the limit too.
    heavy = not k < PROPOSAL_K_LIMIT
    return _criterion("Pareto k of the proposal", f"below {PROPOSAL_K_LIMIT:g}", k, heavy, words)


def fallback(info: Mapping[str, Any]) -> Criterion | None:
    """Why NUTS had to step in on the marginal density; None where it had not."""
    if not (reason := info.get("fallback")):
        return None
    return Criterion("NUTS on the marginal density stepped in", "for information", math.nan, str(reason), "info")


def imputed_values(fit: Draws) -> Criterion | None:
    """Agreement of the chains about drawn values: their mean and SD by column; None where none were drawn, or vary.

    What is the same number in all draws of all chains (the SD of a single value, the mean of levels that are certain)
    is not in question. The limit is wider than that of parameters and effects, which are what is reported: chains hold
    a quarter as many tables as draws.
    """
    imputed = getattr(fit, "imputation", None)
    if imputed is None or not imputed.traces:
        return None
    varying = {name: trace for name, trace in imputed.traces.items() if not is_constant(trace, axis=(0, 1))}
    if not varying:
        return None
    names, draws = list(varying), np.stack(list(varying.values()))
    rhats = convergence(draws, np.quantile(draws, [0.055, 0.945], axis=(1, 2)).T)["rhat"]
    worst = int(np.argmax(np.nan_to_num(rhats, nan=np.inf)))
    value, where = float(rhats[worst]), names[worst]
    words = (
        f"The {where} over the rows where it was imputed has an R-hat of {value:.3f} (limit {IMPUTED_LIMIT:g}), so the "
        f"chains disagree about what was not observed. {_LONGER}; if that does not help, take auxiliary columns that "
        "nearly repeat each other out."
    )
    # What is no number is above the limit too.
    return _criterion(
        "R-hat of imputed values, largest", f"below {IMPUTED_LIMIT:g}", value, not value < IMPUTED_LIMIT, words, where
    )


def enough_tables(fit: Draws) -> Criterion | None:
    """Enough of the tables that were imputed elsewhere, by the parameters' fractions of missing information."""
    about = fit.info.get("imputation")
    imputed = getattr(fit, "imputation", None)
    if imputed is None or not isinstance(about, Mapping) or not about.get("given"):
        return None
    beta = fit.posterior.get("beta")
    if beta is None:
        return None
    fractions = [missing_information(values, imputed.table) or 0.0 for values in np.moveaxis(beta.values, 2, 0)]
    largest = max(fractions, default=0.0)
    wanted, n_tables = tables_wanted(largest), int(imputed.table.max()) + 1
    words = (
        f"There are {n_tables} completed tables, and {largest:.0%} of the variance of a coefficient is due to what was "
        f"not observed: {wanted} tables are wanted for standard errors that another set of imputations would change by "
        "5 % at most. Impute more tables."
    )
    where = str(fit.posterior["term"].values[int(np.argmax(fractions))])
    return _criterion(
        "completed tables", f"at least {wanted}", n_tables, n_tables < wanted, words, where, verdict="warn"
    )


def _have(n: int) -> str:
    return "has" if n == 1 else "have"


def _criteria(fit: Draws, judged: pd.DataFrame) -> Sequence[Criterion]:
    n_chains, n_draws = fit.shape
    statistics = fit.sample_stats
    candidates = (
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
        imputed_values(fit),
        enough_tables(fit),
        fallback(fit.info),
    )
    return [criterion for criterion in candidates if criterion is not None]


def _quantities(fit: Draws, effects: pd.DataFrame | None) -> pd.DataFrame:
    single = fit.shape[0] < 2
    diagnostics = diagnosed(fit)
    parameters = diagnostics[["quantity", *_FIGURES]].assign(
        kind="parameter", status=np.where(diagnostics["by_construction"], "constant", _missing(diagnostics, single))
    )
    tables = [parameters]
    if effects is not None and len(effects):
        tables.append(_derived(effects, single))
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
    subject = f"all {len(judged) - effects:,} parameters"
    subject += f" and {count(effects, 'reported quantity')}" if effects else ""
    return (
        f"The {n_chains} chains of {n_draws:,} draws agree for {subject}: the largest R-hat is "
        f"{judged['rhat'].max():.3f} (limit {RHAT_LIMIT:g}) and the smallest effective sample size "
        f"{judged[['ess_bulk', 'ess_tail']].min().min():,.0f} (limit {ESS_LIMIT:g})."
    )


def _worst(quantities: pd.DataFrame) -> pd.DataFrame:
    """The elements with the largest R-hat, in its absence with the smallest effective sample size."""
    moving = quantities[~quantities["constant"] & quantities["ess_bulk"].notna()]
    order = moving.sort_values(["rhat", "ess_bulk"], ascending=[False, True], kind="stable", key=steady)
    return order[["quantity", "variable", "index"]].head(_PLOTTED)


def effective_sizes(quantities: pd.DataFrame, called: str = "quantities") -> Plot:
    """Bulk and tail effective sample size of every quantity, in ascending order.

    Parameters
    ----------
    quantities
        Columns ``ess_bulk`` and ``ess_tail``.
    called
        What they are.
    """
    bulk, tail = (np.sort(quantities[name].dropna().to_numpy(float)) for name in ("ess_bulk", "ess_tail"))

    def draw(figure: Figure) -> None:
        (axes,) = axes_of(figure)
        for values, colour, marker, name in ((bulk, EXPECTED, "o", "bulk"), (tail, OBSERVED, "^", "tail")):
            # The values ascend: the line says where those without a marker are.
            axes.plot(
                np.arange(1, values.size + 1),
                values,
                f"{marker}-",
                color=colour,
                markersize=4,
                alpha=0.8,
                markevery=max(1, values.size // _MARKERS),
                label=name,
            )
        axes.axhline(ESS_LIMIT, color=GREY, linestyle="--", linewidth=1.2, label=f"limit {ESS_LIMIT:g}")
        axes.set_ylim(bottom=0)
        axes.set_xlabel("Quantities, from the smallest effective sample size")
        axes.set_ylabel("Effective sample size (draws)")
        legend(figure, axes)

    lowest = min((float(values[0]) for values in (bulk, tail) if values.size), default=float("nan"))
    return Plot(
        "convergence-ess",
        "Effective sample sizes",
        f"Bulk and tail effective sample sizes of {len(quantities):,} {called}, in ascending order, with the limit of "
        f"{ESS_LIMIT:g} as a dashed line. The smallest is {lowest:,.0f}.",
        draw,
    )


def rank_histograms(posterior: xr.Dataset, worst: pd.DataFrame) -> Plot:
    """Ranks of each chain's draws among all draws, for the quantities that mixed worst.

    Parameters
    ----------
    posterior
        The draws.
    worst
        Columns ``quantity``, ``variable`` and ``index``.
    """
    names = [str(name) for name in worst["quantity"]]

    def draw(figure: Figure) -> None:
        all_axes = axes_of(figure, max(1, len(names)), share_x=True)
        for axes, (_, row) in zip(all_axes, worst.iterrows(), strict=False):
            values = posterior[row["variable"]].values
            values = values.reshape(*values.shape[:2], -1)[:, :, int(row["index"])]
            ranks = values.ravel().argsort().argsort().reshape(values.shape) / values.size
            edges = np.linspace(0, 1, _BINS + 1)
            for chain, chain_ranks in enumerate(ranks):
                counts = bin_counts(chain_ranks, edges)
                axes.stairs(
                    counts,
                    100 * edges,
                    baseline=None,
                    color=CHAINS[chain % len(CHAINS)],
                    linewidth=1.2,
                    label=f"chain {chain}",
                )
            axes.axhline(values.shape[1] / _BINS, color=GREY, linestyle="--", linewidth=1)
            axes.set_ylim(bottom=0)
            # Whole, so that whoever draws it can put words in its place, and in as many lines as these need.
            axes.set_title(str(row["quantity"]), fontsize=TEXT, wrap=True)
            axes.set_xlabel("Rank among all draws (%)")
            axes.set_ylabel("Draws")
        for axes in all_axes[len(names) :]:
            axes.set_visible(False)
        legend(figure, all_axes[0], 4)

    return Plot(
        "convergence-ranks",
        "Ranks of the draws by chain",
        "Histograms of the ranks of each chain's draws among all draws, for the quantities with the largest R-hat "
        f"({'; '.join(names) or 'none'}). Chains that agree give level histograms.",
        draw,
        (WIDTH, 1.0 + 1.5 * max(1, len(names))),
    )
