"""ModelSpec: everything that defines a model, before any rows are seen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Self

import numpy as np
import pandas as pd

from alliance_bayes.cohort import Cohort, Flow
from alliance_bayes.cohort.weights import WeightsKind
from alliance_bayes.errors import ModelError
from alliance_bayes.model.adjustment import Adjusting, check_covariates
from alliance_bayes.model.arguments import check_kinds, check_words
from alliance_bayes.model.complete import refuse_as_predictors, refuse_emptied
from alliance_bayes.model.defaults import PRIOR_SETS, set_without_use
from alliance_bayes.model.derivations import Derivations
from alliance_bayes.model.design import Design, build_design
from alliance_bayes.model.families import Family, family_named
from alliance_bayes.model.formula import Formula, parse_formula
from alliance_bayes.model.grammar import shown, windowed_named
from alliance_bayes.model.layout import check_names
from alliance_bayes.model.levels import check_declared, declare_levels
from alliance_bayes.model.missingness import check_missing
from alliance_bayes.model.nobody import filled
from alliance_bayes.model.nodes import columns_of, windowed_in
from alliance_bayes.model.priors import SET, Prior, PriorTable, parse_prior
from alliance_bayes.model.residual import check_residual_by
from alliance_bayes.model.resolve import preview_priors, resolve_priors
from alliance_bayes.model.roles import Role, RoleOf, check_roles, is_of_persons, person_column, role_of
from alliance_bayes.model.scales import Scale, scale_of, scales_of, unit_of
from alliance_bayes.model.sigma import check_sigma, parse_sigma, sigma_text
from alliance_bayes.model.smooth import Smooth
from alliance_bayes.model.trials import check_trials
from alliance_bayes.model.weighting import check_weights
from alliance_bayes.notebook import listed, overview
from alliance_bayes.readonly import ReadOnly
from alliance_bayes.remedies import argument, setting

__all__ = ["EXHAUSTIVE", "Card", "ModelSpec"]

EXHAUSTIVE = ("provider_type", "sex", "modality")


@dataclass(frozen=True)
class Card:
    """The words that go with a model: what a paper would print beside the formula.

    Parameters
    ----------
    name
        Short name, used for files.
    title, question, estimand
        What the model is called, asks and estimates.
    assumptions
        One sentence each.
    sources
        References.

    Raises
    ------
    ModelError
        Anything but a text, or several.
    """

    name: str = "model"
    title: str = ""
    question: str = ""
    estimand: str = ""
    assumptions: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_words(vars(self))


@dataclass(frozen=True, eq=False)
class ModelSpec:
    """A model: formula, family, priors and pooling; the fields are the arguments of :class:`alliance_bayes.Model`."""

    formula: str
    family: str = "gaussian"
    priors: str | Mapping[str, str | Prior] | PriorTable = "weak"
    exhaustive: tuple[str, ...] = EXHAUSTIVE
    focal: str | None = None
    against: str | None = None
    contrast: tuple[float, float] | None = None
    centre: Mapping[str, float] = field(default_factory=dict)
    scales: Mapping[str, Scale] = field(default_factory=dict)
    autoscale: bool = True
    roles: Mapping[str, Role] = field(default_factory=dict)
    alliance: str = "alliance"
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    residual_by: str | None = None
    sigma: str | None = None
    trials: str | None = None
    rows: str = "participants"
    derived: tuple[str, ...] = ()
    events: Mapping[str, Mapping[str, str | float]] = field(default_factory=dict)
    among: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    weights: str | None = None
    weights_kind: WeightsKind | None = None
    missing: str = "drop"
    auxiliary: tuple[str, ...] = ()
    error: Mapping[str, float] = field(default_factory=dict)
    reliability: Mapping[str, float] = field(default_factory=dict)
    covariates: Mapping[str, Adjusting] = field(default_factory=dict)
    card: Card = field(default_factory=Card)

    def __post_init__(self) -> None:
        check_kinds(vars(self))
        if not isinstance(self.card, Card):
            raise ModelError(f"card should be a Card but got {self.card!r:.40}. Read a file with from_card().")
        object.__setattr__(self, "roles", check_roles(self.roles, [group.factor for group in self.parsed.groups]))
        for name in ("centre", "scales", "levels", "roles"):
            object.__setattr__(self, name, ReadOnly(getattr(self, name)))
        object.__setattr__(self, "levels", ReadOnly(check_declared(self.levels)))
        object.__setattr__(self, "exhaustive", tuple(self.exhaustive))
        if self.residual_by is not None:
            check_residual_by(self.residual_by, self.parsed, self.observation)
        if self.sigma is not None:
            object.__setattr__(self, "sigma", sigma_text(self.sigma))
            check_sigma(self.sigma, self.weights_kind)
        check_trials(self.trials, self.parsed, self.observation)
        check_weights(self.weights, self.weights_kind, self.columns, imputes=self.missing == "impute")
        for name in ("error", "reliability"):
            object.__setattr__(self, name, ReadOnly(getattr(self, name)))
        object.__setattr__(self, "covariates", ReadOnly(check_covariates(self.covariates, self.parsed.columns[1:])))
        object.__setattr__(self, "auxiliary", check_missing(self))
        derivations = self._derivations()
        derivations.check_used((*self.columns, *(name for window in self.parsed.windows for name in window.made_of)))
        for name in ("derived", "events", "among"):
            object.__setattr__(self, name, getattr(derivations, name))
        check_names(self.parsed, self.observation, self.residual_by, self.trials, self.parsed_sigma)
        if self.observation.own_intercepts and not self.parsed.has_intercept:
            raise ModelError(
                f"formula {shown(self.formula)} has no intercept, but the cutpoints of family '{self.family}' are its "
                "intercepts. Remove '0 +' or '- 1'."
            )
        given, named = _read_priors(self.priors)
        # An impossible model fails here, not after a cohort is read.
        table = preview_priors(
            self.parsed,
            self.observation,
            given,
            named,
            self.scales,
            self.alliance,
            self.roles,
            by_level=self.residual_by is not None,
            sigma=self.parsed_sigma,
            centre=self.centre,
        )
        object.__setattr__(self, "priors", table)
        if self.alliance != "alliance" and self.alliance not in self.parsed.columns[1:]:
            raise ModelError(
                f"{setting('alliance')} names {shown(self.alliance)}, which is not in the formula. Its predictors: "
                f"{', '.join(self.parsed.columns[1:])}."
            )
        if self.against is not None:
            _check_against(self.against, self.focal, self.parsed, self.scales)
        if self.contrast is not None:
            object.__setattr__(self, "contrast", _read_contrast(self.contrast))
        if self.focal is not None and self.focal not in self.parsed.columns[1:]:
            raise ModelError(
                f"{setting('focal')} names {shown(self.focal)}, which is not in the formula. Its predictors: "
                f"{', '.join(self.parsed.columns[1:])}."
            )

    @cached_property
    def parsed(self) -> Formula:
        """The parsed formula."""
        return parse_formula(self.formula)

    @cached_property
    def parsed_sigma(self) -> Formula | None:
        """The parsed formula of the residual SD, with the outcome in its place; None where it is everybody's."""
        if self.sigma is None:
            return None
        return parse_sigma(self.sigma, self.parsed, self.observation, self.residual_by)

    @cached_property
    def observation(self) -> Family:
        """The observation family."""
        return family_named(self.family)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every data column the model needs, outcome first: complete rows have a value in all of them."""
        trials = () if self.trials is None else (self.trials,)
        return tuple(dict.fromkeys([*self.parsed.columns, *self.of_residual, *trials]))

    @property
    def of_residual(self) -> tuple[str, ...]:
        """Columns that the residual SD differs by, or along."""
        if self.parsed_sigma is not None:
            return self.parsed_sigma.columns[1:]
        return () if self.residual_by is None else (self.residual_by,)

    @property
    def inexact(self) -> frozenset[str]:
        """Predictors that were measured with an error of known size, so that their true values are drawn."""
        return frozenset((*self.error, *self.reliability))

    def derive(self, cohort: Cohort, *, beside: Iterable[str] = ()) -> Cohort:
        """The rows that the model is of, with the columns that it makes.

        They are those of ``rows``, ``derived``, ``events`` and ``among``, and ``within(x)``, ``between(x)`` and
        ``lag(x)`` of the formula, which are made of all rows before ``among`` takes some.

        Where a row has no level of a factor and nothing to pool over it, it is given the level "(nobody)". An event
        that is written as TRUE and FALSE is 1 and 0.

        Parameters
        ----------
        cohort
            The cohort; rows that were made before are the same again.
        beside
            Columns of other models of the same rows, of which those like ``lag(x)`` are made, too.

        Returns
        -------
        Cohort
            What `complete` takes.

        Raises
        ------
        UsageError, DataError
            The tables lack what a row or column is made of, or have another column of its name.
        """
        derived = self._derivations(beside).of(cohort)
        data = filled(derived.data, self.parsed, self.of_residual)
        data = family_named(self.family).numbered(data, self.parsed.outcome)
        return derived if data is derived.data else replace(derived, data=data)

    def _derivations(self, beside: Iterable[str] = ()) -> Derivations:
        others = (window for name in beside if (of := windowed_named(name)) is not None for window in windowed_in(of))
        # In an order that does not depend on whose column it is: people are left out in that of the table.
        windows = tuple(
            sorted({*self.parsed.windows, *others}, key=lambda window: (len(window.functions), window.name))
        )
        factors = tuple(group.factor for group in self.parsed.groups)
        return Derivations(self.rows, self.derived, self.events, self.among, windows, factors, self.roles)

    def of_persons(self, cohort: Cohort) -> tuple[Self, Cohort]:
        """The model and the rows, agreed on whose a row is.

        Parameters
        ----------
        cohort
            What `derive` gives.

        Returns
        -------
        spec : ModelSpec
            With the role of the cohort's column of persons, where it pools over it.
        cohort : Cohort
            With the column of persons, where it names none and the model pools over one in which some have several
            rows.

        Raises
        ------
        ModelError
            The model's roles say something else of that column, it is a predictor, or dates are.
        """
        factors, person = [group.factor for group in self.parsed.groups], cohort.person
        if person is None:
            column = person_column(factors, cohort.data, self.roles)
            return self, cohort if column is None else replace(cohort, person=column)
        for formula in (self.parsed, self.parsed_sigma):
            if formula is not None:
                refuse_as_predictors(formula, person, cohort.time, cohort.data)
        return self.with_persons(person), cohort

    def with_persons(self, person: str) -> Self:
        """The model with the role of a column of persons, where it pools over it.

        Parameters
        ----------
        person
            The column that says whose a row is.

        Returns
        -------
        ModelSpec
            Itself where the role is known or the column is none of its factors.

        Raises
        ------
        ModelError
            The model's roles say something else of that column.
        """
        if person not in self.parsed.grouping or role_of(person, self.roles) == RoleOf("person", known=True):
            return self
        if person in self.roles:
            raise ModelError(
                f"{setting('roles')} says that {shown(person)} is a {self.roles[person]}, and {argument('person')} "
                "that it tells whose a row is. Take it out of one of them."
            )
        return replace(self, roles={**self.roles, person: "person"})

    def on_scales_of(self, cohort: Cohort) -> Self:
        """The model with the scales on which the cohort's scores are, where they are others than those of their names.

        Parameters
        ----------
        cohort
            The cohort.

        Returns
        -------
        ModelSpec
            Itself, where there are none or it declares their scales.
        """
        measured = scales_of(cohort) if cohort.instruments else {}
        scales = {name: scale for name, scale in measured.items() if name in self.columns and name not in self.scales}
        return replace(self, scales={**self.scales, **scales}) if scales else self

    @property
    def prior_set(self) -> str:
        """Name of the prior set that fills what the analyst left open."""
        return self._table.named

    @property
    def given_priors(self) -> Mapping[str, Prior]:
        """The analyst's own priors by parameter name."""
        return self._table.given

    @property
    def _table(self) -> PriorTable:
        assert isinstance(self.priors, PriorTable)
        return self.priors

    def complete(self, cohort: Cohort, columns: Sequence[str] | None = None) -> tuple[pd.DataFrame, Flow]:
        """The participants who have a value in every column of the model, and who was left out.

        Parameters
        ----------
        cohort
            The cohort, as `derive` gives it.
        columns
            The model's columns in the order in which people are to be left out; the outcome first by default.

        Returns
        -------
        tuple
            The rows, and the flow.

        Raises
        ------
        UsageError, DataError
            See :meth:`alliance_bayes.Cohort.complete`.
        ModelError
            Leaving out incomplete rows leaves fewer than two, or a column without anything to differ.
        """
        needed = tuple(self.columns if columns is None else columns)
        frame, flow = cohort.complete(needed)
        refuse_emptied(cohort.data, needed, self.parsed, self.residual_by, self.parsed_sigma)
        return frame, flow

    def design(
        self,
        frame: pd.DataFrame,
        *,
        weights: np.ndarray | None = None,
        smooths: tuple[Smooth, ...] | None = None,
        points: bool = False,
    ) -> Design:
        """Apply the model to complete rows.

        Parameters
        ----------
        frame
            Complete on ``columns``, one row a participant.
        weights
            Participants that each point stands for, or sampling weights of the rows, shape (n_rows,); all alike by
            default.
        smooths
            The formula's smooths, where they are known; made from the rows by default.
        points
            Whether the rows are points that stand for moments.

        Returns
        -------
        Design
            Columns, levels and centres.

        Raises
        ------
        ModelError, DataError
            See `build_design`.
        """
        declared = declare_levels(frame, self.levels)
        design = build_design(
            self.parsed,
            self.observation,
            declared,
            exhaustive=self.exhaustive,
            centre=self.centre,
            scales=self.scales,
            autoscale=self.autoscale,
            roles=self.roles,
            residual_by=self.residual_by,
            weights=weights,
            smooths=smooths,
            trials=self.trials,
            points=points,
            sigma=self.parsed_sigma,
        )
        if self.focal is not None and _is_categorical(declared, self.focal):
            _check_factor(self.focal, design)
        return design

    def priors_for(self, design: Design) -> PriorTable:
        """Every prior of the model on a design, with reasons.

        Parameters
        ----------
        design
            The model's design on some rows.

        Returns
        -------
        PriorTable
            By parameter.

        Raises
        ------
        ModelError
            See `resolve_priors`.
        """
        return resolve_priors(design, self.given_priors, self.prior_set, self.alliance, self.centre)

    def set_without_use(self, design: Design, priors: PriorTable) -> str:
        """That the named prior set has no part in the priors, and why.

        Parameters
        ----------
        design
            The model's design on some rows.
        priors
            Its priors there.

        Returns
        -------
        str
            A sentence; empty where it has, and for the weak set.
        """
        return set_without_use(priors, self.alliance, design.predictors)

    def focal_predictor(self, design: Design) -> str | None:
        """The numeric predictor whose slope is reported; None when there is none, or when levels are compared.

        Those of a factor are, and so are 0 and 1 of a column that has no other value, unless it is compared ``against``
        another column's slope.

        Parameters
        ----------
        design
            The model's design on some rows.

        Returns
        -------
        str or None
            Name of a column.
        """
        name = self._of_interest(design)
        return None if name is None or self._has_levels(design, name) else name

    def declared_contrast(self, design: Design, predictor: str) -> tuple[float, float] | None:
        """The low and the high value of a predictor that are compared.

        Parameters
        ----------
        design
            The model's design on some rows.
        predictor
            A numeric column.

        Returns
        -------
        tuple of float or None
            In its unit, the lower first; None where none are declared of it.
        """
        return self.contrast if predictor == self.focal_predictor(design) else None

    def _of_interest(self, design: Design) -> str | None:
        """The predictor of interest: the one named, or else the alliance score or the first numeric one."""
        if self.focal is not None:
            return self.focal
        known = {name for call in self.parsed.offsets for name in columns_of(call)} - set(self.parsed.common)
        predictors = [
            name
            for name in self.parsed.columns[1:]
            if pd.api.types.is_numeric_dtype(design.frame[name]) and name not in known
        ]
        # A lag of the outcome says how lasting the outcome is, which is nobody's question of a predictor.
        lags = [window.name for window in self.parsed.windows if window.source == self.parsed.outcome]
        predictors.sort(key=lambda name: name in lags)
        return self.alliance if self.alliance in predictors else predictors[0] if predictors else None

    def focal_factor(self, design: Design) -> str | None:
        """The factor whose levels are compared, a treatment arm say; None when a slope is reported, or neither.

        A column of 0 and 1 is a factor of two levels. Where no predictor of interest is named, and none is numeric, it
        is the one categorical predictor of a common term, if there is one only.

        Parameters
        ----------
        design
            The model's design on some rows.

        Returns
        -------
        str or None
            Name of a column.
        """
        if (name := self._of_interest(design)) is not None:
            return name if self._has_levels(design, name) else None
        common = _in_common(self.parsed)
        factors = [name for name in self.parsed.columns[1:] if name in common and _is_categorical(design.frame, name)]
        return factors[0] if len(factors) == 1 else None

    def _has_levels(self, design: Design, name: str) -> bool:
        """Whether the predictor of interest is one of levels, and no slope of it is asked for."""
        return _is_categorical(design.frame, name) or (self.against is None and design.is_indicator(name))

    def __str__(self) -> str:
        """The formula as it was understood, written out term by term."""
        return str(self.parsed)

    def _repr_html_(self) -> str:
        """In a notebook: what is asked and fitted, and every prior with its reason, as far as they are known."""
        facts = (
            ("family", self.family),
            ("predictor of interest", self.focal or ""),
            ("residual SD by", self.residual_by or ""),
            ("residual SD", self.sigma or ""),
            ("trials", self.trials or ""),
            ("weights", f"{self.weights} ({self.weights_kind})" if self.weights else ""),
        )
        question = listed([self.card.question]) if self.card.question else ""
        return overview(f"{type(self).__name__} {self.formula}", facts, question, self._table._repr_html_())

    def __repr__(self) -> str:
        priors = f"{self.prior_set!r} + {len(self.given_priors)} given"
        beside = {
            "residual_by": self.residual_by,
            "sigma": self.sigma,
            "trials": self.trials,
            "weights": self.weights,
        }
        by = "".join(f", {name}={column!r}" for name, column in beside.items() if column is not None)
        return f"{type(self).__name__}({self.formula!r}, family={self.family!r}, priors={priors}{by})"


