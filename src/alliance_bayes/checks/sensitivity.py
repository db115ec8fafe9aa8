"""Whether the conclusion about what is asked hangs on the prior, on the lowest ratings or on one group."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alliance_bayes.checks.check import Check, CheckResult, Plot, Verdict, some
from alliance_bayes.checks.context import Context
from alliance_bayes.checks.drawing import EXPECTED, GREY, OBSERVED, TEXT, WIDTH, axes_of, label_of, short
from alliance_bayes.checks.power_scaling import LIMIT, power_scaling
from alliance_bayes.checks.refits import (
    PROB,
    Refit,
    asked,
    called,
    error_of_shifts,
    is_asked,
    refit,
    refit_rows,
    summary,
    why_not,
)
from alliance_bayes.checks.stated import extent, of_other_scales, stated, stated_at, under_other_scales
from alliance_bayes.effects.at import at_words
from alliance_bayes.effects.summary import Estimate
from alliance_bayes.effects.table import EffectTable, steady
from alliance_bayes.fit import FittedModel
from alliance_bayes.model.defaults import PRIOR_SETS
from alliance_bayes.model.scales import Scale
from alliance_bayes.readonly import ReadOnly

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Influence", "PriorSensitivity", "numbers_of", "prior_driven"]

#: Who is left out together are so many people at least, and the largest levels of a factor with many.
FEWEST, MOST = 20, 12
#: Of so many numbers a sentence and a figure speak; the table has all.
MOST_SAID = 3
#: A shift of so many posterior SDs is worth a word even when the sign stays settled.
SHIFT = 1.0


class PriorSensitivity(Check):
    """Fit again under every named set of priors, and scale the priors' weight.

    ``warn`` when the sign of the slope, or of a difference of the focal factor's levels, is settled (its 89 % interval
    excludes zero) under some priors only, when its mean moves by a posterior SD, or when any number that a finding
    states or rests on (slope, differences, products, SDs of sampled levels) depends on the priors: by power-scaling or,
    where a refit takes a fraction of a second, with the scales of all priors halved and doubled. So does any row of the
    effects with some predictors set (``at``), by its id. The table has a row a refit (columns of
    :func:`~alliance_bayes.checks.refits.summary`; of every difference, which ``quantity`` names) where there are any,
    ``details`` (else the table) a row a number or parameter: ``depends`` is "yes" or "no" of the numbers, and
    ``times_limit`` how much it moves as a multiple of what counts.

    Notes
    -----
    This is no test and has no rate of false alarms: with few data every conclusion hangs on the prior.
    """

    name = "prior_sensitivity"
    judges = "priors"
    tabled = True
    sees_rows = False
    title = "Sensitivity to the prior"
    looks_at = "sensitivity of what findings state to the priors"
    meaning = (
        "The data are too few to settle by themselves all that findings state: what is said of the numbers that the "
        "check names is said under these priors."
    )
    concerns = ("effects",)
    section = "sensitivity"
    answers = ("BARG 5", "WAMBS 8", "WAMBS 9")

    def examine(self, context: Context) -> CheckResult:
        """Fit again under every named set of priors and with other scales, and scale the priors' weight."""
        fit = context.fit
        numbers = stated(fit) | stated_at(context.effects)
        if not numbers:
            return self.result("info", "Not done: the model states no association and no difference.")
        reason = why_not(fit, slope=False)
        others = {} if reason else of_other_scales(fit, context.effects)
        details = _of_numbers(fit, numbers, others)
        moving = (details["depends"] == "yes").any()
        dependence = _told(details)
        if reason:
            dependence += f" Refits under other priors were not done: {reason}."
        if not is_asked(fit) or reason:
            verdict: Verdict = "warn" if moving else "pass"
            return self.result(verdict, dependence, details)
        owns = asked(fit)
        refits = [refit(fit, name, priors=priors) for name, priors in _sets(fit)]
        for name, again in others.items():
            draws = {called(estimate): again[called(estimate)].reshape(fit.shape[0], -1) for estimate in owns}
            refits.append(Refit(f"all scales {name}", 0, draws))
        compared = _Compared.of(owns, refits)
        verdict, sentence = compared.judged("under all these priors", "under some of these priors")
        return self.result(
            "warn" if moving else verdict,
            f"{sentence} {dependence}",
            compared.table().rename(columns={"label": "priors"}),
            plots=compared.plots(fit, "prior-sets", "under other priors"),
            details=details,
            rows=compared.rows,
        )

    def restated(self, left: CheckResult, whole: CheckResult) -> str:
        """No number of a difference that may not be shown, and what depends on the priors of those that are left."""
        numbers, all_numbers = map(numbers_of, (left, whole))
        if "depends" not in all_numbers.columns:
            return _without(left, whole)
        moving, all_moving = ((one["depends"] == "yes").sum() for one in (numbers, all_numbers))
        # The verdict is that of all numbers, and needs a reason on a page that does not have those that move.
        others = " Numbers of which nothing may be shown depend on the priors." if moving < all_moving else ""
        dependence = f"{_told(numbers)}{others}".strip()
        if all_numbers is whole.details and len(left.table) < len(whole.table):
            return f"{_without(left, whole)} {dependence}".rstrip()
        return whole.sentence.replace(_told(all_numbers), dependence).strip() or _without(left, whole)

    def answered(self, result: CheckResult) -> tuple[str, ...]:
        """Rows are those of refits under priors that say less; power-scaling alone has none."""
        return self.answers if result.rows is not None else ("BARG 5", "WAMBS 9")


