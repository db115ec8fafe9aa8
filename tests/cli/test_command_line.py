"""The command line as its users meet it: what it prints, where, and with which exit status."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import alliance_bayes as ab
from alliance_bayes.cli import main
from alliance_bayes.storage import save
from builders import fitted, rows

MODELS = Path(__file__).parents[2] / "models"


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    save(fitted(rows(120, countries=3), chains=4, draws=500), tmp_path / "fit.nc")
    return tmp_path / "fit.nc"


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "version") == (0, f"{ab.__version__}\n", "")


def test_simulate_then_validate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table, folder = tmp_path / "cohort.csv", tmp_path / "tables"
    status, out, err = run(capsys, "simulate", "-o", table, "--n", "150", "--seed", "3", "--tables", folder)
    assert (status, err) == (0, "")
    names = ", ".join(
        str(path) for path in [table, *(folder / f"{name}.csv" for name in ("participants", "sessions", "surveys"))]
    )
    assert out == f"150 simulated participants (seed 3) written to {names}\n"
    status, out, err = run(capsys, "validate", table)
    assert (status, err) == (0, "")
    flow = ab.simulate_cohort(n=150, seed=3).flow
    assert out.startswith(f"{flow}\n")
    # The folder of three tables is the same cohort.
    assert run(capsys, "validate", folder)[1].startswith(f"{flow}\n")


@pytest.mark.parametrize(
    ("options", "left_out"),
    [
        ([], {"baseline WHO-5 after the first session": 1, "no follow-up WHO-5": 1}),
        (["--max-days-into-care", "5"], {"no follow-up WHO-5": 1}),
        # Of the two surveys before care the later one, after which the third comes too soon.
        (["--baseline", "before_care"], {"baseline WHO-5 after the first session": 1, "no follow-up WHO-5": 2}),
        (["--min-days-between", "9", "--baseline", "before_care"], {"baseline WHO-5 after the first session": 1}),
        (["--followup", "first", "--min-days-between", "9"], {"baseline WHO-5 after the first session": 1}),
    ],
)
def test_a_folder_has_its_surveys_chosen_as_asked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, options: list[str], left_out: dict[str, int]
) -> None:
    files = {
        "participants": "participant_id\na\nb\nc\n",
        "sessions": "participant_id,date,goal,bond\n"
        + "".join(f"{who},2021-01-1{day},5,4\n" for who in "abc" for day in "09"),
        "surveys": "participant_id,date,who5_1,who5_2,who5_3,who5_4,who5_5\n"
        + "".join(
            f"{who},{day},3,3,3,3,3\n"
            for who, day in (
                *(("a", day) for day in ("2021-01-01", "2021-01-10", "2021-01-19")),
                *(("b", day) for day in ("2021-01-15", "2021-03-01")),
                *(("c", day) for day in ("2021-01-09", "2021-01-18")),
            )
        ),
    }
    for name, text in files.items():
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    status, out, err = run(capsys, "validate", tmp_path, *options)
    assert (status, err) == (0, "")
    steps = [line.removeprefix("  left out: ").rsplit(None, 1) for line in out.splitlines() if "left out" in line]
    assert {reason: int(count) for reason, count in steps} == left_out


def test_data_errors_are_one_paragraph_and_status_1(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table = tmp_path / "cohort.csv"
    table.write_text("participant_id,age,who5_baseline\np1,36,41\np2,-3,40\n", encoding="utf-8")
    status, out, err = run(capsys, "validate", table)
    assert (status, out) == (1, "")
    with pytest.raises(ab.DataError) as caught:
        ab.read_cohort(table)
    # The same, in the words of the command line.
    assert err == f"error: {caught.value}\n".replace("columns={'new_name': 'age'}", "--map new_name=age")
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "CARD"], "error: give either a COHORT or --demo. 'alliance-bayes report --help' shows how.\n"),
        (
            ["report", "CARD", "--demo", "-o", "report.pdf"],
            "error: the report's file 'report.pdf' should end in .html. Rename it.\n",
        ),
        (
            ["fit", "CARD", "cohort.csv", "-o", "missing/fit.nc"],
            "error: the folder of 'missing/fit.nc' does not exist. Create it first.\n",
        ),
        (
            ["validate", "cohort.csv", "--max-days-into-care", "3"],
            "error: --max-days-into-care is for surveys and sessions, and needs a folder with the three tables. A "
            "table with one row a participant has its scores chosen: leave it out.\n",
        ),
        (
            ["study", "--demo", "--baseline", "first"],
            "error: --baseline is for surveys and sessions, and needs a folder with the three tables. A "
            "table with one row a participant has its scores chosen: leave it out.\n",
        ),
        (["effects", "none.nc"], "error: 'none.nc' does not exist. Check the path.\n"),
        (
            ["validate", "cohort.csv", "--map", "age"],
            "error: --map 'age' should be NAME=COLUMN, such as --map age='Age at intake'.\n",
        ),
        (
            ["fit", "none.toml", "cohort.csv", "-o", "f.nc"],
            "error: model card 'none.toml' does not exist. Check the path.\n",
        ),
    ],
)
def test_wrong_use_is_status_2(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [str(MODELS / "outcome.toml") if argument == "CARD" else argument for argument in arguments]
    assert run(capsys, *given) == (2, "", message)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "found", "belongs"),
    [
        (["report", "t.csv", "who5_followup ~ alliance"], "'t.csv' is a table", "a model card or a formula"),
        (["fit", "t.csv", "t.csv", "-o", "f.nc"], "'t.csv' is a table", "a model card or a formula"),
        (["fit", "outcome.html", "t.csv", "-o", "f.nc"], "'outcome.html' is a page", "a model card or a formula"),
        (["card", "t.csv"], "'t.csv' is a table", "a model card or a formula"),
        (
            ["reduce", "t.csv", "--card", "t.csv", "-o", "m.nc"],
            "'t.csv' is a table",
            "a model card or a formula",
        ),
        (["reduce", "y ~ x", "--card", "outcome", "-o", "m.nc"], "'y ~ x' is a formula", "a table"),
        (["fit", "outcome", "outcome.toml", "-o", "f.nc"], "'outcome.toml' is a model card", "a table"),
        (["validate", "y ~ x"], "'y ~ x' is a formula", "a table"),
        (["verify", "t.csv", "page.html"], "'page.html' is a page", "a table"),
        (["study", "outcome.toml"], "'outcome.toml' is a model card", "a table"),
        (["attrition", "y ~ x", "t.csv"], "'t.csv' is a table", "a column, a model card or a formula"),
    ],
)
def test_what_is_given_in_the_place_of_another_is_told_so(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    found: str,
    belongs: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text("y,x\n1,2\n", encoding="utf-8")
    message = f"error: {found}, where {belongs} belongs. Give each in its place: --help shows the order.\n"
    assert run(capsys, *arguments) == (2, "", message)


def test_an_unknown_option_shows_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "fit", "--nonsense")
    assert (status, out) == (2, "")
    assert err.splitlines()[-1].startswith("Error: No such option: --nonsense")
    assert "Traceback" not in err


def test_effects_as_json_are_the_tables_records(capsys: pytest.CaptureFixture[str], kept: Path) -> None:
    status, out, err = run(capsys, "effects", kept, "--json", "--prob", "0.95")
    assert (status, err) == (0, "")
    records = json.loads(out)["effects"]
    table = ab.load_fit(kept).effects(prob=0.95)
    assert len(records) == len(table)
    assert {record["prob"] for record in records} == {0.95}
    assert [record["mean"] for record in records] == pytest.approx(table["mean"].tolist(), nan_ok=True)


@pytest.mark.slow
def test_estimands_by_name_with_options(capsys: pytest.CaptureFixture[str], kept: Path) -> None:
    named = ["--estimand", "overall_mean", "--estimand", 'responders:at_least=32,factor=["sex","country"]']
    status, out, err = run(capsys, "effects", kept, "--json", *named)
    assert (status, err) == (0, "")
    options = {"overall_mean": {}, "responders": {"at_least": 32, "factor": ["sex", "country"]}}
    table = ab.load_fit(kept).effects(options)
    assert [record["mean"] for record in json.loads(out)["effects"]] == table["mean"].tolist()
    assert run(capsys, "effects", kept, "--estimand", "superiority:factor=sex")[0] == 0


def test_effects_at_values(capsys: pytest.CaptureFixture[str], kept: Path) -> None:
    status, out, err = run(
        capsys, "effects", kept, "--estimand", "predictions", "--at", "alliance=3,9", "--at", 'sex="female"', "--json"
    )
    assert (status, err) == (0, "")
    table = ab.load_fit(kept).effects(["predictions"], at={"alliance": [3, 9], "sex": "female"})
    assert [record["mean"] for record in json.loads(out)["effects"]] == table["mean"].tolist()
    assert [record["at"] for record in json.loads(out)["effects"]] == [f"alliance = {n}, sex = female" for n in (3, 9)]
    named = ["--estimand", "contrasts:factor=sex", "--at", "alliance=3", "--at", "alliance=9"]
    status, out, err = run(capsys, "effects", kept, *named)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[1].split()[:6] == ["estimand", "term", "factor", "level", "versus", "at"]
    assert [line.split()[0] for line in lines[2:7]] == [
        *(["contrast_of_means", "cohens_d_of_means"] * 2),
        "interaction_contrast_of_means",
    ]
    assert lines[7:] == [
        "  * 3 rows: extrapolated: no analysed row reaches alliance = 9",
        "  - not done: slopes: everybody is set to the same value of 'alliance'",
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        *(
            (
                text,
                f"--at {text!r} should be COLUMN=VALUE or COLUMN=VALUE,VALUE,..., such as --at month=12. A value with "
                "a comma is written in quotation marks.",
            )
            for text in ("alliance", "=3", "alliance=", "alliance=3,,4", 'sex="male', "alliance=3\n4")
        ),
        ("mnth=3", "--at sets 'mnth', which is no predictor of this model. Its predictors: alliance, "),
        ("age=forty,nan", "--at should give 'age' finite numbers, but got 'forty', 'nan'."),
        ("sex=m", "--at should give 'sex' levels that it has, but got 'm'. Its levels: 'female', 'male'."),
        ("who5_followup=3", "--at sets 'who5_followup', the outcome, but it is for predictors."),
    ],
)
def test_values_that_cannot_be_had_are_refused_in_words(
    capsys: pytest.CaptureFixture[str], kept: Path, given: str, message: str
) -> None:
    status, out, err = run(capsys, "effects", kept, "--at", given)
    assert (status, out) == (2, "")
    assert err.startswith(f"error: {message}")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "responders",
            "at_least should be the smallest value of 'who5_followup' that counts as a response. For example "
            "at_least=10 of Python for a change of the WHO-5, at_least=32 of Python for a score above 28.",
        ),
        ("responders:32", "--estimand should be NAME or NAME:OPTION=VALUE,... but got 'responders:32'."),
        ("slopes:predctor=age", "'slopes' has no option 'predctor'. Its options: predictor, at."),
        ("slope", "an estimand should be one of 'slopes', "),
    ],
)
def test_an_estimand_that_cannot_be_had_is_refused_in_words(
    capsys: pytest.CaptureFixture[str], kept: Path, given: str, message: str
) -> None:
    status, out, err = run(capsys, "effects", kept, "--estimand", given)
    assert (status, out) == (2, "")
    assert message in err


def test_an_estimand_has_one_set_of_options(capsys: pytest.CaptureFixture[str], kept: Path) -> None:
    twice = ["--estimand", "contrasts:of=mean", "--estimand"]
    status, out, err = run(capsys, "effects", kept, *twice, "contrasts:of=slope")
    assert (status, out) == (2, "")
    assert err == "error: --estimand gives two sets of options for 'contrasts'. Choose one.\n"
    assert run(capsys, "effects", kept, *twice, "contrasts:of=mean")[0] == 0


def test_check_passes_on_good_draws_and_fails_on_divergent_ones(
    capsys: pytest.CaptureFixture[str], kept: Path, tmp_path: Path
) -> None:
    status, out, _ = run(capsys, "check", kept, "--json")
    assert (status, json.loads(out)["passed"]) == (0, True)
    save(fitted(rows(120, countries=3), chains=4, draws=500, divergences=20), tmp_path / "bad.nc")
    status, out, _ = run(capsys, "check", tmp_path / "bad.nc", "--json")
    verdict = json.loads(out)
    assert (status, verdict["passed"]) == (1, False)
    assert len(verdict["reasons"]) == 1
    assert "20" in verdict["reasons"][0]


@pytest.mark.slow
@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_a_report_from_a_kept_fit(capsys: pytest.CaptureFixture[str], kept: Path, tmp_path: Path) -> None:
    status, out, _ = run(capsys, "report", kept, "-o", tmp_path / "out.html")
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == str(tmp_path / "out.html")
    assert len(lines) > 1
    assert {path.name for path in tmp_path.iterdir()} == {"fit.nc", "out.html", "out.json", "out.key"}


@pytest.mark.slow
def test_someone_elses_table_from_file_to_report(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The main path with real sampling: a semicolon file with decimal commas and other column names."""
    cohort = ab.simulate_cohort(n=300, seed=5).data
    theirs = cohort.rename(columns={"age": "Age at intake", "who5_followup": "WHO5 end"}).drop(columns=["who5_change"])
    theirs["clinic note"] = "n/a"
    theirs.to_csv(tmp_path / "export.csv", sep=";", decimal=",", index=False, encoding="utf-8-sig")
    (tmp_path / "card.toml").write_text(
        'format = 4\nformula = "who5_followup ~ alliance + age + (1 | sex)"\n[priors]\nset = "sceptical"\n',
        encoding="utf-8",
    )
    table = ["--map", "age=Age at intake", "--map", "who5_followup=WHO5 end", "--sep", ";", "--decimal", ","]
    status, out, err = run(
        capsys,
        "report",
        tmp_path / "card.toml",
        tmp_path / "export.csv",
        "-o",
        tmp_path / "out.html",
        *table,
        "--chains",
        "2",
    )
    numbers = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))
    assert out.splitlines()[0] == str(tmp_path / "out.html")
    assert "Traceback" not in err
    # Two chains of 1,000 draws on so small a model converge; a closed gate would be status 1.
    assert status == 0, numbers


