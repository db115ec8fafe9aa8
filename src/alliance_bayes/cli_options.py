"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import alliance_bayes as ab

__all__ = [
    "Accept",
    "AsJson",
    "Baseline",
    "CardPath",
    "Chains",
    "CohortPath",
    "Decimal",
    "Draws",
    "Encoding",
    "Engine",
    "FitPath",
    "Followup",
    "Map",
    "MaxDays",
    "MinDays",
    "Prob",
    "Prorate",
    "Sampler",
    "Seed",
    "Sep",
    "Small",
    "Tune",
    "chosen_surveys",
    "column_mapping",
    "writable",
]

CardPath = Annotated[Path, typer.Argument(help="Model card (TOML).", metavar="CARD", show_default=False)]
CohortPath = Annotated[
    Path,
    typer.Argument(
        help="Table with one row a participant (CSV, TSV, Parquet), a folder with participants.csv, "
        "sessions.csv and surveys.csv, or moments made by 'alliance-bayes reduce' (.nc).",
        metavar="COHORT",
        show_default=False,
    ),
]
FitPath = Annotated[
    Path, typer.Argument(help="Fit made by 'alliance-bayes fit' (.nc or .zarr).", metavar="FIT", show_default=False)
]
Map = Annotated[
    list[str] | None,
    typer.Option("--map", help="Column mapping NAME=COLUMN, e.g. age='Age at intake'; may be repeated."),
]
Decimal = Annotated[str, typer.Option(help="Decimal mark of numbers in text files.")]
Sep = Annotated[str | None, typer.Option(help="Separator of a text file; by default the one its ending stands for.")]
Encoding = Annotated[str | None, typer.Option(help="Encoding of a text file; UTF-8 by default.")]
Prorate = Annotated[
    float | None, typer.Option(help="Least share of WHO-5 items that must be answered; by default all.")
]
Baseline = Annotated[
    str | None,
    typer.Option(
        help="Of three tables: first (survey; the default) or before_care (the last that can be a baseline). Only "
        "surveys before care can.",
        show_default=False,
    ),
]
Followup = Annotated[
    str | None,
    typer.Option(
        help="Of three tables: last (the default) or first survey that is late enough, after care began.",
        show_default=False,
    ),
]
MinDays = Annotated[
    int | None,
    typer.Option(help="Of three tables: least days from baseline to follow-up; by default 14.", show_default=False),
]
MaxDays = Annotated[
    int | None,
    typer.Option(
        help="Of three tables: days after the first session within which a survey can be a baseline; by default 0.",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of every random number.")]
Small = Annotated[int, typer.Option(min=1, help="Fewest people that a shown count stands for.")]
Draws = Annotated[
    int | None,
    typer.Option(help="Kept draws of each chain; by default 1,000 (collapsed) or 1,500 (nuts).", show_default=False),
]
Tune = Annotated[int, typer.Option(help="Warm-up draws of each chain, for NUTS.")]
Chains = Annotated[int, typer.Option(help="Number of chains.")]
Accept = Annotated[float, typer.Option("--target-accept", help="Mean acceptance the step size of NUTS is tuned to.")]
Engine = Annotated[str, typer.Option(help="auto, collapsed or nuts.")]
Sampler = Annotated[str, typer.Option(help="nutpie, pymc, numpyro or blackjax.")]
Prob = Annotated[float, typer.Option(help="Probability of the intervals.")]
Key = Annotated[
    Path | None,
    typer.Option(
        help="File with the key of the data's digest, made if it is not there; by default beside the page (.key). "
        "Keep it with the data, not with the page.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def chosen_surveys(
    baseline: str | None, followup: str | None, min_days_between: int | None, max_days_into_care: int | None
) -> dict[str, str | int]:
    """What was asked for about the choice of surveys, as options of `read_tables`."""
    given = {
        "baseline": baseline,
        "followup": followup,
        "min_days_between": min_days_between,
        "max_days_into_care": max_days_into_care,
    }
    return {name: value for name, value in given.items() if value is not None}


def column_mapping(pairs: list[str] | None) -> dict[str, str]:
    """NAME=COLUMN pairs as a mapping.

    Raises
    ------
    UsageError
        A pair without a name, an equals sign or a column.
    """
    mapping = {}
    for pair in pairs or []:
        name, equals, column = pair.partition("=")
        if not (name and equals and column):
            raise ab.UsageError(f"--map {pair!r} should be NAME=COLUMN, such as --map age='Age at intake'.")
        mapping[name] = column
    return mapping


def writable(path: Path, suffixes: tuple[str, ...]) -> None:
    """Refuse a file that could not be written, before a minute of work and not after it.

    Raises
    ------
    UsageError
        Another ending, or a folder that does not exist.
    """
    if path.suffix not in suffixes:
        raise ab.UsageError(f"output '{path}' should end in {' or '.join(suffixes)}. Rename it.")
    if not path.parent.is_dir():
        raise ab.UsageError(f"the folder of '{path}' does not exist. Create it first.")
    if path.exists() and not (path.is_file() or (path.suffix == ".zarr" and path.is_dir())):
        raise ab.UsageError(f"output '{path}' is there and is no file. Choose another name.")
