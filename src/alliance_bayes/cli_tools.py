"""What several commands do: read a cohort, say what is going on, show progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

import alliance_bayes as ab
from alliance_bayes.cli_options import column_mapping

__all__ = ["DEMO_N", "DEMO_SEED", "check_source", "demonstration", "errors", "progress", "read", "say"]

# The demonstration: the published study's size, and a seed anybody can name.
DEMO_N, DEMO_SEED = 3087, 7
_TABLES = ("participants.csv", "sessions.csv", "surveys.csv")

errors = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)


def check_source(command: str, cohort: Path | None, demo: bool) -> None:
    """Refuse a command that names no data, or two.

    Raises
    ------
    UsageError
        Either of them.
    """
    if demo == (cohort is not None):
        raise ab.UsageError(f"give either a COHORT or --demo. 'alliance-bayes {command} --help' shows how.")


def demonstration() -> ab.Cohort:
    """The simulated cohort that stands for a table."""
    say(f"simulating the demonstration cohort ({DEMO_N:,} participants, seed {DEMO_SEED})")
    return ab.simulate_cohort(n=DEMO_N, seed=DEMO_SEED)


def read(
    path: Path | None,
    columns: list[str] | None,
    decimal: str,
    sep: str | None,
    encoding: str | None,
    prorate: float | None,
    surveys: Mapping[str, Any],
) -> ab.Cohort | ab.Moments:
    """Read a table, a folder with three tables, or moments; without a path, simulate the demonstration cohort.

    Raises
    ------
    UsageError
        Options that do not go with what the path is.
    """
    if surveys and (path is None or not path.is_dir()):
        raise ab.UsageError(
            f"--{next(iter(surveys)).replace('_', '-')} chooses among surveys, and needs a folder with the three "
            "tables. A table with one row a participant has its scores chosen: leave it out."
        )
    if path is None:
        return demonstration()
    mapping = column_mapping(columns)
    text: dict[str, Any] = {"decimal": decimal, "sep": sep, "encoding": encoding, "prorate": prorate}
    if path.suffix == ".nc":
        if mapping or any(value not in (None, ".") for value in text.values()):
            raise ab.UsageError(
                f"'{path.name}' holds moments, not text. Leave out the options that tell how to read it."
            )
        return ab.load_moments(path)
    if path.is_dir():
        if mapping:
            raise ab.UsageError("--map works with one table; rename the columns of the three tables instead.")
        participants, sessions, answers = (path / name for name in _TABLES)
        return ab.read_tables(participants, sessions, answers, **{**text, **surveys})
    return ab.read_cohort(path, columns=mapping or None, **text)


def say(text: str) -> None:
    """A line of progress on standard error."""
    errors.print(f"{text} ...", style="dim")


def progress() -> bool | Callable[[int, int, int], None]:
    """A bar on a terminal; elsewhere (a log, say) a line for each quarter of the draws."""
    if errors.is_terminal:
        return True
    said = 0

    def report(done: int, total: int, divergences: int) -> None:
        nonlocal said
        if done < total and done * 4 // total < said:
            said = 0  # the next model
        if done * 4 // total > said:
            said = done * 4 // total
            errors.print(f"  {done:,} of {total:,} draws, {divergences} divergences", style="dim")

    return report
