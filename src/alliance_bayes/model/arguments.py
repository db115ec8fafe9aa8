"""Of what kind each argument of a model is: the first thing that is looked at, before what it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from alliance_bayes.errors import ModelError
from alliance_bayes.foreign import shown
from alliance_bayes.kinds import is_number, is_text_list
from alliance_bayes.model.priors import PriorTable
from alliance_bayes.model.scales import Scale
from alliance_bayes.remedies import setting

__all__ = ["check_kinds", "check_words"]


def _text(value: object) -> bool:
    return isinstance(value, str)


def _text_or_none(value: object) -> bool:
    return value is None or isinstance(value, str)


def _by_column(inner: Callable[[object], bool] = lambda value: True) -> Callable[[object], bool]:
    def fits(value: object) -> bool:
        return isinstance(value, Mapping) and all(isinstance(key, str) and inner(item) for key, item in value.items())

    return fits


_COLUMN = "the name of a column"
# What has a check of its own (a column of weights, the residual SD) is told there.
_KINDS: Mapping[str, tuple[str, Callable[[object], bool]]] = {
    "family": ("the name of a family", _text),
    "priors": (
        "the name of a prior set, or a mapping of parameters to distributions",
        lambda value: isinstance(value, str | Mapping | PriorTable),
    ),
    "exhaustive": ("a list of factors", is_text_list),
    "focal": (_COLUMN, _text_or_none),
    "against": (_COLUMN, _text_or_none),
    "centre": ("a mapping of columns to finite numbers", _by_column(is_number)),
    "scales": ("a mapping of columns to scales", _by_column(lambda value: isinstance(value, Scale))),
    "autoscale": ("true or false", lambda value: isinstance(value, bool | np.bool_)),
    "roles": ("a mapping of factors to roles", _by_column()),
    "alliance": (_COLUMN, _text),
    "levels": ("a mapping of columns to lists of levels", _by_column()),
    "missing": ("'drop' or 'impute'", _text),
    "auxiliary": ("a list of columns", is_text_list),
    "error": ("a mapping of columns to SDs", _by_column()),
    "reliability": ("a mapping of columns to reliabilities", _by_column()),
    "covariates": ("a mapping of columns to why they are adjusted for", _by_column()),
}
_WORDS = ("a text", _text)
_SENTENCES = ("a list of texts", is_text_list)


def check_kinds(arguments: Mapping[str, Any]) -> None:
    """Refuse arguments of a model that are of another kind than theirs, all at once.

    Raises
    ------
    ModelError
        Each argument, what it should be and what it is.
    """
    if faults := [f"{setting(name)} should be {fault}." for name, fault in _faults(arguments, _KINDS)]:
        raise ModelError(" ".join(faults))


def check_words(arguments: Mapping[str, Any]) -> None:
    """Refuse words of a card that are no texts, all at once.

    Raises
    ------
    ModelError
        Each field, what it should be and what it is.
    """
    words = {name: _SENTENCES if name in ("assumptions", "sources") else _WORDS for name in arguments}
    if faults := [f"{name} should be {fault}." for name, fault in _faults(arguments, words)]:
        raise ModelError(" ".join(faults))


def _faults(
    arguments: Mapping[str, Any], kinds: Mapping[str, tuple[str, Callable[[object], bool]]]
) -> Iterator[tuple[str, str]]:
    """Names of arguments of another kind, with what each should be and is."""
    for name, (expected, fits) in kinds.items():
        if not fits(arguments[name]):
            yield name, f"{expected} but got {shown(arguments[name])}"