def _is_categorical(frame: pd.DataFrame, name: str) -> bool:
    return name in frame and isinstance(frame[name].dtype, pd.CategoricalDtype)


def _in_common(parsed: Formula) -> set[str]:
    """Components of the common terms: those that are categorical are columns."""
    return {part for term in parsed.common for part in term.split(":")}


def _check_factor(focal: str, design: Design) -> None:
    """Refuse a categorical column of interest whose levels have no difference that could be reported.

    Raises
    ------
    ModelError
        It is part of combinations only, or its levels are single persons.
    """
    pooled = {factor.name: factor for factor in design.factors}
    if focal not in pooled and focal not in _in_common(design.formula):
        among = ", ".join(repr(name) for name in pooled if focal in name.split(":"))
        raise ModelError(
            f"the predictor of interest {shown(focal)} is part of the combinations {among} only, so its own levels "
            f"have no difference. Add {shown(focal)} to the formula as a term of its own."
        )
    if focal in pooled and is_of_persons(pooled[focal], design.rows.n):
        raise ModelError(
            f"the predictor of interest {shown(focal)} has levels that are single persons, who are not compared. Name "
            f"another: {setting('focal')}."
        )


def _check_against(against: str, focal: str | None, parsed: Formula, scales: Mapping[str, Scale]) -> None:
    """Refuse what cannot be compared with the predictor of interest.

    Raises
    ------
    ModelError
        No such predictor, none of interest, the same one, or one in another unit.
    """
    if against not in parsed.columns[1:]:
        raise ModelError(
            f"{setting('against')} names {shown(against)}, which is not in the formula. Its predictors: "
            f"{', '.join(parsed.columns[1:])}."
        )
    if focal is None or focal == against:
        raise ModelError(
            f"{setting('against', against)} is compared with another predictor, which is that of interest. Name it: "
            f"{setting('focal')}."
        )
    # A part of a column is in its unit, whatever that is.
    if unit_of(against, scales) != unit_of(focal, scales):
        known = {name: scale_of(name, scales) for name in (against, focal)}
        units = {name: "no known unit" if scale is None else scale.unit for name, scale in known.items()}
        both = " and ".join(f"{shown(name)} in {unit}" for name, unit in units.items())
        raise ModelError(
            f"slopes are compared per one unit, but there is {both}. Give {setting('scales')} of one unit."
        )


