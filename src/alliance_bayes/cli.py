"""The command line: parses, calls, prints. Exit status 0 done, 1 the data or the checks failed, 2 wrong use.

Beyond these: 70 an error that nobody had thought of, 130 interrupted (129, 143: stopped by a closed terminal, by
`kill`). A reader that stops reading changes none of them.
"""

from __future__ import annotations

import json
import signal
import sys
import traceback
from functools import cache
from importlib.metadata import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.exceptions import TyperException

import alliance_bayes as ab
from alliance_bayes.cli_options import (
    Accept,
    AsJson,
    CardPath,
    Chains,
    CohortPath,
    Draws,
    Engine,
    FitPath,
    Key,
    Prob,
    Sampler,
    Seed,
    Small,
    Tune,
)
from alliance_bayes.cli_reading import READ, ReadOptions, check_source, read, reads
from alliance_bayes.cli_reduce import reduce
from alliance_bayes.cli_streams import outputs
from alliance_bayes.cli_study import study
from alliance_bayes.cli_tools import DEMO_N, DEMO_SEED, errors, interface, notes, progress, say, warn
from alliance_bayes.cli_verify import verify
from alliance_bayes.cli_writing import check_file, check_page, check_tables
from alliance_bayes.interrupts import stoppable
from alliance_bayes.remedies import PYTHON, CommandLine, Interface

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["app", "command_line", "main"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="How the therapeutic alliance relates to follow-up well-being: Bayesian models, checks and a report.",
)
app.command()(reduce)
app.command()(study)
app.command()(verify)


@app.callback()
def _root() -> None:
    pass


@app.command()
def version() -> None:
    """Print the version."""
    print(ab.__version__)


@app.command()
def simulate(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the table (CSV).")],
    n: Annotated[int, typer.Option(help="Number of participants.")] = DEMO_N,
    seed: Seed = DEMO_SEED,
    tables: Annotated[Path | None, typer.Option(help="Folder for the three tables behind it as well.")] = None,
) -> None:
    """Simulate a cohort calibrated to the published study."""
    check_tables(output, tables)
    cohort = ab.simulate_cohort(n=n, seed=seed)
    written = [ab.write_cohort(cohort, output)]
    if tables is not None:
        written += ab.write_tables(cohort, tables)
    print(f"{len(cohort):,} simulated participants (seed {seed}) written to {', '.join(map(str, written))}")


@app.command()
@reads
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
        print(json.dumps(taken.told(interface.get()), allow_nan=False, indent=1))
        return
    print(taken.flow)
    print()
    print(_listing(taken.summary()))
    if doubts := taken.doubts():
        print("\nWarnings of what is likely to be a mistake, and stops no analysis:")
        print(*(f"  - {doubt.problem.worded(interface.get())}" for doubt in doubts), sep="\n")
    if taken.aside:
        problems = [problem for found in taken.aside.values() for problem in found]
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


@app.command()
@reads
def fit(
    card: CardPath,
    cohort: CohortPath,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to keep the fit (.nc or .zarr).")],
    reading: ReadOptions = READ,
    engine: Engine = "auto",
    sampler: Sampler = "nutpie",
    draws: Draws = None,
    tune: Tune = 600,
    chains: Chains = 4,
    target_accept: Accept = 0.9,
    seed: Seed = DEMO_SEED,
) -> None:
    """Fit a model to a table and keep the draws."""
    check_file(output, (".nc", ".zarr"), card, cohort)
    model = ab.load_model(card)
    taken = read(cohort, reading)
    warn(taken, model.columns)
    fitted = model.fit(
        taken,
        engine=engine,
        sampler=sampler,
        draws=draws,
        tune=tune,
        chains=chains,
        target_accept=target_accept,
        seed=seed,
        progress=progress(),
    )
    fitted.save(output)
    print(fitted.flow)
    print(f"\n{output}: {fitted.shape[0]} chains x {fitted.shape[1]} draws by {_engine(fitted)}, seed {seed}")