class Influence(Check):
    """Fit again without the lowest ratings of alliance, and without each large level of every sampled factor.

    ``warn`` when the sign of the slope, or of a difference of the focal factor's levels, is settled in some fits only,
    or when its mean moves by a posterior SD; ``info`` where nothing can be fitted again. The table has a row a refit:
    ``label``, ``factor`` and ``level`` (missing for the ratings), ``n`` people left out, and the columns of
    :func:`~alliance_bayes.checks.refits.summary`; of every difference, which ``quantity`` names.

    Notes
    -----
    Fewer than 20 people are not left out on their own, and of a factor with many levels the 12 largest are. This is no
    test and has no rate of false alarms.
    """

    name = "influence"
    judges = "groups"
    tabled = True
    # These people are not those whom the row is of.
    shown_as = ReadOnly({"n": "left_out"})
    sees_rows = False
    title = "Sensitivity to the lowest ratings and to single groups"
    looks_at = "sensitivity of the focal estimate to the lowest ratings and to the largest levels of sampled factors"
    meaning = "A few people, or one group, weigh heavily in the association. It may not hold for others."
    concerns = ("effects",)
    needs_rows = "Leaving people out"
    section = "sensitivity"

    def examine(self, context: Context) -> CheckResult:
        """Fit again without the lowest ratings, and without each large level of every sampled factor."""
        fit = context.fit
        cases = list(cases_of(fit))
        reason = why_not(fit) or (
            ""
            if cases
            else f"no level of a sampled factor has {FEWEST} people, and so many are not low on the predictor"
        )
        if reason:
            return self.result("info", f"Not done: {reason}.")
        refits = [refit(fit, label, keep=keep) for label, _, _, keep in cases]
        compared = _Compared.of(asked(fit), refits)
        table, times = compared.table(), len(compared.tables)
        table.insert(1, "factor", pd.Series([None, *(factor for _, factor, _, _ in cases)] * times, dtype="str"))
        table.insert(2, "level", pd.Series([None, *(level for _, _, level, _ in cases)] * times, dtype="str"))
        table.insert(3, "n", [0, *(again.excluded for again in refits)] * times)
        verdict, sentence = compared.judged("whatever is left out", "in these fits")
        plots = compared.plots(fit, "left-out", "with some left out")
        return self.result(
            verdict,
            sentence,
            table,
            plots=tuple(replace(figure, fewest=FEWEST, whole=True) for figure in plots),
            rows=compared.rows,
        )

    def restated(self, left: CheckResult, whole: CheckResult) -> str:
        """No number of a difference that may not be shown."""
        return _without(left, whole)


