"""Progress, interruption and failure of the NUTS engine, within one process."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import nutpie
import pymc as pm
import pytest
import xarray as xr

from alliance_bayes.engines import SamplerSettings, nuts, sample_nuts
from alliance_bayes.engines.density import log_density, model_data_of
from alliance_bayes.engines.density.model_data import ModelData, scalar_names
from alliance_bayes.errors import SamplingError
from alliance_bayes.model import Design, PriorTable


def test_progress_counts_up_to_the_total(sample: Callable[..., xr.DataTree], monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[int, int, int]] = []
    thrice, evaluated = threading.Event(), itertools.count()

    def progress(*counts: int) -> None:
        calls.append(counts)
        if len(calls) == 3:
            thrice.set()

    def waiting(q: np.ndarray, data: ModelData) -> tuple[float, np.ndarray]:
        # Well under way, a chain waits for reports: a quick machine would be done before the second.
        if next(evaluated) > 2000:
            thrice.wait(timeout=600)
        return log_density(q, data)

    monkeypatch.setattr(nuts, "log_density", waiting)
    sample(progress=progress, draws=4000)
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
    # Threads end shortly after they are told to, and once no traceback refers to the sampler; a minute is for machines
    # that are busy.
    for _ in range(1200):
        gc.collect()
        if running_threads() <= before:
            break
        threading.Event().wait(0.05)
    assert running_threads() <= before


@pytest.fixture
def _interruptible() -> Iterator[None]:
    """A shell that starts the tests in the background has them ignore the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def _endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets a run take minutes, if nobody stops it."""
    monkeypatch.setattr(nuts, "_LIMITS", {**nuts._LIMITS, "draws": (1, 2_000_000)})
    monkeypatch.setattr(nuts, "_ALL_DRAWS", 4_000_000)


@pytest.mark.slow
@pytest.mark.usefixtures("_interruptible", "_no_thread_left", "_endless")
def test_interrupt_signal_stops_the_sampler_and_is_passed_on(sample: Callable[..., xr.DataTree]) -> None:
    watch = Watch(lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        sample(progress=watch, draws=2_000_000)
    calls = watch.calls
    threading.Event().wait(0.5)  # five times the interval between two reports
    assert watch.calls == calls
    assert sample(draws=50)["posterior"].sizes["draw"] == 50  # and the engine is as good as before


def raising(error: BaseException) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


@pytest.mark.slow
@pytest.mark.usefixtures("_no_thread_left", "_endless")
@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_error_in_the_callback_stops_the_sampler_and_is_passed_on(
    sample: Callable[..., xr.DataTree], kind: type[BaseException]
) -> None:
    watch = Watch(raising(kind("the caller's own")))
    with pytest.raises(kind, match=r"^the caller's own$"):
        sample(progress=watch, draws=2_000_000)
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
    numbers = np.zeros((2, 20, model_data_of(*small).size))
    numbers[0, 3, scalar_names(*small).index("sigma")] = 1e4  # the logarithm of a number that is too large

    class Finished:
        def wait(self, *, timeout: float | None = None) -> xr.DataTree:
            posterior = xr.Dataset({"unconstrained": (("chain", "draw", "number"), numbers)})
            statistics = xr.Dataset({"diverging": (("chain", "draw"), np.zeros((2, 20), dtype=bool))})
            return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": statistics})

        def abort(self) -> None:
            pass

    monkeypatch.setattr(nutpie, "sample", lambda *_, **__: Finished())
    with pytest.raises(SamplingError) as raised:
        sample(draws=20)
    assert (
        str(raised.value)
        == "the draws of 'sigma' are not all finite. Tighten its prior or check the columns it belongs to."
    )


@pytest.mark.slow
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