def _read_contrast(contrast: object) -> tuple[float, float]:
    """The two values of the predictor of interest that are compared, the lower first.

    Raises
    ------
    ModelError
        Anything else than two finite numbers, the first below the second.
    """
    numbers = list(contrast) if isinstance(contrast, Sequence) and not isinstance(contrast, str) else []
    plain = [value for value in numbers if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) == len(plain) == 2 and all(map(math.isfinite, plain)) and plain[0] < plain[1]:
        return float(plain[0]), float(plain[1])
    raise ModelError(
        f"{setting('contrast')} should be two finite numbers, the lower first, but got {str(contrast)[:100]}. Give a "
        f"low and a high value of the predictor of interest, such as 3 and 5: {setting('contrast', ...)}."
    )


def _read_priors(priors: str | Mapping[str, str | Prior] | PriorTable) -> tuple[dict[str, Prior], str]:
    if isinstance(priors, PriorTable):
        return dict(priors.given), priors.named
    named = priors if isinstance(priors, str) else priors.get(SET, "weak")
    if named not in PRIOR_SETS:
        raise ModelError(f"unknown prior set {named!r}. Known sets: {', '.join(PRIOR_SETS)}.")
    given = (
        {}
        if isinstance(priors, str)
        else {name: parse_prior(text, name=name) for name, text in priors.items() if name != SET}
    )
    return given, str(named)
