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
    for key, one in signature.parameters.items():
        if isinstance(one.annotation, type) and issubclass(one.annotation, OptionGroup):
            groups[key] = one.annotation
            parameters += _options_of(one.annotation)
        else:
            parameters.append(one.replace(kind=inspect.Parameter.KEYWORD_ONLY))
    fields = {key: [field.name for field in dataclasses.fields(group)] for key, group in groups.items()}

    @functools.wraps(command)
    def wrapped(**given: Any) -> None:
        _take_ways(given)
        made = {key: groups[key](**{name: given.pop(name) for name in names}) for key, names in fields.items()}
        command(**given, **made)

    wrapped.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    wrapped.__annotations__ = {one.name: one.annotation for one in parameters}
    return wrapped


def _take_ways(given: dict[str, Any]) -> None:
    """Take what becomes of incomplete rows out of the texts for missing values, none of which is called so."""
    texts = given.get("missing")
    if "impute" not in given or not isinstance(texts, list):
        return
    for way, chosen in (("impute", True), ("drop", False)):
        if way in texts:
            given["impute"] = chosen
            given["missing"] = [text for text in texts if text not in ("impute", "drop")] or None


def _options_of(group: type[OptionGroup]) -> list[inspect.Parameter]:
    # Evaluated here, since whoever builds the parser from them does not know the group's module.
    options = list(inspect.signature(group, eval_str=True).parameters.values())
    for one in options:
        for said in get_args(one.annotation)[1:]:
            if isinstance(said, typer.models.OptionInfo):
                said.rich_help_panel = group.panel
    return options
