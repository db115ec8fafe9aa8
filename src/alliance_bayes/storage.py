"""Keeping a fit in one NetCDF file or Zarr store, and getting the same fit back."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.atomic import replacing
from alliance_bayes.cohort import Flow, FlowStep
from alliance_bayes.engines import posterior_dataset, posterior_dims
from alliance_bayes.errors import AllianceBayesError, FileFormatError
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Design, ModelSpec, card_arguments, card_text
from alliance_bayes.moments.files import moments_dataset, moments_from
from alliance_bayes.moments.weighted import design_of_moments

__all__ = ["FORMAT", "load", "save"]

FORMAT = 1


def save(fit: FittedModel, path: str | os.PathLike[str]) -> None:
    """Write a fit; the file appears whole or not at all.

    Parameters
    ----------
    fit
        The fit.
    path
        Ends in ``.nc`` (NetCDF 4) or ``.zarr`` (a Zarr directory).

    Notes
    -----
    Groups are named as ArviZ names them. ``observed_data`` holds the analysed outcomes and ``constant_data`` the
    analysed rows of the predictors, without participant ids: bases, standardisation over the sample and predictions
    need them. Such a file is row-level data and is to be shared only as the table itself may be. A fit that was made
    from moments has ``moments`` in their place.

    Raises
    ------
    FileFormatError
        Another ending, or a folder that does not exist.
    """
    path = Path(path)
    if path.suffix not in (".nc", ".zarr"):
        raise FileFormatError(f"'{path.name}' should end in .nc (NetCDF) or .zarr (Zarr). Rename it.")
    if not path.parent.is_dir():
        raise FileFormatError(f"the folder of '{path.name}' does not exist. Create it first.")
    tree = _tree(fit)
    if path.suffix == ".nc":
        with replacing(path) as (draft,):
            tree.to_netcdf(draft, engine="h5netcdf")
    else:
        with replacing(path) as (draft,):
            tree.to_zarr(draft, zarr_format=3, consolidated=False)


def load(
    path: str | os.PathLike[str], *, spec_type: type[ModelSpec] = ModelSpec, fit_type: type[FittedModel] = FittedModel
) -> FittedModel:
    """Read a fit that :func:`save` wrote: the same draws, and the same predictions.

    Parameters
    ----------
    path
        The file or store.
    spec_type, fit_type
        Classes of the model and of the fit.

    Raises
    ------
    FileFormatError
        No such file, not a fit, a newer format, or contents that do not belong together.
    """
    path = Path(path)
    if not path.exists():
        raise FileFormatError(f"'{path.name}' does not exist. Check the path.")
    try:
        how = {"engine": "h5netcdf"} if path.suffix == ".nc" else {"engine": "zarr", "consolidated": False}
        with xr.open_datatree(path, **how) as opened:
            tree = opened.load()
    except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
        raise FileFormatError(f"'{path.name}' cannot be read as a fit: {error}.") from error
    attributes = tree.attrs
    version = attributes.get("alliance_bayes_format")
    if version is None:
        raise FileFormatError(f"'{path.name}' was not written by this package. Give a file made by fit.save().")
    if int(version) > FORMAT:
        raise FileFormatError(
            f"'{path.name}' has format {version}, but this version reads up to {FORMAT}. Update alliance_bayes."
        )
    try:
        return _fit(tree, attributes, spec_type, fit_type, path.name)
    except AllianceBayesError:
        raise
    except (KeyError, ValueError, TypeError) as error:
        raise FileFormatError(
            f"'{path.name}' is damaged: {type(error).__name__} {error}. Fit the model again."
        ) from error


def _tree(fit: FittedModel) -> xr.DataTree:
    design = fit.design
    groups = {"posterior": fit.posterior, "sample_stats": fit.sample_stats}
    rows = _row_groups(fit) if fit.moments is None else {"moments": moments_dataset(fit.moments)}
    tree = xr.DataTree.from_dict(groups | rows)
    categories = {
        name: [str(level) for level in dtype.categories]
        for name, dtype in design.frame.dtypes.items()
        if isinstance(dtype, pd.CategoricalDtype)
    }
    tree.attrs = {
        "alliance_bayes_format": FORMAT,
        "model_card": card_text(fit.spec),
        "centres": json.dumps(dict(design.centres)),
        "categories": json.dumps(categories),
        "flow": json.dumps(dataclasses.asdict(fit.flow)),
        "info": json.dumps(dict(fit.info)),
    }
    return tree


def _row_groups(fit: FittedModel) -> dict[str, xr.Dataset]:
    design, frame = fit.design, fit.design.frame
    predictors = {}
    for name in design.predictors:
        column = frame[name]
        categorical = isinstance(column.dtype, pd.CategoricalDtype)
        predictors[name] = ("obs", column.astype(str).to_numpy(object) if categorical else column.to_numpy(float))
    rows = {"obs": np.arange(len(frame))}
    return {
        "observed_data": xr.Dataset({design.outcome.name: ("obs", design.outcome.values)}, coords=rows),
        "constant_data": xr.Dataset(predictors, coords=rows),
    }


def _fit(
    tree: xr.DataTree, attributes: dict[Any, Any], spec_type: type[ModelSpec], fit_type: type[FittedModel], name: str
) -> FittedModel:
    spec = spec_type(**card_arguments(attributes["model_card"], source=f"model card in '{name}'"))
    moments = moments_from(tree["moments"].to_dataset()) if "moments" in tree.children else None
    if moments is None:
        design = _design_of_rows(spec, tree, attributes)
    else:
        stated = dataclasses.replace(spec, centre=json.loads(attributes["centres"]))
        design, moments = design_of_moments(moments, stated)
    stored = tree["posterior"].to_dataset()
    if design.terms and list(map(str, stored["term"].values)) != list(design.terms):
        raise FileFormatError(
            f"'{name}' is damaged: its draws are of other terms than its model card has. Fit the model again."
        )
    # Labels come back in whatever text type the file format has; the layout restores the engine's own.
    posterior = posterior_dataset(
        design,
        {name: stored[name].values for name in posterior_dims(design)},
        chain=stored["chain"].values,
        draw=stored["draw"].values,
    )
    flow = json.loads(attributes["flow"])
    return fit_type(
        spec,
        design,
        spec.priors_for(design),
        xr.DataTree.from_dict({"posterior": posterior, "sample_stats": tree["sample_stats"].to_dataset()}),
        Flow(flow["participants"], tuple(FlowStep(**step) for step in flow["steps"])),
        json.loads(attributes["info"]),
        moments,
    )


def _design_of_rows(spec: ModelSpec, tree: xr.DataTree, attributes: dict[Any, Any]) -> Design:
    categories = json.loads(attributes["categories"])
    columns: dict[str, Any] = {}
    for column in spec.columns:
        group = "observed_data" if column == spec.parsed.outcome else "constant_data"
        columns[column] = np.asarray(tree[f"{group}/{column}"].to_numpy())
        if column in categories:
            labels = [str(value) for value in columns[column]]
            columns[column] = pd.Categorical(labels, categories=categories[column], ordered=True)
    centres = json.loads(attributes["centres"])
    return dataclasses.replace(spec, centre=centres).design(pd.DataFrame(columns))
