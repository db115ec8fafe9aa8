"""Which prior each parameter of a model has: the analyst's where given, the default elsewhere."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType

from alliance_bayes.errors import ModelError
from alliance_bayes.model.columns import Column
from alliance_bayes.model.defaults import Defaults
from alliance_bayes.model.design import Design
from alliance_bayes.model.families import Family
from alliance_bayes.model.formula import Formula
from alliance_bayes.model.layout import refuse_shared
from alliance_bayes.model.priors import SET, Prior, PriorTable, StatedPrior, parse_prior
from alliance_bayes.model.roles import Role, RoleOf, role_of
from alliance_bayes.model.scales import Scale, scale_of
from alliance_bayes.model.sigma import GAMMA
from alliance_bayes.remedies import setting

__all__ = ["CATEGORICAL_COLUMNS", "at_zero", "preview_priors", "resolve_priors"]

# Columns of a cohort that hold levels, so that a formula's priors can be shown before there are rows.
CATEGORICAL_COLUMNS = frozenset({"sex", "country", "provider_type", "modality", "provider_id", "participant_id"})

# One parameter: the names it may be addressed by, the support its prior needs, its default, and what it belongs to.
_Parameter = tuple[tuple[str, ...], str, StatedPrior | None, str]
_COEFFICIENT = "the coefficient of"
# SDs from the mean of a column from which on a stated centring value is that of hardly anybody.
_FAR = 2.0


def resolve_priors(
    design: Design, given: Mapping[str, Prior], named: str, alliance: str, stated: Collection[str] = ()
) -> PriorTable:
    """Priors of every parameter of a design.

    Parameters
    ----------
    design
        The formula applied to rows.
    given
        The analyst's priors by parameter name; a term's name covers all its columns, ``tau_<factor>`` all its terms,
        ``sigma`` all levels of the residual factor, ``gamma`` all columns of the residual SD.
    named
        The prior set that fills the rest.
    alliance
        The predictor that is an alliance score.
    stated
        Numeric components whose centring value the analyst stated.

    Raises
    ------
    ModelError
        An unknown parameter name (the known ones are listed), a prior with the wrong support, or parameters that have
        neither a prior nor a reference scale to derive one from.
    """
    levels = None if design.outcome.levels is None else design.outcome.levels.size
    scale = design.scales.get(design.outcome.name)
    of_common = len({column.term for column in design.columns if column.order > 0})
    persons = any(factor.role.role == "person" for factor in design.factors)
    defaults = Defaults(design.outcome.name, design.family, scale, named, levels, alliance, of_common, persons)
    groups = [(factor.name, factor.columns, factor.correlated, factor.role) for factor in design.factors]
    by_level = () if design.residual is None else design.residual.parameters
    smooths = [smooth.name for smooth in design.smooths]
    origins = None if design.formula.has_intercept else design.centres
    left = [name for name in design.centres if not design.is_centred(name)]
    away = _away(design.centres, design.scales, left, stated)
    parameters = list(
        _parameters(
            design.family,
            design.columns,
            groups,
            smooths,
            defaults,
            design.scales,
            by_level,
            () if design.sigma is None else design.sigma.columns,
            origins=origins,
            away=away if origins is None else {},
            given=given,
        )
    )
    _check_parameters(parameters, design.formula)
    entries, lacking = _fill(parameters, given)
    if lacking:
        raise ModelError(
            f"no default prior is known for {', '.join(lacking)}: the package does not know the scale of every "
            "column involved. "
            f"Give these priors, or the columns' scales ({setting('scales', {'name': {'mean': ..., 'sd': ...}})}), or "
            f"leave {setting('autoscale', True)} to take scales from the analysed rows."
        )
    return PriorTable(entries, given, named)


def preview_priors(
    formula: Formula,
    family: Family,
    given: Mapping[str, Prior],
    named: str,
    declared: Mapping[str, Scale],
    alliance: str,
    roles: Mapping[str, Role],
    *,
    by_level: bool = False,
    sigma: Formula | None = None,
    centre: Mapping[str, float] | None = None,
) -> PriorTable:
    """The priors that can be told from the formula alone, before there are rows.

    Parameters whose default depends on the rows (an unknown scale, a column of unknown kind) are left out. Where the
    residual SD differs by level (``by_level``), ``sigma`` stands for all of them.

    Raises
    ------
    ModelError
        As `resolve_priors`, for what the formula alone can show.
    """
    of_sigma = () if sigma is None else tuple(term for term in sigma.common if term != "Intercept")
    scales = {
        part: scale
        for term in (*formula.common, *of_sigma, *(t for group in formula.groups for t in group.terms))
        for part in term.split(":")
        if (scale := scale_of(part, declared)) is not None
    }
    outcome = scale_of(formula.outcome, declared)

    def column(term: str) -> Column:
        if term == "Intercept":
            return Column(term, term, (), 0)
        parts = term.split(":")
        return Column(term, term, tuple(part for part in parts if part not in CATEGORICAL_COLUMNS), len(parts))

    common = [column(t) for t in formula.common if not (t == "Intercept" and family.own_intercepts)]
    # One term alone has correlations only where it has several columns, which the rows tell.
    groups = [
        (
            group.factor,
            tuple(map(column, group.terms)),
            group.correlated and len(group.terms) > 1,
            role_of(group.factor, roles),
        )
        for group in formula.groups
    ]
    levels = None if outcome is None or outcome.levels is None else outcome.levels.size
    of_common = sum(term != "Intercept" for term in formula.common)
    persons = any(role.role == "person" for *_, role in groups)
    defaults = Defaults(formula.outcome, family, outcome, named, levels, alliance, of_common, persons)
    smooths = [smooth.name for smooth in formula.smooths]
    origins = None if formula.has_intercept else centre or {}
    left = [name for name in scales if not formula.is_centred(name)]
    away = _away({**dict.fromkeys(left, 0.0), **(centre or {})}, scales, left, centre or {})
    # Without an intercept, the rows tell which indicator is a level and which a difference from one.
    coded = set() if origins is None else {c.label for c in common if set(c.label.split(":")) & CATEGORICAL_COLUMNS}
    parameters = [
        (names, support, None if names[0] in coded else default, meaning)
        for names, support, default, meaning in _parameters(
            family,
            common,
            groups,
            smooths,
            defaults,
            scales,
            (),
            tuple(map(column, of_sigma)),
            origins=origins,
            away=away if origins is None else {},
            given=given,
        )
    ]
    _check_parameters(parameters, formula)
    # A level's own name ("sex[male]") cannot be checked before there are levels.
    known = {name for names, *_ in parameters for name in names}
    levelled = known - set(family.parameters) - {GAMMA} | ({"sigma"} if by_level else set())
    later = {f"corr_{group.factor}" for group in formula.groups if group.correlated}
    later |= {name for name in given if name.split("[")[0] in levelled or f"{name.split('[')[0]}[Intercept]" in known}
    later |= {name for name in given if name.startswith(f"{GAMMA}[") and _without_levels(name) in known}
    entries, _ = _fill(parameters, {name: prior for name, prior in given.items() if name in known or name not in later})
    return PriorTable(entries, given, named)


def _without_levels(name: str) -> str:
    """A coefficient of the residual SD without the levels, and numbers of columns, that are in its term."""
    return f"{GAMMA}[{re.sub(r'\[[^\[\]]*\]', '', name[len(GAMMA) + 1 : -1])}]"


def _parameters(
    family: Family,
    common: Iterable[Column],
    groups: Iterable[tuple[str, tuple[Column, ...], bool, RoleOf]],
    smooths: Iterable[str],
    defaults: Defaults,
    scales: Mapping[str, Scale],
    by_level: tuple[str, ...] = (),
    of_sigma: tuple[Column, ...] = (),
    *,
    origins: Mapping[str, float] | None = None,
    away: Mapping[str, tuple[float, float]] = MappingProxyType({}),
    given: Mapping[str, Prior] = MappingProxyType({}),
) -> Iterator[_Parameter]:
    common = tuple(common)
    middle = {
        column: defaults.intercept() if column.label == "Intercept" else defaults.slope(column, scales, origins)
        for column in common
    }
    for column in common:
        names = (column.label, column.term) if column.label != column.term else (column.label,)
        default = _at_zero(column, middle, away, given)
        yield names, "real", default, f"{_COEFFICIENT} '{column.term}'"
    for name in family.parameters:
        if name == "sigma" and by_level:
            for level in by_level:
                yield (level, name), "positive", defaults.parameter(name), f"the parameter '{name}' of the family"
            continue
        yield (
            (name,),
            family.parameters[name].support,
            defaults.parameter(name),
            f"the parameter '{name}' of the family",
        )
    for column in of_sigma:
        of_column = (f"{GAMMA}[{column.label}]", f"{GAMMA}[{column.term}]", GAMMA)
        yield of_column, "real", defaults.log_sigma(column, scales), "the coefficients of the residual SD"
    for factor, columns, correlated, role in groups:
        for column in columns:
            names = (f"tau_{factor}[{column.label}]", f"tau_{factor}")
            yield (
                names,
                "positive",
                defaults.spread(column, scales, factor, role),
                f"the SDs of the effects of '{factor}'",
            )
        if correlated:
            reason = "LKJ(2): correlations near +/- 1 are less likely than those near 0"
            own_prior = StatedPrior(Prior("LKJ", (2.0,)), reason)
            yield (f"corr_{factor}",), "corr", own_prior, f"the correlations of '{factor}'"
    for smooth in smooths:
        yield (f"tau_{smooth}",), "positive", defaults.bend(), f"the SD of the smooth '{smooth}'"


def _at_zero(
    column: Column,
    defaults: Mapping[Column, StatedPrior | None],
    away: Mapping[str, tuple[float, float]],
    given: Mapping[str, Prior],
) -> StatedPrior | None:
    """The default prior of a coefficient that is about people at values of columns which hardly anybody has.

    A default is of people in the middle. What lies between them and these values is as far as ``away`` says, times the
    coefficients of the terms that multiply this one with such columns.
    """
    default = defaults[column]
    if default is None or default.prior.distribution != "Normal":
        return default
    parse_prior(default.prior, name=column.label)
    mean, variance = default.prior.arguments["mu"], default.prior.arguments["sigma"] ** 2
    names: list[str] = []
    for other, further in at_zero(column, defaults, away):
        stated = defaults[other]
        prior = given.get(other.label, given.get(other.term, None if stated is None else stated.prior))
        if prior is None:
            return None
        if prior.support != "real":
            continue
        parse_prior(prior, name=other.label)
        far = math.prod(away[name][1] for name in further)
        mean -= prior.arguments["mu"] * far
        variance += (prior.arguments["sigma"] * far) ** 2
        names += further
    if not names:
        return default
    where = " and ".join(f"{name!r} at {away[name][0]:g}" for name in dict.fromkeys(names))
    return StatedPrior(
        Prior("Normal", (mean, math.sqrt(variance))),
        f"{default.reason}; with {where}, which the priors of the terms that have it make as uncertain",
    )


def _away(
    centres: Mapping[str, float], scales: Mapping[str, Scale], left: Collection[str], stated: Collection[str]
) -> dict[str, tuple[float, float]]:
    """Centring values that are not in the middle of their column, and how far that is from there, by component."""
    away = {}
    for name, centre in centres.items():
        if name in scales:
            far = scales[name].mean - centre
            if name in left or (name in stated and abs(far) > _FAR * scales[name].sd):
                away[name] = (centre, far)
    return away


def at_zero(
    column: Column, columns: Iterable[Column], left: Collection[str]
) -> Iterator[tuple[Column, tuple[str, ...]]]:
    """Columns that multiply a column with numbers that are not centred, and these: its coefficient is at their zero.

    Parameters
    ----------
    column
        One of the columns.
    columns
        All common columns.
    left
        Numeric components that are not centred, or at a value far from their middle.
    """
    components = _components(column)
    for other in columns:
        further = tuple(name for name in other.numeric if name not in column.numeric)
        if components < _components(other) and further and all(name in left for name in further):
            yield other, further


def _components(column: Column) -> frozenset[str]:
    """Names of the components of a column's term, none of the intercept."""
    return frozenset() if column.order == 0 else frozenset(column.term.split(":"))


