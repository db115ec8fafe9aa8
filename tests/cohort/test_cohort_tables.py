"""Three tables read, joined and scored; and everything wrong with them named."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.cohort import Cohort, Flow, FlowStep, read_tables
from alliance_bayes.errors import DataError, UsageError
from alliance_bayes.simulation import simulate_cohort

PARTICIPANTS = """participant_id,age,sex,country,cohort
007,30,female,DE,2
8,40,male,AT,1
9,50,female,DE,1
10,,male,CH,2
"""
SESSIONS = """participant_id,provider_id,provider_type,date,goal,bond,room
007,c1,coach,2021-01-05,5,4,A
007,t1,therapist,2021-02-04,4,4,A
007,c1,coach,2021-02-05,,4,B
8,c1,coach,2021-01-07T10:00,3,5,B
10,t1,therapist,2021-03-01,2,3,A
"""
SURVEYS = """participant_id,date,who5_1,who5_2,who5_3,who5_4,who5_5
007,2021-02-05,2,3,2,3,2
007,2021-01-02,1,1,1,1,1
8,2021-01-07,3,3,3,3,3
8,2021-01-20,5,5,5,5,5
9,2021-01-07,3,3,3,3,3
"""
TODAY = dt.date(2022, 1, 1)


def write(folder: Path, *texts: str) -> list[Path]:
    paths = [folder / f"{name}.csv" for name in ("participants", "sessions", "surveys")]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    return paths


def read(
    folder: Path, participants: str = PARTICIPANTS, sessions: str = SESSIONS, surveys: str = SURVEYS, **options: object
) -> Cohort:
    return read_tables(*write(folder, participants, sessions, surveys), **{"today": TODAY, **options})


def fail(folder: Path, *texts: str, **options: object) -> list[str]:
    with pytest.raises(DataError) as caught:
        read(folder, *texts, **options)
    head, *lines = str(caught.value).splitlines()
    count = f"{len(lines)} problem{'' if len(lines) == 1 else 's'}"
    assert head == f"participants.csv, sessions.csv, surveys.csv: {count} found; nothing was analysed."
    return [line.removeprefix("  - ") for line in lines]


def expected() -> pd.DataFrame:
    """Scores done by hand."""
    return pd.DataFrame(
        {
            "participant_id": pd.Series(["007", "8"], dtype="str"),
            "age": [30.0, 40.0],
            "sex": pd.Categorical(["female", "male"], categories=["female", "male"]),
            "country": pd.Categorical(["DE", "AT"], categories=["AT", "CH", "DE"]),
            "cohort": [2.0, 1.0],
            "provider_type": pd.Categorical(["both", "coach"], categories=["coach", "therapist", "both"]),
            "provider_id": pd.Categorical(["c1", "c1"], categories=["c1", "t1"]),
            # (4.5 + 4) / 2, the half-rated session left out; (3 + 5) / 2.
            "alliance": [4.25, 4.0],
            "n_sessions": [3.0, 1.0],
            "days_in_care": [31.0, 0.0],
            "who5_baseline": [20.0, 60.0],
            # The second survey of 8 is 13 days after the first.
            "who5_followup": [48.0, np.nan],
            "who5_change": [28.0, np.nan],
        }
    )


def test_tables_by_hand(tmp_path: Path) -> None:
    cohort = read(tmp_path)
    pd.testing.assert_frame_equal(cohort.data, expected())
    assert cohort.source == "participants.csv, sessions.csv, surveys.csv"
    assert cohort.excluded == (FlowStep("no session", 1), FlowStep("no WHO-5 survey", 1))
    assert cohort.flow == Flow(
        4, (FlowStep("no session", 1), FlowStep("no WHO-5 survey", 1), FlowStep("no follow-up WHO-5", 1))
    )


def test_frames_read_like_files(tmp_path: Path) -> None:
    paths = write(tmp_path, PARTICIPANTS, SESSIONS, SURVEYS)
    frames = [pd.read_csv(path, dtype=str, keep_default_na=False) for path in paths]
    from_text = read_tables(*frames, today=TODAY)
    typed = [frames[0].assign(age=[30, 40, 50, None]), frames[1], frames[2]]
    typed[1]["date"] = pd.to_datetime(frames[1]["date"], format="ISO8601")
    for item in range(1, 6):
        typed[2][f"who5_{item}"] = frames[2][f"who5_{item}"].astype(int)
    from_types = read_tables(*typed, today=TODAY)
    assert from_text.hash == from_types.hash == read(tmp_path).hash
    assert from_text.source == "DataFrame"


def test_mixed_sources_and_column_names(tmp_path: Path) -> None:
    participants, sessions, surveys = write(tmp_path, PARTICIPANTS, SESSIONS.replace("date", "held on"), SURVEYS)
    cohort = read_tables(
        pd.read_csv(participants, dtype=str, keep_default_na=False).rename(columns={"participant_id": "code"}),
        sessions,
        str(surveys),
        columns={"participants": {"participant_id": "code"}, "sessions": {"date": "held on"}},
        today=TODAY,
    )
    pd.testing.assert_frame_equal(cohort.data, expected())
    assert cohort.source == "DataFrame, sessions.csv, surveys.csv"


def test_options_reach_the_choice_of_surveys(tmp_path: Path) -> None:
    assert read(tmp_path, min_days_between=13).data["who5_followup"].tolist() == [48.0, 100.0]
    late = SURVEYS.replace("007,2021-01-02,", "007,2021-01-05,4,4,4,4,4\n007,2021-01-02,")
    assert read(tmp_path, surveys=late).data["who5_baseline"].tolist() == [20.0, 60.0]
    assert read(tmp_path, surveys=late, baseline="before_care").data["who5_baseline"].tolist() == [80.0, 60.0]
    between = SURVEYS.replace("007,2021-01-02,", "007,2021-01-20,0,0,0,0,0\n007,2021-01-02,")
    assert read(tmp_path, surveys=between, followup="first").data["who5_followup"].iloc[0] == 0.0
    into = SURVEYS.replace("007,2021-01-02,", "007,2021-01-08,")
    np.testing.assert_array_equal(read(tmp_path, surveys=into).data["who5_baseline"], [np.nan, 60.0])
    assert read(tmp_path, surveys=into, max_days_into_care=3).data["who5_baseline"].tolist() == [20.0, 60.0]


def simulated(moved: Callable[[pd.DataFrame], pd.Series]) -> Cohort:
    """A simulated cohort whose first surveys are moved: from each one's first and last day of care to a day."""
    tables = simulate_cohort(600, seed=7).tables
    held = tables["sessions"].groupby("participant_id")["date"].agg(["min", "max"])
    surveys = tables["surveys"].sort_values(["participant_id", "date"], kind="stable")
    first = ~surveys["participant_id"].duplicated()
    # In the morning: some are moved to the day of their second survey.
    days = moved(held.loc[surveys.loc[first, "participant_id"]]) + pd.Timedelta(hours=9)
    surveys.loc[first, "date"] = days.to_numpy()
    return read_tables(tables["participants"], tables["sessions"], surveys)


