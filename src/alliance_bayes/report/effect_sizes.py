"""The focal association in every unit, its curve and density, and all effects against what would matter."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from alliance_bayes.effects import ESTIMANDS
from alliance_bayes.effects.options import default_population
from alliance_bayes.fit import FittedModel
from alliance_bayes.model.scales import SampleScale
from alliance_bayes.report.arms import arms, differences
from alliance_bayes.report.curve import LEAST, average_curve, grouped_histogram, observed_means
from alliance_bayes.report.drawn import error_of, lacking
from alliance_bayes.report.estimates import Estimates, words_of
from alliance_bayes.report.figure_data import curve_data, observed_data
from alliance_bayes.report.figures import SlopeFigure
from alliance_bayes.report.groups import FEW_PAIRS, MOST_PAIRS, in_order, pair_name
from alliance_bayes.report.halfeye import halfeye
from alliance_bayes.report.phrases import contrast_of, expected_words, outcome_words, slope_contrast
from alliance_bayes.report.rows import (
    Column,
    effect_table,
    estimate_columns,
    forest_picture,
    measured,
    measured_where,
    notes_of,
    rope_of,
    rows_of,
)
from alliance_bayes.report.sections import Section
from alliance_bayes.report.small_counts import averaged_words, unit_words
from alliance_bayes.report.style import WIDE, WIDTH
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import (
    Row,
    capital,
    column_name,
    ends_words,
    exact,
    factor_name,
    number,
    percent_unit,
    unit_of,
    units,
)
from alliance_bayes.report.untold import untold
from alliance_bayes.report.weights import is_weighed
from alliance_bayes.wording import Wording

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = [
    "SLOPES",
    "comparable",
    "density_picture",
    "effect_sizes",
    "further_rows",
    "relevance_words",
    "rope_limits",
    "rope_words",
    "slope_painter",
]

SENTENCES = Wording("alliance_bayes.report", "sentences/effect_sizes.toml")
#: What is said of the association, from top to bottom.
SLOPES = tuple(ESTIMANDS["slopes"].measures)
#: What has a place of its own on the page; rows of all else are in a table of other estimands.
_PLACED = ("slopes", "slopes_by_level", "adjusted_means", "contrasts", "ranks", "variance_partition", "bayesian_r2")


def effect_sizes(view: View) -> Section:
    """The section."""
    fit, estimates, prob, withheld = view.fit, view.estimates, view.prob, view.withheld
    focal = fit.spec.focal_predictor(fit.design)
    context: dict[str, Any] = {
        "withheld": withheld,
        "cautions": view.checked.about("effects"),
        "focal": None if focal is None else column_name(focal),
        "table": None,
        "arms": None,
        "forest": None,
        "further": None if withheld else _further(fit, estimates),
        "untold": focal is not None and focal in untold(fit, view.small),
    }
    factor = fit.spec.focal_factor(fit.design)
    if factor is not None and not withheld:
        rows = differences(estimates, factor)
        first = rows.iloc[0] if len(rows) else None
        # Differences of the factor alone have a figure of their own.
        compared = comparable(view, factor)
        beside = any(row["factor"] != factor for _, row in compared)
        context |= {
            "arms": arms(view, factor, on_axis=beside),
            "density": None,
            "forest": effect_forest(view, compared) if beside else None,
            "rope": "" if first is None else rope_words(fit, first),
            "relevance": "" if first is None else relevance_words(fit, first),
            "outcome": column_name(fit.design.outcome.name),
            "expected": expected_words(fit),
        }
        if first is not None and len(rows) == 1:
            # More pairs have a figure together.
            context["density"] = density_picture(view, first, "difference")
    drawn = None
    if focal is not None and not withheld:
        rows = estimates.where(SLOPES, term=focal)
        slope = estimates.first("slope", term=focal)
        # The declared contrast, in points, is what margins are of; moments tell no percentiles.
        contrast = contrast_of(estimates, focal)
        margins = slope_contrast(fit, estimates, focal)
        # The curve and the histogram below it are drawn over the range of the rows.
        told = fit.moments is None and not context["untold"]
        drawn = slope_painter(fit, focal, prob=prob, small=view.small) if told else None
        density = _contrast_density(view, contrast, slope)
        # Nothing stands beside a curve without a density.
        width = WIDE if density is None else WIDTH
        context |= {
            "table": _table(fit, estimates, rows, focal) if len(rows) else None,
            "slope_picture": None if drawn is None else _slope_picture(fit, focal, drawn, view.small, width),
            "density": density,
            "forest": effect_forest(view, comparable(view, focal)),
            "rope": None if margins is None else rope_words(fit, margins),
            "relevance": None if margins is None else relevance_words(fit, margins),
            "step": margins is not None and margins["estimand"] == "slope_per_sd",
            "outcome": column_name(fit.design.outcome.name),
            "expected": expected_words(fit),
        }
    shown = None
    if drawn is not None and drawn.observed is not None:
        points, bins = (
            [{str(key): float(value) for key, value in row.items()} for row in part.to_dict("records")]
            for part in (drawn.curve, drawn.observed)
        )
        shown = {"interval": "eti", "prob": prob, "points": points, "observed": bins}
    return Section("effects", "Effect sizes", "effects.html", context, {"curve": shown})


def rope_limits(fit: FittedModel, row: pd.Series) -> str:
    """Limits of the region of practical equivalence with their unit: "±2 WHO-5 points"."""
    low, high = float(row["rope_low"]), float(row["rope_high"])
    unit = units(unit_of(fit.design, fit.design.outcome.name))
    return f"±{exact(high)} {unit}" if low == -high else f"{exact(low)} to {exact(high)} {unit}"


def rope_words(fit: FittedModel, row: pd.Series) -> str:
    """Limits of the region of practical equivalence with their reason; empty where there is none."""
    if pd.isna(row["rope_low"]) or pd.isna(row["rope_high"]):
        return ""
    scale = fit.design.scales.get(fit.design.outcome.name)
    if scale is None:
        return f"{rope_limits(fit, row)}, given by the analyst"
    whose = "SD in those analysed" if isinstance(scale, SampleScale) else "reference SD"
    half = max(abs(float(row["rope_low"])), abs(float(row["rope_high"])))
    return f"{rope_limits(fit, row)}, which is {half / scale.sd:.2g} of the outcome’s {whose} of {scale.sd:.3g}"


def relevance_words(fit: FittedModel, row: pd.Series) -> str:
    """The smallest relevant change with its unit; empty where there is none."""
    if pd.isna(row["relevant"]):
        return ""
    return f"{exact(row['relevant'])} {units(unit_of(fit.design, fit.design.outcome.name))}"


def _table(fit: FittedModel, estimates: Estimates, rows: pd.DataFrame, focal: str) -> Table:
    def label(row: Row) -> str:
        return capital(measured(estimates.table, row, design=fit.design))

    def unit(row: Row) -> str:
        return "; ".join(filter(None, (percent_unit(words_of(row, "unit")), words_of(row, "denominator"))))

    return effect_table(
        "table-slopes",
        f"Association of {column_name(focal)} with {column_name(fit.design.outcome.name)}, "
        f"{averaged_words(fit, str(rows['population'].iloc[0]))}; posterior means",
        rows,
        [
            Column("Association", label),
            *estimate_columns(estimates, rows, direction=True),
            Column("Unit; denominator", unit, words=True),
        ],
        note=" ".join(f"{label(row)}: {note}." for row in rows_of(rows) if (note := words_of(row, "note"))),
    )


def further_rows(estimates: Estimates) -> pd.DataFrame:
    """Rows of estimands that have no place of their own on the page, and those with some predictors set."""
    placed = {name for estimand in _PLACED for name in ESTIMANDS[estimand].measures}
    further, with_at = estimates.where(set(estimates.table["estimand"]) - placed), estimates.with_at()
    return pd.concat([further, with_at]) if len(with_at) else further


def _further(fit: FittedModel, estimates: Estimates) -> Table | None:
    rows = further_rows(estimates)
    if rows.empty:
        return None

    label = partial(measured_where, estimates.table, design=fit.design)
    columns = [Column("Estimand", label), *estimate_columns(estimates, rows)]

    def unit(row: Row) -> str:
        share = not estimates.table.measure(str(row["estimand"])).difference
        return percent_unit(words_of(row, "unit"), share=share)

    columns.append(Column("Unit", unit, words=True))
    return effect_table(
        "table-further", "Other estimands; posterior means", rows, columns, note=notes_of(rows, label), at_once=16
    )


def slope_painter(fit: FittedModel, focal: str, *, prob: float, small: int) -> SlopeFigure:
    """The curve of a predictor over its observed means."""
    design = fit.design
    values = design.frame[focal].to_numpy(float)
    return SlopeFigure(
        average_curve(fit, focal, prob=prob, small=small),
        grouped_histogram(values, small, scale=design.scales.get(focal), people=fit.people),
        predictor=f"{column_name(focal)} ({units(unit_of(design, focal))})",
        expected=expected_words(fit),
        centre=float(design.average(values)),
        band=f"{100 * prob:g}% equal-tailed band",
        units=unit_words(fit),
        observed=observed_means(fit, focal, small),
        points=SENTENCES("points", event=design.family.event),
        percent=design.family.event,
    )


def _slope_picture(fit: FittedModel, focal: str, painter: SlopeFigure, small: int, width: float) -> Picture:
    design, curve, observed, band = fit.design, painter.curve, painter.observed, painter.band
    outcome, predictor = column_name(design.outcome.name), column_name(focal)
    first, last = curve.iloc[0], curve.iloc[-1]
    span = float((curve["upper"] - curve["lower"]).min())
    places = 0 if span > 3 else 1
    at = ends_words(float(first["x"]), float(last["x"]))
    ends = " and ".join(f"{number(p['mean'], places)} at {x}" for p, x in zip((first, last), at, strict=True))
    expected = expected_words(fit)
    title = f"{capital(expected)} along {predictor}"
    words = {
        "band": band,
        "predictor": predictor,
        "outcome": outcome,
        "expected": expected,
        "ends": ends,
        "small": small,
    }
    words |= {"event": design.family.event, "weighed": is_weighed(fit)}
    words |= {"averaged": averaged_words(fit, default_population(fit)), "least": max(small, LEAST)}
    seen = observed if observed is not None and len(observed) else None
    words |= {"observed": seen is not None, "completed": focal in lacking(fit), "true_values": focal in error_of(fit)}
    return Picture.drawn(
        painter,
        name="slope-curve",
        title=title,
        caption=SENTENCES("curve_caption", **words),
        description=SENTENCES("curve_description", **words),
        size=(width, 3.7),
        data=curve_data(
            "slope-curve",
            f"{capital(expected)}, with its {band}",
            [("", curve)],
            predictor,
            band,
            percent=design.family.event,
        ),
        more=()
        if seen is None
        else [
            observed_data(
                "slope-curve",
                SENTENCES("observed_title", **words),
                seen,
                predictor,
                unit_words(fit),
                percent=design.family.event,
            ),
        ],
    )


def _contrast_density(view: View, contrast: pd.Series | None, slope: pd.Series | None) -> Picture | None:
    """Density of the declared contrast, which margins are of; of the slope where moments tell no percentiles."""
    if contrast is not None:
        picture = density_picture(view, contrast, "difference")
        if picture is not None:
            return picture
    return None if slope is None else density_picture(view, slope, "slope")


def density_picture(view: View, row: pd.Series, estimand: str, *, name: str = "") -> Picture | None:
    """Posterior density of a row, a "slope" or a "difference" of the outcome; None where its draws are not at hand."""
    unit, pair = words_of(row, "unit"), isinstance(row["level"], str)
    title = SENTENCES(
        "density_title",
        outcome=outcome_words(view.fit)[0] if estimand == "difference" else "",
        focal="" if pair else column_name(str(row["term"])),
        pair=f"{factor_name(str(row['factor']))}: {pair_name(row)}" if pair else "",
        span=row["estimand"] == "slope_p10_p90",
        sd=row["estimand"] == "slope_per_sd",
    )
    return halfeye(
        name or f"{estimand}-density",
        title,
        view.estimates,
        row,
        axis=f"{estimand} ({percent_unit(units(unit))})",
        shown=view.redact,
    )


#: How many times the furthest end of an interval the smallest relevant difference may be, to be drawn.
FAR = 4.0


def comparable(view: View, focal: str) -> list[tuple[str, pd.Series]]:
    """Effects that are all differences in points of the outcome, each with what it is called.

    The declared contrast of the focal predictor (its step of an SD where moments tell no percentiles), and differences
    of adjusted means; those of a focal factor first, in their order. All are held against the two margins, which are of
    nothing else.
    """
    estimates, along = view.estimates, column_name(focal)
    effects = []
    row = contrast_of(estimates, focal)
    row = estimates.first("slope_per_sd", term=focal) if row is None else row
    if row is not None:
        effects.append((capital(f"{along}: {measured(estimates.table, row, short=True)}"), row))
    factors = dict.fromkeys(estimates.where("contrast_of_means")["factor"].dropna())
    for factor in sorted(factors, key=lambda name: name != focal):
        rows = estimates.where("contrast_of_means", factor=factor)
        rows = rows[rows["mean"].notna() & (rows["sd"] > 0)]
        # Only differences in the outcome's own unit may share the axis.
        rows = rows[rows["unit"] == unit_of(view.fit.design, view.fit.design.outcome.name)]
        if factor == focal:
            rows = rows if len(rows) <= MOST_PAIRS else rows.head(FEW_PAIRS)
        elif len(rows) > FEW_PAIRS:
            # The largest of many is one that chance favours.
            continue
        else:
            rows = in_order(rows)
        for _, row in rows.iterrows():
            effects.append((f"{capital(factor_name(factor))}: {pair_name(row, width=14)}", row))
    return effects


def effect_forest(view: View, effects: Sequence[tuple[str, pd.Series]]) -> Picture | None:
    """The figure of what is `comparable`; None where there are fewer than two effects to compare."""
    if len(effects) < 2:
        return None
    estimates = view.estimates
    rows = pd.DataFrame([row for _, row in effects])
    labels = dict(zip(map(str, rows.index), (label for label, _ in effects), strict=True))
    first = effects[0][1]
    rope = rope_of(first)
    relevant = float(first["relevant"]) if pd.notna(first["relevant"]) else None
    furthest = float(rows[["lower", "upper"]].abs().to_numpy().max())
    drawn = relevant if relevant is not None and relevant <= FAR * furthest else None
    outcome = column_name(view.fit.design.outcome.name)
    unit = percent_unit(units(unit_of(view.fit.design, view.fit.design.outcome.name)))
    caption = SENTENCES(
        "forest_caption",
        unit=unit,
        heading=estimates.interval_heading(),
        rope="" if rope is None else f"{exact(rope[0])} to {exact(rope[1])}",
        relevant="" if relevant is None else exact(relevant),
        drawn=drawn is not None,
    )
    return forest_picture(
        "effects-forest",
        f"Effects on {outcome} on one axis",
        estimates,
        rows,
        caption=caption,
        axis=f"Difference ({unit})",
        heading="Effect",
        label=lambda row: labels[row["id"]],
        rope=rope,
        relevant=drawn,
        width=44,
        shown=view.redact,
    )
