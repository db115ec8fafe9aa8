"""Model and Fit as users hold them: the verbs of the package as methods."""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes import storage
from alliance_bayes.blas import one_blas_thread
from alliance_bayes.cohort import Cohort, Flow, read_cohort
from alliance_bayes.cohort.beside import Beside
from alliance_bayes.cohort.flow import ROW, counted
from alliance_bayes.cohort.imputed import ImputedTables, read_one_or_several
from alliance_bayes.cohort.left import compared, records
from alliance_bayes.cohort.names import ID
from alliance_bayes.cohort.row_names import telling_rows
from alliance_bayes.cohort.weights import effective_size, repeated, weights_of, with_positive_weights
from alliance_bayes.effects import EffectTable, FitWithEffects
from alliance_bayes.engines import DRAWS, Progress, SamplerSettings, sample_prior
from alliance_bayes.engines.choice import check_engine, sample
from alliance_bayes.engines.collapsed import why_not_collapsed
from alliance_bayes.engines.forecast import announce
from alliance_bayes.errors import ModelError, UsageError
from alliance_bayes.fit import FittedModel, without_times
from alliance_bayes.imputation.given import fit_tables, refuse_other_rows
from alliance_bayes.imputation.impute import all_rows, begin, impute, incomplete
from alliance_bayes.imputation.linked import with_stand_ins
from alliance_bayes.imputation.persons import filled_in
from alliance_bayes.kinds import check_seed, is_whole
from alliance_bayes.machine import processors
from alliance_bayes.model import Design, ModelSpec, PriorTable, read_card, write_card
from alliance_bayes.model.card import card_called, naming_card
from alliance_bayes.model.grammar import in_formula
from alliance_bayes.model.nobody import lone_levels
from alliance_bayes.model.roles import RoleOf, role_of, role_wanted
from alliance_bayes.model.weighting import refuse_persons
from alliance_bayes.model.windows import lagged_outcome
from alliance_bayes.moments import Moments, fingerprint
from alliance_bayes.moments.persons import of_moments, people_of
from alliance_bayes.moments.weighted import design_of_moments
from alliance_bayes.progress import progress_bar
from alliance_bayes.remedies import Message, argument, setting
from alliance_bayes.versions import versions

if TYPE_CHECKING:
    import pymc as pm
    from matplotlib.axes import Axes

    from alliance_bayes.checks import CheckReport
    from alliance_bayes.report import Rendered

__all__ = ["Fit", "Model", "load_fit", "load_model"]

logger = logging.getLogger("alliance_bayes")

_NO_EFFECT = (
    "{rows} are of {people} people, and the model has no effect of the person: it takes rows of one person for as "
    "independent as those of two, so that intervals may be much too narrow. Pool over persons: add (1 | {column}) to "
    "the formula."
)


