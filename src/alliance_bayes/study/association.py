"""Aim 3: how alliance and follow-up well-being go together, among everybody and among the elevated."""

from __future__ import annotations

from dataclasses import replace

from alliance_bayes.api import Fit
from alliance_bayes.checks.comparison import Comparison
from alliance_bayes.report.curve import LEAST, average_curve, grouped_histogram, observed_means
from alliance_bayes.report.figure_data import curve_data, observed_data
from alliance_bayes.report.figures import SlopeFigure
from alliance_bayes.report.finding import Finding
from alliance_bayes.report.style import WIDE
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.text import column_name, count, join
from alliance_bayes.study.bend import CURVE, bend_of
from alliance_bayes.study.declared import DeclaredPart
from alliance_bayes.study.model_comparison import compared, score_table
from alliance_bayes.study.part import Block, Part
from alliance_bayes.study.populations import population_words
from alliance_bayes.study.runner import StudyRunner
from alliance_bayes.study.tables import shown_rows

__all__ = ["association"]


def association(runner: StudyRunner) -> Part:
    """The slope in every unit, by group, and as a curve."""
    part = DeclaredPart("association", runner)
    everybody, elevated = part.fits("everybody", "elevated").values()
    whole = _size(part, "everybody", everybody)
    _size(part, "elevated", elevated)
    part.add("groups")
    comparison = _curve(part, everybody, whole)
    return part.part(numbers={"line_against_spline": comparison.table} if comparison else {})


def _size(part: DeclaredPart, population: str, fit: Fit) -> Block:
    options = part.runner.options
    number = shown_rows(part.runner.fitted, options.small)[f"outcome_{population}"]
    values = {
        "population": population,
        "who": population_words(population, options),
        "size": "" if number is None else f" (n = {count(number)})",
        "others": join([column_name(name) for name in fit.design.formula.columns[1:] if name != "alliance"]),
    }
    return part.add("size", part.block("size", fits={population: fit}, values=values), values, fit=fit)


def _curve(part: DeclaredPart, line: Fit, whole: Block) -> Comparison | None:
    """The curve and what it predicts; no comparison where the draws of either model failed the checks."""
    spline = part.fit("spline")
    block = part.block("curve", part.estimated("curve", {"spline": spline})[:1])
    comparison = compared({part.sentence("straight_line"): line, CURVE: spline})
    # A score of draws that failed the checks, of either model, is no more to be shown than a slope of theirs.
    if whole.withheld:
        withheld = tuple(dict.fromkeys((*block.withheld, *whole.withheld)))
        block = replace(block, rows=block.rows[:0], withheld=withheld)
    if block.withheld:
        part.show("curve", block)
        return None
    scores = score_table(
        comparison,
        name="table-association-curve",
        what=part.sentence("scores"),
        note=part.sentence("scores_note"),
    )
    part.show("curve", block, tables=[scores], pictures=[_picture(part, spline)])
    part.findings.append(Finding(bend_of(comparison.table).sentence))
    return comparison


def _picture(part: DeclaredPart, fit: Fit) -> Picture:
    options, name, title = part.runner.options, "picture-association-curve", part.sentence("curve")
    curve = average_curve(fit, "alliance", prob=options.prob, small=options.small)
    values = fit.design.frame["alliance"].to_numpy(float)
    band, observed = part.sentence("curve_band"), observed_means(fit, "alliance", options.small)
    painter = SlopeFigure(
        curve,
        grouped_histogram(values, options.small, scale=fit.design.scales.get("alliance"), people=fit.people),
        predictor=f"alliance (points, {part.runner.alliance_ends})",
        expected="expected follow-up WHO-5",
        centre=float(fit.design.average(values)),
        band=band,
        observed=observed,
    )
    first, last = curve.iloc[0], curve.iloc[-1]
    ends = {"first": f"{first['mean']:.1f}", "low": f"{first['x']:.2f}"}
    ends |= {"last": f"{last['mean']:.1f}", "high": f"{last['x']:.2f}"}
    return Picture.drawn(
        painter,
        name=name,
        title=title,
        caption=part.sentence("curve_caption", observed=len(observed), least=max(options.small, LEAST)),
        description=part.sentence("curve_description", **ends),
        size=(WIDE, 3.7),
        data=curve_data(name, title, [("", curve)], "alliance", band),
        more=[observed_data(name, part.sentence("curve_observed"), observed, "alliance", "people")]
        if len(observed)
        else (),
    )
