"""Why a model has a covariate: its role in what is adjusted for, and the model without some covariates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, get_args

from alliance_bayes.errors import ModelError
from alliance_bayes.foreign import shown
from alliance_bayes.model.formula import Formula, GroupChunk
from alliance_bayes.model.grammar import windowed_named
from alliance_bayes.model.nodes import columns_of
from alliance_bayes.remedies import setting

if TYPE_CHECKING:
    from alliance_bayes.model.spec import ModelSpec

__all__ = [
    "ADJUSTING",
    "Adjusting",
    "adjustment_sets",
    "check_covariates",
    "formula_without",
    "known_after",
    "spec_without",
]

#: A cause of predictor and outcome; a cause of the outcome alone; measured after care began.
type Adjusting = Literal["confounder", "precision", "post-baseline"]
ADJUSTING: tuple[Adjusting, ...] = get_args(Adjusting.__value__)

# Columns of a cohort that are known when care has begun, by the names that `read_cohort` gives them.
_AFTER = frozenset({"days_in_care", "n_sessions"})


def known_after(column: str) -> bool:
    """Whether a column's name says that it was measured after care began."""
    window = windowed_named(column)
    return (column if window is None else window.source) in _AFTER


def check_covariates(covariates: Mapping[str, object], predictors: Iterable[str]) -> dict[str, Adjusting]:
    """Declared roles of covariates.

    Raises
    ------
    ModelError
        Something that is no role, or a name that is no predictor of the formula.
    """
    known = list(predictors)
    problems = [
        f"{setting('covariates')} of {shown(name)} should be one of {', '.join(map(repr, ADJUSTING))} but got "
        f"{shown(role)}."
        for name, role in covariates.items()
        if role not in ADJUSTING
    ]
    if unknown := [name for name in covariates if name not in known]:
        problems.append(
            f"{setting('covariates')} names {', '.join(map(shown, unknown))}, but the predictors of the formula are "
            f"{', '.join(known) or 'none'}."
        )
    if problems:
        raise ModelError(" ".join(problems))
    return {name: next(literal for literal in ADJUSTING if literal == role) for name, role in covariates.items()}


def adjustment_sets(covariates: Mapping[str, Adjusting]) -> dict[str, tuple[str, ...]]:
    """Sets of covariates that a finding is looked at without: what each is called, and what it leaves out.

    Parameters
    ----------
    covariates
        Roles by column.

    Returns
    -------
    dict
        ``"as declared"`` first; none leaves out the same columns as another.
    """

    def of(*roles: Adjusting) -> tuple[str, ...]:
        return tuple(name for name, role in covariates.items() if role in roles)

    candidates = {
        "as declared": (),
        "without post-baseline covariates": of("post-baseline"),
        "confounders only": of("post-baseline", "precision"),
        "without covariates": of(*ADJUSTING),
    }
    sets: dict[str, tuple[str, ...]] = {}
    for label, columns in candidates.items():
        if columns not in sets.values():
            sets[label] = columns
    return sets


def formula_without(formula: Formula, columns: Iterable[str]) -> str:
    """The formula without every term that holds one of some columns, and without the factors that they are.

    Parameters
    ----------
    formula
        A parsed formula.
    columns
        Predictors of it.
    """
    out = set(columns)
    calls = {call.name: set(columns_of(call)) for call in formula.calls}

    def holds(name: str) -> bool:
        return any(bool(calls.get(part, {part}) & out) for part in name.split(":"))

    groups = []
    for group in formula.groups:
        terms = tuple(term for term in group.terms if not holds(term))
        if terms and not holds(group.factor):
            groups.append(GroupChunk(group.factor, terms, group.correlated, group.joint))
    reduced = replace(
        formula,
        common=tuple(name for name in formula.common if not holds(name)),
        groups=tuple(groups),
        smooths=tuple(smooth for smooth in formula.smooths if smooth.column not in out),
        offsets=tuple(offset for offset in formula.offsets if not set(columns_of(offset)) & out),
    )
    return str(reduced)


def spec_without(spec: ModelSpec, columns: Iterable[str]) -> ModelSpec:
    """The model without some covariates, and without what was declared of these alone.

    Parameters
    ----------
    spec
        A model.
    columns
        Predictors of it besides the focal one.

    Raises
    ------
    ModelError
        What is left is no model.
    """
    out = set(columns)
    formula = formula_without(spec.parsed, out)
    sigma = None
    if spec.parsed_sigma is not None:
        _, _, left = formula_without(spec.parsed_sigma, out).partition("~")
        sigma = left if left.strip() != "1" else None
    bare = replace(
        spec, formula=formula, sigma=sigma, priors=spec.prior_set, roles={}, centre={}, covariates={}, levels={}
    )
    remaining = set(bare.columns)
    factors = {part for group in bare.parsed.groups for part in (group.factor, *group.factor.split(":"))}
    known = set(bare.priors)
    return replace(
        bare,
        priors={"set": spec.prior_set, **{name: prior for name, prior in spec.given_priors.items() if name in known}},
        roles={name: role for name, role in spec.roles.items() if name in factors},
        centre={name: value for name, value in spec.centre.items() if name in remaining},
        covariates={name: role for name, role in spec.covariates.items() if name in remaining},
        levels={name: labels for name, labels in spec.levels.items() if name in remaining},
    )