@dataclass(frozen=True, eq=False)
class _Compared:
    """What the model is asked, of the fit and of its refits: one part a number."""

    owns: tuple[Estimate, ...]
    parts: tuple[EffectTable, ...]
    tables: tuple[pd.DataFrame, ...]

    @classmethod
    def of(cls, owns: Sequence[Estimate], refits: Sequence[Refit]) -> _Compared:
        """Summarise the numbers of a fit and of its refits."""
        parts = tuple(refit_rows(estimate, refits) for estimate in owns)
        return cls(tuple(owns), parts, tuple(summary(part, refits) for part in parts))

    @property
    def rows(self) -> EffectTable:
        """The rows of all numbers."""
        return self.parts[0] if len(self.parts) == 1 else EffectTable.concat(self.parts)

    def table(self) -> pd.DataFrame:
        """A row a number and refit; differences are named, of which a page may not show all."""
        named = [
            table if estimate.versus is None else table.assign(quantity=called(estimate))
            for estimate, table in zip(self.owns, self.tables, strict=True)
        ]
        return pd.concat(named, ignore_index=True)

    def judged(self, everywhere: str, here: str) -> tuple[Verdict, str]:
        """Whether every conclusion about a sign is the same in all fits; the worst verdict, and what was found."""
        judgements = [
            _judged(table, error_of_shifts(part), called(estimate), everywhere, here)
            for estimate, part, table in zip(self.owns, self.parts, self.tables, strict=True)
        ]
        verdicts = [verdict for verdict, _ in judgements]
        worst: Verdict = "warn" if "warn" in verdicts else "pass" if "pass" in verdicts else "info"
        if worst == "pass" and len(judgements) > 1:
            return worst, self._calm(everywhere)
        sentences = [sentence for verdict, sentence in judgements if verdict == worst]
        rest = len(judgements) - len(sentences)
        others = f" The other {rest} keep their conclusion." if rest and worst == "warn" else ""
        return worst, " ".join(sentences[:MOST_SAID]) + _more(len(sentences) - MOST_SAID) + others

    def _calm(self, everywhere: str) -> str:
        """That no conclusion changes, and which number moves most."""
        # Together, since what is steady within one number says nothing of which number moves most.
        shifts = steady(pd.concat([table["shift"].abs() for table in self.tables])).to_numpy()
        place = int(np.nanargmax(shifts))
        most = int(np.searchsorted(np.cumsum([len(table) for table in self.tables]), place, side="right"))
        furthest = [record for table in self.tables for record in table.to_dict("records")][place]
        return (
            f"Whether the {PROB:.0%} interval of a difference excludes zero is the same {everywhere} for each of the "
            f"{len(self.tables)}; a mean moves by {abs(furthest['shift']):.2f} posterior SDs at most "
            f"({called(self.owns[most])}, {furthest['label']}; Monte Carlo standard error "
            f"{max(map(error_of_shifts, self.parts)):.2f})."
        )

    def plots(self, fit: FittedModel, name: str, when: str) -> tuple[Plot, ...]:
        """One figure a number."""
        single = len(self.owns) == 1
        figures = (
            side_by_side(fit, name if single else f"{name}-{number}", when, called(estimate), part)
            for number, (estimate, part) in enumerate(zip(self.owns[:MOST_SAID], self.parts, strict=False), 1)
        )
        # Of a difference that a page may not show, there is no figure either.
        return tuple(
            replace(plot, whole=estimate.versus is not None) for plot, estimate in zip(figures, self.owns, strict=False)
        )


def _more(number: int) -> str:
    return f" So do {number} more, which the table has." if number > 0 else ""


def _without(left: CheckResult, whole: CheckResult) -> str:
    """What is said where some differences may not be shown."""
    if len(left.table) == len(whole.table):
        return whole.sentence
    return (
        "Some of the differences that were looked at are of levels of which nothing may be shown; the table has the "
        "others, if any."
    )


def _of_numbers(
    fit: FittedModel, numbers: Mapping[str, np.ndarray], others: Mapping[str, Mapping[str, np.ndarray]]
) -> pd.DataFrame:
    """How stated numbers and parameters depend on the priors: ``times_limit`` is as a multiple of what counts.

    ``depends`` says of each number that findings state or rest on whether it does, and is empty for other parameters.
    """
    table = power_scaling(fit, numbers)
    times = np.nan_to_num(table["prior"].to_numpy(float)) / LIMIT
    if others:
        shifts = under_other_scales(numbers, others)
        extents = dict(zip(shifts.index, extent(shifts), strict=True))
        times = np.fmax(times, [extents.get(name, 0.0) for name in table["quantity"]])
        table = table.merge(shifts, how="left", left_on="quantity", right_index=True)
    stated_ones = table["quantity"].isin(list(numbers)).to_numpy()
    return table.assign(times_limit=times, depends=np.where(stated_ones, np.where(times > 1, "yes", "no"), ""))


