"""Whether a page is what its own manifest, the data and a refit say it is."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from alliance_bayes.atomic import scratch
from alliance_bayes.checks import Check
from alliance_bayes.cohort import Cohort
from alliance_bayes.cohort.flow import ROW
from alliance_bayes.cohort.hashing import keyed_digest
from alliance_bayes.cohort.imputed import ImputedTables, read_one_or_several
from alliance_bayes.cohort.programs import plain_label
from alliance_bayes.effects import Estimand
from alliance_bayes.errors import FileFormatError, UsageError
from alliance_bayes.foreign import JSON_BYTES, PAGE_BYTES, parse_json, read_text
from alliance_bayes.moments import Moments, fingerprint
from alliance_bayes.remedies import argument
from alliance_bayes.report import SECTIONS, Section
from alliance_bayes.report.limitations import is_simulated
from alliance_bayes.report.page import (
    GIVEN,
    MIXING,
    NUMBERS,
    Rendered,
    body,
    faults,
    find_key,
    read_manifest,
    rows_by_id,
)
from alliance_bayes.report.records import unit
from alliance_bayes.report.sections import SectionMaker
from alliance_bayes.verify.again import Again, make_again
from alliance_bayes.verify.comparing import Figure, compare, limit
from alliance_bayes.verify.own_sections import without_sections
from alliance_bayes.verify.pages import Compared, compare_numbers, compare_pages
from alliance_bayes.versions import versions

__all__ = ["Verification", "verify_report"]

#: Fits with other seeds, where the refit has other draws than the page.
OTHERS = 4
# Problems of rows that are told one by one.
_TOLD = 20
# Software that the collapsed engine's draws follow from, besides the seed.
_DRAWING = ("alliance_bayes", "numpy", "scipy", "numba")
# What is compared by itself, or is a fingerprint of the rest.
_APART = ("rows", "page", "digest")


@dataclass(frozen=True)
class Verification:
    """What the comparison of a page with a refit found.

    Parameters
    ----------
    problems
        Why the page is not what it should be, one sentence each; empty when it is verified.
    notes
        What was compared and how, and what a reader should know besides: what cannot be made again, other versions,
        conclusions withheld.
    figures
        Every figure of the manifest's rows that was compared.
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
        table = table.assign(
            errors=[f.errors for f in self.figures],
            same=table["agree"] & table["error"].isna(),
            differ=~table["agree"],
        )
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
    cohort: Cohort | Moments | ImputedTables | Sequence[Any],
    *,
    sections: Sequence[Section | SectionMaker] = (),
    checks: Sequence[Check] = (),
    estimands: Sequence[Estimand] = (),
    key: str | os.PathLike[str] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Verification:
    """Fit a page's models again, write the page again, and compare the two.

    Parameters
    ----------
    path
        A page made by :meth:`alliance_bayes.Fit.report` or :meth:`alliance_bayes.Study.report`. The JSON file beside it
        is compared too, where there is one.
    cohort
        The data that it was made of; for a fit of several completed tables all of them (`read_imputed`, or a list).
    sections
        The sections of the analyst's own, as they were given to :class:`alliance_bayes.Report`: sections, and functions
        that make one of a view. They are made again and compared as the package's own are, their estimates by `remake`
        of the refit. Of those that the page has and that are not handed in, nothing is verified, and the notes say so.
    checks
        The checks of the analyst's own, as they were given to :meth:`alliance_bayes.Fit.check`. They are run again.
    estimands
        The estimands of the analyst's own, as they were given to :meth:`alliance_bayes.Fit.effects`.
    key
        File with the key of the page's digest of its data; by default ``<page>.key`` beside the page. Without it,
        whether the data are the same is told by the numbers alone.
    tell
        Called with a line before each step that takes time.

    Returns
    -------
    Verification
        Passed when the data are the ones named; every posterior mean, standard deviation, median, limit and probability
        of the refit is the page's within 4 Monte Carlo standard errors of the difference (more where thousands are
        compared, see the notes); the page has no row more and none less than the refit; and everything else of the page
        (every element, attribute, word, drawing, style and script, and every other number) and of the JSON beside it is
        what this version writes of the refit. Data that differ are not fitted.

    Raises
    ------
    FileFormatError
        No such file, or no manifest that this version can read.
    UsageError
        The page was made from an effects table, or from checks, that nothing can make again; a check or an estimand
        of the analyst's own is not handed in; or one of these or a section that is handed in cannot be made again.
    ModelError, DataError, SamplingError
        The model cannot be fitted to the data.

    Notes
    -----
    On one processor, and with the collapsed engine on all, the refit has the very draws of the page. Then all must be
    the same, to the digits printed; other draws of the collapsed engine are a problem where the page names the versions
    in use. NUTS has other draws on another processor. Then the page is written again with the
    page's own rows, once these are found to be those of the refit within Monte Carlo error, so that every word that
    follows from them is to be the same; and numbers that are in no row (of checks, curves and simulated data) may be
    off by `SPREAD` times the range that fits with other seeds give them, and one unit of their last digit. What is
    written in a drawing must be written about there in one of these fits.

    Of so many figures that chance puts one in a hundred pages beyond 4 errors, the limit is where it would.
    """
    path = Path(path)
    tell = tell or (lambda line: None)
    if not isinstance(cohort, Moments):
        cohort = read_one_or_several(cohort, set_aside=True)
    html, manifest = _read(path)
    beside = _beside(path)
    problems = faults(html, manifest)
    differ, known = compare_data(manifest, cohort, find_key(path, key))
    if differ:
        return Verification((*problems, *differ, "Nothing was fitted, since other data give other numbers."))
    with scratch() as folder:
        handed: dict[str, Any] = {"sections": sections, "checks": checks, "estimands": estimands}
        make = partial(make_again, manifest, cohort, name=path.name, keep=folder, **handed)
        refit = make(tell=tell)
        again = read_manifest(refit.rendered.html, name=path.name)
        problems += [f"The page has no {item}, which was handed in." for item in refit.unasked]
        figures = _figures(manifest, again, refit, problems)
        wrong = [figure for figure in figures if not figure.agree]
        problems += [
            f"{figure.row}: {figure.name} is {figure.page!r} in the page, but {_value(figure.again)} by the refit."
            for figure in wrong[:_TOLD]
        ]
        if len(wrong) > _TOLD:
            problems.append(f"{len(wrong) - _TOLD:,} more figures differ.")
        same = _reproduced(figures)
        problems += _mixing(manifest, again, same)
        if same:
            problems += [
                f"{figure.row}: {figure.name} is {figure.page!r} in the page, but {_value(figure.again)} by the refit, "
                "which has the page's draws."
                for figure in figures
                if figure.agree and not math.isnan(figure.error)
            ]
        fixed = _fixed(manifest, again)
        if fixed and not same:
            problems.append(
                "The page's draws are not those of its seed: the collapsed engine has the same draws on every "
                f"processor with the same versions of {', '.join(_DRAWING)}, and the page names those in use here. "
                "It was made with another seed or with other versions than it names; or, once in many thousands of "
                "pages, the last digits of another processor decided about a draw: ask for the page to be made again."
            )
        compared, notes = Compared(), ["The draws are other ones, so nothing else was compared."]
        if same:
            compared, notes = _compare(html, manifest, beside, refit.rendered, (), refit.unknown)
        # Without a figure the numbers of checks tell whether the draws are the page's. Rows with other columns cannot
        # be read.
        readable = manifest["columns"] == again["columns"]
        unsure = not figures and not _own_checks(beside, refit.rendered.numbers)
        if readable and not fixed and ((compared.problems and unsure) or not (same or problems)):
            rows, others = rows_by_id(manifest), []
            for other in range(1, OTHERS + 1):
                tell(f"the draws are not the page's: fitting with another seed, {other} of {OTHERS}")
                others.append(make(tell=lambda line: None, other=other).write(rows))
            compared, notes = _compare(html, manifest, beside, refit.write(rows), others, refit.unknown)
    problems += compared.problems
    problems += _simulated(manifest, cohort)
    notes = [*known, _done(manifest, figures, same), *notes, *_versions(manifest)]
    return Verification(tuple(dict.fromkeys(problems)), tuple(notes), tuple(figures))