class Model(ModelSpec):
    """A model of how alliance and follow-up well-being go together, or any model of that shape.

    Parameters
    ----------
    formula
        For example ``"who5_followup ~ alliance + who5_baseline + (alliance || country)"``. ``||`` pools the level and
        the slope of a factor independently, ``|`` with a correlation (LKJ(2) prior). In a table with several rows a
        person, ``within(x)`` is the difference from the person's mean, ``between(x)`` that mean, and ``lag(x)`` the
        value one occasion before.
    family
        One of :data:`alliance_bayes.model.FAMILIES`: ``gaussian``, ``student_t``, ``censored_gaussian``,
        ``beta_binomial``, ``cumulative``, ``bernoulli``, ``binomial``, ``poisson`` or ``negative_binomial``.
    priors
        Name of a prior set (``weak``, ``literature``, ``sceptical``, ``enthusiastic``), or a mapping from parameter
        names to distributions written as text, in which the key ``"set"`` may name the set that fills the rest
        (``weak`` if absent). As an attribute: the table of all priors with their reasons, as far as the formula alone
        tells (:meth:`priors_for` gives all of them once there are rows).
    exhaustive
        Pooled factors whose levels are all there are: their effects sum to zero and no new level can be predicted.
        Names that the formula does not pool are ignored, so that the default fits any formula.
    focal
        The predictor that is asked about: a numeric one for its slope, or a categorical one (a treatment arm) for the
        differences of its levels, the first of which the others are compared with. By default the alliance score where
        there is one, else the first numeric predictor; without any, the categorical predictor of a common term, if
        there is one only.
    against
        Another predictor, in the unit of the focal one, whose slope a table of effects has too, with its difference
        from that of the focal one; none by default.
    contrast
        The low and the high value of the focal predictor that are compared, in its unit (``(3, 5)``), where it is
        numeric. The difference between them carries the verdict on what is negligible and what is relevant; by default
        that between its 10th and its 90th percentile.
    alliance
        The predictor that is an alliance score, in whatever points; the named prior sets are about its slope, and need
        its scale (``scales``) where it is not that of the column ``alliance``, 1 to 5, and is not to be taken from the
        rows.
    centre
        Centring value by numeric column; elsewhere the mean of the analysed rows, or zero where the intercept, or the
        rest of a product, is no term that would take up the mean.
    scales
        Reference scales of columns the package does not know (see :class:`Scale`).
    autoscale
        Whether columns without a reference scale take one from the analysed rows. Their priors are then weak, depend on
        the data, and say so. False refuses such columns.
    roles
        What the levels of pooled factors are: ``"person"``, ``"provider"`` or ``"group"``. Default priors of their
        effects follow it. ``participant_id``, ``provider_id``, ``country``, ``site``, ``provider_type``, ``sex`` and
        ``modality`` have theirs by name; levels of another factor are taken for persons, which is the weakest prior.
    levels
        Declared levels by categorical column, in order.
    residual_by
        A categorical column by whose levels the residual SD differs, each level's with a prior of its own; one
        residual SD for everybody by default. Families ``gaussian``, ``student_t`` and ``censored_gaussian`` only.
    sigma
        Columns along which the residual SD differs, as the right side of a formula: ``"~ alliance + provider_type"``.
        Its logarithm is linear in them, with coefficients ``gamma``; the parameter ``sigma`` is the SD at the centring
        values and first levels. In place of ``residual_by``, in the same families.
    trials
        The column that says of how many trials the outcome counts the successes; family ``binomial`` only.
    missing
        What becomes of rows that lack a value of a column: ``"drop"`` leaves them out; ``"impute"`` draws the values
        together with the parameters, in one posterior, under the assumption that they are missing at random given the
        columns of the model and the auxiliary ones.
    auxiliary
        Columns besides the model's that tell something of the missing values, or of who lacks them.
    error
        SD of the error of measurement of numeric predictors, by column, in its own unit. What such a column would be
        without its error is drawn, too.
    reliability
        The same from a reliability r between 0 and 1, as `mcdonald_omega` and `cronbach_alpha` estimate it: the SD of
        the error is SD(x) sqrt(1 - r), x being what was observed of those analysed.
    rows
        What a row is: ``"participants"``, or ``"sessions"`` for one row a rated session, as `session_cohort` makes
        them of a cohort.
    derived
        Columns that are made of the cohort's sessions, as `with_alliance_parts` makes them: ``alliance_first``,
        ``alliance_early``, ``alliance_provider``, ``alliance_within``, ``provider_clients``. A table that has all of
        them already is used as it is.
    events
        Columns of 0 and 1 that say whether another column is beyond a limit, such as ``{"improved": {"column":
        "who5_change", "at_least": 10}}``; the limit is one of ``at_least``, ``above``, ``at_most``, ``below``.
    covariates
        Why covariates are adjusted for, by column: ``"confounder"`` (a cause of predictor and outcome), ``"precision"``
        (a cause of the outcome alone) or ``"post-baseline"`` (measured after care began). A report then draws the
        assumed causes, and has the finding with and without each set of them.
    among
        Of whom the model is: limits by numeric column, such as ``{"who5_baseline": {"at_most": 28}}``. The flow counts
        those beyond them.
    weights
        A numeric column with the weight of each row.
    weights_kind
        What weights are, which goes with `weights`. ``"frequency"``: how many people a row stands for, whole numbers; a
        row of weight 3 is three people, as in the table in which it stands three times. ``"sampling"``: one over the
        probability of being drawn or observed; estimates are of the population, and intervals are as wide as the
        unequal weights make them.
    card
        The words that go with the model.

    Raises
    ------
    ModelError
        Anything that does not make a model, told before any rows are read.

    Examples
    --------
    >>> import alliance_bayes as ab
    >>> model = ab.Model("who5_followup ~ alliance + who5_baseline + (alliance || country)", priors="literature")
    >>> print(model.priors)  # doctest: +ELLIPSIS
    Intercept ...
    """

    @classmethod
    def from_card(cls, path: str | os.PathLike[str]) -> Self:
        """Read a model card (TOML).

        Parameters
        ----------
        path
            A TOML file; or where there is none of that name, a card that comes with the package, by its name
            (``"outcome"``).

        Returns
        -------
        Model
            The model that the card describes.

        Raises
        ------
        FileFormatError, ModelError
            The card cannot be read, or does not make a model.
        """
        with naming_card(card_called(path), ModelError, UsageError):
            return cls(**read_card(path))

    def to_card(self, path: str | os.PathLike[str]) -> None:
        """Write the model's card (TOML), whole or not at all.

        Parameters
        ----------
        path
            A TOML file; a file that is there is replaced.
        """
        write_card(self, path)

    def prior_predictive(
        self, cohort: Cohort | pd.DataFrame | str | Path, *, draws: int = 500, seed: int = 0
    ) -> xr.DataTree:
        """Draw parameters and outcomes from the prior, before anything is fitted.

        Parameters
        ----------
        cohort
            The cohort, or a table that `read_cohort` accepts.
        draws
            Number of draws.
        seed
            Seed of the draws.

        Returns
        -------
        xarray.DataTree
            Groups ``prior`` (the variables of the posterior), ``prior_predictive`` (chain, draw, obs; in units of the
            outcome) and ``observed_data``.
        """
        check_seed(seed)
        spec, design = self._applied(cohort)[:2]
        priors = spec.priors_for(design)
        prior = sample_prior(design, priors, draws=draws, seed=seed)
        drawn = FittedModel(spec, design, priors, xr.DataTree.from_dict({"posterior": prior}), Flow(design.rows.n), {})
        rng = np.random.default_rng(seed + 1)
        outcome = design.family.simulate(drawn.linear_predictor(), drawn.parameters_at(), design.outcome, rng)[None]
        rows = {"obs": np.arange(design.rows.n)}
        predicted = xr.Dataset(
            {design.outcome.name: (("chain", "draw", "obs"), outcome)},
            coords={"chain": [0], "draw": prior["draw"], **rows},
        )
        observed = xr.Dataset({design.outcome.name: ("obs", design.outcome.values)}, coords=rows)
        return xr.DataTree.from_dict({"prior": prior, "prior_predictive": predicted, "observed_data": observed})

    def pymc(self, cohort: Cohort | pd.DataFrame | str | Path) -> pm.Model:
        """The PyMC graph of the model on a cohort, to inspect or extend.

        Parameters
        ----------
        cohort
            The cohort, or a table that `read_cohort` accepts.

        Returns
        -------
        pymc.Model
            Written as a textbook has it.
        """
        from alliance_bayes.engines.graph import build_graph

        spec, design = self._applied(cohort)[:2]
        return build_graph(design, spec.priors_for(design))

    @one_blas_thread()
    def fit(
        self,
        cohort: Cohort | pd.DataFrame | str | Path | Moments | Sequence[Cohort | pd.DataFrame | str | Path],
        *,
        person: str | None = None,
        time: str | None = None,
        unit: str = ROW,
        instruments: Mapping[str, str] | None = None,
        engine: str = "auto",
        draws: int | None = None,
        tune: int = SamplerSettings.tune,
        chains: int = SamplerSettings.chains,
        cores: int | None = None,
        seed: int | None = None,
        target_accept: float = SamplerSettings.target_accept,
        sampler: str = SamplerSettings.sampler,
        same_people: Sequence[ModelSpec | str] = (),
        progress: bool | Progress = True,
    ) -> Fit:
        """Draw from the posterior.

        Parameters
        ----------
        cohort
            The cohort, or a table that `read_cohort` accepts. Participants without a value in a column of the model
            are left out, and counted in ``fit.flow``. Or the moments of a table that is out of reach (`reduce_table`,
            `load_moments`): a Gaussian model then has the same posterior, but nothing is known of single participants.
            Or tables of the same people whose missing values were filled in elsewhere (`read_imputed`, or a list of
            tables): one posterior, in which every table counts alike.
        person, time, unit
            Of a table that is read here and has several rows a person: which columns say whose and when a row is, and
            what a row is called ("session"); see `read_cohort`. People and rows are then counted apart, and levels of
            the person's column are persons without being declared in `roles`.
        instruments
            Of a table that is read here: which instrument a column is a score of; see `read_cohort`.
        engine
            ``"collapsed"`` for Gaussian models: exact, and as fast for millions of rows as for thousands. ``"nuts"``
            for every model. ``"auto"`` takes the first wherever it applies; ``fit.info`` says which engine ran, and why
            if it was not the first.
        draws, tune, chains
            Kept and warm-up draws of each chain, and the number of chains. By default the collapsed engine keeps 1,000
            draws, which are nearly independent, and NUTS 1,500; the collapsed engine needs no warm-up. At most 100,000
            draws and 1,000 chains, a million draws over all chains, and 2 GiB of numbers.
        cores
            Chains sampled at once; by default as many as there are cores.
        seed
            Seed of every random number. Without one, a seed is drawn and recorded.
        target_accept
            Mean acceptance the step size is tuned to.
        sampler
            ``"nutpie"``, or another of PyMC's samplers: ``"pymc"``, ``"numpyro"``, ``"blackjax"``.
        same_people
            Other models of the same cohort, or columns of it: only those are analysed who have a value in every column
            of all of them. Pages of such models say nothing of the few by whom their people would differ.
        progress
            Whether to show a bar (on a terminal's standard error), or a function of (draws done, draws in all,
            divergences). Work of more than a minute, or of much memory, is told before it begins by the logger
            "alliance_bayes"; with False only as information.

        Returns
        -------
        Fit
            The posterior, with all that is asked of it as methods.

        Raises
        ------
        UsageError
            An argument out of its range, or more memory wanted than there is.
        ModelError, DataError
            The model does not fit the table, or the engine cannot take it; told before sampling.
        SamplingError
            The sampler could not produce usable draws.
        """
        check_engine(engine, sampler)
        settings = SamplerSettings(
            draws=DRAWS["nuts"] if draws is None else draws,
            tune=tune,
            chains=chains,
            cores=cores if cores is not None else (min(chains, processors()) if is_whole(chains, least=1) else 1),
            seed=int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed,
            target_accept=target_accept,
            sampler=sampler,
        )
        moments = cohort if isinstance(cohort, Moments) else None
        people, beside, gaps, spec = None, None, None, self
        of_rows = isinstance(unit, str) and unit == ROW
        reading = {"person": person, "time": time, "instruments": instruments, "unit": None if of_rows else unit}
        reading = {name: value for name, value in reading.items() if value is not None}
        tables: ImputedTables | None = None
        if not isinstance(cohort, Moments):
            cohort, reading = read_one_or_several(cohort, set_aside=True, **reading), {}
        if isinstance(cohort, ImputedTables):
            tables, cohort = cohort, cohort[0]
        if isinstance(cohort, Moments):
            if reading:
                raise UsageError(
                    f"moments hold no rows of people, so {argument(next(iter(reading)))} needs the table itself."
                )
            if same_people:
                raise UsageError(
                    f"moments hold no rows to choose people from, so {argument('same_people')} needs the table itself."
                )
            if self.weights is not None:
                raise ModelError(
                    f"{setting('weights', self.weights)}: moments hold no weights of rows. Fit the model to the table "
                    "itself, or take the weights out of the model."
                )
            spec = of_moments(self, cohort)
            design, moments = design_of_moments(cohort, spec)
            people = people_of(moments, design.frame)
            flow = cohort.flow or Flow(design.n)
            about: dict[str, Any] = {"cohort_source": "moments, without rows", "cohort_hash": fingerprint(moments)}
            if moments.person:
                about["long"] = {"person": moments.person, "time": None, "unit": flow.unit}
        else:
            spec, design, flow, about, rows, everybody = self._applied(cohort, same_people)
            complete: Sequence[str] = spec.columns
            if spec.missing == "impute":
                gaps, _, complete = all_rows(spec, rows)
            people = rows.people(complete)
            analysed = [*complete, *about.get("same_people", ())]
            if tables is not None:
                about["cohort_hash"] = tables.hash
            if spec.weights is not None and spec.weights in everybody.data:
                everybody = dataclasses.replace(everybody, data=everybody.data.drop(columns=spec.weights))
            beside = Beside.of(everybody, spec.columns, spec.parsed.outcome, complete=analysed)
        lagged = lagged_outcome(design)
        written = design.family.numbered_words(cohort.data, spec.parsed.outcome) if isinstance(cohort, Cohort) else ""
        about |= {"outcome_written": written} if written else {}
        priors = spec.priors_for(design)
        if tables is not None and spec.missing == "impute":
            raise UsageError(
                f"the tables are completed already, so nothing is left to impute. Leave {setting('missing', 'impute')} "
                "out of the model."
            )
        advice = [
            *(
                role_wanted(factor.name, len(factor.levels), design.rows.n)
                for factor in design.factors
                if not factor.role.known
            ),
            *lone_levels(design),
            spec.set_without_use(design, priors),
            "" if lagged is None else lagged.warning,
            written,
        ]
        for line in filter(None, advice):
            logger.log(logging.WARNING if progress is not False else logging.INFO, "%s", Message(line))
        if tables is not None:
            others = [self._applied(table, same_people) for table in tables[1:]]
            refuse_other_rows([rows, *(other[4] for other in others)], spec.columns)
            designs = [design, *(other[1] for other in others)]
            total = (
                (DRAWS["nuts"] if why_not_collapsed(design, priors) else DRAWS["collapsed"]) if draws is None else draws
            )
            seeds = iter(np.random.SeedSequence(settings.seed).generate_state(len(designs)))

            def sampled(filled: Design, stated: PriorTable, each: int) -> tuple[xr.DataTree, dict[str, Any]]:
                again = dataclasses.replace(settings, seed=int(next(seeds)))
                return sample(filled, stated, again, engine=engine, draws=each, progress=False, label=self.card.name)

            design, priors, tree, ran = fit_tables(
                spec, designs, sampled, draws=total, chains=settings.chains, seed=settings.seed
            )
        elif gaps is not None and incomplete(spec, gaps):
            reason = why_not_collapsed(design, priors)
            if sampler != SamplerSettings.sampler or (engine == "nuts" and not reason):
                option = argument("engine", "nuts") if engine == "nuts" else argument("sampler", sampler)
                raise UsageError(
                    "where values are imputed, the parameters are drawn between them by the collapsed engine, or by "
                    f"steps of their own where that cannot take the model. Leave {option} out, or the imputation."
                )
            if engine == "collapsed" and reason:
                raise ModelError(
                    f"the collapsed engine cannot take this model: {reason}. Leave {argument('engine', 'collapsed')} "
                    "out."
                )
            settings = dataclasses.replace(settings, draws=DRAWS["collapsed"] if draws is None else draws)
            with progress_bar(progress, label=self.card.name) as report:
                design, priors, tree, ran = impute(
                    spec,
                    gaps,
                    settings,
                    progress=report,
                    before=lambda forecast: announce(forecast, self.card.name, quiet=not progress),
                )
        else:
            tree, ran = sample(
                design,
                priors,
                settings,
                engine=engine,
                draws=draws,
                moments=moments,
                progress=progress,
                label=self.card.name,
            )
        ran, seconds = without_times(ran)
        info = {**ran, **about, "versions": versions()}
        fit = Fit(spec, design, priors, tree, flow, info, moments, people, seconds, beside=beside)
        if people is not None and not fit.has_person_effects:
            counts = {"rows": counted(flow.analysed, flow.unit), "people": f"{np.unique(people).size:,}"}
            words = _NO_EFFECT.format(**counts, column=in_formula(fit.person or ID))
            logger.log(logging.WARNING if progress is not False else logging.INFO, "%s", words)
        return fit

    def _applied(
        self,
        cohort: Cohort | pd.DataFrame | str | Path,
        same_people: Sequence[ModelSpec | str] = (),
    ) -> tuple[Self, Design, Flow, dict[str, Any], Cohort, Cohort]:
        """The model, and its design, on a cohort's rows, who was left out, what is told of the data, and the rows.

        The last are those before people were chosen for the sake of other models.
        """
        if not isinstance(cohort, Cohort):
            cohort = read_cohort(cohort, set_aside=True)
        shared = self._shared(same_people)
        original = cohort
        cohort, about = self._weighted(cohort)
        rows = self.derive(cohort, beside=shared)
        spec, rows = self.on_scales_of(rows).of_persons(rows)
        chosen = rows.same_people(shared) if shared else rows
        data, told = rows.data, self.columns
        gained: dict[str, str | None] = {}
        if spec.missing == "impute":
            told_of, gained = filled_in(spec, data, chosen.person, chosen.time)
            chosen = with_stand_ins(spec, dataclasses.replace(chosen, data=told_of) if gained else chosen)
            # Who is analysed is seen by the parts of incomplete columns that will have a value.
            rows = rows if shared else chosen
            gaps, flow, complete = all_rows(spec, chosen)
            told = tuple(dict.fromkeys((*told, *gaps.sources)))
            # A first table, whose gaps are filled with values that others have: its design has the model's columns.
            stated, _, frame = begin(spec, gaps, seed=0)
            frame = frame.iloc[gaps.analysed].reset_index(drop=True)
        else:
            stated, complete = spec, list(spec.columns)
            frame, flow = spec.complete(chosen)
        about |= {"same_people": shared} if shared else {}
        about |= {
            "cohort_source": rows.source,
            # Of what was given, since that is what a page is verified with.
            "cohort_hash": original.hash,
            "missing": {name: int(data[name].isna().sum()) for name in told},
        }
        if gained:
            # By persons where no factor is named.
            about["filled"] = {name: None if by == chosen.person else by for name, by in gained.items()}
        if labels := {name: rows.labels[name] for name in self.columns if name in rows.labels}:
            about["labels"] = labels
        if (persons := rows.persons) is not None:
            lacking = {name: persons[data[name].isna().to_numpy()] for name in told}
            about["missing_people"] = {name: int(np.unique(codes).size) for name, codes in lacking.items()}
        if filled := {name: dataclasses.asdict(rows.prorated[name]) for name in self.columns if name in rows.prorated}:
            about["prorated"] = filled
        if spec.missing != "impute" and rows.persons is None:
            used = rows.data[shared or list(spec.columns)].notna().all(axis=1).to_numpy()
            if not used.all():
                about["left_out"] = records(compared(rows, used, {self.weights or ""}))
        if cohort.person is not None:
            about["long"] = {"person": cohort.person, "time": cohort.time, "unit": cohort.unit}
        about |= {name: dict(mapping) for name, mapping in (("wide", cohort.wide), ("join", cohort.join)) if mapping}
        with telling_rows(chosen, complete):
            design = self._design(stated, frame, chosen, about)
        return spec, design, flow, about, chosen, rows

    def _design(self, spec: ModelSpec, frame: pd.DataFrame, rows: Cohort, about: dict[str, Any]) -> Design:
        """The model on complete rows; what is told of sampling weights is how many rows they are worth."""
        if self.weights is None or self.weights_kind != "sampling":
            return spec.design(frame)
        if self.weights not in frame:
            raise ModelError(
                f"{setting('weights', self.weights)}: what the model makes of the cohort has no such column. Give each "
                "row its weight."
            )
        weights = frame[self.weights].to_numpy(float)
        about["weights"]["effective"] = effective_size(weights)
        design = dataclasses.replace(spec.design(frame, weights=weights), persons=rows.people(spec.columns))
        refuse_persons(design)
        return design

    def _weighted(self, cohort: Cohort) -> tuple[Cohort, dict[str, Any]]:
        """The rows that count, each as often as it stands for somebody, and what is told of the weights."""
        if self.weights is None:
            return cohort, {}
        if self.weights_kind == "sampling":
            positive = with_positive_weights(cohort, weights_of(cohort, self.weights, "sampling"))
            return positive, {"weights": {"column": self.weights, "kind": "sampling", "rows": len(cohort)}}
        copies = repeated(cohort, self.weights, cohort.person or self._declared_person(cohort))
        return copies, {"weights": {"column": self.weights, "kind": "frequency", "rows": len(cohort)}}

    def _declared_person(self, cohort: Cohort) -> str | None:
        """The column of a pooled factor that is known to be one of persons who have several rows."""
        parts = sorted(set(self.parsed.grouping) & set(cohort.data))
        known = [name for name in parts if role_of(name, self.roles) == RoleOf("person", known=True)]
        return next((name for name in known if cohort.data[name].duplicated().any()), None)

    def _shared(self, same_people: Sequence[ModelSpec | str]) -> list[str]:
        """The columns of this and other models, sorted; none where there are no others."""
        several = isinstance(same_people, Iterable) and not isinstance(same_people, str | ModelSpec)
        if not several or not all(isinstance(entry, str | ModelSpec) for entry in same_people):
            raise UsageError(
                f"{argument('same_people')} should be a list of models and names of columns but got {same_people!r}. "
                "Put it in a list."
            )
        columns = {name for entry in same_people for name in ([entry] if isinstance(entry, str) else entry.columns)}
        return sorted(columns | set(self.columns)) if columns else []


