"""Sentences that are kept beside the code, in TOML files: values stand in them as in a Jinja2 template."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

__all__ = ["Wording", "capital", "filled", "read_wording"]


@dataclass(frozen=True)
class Wording:
    """The sentences of a file by name, to be filled with values that are already formatted.

    Parameters
    ----------
    package
        Where the file is.
    file
        Its path there.
    """

    package: str
    file: str

    def __call__(self, name: str, **values: object) -> str:
        """A sentence with its values; one that it lacks is an error.

        Parameters
        ----------
        name
            In the file.
        **values
            What the sentence has in braces, or decides by.
        """
        return filled(read_wording(self.package, self.file)[name], values)

    def all(self, name: str, **values: object) -> list[str]:
        """The sentences of a list, without those that are empty with these values.

        Parameters
        ----------
        name, **values
            As for one sentence.
        """
        return list(filter(None, (filled(text, values) for text in read_wording(self.package, self.file)[name])))


def capital(text: str) -> str:
    """Text with its first letter large."""
    return text[:1].upper() + text[1:]


def filled(text: str, values: Mapping[str, object]) -> str:
    """A text with its values, as plain text: what shows it escapes it, and no value is read as a template."""
    return _template(text).render(values)


@cache
def read_wording(package: str, file: str) -> dict[str, Any]:
    """The tables of a file; in its texts, an end of line is a blank."""
    table = tomllib.loads(files(package).joinpath(*file.split("/")).read_text(encoding="utf-8"))
    return {name: _unwrapped(value) for name, value in table.items()}


def _unwrapped(value: Any) -> Any:
    match value:
        case str():
            return re.sub(r"\s*\n\s*", " ", value).strip()
        case dict():
            return {name: _unwrapped(inner) for name, inner in value.items()}
        case list():
            return [_unwrapped(inner) for inner in value]
    return value


@cache
def _environment() -> Environment:
    environment = Environment(autoescape=False, undefined=StrictUndefined)
    environment.filters["capital"] = capital
    return environment


@cache
def _template(text: str) -> Template:
    return _environment().from_string(text)