def test_a_baseline_after_care_is_no_baseline() -> None:
    """Every first survey on the day after care ended: nobody can be analysed, and the flow says why."""
    cohort = simulated(lambda care: care["max"] + pd.Timedelta(days=1))
    # Some took their second survey on the last day of care, which is now their first, and within care.
    tables = simulate_cohort(600, seed=7).tables
    ended = tables["sessions"].groupby("participant_id")["date"].max()
    taken = tables["surveys"].groupby("participant_id")["date"].agg(["size", "max"])
    within = int(((taken["size"] == 2) & (taken["max"] == ended)).sum())
    assert 10 < within < 60
    assert cohort.flow == Flow(
        600,
        (
            FlowStep("baseline WHO-5 after the last session", 600 - within),
            FlowStep("baseline WHO-5 after the first session", within),
        ),
    )
    assert cohort.data["alliance"].notna().all()  # what is known of them is kept
    assert cohort.complete(["who5_followup", "alliance"])[1] == cohort.flow
    assert cohort.complete(["alliance"])[1] == Flow(600)


def test_a_baseline_in_care_and_a_follow_up_before_it() -> None:
    """Every first survey halfway through care; those of one session are surveyed on its day, which is before care."""
    cohort = simulated(lambda care: care["min"] + ((care["max"] - care["min"]) / 2).dt.ceil("D"))
    during = int((cohort.data["days_in_care"] > 0).sum())
    assert during > 300
    assert cohort.flow.steps[0] == FlowStep("baseline WHO-5 after the first session", during)

    # Every follow-up on the day before the first session.
    tables = simulate_cohort(600, seed=7).tables
    begun = tables["sessions"].groupby("participant_id")["date"].min()
    surveys = tables["surveys"].sort_values(["participant_id", "date"], kind="stable")
    second = surveys["participant_id"].duplicated()
    waited = (begun - surveys[~second].set_index("participant_id")["date"]).dt.days
    surveys.loc[second, "date"] = surveys.loc[second, "participant_id"].map(begun) - pd.Timedelta(hours=15)
    cohort = read_tables(tables["participants"], tables["sessions"], surveys)
    # Surveyed twice, two weeks apart at least, and never once care had begun.
    twice = waited.loc[surveys.loc[second, "participant_id"]]
    early, rest = int((twice >= 15).sum()), int((twice < 15).sum())
    assert early > 10
    assert cohort.flow.steps == (
        FlowStep("follow-up WHO-5 before care", early),
        FlowStep("no follow-up WHO-5", rest + 600 - len(twice)),
    )


