"""Model cards: a model and its words as one TOML file that reads back to the same model."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tomli_w

from alliance_bayes.atomic import replacing
from alliance_bayes.errors import AllianceBayesError, FileFormatError, ModelError
from alliance_bayes.foreign import TOML_BYTES, parse_toml, read_text, shown
from alliance_bayes.model.adjustment import ADJUSTING
from alliance_bayes.model.defaults import PRIOR_SETS
from alliance_bayes.model.derivations import problems_of
from alliance_bayes.model.priors import parse_prior
from alliance_bayes.model.roles import ROLES
from alliance_bayes.model.scales import Scale
from alliance_bayes.model.shipped import shipped_cards
from alliance_bayes.model.spec import Card, ModelSpec
from alliance_bayes.remedies import call, setting

__all__ = [
    "FORMAT",
    "card_arguments",
    "card_called",
    "card_text",
    "formula_table",
    "naming_card",
    "open_card",
    "read_card",
    "table_arguments",
    "write_card",
]

#: Raised whenever a card would mean something else: another key, another default, other numbers behind a prior set's
#: name. The first format had no number.
FORMAT = 4

_CARD = tuple(field.name for field in dataclasses.fields(Card))
_MODEL = (
    "formula",
    "family",
    "exhaustive",
    "focal",
    "against",
    "contrast",
    "alliance",
    "residual_by",
    "sigma",
    "trials",
    "autoscale",
    "rows",
    "derived",
    "weights",
    "weights_kind",
    "missing",
    "auxiliary",
)
_TABLES = ("priors", "centre", "scales", "roles", "levels", "events", "among", "error", "reliability", "covariates")
_TEXTS = (
    *("formula", "family", "focal", "against", "alliance", "residual_by", "sigma", "trials", "weights"),
    *("weights_kind", "missing", "name", "title", "question", "estimand"),
)
_LISTS = ("exhaustive", "auxiliary", "assumptions", "sources")
_NUMBERS = ("mean", "sd", "lower", "upper", "step", "smallest_relevant_change")
_SCALE = tuple(field.name for field in dataclasses.fields(Scale))
# What a card of this format means where it says nothing, whatever the package's own defaults become.
_DEFAULTS: Mapping[str, Any] = {
    "family": "gaussian",
    "exhaustive": ["provider_type", "sex", "modality"],
    "autoscale": True,
    "alliance": "alliance",
    "rows": "participants",
    "missing": "drop",
}
_DEFAULT_SET = "weak"
_NOTHING_DERIVED: Mapping[str, Any] = {"rows": _DEFAULTS["rows"], "derived": (), "events": {}, "among": {}}


# What messages call a card by, before its file's name.
_CALLED = "model card "


def card_arguments(text: str, *, source: str = "model card", name: str = Card.name) -> dict[str, Any]:
    """The arguments of a model from the text of its card.

    Parameters
    ----------
    text
        TOML with ``format`` and ``formula`` and, optionally, ``family``, ``exhaustive``, ``focal``, ``against``,
        ``contrast``, ``alliance``, ``residual_by``, ``sigma``, ``trials``, ``autoscale``, ``rows``, ``derived``,
        ``weights``, ``weights_kind``, ``missing``, ``auxiliary``, the words (``name, title, question, estimand,
        assumptions, sources``) and the tables ``[priors]``, ``[centre]``, ``[scales.<column>]``, ``[roles]``,
        ``[levels]``, ``[events.<column>]``, ``[among.<column>]``, ``[error]``, ``[reliability]``,
        ``[covariates]``.
    source
        What to call the card in messages.
    name
        The model's name where the card has none.

    Raises
    ------
    FileFormatError
        Not TOML, another format, or everything that is wrong with the card at once: no formula, unknown keys (the known
        ones are listed), values of the wrong kind.
    """
    return table_arguments(parse_toml(text, what=source), source=source, name=name)


def table_arguments(card: Mapping[str, Any], *, source: str, name: str = Card.name) -> dict[str, Any]:
    """The arguments of a model from the keys of its card; see :func:`card_arguments`."""
    table = dict(card)
    _check_format(table.pop("format", None), source)
    problems = list(_problems(table))
    if problems:
        raise FileFormatError(f"{source}: {' '.join(problems)}")
    table = {**_DEFAULTS, **table}
    plain = [
        key
        for key in (*_MODEL, "centre", "roles", "events", "among", "error", "reliability", "covariates")
        if key not in ("exhaustive", "derived", "contrast", "auxiliary")
    ]
    arguments: dict[str, Any] = {key: table[key] for key in plain if key in table}
    arguments["derived"] = tuple(table.get("derived", ()))
    arguments["auxiliary"] = tuple(table.get("auxiliary", ()))
    if "contrast" in table:
        arguments["contrast"] = tuple(table["contrast"])
    arguments["exhaustive"] = tuple(table["exhaustive"])
    arguments["priors"] = {"set": _DEFAULT_SET, **table.get("priors", {})}
    arguments["scales"] = {column: Scale(**scale) for column, scale in table.get("scales", {}).items()}
    arguments["levels"] = {column: tuple(map(str, labels)) for column, labels in table.get("levels", {}).items()}
    words: dict[str, Any] = {"name": name} | {
        key: tuple(table[key]) if isinstance(table[key], list) else table[key] for key in _CARD if key in table
    }
    arguments["card"] = Card(**words)
    return arguments


def card_text(spec: ModelSpec) -> str:
    """The card of a model, as TOML that :func:`card_arguments` reads back."""
    table: dict[str, Any] = {"format": FORMAT}
    for key in _CARD:
        value = getattr(spec.card, key)
        if value:
            table[key] = list(value) if isinstance(value, tuple) else value
    table |= {"formula": spec.formula, "family": spec.family, "exhaustive": list(spec.exhaustive)}
    if spec.focal is not None:
        table["focal"] = spec.focal
    if spec.against is not None:
        table["against"] = spec.against
    if spec.contrast is not None:
        table["contrast"] = list(spec.contrast)
    if spec.alliance != _DEFAULTS["alliance"]:
        table["alliance"] = spec.alliance
    if spec.residual_by is not None:
        table["residual_by"] = spec.residual_by
    if spec.sigma is not None:
        table["sigma"] = spec.sigma
    if spec.trials is not None:
        table["trials"] = spec.trials
    if spec.weights is not None:
        table |= {"weights": spec.weights, "weights_kind": spec.weights_kind}
    if spec.missing != _DEFAULTS["missing"]:
        table["missing"] = spec.missing
    if spec.auxiliary:
        table["auxiliary"] = list(spec.auxiliary)
    table["autoscale"] = spec.autoscale
    if spec.rows != _DEFAULTS["rows"]:
        table["rows"] = spec.rows
    if spec.derived:
        table["derived"] = list(spec.derived)
    table["priors"] = {"set": spec.prior_set, **{name: prior.exact for name, prior in spec.given_priors.items()}}
    if spec.centre:
        table["centre"] = dict(spec.centre)
    if spec.scales:
        table["scales"] = {
            name: {key: value for key in _SCALE if (value := getattr(scale, key)) not in (None, "")}
            for name, scale in spec.scales.items()
        }
    if spec.roles:
        table["roles"] = dict(spec.roles)
    if spec.levels:
        table["levels"] = {name: list(levels) for name, levels in spec.levels.items()}
    for key in ("error", "reliability"):
        if getattr(spec, key):
            table[key] = dict(getattr(spec, key))
    if spec.covariates:
        table["covariates"] = dict(spec.covariates)
    for key in ("events", "among"):
        if declared := getattr(spec, key):
            table[key] = {name: dict(cut) for name, cut in declared.items()}
    return tomli_w.dumps(table)


def read_card(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The arguments of a model from a card file, or from a card that comes with the package.

    Raises
    ------
    FileFormatError
        No such file, or see :func:`card_arguments`.
    """
    table, source, name = open_card(path)
    return table_arguments(table, source=source, name=name)


