"""Commands about models and their fits: write a card, fit it, estimate what the fit says, check it."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import alliance_bayes as ab
from alliance_bayes.cli import complete
from alliance_bayes.cli.console import interface, progress, warn
from alliance_bayes.cli.files import READ, ReadOptions, check_file, check_source, levels_of, read
from alliance_bayes.cli.groups import grouped
from alliance_bayes.cli.models import MODEL, ModelOptions, card_file, model_of, models_or_columns, naming_card_of
from alliance_bayes.cli.options import (
    EFFECTS,
    SAMPLING,
    AsJson,
    CardOrFormula,
    CohortPath,
    Demo,
    EffectOptions,
    FitPath,
    OptionalCohort,
    Rope,
    SamePeople,
    SamplingOptions,
    Small,
    effects_of,
    number_or_none,
    rope_of,
)
from alliance_bayes.cli.printing import flow_record, print_json
from alliance_bayes.cli.values import number_or_text, pairs

if TYPE_CHECKING:
    from alliance_bayes.effects import FitWithEffects

__all__ = ["attrition", "card", "check", "compare", "effects", "engine_words", "fit", "fitted"]

_SHOWN = ("estimand", "term", "factor", "level", "versus", "at", "population", "unit")
_FIGURES = ("mean", "sd", "lower", "upper", "p_direction", "ess_bulk", "rhat")


@grouped
def card(
    card: Annotated[
        str | None,
        typer.Argument(
            help="Model card (TOML), the name of a card of the package, or a formula. Without one, the cards of the "
            "package are listed.",
            metavar="[CARD|FORMULA]",
            show_default=False,
            autocompletion=complete.cards,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where to write the card (.toml); by default it is printed."),
    ] = None,
    model: ModelOptions = MODEL,
    as_json: AsJson = False,
) -> None:
    """Write the card of a model, to be changed or kept; or list the cards of the package."""
    from alliance_bayes.model.card import card_text
    from alliance_bayes.model.shipped import shipped_cards

    if card is None:
        if output is not None or model.given():
            raise ab.UsageError("a card is made of a card or of a formula. Give one, such as outcome.")
        titles = {name: ab.load_model(name).card.title for name in shipped_cards()}
        if as_json:
            print_json({"cards": titles})
        else:
            print(*(f"{name:<{max(map(len, titles))}}  {title}" for name, title in titles.items()), sep="\n")
        return
    if output is not None:
        check_file(output, (".toml",), card_file(card))
    spec = model_of(card, model)
    if output is not None:
        spec.to_card(output)
    if as_json:
        print_json({"output": None if output is None else str(output), "card": card_text(spec)})
    else:
        print(card_text(spec) if output is None else output, end="" if output is None else "\n")


@grouped
def fit(
    card: CardOrFormula,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to keep the fit (.nc or .zarr).")],
    cohort: OptionalCohort = None,
    demo: Demo = False,
    model: ModelOptions = MODEL,
    reading: ReadOptions = READ,
    sampling: SamplingOptions = SAMPLING,
    same_people: SamePeople = None,
    as_json: AsJson = False,
) -> None:
    """Fit a model to a table and keep the draws."""
    check_file(output, (".nc", ".zarr"), card_file(card), cohort)
    check_source("fit", cohort, demo)
    result = fitted(card, model_of(card, model, levels_of(reading)), cohort, reading, sampling, same_people)
    result.save(output)
    if as_json:
        ran = {key: result.info.get(key) for key in ("engine", "sampler", "engine_reason", "fallback", "seed")}
        shape = {"chains": result.shape[0], "draws": result.shape[1]}
        spec = {"formula": result.spec.formula, "family": result.spec.family, "card": result.spec.card.name}
        print_json({"output": str(output), **spec, **ran, **shape, "flow": flow_record(result.flow)})
        return
    print(result.flow)
    print(
        f"\n{output}: {result.shape[0]} chains x {result.shape[1]} draws by {engine_words(result)}, "
        f"seed {sampling.seed}"
    )


def fitted(
    card: str,
    model: ab.Model,
    cohort: Path | None,
    reading: ReadOptions,
    sampling: SamplingOptions,
    same_people: list[str] | None,
) -> ab.Fit:
    """A model, of a card or of a formula, fitted to what is read."""
    others = models_or_columns(same_people or [])
    taken = read(cohort, reading, several=True)
    warn(taken[0] if isinstance(taken, ab.ImputedTables) else taken, model.columns)
    with naming_card_of(card):
        return model.fit(taken, **sampling.arguments(), same_people=others, progress=progress())


@grouped
def attrition(
    cohort: CohortPath,
    of: Annotated[
        str,
        typer.Argument(
            help="What has to be observed: a column, or a model card or formula for all of its columns.",
            metavar="COLUMN|CARD|FORMULA",
            show_default=False,
        ),
    ],
    formula: Annotated[
        str | None,
        typer.Option(
            metavar="TERMS",
            help="What being observed depends on, such as 'age + sex'; by default all that is known of everybody.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Where to write the table with a column of weights, observation_weight (CSV)."
        ),
    ] = None,
    small: Small = 10,
    reading: ReadOptions = READ,
    sampling: SamplingOptions = SAMPLING,
    as_json: AsJson = False,
) -> None:
    """Compare those who were not observed with those who were, and weigh those who were for the others."""
    if output is not None:
        check_file(output, (".csv",), cohort)
    [needed] = models_or_columns([of])
    taken = read(cohort, reading)
    if isinstance(taken, ab.Moments):
        raise ab.UsageError(f"'{cohort.name}' holds moments, which hold nobody who was left out. Give a table.")
    with naming_card_of(of) if isinstance(needed, ab.Model) else nullcontext():
        result = ab.attrition(taken, needed, formula=formula, small=small, **sampling.arguments(), progress=progress())
    if output is not None:
        ab.write_cohort(result.weighted(), output)
    counts = {"people": len(result.observed), "observed": int(result.observed.sum()), "effective": result.effective}
    if as_json:
        rows = result.differences.drop(columns="least").to_dict("records")
        written = {"output": None if output is None else str(output), "formula": result.fit.spec.formula}
        print_json({**counts, "unsupported": result.unsupported, **written, "differences": rows})
        return
    print(f"{counts['observed']:,} of {counts['people']:,} observed")
    print(f"effective sample size with their weights: {result.effective:,.1f}")
    print(f"{result.unsupported:.1%} of the others were less likely to be observed than anybody who was\n")
    print(result.differences.drop(columns="least").round(2).to_string(index=False, na_rep=""))


@grouped
def effects(
    fit: FitPath,
    options: EffectOptions = EFFECTS,
    delta: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=AMOUNT",
            help="What is added to imputed values of a column, as if they were missing not at random: a number, or a "
            "prior of it (--delta 'who5_followup=Normal(-5, 2)'). May be repeated.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed for the effects of new levels.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Effect sizes and group differences of a fit."""
    arguments = options.read()
    moved = {name: number_or_text(text) for name, text in pairs(delta or [], "--delta", "who5_followup=-5").items()}
    from alliance_bayes.checks.nameless import Nameless

    loaded: FitWithEffects = ab.load_fit(fit)
    if moved:
        loaded = loaded.with_delta(moved, seed=seed)
    table, nameless = effects_of(loaded, arguments, seed), Nameless.of(loaded)
    records = nameless.records(table.to_records_list())
    if as_json:
        print_json({"effects": records, "left_out": list(table.left_out)})
        return
    if nameless.numbers:
        named = {
            key: table[key].where(table[key].isna(), [str(row[key]) for row in records]) for key in ("level", "versus")
        }
        table = table.assign(**named).rename(index=nameless.label)
    shown = [name for name in (*_SHOWN, *_FIGURES) if name != "at" or table["at"].notna().any()]
    print(f"{options.prob:g} intervals: {', '.join(sorted({str(kind) for kind in table['interval'].dropna()}))}")
    print(table[shown].to_string(index=False, na_rep="", float_format=lambda value: f"{value:.3g}"))
    for note, rows in table["note"].dropna().groupby(table["note"], sort=False):
        print(f"  * {rows.index[0] if len(rows) == 1 else f'{len(rows):,} rows'}: {note}")
    for reason in table.left_out:
        print(f"  - not done: {reason}")