def test_prorated_surveys(tmp_path: Path) -> None:
    gap = SURVEYS.replace("007,2021-02-05,2,3,2,3,2", "007,2021-02-05,2,3,2,,2")
    assert np.isnan(read(tmp_path, surveys=gap).data["who5_followup"].iloc[0])
    # 9 / 4 * 5 * 4 = 45.
    assert read(tmp_path, surveys=gap, prorate=0.8).data["who5_followup"].iloc[0] == 45.0


def surveys_of(*rows: str) -> str:
    """Surveys of the PHQ-9: who, when, and nine answers."""
    return "\n".join([f"participant_id,date,{','.join(f'phq9_{k}' for k in range(1, 10))}", *rows, ""])


PHQ9 = ("007,2021-02-05,1,1,1,,1,1,1,1,1", "007,2021-01-02,3,3,3,3,3,3,3,3,3", "8,2021-01-07,2,2,2,2,2,2,2,2,2")


def test_surveys_may_be_of_another_instrument(tmp_path: Path) -> None:
    """Its baseline and follow-up are chosen by the same rules, and made up by its own."""
    cohort = read(tmp_path, surveys=surveys_of(*PHQ9))
    assert list(cohort.data.columns[-2:]) == ["phq9_baseline", "phq9_followup"]
    np.testing.assert_array_equal(cohort.data["phq9_baseline"], [27.0, 18.0])
    np.testing.assert_array_equal(cohort.data["phq9_followup"], [np.nan, np.nan])
    assert cohort.excluded == (FlowStep("no session", 1), FlowStep("no PHQ-9 survey", 1))
    assert cohort.complete(["phq9_baseline", "phq9_followup"])[1].steps[-1] == FlowStep("no follow-up PHQ-9", 2)
    # Eight answers of one by the rule of up to two missing: 8 / 8 * 9.
    cohort = read(tmp_path, surveys=surveys_of(*PHQ9), prorate="instrument")
    np.testing.assert_array_equal(cohort.data["phq9_followup"], [9.0, np.nan])
    made = cohort.prorated["phq9_followup"]
    assert (made.n, made.scored, made.needed, made.items) == (1, 1, 7, 9)
    assert "phq9_baseline" not in cohort.prorated
    late = read(tmp_path, surveys=surveys_of("8,2021-02-07,2,2,2,2,2,2,2,2,2"))
    assert late.complete(["phq9_baseline"])[1].steps[-1] == FlowStep("baseline PHQ-9 after the last session", 1)


