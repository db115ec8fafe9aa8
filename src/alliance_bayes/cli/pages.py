"""Commands that make a page of a fit or of the whole study, or verify one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import alliance_bayes as ab
from alliance_bayes.cli.console import errors, progress, say, warn
from alliance_bayes.cli.files import DEMO_SEED, READ, ReadOptions, check_page, check_source, read
from alliance_bayes.cli.fits import engine_words
from alliance_bayes.cli.groups import grouped
from alliance_bayes.cli.options import Accept, Chains, Draws, Engine, Key, Prob, Sampler, Seed, Small, Tune

__all__ = ["report", "study", "verify"]


@grouped
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
    say(f"{fitted.shape[0]} chains of {fitted.shape[1]:,} draws by {engine_words(fitted)}")
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


@grouped
def study(
    cohort: Annotated[
        Path | None,
        typer.Argument(
            help="Table with one row a participant, or a folder with participants, sessions and surveys, as for 'fit'.",
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


@grouped
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
