"""Model cards: a model and its words as one TOML file that reads back to the same model."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomli_w

from alliance_bayes.atomic import replacing
from alliance_bayes.errors import FileFormatError, ModelError
from alliance_bayes.model.scales import Scale
from alliance_bayes.model.spec import Card, ModelSpec

__all__ = ["card_arguments", "card_text", "read_card", "write_card"]

_CARD = tuple(field.name for field in dataclasses.fields(Card))
_MODEL = ("formula", "family", "exhaustive", "focal", "residual_by", "autoscale")
_TABLES = ("priors", "centre", "scales", "levels")
_SCALE = tuple(field.name for field in dataclasses.fields(Scale))


def card_arguments(text: str, *, source: str = "model card") -> dict[str, Any]:
    """The arguments of a model from the text of its card.

    Parameters
    ----------
    text
        TOML with ``formula`` and, optionally, ``family``, ``exhaustive``, ``focal``, ``residual_by``, ``autoscale``,
        the words (``name, title, question, estimand, assumptions, sources``) and the tables ``[priors]``, ``[centre]``,
        ``[scales.<column>]``, ``[levels]``.
    source
        What to call the card in messages.

    Raises
    ------
    FileFormatError
        Not TOML, no formula, an unknown key (the known ones are listed) or a value of the wrong kind.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileFormatError(f"{source} is not TOML: {error}. Correct that line.") from error
    known = (*_CARD, *_MODEL, *_TABLES)
    unknown = [key for key in table if key not in known]
    if unknown:
        raise FileFormatError(
            f"{source}: unknown key(s) {', '.join(map(repr, unknown))}. Known keys: {', '.join(known)}."
        )
    if "formula" not in table:
        raise FileFormatError(f'{source}: no formula. Add a line such as formula = "who5_followup ~ alliance".')
    for key in _TABLES:
        if not isinstance(table.get(key, {}), dict):
            raise FileFormatError(f"{source}: '{key}' should be a table ([{key}]) but got {table[key]!r}.")
    for key in ("exhaustive", "assumptions", "sources"):
        if not (isinstance(table.get(key, []), list) and all(isinstance(item, str) for item in table.get(key, []))):
            raise FileFormatError(f"{source}: '{key}' should be a list of texts but got {table[key]!r}.")
    for key in ("formula", "family", "focal", "residual_by", "name", "title", "question", "estimand"):
        if not isinstance(table.get(key, ""), str):
            raise FileFormatError(f"{source}: '{key}' should be text but got {table[key]!r}.")
    if not isinstance(table.get("autoscale", False), bool):
        raise FileFormatError(f"{source}: 'autoscale' should be true or false but got {table['autoscale']!r}.")

    plain = ("formula", "family", "focal", "residual_by", "autoscale")
    arguments: dict[str, Any] = {key: table[key] for key in plain if key in table}
    if "exhaustive" in table:
        arguments["exhaustive"] = tuple(table["exhaustive"])
    for key in ("priors", "centre"):
        if key in table:
            arguments[key] = table[key]
    for name, value in table.get("centre", {}).items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise FileFormatError(f"{source}: centre of '{name}' should be a number but got {value!r}.")
    arguments["scales"] = {name: _scale(name, given, source) for name, given in table.get("scales", {}).items()}
    arguments["levels"] = {name: tuple(map(str, given)) for name, given in table.get("levels", {}).items()}
    words: dict[str, Any] = {
        key: tuple(table[key]) if isinstance(table[key], list) else table[key] for key in _CARD if key in table
    }
    arguments["card"] = Card(**words)
    return arguments


def card_text(spec: ModelSpec) -> str:
    """The card of a model, as TOML that :func:`card_arguments` reads back."""
    table: dict[str, Any] = {}
    for key in _CARD:
        value = getattr(spec.card, key)
        if value:
            table[key] = list(value) if isinstance(value, tuple) else value
    table |= {"formula": spec.formula, "family": spec.family, "exhaustive": list(spec.exhaustive)}
    if spec.focal is not None:
        table["focal"] = spec.focal
    if spec.residual_by is not None:
        table["residual_by"] = spec.residual_by
    if spec.autoscale:
        table["autoscale"] = True
    table["priors"] = {"set": spec.prior_set, **{name: prior.exact for name, prior in spec.given_priors.items()}}
    if spec.centre:
        table["centre"] = dict(spec.centre)
    if spec.scales:
        table["scales"] = {
            name: {key: value for key in _SCALE if (value := getattr(scale, key)) is not None}
            for name, scale in spec.scales.items()
        }
    if spec.levels:
        table["levels"] = {name: list(levels) for name, levels in spec.levels.items()}
    return tomli_w.dumps(table)


def read_card(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The arguments of a model from a card file.

    Raises
    ------
    FileFormatError
        No such file, or see :func:`card_arguments`.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise FileFormatError(f"model card '{path.name}' does not exist. Check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise FileFormatError(f"model card '{path.name}' cannot be read as UTF-8 text: {error}.") from error
    arguments = card_arguments(text, source=f"model card '{path.name}'")
    if "name" not in tomllib.loads(text):
        arguments["card"] = dataclasses.replace(arguments["card"], name=path.stem)
    return arguments


def write_card(spec: ModelSpec, path: str | os.PathLike[str]) -> None:
    """Write a model's card; the file appears whole or not at all."""
    with replacing(Path(path)) as (draft,):
        draft.write_text(card_text(spec), encoding="utf-8")


def _scale(name: str, given: Mapping[str, Any], source: str) -> Scale:
    unknown = [key for key in given if key not in _SCALE] if isinstance(given, dict) else ["(not a table)"]
    if unknown or not {"mean", "sd"} <= set(given):
        raise FileFormatError(
            f"{source}: [scales.{name}] needs mean and sd and knows {', '.join(_SCALE)}"
            + (f"; not {', '.join(unknown)}." if unknown else ".")
        )
    try:
        return Scale(**given)
    except (ModelError, TypeError) as error:
        raise FileFormatError(f"{source}: [scales.{name}]: {error}") from error
