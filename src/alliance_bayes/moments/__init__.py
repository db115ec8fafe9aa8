"""Moments: from rows to counts, means and cross-products by cell."""

from __future__ import annotations

from alliance_bayes.moments.histogram import Histogram
from alliance_bayes.moments.moments import Moments
from alliance_bayes.moments.rows import moments_of

__all__ = ["Histogram", "Moments", "moments_of"]
