"""The page's figures for a notebook: each is drawn by the page's painter, onto matplotlib axes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

import pandas as pd

from alliance_bayes.effects import EffectTable, effects
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.remedies import argument
from alliance_bayes.report.arms import differences
from alliance_bayes.report.confounding import confounding_effects, contours_of
from alliance_bayes.report.contours import CONTOURS_SIZE
from alliance_bayes.report.effect_sizes import slope_painter
from alliance_bayes.report.estimates import Estimates, text_of, words_of
from alliance_bayes.report.figures import SlopeFigure
from alliance_bayes.report.fixed import slope_differs
from alliance_bayes.report.forest import all_named, forest_size
from alliance_bayes.report.groups import in_order, pair_name
from alliance_bayes.report.halfeye import HALFEYE_SIZE, half_eye_of
from alliance_bayes.report.phrases import slope_contrast
from alliance_bayes.report.rows import forest_of, rope_of, row_words, rows_of
from alliance_bayes.report.small_counts import NOT_SHOWN, SMALL, shown_counts
from alliance_bayes.report.style import RC, WIDTH
from alliance_bayes.report.text import Row, capital, column_name, factor_name, percent_unit
from alliance_bayes.report.text import units as plural
from alliance_bayes.report.untold import untold

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["KINDS", "plot_effects", "plot_fit"]


class _Painter(Protocol):
    def __call__(self, figure: Figure) -> None: ...

    def draw(self, axes: Axes) -> None: ...


@dataclass(frozen=True)
class _Asked:
    """What is to be drawn of a fit, with its estimates as a page shows them."""

    fit: FittedModel
    factor: str | None
    prob: float

    def estimates(self, *estimands: str) -> Estimates:
        return Estimates.of(self.fit, effects(self.fit, list(estimands), prob=self.prob), SMALL)

    @property
    def focal(self) -> str:
        """The focal predictor; there must be one."""
        focal = self.fit.spec.focal_predictor(self.fit.design)
        if focal is None:
            raise UsageError(
                "the model has no numeric predictor of interest, so it has no slope to draw. Name one with "
                f'{argument("focal")} of the model, or draw "contrasts" with {argument("factor")}.'
            )
        return focal


def _slopes(asked: _Asked) -> tuple[_Painter, tuple[float, float]]:
    """The slope of everybody, and those of every level of factors by which it differs."""
    term, estimates = asked.focal, asked.estimates("slopes", "slopes_by_level", "contrasts")
    overall, rows = estimates.first("slope", term=term), estimates.where("slope_by_level", term=term)
    by = [str(name) for name in rows["factor"].dropna().unique()]
    varied = [name for name in by if slope_differs(asked.fit.design, term, name)]
    if asked.factor is not None:
        _known(asked.factor, varied, "by which the slope differs")
        chosen = [asked.factor]
    else:
        chosen = [name for name in varied if all_named(int((rows["factor"] == name).sum()))]
    rows = in_order(rows[rows["factor"].isin(chosen)])
    if asked.factor is None and overall is not None:
        rows = pd.concat([overall.to_frame().T, rows])
    rows = rows[rows["mean"].notna()]
    if rows.empty:
        raise UsageError('there is no slope that may be shown. Draw "density" or "curve" in its place.')
    counts = {name: shown_counts(asked.fit, name, SMALL) for name in chosen}
    several = len(chosen) > 1 or asked.factor is None

    def label(row: Row) -> str:
        level, factor = text_of(row, "level"), text_of(row, "factor")
        if not level:
            return "Everybody"
        return f"{capital(factor_name(factor))}: {level}" if several else level

    def people(row: Row) -> str:
        of = counts.get(row["factor"], {}) if isinstance(row["factor"], str) else {}
        return of[row["level"]].text if row["level"] in of else ("" if not text_of(row, "level") else NOT_SHOWN)

    painter = forest_of(
        estimates,
        rows,
        axis=f"Slope ({percent_unit(plural(words_of(rows.iloc[0], 'unit')))})",
        label=label,
        people=people if asked.fit.moments is None else None,
        reference=0.0,
        overall=None if overall is None else float(overall["mean"]),
    )
    return painter, forest_size(len(rows))


def _contrasts(asked: _Asked) -> tuple[_Painter, tuple[float, float]]:
    """Every difference of a factor's adjusted means."""
    estimates = asked.estimates("contrasts")
    known = [str(name) for name in estimates.where("contrast_of_means")["factor"].dropna().unique()]
    if asked.factor is None:
        raise UsageError(
            f"contrasts are drawn of one factor. Pass {argument('factor')}: {', '.join(map(repr, known)) or 'none'}."
        )
    _known(asked.factor, known, "of which differences may be shown")
    rows = in_order(differences(estimates, asked.factor))
    painter = forest_of(
        estimates,
        rows,
        axis=f"Difference ({percent_unit(plural(words_of(rows.iloc[0], 'unit')))})",
        label=partial(pair_name, width=16),
        reference=0.0,
        rope=rope_of(rows.iloc[0]),
    )
    return painter, forest_size(len(rows))


def _curve(asked: _Asked) -> tuple[_Painter, tuple[float, float]]:
    """The expected outcome along the focal predictor, over observed means."""
    fit, focal = asked.fit, asked.focal
    if fit.moments is not None or focal in untold(fit, SMALL):
        why = "it needs the rows" if fit.moments is not None else "it would tell of few people"
        raise UsageError(f'there is no curve along {focal!r}: {why}. Draw "density" in its place.')
    return slope_painter(fit, focal, prob=asked.prob, small=SMALL), (WIDTH, 3.7)


