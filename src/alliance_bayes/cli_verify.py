"""The command that verifies a page: parses, calls, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import alliance_bayes as ab
from alliance_bayes.cli_reading import READ, ReadOptions, check_source, read, reads
from alliance_bayes.cli_tools import errors, say

__all__ = ["verify"]


@reads
def verify(
    report: Annotated[
        Path,
        typer.Argument(help="Page made by 'report' or 'study' (.html).", metavar="REPORT", show_default=False),
    ],
    cohort: Annotated[
        Path | None, typer.Argument(help="The data it was made of.", metavar="[COHORT]", show_default=False)
    ] = None,
    demo: Annotated[bool, typer.Option("--demo", help="Use the simulated demonstration cohort.")] = False,
    reading: ReadOptions = READ,
    key: Annotated[
        Path | None,
        typer.Option(
            help="File with the key of the data's digest; by default beside the page (.key).", show_default=False
        ),
    ] = None,
) -> None:
    """Fit a page's models again, write the page again, and compare the two; exit status 1 when they differ."""
    check_source("verify", cohort, demo)
    taken = read(cohort, reading)
    found = ab.verify_report(report, taken, key=key, tell=say)
    if found.figures:
        shown = found.summary().to_string(index=False, na_rep="", float_format=lambda value: f"{value:.2f}")
        print(shown)
        print()
    for note in found.notes:
        print(f"  * {note}")
    for problem in found.problems:
        errors.print(f"differs: {problem}")
    print(
        f"{report}: verified, the page is what its models and the data give"
        if found.passed
        else f"{report}: NOT verified, {len(found.problems):,} problems"
    )
    if not found.passed:
        raise typer.Exit(1)
