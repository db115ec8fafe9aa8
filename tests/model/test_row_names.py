"""Errors that are found after rows were left out name rows as the file numbers them, or by their index labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.cli import main
from alliance_bayes.cohort.weights import repeated

N, AT = 40, 25
#: Places of rows that lack a predictor and are left out before a fault at `AT` is found.
LACKING = (1, 4, 17)
SCALE = {"lower": 0, "upper": 20, "step": 1, "mean": 5, "sd": 3}

type Case = tuple[str, Mapping[str, Any], str, object, str]
CASES: Mapping[str, Case] = {
    "negative count": ("count ~ x", {"family": "poisson"}, "count", -1.0, "is not a count (0, 1, 2, ...)"),
    "no whole count": ("count ~ x", {"family": "negative_binomial"}, "count", 1.5, "is not a count (0, 1, 2, ...)"),
    "no event": ("event ~ x", {"family": "bernoulli"}, "event", 2.0, "is not 0 or 1"),
    "no level": (
        "count ~ x",
        {"family": "beta_binomial", "scales": {"count": SCALE}},
        "count",
        25.0,
        "is not one of the 21 levels from 0 to 20",
    ),
    "beyond the scale": (
        "y ~ x",
        {"family": "censored_gaussian", "scales": {"y": {"lower": -9, "upper": 9, "mean": 0, "sd": 1}}},
        "y",
        9.5,
        "is outside -9 to 9",
    ),
    "more successes": (
        "event ~ x",
        {"family": "binomial", "trials": "asked"},
        "event",
        7.0,
        "is not a count from 0 to the number of trials",
    ),
    "no trials": (
        "event ~ x",
        {"family": "binomial", "trials": "asked"},
        "asked",
        0.0,
        "is not a number of trials (1, 2, ...)",
    ),
    "logarithm": ("y ~ x + log(asked)", {}, "asked", 0.0, "is not a finite number"),
    "logarithm of imputed": ("y ~ x + log(asked)", {"missing": "impute"}, "asked", 0.0, "is not a finite number"),
    "logarithm of repeated": (
        "y ~ x + log(asked)",
        {"weights": "w", "weights_kind": "frequency"},
        "asked",
        0.0,
        "is not a finite number",
    ),
    "logarithm of the SD": ("y ~ x", {"sigma": "~ log(asked)"}, "asked", 0.0, "is not a finite number"),
    "logarithm of an offset": (
        "count ~ x + offset(log(asked))",
        {"family": "poisson"},
        "asked",
        0.0,
        "is not a finite number",
    ),
    "negative weight": (
        "y ~ x",
        {"weights": "w", "weights_kind": "sampling"},
        "w",
        -1.0,
        "is negative, but a weight is 0 or more",
    ),
    "no weight": ("y ~ x", {"weights": "w", "weights_kind": "sampling"}, "w", np.nan, "has no weight"),
    "no whole weight": (
        "y ~ x",
        {"weights": "w", "weights_kind": "frequency"},
        "w",
        1.5,
        "is no whole number of people",
    ),
    "undeclared level": ("y ~ x + arm", {"levels": {"arm": ("a", "b")}}, "arm", "c", "is not a declared level"),
}


def table() -> pd.DataFrame:
    rng = np.random.default_rng(16)
    data = pd.DataFrame(
        {
            "x": rng.normal(size=N).round(3),
            "y": rng.normal(size=N).round(3),
            "count": rng.poisson(4, N).astype(float),
            "event": np.tile([0.0, 1.0], N // 2),
            "asked": rng.integers(2, 6, N).astype(float),
            "w": rng.integers(1, 3, N).astype(float),
            "arm": np.tile(["a", "a", "b", "b"], N // 4),
        }
    )
    data.loc[list(LACKING), "x"] = np.nan
    return data


def broken(column: str, value: object) -> pd.DataFrame:
    data = table()
    data.loc[AT, column] = value
    return data


def model_of(formula: str, settings: Mapping[str, Any]) -> ab.Model:
    scales = {name: ab.Scale(**facts) for name, facts in settings.get("scales", {}).items()}
    return ab.Model(formula, **{**settings, **({"scales": scales} if scales else {})})


def problems_of(work: Callable[[], object]) -> tuple[str, list[tuple[object, str]]]:
    with pytest.raises(ab.DataError) as caught:
        work()
    return caught.value.source, [(problem.row, str(problem.what)) for problem in caught.value.problems]


@pytest.mark.parametrize("case", CASES)
def test_a_row_has_the_name_that_its_table_has_for_it(case: str, tmp_path: Path) -> None:
    formula, settings, column, value, what = CASES[case]
    data = broken(column, value)
    data.to_csv(tmp_path / "clinic.csv", index=False)
    # Rows of a file are numbered from the header, which is row 1: what an editor shows beside the line.
    line = next(
        number
        for number, text in enumerate((tmp_path / "clinic.csv").read_text().splitlines(), 1)
        if text == data.iloc[[AT]].to_csv(index=False, header=False).strip()
    )
    assert line == AT + 2
    model = model_of(formula, settings)
    assert problems_of(lambda: model.fit(tmp_path / "clinic.csv", progress=False)) == ("clinic.csv", [(line, what)])
    labelled = data.set_axis([f"p{place:03}" for place in range(N)])
    assert problems_of(lambda: model.fit(labelled, progress=False)) == ("DataFrame", [(f"p{AT:03}", what)])
    assert problems_of(lambda: model.fit(data[5:], progress=False)) == ("DataFrame", [(AT, what)])


def test_the_command_line_names_the_row_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    broken("count", -1.0).to_csv("clinic.csv", index=False)
    with pytest.raises(SystemExit) as ended:
        main(["fit", "count ~ x", "clinic.csv", "--family", "poisson", "-o", "fit.nc"])
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "error: clinic.csv: 1 problem found; nothing was analysed.\n"
        f"  - column 'count', row {AT + 2}: -1.0 is not a count (0, 1, 2, ...). Correct it, or use a continuous "
        "family.\n"
    )


def test_names_stay_with_rows_that_are_left_out_joined_repeated_and_made_long(tmp_path: Path) -> None:
    data = table().assign(site=np.tile(["s1", "s2"], N // 2))
    data.to_csv(tmp_path / "clinic.csv", index=False)
    pd.DataFrame({"site": ["s2", "s1"], "beds": [3.0, 4.0]}).to_csv(tmp_path / "sites.csv", index=False)
    cohort = ab.read_cohort(tmp_path / "clinic.csv", join={"site": tmp_path / "sites.csv"})
    lines = [place + 2 for place in range(N)]
    assert list(cohort.row_names) == lines
    chosen = cohort.same_people(["x"])
    assert list(chosen.row_names) == [line for line in lines if line - 2 not in LACKING]
    assert list(chosen.same_people(["y"]).row_names) == list(chosen.row_names)
    # Everybody once, in order, and then once more those who count twice.
    twice = [line for line in lines if data["w"][line - 2] == 2]
    assert list(repeated(cohort, "w").row_names) == [*lines, *twice]

    wide = pd.DataFrame({"pid": ["a", "b", "c"], "mood_1": [1.0, 2.0, np.nan], "mood_2": [3.0, np.nan, 5.0]})
    wide.to_csv(tmp_path / "wide.csv", index=False)
    long = ab.read_cohort(tmp_path / "wide.csv", person="pid", wide={"mood": "mood_{time}"})
    assert list(long.row_names) == ["2, time 1", "2, time 2", "3, time 1", "4, time 2"]


def test_times_that_number_no_occasions_are_told_by_their_row() -> None:
    data = pd.DataFrame(
        {"pid": np.repeat(list("abcd"), 3), "week": [0.0, 1, 2] * 4, "y": np.arange(12.0), "x": np.arange(12.0) % 5},
        index=range(100, 112),
    )
    model = ab.Model("y ~ lag(x)")
    halves = data.assign(week=data["week"].where(data.index != 107, 1.5))
    with pytest.raises(ab.UsageError, match=r"such as 1\.5 in row 107\. Number"):
        model.fit(halves, person="pid", time="week", progress=False)
    # Nobody is anybody in two rows by the reader's rules; in a cohort that was made by hand they may be.
    made = ab.read_cohort(data, person="pid", time="week")
    again = ab.Cohort(
        made.data.assign(week=made.data["week"].where(made.data.index != 7, 0.0)),
        source="own",
        person="pid",
        time="week",
        row_names=made.row_names,
    )
    with pytest.raises(ab.UsageError, match=r"\(1 rows, such as row 107\)\. Leave"):
        model.fit(again, progress=False)


PARTICIPANTS = """participant_id,age
9,50
007,30
10,40
8,40
"""
SESSIONS = """participant_id,provider_id,provider_type,date,goal,bond
8,c1,coach,2021-01-07,3,5
007,c1,coach,2021-02-05,,4
007,c1,coach,2021-01-05,5,4
10,t1,therapist,2021-03-01,2,3
007,t1,therapist,2021-02-04,4,4
"""
SURVEYS = """participant_id,date,who5_1,who5_2,who5_3,who5_4,who5_5
007,2021-02-05,2,3,2,3,2
007,2021-01-02,1,1,1,1,1
8,2021-01-07,3,3,3,3,3
9,2021-01-07,3,3,3,3,3
"""


def test_people_and_sessions_of_three_tables_have_the_rows_of_their_table(tmp_path: Path) -> None:
    paths = [tmp_path / f"{name}.csv" for name in ("participants", "sessions", "surveys")]
    for path, text in zip(paths, (PARTICIPANTS, SESSIONS, SURVEYS), strict=True):
        path.write_text(text, encoding="utf-8")
    cohort = ab.read_tables(*paths)
    assert cohort.data["participant_id"].tolist() == ["007", "8"]
    assert list(cohort.row_names) == ["3 of participants", "5 of participants"]
    # In the order of the people and of dates.
    assert list(cohort.session_names) == [f"{row} of sessions" for row in (4, 6, 3, 2)]
    # Without the one that lacks a rating.
    assert list(ab.session_cohort(cohort).row_names) == [f"{row} of sessions" for row in (4, 6, 2)]
    lone = replace(cohort, data=cohort.data[1:])
    assert (list(lone.row_names), list(lone.session_names)) == (["5 of participants"], ["2 of sessions"])
    model = ab.Model("rating ~ log(session)", rows="sessions")
    source, problems = problems_of(lambda: model.fit(cohort, progress=False))
    assert source == "sessions of participants.csv, sessions.csv, surveys.csv"
    # The first of each person comes after none.
    assert problems == [(f"{row} of sessions", "is not a finite number") for row in (4, 2)]


@pytest.fixture
def clinic(tmp_path: Path) -> tuple[Path, Path]:
    """Twelve people of three therapists (one of nobody, in a row that lacks `x`), and a table of the therapists."""
    people, therapists = tmp_path / "people.csv", tmp_path / "staff.csv"
    whose = [f"t{place % 3}" for place in range(12)]
    rows = [f"{'' if place == 4 else place % 5},{place},{therapist}" for place, therapist in enumerate(whose)]
    people.write_text("\n".join(["x,y,therapist", *rows, "1,2,"]), encoding="utf-8")
    # In another order than the first table has them.
    therapists.write_text("therapist,years,w,cases\nt2,3,1,4\nt9,1,1,1\nt1,0,-4,2.5\nt0,7,2,5\n", encoding="utf-8")
    return people, therapists


@pytest.mark.parametrize(
    ("formula", "options", "column", "fault"),
    [
        ("y ~ x", {"weights": "w", "weights_kind": "sampling"}, "w", "is negative, but a weight is 0 or more"),
        ("y ~ x", {"weights": "w", "weights_kind": "frequency"}, "w", "is negative, but a weight is 0 or more"),
        ("y ~ x + log(years)", {}, "log(years)", "is not a finite number"),
        ("cases ~ x", {"family": "poisson"}, "cases", "is not a count (0, 1, 2, ...)"),
    ],
)
@pytest.mark.parametrize("how", ["file", "frame"])
def test_a_fault_in_a_joined_column_is_told_once_in_the_row_of_its_table(
    clinic: tuple[Path, Path], formula: str, options: Mapping[str, Any], column: str, fault: str, how: str
) -> None:
    people, therapists = clinic
    second = therapists if how == "file" else pd.read_csv(therapists).set_axis(list("abcd"))
    cohort = ab.read_cohort(people, join={"therapist": second})
    cohort = cohort if options else replace(cohort, data=cohort.data[2:])
    with pytest.raises(ab.DataError) as caught:
        ab.Model(formula, **options).fit(cohort, progress=False)
    told = [(one.column, one.row, str(one.what)) for one in caught.value.problems]
    where = "4 of staff.csv" if how == "file" else "c of the table of therapist"
    # Who has no therapist has no weight: that cell is of the first table.
    own = [("w", 14, "has no weight")] if column == "w" else []
    assert told == [(column, where, fault), *own]


def test_a_term_of_both_tables_is_told_in_the_row_of_the_first(clinic: tuple[Path, Path]) -> None:
    people, therapists = clinic
    cohort = ab.read_cohort(people, join={"therapist": therapists})
    with pytest.raises(ab.DataError) as caught:
        ab.Model("y ~ log(x * years)").fit(cohort, progress=False)
    # Products of 0: those of t1 (in places 1, 7 and 10; one lacks x), and those whose x is 0.
    assert [one.row for one in caught.value.problems] == [place + 2 for place in (0, 1, 5, 7, 10)]


def test_the_command_line_tells_the_joined_table(
    clinic: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people, therapists = clinic
    asked = ["fit", "y ~ log(years)", str(people), "--join", f"therapist={therapists}", "-o", str(tmp_path / "o.nc")]
    with pytest.raises(SystemExit) as caught:
        main(asked)
    assert caught.value.code == 1
    told = capsys.readouterr().err
    assert "people.csv: 1 problem found" in told
    assert "column 'log(years)', row 4 of staff.csv: -inf is not a finite number." in told


def test_no_name_of_a_row_is_kept_with_a_fit_or_changes_a_digest(tmp_path: Path) -> None:
    data = table()
    named = ab.read_cohort(data.set_axis([f"SECRET{place:03}" for place in range(N)]))
    plain = ab.read_cohort(data)
    assert (named.hash, named.digest(b"k")) == (plain.hash, plain.digest(b"k"))
    fit = ab.Model("y ~ x").fit(named, seed=1, draws=50, progress=False)
    fit.save(tmp_path / "fit.nc")
    assert b"SECRET" not in (tmp_path / "fit.nc").read_bytes()
    assert "SECRET" not in repr(named) + repr(fit.info) + str(named.told())