def _own_checks(beside: Mapping[str, Any] | None, refit: Mapping[str, Any]) -> bool:
    """Whether most numbers of checks in the JSON are those of the refit to the last digit, as of no other draws."""
    pairs, alike = [((beside or {}).get("checks"), refit.get("checks"))], []
    while pairs:
        a, b = pairs.pop()
        if isinstance(b, dict) and isinstance(a, dict):
            pairs += [(a[key], b[key]) for key in b if key in a]
        elif isinstance(b, list) and isinstance(a, list):
            pairs += zip(a, b, strict=False)
        elif isinstance(b, float) and not b.is_integer():
            alike.append(type(a) is float and a == b)
    return sum(alike) > len(alike) / 2


def _done(manifest: Mapping[str, Any], figures: Sequence[Figure], same: bool) -> str:
    """What became of the data and of the figures, in words."""
    if manifest["rows"] is None:
        return "The page withholds its conclusions, so it has no estimate to compare."
    errors = [figure.errors for figure in figures if not math.isnan(figure.errors)]
    off = "all the same to the last digit kept" if not errors else f"the largest difference is {max(errors):.2f} MCSE"
    draws = "the page's own" if same else "other than the page's"
    return f"{len(figures):,} figures were estimated again, from draws {draws}: {off}."


