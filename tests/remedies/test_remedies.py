"""Every remedy that the package names: there is such an argument, and such an option where a command raises it."""

from __future__ import annotations

import ast
import inspect
import pickle
import re
import shlex
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes import checks, effects
from alliance_bayes import moments as of_moments
from alliance_bayes.checks.comparison import compare
from alliance_bayes.checks.conclusions import conclusions
from alliance_bayes.cli import app, command_line, main
from alliance_bayes.cli.files import ReadOptions, column_mapping
from alliance_bayes.cli.models import ModelOptions
from alliance_bayes.cli.options import SamplingOptions
from alliance_bayes.errors import DataError, Problem, UsageError
from alliance_bayes.model import ModelSpec
from alliance_bayes.model.arguments import _KINDS
from alliance_bayes.model.card import card_arguments
from alliance_bayes.remedies import CALLS, PYTHON, CommandLine, Message, argument, call, setting, worded
from alliance_bayes.study.options import StudyOptions

SOURCE = Path(ab.__file__).parent
READERS = ("validate", "fit", "report", "study", "verify")
SAMPLERS = ("fit", "report")

#: Room -> what is called there by name, and the commands that come through it; none where only Python does.
ROOMS: dict[str, tuple[tuple[Callable[..., Any], ...], tuple[str, ...]]] = {
    "api": ((ab.Model.fit,), ("report",)),
    "checks": ((checks.run_checks, compare, conclusions), ()),
    "cli/files": ((ab.read_cohort, ab.read_tables), READERS),
    "cli/pages": ((ab.Model, ab.Model.fit, ab.read_cohort, ab.read_tables), ("report",)),
    "cohort": ((ab.read_cohort, ab.read_tables), READERS),
    "fit": ((ab.Fit.imputed, ab.Fit.quantiles, ab.Fit.sd), ()),
    "formats": ((ab.read_cohort,), READERS),
    "simulation": ((ab.simulate_cohort,), ("simulate",)),
    "effects": (tuple(one for one in vars(effects).values() if inspect.isfunction(one)), ()),
    "effects/delta": ((ab.Fit.with_delta, ab.Model), ()),
    "effects/tipping": ((ab.Fit.tipping_point, effects.TippingPoint.draws, ab.Model), ()),
    "effects/analysis": ((effects.effects, ab.read_cohort), ()),
    "effects/options": ((ab.Fit.contrasts, effects.effects), ("effects", "report")),
    "kinds": ((effects.effects,), ("effects", "report")),
    "engines": ((ab.Model.fit,), SAMPLERS),
    "latent": ((ab.fit_latent,), ()),
    # Whose a row is and when it was, of whatever reads a table.
    "model": ((ab.Model.fit, ab.read_cohort), ("fit", "report", "study")),
    "verify": ((ab.read_cohort,), ("verify",)),
    "moments": ((ab.reduce_table, of_moments.with_minimum), ("reduce",)),
    "report": ((ab.Report,), ("report",)),
    "report/plots": ((ab.Fit.plot, ab.Model), ()),
    "report/bundle/word": ((ab.Rendered.bundle,), ("report", "study")),
    "study": ((ab.run_study, StudyOptions), ("study",)),
    "study/study": ((ab.read_cohort,), ("study",)),
}


