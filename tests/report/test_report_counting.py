"""No page tells how few people have a value of a number: by mean or SD, a prior's scale, or what is nested in it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import override

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alliance_bayes.checks import CheckReport
from alliance_bayes.effects import ESTIMANDS, Analysis, Estimand, Estimate, Measure, effects
from alliance_bayes.effects.table import Tells
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.codings import FEW_VALUES, few_valued, level_counts, solvable
from alliance_bayes.report.marks import column_marks
from alliance_bayes.report.participants import table_one
from alliance_bayes.report.small_counts import hidden_parameters, hidden_rows
from alliance_bayes.report.suppression import Mark
from alliance_bayes.report.untold import groups_told, telling_priors, telling_rows, unsaid, untold
from builders import fitted, rendered, rows
from counting import counts_told, told_twice
from recovering import SMALL, Unknowns, of_table, solved

FORMULA = "who5_followup ~ {} + alliance + who5_baseline + (1 | provider_type) + (1 | sex)"
OPTIONS = {"autoscale": True, "priors": "weak"}


def frame_of(seed: int, n: int = 120, **columns: dict[float, int]) -> pd.DataFrame:
    """Rows with further numbers that so many people have each value of, in any order."""
    rng, frame = np.random.default_rng(seed), rows(n, seed=3)
    for name, counts in columns.items():
        frame[name] = rng.permutation(np.repeat(list(counts), list(counts.values())))
    return frame


#: Two tables alike but for how few people have a value.
TABLES = [
    {"relapse": {0: 116, 1: 4}, "dose": {0: 70, 1: 46, 2: 4}, "visits": {0: 114, 1: 4, 5: 2}},
    {"relapse": {0: 113, 1: 7}, "dose": {0: 66, 1: 48, 2: 6}, "visits": {0: 113, 1: 4, 5: 3}},
]


def attacked(focal: str, small: int, *, product: str = "relapse:sex") -> dict[str, set[tuple[str, str]]]:
    """By number, what of two pages tells how many people have each value."""
    pages = []
    for seed, table in enumerate(TABLES):
        formula = FORMULA.format(f"relapse + dose + visits + {product}")
        fit = fitted(frame_of(seed, **table), formula=formula, draws=300, spec={**OPTIONS, "focal": focal})
        pages.append(rendered(fit, small=small))
    return {
        name: told_twice(
            [
                (
                    # Default priors are so many SDs of the outcome over one of the predictor.
                    counts_told(page.html, page.numbers, [name], list(own[name]), 120, scales=(2.5 * 19, 0.5 * 19)),
                    tuple(own[name].values()),
                )
                for page, own in zip(pages, TABLES, strict=True)
            ]
        )
        for name in TABLES[0]
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("focal", "product"),
    # The second is centred at its mean, which the page says of a number that enough people have each value of.
    [("relapse", "relapse:sex"), ("dose", "relapse:alliance"), ("dose", "relapse:sex")],
)
def test_no_page_tells_how_few_people_have_a_value(focal: str, product: str) -> None:
    assert attacked(focal, SMALL, product=product) == {"relapse": set(), "dose": set(), "visits": set()}


@pytest.mark.slow
@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_the_attack_works_where_nothing_is_hidden() -> None:
    """So that a solver that finds nothing is no solver that cannot find anything."""
    found = attacked("dose", 1, product="relapse:alliance")
    ways = {name: {read_as for _, read_as in told} for name, told in found.items()}
    assert {"mean", "share of 1"} <= ways["relapse"]
    assert "mean and SD" in ways["dose"]
    assert "mean and SD" in ways["visits"]


@pytest.mark.parametrize(
    ("columns", "few", "quiet"),
    [
        # Two groups, of which one is small; enough in both.
        ({"x": {0: 116, 1: 4}}, {"x"}, {"x"}),
        ({"x": {1: 4, 2: 116}}, {"x"}, {"x"}),
        ({"x": {0: 100, 1: 20}}, set(), set()),
        # A rare value of three, and few with another one than most.
        ({"x": {0: 66, 1: 50, 2: 4}}, {"x"}, set()),
        ({"x": {0: 114, 1: 4, 5: 2}}, {"x"}, {"x"}),
        ({"x": {0: 60, 1: 40, 2: 20}}, set(), set()),
        # Of four or more values, where mean and SD have one solution: 1, 2 and 5 for 3, 2 and 1 of six people.
        ({"x": {0: 114, 1: 3, 2: 2, 5: 1}}, {"x"}, {"x"}),
        ({"x": {0: 50, 1: 40, 2: 20, 3: 6, 4: 4}}, set(), set()),
    ],
)
def test_numbers_that_are_not_told(columns: dict[str, dict[float, int]], few: set[str], quiet: set[str]) -> None:
    fit = fitted(frame_of(1, **columns), formula=FORMULA.format("x"), draws=4, spec=OPTIONS)
    assert untold(fit, SMALL) == few
    assert unsaid(fit, SMALL) == quiet
    hidden = hidden_parameters(fit, SMALL)
    assert ("Intercept" in hidden) == bool(few)
    assert ("x" in hidden) == bool(quiet)
    # A prior that is scaled by the step between two values depends on no count.
    two = len(columns["x"]) == 2
    assert telling_priors(fit, SMALL) == (few if not two else set())
    if two:
        step = float(np.ptp(list(columns["x"])))
        assert fit.priors["x"].prior.arguments["sigma"] == 0.5 * 19 / step


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_a_page_says_why_it_has_no_association(checks_of: Callable[..., CheckReport]) -> None:
    words = {"dose": "would tell how many people have a value that few have", "visits": "No association with visits"}
    for focal, said in words.items():
        spec = {**OPTIONS, "focal": focal}
        fit = fitted(frame_of(0, **TABLES[0]), formula=FORMULA.format("dose + visits"), draws=50, spec=spec)
        page = rendered(fit, effects=effects(fit), checks=checks_of())
        assert said in page.html
        assert "made from moments" not in page.html
        assert page.findings[0].startswith("All but a few people") == (focal == "visits")
        assert page.numbers["curve"] is None
        # The slope of a number with a rare value is shown, and what has its SD in it is not.
        shown = {row["estimand"] for row in page.numbers["effects"] if row["term"] == focal}
        assert shown == ({"slope", "slope_by_level", "points_needed"} if focal == "dose" else set())


def test_what_is_made_of_a_number_is_not_told_either() -> None:
    frame = frame_of(2, relapse={0: 115, 1: 5})
    frame.loc[frame["age"] > 58, "age"] = 50.0
    frame.loc[:2, "age"] = 70.0
    formula = FORMULA.format("I(relapse * 2) + I(age > 60) + relapse * age + (0 + relapse | country)")
    fit = fitted(frame, formula=formula, draws=40, spec=OPTIONS)
    assert unsaid(fit, SMALL) == {"relapse", "I(relapse * 2)", "I(age > 60)"}
    table = fit_effects(fit)
    gone = table[hidden_rows(fit, table, SMALL)]
    # Its shares of the variance tell how often it is 1.
    assert {"variance_share", "icc"} <= set(gone["estimand"])
    left = table[~hidden_rows(fit, table, SMALL)]
    assert not {"relapse"} & {*left["term"], *left["factor"]}
    assert {"tau_country[relapse]", "relapse:age", "I(age > 60)"} <= hidden_parameters(fit, SMALL)


def fit_effects(fit: FittedModel) -> pd.DataFrame:
    names = ["slopes", "adjusted_means", "contrasts", "variance_partition", "coefficients"]
    return effects(fit, names, predictor="relapse")


@st.composite
def nested(draw: st.DrawFn) -> pd.DataFrame:
    """People of whom some are treated, of whom some have a therapist, and some are seen online: parts of any size."""
    sizes = st.one_of(st.integers(1, 12), st.integers(15, 60))
    control, alone, *caseloads = (draw(sizes) for _ in range(5))
    treated = np.repeat([0.0, 1.0], [control, alone + sum(caseloads)])
    therapist = np.repeat(["none", "alone", "T0", "T1", "T2"], [control, alone, *caseloads])
    n = treated.size
    online = treated * (np.arange(n) < n - draw(st.integers(0, 8)))
    frame = rows(max(n, 30), seed=1).iloc[:n].assign(treated=treated, online=online)
    frame["therapist"] = pd.Categorical(np.where(treated == 1, therapist, "nobody"))
    return frame


@pytest.mark.slow
@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(nested())
def test_no_level_and_no_cell_has_one_solution_though_columns_are_nested(frame: pd.DataFrame) -> None:
    names = ["treated", "online", "therapist"]
    if len(frame) < 30 or any(frame[name].nunique() < 2 for name in names):
        return
    spec = {**OPTIONS, "roles": {"therapist": "provider"}}
    fit = fitted(frame, formula="who5_followup ~ treated + online + (1 | therapist)", draws=4, spec=spec)
    unknowns, truth = Unknowns(), {}
    _, numbers = table_one(fit, SMALL)
    of_table({"analysed": len(frame), **numbers}, unknowns)
    for name in names:
        shown = {row["level"] for row in numbers["summary"] if row["variable"] == name and "level" in row}
        for level, size in level_counts(fit, name).items():
            # A factor of small levels has none in the table; its levels are then unknown.
            if level not in shown:
                unknowns.add((name, level), 1)
            truth[name, level] = size
    codes = {name: frame[name].map("{:g}".format) if name != "therapist" else frame[name] for name in names}
    for one, other in itertools.combinations(names, 2):
        # Whoever knows the columns knows which levels nobody can have in common.
        cells = pd.Series(1, index=pd.MultiIndex.from_arrays([codes[one], codes[other]])).groupby(level=[0, 1]).size()
        cells = cells[cells > 0]
        for pair, size in cells.items():
            key = (one, other, *pair)
            unknowns.add(key, 1)
            truth[key] = int(size)
        for place, name in enumerate((one, other)):
            for level in level_counts(fit, name):
                own = {(one, other, *pair): 1.0 for pair in cells.index if pair[place] == level}
                unknowns.tie(own | {(name, level): -1.0}, 0, 0)
    assert solved(unknowns, truth) == []


def test_an_indicator_of_enough_people_hides_what_few_have_besides() -> None:
    frame = frame_of(4, treated={0: 70, 1: 50})
    # All those who are treated are seen online, but three.
    frame["online"] = frame["treated"]
    frame.loc[frame.index[frame["treated"] == 1][:3], "online"] = 0
    fit = fitted(frame, formula=FORMULA.format("treated + online"), draws=4, spec={**OPTIONS, "focal": "treated"})
    marks = column_marks(fit, SMALL)
    assert [mark is Mark.SHOWN for mark in marks["treated"]] == [True, True]
    assert [mark is Mark.SHOWN for mark in marks["online"]] == [False, False]
    assert untold(fit, SMALL) == {"online"}


@pytest.mark.parametrize(
    ("tells", "hidden"),
    [("", []), ("spread", ["x", "f"]), ("ends", ["f"]), ("parts", []), ("parameter", ["Intercept"]), ("levels", [])],
)
def test_a_row_is_hidden_by_what_its_measure_says_that_it_tells(tells: Tells, hidden: list[str]) -> None:
    # Of a number of which one of three values is rare, averages may be told, but not its SD.
    fit = fitted(frame_of(1, x={0: 66, 1: 50, 2: 4}), formula=FORMULA.format("x"), draws=4, spec=OPTIONS)

    class Mine(Estimand):
        name, title, measures = "mine", "mine", {"own": Measure(tells=tells)}

        @override
        def estimates(self, analysis: Analysis) -> Iterator[Estimate]:
            about = {"x": {"term": "x"}, "f": {"factor": "x", "level": "5"}, "Intercept": {"term": "Intercept"}}
            for note, of in about.items():
                yield self.row(analysis, "own", np.zeros(analysis.n_draws), note=note, **of)

    rows = Mine()(fit)
    assert rows["note"][telling_rows(fit, rows, hidden_parameters(fit, SMALL), SMALL)].tolist() == hidden


@pytest.mark.usefixtures("gate_alone", "undrawn")
@pytest.mark.parametrize(("focal", "shown"), [("x", False), ("alliance", True)])
def test_what_an_unmeasured_cause_must_explain_tells_no_sd(focal: str, shown: bool) -> None:
    # The partial R2 over the squared slope is the predictor's variance given the others over the residual one.
    fit = fitted(frame_of(1, x={0: 66, 1: 50, 2: 4}), formula=FORMULA.format("x"), spec={**OPTIONS, "focal": focal})
    page = rendered(fit, effects=effects(fit, ["slopes", "confounding"]))
    assert ("confounding" in page.numbers) is shown
    told = [*page.numbers["effects"], *page.numbers.get("confounding", ())]
    of_strength = {row["estimand"] for row in told if "x" in (row["term"], row["factor"])}
    assert of_strength & set(ESTIMANDS["confounding"].measures) == set()
    assert any(row["factor"] == "who5_baseline" for row in told) is shown


def test_groups_of_which_a_number_tells_how_few_have_a_value_are_not_described() -> None:
    frame = frame_of(5, dose={0: 60, 1: 40, 2: 20}, treated={0: 60, 1: 60})
    frame = frame.sort_values("dose").reset_index(drop=True)
    frame["treated"] = np.r_[np.tile([0, 1], 50), np.ones(17), np.zeros(3)]
    fit = fitted(frame, formula=FORMULA.format("treated + dose"), draws=4, spec={**OPTIONS, "focal": "treated"})
    assert untold(fit, SMALL) == frozenset()
    told = groups_told(fit, "dose", "treated", SMALL)
    assert (told[""], told["0"], told["1"]) == (True, False, False)
    frame["dose"] = np.where(np.arange(120) % 17 == 3, frame["dose"] + 1.5, frame["dose"])
    assert len(few_valued(fitted(frame, formula=FORMULA.format("treated + dose"), draws=4, spec=OPTIONS))) == 1


def brute(values: np.ndarray, small: int) -> bool:
    """Whether a small count of a value has one solution, by trying all numbers of people."""
    found, counts = np.unique(values, return_counts=True)
    n, total, squares = values.size, values.sum(), (values**2).sum()
    sets = [
        (n - sum(rest), *rest)
        for rest in itertools.product(range(n + 1), repeat=found.size - 1)
        if sum(rest) <= n and np.dot(rest, found[1:]) + (n - sum(rest)) * found[0] == total
    ]
    fits = np.array([own for own in sets if np.dot(own, found**2) == squares])
    return any(len(np.unique(fits[:, k])) == 1 for k in np.flatnonzero(counts < small))


@pytest.mark.parametrize("seed", range(12))
def test_one_solution_is_found_by_trying_all(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.choice([0.0, 1.0, 2.0, 3.0, 6.0][: FEW_VALUES + 1 + seed % 2], 24)
    values[rng.random(24) < 0.6] = 0.0
    assert solvable(values, 5) == brute(values, 5)
    # Numbers that are no multiples of a step are nobody's to look for.
    assert not solvable(values + np.where(values > 0, 0.1 * np.pi * values**2, 0), 5)
