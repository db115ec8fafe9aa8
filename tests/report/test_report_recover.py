"""No count of few people can be recovered from a page by a solver that knows how pages are made."""

from __future__ import annotations

import html
import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import alliance_bayes as ab
from alliance_bayes.checks.convergence import JUDGED
from alliance_bayes.cohort import Flow
from alliance_bayes.cohort.flow import FlowStep
from alliance_bayes.cohort.names import MISSING_REASONS
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.page import read_manifest, rows_by_id
from alliance_bayes.report.participants import table_one
from alliance_bayes.report.privacy import ShownFlow, shown_missing
from alliance_bayes.report.small_counts import hidden_levels, hidden_parameters, shown_events
from alliance_bayes.report.untold import unsaid
from builders import fitted, rendered, rows
from recovering import (
    SMALL,
    Unknowns,
    of_flow,
    of_shares,
    of_table,
    people_by_digest,
    size_of_spread,
    sizes_of_shares,
    solved,
)

pytestmark = pytest.mark.slow

FORMULA = "who5_followup ~ alliance + who5_baseline + (1 | provider_type) + (1 | sex) + (1 | country)"
PROPERTY = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@st.composite
def cohorts(draw: st.DrawFn) -> pd.DataFrame:
    """Levels of any size, small ones among them; ratings that may be at the ceiling, nearly all or hardly any."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    sizes = draw(st.lists(st.one_of(st.integers(1, 12), st.integers(20, 90)), min_size=2, max_size=6))
    sizes = [*sizes, 30] if sum(sizes) < 30 else sizes
    n = sum(sizes)
    frame = rows(n, seed=int(rng.integers(2**31)))
    frame["country"] = pd.Categorical.from_codes(
        rng.permutation(np.repeat(np.arange(len(sizes)), sizes)), [f"L{k}" for k in range(len(sizes))], ordered=True
    )
    weights = draw(st.sampled_from([(0.5, 0.5, 0.0), (0.9, 0.08, 0.02), (0.6, 0.35, 0.05), (0.97, 0.03, 0.0)]))
    for name, levels in (("sex", ("f", "m", "x")), ("provider_type", ("coach", "therapist", "both"))):
        codes = np.r_[[0, 1], rng.choice(3, n - 2, p=weights)]
        frame[name] = pd.Categorical.from_codes(codes, list(levels), ordered=True)
    top = draw(st.sampled_from([0.02, 0.3, 0.97]))
    frame["alliance"] = np.where(rng.random(n) < top, 5.0, frame["alliance"].clip(upper=4.75))
    frame.loc[:1, "alliance"] = [3.0, 4.0]
    frame["who5_baseline"] = np.where(rng.random(n) < 0.4, 20.0, frame["who5_baseline"])
    return frame


def truth_of(fit: FittedModel) -> dict[object, int]:
    frame, found = fit.design.frame, {}
    names = ["provider_type", "sex", "country"]
    for name in names:
        found |= {(name, str(level)): int(size) for level, size in frame[name].value_counts().items()}
        for other in names:
            if other != name:
                table = frame.groupby([name, other], observed=False).size()
                found |= {(name, str(a), str(b)): int(size) for (a, b), size in table.items()}
    return found


@PROPERTY
@given(cohorts())
def test_no_cell_of_table_one_has_one_solution(frame: pd.DataFrame) -> None:
    fit = fitted(frame, formula=FORMULA, draws=4)
    unknowns = Unknowns()
    _, numbers = table_one(fit, SMALL)
    of_table({"analysed": len(frame), **numbers}, unknowns)
    assert solved(unknowns, truth_of(fit)) == []


@PROPERTY
@given(cohorts())
def test_no_share_of_an_event_tells_how_few_have_it(frame: pd.DataFrame) -> None:
    fit = fitted(frame, formula=FORMULA, draws=4)
    event = (frame["alliance"] >= 5).to_numpy()
    for factor in ("sex", "country"):
        unknowns = Unknowns()
        _, numbers = table_one(fit, SMALL)
        of_table({"analysed": len(frame), **numbers}, unknowns)
        unknowns.add("everybody", len(frame), len(frame))
        told = shown_events(fit, factor, [event], SMALL)

        def text(who: np.ndarray, shown: bool) -> str:
            return f"{100 * event[who].mean():.1f}%" if shown else "–"

        levels = [str(level) for level in frame[factor].cat.categories if (frame[factor] == level).any()]
        of = {level: (frame[factor] == level).to_numpy() for level in levels}
        printed = [(factor, level, text(of[level], told[level])) for level in levels]
        of_shares(printed, text(np.ones(len(frame), bool), told[""]), factor, "event", unknowns)
        for level in levels:
            unknowns.add(("rest", level))
            unknowns.tie({("event", level): 1, ("rest", level): 1, (factor, level): -1}, 0, 0)
        truth = {("event", level): int(event[of[level]].sum()) for level in levels}
        truth |= {("rest", level): int((~event[of[level]]).sum()) for level in levels}
        truth |= {("event", ""): int(event.sum())}
        assert solved(unknowns, truth) == []


@PROPERTY
@given(
    st.integers(20, 400),
    st.lists(st.one_of(st.integers(0, 12), st.integers(10, 60)), min_size=1, max_size=4),
    st.data(),
)
def test_no_step_of_the_flow_has_one_solution(analysed: int, sizes: list[int], data: st.DataObject) -> None:
    names = ["who5_followup", "alliance", "who5_baseline", "age"][: len(sizes)]
    steps = tuple(FlowStep(MISSING_REASONS[name], n) for name, n in zip(names, sizes, strict=True) if n)
    flow = Flow(analysed + sum(sizes), steps)
    # Somebody who lacks a value may have been left out before for another reason.
    before = [0, *(int(total) for total in np.cumsum(sizes)[:-1])]
    also = [data.draw(st.integers(0, most)) for most in before]
    missing = {name: n + more for name, n, more in zip(names, sizes, also, strict=True)}
    shown = {name: number for name, (number, _) in shown_missing(missing, flow, SMALL).items()}
    unknowns = Unknowns()
    of_flow({**ShownFlow.of(flow, SMALL).numbers, "missing": shown}, unknowns, MISSING_REASONS)
    truth: dict[object, int] = {("step", step.reason): step.n for step in steps}
    truth |= {("missing", name): n for name, n in missing.items()}
    truth |= {("before", name): more for name, more in zip(names, also, strict=True)}
    assert solved(unknowns, truth) == []


# The attacker reads rows and tables.
@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("seed", range(4))
def test_a_whole_page_says_nothing_of_a_hidden_level_and_no_share_of_few(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 260
    frame = rows(n, seed=seed)
    sizes = rng.multinomial(n - 40, [0.5, 0.4, 0.1]).tolist()
    names = np.repeat(["AA", "BB", "CC", "DD", "EE"], [*sizes, 37, 3])
    frame["country"] = pd.Categorical(rng.permutation(names), ordered=True)
    frame["smoker"] = (rng.random(n) < 0.02).astype(float)
    fit = fitted(frame, formula=f"{FORMULA} + smoker", draws=150, spec={"autoscale": True})
    page = rendered(fit)
    hidden = hidden_levels(fit, SMALL)["country"]
    assert "EE" in hidden
    manifest = read_manifest(page.html, name="page")
    for level in hidden:
        about = [row["id"] for row in page.numbers["effects"] if level in (row["level"], row["versus"])]
        about += [row[0] for row in manifest["rows"] if re_level(level, row[0])]
        about += [
            str(row) for check in page.numbers["checks"] for row in check["table"] or [] if row.get("level") == level
        ]
        about += [row["id"] for row in page.numbers.get("endpoints", []) if row["level"] == level]
        assert about == []
    # A number of two values is two levels, of which one has few people.
    own = [row for row in page.numbers["participants"]["summary"] if row["variable"] == "smoker"]
    assert 0 < frame["smoker"].sum() < SMALL
    assert [row["shown"] for row in own] == ["–", "< 10"]
    assert unsaid(fit, SMALL) == {"smoker"}
    unknowns = Unknowns()
    of_table(page.numbers["participants"], unknowns)
    assert solved(unknowns, truth_of(fit)) == []
    for check in page.numbers["checks"]:
        for row in check["table"] or []:
            if str(row.get("statistic", "")).startswith("share"):
                k = round(row["observed"] * row["n"])
                assert not any(0 < count < SMALL for count in (k, row["n"] - k))


@pytest.mark.parametrize(
    ("sizes", "formula", "few", "others"),
    [
        ((150, 147, 3), "country", {"country[BB]", "country[QQ]"}, {"Intercept", "alliance", "sex[male]"}),
        # Compared with few: so is what the intercept is of.
        ((4, 140, 156), "country", {"country[BB]", "country[QQ]", "Intercept"}, {"alliance", "sex[male]"}),
        (
            (150, 147, 3),
            "country * alliance",
            {"country[BB]", "country[QQ]", "country[BB]:alliance", "country[QQ]:alliance"},
            {"Intercept", "alliance", "sex[male]"},
        ),
        (
            (4, 140, 156),
            "country * alliance",
            {
                *("country[BB]", "country[QQ]", "country[BB]:alliance", "country[QQ]:alliance"),
                *("Intercept", "alliance"),
            },
            {"sex[male]"},
        ),
        ((100, 90, 110), "country", set(), {"country[BB]", "country[QQ]", "Intercept", "alliance", "sex[male]"}),
    ],
)
def test_no_check_and_no_figure_is_about_a_coefficient_of_few(
    sizes: tuple[int, ...], formula: str, few: set[str], others: set[str]
) -> None:
    frame = rows(sum(sizes), seed=3)
    frame["country"] = pd.Categorical(np.random.default_rng(3).permutation(np.repeat(["AA", "BB", "QQ"], sizes)))
    formula = f"who5_followup ~ alliance + sex + {formula} + (1 | provider_type) + (1 | country)"
    fit = fitted(frame, formula=formula, draws=500, spec={"autoscale": True, "residual_by": "country"})
    hidden = hidden_levels(fit, SMALL)["country"]
    names = {f"sigma[{level}]" for level in hidden} | {f"u_country[{level}, Intercept]" for level in hidden}
    assert hidden_parameters(fit, SMALL) == few | {f"beta[{term}]" for term in few} | names
    page = rendered(fit)
    checks = {check["name"]: check for check in page.numbers["checks"]}
    listed = {row["quantity"] for row in checks["convergence"]["details"]}
    scaled = {
        row["quantity"]
        for row in [*(checks["prior_sensitivity"]["table"] or []), *(checks["prior_sensitivity"]["details"] or [])]
        if "quantity" in row
    }
    assert {f"beta[{term}]" for term in others} <= listed
    assert not {f"beta[{term}]" for term in few} & listed
    assert others <= scaled
    assert not few & scaled
    assert not names & (listed | scaled)
    for quantity in names | {f"beta[{term}]" for term in few}:
        assert quantity not in json.dumps(page.numbers["checks"])
        assert quantity not in json.dumps(read_manifest(page.html, name="page")["rows"])
    # The figures have as many panels and points as the tables have rows, and none has lost its name.
    named = re.search(r"for the quantities with the largest R-hat \((.*?)\)\. Chains", html.unescape(page.html))
    assert named is not None
    assert not [name for name in [*names, "(a quantity"] if name in named[1]]
    judged = sum(row["status"] in JUDGED for row in checks["convergence"]["details"])
    shown = f"{judged:,} quantities{' that the page shows' if few else ''}, in ascending order"
    assert f"effective sample sizes of {shown}" in page.html
    # Of a row of any table of the page with the name, nothing but words and the prior.
    spoken = {html.escape(name, quote=False) for name in names | {term for term in few if "[" in term}}
    for cells in re.findall(r"<tr[^>]*>(.*?)</tr>", page.html, re.DOTALL):
        texts = [re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", cells)]
        if texts and (texts[0] in spoken or texts[0] in {f"beta[{name}]" for name in spoken}):
            assert [text for text in texts if re.fullmatch(r"\W?[\d.,]+%?", text)] == []


def test_a_combination_of_few_has_no_coefficient_on_a_page() -> None:
    frame = rows(400, seed=4)
    frame["sex"] = pd.Categorical(["female", "male"] * 200)
    frame["country"] = pd.Categorical(["AA"] * 200 + ["BB"] * 200)
    frame.loc[(frame["country"] == "BB") & (frame["sex"] == "male"), "sex"] = "female"
    frame.loc[[395, 397, 399], "sex"] = "male"
    fit = fitted(frame, formula="who5_followup ~ alliance + sex * country", draws=4)
    assert hidden_levels(fit, SMALL)["country"] == hidden_levels(fit, SMALL)["sex"] == frozenset()
    # By the margins, which are shown, three people tell the other cells.
    terms = {"Intercept", "sex[male]", "country[BB]", "sex[male]:country[BB]"}
    assert hidden_parameters(fit, SMALL) == terms | {f"beta[{term}]" for term in terms}


def test_names_of_levels_with_colons_and_brackets_are_read_as_they_are() -> None:
    frame = rows(300, seed=5)
    labels = ["a", "b]:sex[male", "b", "c:d"]
    frame["country"] = pd.Categorical(np.repeat(labels, [100, 4, 100, 96]), categories=labels, ordered=True)
    fit = fitted(frame, formula="who5_followup ~ sex + country * alliance", draws=4)
    hidden = hidden_levels(fit, SMALL)["country"]
    assert hidden == {"b]:sex[male", "c:d"}
    terms = {f"country[{level}]{more}" for level in hidden for more in ("", ":alliance")}
    assert hidden_parameters(fit, SMALL) == terms | {f"beta[{term}]" for term in terms}


def re_level(level: str, identity: str) -> bool:
    return f"={level}" in identity or f" {level}" in identity


@pytest.fixture(scope="module")
def cohort() -> ab.Cohort:
    """Numbered people, small levels, hardly anybody at the ceiling, and a few without a follow-up."""
    rng = np.random.default_rng(5)
    n = 170
    frame = rows(n, seed=5).drop(columns=["country"])
    frame["country"] = rng.permutation(np.repeat(["AA", "BB", "CC", "DD"], [14, 4, 62, 90]))
    frame["sex"] = np.r_[["x"] * 6, rng.choice(["f", "m"], n - 6)]
    frame["alliance"] = np.where(rng.random(n) < 0.25, 5.0, frame["alliance"].clip(upper=4.75))
    frame.loc[frame["country"] == "BB", "alliance"] = 4.0
    frame.loc[rng.choice(n, 7, replace=False), "who5_followup"] = np.nan
    return ab.read_cohort(frame.assign(participant_id=[str(k) for k in range(1, n + 1)]))


@pytest.mark.usefixtures("undrawn")
def test_a_study_tells_neither_sizes_nor_shares_of_few(cohort: ab.Cohort) -> None:
    study = ab.run_study(cohort, progress=False)
    page = study.report()
    rows_ = rows_by_id(read_manifest(page.html, name="page"))
    frame = study.fitted["outcome_everybody"].fit.design.frame  # type: ignore[union-attr]
    analysed = {name: frame[name].astype(str).value_counts() for name in ("sex", "country", "provider_type")}
    rated = {name: cohort.data[name].astype(str).value_counts() for name in analysed}
    for identity, size, events in sizes_of_shares(rows_):
        factor, _, level = identity.rpartition("/")[2].partition("=")
        few = {round(size) - int(analysed[factor][level]), round(events), round(size) - round(events)}
        # Within half a person the solver is right, as it is for levels of a few dozen.
        if abs(size - rated[factor][level]) < 0.5 and rated[factor][level] <= 40:
            assert not any(0 < abs(count) < SMALL for count in few), identity
    shown = {
        (row["variable"], row["level"]): row["shown"]
        for row in page.numbers["participants"]["summary"]
        if "level" in row
    }
    hidden = {key for key, text in shown.items() if text.startswith(("<", "–"))}
    assert {("country", "BB"), ("sex", "x")} <= hidden
    effects = page.numbers["effects"]
    assert not [
        row["id"] for row in effects if {(row["factor"], row["level"]), (row["factor"], row["versus"])} & hidden
    ]
    assert "ratings are" not in page.html
    assert people_by_digest(page.html + page.json, 400) == []


@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_the_attacks_work_where_nothing_is_hidden(cohort: ab.Cohort) -> None:
    """So that a solver that finds nothing is no solver that cannot find anything."""
    study = ab.run_study(cohort, progress=False, small=1)
    page = study.report()
    rows_ = rows_by_id(read_manifest(page.html, name="page"))
    rated = cohort.data["country"].astype(str).value_counts()
    found = {name.rpartition("=")[2]: size for name, size, _ in sizes_of_shares(rows_) if "/country=" in name}
    assert round(found["AA"]) == rated["AA"]
    means = {
        row["level"]: row["sd"]
        for row in page.numbers["effects"]
        if row["estimand"] == "mean" and row["factor"] == "country" and row["block"] == "ratings-expected"
    }
    known = {level: (int(rated[level]), means[level]) for level in ("CC", "DD", "AA")}
    assert abs(size_of_spread(known, means["BB"]) - rated["BB"]) < 6
    frame = fitted(rows(90), formula=FORMULA, draws=4)
    unknowns = Unknowns()
    _, numbers = table_one(frame, 1)
    of_table({"analysed": frame.count_people(), **numbers}, unknowns)
    small = {key: size for key, size in truth_of(frame).items() if 0 < size < SMALL and key in unknowns.names}
    assert small
    assert len(solved(unknowns, small)) == len(small)
