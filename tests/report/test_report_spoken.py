"""Texts of checks and priors on a page: columns by their words, parameters by theirs where they are told."""

from __future__ import annotations

import html
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliance_bayes.checks import run_checks
from alliance_bayes.checks.refits import called_difference
from alliance_bayes.fit import FittedModel
from alliance_bayes.report.spoken import in_cells, in_sentences
from alliance_bayes.report.text import calling
from builders import fitted, rendered, rows

FIT = fitted(
    rows(), formula="who5_followup ~ alliance + who5_baseline + sex + (alliance || provider_type) + (1 | country)"
)


def spoken(text: str) -> str:
    return in_sentences(FIT.design)(text)


def test_columns_are_called_as_the_page_calls_them() -> None:
    assert spoken("Mean of observed minus expected who5_followup") == "Mean of observed minus expected follow-up WHO-5"
    assert spoken("SD 19 of 'who5_followup', 0.7 of 'alliance'") == "SD 19 of follow-up WHO-5, 0.7 of 'alliance'"
    assert spoken("along alliance, who5_baseline.") == "along alliance, baseline WHO-5."
    with calling({"who5_baseline": "WHO-5 at intake"}):
        assert spoken("along who5_baseline") == "along WHO-5 at intake"


def test_names_inside_other_names_stay() -> None:
    for text in (
        "lag(who5_baseline)",
        "my_who5_baseline",
        "who5_baseline_1",
        "contrast_of_means/provider_typed",
        "mean/provider_type=coach/average",
    ):
        assert spoken(text) == text


def test_parameters_are_called_what_they_are() -> None:
    assert spoken("(largest 1.07: beta[who5_baseline]), so") == "(largest 1.07: “slope: baseline WHO-5”), so"
    assert spoken("(smallest 41: u_provider_type[coach, Intercept])") == "(smallest 41: “level, provider type: coach”)"
    assert spoken("(smallest 41: sigma), so") == "(smallest 41: “residual SD σ”), so"


def test_a_threshold_is_called_by_the_levels_that_it_parts() -> None:
    frame = rows(60).assign(mood=np.resize([0.0, 1.0, 4.0], 60))
    design = fitted(frame, formula="mood ~ alliance", draws=4, spec={"family": "cumulative"}).design
    said = in_sentences(design)
    assert said("(largest 1.07: cutpoints[1.0]), so") == "(largest 1.07: “threshold between 0 and 1”), so"
    assert said("(largest 1.07: cutpoints[4.0]), so") == "(largest 1.07: “threshold between 1 and 4”), so"


def test_differences_and_spreads_are_told() -> None:
    assert spoken(called_difference("provider_type", "alliance", "both", "coach")) == (
        "difference in slope of alliance by provider type: “both” minus “coach”"
    )
    assert spoken(called_difference("provider_type", "level", "both", "coach")) == (
        "difference in level by provider type: “both” minus “coach”"
    )
    # Levels that are parts of each other, and a level with a hyphen.
    frame = rows().assign(arm=pd.Categorical.from_codes(np.arange(240) % 3, ["a", "a - b", "b"]), treated=1.0)
    frame.loc[::2, "treated"] = 0.0
    own = fitted(frame, formula="who5_followup ~ treated + arm + alliance").design
    assert in_sentences(own)("difference by treated: 1 - 0, x") == "difference by treated: “1” minus “0”, x"
    assert in_sentences(own)("difference by arm: a - b - a") == "difference by arm: “a - b” minus “a”"
    assert in_sentences(own)("difference by arms: a - b") == "difference by arms: a - b"
    assert spoken("tau_country[Intercept]") == "the SD of the level over countries"
    assert spoken("tau_provider_type[alliance], x") == "the SD of the slope of alliance over levels of provider type, x"
    # In a table it is the parameter that is meant.
    assert in_cells(FIT.design)("tau_country[Intercept]") == "tau_country[Intercept]"


@given(st.text(alphabet=" ,.:;'\"()[]-_ab01", max_size=12), st.text(alphabet=" ,.:;'\"()[]-_ab01", max_size=12))
def test_what_is_around_a_name_stays(before: str, after: str) -> None:
    """Whatever surrounds a name comes out as it was, and nothing comes out twice or lost."""
    text = in_cells(FIT.design)(f"{before}who5_baseline{after}")
    quoted = before.endswith("'") and after.startswith("'")
    allowed = {
        f"{before}who5_baseline{after}",
        f"{before}baseline WHO-5{after}",
        f"{before[:-1]}baseline WHO-5{after[1:]}" if quoted else "",
    }
    assert text in allowed


@pytest.mark.usefixtures("undrawn")
def test_no_check_on_a_page_uses_a_columns_name() -> None:
    fit: FittedModel = FIT
    page = rendered(fit, checks=run_checks(fit)).html
    checks = page[page.index('<section id="checks"') : page.index('<section id="effects"')]
    words = html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"<svg.*?</svg>", " ", checks, flags=re.DOTALL)))
    for name in ("who5_followup", "who5_baseline", "provider_type"):
        assert not re.search(rf"(?<![\w\[(/=]){name}(?![\w\[\])])", words), name
