"""Study: the answers and their page; run_study makes one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from alliance_bayes.blas import one_blas_thread
from alliance_bayes.cohort import Cohort, read_cohort, with_alliance_parts
from alliance_bayes.engines import Progress
from alliance_bayes.errors import UsageError
from alliance_bayes.notebook import listed, number, overview, table
from alliance_bayes.remedies import argument
from alliance_bayes.study.answers import Answers
from alliance_bayes.study.cache import PosteriorCache
from alliance_bayes.study.cards import COLUMNS
from alliance_bayes.study.declared import declaration
from alliance_bayes.study.options import StudyOptions, alliance_scale
from alliance_bayes.study.page import study_report
from alliance_bayes.study.part import Part
from alliance_bayes.study.registry import PARTS
from alliance_bayes.study.runner import StudyRunner
from alliance_bayes.study.tables import rows_text, shown_rows

if TYPE_CHECKING:
    from alliance_bayes.report import Rendered


__all__ = [
    "COLUMNS",
    "Study",
    "answer",
    "answered",
    "check_columns",
    "run_study",
    "same_people",
]


@dataclass(frozen=True, eq=False)
class Study(Answers):
    """The answers to a study's questions, and the page of them; made by :func:`run_study`.

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

    def __repr__(self) -> str:
        counts = f"{len(self.findings)} findings in {len(self.parts)} parts, {len(self.fitted)} models"
        return f"<{type(self).__name__} of {self.cohort.source!r}: {counts}>"

    def _repr_html_(self) -> str:
        """In a notebook: what was found, and how the models were sampled."""
        shown = shown_rows(self.fitted, self.options.small)
        rows = [
            (
                row["model"],
                row["family"],
                rows_text(shown[row["model"]]),
                row["engine"],
                f"{row['divergences']:,}",
                number(row["ess_bulk"]),
                number(row["rhat"], 4),
            )
            for row in self.models().to_dict("records")
        ]
        headings = ("model", "family", "rows", "engine", "divergences", "least ESS (bulk)", "largest R-hat")
        facts = [("interval", f"{100 * self.options.prob:g}% equal-tailed"), ("seed", self.options.seed)]
        models = table(headings, rows, words=(0, 1, 3))
        return overview(f"Study of {self.cohort.source}", facts, listed(self.findings), models)

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

        Returns
        -------
        Rendered
            The page, its numbers, and what it found.
        """
        from alliance_bayes.report.page import check_target, page_key

        if path is not None:
            check_target(path, key=key)
        with page_key(None if path is None else Path(path), key) as secret:
            rendered = study_report(self, key=secret)
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
        `population_mean`, `seed`, `small`, `same_people`, `missing`, `auxiliary`.

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
    if cohort.instruments and "alliance" in cohort.data:
        # A tenth of an SD, as by default on the scale of 1 to 5.
        options = {"alliance_margin": float(f"{alliance_scale(cohort).sd / 10:.2g}"), **options}
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
    """Answer a study's questions; see :func:`run_study` and, for ``told``, :class:`StudyRunner`."""
    if cohort.person is not None:
        raise UsageError(
            f"{cohort.source} has several rows a person, and the study is of people, one row each. Fit single models "
            "to it, or give the three tables."
        )
    check_columns(cohort, chosen)
    cache = PosteriorCache(None if keep is None else Path(keep))
    people = same_people(cohort, full=chosen.full) if chosen.same_people else cohort
    check_columns(people, chosen)
    runner = StudyRunner(people, chosen, cache=cache, tell=tell or (lambda line: None), progress=progress, told=told)
    with one_blas_thread():
        parts = answer(runner)
    return Study(cohort, chosen, {part.name: part for part in parts}, dict(runner.fitted))


NO_SESSIONS = (
    "the table has one row a participant. Give the three tables (a folder on the command line, read_tables in Python) "
    "for what needs single sessions."
)


def answer(runner: StudyRunner) -> list[Part]:
    """Answer every question that was asked for and that the table allows."""
    return [part for name in PARTS if (part := _answered(name, runner)) is not None]


def _answered(name: str, runner: StudyRunner) -> Part | None:
    """A part; None where it was not asked for, or the table has nothing for it."""
    of, data = declaration(name), runner.cohort.data
    if (of.full and not runner.options.full) or (of.column and data.get(of.column, pd.Series()).nunique() < 2):
        return None
    if of.sessions and runner.cohort.sessions is None:
        question = "This part needs the ratings of single sessions."
        return Part(name, of.title, question, (), left_out=(f"{of.title}: {NO_SESSIONS}",))
    return PARTS[name](runner)


# What the models of early ratings, and of ratings within and between providers, need besides.
_OF_SESSIONS = ("alliance_early", "alliance_first", "alliance_provider")
# Fewer leave nothing to estimate a residual SD and a handful of slopes from.
FEWEST = 20


def check_columns(cohort: Cohort, options: StudyOptions) -> None:
    """Refuse a cohort that the study cannot be run on.

    Raises
    ------
    UsageError
        Columns that are missing, or too few people with all of them; everything at once.
    """
    missing = [name for name in COLUMNS if name not in cohort.data]
    if missing:
        raise UsageError(
            f"{cohort.source}: the study needs the columns {', '.join(COLUMNS)}, and this table has no "
            f"{', '.join(missing)}. Add them (rename columns with {argument('columns', ...)}), or fit single models "
            "with 'alliance-bayes fit'."
        )
    complete = cohort.data[list(COLUMNS)].dropna()
    elevated = int((complete["who5_baseline"] <= options.elevated).sum())
    limit = f"{options.elevated:g}"
    faults = [
        f"{count} {who} a value in every column"
        for count, who in (
            (len(complete), "people have"),
            (elevated, f"people with a baseline WHO-5 of {limit} or less have"),
            # Without them there is no mean that the others could regress to.
            (len(complete) - elevated, f"people with a baseline WHO-5 above {limit} have"),
        )
        if count < FEWEST
    ]
    if faults:
        raise UsageError(
            f"{cohort.source}: {', '.join(faults)}, and the study needs {FEWEST} of each. Fit single models with "
            "'alliance-bayes fit' instead."
        )


def same_people(cohort: Cohort, *, full: bool) -> Cohort:
    """Those of a cohort who have a value in every column of all the study's models.

    Parameters
    ----------
    cohort
        With the columns that the study needs.
    full
        Whether the models of early and of single ratings are fitted too.
    """
    names = [*COLUMNS, *(["modality"] if cohort.data.get("modality", pd.Series(dtype=object)).nunique() > 1 else [])]
    beside = None
    if full and cohort.sessions is not None:
        beside = with_alliance_parts(cohort).data
        names += [name for name in _OF_SESSIONS if name in beside and beside[name].notna().any()]
    return cohort.same_people(names, beside=beside)
