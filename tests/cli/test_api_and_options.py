"""What Python can, the command line can: every argument has an option, or a reason for having none."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

import alliance_bayes as ab
from alliance_bayes import moments
from alliance_bayes.checks.comparison import compare
from alliance_bayes.checks.conclusions import conclusions
from alliance_bayes.cli import app
from alliance_bayes.cli.fits import fit
from alliance_bayes.cli.options import SAMPLING
from alliance_bayes.study import StudyOptions

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
_MADE = "made by the command itself"
_OBJECTS = "objects of one's own exist in Python only"
_ASKED = "the command's own progress, on standard error"

#: What is called in Python: the command that does it, the parameters of other names, and why some have none.
CALLS: dict[Callable[..., Any], tuple[str, dict[str, str], dict[str, str]]] = {
    ab.Model: ("fit", {"formula": "card", "card": "words"}, {}),
    ab.Model.from_card: ("fit", {"path": "card"}, {}),
    ab.Model.to_card: ("card", {"path": "output"}, {}),
    ab.Model.fit: ("fit", {}, {"progress": _ASKED}),
    ab.Fit.save: ("fit", {"path": "output"}, {}),
    ab.Fit.effects: ("effects", {}, {}),
    ab.Fit.report: ("report", {"path": "output"}, {"options": "see Report"}),
    ab.Fit.check: ("check", {}, {"options": "see run_checks"}),
    ab.load_fit: ("effects", {"path": "fit"}, {}),
    ab.load_model: ("report", {"path": "card"}, {}),
    ab.Report: ("report", {}, {}),
    ab.Rendered.bundle: ("report", {"folder": "bundle"}, {}),
    ab.run_checks: (
        "check",
        {"effects": "estimands"},
        {"extra": "rows beside the fit's own, which no file of it holds"},
    ),
    ab.run_study: ("study", {}, {"tell": _ASKED, "progress": _ASKED, "options": "see StudyOptions"}),
    StudyOptions: ("study", {}, {}),
    ab.Study.report: ("study", {"path": "output"}, {}),
    ab.verify_report: (
        "verify",
        {"path": "report"},
        {"sections": _OBJECTS, "checks": _OBJECTS, "estimands": _OBJECTS, "tell": _ASKED},
    ),
    ab.read_cohort: (
        "validate",
        {"source": "cohort"},
        {"set_aside": "so for every command that uses some columns, and not where the table is checked"},
    ),
    ab.read_tables: (
        "validate",
        dict.fromkeys(("participants", "sessions", "surveys"), "cohort"),
        {"set_aside": "so for every command that uses some columns, and not where the table is checked"},
    ),
    # The options of reading are those of each table.
    ab.read_imputed: ("fit", {"source": "cohort"}, {"reading": "see read_cohort"}),
    ab.Fit.with_delta: ("effects", {}, {}),
    ab.attrition: ("attrition", {}, {"options": "see Model.fit"}),
    ab.reduce_table: ("reduce", {"source": "sources", "spec": "card"}, {}),
    moments.with_minimum: ("reduce", {"size": "min_cell"}, {"moments": _MADE}),
    ab.save_moments: ("reduce", {"path": "output", "spec": "card"}, {"moments": _MADE}),
    ab.load_moments: ("reduce", {"path": "sources"}, {}),
    ab.simulate_cohort: ("simulate", {"overrides": "settings"}, {}),
    ab.write_cohort: ("simulate", {"path": "output"}, {"cohort": _MADE}),
    ab.write_tables: ("simulate", {"directory": "tables"}, {"cohort": _MADE}),
    compare: ("compare", {}, {}),
    conclusions: ("compare", {}, {}),
}
#: What is a function or a method in Python, and no command.
NO_COMMAND = {
    "session_cohort": "made by a model whose rows are sessions (--rows sessions)",
    "with_alliance_parts": "made by a model that names them (--derived)",
    "fit_latent": "a part of 'study --full'; its result is no fit that other commands take",
    "instrument": "looks an entry of the catalogue up; docs/data.md lists them",
    "score": "of a data frame of items; readers score the items of tables themselves",
    "cronbach_alpha": "of a data frame of items",
    "mcdonald_omega": "of a data frame of items",
    "pseudo_true": "of a study of the package itself",
    "simulation_assumptions": "a table for readers of the simulation",
    "Model.prior_predictive": "draws, for ArviZ",
    "Model.pymc": "a graph of PyMC, to extend",
    "Fit.multiverse": "in the page of a model that says why its covariates are adjusted for",
    "Fit.plot": "a figure of matplotlib, for notebooks; --bundle writes the page's",
    "Study.models": "in the page and its JSON",
    "Study.rows": "in the page and its JSON",
    "Study.table": "in the page and its JSON",
    "Fit.to_arviz": "draws, for ArviZ",
    "Fit.predict": "draws, of a data frame",
}


def parameters(function: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name not in ("self", "fit")]


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.__qualname__)
def test_every_argument_has_an_option_or_a_reason(function: Callable[..., Any]) -> None:
    command, names, reasons = CALLS[function]
    options = {one.name for one in COMMANDS[command].params}
    ours = parameters(function)
    assert set(names) | set(reasons) <= set(ours)
    assert not set(names) & set(reasons)
    for name in ours:
        assert name in reasons or names.get(name, name) in options, f"{command} has no option for {name}"


def test_every_function_of_the_package_is_a_command_or_has_a_reason() -> None:
    named = {function.__qualname__ for function in CALLS} | set(NO_COMMAND)
    for name in ab.__all__:
        if inspect.isfunction(getattr(ab, name)):
            assert name in named
    # Methods that are the class's own; what a fit has of the effects is an estimand, which options name.
    for kind in (ab.Model, ab.Fit, ab.Study):
        for name, method in vars(kind).items():
            if not name.startswith("_") and callable(getattr(kind, name)) and not isinstance(method, property):
                assert f"{kind.__name__}.{name}" in named or name in ("pymc_model",), name


def test_commands_that_take_a_model_take_all_of_its_options() -> None:
    # Texts for missing values have the name of what becomes of them.
    named = ("formula", "card", "levels", "missing")
    wanted = {name for name in parameters(ab.Model) if name not in named} | {"words", "prior", "impute"}
    for command in ("card", "fit", "report", "reduce"):
        assert wanted <= {one.name for one in COMMANDS[command].params}, command


def test_everything_that_prints_prints_json_when_asked() -> None:
    for name, command in COMMANDS.items():
        assert "--json" in {option for one in command.params for option in one.opts}, name


def test_what_writes_a_page_writes_its_bundle() -> None:
    options = {name: {one.name for one in command.params} for name, command in COMMANDS.items()}
    wanted = {CALLS[ab.Rendered.bundle][1].get(name, name) for name in parameters(ab.Rendered.bundle)}
    for command in ("report", "study"):
        assert wanted <= options[command], command


def test_defaults_of_sampling_are_those_of_the_library() -> None:
    # Written out there, since the engines take a second to import and a command line should answer at once.
    library = {name: one.default for name, one in inspect.signature(ab.Model.fit).parameters.items()}
    ours = SAMPLING.arguments()
    assert {**ours, "seed": None} == {name: library[name] for name in ours}
    assert inspect.signature(fit).parameters["unit"].default == library["unit"]
    effects = {name: one.default for name, one in inspect.signature(ab.Fit.effects).parameters.items()}
    command = {one.name: one.default for one in COMMANDS["effects"].params}
    assert all(command[name] in (effects[name], None) for name in effects if name != "fit")
    checks = {name: one.default for name, one in inspect.signature(ab.run_checks).parameters.items()}
    command = {one.name: one.default for one in COMMANDS["check"].params}
    assert {name: command[name] for name in ("rate", "replicates", "seed")} == {
        name: checks[name] for name in ("rate", "replicates", "seed")
    }


def test_the_command_line_is_loaded_without_anything_that_takes_long() -> None:
    heavy = ("numpy", "pandas", "scipy", "pymc", "matplotlib", "arviz", "jinja2")
    code = f"import sys, alliance_bayes.cli; sys.exit(any(name in sys.modules for name in {heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=Path(__file__).parent).returncode == 0