@app.command()
def effects(fit: FitPath, prob: Prob = 0.89, as_json: AsJson = False) -> None:
    """Effect sizes and group differences of a fit."""
    table = ab.load_fit(fit).effects(prob=prob)
    if as_json:
        print(json.dumps(table.to_records_list(), allow_nan=False, indent=1))
        return
    shown = [
        "estimand",
        "term",
        "factor",
        "level",
        "versus",
        "unit",
        "mean",
        "sd",
        "lower",
        "upper",
        "p_direction",
        "ess_bulk",
        "rhat",
    ]
    print(f"{prob:g} intervals: {', '.join(sorted({str(kind) for kind in table['interval'].dropna()}))}")
    print(table[shown].to_string(index=False, na_rep="", float_format=lambda value: f"{value:.3g}"))


@app.command()
def check(fit: FitPath, as_json: AsJson = False) -> None:
    """Posterior checks of a fit; exit status 1 when conclusions are withheld."""
    report = ab.load_fit(fit).check()
    if as_json:
        verdicts = {result.name: {"verdict": result.verdict, "sentence": result.sentence} for result in report.results}
        print(
            json.dumps(
                {"passed": report.gate.passed, "reasons": list(report.gate.reasons), "checks": verdicts}, indent=1
            )
        )
    else:
        print(report)
    if not report.gate.passed:
        raise typer.Exit(1)


