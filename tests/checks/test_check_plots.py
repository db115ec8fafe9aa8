from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from alliance_bayes.checks import run_checks
from alliance_bayes.checks.context import FEWEST_ROWS
from alliance_bayes.checks.convergence import rank_histograms
from alliance_bayes.checks.drawing import label_of
from builders import fitted, rows


def drawn(plot):
    figure = Figure(figsize=plot.size, dpi=100)
    canvas = FigureCanvasAgg(figure)
    plot.draw(figure)
    canvas.draw()
    return figure, canvas


@pytest.fixture(scope="module")
def report():
    frame = rows(400, seed=1, countries=28)
    return run_checks(fitted(frame), extra=frame[["n_sessions"]], replicates=300)


@pytest.fixture(scope="module")
def figures(report):
    return {plot.name: (plot, *drawn(plot)) for result in report for plot in result.plots}


def test_every_check_has_its_figures(report):
    assert {result.name: [plot.name for plot in result.plots] for result in report} == {
        "convergence": ["convergence-ess", "convergence-ranks"],
        "prior_predictive": ["prior-outcomes"],
        "posterior_predictive": [
            "predictive-distribution",
            "predictive-by-provider-type",
            "predictive-by-sex",
            "predictive-by-country",
        ],
        "calibration": ["calibration-pit", "calibration-intervals"],
        "loo": ["loo-pareto-k"],
        "curvature": [
            f"residuals-{name}" for name in ("alliance", "who5-baseline", "age", "days-in-care", "n-sessions")
        ],
        "groups": [f"residuals-by-{name}" for name in ("provider-type", "sex", "country")],
        "spread": [f"spread-{name}" for name in ("alliance", "who5-baseline", "age", "days-in-care", "n-sessions")],
        "interactions": [],
        "unused_columns": [],
        "order": [],
        "copies": [],
        "absent": [],
        # Draws that nothing sampled are not sampled again.
        "prior_sensitivity": [],
        "influence": [],
    }


def test_names_of_mixing_are_whole_and_inside_the_figure():
    """Words are put in the place of whole names only, and long words take several lines."""
    name = "u_provider_type[a level with a name as long as names of levels are, alliance:who5_baseline]"
    posterior = xr.Dataset({"x": (("chain", "draw"), np.random.default_rng(0).normal(size=(4, 100)))})
    worst = pd.DataFrame({"quantity": [name], "variable": ["x"], "index": [0]})
    figure, canvas = drawn(rank_histograms(posterior, worst))
    title = figure.axes[0].title
    assert title.get_text() == name
    box = title.get_window_extent(canvas.get_renderer())
    assert figure.bbox.x0 <= box.x0
    assert box.x1 <= figure.bbox.x1


@pytest.mark.slow
def test_names_are_unique_and_texts_are_there(figures, report):
    assert len(figures) == sum(len(result.plots) for result in report)
    for plot, _, _ in figures.values():
        assert plot.title[0].isupper()
        assert plot.description.endswith(".")
        assert len(plot.description) > 60
        # A phone that shows the whole of it has letters that can be read.
        assert plot.size[0] <= 5


@pytest.mark.slow
def test_axes_are_labelled_and_all_text_is_large_enough_and_inside_the_figure(figures):
    for name, (_, figure, canvas) in figures.items():
        for axes in (axes for axes in figure.axes if axes.get_visible()):
            assert axes.get_xlabel(), name
            assert axes.get_ylabel() or len(figure.axes) > 1, name
        width, height = canvas.get_width_height()
        for text in figure.findobj(lambda artist: isinstance(artist, Text) and artist.get_visible()):
            if not text.get_text().strip() or not text.get_window_extent().width:
                continue
            assert text.get_fontsize() >= 9, (name, text.get_text())
            box = text.get_window_extent()
            shown = text.axes is None or text.axes.get_visible()
            # Ticks outside the view are not drawn; constrained layout keeps the rest inside, but for a pixel of
            # rounding.
            if shown and text not in ticks_out_of_view(figure):
                assert box.x0 >= -1, (name, text.get_text())
                assert box.x1 <= width + 1, (name, text.get_text())
                assert box.y0 >= -1, (name, text.get_text())
                assert box.y1 <= height + 1, (name, text.get_text())


