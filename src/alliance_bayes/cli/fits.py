"""Commands about fits: make one, estimate what it says, check it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, cast

import typer

import alliance_bayes as ab
from alliance_bayes.cli.console import progress, warn
from alliance_bayes.cli.files import DEMO_SEED, READ, ReadOptions, check_file, check_source, read
from alliance_bayes.cli.groups import grouped
from alliance_bayes.cli.options import (
    Accept,
    AsJson,
    At,
    CardPath,
    Chains,
    Draws,
    Engine,
    Estimand,
    FitPath,
    OptionalCohort,
    Population,
    Prob,
    Sampler,
    Seed,
    Tune,
)
from alliance_bayes.cli.values import estimands_of, numbers_at, values_at

__all__ = ["check", "effects", "engine_words", "fit"]


@grouped
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
    print(f"\n{output}: {fitted.shape[0]} chains x {fitted.shape[1]} draws by {engine_words(fitted)}, seed {seed}")


def effects(
    fit: FitPath,
    estimand: Estimand = None,
    prob: Prob = 0.89,
    population: Population = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Effect sizes and group differences of a fit."""
    named = None if estimand is None else estimands_of(estimand)
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


def engine_words(fitted: ab.Fit) -> str:
    """Which engine ran, and why if it was not the first choice."""
    said = [fitted.info[key] for key in ("sampler", "engine_reason", "fallback") if key in fitted.info]
    return f"the {fitted.info['engine']} engine{f' ({": ".join(said)})' if said else ''}"
