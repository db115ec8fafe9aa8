"""Bayesian analysis of the therapeutic alliance and follow-up well-being.

Public names are loaded on first use, so that importing the package takes a fraction of a second.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from alliance_bayes.caches import settle

if TYPE_CHECKING:
    from alliance_bayes.api import Fit, Model, load_fit, load_model
    from alliance_bayes.checks import CHECKS, Check, Plot, run_checks
    from alliance_bayes.cohort import (
        Cohort,
        Flow,
        read_cohort,
        read_tables,
        session_cohort,
        with_alliance_parts,
        write_cohort,
    )
    from alliance_bayes.errors import (
        AllianceBayesError,
        DataError,
        FileFormatError,
        ModelError,
        Problem,
        SamplingError,
        UsageError,
        WriteError,
    )
    from alliance_bayes.instruments import cronbach_alpha, instrument, mcdonald_omega, score
    from alliance_bayes.latent import LatentFit, fit_latent
    from alliance_bayes.model import Card, Prior, Scale
    from alliance_bayes.moments import Moments, load_moments, reduce_table, save_moments
    from alliance_bayes.report import Rendered, Report, Section, View
    from alliance_bayes.simulation import (
        SimulationSettings,
        pseudo_true,
        simulate_cohort,
        simulation_assumptions,
        write_tables,
    )
    from alliance_bayes.study import Study, run_study
    from alliance_bayes.verify import Verification, verify_report

__version__ = "0.1.0"

# Before a library looks for its place.
settle()

_HOMES = {
    "api": ("Fit", "Model", "load_fit", "load_model"),
    "checks": ("CHECKS", "Check", "Plot", "run_checks"),
    "cohort": (
        "Cohort",
        "Flow",
        "read_cohort",
        "read_tables",
        "session_cohort",
        "with_alliance_parts",
        "write_cohort",
    ),
    "errors": (
        "AllianceBayesError",
        "DataError",
        "FileFormatError",
        "ModelError",
        "Problem",
        "SamplingError",
        "UsageError",
        "WriteError",
    ),
    "instruments": ("cronbach_alpha", "instrument", "mcdonald_omega", "score"),
    "latent": ("LatentFit", "fit_latent"),
    "model": ("Card", "Prior", "Scale"),
    "moments": ("Moments", "load_moments", "reduce_table", "save_moments"),
    "report": ("Rendered", "Report", "Section", "View"),
    "simulation": (
        "SimulationSettings",
        "pseudo_true",
        "simulate_cohort",
        "simulation_assumptions",
        "write_tables",
    ),
    "study": ("Study", "run_study"),
    "verify": ("Verification", "verify_report"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "CHECKS",
    "AllianceBayesError",
    "Card",
    "Check",
    "Cohort",
    "DataError",
    "FileFormatError",
    "Fit",
    "Flow",
    "LatentFit",
    "Model",
    "ModelError",
    "Moments",
    "Plot",
    "Prior",
    "Problem",
    "Rendered",
    "Report",
    "SamplingError",
    "Scale",
    "Section",
    "SimulationSettings",
    "Study",
    "UsageError",
    "Verification",
    "View",
    "WriteError",
    "__version__",
    "cronbach_alpha",
    "fit_latent",
    "instrument",
    "load_fit",
    "load_model",
    "load_moments",
    "mcdonald_omega",
    "pseudo_true",
    "read_cohort",
    "read_tables",
    "reduce_table",
    "run_checks",
    "run_study",
    "save_moments",
    "score",
    "session_cohort",
    "simulate_cohort",
    "simulation_assumptions",
    "verify_report",
    "with_alliance_parts",
    "write_cohort",
    "write_tables",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