class Fit(FitWithEffects):
    """A fitted model: draws, predictions, effects, checks and the report.

    Made by :meth:`Model.fit` and :func:`load_fit`.
    """

    @cached_property
    def pymc_model(self) -> pm.Model:
        """The PyMC graph of the model on its rows, to inspect or extend."""
        from alliance_bayes.engines.graph import build_graph

        self.need_rows("the PyMC graph")
        return build_graph(self.design, self.priors)

    @one_blas_thread()
    def check(self, **options: Any) -> CheckReport:
        """Checks and the gate's verdict; see :func:`alliance_bayes.run_checks`.

        All that come with the package, or those named and handed in as ``checks=[...]``.

        Parameters
        ----------
        **options
            Those of :func:`alliance_bayes.run_checks`.

        Returns
        -------
        CheckReport
            Results by name, and the gate.
        """
        from alliance_bayes.checks import run_checks

        if options.get("effects") is None:
            options["effects"] = self.effects()
        return run_checks(self, **options)

    @one_blas_thread()
    def multiverse(
        self, *, families: Sequence[str] = (), scorings: Mapping[str, Cohort] | None = None, prob: float = 0.89
    ) -> EffectTable:
        """The declared contrast under other choices: covariates, people, priors, families, and how scores are made.

        Parameters
        ----------
        families
            Further families, which take minutes each combination: ``["student_t"]``.
        scorings
            The same table with scores made in other ways, by what these are called: ``{"half of the items answered":
            read_cohort("clinic.csv", prorate=0.5)}``. Scores have to be in the points of the declared ones.
        prob
            Probability of the equal-tailed intervals.

        Returns
        -------
        EffectTable
            A row a combination, the declared one first; ``term`` is what differs. See
            :func:`alliance_bayes.checks.multiverse.multiverse`.

        Raises
        ------
        UsageError
            The model does not say why its covariates are adjusted for (``covariates``), has no numeric predictor of
            interest, the fit is of another engine or of moments, or a scoring is no cohort.
        """
        from alliance_bayes.checks.multiverse import multiverse

        return multiverse(self, families=families, scorings=scorings, prob=prob)

    def plot(
        self, kind: str = "slopes", *, factor: str | None = None, prob: float = 0.89, ax: Axes | None = None
    ) -> Axes:
        """Draw one of the report's figures, by the report's own painter.

        Parameters
        ----------
        kind
            ``"slopes"``: the slope of everybody and of every level by which it differs. ``"contrasts"``: all
            differences of a factor's adjusted means. ``"curve"``: the expected outcome along the focal predictor, over
            observed means. ``"density"``: the posterior of the declared contrast, with what is negligible and what is
            relevant. ``"confounding"``: how strong an unmeasured cause must be; see :meth:`confounding`.
        factor
            Of contrasts, a factor of the model. Of slopes and of the density, one in place of what they show by
            default.
        prob
            Probability of the intervals.
        ax
            Matplotlib axes to draw onto; a figure of its own by default. The curve then comes without its histogram.

        Returns
        -------
        matplotlib.axes.Axes
            What was drawn onto. As on a page, nothing is shown of levels of fewer than ten people.

        Raises
        ------
        UsageError
            The kind or the factor is none that can be drawn, or contrasts are asked for without one.
        """
        from alliance_bayes.report.plots import plot_fit

        return plot_fit(self, kind, factor=factor, prob=prob, ax=ax)

    def report(self, path: str | os.PathLike[str] | None = None, **options: Any) -> Rendered:
        """The HTML report; written to ``path`` where given.

        Parameters
        ----------
        path
            Ends in ``.html``; its numbers are written beside it (``.json``).
        **options
            Those of :class:`alliance_bayes.report.Report`; `effects` and `checks` where they are known already; and
            `key`, the file with the key of the digest by which the page knows its data, which is made if it is not
            there: by default ``<stem>.key`` beside the page. Keep it with the data: whoever has page and key can try
            guesses of the whole table.

        Returns
        -------
        Rendered
            The page, its numbers, and what it found.
        """
        from alliance_bayes.report import Report
        from alliance_bayes.report.page import check_target, page_key

        key_file = options.pop("key", None)
        if path is not None:
            check_target(path, key=key_file)
        with page_key(None if path is None else Path(path), key_file) as key:
            effects = options.pop("effects", None)
            effects = self.effects() if effects is None else effects
            checks = options.pop("checks", None)
            checks = self.check(effects=effects) if checks is None else checks
            rendered = Report(**options).render(self, effects=effects, checks=checks, key=key)
            if path is not None:
                rendered.write(path)
        return rendered

    def to_arviz(self, *, seed: int = 0) -> xr.DataTree:
        """Everything ArviZ can use, in its own groups.

        They are posterior, sample_stats, posterior_predictive, log_likelihood, prior and observed_data; of a fit made
        from moments posterior, sample_stats and prior.

        Parameters
        ----------
        seed
            Seed of the predictive and the prior draws.

        Returns
        -------
        xarray.DataTree
            A group each, with named dims.
        """
        draws = {
            "posterior": self.posterior,
            "sample_stats": self.sample_stats,
            "prior": sample_prior(self.design, self.priors, seed=seed),
        }
        if self.moments is not None:
            return xr.DataTree.from_dict(draws)
        rows = {"obs": np.arange(self.design.rows.n)}
        name = self.design.outcome.name
        return xr.DataTree.from_dict(
            draws
            | {
                "posterior_predictive": self.predict(kind="outcome", seed=seed).to_dataset(name=name),
                "log_likelihood": self.log_likelihood().to_dataset(name=name),
                "observed_data": xr.Dataset({name: ("obs", self.design.outcome.values)}, coords=rows),
            }
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Keep the fit in one ``.nc`` (NetCDF) file or ``.zarr`` store; see :func:`load_fit`.

        The file holds the analysed rows of the model's columns (without participant ids), or the moments that the fit
        was made from, so share it only as the table, or its moments, may be shared.

        Parameters
        ----------
        path
            Ends in ``.nc`` or ``.zarr``.

        Raises
        ------
        FileFormatError
            Another ending.
        UsageError
            A folder that does not exist, or something that may not be replaced.
        WriteError
            The system refuses to write there.
        """
        storage.save(self, path)


def load_fit(path: str | os.PathLike[str]) -> Fit:
    """Read a fit that :meth:`Fit.save` wrote.

    Parameters
    ----------
    path
        A ``.nc`` file or ``.zarr`` store.

    Returns
    -------
    Fit
        The fit that was saved.

    Raises
    ------
    FileFormatError
        No such file, or not a fit that this version can read.
    """
    fit = storage.load(Path(path), spec_type=Model, fit_type=Fit)
    assert isinstance(fit, Fit)
    return fit


def load_model(path: str | os.PathLike[str]) -> Model:
    """Read a model card; the same as :meth:`Model.from_card`.

    Parameters
    ----------
    path
        A TOML file; or where there is none of that name, a card that comes with the package, by its name
        (``"outcome"``).

    Returns
    -------
    Model
        The model that the card describes.
    """
    return Model.from_card(path)
