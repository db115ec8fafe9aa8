"""An estimate along a shift of missing values: what the page says of it, and the figure, for a notebook too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from textwrap import wrap
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from alliance_bayes.effects import EffectTable
from alliance_bayes.effects.tipping import TippingPoint, shiftable, tipping_point
from alliance_bayes.errors import AllianceBayesError
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.arms import differences
from alliance_bayes.report.codings import decided
from alliance_bayes.report.drawn import shown_lacking
from alliance_bayes.report.estimates import Estimates
from alliance_bayes.report.groups import pair_name
from alliance_bayes.report.phrases import slope_contrast
from alliance_bayes.report.rows import rope_of, rows_of
from alliance_bayes.report.style import ACCENT, BAND, GREY, LIGHT, RC, SECOND, WIDTH
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table
from alliance_bayes.report.text import column_name, exact, number, percent, unit_of, units
from alliance_bayes.report.untold import observed_told, unsaid
from alliance_bayes.wording import Wording, read_wording

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from alliance_bayes.report.view import View

__all__ = [
    "TIPPING_SIZE",
    "Shifted",
    "Tipping",
    "plot_tipping",
    "shifted",
    "shifted_contrast",
    "shifted_limitation",
    "shifted_rows",
]

SENTENCES = Wording("alliance_bayes.report", "sentences/tipping.toml")
#: Inches.
TIPPING_SIZE = (WIDTH, 3.4)
# Places along the shifts through which the curves are drawn.
_PLACES = 41
# Letters of a line of the axis's label.
_LINE = 44


@dataclass(frozen=True, eq=False)
class Tipping:
    """A painter of one estimate along the shifts.

    Parameters
    ----------
    shifts, mean, lower, upper
        Ascending, and the estimate there with the ends of its interval, shape (n,).
    x, y
        What the axes measure.
    rope
        Ends of what is negligible; None where there is none.
    plausible
        Largest difference at hand: shifts as far are marked; NaN for none.
    """

    shifts: np.ndarray
    mean: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    x: str
    y: str
    rope: tuple[float, float] | None = None
    plausible: float = np.nan

    @classmethod
    def of(cls, point: TippingPoint, *, x: str, y: str) -> Tipping:
        """Of the first estimate."""
        row = point.rows.iloc[0]
        shifts = np.linspace(point.shifts[0], point.shifts[-1], _PLACES)
        draws = np.stack([point.draws(float(shift)).ravel() for shift in shifts])
        prob = float(row["prob"])
        lower, upper = np.quantile(draws, [(1 - prob) / 2, (1 + prob) / 2], axis=1)
        low, high = float(row["rope_low"]), float(row["rope_high"])
        rope = None if np.isnan(low) else (low, high)
        return cls(shifts, draws.mean(axis=1), lower, upper, x, y, rope, point.plausible)

    def __call__(self, figure: Figure) -> None:
        """Draw onto an empty figure."""
        self.draw(figure.subplots())

    def draw(self, axes: Axes) -> None:
        """Draw onto axes."""
        if self.rope is not None:
            axes.axhspan(*self.rope, color=LIGHT, linewidth=0, label="negligible")
        axes.axhline(0, color=GREY, linewidth=0.9, linestyle=(0, (4, 3)))
        axes.fill_between(self.shifts, self.lower, self.upper, color=BAND, linewidth=0, alpha=0.75, label="interval")
        axes.plot(self.shifts, self.mean, color=ACCENT, label="estimate")
        middle = int(np.argmin(np.abs(self.shifts)))
        axes.plot([0], [self.mean[middle]], "o", color=ACCENT, markersize=6, label="as imputed")
        ends = [side * self.plausible for side in (-1, 1)]
        inside = [end for end in ends if self.shifts[0] <= end <= self.shifts[-1]]
        for k, end in enumerate(inside):
            label = "largest difference at hand" if k == 0 else None
            axes.axvline(end, color=SECOND, linewidth=1.4, linestyle=(0, (1, 1.5)), label=label)
        axes.set_xlim(self.shifts[0], self.shifts[-1])
        axes.set_xlabel("\n".join(wrap(self.x, _LINE)))
        axes.set_ylabel(self.y)


def plot_tipping(point: TippingPoint, *, ax: Axes | None = None) -> Axes:
    """Draw onto given axes, or a figure of its own; see :meth:`alliance_bayes.effects.TippingPoint.plot`."""
    import matplotlib as mpl
    from matplotlib.figure import Figure as Canvas

    row = point.rows.iloc[0]
    painter = Tipping.of(point, x=f"Added to each missing {point.column}", y=str(row["unit"]))
    settings: dict[str, Any] = {key: value for key, value in RC.items() if not key.startswith("svg.")}
    with mpl.rc_context(cast(Any, settings)):
        axes = Canvas(figsize=TIPPING_SIZE, layout="constrained").subplots() if ax is None else ax
        painter.draw(axes)
        axes.legend()
    return axes


@dataclass(frozen=True, eq=False)
class Shifted:
    """What a page says of one column whose missing values are moved.

    Parameters
    ----------
    view
        The page's.
    found
        Estimates along the shifts, and where claims turn.
    """

    view: View
    found: TippingPoint

    @property
    def _unit(self) -> str:
        return units(unit_of(self.view.fit.design, self.found.column))

    @cached_property
    def _estimates(self) -> Estimates:
        return self.view.estimated("missing", self.found.rows)

    @cached_property
    def _largest(self) -> pd.Series | None:
        """The largest difference of which the page may tell."""
        fit, small = self.view.fit, self.view.small
        quiet, rows = unsaid(fit, small), self.found.differences
        shown = [name not in quiet and observed_told(fit, name, None, small)[""] for name in rows["column"]]
        # Most who lack the one column may lack the other, too: what is left may be one person, whose value it would be.
        rows = rows[np.asarray(shown, dtype=bool) & (rows["least"].to_numpy() >= small)]
        return None if rows.empty else rows.iloc[int(np.argmax(rows["points"].abs().to_numpy(float)))]

    @property
    def turns(self) -> list[dict[str, Any]]:
        """Every claim with the shifts at which it holds no more."""
        shown = self.found.tips[["claim", "below", "above", "nearest"]].astype(object)
        return [
            {str(key): None if isinstance(value, float) and np.isnan(value) else value for key, value in record.items()}
            for record in shown.to_dict("records")
        ]

    @property
    def record(self) -> dict[str, Any]:
        """For the JSON."""
        largest = self._largest
        return {
            "column": self.found.column,
            "from": self.found.shifts[0],
            "to": self.found.shifts[-1],
            "turns": [
                {name: value if name == "claim" else _two_digits(value) for name, value in turn.items()}
                for turn in self.turns
            ],
            "largest_difference": None
            if largest is None
            else {"column": str(largest["column"]), "points": _two_digits(float(largest["points"]))},
        }

    def _claim(self, claim: str, *, again: bool = False) -> str:
        row = rows_of(self.found.rows)[0]
        slope = isinstance(row["term"], str)
        return SENTENCES(
            "claim",
            claim=claim,
            above=float(row["median"]) >= 0,
            again=again,
            focal=column_name(str(row["term"])) if slope else "",
            pair="" if slope else pair_name(row),
        )

    def _words(self) -> dict[str, Any]:
        sides = [
            (self._claim(turn["claim"]), _spoken(abs(turn[side])), side == "below")
            for turn in self.turns
            for side in ("below", "above")
            if turn[side] is not None
        ]
        stays = [turn["claim"] for turn in self.turns if turn["nearest"] is None]
        return {
            "column": column_name(self.found.column),
            "unit": self._unit,
            "far": exact(self.found.shifts[-1]),
            "turns": sides,
            "stays": " and that ".join(self._claim(claim, again=k > 0) for k, claim in enumerate(stays)),
        }

    def sentence(self, *, again: bool) -> str:
        """What turns, and where; of a second column in short."""
        largest = self._largest
        sentence = SENTENCES("shift", **self._words(), again=again)
        if largest is None:
            return sentence
        beside = SENTENCES(
            "largest",
            column=column_name(self.found.column),
            other=column_name(str(largest["column"])),
            lower=float(largest["points"]) < 0,
            sds=number(abs(float(largest["standardised"])), 2),
            points=_spoken(abs(float(largest["points"]))),
            unit=self._unit,
        )
        return f"{sentence} {beside}"

    @property
    def limitation(self) -> str:
        """One sentence of the limitations."""
        return SENTENCES("limitation", **self._words(), place=self.view.place("missing"))

    @property
    def picture(self) -> Picture | None:
        """The figure, with the estimates as its data; None where they may not be shown."""
        rows = self._estimates.with_at()
        if len(rows) != len(self.found.rows):
            return None
        first = rows.iloc[0]
        axis = SENTENCES("axis", column=column_name(self.found.column), unit=self._unit)
        outcome = units(unit_of(self.view.fit.design, self.view.fit.design.outcome.name))
        shown = Tipping.of(self.found, x=axis, y=SENTENCES("estimate", unit=outcome))
        largest = self._largest
        painter = replace(shown, plausible=np.nan if largest is None else abs(float(largest["points"])))
        title = SENTENCES("title", column=column_name(self.found.column))
        judged = rows["p_rope"].notna().all()
        cells = [
            (
                exact(float(shift)),
                self._estimates.printed(row),
                self._estimates.direction(row),
                *([self._estimates.share(row, "p_rope")] if judged else []),
            )
            for shift, row in zip(self.found.shifts, rows_of(rows), strict=True)
        ]
        headings = list(read_wording("alliance_bayes.report", "sentences/tipping.toml")["headings"])
        name = f"missing-shift-{self._number}"
        return self.view.figure(
            painter,
            name=name,
            title=title,
            caption=SENTENCES("caption", prob=percent(float(first["prob"])), rope=judged, largest=largest is not None),
            description=SENTENCES(
                "description", first=cells[0][:2], middle=cells[len(cells) // 2][:2], last=cells[-1][:2]
            ),
            size=TIPPING_SIZE,
            data=Table.of(f"{name}-data", title, headings if judged else headings[:-1], cells),
        )

    @property
    def _number(self) -> int:
        return shiftable(self.view.fit).index(self.found.column) + 1


def shifted(view: View) -> list[Shifted]:
    """The outcome, and the predictor of interest, each with its missing values moved, where that can be and be told."""
    contrast = shifted_contrast(view)
    if contrast is None:
        return []
    fit = view.fit
    wanted = (fit.design.outcome.name, fit.spec.focal_predictor(fit.design))
    names = [name for name in shiftable(fit) if name in wanted and shown_lacking(fit, name, view.small) is not None]
    points = [_found(fit, name, contrast) for name in names]
    return [
        Shifted(view, point)
        for point in points
        if point is not None and point.rows["estimand"].iloc[0] == contrast["estimand"]
    ]


def shifted_rows(fit: FittedModel, *, columns: Sequence[str], contrast: pd.Series | None) -> list[EffectTable]:
    """The estimates of some columns, made again of any fit, with the options of the contrast of one."""
    points = [] if contrast is None else [_found(fit, name, contrast) for name in columns if name in shiftable(fit)]
    return [point.rows for point in points if point is not None]


def shifted_limitation(view: View) -> str:
    """One sentence of the limitations, where the page has the section; empty where there is none."""
    return " ".join(shift.limitation for shift in shifted(view) if shift.limitation) if "missing" in view.order else ""


def shifted_contrast(view: View) -> pd.Series | None:
    """The row of the contrast, or of the one difference, that the page is about."""
    fit = view.fit
    if view.withheld or not shiftable(fit):
        return None
    factor, focal = fit.spec.focal_factor(fit.design), fit.spec.focal_predictor(fit.design)
    if factor is not None:
        rows = differences(view.estimates, factor)
        return rows.iloc[0] if len(rows) == 1 else None
    if focal is None or focal in unsaid(fit, view.small):
        return None
    return slope_contrast(fit, view.estimates, focal)


def _found(fit: FittedModel, name: str, contrast: pd.Series) -> TippingPoint | None:
    """Estimates along the shifts, remembered: a page asks for them several times; None where they cannot be had."""
    rope = rope_of(contrast)
    relevant = None if pd.isna(contrast["relevant"]) else float(contrast["relevant"])
    options: dict[str, Any] = {name: contrast[name] for name in ("prob", "interval", "population")}
    options |= {"rope": rope, "relevant": relevant}
    known, key = decided(fit), ("tipping", name, *options.values())
    if key not in known:
        try:
            known[key] = tipping_point(fit, name, **options)
        except AllianceBayesError:
            known[key] = None
    point: TippingPoint | None = known[key]
    return point


def _two_digits(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.2g}")


def _spoken(value: float) -> str:
    return exact(float(f"{value:.2g}"))
