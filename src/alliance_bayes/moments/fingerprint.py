"""A hash of moments, so that two fits can be told to be of the same data."""

from __future__ import annotations

import hashlib
import json

import numpy as np

from alliance_bayes.moments.moments import Moments

__all__ = ["fingerprint"]


def fingerprint(moments: Moments) -> str:
    """SHA-256 of what the moments say of the rows: labels, counts, means and cross-products."""
    words = [moments.columns, moments.keys, dict(moments.levels), dict(moments.centres)]
    digest = hashlib.sha256(json.dumps(words, sort_keys=True).encode())
    for array in (moments.codes, moments.counts, moments.means, moments.rest, moments.cross):
        digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
    return digest.hexdigest()
