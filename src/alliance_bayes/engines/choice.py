"""Which engine samples a model, and the sampling by it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import xarray as xr

from alliance_bayes.engines.collapsed import sample_collapsed, why_not_collapsed
from alliance_bayes.engines.collapsed.forecast import counts_of, forecast_of, memory_of, shown
from alliance_bayes.engines.collapsed.hyper import hyperparameters
from alliance_bayes.engines.collapsed.marginal import Marginal
from alliance_bayes.engines.forecast import announce, refuse
from alliance_bayes.engines.nuts import DRAWS, Progress, SamplerSettings, forecast_of_nuts, memory_of_nuts, sample_nuts
from alliance_bayes.engines.sandwich import corrected
from alliance_bayes.errors import ModelError, UsageError
from alliance_bayes.model import Design, PriorTable
from alliance_bayes.model.layout import posterior_coords, posterior_dims
from alliance_bayes.moments import Moments
from alliance_bayes.progress import progress_bar
from alliance_bayes.remedies import argument
from alliance_bayes.trees import FILE_BYTES

__all__ = ["ENGINES", "check_engine", "check_size", "sample"]

ENGINES = ("auto", "collapsed", "nuts")


def check_engine(engine: str, sampler: str) -> None:
    """Refuse an engine that is not known, or that has no such sampler, before any work.

    Raises
    ------
    UsageError
        Either of them.
    """
    if not isinstance(engine, str) or engine not in ENGINES:
        raise UsageError(f"unknown {argument('engine')} {engine!r:.60}. Known engines: {', '.join(ENGINES)}.")
    if engine == "collapsed" and not (isinstance(sampler, str) and sampler == SamplerSettings.sampler):
        raise UsageError(
            f"{argument('sampler')} {sampler!r:.60} belongs to NUTS. Use {argument('engine', 'nuts')}, or leave the "
            "sampler out."
        )


def sample(
    design: Design,
    priors: PriorTable,
    settings: SamplerSettings,
    *,
    engine: str = "auto",
    draws: int | None = None,
    moments: Moments | None = None,
    progress: bool | Progress = False,
    label: str = "model",
) -> tuple[xr.DataTree, dict[str, Any]]:
    """Sample a model by the engine asked for, or by the first that can.

    Parameters
    ----------
    design, priors
        The model.
    settings
        How to sample.
    engine
        One of :data:`ENGINES`.
    draws
        Kept draws of each chain; None for the engine's own default, in place of those of ``settings``.
    moments
        Cell moments, where rows are out of reach.
    progress, label
        Whether and how to show progress, and the model's name in it.

    Returns
    -------
    tuple
        Groups ``posterior`` and ``sample_stats``, and how they came about.

    Raises
    ------
    ModelError, SamplingError
        The model cannot be sampled by this engine; see :func:`sample_collapsed` and :func:`sample_nuts`.
    UsageError
        The draws would take more than a file of them may.
    """
    reason = why_not_collapsed(design, priors)
    # Asking for one of NUTS's samplers by name is asking for NUTS.
    if not reason and settings.sampler != SamplerSettings.sampler:
        reason = f"sampler '{settings.sampler}' was asked for"
    if moments is not None and (reason or engine == "nuts"):
        raise ModelError(
            "moments are enough for the collapsed engine only, and it cannot be used here: "
            f"{reason or 'NUTS was asked for'}. Change the model, or fit it to the table itself."
        )
    if engine == "collapsed" and reason:
        raise ModelError(f"the collapsed engine cannot take this model: {reason}. Use {argument('engine', 'nuts')}.")
    if engine == "collapsed" or (engine == "auto" and not reason):
        settings = replace(settings, draws=DRAWS["collapsed"] if draws is None else draws)
        numbers = check_size(design, settings)
        counts = counts_of(design, hyperparameters(design, priors))
        refuse(memory_of(counts, settings, numbers), shown(counts, settings, numbers), label)

        def before(marginal: Marginal) -> None:
            forecast = forecast_of(marginal, counts, settings, numbers)
            if forecast is not None:
                announce(forecast, label, quiet=not progress)

        with progress_bar(progress, label=label) as report:
            tree, info = sample_collapsed(design, priors, moments, settings, progress=report, before=before)
    else:
        settings = replace(settings, draws=DRAWS["nuts"] if draws is None else draws)
        numbers = check_size(design, settings)
        refuse(*memory_of_nuts(settings, numbers), label)
        with progress_bar(progress, label=f"{label} ({settings.sampler})") as report:
            tree, info = sample_nuts(
                design,
                priors,
                settings,
                progress=report,
                before=lambda gradient: announce(
                    forecast_of_nuts(gradient, settings, numbers), label, quiet=not progress
                ),
            )
        if engine == "auto":
            info["engine_reason"] = reason
    if design.weights is not None and not design.points:
        groups = {name: tree[name].to_dataset() for name in tree.children}
        groups["posterior"] = corrected(design, groups["posterior"])
        tree = xr.DataTree.from_dict(groups)
        info["width"] = "corrected by a sandwich"
    if info["engine"] == "nuts" or "fallback" in info:
        info |= {"tune": settings.tune, "target_accept": settings.target_accept}
    return tree, {**info, "draws": settings.draws, "chains": settings.chains, "seed": settings.seed}


def check_size(design: Design, settings: SamplerSettings) -> int:
    """Numbers of one draw, where all draws may be kept."""
    coords = posterior_coords(design)
    numbers = sum(math.prod(len(coords[dim]) for dim in dims) for dims in posterior_dims(design).values())
    size = 8 * numbers * settings.draws * settings.chains
    if size > FILE_BYTES:
        raise UsageError(
            f"{settings.chains:,} chains of {settings.draws:,} draws of {numbers:,} numbers would take "
            f"{size / 2**30:.1f} GiB, more than the {FILE_BYTES >> 30} GiB that a fit may. Ask for fewer draws."
        )
    return numbers
