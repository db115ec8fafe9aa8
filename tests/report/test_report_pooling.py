"""The figure of partial pooling against the arithmetic of a model without predictors."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.checks import CheckReport, Gate
from alliance_bayes.effects import effects
from alliance_bayes.report import groups
from alliance_bayes.report.group_lines import group_curves
from alliance_bayes.report.partial_pooling import pooled_means, pooling_picture
from alliance_bayes.report.report import Report
from alliance_bayes.report.text import column_name
from builders import fitted, of_family, rendered, rows
from report.test_report_page import parsed

SMALL = 10
FORMULA = "who5_followup ~ alliance + (1 | country)"


@pytest.fixture(scope="module")
def shrunken():  # type: ignore[no-untyped-def]
    """Effects drawn where a normal model of known variances puts them, and the raw means."""
    frame = rows(400, countries=6)
    # A group too small to be shown.
    few = frame["country"].cat.codes.to_numpy() == 5
    frame = frame[~few | (np.cumsum(few) <= 4)].reset_index(drop=True)
    raw = frame.groupby("country", observed=True)["who5_followup"].agg(["mean", "size"])
    grand, tau, sigma = 45.0, 3.0, 16.0
    weight = raw["size"] * tau**2 / (raw["size"] * tau**2 + sigma**2)
    fit = fitted(
        frame,
        formula="who5_followup ~ 1 + (1 | country)",
        means={"beta": grand, "u_country": (weight * (raw["mean"] - grand)).to_numpy()[:, None]},
        sds={"beta": 0.0, "u_country": 0.0},
        draws=40,
    )
    return fit, raw, grand


def test_pooled_means_lie_between_the_groups_own_and_everybodys(shrunken) -> None:  # type: ignore[no-untyped-def]
    fit, raw, grand = shrunken

    groups, middle = pooled_means(fit, fit.design.factor("country"), SMALL)

    assert middle == pytest.approx(grand)
    hider = raw["size"].drop(index="C5").idxmin()
    by_level = {group.level: group for group in groups}
    # One more group hides the small one.
    assert set(by_level) == set(raw.index) - {"C5", hider}
    for level, group in by_level.items():
        assert group.own == pytest.approx(raw.loc[level, "mean"])
        low, high = sorted((group.own, middle))
        assert low < group.pooled < high
    # Few levels are in the order of the data.
    assert [group.level for group in groups] == [level for level in raw.index if level in by_level]


@pytest.mark.usefixtures("undrawn")
def test_many_groups_stand_in_the_order_of_their_means_in_every_figure() -> None:
    effects_of = np.array([1.0, -2.0, 5.0, 0.0, 3.0, -4.0, 2.0, 4.0])
    fit = fitted(
        rows(800, countries=8),
        formula="who5_followup ~ alliance + (1 | country)",
        means={"u_country": effects_of[:, None]},
        sds={"u_country": 0.05},
        draws=1000,
    )
    pictures = parsed(rendered(fit, sections=["groups"]).html)
    orders = [
        [line.all("th", "td")[0].text for line in pictures.by_id(name).all("tr")[1:]]
        for name in ("table-levels-1", "pooling-1-data")
    ]
    expected = [f"C{k}" for k in np.argsort(-effects_of)]
    assert orders == [expected, expected]


@pytest.mark.parametrize("family", ["gaussian", "cumulative", "censored_gaussian"])
def test_pooled_means_of_effects_of_zero_are_everybodys(family: str) -> None:
    fit = fitted(
        rows(80),
        formula="who5_followup ~ alliance + (1 | country)",
        spec={"family": family},
        draws=20,
        means={"beta": 0.3, "u_country": 0.0},
        sds={"u_country": 0.0},
    )

    groups, middle = pooled_means(fit, fit.design.factor("country"), 1)

    assert [group.pooled for group in groups] == pytest.approx([middle] * 5)
    counts = fit.design.frame["country"].value_counts()
    own = np.average([group.own for group in groups], weights=[counts[group.level] for group in groups])
    assert own == pytest.approx(fit.design.outcome.values.mean())


@pytest.mark.parametrize("family", ["gaussian", "student_t", "cumulative", "censored_gaussian"])
def test_pooled_means_are_those_of_every_row_and_draw(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = fitted(
        rows(80),
        formula="who5_followup ~ alliance + (alliance || country) + (1 | sex)",
        spec={"family": family},
        draws=25,
        means={"beta": 0.3},
        sds={"u_country": 0.2},
    )
    monkeypatch.setattr("alliance_bayes.report.partial_pooling.BLOCK", 300)  # three draws at a time

    groups, middle = pooled_means(fit, fit.design.factor("country"), 1)

    everything = {"outcome": fit.design.outcome, "own": fit.parameters_at()}
    full, without = (
        fit.design.family.expectation(eta=fit.linear_predictor(without=names), **everything).mean(axis=0)
        for names in ((), ("country",))
    )
    assert middle == pytest.approx(without.mean())
    for group in groups:
        here = (fit.design.frame["country"] == group.level).to_numpy()
        assert group.pooled == pytest.approx(without.mean() + (full - without)[here].mean())
        assert group.own == pytest.approx(without.mean() + (fit.design.outcome.values - without)[here].mean())


def test_lines_of_groups_have_the_slopes_and_means_of_the_effects_table() -> None:
    means = {"u_sex": np.array([[2.0, 1.0], [-2.0, -1.0]])}
    fit = fitted(rows(200), formula="who5_followup ~ alliance + (alliance || sex)", means=means, draws=50)
    table = effects(fit, estimands=["slopes_by_level", "adjusted_means"])

    curves = group_curves(fit, "sex", "alliance", prob=0.89, small=SMALL)

    assert list(curves) == ["female", "male"]
    overall = np.quantile(fit.design.frame["alliance"], [0.1, 0.9])
    for level, curve in curves.items():
        first, last = curve.iloc[0], curve.iloc[-1]
        slope = (last["mean"] - first["mean"]) / (last["x"] - first["x"])
        row = table[(table["estimand"] == "slope_by_level") & (table["level"] == level)].iloc[0]
        mean = table[(table["estimand"] == "mean") & (table["level"] == level)].iloc[0]
        assert slope == pytest.approx(row["mean"], rel=1e-6)
        at_centre = first["mean"] + slope * (fit.design.frame["alliance"].mean() - first["x"])
        assert at_centre == pytest.approx(mean["mean"], rel=1e-6)
        assert (curve["lower"] < curve["mean"]).all()
        assert (curve["mean"] < curve["upper"]).all()
        assert overall[0] <= first["x"] < last["x"] <= overall[1]


def test_groups_that_may_be_one_person_have_no_figure() -> None:
    fit = fitted(rows(40, countries=15), formula=FORMULA, draws=100)

    assert _pictures(fit) == []
    # With as many people as it takes, the same factor has one.
    assert [picture.title for picture in _pictures(fitted(rows(200, countries=15), formula=FORMULA, draws=100))] == [
        "Partial pooling of follow-up WHO-5 by country"
    ]


@pytest.mark.parametrize(("formula", "sloped"), [(FORMULA, False), (FORMULA.replace("(1 |", "(alliance ||"), True)])
def test_slopes_are_explained_where_there_are_any(formula: str, sloped: bool) -> None:
    fit = fitted(rows(300), formula=formula, draws=50)
    section = parsed(rendered(fit, checks=CheckReport((), Gate(True, ())), sections=["groups"]).html).by_id("groups")
    assert ("A slope is how the expected outcome changes" in section.text) is sloped
    assert ("Slope of alliance by country" in section.text) is sloped


def test_a_group_beside_none_is_not_drawn_towards_others() -> None:
    frame = rows(300).assign(sex=pd.Categorical.from_codes([0] * 296 + [1] * 4, ["female", "male"]))
    assert _pictures(fitted(frame, formula="who5_followup ~ alliance + (1 | sex)", draws=50)) == []


def _pictures(fit):  # type: ignore[no-untyped-def]
    seen = []

    def section(view):  # type: ignore[no-untyped-def]
        seen.extend(
            picture
            for number, factor in enumerate(fit.design.factors)
            if (picture := pooling_picture(view, factor, f"p-{number}")) is not None
        )
        return None

    Report(sections=[section]).render(fit, effects=effects(fit), checks=CheckReport((), Gate(True, ())))
    return seen


def test_a_level_has_one_adjusted_mean_on_a_page() -> None:
    means = {"u_sex": np.array([[2.0, 1.0], [-2.0, -1.0]])}
    fit = fitted(rows(200), formula="who5_followup ~ alliance + (alliance || sex)", means=means, draws=50)
    (picture,) = _pictures(fit)
    table = effects(fit, estimands=["adjusted_means"])
    adjusted = dict(zip(table["level"], table["mean"], strict=True))
    data = picture.data
    assert data is not None
    assert list(data.headings) == ["Sex", "People", "Own mean", "Adjusted mean"]
    groups = {group.level: group for group in pooled_means(fit, fit.design.factor("sex"), SMALL)[0]}
    for level, _, own, mean in data.rows:
        # Printed to two decimals.
        assert float(mean) == pytest.approx(adjusted[level], abs=0.0051)
        drawn = groups[level].own - groups[level].pooled
        assert float(own) - float(mean) == pytest.approx(drawn, abs=0.011)


def test_of_an_event_all_is_in_per_cent_as_its_axis_is() -> None:
    frame, options = of_family(rows(300), "bernoulli")
    fit = fitted(frame, formula="who5_followup ~ alliance + (1 | sex)", spec=options, means={"beta": 0.1}, draws=50)
    (picture,) = _pictures(fit)
    groups, middle = pooled_means(fit, fit.design.factor("sex"), SMALL)
    assert f"(the average group, {100 * middle:.1f}%)" in picture.caption
    # Whatever its axis has for numbers is in per cent.
    ticks = [text for text in re.findall(r">([^<>]+)</text>", picture.markup) if re.fullmatch(r"[\d.]+%?", text)]
    assert len(ticks) > 1
    assert all(tick.endswith("%") for tick in ticks)
    assert f">probability of “{column_name('who5_followup')}”<" in picture.markup
    assert picture.data is not None
    for (level, _, own, _), group in zip(picture.data.rows, groups, strict=True):
        assert level == group.level
        drawn = group.own - group.pooled
        assert own.endswith("%")
        adjusted = effects(fit, estimands=["adjusted_means"]).set_index("level").loc[level, "mean"]
        assert float(own.removesuffix("%")) == pytest.approx(100 * (adjusted + drawn), abs=0.0051)


def test_groups_are_drawn_towards_the_line_that_the_figure_has_and_lie_around_it() -> None:
    """Adjusted means are over all countries that there could be, so the line is no mean of those in the data."""
    formula = "who5_followup ~ alliance + (1 | sex) + (1 | country)"
    effects_of = {"u_sex": np.array([[1.0], [-1.0]]), "u_country": np.full((5, 1), 6.0)}
    fit = fitted(rows(200), formula=formula, means=effects_of, sds={"u_sex": 0.0, "u_country": 0.0}, draws=40)
    table = effects(fit)
    adjusted = table[(table["estimand"] == "mean") & (table["factor"] == "sex")].set_index("level")["mean"]
    # The effects of the two sexes add to zero, so that their common value is halfway.
    halfway = adjusted.mean()
    assert pooled_means(fit, fit.design.factor("sex"), SMALL)[1] == pytest.approx(halfway + 6.0)
    picture = _pictures(fit)[0]
    assert f"(the average group, {halfway:.1f})" in picture.caption
    assert picture.data is not None
    assert picture.data.note.endswith(f"towards {halfway:.2f}.")

    means = table[(table["estimand"] == "mean") & (table["factor"] == "sex")]
    shares = fit.design.frame["sex"].value_counts(normalize=True)
    expected = sum(shares[level] * adjusted[level] for level in adjusted.index)
    assert groups._middle(fit, means, "sex") == pytest.approx(expected)
