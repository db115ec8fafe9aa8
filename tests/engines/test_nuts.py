"""The NUTS engine as a machine: settings, seeds, layout, samplers; tests/validation has its numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytest
import xarray as xr

from alliance_bayes import Model
from alliance_bayes.engines import NUTS_SAMPLERS, SamplerSettings, posterior_coords, posterior_dims, sample_nuts
from alliance_bayes.errors import SamplingError, UsageError
from alliance_bayes.model import Design, ModelSpec, PriorTable
from builders import rows

# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"draws": 3}, "draws should be a whole number of at least 4 but got 3."),
        ({"draws": 100.0}, "draws should be a whole number of at least 4 but got 100.0."),
        ({"tune": -1}, "tune should be a whole number of at least 0 but got -1."),
        ({"chains": 0}, "chains should be a whole number of at least 1 but got 0."),
        ({"chains": True}, "chains should be a whole number of at least 1 but got True."),
        ({"cores": 0}, "cores should be a whole number of at least 1 but got 0."),
        ({"seed": -1}, "seed should be a whole number of at least 0 but got -1."),
        ({"seed": "7"}, "seed should be a whole number of at least 0 but got '7'."),
        ({"draws": 10**9}, "draws should be at most 100,000 but got 1000000000."),
        ({"tune": 10**9}, "tune should be at most 100,000 but got 1000000000."),
        ({"chains": 10**5}, "chains should be at most 1,000 but got 100000."),
        ({"cores": 10**6}, "cores should be at most 1,000 but got 1000000."),
        (
            {"seed": 10**9000},
            "seed should be at most 9,223,372,036,854,775,807 but got a whole number of more than 19 digits.",
        ),
        ({"draws": "1" * 10**6}, f"draws should be a whole number of at least 4 but got '{'1' * 59}...."),
        (
            {"draws": 50_000, "chains": 100},
            "draws times chains should be at most 1,000,000 but got 50,000 times 100. A few thousand draws over four "
            "chains are enough for every quantity that is reported.",
        ),
        ({"target_accept": "0.9"}, "target_accept should be a number but got '0.9'."),
        ({"target_accept": 1.0}, "target_accept should be in the interval (0, 1) but got 1.0."),
        ({"target_accept": 0.0}, "target_accept should be in the interval (0, 1) but got 0.0."),
        ({"target_accept": float("nan")}, "target_accept should be in the interval (0, 1) but got nan."),
        ({"sampler": "stan"}, "unknown sampler 'stan'. Known samplers: nutpie, pymc, numpyro, blackjax."),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as raised:
        SamplerSettings(**settings)
    assert str(raised.value) == message


def test_settings_at_their_limits_are_taken() -> None:
    settings = SamplerSettings(
        draws=4, tune=0, chains=1, cores=1, seed=np.int64(0), target_accept=0.999, sampler="blackjax"
    )
    assert settings.sampler in NUTS_SAMPLERS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "gibbs"}, "unknown engine 'gibbs'. Known engines: auto, collapsed, nuts."),
        ({"sampler": "stan"}, "unknown sampler 'stan'. Known samplers: nutpie, pymc, numpyro, blackjax."),
        ({"draws": 0}, "draws should be a whole number of at least 4 but got 0."),
        ({"cores": 0}, "cores should be a whole number of at least 1 but got 0."),
    ],
)
def test_model_refuses_what_the_engine_cannot_do_before_it_looks_at_the_table(
    options: dict[str, Any], message: str
) -> None:
    unread = rows(10).drop(columns="who5_followup")  # would be an error of its own
    with pytest.raises(UsageError) as raised:
        Model("who5_followup ~ alliance").fit(unread, **options)
    assert str(raised.value) == message


# ---------------------------------------------------------------- draws


def test_same_seed_same_draws_another_seed_other_draws(sample: Callable[..., xr.DataTree]) -> None:
    first, again, one_core, other = sample(), sample(), sample(cores=1), sample(seed=8)
    for group in ("posterior", "sample_stats"):
        xr.testing.assert_identical(first[group].to_dataset(), again[group].to_dataset())
    # How many chains run at once is no part of the result.
    xr.testing.assert_identical(first["posterior"].to_dataset(), one_core["posterior"].to_dataset())
    for name, values in first["posterior"].data_vars.items():
        assert not (values.values == other["posterior"][name].values).any(), name
        chains = values.values
        assert not (chains[0] == chains[1]).any(), name


def test_layout_of_the_draws(small: tuple[Design, PriorTable], sample: Callable[..., xr.DataTree]) -> None:
    design, _ = small
    tree = sample(chains=3, draws=150)
    posterior, stats = tree["posterior"].to_dataset(), tree["sample_stats"].to_dataset()
    assert list(tree.children) == ["posterior", "sample_stats"]
    dims = {name: ("chain", "draw", *own) for name, own in posterior_dims(design).items()}
    assert {name: values.dims for name, values in posterior.data_vars.items()} == dims
    assert list(posterior.data_vars) == ["beta", "sigma", "u_country", "tau_country", "u_sex", "tau_sex"]
    coords = {"chain": [0, 1, 2], "draw": list(range(150)), **posterior_coords(design)}
    assert {name: values.values.tolist() for name, values in posterior.coords.items()} == coords
    assert set(stats.data_vars) == {
        "diverging",
        "energy",
        "tree_depth",
        "reached_max_tree_depth",
        "acceptance_rate",
        "step_size",
        "n_steps",
    }
    assert all(values.dims == ("chain", "draw") for values in stats.data_vars.values())
    assert all(values.dtype == float for values in posterior.data_vars.values())
    np.testing.assert_allclose(posterior["u_sex"].sum("sex"), 0.0, atol=1e-9)
    assert (posterior["tau_country"] > 0).all()
    assert ((stats["acceptance_rate"] >= 0) & (stats["acceptance_rate"] <= 1)).all()


def test_info_says_how_the_draws_came_about(small: tuple[Design, PriorTable], short: dict[str, Any]) -> None:
    design, priors = small
    _, info = sample_nuts(design, priors, SamplerSettings(**short))
    assert list(info) == ["engine", "sampler", "density", "compile_seconds", "sample_seconds"]
    assert (info["engine"], info["sampler"], info["density"]) == ("nuts", "nutpie", "compiled")
    assert info["compile_seconds"] >= 0
    assert info["sample_seconds"] > 0


def test_fit_records_its_settings_and_a_seed_nobody_gave() -> None:
    model, frame = Model("who5_followup ~ alliance + (1 || country) + (1 || sex)"), rows(80, countries=4)
    options = {"engine": "nuts", "draws": 30, "tune": 40, "chains": 1, "target_accept": 0.9, "progress": False}
    first, second = model.fit(frame, **options), model.fit(frame, **options)
    assert {name: first.info[name] for name in ("engine", "draws", "tune", "chains", "target_accept")} == {
        "engine": "nuts",
        "draws": 30,
        "tune": 40,
        "chains": 1,
        "target_accept": 0.9,
    }
    assert first.info["seed"] != second.info["seed"]
    again = model.fit(frame, **options, seed=first.info["seed"])
    xr.testing.assert_identical(first.posterior, again.posterior)
    assert first.shape == (1, 30)


@pytest.mark.slow
def test_correlated_terms_sample_without_a_warning_of_anybody(short: dict[str, Any]) -> None:
    # Compiled afresh: PyTensor prepares the start of correlated models in its own way. Warnings are errors here.
    spec = ModelSpec("who5_followup ~ alliance + (alliance | country)")
    design = spec.design(rows(80, countries=4))
    tree, _ = sample_nuts(design, spec.priors_for(design), SamplerSettings(**short))
    correlation = tree["posterior"]["corr_country"]
    assert correlation.dims == ("chain", "draw", "country_term", "country_term_other")
    off = correlation.sel(country_term="Intercept", country_term_other="alliance")
    assert (np.abs(off) < 1).all()
    np.testing.assert_allclose(off, correlation.sel(country_term="alliance", country_term_other="Intercept"))
    np.testing.assert_allclose(correlation.sel(country_term="Intercept", country_term_other="Intercept"), 1.0)
    assert list(tree["posterior"].data_vars) == ["beta", "sigma", "u_country", "tau_country", "corr_country"]


def test_planted_residual_sds_are_found() -> None:
    frame, rng = rows(240, countries=3), np.random.default_rng(2)
    planted = {"coach": 6.0, "therapist": 18.0, "both": 12.0}
    sd = frame["provider_type"].astype(str).map(planted).to_numpy()
    frame["who5_followup"] = 50 + 3 * (frame["alliance"] - 4.6) + rng.normal(0, sd)
    spec = ModelSpec("who5_followup ~ alliance", residual_by="provider_type")
    design = spec.design(frame)
    tree, _ = sample_nuts(design, spec.priors_for(design), SamplerSettings(draws=400, tune=400, chains=2, seed=3))
    sigma = tree["posterior"]["sigma"]
    assert sigma.dims == ("chain", "draw", "provider_type")
    gap = (sigma.mean(("chain", "draw")) - list(planted.values())) / sigma.std(("chain", "draw"))
    # Posterior means of three SDs, each within 3.5 posterior SDs: 1 false alarm in 700 seeds.
    assert np.abs(gap).max() < 3.5
    # HalfNormal(25) hardly pulls: the posterior is near that of the residuals' own sum of squares, SD sigma / sqrt(2n).
    n = np.bincount(design.rows.residual)
    np.testing.assert_allclose(
        sigma.std(("chain", "draw")) / (sigma.mean(("chain", "draw")) / np.sqrt(2 * n)), 1, atol=0.25
    )


# ---------------------------------------------------------------- other samplers


def test_sampler_that_is_not_installed(
    small: tuple[Design, PriorTable], short: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(**_: Any) -> None:
        raise ImportError("No module named 'numpyro'")

    monkeypatch.setattr(pm, "sample", missing)
    with pytest.raises(SamplingError) as raised:
        sample_nuts(*small, SamplerSettings(**short, sampler="numpyro"))
    assert str(raised.value) == (
        "sampler 'numpyro' is not installed: No module named 'numpyro'. "
        "Install alliance_bayes[samplers], or use sampler='nutpie'."
    )


@pytest.mark.slow
def test_pymc_sampler_gives_the_same_layout(
    small: tuple[Design, PriorTable], sample: Callable[..., xr.DataTree], capfd: pytest.CaptureFixture[str]
) -> None:
    settings = SamplerSettings(draws=100, tune=200, chains=2, cores=1, seed=7, sampler="pymc")
    tree, info = sample_nuts(*small, settings)
    reference = sample(draws=100)
    assert (info["sampler"], info["density"]) == ("pymc", "PyMC graph")
    for group in ("posterior", "sample_stats"):
        mine, theirs = tree[group].to_dataset(), reference[group].to_dataset()
        assert {name: (values.dims, values.shape) for name, values in mine.data_vars.items()} == {
            name: (values.dims, values.shape) for name, values in theirs.data_vars.items()
        }
        assert list(mine.data_vars) == list(theirs.data_vars)
        for name, values in theirs.coords.items():
            np.testing.assert_array_equal(mine[name], values)
    # Posterior SD of the intercept is about 2 and 100 draws are worth 20 at least: 4 standard errors of a difference.
    gap = float((tree["posterior"]["beta"] - reference["posterior"]["beta"]).sel(term="Intercept").mean())
    assert abs(gap) < 4 * np.sqrt(2 / 20) * float(reference["posterior"]["beta"].sel(term="Intercept").std())
