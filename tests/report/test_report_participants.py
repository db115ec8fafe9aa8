"""Who was left out and who was analysed: Table 1 by provider type, the flow, and missing values."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.checks import CheckReport
from alliance_bayes.cohort import Flow, FlowStep
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.participants import describe, table_one
from alliance_bayes.report.privacy import ShownFlow, shown_missing
from alliance_bayes.report.tables import Table
from builders import fitted, rendered, rows

FORMULA = "who5_followup ~ alliance + age + (1 | provider_type) + (1 | sex)"


def with_types(frame: pd.DataFrame, *sizes: int) -> pd.DataFrame:
    names = ["coach", "therapist", "both"]
    codes = np.repeat(np.arange(len(sizes)), sizes)
    return frame.assign(provider_type=pd.Categorical.from_codes(codes, names[: len(sizes)], ordered=True))


def plain(headings: Sequence[str]) -> list[str]:
    return [heading.replace("\N{NO-BREAK SPACE}", " ") for heading in headings]


def cell(table: Table, row: str, column: str) -> str:
    (line,) = (line for line in table.rows if line[0] == row)
    return line[next(k for k, heading in enumerate(table.headings) if heading.startswith(column))]


def test_columns_are_provider_types_and_their_figures_are_those_of_their_rows() -> None:
    fit = fitted(with_types(rows(300), 200, 60, 40), formula=FORMULA, draws=4)

    table, numbers = table_one(fit, 10)

    assert plain(table.headings) == [
        "Variable",
        "coach (n = 200)",
        "therapist (n = 60)",
        "both (n = 40)",
        "Overall (n = 300)",
    ]
    assert "n = 300" in table.caption
    own = fit.design.frame[fit.design.frame["provider_type"] == "therapist"]
    quartiles = own["age"].quantile([0.5, 0.25, 0.75])
    assert cell(table, "age, years: mean (SD)", "therapist") == f"{own['age'].mean():.1f} ({own['age'].std():.1f})"
    assert cell(table, "age: median (quartiles)", "therapist") == "{:.1f} ({:.1f} to {:.1f})".format(*quartiles)
    women = int((own["sex"] == "female").sum())
    assert cell(table, "sex: female", "therapist") == f"{women} ({100 * women / 60:.1f}%)"
    assert cell(table, "provider type: both", "Overall") == "40 (13.3%)"
    assert [level["level"] for level in numbers["groups"]["levels"]] == ["coach", "therapist", "both"]
    (aged,) = (f for f in numbers["groups"]["levels"][1]["summary"] if f["variable"] == "age")
    assert (aged["mean"], aged["sd"], aged["n"]) == pytest.approx((own["age"].mean(), own["age"].std(), 60), rel=1e-12)


def test_a_group_of_few_people_has_no_column_and_neither_has_one_that_would_tell() -> None:
    fit = fitted(with_types(rows(300), 240, 55, 5), formula=FORMULA, draws=4)

    table, numbers = table_one(fit, 10)

    assert plain(table.headings) == ["Variable", "coach (n = 240)", "Overall (n = 300)"]
    assert [cell(table, f"provider type: {name}", "Overall") for name in ("coach", "therapist", "both")] == [
        "240 (80.0%)",
        "–",
        "< 10",
    ]
    # Who is in a column is all of it, and none of the others.
    own = [cell(table, f"provider type: {name}", "coach") for name in ("coach", "therapist", "both")]
    assert own == ["240 (100%)", "0", "0"]
    assert "No column for therapist and both" in table.note
    assert [level["level"] for level in numbers["groups"]["levels"]] == ["coach"]


@pytest.mark.parametrize("sizes", [(295, 5), (300,)])
def test_without_groups_to_show_there_is_the_overall_column_only(sizes: tuple[int, ...]) -> None:
    formula = FORMULA if len(sizes) > 1 else "who5_followup ~ alliance + age"
    fit = fitted(with_types(rows(300), *sizes), formula=formula, draws=4)

    table, _ = table_one(fit, 10)

    names = [heading.split(" (")[0] for heading in table.headings]
    assert names == ["Variable", "Overall"]


def test_missing_values_are_counted_when_a_model_is_applied() -> None:
    frame = rows(300).assign(participant_id=[f"p{k}" for k in range(300)])
    frame.loc[:24, "age"] = np.nan
    frame.loc[20:50, "who5_followup"] = np.nan
    model = ab.Model(FORMULA, priors="literature")

    flow, about = model._applied(frame)[2:4]

    assert about["missing"] == {"who5_followup": 31, "alliance": 0, "age": 25, "provider_type": 0, "sex": 0}
    assert flow.analysed == 249


def test_missing_values_are_shown_unless_they_are_few_or_tell_of_few() -> None:
    flow = Flow(300, (FlowStep("no follow-up WHO-5", 31), FlowStep("age unknown", 20)))
    counted = {"who5_followup": 31, "age": 25, "alliance": 0, "sex": 4}

    shown = shown_missing(counted, flow, 10)

    # 5 people lack both: 25 less the 20 of the flow.
    assert shown == {"who5_followup": (31, "31"), "age": (None, "–"), "alliance": (0, "0"), "sex": (None, "< 10")}
    fit = fitted(rows(249), formula=FORMULA, draws=4)
    fit = dataclasses.replace(fit, info={**fit.info, "missing": counted}, flow=flow)
    table, numbers = table_one(fit, 10)
    assert cell(table, "age, years: mean (SD)", "Missing") == "–"
    assert cell(table, "sex: female", "Missing") == "< 10"
    assert numbers["missing"] == {"who5_followup": 31, "age": None, "alliance": 0, "sex": None}


def test_a_step_of_few_people_takes_the_number_of_participants_with_it() -> None:
    steps = (FlowStep("no follow-up WHO-5", 40), FlowStep("age unknown", 3), FlowStep("sex unknown", 2))

    flow = ShownFlow.of(Flow(245, steps), 10)

    assert (flow.participants, flow.total, flow.left) == ("242 to 258", None, None)
    assert [size for _, size in flow.steps] == ["40", "< 10", "< 10"]
    # All that anybody can say: 200 analysed and 40 left out, and two steps of 1 to 9 people each.
    assert flow.participants == f"{200 + 40 + 2 * 1} to {200 + 40 + 2 * 9}"
    assert [step["n"] for step in flow.numbers["left_out"]] == [40, None, None]  # type: ignore[attr-defined]
    # "Fewer than 2" would be 1, and then the range would be one number.
    assert ShownFlow.of(Flow(201, (FlowStep("age unknown", 1),)), 2).participants == "–"
    assert ShownFlow.of(Flow(201, (FlowStep("age unknown", 1),)), 1).total == 201


def test_nothing_of_the_page_or_its_numbers_tells_a_hidden_count(checks_of: Callable[..., CheckReport]) -> None:
    # Participants in all, and all who were left out, would tell how many had no age.
    fit = fitted(rows(240), formula=FORMULA, draws=60)
    flow = Flow(7351, (FlowStep("no follow-up WHO-5", 7108), FlowStep("age unknown", 3)))
    fit = dataclasses.replace(fit, flow=flow, info={**fit.info, "missing": {"age": 5, "who5_followup": 7108}})

    report = rendered(fit, checks=checks_of())

    # A fingerprint is digits by chance.
    for text in (re.sub(r"\b[0-9a-f]{64}\b", "", text) for text in (report.html, report.json)):
        assert "7351" not in text
        assert "7,351" not in text
        assert "7,111" not in text
    assert report.numbers["participants"]["participants"] is None
    assert report.numbers["participants"]["missing"] == {"age": None, "who5_followup": 7108}
    assert "hold for the people who were left out because a value is missing" in report.html
    assert "missing" not in report.numbers["meta"]["info"]
    json.loads(report.json)


@pytest.mark.slow
def test_every_table_of_a_page_shows_the_same_of_a_level(checks_of: Callable[..., CheckReport]) -> None:
    frame = rows(300, countries=3)
    frame["country"] = pd.Categorical(np.repeat(["A", "B", "C", "D"], [4, 180, 90, 26]), ordered=True)
    fit = fitted(frame, formula=f"{FORMULA} + (1 | country)", draws=60)
    report = rendered(fit, checks=checks_of())

    told = {row["level"]: row["shown"] for row in report.numbers["participants"]["summary"] if row.get("level")}
    assert [told[level] for level in "ABCD"] == ["< 10", "180", "90", "–"]
    groups = report.html.split('<section id="groups"')[1].split("</section>")[0]
    for level in "BC":
        assert f"{level}</th><td>{told[level]}</td>" in groups
    # Of the others nothing is said: an interval tells how many people are behind it.
    assert not any(f">{level}</th>" in groups for level in "AD")
    about = [row for row in report.numbers["effects"] if row["factor"] == "country"]
    assert {"B", "C"} == {row[name] for row in about for name in ("level", "versus") if row[name] is not None}


def shown_of(fit: FittedModel) -> Table:
    table = describe(fit, 10).context["table"]
    assert isinstance(table, Table)
    return table


def test_a_long_list_is_ordered_by_what_is_shown() -> None:
    frame = rows(900)
    sizes = [100, 99, 98, 97, 96, 95, 94, 93, 92, 22, 11, 3]
    names = [f"L{k:02d}" for k in range(12)]
    frame["country"] = pd.Categorical.from_codes(np.repeat(np.arange(12), sizes), names, ordered=True)
    fit = fitted(frame, formula="who5_followup ~ alliance + (1 | country)", draws=4)

    listed = [line for line in shown_of(fit).rows if line[0].startswith("country")]

    assert [line[0] for line in listed[:-1]] == [f"country: L{k:02d}" for k in range(6)]
    assert listed[-1] == ("country: 6 further levels", "all rows below")
    counted = dataclasses.replace(fit, info={**fit.info, "missing": {"country": 0}})
    assert [line[-1] for line in shown_of(counted).rows if line[0].startswith("country")] == ["0", *[""] * 6]
    hidden = [line[1] for line in shown_of(fit).more if line[0].startswith("country")][-3:]
    assert hidden == ["–", "11 (1.2%)", "< 10"]


@pytest.mark.parametrize(
    ("formula", "kinds"),
    [
        ("who5_followup ~ alliance + age", "mean (SD) and median (quartiles) of numbers"),
        ("who5_followup ~ sex", "mean (SD) and median (quartiles) of numbers, n (% of the column) of levels"),
        # Persons are a number of levels, of which no line tells a count.
        ("who5_followup ~ alliance + (1 | country)", "mean (SD) and median (quartiles) of numbers"),
    ],
)
def test_the_caption_promises_what_the_table_has(formula: str, kinds: str) -> None:
    table, _ = table_one(fitted(rows(60, countries=30), formula=formula, draws=4), 10)
    assert table.caption.partition(": ")[2] == kinds
    assert any("%" in text for line in table.rows for text in line[1:]) is ("%" in kinds)


def test_successes_are_told_as_the_share_of_their_trials() -> None:
    """Of all trials together, as a mean of shares is not; few successes, or few failures, are not told."""
    frame = with_types(rows(90), 45, 45)
    kept = np.where(np.arange(90) < 45, 1.0 + np.arange(90) % 3, 0.0)
    frame = frame.assign(kept=kept, planned=4.0 + np.arange(90) % 5)
    made = fitted(
        frame, formula="kept ~ alliance + provider_type", draws=4, spec={"family": "binomial", "trials": "planned"}
    )
    table, numbers = table_one(made, 10)
    first = frame.iloc[:45]
    share = first["kept"].sum() / first["planned"].sum()
    row = "kept, of planned: share of trials"
    assert cell(table, row, "coach") == f"{100 * share:.1f}%"
    assert cell(table, row, "therapist") == "–"
    assert cell(table, row, "Overall") == f"{100 * kept.sum() / frame['planned'].sum():.1f}%"
    told = {entry["variable"]: entry for entry in numbers["summary"]}
    assert told["kept"]["share_of_trials"] == pytest.approx(kept.sum() / frame["planned"].sum(), abs=5e-4)
    assert "share_of_trials" not in told["planned"]


@pytest.mark.parametrize("lost", [0, 30])
def test_what_is_said_of_those_left_out_is_said_where_there_are_any(lost: int) -> None:
    fit = fitted(rows(200), formula=FORMULA, draws=4)
    fit = dataclasses.replace(fit, flow=Flow(200 + lost, (FlowStep("no alliance rating", lost),) if lost else ()))
    sentence = describe(fit, 10).context["missing"]
    if lost:
        assert sentence.startswith("A person who lacks a value in a column of the model")
        assert sentence.endswith("is what a report with --missing impute says.")
    else:
        assert sentence == "Nobody was left out: no person lacks a value in a column of the model."
