"""The NUTS engine: nutpie on the compiled density; another of PyMC's samplers, on the PyMC graph, by name."""

from __future__ import annotations

import ctypes
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from alliance_bayes.caches import can_draw
from alliance_bayes.engines.density import log_density, model_data_of, recentring_of, starting_point, variables_of
from alliance_bayes.engines.forecast import Forecast, seconds_of
from alliance_bayes.errors import SamplingError, UsageError, WriteError
from alliance_bayes.foreign import shown
from alliance_bayes.kinds import is_whole
from alliance_bayes.machine import processors
from alliance_bayes.model import Design, PriorTable
from alliance_bayes.model.layout import posterior_dataset, posterior_dims
from alliance_bayes.remedies import argument

__all__ = [
    "DRAWS",
    "NUTS_SAMPLERS",
    "NutpieDensity",
    "Progress",
    "SamplerSettings",
    "forecast_of_nuts",
    "memory_of_nuts",
    "run_nutpie",
    "sample_nuts",
    "sampler_statistics",
    "unconstrained_draws",
]


# Draws of each chain where none are asked for. The collapsed engine's are nearly independent.
DRAWS = {"collapsed": 1000, "nuts": 1500}
# Least and most of each setting. They may come from a page or a card that somebody else made.
_LIMITS: Mapping[str, tuple[int, int]] = {
    "draws": (4, 100_000),
    "tune": (0, 100_000),
    "chains": (1, 1_000),
    "cores": (1, 1_000),
    "seed": (0, 2**63 - 1),
}
_ALL_DRAWS = 1_000_000
# Gradients of a draw in the least tree that is common, and copies of the draws that are in memory at once.
_LEAST_STEPS, _COPIES = 7, 4
NUTS_SAMPLERS = ("nutpie", "pymc", "numpyro", "blackjax")
Progress = Callable[[int, int, int], None]  # draws done over all chains, draws in all, divergences so far


@dataclass(frozen=True)
class SamplerSettings:
    """How to sample.

    Parameters
    ----------
    draws, tune, chains
        Kept draws and warm-up draws of each chain, at most 100,000 each, and the number of chains, at most 1,000; no
        more than a million kept draws in all. The gate asks for an R-hat below 1.01 of
        every reported quantity, of which there may be thousands; at 1,000 draws their largest R-hat comes close to it
        by chance alone.
    cores
        Chains sampled at once.
    seed
        Seed of every random number; the same seed on the same machine gives the same draws.
    target_accept
        Step size is tuned to this mean acceptance; higher is slower and diverges less.
    sampler
        One of ``nutpie`` (default), ``pymc``, ``numpyro``, ``blackjax``.
    """

    draws: int = DRAWS["nuts"]
    tune: int = 600
    chains: int = 4
    cores: int = 2
    seed: int = 0
    target_accept: float = 0.9
    sampler: str = "nutpie"

    def __post_init__(self) -> None:
        for name, (least, most) in _LIMITS.items():
            value = getattr(self, name)
            if not is_whole(value, least=least):
                raise UsageError(
                    f"{argument(name)} should be a whole number of at least {least} but got {shown(value)}."
                )
            if value > most:
                raise UsageError(f"{argument(name)} should be at most {most:,} but got {shown(int(value))}.")
        if self.draws * self.chains > _ALL_DRAWS:
            raise UsageError(
                f"{argument('draws')} times {argument('chains')} should be at most {_ALL_DRAWS:,} but got "
                f"{self.draws:,} times {self.chains:,}. A few thousand draws over four chains are enough for every "
                "quantity that is reported."
            )
        if isinstance(self.target_accept, bool) or not isinstance(self.target_accept, int | float | np.floating):
            raise UsageError(f"{argument('target_accept')} should be a number but got {shown(self.target_accept)}.")
        if not 0 < self.target_accept < 1:
            raise UsageError(
                f"{argument('target_accept')} should be in the interval (0, 1) but got {self.target_accept!r}."
            )
        if not isinstance(self.sampler, str) or self.sampler not in NUTS_SAMPLERS:
            raise UsageError(
                f"unknown {argument('sampler')} {shown(self.sampler)}. Known samplers: {', '.join(NUTS_SAMPLERS)}."
            )