def numbers_of(result: CheckResult) -> pd.DataFrame:
    """The rows of :class:`PriorSensitivity` that are of numbers: its details, or its table where it has no refits."""
    return result.details if "depends" in result.details.columns else result.table


def prior_driven(details: pd.DataFrame) -> list[str]:
    """What depends on the priors by much, of the rows of :func:`numbers_of`, in their order."""
    return details.loc[details["times_limit"] > 1, "quantity"].tolist()


def _told(table: pd.DataFrame) -> str:
    """How many of the stated numbers of a table depend on the priors, and which does most; empty where it has none."""
    numbers = table[table["depends"] != ""]
    moving = numbers[numbers["depends"] == "yes"]
    if not len(numbers):
        return ""
    if not len(moving):
        # Which priors these are is another question, of which the refits under the named sets tell.
        moved = "do not move the number" if len(numbers) == 1 else f"move none of the {len(numbers)} numbers"
        return f"Stronger or weaker priors of the same kind {moved} that findings state or rest on."
    worst = str(moving["quantity"].iloc[int(steady(moving["times_limit"]).to_numpy().argmax())])
    if len(numbers) == 1:
        return f"The number that findings state or rest on depends on the priors: {_named(worst)}."
    depend, most = ("depends", "") if len(moving) == 1 else ("depend", ", most of all")
    some = f"{len(moving)} of the {len(numbers)}"
    if len(moving) == len(numbers):
        some = "Both" if len(numbers) == 2 else f"All {len(numbers)}"
    which = f"{some} numbers that findings state or rest on"
    return f"{which} {depend} on the priors{most}: {_named(worst)}."


def _named(quantity: str) -> str:
    """What a number is called in a sentence: of a row with some predictors set, its measure and the values."""
    *parts, at = quantity.split("/at ")
    return f"{parts[0].split('/')[0].replace('_', ' ')} {at_words(at)}" if parts else quantity


def _sets(fit: FittedModel) -> list[tuple[str, dict[str, Any]]]:
    """Named sets with the analyst's own priors, but for that of the slope: the sets are about nothing else."""
    focal = fit.spec.focal_predictor(fit.design)
    if focal != fit.spec.alliance or why_not(fit):
        return []
    priors = {name: prior for name, prior in fit.spec.given_priors.items() if name != focal}
    return [(name, {"set": name, **priors}) for name in PRIOR_SETS]


def cases_of(fit: FittedModel) -> Iterator[tuple[str, str | None, str | None, np.ndarray]]:
    """Label, factor, level, and which rows stay."""
    frame, focal = fit.design.frame, fit.spec.focal_predictor(fit.design)
    if focal == fit.spec.alliance and (middle := _middle(fit.design.scales.get(focal))) is not None:
        low = frame[focal].to_numpy(float) < middle
        if fit.count_people(low) >= FEWEST and low.sum() < len(low) / 2:
            yield f"without {focal} below {middle:g}", None, None, ~low
    for factor in fit.design.factors:
        if factor.exhaustive or len(factor.levels) < 3:
            continue
        codes, _ = fit.design.levels_of(factor.name)
        # Of people with several rows each counts once at a level.
        each = codes if fit.people is None else np.unique(np.column_stack([codes, fit.people]), axis=0)[:, 0]
        sizes = np.bincount(each, minlength=len(factor.levels))[: len(factor.levels)]
        largest = [level for level in np.argsort(-sizes, kind="stable")[:MOST] if sizes[level] >= FEWEST]
        for level in largest:
            label = factor.levels[level]
            yield f"without {factor.name} {label}", factor.name, label, codes != level


def _middle(scale: Scale | None) -> float | None:
    """The middle of a scale of ratings (3 of 1 to 5, 36 of 12 to 60): those below are few, and far from the others."""
    if scale is None or scale.lower is None or scale.upper is None or scale.lower < 0:
        return None
    return (scale.lower + scale.upper) / 2


