"""Where a study's models are fitted: each once, kept when it took long, judged before its numbers are used."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import xarray as xr

from alliance_bayes.api import Fit, Model
from alliance_bayes.checks import CheckReport, run_gate
from alliance_bayes.cohort import Cohort, session_cohort
from alliance_bayes.cohort.beside import Beside
from alliance_bayes.cohort.cohort import single_level_columns
from alliance_bayes.cohort.names import FACTORS
from alliance_bayes.cohort.row_names import telling_rows
from alliance_bayes.effects import EffectTable
from alliance_bayes.engines import Progress
from alliance_bayes.foreign import parse_json
from alliance_bayes.latent import LatentFit, fit_latent
from alliance_bayes.model import ModelSpec
from alliance_bayes.model.card import card_text
from alliance_bayes.model.layout import posterior_dataset
from alliance_bayes.model.scales import Scale
from alliance_bayes.report.estimates import Estimates
from alliance_bayes.report.privacy import redaction, unnamed
from alliance_bayes.report.small_counts import hidden_beside, hidden_parameters, hidden_rows
from alliance_bayes.report.spoken import in_sentences, with_quantities
from alliance_bayes.study.cache import PosteriorCache
from alliance_bayes.study.cards import imputing, study_card, without_factors
from alliance_bayes.study.options import StudyOptions, alliance_scale
from alliance_bayes.study.part import Block
from alliance_bayes.study.populations import population as population_rows
from alliance_bayes.versions import versions

__all__ = ["Fitted", "StudyRunner"]

# What a posterior depends on besides data and model; other packages' versions change digits, not meaning.
_VERSIONS = ("alliance_bayes",)
# Engines whose draws take seconds: they are not kept, and have no steps to make smaller.
_QUICK = ("collapsed", "imputation")
# Where draws by NUTS do not pass the checks: smaller steps, tuned for longer, which is the remedy that the checks name.
CAREFUL: Mapping[str, Any] = {"target_accept": 0.99, "tune": 1000}
NO_CHANGES: Mapping[str, Any] = {}
# How the joint model of ratings and outcome is sampled; more draws of smaller steps where the first do not pass. Of the
# simulated study a draw is worth as much at 0.8 as at 0.9, takes fewer steps, and none diverged.
LATENT: Sequence[Mapping[str, Any]] = ({"target_accept": 0.8}, {"draws": 4000})


@dataclasses.dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted model of the study.

    Parameters
    ----------
    name
        Unique in the study.
    fit
        The fit; of the latent alliance a :class:`LatentFit`.
    seconds
        How long it took; not a number where the draws were kept from an earlier run.
    reused
        Whether its draws were kept from an earlier run.
    model
        The model as its card has it, where the fit does not know it.
    part
        Whether it was fitted to a part of the people, chosen by a value of theirs.
    """

    name: str
    fit: Fit | LatentFit
    seconds: float
    reused: bool = False
    model: ModelSpec | None = None
    part: bool = False

    @property
    def spec(self) -> ModelSpec:
        """The model; of the latent alliance that of the outcome, in which alliance stands for true alliance."""
        return self.model or (self.fit.spec if isinstance(self.fit, Fit) else self.fit.naive.spec)

    @cached_property
    def judged(self) -> CheckReport:
        """The check of the draws, which several places of a page go by."""
        return run_gate(self.fit) if isinstance(self.fit, Fit) else self.fit.check()


def _info(tree: xr.DataTree) -> dict[str, Any]:
    return dict(parse_json(tree.attrs["info"], what="a kept posterior", remedy="Empty the folder of posteriors."))


