"""What commands read and write: how tables are read, and outputs that are checked before a minute of work."""

from __future__ import annotations

import csv
import datetime as dt
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, overload

import typer

import alliance_bayes as ab
from alliance_bayes.atomic import check_folder, check_outputs
from alliance_bayes.cli import complete
from alliance_bayes.cli.console import say, tell_problem
from alliance_bayes.cli.groups import OptionGroup
from alliance_bayes.cli.places import check_place
from alliance_bayes.errors import Problem
from alliance_bayes.remedies import argument

__all__ = [
    "DEMO_N",
    "DEMO_SEED",
    "READ",
    "Decimal",
    "Map",
    "Missing",
    "Prorate",
    "ReadOptions",
    "check_file",
    "check_page",
    "check_source",
    "check_tables",
    "column_mapping",
    "demonstration",
    "levels_of",
    "prorate_argument",
    "read",
]

# The demonstration: the published study's size, and a seed anybody can name.
DEMO_N, DEMO_SEED = 3087, 7

_OF_SURVEYS = ("baseline", "followup", "min_days_between", "max_days_into_care", "date_format", "today")

Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        help="Column mapping NAME=COLUMN, e.g. age='Age at intake'; in a folder TABLE.NAME=COLUMN. May be repeated.",
    ),
]

Missing = Annotated[
    list[str] | None,
    typer.Option(
        help="Text that stands for a missing value, as an empty cell always does; by default NA and NaN. May be "
        "repeated. In place of a text, impute or drop: what becomes of rows that lack a value.",
        show_default=False,
    ),
]
Decimal = Annotated[str, typer.Option(help="Decimal mark of numbers in text files.")]
Prorate = Annotated[
    list[str] | None,
    typer.Option(
        help="Least share of a score's items that must be answered (0.8; by default all), or instrument: as its own "
        "rule has it. For some only: phq9=0.75, by instrument or column. May be repeated.",
        metavar="SHARE|NAME=SHARE",
        show_default=False,
    ),
]

#: Options that are pairs, each with an example.
_PAIRS = {
    "instruments": "--instrument alliance=wai_sr",
    "wide": "--wide who5=who5_t{time}",
    "join": "--join therapist_id=therapists.xlsx",
    "labels": "--label age='age at intake'",
}

# A folder of tables has a handful of files.
_MOST = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions(OptionGroup):
    """How tables are read."""

    panel: ClassVar[str] = "Reading"

    columns: Map = None
    levels: Annotated[
        list[str] | None,
        typer.Option(
            help="Levels of a column in order, NAME=LEVEL,LEVEL (in double quotation marks if they hold commas). May "
            "be repeated.",
            show_default=False,
        ),
    ] = None
    categorical: Annotated[
        list[str] | None,
        typer.Option(help="A further column to read as a factor, whatever it holds. May be repeated."),
    ] = None
    numeric: Annotated[
        list[str] | None, typer.Option(help="A further column to read as numbers. May be repeated.", show_default=False)
    ] = None
    missing: Missing = None
    encoding: Annotated[
        str | None, typer.Option(help="Encoding of a text file; UTF-8 by default, or what its mark says.")
    ] = None
    decimal: Decimal = "."
    sep: Annotated[
        str | None,
        typer.Option(
            help="Separator of a text file (\\t for tabs, a space for any number of them); by default the one its "
            "ending stands for."
        ),
    ] = None
    sheet: Annotated[
        str | None,
        typer.Option(help="Name of a workbook's sheet; by default the only one with cells.", show_default=False),
    ] = None
    prorate: Prorate = None
    instruments: Annotated[
        list[str] | None,
        typer.Option(
            "--instrument",
            autocompletion=complete.instruments,
            help="Which instrument a column is a score of, where its name does not say so: mood=phq9, "
            "alliance=wai_sr. By default the alliance is a mean rating of 1 to 5. May be repeated.",
            show_default=False,
        ),
    ] = None
    subscales: Annotated[
        list[str] | None,
        typer.Option(
            "--subscale",
            help="A subscale to score from its items, such as wai_goal. May be repeated.",
            show_default=False,
        ),
    ] = None
    person: Annotated[
        str | None,
        typer.Option(
            help="Column that says whose a row is, of a table with several rows a person.", show_default=False
        ),
    ] = None
    time: Annotated[
        str | None,
        typer.Option(help="With --person: column that says when a row was, numbers or dates.", show_default=False),
    ] = None
    unit: Annotated[str, typer.Option(help="With --person: what a row is called, such as session or week.")] = "row"
    wide: Annotated[
        list[str] | None,
        typer.Option(
            help="With --person: a measure and how its columns are named, one a time, in a table with one row a "
            "person: who5=who5_t{time}. May be repeated.",
            metavar="NAME=PATTERN",
            show_default=False,
        ),
    ] = None
    join: Annotated[
        list[str] | None,
        typer.Option(
            help="A second table with one row for each value of a key that both have: therapist_id=therapists.xlsx, or "
            "therapist_id=staff.xlsx:Therapists for a sheet. May be repeated.",
            metavar="KEY=TABLE[:SHEET]",
            show_default=False,
        ),
    ] = None
    labels: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            help="What a page calls a column: age='age at intake'. By default what the file calls it, if it does. May "
            "be repeated.",
            metavar="NAME=WORDS",
            show_default=False,
        ),
    ] = None
    baseline: Annotated[
        str | None,
        typer.Option(
            help="Of three tables: first (survey; the default) or before_care (the last that can be a baseline). Only "
            "surveys before care can.",
            show_default=False,
        ),
    ] = None
    followup: Annotated[
        str | None,
        typer.Option(
            help="Of three tables: last (the default) or first survey that is late enough, after care began.",
            show_default=False,
        ),
    ] = None
    min_days_between: Annotated[
        int | None,
        typer.Option(help="Of three tables: least days from baseline to follow-up; by default 14.", show_default=False),
    ] = None
    max_days_into_care: Annotated[
        int | None,
        typer.Option(
            help="Of three tables: days after the first session within which a survey can be a baseline; by default 0.",
            show_default=False,
        ),
    ] = None
    date_format: Annotated[
        str | None,
        typer.Option(
            help="Of three tables, and with --time: how dates are written, such as '%d.%m.%Y'; by default YYYY-MM-DD.",
            show_default=False,
        ),
    ] = None
    today: Annotated[
        str | None,
        typer.Option(
            help="Of three tables: last day that a date may fall on (YYYY-MM-DD); by default the day of the call.",
            show_default=False,
        ),
    ] = None


