"""What leaving rows out costs an answer: how far it moves once a quick run has drawn what they lack."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alliance_bayes.effects import EffectTable
from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.means import CONTRASTS
from alliance_bayes.effects.options import Options, make_options
from alliance_bayes.effects.slopes import SLOPES
from alliance_bayes.effects.summary import Estimate, summarise
from alliance_bayes.errors import AllianceBayesError
from alliance_bayes.fit import FittedModel
from alliance_bayes.imputation.quick import all_of, quick_posterior
from alliance_bayes.report.codings import decided
from alliance_bayes.report.estimates import Estimates
from alliance_bayes.report.privacy import ShownFlow
from alliance_bayes.report.text import column_name, number
from alliance_bayes.report.verdicts import claim
from alliance_bayes.wording import Wording

if TYPE_CHECKING:
    from alliance_bayes.report.view import View

__all__ = ["NOTE", "Dropped", "dropped", "lacks_outcome_alone", "tried"]

SENTENCES = Wording("alliance_bayes.report", "sentences/dropped.toml")
#: What the row says of itself.
NOTE = "with values drawn, in a quick run, for what the rows left out lack"
# Most rows of a quick run, and most that lack a value: it is to take a second or two.
_MOST_ROWS, _MOST_LACKING = 20_000, 2_000
# Under which what a run found is known of a fit.
_KEY = "left out"
# R-hat of the estimate up to which the run is gone by, and Monte Carlo errors by which it has to have moved.
_SETTLED, _ERRORS = 1.05, 2.0


@dataclass(frozen=True, eq=False)
class Dropped:
    """What is said of the rows that were left out.

    Parameters
    ----------
    clause
        How far the estimate moves, or why that is not said.
    rows
        The estimate with values drawn; None where no run was made.
    verdict
        "pass" where it says the same of the direction, "warn" where not; empty without a run.
    lacked
        What all of them lacked, where that is the outcome.
    """

    clause: str
    rows: EffectTable | None = None
    verdict: str = ""
    lacked: str = ""


def dropped(view: View, row: pd.Series, section: str, *, sign: float) -> Dropped | None:
    """What leaving rows out costs an estimate; None where none were, or so few that nothing is told of them.

    Parameters
    ----------
    view
        Of a fit whose conclusions are not withheld.
    row
        The estimate.
    section
        Under which the page's manifest has the row of the run.
    sign
        What the estimate is multiplied with where it is printed.
    """
    fit = view.fit
    flow = ShownFlow.of(fit.flow, view.small)
    if fit.imputation is not None or fit.flow.analysed == fit.flow.participants or flow.hidden:
        return None
    if why := _why_not(fit):
        if why == "outcome":
            return Dropped(SENTENCES("outcome"), lacked=column_name(fit.design.outcome.name))
        return Dropped(SENTENCES("not_tried", why=SENTENCES(why)))
    table = _of_row(fit, row)
    if table is None:
        return Dropped(SENTENCES("not_tried", why=SENTENCES("levels")))
    shown = view.estimated(section, table)
    again = shown.table.iloc[0] if len(shown.table) else None
    if again is None or pd.isna(again["mean"]) or not float(again["rhat"]) <= _SETTLED:
        return Dropped(SENTENCES("not_tried", why=SENTENCES("unsettled")), table)
    words = _moved(view.estimates, row, shown, again, sign)
    return Dropped(SENTENCES("moved", **words), table, "pass" if claim(row).agrees(claim(again)) else "warn")


def _moved(estimates: Estimates, row: pd.Series, shown: Estimates, again: pd.Series, by: float) -> dict[str, Any]:
    """How far an estimate moved, as it is printed: no further than a run of so few draws can tell."""
    places = min(estimates.places(row), shown.places(again))
    unit = 10.0**-places
    before, after = (round(by * float(one["mean"]), places) for one in (row, again))
    low, high = sorted(by * float(again[end]) for end in ("lower", "upper"))
    error = _ERRORS * float(np.hypot(row["mcse_mean"], again["mcse_mean"]))
    least = max(unit, np.ceil(error / unit) * unit)
    differs = abs(after - before) > max(error, unit / 2)
    return {
        "size": number(abs(after - before) if differs else least, places),
        "told": differs,
        "up": after > before,
        "mean": number(after, places),
        "lower": number(low, places),
        "upper": number(high, places),
    }


def tried(fit: FittedModel) -> bool:
    """Whether a quick run was made of a fit."""
    return any(isinstance(key, tuple) and key[0] == _KEY and run is not None for key, run in decided(fit).items())


def lacks_outcome_alone(fit: FittedModel) -> bool:
    """Whether all rows left out lack the outcome, so that values drawn from the model's own columns tell nothing."""
    lacking = None if fit.beside is None else fit.beside.lacking
    return lacking is not None and bool(lacking[fit.design.outcome.name].isna().all())


def _why_not(fit: FittedModel) -> str:
    """The name of what a page says where no run is made; empty where one is."""
    lacking = None if fit.beside is None else fit.beside.lacking
    if fit.moments is not None:
        return "moments"
    if fit.beside is None:
        return "kept"
    if lacks_outcome_alone(fit):
        return "outcome"
    if fit.design.weights is not None:
        return "weights"
    if fit.design.formula.windows:
        return "windows"
    if fit.info.get("engine") != "collapsed" or "fallback" in fit.info:
        return "engine"
    if lacking is None or len(lacking) > _MOST_LACKING or len(lacking) + fit.design.rows.n > _MOST_ROWS:
        return "many"
    return ""


def _of_row(fit: FittedModel, row: pd.Series) -> EffectTable | None:
    """The same estimate of all rows; None where these make another model of it."""
    known = decided(fit)
    key = (_KEY, str(row.name))
    if key not in known:
        known[key] = _made(fit, row)
    table: EffectTable | None = known[key]
    return table


def _made(fit: FittedModel, row: pd.Series) -> EffectTable | None:
    assert fit.beside is not None
    assert fit.beside.lacking is not None
    demanded = [fit.person] if fit.people is not None and fit.person in fit.design.frame else []
    try:
        frame = all_of(fit.design, fit.beside.lacking, demanded)
        if len(frame) == fit.design.rows.n:
            return None
        seed = int(fit.info.get("seed") or 0)
        tree = quick_posterior(fit.spec, fit.design, fit.priors, frame, seed=seed, person=fit.person)
    except AllianceBayesError:
        return None
    if tree is None:
        return None
    estimate = _estimate(replace(fit, tree=tree), row)
    return None if estimate is None else summarise([estimate[0]], estimate[1])


def _estimate(fit: FittedModel, row: pd.Series) -> tuple[Estimate, Options] | None:
    """The estimate of a row of an effects table by another posterior of the same model, and the options it is of."""
    rope = None if pd.isna(row["rope_low"]) else (float(row["rope_low"]), float(row["rope_high"]))
    options = make_options(
        fit,
        population=row["population"],
        prob=float(row["prob"]),
        interval=row["interval"],
        rope=rope,
        relevant=None if pd.isna(row["relevant"]) else float(row["relevant"]),
    )
    analysis = Analysis(fit, options)
    if isinstance(row["factor"], str):
        estimates = CONTRASTS.estimates(analysis, row["factor"])
    else:
        estimates = SLOPES.estimates(analysis, predictor=str(row["term"]))
    for estimate in estimates:
        pair = not isinstance(row["level"], str) or (estimate.level, estimate.versus) == (row["level"], row["versus"])
        if estimate.estimand == row["estimand"] and pair:
            return replace(estimate, note=NOTE), options
    return None
