"""What the sentences of a part's file may say of a row of estimates."""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd

from alliance_bayes.model import Design
from alliance_bayes.report.estimates import Estimates
from alliance_bayes.report.rows import condition
from alliance_bayes.report.text import over_words, percent
from alliance_bayes.report.verdicts import more_or_less, slope_sentence, within_margin

__all__ = ["share_words", "spoken"]


def share_words(estimates: Estimates, row: pd.Series) -> str:
    """A share as a percentage with its interval: "41% (89% equal-tailed interval 39% to 43%)"."""
    # A tenth of a percentage point is as much as anybody reads of a share.
    places = min(1, max(0, estimates.places(row) - 2))
    ends = f"{percent(float(row['lower']), places)} to {percent(float(row['upper']), places)}"
    return f"{percent(float(row['mean']), places)} ({estimates.spoken(row).split(' interval ')[0]} interval {ends})"


def spoken(estimates: Estimates, row: pd.Series, design: Design | None = None) -> dict[str, Any]:
    """What the sentences of a part's file may say of a row, as ``{{ row.mean }}``; the design is that of its model."""
    over = "" if design is None else over_words(design, str(row["population"]))
    return {
        "mean": estimates.mean(row),
        "interval": estimates.spoken(row),
        "share": share_words(estimates, row),
        "in_rope": estimates.share_spoken(row, "p_rope"),
        "level": condition(str(row["level"])),
        "versus": condition(str(row["versus"])),
        "more_or_less": partial(more_or_less, estimates, row),
        "slope": partial(slope_sentence, estimates, row, over=over),
        "within_margin": partial(within_margin, estimates, row, margin=float(row["rope_high"])),
    }
