"""Study: the answers, the fits behind them, and the page; run_study makes one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from alliance_bayes.blas import one_blas_thread
from alliance_bayes.cohort import Cohort, read_cohort
from alliance_bayes.engines import Progress
from alliance_bayes.report.text import clean
from alliance_bayes.study.bench import Bench, Fitted
from alliance_bayes.study.kept import Kept
from alliance_bayes.study.needs import check_columns, same_people
from alliance_bayes.study.options import StudyOptions
from alliance_bayes.study.part import Part
from alliance_bayes.study.plan import answer

if TYPE_CHECKING:
    from alliance_bayes.report import Rendered

__all__ = ["Study", "answered", "run_study"]


@dataclass(frozen=True, eq=False)
class Study:
    """The answers to a study's questions.

    Made by :func:`run_study`.

    Parameters
    ----------
    cohort
        Everybody in the table.
    options
        What was asked for.
    parts
        The answers by name, in order.
    fitted
        The fits behind them by name, with the time they took.
    """

    cohort: Cohort
    options: StudyOptions
    parts: Mapping[str, Part]
    fitted: Mapping[str, Fitted] = field(repr=False)

    @property
    def findings(self) -> tuple[str, ...]:
        """The key findings, one sentence or more each; in place of those that are withheld, why they are."""
        return tuple(
            sentence
            for part in self.parts.values()
            for sentence in (
                *(f"{part.title}: withheld. {reason}" for reason in part.withheld),
                *(clean(statement.text) for statement in part.statements if statement.key),
            )
        )

    @property
    def withheld(self) -> bool:
        """Whether any number is withheld because draws did not pass the checks."""
        return any(part.withheld for part in self.parts.values())

    def table(self) -> pd.DataFrame:
        """Every reported number in one table: columns ``part``, ``block`` and those of an effects table."""
        frames = [part.table().assign(part=part.name) for part in self.parts.values() if len(part.table())]
        out = pd.concat(frames)
        return out[["part", *(name for name in out.columns if name != "part")]]

    def rows(self) -> pd.DataFrame:
        """The same table with ids that are unique in the study: ``block/row``, as statements name them."""
        table = self.table()
        ids = [f"{block}/{row}" for block, row in zip(table["block"], table.index, strict=True)]
        return table.set_axis(pd.Index(ids, name="id"), axis=0)

    def models(self) -> pd.DataFrame:
        """How each model was sampled.

        Returns
        -------
        pandas.DataFrame
            Columns `model`, `formula`, `family`, `people` (rows analysed), `engine`, `seconds` (missing where the draws
            were kept from an earlier run), `divergences`, `ess_bulk` (the smallest of a parameter), `ess_per_second`,
            `rhat` (the largest), `reused`.
        """
        from alliance_bayes.study.models import model_table

        return model_table(self.fitted)

    def report(
        self, path: str | os.PathLike[str] | None = None, *, key: str | os.PathLike[str] | None = None
    ) -> Rendered:
        """The study as one HTML page with its numbers; written to ``path`` (``.html``) where given.

        Parameters
        ----------
        path
            Ends in ``.html``; its numbers are written beside it (``.json``).
        key
            As in :meth:`alliance_bayes.Fit.report`.
        """
        from alliance_bayes.report.data_key import key_of
        from alliance_bayes.report.page import check_target
        from alliance_bayes.study.page import study_report

        if path is not None:
            check_target(path, key=key)
        rendered = study_report(self, key=key_of(None if path is None else Path(path), key))
        if path is not None:
            rendered.write(path)
        return rendered


def run_study(
    cohort: Cohort | pd.DataFrame,
    *,
    full: bool = False,
    keep: str | os.PathLike[str] | None = None,
    tell: Callable[[str], None] | None = None,
    progress: bool | Progress = True,
    **options: Any,
) -> Study:
    """Answer the study's three aims and its exploratory question on a cohort, and go past them.

    Parameters
    ----------
    cohort
        The cohort, or a table that `read_cohort` accepts, with `alliance`, `who5_baseline`, `who5_followup`, `age`,
        `sex`, `country`, `provider_type`, `days_in_care` and `n_sessions`. A column `modality` adds the comparison of
        video and in-person care.
    full
        Also fit the models that take minutes: families for a bounded score, and, where the cohort knows its sessions
        (`read_tables`), latent alliance and alliance over time.
    keep
        Folder in which posteriors that took long are kept, so that the same call goes on from them after an
        interruption. Keyed by data, model card, seed and version.
    tell
        Called with a line before each model.
    progress
        Passed on to the samplers; see :meth:`alliance_bayes.Model.fit`.
    **options
        Fields of :class:`StudyOptions`: `prob`, `elevated`, `improvement`, `margin`, `alliance_margin`,
        `population_mean`, `seed`, `small`, `same_people`.

    Returns
    -------
    Study
        Parts ``ratings``, ``change``, ``association``, ``moderation``, where asked for ``families``, ``latent`` and
        ``time``, and where there is a modality ``modality``.

    Raises
    ------
    UsageError
        An option outside its range, or columns that are missing (all of them are named).
    DataError, ModelError, SamplingError
        See :meth:`alliance_bayes.Model.fit`.

    References
    ----------
    Sagui-Henson et al. (2022), Journal of Technology in Behavioral Science 7(4):439-450,
    doi 10.1007/s41347-022-00263-5.
    """
    cohort = cohort if isinstance(cohort, Cohort) else read_cohort(cohort)
    return answered(cohort, StudyOptions(full=full, **options), keep=keep, tell=tell, progress=progress)


def answered(
    cohort: Cohort,
    chosen: StudyOptions,
    *,
    keep: str | os.PathLike[str] | None = None,
    tell: Callable[[str], None] | None = None,
    progress: bool | Progress = True,
    told: Mapping[str, Mapping[str, Any]] | None = None,
) -> Study:
    """Answer a study's questions; see :func:`run_study` and, for ``told``, :class:`Bench`."""
    check_columns(cohort, chosen)
    kept = Kept(None if keep is None else Path(keep))
    people = same_people(cohort, full=chosen.full) if chosen.same_people else cohort
    check_columns(people, chosen)
    bench = Bench(people, chosen, kept=kept, tell=tell or (lambda line: None), progress=progress, told=told)
    with one_blas_thread():
        parts = answer(bench)
    return Study(cohort, chosen, {part.name: part for part in parts}, dict(bench.fitted))
