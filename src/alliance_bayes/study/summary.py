"""The study's summary of findings: one table of at most seven rows, the main aim first, then the others in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import pandas as pd

from alliance_bayes.api import Fit
from alliance_bayes.report.answer import Answer, contrast_row
from alliance_bayes.report.checked import Checked
from alliance_bayes.report.estimates import words_of
from alliance_bayes.report.held import Mark, is_of_contrast, marks_of
from alliance_bayes.report.phrases import under_other_priors
from alliance_bayes.report.rows import rows_of
from alliance_bayes.report.summary import (
    MOST,
    SummaryRow,
    estimate_words,
    margin_words,
    margins_of,
    span_words,
)
from alliance_bayes.report.summary import SENTENCES as LABELS
from alliance_bayes.report.text import (
    Row,
    capital,
    exact,
    factor_name,
    number,
    percent,
    units,
)
from alliance_bayes.report.verdicts import (
    claim,
    plain_words,
    settled_words,
    standings_words,
    sure_words,
    told_apart,
    under_models,
)
from alliance_bayes.report.view import View
from alliance_bayes.study.answers import Answers
from alliance_bayes.study.bend import bend_of
from alliance_bayes.study.checking import ModelChecks
from alliance_bayes.study.declared import chosen_rows
from alliance_bayes.study.first import MAIN, Told, view_of
from alliance_bayes.study.part import Block
from alliance_bayes.study.ratings import differing_ranks
from alliance_bayes.study.tables import prefix_of, rows_text, shown, shown_rows
from alliance_bayes.wording import Wording

__all__ = ["study_summary"]

SENTENCES = Wording("alliance_bayes.study", "summary.toml")
#: Factor by which ratings are compared in the table; by others they are in the findings in full.
_RATED_BY = "provider_type"


def study_summary(
    study: Answers, answer: Answer, models: Mapping[str, ModelChecks], *, told: Told
) -> tuple[SummaryRow, ...]:
    """The rows of a study, those of what is withheld left out.

    Parameters
    ----------
    study
        The study.
    answer
        What its page says first.
    models
        The checks by model.
    told
        See :class:`View`.
    """
    summary = _Summary(study, answer, models, told)
    return tuple(summary.rows())[:MOST]


class _Summary:
    """Makes the rows from the study's blocks."""

    def __init__(self, study: Answers, answer: Answer, models: Mapping[str, ModelChecks], told: Told) -> None:
        self._study, self._answer, self._models, self._told = study, answer, models, told
        self._blocks = {block.name: block for part in study.parts.values() for block in part.blocks}
        self._sizes = shown_rows(study.fitted, study.options.small)

    def rows(self) -> Iterator[SummaryRow]:
        """All that there are, in the order of the aims."""
        makers: tuple[tuple[str, Callable[[Block], SummaryRow | None]], ...] = (
            (MAIN, partial(self._association, "outcome_everybody", "association")),
            ("association-elevated", partial(self._association, "outcome_elevated", "association_elevated")),
            ("change-means", self._change),
            ("change-improved-elevated", self._shares),
            ("ratings-expected", self._ratings),
            ("moderation", self._moderation),
            ("association-curve", self._curve),
        )
        for name, make in makers:
            block = self._blocks.get(name)
            if block is not None and not block.withheld and (row := make(block)) is not None:
                yield row

    def _checked(self, model: str) -> Checked:
        return self._models[model].checked if model in self._models else Checked(())

    def _view(self, block: Block, model: str) -> View:
        fit = self._study.fitted[model].fit
        assert isinstance(fit, Fit)
        return view_of(self._study, block, fit, told=self._told, checked=self._checked(model))

    def _people(self, model: str) -> str:
        return rows_text(self._sizes[model])

    def _association(self, model: str, name: str, block: Block) -> SummaryRow | None:
        view = self._view(block, model)
        row = contrast_row(view.fit, view.estimates, small=view.small)
        if row is None:
            return None
        direction = under_other_priors(claim(row), view.checked)
        cost = self._answer.dropped if block.name == MAIN else None
        marks = marks_of(view, partial(is_of_contrast, row), main=True, cost=cost)
        if block.name == MAIN:
            marks = _with(marks, "families", *self._under_families())
        return SummaryRow(
            name,
            SENTENCES(name, elevated=exact(self._study.options.elevated)),
            self._people(model),
            estimate_words(view.fit, view.estimates, row),
            *margin_words(view.estimates, row),
            sure_words(view.estimates, row, direction),
            plain_words(view.fit, row, direction, SENTENCES("with_more") if block.name == MAIN else ""),
            marks,
            (str(row.name),),
            margins_of(row),
        )

    def _under_families(self) -> tuple[str, str]:
        """Whether the slope's direction is the same under every family that was tried, and where that is."""
        block = self._blocks.get("families-slopes")
        if block is None or block.withheld:
            return "", ""
        rows = chosen_rows(block.rows, "slope_p10_p90")
        same, _ = under_models({str(name): row for name, row in rows.iterrows()})
        return ("pass" if same else "warn"), block.name

    def _change(self, block: Block) -> SummaryRow | None:
        view = self._view(block, "change_elevated")
        row = next(
            (row for _, row in view.estimates.where("overall_mean").iterrows() if _prefix(row) == "elevated"), None
        )
        if row is None:
            return None
        regression, alone = self._blocks.get("change-regression"), []
        if regression is not None and not regression.withheld:
            estimates = shown(regression.rows.under(regression.name))
            rows = [one for _, one in estimates.where("regression_to_mean").iterrows()]
            alone = [one for one in rows if str(one["level"]).startswith("at most")]
        # In points: as a share it would be one of another model's change.
        points = [estimates.mean(one) for one in sorted(alone, key=lambda one: float(one["mean"]))]
        direction = claim(row)
        words = plain_words(view.fit, row, direction, SENTENCES("at_followup"))
        return SummaryRow(
            "change_elevated",
            SENTENCES("change_elevated", elevated=exact(self._study.options.elevated)),
            self._people("change_elevated"),
            estimate_words(view.fit, view.estimates, row),
            *margin_words(view.estimates, row),
            sure_words(view.estimates, row, direction),
            SENTENCES("change_words", words=words, low=next(iter(points), ""), high=next(reversed(points), "")),
            marks_of(view, lambda called: False),
            (str(row.name), *(str(one.name) for one in alone)),
            margins_of(row),
        )

    def _shares(self, block: Block) -> SummaryRow | None:
        after = self._blocks.get("change-recovered-elevated")
        blocks = {"improved": block} | ({"recovered": after} if after is not None and not after.withheld else {})
        shares, rows = [], []
        for event, of in blocks.items():
            estimates = shown(of.rows.under(of.name))
            row = next((row for _, row in estimates.where("share_at_least").iterrows() if pd.isna(row["factor"])), None)
            if row is not None:
                mean, ends = estimates.percentages(row, most=1)
                shares.append(SENTENCES("share", mean=mean, ends=ends, event=SENTENCES(event)))
                rows.append(str(row.name))
        if not shares:
            return None
        options = self._study.options
        marks = marks_of(self._view(block, "change_elevated"), lambda called: False)
        return SummaryRow(
            "shares",
            SENTENCES("shares", improvement=exact(options.improvement), elevated=exact(options.elevated)),
            self._people("change_elevated"),
            "; ".join(shares),
            "–",
            "–",
            "–",
            SENTENCES("shares_words"),
            _with(marks, "families", *self._under_events(blocks)),
            tuple(rows),
        )

    def _under_events(self, blocks: Mapping[str, Block]) -> tuple[str, str]:
        """Whether the model of the event itself, where it was fitted, gives about the same share as the score's."""
        apart = []
        for block in blocks.values():
            rows = chosen_rows(block.rows, "share_at_least")
            whole = [row for _, row in rows[rows["factor"].isna()].iterrows()]
            if len(whole) > 1:
                apart.append(min(row["upper"] for row in whole) < max(row["lower"] for row in whole))
        return ("" if not apart else "warn" if any(apart) else "pass"), block.name

    def _ratings(self, block: Block) -> SummaryRow | None:
        view = self._view(block, "alliance_gaussian")
        contrasts = view.estimates.where("contrast_of_means", factor=_RATED_BY)
        contrasts = contrasts[contrasts["mean"].notna()]
        if contrasts.empty:
            return None
        rows = rows_of(contrasts)

        def about(called: str) -> bool:
            return called.startswith(f"difference in level by {_RATED_BY}: ")

        return SummaryRow(
            "ratings",
            SENTENCES("ratings", factor=factor_name(_RATED_BY)),
            self._people("alliance_gaussian"),
            span_words(view.estimates, rows, _unit(rows)),
            standings_words(rows),
            "–",
            settled_words(rows),
            capital(self._rated_apart(contrasts)),
            _with(marks_of(view, about), "families", *self._under_ceiling()),
            tuple(map(str, contrasts.index)),
            (margins_of(rows[0])[0], ""),
        )

    def _rated_apart(self, rows: pd.DataFrame) -> str:
        """Differences of means in words, and whether ratings as they were given say more."""
        block, apart = self._blocks.get("ratings-observed"), False
        for _, row in rows.iterrows() if block is not None else ():
            assert block is not None
            pair = (block.rows["level"] == row["level"]) & (block.rows["versus"] == row["versus"])
            ranks = block.rows[pair & (block.rows["estimand"] == "probability_of_superiority")]
            apart |= bool(differing_ranks(ranks)) and not claim(row).settled
        return SENTENCES("rated_apart", said=told_apart(rows_of(rows)), apart=apart)

    def _under_ceiling(self) -> tuple[str, str]:
        """Whether families that know of the ceiling say the same of every pair."""
        block = self._blocks.get("ratings-families")
        if block is None or block.withheld:
            return "", ""
        rows = chosen_rows(block.rows, "contrast_of_means")
        rows = rows[rows["factor"] == _RATED_BY]
        pairs = rows.groupby(["level", "versus"], sort=False)
        same = [under_models({str(name): row for name, row in pair.iterrows()})[0] for _, pair in pairs]
        return ("pass" if all(same) else "warn"), block.name

    def _moderation(self, block: Block) -> SummaryRow | None:
        view = self._view(block, "moderation")
        pairs = chosen_rows(view.estimates.table, "pairs")
        pairs = pairs[pairs["mean"].notna()]
        if pairs.empty:
            return None
        rows = rows_of(pairs)
        products = {f"alliance:{name}" for name in ("who5_baseline", "n_sessions")}

        def about(called: str) -> bool:
            return called in products or called.startswith("difference in slope of alliance by ")

        return SummaryRow(
            "moderation",
            SENTENCES("moderation"),
            self._people("moderation"),
            SENTENCES("per_point", span=span_words(view.estimates, rows, _unit(rows))),
            standings_words(rows),
            "–",
            settled_words(rows),
            # Of products there are no levels whose slopes could be looked at.
            capital(told_apart(rows, ())),
            marks_of(view, about),
            tuple(map(str, pairs.index)),
            (margins_of(rows[0])[0], ""),
        )

    def _curve(self, block: Block) -> SummaryRow | None:
        compared = self._study.parts["association"].numbers.get("line_against_spline")
        if not isinstance(compared, pd.DataFrame):
            return None
        bend = bend_of(compared)
        return SummaryRow(
            "curve",
            SENTENCES("curve"),
            self._people("dose_response"),
            SENTENCES("curve_estimate", gap=number(bend.gap, 1), se=number(bend.se, 1), ahead=bend.ahead),
            "–",
            "–",
            SENTENCES("curve_sure", weight=percent(bend.weight_of_better)),
            bend.words,
            marks_of(self._view(block, "dose_response"), lambda called: False),
            tuple(str(name) for name in block.rows.under(block.name).index),
        )


def _with(marks: tuple[Mark, ...], name: str, verdict: str, where: str) -> tuple[Mark, ...]:
    """Marks with one of them made."""
    label = LABELS(name)
    return tuple(replace(mark, verdict=verdict, where=where) if mark.label == label else mark for mark in marks)


def _prefix(row: pd.Series) -> str:
    """The model of a row of a block that stands under its block's name."""
    return prefix_of({"id": str(row.name).partition("/")[2]})


def _unit(rows: Sequence[Row]) -> str:
    """What differences are in, those of slopes without what they are per."""
    return units(words_of(rows[0], "unit").partition(" per ")[0])
