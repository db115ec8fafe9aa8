"""Models as commands are given them: a card or a formula, and options in place of a card's keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

import alliance_bayes as ab
from alliance_bayes.cli.complete import families, prior_sets, roles
from alliance_bayes.cli.console import errors
from alliance_bayes.cli.groups import OptionGroup
from alliance_bayes.cli.places import check_place, is_formula
from alliance_bayes.cli.values import number_or_text, options_by_name, pairs
from alliance_bayes.remedies import toml_value

__all__ = ["MODEL", "ModelOptions", "model_of"]

# Keys of a card that are tables, of which an option gives one entry.
_TABLES = ("priors", "centre", "scales", "roles", "events", "among", "error", "reliability", "covariates")
_LISTS = ("exhaustive", "derived", "auxiliary")
_PLAIN = (
    *("family", "focal", "against", "alliance", "autoscale", "residual_by", "sigma", "trials"),
    *("rows", "weights", "weights_kind"),
)
_WORDS = ("name", "title", "question", "estimand", "assumptions", "sources")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions(OptionGroup):
    """What a model is besides its formula; each takes the place of a key of the card."""

    panel: ClassVar[str] = "Model (in place of what the card says)"

    family: Annotated[
        str | None,
        typer.Option(
            help="Distribution of the outcome: gaussian, student_t, beta_binomial, ...",
            autocompletion=families,
            show_default=False,
        ),
    ] = None
    priors: Annotated[
        str | None,
        typer.Option(
            metavar="SET",
            help="Set of default priors: weak, literature, sceptical or enthusiastic.",
            autocompletion=prior_sets,
            show_default=False,
        ),
    ] = None
    prior: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=DISTRIBUTION",
            help="Prior of one parameter, as in a card: --prior alliance='Normal(0, 2)'. May be repeated.",
            show_default=False,
        ),
    ] = None
    exhaustive: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FACTOR",
            help="A pooled factor whose levels are all there are; in place of all that the card has. May be repeated; "
            "an empty text for none.",
            show_default=False,
        ),
    ] = None
    focal: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="The predictor that is asked about.", show_default=False),
    ] = None
    against: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Another predictor, whose slope is compared with it.", show_default=False),
    ] = None
    contrast: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="LOW HIGH",
            help="Two values of the predictor asked about that are compared; by default its 10th and 90th percentile.",
            show_default=False,
        ),
    ] = None
    alliance: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="The predictor that is an alliance score, by its name.", show_default=False
        ),
    ] = None
    roles: Annotated[
        list[str] | None,
        typer.Option(
            "--role",
            metavar="FACTOR=ROLE",
            help="What the levels of a pooled factor are: person, provider or group. May be repeated.",
            autocompletion=roles,
            show_default=False,
        ),
    ] = None
    centre: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=NUMBER", help="Where a column is centred. May be repeated.", show_default=False),
    ] = None
    scales: Annotated[
        list[str] | None,
        typer.Option(
            "--scale",
            metavar="COLUMN:FACT=VALUE,...",
            help="Reference scale of a column: --scale phq9:mean=10,sd=5,lower=0,upper=27,step=1,unit=points. May be "
            "repeated.",
            show_default=False,
        ),
    ] = None
    autoscale: Annotated[
        bool | None,
        typer.Option(
            help="Whether columns without a reference scale take one from the analysed rows.", show_default=False
        ),
    ] = None
    residual_by: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="A factor by whose levels the residual SD differs.", show_default=False),
    ] = None
    sigma: Annotated[
        str | None,
        typer.Option(
            metavar="FORMULA",
            help="Columns along which the residual SD differs: --sigma '~ alliance'.",
            show_default=False,
        ),
    ] = None
    trials: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Of how many trials the outcome counts successes.", show_default=False),
    ] = None
    impute: Annotated[
        bool | None,
        typer.Option(
            "--impute/--drop",
            help="Draw missing values together with the parameters, or leave out rows that lack one; --missing impute "
            "and --missing drop are the same.",
            show_default=False,
        ),
    ] = None
    auxiliary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="A column that tells something of missing values, or of who lacks them. May be repeated; an empty "
            "text for none.",
            show_default=False,
        ),
    ] = None
    error: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=SD",
            help="SD of a predictor's error of measurement, where values are imputed. May be repeated.",
            show_default=False,
        ),
    ] = None
    reliability: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=SHARE",
            help="A predictor's reliability, between 0 and 1, in place of the SD of its error. May be repeated.",
            show_default=False,
        ),
    ] = None
    covariates: Annotated[
        list[str] | None,
        typer.Option(
            "--covariate",
            metavar="COLUMN=ROLE",
            help="Why a covariate is adjusted for: confounder, precision or post-baseline. May be repeated.",
            show_default=False,
        ),
    ] = None
    weights: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Weights of the rows; say of which kind.", show_default=False)
    ] = None
    weights_kind: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="What weights are: frequency (people that a row stands for) or sampling (one over the probability of "
            "being drawn or observed).",
            show_default=False,
        ),
    ] = None
    rows: Annotated[
        str | None, typer.Option(help="What a row is made: participants or sessions.", show_default=False)
    ] = None
    derived: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN",
            help="A column to make of the sessions, such as alliance_early; in place of all that the card has. May be "
            "repeated.",
            show_default=False,
        ),
    ] = None
    events: Annotated[
        list[str] | None,
        typer.Option(
            "--event",
            metavar="NAME:column=COLUMN,LIMIT=NUMBER",
            help="A column of 0 and 1: --event improved:column=who5_change,at_least=10. May be repeated.",
            show_default=False,
        ),
    ] = None
    among: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN:LIMIT=NUMBER",
            help="Of whom the model is: --among who5_baseline:at_most=28. May be repeated.",
            show_default=False,
        ),
    ] = None
    words: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=TEXT",
            help="Words of the card: name, title, question, estimand, and (may be repeated) assumptions, sources.",
            show_default=False,
        ),
    ] = None

    def keys(self) -> dict[str, Any]:
        """The options as the keys of a card.

        Raises
        ------
        UsageError
            An option that is not of its form.
        """
        stated = self.given()
        keys: dict[str, Any] = {name: stated[name] for name in _PLAIN if name in stated}
        keys |= {name: [text for text in stated[name] if text.strip()] for name in _LISTS if name in stated}
        if self.impute is not None:
            keys["missing"] = "impute" if self.impute else "drop"
        if "contrast" in stated:
            keys["contrast"] = list(stated["contrast"])
        priors = {} if self.priors is None else {"set": self.priors}
        # A name holds "=" nowhere, and a distribution might.
        priors |= pairs(self.prior or [], "--prior", "alliance=Normal(0, 2)")
        tables = {
            "priors": priors,
            "centre": {
                name: number_or_text(text) for name, text in pairs(self.centre or [], "--centre", "age=40").items()
            },
            "scales": options_by_name(self.scales or [], "--scale", "phq9:mean=10,sd=5"),
            "roles": pairs(self.roles or [], "--role", "therapist=provider"),
            "events": options_by_name(self.events or [], "--event", "improved:column=who5_change,at_least=10"),
            "error": {
                name: number_or_text(text)
                for name, text in pairs(self.error or [], "--error", "who5_baseline=8").items()
            },
            "reliability": {
                name: number_or_text(text)
                for name, text in pairs(self.reliability or [], "--reliability", "who5_baseline=0.85").items()
            },
            "covariates": pairs(self.covariates or [], "--covariate", "age=precision"),
            "among": options_by_name(self.among or [], "--among", "who5_baseline:at_most=28"),
        }
        return keys | {name: table for name, table in tables.items() if table} | _words(self.words or [])


#: What is given where nothing is.
MODEL = ModelOptions()


def model_of(text: str, options: ModelOptions = MODEL, levels: Sequence[str] = ()) -> ab.Model:
    """The model of a card or of a formula, with the options in place of the card's keys, which is said.

    Parameters
    ----------
    text
        A card's file, the name of a card of the package, or a formula.
    options
        What takes the place of the card's keys.
    levels
        Columns whose levels the table's own options declare, which are no longer the card's.

    Raises
    ------
    UsageError, FileFormatError, ModelError
        Options, a card or a model that cannot be; or a table where a model belongs.
    """
    from alliance_bayes.model.card import formula_table, naming_card, open_card, table_arguments

    keys = options.keys()
    check_place(text, "model")
    if is_formula(text):
        return ab.Model(**table_arguments({**formula_table(text), **keys}, source="the model of the formula"))
    table, source, name = open_card(text)
    changed = _merged(table, keys)
    if isinstance(declared := table.get("levels"), Mapping):
        changed["levels"] = {name: listed for name, listed in declared.items() if name not in levels}
    called = f"{source} with the options given" if keys else source
    with naming_card(called, ab.ModelError, ab.UsageError):
        model = ab.Model(**table_arguments(changed, source=called, name=name))
    if differing := list(_differences(table, changed)):
        words = "" if set(keys) & set(_WORDS) else " Its words stay as they were; --words KEY=TEXT states others."
        errors.print(f"note: of {source}, options replace {'; '.join(differing)}.{words}", style="dim")
    return model


@contextmanager
def naming_card_of(text: str) -> Iterator[None]:
    """Have errors about the model of a card, or of a formula, begin with the card where there is one."""
    from alliance_bayes.cohort.cohort import NoColumnError
    from alliance_bayes.cohort.header import LACKING
    from alliance_bayes.model.card import card_called, naming_card

    if is_formula(text):
        yield
        return
    called = card_called(text)
    with naming_card(called, ab.ModelError, NoColumnError):
        try:
            yield
        except ab.DataError as error:
            # The card has asked for columns that a table lacks; what is wrong with its cells is the table's own.
            if error.source.startswith(called) or not any(problem.what == LACKING for problem in error.problems):
                raise
            raise ab.DataError(error.problems, source=f"{called}: {error.source}") from error


def _merged(table: Mapping[str, Any], keys: Mapping[str, Any]) -> dict[str, Any]:
    """A card's keys with others in their place; of tables, entry by entry."""
    merged = dict(table)
    for name, value in keys.items():
        before = merged.get(name)
        merged[name] = {**before, **value} if name in _TABLES and isinstance(before, Mapping) else value
    return merged


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """What is no longer as the card has it, in the words of cards."""
    differences = []
    for name, value in after.items():
        if name in _WORDS or before.get(name) == value:
            continue
        if name in _TABLES:
            old = before.get(name) or {}
            differences += [
                _replaced(f"{name}.{key}", old.get(key), new) for key, new in value.items() if old.get(key) != new
            ]
        else:
            differences.append(_replaced(name, before.get(name), value))
    return differences


