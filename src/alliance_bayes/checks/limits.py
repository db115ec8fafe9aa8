"""Limits of the convergence check, each with its source."""

from __future__ import annotations

__all__ = [
    "ACCEPTANCE_LIMIT",
    "BFMI_LIMIT",
    "ESS_LIMIT",
    "FEWEST_CHAINS",
    "PROPOSAL_K_LIMIT",
    "RHAT_LIMIT",
    "USUAL_CHAINS",
]

# Vehtari et al. (2021), Bayesian Analysis 16(2):667-718, doi 10.1214/20-BA1221.
RHAT_LIMIT = 1.01
ESS_LIMIT = 400.0
# Betancourt (2017), arXiv 1701.02434.
BFMI_LIMIT = 0.3
# R-hat compares chains, so there must be two; from four on it is dependable (Vehtari et al. 2021).
FEWEST_CHAINS = 2
USUAL_CHAINS = 4
# An independence chain that accepts less stays where it is for long, and may never propose what it lacks.
ACCEPTANCE_LIMIT = 0.15
# Importance ratios are unreliable from there on: Vehtari et al. (2024), JMLR 25(72):1-58.
PROPOSAL_K_LIMIT = 0.7