@grouped
def check(
    fit: FitPath,
    checks: Annotated[
        list[str] | None,
        typer.Option(
            "--check",
            help="A check by name; may be repeated. By default all: a name that there is not is answered with them.",
            metavar="NAME",
            autocompletion=complete.checks,
            show_default=False,
        ),
    ] = None,
    rate: Annotated[float, typer.Option(help="Share of right models in which each model check may fire.")] = 0.01,
    replicates: Annotated[int, typer.Option(help="How many data sets are simulated from the posterior.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of everything simulated.")] = 0,
    options: EffectOptions = EFFECTS,
    as_json: AsJson = False,
) -> None:
    """Posterior checks of a fit and of its effects; exit status 1 when conclusions are withheld."""
    arguments = options.read()
    loaded = ab.load_fit(fit)
    settings: dict[str, Any] = {"rate": rate, "replicates": replicates, "seed": seed}
    report = loaded.check(checks=checks, effects=effects_of(loaded, arguments), **settings)
    if as_json:
        results = {
            result.name: {"title": result.title, "verdict": result.verdict, "sentence": result.sentence}
            for result in report.results
        }
        print_json({"passed": report.gate.passed, "reasons": list(report.gate.reasons), "checks": results})
    else:
        print(report)
    if not report.gate.passed:
        raise typer.Exit(1)


