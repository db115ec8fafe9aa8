"""The NUTS engine as a machine: seeds, settings, progress, interruption, layout. Its numbers are checked in tests/validation."""

from __future__ import annotations

import dataclasses
import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nutpie
import numpy as np
import pymc as pm
import pytensor
import pytest
import xarray as xr
from builders import rows

from alliance_bayes import Model
from alliance_bayes.engines import NUTS_SAMPLERS, SamplerSettings, posterior_coords, posterior_dims, sample_nuts
from alliance_bayes.engines.graph import build_graph
from alliance_bayes.errors import SamplingError, UsageError
from alliance_bayes.model import Design, ModelSpec, PriorTable

SHORT = {"draws": 200, "tune": 200, "chains": 2, "cores": 2, "seed": 7}
# Long enough that whoever does not stop the sampler waits for minutes.
ENDLESS = {**SHORT, "draws": 2_000_000}


@pytest.fixture(scope="module")
def small() -> tuple[Design, PriorTable]:
    spec = ModelSpec("who5_followup ~ alliance + (1 || country) + (1 || sex)")
    design = spec.design(rows(80, countries=4))
    return design, spec.priors_for(design)


@pytest.fixture(scope="module")
def compiled(small: tuple[Design, PriorTable]) -> Any:
    """The small model, compiled once, with an outcome that can be exchanged."""
    design, priors = small
    outcome = pytensor.shared(design.outcome.coded, name="outcome")
    exchangeable = dataclasses.replace(design, outcome=dataclasses.replace(design.outcome, coded=outcome))
    return nutpie.compile_pymc_model(build_graph(exchangeable, priors), var_names=tuple(posterior_dims(design)))


@pytest.fixture
def sample(
    small: tuple[Design, PriorTable], compiled: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., xr.DataTree]:
    """``sample_nuts`` on the small model, with everything of the engine but the compilation."""
    design, priors = small

    def run(*, outcome: np.ndarray = design.outcome.coded, progress: Any = None, **settings: Any) -> xr.DataTree:
        monkeypatch.setattr(
            nutpie, "compile_pymc_model", lambda model, *, var_names: compiled.with_data(outcome=outcome)
        )
        return sample_nuts(design, priors, SamplerSettings(**{**SHORT, **settings}), progress=progress)[0]

    return run


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
    assert SamplerSettings() == SamplerSettings(
        draws=1000, tune=1000, chains=4, cores=2, seed=0, target_accept=0.95, sampler="nutpie"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "gibbs"}, "unknown engine 'gibbs'. Known engines: auto, nuts."),
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


