"""Whether a page is what its own manifest, the data and a refit say it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes.cohort import Cohort
from alliance_bayes.foreign import PAGE_BYTES, read_text
from alliance_bayes.moments import Moments
from alliance_bayes.report.data_key import find_key
from alliance_bayes.report.manifest import GIVEN, NUMBERS, faults, read_manifest, rows_by_id
from alliance_bayes.verify.again import Again, make_again
from alliance_bayes.verify.comparing import Figure, compare
from alliance_bayes.verify.data import compare_data
from alliance_bayes.versions import versions

__all__ = ["Verification", "verify_report"]

# Problems of rows that are told one by one.
_TOLD = 20


@dataclass(frozen=True)
class Verification:
    """What the comparison of a page with a refit found.

    Parameters
    ----------
    problems
        Why the page is not what it should be, one sentence each; empty when it is verified.
    notes
        What a reader should know besides: other versions, conclusions withheld.
    figures
        Every figure compared.
    """

    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = field(default=(), repr=False)

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    @property
    def table(self) -> pd.DataFrame:
        """Every figure compared.

        Returns
        -------
        pandas.DataFrame
            Columns `row`, `figure`, `page`, `again`, `error` (Monte Carlo standard error of the difference, NaN where
            the two are the same), `agree`.
        """
        return pd.DataFrame(
            [(f.row, f.name, f.page, f.again, f.error, f.agree) for f in self.figures],
            columns=["row", "figure", "page", "again", "error", "agree"],
        )

    def summary(self) -> pd.DataFrame:
        """One row a figure: how many were compared, how many are the same to the last digit kept, how many differ.

        Returns
        -------
        pandas.DataFrame
            Columns `figure`, `compared`, `same`, `within_error` (differ, but by no more than chance would), `differ`,
            `largest` (of the differences in Monte Carlo errors; NaN where all are the same).
        """
        table = self.table
        errors = [abs(f.page - f.again) / f.error if f.error > 0 else np.nan for f in self.figures]
        table = table.assign(errors=errors, same=table["agree"] & table["error"].isna(), differ=~table["agree"])
        table["within"] = table["agree"] & ~table["same"]
        grouped = table.groupby("figure", sort=False)
        return grouped.agg(
            compared=("row", "size"),
            same=("same", "sum"),
            within_error=("within", "sum"),
            differ=("differ", "sum"),
            largest=("errors", "max"),
        ).reset_index()


def verify_report(
    path: str | os.PathLike[str],
    cohort: Cohort | Moments,
    *,
    key: str | os.PathLike[str] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Verification:
    """Make the numbers of a page again, and compare.

    Parameters
    ----------
    path
        A page made by :meth:`alliance_bayes.Fit.report` or :meth:`alliance_bayes.Study.report`.
    cohort
        The data that it was made of.
    key
        File with the key of the page's digest of its data; by default ``<page>.key`` beside the page. Without it,
        whether the data are the same is told by the numbers alone.
    tell
        Called with a line before each step that takes time.

    Returns
    -------
    Verification
        Passed when page and manifest are as they were made together, the data and the model cards are the ones
        named, and every posterior mean, standard deviation, median, limit and probability of the refit is the page's
        within 5 Monte Carlo standard errors of the difference. Data that differ are not fitted.

    Raises
    ------
    FileFormatError
        No such file, or no manifest that this version can read.
    UsageError
        The page was made from an effects table that nothing can make again.
    ModelError, DataError, SamplingError
        The model cannot be fitted to the data.

    Notes
    -----
    A fingerprint shows that page and manifest were not changed after they were made, not who made them: whoever
    changes both and seals them anew is found out by the refit, for all numbers of the manifest.
    """
    path = Path(path)
    html, manifest = _read(path)
    problems = faults(html, manifest)
    other, known = compare_data(manifest, cohort, find_key(path, key))
    if other:
        return Verification((*problems, *other, "Nothing was fitted, since other data give other numbers."))
    made = make_again(manifest, cohort, tell=tell or (lambda line: None), name=path.name)
    problems += _cards(manifest, made)
    notes = [*known, *_versions(manifest)]
    if bool(manifest["withheld"]) != made.withheld:
        said = ("withheld", "not withheld")
        problems.append(
            f"Conclusions are {said[not manifest['withheld']]} in the page, but {said[not made.withheld]} by the refit."
        )
    if manifest["rows"] is None:
        notes.append("The page withholds its conclusions, so it has no number to compare.")
    figures = _figures(rows_by_id(manifest), made, problems)
    wrong = [figure for figure in figures if not figure.agree]
    problems += [
        f"{figure.row}: {figure.name} is {figure.page!r} in the page, but {_value(figure.again)} by the refit."
        for figure in wrong[:_TOLD]
    ]
    if len(wrong) > _TOLD:
        problems.append(f"{len(wrong) - _TOLD:,} more figures differ.")
    return Verification(tuple(problems), tuple(notes), tuple(figures))


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    html = read_text(path, what=f"the page '{path.name}'", limit=PAGE_BYTES)
    return html, read_manifest(html, name=path.name)


def _cards(manifest: Mapping[str, Any], made: Again) -> list[str]:
    if isinstance(made.cards, str):
        return [] if made.cards == manifest["card"] else ["The model card is not what this package writes for it."]
    old = manifest["cards"]
    names = [name for name in {**old, **made.cards} if old.get(name) != made.cards.get(name)]
    return [f"The model card '{name}' is another one." for name in names]


def _versions(manifest: Mapping[str, Any]) -> list[str]:
    now, then = versions(), manifest["versions"]
    other = [f"{name} {then[name]} (now {now[name]})" for name in now if name in then and then[name] != now[name]]
    return [f"The page was made with other versions: {', '.join(other)}."] if other else []


def _figures(rows: Mapping[str, Mapping[str, Any]], made: Again, problems: list[str]) -> list[Figure]:
    known = made.table[[*NUMBERS, *GIVEN]]
    records = dict(zip(known.index, known.to_dict("records"), strict=True))
    unknown = [name for name in rows if name not in records]
    problems += [f"{name}: the refit has no such row." for name in unknown[:_TOLD]]
    if len(unknown) > _TOLD:
        problems.append(f"{len(unknown) - _TOLD:,} more rows are not in the refit.")
    draws = made.table.draws
    return [
        figure
        for name, row in rows.items()
        if name in records
        for figure in compare(name, row, records[name], partial(draws.get, name))
    ]


def _value(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else repr(value)
