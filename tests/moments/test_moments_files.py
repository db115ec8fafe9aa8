from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from alliance_bayes.cohort import Flow, FlowStep
from alliance_bayes.errors import FileFormatError, ModelError, UsageError
from alliance_bayes.model import ModelSpec, card_text
from alliance_bayes.moments import check_belongs, load_moments, moments_of, save_moments
from alliance_bayes.moments.files import moments_dataset
from alliance_bayes.trees import write_tree
from builders import OUTCOME_FORMULA, rows

SPEC = ModelSpec(OUTCOME_FORMULA + " + I(age**2) + s(alliance, k=5) + alliance:sex", levels={"sex": ("male", "female")})


@pytest.fixture(scope="module")
def moments():
    made = moments_of(SPEC.design(rows(300).assign(sex=lambda f: f["sex"].astype(str))), spec=SPEC)
    flow = Flow(310, (FlowStep("age unknown", 10),))
    return dataclasses.replace(made, flow=flow, notes=("A note, with \u201cquotes\u201d.",))


def test_what_is_loaded_is_what_was_saved(moments, tmp_path):
    save_moments(moments, tmp_path / "site.nc")
    loaded = load_moments(tmp_path / "site.nc")
    for field in dataclasses.fields(moments):
        before, after = getattr(moments, field.name), getattr(loaded, field.name)
        if isinstance(before, np.ndarray):
            np.testing.assert_array_equal(after, before)
            assert after.dtype == before.dtype
        elif field.name == "histogram":
            np.testing.assert_array_equal(after.counts, before.counts)
            np.testing.assert_array_equal(after.levels, before.levels)
            assert after.edges is None
        else:
            assert after == before
    assert loaded.card == card_text(SPEC)


def test_bins_no_keys_and_many_levels_come_back(tmp_path):
    spec = ModelSpec("age ~ alliance")
    plain = moments_of(spec.design(rows(100)))
    save_moments(plain, tmp_path / "plain.nc", spec=spec)
    loaded = load_moments(tmp_path / "plain.nc")
    assert (loaded.keys, loaded.codes.shape, loaded.card) == ((), (1, 0), card_text(spec))
    np.testing.assert_array_equal(loaded.histogram.edges, plain.histogram.edges)
    # 20,000 levels take more text than an attribute of the file format holds.
    levels = tuple(f"provider {k:06d}" for k in range(20_000))
    many = dataclasses.replace(
        plain,
        keys=("provider_id",),
        levels={"provider_id": levels},
        codes=np.arange(20_000)[:, None],
        counts=np.ones(20_000),
        means=np.zeros((20_000, 2)),
        rest=np.zeros((20_000, 2)),
        cross=np.zeros((20_000, 2, 2)),
        histogram=None,
    )
    save_moments(many, tmp_path / "many.nc")
    assert load_moments(tmp_path / "many.nc").levels["provider_id"] == levels


def test_a_failed_write_leaves_the_earlier_file(moments, tmp_path):
    save_moments(moments, tmp_path / "site.nc")
    before = (tmp_path / "site.nc").read_bytes()
    broken = dataclasses.replace(moments, notes=(object(),))
    with pytest.raises(TypeError):
        save_moments(broken, tmp_path / "site.nc")
    assert (tmp_path / "site.nc").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["site.nc"]


def test_other_endings_and_folders_are_refused(moments, tmp_path):
    with pytest.raises(FileFormatError) as error:
        save_moments(moments, tmp_path / "site.csv")
    assert str(error.value) == "'site.csv' should end in .nc (NetCDF). Rename it."
    with pytest.raises(UsageError):
        save_moments(moments, tmp_path / "nowhere" / "site.nc")


@pytest.mark.slow
def test_files_that_are_not_moments_are_refused(moments, tmp_path):
    path = tmp_path / "site.nc"
    with pytest.raises(FileFormatError) as error:
        load_moments(path)
    assert str(error.value) == "'site.nc' does not exist. Check the path."
    path.write_text("not a file of arrays")
    give = "Give a file made by save_moments(). Reduce the table again."
    assert refusal(path) == f"'site.nc' cannot be read as moments: it is no NetCDF 4 file. {give}"
    xr.Dataset({"x": ("n", [1.0])}).to_netcdf(path, engine="h5netcdf")
    assert refusal(path) == (
        "'site.nc' cannot be read as moments: it has no description of itself, so an earlier version or another "
        f"program wrote it. {give}"
    )
    stored = moments_dataset(moments)
    assert rewritten(path, stored.assign_attrs(alliance_bayes_moments_format=99)) == (
        "'site.nc' has format 99, but this version reads moments of format 3. Reduce the table again."
    )
    assert rewritten(path, stored.drop_vars("means")).startswith("'site.nc' is damaged: KeyError ")
    assert rewritten(path, stored.assign(codes=stored["codes"] + 7)) == (
        "'site.nc' is damaged: ValueError level numbers of 'sex' beyond its levels. Reduce the table again."
    )
    words = json.loads(stored["description"].item())
    words["columns"] = [f"c{k}" for k in range(100_000)]
    assert rewritten(path, stored.assign(description=((), json.dumps(words)))) == (
        "'site.nc' is damaged: ValueError cross-products of other columns than the 100000 named. "
        "Reduce the table again."
    )
    for key in words:
        for value in (None, 5, "a", [1], {"a": 1}, [[]], -1.5):
            well = {"flow": [None], "notes": ["a"], "model_card": ["a"], "centres": [{"a": 1}]}
            if value not in well.get(key, []):
                changed = json.dumps({**words, "columns": list(moments.columns), key: value})
                assert "\n" not in rewritten(path, stored.assign(description=((), changed)))


def refusal(path: Path) -> str:
    with pytest.raises(FileFormatError) as error:
        load_moments(path)
    return str(error.value)


def rewritten(path: Path, dataset: xr.Dataset) -> str:
    path.unlink()
    write_tree(xr.DataTree(dataset), path)
    return refusal(path)


def test_moments_belong_to_their_model_and_to_smaller_ones(moments):
    check_belongs(moments, SPEC)
    check_belongs(moments, ModelSpec("who5_followup ~ alliance + (1 | country)", priors="sceptical"))
    check_belongs(dataclasses.replace(moments, card=""), ModelSpec("phq9_followup ~ age"))


def test_moments_of_another_model_are_refused_with_every_difference(moments):
    other = ModelSpec(
        "who5_change ~ alliance + n_sessions + s(age) + (age:alliance || site)",
        family="student_t",
        levels={"sex": ("female", "male")},
        residual_by="modality",
    )
    with pytest.raises(ModelError) as error:
        check_belongs(moments, other)
    assert str(error.value) == (
        "these moments were made for another model: their outcome is 'who5_followup', the model's 'who5_change'; they "
        "were made for family 'gaussian', the model has 'student_t'; they lack the term(s) 'n_sessions', "
        "'age:alliance by site'; they lack the smooth(s) 's_age'; they lack the factor(s) 'site', 'modality'; their "
        "levels of 'sex' are 'male', 'female', the model's 'female', 'male'. Reduce the table again with this model's "
        "card."
    )


def test_moments_of_everybody_are_not_of_those_within_a_limit(moments):
    elevated = dataclasses.replace(SPEC, among={"who5_baseline": {"at_most": 28}})
    with pytest.raises(ModelError) as error:
        check_belongs(moments, elevated)
    assert str(error.value) == (
        "these moments were made for another model: they are of other people (the table [among] of a card). Reduce the "
        "table again with this model's card."
    )
    check_belongs(dataclasses.replace(moments, card=card_text(elevated)), elevated)