@contextmanager
def naming_card(source: str, *kinds: type[AllianceBayesError]) -> Iterator[None]:
    """Have errors of some kinds begin with the card that they are about, once.

    Parameters
    ----------
    source
        What messages call the card; see :func:`open_card`.
    *kinds
        Errors that are about the model.
    """
    try:
        yield
    except kinds as error:
        # One that is about another card names that.
        if error.message.template.startswith(_CALLED):
            raise
        raise type(error)(f"{source}: {error.message.template}") from error


def card_called(path: str | os.PathLike[str]) -> str:
    """What messages call a card."""
    return f"{_CALLED}'{Path(path).name}'"


def open_card(path: str | os.PathLike[str]) -> tuple[dict[str, Any], str, str]:
    """The keys of a card, what messages call it, and what the model is called where the card does not say.

    Parameters
    ----------
    path
        A file; or where there is none of that name, a card of the package by its name ("outcome").

    Raises
    ------
    FileFormatError
        Neither of them, or not TOML.
    """
    path = Path(path)
    source = card_called(path)
    if not path.exists():
        cards = shipped_cards()
        if path.name != str(path) or path.name not in cards:
            raise FileFormatError(f"{source} does not exist. {_meant(path, cards)}")
        return parse_toml(cards[path.name].read_text(encoding="utf-8"), what=source), source, path.name
    # Some editors mark a file as UTF-8 by three bytes at its start, which are no TOML.
    text = read_text(path, what=source, limit=TOML_BYTES).removeprefix("\ufeff")
    return parse_toml(text, what=source), source, path.stem


