"""The docstrings of what users reach say what their signatures say."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alliance_bayes import errors

validate = pytest.importorskip("numpydoc.validate")

ROOT = Path(__file__).parents[2]
# What numpydoc finds: parameters without a description, descriptions without a parameter, nothing said of what is
# returned or yielded, sections in another order, no docstring. Types are in annotations (not PR04).
FINDINGS = {"PR01", "PR02", "RT01", "YD01", "GL07", "GL08"}
# What these take is said where they are made, and nobody makes one by hand.
MADE_BY_OTHERS = {"Fit", "EffectTable", "SimulatedCohort", "Analysis", "Context", "Design"}
# Each field carries its own words (`simulation_assumptions`).
FIELDS_WITH_WORDS = {"SimulationSettings"}
# For those who extend the package: their methods have one line, with shapes, or sections that agree.
FOR_EXTENDING = {"Analysis", "Context", "Design", "Family", "Formula", "Outcome"}


def public() -> Iterator[tuple[str, Any]]:
    """Names of the reference, each with what it is, and the methods of its classes."""
    module = ""
    for line in (ROOT / "docs" / "api.md").read_text(encoding="utf-8").splitlines():
        if found := re.match(r"\.\. currentmodule:: (\S+)", line):
            module = found[1]
        elif found := re.match(r"   (\w[\w.]*)$", line):
            home, _, name = f"{module}.{found[1]}".rpartition(".")
            thing = getattr(importlib.import_module(home), name)
            if inspect.isfunction(thing):
                yield found[1], thing
            if inspect.isclass(thing):
                yield found[1], thing
                yield from ((f"{found[1]}.{method}", function) for method, function in methods(thing))


def methods(thing: type) -> Iterator[tuple[str, Any]]:
    for name in dir(thing):
        held = inspect.getattr_static(thing, name)
        function = getattr(held, "__func__", held)
        ours = inspect.isfunction(function) and function.__module__.startswith("alliance_bayes")
        if ours and not name.startswith("_"):
            yield name, function


def excused(name: str, thing: Any, code: str) -> bool:
    if inspect.isclass(thing):
        made = thing.__name__ in MADE_BY_OTHERS | FIELDS_WITH_WORDS
        # An error's message is that of the base of all.
        inherits = issubclass(thing, errors.AllianceBayesError) and "__init__" not in vars(thing)
        return code == "PR01" and (made or inherits)
    owner = thing.__qualname__.rpartition(".")[0]
    # The function that an analysis has by default is a field of it, and no method.
    return code in ("PR01", "RT01", "YD01") and (owner in FOR_EXTENDING or name == "Analysis.function")


PUBLIC = list(public())


def test_the_reference_names_what_there_is() -> None:
    assert len(PUBLIC) > 200


@pytest.mark.parametrize(("name", "thing"), PUBLIC, ids=[name for name, _ in PUBLIC])
def test_docstring_agrees_with_its_signature(name: str, thing: Any) -> None:
    found = validate.validate(f"{thing.__module__}.{thing.__qualname__}")["errors"]
    wrong = [f"{code}: {what}" for code, what in found if code in FINDINGS and not excused(name, thing, code)]
    assert not wrong


@pytest.mark.parametrize(("name", "thing"), PUBLIC, ids=[name for name, _ in PUBLIC])
def test_raised_errors_exist(name: str, thing: Any) -> None:
    text = inspect.getdoc(thing) or ""
    section = re.search(r"^Raises\n-+\n(.*?)(?:\n\n\w+\n-+\n|\Z)", text, re.MULTILINE | re.DOTALL)
    raised = re.findall(r"^(\w[\w, ]*)$", section[1], re.MULTILINE) if section else []
    assert {name for names in raised for name in names.split(", ")} <= known_errors(Exception)


def known_errors(base: type[Exception]) -> set[str]:
    return {base.__name__}.union(*map(known_errors, base.__subclasses__()))
