"""Saved fits, moments and manifests with anything in any place: a file is refused in one line, or it loads.

The digests fit what is said, so that what lies behind them is reached.
"""

from __future__ import annotations

import copy
import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes.fit import FittedModel
from alliance_bayes.moments import load_moments, moments_of
from alliance_bayes.moments.files import moments_dataset
from alliance_bayes.report.page import EMPTY, FORMAT, embed, faults, read_manifest
from alliance_bayes.storage import _tree, load
from alliance_bayes.trees import write_tree
from builders import OUTCOME_FORMULA, fitted, rows

pytestmark = pytest.mark.slow

FORMULA = "who5_followup ~ alliance + s(age, knots=(30, 40)) + sex + (alliance || country)"
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([2**62, -(2**62), 10**6, 1e300, -1.5, math.pi]),
    st.sampled_from(["", "a", "alliance", "sex", "y ~ x", "format = 4", "Normal(0, 1)", "\x00", "\u202e", "9" * 50]),
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2)
)
SHORT = settings(max_examples=20, suppress_health_check=list(HealthCheck), deadline=None)


def changed(value: Any, data: st.DataObject) -> Any:
    """A JSON value with something else in one place, or a place less."""
    value = copy.deepcopy(value)
    place, key, here = None, None, value
    while isinstance(here, (dict, list)) and here and (place is None or data.draw(st.integers(0, 3)) > 0):
        place = here
        key = data.draw(st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here))))
        here = place[key]
    if place is None:
        return data.draw(VALUES)
    if data.draw(st.booleans()):
        place[key] = data.draw(VALUES)
    else:
        del place[key]
    return value


@pytest.fixture(scope="module")
def fit() -> FittedModel:
    return fitted(rows(60, countries=3), formula=FORMULA, chains=2, draws=10)


@SHORT
@given(data=st.data())
@pytest.mark.parametrize("ending", ["nc", "zarr"])
def test_a_fit_with_anything_in_any_place(fit: FittedModel, tmp_path: Path, ending: str, data: st.DataObject) -> None:
    path, tree = tmp_path / f"fit.{ending}", _tree(fit)
    shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)
    name = data.draw(st.sampled_from(sorted(tree.attrs)))
    text = tree.attrs[name]
    if name == "alliance_bayes_format" or data.draw(st.integers(0, 9)) == 0:
        tree.attrs[name] = data.draw(VALUES)
    elif name == "model_card":
        lines = text.splitlines()
        lines[data.draw(st.integers(0, len(lines) - 1))] = data.draw(
            st.sampled_from(["", "a = 1", "[levels]", "sex = 5"])
        )
        tree.attrs[name] = "\n".join(lines)
    else:
        tree.attrs[name] = json.dumps(changed(json.loads(text), data))
    write_tree(tree, path)
    try:
        again = load(path)
    except ab.FileFormatError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    # What loads holds the draws that were written.
    for variable, draws in fit.posterior.data_vars.items():
        assert again.posterior[variable].equals(draws)


@SHORT
@given(data=st.data())
def test_a_fit_with_draws_of_another_shape_or_kind(fit: FittedModel, tmp_path: Path, data: st.DataObject) -> None:
    path, tree = tmp_path / "fit.nc", _tree(fit)
    path.unlink(missing_ok=True)
    group = data.draw(st.sampled_from(["posterior", "sample_stats", "constant_data", "observed_data"]))
    dataset = tree[group].to_dataset()
    name = data.draw(st.sampled_from(sorted(map(str, dataset.variables))))
    how = data.draw(st.sampled_from(["drop", "cut", "text", "whole", "scalar"]))
    variable = dataset[name]
    if how == "drop":
        dataset = dataset.drop_vars(name)
    elif how == "cut":
        dataset = dataset.isel({dim: slice(0, 1) for dim in variable.dims[-1:]})
    elif how == "scalar" and name not in dataset.dims:
        dataset = dataset.drop_vars(name).assign({name: ((), 1.0)})
    else:
        kind = "U8" if how == "text" or variable.dtype.kind in "OU" else "int32"
        values = variable.values.astype(kind)
        dataset = dataset.drop_vars(name).assign({name: (variable.dims, values)})
    tree[group] = xr.DataTree(dataset)
    write_tree(tree, path)
    try:
        load(path)
    except ab.FileFormatError as error:
        assert "\n" not in str(error)  # noqa: PT017


@SHORT
@given(data=st.data())
def test_moments_with_anything_in_any_place(tmp_path: Path, data: st.DataObject) -> None:
    spec = ab.Model(OUTCOME_FORMULA)
    stored = moments_dataset(moments_of(spec.design(rows(60, countries=3)), spec=spec))
    words = changed(json.loads(stored["description"].item()), data)
    path = tmp_path / "site.nc"
    path.unlink(missing_ok=True)
    write_tree(xr.DataTree(stored.assign(description=((), json.dumps(words)))), path)
    try:
        again = load_moments(path)
    except ab.FileFormatError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    assert list(again.counts) == list(stored["counts"].values)


MANIFEST: dict[str, Any] = {
    "format": FORMAT,
    "kind": "report",
    "data": {"hash": "a", "columns": {"x": "b"}},
    "versions": {"numpy": "2"},
    "withheld": False,
    "columns": ["id", "mean", "sd"],
    "rows": [["a", 1.5, None], ["b", -2.0, 0.25]],
    "info": {"engine": "nuts", "draws": 1000},
}


@SHORT
@given(data=st.data())
def test_a_manifest_with_anything_in_any_place(data: st.DataObject) -> None:
    page = f"<html>{EMPTY}</html>"
    whole = read_manifest(embed(page, MANIFEST), name="p")
    start, end = embed(page, MANIFEST).split(json.dumps(whole, separators=(",", ":")))
    text = json.dumps(changed(whole, data))
    place = data.draw(st.integers(0, len(text)))
    text = (
        text[:place] + data.draw(st.sampled_from(["", "", "[", "}", "<script>", '"', "0" * 30, "NaN"])) + text[place:]
    )
    html = f"{start}{text}{end}"
    try:
        manifest = read_manifest(html, name="p")
    except ab.FileFormatError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return
    # Nobody changes a word of it without its digest.
    assert manifest == whole or faults(html, manifest)
