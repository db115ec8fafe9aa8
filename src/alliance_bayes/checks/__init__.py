"""Checks of a fit, one object each, and the gate that can withhold its conclusions."""

from alliance_bayes.checks.check import Check, CheckResult, Plot
from alliance_bayes.checks.context import Context
from alliance_bayes.checks.registry import CHECKS, CheckReport, Gate, run_checks, run_gate

__all__ = ["CHECKS", "Check", "CheckReport", "CheckResult", "Context", "Gate", "Plot", "run_checks", "run_gate"]