def _mixing(manifest: Mapping[str, Any], again: Mapping[str, Any], same: bool) -> list[str]:
    """R-hat, effective sample sizes and Monte Carlo errors of the rows, which have no Monte Carlo error to go by."""
    if manifest["rows"] is None or again["rows"] is None or manifest["columns"] != again["columns"]:
        return []
    rows, problems = rows_by_id(manifest), []
    for name, row in rows_by_id(again).items():
        if name not in rows:
            continue
        for column in MIXING:
            old, new = rows[name][column], row[column]
            if old == new:
                continue
            numbers = all(isinstance(value, int | float) and value > 0 for value in (old, new))
            if column == "rhat":
                alike = numbers and abs(old - new) <= (1.01e-5 if same else 0.02)
            else:
                step = 1.01 * unit(new, row["sd"] if column == "mcse_mean" else None) if numbers else 0.0
                alike = numbers and (abs(old - new) <= step if same else new / 2 <= old <= 2 * new)
            if not alike:
                problems.append(f"{name}: {column} is {old!r:.40} in the page, but {new!r} by the refit.")
    more = len(problems) - _TOLD
    return [*problems[:_TOLD], *([f"{more:,} more figures of how the draws mix differ."] if more > 0 else [])]


def _compare(
    html: str,
    manifest: Mapping[str, Any],
    beside: Any,
    refit: Rendered,
    others: Sequence[Rendered],
    unknown: Mapping[str, str],
) -> tuple[Compared, list[str]]:
    """Page, manifest and JSON against those of the refit, and in words what was done."""
    page, faulty = without_sections(body(html), unknown)
    pages = [without_sections(body(rendered.html), unknown)[0] for rendered in (refit, *others)]
    whole = compare_pages(page, pages[0], pages[1:])
    stated = [_stated(read_manifest(rendered.html, name="page")) for rendered in (refit, *others)]
    settings = compare_numbers(_stated(manifest), stated[0], stated[1:], name="Manifest")
    whole = Compared(tuple(faulty)) + whole + Compared(settings.problems, 0, settings.near)
    notes = [f"The page was written again: {whole.numbers:,} numbers of its text and every element were compared."]
    if beside is None:
        notes.append("No JSON file lies beside the page, so none was compared.")
    else:
        # What sections of the analyst's own put there is not known here.
        known = {key: value for key, value in beside.items() if key in refit.numbers or not unknown}
        json_ = compare_numbers(known, dict(refit.numbers), [dict(rendered.numbers) for rendered in others])
        whole += Compared(json_.problems, 0, json_.near, json_.unsettled, json_.moving)
        notes.append(f"So was the JSON beside it: {json_.numbers:,} numbers.")
        if more := [key for key in beside if key not in known]:
            notes.append(f"What the JSON has of the analyst's own sections was not compared: {', '.join(more)[:200]}.")
    if whole.near:
        notes.append(f"{whole.near:,} pieces differ by no more than rounding or Monte Carlo error.")
    if whole.moving:
        notes.append(
            f"{whole.moving:,} pieces follow the page's own draws (checks, simulated data, drawings), and fits with "
            f"other seeds have them otherwise; {len(whole.unsettled):,} of them are further off than such fits are "
            f"from each other, as a few will be{': ' if whole.unsettled else '.'}{' '.join(whole.unsettled[:5])}"
        )
    if unknown:
        refitted = set() if refit.rows is None else set(refit.rows.index)
        estimates = sum(name.partition("/")[0] in unknown for name in rows_by_id(manifest) if name not in refitted)
        notes.append(
            "Sections of the analyst's own are made again where they are handed in, and these were not, so nothing in "
            f"them was compared: {', '.join(repr(title) for title in unknown.values())}"
            + (f", with {estimates:,} estimates." if estimates else ".")
        )
    if missing := [name for name in SECTIONS if manifest["kind"] == "report" and name not in manifest["sections"]]:
        notes.append(f"The page was made without the sections {', '.join(missing)}, or there was nothing to say there.")
    return whole, notes


