"""The commands, with the arguments and options that they share: each parses, calls, prints."""

from __future__ import annotations

import functools
import json
import operator
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

import alliance_bayes as ab
from alliance_bayes.cli.console import errors, interface, progress, say, warn
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
    check_page,
    check_source,
    check_tables,
    column_mapping,
    read,
    reads,
)
from alliance_bayes.cli.values import numbers_at, values_at
from alliance_bayes.cohort.cells import MISSING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["app", "fit", "report"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="How the therapeutic alliance relates to follow-up well-being: Bayesian models, checks and a report.",
)

CardPath = Annotated[Path, typer.Argument(help="Model card (TOML).", metavar="CARD", show_default=False)]
_COHORT = (
    "Table with one row a participant, or with --person several (CSV, TSV, also .gz; Parquet; or a pipe), a folder "
    "with participants.csv, sessions.csv and surveys.csv, or moments made by 'alliance-bayes reduce' (.nc)."
)
CohortPath = Annotated[Path, typer.Argument(help=_COHORT, metavar="COHORT", show_default=False)]
OptionalCohort = Annotated[Path | None, typer.Argument(help=_COHORT, metavar="[COHORT]", show_default=False)]
FitPath = Annotated[
    Path, typer.Argument(help="Fit made by 'alliance-bayes fit' (.nc or .zarr).", metavar="FIT", show_default=False)
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
Estimand = Annotated[
    list[str] | None,
    typer.Option(
        help="An estimand by name, with options of its own after a colon (responders:at_least=32,factor=sex); may be "
        "repeated. By default the usual six; a name that there is not is answered with all that there are.",
        metavar="NAME[:OPTION=VALUE,...]",
        show_default=False,
    ),
]
Population = Annotated[
    str | None,
    typer.Option(
        help="Over which levels averages are: average (all that sampled factors could have), sample (those in the "
        "data), equal or new. By default average where the model has a sampled factor.",
        show_default=False,
    ),
]
At = Annotated[
    list[str] | None,
    typer.Option(
        help="Value, or several, of a predictor that everybody is set to before averages are taken (month=12, "
        "month=2,12, sex=female); may be repeated, and every combination has rows of its own.",
        metavar="COLUMN=VALUE[,VALUE...]",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command()
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
    missing: Missing = None,
    decimal: Decimal = ".",
    prorate: Prorate = None,
    min_cell: Annotated[int, typer.Option(help="Least number of rows in a cell.")] = 1,
    small: Annotated[str, typer.Option(help="What to do about smaller cells: refuse or merge.")] = "refuse",
    threads: Annotated[
        int | None, typer.Option(help="Processors that DuckDB may use; by default all.", show_default=False)
    ] = None,
    memory: Annotated[str, typer.Option(help="Memory that DuckDB may use.")] = "1GB",
    person: Annotated[
        str | None,
        typer.Option(
            help="Column that says whose a row is, where the model has parts within persons or lags.",
            show_default=False,
        ),
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="With --person: column that numbers the occasions.", show_default=False)
    ] = None,
) -> None:
    """Reduce tables to the moments that a model needs, without reading their rows."""
    check_file(output, (".nc",), card, *map(Path, sources))
    if small not in ("refuse", "merge"):
        raise ab.UsageError(f"--small should be refuse or merge but got {small!r}.")
    model, mapping = ab.load_model(card), column_mapping(columns)
    if model.parsed.windows and sum(Path(source).suffix != ".nc" for source in sources) > 1:
        raise ab.UsageError(
            f"the model has {', '.join(made.name for made in model.parsed.windows)}, which are made of all rows of a "
            "table, and several tables were given. Give them as one, by a pattern such as 'cohort/*.parquet'."
        )
    marks = MISSING if missing is None else missing
    # Cells that are small in one table may not be so in all of them together.
    parts = [
        ab.load_moments(source)
        if Path(source).suffix == ".nc"
        else ab.reduce_table(
            source,
            model,
            columns=mapping or None,
            missing=marks,
            decimal=decimal,
            prorate=prorate,
            threads=threads,
            memory=memory,
            person=person,
            time=time,
        )
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


@app.command()
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


@app.command()
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
    in_person_share: Annotated[float, typer.Option(help="Share of participants seen in person, not by video.")] = 0.0,
) -> None:
    """Simulate a cohort calibrated to the published study."""
    check_tables(output, tables)
    cohort = ab.simulate_cohort(n=n, seed=seed, in_person_share=in_person_share)
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
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to keep the fit (.nc or .zarr).")],
    cohort: OptionalCohort = None,
    demo: Annotated[bool, typer.Option("--demo", help="Use the simulated demonstration cohort.")] = False,
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
    check_source("fit", cohort, demo)
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
def effects(
    fit: FitPath,
    estimand: Estimand = None,
    prob: Prob = 0.89,
    population: Population = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Effect sizes and group differences of a fit."""
    named = None if estimand is None else _estimands(estimand)
    values = None if at is None else values_at(at)
    fitted = ab.load_fit(fit)
    table = fitted.effects(
        named,
        prob=prob,
        population=cast("Any", population),
        at=None if values is None else numbers_at(values, fitted.design.frame),
    )
    if as_json:
        print(json.dumps(table.to_records_list(), allow_nan=False, indent=1))
        return
    shown = [
        "estimand",
        "term",
        "factor",
        "level",
        "versus",
        *(["at"] if table["at"].notna().any() else []),
        "population",
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
    for note, rows in table["note"].dropna().groupby(table["note"], sort=False):
        print(f"  * {rows.index[0] if len(rows) == 1 else f'{len(rows):,} rows'}: {note}")
    for reason in table.left_out:
        print(f"  - not done: {reason}")


def _estimands(texts: Sequence[str]) -> dict[str, dict[str, object]]:
    """Names with their options, each name once."""
    named: dict[str, dict[str, object]] = {}
    for name, options in map(_estimand, texts):
        if named.setdefault(name, options) != options:
            raise ab.UsageError(f"--estimand gives two sets of options for {name!r}. Choose one.")
    return named


def _estimand(text: str) -> tuple[str, dict[str, object]]:
    """A name with options: "responders:at_least=32,factor=sex"."""
    name, _, rest = text.partition(":")
    options: dict[str, object] = {}
    for option in re.split(r",(?=\w+=)", rest) if rest else ():
        key, equals, value = option.partition("=")
        if not (key.isidentifier() and equals):
            raise ab.UsageError(f"--estimand should be NAME or NAME:OPTION=VALUE,... but got {text!r}.")
        try:
            options[key] = json.loads(value)
        except ValueError:
            options[key] = value
    return name, options


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
