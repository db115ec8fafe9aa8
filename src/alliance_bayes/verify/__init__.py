"""Verification: make a report's numbers again from its own manifest and compare every one."""

from alliance_bayes.verify.verification import Verification, verify_report

__all__ = ["Verification", "verify_report"]
