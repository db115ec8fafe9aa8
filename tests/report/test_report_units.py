"""Pages of tables with several rows a person: people and rows counted apart, in the words of the table."""

from __future__ import annotations

import html
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.cohort import Flow, FlowStep
from alliance_bayes.report.privacy import ShownFlow, shown_missing
from alliance_bayes.report.text import units

LONG = {"person": "pid", "time": "week", "unit": "diary entry"}
PEOPLE, WEEKS = 40, 5


def table() -> pd.DataFrame:
    """Forty people in five weeks: an arm and an age of theirs, a mood that changes, and scores that some lack."""
    rng = np.random.default_rng(8)
    who = np.repeat(np.arange(PEOPLE), WEEKS)
    week = np.tile(np.arange(WEEKS), PEOPLE)
    score = 20 + rng.normal(0, 4, PEOPLE)[who] + 0.8 * week + rng.normal(0, 2, who.size)
    score[np.isin(who, range(12))] = np.nan
    score[(week == 4) & (who < 30)] = np.nan
    return pd.DataFrame(
        {
            "pid": [f"Zoltan{k:02d}" for k in who],
            "week": week,
            "score": score,
            "age": rng.integers(20, 70, PEOPLE)[who].astype(float),
            "arm": np.where(who % 3 == 0, "care as usual", "therapy"),
            "mood": rng.choice(["low", "high"], who.size),
        }
    )


MODEL = ab.Model("score ~ week + age + arm + mood + (1 | pid)", focal="week")


@pytest.fixture(scope="module")
def fit() -> ab.Fit:
    return MODEL.fit(table(), **LONG, seed=4, draws=400, progress=False)


@pytest.fixture(scope="module")
def page(fit: ab.Fit, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, object], str]:
    path = tmp_path_factory.mktemp("page") / "units.html"
    made = fit.report(path, checks=fit.check(checks=["convergence", "posterior_predictive"]))
    return path, dict(made.numbers), words_of(made.html)


