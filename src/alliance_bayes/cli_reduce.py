"""The command that turns tables into moments: parses, calls, prints."""

from __future__ import annotations

import functools
import operator
from pathlib import Path
from typing import Annotated, Literal, cast

import typer

import alliance_bayes as ab
from alliance_bayes.cli_reading import Map, column_mapping
from alliance_bayes.cli_writing import check_file

__all__ = ["reduce"]


def reduce(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Tables (.csv, .tsv, .parquet; patterns such as 'cohort/*.parquet' in quotes), or moments of others "
            "(.nc) to add them up with.",
            metavar="SOURCE...",
            show_default=False,
        ),
    ],
    card: Annotated[Path, typer.Option(help="Model card (TOML) that the moments are for.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to keep the moments (.nc).")],
    columns: Map = None,
    min_cell: Annotated[int, typer.Option(help="Least number of rows in a cell.")] = 1,
    small: Annotated[str, typer.Option(help="What to do about smaller cells: refuse or merge.")] = "refuse",
    threads: Annotated[
        int | None, typer.Option(help="Processors that DuckDB may use; by default all.", show_default=False)
    ] = None,
    memory: Annotated[str, typer.Option(help="Memory that DuckDB may use.")] = "1GB",
) -> None:
    """Reduce tables to the moments that a model needs, without reading their rows."""
    check_file(output, (".nc",), card, *map(Path, sources))
    if small not in ("refuse", "merge"):
        raise ab.UsageError(f"--small should be refuse or merge but got {small!r}.")
    model, mapping = ab.load_model(card), column_mapping(columns)
    # Cells that are small in one table may not be so in all of them together.
    parts = [
        ab.load_moments(source)
        if Path(source).suffix == ".nc"
        else ab.reduce_table(source, model, columns=mapping or None, threads=threads, memory=memory)
        for source in sources
    ]
    moments = functools.reduce(operator.add, parts)
    if min_cell != 1:
        from alliance_bayes.moments import with_minimum

        moments = with_minimum(moments, min_cell, small=cast(Literal["refuse", "merge"], small))
    ab.save_moments(moments, output, spec=model)
    if moments.flow is not None:
        print(moments.flow)
    least = moments.counts.min()
    print(f"\n{output}: {moments.n:,.0f} rows in {moments.n_cells:,} cells, the smallest of {least:,.0f}")
    for note in moments.notes:
        print(note)
