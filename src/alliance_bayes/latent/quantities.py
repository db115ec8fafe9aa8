"""What the joint model says of the association and of the ratings, draw by draw."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from alliance_bayes.effects.options import Rope
from alliance_bayes.effects.quantity import Fixed, Quantity
from alliance_bayes.latent.bend import bent
from alliance_bayes.latent.data import standard_normal_nodes
from alliance_bayes.latent.joint import ALLIANCE, JointData

__all__ = ["derived", "latent_quantities"]

# Quadrature over traits, providers, and what differs within a person.
_TRAIT_NODES, _PROVIDER_NODES, _WITHIN_NODES = 31, 7, 9
_BLOCK = 50


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


def latent_quantities(
    posterior: xr.Dataset, naive: xr.Dataset, observed_sd: float, unit: str, rope: Rope
) -> Iterator[Quantity]:
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

    def row(estimand: str, draws: np.ndarray, unit: str, *, slope: bool, denominator: str, note: str = "") -> Quantity:
        return Quantity(
            estimand,
            Fixed(np.asarray(draws, dtype=float)),
            unit,
            term=ALLIANCE,
            denominator=denominator,
            population="sample",
            signed=slope,
            rope=limits if slope else None,
            note=note,
        )

    yield row("corrected_slope", corrected, point, slope=True, denominator="1 alliance point, free of error")
    yield row(
        "corrected_slope_per_sd",
        corrected * sd,
        f"{unit} per SD of true alliance",
        slope=True,
        denominator="SD of true alliance in each draw",
    )
    yield row("naive_slope", plain, point, slope=True, denominator="1 point of the observed mean rating")
    yield row(
        "naive_slope_per_sd",
        plain * observed_sd,
        f"{unit} per SD of observed alliance",
        slope=True,
        denominator=f"sample SD of observed alliance, {observed_sd:.4g}",
    )
    share = "share of variance"
    yield row("reliability", posterior["reliability"].values, share, slope=False, denominator="true and observed")
    yield row(
        "calibration_slope",
        posterior["calibration"].values,
        "alliance points per alliance point",
        slope=False,
        denominator="1 point of the observed mean rating",
    )
    yield row("true_sd", sd, "alliance points", slope=False, denominator="people with an outcome")
    yield row(
        "provider_share", posterior["provider_share"].values, share, slope=False, denominator="variance of one rating"
    )


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
