"""Keeping a fit in one NetCDF file or Zarr store, and getting the same fit back."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.atomic import replacing
from alliance_bayes.cohort import Flow, FlowStep
from alliance_bayes.cohort.items import Prorated
from alliance_bayes.cohort.left import is_told
from alliance_bayes.engines import posterior_dataset, posterior_dims
from alliance_bayes.errors import AllianceBayesError, FileFormatError
from alliance_bayes.fit import FittedModel
from alliance_bayes.foreign import parse_json, shown
from alliance_bayes.imputation.imputed import GROUP, Imputed
from alliance_bayes.model import Design, ModelSpec, PriorTable, card_arguments, card_text
from alliance_bayes.model.priors import StatedPrior, parse_prior
from alliance_bayes.moments.files import moments_dataset, moments_from
from alliance_bayes.moments.persons import people_of
from alliance_bayes.moments.weighted import design_of_moments
from alliance_bayes.remedies import call
from alliance_bayes.trees import read_tree, write_tree

__all__ = ["FORMAT", "load", "save"]

#: Raised whenever a file would mean something else. Files of format 1 had no description of themselves.
FORMAT = 2

# Whose row is whose, as numbers: no name of a column, which has no brackets.
_PEOPLE = "(people)"
# What each row counts.
_WEIGHTS = "(weights)"


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
        Another ending, or a column whose name no file can hold.
    UsageError
        A folder that does not exist, or something that may not be replaced.
    WriteError
        The system refuses to write there.
    """
    path = Path(path)
    if path.suffix not in (".nc", ".zarr"):
        raise FileFormatError(f"'{path.name}' should end in .nc (NetCDF) or .zarr (Zarr). Rename it.")
    paths = [name for name in fit.spec.columns if "/" in name]
    if paths:
        raise FileFormatError(
            f"no file can hold a column whose name has a '/': {', '.join(map(repr, paths))}. Rename the column."
        )
    tree = _tree(fit)
    with replacing(path) as (draft,):
        write_tree(tree, draft)


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
        No such file, not a fit, another format, something that is not as it was written, or contents that do not
        belong together.
    """
    path = Path(path)
    if path.exists() and path.suffix not in (".nc", ".zarr"):
        raise FileFormatError(
            f"'{path.name}' should end in .nc (NetCDF) or .zarr (Zarr). Give a file made by {call('Fit.save')}."
        )
    tree = read_tree(path, what="a fit", remedy=f"Give a file made by {call('Fit.save')}, or fit the model again.")
    attributes = tree.attrs
    version = attributes.get("alliance_bayes_format")
    if version != FORMAT:
        raise FileFormatError(
            f"'{path.name}' has format {shown(version)}, but this version reads fits of format {FORMAT}. Fit the model "
            "again, or install the version that wrote it."
        )
    try:
        return _fit(tree, attributes, spec_type, fit_type, path.name)
    except AllianceBayesError as error:
        raise FileFormatError(f"'{path.name}' cannot be used: {error.message.template}") from error
    # What a stranger wrote may be of any kind in any place; every such error means the same to a reader.
    except Exception as error:
        raise FileFormatError(
            f"'{path.name}' is damaged: {type(error).__name__} {' '.join(str(error).split())[:200]}. Fit the model "
            "again."
        ) from error


def _tree(fit: FittedModel) -> xr.DataTree:
    design = fit.design
    groups = {"posterior": fit.posterior, "sample_stats": fit.sample_stats}
    if fit.imputation is not None:
        groups[GROUP] = fit.imputation.dataset()
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
        "priors": json.dumps([[name, stated.prior.exact, stated.reason] for name, stated in fit.priors.items()]),
    }
    return tree


def _row_groups(fit: FittedModel) -> dict[str, xr.Dataset]:
    design, frame = fit.design, fit.design.frame
    predictors = {}
    for name in design.needed:
        column = frame[name]
        categorical = isinstance(column.dtype, pd.CategoricalDtype)
        predictors[name] = ("obs", column.astype(str).to_numpy(object) if categorical else column.to_numpy(float))
    if design.rows.weights is not None:
        predictors[_WEIGHTS] = ("obs", design.rows.weights)
    if fit.people is not None:
        predictors[_PEOPLE] = ("obs", np.asarray(fit.people, dtype=np.int64))
    rows = {"obs": np.arange(len(frame))}
    return {
        "observed_data": xr.Dataset(
            {design.outcome.name: ("obs", frame[design.outcome.name].to_numpy(float))}, coords=rows
        ),
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
        stated = dataclasses.replace(spec, centre=_json(attributes, "centres"))
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
    flow, info = _json(attributes, "flow"), _json(attributes, "info")
    if not isinstance(info["engine"], str) or set(_json(attributes, "centres")) != set(design.centres):
        raise ValueError("engine or centres are of another model")
    kinds = {"long": str | None, "filled": str | None, "missing_people": int, "labels": str, "wide": str, "join": str}
    for key, kind in kinds.items():
        mapping = info.get(key, {})
        if not isinstance(mapping, dict) or not all(isinstance(value, kind) for value in mapping.values()):
            raise ValueError(f"{key!r} of its info is no mapping of what it should be")
    if not is_told(info.get("left_out", [])):
        raise ValueError("'left_out' of its info is no comparison of people")
    mapping = info.get("prorated", {})
    if not isinstance(mapping, dict) or not all(Prorated.is_told(value) for value in mapping.values()):
        raise ValueError("'prorated' of its info is no mapping of what it should be")
    rows = None if moments is not None else _people(tree["constant_data"].to_dataset(), len(design.frame))
    people = rows if moments is None else people_of(moments, design.frame)
    groups = {"posterior": posterior, "sample_stats": tree["sample_stats"].to_dataset()}
    if GROUP in tree.children:
        imputed = Imputed.of(tree[GROUP].to_dataset())
        imputed.check(design.frame, (stored.sizes["chain"], stored.sizes["draw"]), len(design.terms))
        groups[GROUP] = imputed.dataset()
    if design.weights is not None and not design.points:
        design = dataclasses.replace(design, persons=people)
    return fit_type(
        spec,
        design,
        _priors(spec, design, _json(attributes, "priors", list)),
        xr.DataTree.from_dict(groups),
        Flow(**flow | {"steps": tuple(FlowStep(**step) for step in flow["steps"])}),
        info,
        moments,
        people,
    )


def _people(rows: xr.Dataset, n: int) -> np.ndarray | None:
    if _PEOPLE not in rows:
        return None
    people = rows[_PEOPLE].to_numpy()
    if people.shape != (n,) or people.dtype.kind != "i":
        raise ValueError("its people are not one a row")
    return np.asarray(people)


def _json(attributes: Mapping[str, Any], key: str, kind: type = dict) -> Any:
    value = parse_json(attributes[key], what=f"its attribute '{key}'", remedy="Fit the model again.")
    if not isinstance(value, kind):
        raise TypeError(f"attribute '{key}' is {type(value).__name__}")
    return value


def _priors(spec: ModelSpec, design: Design, stated: list[list[str]]) -> PriorTable:
    """The priors that the draws are from, whatever the package's defaults are now."""
    now = spec.priors_for(design)
    entries = {name: StatedPrior(parse_prior(text, name=name), str(reason)) for name, text, reason in stated}
    if list(entries) != list(now):
        raise ValueError(f"priors of {', '.join(entries)} for the parameters {', '.join(now)}")
    return PriorTable(entries, now.given, now.named)


def _design_of_rows(spec: ModelSpec, tree: xr.DataTree, attributes: dict[Any, Any]) -> Design:
    categories = _json(attributes, "categories")
    columns: dict[str, Any] = {}
    for column in spec.columns:
        group = "observed_data" if column == spec.parsed.outcome else "constant_data"
        columns[column] = np.asarray(tree[f"{group}/{column}"].to_numpy())
        if column in categories:
            labels = [str(value) for value in columns[column]]
            columns[column] = pd.Categorical(labels, categories=categories[column], ordered=True)
    centres = _json(attributes, "centres")
    weights = None
    if spec.weights_kind == "sampling":
        weights = np.asarray(tree[f"constant_data/{_WEIGHTS}"].to_numpy(), dtype=float)
        if not (np.isfinite(weights).all() and (weights > 0).all()):
            raise ValueError("its weights are not all above 0")
    return dataclasses.replace(spec, centre=centres).design(pd.DataFrame(columns), weights=weights)
