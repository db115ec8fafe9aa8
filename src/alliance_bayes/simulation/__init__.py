"""A simulated study whose summary is that of the published one, and whose truth is known."""

from __future__ import annotations

from alliance_bayes.simulation.pseudo_true import pseudo_true
from alliance_bayes.simulation.settings import SimulationSettings, simulation_assumptions
from alliance_bayes.simulation.simulate import SimulatedCohort, simulate_cohort, write_tables

__all__ = [
    "SimulatedCohort",
    "SimulationSettings",
    "pseudo_true",
    "simulate_cohort",
    "simulation_assumptions",
    "write_tables",
]
