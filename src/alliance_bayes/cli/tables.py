"""Commands about tables: simulate one, look at one, reduce one to moments."""

from __future__ import annotations

import functools
import operator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

import alliance_bayes as ab
from alliance_bayes.cli import complete
from alliance_bayes.cli.console import in_words, interface
from alliance_bayes.cli.files import (
    DEMO_N,
    DEMO_SEED,
    READ,
    Decimal,
    Map,
    Missing,
    Prorate,
    ReadOptions,
    check_file,
    check_tables,
    column_mapping,
    prorate_argument,
    read,
)
from alliance_bayes.cli.groups import grouped
from alliance_bayes.cli.models import MODEL, ModelOptions, card_file, model_of, naming_card_of
from alliance_bayes.cli.options import AsJson, CohortPath, Seed
from alliance_bayes.cli.places import check_place
from alliance_bayes.cli.printing import flow_record, print_json
from alliance_bayes.cli.values import pairs
from alliance_bayes.foreign import number_in

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["reduce", "simulate", "validate"]


def simulate(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the table (CSV).")],
    n: Annotated[int, typer.Option(help="Number of participants.")] = DEMO_N,
    seed: Seed = DEMO_SEED,
    tables: Annotated[Path | None, typer.Option(help="Folder for the three tables behind it as well.")] = None,
    in_person_share: Annotated[float, typer.Option(help="Share of participants seen in person, not by video.")] = 0.0,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Another setting of the simulation: alliance_slope=0, slope_by_sex.female=2. May be repeated; a name "
            "that there is not is answered with all that there are.",
            metavar="NAME[.LEVEL]=NUMBER",
            autocompletion=complete.settings,
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate a cohort calibrated to the published study."""
    chosen = _settings(settings or [])
    if "in_person_share" in chosen and in_person_share:
        raise ab.UsageError("--set gives in_person_share a second time. Leave one of them out.")
    check_tables(output, tables)
    cohort = ab.simulate_cohort(n=n, seed=seed, **{"in_person_share": in_person_share, **chosen})
    written = [ab.write_cohort(cohort, output)]
    if tables is not None:
        written += ab.write_tables(cohort, tables)
    if as_json:
        print_json({"participants": len(cohort), "seed": seed, "written": [str(path) for path in written]})
        return
    print(f"{len(cohort):,} simulated participants (seed {seed}) written to {', '.join(map(str, written))}")


def _settings(texts: list[str]) -> dict[str, Any]:
    """NAME=NUMBER and NAME.LEVEL=NUMBER texts as settings of a simulation."""
    settings: dict[str, Any] = {}
    for name, text in pairs(texts, "--set", "alliance_slope=0").items():
        setting, dot, level = name.partition(".")
        number = number_in(text)
        if number is None:
            raise ab.UsageError(f"--set {name}={text}: {text!r} is no number.")
        if isinstance(settings.get(setting, {} if dot else None), dict) != bool(dot):
            raise ab.UsageError(f"--set gives {setting!r} both a number and numbers by level. Choose one.")
        settings[setting] = {**settings.get(setting, {}), level: number} if dot else number
    return settings


@grouped
def validate(
    cohort: CohortPath,
    reading: ReadOptions = READ,
    as_json: AsJson = False,
) -> None:
    """Check a table, and show who would be left out, what is in it, and what is likely to be a mistake.

    What is printed names levels of one person: it is for those who have the data.
    """
    taken = read(cohort, reading, set_aside=False)
    if isinstance(taken, ab.Moments):
        raise ab.UsageError(f"'{cohort.name}' holds moments, which were checked when they were made. Give a table.")
    if as_json:
        print_json(taken.told(interface.get()))
        return
    print(taken.flow)
    print()
    print(_listing(taken.summary()))
    if missing := taken.missing_by_reason:
        print("\nMissing, as far as the table says why:")
        for name, counts in missing.items():
            print(f"  - {name}: {', '.join(f'{n:,} {reason}' for reason, n in counts.items())}")
    if doubts := taken.doubts():
        print("\nWarnings of what is likely to be a mistake, and stops no analysis:")
        print(*(f"  - {doubt.problem.worded(interface.get())}" for doubt in doubts), sep="\n")
    if taken.aside:
        problems = [problem for wrong in taken.aside.values() for problem in wrong]
        print(f"\n{len(taken.aside)} further column(s) cannot be read, which matters to a model that uses them only:")
        shown = [problem.worded(interface.get()) for problem in problems[: ab.DataError.shown]]
        print(*(f"  - {problem}" for problem in shown), sep="\n")


def _listing(summary: pd.DataFrame) -> str:
    """A summary as text, a factor of many levels in one line."""
    if "levels" in summary:
        many = summary["levels"].notna()
        words = (
            f"({row.levels:,} levels, the largest {row.largest!r} with {row.n_largest:,}, {row.n_single:,} with one)"
            for row in summary[many].itertuples()
        )
        summary.loc[many, "level"] = list(words)
        summary = summary.drop(columns=["levels", "largest", "n_largest", "n_single"])
    return summary.to_string(index=False, na_rep="", max_colwidth=120)


@grouped
def reduce(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Tables (.csv, .tsv, .parquet, no others; patterns such as 'cohort/*.parquet' in quotes), or moments "
            "of others (.nc) to add them up with.",
            metavar="SOURCE...",
            show_default=False,
        ),
    ],
    card: Annotated[
        str,
        typer.Option(
            help="Model card (TOML) that the moments are for, the name of a card of the package, or a formula.",
            metavar="CARD|FORMULA",
            autocompletion=complete.cards,
            show_default=False,
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to keep the moments (.nc).")],
    options: ModelOptions = MODEL,
    columns: Map = None,
    missing: Missing = None,
    decimal: Decimal = ".",
    prorate: Prorate = None,
    min_cell: Annotated[int, typer.Option(help="Least number of people in a cell.")] = 1,
    small: Annotated[str, typer.Option(help="What to do about smaller cells: refuse or merge.")] = "refuse",
    threads: Annotated[
        int | None, typer.Option(help="Processors that DuckDB may use; by default all.", show_default=False)
    ] = None,
    memory: Annotated[str, typer.Option(help="Memory that DuckDB may use.")] = "1GB",
    person: Annotated[
        str | None,
        typer.Option(
            help="Column that says whose a row is, in a table with several rows a person (an effect in the model).",
            show_default=False,
        ),
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="With --person: column that numbers the occasions.", show_default=False)
    ] = None,
    unit: Annotated[str, typer.Option(help="With --person: what a row is called, such as session or week.")] = "row",
    as_json: AsJson = False,
) -> None:
    """Reduce tables to the moments that a model needs, without reading their rows."""
    check_file(output, (".nc",), card_file(card), *map(Path, sources))
    if small not in ("refuse", "merge"):
        raise ab.UsageError(f"--small should be refuse or merge but got {small!r}.")
    model, mapping = model_of(card, options), column_mapping(columns)
    for source in sources:
        check_place(source, "table")
    if model.parsed.windows and sum(Path(source).suffix != ".nc" for source in sources) > 1:
        raise ab.UsageError(
            f"the model has {', '.join(window.name for window in model.parsed.windows)}, which are made of all rows of "
            "a table, and several tables were given. Give them as one, by a pattern such as 'cohort/*.parquet'."
        )
    from alliance_bayes.cohort.cells import MISSING

    marks = MISSING if missing is None else missing
    # Cells that are small in one table may not be so in all of them together.
    with naming_card_of(card):
        parts = [
            ab.load_moments(source)
            if Path(source).suffix == ".nc"
            else ab.reduce_table(
                source,
                model,
                columns=mapping or None,
                missing=marks,
                decimal=decimal,
                prorate=prorate_argument(prorate),
                threads=threads,
                memory=memory,
                person=person,
                time=time,
                unit=unit,
            )
            for source in sources
        ]
    moments = functools.reduce(operator.add, parts)
    if min_cell != 1:
        from alliance_bayes.moments import with_minimum

        moments = with_minimum(moments, min_cell, small=cast(Literal["refuse", "merge"], small))
    ab.save_moments(moments, output, spec=model)
    least = moments.counts.min()
    if as_json:
        rows = {"rows": round(moments.n), "cells": moments.n_cells, "smallest_cell": round(least)}
        counts = {"people": moments.people, **rows}
        flow = None if moments.flow is None else flow_record(moments.flow)
        print_json({"output": str(output), **counts, "flow": flow, "notes": list(map(in_words, moments.notes))})
        return
    if moments.flow is not None:
        print(moments.flow)
    of = f" of {moments.people:,} people" if moments.person else ""
    print(f"\n{output}: {moments.n:,.0f} rows{of} in {moments.n_cells:,} cells, the smallest of {least:,.0f}")
    for note in moments.notes:
        print(in_words(note))
