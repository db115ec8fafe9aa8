from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from alliance_bayes.checks import CHECKS, Context
from alliance_bayes.model import FAMILIES, Scale
from builders import fitted, rows
from checks.exact import ExactGaussian, Known

FORMULA = "who5_followup ~ alliance + who5_baseline + (1 | country) + (1 | sex)"


@pytest.fixture(scope="module")
def frame():
    return rows(400, seed=2)


@pytest.fixture(scope="module")
def model(frame):
    return ExactGaussian(frame, FORMULA)


def linear(model, frame, rng):
    mean = 48 + 2.2 * (frame["alliance"] - 4.6) + 0.45 * (frame["who5_baseline"] - 41)
    return np.asarray(mean + model.effects(rng))


def check(fit, **options):
    return CHECKS["posterior_predictive"](Context(fit, **options))


def test_outcomes_of_the_models_own_kind_pass(model, frame):
    rng = np.random.default_rng(0)
    found = check(model.fit(linear(model, frame, rng) + rng.normal(0, 15, 400)))
    assert found.verdict == "pass"
    # Mean, SD, skewness, floor, ceiling for all rows, five countries and two sexes; kurtosis for all rows.
    assert found.sentence == (
        "All 41 statistics of the outcome (mean, SD, skewness, kurtosis, share at floor, share at ceiling; overall and "
        "by group) lie within limits that a well-specified model leaves anywhere "
        "in at most 1 % of data sets."
    )
    assert found.table.columns.tolist() == [
        "statistic",
        "factor",
        "level",
        "n",
        "observed",
        "predicted",
        "lower",
        "upper",
        "departure",
        "p",
        "outside",
    ]
    assert found.table["p"].is_monotonic_increasing
    assert found.table.groupby(["factor", "level"], sort=False).ngroups == 8
    assert (found.table["statistic"] == "kurtosis").sum() == 1


def test_observed_statistics_are_those_of_the_rows(model, frame):
    y = linear(model, frame, np.random.default_rng(1))
    table = check(model.fit(y)).table.set_index(["statistic", "factor", "level"])["observed"]
    men = y[(frame["sex"] == "male").to_numpy()]
    assert table["mean", "", "all rows"] == pytest.approx(y.mean())
    assert table["SD", "sex", "male"] == pytest.approx(men.std(ddof=1))
    assert table["mean", "sex", "male"] == pytest.approx(men.mean())


def test_heavy_tails_under_a_gaussian_show_in_the_kurtosis(model, frame):
    rng = np.random.default_rng(3)
    found = check(model.fit(linear(model, frame, rng) + 10 * rng.standard_t(3, 400)))
    assert found.verdict == "warn"
    row = found.table[found.table["statistic"] == "kurtosis"].iloc[0]
    assert row["observed"] > row["upper"]
    assert bool(row["outside"])


def test_a_ceiling_under_a_gaussian_shows_in_the_share_at_the_ceiling(model, frame):
    rng = np.random.default_rng(4)
    y = np.clip(4 * np.round((linear(model, frame, rng) + 45 + rng.normal(0, 15, 400)) / 4), 0, 100)
    found = check(model.fit(y))
    assert found.verdict == "warn"
    table = found.table.set_index(["statistic", "factor", "level"])
    ceiling = table.loc["share at ceiling", "", "all rows"]
    assert ceiling["observed"] == pytest.approx((y == 100).mean())
    assert ceiling["observed"] > ceiling["upper"]
    outside = found.table[found.table["outside"]]
    assert f"{len(outside)} of 41 statistics of the outcome " in found.sentence
    assert found.sentence.endswith(
        "The shape of the outcomes is not the family's: mean differences may still be sound, predictions for single "
        f"people and shares at the ends are not; compare another family ({FAMILIES['gaussian'].alternatives})."
    )