@app.command()
@reads
def report(
    card: Annotated[Path, typer.Argument(help="Model card (TOML), or a fit (.nc, .zarr).", metavar="CARD")],
    cohort: Annotated[
        Path | None, typer.Argument(help="Table or folder, as for 'fit'.", metavar="[COHORT]", show_default=False)
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the report (.html).")] = Path(
        "report.html"
    ),
    demo: Annotated[bool, typer.Option("--demo", help="Use the simulated demonstration cohort.")] = False,
    reading: ReadOptions = READ,
    engine: Engine = "auto",
    sampler: Sampler = "nutpie",
    draws: Draws = None,
    tune: Tune = 600,
    chains: Chains = 4,
    target_accept: Accept = 0.9,
    seed: Seed = DEMO_SEED,
    prob: Prob = 0.89,
    small: Small = 10,
    key: Key = None,
    same_people: Annotated[
        list[str] | None,
        typer.Option(
            help="Another model card (.toml), or a column: only those with a value in all of its columns too. Give it "
            "for every other page of this cohort.",
            metavar="CARD|COLUMN",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Fit a model and write its report; exit status 1 when conclusions are withheld."""
    check_page(output, key, card, cohort)
    if card.suffix in (".nc", ".zarr"):
        if demo or cohort is not None or same_people:
            raise ab.UsageError("a fit already has its cohort. Give either a fit, or a card and a cohort.")
        fitted = ab.load_fit(card)
    else:
        check_source("report", cohort, demo)
        model = ab.load_model(card)
        taken = read(cohort, reading)
        warn(taken, model.columns)
        say(f"fitting '{model.card.name}'")
        fitted = model.fit(
            taken,
            engine=engine,
            sampler=sampler,
            draws=draws,
            tune=tune,
            chains=chains,
            target_accept=target_accept,
            seed=seed,
            same_people=[ab.load_model(name) if name.endswith(".toml") else name for name in same_people or []],
            progress=progress(),
        )
    say(f"{fitted.shape[0]} chains of {fitted.shape[1]:,} draws by {_engine(fitted)}")
    say("computing effects and running the checks")
    found = fitted.effects(prob=prob)
    checks = fitted.check(effects=found)
    say("writing the report")
    written = fitted.report(output, effects=found, checks=checks, prob=prob, small=small, key=key)
    print(output)
    for sentence in written.findings:
        print(f"  * {sentence}")
    if not checks.gate.passed:
        raise typer.Exit(1)


def _engine(fitted: ab.Fit) -> str:
    """Which engine ran, and why if it was not the first choice."""
    said = [fitted.info[key] for key in ("sampler", "engine_reason", "fallback") if key in fitted.info]
    return f"the {fitted.info['engine']} engine{f' ({": ".join(said)})' if said else ''}"


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every error is one paragraph on standard error, never a traceback."""
    if sys.stdout is None:
        errors.print("error: standard output is closed. Send it to a file or to /dev/null.")
        sys.exit(2)
    with outputs() as out:
        with notes(), stoppable() as came:
            status = _status(arguments, came)
        sys.stdout.flush()
        if out is not None and out.failed is not None:
            errors.print(f"error: standard output: {out.failed.strerror}. What was printed is not complete.")
            status = max(status, 2)
    sys.exit(status)


def command_line(name: str) -> CommandLine:
    """How a command words what remedies ask for, by the options that it and the others have."""
    options = {
        key: {one.name: max(one.opts, key=len) for one in command.params if one.param_type_name == "option"}
        for key, command in _commands().items()
    }
    # Of several commands that have an option the first in the order of work: that of 'fit' and not that of 'study'.
    elsewhere = {name: (key, option) for key in reversed(options) for name, option in options[key].items()}
    return CommandLine(name, options[name], elsewhere)


def _interface(arguments: list[str] | None) -> Interface:
    given = sys.argv[1:] if arguments is None else arguments
    return command_line(given[0]) if given and given[0] in _commands() else PYTHON


@cache
def _commands() -> dict[str, Any]:
    """Every command by its name."""
    return typer.main.get_command(app).commands  # type: ignore[attr-defined]


def _status(arguments: list[str] | None, came: list[int]) -> int:
    words = _interface(arguments)
    interface.set(words)
    try:
        status = app(args=arguments, standalone_mode=False)
        if status == 130:
            # How Typer passes an interrupt on.
            raise KeyboardInterrupt
        return status if isinstance(status, int) else 0
    except TyperException as error:
        # Usage errors of the parser know how to show the command's usage; the base class only has its message.
        show = getattr(error, "show", None)
        show() if show is not None else errors.print(f"error: {error.format_message()}")
        return 2
    except (ab.DataError, ab.SamplingError) as error:
        errors.print(f"error: {error.worded(words)}")
        return 1
    except ab.AllianceBayesError as error:
        errors.print(f"error: {error.worded(words)}")
        return 2
    except OSError as error:
        said = (error.strerror or str(error) or type(error).__name__).rstrip(".")
        place = f": '{error.filename}'" if error.filename else ""
        errors.print(f"error: {said}{place}. Check that files can be read and written, and that there is space.")
        return 2
    except (KeyboardInterrupt, typer.Abort):
        request = came[0] if came else signal.SIGINT
        said = "interrupted" if request == signal.SIGINT else f"stopped by {signal.Signals(request).name}"
        errors.print(f"{said}; no file was left half-written.")
        return 128 + request
    except MemoryError:
        errors.print("error: the memory of this computer is not enough for that. Ask for fewer draws or fewer rows.")
        return 70
    except Exception as error:
        errors.print(_unexpected(error))
        return 70


def _unexpected(error: Exception) -> str:
    """What went wrong that nobody had thought of, on one line, and whom to tell."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(Path(__file__).parent)]
    place = own[-1] if own else frames[-1]
    said = " ".join(str(error).split())
    told = f"{type(error).__name__}: {said[:300]}" if said else type(error).__name__
    urls = [url.partition(", ") for url in metadata("alliance_bayes").get_all("Project-URL") or ()]
    trackers = [url for label, _, url in urls if label.casefold() in ("issues", "bug tracker", "tracker")]
    where = f"at {trackers[0]}" if trackers else "to the developers named in CITATION.cff"
    return (
        "error: something went wrong that should not have, and nothing that this command printed or wrote should be "
        f"used: {told} ({Path(place.filename).name}, line {place.lineno}, version {ab.__version__}). Please report "
        f"this line and the command {where}, once you have seen that they name nobody."
    )


if __name__ == "__main__":
    main()
