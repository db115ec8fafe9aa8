"""Pages of models with imputed values: what they say of whom was observed, and that nothing tells of few people."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

import alliance_bayes as ab
from alliance_bayes.fit import FittedModel, seen
from alliance_bayes.imputation.imputed import GROUP, Imputed
from alliance_bayes.report import Rendered, Report
from alliance_bayes.report.curve import observed_means
from alliance_bayes.report.drawn import lacking, shown_lacking, unmeasured, values_drawn
from alliance_bayes.report.patterns import Pattern, patterns_of, shown_patterns
from alliance_bayes.report.text import MINUS
from alliance_bayes.report.unions import kept_unions, union_told
from builders import fitted, rendered, rows
from counting import counts_told, told_twice
from imputing import table
from report.test_report_counting import FORMULA, OPTIONS, frame_of
from report.test_report_page import parsed

SMALL = 10
SECTIONS = ["data", "missing", "model", "effects", "limitations", "methods", "reproduction"]


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """Numbers, an indicator and a factor with gaps, and a column that four people lack."""
    frame, rng = table(n=400, complete=True), np.random.default_rng(1)
    for name, share in (("y", 0.15), ("x", 0.15), ("z", 0.1)):
        frame.loc[rng.random(len(frame)) < share, name] = np.nan
    frame["g"] = pd.Categorical(rng.choice(["a", "b", "c"], len(frame)))
    frame.loc[rng.random(len(frame)) < 0.1, "g"] = None
    frame["u"] = np.round(rng.normal(30, 9, len(frame)))
    frame.loc[:3, "u"] = np.nan
    return frame


@pytest.fixture(scope="module")
def fit(data: pd.DataFrame) -> FittedModel:
    model = ab.Model("y ~ x + z + w + u + g", missing="impute", auxiliary=("aux",), focal="x")
    return model.fit(ab.read_cohort(data), seed=3, draws=1000, progress=False)


@pytest.fixture(scope="module")
def page(fit: FittedModel) -> Rendered:
    made = Report(sections=SECTIONS).render(fit)
    assert not made.withheld
    return made


@pytest.mark.slow
def test_nothing_false_is_said_of_a_page_with_imputed_values(page: Rendered) -> None:
    text = re.sub(r"\s+", " ", parsed(page.html).text)
    for false in ("othing was imputed", "none with a missing value", "in a column of the model were left out"):
        assert false not in text
    assert "(missing at random)" in page.numbers["methods"]["text"]
    assert set(page.numbers["methods"]["references"]) >= {"ibrahim1999", "bartlett2015", "erler2016"}


@pytest.mark.slow
def test_table_1_describes_what_was_observed(page: Rendered, data: pd.DataFrame) -> None:
    summary = {row["variable"]: row for row in page.numbers["participants"]["summary"] if "mean" in row}
    for name in ("y", "x"):
        # As printed, to two digits of the SD: that of x is 1.0, of y 3.8.
        assert summary[name]["mean"] == pytest.approx(data[name].mean(), abs=0.05)
        assert summary[name]["sd"] == pytest.approx(data[name].std(), abs=0.05)
        assert summary[name]["n"] is None
    # As the JSON has it, to five digits.
    assert summary["w"]["mean"] == pytest.approx(data["w"].mean(), abs=1e-5)
    assert summary["w"]["n"] == len(data)


def test_the_section_counts_what_is_missing(page: Rendered, data: pd.DataFrame, fit: FittedModel) -> None:
    columns = {row["column"]: row for row in page.numbers["missing"]["columns"]}
    assert {name: row["missing"] for name, row in columns.items()} == {
        **{name: int(data[name].isna().sum()) for name in ("y", "x", "z", "g")},
        "u": None,
    }
    kept = fit.imputation
    assert kept is not None
    assert columns["x"]["observed"]["mean"] == pytest.approx(data["x"].mean(), abs=0.05)
    assert columns["x"]["imputed"]["mean"] == pytest.approx(kept.values["x"].mean(), abs=0.05)
    shares = data["g"].value_counts(normalize=True)
    # Rounded to a tenth of a per cent.
    assert columns["g"]["observed"] == pytest.approx(shares.to_dict(), abs=0.0006)
    assert sum(columns["g"]["imputed"].values()) == pytest.approx(1, abs=0.002)
    # Of what four people lack, nothing: neither how many they are nor any sum that holds them.
    assert "imputed" not in columns["u"]
    assert values_drawn(fit, SMALL) == ""
    assert page.numbers["answer"]["people"].endswith("some missing values imputed;")


def test_patterns_are_those_of_the_table(page: Rendered, data: pd.DataFrame) -> None:
    lacks = data[["y", "x", "z", "u", "g"]].isna()
    total = 0
    for one in page.numbers["missing"]["patterns"]:
        total += one["n"]
        if one["lacks"] is not None:
            own = (lacks == [name in one["lacks"] for name in lacks]).all(axis=1)
            assert one["n"] == int(own.sum()) >= SMALL
    assert total == len(data)


@pytest.mark.usefixtures("undrawn")
def test_no_figure_of_patterns_names_no_column(fit: FittedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(patterns: list[Pattern]) -> bool:
        monkeypatch.setattr("alliance_bayes.report.missing._patterns", lambda fit, small: patterns)
        text = Report(sections=["missing"]).render(fit).html
        assert ("Which values are missing together is not shown" in text) == ('id="missing-patterns' not in text)
        return 'id="missing-patterns' in text

    assert drawn([Pattern((), 300), Pattern(("y",), 60), Pattern(None, 40)])
    assert not drawn([Pattern((), 300), Pattern(None, 100)])
    assert not drawn([])


@pytest.mark.usefixtures("undrawn", "gate_alone")
def test_one_incomplete_column_lacks_nothing_together_with_others() -> None:
    """Its table says all that there is; the counts stay in the JSON."""
    rng = np.random.default_rng(8)
    frame = pd.DataFrame(rng.normal(size=(120, 2)), columns=["y", "x"])
    frame.loc[:29, "y"] = np.nan
    fit = ab.Model("y ~ x", missing="impute").fit(frame, seed=1, draws=40, progress=False)
    page = Report(sections=["missing"]).render(fit)
    assert "missing-patterns" not in page.html
    assert "missing together" not in page.html
    assert page.numbers["missing"]["patterns"] == [{"lacks": [], "n": 90}, {"lacks": ["y"], "n": 30}]


def test_complete_rows_are_compared(page: Rendered, fit: FittedModel, data: pd.DataFrame) -> None:
    """The slope of complete rows is that of the model that leaves the others out, but for the scales of its priors."""
    assert page.rows is not None
    row = page.rows.loc["missing/slope/x/sample"]
    model = ab.Model("y ~ x + z + w + u + g", focal="x")
    other = model.fit(ab.read_cohort(data.drop(columns="aux")), seed=1, draws=1000, progress=False).effects()
    slope = other.loc["slope/x/sample"]
    # The priors of the coefficients scale with the SD of the rows, which differs by per cents.
    assert row["mean"] == pytest.approx(slope["mean"], abs=0.1 * slope["sd"])
    assert row["sd"] == pytest.approx(slope["sd"], rel=0.1)


def test_missing_values_are_moved(page: Rendered, fit: FittedModel) -> None:
    """Of the outcome and of the predictor of interest: nine estimates in a figure, a sentence, and a limitation."""
    assert page.rows is not None
    told = {one["column"]: one for one in page.numbers["missing"]["shifted"]}
    assert list(told) == ["y", "x"]
    assert page.numbers["limitations"]["not_done"] == [
        one for one in page.numbers["limitations"]["not_done"] if "missing values" not in one
    ]
    own = page.rows.loc["slope_p10_p90/x/sample"]
    section = parsed(page.html).by_id("missing")
    for place, (name, one) in enumerate(told.items(), start=1):
        cells = [
            [cell.text for cell in row.all("td")] for row in section.by_id(f"missing-shift-{place}-data").all("tr")
        ]
        assert len([row for row in cells if row]) == 9
        rows = page.rows[[f"/at {name} = imputed" in row for row in page.rows.index]]
        assert list(rows["at"])[4] == f"{name} = imputed"
        # Where nothing is moved, the estimate is the page's own.
        for figure in ("mean", "lower", "upper", "p_direction"):
            assert rows[figure].iloc[4] == own[figure]
        assert one["to"] == -one["from"] >= fit.design.frame[name].std() * 0.9
        claims = [turn["claim"] for turn in one["turns"]]
        assert claims == ["direction"]
        said = " ".join(page.numbers["limitations"]["sentences"])
        assert said.count(f"{name} of those without a value were") == 1
    # Those who lack y were drawn by chance: the slope moves by little, whatever they are.
    assert told["y"]["turns"][0]["nearest"] is None


@pytest.mark.slow
@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_a_difference_of_two_arms_turns_where_the_lost_of_one_arm_differ() -> None:
    """More of the second arm are lost, and its effect is small: some points take it away, on one side only."""
    rng, n = np.random.default_rng(2), 300
    arm = np.where(np.arange(n) % 2, "wait", "care")
    y = 0.6 * (arm == "care") + rng.normal(0, 2, n)
    y[rng.random(n) < np.where(arm == "care", 0.35, 0.1)] = np.nan
    frame = pd.DataFrame({"participant_id": [f"p{k}" for k in range(n)], "y": y, "arm": arm, "w": rng.normal(size=n)})
    fit = ab.Model("y ~ arm + w", missing="impute", focal="arm", levels={"arm": ("wait", "care")}).fit(
        ab.read_cohort(frame), seed=1, draws=400, progress=False
    )
    made = Report(sections=["missing", "limitations"]).render(fit, checks=fit.check(checks=["convergence"]))
    assert not made.withheld
    (told,) = made.numbers["missing"]["shifted"]
    (turn,) = [one for one in told["turns"] if one["claim"] == "direction"]
    assert made.rows is not None
    own = made.rows.loc["contrast_of_means/arm=care vs wait/sample"]
    # Adding d to the lost moves the difference by d times .35 less d times .1, and its lower end by about as much.
    lost = frame["y"].isna().groupby(frame["arm"]).mean()
    assert turn["above"] is None
    assert turn["below"] == pytest.approx(-own["lower"] / (lost["care"] - lost["wait"]), rel=0.25)
    said = " ".join(made.numbers["limitations"]["sentences"])
    assert f"y of those without a value were {abs(turn['below']):g}" in said
    assert f"the difference care {MINUS} wait is above zero" in re.sub("[“”]", "", said)


@pytest.mark.slow
def test_the_share_of_missing_information_is_shown_where_values_were_imputed(page: Rendered) -> None:
    headings = [cell.text for cell in parsed(page.html).by_id("effects").all("th")]
    assert "Missing information" in headings
    plain = rendered(fitted(), sections=["effects"])
    assert "Missing information" not in [cell.text for cell in parsed(plain.html).all("th")]


def test_a_closed_gate_shows_nothing_that_was_drawn(fit: FittedModel) -> None:
    short = replace(fit, tree=fit.thinned(200).tree)
    made = Report(sections=["missing"]).render(short)
    assert made.withheld
    assert all({*row} == {"column", "missing", "in_model"} for row in made.numbers["missing"]["columns"])


@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_without_imputation_there_is_no_such_section() -> None:
    page = rendered(fitted())
    assert "missing" not in page.numbers
    assert parsed(page.html).all("section")
    assert "missing" not in [node.attributes.get("id") for node in parsed(page.html).all("section")]


def test_a_page_says_how_large_an_error_of_measurement_is_and_nothing_of_values_that_nobody_lacks(
    data: pd.DataFrame,
) -> None:
    frame = data[["y", "x"]].dropna()
    model = ab.Model("y ~ x", focal="x", missing="impute", reliability={"x": 0.75})
    fit = model.fit(ab.read_cohort(frame.assign(participant_id=np.arange(len(frame)))), seed=1, progress=False)
    page = parsed(fit.report(sections=SECTIONS).html)
    sd = float(frame["x"].std()) * 0.5
    assert f": an SD of {sd:.3g} units of x. " in page.by_id("missing").text
    assert "Missing" not in page.by_id("missing").text
    assert "tipping-point" not in page.by_id("limitations").text


@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_a_page_tells_of_values_without_even_a_measurement_and_what_is_assumed_of_them(data: pd.DataFrame) -> None:
    frame = data[["y", "x"]].dropna().reset_index(drop=True)
    frame.loc[frame.index[::5], "x"] = np.nan
    lacked = int(frame["x"].isna().sum())
    cohort = ab.read_cohort(frame.assign(participant_id=np.arange(len(frame))))
    model = ab.Model("y ~ x", focal="x", missing="impute", error={"x": 0.4})
    fit = model.fit(cohort, seed=1, progress=False)
    assert unmeasured(fit) == {"x": lacked}
    # Neither those who had a value nor those who had none may be few.
    assert values_drawn(fit, lacked) == f"{lacked}"
    assert values_drawn(fit, lacked + 1) == ""
    page = parsed(fit.report(sections=["data", "missing", "limitations", "methods"]).html)
    texts = {name: " ".join(page.by_id(name).text.split()) for name in ("data", "missing", "limitations", "methods")}
    n = len(frame)
    findings = " ".join(page.by_id("findings").text.split())
    wanted = f"{n} people analysed of {n}, {lacked} missing values imputed and true values drawn of what was measured"
    assert wanted in findings
    assert f"{lacked} missing values of the model’s columns were drawn" in texts["data"]
    assert texts["missing"].split("missing. ")[0].endswith(f"{lacked} values of the model’s columns are ")
    assert "Missing values were imputed as missing at random" in texts["limitations"]
    assert "values of x were drawn given the complete predictors, by linear regression" in texts["methods"].lower()


def test_which_values_were_observed(fit: FittedModel, data: pd.DataFrame) -> None:
    assert {name: places.size for name, places in lacking(fit).items()} == {
        name: int(data[name].isna().sum()) for name in ("y", "x", "z", "u", "g")
    }
    assert np.array_equal(seen(fit, "x", "y"), data[["x", "y"]].notna().all(axis=1))
    assert shown_lacking(fit, "u", SMALL) is None
    assert shown_lacking(fit, "u", 2) == 4


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 3), st.integers(0, 2**32 - 1), st.integers(3, 10))
def test_no_pattern_of_few_people_can_be_solved_for(columns: int, seed: int, small: int) -> None:
    """Whoever knows the shown patterns, the totals and the sum of the others finds no count of few people."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 120))
    lacks = rng.random((n, columns)) < rng.uniform(0, 0.4, columns)
    names = [f"c{k}" for k in range(columns)]
    places = {name: np.flatnonzero(lacks[:, k]) for k, name in enumerate(names)}
    few = {name: 0 < own.size < small or 0 < n - own.size < small for name, own in places.items()}
    totals = {name: None if few[name] else int(own.size) for name, own in places.items()}
    patterns = patterns_of(places, n)
    assert sum(patterns.values()) == n
    # Of how many two columns were both observed is told, too, of means and shares of both.
    unions = kept_unions(places, totals, list(itertools.combinations(names, 2))[:2], n, small)
    for pair, size in unions.items():
        assert size == int(lacks[:, [names.index(name) for name in pair]].any(axis=1).sum())
    shown = shown_patterns(patterns, totals, small, unions)
    told = {one.lacks: one.n for one in shown if one.lacks is not None}
    assert all(patterns[key] == size >= small for key, size in told.items())
    if not (shown or unions):
        return
    every = [key for r in range(columns + 1) for key in itertools.combinations(names, r)]
    rows, sides = [np.ones(len(every))], [n]
    for name, total in totals.items():
        if total is not None:
            rows.append(np.array([name in key for key in every], dtype=float))
            sides.append(total)
    for key, size in told.items():
        rows.append(np.array([one == key for one in every], dtype=float))
        sides.append(size)
    for pair, size in unions.items():
        rows.append(np.array([bool({*pair} & {*key}) for key in every], dtype=float))
        sides.append(size)
    if shown and all(one.lacks is not None for one in shown):
        assert sum(told.values()) == n
        return
    for key, size in patterns.items():
        if size >= small or key in told:
            continue
        goal = np.array([one == key for one in every], dtype=float)
        known = LinearConstraint(np.array(rows), sides, sides)
        whole = np.ones(len(every))
        found = set()
        for sign in (1.0, -1.0):
            end = milp(sign * goal, constraints=[known], bounds=Bounds(0, n), integrality=whole)
            found.add(round(float(sign * end.fun)))
        assert len(found) == 2


