"""Commands that make a page of a fit or of the whole study, or verify one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

import alliance_bayes as ab
from alliance_bayes.cli import complete
from alliance_bayes.cli.console import errors, progress, say, warn
from alliance_bayes.cli.files import DEMO_SEED, READ, ReadOptions, check_page, check_source, levels_of, read
from alliance_bayes.cli.fits import engine_words, fitted
from alliance_bayes.cli.groups import OptionGroup, grouped
from alliance_bayes.cli.models import MODEL, ModelOptions, card_file, model_of
from alliance_bayes.cli.options import (
    EFFECTS,
    SAMPLING,
    AsJson,
    Bundle,
    Demo,
    Docx,
    EffectOptions,
    Key,
    SamePeople,
    SamplingOptions,
    Seed,
    Small,
    effects_of,
)
from alliance_bayes.cli.places import is_formula
from alliance_bayes.cli.printing import print_json
from alliance_bayes.remedies import argument

__all__ = ["report", "study", "verify"]


@grouped
def report(
    card: Annotated[
        str,
        typer.Argument(
            help="Model card (TOML), the name of a card of the package, a formula, or a fit (.nc, .zarr).",
            metavar="CARD|FORMULA|FIT",
            show_default=False,
            autocompletion=complete.cards,
        ),
    ],
    cohort: Annotated[
        Path | None, typer.Argument(help="Table or folder, as for 'fit'.", metavar="[COHORT]", show_default=False)
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write the report (.html).")] = Path(
        "report.html"
    ),
    demo: Demo = False,
    model: ModelOptions = MODEL,
    reading: ReadOptions = READ,
    sampling: SamplingOptions = SAMPLING,
    options: EffectOptions = EFFECTS,
    sections: Annotated[
        list[str] | None,
        typer.Option(
            "--section",
            help="A section below the key findings, by name; may be repeated, in order. By default all: a name that "
            "there is not is answered with them.",
            metavar="NAME",
            autocompletion=complete.sections,
            show_default=False,
        ),
    ] = None,
    title: Annotated[
        str | None, typer.Option(help="Heading of the page; by default the card's title.", show_default=False)
    ] = None,
    small: Small = 10,
    name_providers: Annotated[
        bool,
        typer.Option("--name-providers", help="Name providers and compare them one by one, with their permission."),
    ] = False,
    key: Key = None,
    bundle: Bundle = None,
    docx: Docx = True,
    same_people: SamePeople = None,
    as_json: AsJson = False,
) -> None:
    """Fit a model and write its report; exit status 1 when conclusions are withheld."""
    of_fit = card.endswith((".nc", ".zarr")) and not is_formula(card)
    check_page(output, key, card_file(card), cohort, bundle=bundle, docx=docx)
    arguments = options.read()
    # What cannot be asked of a page is told before a model is fitted.
    page = ab.Report(sections=sections, prob=options.prob, small=small, title=title, name_providers=name_providers)
    if of_fit:
        _refuse_of_fit(model, reading, sampling)
        if demo or cohort is not None or same_people:
            raise ab.UsageError("a fit already has its cohort. Give either a fit, or a card and a cohort.")
        fit = ab.load_fit(card)
    else:
        check_source("report", cohort, demo)
        chosen = model_of(card, model, levels_of(reading))
        say(f"fitting '{chosen.card.name}'")
        fit = fitted(card, chosen, cohort, reading, sampling, same_people)
    say(f"{fit.shape[0]} chains of {fit.shape[1]:,} draws by {engine_words(fit)}")
    say("computing effects and running the checks")
    table = effects_of(fit, arguments)
    checks = fit.check(effects=table)
    say("writing the report")
    page_options: dict[str, Any] = {
        name: getattr(page, name) for name in ("sections", "prob", "small", "title", "name_providers")
    }
    written = fit.report(output, effects=table, checks=checks, key=key, **page_options)
    _take(written, bundle, docx=docx)
    _tell(output, written.findings, withheld=written.withheld, as_json=as_json)


def _refuse_of_fit(*groups: OptionGroup) -> None:
    """Options of a model, of reading and of sampling say nothing of a fit, which has all of that behind it."""
    for group in groups:
        if stated := group.given():
            named = next(iter(stated))
            raise ab.UsageError(
                f"{argument(named)} has no effect on a fit, which was made before. Give it to 'alliance-bayes fit', "
                "or give a card and a cohort."
            )


def _take(written: ab.Rendered, bundle: Path | None, *, docx: bool) -> None:
    """Write the bundle where one was asked for."""
    if bundle is not None:
        say(f"writing the bundle '{bundle}'")
        written.bundle(bundle, docx=docx)


def _tell(
    output: Path, findings: tuple[str, ...], *, withheld: bool, as_json: bool, not_done: list[str] | None = None
) -> None:
    """Say what a page found; the command ends with status 1 where conclusions are withheld."""
    if as_json:
        print_json(
            {"output": str(output), "withheld": withheld, "findings": findings}
            | ({} if not_done is None else {"not_done": not_done})
        )
    else:
        print(output)
        for sentence in findings:
            print(f"  * {sentence}")
        for reason in not_done or ():
            print(f"  - not done: {reason}")
    if withheld:
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
    demo: Demo = False,
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
    alliance_margin: Annotated[
        float | None,
        typer.Option(
            help="The same of ratings of the alliance, in their points; by default a tenth of their reference SD.",
            show_default=False,
        ),
    ] = None,
    reading: ReadOptions = READ,
    seed: Seed = DEMO_SEED,
    prob: Annotated[float, typer.Option(help="Probability of the intervals.")] = 0.89,
    small: Small = 10,
    key: Key = None,
    bundle: Bundle = None,
    docx: Docx = True,
    same_people: Annotated[
        bool, typer.Option("--same-people", help="All models on those who have a value in every column of all of them.")
    ] = False,
    impute: Annotated[
        bool,
        typer.Option(
            "--impute/--drop",
            help="Draw missing values together with each Gaussian model of people, or leave out of a model who lacks a "
            "value; --missing impute and --missing drop are the same.",
        ),
    ] = False,
    auxiliary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="A further column that tells something of missing values, where they are drawn. May be repeated.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the published study's whole analysis; exit status 1 when conclusions are withheld."""
    check_page(output, key, cohort, bundle=bundle, docx=docx)
    check_source("study", cohort, demo)
    taken = read(cohort, reading, set_aside=False)
    if isinstance(taken, ab.Moments):
        raise ab.UsageError("the study needs rows, and moments hold none. Give a table, or fit single models to them.")
    warn(taken)
    result = ab.run_study(
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
        missing="impute" if impute else "drop",
        auxiliary=tuple(auxiliary or ()),
        **({} if alliance_margin is None else {"alliance_margin": alliance_margin}),
    )
    say("writing the report")
    _take(result.report(output, key=key), bundle, docx=docx)
    not_done = [reason for part in result.parts.values() for reason in part.left_out]
    _tell(output, result.findings, withheld=result.withheld, as_json=as_json, not_done=not_done)