@cache
def calls_in_source() -> list[tuple[Path, ast.Call, str]]:
    """Every use of a field in the package: file, call, kind."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if path.name == "remedies.py" or "alliance_bayes.remedies import" not in text:
            continue
        found += [
            (path, node, node.func.id)
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("argument", "setting", "call")
        ]
    return found


def room_of(path: Path) -> str:
    own = path.relative_to(SOURCE).with_suffix("").as_posix()
    return own if own in ROOMS else own.partition("/")[0]


def names_of(node: ast.Call, path: Path) -> list[str]:
    """The name that a call gives, or all that it may give where it is computed."""
    first = node.args[0]
    if isinstance(first, ast.Constant):
        assert isinstance(first.value, str)
        return [first.value]
    return COMPUTED[(path.relative_to(SOURCE).as_posix(), ast.unparse(first))]


#: Names that are computed where they are used.
COMPUTED = {
    ("api.py", "next(iter(reading))"): ["person", "time", "unit", "instruments"],
    ("cohort/imputed.py", "ways[0]"): ["person", "time", "unit", "instruments"],
    ("cli/files.py", "long[0]"): ["person", "time", "unit"],
    ("cli/files.py", "of_one[0]"): ["instruments", "subscales"],
    ("cli/files.py", "single[0]"): ["sheet", "wide", "join", "labels"],
    ("cli/files.py", "surveys[0]"): ["baseline", "followup", "min_days_between", "max_days_into_care"],
    ("cli/files.py", "next(iter(stated))"): list(inspect.signature(ReadOptions).parameters),
    # Of a fit that was made before; three of the model's stand for an entry of an argument,
    # for the words of one, and for a value of one.
    ("cli/pages.py", "named"): [
        name
        for group in (ModelOptions, ReadOptions, SamplingOptions)
        for name in inspect.signature(group).parameters
        if name not in ("prior", "words", "impute")
    ],
    ("cohort/read.py", "name"): ["categorical", "numeric", "missing"],
    ("cohort/persons.py", "argued"): ["person", "time", "unit"],
    ("cohort/scoring.py", "name"): ["baseline", "followup", "min_days_between", "max_days_into_care"],
    ("simulation/simulate.py", "name"): ["n", "seed"],
    ("model/derivations.py", "key"): ["events", "among"],
    ("model/arguments.py", "name"): [*_KINDS],
    ("model/missingness.py", "name"): ["auxiliary", "error", "reliability"],
    ("model/missingness.py", "key"): ["error", "reliability"],
    ("engines/nuts.py", "name"): ["draws", "tune", "chains", "cores", "seed"],
    ("verify/verification.py", "name"): ["person", "time", "unit"],
    ("verify/verification.py", "differing[0]"): ["person", "time", "unit"],
    ("study/options.py", "name"): ["improvement", "margin", "alliance_margin"],
}


def parameters(function: Callable[..., Any]) -> set[str]:
    return set(inspect.signature(function).parameters)


@cache
def options_of(command: str) -> set[str]:
    import typer

    return {option for one in typer.main.get_command(app).commands[command].params for option in one.opts}


def test_every_argument_that_a_message_names_exists_in_python_and_on_the_command_line() -> None:
    seen = 0
    for path, node, kind in calls_in_source():
        if kind != "argument":
            continue
        functions, commands = ROOMS[room_of(path)]
        for name in names_of(node, path):
            seen += 1
            assert any(name in parameters(function) for function in functions), f"{path}:{node.lineno} {name}"
            for command in commands:
                option = command_line(command).argument(name, None)
                assert option in options_of(command), f"{path}:{node.lineno} {name} of {command}"
    assert seen > 60


def test_every_setting_that_a_message_names_is_one_of_models_and_cards() -> None:
    names = {name for path, node, kind in calls_in_source() if kind == "setting" for name in names_of(node, path)}
    assert names >= {"scales", "levels", "residual_by", "autoscale"}
    assert names <= parameters(ModelSpec)
    with pytest.raises(ab.FileFormatError) as caught:
        card_arguments('format = 4\nformula = "y ~ x"\nnonsense = 1\n')
    known = re.search(r"Known keys: (.*)\.$", str(caught.value))
    assert known is not None
    assert names <= set(known[1].split(", "))


def test_every_function_that_a_message_names_has_words_for_both() -> None:
    used = {node.args[0].value for _, node, kind in calls_in_source() if kind == "call"}  # type: ignore[attr-defined]
    assert used | {"DataError.problems"} == set(CALLS)
    commands = {command for _, words in CALLS.values() for command in re.findall(r"'alliance-bayes (\w+)'", words)}
    for command in commands:
        assert options_of(command)


#: Words before an equals sign in messages that are no remedies: attributes and options within formulas and numbers.
NO_REMEDY = re.compile(r"^, (?:knots|df)=|\b(s|bs|poly|contrasts)\(|<|\bid=|simulated \(|\bmean=\{")


def test_no_message_names_an_argument_past_the_fields() -> None:
    """A remedy written out as Python has it would not be worded for the command line."""
    named = re.compile(r"(?<![\w'\"{-])([a-z_]{2,})=(?=[.'\"\[({A-Z0-9])")
    for path in sorted(SOURCE.rglob("*.py")):
        own = path.relative_to(SOURCE).as_posix()
        if own.startswith(("cli", "remedies", "report/", "verify/", "checks/plots")):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and _makes_an_error(node))):
                continue
            for text in ast.walk(node):
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    found = named.search(text.value)
                    assert not found or NO_REMEDY.search(text.value), f"{own}:{text.lineno}: {text.value}"


def _makes_an_error(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id in ("Problem", "Fault", "CellError")


def test_commands_that_read_have_every_option_of_the_readers() -> None:
    ours = parameters(ab.read_cohort) | parameters(ab.read_tables)
    # What is read is the command's argument, and what is set aside follows from what it does.
    ours -= {"source", "participants", "sessions", "surveys", "set_aside"}
    assert set(inspect.signature(ReadOptions).parameters) == ours
    for command in READERS:
        assert ours <= set(command_line(command).options)
    assert parameters(ab.reduce_table) - {"source", "spec"} <= set(command_line("reduce").options)


FIT = CommandLine(
    "fit",
    {"sep": "--sep", "columns": "--map", "levels": "--levels", "missing": "--missing", "trials": "--trials"},
)


@pytest.mark.parametrize(
    ("text", "python", "command"),
    [
        (argument("sep"), "sep", "--sep"),
        (argument("sep", ";"), "sep=';'", "--sep ';'"),
        (argument("decimal", ","), "decimal=','", "decimal=',' of Python"),
        (argument("sep", ","), "sep=','", "--sep ','"),
        (argument("sep", "\t"), r"sep='\t'", r"--sep '\t'"),
        (argument("missing", ["NA", "-9"]), "missing=['NA', '-9']", "--missing NA --missing=-9"),
        (argument("missing", ...), "missing=...", "--missing ..."),
        (
            argument("columns", {"age": "Age at intake"}),
            "columns={'age': 'Age at intake'}",
            "--map 'age=Age at intake'",
        ),
        (
            argument("columns", {"surveys": {"date": "day"}}),
            "columns={'surveys': {'date': 'day'}}",
            "--map surveys.date=day",
        ),
        (argument("levels", {"sex": ["f", "a, b"]}), "levels={'sex': ['f', 'a, b']}", """--levels 'sex=f,"a, b"'"""),
        (argument("draws", 500), "draws=500", "draws=500 of Python"),
        (setting("autoscale", True), "autoscale=True", "autoscale = true in the card"),
        (setting("levels", {"g": ["1", "2"]}), "levels={'g': ['1', '2']}", "--levels 'g=1,2'"),
        (setting("roles", {"g": "person"}), "roles={'g': 'person'}", 'g = "person" under [roles] in the card'),
        (setting("trials", "n"), "trials='n'", "--trials n"),
        (setting("trials"), "trials", "--trials"),
        (setting("roles"), "roles", "roles"),
        (
            setting("scales", {"a b": {"mean": ..., "lower": 0}}),
            "scales={'a b': Scale(mean=..., lower=0)}",
            '[scales."a b"] with mean = ..., lower = 0 in the card',
        ),
        (call("save_moments"), "save_moments()", "'alliance-bayes reduce'"),
    ],
)
def test_how_fields_are_worded(text: str, python: str, command: str) -> None:
    assert worded(f"a {text}.", PYTHON) == f"a {python}."
    assert worded(f"a {text}.", FIT) == f"a {command}."


def test_what_is_not_wanted_is_an_option_that_says_so() -> None:
    command = CommandLine("report", {"docx": "--docx"})
    assert worded(argument("docx", False), PYTHON) == "docx=False"
    assert worded(argument("docx", False), command) == "--no-docx"
    assert worded(argument("docx", True), command) == "--docx"


#: What says of which model a command is: a formula, or a card that says everything itself.
OF_FORMULA = ["y ~ x", "clinic.csv", "--role=g=person", "--impute"]
OF_CARD = ["card.toml", "clinic.csv", "--centre", "a=1", "--sigma", "~ a"]
TAKE_A_MODEL = ("card", "fit", "report", "reduce")


@pytest.mark.parametrize("command", TAKE_A_MODEL)
def test_every_message_about_an_argument_of_a_model_names_the_option(command: str) -> None:
    """Also one that asks for nothing: in Python the argument, on the command line the option, or the card's key."""
    of_formula, of_card = command_line(command, OF_FORMULA), command_line(command, OF_CARD)
    named = {name for path, node, kind in calls_in_source() if kind == "setting" for name in names_of(node, path)}
    assert named >= {"roles", "centre", "against", "auxiliary", "error", "covariates"}
    # What a model has no option for is that of reading a table, where there is one.
    readable = named - ({"levels", "missing"} if command in ("card", "reduce") else set())
    for name in readable:
        option = worded(setting(name), of_formula)
        assert option in options_of(command), name
        assert worded(setting(name), PYTHON) == name
        # A card's own words are told by its keys; what an option replaces by the option.
        assert worded(setting(name), of_card) == (option if name in ("centre", "sigma", "levels", "missing") else name)
        # What to give is an option in any case.
        assert worded(setting(name, ...), of_card) == f"{option} ..."
    assert worded(setting("missing", "impute"), command_line("card", OF_CARD)) == "--impute"
    assert worded(setting("roles", {"g": "group"}), command_line("effects")) == (
        "--role g=group of 'alliance-bayes fit'"
    )


