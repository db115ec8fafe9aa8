"""What the command line gives as text, read: pairs, options of what is named, values of predictors, numbers."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer

import alliance_bayes as ab
from alliance_bayes.foreign import number_in, parse_json

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Command", "estimands_of", "number_or_text", "numbers_at", "options_by_name", "pairs", "values_at"]

_WHOLE = re.compile(r"[+-]?[0-9]+")
# Where the options of a name begin: names may hold colons, too.
_OPTIONS = re.compile(r":(?=\w+=)")


class Command(typer.core.TyperCommand):
    """A command whose numbers are written as everybody writes them: Python takes 1_000 and digits of any script."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuse other numbers before anything is done."""
        values, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        for param in self.params:
            annotation = param.type_descriptor.annotation  # type: ignore[attr-defined]
            kinds = getattr(annotation, "__args__", (annotation,))
            texts = values.get(str(param.name))
            for text in texts if isinstance(texts, (list, tuple)) else [texts]:
                if isinstance(text, str) and kinds[0] in (int, float) and not _is_written(text, kinds[0]):
                    kind = "a whole number" if kinds[0] is int else "a number"
                    raise typer.BadParameter(f"{text!r} is not {kind}.", ctx=ctx, param=param)  # type: ignore[arg-type]
        return super().parse_args(ctx, args)


def _is_written(text: str, kind: type) -> bool:
    return bool(_WHOLE.fullmatch(text)) if kind is int else number_in(text) is not None


def pairs(texts: Sequence[str], option: str, example: str) -> dict[str, str]:
    """NAME=VALUE texts as a mapping.

    Raises
    ------
    UsageError
        A text without a name, an equals sign or a value, or a name that has two.
    """
    mapping: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (name and equals and value):
            key, _, _ = example.partition("=")
            raise ab.UsageError(f"{option} {text!r} should be NAME=VALUE, such as {option} {key}={_quoted(example)}.")
        if mapping.setdefault(name, value) != value:
            raise ab.UsageError(f"{option} gives {name!r} twice, as {mapping[name]!r} and {value!r}. Choose one.")
    return mapping


def _quoted(example: str) -> str:
    value = example.partition("=")[2]
    return value if re.fullmatch(r"[\w.-]+", value) else f"'{value}'"


def options_by_name(texts: Sequence[str], option: str, example: str) -> dict[str, dict[str, Any]]:
    """NAME:OPTION=VALUE,... texts as mappings by name; an option that comes again has its last value.

    Raises
    ------
    UsageError
        A text of another form.
    """
    by_name: dict[str, dict[str, Any]] = {}
    for text in texts:
        name, options = _named(text, option, f"NAME:OPTION=VALUE,..., such as {option} {example}")
        if not options:
            raise ab.UsageError(f"{option} {text!r} should be NAME:OPTION=VALUE,..., such as {option} {example}.")
        by_name[name] = {**by_name.get(name, {}), **options}
    return by_name


def estimands_of(texts: Sequence[str]) -> dict[str, dict[str, object]]:
    """Names with their options, each name once: "responders:at_least=32,factor=sex"."""
    named: dict[str, dict[str, object]] = {}
    for text in texts:
        name, options = _named(text, "--estimand", "NAME or NAME:OPTION=VALUE,...")
        if ":" in name:
            raise ab.UsageError(f"--estimand should be NAME or NAME:OPTION=VALUE,... but got {text!r}.")
        if named.setdefault(name, options) != options:
            raise ab.UsageError(f"--estimand gives two sets of options for {name!r}. Choose one.")
    return named


def _named(text: str, option: str, form: str) -> tuple[str, dict[str, Any]]:
    """A name with options, as far as there are any."""
    name, *rest = _OPTIONS.split(text, maxsplit=1)
    options: dict[str, Any] = {}
    for part in re.split(r",(?=\w+=)", rest[0]) if rest else ():
        key, _, value = part.partition("=")
        if not key.isidentifier():
            raise ab.UsageError(f"{option} should be {form} but got {text!r}.")
        options[key] = _value(value)
    return name.strip(), options


def _value(text: str) -> Any:
    """A value of an option: JSON where it is that, with numbers that are finite; else text."""
    try:
        return parse_json(text, what="a value", remedy="")
    except ab.FileFormatError:
        return text


def values_at(texts: Sequence[str]) -> dict[str, list[str]]:
    """Texts by column, those of one that comes several times together.

    A value with a comma is written in quotation marks, as in a CSV file.

    Raises
    ------
    UsageError
        A text without a column, an equals sign or a value.
    """
    by_column: dict[str, list[str]] = {}
    for text in texts:
        column, equals, rest = text.partition("=")
        try:
            # A line that breaks off inside quotation marks is none.
            (values,) = csv.reader([rest], strict=True) if rest else [[]]
        except (csv.Error, ValueError):
            values = []
        if not (column.strip() and equals and values and all(values)):
            raise ab.UsageError(
                f"--at {text!r} should be COLUMN=VALUE or COLUMN=VALUE,VALUE,..., such as --at month=12. A value with "
                "a comma is written in quotation marks."
            )
        by_column.setdefault(column.strip(), []).extend(values)
    return by_column


def numbers_at(values: Mapping[str, Sequence[str]], frame: pd.DataFrame) -> dict[str, list[str | float]]:
    """The same with numbers for numeric columns; what is no number stays as it is, and is refused with the others."""
    import pandas as pd

    numeric = {name for name in values if name in frame and pd.api.types.is_numeric_dtype(frame[name])}
    return {
        name: [number_or_text(text) if name in numeric else text for text in texts] for name, texts in values.items()
    }


def number_or_text(text: str) -> str | float:
    """A number where the text is one."""
    value = number_in(text)
    return text if value is None else value