def test_no_exact_mean_of_what_few_people_lack(page: Rendered, data: pd.DataFrame) -> None:
    """By an exact mean of whole numbers, anybody could work out of how many people it is."""
    mean, n = data["u"].mean(), len(data)
    told = next(row["mean"] for row in page.numbers["participants"]["summary"] if row["variable"] == "u")
    # As it is printed, it may be the mean of any number of people.
    assert all(np.ceil((told - 0.05) * (n - k)) <= np.floor((told + 0.05) * (n - k)) for k in range(1, SMALL))
    for text in (page.html, str(page.numbers)):
        assert f"{mean:.5g}" not in text
        assert f"{mean:.4g}" not in text


def with_gaps(fit: FittedModel, places: dict[str, np.ndarray]) -> FittedModel:
    """The fit as if values in some places had been drawn: what stands there."""
    frame, shape = fit.design.frame, (*fit.shape, len(fit.design.terms))
    stand = {
        name: frame[name].cat.codes.to_numpy() if hasattr(frame[name], "cat") else frame[name].to_numpy(float)
        for name in places
    }
    values = {name: np.tile(stand[name][at], (5, 1)) for name, at in places.items()}
    means = np.broadcast_to(fit.design.rows.x.mean(axis=0), shape)
    groups = {name: fit.tree[name].to_dataset() for name in ("posterior", "sample_stats")}
    kept = Imputed(places, values, means, {}, np.tile(np.arange(fit.shape[1]), (fit.shape[0], 1))).dataset()
    return replace(fit, tree=xr.DataTree.from_dict(groups | {GROUP: kept}))


