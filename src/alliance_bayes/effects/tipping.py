"""How far missing values must differ from imputed ones for a finding to turn: estimates along a shift of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.at import at_of
from alliance_bayes.effects.equivalence import DECIDED
from alliance_bayes.effects.means import CONTRASTS
from alliance_bayes.effects.options import EffectOptions, Options, make_options, with_common_options
from alliance_bayes.effects.slopes import CONTRASTED, SLOPES, contrast_between
from alliance_bayes.effects.summary import Estimate, Fixed, summarise
from alliance_bayes.effects.table import EffectTable
from alliance_bayes.engines.collapsed import why_not_collapsed
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel, followed, seen
from alliance_bayes.imputation.shifted import ShiftedTables
from alliance_bayes.kinds import is_several
from alliance_bayes.model.grammar import shown
from alliance_bayes.notebook import escaped, overview
from alliance_bayes.remedies import argument, setting

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["CLAIMS", "TippingPoint", "levels_of_lacking", "refuse_far", "shiftable", "tipping_point"]

#: What may be claimed of an estimate, and turn: that its interval excludes zero, and that it is within the ROPE, beyond
#: it, or at least as large as the smallest relevant change, each with the probability that verdicts need.
CLAIMS = ("direction", "negligible", "more than negligible", "relevant")

# Draws over all tables at each shift, and shifts to either side of none.
_DRAWS, _EACH_WAY = 2000, 4
# Places along the shifts at which claims are looked at, and halvings of the piece in which one turns.
_PLACES, _HALVINGS = 161, 30
_MOST_SHIFTS, _MOST_LEVELS = 200, 12
# Values of a number that says which of two groups people are in: nobody is half a point from one.
_TWO = 2
# People on either side of a difference by which shifts are spaced: of fewer it would be theirs, which no page tells.
_ENOUGH = 10
# SDs of a column that its missing values are moved by at most: what is further is a slip of units, or no number.
_FURTHEST = 100.0
_DRAWING = "alliance_bayes.report.tipping"


@dataclass(frozen=True, eq=False)
class _Curve:
    """One estimate along the shifts.

    Parameters
    ----------
    estimate
        That of the fit, with its draws.
    level
        Whose values are moved; None for everybody's.
    means, sds
        Mean, and SD over that of no further shift, at each of the shifts.
    shifts
        Ascending.
    """

    estimate: Estimate
    level: str | None
    shifts: np.ndarray
    means: np.ndarray
    sds: np.ndarray

    @cached_property
    def _standard(self) -> tuple[np.ndarray, float, float]:
        draws = self.estimate.draws()
        mean, sd = float(draws.mean()), float(draws.std())
        return (draws - mean) / (sd or 1.0), mean, sd

    @cached_property
    def _splines(self) -> tuple[CubicSpline, CubicSpline]:
        return CubicSpline(self.shifts, self.means), CubicSpline(self.shifts, self.sds)

    def draws(self, shift: float) -> np.ndarray:
        """Draws at a shift, shape (chain, draw); where nothing is moved those of the fit."""
        standard, mean, sd = self._standard
        moved, wider = (float(spline(shift)) for spline in self._splines)
        return np.asarray(mean + moved + sd * wider * standard)

    def holds(self, claim: str, shift: float, prob: float) -> bool:
        """Whether a claim, on the side on which the fit has it, may be made at a shift."""
        draws, side = self.draws(shift), math.copysign(1.0, self._standard[1])
        if claim == "direction":
            low, high = np.quantile(draws, [(1 - prob) / 2, (1 + prob) / 2])
            return bool(low > 0 if side > 0 else high < 0)
        low, high = self.estimate.rope or (np.nan, np.nan)
        if claim == "negligible":
            return bool(((draws >= low) & (draws <= high)).mean() >= DECIDED)
        if claim == "more than negligible":
            return bool((draws > high if side > 0 else draws < low).mean() >= DECIDED)
        relevant = np.nan if self.estimate.relevant is None else self.estimate.relevant
        return bool((side * draws >= relevant).mean() >= DECIDED)

    def turns(self, claim: str, end: float, prob: float, start: float) -> float:
        """The shift nearest to where the fit is at which a claim is none any more, towards an end; NaN for none."""
        places = np.linspace(start, end, _PLACES)
        lost = next((k for k, place in enumerate(places) if not self.holds(claim, place, prob)), None)
        if not lost:
            return math.nan
        kept, gone = float(places[lost - 1]), float(places[lost])
        for _ in range(_HALVINGS):
            middle = (kept + gone) / 2
            kept, gone = (middle, gone) if self.holds(claim, middle, prob) else (kept, middle)
        return gone


@dataclass(frozen=True, eq=False, repr=False)
class TippingPoint:
    """Estimates along a shift of missing values, and where a finding turns.

    Parameters
    ----------
    column
        The column whose missing values are moved.
    rows
        An effects table with a row for every estimate and shift; ``at`` says which shift.
    table
        The same in short: ``estimate`` (id of the row in the fit's effects), ``level`` (whose values are moved, where
        that was asked), ``delta``, ``mean, lower, upper, p_direction, p_rope, p_relevant``.
    tips
        What may be claimed of the fit itself, and at which shifts it may not any more: ``estimate, level, claim``,
        ``below`` and ``above`` (the nearest such shift to either side; NaN where there is none within the shifts), and
        ``nearest`` of both.
    differences
        How much those who lack the column differ from the others in each other numeric column, in SDs
        (``standardised``) and in the unit of the column (``points``): those SDs times its own SD. ``least`` is the
        number of people on the side of fewer: of one or two, the difference is theirs.
    shifts
        Ascending.
    """

    column: str
    rows: EffectTable
    table: pd.DataFrame
    tips: pd.DataFrame
    differences: pd.DataFrame
    shifts: tuple[float, ...]
    _curves: list[_Curve] = field(default_factory=list, init=False, repr=False)

    @property
    def plausible(self) -> float:
        """The largest of the differences, in points of the column, without its sign; NaN without any."""
        sizes = self.differences["points"].abs()
        return float(sizes.max()) if len(sizes) else math.nan

    def draws(self, delta: float, *, estimate: str | None = None, level: str | None = None) -> np.ndarray:
        """Draws of an estimate at any shift between the ends.

        Parameters
        ----------
        delta
            The shift.
        estimate
            Its id; the first by default.
        level
            Whose values are moved, where that was asked; the first by default.

        Returns
        -------
        numpy.ndarray
            Shape (chain, draw).

        Raises
        ------
        UsageError
            A shift beyond the ends, or an estimate or a level that there is not.
        """
        if not self.shifts[0] <= delta <= self.shifts[-1]:
            raise UsageError(
                f"{argument('delta')} should be from {self.shifts[0]:g} to {self.shifts[-1]:g} but got {delta!r}. Ask "
                f"for other shifts: {argument('grid')}."
            )
        for curve in self._curves:
            if estimate in (None, curve.estimate.row_id) and level in (None, curve.level):
                return curve.draws(float(delta))
        known = ", ".join(repr(curve.estimate.row_id) for curve in self._curves)
        raise UsageError(f"there is no estimate {estimate!r} with the level {level!r}. Estimates: {known}.")

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the first estimate along the shifts, with its band and what is plausible.

        Parameters
        ----------
        ax
            Matplotlib axes to draw onto; a figure of its own by default.

        Returns
        -------
        matplotlib.axes.Axes
            What was drawn onto.
        """
        drawn: Axes = import_module(_DRAWING).plot_tipping(self, ax=ax)
        return drawn

    def _repr_html_(self) -> str:
        facts = [
            ("shifts", f"{self.shifts[0]:g} to {self.shifts[-1]:g}"),
            ("largest difference at hand", "unknown" if math.isnan(self.plausible) else f"{self.plausible:.3g}"),
        ]
        title = f"{type(self).__name__} of {escaped(self.column)}"
        plain: Any = self.table.dropna(axis=1, how="all")
        turning: Any = self.tips.dropna(axis=1, how="all")
        return overview(title, facts, turning._repr_html_(), plain._repr_html_())

    def __repr__(self) -> str:
        turns = zip(self.tips["claim"], self.tips["nearest"].to_numpy(float), strict=True)
        claims = [f"{claim} throughout" if np.isnan(at) else f"{claim} until {at:.3g}" for claim, at in turns]
        ends = f"from {self.shifts[0]:g} to {self.shifts[-1]:g}"
        return f"{type(self).__name__}({self.column!r} {ends}: {', '.join(claims) or 'nothing settled'})"