def test_the_module_runs_as_a_command_without_importing_samplers() -> None:
    code = (
        "import sys, alliance_bayes; sys.exit(any(m in sys.modules for m in ('pymc', 'pandas', 'matplotlib', 'arviz')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    shown = subprocess.run(
        [sys.executable, "-m", "alliance_bayes", "version"], check=True, capture_output=True, text=True
    )
    assert shown.stdout == f"{ab.__version__}\n"


@pytest.mark.parametrize(
    "encoding", ["undefined", "idna", "punycode", "unicode_escape", "hex", "none", "a\0b", "\udce9", ""]
)
def test_an_encoding_that_is_none_of_a_file_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, encoding: str
) -> None:
    table = tmp_path / "cohort.csv"
    table.write_text("participant_id,age\np1,36\n", encoding="utf-8")
    status, out, err = run(capsys, "validate", table, "--encoding", encoding)
    assert (status, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("error: --encoding ")


def test_an_error_nobody_thought_of_is_one_paragraph_and_status_70(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def failing(*_: object, **__: object) -> None:
        raise ZeroDivisionError("division\nby zero")

    monkeypatch.setattr(ab, "simulate_cohort", failing)
    status, out, err = run(capsys, "simulate", "-o", tmp_path / "a.csv")
    assert (status, out) == (70, "")
    assert re.fullmatch(
        r"error: something went wrong that should not have, and nothing that this command printed or wrote should be "
        r"used: ZeroDivisionError: division by zero \(tables\.py, line \d+, version [\d.]+\)\. Please report this "
        r"line and the command (to the developers named in CITATION\.cff|at \S+), once you have seen that they name "
        r"nobody\.\n",
        err,
    )


@pytest.mark.parametrize(
    ("raised", "status", "said"),
    [
        (KeyboardInterrupt, 130, "interrupted; no file was left half-written.\n"),
        (
            MemoryError,
            70,
            "error: the memory of this computer is not enough for that. Ask for fewer draws or fewer rows.\n",
        ),
        (RecursionError, 70, None),
        (AssertionError, 70, None),
    ],
)
def test_how_a_command_ends_otherwise(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    raised: type[BaseException],
    status: int,
    said: str | None,
) -> None:
    def ending(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(ab, "simulate_cohort", ending)
    ended, out, err = run(capsys, "simulate", "-o", tmp_path / "a.csv")
    assert (ended, out) == (status, "")
    assert err == said if said is not None else raised.__name__ in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_labels_that_a_terminal_has_no_letters_for_are_printed_by_number(tmp_path: Path) -> None:
    table = tmp_path / "cohort.csv"
    ids = "".join(f"p{k},{30 + k},Österreich\n" for k in range(12))
    table.write_text(f"participant_id,age,country\n{ids}", encoding="utf-8")
    wrong = tmp_path / "wrong.csv"
    wrong.write_text(f"participant_id,age,country\n{ids}p99,größer,Österreich\n", encoding="utf-8")
    plain = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = [
        subprocess.run(
            [sys.executable, "-m", "alliance_bayes", "validate", str(path)], env=plain, capture_output=True, check=False
        )
        for path in (table, wrong)
    ]
    assert [one.returncode for one in done] == [0, 1]
    assert b"\\xd6sterreich" in done[0].stdout
    assert b"gr\\xf6\\xdfer" in done[1].stderr
    assert done[0].stderr == done[1].stdout == b""


def test_likely_mistakes_are_told_by_validate_and_by_those_who_use_the_column(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data = ab.simulate_cohort(n=120, seed=5).data.drop(columns=["who5_change"])
    places = ["Germany", "France"] * 59 + ["Germany", "Germnay"]
    table = tmp_path / "cohort.csv"
    data.assign(place=places, other=places, pin=[f"v{k:03d}" for k in range(120)]).to_csv(table, index=False)
    card = 'format = 4\nformula = "who5_followup ~ alliance + (1 | place)"\n'
    (tmp_path / "card.toml").write_text(card, encoding="utf-8")

    status, out, err = run(capsys, "validate", table)
    assert (status, err) == (0, "")
    assert "(120 levels, the largest 'v000' with 1, 120 with one)" in out
    assert "<NA>" not in out
    warned = [line for line in out.splitlines() if "'Germnay' (1) of 'Germany' (60)" in line]
    assert len(warned) == 2
    status, out, err = run(capsys, "validate", table, "--json")
    told = json.loads(out)
    assert (status, err) == (0, "")
    assert [(row["column"], row["levels"]) for row in told["doubts"] if row["kind"] == "misspelling"] == [
        (name, [{"level": "Germnay", "n": 1, "like": "Germany", "n_like": 60}]) for name in ("place", "other")
    ]
    # A model that uses one of them is told of that one.
    wanted = ("--chains", "2", "--draws", "50")
    status, _, err = run(capsys, "fit", tmp_path / "card.toml", table, "-o", tmp_path / "fit.nc", *wanted)
    assert status == 0
    assert [line for line in err.splitlines() if "Germnay" in line] == [f"warning: {warned[0].removeprefix('  - ')}"]
