"""The section on an unmeasured cause: its numbers, lines, words, and the sentence among the limitations."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot as plt

import alliance_bayes as ab
from alliance_bayes.effects import confounding, effects
from alliance_bayes.effects.strength import bias_share
from alliance_bayes.fit import FittedModel
from alliance_bayes.report import Rendered
from alliance_bayes.report.contours import Contour, Contours, Point
from alliance_bayes.report.page import read_manifest, rows_by_id
from builders import fitted, of_family, rendered, rows
from report.test_report_page import parsed

# Nothing here is about checks, which take most of the time of a page.
pytestmark = pytest.mark.usefixtures("gate_alone", "undrawn")

FORMULA = "who5_followup ~ alliance + who5_baseline + age + (1 | sex) + (alliance || country)"
SECTIONS = ["confounding", "limitations"]


def built(slope: float = 2.2, **more: Any) -> FittedModel:
    means = {"beta": [45, slope, 0.45, 0.1]}
    sds = {"beta": [0.5, 0.3, 0.03, 0.02]}
    return fitted(rows(300, countries=4), formula=FORMULA, means=means, sds=sds, draws=500, **more)


@pytest.fixture(scope="module")
def fit() -> FittedModel:
    return built()


@pytest.fixture(scope="module")
def page(fit: FittedModel) -> Rendered:
    return rendered(fit, sections=SECTIONS)


def words(page: Rendered, section: str) -> str:
    return re.sub(r"\s+", " ", parsed(page.html).by_id(section).text)


@pytest.mark.slow
def test_sentences_have_the_numbers_of_the_rows(fit: FittedModel, page: Rendered) -> None:
    table = confounding(fit)
    value, margin = (table[table["estimand"] == f"robustness_{name}"].iloc[0] for name in ("value", "to_margin"))
    text, limits = words(page, "confounding"), words(page, "limitations")
    percents = [f"{100 * one:.0f}%" for one in (value["mean"], margin["mean"], value["lower"])]
    assert re.findall(r"\d+%", text[: text.index("A cause as strong")]) == percents
    assert f"at least {percents[0]} of what remains of both alliance and follow-up WHO-5" in limits
    assert "(Section 1)" in limits
    # What is done is not among what is not.
    assert "how strong an unmeasured cause" not in limits.lower().replace("an unmeasured cause would", "")
    listed = rows_by_id(read_manifest(page.html, name="page"))
    for name, row in table.iterrows():
        np.testing.assert_allclose(listed[f"confounding/{name}"]["mean"], row["mean"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("people", "listed"), [(40, ["sex"]), (90, ["country", "sex"])])
def test_no_cause_is_as_strong_as_what_explains_by_chance(people: int, listed: list[str]) -> None:
    """Eight levels explain 7 / 39 = 18% of anything among 40 people by chance, and 7 / 89 = 8% among 90."""
    formula = "who5_followup ~ alliance + (1 | sex) + (1 | country)"
    fit = fitted(rows(people, countries=8), formula=formula, spec={"exhaustive": ("sex",)}, draws=1000)
    page = rendered(fit, sections=["confounding"])
    table = parsed(page.html).by_id("table-confounding")
    lines = [line.all("th", "td")[0].text for line in table.all("tr")[1:]]
    assert sorted(lines) == listed
    assert ("Not listed: country" in words(page, "confounding")) == ("country" not in listed)
    # Its rows are among the page's numbers all the same.
    assert {row["factor"] for row in page.numbers["confounding"] if row["factor"]} == {"sex", "country"}


@pytest.mark.slow
def test_the_table_is_led_by_the_cause_that_would_move_the_estimate_most(fit: FittedModel, page: Rendered) -> None:
    table = confounding(fit)
    strong = table[table["estimand"] == "contrast_as_strong"].sort_values("mean")
    lines = parsed(page.html).by_id("table-confounding").all("tr")
    cells = [[cell.text for cell in line.all("th", "td")] for line in lines][1:]
    called = {"who5_baseline": "baseline WHO-5", "age": "age", "sex": "sex", "country": "country"}
    assert [row[0] for row in cells] == [called[name] for name in strong["factor"]]
    for row, (_, one) in zip(cells, strong.iterrows(), strict=True):
        assert float(row[3].replace("\N{MINUS SIGN}", "-")) == pytest.approx(one["mean"], abs=0.05 + 1e-9)
        of = table[(table["estimand"] == "benchmark_r2_predictor") & (table["factor"] == one["factor"])]
        assert row[1] == f"{100 * of['mean'].item():.1f}%"
    assert f"A cause as strong as {cells[0][0]}" in words(page, "confounding")


def test_the_figure_s_data_lie_on_the_lines_and_tell_the_robustness_value(fit: FittedModel, page: Rendered) -> None:
    body = parsed(page.html).by_id("confounding-figure-data").all("tr")
    shares = [[cell.text for cell in line.all("th", "td")] for line in body]
    assert shares[0][1:] == ["estimate is zero", "estimate is negligible", "estimate is half as large"]
    value = confounding(fit).loc["robustness_value/alliance/average", "mean"]
    f = value / np.sqrt(1 - value)
    for share, zero, _, half in shares[1:]:
        for cell, times in ((zero, 1.0), (half, 0.5)):
            if cell != "–":
                # Rounded to a tenth of a per cent.
                x, y = float(share[:-1]) / 100, float(cell[:-1]) / 100
                assert float(bias_share(x, y)) == pytest.approx(times * f, rel=0.03, abs=0.02)
    text = parsed(page.html).by_id("confounding-figure-desc").text
    assert f"zero where a cause explains {100 * value:.0f}% of both" in text


@settings(deadline=None, max_examples=40)
@given(
    st.floats(1e-4, 0.9),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=6),
)
def test_every_point_is_on_the_axes_and_no_name_over_another(value: float, points: list[tuple[float, float]]) -> None:
    mpl.use("Agg")
    named = [Point(f"cause {k}", x, y) for k, (x, y) in enumerate(points)]
    painter = Contours([Contour("zero", value / np.sqrt(1 - value))], named, "x", "y")
    figure, axes = plt.subplots()
    painter.draw(axes)
    across, up = axes.get_xlim()[1], axes.get_ylim()[1]
    assert all(one.predictor <= across and one.outcome <= up for one in named)
    # The middle of the line is in sight.
    assert min(across, up) >= value or min(across, up) == 1.0
    heights = sorted(text.get_position()[1] for text in axes.texts)
    assert all(b - a >= 0.07 * up for a, b in pairwise(heights))
    assert (len(axes.texts) > 0) == bool(named)
    # A label is the place of its tick: 2.5 % had been "2%", and 7.5 % "8%".
    figure.draw_without_rendering()
    for axis in (axes.xaxis, axes.yaxis):
        for place, label in zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True):
            told = float(label.get_text().removesuffix("%").replace("\N{MINUS SIGN}", "-")) / 100
            assert told == pytest.approx(place, rel=1e-9, abs=1e-9)
    plt.close(figure)


@pytest.mark.parametrize("slope", [-2.2, -0.05, 0.05, 2.2])
def test_words_follow_the_rows_on_either_side(slope: float) -> None:
    fit = built(slope)
    page, table = rendered(fit, sections=SECTIONS), confounding(fit)
    value = table[table["estimand"] == "robustness_value"].iloc[0]
    text, limits = words(page, "confounding"), words(page, "limitations")
    unsettled = value["lower"] == 0
    assert ("Its interval includes zero without any such cause" in text) == unsettled
    assert ("The interval already includes no association, without any such cause" in limits) == unsettled
    strong = table[table["estimand"] == "contrast_as_strong"]["mean"]
    gone = strong.min() <= 0 if slope > 0 else strong.max() >= 0
    assert ("bring it to zero or beyond" in text) == gone


@pytest.mark.parametrize("slope", [-1.4, 1.4])
def test_an_estimate_that_is_negligible_needs_no_cause_to_be(slope: float) -> None:
    """The margin is 2 points; of the draws, some are beyond it."""
    fit = built(slope)
    contrast = effects(fit).query("estimand == 'slope_p10_p90'").iloc[0]
    table = confounding(fit)
    assert abs(contrast["mean"]) < 2
    assert table.loc["robustness_to_margin/alliance/average", "mean"] > 0
    page = rendered(fit, sections=["confounding"])
    value = f"{100 * table.loc['robustness_value/alliance/average', 'mean']:.0f}%"
    text = words(page, "confounding")
    assert "it is within what is negligible as it is" in text
    lower = f"{100 * table.loc['robustness_value/alliance/average', 'lower']:.0f}%"
    assert re.findall(r"\d+%", text[: text.index("A cause as strong")]) == [value, lower]
    heads = [cell.text for cell in parsed(page.html).by_id("confounding-figure-data").all("tr")[0].all("th")]
    assert heads[1:] == ["estimate is zero", "estimate is half as large"]


def test_of_other_families_there_is_the_e_value() -> None:
    frame, options = of_family(rows(300), "bernoulli")
    formula = "who5_followup ~ alliance + age"
    spec = {"priors": "weak", "contrast": (3, 5), **options}
    fit = fitted(frame, formula=formula, means={"beta": [-2, 0.8, 0]}, sds={"beta": 0.01}, draws=500, spec=spec)
    page = rendered(fit, sections=SECTIONS)
    row = confounding(fit).iloc[0]
    text = words(page, "confounding")
    assert f"by a risk ratio of at least {row['mean']:.1f} each (the E-value)" in text
    assert f"risk ratio of at least {row['mean']:.1f} each" in words(page, "limitations")
    assert not parsed(page.html).by_id("confounding").all("svg", "table")


def test_pages_without_it_say_that_it_was_not_done(fit: FittedModel) -> None:
    text = words(rendered(fit, sections=["limitations"]), "limitations")
    assert "How strong an unmeasured cause would have to be" in text
    assert "An unmeasured cause would need" not in text
    withheld = rendered(built(divergences=2), sections=SECTIONS)
    assert withheld.withheld
    assert "confounding" not in withheld.numbers
    assert "An unmeasured cause would need" not in words(withheld, "limitations")


def test_rows_have_the_margin_population_and_probability_of_the_page(fit: FittedModel) -> None:
    table = effects(fit, rope=(-3, 3), prob=0.5, population="sample")
    page = rendered(fit, effects=table, sections=SECTIONS)
    own = confounding(fit, rope=(-3, 3), prob=0.5, population="sample", relevant=None)
    shown = {row["id"]: row for row in page.numbers["confounding"]}
    assert set(shown) == set(own.index)
    for name, row in own.iterrows():
        assert shown[name]["lower"] == pytest.approx(row["lower"], rel=1e-4, abs=1e-6)


def test_a_covariate_of_a_few_people_is_not_compared_with() -> None:
    frame = rows(300, countries=4).assign(rare=lambda f: (np.arange(len(f)) < 4).astype(float))
    sds = {"beta": [0.5, 0.3, 0.02, 0.3]}
    fit = fitted(frame, formula="who5_followup ~ alliance + age + rare", sds=sds, draws=500)
    page = rendered(fit, sections=SECTIONS)
    assert "rare" in confounding(fit)["factor"].tolist()
    assert "rare" not in {row["factor"] for row in page.numbers["confounding"]}
    assert "rare" not in words(page, "confounding")


def test_a_notebook_draws_the_page_s_lines(fit: FittedModel) -> None:
    mpl.use("Agg")
    own = ab.Fit(**{name: getattr(fit, name) for name in ("spec", "design", "priors", "tree", "flow", "info")})
    axes = own.plot("confounding")
    value = confounding(fit).loc["robustness_value/alliance/average", "mean"]
    (line,) = (one for one in axes.lines if one.get_label() == "estimate is zero")
    x, y = map(np.asarray, line.get_data())
    inside = y < axes.get_ylim()[1] * 0.999
    np.testing.assert_allclose(bias_share(x[inside], y[inside]), value / np.sqrt(1 - value), rtol=1e-9)
    plt.close("all")
    event, options = of_family(rows(200), "bernoulli")
    spec = {"priors": "weak", **options}
    other = fitted(event, formula="who5_followup ~ alliance", means={"beta": [0, 0.5]}, sds={"beta": 0.1}, spec=spec)
    plain = replace(own, spec=other.spec, design=other.design, priors=other.priors, tree=other.tree)
    with pytest.raises(ab.UsageError, match="no shares"):
        plain.plot("confounding")


def test_labels_of_the_data_name_the_covariates() -> None:
    fit = built()
    fit = replace(fit, info={**fit.info, "labels": {"age": "Years of age <b>"}})
    found = parsed(rendered(fit, sections=SECTIONS).html).by_id("table-confounding").text
    assert "Years of age <b>" in found