def shiftable(fit: FittedModel) -> list[str]:
    """Columns whose missing values can be moved: the outcome first, then numeric predictors."""
    if fit.imputation is None or why_not_collapsed(fit.design, fit.priors):
        return []
    places, frame = fit.imputation.places, fit.design.frame
    # One of them moved would move others, of rows where it was observed too.
    linked = {name for names in followed(fit) for name in names}
    return [
        name
        for name in dict.fromkeys((fit.design.outcome.name, *fit.spec.columns))
        if name in frame
        and name not in linked
        and name in places
        and places[name].size
        and name not in fit.spec.inexact
        and not isinstance(frame[name].dtype, pd.CategoricalDtype)
        and (name == fit.design.outcome.name or frame[name].nunique() > _TWO)
    ]


def why_not_linked(fit: FittedModel) -> str:
    """Why no values are moved of columns that change other rows; empty where there are none."""
    linked = [name for names in followed(fit) for name in names]
    if not linked:
        return ""
    return f" Of {', '.join(map(shown, linked))} none is: a value moved there would move other rows, too."


@with_common_options
def tipping_point(
    fit: FittedModel,
    column: str | None = None,
    *,
    by: str | None = None,
    grid: Sequence[float] | None = None,
    **options: Unpack[EffectOptions],
) -> TippingPoint:
    """How much worse, or better, missing values must be than imputed ones for what is found to turn.

    Parameters
    ----------
    fit
        A fit whose missing values were imputed.
    column
        The numeric column whose missing values are moved; the outcome by default, or where nobody lacks it the first
        predictor that somebody does.
    by
        A factor: the missing values of one of its levels after the other are moved, and the others stay as they are
        drawn. By default those of everybody are moved alike.
    grid
        What is added to each drawn value, ascending, of no more than a hundred SDs; by default nine numbers around 0,
        as far as the column's SD, or twice the largest difference of ten people or more at hand where that is more.

    Returns
    -------
    TippingPoint
        Estimates of the declared contrast (of the differences of a factor's adjusted means, where levels are compared)
        at each shift, and the shifts at which what may be claimed at none may not be claimed any more.

    Raises
    ------
    UsageError
        No values of the fit were imputed, or not of the column, a column that is no number, a factor that is not known
        of the rows, or shifts that are not ascending and around 0, or of more than a hundred SDs of the column.

    Notes
    -----
    Every missing value is drawn at random as the model has it, ``delta`` is added, and the model is fitted to the
    completed tables: its coefficients are those of everybody, observed or not, if those who lack the column differ from
    what is predicted for them by ``delta`` on average [1]_ [2]_. So adjusted differences move by as much of ``delta``
    as those who lack the column differ in them, and a slope by its regression on who lacks it. Other imputed values
    stay as they were drawn. Of a predictor, the drawn values are given the outcome, too.

    At no shift the estimate is that of the fit. Elsewhere its draws are moved by the difference of means, and widened
    by the ratio of SDs, of the kept tables analysed with and without the shift with the same random numbers.

    References
    ----------
    .. [1] Rubin (1987). Multiple Imputation for Nonresponse in Surveys, ch. 6.
    .. [2] Cro, Morris, Kenward, Carpenter (2020). Sensitivity analysis for clinical trials with missing continuous
       outcome data using controlled multiple imputation. Statistics in Medicine 39(21). doi 10.1002/sim.8569
    """
    name, imputation = _column(fit, column), fit.imputation
    assert imputation is not None
    settings = make_options(fit, **options)
    # The answer at a shift has no share of missing information of its own.
    plain = replace(settings, table=None)
    differences = _differences(fit, name)
    shifts = _shifts(fit, name, grid, differences)
    groups = _groups(fit, name, by)
    tables = ShiftedTables(
        fit.design,
        fit.priors,
        imputation,
        draws=max(1, -(-_DRAWS // imputation.tables)),
        seed=int(fit.info.get("seed") or 0),
    )
    whose = imputation.places[name]
    base = _of_tables(fit, tables, name, np.zeros(whose.size), plain)
    estimates = _asked(fit, settings)
    curves = []
    for level, mask in groups:
        by_shift = [base if shift == 0 else _of_tables(fit, tables, name, shift * mask, plain) for shift in shifts]
        for k, estimate in enumerate(estimates):
            means = np.array([at_shift[k].mean() for at_shift in by_shift]) - base[k].mean()
            sds = np.array([at_shift[k].std() for at_shift in by_shift]) / (base[k].std() or 1.0)
            curves.append(_Curve(estimate, level, np.array(shifts), means, sds))
    rows = summarise(_rows(curves, name, by), plain)
    tips = _tips(curves, settings.prob)
    result = TippingPoint(name, rows, _table(rows, curves), tips, differences, tuple(map(float, shifts)))
    result._curves.extend(curves)
    return result


def _column(fit: FittedModel, column: str | None) -> str:
    if fit.imputation is None:
        raise UsageError(
            "no values were imputed, so that none can be moved: the model leaves incomplete rows out, or nothing was "
            f"missing. Ask for it: {setting('missing', 'impute')}."
        )
    if reason := why_not_collapsed(fit.design, fit.priors):
        raise UsageError(f"completed tables are analysed anew in Gaussian models with Normal priors, but {reason}.")
    known = shiftable(fit)
    if column is None and known:
        return known[0]
    if column not in known:
        which = f"it has {', '.join(map(shown, known))}" if known else "it has none"
        problem = "no column is named" if column is None else f"{shown(str(column))} is none of them"
        raise UsageError(
            f"what can be moved are imputed values of numbers of the model: {which}; {problem}.{why_not_linked(fit)}"
        )
    return column


def _differences(fit: FittedModel, name: str) -> pd.DataFrame:
    """Those who lack a column beside the others in the observed values of each other numeric column."""
    frame = fit.design.frame
    lacks = ~seen(fit, name)
    column_sd = frame[name].to_numpy(float)[~lacks].std(ddof=1)
    records = []
    for other in map(str, frame.columns):
        if other == name or not pd.api.types.is_numeric_dtype(frame[other].dtype) or other == fit.spec.weights:
            continue
        if other in fit.person_columns or other == fit.design.outcome.name:
            continue
        present, values = seen(fit, other), frame[other].to_numpy(float)
        left, stayed = values[lacks & present], values[~lacks & present]
        sd = values[present].std(ddof=1) if present.sum() > 1 else 0.0
        if left.size and stayed.size and sd > 0:
            standardised = float((left.mean() - stayed.mean()) / sd)
            least = min(fit.count_people(lacks & present), fit.count_people(~lacks & present))
            records.append((other, standardised, standardised * float(column_sd), least))
    return pd.DataFrame(records, columns=["column", "standardised", "points", "least"]).astype(
        {"column": "str", "standardised": float, "points": float, "least": int}
    )


def _shifts(fit: FittedModel, name: str, grid: Sequence[float] | None, differences: pd.DataFrame) -> list[float]:
    if grid is not None:
        numbers = list(grid) if is_several(grid) else []
        fine = all(isinstance(number, int | float | np.number) and not isinstance(number, bool) for number in numbers)
        shifts = [float(number) for number in numbers] if fine else []
        ascending = bool(np.isfinite(shifts).all() and (np.diff(shifts) > 0).all())
        if not (3 <= len(shifts) <= _MOST_SHIFTS and ascending and shifts[0] < 0 < shifts[-1] and 0.0 in shifts):
            raise UsageError(
                f"{argument('grid')} should be from 3 to {_MOST_SHIFTS} ascending numbers with 0 inside but got "
                f"{grid!r:.100}. Give what is added to missing values, such as -10, -5, 0, 5 and 10."
            )
        refuse_far(fit, name, max(shifts, key=abs), argument("grid"))
        return shifts
    sd = _sd(fit, name)
    known = differences.loc[differences["least"] >= _ENOUGH, "points"].abs()
    far = max(sd, 2 * float(known.max()) if len(known) else 0.0)
    step = _round(far / _EACH_WAY)
    return [step * k for k in range(-_EACH_WAY, _EACH_WAY + 1)]


def _sd(fit: FittedModel, name: str) -> float:
    """SD of what was observed of a column."""
    return float(fit.design.frame[name].to_numpy(float)[seen(fit, name)].std(ddof=1))


def refuse_far(fit: FittedModel, name: str, amount: float, subject: str) -> None:
    """Refuse to move missing values of a column by more than a hundred of its SDs.

    Raises
    ------
    UsageError
        It is further.
    """
    sd = _sd(fit, name)
    if not abs(amount) <= _FURTHEST * sd:
        raise UsageError(
            f"{subject} would move missing values of {shown(name)} by {amount:.4g}, and the SD of what was observed of "
            f"it is {sd:.4g}. Give an amount in the unit of {shown(name)}, of no more than {_FURTHEST:g} SDs."
        )


def _round(value: float) -> float:
    """The next number of one digit or so, from above."""
    power = 10.0 ** math.floor(math.log10(value))
    step = next(
        factor for factor in (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0) if factor * power >= value * (1 - 1e-9)
    )
    return step * power


def _groups(fit: FittedModel, name: str, by: str | None) -> list[tuple[str | None, np.ndarray]]:
    """Whose values are moved together: a level and, for each drawn value, 1 or 0."""
    imputation = fit.imputation
    assert imputation is not None
    places = imputation.places[name]
    if by is None:
        return [(None, np.ones(places.size))]
    labels, known = levels_of_lacking(fit, name, by)
    levels = [level for level in known if (labels == level).any()]
    if not 1 <= len(levels) <= _MOST_LEVELS:
        raise UsageError(
            f"{argument('by')} should have from 1 to {_MOST_LEVELS} levels among those who lack {shown(name)}, but "
            f"{shown(by)} has {len(levels)}. Join levels."
        )
    return [(level, (labels == level).astype(float)) for level in levels]


def levels_of_lacking(fit: FittedModel, name: str, by: str) -> tuple[np.ndarray, list[str]]:
    """Level of a factor of each row that lacks a column, empty where it has none, and all levels.

    Raises
    ------
    UsageError
        No factor that is known of the rows, one whose levels are persons, or one of which persons have several levels
        where the column is the same in all rows of a person.
    """
    imputation = fit.imputation
    assert imputation is not None
    beside = pd.DataFrame() if fit.beside is None else fit.beside.columns
    column = next((table[by] for table in (fit.design.frame, beside) if by in table), None)
    if column is None or not isinstance(column.dtype, pd.CategoricalDtype) or len(column) != len(fit.design.frame):
        raise UsageError(
            f"missing values are moved by the levels of a factor of the model, or of the table that it was fitted to, "
            f"but {shown(str(by))} is none. A fit that was read from a file knows the model's alone."
        )
    if by in fit.person_columns:
        raise UsageError(f"the levels of {shown(by)} are single persons, of whom none is singled out. Take another.")
    values = column.iloc[imputation.places[name]]
    labels = values.astype(object).where(values.notna(), "").astype(str).to_numpy()
    of_persons = (fit.info.get("imputation") or {}).get("of_persons") or ()
    if fit.people is not None and name in of_persons:
        own = pd.Series(labels).groupby(fit.people[imputation.places[name]]).nunique()
        if (own > 1).any():
            raise UsageError(
                f"{shown(name)} is the same in all rows of a person, and persons have several levels of {shown(by)}: "
                "one value cannot be moved by two amounts. Take a factor of persons."
            )
    return labels, [str(level) for level in column.cat.categories]


def _asked(fit: FittedModel, options: Options) -> list[Estimate]:
    """What carries the verdict: the declared contrast, or the differences of a factor's levels.

    Raises
    ------
    UsageError
        The model asks about nothing.
    """
    analysis, factor = Analysis(fit, options), fit.spec.focal_factor(fit.design)
    if factor is not None:
        return [
            estimate for estimate in CONTRASTS.estimates(analysis, factor) if estimate.estimand == "contrast_of_means"
        ]
    focal = fit.spec.focal_predictor(fit.design)
    if focal is None:
        raise UsageError(f"the model has no predictor of interest. Name it: {setting('focal')}.")
    rows = list(SLOPES.estimates(analysis))
    judged = [estimate for estimate in rows if estimate.estimand in CONTRASTED]
    chosen = judged[:1] or [estimate for estimate in rows if estimate.estimand == "slope"]
    if problem := next((estimate.note for estimate in chosen if np.isnan(estimate.draws()).any()), ""):
        raise UsageError(f"there is no contrast of {shown(focal)} to move: {problem}.")
    return chosen


def _of_tables(
    fit: FittedModel, tables: ShiftedTables, name: str, shift: np.ndarray, options: Options
) -> list[np.ndarray]:
    moved = replace(fit, tree=tables.posterior({name: shift}))
    return [_draws(fit, moved, estimate, options) for estimate in _asked(moved, options)]


def _draws(fit: FittedModel, moved: FittedModel, estimate: Estimate, options: Options) -> np.ndarray:
    """Draws of an estimate of moved tables; between percentiles those of the fit, which do not move with values."""
    if estimate.estimand != "slope_p10_p90" or estimate.term is None:
        return estimate.draws()
    ends = fit.quantiles(estimate.term, (0.1, 0.9))
    return contrast_between(Analysis(moved, options), estimate.term, (ends[0], ends[1]))[0]


def _rows(curves: Sequence[_Curve], name: str, by: str | None) -> Iterator[Estimate]:
    for curve in curves:
        for shift in curve.shifts:
            draws: Callable[[], np.ndarray] = Fixed(curve.estimate.draws() if shift == 0 else curve.draws(float(shift)))
            yield replace(curve.estimate, draws=draws, at=_at(name, float(shift), by, curve.level), prior=None)


def _at(name: str, shift: float, by: str | None, level: str | None) -> str:
    """Which values are moved, as a table of effects says it: "who5_followup = imputed - 5, arm = care"."""
    moved = f" {'-' if shift < 0 else '+'} {abs(shift):g}" if shift else ""
    of = "" if by is None or level is None else f", {at_of(by, level)}"
    return f"{at_of(name, f'imputed{moved}')}{of}"


def _table(rows: EffectTable, curves: Sequence[_Curve]) -> pd.DataFrame:
    places = [(curve.estimate.row_id, curve.level, float(shift)) for curve in curves for shift in curve.shifts]
    out = pd.DataFrame(places, columns=["estimate", "level", "delta"]).astype({"estimate": "str", "level": "str"})
    out["level"] = pd.Series([level for _, level, _ in places], dtype="str")
    for column in ("mean", "lower", "upper", "p_direction", "p_rope", "p_relevant"):
        out[column] = rows[column].to_numpy(float)
    return out


def _tips(curves: Sequence[_Curve], prob: float) -> pd.DataFrame:
    records = []
    for curve in curves:
        for claim in CLAIMS:
            if not curve.holds(claim, 0.0, prob):
                continue
            below, above = (curve.turns(claim, float(end), prob, 0.0) for end in (curve.shifts[0], curve.shifts[-1]))
            sides = [tip for tip in (below, above) if not math.isnan(tip)]
            nearest = min(sides, key=abs, default=math.nan)
            records.append((curve.estimate.row_id, curve.level, claim, below, above, nearest))
    columns = ["estimate", "level", "claim", "below", "above", "nearest"]
    out = pd.DataFrame(records, columns=columns)
    texts = {name: pd.Series(out[name].tolist(), dtype="str") for name in columns[:3]}
    return out.assign(**texts).astype(dict.fromkeys(columns[3:], float))
