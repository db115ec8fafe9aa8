"""Shares of people as they were observed, beside those that a model implies, as far as they tell of no few people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from alliance_bayes.api import Fit
from alliance_bayes.fit import seen
from alliance_bayes.report.drawn import lacking
from alliance_bayes.report.estimates import text_of
from alliance_bayes.report.small_counts import NOT_SHOWN, hidden_beside, shown_events
from alliance_bayes.report.text import Row, count, percent
from alliance_bayes.report.unions import union_told
from alliance_bayes.study.runner import StudyRunner
from alliance_bayes.study.tables import analysed, shown_rows

__all__ = ["ObservedShares"]

# Differences of scores may miss a whole number of points by rounding alone.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class ObservedShares:
    """Who changed, and whose share of an event may be told.

    Parameters
    ----------
    runner
        Of the study; it has fitted what tells which numbers of rows are shown.
    everybody
        The model of change, whose people are counted.
    low
        Who is among the elevated, shape (n,).
    there
        Whose change was observed, shape (n,).
    events
        Who has each event, shape (n,) each.
    """

    runner: StudyRunner
    everybody: Fit
    low: np.ndarray
    there: np.ndarray
    events: Mapping[str, np.ndarray]

    @classmethod
    def of(cls, runner: StudyRunner, everybody: Fit) -> ObservedShares:
        """Those of a study's model of change; it has baseline and change of everybody."""
        options, frame = runner.options, everybody.design.frame
        before = frame["who5_baseline"].to_numpy(float)
        change = everybody.design.outcome.values
        # Of whom no baseline was observed it is not known.
        low = seen(everybody, "who5_baseline") & (before <= options.elevated)
        observed = seen(everybody, "who5_baseline", everybody.design.outcome.name)
        events = {
            "improved": observed & (change >= options.improvement - _ROUNDING),
            "recovered": observed & low & (before + change > options.elevated + _ROUNDING),
        }
        return cls(runner, everybody, low, observed, events)

    def column(self, event: str, model: Fit, *, elevated: bool) -> Callable[[Row], str] | None:
        """What a table says of a row; None where nothing may be said.

        Parameters
        ----------
        event
            "improved" or "recovered".
        model
            Whose shares stand beside these; of the same people, or a reader would compare what differs.
        elevated
            Whether it is fitted to the elevated only.
        """
        small = self.runner.options.small
        sizes = {size for size in shown_rows(self.runner.fitted, small).values() if size is not None}
        who = self.low if elevated else np.ones_like(self.low)
        size = analysed(self.runner.fitted["change_everybody"])
        # How many lack each score is told of the first model, and a change lacks whoever lacks one of the two.
        names = (self.runner.first.design.outcome.name, "who5_baseline")
        if (
            size not in sizes
            or model.flow.analysed != int(who.sum())
            or not union_told(self.runner.first, names, small)
        ):
            return None
        # Of some it is not known at which level they are.
        answers: dict[str, dict[str, bool]] = {}
        gaps = lacking(self.everybody)

        def told_of(row: Row) -> str:
            factor, level = text_of(row, "factor"), text_of(row, "level")
            if factor not in answers:
                answers[factor] = self._answers(factor)
            if factor in gaps or not answers[factor].get(level if factor else "", False):
                return NOT_SHOWN
            people = who & self.there
            if factor:
                codes, levels = self.everybody.design.levels_of(factor)
                people = people & (codes == levels.index(level))
            n, k = int(people.sum()), int((people & self.events[event]).sum())
            return f"{count(k)} of {count(n)} ({percent(k / n)})" if n else NOT_SHOWN

        return told_of

    def _answers(self, factor: str) -> dict[str, bool]:
        """Of which levels all shares of the page may be told: one is a part of another."""
        low, improved, recovered = self.low, self.events["improved"], self.events["recovered"]
        small, known = self.runner.options.small, factor or None
        # How many of a level were observed is told by each of these.
        beside = [] if self.there.all() else [self.there]
        answers = [
            shown_events(self.everybody, known, [*beside, *events], small)
            for events in ([improved], [low, improved], [low, recovered])
        ]
        hidden = hidden_beside(self.everybody, self.runner.first, factor, small) if factor else frozenset()
        return {level: level not in hidden and all(answer[level] for answer in answers) for level in answers[0]}