def compare(
    fits: Annotated[
        list[Path],
        typer.Argument(
            help="Fits of one outcome in the same rows (.nc, .zarr): two or more, called by their files' names.",
            metavar="FIT...",
            show_default=False,
        ),
    ],
    step: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER",
            help="Distance between the levels that the outcome is recorded on, or none; by default the scale's.",
            show_default=False,
        ),
    ] = None,
    predictor: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="Whose slopes are set side by side; by default the first fit's focal predictor."
        ),
    ] = None,
    prob: Annotated[float, typer.Option(help="Probability of the intervals.")] = 0.89,
    rope: Rope = None,
    as_json: AsJson = False,
) -> None:
    """Compare fits by how well they predict people they have not seen, and by what they say."""
    from alliance_bayes.checks.comparison import compare as by_prediction
    from alliance_bayes.checks.conclusions import conclusions

    names = [path.stem for path in fits]
    if len(set(names)) < max(2, len(names)):
        raise ab.UsageError("give two fits or more, each a file of a name of its own.")
    levels = {} if step is None else {"step": number_or_none("--step", step)}
    limits = {} if rope is None else {"rope": rope_of(rope)}
    loaded = {name: ab.load_fit(path) for name, path in zip(names, fits, strict=True)}
    scores = by_prediction(loaded, **levels)
    left_out, shown = [], [(scores.table, scores.sentence)]
    try:
        result = conclusions(loaded, predictor=predictor, prob=prob, **limits)
        shown.append((result.table, result.sentence))
    except ab.AllianceBayesError as error:
        # Fits that share no predictor are compared by their predictions all the same.
        if predictor is not None:
            raise
        left_out.append(error.worded(interface.get()))
    if as_json:
        records = [{"sentence": sentence, "rows": table} for table, sentence in shown[1:]]
        scored = {"sentence": scores.sentence, "models": scores.table, "sampled": scores.sampled}
        print_json({**scored, "conclusions": records[0] if records else None, "left_out": left_out})
        return
    for table, sentence in shown:
        print(table.to_string(index=False, na_rep="", float_format=lambda value: f"{value:.3g}"))
        print(f"  * {sentence}\n")
    for reason in left_out:
        print(f"  - not done: {reason}")


def engine_words(fitted: ab.Fit) -> str:
    """Which engine ran, and why if it was not the first choice."""
    reasons = [fitted.info[key] for key in ("sampler", "engine_reason", "fallback") if key in fitted.info]
    return f"the {fitted.info['engine']} engine{f' ({": ".join(reasons)})' if reasons else ''}"