def _stated(manifest: Mapping[str, Any]) -> dict[str, Any]:
    known = {key: value for key, value in manifest.items() if key not in _APART}
    return known | {"data": {key: value for key, value in manifest["data"].items() if key != "digest"}}


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    html = read_text(path, what=f"the page '{path.name}'", limit=PAGE_BYTES)
    return html, read_manifest(html, name=path.name)


def _beside(path: Path) -> dict[str, Any] | None:
    """The numbers in the JSON file beside a page; None where there is no such file."""
    file = path.with_suffix(".json")
    if not file.exists():
        return None
    what = f"the file '{file.name}' beside the page"
    numbers = parse_json(read_text(file, what=what, limit=JSON_BYTES), what=what, remedy="Make the report again.")
    if not isinstance(numbers, dict):
        raise FileFormatError(f"{what} holds no numbers of a report. Make the report again.")
    return numbers


def _simulated(manifest: Mapping[str, Any], cohort: Cohort | Moments | ImputedTables) -> list[str]:
    """A page of simulated data must say so."""
    hidden = isinstance(cohort, Cohort) and is_simulated(cohort.source) and not is_simulated(manifest["data"]["source"])
    return ["The data are simulated, and the page does not say so."] if hidden else []


def _versions(manifest: Mapping[str, Any]) -> list[str]:
    now, then = versions(), manifest["versions"]
    other = [f"{name} {then[name]} (now {now[name]})" for name in now if name in then and then[name] != now[name]]
    return [f"The page was made with other versions: {', '.join(other)}."] if other else []


def _figures(manifest: Mapping[str, Any], again: Mapping[str, Any], refit: Again, problems: list[str]) -> list[Figure]:
    """The figures of every row; whatever only one of the two has is added to the problems."""
    if (manifest["rows"] is None) != (again["rows"] is None):
        states = ("withheld", "not withheld")
        withheld = manifest["rows"] is None
        problems.append(f"Conclusions are {states[not withheld]} in the page, but {states[withheld]} by the refit.")
        return []
    rows, refitted = rows_by_id(manifest), rows_by_id(again)
    if manifest["columns"] != again["columns"]:
        problems.append("The rows of the manifest have other columns than this version writes.")
        return []
    if len(rows) != len(manifest["rows"] or []):
        problems.append("Some row is in the manifest twice.")
    # Rows of sections that were not handed in stand under these sections' ids.
    unchecked = {name for name in rows if name not in refitted and name.partition("/")[0] in refit.unknown}
    lists = (
        ("the refit has no such row", [name for name in rows if name not in refitted and name not in unchecked]),
        ("the page has no such row", [name for name in refitted if name not in rows]),
    )
    for fault, names in lists:
        problems += [f"{name}: {fault}." for name in names[:_TOLD]]
        if len(names) > _TOLD:
            problems.append(f"{len(names) - _TOLD:,} more rows: {fault}.")
    both = [name for name in rows if name in refitted]
    if not any(lists[k][1] for k in (0, 1)) and [*refitted] != [name for name in rows if name not in unchecked]:
        problems.append("The rows of the manifest are in another order.")
    if refit.rendered.rows is None:
        return []
    known = refit.rendered.rows[[*NUMBERS, *GIVEN]]
    records = dict(zip(known.index, known.to_dict("records"), strict=True))
    draws = refit.rendered.rows.draws
    most = limit(len(both) * len(NUMBERS))
    return [
        figure for name in both for figure in compare(name, rows[name], records[name], partial(draws.get, name), most)
    ]


def _reproduced(figures: Sequence[Figure]) -> bool:
    """Whether the refit has the page's own draws: then most of their figures are the same to the last digit."""
    estimated = [figure for figure in figures if figure.name in NUMBERS]
    same = sum(math.isnan(figure.error) and figure.agree for figure in estimated)
    return 2 * same >= len(estimated)


