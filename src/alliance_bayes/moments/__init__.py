"""Moments: from rows to counts, means and cross-products by cell."""

from __future__ import annotations

from alliance_bayes.moments.files import check_belongs, load_moments, save_moments
from alliance_bayes.moments.from_rows import moments_of
from alliance_bayes.moments.histogram import Histogram
from alliance_bayes.moments.minimum import with_minimum
from alliance_bayes.moments.moments import Moments, fingerprint
from alliance_bayes.moments.pushdown import reduce_table

__all__ = [
    "Histogram",
    "Moments",
    "check_belongs",
    "fingerprint",
    "load_moments",
    "moments_of",
    "reduce_table",
    "save_moments",
    "with_minimum",
]
