"""Sentences that are kept beside the code, in TOML files: values stand in them as in a Jinja2 template."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined, Template

__all__ = ["Wording", "capital", "ends_of", "filled", "read_wording"]


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


# A column that is called by a code: a letter and a digit, or a dot or underscore within.
_CODE = re.compile(r"^[a-z](?=.*\d)|^[a-z]+\w*[._]\w")
# Values that nobody reads digit by digit.
_LARGE = 1e9


def ends_of(low: float, high: float) -> tuple[str, str]:
    """Two values that are compared, with as many decimals: three digits of their distance, or as few as they have.

    One decimal more where both have no further one: what somebody chose is told as it is.
    """
    gap = abs(high - low)
    if max(abs(low), abs(high)) >= _LARGE or 0 < gap < 1 / _LARGE:
        return f"{low:.6g}", f"{high:.6g}"
    most = max(0, 2 - math.floor(math.log10(gap))) if math.isfinite(gap) and gap > 0 else 6
    places = next((few for few in range(most + 2) if _has(low, few) and _has(high, few)), most)
    texts = [f"{value:.{places}f}" for value in (low, high)]
    return tuple(text.lstrip("-") if float(text) == 0 else text for text in texts)  # type: ignore[return-value]


def _has(value: float, places: int) -> bool:
    """Whether a value has no more decimals than so many, but for the error of its last bits."""
    return abs(value - round(value, places)) <= 1e-9 * max(1.0, abs(value))


def capital(text: str) -> str:
    """Text with its first letter large, unless it begins with a code ("bdi.8m", "x1"), which stays as it is written."""
    first = text.split(maxsplit=1)[:1]
    return text if first and _CODE.search(first[0].rstrip(".:,;")) else text[:1].upper() + text[1:]


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
