"""LatentFit: the draws of the joint model, what they say, and how they are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd
import xarray as xr

from alliance_bayes.checks.diagnostics import diagnose
from alliance_bayes.checks.limits import ESS_LIMIT, RHAT_LIMIT
from alliance_bayes.checks.results import Gate
from alliance_bayes.cohort import Cohort
from alliance_bayes.effects.options import Rope, make_options
from alliance_bayes.effects.summary import summarise
from alliance_bayes.effects.table import EffectTable
from alliance_bayes.errors import FileFormatError
from alliance_bayes.fit import FittedModel
from alliance_bayes.foreign import parse_json
from alliance_bayes.latent.joint import analysed
from alliance_bayes.latent.quantities import latent_quantities
from alliance_bayes.model import ModelSpec

__all__ = ["FORMAT", "LatentFit"]

#: Version of the tree that `LatentFit.to_tree` makes.
FORMAT = 1
_ATTRIBUTE = "latent_fit"


@dataclass(frozen=True, eq=False)
class LatentFit:
    """A posterior of the joint model of ratings and outcome.

    Parameters
    ----------
    tree
        Groups ``posterior`` (``beta``, in which ``alliance`` is the corrected slope, and the outcome's other variables;
        ``cuts`` and the rest of the measurement model; ``true_mean``, ``true_sd``, ``reliability``, ``calibration``,
        ``provider_share``), ``sample_stats``, ``measurement`` (see `measurement_check`) and, where asked for,
        ``people`` (draws of ``expected`` ratings).
    naive
        The Gaussian model of observed alliance, on the same people and terms.
    info
        How the draws came about; JSON values only.
    seconds
        How long what took; empty for draws that were not made here.
    """

    tree: xr.DataTree
    naive: FittedModel
    info: Mapping[str, Any]
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def posterior(self) -> xr.Dataset:
        """The draws of the joint model."""
        return self.tree["posterior"].to_dataset()

    @property
    def sample_stats(self) -> xr.Dataset:
        """What the sampler says of itself, dims (chain, draw)."""
        return self.tree["sample_stats"].to_dataset()

    def effects(self, prob: float = 0.89, *, interval: str = "eti", rope: Rope = "default") -> EffectTable:
        """Corrected and naive slope, and how well the ratings measure.

        Parameters
        ----------
        prob, interval
            Probability and kind of the intervals: ``"eti"`` (equal tails) or ``"hdi"`` (highest density).
        rope
            Region of practical equivalence of the slopes, in points of the outcome; -2 to 2 for a WHO-5 outcome by
            default, none for others.

        Returns
        -------
        EffectTable
            Rows ``corrected_slope``, ``corrected_slope_per_sd``, ``naive_slope``, ``naive_slope_per_sd``,
            ``reliability`` (squared correlation of the observed mean rating with the expected one),
            ``calibration_slope`` (of the expected rating on the observed one), ``true_sd`` and ``provider_share``.

        Raises
        ------
        UsageError
            An option is outside what is accepted.
        """
        options = make_options(self.naive, prob=prob, interval=interval, rope=rope)
        scale = self.naive.design.scales.get(self.naive.design.outcome.name)
        unit = f"unit of {self.naive.design.outcome.name}" if scale is None else scale.unit
        quantities = latent_quantities(
            self.posterior, self.naive.posterior, float(self.info["observed_sd"]), unit, options.rope
        )
        return summarise(quantities, options)

    def measurement_check(self) -> pd.DataFrame:
        """Observed against replicated ratings, with posterior predictive p-values; see `measurement_check`."""
        return self.tree["measurement"].to_dataset().to_dataframe().reset_index()

    @cached_property
    def convergence(self) -> pd.DataFrame:
        """``quantity``, ``rhat``, ``ess_bulk``, ``ess_tail`` of every parameter and reported quantity, worst first."""
        parameters = diagnose(self.posterior)[["quantity", "rhat", "ess_bulk", "ess_tail"]]
        effects = pd.DataFrame(self.effects(rope=None))
        reported = effects[["rhat", "ess_bulk", "ess_tail"]].reset_index().rename(columns={"id": "quantity"})
        table = pd.concat([parameters, reported], ignore_index=True)
        order = (
            table[["ess_bulk", "ess_tail"]].min(axis=1).round().sort_values(na_position="first", kind="stable").index
        )
        return table.loc[order].reset_index(drop=True)

    @cached_property
    def gate(self) -> Gate:
        """Whether the draws may be used for conclusions: the limits of the convergence check."""
        table, divergences = self.convergence, int(self.sample_stats["diverging"].sum())
        few = table[~(table[["ess_bulk", "ess_tail"]].min(axis=1, skipna=False) > ESS_LIMIT)]
        far = table[~(table["rhat"] < RHAT_LIMIT)]
        reasons = []
        if divergences:
            reasons.append(f"{divergences} draws ended in a divergence. Raise target_accept.")
        if len(far):
            reasons.append(f"R-hat is not below {RHAT_LIMIT:g} for {_some(far)}. Sample more draws.")
        if len(few):
            reasons.append(f"The effective sample size is not above {ESS_LIMIT:g} for {_some(few)}. Sample more draws.")
        return Gate(not reasons, tuple(reasons))

    def converged(self) -> bool:
        """Whether no draw diverged, and R-hat and effective sample sizes keep their limits everywhere."""
        return self.gate.passed

    def to_tree(self) -> xr.DataTree:
        """Everything but the participants' own rows and draws, as one tree for NetCDF or Zarr; see `from_tree`."""
        groups = {name: self.tree[name].to_dataset() for name in ("posterior", "sample_stats", "measurement")}
        groups |= {f"naive_{name}": self.naive.tree[name].to_dataset() for name in ("posterior", "sample_stats")}
        tree = xr.DataTree.from_dict(groups)
        spec = self.naive.spec
        kept = {
            "format": FORMAT,
            "formula": spec.formula,
            "prior_set": spec.prior_set,
            "given_priors": {name: prior.exact for name, prior in spec.given_priors.items()},
            "info": dict(self.info),
            "naive_info": dict(self.naive.info),
        }
        tree.attrs[_ATTRIBUTE] = json.dumps(kept)
        return tree

    @classmethod
    def from_tree(cls, tree: xr.DataTree, cohort: Cohort) -> LatentFit:
        """Put a fit together again from what `to_tree` kept and the cohort it was made from.

        Parameters
        ----------
        tree
            The tree, as made or as read from a file.
        cohort
            The cohort, whose rows the tree does not hold.

        Raises
        ------
        FileFormatError
            Not such a tree, one of another format, or of another cohort.
        """
        if _ATTRIBUTE not in tree.attrs:
            raise FileFormatError("this tree holds no fit of ratings and outcome. Make one with LatentFit.to_tree.")
        kept = parse_json(tree.attrs[_ATTRIBUTE], what="the fit of ratings and outcome", remedy="Fit again.")
        if kept["format"] != FORMAT:
            raise FileFormatError(
                f"the fit of ratings and outcome has format {kept['format']}, but this version reads {FORMAT}. "
                "Fit again, or install the version that wrote it."
            )
        if kept["info"]["cohort_hash"] != cohort.hash:
            raise FileFormatError(
                f"the fit was made from {kept['info']['cohort_source']}, whose rows are not those of {cohort.source}. "
                "Give the cohort it was made from."
            )
        spec = ModelSpec(kept["formula"], priors={"set": kept["prior_set"], **kept["given_priors"]})
        design, flow = analysed(cohort, spec)
        naive = xr.DataTree.from_dict(
            {name: tree[f"naive_{name}"].to_dataset() for name in ("posterior", "sample_stats")}
        )
        own = xr.DataTree.from_dict(
            {name: tree[name].to_dataset() for name in ("posterior", "sample_stats", "measurement")}
        )
        return cls(
            own, FittedModel(spec, design, spec.priors_for(design), naive, flow, kept["naive_info"]), kept["info"]
        )

    def __repr__(self) -> str:
        sizes = self.tree["posterior"].sizes
        return (
            f"{type(self).__name__}({self.info['people']:,} people, {self.info['sessions']:,} sessions, "
            f"{sizes['chain']} chains x {sizes['draw']} draws)"
        )


def _some(table: pd.DataFrame) -> str:
    """A few of the quantities, and how many more."""
    names = list(table["quantity"][:3])
    more = len(table) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")
