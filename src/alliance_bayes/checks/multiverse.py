"""A finding under other choices that could have been made: what is adjusted for, whom it is of, priors, families."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd

from alliance_bayes.checks.refits import DRAWS, why_not
from alliance_bayes.checks.sensitivity import cases_of
from alliance_bayes.checks.stated import SCALES, scaled
from alliance_bayes.cohort import Cohort, Flow
from alliance_bayes.cohort.row_names import telling_rows
from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.options import Options, default_population, make_options
from alliance_bayes.effects.slopes import contrast_between
from alliance_bayes.effects.summary import Estimate, Fixed, summarise
from alliance_bayes.effects.table import EffectTable, Measure
from alliance_bayes.engines import SamplerSettings
from alliance_bayes.engines.choice import sample
from alliance_bayes.errors import AllianceBayesError, UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.foreign import shown
from alliance_bayes.kinds import is_text_list
from alliance_bayes.model import Design
from alliance_bayes.model.adjustment import adjustment_sets, spec_without
from alliance_bayes.model.families import FAMILIES
from alliance_bayes.wording import ends_of

__all__ = ["DECLARED", "UNIVERSE", "multiverse", "multiverse_of", "why_none"]

#: What the analysis that was declared is called.
DECLARED = "as declared"
#: The name of the rows.
UNIVERSE = "contrast_in_universe"
_MEASURE = Measure("{term}", subject="the contrast", signed=True, judged=True)
_EVERYBODY, _AS_FITTED = "everybody", "priors as declared"
# Characters of a scoring's name, and SDs, and times an SD, that its scores may be from the declared ones.
_LONGEST, _FARTHEST = 80, 3.0


@dataclass(frozen=True)
class _Universe:
    """One combination of choices: names of each, and what they are."""

    adjustment: str
    columns: tuple[str, ...]
    whom: str
    keep: np.ndarray | None
    priors: str
    factor: float
    family: str
    scoring: str = ""

    @property
    def label(self) -> str:
        """All that differs from what was declared."""
        parts = [
            self.adjustment if self.columns else "",
            self.whom if self.keep is not None else "",
            self.priors if self.factor != 1 else "",
            self.family,
            self.scoring,
        ]
        return "; ".join(filter(None, parts)) or DECLARED


def multiverse(
    fit: FittedModel,
    *,
    families: Sequence[str] = (),
    scorings: Mapping[str, Cohort] | None = None,
    prob: float = 0.89,
) -> EffectTable:
    """The declared contrast under every combination of choices that could have been made.

    Parameters
    ----------
    fit
        A fit to rows by the collapsed engine, of a model that says why its covariates are adjusted for
        (``covariates``).
    families
        Further families, which NUTS samples in minutes each combination: ``"student_t"``.
    scorings
        The same table with scores made in other ways, by what these are called: ``{"half of the items answered":
        read_cohort("clinic.csv", prorate=0.5)}``. Scores have to be in the points of the declared ones.
    prob
        Probability of the equal-tailed intervals.

    Returns
    -------
    EffectTable
        A row a combination: ``term`` is what differs from the declared analysis, which is the first, called
        "as declared". The choices are the adjustment set (as declared; without post-baseline covariates; confounders
        only; no covariates), the people (everybody; without the lowest ratings of the alliance, where 20 people have
        such), the priors (as declared; all scales doubled), the family, and the scoring. The contrast is between the
        same two values of the predictor in all of them. ``left_out`` names combinations that could not be fitted.

    Raises
    ------
    UsageError
        The model has no numeric predictor of interest or says nothing of its covariates, or the fit was made by another
        engine or from moments. Before anything is fitted: families that are unknown, the model's own, named twice, or
        that cannot take the outcome; scorings that are no cohorts, of a weighted model, of other people, in other
        points, or of which the model cannot be made.

    Notes
    -----
    Choices that were made after seeing the data can be looked for in the whole of what might have been chosen [1]_. The
    combinations are no sample of anything, so that the share of those with some result is no probability.

    References
    ----------
    .. [1] Steegen, Tuerlinckx, Gelman, Vanpaemel (2016). Increasing transparency through a multiverse analysis.
       Perspectives on Psychological Science 11(5). doi 10.1177/1745691616658637
    """
    if reason := why_none(fit):
        raise UsageError(f"there is no multiverse: {reason}.")
    _check_families(fit, families)
    return multiverse_of(fit, families=families, scorings={} if scorings is None else scorings, prob=prob)


def _check_families(fit: FittedModel, families: Sequence[str]) -> None:
    """Refuse what are no further families of a model, and those that cannot take its outcome, before they are sampled.

    Raises
    ------
    UsageError
        All of them, with why.
    """
    family = fit.spec.family
    others = [name for name in FAMILIES if name != family]
    if not is_text_list(families) or not set(families) <= set(others) or len(set(families)) < len(families):
        raise UsageError(
            f"families should be a list of families besides '{family}', each once, but got "
            f"{shown(families)}. There are {', '.join(others)}."
        )
    faults = []
    for name in families:
        try:
            replace(fit.spec, family=name, priors=fit.spec.prior_set, levels={}).design(fit.design.frame)
        except AllianceBayesError as error:
            faults.append(f"family '{name}': {error}")
    if faults:
        raise UsageError("\n".join(faults))


def why_none(fit: FittedModel) -> str:
    """Why a fit has no multiverse; empty where it has one."""
    if fit.moments is not None:
        return "the fit was made from moments, which hold no rows to leave out"
    if fit.imputation is not None:
        return "missing values were drawn together with the parameters, and another model draws others"
    if not fit.spec.covariates:
        return "the model does not say why its covariates are adjusted for; declare it (covariates)"
    if fit.spec.focal_predictor(fit.design) is None:
        return "the model has no numeric predictor of interest"
    if fit.spec.focal_predictor(fit.design) in fit.spec.covariates:
        return "the predictor of interest is declared to be a covariate"
    return why_not(fit)


def multiverse_of(
    fit: FittedModel,
    *,
    families: Sequence[str] = (),
    scorings: Mapping[str, Cohort] | None = None,
    prob: float = 0.89,
) -> EffectTable:
    """The same of a fit that has one."""
    predictor = fit.spec.focal_predictor(fit.design)
    assert predictor is not None
    options = replace(make_options(fit, prob=prob), population=default_population(fit))
    analysis = Analysis(fit, options)
    ends = analysis.contrast_ends(predictor)
    if ends is None or ends[0] == ends[1]:
        ends = (0.0, fit.sd(predictor))
    unit, tables, left_out = analysis.outcome_unit, [], []
    rescored = _rescored(fit, {} if scorings is None else scorings, families)
    for base, universe in _of_all(fit, rescored, families):
        try:
            fitted = _fitted(base, universe)
            draws = _contrast(fitted, predictor, ends, options)
        except AllianceBayesError as error:
            left_out.append(f"{universe.label}: {error}")
            continue
        change = f"{' to '.join(ends_of(*ends))} of {predictor}"
        population = default_population(fitted)
        row = Estimate(
            UNIVERSE,
            Fixed(fitted.with_chains(draws)),
            unit,
            term=universe.label,
            denominator=change,
            population=population,
            signed=True,
            measure=_MEASURE,
            rope=options.rope,
            relevant=options.relevant,
        )
        tables.append(summarise([row], options))
    table = EffectTable.concat(tables)
    table.left_out = tuple(left_out)
    return table


def _of_all(
    fit: FittedModel, rescored: Mapping[str, FittedModel], families: Sequence[str]
) -> Iterator[tuple[FittedModel, _Universe]]:
    """All combinations of all scorings with the fit that has their rows, the declared one first."""
    yield from ((fit, universe) for universe in _universes(fit, families))
    for name, base in rescored.items():
        yield from ((base, replace(universe, scoring=name)) for universe in _universes(base, families))


def _rescored(fit: FittedModel, scorings: Mapping[str, Cohort], families: Sequence[str]) -> dict[str, FittedModel]:
    """The declared model on the rows that each scoring gives, to be fitted; its draws are those of the fit.

    Raises
    ------
    UsageError
        A scoring that is no cohort, has no name or that of another choice, or of a weighted model; all that are of
        other people, in other points, or of which the model cannot be made.
    """
    if not isinstance(scorings, Mapping) or not all(isinstance(cohort, Cohort) for cohort in scorings.values()):
        raise UsageError(
            "scorings should be cohorts by what they are called, such as {'half of the items': cohort}, but got "
            f"{scorings!r:.100}."
        )
    taken = {universe.label for universe in _universes(fit, families)} | {_EVERYBODY, _AS_FITTED}
    if wrong := [name for name in scorings if not isinstance(name, str) or not _is_name(name) or name in taken]:
        raise UsageError(
            f"a scoring should have a name of its own, of one line of {_LONGEST} characters at most and without "
            f"semicolons, but got {shown(wrong[0])}. Name what differs, such as 'half of the items'."
        )
    if scorings and fit.design.rows.weights is not None:
        raise UsageError("scorings are of rows that count alike, but the model has weights. Leave them out.")
    rescored, faults = {}, []
    for name, cohort in scorings.items():
        try:
            rows = fit.spec.derive(cohort)
            frame, flow = fit.spec.complete(rows)
            with telling_rows(rows, fit.spec.columns):
                design = replace(fit.spec, levels={}).design(frame)
        except AllianceBayesError as error:
            faults.append(f"scoring '{name}': {error}")
            continue
        if differing := list(_other_table(fit, flow, design)):
            faults.append(
                f"scoring '{name}': {' '.join(differing)} A scoring is the same table with its scores made anew."
            )
        rescored[name] = replace(fit, design=design, flow=flow, people=rows.people(fit.spec.columns), beside=None)
    if faults:
        raise UsageError("\n".join(faults))
    return rescored


def _is_name(name: str) -> bool:
    """Whether a text can stand in a label, among others: one line, as it is, of no great length."""
    return name == name.strip() and 0 < len(name) <= _LONGEST and name.isprintable() and ";" not in name


def _other_table(fit: FittedModel, flow: Flow, design: Design) -> Iterator[str]:
    """Why a table cannot be that of a fit with scores made in another way."""
    for unit, expected, other in (
        ("rows", fit.flow.participants, flow.participants),
        ("people", fit.flow.people or 0, flow.people or 0),
    ):
        if expected != other:
            yield f"it has {other:,} {unit}, and the table of the fit {expected:,}."
    names = (fit.design.outcome.name, fit.spec.focal_predictor(fit.design))
    for name in (column for column in names if column in fit.design.frame and column in design.frame):
        fitted, rescored = (pd.to_numeric(each.frame[name]).to_numpy(float) for each in (fit.design, design))
        sd, spread = fitted.std(), rescored.std()
        if not sd / _FARTHEST <= spread <= _FARTHEST * sd or abs(rescored.mean() - fitted.mean()) > _FARTHEST * sd:
            yield (
                f"'{name}' has mean {rescored.mean():.4g} and SD {spread:.4g} there, and {fitted.mean():.4g} and "
                f"{sd:.4g} in the fit, so that its scores are not in the same points."
            )


def _universes(fit: FittedModel, families: Sequence[str]) -> Iterator[_Universe]:
    """All combinations, the declared one first."""
    whom: list[tuple[str, np.ndarray | None]] = [(_EVERYBODY, None)]
    whom += [(label, keep) for label, factor, _, keep in cases_of(fit) if factor is None]
    priors = [(_AS_FITTED, 1.0), ("wider priors", SCALES["doubled"])]
    sets = adjustment_sets(fit.spec.covariates).items()
    for family, (label, columns), (people, keep), (prior, factor) in product(["", *families], sets, whom, priors):
        yield _Universe(label, columns, people, keep, prior, factor, f"family {family}" if family else "")


def _fitted(fit: FittedModel, universe: _Universe) -> FittedModel:
    """The model of a universe, fitted to its rows; the fit itself where nothing differs."""
    if universe.label == DECLARED:
        return fit
    spec = spec_without(fit.spec, universe.columns) if universe.columns else fit.spec
    frame = fit.design.frame if universe.keep is None else fit.design.frame[universe.keep]
    if universe.family:
        spec = replace(spec, family=universe.family.removeprefix("family "), priors=spec.prior_set)
    # Declared levels that nobody has left would be refused.
    categories = {
        str(name): frame[name].cat.remove_unused_categories() for name in frame.select_dtypes("category").columns
    }
    spec = replace(spec, levels={})
    rows = frame.assign(**categories).reset_index(drop=True)[list(spec.columns)]
    keep = np.ones(fit.design.rows.n, dtype=bool) if universe.keep is None else universe.keep
    weights, persons = fit.design.rows.weights, fit.design.persons
    design = spec.design(rows, weights=None if weights is None else weights[keep])
    if persons is not None:
        design = replace(design, persons=persons[keep])
    priors = spec.priors_for(design)
    if universe.factor != 1:
        wider = {name: scaled(stated.prior, universe.factor) for name, stated in priors.items()}
        spec = replace(spec, priors=wider)
        priors = spec.priors_for(design)
    chains = fit.shape[0]
    draws = min(fit.shape[1], -(-DRAWS // chains))
    settings = SamplerSettings(draws=draws, chains=chains, cores=1, seed=int(fit.info.get("seed") or 0))
    engine = "nuts" if universe.family else "collapsed"
    tree, info = sample(design, priors, settings, engine=engine, draws=draws)
    people = fit.people if fit.people is None or universe.keep is None else fit.people[universe.keep]
    return replace(fit, spec=spec, design=design, priors=priors, tree=tree, info=info, people=people)


def _contrast(fit: FittedModel, predictor: str, ends: tuple[float, float], options: Options) -> np.ndarray:
    """The expected outcome at the higher of two values minus that at the lower, shape (n_draws,)."""
    analysis = Analysis(fit, replace(options, population=default_population(fit)))
    return contrast_between(analysis, predictor, ends)[0]
