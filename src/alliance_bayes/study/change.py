"""Aim 2: how much well-being changes, who improves and who recovers, and what regression to the mean explains."""

from __future__ import annotations

from typing import Any

from alliance_bayes.cohort.names import CHANGE
from alliance_bayes.effects import EffectTable, responders
from alliance_bayes.effects.regression_to_mean import EVERYBODY, POPULATION_MEAN
from alliance_bayes.report.endpoints import lowest_above
from alliance_bayes.report.estimates import text_of
from alliance_bayes.report.rows import measured
from alliance_bayes.report.text import Row, exact, join
from alliance_bayes.study.declared import DeclaredPart, few_levels
from alliance_bayes.study.observed import ObservedShares
from alliance_bayes.study.options import StudyOptions
from alliance_bayes.study.part import Part
from alliance_bayes.study.populations import population_words
from alliance_bayes.study.predictive import predictive_pictures
from alliance_bayes.study.runner import StudyRunner
from alliance_bayes.study.tables import one_row, shown
from alliance_bayes.study.words import spoken

__all__ = ["change"]


def change(runner: StudyRunner) -> Part:
    """Mean change, improvement and recovery, and how much of the change a low start alone would bring."""
    part = DeclaredPart("change", runner)
    part.fits()
    part.add("means")
    _regression(part)
    _share(part, "improved", "everybody", "everybody")
    _share(part, "improved", "elevated", "elevated")
    _share(part, "recovered", "elevated", "after")
    return part.part()


def _regression(part: DeclaredPart) -> None:
    block, options = part.block("regression"), part.runner.options

    def label(row: Row) -> str:
        who, of_mean, mean = str(row["level"]).partition(POPULATION_MEAN)
        if not of_mean:
            return measured(block.rows, row, level=part.sentence("regression_of_low"))
        measure = measured(block.rows, row, level=mean)
        return part.sentence("regression_label", everybody=who == EVERYBODY, measure=measure)

    low, high = map(exact, options.population_mean)
    usual = options.population_mean == StudyOptions().population_mean
    part.show("regression", block, {"low": low, "high": high, "usual": usual}, label=label)
    if block.withheld:
        return
    estimates = shown(block.rows)
    for start, who, of in (
        (EVERYBODY, "everybody", "mean_change"),
        ("at most", "those with elevated symptoms", "mean_change_selected"),
    ):
        rows = [row for _, row in estimates.where("share_of_regression").iterrows() if row["level"].startswith(start)]
        # A share of a change that may be zero means little.
        shares = [
            part.sentence(
                "regression_part", row=spoken(estimates, row), mean=row["level"].partition(POPULATION_MEAN)[2]
            )
            for row in rows
            if not text_of(row, "note")
        ]
        if shares:
            change = estimates.mean(one_row(block.rows, of))
            cited = [f"{block.name}/{row.name}" for row in rows]
            part.find("regression", cited, who=who, change=change, shares=join(shares))


def _share(part: DeclaredPart, event: str, people: str, model: str) -> None:
    """Who has an event: as the model of the score implies; in the full study a Bernoulli model of it beside that."""
    runner, options = part.runner, part.runner.options
    improved, name = event == "improved", event if people == "everybody" else f"{event}-{people}"
    fits = {"model": part.fit(model)}
    if options.full:
        fits["bernoulli"] = runner.fit(f"bernoulli_{name}", card=event, people=people, changes=_limits(event, options))
    least = options.improvement if improved else lowest_above(options.elevated)
    rows = EffectTable.concat(
        # Shares of those studied, at the levels that they have.
        responders(fit, at_least=cut, factor=few_levels(fit), prob=options.prob, population="sample").under(kind)
        for (kind, fit), cut in zip(fits.items(), (least, 1.0), strict=False)
    )
    values = {
        "share": name,
        "improved": improved,
        "who": population_words(people, options),
        "of_whom": "everybody" if people == "everybody" else "those with elevated symptoms",
        "compared": len(fits) > 1,
        "event": part.sentence("event", improved=improved),
    }
    block, pictures = part.block("shares", rows, fits, values), []
    if name == "improved" and options.full and not block.withheld:
        pictures = predictive_pictures(f"change-{name}", "Bernoulli model", fits["bernoulli"], runner)
    seen = ObservedShares.of(runner, part.fit("everybody"))
    observed = seen.column(event, fits["model"], elevated=people == "elevated")
    part.add("shares", block, values, pictures=pictures, observed=observed)


def _limits(event: str, options: StudyOptions) -> dict[str, Any]:
    """What the study's options change in the card of an event."""
    if event == "improved":
        return {"events": {event: {"column": CHANGE, "at_least": options.improvement}}}
    return {
        "events": {event: {"column": "who5_followup", "above": options.elevated}},
        "among": {"who5_baseline": {"at_most": options.elevated}},
    }