def test_a_group_with_its_own_spread_shows_in_its_sd_and_in_the_sentence(model, frame):
    rng = np.random.default_rng(5)
    wide = np.where(frame["country"] == "C2", 2.6, 1.0)
    found = check(model.fit(linear(model, frame, rng) + wide * rng.normal(0, 12, 400)))
    top = found.table.iloc[0]
    assert top[["statistic", "factor", "level", "outside"]].tolist() == ["SD", "country", "C2", True]
    assert (
        found.sentence.split(": ")[1]
        .split(";")[0]
        .startswith(f"SD of country C2 {top['observed']:.3g} (limits {top['lower']:.3g} to {top['upper']:.3g})")
    )
    assert "give each a residual SD of its own (residual_by)." in found.sentence


def test_a_group_mean_that_the_prior_does_not_allow_shows_in_its_mean(frame):
    model = ExactGaussian(frame, FORMULA, tau=0.05)
    y = linear(model, frame, np.random.default_rng(6)) + np.random.default_rng(7).normal(0, 15, 400)
    found = check(model.fit(y + 15.0 * (frame["country"] == "C1").to_numpy()))
    assert found.verdict == "warn"
    top = found.table.iloc[0]
    assert top[["statistic", "factor", "level"]].tolist() == ["mean", "country", "C1"]
    assert "A group's mean is off: check the priors of level SDs, and for terms that are missing." in found.sentence


def test_levels_with_few_rows_are_counted_and_not_compared():
    frame = rows(60)
    found = check(fitted(frame, formula=FORMULA))
    small = int((frame["country"].value_counts() < 20).sum())
    assert small == 4
    assert set(found.table.loc[found.table["factor"] == "country", "level"]) == {
        frame["country"].value_counts().idxmax()
    }
    assert found.sentence.endswith(" Levels with fewer than 20 rows were not compared.")


def test_a_two_valued_outcome_is_compared_by_its_share():
    frame = rows(200).assign(better=lambda data: (data["who5_followup"] > 48).astype(float))
    known = Known(frame, "better ~ alliance + (1 | country)", "bernoulli", {"beta": [0.0, 0.3]})
    found = check(known.simulated(np.random.default_rng(0)))
    assert set(found.table["statistic"]) == {"share at ceiling"}
    assert found.table["observed"].between(0, 1).all()


def test_columns_beside_the_model_are_left_to_the_residuals(model, frame):
    y = linear(model, frame, np.random.default_rng(8))
    found = check(model.fit(y), extra=frame[["provider_type"]])
    assert "provider_type" not in set(found.table["factor"])


def test_the_figures_of_a_report_are_one_of_all_rows_and_one_a_factor(model, frame):
    found = check(model.fit(linear(model, frame, np.random.default_rng(9))))
    assert [plot.name for plot in found.plots] == [
        "predictive-distribution",
        "predictive-by-country",
        "predictive-by-sex",
    ]


def test_statistics_of_all_rows_are_not_hidden_by_many_groups():
    frame = rows(900, seed=2, countries=40)
    model = ExactGaussian(frame, "who5_followup ~ alliance + (1 | country)")
    rng = np.random.default_rng(11)
    found = check(model.fit(48 + 15 * (rng.gamma(12, size=900) - 12) / np.sqrt(12)))
    overall = found.table[found.table["factor"] == ""]
    assert overall.loc[overall["statistic"] == "skewness", "outside"].tolist() == [True]
    assert overall["p"].min() == pytest.approx(2 / 1001)
    assert found.table[found.table["factor"] == "country"]["level"].nunique() > 20


