"""How many rows each model was fitted to, as the page may say it."""

from __future__ import annotations

from collections.abc import Mapping

from alliance_bayes.fit import FittedModel
from alliance_bayes.report.counts import NOT_SHOWN
from alliance_bayes.report.left_out import ShownFlow
from alliance_bayes.report.text import count
from alliance_bayes.study.bench import Fitted

__all__ = ["analysed", "rows_text", "shown_rows"]

# Whose rows are not people but sessions, of which no few can be told.
_OF_SESSIONS = ("growth",)


def analysed(made: Fitted) -> int:
    """Rows that a model was fitted to; people, for the model of single ratings."""
    return made.fit.flow.analysed if isinstance(made.fit, FittedModel) else int(made.fit.info["people"])


def shown_rows(fitted: Mapping[str, Fitted], small: int) -> dict[str, int | None]:
    """Numbers of rows by model, None where one is not told.

    Parameters
    ----------
    fitted
        The models by name; among them ``outcome_everybody``, and ``outcome_elevated`` where it is fitted.
    small
        Fewest people that a shown count stands for.

    Notes
    -----
    A model's rows are mostly another's, so that differences of such numbers, and differences of differences, count the
    few who lack a value. Told are therefore only those analysed for the association, everybody in the table where the
    flow tells it, the elevated where neither they nor the others are few, and what is the same as one of these.
    """
    first = fitted["outcome_everybody"].fit
    assert isinstance(first, FittedModel)
    flow = ShownFlow.of(first.flow, small)
    told = {flow.analysed, flow.total}
    if "outcome_elevated" in fitted:
        elevated = analysed(fitted["outcome_elevated"])
        if min(elevated, flow.analysed - elevated) >= small:
            told.add(elevated)
    sizes = {name: analysed(made) for name, made in fitted.items()}
    return {name: size if size in told or name in _OF_SESSIONS else None for name, size in sizes.items()}


def rows_text(number: int | None) -> str:
    """The number in a table, or a dash."""
    return NOT_SHOWN if number is None else count(number)
