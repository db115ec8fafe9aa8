"""How many rows each model was fitted to, as the page may say it."""

from __future__ import annotations

from collections.abc import Mapping

from alliance_bayes.fit import FittedModel
from alliance_bayes.report.counts import NOT_SHOWN
from alliance_bayes.report.left_out import ShownFlow
from alliance_bayes.report.text import count
from alliance_bayes.study.bench import Fitted

__all__ = ["analysed", "rows_text", "shown_rows"]

# Those whose numbers the page says in words too come first.
_FIRST = ("outcome_everybody", "outcome_elevated")


def analysed(made: Fitted) -> int:
    """Rows that a model was fitted to; people, for the model of single ratings."""
    return made.fit.flow.analysed if isinstance(made.fit, FittedModel) else int(made.fit.info["people"])


def shown_rows(fitted: Mapping[str, Fitted], small: int) -> dict[str, int | None]:
    """Numbers of rows by model, None where one would tell of a few people.

    Parameters
    ----------
    fitted
        The models by name.
    small
        Fewest people that a shown count stands for: a model's rows are mostly some of another's, so two numbers
        that differ by fewer would be a count of those who lack a value.
    """
    sizes = {name: analysed(made) for name, made in fitted.items()}
    # What the flow of the first tells, which hides what it must.
    first = fitted[_FIRST[0]].fit
    assert isinstance(first, FittedModel)
    flow = ShownFlow.of(first.flow, small)
    told = [flow.analysed, *([] if flow.total is None else [flow.total])]
    shown: dict[str, int | None] = {}
    for name in sorted(sizes, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST)):
        size = sizes[name]
        small_gap = any(0 < abs(size - other) < small for other in told)
        shown[name] = None if small_gap and name != _FIRST[0] else size
        if not small_gap:
            told.append(size)
    return {name: shown[name] for name in sizes}


def rows_text(number: int | None) -> str:
    """The number in a table, or a dash."""
    return NOT_SHOWN if number is None else count(number)
