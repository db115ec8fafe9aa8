"""Kept fits: the same draws and predictions come back, and nothing half-written is left."""

from __future__ import annotations

import io
import json
from pathlib import Path

import arviz as az
import numpy as np
import pytest
import xarray as xr

from alliance_bayes.errors import FileFormatError, UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import card_text
from alliance_bayes.storage import _tree, load, save
from alliance_bayes.trees import read_tree, write_tree
from builders import OUTCOME_FORMULA, fitted, rows

CASES = {
    "outcome": (OUTCOME_FORMULA, {}),
    "bases": (
        "who5_followup ~ bs(alliance, df=4) + scale(age) + log(n_sessions) + sex + (alliance | country) + (1 | "
        "country:sex)",
        {"autoscale": True},
    ),
    "ordinal": ("who5_followup ~ alliance + (1 | country)", {"family": "cumulative"}),
    "smooths": (
        "who5_followup ~ s(alliance) + s(age, knots=(30, 40, 44.5)) + sex + (alliance || country)",
        {"centre": {"alliance": 4.0}},
    ),
    "residual SD by level": (
        "who5_followup ~ alliance + (1 | country)",
        {"family": "student_t", "residual_by": "sex", "priors": {"sigma[male]": "HalfNormal(9)"}},
    ),
    "residual SD along columns": (
        "who5_followup ~ alliance + (1 | country)",
        {"sigma": "~ alliance * sex + age", "priors": {"gamma[age]": "Normal(0, 0.1)"}, "centre": {"age": 40.0}},
    ),
    "counts": ("who5_followup ~ alliance + (1 | country)", {"family": "beta_binomial", "centre": {"alliance": 4.0}}),
}