def _fixed(manifest: Mapping[str, Any], again: Mapping[str, Any]) -> bool:
    """Whether the refit must have the page's own draws: by the collapsed engine alone, with the versions in use."""
    now, then = versions(), manifest["versions"]
    ran = [again["info"]] if again["kind"] == "report" else list(again["info"].values())
    return all(info.get("engine") == "collapsed" and "fallback" not in info for info in ran) and all(
        then.get(name) == now[name] for name in _DRAWING
    )


def _value(value: Any) -> str:
    return f"{value:.9g}" if isinstance(value, float) else repr(value)


def compare_data(
    manifest: Mapping[str, Any], cohort: Cohort | Moments | ImputedTables, key: bytes | None
) -> tuple[list[str], list[str]]:
    """Compare data with the digest in a page's manifest.

    Parameters
    ----------
    manifest
        Of the page.
    cohort
        The data.
    key
        The key of the page's digest; None where it is not at hand.

    Returns
    -------
    problems, notes : list of str
        A problem when the data are others; a note that they are the same, or why nothing can be said of that.

    Raises
    ------
    UsageError
        A table for a page of moments, or the reverse.
    """
    data = manifest["data"]
    if data.get("rows", True) and isinstance(cohort, Moments):
        raise UsageError("the page was made of rows, and moments hold none. Give the table it was made of.")
    if not data.get("rows", True) and not isinstance(cohort, Moments):
        raise UsageError("the page was made of moments. Give the file of moments (.nc), not a table.")
    several = data.get("tables") is not None
    if several != isinstance(cohort, ImputedTables):
        source, needed = ("several completed tables", "all of them") if several else ("one table", "that one")
        raise UsageError(f"the page was made of {source}. Give {needed}.")
    if not isinstance(cohort, Moments) and isinstance(read := data.get("read", {}), dict):
        table = cohort if isinstance(cohort, Cohort) else cohort[0]
        _check_reading(read, table)
        _check_labels(data.get("labels") or {}, table)
    digest = data.get("digest")
    if digest is None:
        return [], ["The page holds no digest of its data: that they are the same shows in the numbers alone."]
    if key is None:
        return [], [
            "The page's key is not here (a file .key beside the page, or --key): that the data are the same shows in "
            "the numbers alone."
        ]
    if isinstance(cohort, Moments):
        computed = keyed_digest(key, fingerprint(cohort))
    else:
        computed = keyed_digest(key, cohort.hash)
        if isinstance(cohort, Cohort) and manifest["kind"] == "study":
            # With the sessions, which a study uses, too.
            computed = cohort.digest(key)
    if computed == digest:
        return [], ["The data are the same, to the last digit."]
    return ["The data are not those the page was made of, or the key is another page's: the digest differs."], []


def _check_reading(read: Mapping[str, Any], cohort: Cohort) -> None:
    """Refuse a table that does not say whose and when its rows are as the page's table did.

    Raises
    ------
    UsageError
        What it was read with, or without.
    """
    reading = {"person": cohort.person, "time": cohort.time, "unit": cohort.unit}
    wanted = {"person": read.get("person"), "time": read.get("time"), "unit": read.get("unit", ROW)}
    if differing := [name for name in reading if reading[name] != wanted[name]]:
        options = [argument(name, str(wanted[name])) for name in differing if wanted[name] is not None]
        how = f"with {' '.join(options)}" if options else f"without {argument(differing[0])}"
        raise UsageError(f"the page was made of a table that was read {how}. Read the table so.")


def _check_labels(labels: Any, cohort: Cohort) -> None:
    """Refuse a table whose columns are not called what the page calls them: its words would be about other columns.

    Raises
    ------
    UsageError
        Which labels the table should be read with.
    """
    stated = {str(name): str(label) for name, label in labels.items()} if isinstance(labels, Mapping) else {}
    if differing := {name: label for name, label in stated.items() if cohort.labels.get(name) != label}:
        actual = [f"{name!r} {cohort.labels[name]!r}" for name in differing if name in cohort.labels]
        # A manifest can say anything at any length.
        option = argument("labels", {plain_label(name): plain_label(label) for name, label in differing.items()})
        raise UsageError(
            "the page calls columns what the table does not"
            f"{f', which calls {" and ".join(actual)}' if actual else ''}. If they hold what the page says, read the "
            f"table with {option}."
        )