#: What is given where nothing is.
READ = ReadOptions()


def check_source(command: str, cohort: Path | None, demo: bool) -> None:
    """Refuse a command that names no data, or two.

    Raises
    ------
    UsageError
        Either of them.
    """
    if demo == (cohort is not None):
        raise ab.UsageError(f"give either a COHORT or --demo. 'alliance-bayes {command} --help' shows how.")


def demonstration() -> ab.Cohort:
    """The simulated cohort that stands for a table."""
    say(f"simulating the demonstration cohort ({DEMO_N:,} participants, seed {DEMO_SEED})")
    return ab.simulate_cohort(n=DEMO_N, seed=DEMO_SEED)


@overload
def read(path: Path | None, options: ReadOptions, *, set_aside: bool = True) -> ab.Cohort | ab.Moments: ...
@overload
def read(
    path: Path | None, options: ReadOptions, *, set_aside: bool = True, several: bool
) -> ab.Cohort | ab.Moments | ab.ImputedTables: ...
def read(
    path: Path | None, options: ReadOptions, *, set_aside: bool = True, several: bool = False
) -> ab.Cohort | ab.Moments | ab.ImputedTables:
    """Read a table, a folder with three tables, or moments; without a path, simulate the demonstration cohort.

    Parameters
    ----------
    path
        Where the data are.
    options
        How to read them.
    set_aside
        Whether columns that break their rules are an error only for those who use them.
    several
        Whether a table may hold several completed ones.

    Raises
    ------
    UsageError
        Options that do not go with what the path is.
    """
    stated = options.given()
    # How dates are written is also said of one table in which a column tells when its rows were.
    surveys = [name for name in _OF_SURVEYS if name in stated and not (name == "date_format" and "time" in stated)]
    if surveys and (path is None or not path.is_dir()):
        raise ab.UsageError(
            f"{argument(surveys[0])} is for surveys and sessions, and needs a folder with the three tables. A table "
            "with one row a participant has its scores chosen: leave it out."
        )
    if path is None:
        if stated:
            raise ab.UsageError(f"{argument(next(iter(stated)))} tells how to read a table, and --demo reads none.")
        return demonstration()
    check_place(str(path), "table")
    if str(path) == "-":
        path = Path("/dev/stdin")
    if path.suffix == ".nc":
        if stated:
            raise ab.UsageError(
                f"'{path.name}' holds moments, not text. Leave out the options that tell how to read it."
            )
        return ab.load_moments(path)
    arguments = _arguments(stated)
    if path.is_dir():
        from alliance_bayes.cohort.tables import TABLES

        if long := [name for name in ("person", "time", "unit") if name in stated]:
            raise ab.UsageError(
                f"{argument(long[0])} is for one table with several rows a person, and '{path.name}' is a folder of "
                "three, of which the participants' has one. Leave it out; a card asks for one row a session by 'rows'."
            )
        arguments["columns"] = _mappings_of_tables(options.columns)
        if of_one := [name for name in ("instruments", "subscales") if name in stated]:
            raise ab.UsageError(
                f"{argument(of_one[0])} is for one table, and '{path.name}' is a folder of three, whose sessions are "
                "rated 1 to 5. Leave it out."
            )
        if single := [name for name in ("sheet", "wide", "join", "labels") if name in stated]:
            raise ab.UsageError(
                f"{argument(single[0])} is for one table, and '{path.name}' is a folder of three. Leave it out."
            )
        cohort = ab.read_tables(*(_table_of(path, name) for name in TABLES), **arguments, set_aside=set_aside)
    else:
        from alliance_bayes.cohort.imputed import ImputedTables, read_one_or_several

        arguments["columns"] = column_mapping(options.columns)
        table = read_one_or_several(path, **arguments, set_aside=set_aside)
        if isinstance(table, ImputedTables):
            if not several:
                raise ab.UsageError(
                    f"'{path.name}' holds {len(table)} completed tables, numbered in '.imp', and this "
                    "command takes one table. 'alliance-bayes fit', 'report' and 'verify' take them."
                )
            return table
        cohort = table
    for note in cohort.notes:
        tell_problem("note", note)
    if set_aside and cohort.aside:
        named = ", ".join(f"'{name}'" for name in cohort.aside)
        what = f"has columns that cannot be read and are set aside: {named}"
        tell_problem("note", Problem(None, None, None, what, "'alliance-bayes validate' says what is wrong with them."))
    return cohort