#: A bad value of each option of a model that can be seen in the formula alone; none where the table says it.
WRONG = {
    "focal": "zz",
    "against": "zz",
    "alliance": "zz",
    "roles": "zz=person",
    "centre": "x=much",
    "scales": "x:mean=1",
    "residual_by": "y",
    "sigma": "~ 1",
    "trials": "n",
    "auxiliary": "z",
    "error": "x=much",
    "reliability": "x=much",
    "covariates": "zz=confounder",
    "weights": "w",
    "weights_kind": "frequency",
    "rows": "weeks",
    "derived": "zz",
    "among": "x:near=2",
}
#: Those whose messages say what is meant without the argument's name, and those whose value no formula makes wrong.
WITHOUT_NAME = {"family", "priors", "prior", "exhaustive", "contrast", "autoscale", "impute", "events", "words"}


@pytest.mark.parametrize("name", WRONG)
def test_a_bad_option_is_called_by_its_name(name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert set(WRONG) | WITHOUT_NAME == set(inspect.signature(ModelOptions).parameters)
    option = command_line("card").options[name]
    with pytest.raises(SystemExit) as ended:
        main(["card", "y ~ x + (1 | g)", option, WRONG[name], "--output", str(tmp_path / "card.toml")])
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert re.search(rf"(?<![\w-]){option}(?![\w-])", said), said
    # The name alone would be what Python calls it.
    assert not re.search(rf"(?<![\w-]){name} (names|of '|should|is for)", said), said


def test_no_message_names_an_argument_of_a_model_by_its_bare_name() -> None:
    names = "|".join(sorted(parameters(ModelSpec) - {"rows", "levels", "card", "formula", "family", "alliance"}))
    bare = re.compile(
        rf"(?:^|[.;:] )(?:{names}) (?:names|should be|of '?$|is for)|[Rr]emove (?:{names})\b|under '(?:{names})'"
    )
    for path in sorted((SOURCE / "model").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                text = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
                assert not bare.search(text), f"{path.name}:{node.lineno}: {text}"


def test_an_option_of_another_command_is_named_with_it() -> None:
    assert command_line("effects").argument("engine", "nuts") == "--engine nuts of 'alliance-bayes fit'"
    assert command_line("report").argument("engine", "nuts") == "--engine nuts"


@given(st.text(min_size=1), st.text(min_size=1))
def test_what_the_command_line_is_told_to_pass_is_what_it_reads(name: str, column: str) -> None:
    """Of any mapping of columns: split as a shell does, it is the mapping again."""
    if "=" in name or "\0" in name + column or "\t" in name + column:
        return
    shown = worded(argument("columns", {name: column}), FIT)
    words = shlex.split(shown)
    pair = words[1] if len(words) == 2 else words[0].removeprefix("--map=")
    assert column_mapping([pair]) == {name: column}


@given(st.text(), st.text(), st.text())
def test_text_of_strangers_is_never_lost_and_never_fails(before: str, forged: str, after: str) -> None:
    """Whatever stands beside a field stays; what looks like a field and is none stays too."""
    kept = before.replace("\ufdd0", ""), after.replace("\ufdd2", "")
    text = f"{kept[0]}{argument('sep', ';')}{kept[1]}"
    assert worded(text, FIT) == f"{kept[0]}--sep ';'{kept[1]}"
    fake = f"\ufdd0argument\ufdd1x\ufdd1{forged}\ufdd2"
    assert isinstance(worded(fake, FIT), str)
    assert isinstance(str(UsageError(fake)), str)


def test_errors_speak_python_until_they_are_asked_and_survive_pickling() -> None:
    error = UsageError(f"Pass {argument('sep', ';')}.")
    problem = Problem("age", 2, "x", f"is {argument('sep')}", f"Pass {argument('missing', ['x'])}.")
    others = [Problem("age", row, str(row), problem.what, problem.remedy) for row in range(3, 33)]
    table = DataError([problem, *others], source="a.csv")
    assert str(error) == error.args[0] == "Pass sep=';'."
    assert problem.remedy == "Pass missing=['x']."
    for one in (error, table):
        again = pickle.loads(pickle.dumps(one))
        assert str(again) == str(one)
        assert again.worded(FIT) == one.worded(FIT)
    assert error.worded(FIT) == "Pass --sep ';'."
    assert "--missing x" in table.worded(FIT)
    assert ".problems" in str(table)
    assert ".problems" not in table.worded(FIT)
    assert Message(Message("a")).template == "a"
