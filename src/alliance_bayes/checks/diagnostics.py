"""R-hat and effective sample sizes of every element of a posterior."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.diagnostics import convergence
from alliance_bayes.rounding import is_constant

__all__ = ["diagnose"]


def diagnose(posterior: xr.Dataset) -> pd.DataFrame:
    """Diagnose the draws of every element of every variable.

    Parameters
    ----------
    posterior
        Variables with dims chain and draw first.

    Returns
    -------
    pandas.DataFrame
        One row an element: ``quantity`` ("tau_country[alliance]"), ``variable``, ``index`` (position in the flattened
        variable), ``rhat`` (rank-normalised; NaN with one chain), ``ess_bulk``, ``ess_tail`` (the smaller of those of
        the 5 % and the 95 % quantile), ``ess_mean``, ``constant`` (all draws equal) and ``by_construction`` (constant
        because the model says so: a correlation of a term with itself).

    References
    ----------
    Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), Bayesian Analysis 16(2):667-718, doi 10.1214/20-BA1221.
    """
    blocks = []
    for name, values in posterior.data_vars.items():
        draws = np.moveaxis(np.asarray(values.values, dtype=float), (0, 1), (-2, -1))
        labels = _labels(str(name), values)
        flat = draws.reshape(len(labels), *draws.shape[-2:])
        constant = is_constant(flat, axis=(1, 2))
        block = pd.DataFrame({"quantity": labels, "variable": str(name), "index": np.arange(len(labels))})
        # One chain cannot be compared with another, and equal draws have no ranks: both are left as NaN.
        able = ~constant & np.isfinite(flat).all(axis=(1, 2))
        figures = {name: np.full(len(labels), np.nan) for name in ("rhat", "ess_bulk", "ess_tail", "ess_mean")}
        if able.any():
            tails = np.quantile(flat[able].reshape(able.sum(), -1), [0.05, 0.95], axis=1).T
            # Chains that stand still at different places have an infinite R-hat.
            with np.errstate(divide="ignore", invalid="ignore"):
                for figure, found in convergence(flat[able], tails).items():
                    figures[figure][able] = found
        block = block.assign(**figures)
        block["constant"] = constant
        block["by_construction"] = constant & _diagonal(str(name), draws.shape[:-2])
        blocks.append(block)
    return pd.concat(blocks, ignore_index=True)


def _labels(name: str, values: xr.DataArray) -> list[str]:
    dims = values.dims[2:]
    if not dims:
        return [name]
    return [
        f"{name}[{', '.join(str(part) for part in combination)}]"
        for combination in itertools.product(*(values.coords[dim].values for dim in dims))
    ]


def _diagonal(name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name.startswith("corr_") and len(shape) == 2:
        return np.asarray(np.eye(shape[0], dtype=bool).ravel())
    return np.zeros(int(np.prod(shape)), dtype=bool)