def levels_of(options: ReadOptions) -> tuple[str, ...]:
    """The columns whose levels the options declare."""
    return tuple(_levels(options.levels or []))


def column_mapping(pairs: list[str] | None) -> dict[str, str]:
    """NAME=COLUMN pairs as a mapping.

    Raises
    ------
    UsageError
        A pair without a name, an equals sign or a column, or a name that is given twice.
    """
    mapping: dict[str, str] = {}
    for pair in pairs or []:
        name, equals, column = pair.partition("=")
        if not (name and equals and column):
            raise ab.UsageError(f"--map {pair!r} should be NAME=COLUMN, such as --map age='Age at intake'.")
        if mapping.setdefault(name, column) != column:
            raise ab.UsageError(f"--map gives two columns for {name!r}, {mapping[name]!r} and {column!r}. Choose one.")
    return mapping


def _mappings_of_tables(pairs: list[str] | None) -> dict[str, dict[str, str]]:
    """TABLE.NAME=COLUMN pairs as mappings by table."""
    from alliance_bayes.cohort.tables import TABLES

    mappings: dict[str, dict[str, str]] = {}
    for name, column in column_mapping(pairs).items():
        table, dot, canonical = name.partition(".")
        if table not in TABLES or not (dot and canonical):
            raise ab.UsageError(
                f"--map {name!r} should name one of the three tables too, such as --map surveys.date='filled in on'."
            )
        mappings.setdefault(table, {})[canonical] = column
    return mappings


def _arguments(stated: Mapping[str, Any]) -> dict[str, Any]:
    """Options as the arguments that they stand for, but for the mapping of columns."""
    arguments = {name: value for name, value in stated.items() if name != "columns"}
    if "levels" in arguments:
        arguments["levels"] = _levels(arguments["levels"])
    if "prorate" in arguments:
        arguments["prorate"] = prorate_argument(arguments["prorate"])
    for name, example in _PAIRS.items():
        if name in arguments:
            arguments[name] = _mapping(arguments[name], example)
    if "join" in arguments:
        arguments["join"] = {key: _table_and_sheet(table) for key, table in arguments["join"].items()}
    if arguments.get("sep") == "\\t":
        arguments["sep"] = "\t"
    if "today" in arguments:
        try:
            arguments["today"] = dt.date.fromisoformat(arguments["today"])
        except ValueError:
            raise ab.UsageError(f"--today {arguments['today']!r} should be a day, written YYYY-MM-DD.") from None
    return arguments