class StudyRunner:
    """Fits a study's models on a cohort and on parts of it.

    Parameters
    ----------
    cohort
        Everybody.
    options
        Of the study.
    cache
        Where posteriors are kept.
    tell
        Called with a line of progress before anything that takes time.
    progress
        Passed on to the sampler.
    told
        Figures by row that a page has of another run, which the blocks give in place of their own.
    """

    def __init__(
        self,
        cohort: Cohort,
        options: StudyOptions,
        *,
        cache: PosteriorCache,
        tell: Callable[[str], None],
        progress: bool | Progress,
        told: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.cohort, self.options, self.tell, self._cache, self._progress = cohort, options, tell, cache, progress
        self._page = told or {}
        self.fitted: dict[str, Fitted] = {}
        self._people: dict[str, Cohort] = {}

    @cached_property
    def alliance_scale(self) -> Scale:
        """The scale of the alliance score."""
        return alliance_scale(self.cohort)

    @property
    def alliance_ends(self) -> str:
        """Its ends, as in "1-5"."""
        return f"{self.alliance_scale.lower:g}-{self.alliance_scale.upper:g}"

    def people(self, population: str) -> Cohort:
        """A population of the study, by its name in :mod:`alliance_bayes.study.populations`."""
        if population not in self._people:
            self._people[population] = population_rows(population, self.cohort, self.options)
        return self._people[population]

    def fit(
        self,
        name: str,
        *,
        card: str | None = None,
        people: str = "everybody",
        changes: Mapping[str, Any] = NO_CHANGES,
        impute: bool = False,
    ) -> Fit:
        """Fit one of the cards; the same name gives the same fit again.

        Parameters
        ----------
        name
            Of the fit, unique in the study.
        card
            Name of the card; the fit's own by default.
        people
            Of which population. Factors that have fewer than two levels there are left out of the formula.
        changes
            Arguments of the model in place of the card's.
        impute
            Whether its missing values are drawn, where those of the study are.
        """
        if name in self.fitted:
            known = self.fitted[name].fit
            assert isinstance(known, Fit), f"{name!r} is no fit of a card"
            return known
        model, cohort = self.model(card or name, self.people(people), changes)
        if impute and self.options.imputes:
            model = imputing(model, cohort, self.options)
        self.tell(f"{model.card.title or name}: {len(cohort):,} rows")
        key = self._key(model, cohort)
        fit, seconds = self._reused(model, cohort, key), float("nan")
        reused = fit is not None
        if fit is None:
            started = time.perf_counter()
            fit = self._sampled(model, cohort)
            seconds = time.perf_counter() - started
            if fit.info["engine"] not in _QUICK:
                # Labels may be participants' ids; they come back with the rows.
                posterior = fit.posterior.drop_vars(list(fit.posterior.coords))
                tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": fit.sample_stats})
                self._cache.store(key, tree, fit.info)
        part = cohort.person is None and len(cohort) < len(self.cohort)
        self.fitted[name] = Fitted(name, fit, seconds, reused, part=part)
        return fit

    @property
    def first(self) -> Fit:
        """The fit whose people the page counts, in Table 1."""
        return self.fit("outcome_everybody", card="outcome", impute=True)

    def _sampled(self, model: Model, cohort: Cohort) -> Fit:
        """Sample; by NUTS again with smaller steps, where the default ones were not careful enough."""
        settings: dict[str, Any] = {"seed": self.options.seed, "progress": self._progress}
        fit = model.fit(cohort, **settings)
        if fit.info["engine"] in _QUICK or run_gate(fit).gate.passed:
            return fit
        self.tell(f"{model.card.title}: again with smaller steps, since the first draws did not pass the checks")
        return model.fit(cohort, **CAREFUL, **settings)

    def latent(self, name: str) -> LatentFit:
        """Fit the joint model of single ratings and outcome whose outcome's model is a card."""
        model, _ = self.model(name, self.cohort)
        self.tell(f"{model.card.title}: {len(self.cohort):,} people, single ratings (some minutes)")
        key = self._key(model, self.cohort, sessions=session_cohort(self.cohort).hash)
        tree, started = self._cache.load(key), time.perf_counter()
        if tree is not None:
            fit = LatentFit.from_tree(tree, self.cohort)
            self.fitted[name] = Fitted(name, fit, float("nan"), True, model)
            return fit
        for settings in LATENT:
            fit = fit_latent(
                self.cohort,
                formula=model.formula,
                priors={"set": model.prior_set, **model.given_priors},
                seed=self.options.seed,
                progress=self._progress,
                **settings,
            )
            if (gate := fit.check().gate).passed:
                break
            why = gate.reasons[0]
            self.tell(f"{model.card.title}: {fit.info['draws']:,} draws a chain did not pass the checks ({why})")
        self._cache.store(key, fit.to_tree(), fit.info)
        self.fitted[name] = Fitted(name, fit, time.perf_counter() - started, model=model)
        return fit

    def _key(self, model: Model, cohort: Cohort, **more: str) -> str:
        return self._cache.key(
            {
                "card": card_text(model),
                "data": cohort.hash,
                "seed": self.options.seed,
                "versions": {name: versions()[name] for name in _VERSIONS},
                **more,
            }
        )

    def model(self, card: str, cohort: Cohort, changes: Mapping[str, Any] = NO_CHANGES) -> tuple[Model, Cohort]:
        """The model of a card, as far as the rows can bear it, and its rows."""
        arguments = {**study_card(card), **changes}
        cohort = Model(**arguments).derive(cohort)
        few = tuple(name for name in single_level_columns(cohort.data) if name in FACTORS)
        arguments |= _without(arguments, few)
        model = Model(**arguments)
        if not set(model.columns) <= set(cohort.data):
            return model.on_scales_of(self.cohort), cohort
        # A level may be there in the table and yet in none of the rows that are complete.
        few = tuple(name for name in single_level_columns(cohort.complete(model.columns)[0]) if name in FACTORS)
        arguments |= _without(arguments, few)
        return (Model(**arguments) if few else model).on_scales_of(self.cohort), cohort

    def _reused(self, model: Model, cohort: Cohort, key: str) -> Fit | None:
        tree = self._cache.load(key)
        if tree is None:
            return None
        info = _info(tree)
        frame, flow = cohort.complete(model.columns)
        with telling_rows(cohort, model.columns):
            design = model.design(frame)
        stored = tree["posterior"].to_dataset()
        posterior = posterior_dataset(design, {str(name): values.values for name, values in stored.data_vars.items()})
        statistics = tree["sample_stats"].to_dataset()
        whole = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": statistics})
        people, beside = cohort.people(model.columns), Beside.of(cohort, model.columns, model.parsed.outcome)
        return Fit(model, design, model.priors_for(design), whole, flow, info, people=people, beside=beside)

    def block(self, name: str, title: str, rows: EffectTable, fits: Iterable[Fit]) -> Block:
        """Numbers with the verdict on the draws behind them: withheld when a fit did not converge.

        Parameters
        ----------
        name, title
            Of the block.
        rows
            What is estimated.
        fits
            The fits the rows come from.
        """
        reasons: list[str] = []
        fits = list(fits)
        fitted = [model for model in self.fitted.values() if any(model.fit is fit for fit in fits)]
        models, small = tuple(model.name for model in fitted), self.options.small
        rows = self._told(rows, [model.fit for model in fitted if model.part and isinstance(model.fit, Fit)])
        for fit in fits:
            # Levels that may be one person each are not named.
            rows = Estimates.of(fit, rows, small).table
            gate = run_gate(fit, rows).gate
            if not gate.passed:
                redact = unnamed(redaction(fit), hidden_parameters(fit, small))
                spoken = with_quantities(in_sentences(fit.design), rows, fit.design, redact)
                named = [spoken(redact(reason)) for reason in gate.reasons]
                reasons += [reason for reason in named if reason not in reasons]
        rows = rows[rows["estimand"] == ""] if reasons else rows.told(self._page, f"{name}/")
        return Block(name, title, rows, tuple(reasons), models=models)

    def _told(self, rows: EffectTable, parts: Iterable[Fit]) -> EffectTable:
        """Rows without those about levels of which the page says nothing: by Table 1, or beside it."""
        if not rows["level"].notna().any():
            return rows
        small = self.options.small
        rows = rows[~hidden_rows(self.first, rows, small)]
        for part in parts:
            few = {
                factor: hidden_beside(part, self.first, factor, small)
                for factor in rows["factor"].dropna().unique()
                if factor in part.design.frame and factor in self.first.design.frame
            }
            keep = [
                not {level, versus} & few.get(factor, frozenset())
                for factor, level, versus in zip(rows["factor"], rows["level"], rows["versus"], strict=True)
            ]
            rows = rows[np.asarray(keep, dtype=bool)]
        return rows


def _without(arguments: Mapping[str, Any], factors: tuple[str, ...]) -> dict[str, Any]:
    """What changes in a model's arguments without some factors: its formula, and why covariates are adjusted for."""
    covariates = {name: role for name, role in arguments.get("covariates", {}).items() if name not in factors}
    return {"formula": without_factors(arguments["formula"], factors), "covariates": covariates}