def _replaced(key: str, before: Any, after: Any) -> str:
    was = "which it does not state" if before is None else f"{toml_value(before)}"
    return f"{key} ({was}) by {toml_value(after)}"


def _words(texts: Sequence[str]) -> dict[str, Any]:
    """KEY=TEXT texts as a card's words."""
    by_key: dict[str, Any] = {}
    for text in texts:
        key, equals, words = (part.strip() for part in text.partition("="))
        if key not in _WORDS or not equals:
            raise ab.UsageError(
                f"--words {text!r} should be KEY=TEXT, such as --words question='Who improves?'. Keys: "
                f"{', '.join(_WORDS)}."
            )
        if key in ("assumptions", "sources"):
            by_key.setdefault(key, []).append(words)
        elif by_key.setdefault(key, words) != words:
            raise ab.UsageError(f"--words gives two texts for {key!r}. Choose one.")
    return by_key


def card_file(text: str) -> Path | None:
    """The file that a card is in, where it is in one."""
    return None if is_formula(text) else Path(text)


def models_or_columns(texts: Sequence[str]) -> list[ab.Model | str]:
    """Models of cards and formulas; what is neither is the name of a column."""
    for text in texts:
        check_place(text, "columns")
    return [model_of(text) if text.endswith(".toml") or is_formula(text) else text for text in texts]
