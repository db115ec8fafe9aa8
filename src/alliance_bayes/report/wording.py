"""Sentences of pages, kept beside the code; see :mod:`alliance_bayes.wording`."""

from alliance_bayes.wording import Wording, filled, read_wording

__all__ = ["Wording", "filled", "read_wording"]
