"""Keeping moments in one NetCDF file, and knowing whose they are."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from alliance_bayes.atomic import replacing
from alliance_bayes.cohort import Flow, FlowStep
from alliance_bayes.errors import AllianceBayesError, FileFormatError, ModelError
from alliance_bayes.foreign import parse_json, shown
from alliance_bayes.model import ModelSpec, card_arguments, card_text, parse_formula
from alliance_bayes.moments.histogram import Histogram
from alliance_bayes.moments.moments import Moments
from alliance_bayes.moments.persons import of_moments
from alliance_bayes.remedies import call
from alliance_bayes.trees import read_tree, write_tree

__all__ = ["FORMAT", "check_belongs", "load_moments", "moments_dataset", "moments_from", "save_moments"]

#: Raised whenever a file would mean something else. Files of format 1 had no description of themselves, those
#: of format 2 the identifiers of persons.
FORMAT = 3


def save_moments(moments: Moments, path: str | os.PathLike[str], *, spec: ModelSpec | None = None) -> None:
    """Write moments; the file appears whole or not at all.

    Parameters
    ----------
    moments
        The moments.
    path
        Ends in ``.nc`` (NetCDF 4).
    spec
        The model they were made for, if they do not say so themselves.

    Raises
    ------
    FileFormatError
        Another ending.
    UsageError
        A folder that does not exist, or something that may not be replaced.
    WriteError
        The system refuses to write there.

    Notes
    -----
    No row is in the file, but a cell of one row is that row, and the histogram tells its outcome: see
    `alliance_bayes.moments.with_minimum`.
    """
    path = Path(path)
    if path.suffix != ".nc":
        raise FileFormatError(f"'{path.name}' should end in .nc (NetCDF). Rename it.")
    card = moments.card if spec is None else card_text(of_moments(spec, moments))
    tree = xr.DataTree(moments_dataset(dataclasses.replace(moments, card=card)))
    with replacing(path) as (draft,):
        write_tree(tree, draft)


def load_moments(path: str | os.PathLike[str]) -> Moments:
    """Read moments that :func:`save_moments` wrote.

    Parameters
    ----------
    path
        A ``.nc`` file.

    Returns
    -------
    Moments
        What was saved.

    Raises
    ------
    FileFormatError
        No such file, not moments, another format, something that is not as it was written, or contents that do not
        belong together.
    """
    path = Path(path)
    again = "Reduce the table again."
    if path.exists() and path.suffix != ".nc":
        raise FileFormatError(f"'{path.name}' should end in .nc (NetCDF). Give a file made by {call('save_moments')}.")
    tree = read_tree(path, what="moments", remedy=f"Give a file made by {call('save_moments')}. {again}")
    version = tree.attrs.get("alliance_bayes_moments_format")
    if version != FORMAT:
        raise FileFormatError(
            f"'{path.name}' has format {shown(version)}, but this version reads moments of format {FORMAT}. {again}"
        )
    try:
        return moments_from(tree.to_dataset())
    except AllianceBayesError as error:
        raise FileFormatError(f"'{path.name}' cannot be used: {error.message.template}") from error
    # What a stranger wrote may be of any kind in any place; every such error means the same to a reader.
    except Exception as error:
        raise FileFormatError(
            f"'{path.name}' is damaged: {type(error).__name__} {' '.join(str(error).split())[:200]}. {again}"
        ) from error


def check_belongs(moments: Moments, spec: ModelSpec) -> None:
    """Refuse moments that were made for another model.

    Parameters
    ----------
    moments
        The moments; those that name no model are not refused.
    spec
        A model. It may have fewer terms than the one that the moments were made for, and other priors.

    Raises
    ------
    ModelError
        Everything in which the two models differ.
    """
    if not moments.card:
        return
    card = card_arguments(moments.card, source="the moments' model card")
    stored, wanted = parse_formula(card["formula"]), spec.parsed
    differ: list[str] = []
    if wanted.outcome != stored.outcome:
        differ.append(f"their outcome is '{stored.outcome}', the model's '{wanted.outcome}'")
    if spec.family != card.get("family", "gaussian"):
        differ.append(f"they were made for family '{card.get('family', 'gaussian')}', the model has '{spec.family}'")
    terms = {"Intercept", *stored.common, *(term for group in stored.groups for term in group.terms)}
    lacking = [term for term in wanted.common if term not in terms]
    lacking += [f"{term} by {group.factor}" for group in wanted.groups for term in group.terms if term not in terms]
    if lacking:
        differ.append(f"they lack the term(s) {', '.join(map(repr, lacking))}")
    residual = spec.residual_by
    smooth = [term.name for term in wanted.smooths if term.name not in moments.bases]
    if smooth:
        differ.append(f"they lack the smooth(s) {', '.join(map(repr, smooth))}")
    factors = dict.fromkeys((*wanted.grouping, *([residual] if residual else [])))
    absent = [name for name in factors if name not in moments.keys]
    if absent:
        differ.append(f"they lack the factor(s) {', '.join(map(repr, absent))}")
    if {name: dict(limit) for name, limit in spec.among.items()} != card.get("among", {}):
        differ.append("they are of other people (the table [among] of a card)")
    for name in spec.levels.keys() & card["levels"].keys():
        if spec.levels[name] != card["levels"][name]:
            differ.append(
                f"their levels of '{name}' are {', '.join(map(repr, card['levels'][name]))}, "
                f"the model's {', '.join(map(repr, spec.levels[name]))}"
            )
    if differ:
        raise ModelError(
            f"these moments were made for another model: {'; '.join(differ)}. Reduce the table again with this "
            "model's card."
        )


def moments_dataset(moments: Moments) -> xr.Dataset:
    """Moments as they are kept, on their own or as a group of a fit."""
    rows, columns = np.triu_indices(len(moments.columns))
    variables: dict[str, Any] = {
        "codes": (("cell", "key"), moments.codes.astype(np.int32)),
        "counts": ("cell", moments.counts),
        "means": (("cell", "column"), moments.means),
        "rest": (("cell", "column"), moments.rest),
        # Cross-products are symmetric: the upper triangle, row by row.
        "cross": (("cell", "pair"), moments.cross[:, rows, columns]),
    }
    histogram = moments.histogram
    if histogram is not None:
        variables["histogram"] = (("cell", "bin"), histogram.counts)
        if histogram.levels is not None:
            variables["histogram_levels"] = ("bin", histogram.levels)
        if histogram.edges is not None:
            variables["histogram_edges"] = ("edge", histogram.edges)
    words = {
        "columns": moments.columns,
        "keys": moments.keys,
        "levels": dict(moments.levels),
        "centres": dict(moments.centres),
        "parts": dict(moments.parts),
        "bases": dict(moments.bases),
        "flow": None if moments.flow is None else dataclasses.asdict(moments.flow),
        "notes": moments.notes,
        "model_card": moments.card,
        "person": moments.person,
    }
    variables["description"] = ((), json.dumps(words))
    return xr.Dataset(variables, attrs={"alliance_bayes_moments_format": FORMAT})


def moments_from(dataset: xr.Dataset) -> Moments:
    """What :func:`moments_dataset` made, as moments again.

    Raises
    ------
    KeyError, ValueError, TypeError, IndexError
        Something is missing, or does not belong together.
    """
    words = parse_json(str(dataset["description"].item()), what="their description", remedy="Reduce the table again.")
    columns, keys = tuple(words["columns"]), tuple(words["keys"])
    texts: dict[str, Any] = {"columns": words["columns"], "keys": words["keys"], "notes": words["notes"]}
    texts |= {f"levels of {key}": words["levels"][key] for key in words["keys"]}
    texts |= {f"parts of {label}": parts for label, parts in words["parts"].items()}
    numbers = {"centres": list(words["centres"].values()), **words["bases"]}
    for listed, kind in ((texts, str), (numbers, (int, float))):
        for name, values in listed.items():
            if not isinstance(values, list) or not all(isinstance(value, kind) for value in values):
                raise TypeError(f"{name} are of another kind")
    if not isinstance(words["model_card"], str):
        raise TypeError("the model card is no text")
    if words["person"] not in ("", *keys):
        raise ValueError("the persons are no key")
    packed = dataset["cross"].values
    if packed.ndim != 2 or packed.shape[1] != len(columns) * (len(columns) + 1) // 2:
        raise ValueError(f"cross-products of other columns than the {len(columns)} named")
    upper = np.triu_indices(len(columns))
    cross = np.empty((len(packed), len(columns), len(columns)))
    cross[:, upper[0], upper[1]] = packed
    cross[:, upper[1], upper[0]] = packed
    histogram = None
    if "histogram" in dataset:
        levels, edges = (
            dataset[name].values if name in dataset else None for name in ("histogram_levels", "histogram_edges")
        )
        histogram = Histogram(dataset["histogram"].values, levels, edges)
    codes = dataset["codes"].values.astype(np.int64).reshape(len(packed), len(keys))
    levels_by_key = {key: tuple(words["levels"][key]) for key in keys}
    for place, key in enumerate(keys):
        if codes.size and not 0 <= codes[:, place].min() <= codes[:, place].max() < len(levels_by_key[key]):
            raise ValueError(f"level numbers of '{key}' beyond its levels")
    flow = words["flow"]
    return Moments(
        columns,
        keys,
        levels_by_key,
        codes,
        dataset["counts"].values,
        dataset["means"].values,
        cross,
        words["centres"],
        histogram,
        dataset["rest"].values,
        {label: tuple(parts) for label, parts in words["parts"].items()},
        {name: tuple(numbers) for name, numbers in words["bases"].items()},
        None if flow is None else Flow(**flow | {"steps": tuple(FlowStep(**step) for step in flow["steps"])}),
        tuple(words["notes"]),
        words["model_card"],
        words["person"],
    )