def prorate_argument(texts: list[str] | None) -> Any:
    """A share, the word, or several of them by name, as the argument that they stand for."""

    def rule(text: str) -> float | str:
        try:
            return float(text)
        except ValueError:
            return text

    if not texts:
        return None
    if len(texts) == 1 and "=" not in texts[0]:
        return rule(texts[0])
    parts = [text.partition("=") for text in texts]
    if not all(name and equals and share for name, equals, share in parts):
        raise ab.UsageError(
            "--prorate should be one share for all scores (--prorate 0.8), or a share each (--prorate phq9=0.75)."
        )
    return {name: rule(share) for name, _, share in parts}


def _mapping(pairs: list[str], example: str) -> dict[str, str]:
    """NAME=VALUE pairs as a mapping."""
    option = example.partition(" ")[0]
    mapping: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise ab.UsageError(f"{option} {pair!r} should be NAME=VALUE, such as {example}.")
        if mapping.setdefault(name, value) != value:
            raise ab.UsageError(f"{option} gives two values for {name!r}, {mapping[name]!r} and {value!r}. Choose one.")
    return mapping


def _table_and_sheet(text: str) -> str | tuple[str, str]:
    """A table, or a workbook and the name of its sheet after a colon."""
    from alliance_bayes.cohort.files import SHEETS

    path, colon, sheet = text.rpartition(":")
    return (path, sheet) if colon and sheet and path.lower().endswith(SHEETS) else text


def _levels(pairs: list[str]) -> dict[str, list[str]]:
    """NAME=LEVEL,LEVEL pairs as a mapping."""
    levels: dict[str, list[str]] = {}
    for pair in pairs:
        name, equals, listed = pair.partition("=")
        try:
            rows = list(csv.reader([listed], skipinitialspace=True, strict=True))
        except csv.Error:
            rows = []
        if not (name and equals and listed) or len(rows) != 1 or name in levels:
            raise ab.UsageError(
                f"--levels {pair!r} should be NAME=LEVEL,LEVEL once for each column, such as --levels sex=female,male."
            )
        levels[name] = [level.strip() for level in rows[0]]
    return levels


def _table_of(folder: Path, name: str) -> Path:
    """The one file of a folder that holds a table; the usual one where none is there, so that reading says so."""
    from alliance_bayes.cohort.files import ENDINGS

    paths = [path for ending in ENDINGS if (path := folder / f"{name}{ending}").exists()]
    if len(paths) > 1:
        listed = " and ".join(path.name for path in paths)
        raise ab.UsageError(f"'{folder}' holds the {name} more than once: {listed}. Remove all but one.")
    return paths[0] if paths else folder / f"{name}.csv"


def check_file(output: Path, suffixes: tuple[str, ...], *inputs: Path | None) -> None:
    """Refuse an output that could not be written, or is one of the inputs.

    Raises
    ------
    UsageError, WriteError
        Another ending, or see `check_outputs`.
    """
    if output.suffix not in suffixes:
        raise ab.UsageError(f"output '{output}' should end in {' or '.join(suffixes)}. Rename it.")
    check_outputs(output, inputs=_files(*inputs))


def check_page(
    output: Path, key: Path | None, *inputs: Path | None, bundle: Path | None = None, docx: bool = True
) -> None:
    """The same of a page, with its numbers and its key, and of its bundle."""
    from alliance_bayes.report.page import check_target

    read = list(_files(*inputs))
    page = check_target(output, key=key, inputs=read)
    if bundle is not None:
        from alliance_bayes.report.bundle import check_bundle

        check_bundle(bundle, docx=docx, inputs=[*page, *read])


def check_tables(output: Path, folder: Path | None) -> None:
    """The same of a simulated table, and of the folder for the three tables behind it.

    Raises
    ------
    UsageError, WriteError
        See `check_outputs` and `check_folder`.
    """
    from alliance_bayes.cohort.tables import TABLES

    if folder is not None:
        check_folder(folder)
    three = [] if folder is None or not folder.is_dir() else [folder / f"{name}.csv" for name in TABLES]
    check_outputs(output, *three)


def _files(*inputs: Path | None) -> Iterator[Path]:
    for path in inputs:
        if path is not None:
            yield path
            if path.is_dir() and path.suffix != ".zarr":
                yield from itertools.islice(path.iterdir(), _MOST)