def test_surveys_may_be_of_several_instruments(tmp_path: Path) -> None:
    both = pd.DataFrame(
        [line.split(",") for line in surveys_of(*PHQ9[:2]).splitlines()[1:]],
        columns=surveys_of().split("\n")[0].split(","),
    )
    both[[f"who5_{k}" for k in range(1, 6)]] = [["3"] * 5, ["1"] * 5]
    paths = write(tmp_path, PARTICIPANTS, SESSIONS, SURVEYS)
    cohort = read_tables(paths[0], paths[1], both, today=TODAY, prorate={"phq9": 0.8})
    assert cohort.excluded == (FlowStep("no session", 1), FlowStep("no survey", 2))
    told = cohort.data[["who5_baseline", "who5_followup", "phq9_baseline", "phq9_followup"]]
    np.testing.assert_array_equal(told.iloc[0], [20.0, 60.0, 27.0, 9.0])


def test_items_of_surveys_are_named_and_may_not_be_given_as_scores(tmp_path: Path) -> None:
    wrong = surveys_of("8,2021-01-07,2,2,2,2,4,2,2,2,2")
    assert fail(tmp_path, PARTICIPANTS.replace("cohort", "phq9_followup"), SESSIONS, wrong) == [
        "column 'participants.phq9_followup': is computed from sessions and surveys, so it may not be given. Remove or "
        "rename the column.",
        "column 'surveys.phq9_5', row 2: '4' is outside 0 to 3 (PHQ-9 item). Correct it, or leave the cell empty if it "
        "is unknown.",
    ]
    with pytest.raises(UsageError, match="names 'mood'"):
        read(tmp_path, surveys=surveys_of(*PHQ9), prorate={"mood": 0.5})


def test_given_provider_types_come_before_derived_ones(tmp_path: Path) -> None:
    given = PARTICIPANTS.replace("cohort", "provider_type").replace(",2\n", ",therapist\n").replace(",1\n", ",both\n")
    assert read(tmp_path, given).data["provider_type"].tolist() == ["therapist", "both"]


def test_levels_are_ordered_as_declared(tmp_path: Path) -> None:
    levels = {"provider_type": ["both", "therapist", "coach"], "sex": ["male", "female"]}
    data = read(tmp_path, levels=levels).data
    assert {name: list(data[name].cat.categories) for name in levels} == levels
    assert data["provider_type"].tolist() == ["both", "coach"]


def test_dates_in_another_format(tmp_path: Path) -> None:
    def rewrite(text: str) -> str:
        days = {f"2021-{month:02d}-{day:02d}": f"{day}.{month}.2021" for month in range(1, 4) for day in range(1, 32)}
        for iso, local in days.items():
            text = text.replace(iso, local)
        return text.replace("T10:00", "")

    cohort = read(tmp_path, PARTICIPANTS, rewrite(SESSIONS), rewrite(SURVEYS), date_format="%d.%m.%Y")
    pd.testing.assert_frame_equal(cohort.data, expected())
    assert fail(tmp_path, PARTICIPANTS, SESSIONS, rewrite(SURVEYS), date_format="%d.%m.%Y")[0] == (
        "column 'sessions.date', row 2: '2021-01-05' is not a date written %d.%m.%Y. Write every date the same way."
    )


def test_nobody_left_is_a_flow_not_a_crash(tmp_path: Path) -> None:
    cohort = read(tmp_path, sessions="participant_id,date,goal,bond\n10,2021-01-01,5,5\n")
    assert len(cohort) == 0
    assert str(cohort.flow).splitlines() == [
        "participants                 4",
        "  left out: no session       3",
        "  left out: no WHO-5 survey  1",
        "analysed                     0  (0.0 %)",
    ]


CORRECT = "Correct it, or leave the cell empty if it is unknown."
FORMAT = "Write YYYY-MM-DD, or pass date_format='%d.%m.%Y' if every date is written so."


