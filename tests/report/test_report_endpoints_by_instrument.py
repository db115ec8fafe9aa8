"""End points of every instrument: what counts by its own sources, in its own direction, and what is asked for."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.effects import improvement, responders
from alliance_bayes.effects.improvement import baseline_of
from alliance_bayes.fit import FittedModel
from alliance_bayes.instruments import INSTRUMENTS, instrument, significant_change
from alliance_bayes.model import Scale
from alliance_bayes.report import Rendered
from alliance_bayes.report.endpoint_kinds import endpoints_of, is_case, least_beyond
from alliance_bayes.report.endpoints import endpoint_effects
from builders import fitted, rendered, rows
from lightly import lightly
from report.test_report_page import cells, parsed

# Nothing here is about checks and figures, which take most of the time of a page.
pytestmark = pytest.mark.usefixtures("gate_alone", "undrawn")


def scored(name: str, n: int = 300, *, sd: float = 0.2, **more: Any) -> pd.DataFrame:
    """People whose scores of an instrument, before and after, are on its grid."""
    one, rng = instrument(name), np.random.default_rng(4)
    low, high = one.score_range
    worse = one.higher_is == "worse"
    made = {}
    for when, middle in (("baseline", 0.55 if worse else 0.4), ("followup", 0.35 if worse else 0.6)):
        values = low + (high - low) * np.clip(rng.normal(middle, sd, n), 0, 1)
        step = one.score_step
        made[f"{name}_{when}"] = values if step is None else low + step * np.round((values - low) / step)
    arm = pd.Categorical(np.where(np.arange(n) % 2, "new", "usual"), categories=["usual", "new"])
    return rows(n).assign(arm=arm, **made, **more)


def fit_of(
    name: str, *, formula: str = "", spec: dict[str, Any] | None = None, frame: pd.DataFrame | None = None
) -> FittedModel:
    formula = formula or f"{name}_followup ~ alliance + {name}_baseline + (1 | sex)"
    frame = scored(name) if frame is None else frame
    outcome = formula.split(" ~")[0]
    middle = float(frame[outcome].mean())
    spread = float(frame[outcome].std())
    design = fitted(frame, formula=formula, draws=2, spec=spec).design
    means = {"beta": [middle, *[0.0] * (len(design.terms) - 1)], "sigma": spread}
    return fitted(frame, formula=formula, draws=600, spec=spec, means=means, sds={"beta": 0.02 * spread, "sigma": 0.01})


@pytest.fixture(scope="module")
def phq9() -> FittedModel:
    return fit_of("phq9")


@pytest.fixture(scope="module")
def page(phq9: FittedModel) -> Rendered:
    with lightly():
        return rendered(phq9, sections=["endpoints"])


@pytest.mark.parametrize(
    ("name", "labels", "lacking"),
    [
        ("who5", ["Improved by 10 points or more", "Recovered: above 28 at follow-up"], []),
        (
            "phq9",
            [
                "Improved: lower by 5 points or more",
                "Reliably improved: lower by 6 points or more",
                "Recovered: below 10 at follow-up",
                "Recovered reliably: below 10, and lower by 6 points or more",
                "Response: lower by 50% of the score at baseline or more",
                "Remission: below 5 at follow-up",
            ],
            [],
        ),
        (
            "gad7",
            [
                "Improved: lower by 4 points or more",
                "Recovered: below 8 at follow-up",
                "Recovered reliably: below 8, and lower by 4 points or more",
            ],
            [],
        ),
        (
            "oq45",
            [
                "Reliably improved: lower by 14 points or more",
                "Recovered: below 64 at follow-up",
                "Recovered reliably: below 64, and lower by 14 points or more",
            ],
            ["smallest relevant change"],
        ),
        ("core_om", ["Recovered: below 10 at follow-up"], ["smallest relevant change"]),
        (
            "ors",
            [
                "Reliably improved by 5 points or more",
                "Recovered: above 25 at follow-up",
                "Recovered reliably: above 25, and better by 5 points or more",
            ],
            ["smallest relevant change"],
        ),
        ("wemwbs", [], ["smallest relevant change", "cut-off"]),
        ("phq2", [], ["smallest relevant change", "cut-off"]),
    ],
)
def test_what_counts_is_what_the_instruments_sources_say(name: str, labels: list[str], lacking: list[str]) -> None:
    design = fitted(scored(name, 60), formula=f"{name}_followup ~ alliance + {name}_baseline", draws=2).design
    found = endpoints_of(design)
    assert found is not None
    assert [one.label for one in found.found] == labels
    assert found.lacking == lacking
    assert all(one.source for one in found.found)
    assert baseline_of(design) == f"{name}_baseline"


@pytest.mark.parametrize("name", ["srs", "sai", "wai_sr"])
def test_an_alliance_has_no_end_points(name: str) -> None:
    assert (
        endpoints_of(fitted(scored(name, 60), formula=f"{name}_followup ~ age + {name}_baseline", draws=2).design)
        is None
    )


@pytest.mark.parametrize("name", ["who5", "phq9", "gad7", "oq45", "core_om", "ors"])
def test_observed_events_are_those_of_jacobson_and_truax(name: str) -> None:
    """Counted apart, by the categories of `significant_change` and by thresholds."""
    frame, one = scored(name), instrument(name)
    design = fitted(frame, formula=f"{name}_followup ~ alliance + {name}_baseline", draws=2).design
    points = {point.name: point for point in endpoints_of(design).found}  # type: ignore[union-attr]
    before, after = (frame[f"{name}_{when}"].to_numpy(float) for when in ("baseline", "followup"))
    case = one.threshold(one.case)
    cases = is_case(case, before)
    np.testing.assert_array_equal(points["recovered"].happened(before, after), ~is_case(case, after))
    if "significant" in points:
        # The cut-off of the criterion is of the clinical side where the threshold is; 9.5 is between 9 and 10.
        cutoff = case.value if case.direction == "at or below" else case.value - (one.score_step or 1e-6) / 2
        change = significant_change(
            before,
            after,
            change=one.reliable_change.value,
            cutoff=cutoff,
            higher_is=one.higher_is,  # type: ignore[union-attr]
        )
        np.testing.assert_array_equal(
            (change == "recovered")[cases], points["significant"].happened(before, after)[cases]
        )
    if name == "phq9":
        np.testing.assert_array_equal(points["response"].happened(before, after), after <= before / 2)
        np.testing.assert_array_equal(points["remission"].happened(before, after), after <= 4)


@pytest.mark.parametrize("one", INSTRUMENTS, ids=lambda one: one.name)
def test_the_score_next_to_a_mark_is_on_the_grid_and_beyond(one: Any) -> None:
    for threshold in one.thresholds:
        for above in (True, False):
            found = least_beyond(one, threshold.value, above=above)
            assert (found > threshold.value) if above else (found < threshold.value)
            if one.score_grid is not None:
                grid = one.score_grid
                expected = (
                    grid[grid > threshold.value + 1e-9].min() if above else grid[grid < threshold.value - 1e-9].max()
                )
                assert found == pytest.approx(expected)


def test_model_based_shares_are_near_the_observed_ones(phq9: FittedModel, page: Rendered) -> None:
    """Scores are drawn apart from the baseline, as the model has it: shares are those of the frame but for chance."""
    head, *body = cells(parsed(page.html).by_id("table-endpoints"))
    assert head[2] == "Model-based share"
    assert [line[0] for line in body if line[1] == "all"] == [
        "Improved: lower by 5 points or more",
        "Improved: lower by 5 points or more, of those at 10 or above at baseline",
        "Reliably improved: lower by 6 points or more",
        "Reliably improved: lower by 6 points or more, of those at 10 or above at baseline",
        "Recovered: below 10 at follow-up, of those at 10 or above at baseline",
        "Recovered reliably: below 10, and lower by 6 points or more, of those at 10 or above at baseline",
        "Response: lower by 50% of the score at baseline or more, of those at 10 or above at baseline",
        "Remission: below 5 at follow-up, of those at 10 or above at baseline",
    ]
    frame = phq9.design.frame
    before, after = (frame[f"phq9_{when}"].to_numpy(float) for when in ("baseline", "followup"))
    cases = before >= 10
    events = [
        (before - after >= 5),
        ((before - after >= 5)[cases]),
        (before - after >= 6),
        ((before - after >= 6)[cases]),
        ((after < 10)[cases]),
        (((after < 10) & (before - after >= 6))[cases]),
        ((after <= before / 2)[cases]),
        ((after < 5)[cases]),
    ]
    for line, event in zip([line for line in body if line[1] == "all"], events, strict=True):
        share = event.mean()
        assert line[-1] in (f"{event.sum():,} of {event.size:,} ({100 * share:.1f}%)", "–")
        assert float(line[2].rstrip("%")) == pytest.approx(100 * share, abs=8)
    text = re.sub(r"\s+", " ", parsed(page.html).by_id("endpoints").text)
    assert "A lower score on the PHQ-9 means fewer symptoms." in text
    assert "A model-based share is an average of probabilities, not a count." in text
    assert "improved: lower by 5 points or more (Löwe et al. 2004)" in text
    assert "response: lower by 50% of the score at baseline or more (HEDIS)" in text


def test_a_change_for_the_better_goes_down_where_less_is_better() -> None:
    frame = scored("phq9").assign(phq9_change=lambda data: data["phq9_followup"] - data["phq9_baseline"])
    fit = fit_of("phq9", formula="phq9_change ~ alliance + phq9_baseline + (1 | sex)", frame=frame)
    table = endpoint_effects(fit, prob=0.89, small=10)
    assert table is not None
    terms = list(dict.fromkeys(table["term"]))
    n = int((frame["phq9_baseline"] >= 10).sum())
    assert terms == [f"phq9_change <= {-by}{among}" for by in (5, 6) for among in ("", f" among {n} of 300")]
    alone = responders(fit, at_most=-5, population="sample")
    assert table["mean"].iloc[0] == alone["mean"].iloc[0]


def test_arms_have_shares_of_their_own_and_their_difference() -> None:
    spec = {"focal": "arm"}
    fit = fit_of("phq9", formula="phq9_followup ~ arm + phq9_baseline", spec=spec)
    table = endpoint_effects(fit, prob=0.89, small=10)
    assert table is not None
    assert table.index.is_unique
    cases = fit.design.frame["phq9_baseline"].to_numpy(float) >= 10
    own = improvement(fit, by=6, to=9, among=cases, factor="arm")
    ours = table[table["term"] == own["term"].iloc[0]]
    np.testing.assert_array_equal(ours["mean"], own["mean"])
    found = rendered(fit, sections=["endpoints"])
    _, *body = cells(parsed(found.html).by_id("table-risk-differences"))
    assert [line[1] for line in body] == ["arm: new \N{MINUS SIGN} usual"] * 6


def test_what_is_not_known_is_asked_for_and_what_is_declared_is_used() -> None:
    fit = fit_of("wemwbs")
    found = rendered(fit, sections=["endpoints"])
    text = re.sub(r"\s+", " ", parsed(found.html).by_id("endpoints").text)
    assert "No smallest relevant change or cut-off of the WEMWBS with a source is known here" in text
    assert "declare it on the outcome’s scale (smallest_relevant_change)" in text
    assert "endpoints" not in found.numbers
    own = Scale(45, 10, 14, 70, 1, "WEMWBS point", smallest_relevant_change=3, instrument="WEMWBS")
    fit = fit_of("wemwbs", spec={"scales": {"wemwbs_followup": own}})
    table = endpoint_effects(fit, prob=0.89, small=10)
    assert table is not None
    assert table["term"].tolist() == ["wemwbs_followup - wemwbs_baseline >= 3"]


def test_a_declared_outcome_has_its_instruments_end_points() -> None:
    frame = scored("phq9").rename(columns={"phq9_followup": "mood", "phq9_baseline": "mood_before"})
    scale = Scale(10, 6, 0, 27, 1, "PHQ-9 point", False, "declared", 5, "PHQ-9")
    spec = {"scales": {"mood": scale, "mood_before": scale}}
    fit = fit_of("phq9", formula="mood ~ alliance + mood_before", spec=spec, frame=frame)
    table = endpoint_effects(fit, prob=0.89, small=10)
    assert table is not None
    assert table["term"].iloc[0] == "mood_before - mood >= 5"


def test_few_people_between_two_end_points_hide_the_finer_one() -> None:
    """Three people improved by 5 points and not by 6: the difference of two observed shares would tell."""
    frame = scored("phq9")
    start, end = np.full(300, 16.0), np.full(300, 14.0)
    start[:60], end[:60] = 16.0, 4.0
    end[60:63] = 11.0
    start[200:], end[200:] = 5.0, 5.0
    fit = fit_of("phq9", frame=frame.assign(phq9_baseline=start, phq9_followup=end))
    found = rendered(fit, sections=["endpoints"])
    body = {line[0]: line[-1] for line in cells(parsed(found.html).by_id("table-endpoints"))[1:] if line[1] == "all"}
    assert body["Improved: lower by 5 points or more"] == "63 of 300 (21.0%)"
    assert body["Reliably improved: lower by 6 points or more"] == "–"


def test_what_is_no_part_of_another_is_told_where_the_parts_are_of_few_people() -> None:
    """Three people improved who were no cases: with the share of the cases, everybody's would tell."""
    start, end = np.full(300, 16.0), np.full(300, 14.0)
    start[200:], end[200:] = 8.0, 8.0
    end[:60], end[200:203] = 4.0, 2.0
    fit = fit_of("phq9", frame=scored("phq9").assign(phq9_baseline=start, phq9_followup=end))
    body = cells(parsed(rendered(fit, sections=["endpoints"]).html).by_id("table-endpoints"))[1:]
    names = [line[0].partition(":")[0] + (", cases" if " of those " in line[0] else "") for line in body]
    seen = {name: line[-1] for name, line in zip(names, body, strict=True) if line[1] == "all"}
    assert (seen["Improved"], seen["Recovered, cases"]) == ("63 of 300 (21.0%)", "60 of 200 (30.0%)")
    assert {seen[name] for name in seen if name not in ("Improved", "Recovered, cases")} == {"–"}