def _judged(table: pd.DataFrame, error: float, quantity: str, everywhere: str, here: str) -> tuple[Verdict, str]:
    """Whether the conclusion about the sign is the same in all fits, and by how much a number moves, and its error."""
    fitted = table.dropna(subset=["mean"])
    failed = len(table) - len(fitted)
    tail = f" {failed} could not be fitted." if failed else ""
    if len(fitted) < 2:
        return "info", f"Nothing could be fitted again.{tail}"
    shifts = fitted["shift"].abs().astype(float)
    furthest = str(fitted["label"].iloc[int(steady(shifts).to_numpy().argmax())])
    moved = (
        f"the mean {quantity} goes from {_written(fitted['mean'])}, at most "
        f"{shifts.max():.2f} posterior SDs from the one fitted ({furthest}; Monte Carlo standard error {error:.2f})"
    )
    settled = fitted["settled"] == "yes"
    signs = set(np.sign(fitted.loc[settled, "mean"]))
    if settled.any() and (not settled.all() or len(signs) > 1):
        names = some(fitted.loc[settled, "label"].astype(str))
        return "warn", (
            f"The conclusion about the sign of the {quantity} depends on it: the {PROB:.0%} interval excludes zero "
            f"{here} only: {names}; {moved}. Say so wherever the {quantity} is reported.{tail}"
        )
    verdict: Verdict = "pass" if shifts.max() < SHIFT else "warn"
    how = "excludes" if settled.all() else "includes"
    return verdict, f"The {PROB:.0%} interval of the {quantity} {how} zero {everywhere}; {moved}.{tail}"


def _of_refits(means: Sequence[float]) -> str:
    """How many refits there are, and their means."""
    if not means:
        return "no refit"
    if len(means) == 1:
        return f"one refit ({_written(means)})"
    return f"{len(means)} refits, whose means go from {_written(means)}"


def _written(means: Sequence[float] | pd.Series) -> str:
    """The least and the greatest of some means, or one: two decimals, or more where all are small."""
    ends = sorted({float(np.min(means)), float(np.max(means))})
    largest = max(map(abs, ends))
    places = 2 if not 0 < largest < 0.1 else 1 - math.floor(math.log10(largest))
    return " to ".join(f"{end:.{places}f}" for end in (ends if len(ends) > 1 or len(means) == 1 else ends * 2))


def side_by_side(fit: FittedModel, name: str, when: str, quantity: str, rows: EffectTable) -> Plot:
    """Mean and interval of a number as fitted and of every refit.

    Parameters
    ----------
    fit
        For labels.
    name, when
        Name of the figure, and what the refits have in common, for its title.
    what
        What is drawn: the slope, what stands in its place, or a difference.
    rows
        Those of :func:`~alliance_bayes.checks.refits.refit_rows`; what could not be fitted is not drawn.
    """
    predictor = fit.spec.focal_predictor(fit.design)
    title, outcome = f"{quantity[:1].upper()}{quantity[1:]}", label_of(fit.design, fit.design.outcome.name)
    of = f"{title}\nof {outcome}" if predictor is None else f"{title} of {outcome}\non {predictor}"
    labels, means = rows["term"].tolist(), rows["mean"].tolist()

    def draw(figure: Figure) -> None:
        (axes,) = axes_of(figure)
        for place, (mean, low, high) in enumerate(zip(means, rows["lower"], rows["upper"], strict=True)):
            color = OBSERVED if place == 0 else EXPECTED
            axes.plot([low, high], [place, place], color=color, linewidth=2, solid_capstyle="butt", label="interval")
            axes.plot([mean], [place], "o", color=color, markersize=6, label="mean")
        axes.axvline(0, color=GREY, linewidth=1)
        axes.set_yticks(range(len(rows)), [short(label, 34) for label in labels], fontsize=TEXT)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlabel(f"{of}, {PROB:.0%} equal-tailed interval")

    return Plot(
        name,
        f"{title} {when}",
        f"Mean and {PROB:.0%} interval of the {quantity} as fitted ({_written(means[:1])}) and of "
        f"{_of_refits(means[1:])}.",
        draw,
        (WIDTH, 1.3 + 0.27 * len(rows)),
    )