def ticks_out_of_view(figure):
    out = []
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            out += [tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high]
    return out


def test_the_residual_figure_shows_the_table(report, figures):
    table = report["curvature"].table
    rows_ = table[table["column"] == "alliance"]
    _, figure, _ = figures["residuals-alliance"]
    (line,) = [line for line in figure.axes[0].lines if line.get_label() == "mean residual"]
    np.testing.assert_allclose(line.get_xydata(), rows_[["mean", "residual"]])


def test_the_pit_figure_shows_the_difference_from_uniform(report, figures):
    details = report["calibration"].details
    _, figure, _ = figures["calibration-pit"]
    (line,) = [line for line in figure.axes[0].lines if line.get_label() == "observed"]
    np.testing.assert_allclose(line.get_ydata()[1:-1], details["ecdf"] - details["point"])


def test_the_observed_histogram_adds_up_to_everybody(figures):
    _, figure, _ = figures["predictive-distribution"]
    (steps,) = [patch for patch in figure.axes[0].patches if patch.get_label() == "observed"]
    heights, edges, _ = steps.get_data()
    assert figure.axes[0].get_ylabel() == "Rows (%) per 4"
    # A bar counts by its levels: those at the ends reach half a step into the scale only.
    assert (edges[0], edges[-1]) == (0, 100)
    levels = np.histogram(np.arange(0, 101, 4), edges)[0]
    rows_per = heights * levels
    assert rows_per.sum() == pytest.approx(100)
    # A page may show the figure, so no bar may be of a few people.
    assert (400 * rows_per / rows_per.sum() >= FEWEST_ROWS - 1e-6).all()


def test_many_levels_are_cut_to_those_furthest_out_and_the_description_says_so(report, figures):
    plot, figure, _ = figures["residuals-by-country"]
    table = report["groups"].table.query("column == 'country'")
    assert len(table) == 28
    assert len(figure.axes[0].get_yticks()) == 25
    assert plot.description.endswith(" The 25 levels furthest out are shown.")
    far = (table["residual"].abs() / table["limit"]).nlargest(25).index
    labels = {label.get_text().split(" ")[0] for label in figure.axes[0].get_yticklabels()}
    assert labels == set(table.loc[far, "level"])


def test_descriptions_count_what_is_outside(report, figures):
    table = report["groups"].table.query("column == 'sex'")
    outside = int((table["residual"].abs() > table["limit"]).sum())
    told = {
        0: "None of the 2 levels are outside.",
        1: "1 of the 2 levels is outside.",
        2: "2 of the 2 levels are outside.",
    }
    assert figures["residuals-by-sex"][0].description == (
        "Mean of observed minus expected who5_followup of the 2 levels of sex, with bars that all of them keep "
        "within when the "
        f"model is right. {told[outside]}"
    )


def test_axes_name_the_unit_where_there_is_one():
    design = fitted().design
    assert label_of(design, "age") == "age (years)"
    assert label_of(design, "who5_followup", prefix="SD of ") == "SD of who5_followup (WHO-5 points)"
    assert label_of(design, "something") == "something"


@pytest.mark.slow
def test_figures_are_drawn_for_discrete_and_continuous_outcomes_too():
    frame = rows(60).assign(
        better=lambda data: (data["who5_followup"] > 48).astype(float), score=np.linspace(3, 90, 60)
    )
    cases = (
        ("better ~ alliance + (1 | sex)", "bernoulli", {}),
        ("who5_followup ~ alliance + (1 | sex)", "cumulative", {}),
        ("score ~ alliance + (1 | sex)", "gaussian", {"autoscale": True}),
    )
    for formula, family, more in cases:
        fit = fitted(frame, formula=formula, means={"beta": 0.1}, spec={"family": family, **more})
        for result in run_checks(fit, replicates=200):
            for plot in result.plots:
                drawn(plot)
