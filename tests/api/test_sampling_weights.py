"""Sampling weights: estimates of the population, on pages and in files, and intervals that cover them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lxml import html
from typer.testing import CliRunner

import alliance_bayes as ab
from alliance_bayes.checks.comparison import compare
from alliance_bayes.cli import app
from alliance_bayes.cohort.weights import effective_size, weighted_quantiles
from lightly import lightly
from sizes import sized

WEIGHTED = {"weights": "w", "weights_kind": "sampling"}


def table(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"x": rng.normal(size=n).round(3), "site": rng.choice(["a", "b"], n, p=[0.3, 0.7])})
    frame["y"] = (frame["x"] + (frame["site"] == "a") + rng.normal(size=n)).round(3)
    frame["event"] = (frame["y"] > 0.5).astype(float)
    frame["w"] = np.where(frame["site"] == "a", 3.0, 1.0) * rng.uniform(0.8, 1.2, n)
    frame.loc[[5, 6], "w"] = 0.0
    frame.loc[7, "y"] = np.nan
    return frame


def adjusted_means(fit: ab.Fit) -> pd.Series:
    found = pd.DataFrame(fit.effects(estimands=["adjusted_means"]))
    return found[found["estimand"] == "mean"].set_index("level")["mean"]


@pytest.fixture(scope="module")
def fit() -> ab.Fit:
    return ab.Model("y ~ x + site", **WEIGHTED).fit(table(), seed=1, progress=False)


def test_rows_of_weight_zero_are_counted_as_left_out_and_the_effective_size_is_that_of_the_rest(fit: ab.Fit) -> None:
    kept = table().query("w > 0 and y == y")
    assert [(step.reason, step.n) for step in fit.flow.steps] == [("weight of 0", 2), ("no value of y", 1)]
    assert fit.count_people() == len(kept) == fit.design.n
    assert fit.info["weights"]["effective"] == pytest.approx(effective_size(kept["w"].to_numpy()))
    assert "sampling weights 'w', effective sample size" in repr(fit)
    variance = float(np.cov(kept["x"], aweights=kept["w"], ddof=0)) * 397 / 396
    assert fit.design.sd("x") == pytest.approx(np.sqrt(variance))


def test_effects_average_over_the_people_whom_rows_stand_for(fit: ab.Fit) -> None:
    kept = table().query("w > 0 and y == y")
    beta = fit.stacked["beta"]
    term = list(fit.design.terms).index("site[b]")
    share = np.average(kept["site"] == "b", weights=kept["w"])
    # Of people as they are, x is at its weighted mean, where it is centred.
    means = adjusted_means(fit)
    averaged = share * means["b"] + (1 - share) * means["a"]
    assert averaged == pytest.approx(beta[:, 0].mean() + share * beta[:, term].mean())
    spread = pd.DataFrame(fit.effects(estimands=["slopes"])).set_index("estimand")["mean"]
    low, high = weighted_quantiles(kept["x"].to_numpy(), (0.1, 0.9), kept["w"].to_numpy())
    slope = beta[:, list(fit.design.terms).index("x")].mean()
    assert spread["slope_p10_p90"] == pytest.approx(slope * (high - low), rel=1e-6)


def test_averages_of_probabilities_are_weighted_row_by_row() -> None:
    frame = table().dropna().query("w > 0").reset_index(drop=True)
    fit = ab.Model("event ~ x + site", family="bernoulli", **WEIGHTED).fit(
        frame, seed=1, draws=300, chains=2, progress=False
    )
    found = adjusted_means(fit)
    for level in ("a", "b"):
        chances = fit.predict(frame.assign(site=level)).to_numpy().reshape(-1, len(frame))
        assert found[level] == pytest.approx(float(np.average(chances.mean(axis=0), weights=frame["w"])), abs=1e-6)


def test_weighted_quantiles_are_numpys_for_equal_weights_and_those_of_repeated_values_in_the_limit() -> None:
    values = np.random.default_rng(1).normal(size=101)
    at = (0.1, 0.25, 0.5, 0.9)
    np.testing.assert_allclose(weighted_quantiles(values, at, np.full(101, 2.0)), np.quantile(values, at))
    weights = np.random.default_rng(2).integers(1, 6, 101)
    many = np.quantile(np.repeat(values, 200 * weights), at)
    # Between neighbouring values: of a hundred they are some hundredths apart.
    np.testing.assert_allclose(weighted_quantiles(values, at, weights.astype(float)), many, atol=0.1)


@pytest.fixture(scope="module")
def page(fit: ab.Fit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pages") / "page.html"
    with lightly():
        fit.report(path)
    return path


def test_a_page_says_what_the_weights_are_and_table_one_is_weighted(page: Path) -> None:
    kept = table().query("w > 0 and y == y")
    effective = effective_size(kept["w"].to_numpy())
    told = json.loads(page.with_suffix(".json").read_text())
    assert told["participants"]["weights"] == {
        "column": "w",
        "kind": "sampling",
        "effective": pytest.approx(effective, rel=1e-5),
    }
    whole = {row["variable"]: row for row in told["participants"]["summary"] if "mean" in row}
    assert whole["x"]["mean"] == pytest.approx(np.average(kept["x"], weights=kept["w"]), abs=5e-5)
    tree = html.fromstring(page.read_text())
    section = " ".join(tree.get_element_by_id("data").text_content().split())
    assert f"{effective:.1f} equally weighted people (Kish’s effective size)" in section
    assert "count people by their weights; numbers and shares at levels do not" in section
    # The first screen says so, too, of people who are counted and not weighted.
    (said,) = tree.xpath("//*[@id='findings']//p[contains(., 'people analysed of')]")
    assert said.text_content().startswith(f"{len(kept)} people analysed of ")
    assert "each counted by a sampling weight" in said.text_content()
    assert "nothing on this page could tell that they are not" in " ".join(tree.text_content().split())
    assert re.search(r"Kish’s effective sample size [\d.]+\), which entered the likelihood", told["methods"]["text"])


@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_a_page_is_verified_with_its_weights_and_not_with_others(page: Path, tmp_path: Path) -> None:
    cohort = ab.read_cohort(table())
    assert not ab.verify_report(page, cohort).problems
    (tmp_path / "page.html").write_text(page.read_text())
    for suffix in (".json", ".key"):
        (tmp_path / f"page{suffix}").write_bytes(page.with_suffix(suffix).read_bytes())
    other = ab.read_cohort(table().assign(w=1.0))
    assert ab.verify_report(tmp_path / "page.html", other).problems


def test_values_are_not_imputed_by_a_model_in_which_rows_count_alike() -> None:
    with pytest.raises(ab.ModelError, match=r"weights_kind='sampling' and missing='impute' do not go together"):
        ab.Model("y ~ x", missing="impute", **WEIGHTED)


def test_a_saved_fit_has_its_weights(fit: ab.Fit, tmp_path: Path) -> None:
    fit.save(tmp_path / "fit.nc")
    again = ab.load_fit(tmp_path / "fit.nc")
    pd.testing.assert_frame_equal(pd.DataFrame(again.effects()), pd.DataFrame(fit.effects()))
    assert again.info["weights"] == fit.info["weights"]


def test_checks_of_rows_see_those_that_could_be_of_the_population(fit: ab.Fit) -> None:
    report = fit.check(checks=["groups", "posterior_predictive"])
    for result in report.results:
        assert re.search(r"Of 397 rows, \d+ were looked at, drawn by their sampling weights", result.sentence)
    few = table().assign(w=lambda frame: np.where(frame.index == 0, 1000.0, frame["w"]))
    lone = ab.Model("y ~ x + site", **WEIGHTED).fit(few, seed=1, progress=False)
    assert "fewer than 50 rows" in lone.check(checks=["groups"]).results[0].sentence


def test_weighted_models_are_not_compared_by_predictions_that_count_rows_alike(fit: ab.Fit) -> None:
    with pytest.raises(ab.UsageError, match="leave-one-out predictions count every row alike"):
        compare({"one": fit, "other": fit})


def test_weights_are_no_column_that_checks_wonder_about(fit: ab.Fit) -> None:
    assert fit.beside is not None
    assert "w" not in fit.beside.columns
    for result in fit.check(checks=["copies", "absent"]).results:
        assert "were looked at" not in result.sentence


def test_weights_are_options_of_the_command_line(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "table.csv", index=False)
    arguments = ["fit", "y ~ x", str(tmp_path / "table.csv"), "--weights", "w", "--seed", "1"]
    refused = CliRunner().invoke(app, [*arguments, "-o", str(tmp_path / "fit.nc")])
    assert refused.exit_code == 1
    run = CliRunner().invoke(app, [*arguments, "--weights-kind", "sampling", "-o", str(tmp_path / "fit.nc")])
    assert run.exit_code == 0, run.output
    assert ab.load_fit(tmp_path / "fit.nc").spec.weights_kind == "sampling"


def _drawn(seed: int, *, groups: bool) -> pd.DataFrame:
    """People of a population who are the likelier drawn the higher their outcome is."""
    rng = np.random.default_rng([2026, seed])
    size = 6000
    x, g = rng.normal(size=size), rng.integers(0, 10, size)
    y = 1 + 0.8 * x + (np.linspace(-0.6, 0.6, 10)[g] if groups else 0) + rng.normal(size=size)
    p = 1 / (1 + np.exp(1.5 - 0.8 * y))
    p = np.minimum(p * 400 / p.sum(), 1)
    drawn = rng.random(size) < p
    return pd.DataFrame({"x": x, "g": [f"g{k}" for k in g], "y": y, "w": 1 / p})[drawn]


@pytest.mark.slow
@pytest.mark.parametrize("groups", [False, True])
def test_intervals_cover_the_population_where_those_without_weights_do_not(
    groups: bool, record_property: Callable[[str, object], None]
) -> None:
    sets, truth = sized(200, 50), np.array([1.0, 0.8])
    options = {"formula": f"y ~ x{' + (1 | g)' if groups else ''}", "exhaustive": ("g",), "centre": {"x": 0.0}}
    options |= {"roles": {"g": "group"}} if groups else {}
    covered = np.zeros((2, 2))
    for seed in range(sets):
        frame = _drawn(seed, groups=groups)
        for k, weights in enumerate((WEIGHTED, {})):
            fit = ab.Model(**options, **weights).fit(frame, seed=1, draws=500, chains=2, progress=False)
            low, high = np.quantile(fit.stacked["beta"], [0.055, 0.945], axis=0)
            covered[k] += (low <= truth) & (truth <= high)
    shares = covered / sets
    record_property("covered", f"{shares[0].min():.3f} to {shares[0].max():.3f}, unweighted {shares[1].max():.3f}")
    record_property("seeds", f"0 to {sets - 1}")
    assert (shares[0] > 0.83).all()
    assert (shares[0] < 0.95).all()
    assert (shares[1] < 0.4).all()