def memory_of_nuts(settings: SamplerSettings, numbers: int) -> tuple[int, str]:
    """Bytes that a fit by NUTS takes on top of its table, and what they are counted from."""
    draws = settings.chains * settings.draws
    return 8 * _COPIES * draws * numbers, f"{draws:,} draws of {numbers:,} numbers"


def forecast_of_nuts(gradient: float, settings: SamplerSettings, numbers: int) -> Forecast:
    """What a fit by NUTS takes at least, from the seconds of one gradient."""
    memory, counts = memory_of_nuts(settings, numbers)
    steps = settings.chains * (settings.tune + settings.draws) * _LEAST_STEPS
    seconds = steps * gradient / min(settings.cores, settings.chains, processors())
    return Forecast(seconds, memory, f"{counts}, and {steps:,} gradients or more on the way", at_least=True)


def sample_nuts(
    design: Design,
    priors: PriorTable,
    settings: SamplerSettings,
    *,
    progress: Progress | None = None,
    before: Callable[[float], None] | None = None,
) -> tuple[xr.DataTree, dict[str, Any]]:
    """Sample the posterior of a design.

    Parameters
    ----------
    design, priors
        The model on its rows, with a prior for every parameter.
    settings
        How to sample.
    progress
        Called now and then with (draws done, draws in all, divergences); nutpie only.
    before
        Called before anything is sampled, with the seconds that one gradient takes; of the compiled density only.

    Returns
    -------
    tree : xarray.DataTree
        Groups ``posterior`` (dims chain, draw and the shared names) and ``sample_stats`` (``diverging``, ``energy``,
        ``tree_depth``, ``reached_max_tree_depth``, ``acceptance_rate``, ``step_size`` where the sampler gives them).
    info : dict
        Engine, sampler, density ("compiled": :func:`alliance_bayes.engines.density.log_density`; or "PyMC graph"), wall
        seconds of compilation and sampling.

    Raises
    ------
    SamplingError
        The sampler could not start or its draws are not finite.
    WriteError
        There is no folder that what it imports could write to.
    KeyboardInterrupt
        Passed on after the sampler's threads have stopped.
    """
    _check_folder()
    started = time.perf_counter()
    nutpie = settings.sampler == "nutpie"
    if nutpie:
        values, statistics, compiled = _by_density(design, priors, settings, progress, before)
    else:
        values, statistics, compiled = _by_graph(design, priors, settings)
    finished = time.perf_counter()
    for name, drawn in values.items():
        if not np.isfinite(drawn).all():
            raise SamplingError(
                f"the draws of '{name}' are not all finite. Tighten its prior or check the columns it belongs to."
            )
    posterior = posterior_dataset(design, values)
    out = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": sampler_statistics(statistics, posterior)})
    info = {
        "engine": "nuts",
        "sampler": settings.sampler,
        "density": "compiled" if nutpie else "PyMC graph",
        "compile_seconds": round(compiled - started, 3),
        "sample_seconds": round(finished - compiled, 3),
    }
    return out, info


