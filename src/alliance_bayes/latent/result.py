"""LatentFit: the draws of the joint model, what they say, and how they are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.checks import CheckReport, run_gate
from alliance_bayes.cohort import Cohort
from alliance_bayes.effects.options import Rope, make_options
from alliance_bayes.effects.summary import Estimate, Fixed, summarise
from alliance_bayes.effects.table import EffectTable, Measure
from alliance_bayes.errors import FileFormatError
from alliance_bayes.fit import FittedModel
from alliance_bayes.foreign import parse_json
from alliance_bayes.latent.data import ALLIANCE, JointData, analysed, standard_normal_nodes
from alliance_bayes.latent.measurement import bent
from alliance_bayes.model import ModelSpec
from alliance_bayes.readonly import ReadOnly

__all__ = ["LatentFit", "derived"]

#: Version of the tree that `LatentFit.to_tree` makes.
FORMAT = 1
_ATTRIBUTE = "latent_fit"

# Quadrature over traits, providers, and what differs within a person.
_TRAIT_NODES, _PROVIDER_NODES, _WITHIN_NODES = 31, 7, 9
_BLOCK = 50

#: What the rows of the table of effects measure.
MEASURES: Mapping[str, Measure] = ReadOnly(
    {
        "corrected_slope": Measure("Corrected slope, per point of true alliance", signed=True),
        "corrected_slope_per_sd": Measure("Corrected slope, per SD of true alliance", signed=True),
        "naive_slope": Measure("Naive slope, per point of the observed mean rating", signed=True),
        "naive_slope_per_sd": Measure("Naive slope, per SD of the observed mean rating", signed=True),
        "reliability": Measure("Reliability of the observed mean rating"),
        "calibration_slope": Measure("Slope of true on observed alliance"),
        "true_sd": Measure("SD of true alliance"),
        "provider_share": Measure("Share of providers in the variance of a rating"),
    }
)


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

    @property
    def shape(self) -> tuple[int, int]:
        """Number of chains and of draws in each."""
        sizes = self.tree["posterior"].sizes
        return int(sizes["chain"]), int(sizes["draw"])

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
        rows = _latent_rows(self.posterior, self.naive.posterior, float(self.info["observed_sd"]), unit, options.rope)
        return summarise(rows, options)

    def measurement_check(self) -> pd.DataFrame:
        """Observed against replicated ratings, with posterior predictive p-values; see `measurement_check`.

        Returns
        -------
        pandas.DataFrame
            One row a statistic.
        """
        return self.tree["measurement"].to_dataset().to_dataframe().reset_index()

    def check(self) -> CheckReport:
        """The convergence of every parameter and reported quantity, and the gate's verdict.

        The ratings have a check of their own, see `measurement_check`.

        Returns
        -------
        CheckReport
            The gate is open where the draws may be used.
        """
        return self._checks

    @cached_property
    def _checks(self) -> CheckReport:
        return run_gate(self, self.effects(rope=None))

    def to_tree(self) -> xr.DataTree:
        """Everything but the participants' own rows and draws, as one tree for NetCDF or Zarr; see `from_tree`.

        Returns
        -------
        xarray.DataTree
            A group each.
        """
        groups = {name: self.tree[name].to_dataset() for name in ("posterior", "sample_stats", "measurement")}
        groups |= {f"naive_{name}": self.naive.tree[name].to_dataset() for name in ("posterior", "sample_stats")}
        tree = xr.DataTree.from_dict(groups)
        spec = self.naive.spec
        record = {
            "format": FORMAT,
            "formula": spec.formula,
            "prior_set": spec.prior_set,
            "given_priors": {name: prior.exact for name, prior in spec.given_priors.items()},
            "info": dict(self.info),
            "naive_info": dict(self.naive.info),
        }
        tree.attrs[_ATTRIBUTE] = json.dumps(record)
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
        record = parse_json(tree.attrs[_ATTRIBUTE], what="the fit of ratings and outcome", remedy="Fit again.")
        if record["format"] != FORMAT:
            raise FileFormatError(
                f"the fit of ratings and outcome has format {record['format']}, but this version reads {FORMAT}. "
                "Fit again, or install the version that wrote it."
            )
        if record["info"]["cohort_hash"] != cohort.hash:
            raise FileFormatError(
                f"the fit was made from {record['info']['cohort_source']}, whose rows are not those of "
                f"{cohort.source}. Give the cohort it was made from."
            )
        spec = ModelSpec(record["formula"], priors={"set": record["prior_set"], **record["given_priors"]})
        design, flow = analysed(cohort, spec)
        naive = xr.DataTree.from_dict(
            {name: tree[f"naive_{name}"].to_dataset() for name in ("posterior", "sample_stats")}
        )
        joint = xr.DataTree.from_dict(
            {name: tree[name].to_dataset() for name in ("posterior", "sample_stats", "measurement")}
        )
        return cls(
            joint, FittedModel(spec, design, spec.priors_for(design), naive, flow, record["naive_info"]), record["info"]
        )

    def __repr__(self) -> str:
        chains, draws = self.shape
        return (
            f"{type(self).__name__}({self.info['people']:,} people, {self.info['sessions']:,} sessions, "
            f"{chains} chains x {draws} draws)"
        )


def derived(posterior: xr.Dataset, data: JointData) -> xr.Dataset:
    """Quantities of a draw that need every person's expected rating.

    Parameters
    ----------
    posterior
        Draws of the joint model, with ``expected`` and ``trait_centre`` (person).
    data
        Who they are.

    Returns
    -------
    xarray.Dataset
        Dims (chain, draw): ``true_mean`` and ``true_sd`` of the expected ratings of the people with an outcome (SD
        with n - 1); ``reliability``, their squared correlation with the observed alliance; ``calibration``, the slope
        of their regression on it; ``provider_share`` of the variance of a single rating.

    Notes
    -----
    The slope on an error-prone predictor is the true one times the calibration slope, where the error is unrelated to
    everything else [1]_. Provider share: variance, over providers, of the rating that a person drawn at random would be
    expected to give, divided by the variance of a single rating; averaged over the two items.

    References
    ----------
    .. [1] Carroll, Ruppert, Stefanski & Crainiceanu (2006), Measurement Error in Nonlinear Models, 2nd edition,
       chapter 3.
    """
    true = posterior["expected"].values[:, :, data.rows]
    seen = data.observed[data.rows]
    seen = seen - seen.mean()
    mean = true.mean(axis=2)
    covariance = true @ seen / (seen.size - 1)
    variance, spread = true.var(axis=2, ddof=1), float(seen.var(ddof=1))
    values = {
        "true_mean": mean,
        "true_sd": np.sqrt(variance),
        "reliability": covariance**2 / (variance * spread),
        "calibration": covariance / spread,
        "provider_share": _provider_share(posterior),
    }
    coords = {name: posterior[name] for name in ("chain", "draw")}
    return xr.Dataset({name: (("chain", "draw"), value) for name, value in values.items()}, coords=coords)


def _latent_rows(
    posterior: xr.Dataset, naive: xr.Dataset, observed_sd: float, unit: str, rope: Rope
) -> Iterator[Estimate]:
    """Rows of the table of effects: corrected and naive slope, reliability, providers' share.

    Parameters
    ----------
    posterior
        Draws of the joint model with those of `derived`.
    naive
        Draws of the model of observed alliance; chains and draws as many.
    observed_sd
        SD of the observed alliance of the people with an outcome.
    unit
        Unit of the outcome.
    rope
        Region of practical equivalence, in that unit.
    """
    limits = rope if isinstance(rope, tuple) else None
    corrected = posterior["beta"].sel(term=ALLIANCE).values
    plain = naive["beta"].sel(term=ALLIANCE).values
    sd = posterior["true_sd"].values
    point = f"{unit} per alliance point"

    def row(estimand: str, draws: np.ndarray, unit: str, *, denominator: str) -> Estimate:
        of = MEASURES[estimand]
        return Estimate(
            estimand,
            Fixed(np.asarray(draws, dtype=float)),
            unit,
            term=ALLIANCE,
            denominator=denominator,
            population="sample",
            signed=of.signed,
            rope=limits if of.signed else None,
            measure=of,
        )

    yield row("corrected_slope", corrected, point, denominator="1 alliance point, free of error")
    yield row(
        "corrected_slope_per_sd",
        corrected * sd,
        f"{unit} per SD of true alliance",
        denominator="SD of true alliance in each draw",
    )
    yield row("naive_slope", plain, point, denominator="1 point of the observed mean rating")
    yield row(
        "naive_slope_per_sd",
        plain * observed_sd,
        f"{unit} per SD of observed alliance",
        denominator=f"sample SD of observed alliance, {observed_sd:.4g}",
    )
    share = "share of variance"
    yield row("reliability", posterior["reliability"].values, share, denominator="true and observed")
    yield row(
        "calibration_slope",
        posterior["calibration"].values,
        "alliance points per alliance point",
        denominator="1 point of the observed mean rating",
    )
    yield row("true_sd", sd, "alliance points", denominator="people with an outcome")
    yield row("provider_share", posterior["provider_share"].values, share, denominator="variance of one rating")


def _provider_share(posterior: xr.Dataset) -> np.ndarray:
    """Share of the variance of a single rating that lies between providers, shape (chain, draw)."""
    shape = (posterior.sizes["chain"], posterior.sizes["draw"])
    flat = {
        str(name): values.values.reshape(-1, *values.shape[2:])
        for name, values in posterior.data_vars.items()
        if name in ("cuts", "trait_sd", "trait_sd_above", "lean_sd", "provider_sd", "session_sd")
    }
    below = flat["trait_sd"]
    above = flat.get("trait_sd_above", below)
    centres = posterior["trait_centre"].values.reshape(below.size, -1)
    location, spread = centres.mean(axis=1), np.sqrt(1.0 + centres.var(axis=1))
    (z, w), (zp, wp), (zw, ww) = map(standard_normal_nodes, (_TRAIT_NODES, _PROVIDER_NODES, _WITHIN_NODES))
    out = np.empty(below.size)
    for start in range(0, below.size, _BLOCK):
        at = slice(start, start + _BLOCK)
        xi = location[at, None] + spread[at, None] * z
        theta = bent(xi, below[at, None], above[at, None])
        within = np.hypot(flat["lean_sd"][at], flat["session_sd"][at])[:, None] * zw
        provider = flat["provider_sd"][at, None] * zp
        eta = provider[:, :, None, None] + theta[:, None, :, None] + within[:, None, None, :]
        by_provider, first, second = np.zeros((eta.shape[0], zp.size)), 0.0, 0.0
        total = np.zeros(eta.shape[0])
        between = np.zeros(eta.shape[0])
        for item in range(2):
            above_cut = 1.0 / (1.0 + np.exp(flat["cuts"][at, item, None, None, None, :] - eta[..., None]))
            above_cut = np.einsum("dptwk,t,w->dpk", above_cut, w, ww)
            by_provider = 1.0 + above_cut.sum(axis=2)
            # E[r^2] of a rating 1-5 from the probabilities of being above 1, 2, 3 and 4.
            squares = 1.0 + above_cut @ np.array([3.0, 5.0, 7.0, 9.0])
            first, second = by_provider @ wp, squares @ wp
            between += by_provider**2 @ wp - first**2
            total += second - first**2
        out[at] = between / total
    return out.reshape(shape)