def _meant(path: Path, cards: Collection[str]) -> str:
    """What may have been meant by what is no card: another card, or a formula without its mark."""
    known = f"the cards that come with the package are {', '.join(cards)}."
    if path.suffix.casefold() != ".toml" and re.search(r"[\s=+*|()]", str(path)):
        return f"A formula has '~' between the outcome and its predictors: 'y ~ x'; {known}"
    beside: list[str] = []
    with contextlib.suppress(OSError, ValueError):
        beside = sorted(other.name for other in path.parent.glob("*.toml"))
    near = difflib.get_close_matches(path.name, [*beside, *cards], n=1)
    # A file is none of the package's.
    rest = "Check the path." if path.suffix or path.name != str(path) else f"Check the path; {known}"
    return f"{f'Did you mean {near[0]!r}? ' if near else ''}{rest}"


def formula_table(formula: str) -> dict[str, Any]:
    """The keys of the card of a formula of which nothing else is said."""
    return {"format": FORMAT, "formula": formula}


def write_card(spec: ModelSpec, path: str | os.PathLike[str]) -> None:
    """Write a model's card; the file appears whole or not at all."""
    with replacing(Path(path)) as (draft,):
        draft.write_text(card_text(spec), encoding="utf-8")


def _check_format(number: object, source: str) -> None:
    if number is None:
        raise FileFormatError(
            f"{source}: no format number, so it is of an earlier version. Put the line format = {FORMAT} at its top, "
            "and see under 'Cards' in docs/models.md what the keys it leaves out then mean."
        )
    if type(number) is not int or number != FORMAT:
        raise FileFormatError(
            f"{source}: format {shown(number)}, but this version reads format {FORMAT}. Write the card again with "
            f"{call('Model.to_card')}, or install the version that wrote it."
        )