def _by_density(
    design: Design,
    priors: PriorTable,
    settings: SamplerSettings,
    progress: Progress | None,
    before: Callable[[float], None] | None,
) -> tuple[dict[str, np.ndarray], xr.Dataset, float]:
    """Draws of the posterior's variables, shape (chain, draw, ...), the sampler's statistics, and when it began."""
    data = model_data_of(design, priors)
    recentring, first = recentring_of(design, data), starting_point(data)
    start = first(settings.seed)
    log_density(start, data)  # compiles it, where no earlier run has
    if before is not None:
        before(seconds_of(lambda: log_density(start, data)))
    compiled = time.perf_counter()

    def density(sampled: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = log_density(recentring.unconstrained(sampled), data)
        return value, recentring.gradient(gradient)

    model = NutpieDensity(data.size, density, lambda seed: recentring.sampled(first(seed)))
    tree = run_nutpie(model, settings, progress)
    q = recentring.unconstrained(unconstrained_draws(tree))
    # A stream of its own: the sampler has taken the seed itself.
    rng = np.random.default_rng(np.random.SeedSequence(settings.seed).spawn(1)[0])
    drawn = variables_of(design, priors, data, q.reshape(-1, data.size), rng)
    values = {name: array.reshape(*q.shape[:2], *array.shape[1:]) for name, array in drawn.items()}
    return values, tree["sample_stats"].to_dataset(), compiled


def _by_graph(
    design: Design, priors: PriorTable, settings: SamplerSettings
) -> tuple[dict[str, np.ndarray], xr.Dataset, float]:
    # PyMC takes seconds to import.
    from alliance_bayes.engines.graph import build_graph

    model, names = build_graph(design, priors), tuple(posterior_dims(design))
    compiled = time.perf_counter()
    tree = _pymc(model, settings)
    posterior = tree["posterior"]
    values = {name: np.asarray(posterior[name].transpose("chain", "draw", ...).values, dtype=float) for name in names}
    return values, tree["sample_stats"].to_dataset(), compiled


def run_nutpie(compiled: Any, settings: SamplerSettings, progress: Progress | None) -> Any:
    """Sample what nutpie has compiled; interrupts and errors of the progress function stop its threads first."""
    import nutpie

    reporter = None if progress is None else _Reporter(progress, settings)
    density = compiled if isinstance(compiled, NutpieDensity) else None
    sampler = nutpie.sample(
        compiled if density is None else density.compiled,
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        cores=settings.cores,
        seed=settings.seed,
        target_accept=settings.target_accept,
        save_warmup=False,
        progress_bar=False,
        progress_callback=reporter,
        blocking=False,
    )
    try:
        tree = _result(sampler, reporter)
    except BaseException:
        # Threads are stopped before anything else happens; partial draws are never returned as a fit.
        sampler.abort()
        if density is not None:
            density.stop(sampler)
        raise
    return tree


def _pymc(model: Any, settings: SamplerSettings) -> Any:
    import pymc as pm

    try:
        tree = pm.sample(
            draws=settings.draws,
            tune=settings.tune,
            chains=settings.chains,
            cores=settings.cores,
            random_seed=settings.seed,
            target_accept=settings.target_accept,
            nuts_sampler=settings.sampler,
            compute_convergence_checks=False,
            quiet=True,
            model=model,
        )
    except ImportError as error:
        raise SamplingError(
            f"sampler '{settings.sampler}' is not installed: {error}. "
            f"Install alliance_bayes[samplers], or use {argument('sampler', 'nutpie')}."
        ) from error
    except Exception as error:
        # Each of PyMC's samplers has errors of its own; to a user they are all one: it did not sample.
        raise SamplingError(
            f"sampler '{settings.sampler}' stopped: {type(error).__name__}: {error}. "
            f"Use {argument('sampler', 'nutpie')}."
        ) from error
    sizes = tree["posterior"].sizes
    if (sizes["chain"], sizes["draw"]) != (settings.chains, settings.draws):
        # pm.sample answers an interrupt with the draws it has so far.
        raise KeyboardInterrupt
    return tree


class _Reporter:
    """Calls a progress function from nutpie's thread, and keeps its error, which nutpie would print and forget."""

    def __init__(self, progress: Progress, settings: SamplerSettings) -> None:
        self.progress, self.total = progress, settings.chains * (settings.tune + settings.draws)
        self.error: BaseException | None = None

    def __call__(self, chains: list[Any]) -> None:
        if self.error is not None:
            return
        try:
            done = sum(int(chain.finished_draws) for chain in chains)
            self.progress(done, self.total, sum(int(chain.divergences) for chain in chains))
        except BaseException as error:
            self.error = error


def _result(sampler: Any, reporter: _Reporter | None) -> Any:
    """Wait for the sampler, and look now and then whether the progress function wants to stop it."""
    tree = None
    while tree is None:
        try:
            tree = sampler.wait(timeout=0.1)
        except TimeoutError:
            pass  # still at work
        except Exception as error:
            # What follows is a backtrace of nutpie's own, without names.
            reason = " ".join(str(error).partition("Stack backtrace")[0].split())
            raise SamplingError(
                f"nutpie stopped: {reason}. Check for columns on very different scales or priors without mass."
            ) from error
        if reporter is not None and reporter.error is not None:
            raise reporter.error
    return tree


_STATISTICS: Mapping[str, tuple[str, ...]] = {
    "diverging": ("diverging",),
    "energy": ("energy",),
    "tree_depth": ("tree_depth", "depth"),
    "reached_max_tree_depth": ("reached_max_treedepth", "maxdepth_reached"),
    "acceptance_rate": ("acceptance_rate", "mean_tree_accept"),
    "step_size": ("step_size",),
    "n_steps": ("n_steps",),
}


def sampler_statistics(raw: xr.Dataset, posterior: xr.Dataset) -> xr.Dataset:
    """A sampler's statistics under ArviZ's names, dims (chain, draw)."""
    statistics = {
        name: (("chain", "draw"), np.asarray(raw[source].values))
        for name, sources in _STATISTICS.items()
        for source in sources
        if source in raw
    }
    return xr.Dataset(statistics, coords={"chain": posterior["chain"], "draw": posterior["draw"]})


_NAME = "unconstrained"
# Seconds without a chain after which there will be none, and the most to wait for that.
_SETTLED, _PATIENCE = 0.2, 5.0

# What is on it belongs to a thread, and goes with what Python keeps for it.
_known = threading.local()

ValueAndGradient = Callable[[np.ndarray], tuple[float, np.ndarray]]


def _check_folder() -> None:
    """Refuse to sample, before a density is compiled, where nutpie cannot be imported for want of a folder."""
    if not can_draw():
        raise WriteError(
            "Hamiltonian Monte Carlo cannot run: nutpie imports Matplotlib, which needs a folder that it can write to, "
            "and neither the home folder nor one for temporary files is such. Set MPLCONFIGDIR to one."
        )


class NutpieDensity:
    """A density ready for :func:`alliance_bayes.engines.nuts.run_nutpie`.

    Parameters
    ----------
    size
        Length of the vector.
    value_and_gradient
        Log density and its gradient, shape (size,). NaN is a point that cannot be.
    first
        From a seed to where a chain begins.

    Attributes
    ----------
    compiled
        What nutpie samples.
    """

    def __init__(self, size: int, value_and_gradient: ValueAndGradient, first: Callable[[int], np.ndarray]) -> None:
        _check_folder()
        from nutpie.compiled_pyfunc import from_pyfunc

        self._function, self._stopped = value_and_gradient, False
        self._chains: weakref.WeakSet[_Chain] = weakref.WeakSet()
        self.compiled = from_pyfunc(
            size,
            self._chain,
            lambda *_: lambda vector: {_NAME: np.asarray(vector, dtype=float)},
            [np.dtype(np.float64)],
            [(size,)],
            [_NAME],
            make_initial_point_fn=first,
        )

    def _chain(self) -> _Chain:
        chain = _Chain(self)
        self._chains.add(chain)
        return chain

    def stop(self, sampler: Any) -> None:
        """End the chains of a sampler that failed, and wait until they have.

        nutpie lets the other chains run on when one fails. Python must not end below them: they call it.
        """
        self._stopped = True
        started = quiet = time.monotonic()
        while (now := time.monotonic()) - quiet < _SETTLED and now - started < _PATIENCE:
            _ = sampler.is_finished  # any call has nutpie let go of the chains that have ended
            if len(self._chains):
                quiet = now
            time.sleep(0.01)


class _Chain:
    """The density as one chain calls it."""

    def __init__(self, model: NutpieDensity) -> None:
        self._model, self._function = model, model._function

    def __call__(self, q: np.ndarray) -> tuple[float, np.ndarray]:
        if self._model._stopped:
            raise SamplingError("sampling was stopped.")
        _keep_thread_state()
        # Where a step leads out of range the sampler turns back, without being told.
        with np.errstate(over="ignore", invalid="ignore"):
            return self._function(q)


def _keep_thread_state() -> None:
    """Have Python know the calling thread from now on.

    nutpie's threads are not Python's. What Python keeps for a thread would be made for every call and thrown away after
    it, which takes longer than the density of hundreds of rows. One claim more than is given back keeps it; some 20 KB
    a thread, until the process ends.
    """
    if not hasattr(_known, "thread"):
        ctypes.pythonapi.PyGILState_Ensure()
        _known.thread = True


def unconstrained_draws(tree: Any) -> np.ndarray:
    """The vectors that were drawn, shape (chain, draw, size)."""
    return np.asarray(tree["posterior"][_NAME].transpose("chain", "draw", ...).values, dtype=float)