def words_of(page: str) -> str:
    page = re.sub(r"<(style|script).*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.mark.slow
def test_table_one_by_hand(page: tuple[Path, dict[str, object], str]) -> None:
    _, numbers, _ = page
    complete = table().dropna()
    firsts = complete.drop_duplicates("pid")
    told = {(row["variable"], row.get("level")): row for row in numbers["participants"]["summary"]}  # type: ignore[index]
    # A row each for what changes, one person each for what does not.
    for name, rows, of in (("score", complete, "diary entries"), ("age", firsts, "people")):
        found = told[name, None]
        assert (found["n"], found["of"]) == (len(rows), of)
        assert found["mean"] == pytest.approx(rows[name].mean(), abs=6e-4)
        assert found["sd"] == pytest.approx(rows[name].std(), abs=6e-4)
        assert found["median"] == pytest.approx(rows[name].median(), abs=6e-4)
    arms = firsts["arm"].value_counts()
    moods = complete.groupby("mood")["pid"].nunique()
    assert [told["arm", level]["shown"] for level in arms.index] == [str(n) for n in arms]
    # Of a level that all but a few people had at some time, the few who never did could be counted.
    few = [0 < len(firsts) - n < 10 for n in moods]
    assert [told["mood", level]["shown"] for level in moods.index] == [
        "–" if hidden else str(n) for n, hidden in zip(moods, few, strict=True)
    ]


def test_the_words_of_the_page(page: tuple[Path, dict[str, object], str]) -> None:
    _, numbers, text = page
    data = table()
    complete = data.dropna()
    people, rows = complete["pid"].nunique(), len(complete)
    lost = data["pid"].nunique() - people
    assert (people, rows, lost) == (28, 122, 12)
    for said in (
        "28 people, 122 diary entries analysed · data: DataFrame",
        "40 people, 200 diary entries in the table",
        "78 diary entries left out, and with them 12 people: no value of score",
        "28 people, 122 diary entries (61.0%) analysed",
        "A diary entry that lacks a value",
        "People analysed (n = 28, 122 diary entries)",
        ", of people: mean (SD)",
        "score, of diary entries: mean (SD)",
        "mood: high (in any diary entry)",
        "Missing: diary entries without a value",
        "in 122 of 200 diary entries of 28 people",
        "Slopes and adjusted means are averages over the diary entries analysed",
        "Averages are over diary entries, so that people with more of them count more.",
        "Each diary entry’s value of score",
        "78 of 200 diary entries (39.0%) were left out",
        "That the results hold for the 78 diary entries (39%) that were left out",
        "that of two diary entries, drawn from those analysed",
        "Between diary entries at the 10th and at the 90th percentile of week",
        "mean of the diary entries analysed",
        "--person pid --time week --unit 'diary entry' -o report.html",
    ):
        assert said in text, said
    assert "122 people" not in text
    assert "Zoltan" not in text
    assert numbers["meta"]["data"] == {  # type: ignore[index]
        "source": "DataFrame",
        "rows": True,
        "analysed": 122,
        "people": 28,
        "unit": "diary entry",
        "read": LONG,
    }


@pytest.mark.slow
def test_such_a_page_is_verified(page: tuple[Path, dict[str, object], str]) -> None:
    path, _, _ = page
    assert "Zoltan" not in path.read_text() + path.with_suffix(".json").read_text()
    found = ab.verify_report(path, ab.read_cohort(table(), **LONG))
    assert found.passed, found.problems
    with pytest.raises(
        ab.UsageError, match=r"read with person='pid' time='week' unit='diary entry'\. Read the table so"
    ):
        ab.verify_report(path, ab.read_cohort(table()))


@pytest.mark.usefixtures("undrawn")
def test_a_model_without_an_effect_of_the_person_says_what_that_means() -> None:
    fit = ab.Model("score ~ week + arm").fit(table(), **LONG, seed=4, draws=400, progress=False)
    text = words_of(fit.report(checks=fit.check(checks=["convergence"])).html)
    assert (
        "That the intervals are as narrow as they look. The model has no effect of the person and takes diary entries "
        "of one person for independent (28 people, 122 diary entries)." in text
    )
    assert "such as (1 | pid) in the formula" in text


def test_rows_of_one_person_that_are_alike_are_found_and_no_person_is_shown() -> None:
    """Twelve people with fifteen rows each: enough rows to be shown, were they people."""
    rng = np.random.default_rng(2)
    who = np.repeat(np.arange(12), 15)
    data = pd.DataFrame({"pid": [f"Zoltan{k:02d}" for k in who], "week": np.tile(np.arange(15.0), 12)})
    data["score"] = rng.normal(0, 3, 12)[who] + rng.normal(0, 1, who.size)
    fit = ab.Model("score ~ week").fit(data, **LONG, seed=1, draws=400, progress=False)
    checks = fit.check(checks=["convergence", "groups"])
    found = next(result for result in checks.results if result.name == "groups")
    assert found.verdict == "warn"
    assert "The model leaves out pid: pool over it, as in (1 | pid)." in found.sentence
    means = data.groupby("pid", sort=False)["score"].mean()
    line = fit.mean_predictor()
    expected = (data["score"] - line).groupby(data["pid"], sort=False).mean()
    assert means.size == 12
    np.testing.assert_allclose(found.table["residual"], expected, atol=0.05)
    made = fit.report(checks=checks)
    shown = next(check for check in made.numbers["checks"] if check["name"] == "groups")
    assert shown["table"] == []
    assert "The model leaves out pid" in shown["sentence"]
    assert "Zoltan" not in made.html + made.json
    pooled = ab.Model("score ~ week + (1 | pid)").fit(data, **LONG, seed=1, draws=400, progress=False)
    assert next(iter(pooled.check(checks=["groups"]).results)).verdict == "pass"


def test_steps_of_few_people_are_not_counted_out_however_many_rows_they_have() -> None:
    steps = (FlowStep("no value of x", 60, 3, 2), FlowStep("no value of y", 40, 25, 0), FlowStep("no z", 90, 30, 12))
    flow = ShownFlow.of(Flow(1000, steps, 100, "session"), 10)
    assert flow.steps == (
        ("no value of x", "some (of fewer than 10 people)"),
        ("no value of y", "40"),
        ("no z", "90"),
    )
    assert flow.lost == ("", "", "12")
    # 810 analysed, 40 and 90 left out, and somebody else.
    assert (flow.participants, flow.total, flow.left) == ("more than 940", None, None)
    # 86 analysed and 12 lost, and one to nine more.
    assert (flow.people, flow.people_analysed) == ("99 to 107", 86)
    assert flow.inexact == ["people", "sessions"]
    assert flow.numbers["left_out"] == [
        {"reason": "no value of x", "n": None, "people_lost": None},
        {"reason": "no value of y", "n": 40, "people_lost": 0},
        {"reason": "no z", "n": 90, "people_lost": 12},
    ]
    whole = ShownFlow.of(Flow(1000, steps, 100, "session"), 1)
    assert (whole.participants, whole.people, whole.lost) == ("1,000", "100", ("2", "", "12"))


def test_missing_values_of_few_people_are_not_counted() -> None:
    flow = Flow(1000, (FlowStep("no value of x", 60, 20, 2),), 100, "session")
    missing, people = {"x": 60, "y": 50, "z": 90, "w": 0}, {"x": 20, "y": 4, "z": 15, "w": 0}
    assert shown_missing(missing, flow, 10, people) == {
        "x": (60, "60"),
        "y": (None, "–"),
        "z": (90, "90"),
        "w": (0, "0"),
    }
    # Of 25 more rows without x than at its step, at least five people are not among those of the step.
    assert shown_missing({"x": 85}, flow, 10, {"x": 25})["x"] == (None, "–")


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("WHO-5 point", "WHO-5 points"),
        ("WHO-5 point per alliance point", "WHO-5 points per alliance point"),
        ("WHO-5 point from alliance 3.5 to 5", "WHO-5 points from alliance 3.5 to 5"),
        ("point of 100", "points of 100"),
        ("probability per alliance point", "probability per alliance point"),
        ("", ""),
    ],
)
def test_the_plural_of_a_unit_is_of_what_is_counted(one: str, many: str) -> None:
    assert units(one) == many


def test_the_plural_is_made_once_in_captions_of_levels() -> None:
    page = (Path(__file__).parents[2] / "reports" / "outcome.html").read_text(encoding="utf-8")
    captions = [html.unescape(text) for text in re.findall(r'id="table-levels-\d+-name">([^<]*)', page)]
    means = [found[1] for text in captions if (found := re.search(r"adjusted mean in (.*?), averaged", text))]
    assert means == ["WHO-5 points"] * 3