def _density(asked: _Asked) -> tuple[_Painter, tuple[float, float]]:
    """The posterior of the declared contrast: of a factor, its first difference."""
    arm = asked.factor or asked.fit.spec.focal_factor(asked.fit.design)
    if arm is not None:
        estimates = asked.estimates("contrasts")
        _known(arm, estimates.where("contrast_of_means")["factor"].dropna().unique(), "of which differences are shown")
        row: pd.Series | None = differences(estimates, arm).iloc[0]
    else:
        estimates = asked.estimates("slopes")
        row = slope_contrast(asked.fit, estimates, asked.focal)
    if row is None:
        raise UsageError('there is no contrast that may be shown. Draw "contrasts" in its place.')
    about = pair_name(row) if arm is not None else column_name(str(row["term"]))
    painter = half_eye_of(estimates, row, axis=f"{about} ({percent_unit(plural(words_of(row, 'unit')))})")
    assert painter is not None
    return painter, HALFEYE_SIZE


def _confounding(asked: _Asked) -> tuple[_Painter, tuple[float, float]]:
    """How strong an unmeasured cause must be, over the shares that it explains of predictor and outcome."""
    fit = asked.fit
    arm = asked.factor or fit.spec.focal_factor(fit.design)
    if arm is None:
        contrast = slope_contrast(fit, asked.estimates("slopes"), asked.focal)
    else:
        shown = asked.estimates("contrasts")
        _known(arm, shown.where("contrast_of_means")["factor"].dropna().unique(), "of which differences are shown")
        contrast = differences(shown, arm).iloc[0]
    painter = None
    if contrast is not None:
        table = confounding_effects(fit, contrast=contrast, small=SMALL)
        painter = contours_of(fit, Estimates.of(fit, table, SMALL), contrast)
    if painter is None:
        raise UsageError(
            "there are no shares that an unmeasured cause must explain: the family is not linear, or nothing may be "
            'shown. Draw "density" in its place.'
        )
    return painter, CONTOURS_SIZE


#: What can be drawn of a fit.
KINDS: Mapping[str, Callable[[_Asked], tuple[_Painter, tuple[float, float]]]] = {
    "slopes": _slopes,
    "contrasts": _contrasts,
    "curve": _curve,
    "density": _density,
    "confounding": _confounding,
}


def plot_fit(
    fit: FittedModel, kind: str = "slopes", *, factor: str | None = None, prob: float = 0.89, ax: Axes | None = None
) -> Axes:
    """Draw one of the page's figures of a fit; see :meth:`alliance_bayes.Fit.plot`."""
    if kind not in KINDS:
        known = ", ".join(f'"{name}"' for name in KINDS)
        raise UsageError(f"{argument('kind')} should be one of {known} but got {kind!r}.")
    painter, size = KINDS[kind](_Asked(fit, factor, prob))
    return _drawn(painter, size, ax)


def plot_effects(table: EffectTable, *, ax: Axes | None = None) -> Axes:
    """Draw the rows of an effects table as a forest; see :attr:`alliance_bayes.effects.EffectTable.plot`."""
    rows = pd.DataFrame(table)
    rows = rows[rows["mean"].notna()]
    if rows.empty:
        raise UsageError("the table has no row with an estimate, so there is nothing to draw.")
    units = rows["unit"].fillna("").unique()
    if len(units) > 1:
        raise UsageError(
            f"the rows are in {len(units)} units ({', '.join(sorted(units)[:4])}), which have no axis in common. Draw "
            f"those of one: table[table['unit'] == {units[0]!r}].plot()."
        )
    pairs = rows["versus"].notna().all()
    estimates = Estimates(table, ())

    def label(row: Row) -> str:
        words, name = row_words(row), measured_name(table, row)
        if pairs:
            return pair_name(row, width=16)
        return f"{capital(words['factor'])}: {words['level']}" if words["level"] and words["factor"] else name

    share = not table.measure(str(rows["estimand"].iloc[0])).difference
    axis = percent_unit(str(units[0]), share=share)
    painter = forest_of(estimates, rows, axis=axis, label=label, reference=0.0 if pairs else None, rope=_rope(rows))
    return _drawn(painter, forest_size(len(rows)), ax)


def measured_name(table: EffectTable, row: Row) -> str:
    """What a row is called without its model."""
    name = table.measure(str(row["estimand"])).label or str(row["estimand"]).replace("_", " ")
    return capital(name.format_map(_Blanks(row_words(row))))


class _Blanks(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def _rope(rows: pd.DataFrame) -> tuple[float, float] | None:
    """Margins that all rows share."""
    ends = {rope_of(row) for row in rows_of(rows)}
    return ends.pop() if len(ends) == 1 else None


def _known(factor: str, known: Any, which: str) -> None:
    if factor not in list(known):
        names = ", ".join(map(repr, map(str, known))) or "none"
        raise UsageError(f"{argument('factor')} should be one {which} ({names}) but got {factor!r}.")


def _drawn(painter: _Painter, size: tuple[float, float], ax: Axes | None) -> Axes:
    """Onto given axes, or onto a figure of its own, of which the first axes are returned."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    # The page's letters and lines; what it has for SVG and for what lies behind is its own.
    settings: dict[str, Any] = {
        key: value for key, value in RC.items() if not key.startswith("svg.") and not key.endswith(".facecolor")
    }
    with mpl.rc_context(cast(Any, settings)):
        if ax is not None:
            painter.draw(ax)
            if isinstance(painter, SlopeFigure):
                # What its own figure has below and above.
                ax.set_xlabel(painter.predictor)
                ax.legend()
            return ax
        figure = plt.figure(figsize=size, layout="constrained")
        painter(figure)
    return figure.axes[0]
