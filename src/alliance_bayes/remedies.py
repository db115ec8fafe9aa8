"""What a remedy asks of the caller, by name, and how each interface words it.

A message is written once, with what it asks for as a field: ``f"Pass {argument('sep', ';')}."``. Python words the field
as ``sep=';'``, the command line as ``--sep ';'``. Which interface is in use is known where a message is shown and not
where it is made, and what reaches a page must not depend on it; so fields stay in the text until then.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import EllipsisType
from typing import Protocol

__all__ = [
    "CALLS",
    "PYTHON",
    "CommandLine",
    "Interface",
    "Message",
    "Python",
    "argument",
    "call",
    "setting",
    "toml_value",
    "worded",
]

type Value = str | float | Sequence[str] | Mapping[str, object] | EllipsisType | None

#: What a function is called in Python, and what does the same on the command line.
CALLS = {
    "read_cohort": ("read_cohort()", "'alliance-bayes fit'"),
    "read_imputed": ("read_imputed()", "'alliance-bayes fit'"),
    "read_tables": ("read_tables()", "a folder that holds them"),
    "Fit.save": ("fit.save()", "'alliance-bayes fit'"),
    "save_moments": ("save_moments()", "'alliance-bayes reduce'"),
    "Model.to_card": ("to_card()", "the keys of this one (docs/models.md)"),
    "contrasts": ("contrasts()", "'alliance-bayes effects --estimand contrasts:factor=...'"),
    "predictions": ("predictions()", "'alliance-bayes effects --estimand predictions'"),
    "effects": ("effects()", "'alliance-bayes effects'"),
    "DataError.problems": ("all of them in the error's .problems", "which are shown once these are corrected"),
}

# What needs no quotation marks in a shell, and in a sentence.
_PLAIN = re.compile(r"[A-Za-z0-9_/=%+.-]*[A-Za-z0-9_/=%+-]")
# Code points that are no characters and that Unicode keeps for uses such as this one; no value shown by repr() has any.
_OPEN, _NEXT, _CLOSE = "\ufdd0", "\ufdd1", "\ufdd2"
_FIELD = re.compile(f"{_OPEN}(argument|setting|call){_NEXT}([A-Za-z_.]+){_NEXT}([ -~]*){_CLOSE}")


def argument(name: str, value: Value = None) -> str:
    """An argument of the call that raises: an option of the command that made it.

    Parameters
    ----------
    name
        As Python has it.
    value
        What to give: an example or the remedy itself; an ellipsis where that is the reader's to know, None where the
        message is about the argument (``prob should be ...``).
    """
    return _field("argument", name, value)


def setting(name: str, value: Value = None) -> str:
    """An argument of the model, which on the command line is an option or a key of its card; see `argument`."""
    return _field("setting", name, value)


def call(name: str) -> str:
    """A function of `CALLS`."""
    assert name in CALLS, name
    return _field("call", name, None)


def _field(kind: str, name: str, value: Value) -> str:
    text = "..." if value is ... else json.dumps(value, default=lambda unknown: "...")
    return f"{_OPEN}{kind}{_NEXT}{name}{_NEXT}{text}{_CLOSE}"


class Interface(Protocol):
    """How fields are worded."""

    def argument(self, name: str, value: Value) -> str:
        """See `argument`."""

    def setting(self, name: str, value: Value) -> str:
        """See `setting`."""

    def call(self, name: str) -> str:
        """See `call`."""


class Python:
    """The package as it is imported."""

    def argument(self, name: str, value: Value) -> str:
        """``sep=';'``."""
        if value is None:
            return name
        shown = "..." if value is ... else f"{value:g}" if isinstance(value, float) else repr(value)
        return f"{name}={shown}"

    def setting(self, name: str, value: Value) -> str:
        """``family='gaussian'``; scales are objects."""
        if name == "scales" and isinstance(value, Mapping):
            scales = [f"{key!r}: Scale({_facts(facts, '=')})" for key, facts in value.items()]
            return f"scales={{{', '.join(scales)}}}"
        return self.argument(name, value)

    def call(self, name: str) -> str:
        """``read_tables()``."""
        return CALLS[name][0]


@dataclass(frozen=True, slots=True)
class CommandLine:
    """One command.

    Parameters
    ----------
    command
        Its name.
    options
        Its options by the name of the argument that each stands for.
    elsewhere
        Argument -> command and option, for arguments that only other commands have.
    keys
        Arguments of the model that its card says, and no option of this run.
    """

    command: str
    options: Mapping[str, str]
    elsewhere: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    keys: Collection[str] = ()

    def argument(self, name: str, value: Value) -> str:
        """``--sep ';'``; an argument that no command has is named as Python has it."""
        if name in self.options:
            return _option(self.options[name], value)
        if name in self.elsewhere:
            command, option = self.elsewhere[name]
            return f"{_option(option, value)} of 'alliance-bayes {command}'"
        # "of Python", since a reader of the command line may not know what the word stands for.
        return name if value is None else f"{PYTHON.argument(name, value)} of Python"

    def setting(self, name: str, value: Value) -> str:
        """``--family gaussian`` where a command has the option, else ``family = "gaussian"`` in the card."""
        if name == "missing" and name not in self.options and "impute" in self.options:
            return {"impute": "--impute", "drop": "--drop"}.get(str(value), "--impute")
        command, option = ("", self.options[name]) if name in self.options else self.elsewhere.get(name, ("", ""))
        if value is None and (name in self.keys or not option):
            return name
        if option:
            if name == "scales" and isinstance(value, Mapping):
                facts = (f"{key}:{_facts(entry, '=', ',')}" for key, entry in value.items())
                words = " ".join(_given(option, fact) for fact in facts)
            else:
                words = _option(option, value)
            return f"{words} of 'alliance-bayes {command}'" if command else words
        if name == "scales" and isinstance(value, Mapping):
            return " and ".join(
                f"[scales.{_toml_key(key)}] with {_facts(facts, ' = ')} in the card" for key, facts in value.items()
            )
        if isinstance(value, Mapping):
            keys = "; ".join(f"{_toml_key(key)} = {toml_value(entry)}" for key, entry in value.items())
            return f"{keys} under [{name}] in the card"
        return f"{name} = {'...' if value is ... else toml_value(value)} in the card"

    def call(self, name: str) -> str:
        """``'alliance-bayes fit'``."""
        return CALLS[name][1]


PYTHON = Python()


def worded(text: str, interface: Interface = PYTHON) -> str:
    """A text whose fields an interface has worded; what looks like a field and is none stays as it is."""

    def replacement(match: re.Match[str]) -> str:
        kind, name, value = match.groups()
        if kind == "call":
            return interface.call(name) if name in CALLS else match.group()
        try:
            parsed = ... if value == "..." else json.loads(value)
        except (ValueError, RecursionError):
            return match.group()
        return (interface.argument if kind == "argument" else interface.setting)(name, parsed)

    return _FIELD.sub(replacement, text)


class Message(str):
    """A text as Python words it, which remembers its fields.

    Attributes
    ----------
    template : str
        The text with its fields, for `worded`.
    """

    template: str

    def __new__(cls, text: str) -> Message:
        """Of a text with fields, or of another message."""
        template = getattr(text, "template", text)
        message = super().__new__(cls, worded(template))
        message.template = template
        return message


def _facts(facts: object, equals: str, between: str = ", ") -> str:
    assert isinstance(facts, Mapping), facts
    return between.join(f"{key}{equals}{value}" for key, value in facts.items())


def _option(option: str, value: Value) -> str:
    if value is None or value is True:
        return option
    if value is False:
        return f"--no-{option.removeprefix('--')}"
    if value is ...:
        return f"{option} ..."
    if isinstance(value, Mapping):
        pairs = [
            (f"{key}.{inner}", column)
            for key, entry in value.items()
            for inner, column in (entry.items() if isinstance(entry, Mapping) else [("", entry)])
        ]
        return " ".join(_given(option, f"{key.removesuffix('.')}={_listed(entry)}") for key, entry in pairs)
    if isinstance(value, (str, int, float)):
        return _given(option, str(value))
    return " ".join(_given(option, entry) for entry in value)


def _given(option: str, value: str) -> str:
    # A value that looks like an option is joined to its own; a tab is written as the command line reads it. Marks that
    # a sentence has too (a comma) are in quotation marks, so that nobody takes them for its own.
    value = value.replace("\t", "\\t")
    shown = value if _PLAIN.fullmatch(value) else "'" + value.replace("'", "'\"'\"'") + "'"
    return f"{option}={shown}" if value.startswith("-") else f"{option} {shown}"


def _listed(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ",".join(f'"{text}"' if "," in text else text for text in value)
    return str(value)


def toml_value(value: object) -> str:
    """A value as a card has it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {toml_value(entry)}" for key, entry in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else f"{value:g}"


def _toml_key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)
