"""The report: one self-contained page for clinicians and statisticians, and its numbers as JSON."""

from alliance_bayes.report.finding import Finding
from alliance_bayes.report.page import FORMAT, Rendered
from alliance_bayes.report.registry import SECTIONS
from alliance_bayes.report.report import Report
from alliance_bayes.report.sections import Section
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table
from alliance_bayes.report.view import View

__all__ = ["FORMAT", "SECTIONS", "Finding", "Picture", "Rendered", "Report", "Section", "Table", "View"]