@pytest.fixture(params=sorted(CASES))
def fit(request: pytest.FixtureRequest) -> FittedModel:
    formula, spec = CASES[request.param]
    return fitted(formula=formula, spec=spec, chains=2, draws=30)


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_a_fit_comes_back_exactly(fit: FittedModel, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"fit{ending}"
    save(fit, path)
    again = load(path)
    assert again.posterior.identical(fit.posterior)
    assert list(again.posterior.data_vars) == list(fit.posterior.data_vars)
    assert again.sample_stats.equals(fit.sample_stats)
    assert card_text(again.spec) == card_text(fit.spec)
    assert again.flow == fit.flow
    assert again.info == fit.info
    assert again.design.centres == fit.design.centres
    assert again.design.frame.equals(fit.design.frame)
    assert list(again.design.rows.basis) == list(fit.design.rows.basis)
    for name, basis in fit.design.rows.basis.items():
        np.testing.assert_array_equal(again.design.rows.basis[name], basis)
    assert {n: (str(s.prior), s.reason) for n, s in again.priors.items()} == {
        n: (str(s.prior), s.reason) for n, s in fit.priors.items()
    }
    new = rows(30, seed=5)
    np.testing.assert_array_equal(again.predict(new, kind="outcome", seed=1), fit.predict(new, kind="outcome", seed=1))
    np.testing.assert_array_equal(again.log_likelihood(), fit.log_likelihood())
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("ending", [".nc", ".zarr"])
def test_an_existing_file_is_replaced_whole(tmp_path: Path, ending: str) -> None:
    first, second = (fitted(formula="who5_followup ~ alliance", chains=2, draws=10, seed=s) for s in (1, 2))
    path = tmp_path / f"fit{ending}"
    save(first, path)
    save(second, path)
    assert load(path).posterior.identical(second.posterior)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_failure_leaves_the_old_file_and_no_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "fit.nc"
    first = fitted(formula="who5_followup ~ alliance", chains=2, draws=10)
    save(first, path)

    def interrupted(self: xr.DataTree, target: io.RawIOBase, **_: object) -> None:
        target.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(xr.DataTree, "to_netcdf", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save(fitted(formula="who5_followup ~ alliance", chains=2, draws=10, seed=9), path)
    assert load(path).posterior.identical(first.posterior)
    assert [p.name for p in tmp_path.iterdir()] == ["fit.nc"]


def test_no_participant_ids_are_kept(tmp_path: Path) -> None:
    frame = rows(20, countries=3).assign(participant_id=[f"secret-{k}" for k in range(20)])
    save(fitted(frame, formula="who5_followup ~ alliance", chains=2, draws=10), tmp_path / "fit.nc")
    assert b"secret" not in (tmp_path / "fit.nc").read_bytes()


def test_arviz_reads_the_file_and_labels_elements_rightly(tmp_path: Path) -> None:
    fit = fitted(chains=2, draws=40)
    save(fit, tmp_path / "fit.nc")
    tree = az.from_netcdf(tmp_path / "fit.nc", engine="h5netcdf")
    table = az.summary(tree["posterior"].to_dataset(), round_to="none", kind="stats")
    for level in fit.posterior["country"].values:
        for term in fit.posterior["country_term"].values:
            mean = fit.posterior["u_country"].sel(country=level, country_term=term).mean().item()
            assert table.loc[f"u_country[{level}, {term}]", "mean"] == pytest.approx(mean, abs=1e-12)


def test_refusals(tmp_path: Path) -> None:
    fit = fitted(formula="who5_followup ~ alliance", chains=2, draws=10)
    (tmp_path / "text.nc").write_text("not a fit")
    xr.Dataset({"a": 1}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    save(fit, tmp_path / "newer.nc")
    tree = read_tree(tmp_path / "newer.nc", what="a fit", remedy="")
    tree.attrs["alliance_bayes_format"] = 99
    (tmp_path / "newer.nc").unlink()
    write_tree(tree, tmp_path / "newer.nc")
    give = "Give a file made by fit.save(), or fit the model again."
    cases = [
        (lambda: save(fit, tmp_path / "fit.pkl"), "'fit.pkl' should end in .nc (NetCDF) or .zarr (Zarr). Rename it."),
        (lambda: load(tmp_path / "none.nc"), "'none.nc' does not exist. Check the path."),
        (
            lambda: load(tmp_path / "other.nc"),
            "'other.nc' cannot be read as a fit: it has no description of itself, so an earlier version or another "
            f"program wrote it. {give}",
        ),
        (
            lambda: load(tmp_path / "newer.nc"),
            "'newer.nc' has format 99, but this version reads fits of format 2. Fit the model again, or install the "
            "version that wrote it.",
        ),
        (lambda: load(tmp_path / "text.nc"), f"'text.nc' cannot be read as a fit: it is no NetCDF 4 file. {give}"),
    ]
    for call, message in cases:
        with pytest.raises(FileFormatError) as caught:
            call()
        assert str(caught.value) == message
    with pytest.raises(UsageError):
        save(fit, tmp_path / "no" / "fit.nc")


def test_priors_are_those_of_the_draws_whatever_the_defaults_are_now(tmp_path: Path) -> None:
    fit = fitted(formula="who5_followup ~ alliance", chains=2, draws=10)
    save(fit, tmp_path / "fit.nc")
    tree = read_tree(tmp_path / "fit.nc", what="a fit", remedy="")
    stated = json.loads(tree.attrs["priors"])
    assert [entry[0] for entry in stated] == list(fit.priors)
    stated[1][1:] = ["Normal(0.0, 7.5)", "as it was then"]
    tree.attrs["priors"] = json.dumps(stated)
    (tmp_path / "fit.nc").unlink()
    write_tree(tree, tmp_path / "fit.nc")
    again = load(tmp_path / "fit.nc").priors["alliance"]
    assert (str(again.prior), again.reason) == ("Normal(0, 7.5)", "as it was then")


@pytest.mark.parametrize("key", ["model_card", "centres", "categories", "flow", "info", "priors"])
@pytest.mark.parametrize("value", [None, 3, "", "[", "[[[[[[[[[[[[[[[[[[[[", "{}", "[1]", '{"a": NaN}', "format = 4"])
def test_attributes_of_any_kind_are_refused_in_one_line(tmp_path: Path, key: str, value: object) -> None:
    path = tmp_path / "fit.nc"
    tree = _tree(fitted(formula="who5_followup ~ alliance", chains=2, draws=10))
    if value is None:
        del tree.attrs[key]
    else:
        tree.attrs[key] = value
    write_tree(tree, path)
    if (key, value) == ("categories", "{}"):
        return  # this model has no categorical column
    with pytest.raises(FileFormatError) as caught:
        load(path)
    assert str(caught.value).startswith("'fit.nc' ")
    assert "\n" not in str(caught.value)