def test_the_last_bar_is_the_share_at_the_ceiling_that_the_check_compares():
    frame = rows(400)
    rng = np.random.default_rng(11)
    frame["rating"] = np.clip(np.round(rng.normal(4.8, 0.8, 400) * 4) / 4, 1, 5)
    fit = fitted(
        frame,
        formula="rating ~ age",
        means={"beta": [4.8, 0.0], "sigma": 0.8},
        sds={"beta": [0.02, 0.001], "sigma": 0.01},
        spec={"family": "censored_gaussian", "scales": {"rating": Scale(4.5, 0.7, 1.0, 5.0)}, "autoscale": True},
    )
    found = check(fit)
    row = found.table[(found.table["statistic"] == "share at ceiling") & (found.table["factor"] == "")].iloc[0]
    observed, bars = _bars(found.plots[0])
    # The bar at the top of the scale reaches no further, and is of those at the ceiling.
    assert observed[1][-1] == 5.0
    assert observed[0][-1] == pytest.approx(100 * row["observed"])
    assert bars[-1] == pytest.approx(100 * row["predicted"], abs=0.3)
    assert row["observed"] > 0.3


def test_bars_of_a_score_under_a_gaussian_stay_within_its_scale():
    frame = rows(400)
    found = check(fitted(frame, formula="who5_followup ~ age", means={"beta": [20.0, 0.0], "sigma": 20.0}))
    observed, _ = _bars(found.plots[0])
    assert (observed[1][0], observed[1][-1]) == (0.0, 100.0)
    assert "The bars at the ends hold what is replicated beyond them, 1" in found.plots[0].description


@pytest.mark.parametrize("end", [1, -1])
def test_rows_heaped_at_an_end_that_no_scale_states_are_compared(end):
    frame = rows(400)
    rng = np.random.default_rng(12)
    raw = rng.normal(0.0, 1.0, 400)
    frame["score"] = end * np.minimum(raw, np.median(raw))
    design = {"beta": [float(frame["score"].mean()), 0.0], "sigma": float(frame["score"].std())}
    found = check(
        fitted(
            frame,
            formula="score ~ age",
            means=design,
            sds={"beta": [0.05, 0.001], "sigma": 0.03},
            spec={"autoscale": True},
        )
    )
    name = "share at ceiling" if end > 0 else "share at floor"
    table = found.table[(found.table["statistic"] == name) & (found.table["factor"] == "")]
    assert table["observed"].item() == pytest.approx(0.5)
    assert bool(table["outside"].item())
    assert found.verdict == "warn"


def _bars(plot):
    """Heights and edges of the observed bars in % of rows, and the replicated medians."""
    figure = Figure(figsize=plot.size)
    plot.draw(figure)
    axes = figure.axes[0]
    (steps,) = [patch for patch in axes.patches if patch.get_label() == "observed"]
    heights, edges, _ = steps.get_data()
    (median,) = [line for line in axes.lines if line.get_label() == "replicated, median"]
    return (heights, edges), median.get_ydata()


@pytest.mark.parametrize("beside", [0, 3, 19, 20])
def test_the_last_bar_has_nobody_or_enough_besides_those_at_the_ceiling(beside):
    # Averages that are no level: the bin of the ceiling reaches below it.
    values = np.r_[np.full(150, 5.0), np.full(beside, 4.96), np.linspace(2.0, 4.8, 250)]
    frame = rows(values.size).assign(rating=values)
    found = check(
        fitted(
            frame,
            formula="rating ~ age",
            means={"beta": [float(values.mean()), 0.0], "sigma": float(values.std())},
            sds={"beta": [0.02, 0.001], "sigma": 0.01},
            spec={"scales": {"rating": Scale(4.5, 0.7, 1.0, 5.0)}, "autoscale": True},
        )
    )
    edges = found.plots[0].edges
    rest = int((values >= edges[-2]).sum()) - 150
    assert edges[-1] == 5.0
    assert rest == 0 or rest >= 20


def test_a_bar_that_holds_everybody_is_no_figure():
    """In it, what is observed and what is replicated are the same whatever the model."""
    few, enough = (Context(fitted(rows(n), formula="who5_followup ~ alliance")) for n in (36, 90))
    names = [[plot.name for plot in CHECKS["posterior_predictive"](context).plots] for context in (few, enough)]
    assert ["predictive-distribution" in those for those in names] == [False, True]