@pytest.mark.slow
def test_no_page_with_imputed_values_tells_how_few_people_have_a_value() -> None:
    """Two pages alike but for how few people have a value, of 100 who were asked and of everybody."""
    tables, formula = [{0: 116, 1: 4}, {0: 113, 1: 7}], FORMULA.format("relapse")
    made = []
    for seed, counts in enumerate(tables):
        fit = fitted(frame_of(seed, relapse=counts), formula=formula, draws=300, spec={**OPTIONS, "focal": "relapse"})
        gaps = np.flatnonzero(fit.design.frame["relapse"].to_numpy() == 0)[:20]
        made.append(rendered(with_gaps(fit, {"relapse": gaps}), small=SMALL))
    for n, lost in ((120, 0), (100, 20)):
        found = [
            (
                counts_told(page.html, page.numbers, ["relapse"], [0, 1], n, scales=(2.5 * 19, 0.5 * 19)),
                (counts[0] - lost, counts[1]),
            )
            for page, counts in zip(made, tables, strict=True)
        ]
        assert told_twice(found) == set()


@pytest.mark.slow
def test_the_page_is_verified(fit: FittedModel, data: pd.DataFrame, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    Report().render(fit).write(file)
    found = ab.verify_report(file, ab.read_cohort(data))
    assert found.problems == ()


@pytest.mark.slow
@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_no_difference_of_one_person_is_told() -> None:
    """Of those who lack y all but one lack w, too: the difference in w would be that person's value.

    Neither is it told, nor how far the shifts go, which are spaced by what differs.
    """
    rng, n = np.random.default_rng(4), 150
    frame = pd.DataFrame({"participant_id": [f"p{k}" for k in range(n)], "x": rng.normal(size=n)})
    frame["w"], frame["y"] = rng.normal(50, 10, n), 20 + 2 * frame["x"] + rng.normal(0, 3, n)
    frame.loc[:11, "y"] = np.nan
    frame.loc[:10, "w"] = np.nan
    frame.loc[11, "w"] = 120.0
    model = ab.Model("y ~ x + w", missing="impute", focal="x")
    fit = model.fit(ab.read_cohort(frame), seed=1, draws=400, progress=False)
    found = fit.tipping_point("y")
    differences = found.differences.set_index("column")
    assert dict(differences["least"]) == {"x": 12, "w": 1}
    # It is there for the analyst: 120 against a mean of about 50, in SDs of w.
    observed = frame["w"].dropna()
    expected = (120 - observed[:-1].mean()) / observed.std()
    assert differences.loc["w", "standardised"] == pytest.approx(expected, rel=0.1)
    # Four steps of one digit reach the SD of y, and no further.
    sd = frame["y"].std()
    assert sd <= found.shifts[-1] < 1.5 * sd
    made = Report(sections=["missing", "limitations"]).render(fit, checks=fit.check(checks=["convergence"]))
    assert not made.withheld
    (told,) = made.numbers["missing"]["shifted"]
    assert told["largest_difference"]["column"] == "x"
    assert told["to"] == found.shifts[-1]
    (one,) = (
        Report(sections=["missing"], small=1)
        .render(fit, checks=fit.check(checks=["convergence"]))
        .numbers["missing"]["shifted"]
    )
    assert one["largest_difference"]["column"] == "w"


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("both", "told"), [(4, False), (12, True)])
def test_how_few_lack_two_columns_cannot_be_had_from_those_who_have_both(both: int, told: bool) -> None:
    """A page has how many lack each; of how many both were observed it tells where it tells of nobody few.

    Observed means by the predictor of interest have it in their bins, and observed shares of improvement below the bar.
    """
    rng, n, lost = np.random.default_rng(7), 240, 30
    frame = rows(n, seed=3).drop(columns=["provider_type", "sex", "country"])
    frame.insert(0, "participant_id", [f"p{k}" for k in range(n)])
    order = rng.permutation(n)
    frame.loc[order[:lost], "who5_followup"] = np.nan
    for name in ("alliance", "who5_baseline"):
        frame.loc[order[lost - both : 2 * lost - both], name] = np.nan
    model = ab.Model("who5_followup ~ alliance + who5_baseline + age", missing="impute", focal="alliance")
    fit = model.fit(ab.read_cohort(frame), seed=1, draws=800, progress=False)
    table = observed_means(fit, "alliance", SMALL)
    assert told == (len(table) > 0)
    if told:
        assert 2 * lost - (n - int(table["n"].sum())) == both
    assert union_told(fit, ("who5_followup", "who5_baseline"), SMALL) == told
    assert union_told(fit, ("who5_followup", "age"), SMALL)
    made = Report(sections=["endpoints", "missing"]).render(fit, checks=fit.check(checks=["convergence"]))
    assert not made.withheld
    shares = [cell.text for cell in parsed(made.html).by_id("endpoints").all("td")]
    assert told == any(re.fullmatch(r"\d+ of \d+ \(.*\)", one) for one in shares)