def _check_parameters(parameters: list[_Parameter], formula: Formula) -> None:
    """Refuse columns whose coefficient has a name that addresses another parameter, too."""
    whose = {SET: "the prior set"}
    shared = []
    # What is no coefficient has its name from the layout, and keeps it.
    for names, _, _, meaning in sorted(parameters, key=lambda parameter: parameter[3].startswith(_COEFFICIENT)):
        for name in names:
            if whose.setdefault(name, meaning) != meaning:
                shared.append((name, name, f"{whose[name]} among the priors"))
    refuse_shared(formula, shared)


def _fill(parameters: list[_Parameter], given: Mapping[str, Prior]) -> tuple[dict[str, StatedPrior], list[str]]:
    known = {name for names, *_ in parameters for name in names}
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ModelError(
            f"prior for unknown parameter(s) {', '.join(map(repr, unknown))}. Known parameters: "
            f"{', '.join(sorted(known))}."
        )
    entries: dict[str, StatedPrior] = {}
    lacking: list[str] = []
    for names, support, default, _ in parameters:
        prior = next((given[name] for name in names if name in given), None)
        if prior is not None:
            if prior.support != support:
                raise ModelError(
                    f"prior of '{names[0]}': {prior} has {prior.support} support, but this parameter needs {support} "
                    "support."
                )
            entries[names[0]] = StatedPrior(prior, "given by the analyst")
        elif default is None:
            lacking.append(f"'{names[0]}'")
        else:
            # Of very large and very small columns, as of a prior that somebody states.
            parse_prior(default.prior, name=names[0])
            entries[names[0]] = default
    return entries, lacking
