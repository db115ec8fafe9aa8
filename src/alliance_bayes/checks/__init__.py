"""Checks of a fit, each one function and one result, and the gate that can withhold its conclusions."""

from alliance_bayes.checks.evidence import Evidence
from alliance_bayes.checks.registry import CHECKS, Check, run_checks
from alliance_bayes.checks.results import CheckReport, CheckResult, Gate, Plot

__all__ = ["CHECKS", "Check", "CheckReport", "CheckResult", "Evidence", "Gate", "Plot", "run_checks"]
