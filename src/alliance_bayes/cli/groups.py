"""Groups of options that several commands share, each a dataclass: a command has the group, its users the options."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

import typer

__all__ = ["OptionGroup", "grouped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionGroup:
    """Options by the names of the arguments that they stand for, as they were given."""

    #: Under which heading `--help` lists them.
    panel: ClassVar[str] = "Options"

    def given(self) -> dict[str, Any]:
        """Those that differ from what they are by default."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of its groups, in place of its parameters of such types."""
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, type[OptionGroup]] = {}
    parameters: list[inspect.Parameter] = []
    for key, parameter in signature.parameters.items():
        if isinstance(parameter.annotation, type) and issubclass(parameter.annotation, OptionGroup):
            groups[key] = parameter.annotation
            parameters += _options_of(parameter.annotation)
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
    fields = {key: [field.name for field in dataclasses.fields(group)] for key, group in groups.items()}

    @functools.wraps(command)
    def wrapped(**values: Any) -> None:
        _take_ways(values)
        options = {key: groups[key](**{name: values.pop(name) for name in names}) for key, names in fields.items()}
        command(**values, **options)

    wrapped.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapped


def _take_ways(values: dict[str, Any]) -> None:
    """Take what becomes of incomplete rows out of the texts for missing values, none of which is called so."""
    texts = values.get("missing")
    if "impute" not in values or not isinstance(texts, list):
        return
    for way, chosen in (("impute", True), ("drop", False)):
        if way in texts:
            values["impute"] = chosen
            values["missing"] = [text for text in texts if text not in ("impute", "drop")] or None


def _options_of(group: type[OptionGroup]) -> list[inspect.Parameter]:
    # Evaluated here, since whoever builds the parser from them does not know the group's module.
    options = list(inspect.signature(group, eval_str=True).parameters.values())
    for option in options:
        for metadata in get_args(option.annotation)[1:]:
            if isinstance(metadata, typer.models.OptionInfo):
                metadata.rich_help_panel = group.panel
    return options
