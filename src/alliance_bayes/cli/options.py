"""Options and arguments that commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Accept",
    "AsJson",
    "At",
    "CardPath",
    "Chains",
    "CohortPath",
    "Draws",
    "Engine",
    "Estimand",
    "FitPath",
    "Key",
    "OptionalCohort",
    "Population",
    "Prob",
    "Sampler",
    "Seed",
    "Small",
    "Tune",
]

CardPath = Annotated[Path, typer.Argument(help="Model card (TOML).", metavar="CARD", show_default=False)]
_COHORT = (
    "Table with one row a participant, or with --person several (CSV, TSV, also .gz; Parquet, Feather; Excel, ODS; "
    "SPSS, Stata, SAS, R; or - for text on standard input), a folder with participants, sessions and surveys in such "
    "files, or moments made by 'alliance-bayes reduce' (.nc)."
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