def test_everything_wrong_in_three_tables_is_named_at_once(tmp_path: Path) -> None:
    lines = fail(
        tmp_path,
        "participant_id,age,sex,alliance\n1,30,f,4\n1,130,F,4\n",
        "participant_id,provider_type,date,goal,bond\n"
        "1,coach,2022-05-01,5,6\n"
        "9,Coach,2021-13-01,0,5\n"
        "1,coach,05.01.2021,5,5\n"
        "1,,44000,4,4.5\n"
        ",coach,,1,1\n"
        "1,coach,1969-12-31,5,5\n"
        "1,coach,2021-02-30,5,5\n"
        "1,both,2021-01-01T10:00:00Z,5,5\n"
        "1,coach,2021-03-01,5,5\n"
        "1,coach,2021-03-01,5,5\n",
        "participant_id,date,who5_1,who5_2,who5_3,who5_4\n"
        "1,2021-01-01,6,1,1,1\n"
        "8,2021-01-01,1,1,1,x\n"
        "1,2021-01-01,1,1,1,1\n",
    )
    assert lines == [
        "column 'participants.participant_id', row 3: '1' is already in row 2. Keep one row for each participant.",
        f"column 'participants.age', row 3: '130' is outside 0 to 120 (years). {CORRECT}",
        "column 'participants.sex', row 3: 'F' differs from 'f' (n = 1) in case or spacing alone. "
        "Write 'f', or declare both: levels={'sex': ['F', 'f']}.",
        "column 'participants.alliance': is computed from sessions and surveys, so it may not be given. "
        "Remove or rename the column.",
        "column 'sessions.participant_id', row 6: '' has no identifier. Fill in the identifier, or remove the row.",
        "column 'sessions.provider_type', row 3: 'Coach' is not one of the levels 'coach', 'therapist'. "
        "Write 'coach' if that is meant.",
        "column 'sessions.provider_type', row 9: 'both' is not one of the levels 'coach', 'therapist'. Correct it.",
        "column 'sessions.date', row 2: '2022-05-01' is after 2022-01-01. "
        "Correct it: a session or survey cannot lie in the future.",
        "column 'sessions.date', row 3: '2021-13-01' is not a date of the calendar. Correct it.",
        f"column 'sessions.date', row 4: '05.01.2021' is not a date written YYYY-MM-DD. {FORMAT}",
        "column 'sessions.date', row 5: '44000' is a number of days, as spreadsheets keep dates (it may be "
        "2020-06-18). Format the column as dates (YYYY-MM-DD) before it is saved.",
        "column 'sessions.date', row 6: '' has no date. Fill in the date, or remove the row.",
        "column 'sessions.date', row 7: '1969-12-31' is before 1970. Correct the year.",
        "column 'sessions.date', row 8: '2021-02-30' is not a date of the calendar. Correct it.",
        "column 'sessions.date', row 9: '2021-01-01T10:00:00Z' has a time zone. "
        "Convert it to local time and drop the zone: days are calendar days.",
        f"column 'sessions.goal', row 3: '0' is outside 1 to 5 (alliance rating). {CORRECT}",
        f"column 'sessions.bond', row 2: '6' is outside 1 to 5 (alliance rating). {CORRECT}",
        f"column 'sessions.bond', row 5: '4.5' is not a whole number (alliance rating). {CORRECT}",
        "column 'sessions.participant_id', row 3: '9' is not in the participants' table. "
        "Add the participant, or remove the row.",
        "column 'sessions.date', row 11: '2021-03-01' repeats the session in row 10. "
        "Remove one of them, or give the time of each session.",
        "column 'surveys.who5_5': is not in the table. Columns: participant_id, date, who5_1, who5_2, who5_3, who5_4.",
        f"column 'surveys.who5_1', row 2: '6' is outside 0 to 5 (WHO-5 item). {CORRECT}",
        "column 'surveys.who5_4', row 3: 'x' is not a number. "
        "Correct it; a missing value is an empty cell, NA or NaN, or is named in missing=['NA', 'NaN', 'x'].",
        "column 'surveys.participant_id', row 3: '8' is not in the participants' table. "
        "Add the participant, or remove the row.",
        "column 'surveys.date', row 4: '2021-01-01' repeats the survey in row 2. "
        "Remove one of them, or give the time of each survey.",
    ]


def test_broken_files_are_named_beside_broken_cells(tmp_path: Path) -> None:
    assert fail(tmp_path, PARTICIPANTS, "", "participant_id,date\n8,2021-01-01\n1\n") == [
        "table: sessions is empty. Check that the export finished; a header row is needed.",
        "table, row 3: surveys has 1 cell where the header has 2 (line 3 of the file). "
        "Give it a cell for each column, also where one is empty (two commas in a row), and put text that contains "
        "line breaks in double quotation marks.",
    ]


