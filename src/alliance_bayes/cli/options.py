"""Options and arguments that several commands share, those of one purpose as groups."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

import alliance_bayes as ab
from alliance_bayes.cli import complete
from alliance_bayes.cli.files import DEMO_SEED
from alliance_bayes.cli.groups import OptionGroup
from alliance_bayes.cli.values import estimands_of, numbers_at, values_at
from alliance_bayes.foreign import number_in

if TYPE_CHECKING:
    from alliance_bayes.effects import EffectTable, FitWithEffects

__all__ = [
    "EFFECTS",
    "SAMPLING",
    "AsJson",
    "Bundle",
    "CardOrFormula",
    "CohortPath",
    "Demo",
    "Docx",
    "EffectOptions",
    "FitPath",
    "Key",
    "OptionalCohort",
    "Rope",
    "SamePeople",
    "SamplingOptions",
    "Seed",
    "Small",
    "effects_of",
    "number_or_none",
    "rope_of",
]

_CARD = (
    "Model card (TOML), the name of a card of the package ('alliance-bayes card' lists them), or a formula: "
    "'y ~ x + (1 | g)'."
)
_COHORT = (
    "Table with one row a participant, or with --person several (CSV, TSV, also .gz; Parquet, Feather; Excel, ODS; "
    "SPSS, Stata, SAS, R; or - for text on standard input), a folder with participants, sessions and surveys in such "
    "files, or moments made by 'alliance-bayes reduce' (.nc)."
)
CardOrFormula = Annotated[
    str,
    typer.Argument(help=_CARD, metavar="CARD|FORMULA", show_default=False, autocompletion=complete.cards),
]
CohortPath = Annotated[Path, typer.Argument(help=_COHORT, metavar="COHORT", show_default=False)]
OptionalCohort = Annotated[Path | None, typer.Argument(help=_COHORT, metavar="[COHORT]", show_default=False)]
FitPath = Annotated[
    Path, typer.Argument(help="Fit made by 'alliance-bayes fit' (.nc or .zarr).", metavar="FIT", show_default=False)
]
Demo = Annotated[bool, typer.Option("--demo", help="Use the simulated demonstration cohort.")]
Seed = Annotated[int, typer.Option(help="Seed of every random number.")]
Small = Annotated[int, typer.Option(min=1, help="Fewest people that a shown count stands for.")]
Key = Annotated[
    Path | None,
    typer.Option(
        help="File with the key of the data's digest, made if it is not there; by default beside the page (.key). "
        "Keep it with the data, not with the page.",
        show_default=False,
    ),
]
Bundle = Annotated[
    Path | None,
    typer.Option(
        help="Folder for files to take away, made if it is not there: all estimates as one CSV; tables and methods for "
        "Word and LaTeX; figures as SVG and PNG.",
        metavar="FOLDER",
        show_default=False,
    ),
]
Docx = Annotated[
    bool,
    typer.Option("--docx/--no-docx", help="Whether a bundle has a Word document; it needs the extra 'docx'."),
]
SamePeople = Annotated[
    list[str] | None,
    typer.Option(
        help="Another model card (.toml) or formula, or a column: only those with a value in all of its columns too. "
        "Give it for every other page of this cohort. May be repeated.",
        metavar="CARD|FORMULA|COLUMN",
        show_default=False,
    ),
]
Rope = Annotated[
    str | None,
    typer.Option(
        metavar="LOW,HIGH",
        help="Region of practical equivalence in points of the outcome (--rope=-2,2), or none; by default what the "
        "outcome's scale says.",
        show_default=False,
    ),
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print one JSON document in place of text (docs/command-line.md has its keys).")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingOptions(OptionGroup):
    """How the posterior is sampled."""

    panel: ClassVar[str] = "Sampling"

    engine: Annotated[str, typer.Option(help="auto, collapsed or nuts.", autocompletion=complete.engines)] = "auto"
    sampler: Annotated[
        str, typer.Option(help="nutpie, pymc, numpyro or blackjax.", autocompletion=complete.samplers)
    ] = "nutpie"
    draws: Annotated[
        int | None,
        typer.Option(
            help="Kept draws of each chain; by default 1,000 (collapsed) or 1,500 (nuts).", show_default=False
        ),
    ] = None
    tune: Annotated[int, typer.Option(help="Warm-up draws of each chain, for NUTS.")] = 600
    chains: Annotated[int, typer.Option(help="Number of chains.")] = 4
    cores: Annotated[
        int | None, typer.Option(help="Chains sampled at once; by default as many as there are cores.")
    ] = None
    target_accept: Annotated[float, typer.Option(help="Mean acceptance the step size of NUTS is tuned to.")] = 0.9
    seed: Seed = DEMO_SEED

    def arguments(self) -> dict[str, Any]:
        """As `Model.fit` takes them."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectOptions(OptionGroup):
    """What a table of effects has."""

    panel: ClassVar[str] = "Effects"

    estimands: Annotated[
        list[str] | None,
        typer.Option(
            "--estimand",
            help="An estimand by name, with options of its own after a colon (responders:at_least=32,factor=sex); may "
            "be repeated. By default the usual six; a name that there is not is answered with all that there are.",
            metavar="NAME[:OPTION=VALUE,...]",
            autocompletion=complete.estimands,
            show_default=False,
        ),
    ] = None
    predictor: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="The numeric predictor whose slopes are asked for; by default the focal one."
        ),
    ] = None
    denominator: Annotated[
        str,
        typer.Option(help="What Cohen's d is divided by: residual_sd or total_sd.", autocompletion=complete.units_of_d),
    ] = "residual_sd"
    population: Annotated[
        str | None,
        typer.Option(
            help="Over which levels averages are: average (all that sampled factors could have), sample (those in the "
            "data), equal or new. By default average where the model has a sampled factor.",
            autocompletion=complete.populations,
            show_default=False,
        ),
    ] = None
    prob: Annotated[float, typer.Option(help="Probability of the intervals.")] = 0.89
    interval: Annotated[str, typer.Option(help="eti (equal tails) or hdi (highest density).")] = "eti"
    rope: Rope = None
    relevant: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER",
            help="Smallest relevant change in points of the outcome, or none; by default what its scale says.",
            show_default=False,
        ),
    ] = None
    at: Annotated[
        list[str] | None,
        typer.Option(
            help="Value, or several, of a predictor that everybody is set to before averages are taken (month=12, "
            "month=2,12, sex=female); may be repeated, and every combination has rows of its own.",
            metavar="COLUMN=VALUE[,VALUE...]",
            show_default=False,
        ),
    ] = None

    def read(self) -> dict[str, Any]:
        """As `Fit.effects` takes them, but for the kinds of the values of `at`.

        Raises
        ------
        UsageError
            An option that is not of its form.
        """
        arguments: dict[str, Any] = {
            name: getattr(self, name) for name in ("predictor", "denominator", "population", "prob", "interval")
        }
        arguments["estimands"] = None if self.estimands is None else estimands_of(self.estimands)
        if self.rope is not None:
            arguments["rope"] = rope_of(self.rope)
        if self.relevant is not None:
            arguments["relevant"] = number_or_none("--relevant", self.relevant)
        if self.at is not None:
            arguments["at"] = values_at(self.at)
        return arguments


#: What is given where nothing is.
SAMPLING, EFFECTS = SamplingOptions(), EffectOptions()


def effects_of(fit: FitWithEffects, arguments: dict[str, Any], seed: int = 0) -> EffectTable:
    """The table of effects that was asked for, by what `EffectOptions.read` gave."""
    at = {} if "at" not in arguments else {"at": numbers_at(arguments["at"], fit.design.frame)}
    return fit.effects(**{**arguments, **at}, seed=seed)


def rope_of(text: str) -> tuple[float, float] | None:
    """Two numbers, or none of them.

    Raises
    ------
    UsageError
        Something else.
    """
    if text == "none":
        return None
    match [number_in(part) for part in text.split(",")]:
        case [float() as low, float() as high]:
            return low, high
    raise ab.UsageError(f"--rope {text!r} should be two numbers, the lower first, such as --rope=-2,2, or none.")


def number_or_none(option: str, text: str) -> float | None:
    """A number, or none.

    Raises
    ------
    UsageError
        Something else.
    """
    if text == "none":
        return None
    number = number_in(text)
    if number is None:
        raise ab.UsageError(f"{option} {text!r} should be a number, or none.")
    return number
