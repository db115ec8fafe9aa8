"""Figures of a fit in a notebook: what is drawn is what the tables say, and what cannot be drawn says what can."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

import alliance_bayes as ab
from alliance_bayes.report.curve import average_curve, observed_means
from alliance_bayes.report.text import MINUS
from builders import rows

FORMULA = "who5_followup ~ alliance + who5_baseline + (1 + alliance | country) + (1 | sex)"


@pytest.fixture(scope="module")
def fit() -> ab.Fit:
    mpl.use("Agg")
    frame = rows(300, seed=6)
    frame["country"] = pd.Categorical(np.resize(["AA", "BB", "CC", "DD"], 300))
    # Of the last three people no level may be told.
    frame["country"] = frame["country"].cat.add_categories(["EE"])
    frame.loc[297:, "country"] = "EE"
    return ab.Model(FORMULA).fit(ab.read_cohort(frame), seed=2, draws=500, progress=False)


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    plt.close("all")


def lines_of(axes: Axes) -> dict[str, tuple[float, float, float]]:
    """Mean and interval by the name of the line."""
    names = {
        round(float(place)): label.get_text()
        for place, label in zip(axes.get_yticks(), axes.get_yticklabels(), strict=True)
    }
    (dots,) = (line for line in axes.lines if line.get_marker() == "o")
    means = {round(float(y)): float(x) for x, y in zip(*dots.get_data(), strict=True)}
    ends = {}
    for collection in axes.collections:
        for segment in collection.get_segments():  # type: ignore[attr-defined]
            ends[round(float(segment[0, 1]))] = (float(segment[0, 0]), float(segment[-1, 0]))
    return {names[y]: (mean, *ends[y]) for y, mean in means.items()}


def numbers(rows_: pd.DataFrame) -> list[tuple[float, float, float]]:
    return [tuple(row) for row in rows_[["mean", "lower", "upper"]].astype(float).to_numpy()]


def test_slopes_are_those_of_the_table(fit: ab.Fit) -> None:
    axes = fit.plot("slopes", factor="country")
    table = fit.slopes_by_level("country")
    table = table[table["estimand"] == "slope_by_level"].set_index("level")
    drawn = lines_of(axes)
    # The small level and one more are hidden, as on a page.
    assert "EE" not in drawn
    assert 2 <= len(drawn) < 5
    assert sorted(drawn.values()) == sorted(numbers(table.loc[list(drawn)]))
    # Few levels are in the order of the data, from the top.
    order = [label.get_text() for label in axes.get_yticklabels()]
    assert order == [level for level in table.index if level in drawn]
    # Everybody's is the first line where no factor is named.
    everybody = lines_of(fit.plot("slopes"))
    slope = fit.slopes()
    assert everybody["Everybody"] == numbers(slope[slope["estimand"] == "slope"])[0]
    assert {name.removeprefix("Country: ") for name in everybody} == {"Everybody", *drawn}


def test_contrasts_are_those_of_the_table(fit: ab.Fit) -> None:
    axes = fit.plot("contrasts", factor="country", prob=0.8)
    table = fit.contrasts("country", prob=0.8)
    table = table[(table["estimand"] == "contrast_of_means")]
    names = table["level"].str.cat(table["versus"], sep=f" {MINUS} ")
    table = table.set_axis(names.tolist())
    drawn = lines_of(axes)
    assert drawn
    assert not [name for name in drawn if "EE" in name]
    assert sorted(drawn.values()) == sorted(numbers(table.loc[list(drawn)]))


def test_the_curve_is_the_pages(fit: ab.Fit) -> None:
    axes = fit.plot("curve")
    curve = average_curve(fit, "alliance", prob=0.89, small=10)
    drawn = {line.get_label(): line.get_data() for line in axes.lines}
    np.testing.assert_array_equal(drawn["posterior mean"], [curve["x"], curve["mean"]])
    seen = observed_means(fit, "alliance", 10)
    np.testing.assert_array_equal(drawn["observed means"], [seen["x"], seen["mean"]])
    # The histogram is below it.
    assert axes.figure.axes[0] is axes
    assert len(axes.figure.axes) == 2


@pytest.mark.parametrize(("contrast", "estimand"), [(None, "slope_p10_p90"), ((2, 4), "slope_contrast")])
def test_the_density_is_of_the_declared_contrast(
    fit: ab.Fit, contrast: tuple[float, float] | None, estimand: str
) -> None:
    declared = replace(fit, spec=replace(fit.spec, contrast=contrast))
    axes = declared.plot("density")
    table = declared.slopes()
    row = table[table["estimand"] == estimand].iloc[0]
    dot = next(line for line in axes.lines if line.get_marker() == "o")
    assert float(np.asarray(dot.get_xdata())[0]) == float(row["mean"])
    interval = next(line for line in axes.lines if line.get_linewidth() == 3)
    assert tuple(np.asarray(interval.get_xdata(), float)) == (float(row["lower"]), float(row["upper"]))
    assert f"within ±{row['rope_high']:g}" in " ".join(text.get_text() for text in axes.texts)


def test_an_effects_table_is_drawn_row_by_row(fit: ab.Fit) -> None:
    table = fit.adjusted_means("sex")
    means = table[table["estimand"] == "mean"]
    drawn = lines_of(means.plot())
    assert drawn == dict(zip([f"Sex: {level}" for level in means["level"]], numbers(means), strict=True))
    # What pandas draws is there still.
    assert len(means.plot.bar(y="mean").patches) == len(means)
    assert len(means.plot(kind="bar", y="mean").patches) == len(means)
    assert len(table[table["estimand"] == "mean"]) == len(means)


def test_axes_that_are_given_are_drawn_onto(fit: ab.Fit) -> None:
    figure, (first, second) = plt.subplots(1, 2)
    assert fit.plot("curve", ax=first) is first
    assert fit.contrasts("sex").query("estimand == 'contrast_of_means'").plot(ax=second) is second
    assert figure.axes == [first, second]
    assert first.get_xlabel().startswith("alliance")
    # The user's own settings are left as they were.
    assert mpl.rcParams["axes.spines.top"]


@pytest.mark.parametrize(
    ("kind", "factor", "said"),
    [
        (
            "slope",
            None,
            r'kind should be one of "slopes", "contrasts", "curve", "density", "confounding" but got \'slope\'',
        ),
        ("contrasts", None, r"contrasts are drawn of one factor\. Pass factor: 'country', 'sex'"),
        ("contrasts", "age", r"factor should be one of which differences may be shown \(.*\) but got 'age'"),
        ("slopes", "sex", r"factor should be one by which the slope differs \('country'\) but got 'sex'"),
    ],
)
def test_what_cannot_be_drawn_says_what_can(fit: ab.Fit, kind: str, factor: str | None, said: str) -> None:
    with pytest.raises(ab.UsageError, match=said):
        fit.plot(kind, factor=factor)


def test_rows_in_several_units_have_no_axis(fit: ab.Fit) -> None:
    with pytest.raises(
        ab.UsageError, match=r"the rows are in \d+ units .* Draw those of one: table\[table\['unit'\] == "
    ):
        fit.slopes().plot()
    with pytest.raises(ab.UsageError, match="no row with an estimate"):
        fit.slopes().iloc[:0].plot()