def _problems(table: Mapping[str, Any]) -> Iterator[str]:
    """Everything that is wrong with a card's keys and the kinds of their values, a sentence or two each."""
    known = ("format", *_CARD, *_MODEL, *_TABLES)
    unknown = [shown(key) for key in table if key not in known]
    if unknown:
        yield f"unknown key(s) {', '.join(unknown)}. Known keys: {', '.join(known)}."
    if "formula" not in table:
        yield 'no formula. Add a line such as formula = "who5_followup ~ alliance".'
    for key in _TEXTS:
        if not isinstance(table.get(key, ""), str):
            yield f"'{key}' should be text but got {shown(table[key])}."
    for key in _LISTS:
        listed = table.get(key, [])
        if not (isinstance(listed, list) and all(isinstance(item, str) for item in listed)):
            yield f"'{key}' should be a list of texts but got {shown(listed)}."
    ends = table.get("contrast", [])
    if not (isinstance(ends, list) and all(map(_is_number, ends))):
        yield f"'contrast' should be a list of two numbers, the lower first, but got {shown(ends)}."
    if not isinstance(table.get("autoscale", True), bool):
        yield f"'autoscale' should be true or false but got {shown(table['autoscale'])}."
    yield from problems_of(*(table.get(key, empty) for key, empty in _NOTHING_DERIVED.items()))
    for key, check in (
        ("priors", _prior),
        ("centre", _centre),
        ("scales", _scale),
        ("roles", _role),
        ("levels", _levels),
        ("error", _error),
        ("reliability", _reliability),
        ("covariates", _covariate),
    ):
        inner = table.get(key, {})
        if not isinstance(inner, dict):
            yield f"'{key}' should be a table ([{key}]) but got {shown(inner)}."
            continue
        for name, value in inner.items():
            yield from check(name, value)


def _prior(name: str, value: object) -> Iterator[str]:
    if name == "set":
        if value not in list(PRIOR_SETS):
            yield f"unknown prior set {shown(value)}. Known sets: {', '.join(PRIOR_SETS)}."
        return
    if not isinstance(value, str):
        yield f'prior of {shown(name)} should be text such as "Normal(0, 10)" but got {shown(value)}.'
        return
    try:
        parse_prior(value, name=name)
    except ModelError as error:
        yield error.message.template


def _centre(name: str, value: object) -> Iterator[str]:
    if not _is_number(value):
        yield f"{setting('centre')} of {shown(name)} should be a number but got {shown(value)}."


def _error(name: str, value: object) -> Iterator[str]:
    if not _is_number(value):
        yield f"{setting('error')} of {shown(name)} should be a number, its SD, but got {shown(value)}."


def _reliability(name: str, value: object) -> Iterator[str]:
    if not _is_number(value):
        yield f"{setting('reliability')} of {shown(name)} should be a number between 0 and 1 but got {shown(value)}."


def _covariate(name: str, role: object) -> Iterator[str]:
    if role not in ADJUSTING:
        yield (
            f"{setting('covariates')} of {shown(name)} should be one of {', '.join(map(repr, ADJUSTING))} but got "
            f"{shown(role)}."
        )


def _scale(name: str, entry: object) -> Iterator[str]:
    fields = entry if isinstance(entry, dict) else {"(not a table)": entry}
    unknown = [str(key) for key in fields if key not in _SCALE]
    if unknown or not {"mean", "sd"} <= set(fields):
        yield f"{setting('scales')} of {shown(name)} needs mean and sd and knows {', '.join(_SCALE)}" + (
            f"; not {', '.join(unknown)}." if unknown else "."
        )
        return
    kinds = {**dict.fromkeys(_NUMBERS, "a number"), "higher_is_better": "true or false"}
    wrong = [
        f"{setting('scales')} of {shown(name)}: {key} should be {kinds.get(key, 'text')} but got {shown(value)}."
        for key, value in fields.items()
        if not (_is_number(value) if key in _NUMBERS else isinstance(value, bool if key == "higher_is_better" else str))
    ]
    yield from wrong
    if not wrong:
        try:
            Scale(**fields)
        except ModelError as error:
            yield f"{setting('scales')} of {shown(name)}: {error.message.template}"


def _role(name: str, role: object) -> Iterator[str]:
    if role not in ROLES:
        yield (
            f"{setting('roles')} of {shown(name)} should be one of {', '.join(map(repr, ROLES))} but got {shown(role)}."
        )


def _levels(name: str, entry: object) -> Iterator[str]:
    # A code such as 1 is the label "1"; 1.0 would be another.
    if not (
        isinstance(entry, list)
        and entry
        and all(isinstance(level, (str, int)) and not isinstance(level, bool) for level in entry)
        and len(set(map(str, entry))) == len(entry)
    ):
        yield (
            f"{setting('levels')} of {shown(name)} should be a list of distinct texts or whole numbers but got "
            f"{shown(entry)}."
        )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
