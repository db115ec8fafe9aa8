"""The report: one self-contained page for clinicians and statisticians, and its numbers as JSON."""

from alliance_bayes.report.build import build_report
from alliance_bayes.report.report import FORMAT, Report

__all__ = ["FORMAT", "Report", "build_report"]
