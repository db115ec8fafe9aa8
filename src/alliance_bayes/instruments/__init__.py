"""Instruments: what they are, how they are scored, what their scores mean, and how reliable they are."""

from __future__ import annotations

from alliance_bayes.instruments.catalogue import (
    ALLIANCE2,
    INSTRUMENTS,
    PHQ2,
    PHQ9,
    SRS,
    WAI,
    WAI_S,
    WAI_SR,
    WHO5,
    instrument,
    known_as,
)
from alliance_bayes.instruments.definition import Band, Figure, Instrument, MissingItems, Reference, Threshold
from alliance_bayes.instruments.meaning import band, improved, meets, recovered
from alliance_bayes.instruments.reliability import Reliability, cronbach_alpha, mcdonald_omega, spearman_brown
from alliance_bayes.instruments.scoring import item_problems, item_values, recode, score
from alliance_bayes.instruments.significance import clinical_cutoff, reliable_change, significant_change

__all__ = [
    "ALLIANCE2",
    "INSTRUMENTS",
    "PHQ2",
    "PHQ9",
    "SRS",
    "WAI",
    "WAI_S",
    "WAI_SR",
    "WHO5",
    "Band",
    "Figure",
    "Instrument",
    "MissingItems",
    "Reference",
    "Reliability",
    "Threshold",
    "band",
    "clinical_cutoff",
    "cronbach_alpha",
    "improved",
    "instrument",
    "item_problems",
    "item_values",
    "known_as",
    "mcdonald_omega",
    "meets",
    "recode",
    "recovered",
    "reliable_change",
    "score",
    "significant_change",
    "spearman_brown",
]