def test_declared_levels_must_hold_the_derived_ones(tmp_path: Path) -> None:
    assert fail(tmp_path, levels={"provider_type": ["therapist", "coach"]}) == [
        "column 'sessions.provider_type': yields the levels 'coach', 'therapist', 'both', "
        "but levels leaves out 'both'. List all of them, in the order that is wanted."
    ]


def test_dates_in_frames(tmp_path: Path) -> None:
    paths = write(tmp_path, PARTICIPANTS, SESSIONS, SURVEYS)
    sessions = pd.DataFrame(
        {
            "participant_id": ["007"] * 4,
            "date": [dt.date(2021, 1, 1), pd.Timestamp("2021-01-02", tz="UTC"), 44000, pd.NaT],
            "goal": 5,
            "bond": 5,
        }
    )
    with pytest.raises(DataError) as caught:
        read_tables(paths[0], sessions, paths[2], today=TODAY)
    assert [(problem.row, problem.what) for problem in caught.value.problems] == [
        (1, "has a time zone"),
        (2, "is a number of days, as spreadsheets keep dates (it may be 2020-06-18)"),
        (3, "has no date"),
    ]


def test_dates_run_up_to_today(tmp_path: Path) -> None:
    assert len(read(tmp_path, today=dt.date(2021, 3, 1))) == 2
    with pytest.raises(DataError):
        read(tmp_path, today=dt.date(2021, 2, 28))
    tomorrow = dt.date.today() + dt.timedelta(days=1)
    sessions = SESSIONS + f"9,t1,therapist,{tomorrow},5,5,A\n"
    assert len(read(tmp_path, sessions=sessions, today=tomorrow)) == 3
    # By default the day where it is latest: up to two days on from here, and the test may run over midnight.
    later = SESSIONS + f"9,t1,therapist,{tomorrow + dt.timedelta(days=3)},5,5,A\n"
    abroad = dt.datetime.now(dt.timezone(dt.timedelta(hours=14))).date()
    assert len(read(tmp_path, sessions=SESSIONS + f"9,t1,therapist,{abroad},5,5,A\n", today=None)) == 3
    with pytest.raises(DataError) as caught:
        read(tmp_path, sessions=later, today=None)
    assert [(problem.column, problem.row) for problem in caught.value.problems] == [("sessions.date", 7)]


def test_sessions_repeat_when_provider_and_time_do(tmp_path: Path) -> None:
    head = "participant_id,provider_id,provider_type,date,goal,bond\n"
    different = "8,c1,coach,2021-01-01,5,5\n8,c2,coach,2021-01-01,5,5\n8,,coach,2021-01-01,5,5\n"
    assert len(read(tmp_path, sessions=head + different)) == 1
    times = "8,c1,coach,2021-01-01T09:00,5,5\n8,c1,coach,2021-01-01T17:00,5,5\n"
    assert read(tmp_path, sessions=head + times).data["n_sessions"].tolist() == [2.0]
    assert fail(tmp_path, PARTICIPANTS, head + different + "8,,coach,2021-01-01,4,4\n", SURVEYS) == [
        "column 'sessions.date', row 5: '2021-01-01' repeats the session in row 4. "
        "Remove one of them, or give the time of each session."
    ]


def test_a_missing_file_is_named_by_its_argument(tmp_path: Path) -> None:
    participants, _, surveys = write(tmp_path, PARTICIPANTS, SESSIONS, SURVEYS)
    with pytest.raises(UsageError) as caught:
        read_tables(participants, tmp_path / "visits.csv", surveys)
    assert str(caught.value) == (
        f"sessions: there is no file {tmp_path / 'visits.csv'}. Check the path; it is read from {Path.cwd()}."
    )


def test_columns_are_mapped_table_by_table(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, columns={"age": "Age"})
    assert str(caught.value) == (
        "columns should map each table ('participants', 'sessions', 'surveys') to its own names, as in "
        "columns={'surveys': {'date': 'filled in on'}}."
    )
