"""The command that runs the whole study: parses, calls, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import alliance_bayes as ab
from alliance_bayes.cli_options import (
    Key,
    Prob,
    Seed,
    Small,
)
from alliance_bayes.cli_reading import READ, ReadOptions, check_source, read, reads
from alliance_bayes.cli_tools import DEMO_SEED, progress, say, warn
from alliance_bayes.cli_writing import check_page

__all__ = ["study"]


@reads
def study(
    cohort: Annotated[
        Path | None,
        typer.Argument(
            help="Table with one row a participant, or a folder with participants.csv, sessions.csv and surveys.csv.",
            metavar="[COHORT]",
            show_default=False,
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the page (.html).")] = Path(
        "study.html"
    ),
    demo: Annotated[bool, typer.Option("--demo", help="Use the simulated demonstration cohort.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="Also families, latent alliance and sessions: minutes, not seconds.")
    ] = False,
    keep: Annotated[
        Path | None,
        typer.Option(
            help="Folder for finished posteriors, from which an interrupted run goes on. By default, with --full, "
            "a folder beside the output.",
            show_default=False,
        ),
    ] = None,
    elevated: Annotated[float, typer.Option(help="WHO-5 at or below which symptoms count as elevated.")] = 28.0,
    improvement: Annotated[float, typer.Option(help="Smallest relevant change, WHO-5 points.")] = 10.0,
    margin: Annotated[float, typer.Option(help="Largest difference that counts as none, WHO-5 points.")] = 2.0,
    population_mean: Annotated[
        tuple[float, float],
        typer.Option(help="Range of the mean WHO-5 of the population that the participants come from."),
    ] = (47.0, 70.0),
    reading: ReadOptions = READ,
    seed: Seed = DEMO_SEED,
    prob: Prob = 0.89,
    small: Small = 10,
    key: Key = None,
    same_people: Annotated[
        bool, typer.Option("--same-people", help="All models on those who have a value in every column of all of them.")
    ] = False,
) -> None:
    """Run the published study's whole analysis; exit status 1 when conclusions are withheld."""
    check_page(output, key, cohort)
    check_source("study", cohort, demo)
    taken = read(cohort, reading, set_aside=False)
    if isinstance(taken, ab.Moments):
        raise ab.UsageError("the study needs rows, and moments hold none. Give a table, or fit single models to them.")
    warn(taken)
    done = ab.run_study(
        taken,
        full=full,
        keep=output.with_suffix(".kept") if full and keep is None else keep,
        tell=say,
        progress=progress(),
        elevated=elevated,
        improvement=improvement,
        margin=margin,
        population_mean=population_mean,
        seed=seed,
        prob=prob,
        small=small,
        same_people=same_people,
    )
    say("writing the report")
    done.report(output, key=key)
    print(output)
    for sentence in done.findings:
        print(f"  * {sentence}")
    for part in done.parts.values():
        for reason in part.left_out:
            print(f"  - not done: {reason}")
    if done.withheld:
        raise typer.Exit(1)