@grouped
def verify(
    report: Annotated[
        Path,
        typer.Argument(help="Page made by 'report' or 'study' (.html).", metavar="REPORT", show_default=False),
    ],
    cohort: Annotated[
        Path | None, typer.Argument(help="The data it was made of.", metavar="[COHORT]", show_default=False)
    ] = None,
    demo: Demo = False,
    reading: ReadOptions = READ,
    key: Annotated[
        Path | None,
        typer.Option(
            help="File with the key of the data's digest; by default beside the page (.key).", show_default=False
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fit a page's models again, write the page again, and compare the two; exit status 1 when they differ."""
    check_source("verify", cohort, demo)
    taken = read(cohort, reading, several=True)
    result = ab.verify_report(report, taken, key=key, tell=say)
    if as_json:
        record = {"report": str(report), "verified": result.passed, "problems": result.problems, "notes": result.notes}
        print_json({**record, "figures": result.summary() if result.figures else []})
    else:
        _print_comparison(report, result)
    if not result.passed:
        raise typer.Exit(1)


def _print_comparison(report: Path, result: ab.Verification) -> None:
    if result.figures:
        shown = result.summary().to_string(index=False, na_rep="", float_format=lambda value: f"{value:.2f}")
        print(shown)
        print()
    for note in result.notes:
        print(f"  * {note}")
    for problem in result.problems:
        errors.print(f"differs: {problem}")
    print(
        f"{report}: verified, the page is what its models and the data give"
        if result.passed
        else f"{report}: NOT verified, {len(result.problems):,} problems"
    )
