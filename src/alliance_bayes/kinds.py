"""Numbers, texts and choices as arguments: whether a value is one, and the errors of those that many functions take."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, TypeGuard

import numpy as np

from alliance_bayes.errors import UsageError
from alliance_bayes.foreign import shown
from alliance_bayes.remedies import argument

__all__ = [
    "check_name",
    "check_prob",
    "check_seed",
    "chosen",
    "is_number",
    "is_pair",
    "is_several",
    "is_text_list",
    "is_whole",
]


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a finite number; truth values are none."""
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_) and math.isfinite(value)


def is_pair(value: object) -> TypeGuard[tuple[float, float]]:
    """Whether a value is two finite numbers, as a tuple, a list or an array."""
    return isinstance(value, tuple | list | np.ndarray) and len(value) == 2 and all(map(is_number, value))


def is_whole(value: object, least: float = -math.inf, most: float = math.inf) -> TypeGuard[int]:
    """Whether a value is a whole number between two ends, both included; truth values are none."""
    return isinstance(value, Integral) and not isinstance(value, bool) and least <= int(value) <= most


def is_text_list(value: object) -> TypeGuard[list[str] | tuple[str, ...]]:
    """Whether a value is a list of texts, none of them empty.

    A set is none: the order of its elements, which draws and tables follow, is another one in every process.
    """
    return isinstance(value, list | tuple) and all(isinstance(text, str) and text for text in value)


def is_several(value: object) -> TypeGuard[Iterable[Any]]:
    """Whether a value is several ones in an order of their own, that of levels or rows: no text, and no set."""
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | set | frozenset)


def check_prob(prob: object, remedy: str = "0.89 is the default.") -> None:
    """Refuse what is no probability of an interval.

    Raises
    ------
    UsageError
        The value, and what it should be.
    """
    if not is_number(prob) or not 0 < prob < 1:
        raise UsageError(f"{argument('prob')} should be in the interval (0, 1) but got {shown(prob)}. {remedy}")


def check_seed(seed: object) -> None:
    """Refuse what is no seed.

    Raises
    ------
    UsageError
        The value, and what it should be.
    """
    if not is_whole(seed, least=0):
        raise UsageError(f"{argument('seed')} should be a whole number, 0 or more, but got {shown(seed)}.")


def check_name(argument: str, value: object) -> None:
    """Refuse what is no name of one column.

    Raises
    ------
    UsageError
        The value.
    """
    if not isinstance(value, str):
        raise UsageError(f"{argument} should be the name of one column but got {shown(value)}.")


def chosen(name: str, value: object, options: Iterable[str]) -> None:
    """Refuse what is none of the choices.

    Raises
    ------
    UsageError
        The value, and the choices.
    """
    options = tuple(options)
    if not isinstance(value, str) or value not in options:
        raise UsageError(f"{name} should be one of {', '.join(map(repr, options))} but got {shown(value)}.")
