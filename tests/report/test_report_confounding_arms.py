"""The section on an unmeasured cause of a difference of arms: words, figure, privacy, and the limitation."""

from __future__ import annotations

import re
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt

import alliance_bayes as ab
from alliance_bayes.effects import confounding
from alliance_bayes.effects.strength import bias_share
from alliance_bayes.fit import FittedModel
from alliance_bayes.report import Rendered
from alliance_bayes.report.page import read_manifest, rows_by_id
from builders import fitted, of_family, rendered, rows
from effects.test_confounding_arms import three_arms
from report.test_report_confounding import SECTIONS, words
from report.test_report_page import parsed

pytestmark = pytest.mark.usefixtures("gate_alone", "undrawn")

FORMULA = "who5_followup ~ arm + who5_baseline + age + (1 | sex)"
SAID = "arm (“care” rather than “wait”)"


def built(difference: float = 6.0, frame: pd.DataFrame | None = None, **more: Any) -> FittedModel:
    means, sds = {"beta": [45, difference, 1.0, 0.45, 0.1]}, {"beta": [0.5, 1.0, 1.0, 0.03, 0.02]}
    frame = three_arms() if frame is None else frame
    spec = {"focal": "arm", **more.pop("spec", {})}
    return fitted(frame, formula=FORMULA, means=means, sds=sds, draws=500, spec=spec, **more)


@pytest.fixture(scope="module")
def fit() -> FittedModel:
    return built()


@pytest.fixture(scope="module")
def page(fit: FittedModel) -> Rendered:
    return rendered(fit, sections=SECTIONS)


@pytest.mark.slow
def test_sentences_figure_and_limitation_have_the_numbers_of_the_difference(fit: FittedModel, page: Rendered) -> None:
    table = confounding(fit, levels=["wait", "care"])
    by = {name: table[table["estimand"] == name].iloc[0] for name in table["estimand"].unique()}
    value, margin = by["robustness_value"], by["robustness_to_margin"]
    text, limits = words(page, "confounding"), words(page, "limitations")
    percents = [f"{100 * one:.0f}%" for one in (value["mean"], margin["mean"], value["lower"])]
    assert re.findall(r"\d+%", text[: text.index("A cause as strong")]) == percents
    assert f"leave of {SAID}, and as much" in text
    assert f"at least {percents[0]} of what remains of both {SAID} and follow-up WHO-5" in limits
    assert "to explain the difference away (Section 1)" in limits
    assert "How strong an unmeasured cause" not in limits
    listed = rows_by_id(read_manifest(page.html, name="page"))
    for name, row in table.iterrows():
        np.testing.assert_allclose(listed[f"confounding/{name}"]["mean"], row["mean"], rtol=1e-4, atol=1e-6)
    heads = [cell.text for cell in parsed(page.html).by_id("table-confounding").all("th")][:4]
    assert heads[:3] == ["Covariate", "Of arm", "Of follow-up WHO-5"]
    shares = [
        [c.text for c in line.all("th", "td")] for line in parsed(page.html).by_id("confounding-figure-data").all("tr")
    ]
    f = value["mean"] / np.sqrt(1 - value["mean"])
    for x, zero, *_ in shares[1:]:
        if zero != "–":
            # Rounded to a tenth of a per cent.
            assert float(bias_share(float(x[:-1]) / 100, float(zero[:-1]) / 100)) == pytest.approx(
                f, rel=0.03, abs=0.02
            )


@pytest.mark.slow
@settings(deadline=None, max_examples=8)
@given(st.sampled_from([-6.0, -0.4, 0.4, 6.0]), st.sampled_from(["wait", "a <b>", "x | y", "1"]))
def test_words_follow_the_rows_on_either_side(difference: float, name: str) -> None:
    frame = three_arms()
    frame["arm"] = frame["arm"].cat.rename_categories({"wait": name})
    fit = built(difference, frame)
    page, table = rendered(fit, sections=SECTIONS), confounding(fit)
    value = table[table["estimand"] == "robustness_value"].iloc[0]
    text, limits = words(page, "confounding"), words(page, "limitations")
    assert f"(“care” rather than “{name}”)" in text
    assert ("Its interval includes zero without any such cause" in text) == (value["lower"] == 0)
    assert ("The interval already includes no difference, without any such cause" in limits) == (value["lower"] == 0)
    strong = table[table["estimand"] == "contrast_as_strong"]["mean"]
    gone = strong.min() <= 0 if difference > 0 else strong.max() >= 0
    assert ("bring it to zero or beyond" in text) == gone