def test_info_says_how_the_draws_came_about(
    small: tuple[Design, PriorTable], compiled: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    design, priors = small
    monkeypatch.setattr(nutpie, "compile_pymc_model", lambda model, *, var_names: compiled)
    _, info = sample_nuts(design, priors, SamplerSettings(**SHORT))
    assert list(info) == ["engine", "sampler", "compile_seconds", "sample_seconds"]
    assert (info["engine"], info["sampler"]) == ("nuts", "nutpie")
    assert info["compile_seconds"] >= 0
    assert info["sample_seconds"] > 0


def test_fit_records_its_settings_and_a_seed_nobody_gave(compiled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nutpie, "compile_pymc_model", lambda model, *, var_names: compiled)
    model, frame = Model("who5_followup ~ alliance + (1 || country) + (1 || sex)"), rows(80, countries=4)
    options = {"draws": 30, "tune": 40, "chains": 1, "target_accept": 0.9, "progress": False}
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
def test_correlated_terms_sample_without_a_warning_of_anybody() -> None:
    # Compiled afresh: PyTensor prepares the start of correlated models in its own way. Warnings are errors here.
    spec = ModelSpec("who5_followup ~ alliance + (alliance | country)")
    design = spec.design(rows(80, countries=4))
    tree, _ = sample_nuts(design, spec.priors_for(design), SamplerSettings(**SHORT))
    correlation = tree["posterior"]["corr_country"]
    assert correlation.dims == ("chain", "draw", "country_term", "country_term_other")
    off = correlation.sel(country_term="Intercept", country_term_other="alliance")
    assert (np.abs(off) < 1).all()
    np.testing.assert_allclose(off, correlation.sel(country_term="alliance", country_term_other="Intercept"))
    np.testing.assert_allclose(correlation.sel(country_term="Intercept", country_term_other="Intercept"), 1.0)
    assert list(tree["posterior"].data_vars) == ["beta", "sigma", "u_country", "tau_country", "corr_country"]


# ---------------------------------------------------------------- progress, interruption, failure


def test_progress_counts_up_to_the_total(sample: Callable[..., xr.DataTree]) -> None:
    calls: list[tuple[int, int, int]] = []
    sample(progress=lambda *counts: calls.append(counts), draws=4000)
    done = [call[0] for call in calls]
    assert len(calls) >= 3
    assert done == sorted(done)
    assert done[-1] == 2 * (200 + 4000)
    assert {call[1] for call in calls} == {2 * (200 + 4000)}
    assert all(type(count) is int and count >= 0 for call in calls for count in call)


def running_threads() -> int:
    """Threads of this process as the system counts them, those of compiled code included; where it says so."""
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else threading.active_count()


class Watch:
    """A progress callback that acts once sampling is well under way, and counts its calls."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.act, self.calls, self.acted = act, 0, False

    def __call__(self, done: int, total: int, divergences: int) -> None:
        self.calls += 1
        if done > 500 and not self.acted:
            self.acted = True
            self.act()


@pytest.fixture
def _no_thread_left(sample: Callable[..., xr.DataTree]) -> Iterator[None]:
    sample(draws=50)  # whatever nutpie keeps for good is there from now on
    before = running_threads()
    yield
    # Threads end shortly after they are told to, and once no traceback refers to the sampler.
    for _ in range(100):
        gc.collect()
        if running_threads() <= before:
            break
        threading.Event().wait(0.05)
    assert running_threads() <= before


@pytest.mark.usefixtures("_no_thread_left")
def test_interrupt_signal_stops_the_sampler_and_is_passed_on(sample: Callable[..., xr.DataTree]) -> None:
    watch = Watch(lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        sample(progress=watch, **{**ENDLESS, "seed": 1})
    calls = watch.calls
    threading.Event().wait(0.5)  # five times the interval between two reports
    assert watch.calls == calls
    assert sample(draws=50)["posterior"].sizes["draw"] == 50  # and the engine is as good as before


def raising(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


@pytest.mark.usefixtures("_no_thread_left")
@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_error_in_the_callback_stops_the_sampler_and_is_passed_on(
    sample: Callable[..., xr.DataTree], kind: type[BaseException]
) -> None:
    watch = Watch(raising(kind("the caller's own")))
    with pytest.raises(kind, match="^the caller's own$"):
        sample(progress=watch, draws=10_000)  # a second or two, if nobody stops it
    calls = watch.calls
    threading.Event().wait(0.5)
    assert watch.calls == calls


def test_sampler_that_cannot_start_says_so_in_one_paragraph(
    small: tuple[Design, PriorTable], sample: Callable[..., xr.DataTree]
) -> None:
    design, _ = small
    with pytest.raises(SamplingError) as raised:
        sample(outcome=np.full(design.rows.n, np.nan))
    text = str(raised.value)
    assert text.startswith("nutpie stopped: All initialization points failed")
    assert text.endswith("Check for columns on very different scales or priors without mass.")
    assert "\n" not in text
    assert "backtrace" not in text


def test_draws_that_are_not_finite_are_refused(
    small: tuple[Design, PriorTable], sample: Callable[..., xr.DataTree], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Finished:
        def wait(self, *, timeout: float | None = None) -> xr.DataTree:
            posterior = good["posterior"].to_dataset()
            return xr.DataTree.from_dict(
                {
                    "posterior": posterior.assign(sigma=posterior["sigma"] * np.inf),
                    "sample_stats": good["sample_stats"].to_dataset(),
                }
            )

        def abort(self) -> None:
            pass

    good = sample(draws=20)
    monkeypatch.setattr(nutpie, "sample", lambda *_, **__: Finished())
    with pytest.raises(SamplingError) as raised:
        sample(draws=20)
    assert (
        str(raised.value)
        == "the draws of 'sigma' are not all finite. Tighten its prior or check the columns it belongs to."
    )


# ---------------------------------------------------------------- other samplers


def test_sampler_that_is_not_installed(small: tuple[Design, PriorTable], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(**_: Any) -> None:
        raise ImportError("No module named 'numpyro'")

    monkeypatch.setattr(pm, "sample", missing)
    with pytest.raises(SamplingError) as raised:
        sample_nuts(*small, SamplerSettings(**SHORT, sampler="numpyro"))
    assert str(raised.value) == (
        "sampler 'numpyro' is not installed: No module named 'numpyro'. Install alliance_bayes[samplers], or use sampler='nutpie'."
    )


def test_pymc_sampler_gives_the_same_layout(
    small: tuple[Design, PriorTable], sample: Callable[..., xr.DataTree], capfd: pytest.CaptureFixture[str]
) -> None:
    settings = SamplerSettings(draws=100, tune=200, chains=2, cores=1, seed=7, sampler="pymc")
    tree, info = sample_nuts(*small, settings)
    reference = sample(draws=100)
    assert info["sampler"] == "pymc"
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


def test_interrupted_pymc_sampler_returns_no_shortened_fit(
    small: tuple[Design, PriorTable], monkeypatch: pytest.MonkeyPatch
) -> None:
    sampled = pm.sample

    def interrupted(**options: Any) -> Any:
        def callback(trace: Any, draw: Any) -> None:
            if len(trace) > 60:
                raise KeyboardInterrupt

        return sampled(**options, callback=callback)

    monkeypatch.setattr(pm, "sample", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sample_nuts(*small, SamplerSettings(draws=100, tune=20, chains=2, cores=1, seed=7, sampler="pymc"))
