"""Comparison of a study's fits by leave-one-out prediction, in seconds."""

from __future__ import annotations

from collections.abc import Mapping

from alliance_bayes.api import Fit
from alliance_bayes.checks.comparison import Comparison, compare
from alliance_bayes.report.tables import Table, frame_table

__all__ = ["compared", "score_table"]

# Draws of a fit that importance sampling of every row is given at least. Its error is far below the standard error of a
# difference, which comes from the rows; time is proportional to the draws.
DRAWS = 1200


def compared(fits: Mapping[str, Fit]) -> Comparison:
    """Compare fits; see :func:`alliance_bayes.checks.comparison.compare`."""
    return compare({name: fit.thinned(max(1, fit.shape[0] * fit.shape[1] // DRAWS)) for name, fit in fits.items()})


def score_table(comparison: Comparison, *, name: str, what: str, note: str) -> Table:
    """A comparison as a table of the page.

    Parameters
    ----------
    comparison
        Of models that are all scored alike.
    name
        Id in the page.
    what
        What is compared, as the caption begins.
    note
        What needs saying below it.
    """
    (score,) = set(comparison.table["score"])
    return frame_table(
        comparison.table.drop(columns=["family", "score"]),
        name=name,
        caption=f"{what}: leave-one-out log score of the {score} (ELPD), the better first; stacking weights",
        note=f"{comparison.sampled} {note}".strip(),
    )