def test_a_column_of_0_and_1_is_called_as_a_factor_with_these_levels_is() -> None:
    frame = rows(300).assign(treated=lambda f: (np.arange(len(f)) % 3 == 0).astype(int))
    formula = "who5_followup ~ treated + age"
    sds, spec = {"beta": [0.5, 1.0, 0.02]}, {"focal": "treated"}
    fit = fitted(frame, formula=formula, means={"beta": [45, 6.0, 0.1]}, sds=sds, draws=500, spec=spec)
    page, table = rendered(fit, sections=SECTIONS), confounding(fit)
    value = table[table["estimand"] == "robustness_value"].iloc[0]
    share = f"{100 * value['mean']:.0f}%"
    assert f"at least {share} of what remains of both treated (“1” rather than “0”) and" in words(page, "limitations")
    assert page.numbers["confounding"][0]["term"] == "treated"


def test_of_events_there_is_the_e_value_of_the_shares() -> None:
    frame, options = of_family(three_arms(), "bernoulli", above=48.0)
    spec = {"priors": "weak", "focal": "arm", **options}
    means = {"beta": [-0.5, 0.9, 0.3, 0.0]}
    formula = "who5_followup ~ arm + age"
    fit = fitted(frame, formula=formula, means=means, sds={"beta": 0.01}, draws=500, spec=spec)
    page, row = rendered(fit, sections=SECTIONS), confounding(fit).iloc[0]
    said = f"by a risk ratio of at least {row['mean']:.1f} each"
    assert f"would have to go with {SAID}, and with" in words(page, "confounding")
    assert f"{said} (the E-value)" in words(page, "confounding")
    assert said in words(page, "limitations")
    assert "explain the difference away" in words(page, "limitations")


def test_a_covariate_with_a_few_people_at_a_level_is_not_compared_with() -> None:
    """With two arms, what a covariate explains of them is a function of the counts in their cells."""
    frame = three_arms()
    few = (frame["arm"] == "wait") & (np.arange(len(frame)) % 12 == 0)
    assert 0 < few.sum() < 10
    many = (frame["arm"] != "wait") & (np.arange(len(frame)) % 3 == 0)
    frame["sex"] = pd.Categorical(np.where(few | many, "male", "female"))
    fit = built(frame=frame)
    assert "sex" in confounding(fit)["factor"].tolist()
    page = rendered(fit, sections=SECTIONS)
    assert {row["factor"] for row in page.numbers["confounding"]} - {None} == {"who5_baseline", "age"}
    assert "sex" not in words(page, "confounding")


def test_an_arm_of_a_few_people_is_not_compared() -> None:
    frame = three_arms()
    frame.loc[frame.index[frame["arm"] == "care"][4:], "arm"] = "both"
    page = rendered(built(frame=frame), sections=SECTIONS)
    assert "“care”" not in page.html
    assert all("care" not in str(row["denominator"]) for row in page.numbers.get("confounding", []))


def test_a_notebook_draws_the_page_s_lines(fit: FittedModel) -> None:
    mpl.use("Agg")
    own = ab.Fit(**{name: getattr(fit, name) for name in ("spec", "design", "priors", "tree", "flow", "info")})
    axes = own.plot("confounding")
    value = confounding(fit)
    value = value[value["estimand"] == "robustness_value"]["mean"].item()
    (line,) = (one for one in axes.lines if one.get_label() == "estimate is zero")
    x, y = map(np.asarray, line.get_data())
    inside = y < axes.get_ylim()[1] * 0.999
    np.testing.assert_allclose(bias_share(x[inside], y[inside]), value / np.sqrt(1 - value), rtol=1e-9)
    assert axes.get_xlabel() == "Share of arm"
    other = own.plot("confounding", factor="sex")
    assert other.get_xlabel() == "Share of sex"
    plt.close("all")
