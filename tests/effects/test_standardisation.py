"""Standardised means and slopes are averages of predictions for altered copies of the rows, in every family."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.effects import adjusted_means, contrasts, effects, ranks, slopes, slopes_by_level
from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.options import Options
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import FAMILIES
from builders import fitted, of_family, rows

# Everything at once: sex in a common term, in pooled columns and in combinations; a slope pooled over one factor only.
FORMULA = (
    "who5_followup ~ alliance * sex + who5_baseline + (alliance + sex || provider_type)"
    " + (1 | sex:country) + (alliance | country)"
)
SCALES: dict[str, dict[str, object]] = (
    {
        name: {"means": {}, "spec": {"family": name}, "sds": {"beta": 0.3, "u_country": 2.0, "u_sex:country": 2.0}}
        for name in ("gaussian", "student_t", "censored_gaussian")
    }
    | {
        name: {
            "means": {"beta": 0.1, "tau_country": 0.5, "tau_sex:country": 0.5},
            "sds": {"beta": 0.1, "u_country": 0.3, "u_sex:country": 0.3},
            "spec": of_family(rows(9), name)[1],
        }
        for name in ("beta_binomial", "bernoulli", "cumulative", "binomial")
    }
    | {
        name: {
            "means": {"beta": 0.01, "tau_country": 0.3, "tau_sex:country": 0.3},
            "sds": {"beta": 0.01, "u_country": 0.1, "u_sex:country": 0.1, "u_provider_type": 0.03},
            "spec": {"family": name},
        }
        for name in ("poisson", "negative_binomial")
    }
)
# Linear families are exact to rounding. The others interpolate, with an error below 1e-8 of the outcome's range.
ATOL = {"gaussian": 1e-10, "student_t": 1e-10, "bernoulli": 1e-8, "binomial": 1e-8} | dict.fromkeys(
    ("censored_gaussian", "beta_binomial", "cumulative", "poisson", "negative_binomial"), 1e-6
)


def frame_of(family: str) -> pd.DataFrame:
    return of_family(rows(48, countries=3, seed=3), family)[0]


@pytest.fixture(scope="module", params=list(FAMILIES))
def fit(request: pytest.FixtureRequest) -> FittedModel:
    family = request.param
    return fitted(frame_of(family), formula=FORMULA, chains=2, draws=12, **SCALES[family])  # type: ignore[arg-type]


def average(fit: FittedModel, change: Callable[[pd.DataFrame], pd.DataFrame], seed: int = 0) -> np.ndarray:
    frame = change(fit.design.frame.copy())
    return fit.predict(frame, seed=seed).mean("obs").values


def setting(**columns: object) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def change(frame: pd.DataFrame) -> pd.DataFrame:
        for name, value in columns.items():
            if isinstance(frame[name].dtype, pd.CategoricalDtype):
                frame[name] = pd.Series([value] * len(frame)).astype(str)
            else:
                frame[name] = value
        return frame

    return change


def draws_of(table: object, level: str) -> np.ndarray:
    row = table.index[table["level"] == level]  # type: ignore[attr-defined, index]
    assert len(row) == 1
    return table.draws[row[0]]  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("factor", ["provider_type", "country", "sex"])
def test_means_are_average_predictions_at_a_level(fit: FittedModel, factor: str) -> None:
    table = adjusted_means(fit, factor, population="sample")
    for level in fit.design.frame[factor].cat.categories:
        expected = average(fit, setting(**{factor: level}))
        np.testing.assert_allclose(draws_of(table, level), expected, rtol=0, atol=ATOL[fit.spec.family])


def test_means_of_combinations_set_both_columns(fit: FittedModel) -> None:
    table = adjusted_means(fit, "sex:country", population="sample")
    assert table["level"].tolist() == [f"{s}:{c}" for s in ("female", "male") for c in ("C0", "C1", "C2")]
    for level in ("female:C2", "male:C0"):
        sex, country = level.split(":")
        expected = average(fit, setting(sex=sex, country=country))
        np.testing.assert_allclose(draws_of(table, level), expected, rtol=0, atol=ATOL[fit.spec.family])


def derivative(fit: FittedModel, **fixed: object) -> np.ndarray:
    # Richardson's extrapolation of two central differences: error of order h^4, here below 1e-7 of the slope.
    def central(h: float) -> np.ndarray:
        def shifted(by: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
            return lambda frame: setting(**fixed)(frame).assign(alliance=frame["alliance"] + by)

        return (average(fit, shifted(h)) - average(fit, shifted(-h))) / (2 * h)

    return (4 * central(0.01) - central(0.02)) / 3


def test_slopes_are_average_derivatives(fit: FittedModel) -> None:
    table = slopes(fit, population="sample")
    # Otherwise it is the slope of cubics through points 1/1000 of the range (here 25 logits) apart: error of order
    # step^3.
    rtol = 1e-10 if fit.spec.family in ("gaussian", "student_t") else 1e-6
    expected = derivative(fit)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(table.draws["slope/alliance/sample"], expected, rtol=0, atol=rtol * scale)
    by_country = slopes_by_level(fit, "country", population="sample")
    np.testing.assert_allclose(
        draws_of(by_country, "C1"), derivative(fit, country="C1"), rtol=0, atol=10 * rtol * scale
    )
    by_sex = slopes_by_level(fit, "sex", population="sample")
    np.testing.assert_allclose(draws_of(by_sex, "male"), derivative(fit, sex="male"), rtol=0, atol=10 * rtol * scale)


def test_the_step_between_percentiles_is_a_difference_of_averages(fit: FittedModel) -> None:
    low, high = np.quantile(fit.design.frame["alliance"], [0.1, 0.9])
    expected = average(fit, setting(alliance=high)) - average(fit, setting(alliance=low))
    actual = slopes(fit, population="sample").draws["slope_p10_p90/alliance/sample"]
    np.testing.assert_allclose(actual, expected, rtol=0, atol=2 * ATOL[fit.spec.family])


def test_a_new_level_is_the_one_that_predictions_draw(fit: FittedModel) -> None:
    def new(change: Callable[[pd.DataFrame], pd.DataFrame]) -> np.ndarray:
        evaluated = fit.design.evaluate(setting(country="elsewhere")(change(fit.design.frame.copy())))
        # Everybody is at one new level of each factor; predictions have one of "sex:country" for each sex.
        one = {name: ("(new level)",) * len(labels) for name, labels in evaluated.unseen.items()}
        eta = fit.linear_predictor(replace(evaluated, unseen=one), seed=5)
        outcomes = fit.design.family.expectation(eta, fit.parameters_at(rows=evaluated), fit.design.outcome)
        return fit.with_chains(outcomes.mean(axis=1))

    table = adjusted_means(fit, "provider_type", population="new", seed=5)
    for level in ("coach", "both"):
        np.testing.assert_allclose(
            draws_of(table, level), new(setting(provider_type=level)), rtol=0, atol=ATOL[fit.spec.family]
        )
    country = adjusted_means(fit, "country", population="new", seed=5)
    assert country["level"].tolist() == ["(new level)"]
    assert country["population"].tolist() == ["new"]
    np.testing.assert_allclose(country.draws[country.index[0]], new(setting()), rtol=0, atol=ATOL[fit.spec.family])


@pytest.mark.parametrize("family", ["gaussian", "student_t"])
def test_equal_levels_are_an_average_over_the_crossing(family: str) -> None:
    fit = fitted(frame_of(family), formula=FORMULA, chains=2, draws=12, **SCALES[family])  # type: ignore[arg-type]
    provider, country, sex = ("coach", "therapist", "both"), ("C0", "C1", "C2"), ("female", "male")
    # Every combination of sex and country has rows, so the average over countries is also that over the combinations.
    table = adjusted_means(fit, "sex", population="equal")
    for level in sex:
        cells = [average(fit, setting(sex=level, provider_type=p, country=c)) for p, c in product(provider, country)]
        np.testing.assert_allclose(draws_of(table, level), np.mean(cells, axis=0), rtol=0, atol=1e-10)
    table = adjusted_means(fit, "country", population="equal")
    for level in country:
        cells = [average(fit, setting(country=level, provider_type=p, sex=s)) for p, s in product(provider, sex)]
        np.testing.assert_allclose(draws_of(table, level), np.mean(cells, axis=0), rtol=0, atol=1e-10)


def test_equal_levels_in_families_that_are_not_linear() -> None:
    frame = frame_of("bernoulli")
    fit = fitted(
        frame,
        formula="who5_followup ~ alliance * sex + (alliance || provider_type) + (1 | country)",
        means={"beta": 0.1},
        sds={"beta": 0.1, "u_provider_type": 0.5, "u_country": 1.0},
        spec={"family": "bernoulli"},
        chains=2,
        draws=10,
    )
    cells = product(("female", "male"), ("coach", "therapist", "both"))
    expected = np.mean([average(fit, setting(country="C1", sex=s, provider_type=p)) for s, p in cells], axis=0)
    actual = draws_of(adjusted_means(fit, "country", population="equal"), "C1")
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-7)


def test_new_combinations_of_a_sampled_factor_are_drawn_and_of_an_exhaustive_one_are_missing() -> None:
    frame = rows(40, countries=3)
    frame = frame[~((frame["sex"] == "male") & (frame["country"] == "C0"))]
    formula = "who5_followup ~ alliance + (1 | country) + (1 | sex:country)"
    sampled = fitted(frame, formula=formula, chains=1, draws=8)
    table = adjusted_means(sampled, "country", seed=2, population="sample")
    expected = average(sampled, setting(country="C0"), seed=2)
    np.testing.assert_allclose(draws_of(table, "C0"), expected, rtol=0, atol=1e-10)
    exhaustive = fitted(frame, formula=formula, chains=1, draws=8, spec={"exhaustive": ("sex:country",)})
    table = adjusted_means(exhaustive, "country", population="sample").set_index("level")
    assert np.isnan(table.loc["C0", "mean"])
    assert table.loc["C0", "note"] == "needs a level of the exhaustive factor 'sex:country' that no analysed row has"
    assert table["note"].isna().tolist() == [False, True, True]
    pairs = contrasts(exhaustive, "country", population="sample")
    assert pairs["mean"].isna().tolist() == [True, True, False] * 2
    assert ranks(exhaustive, "country", population="sample")["mean"].isna().all()


def test_a_factor_of_many_levels_that_only_chooses_levels_needs_no_new_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = fitted(rows(60, countries=12), chains=1, draws=5)
    expected = {level: average(fit, setting(country=level)) for level in ("C0", "C11")}
    monkeypatch.setattr(type(fit.design), "evaluate", lambda *_: pytest.fail("evaluated rows again"))
    table = adjusted_means(fit, "country", population="sample")
    assert len(table) == 12
    for level, values in expected.items():
        np.testing.assert_allclose(draws_of(table, level), values, rtol=0, atol=1e-10)


def test_blocks_of_draws_do_not_change_results(monkeypatch: pytest.MonkeyPatch) -> None:
    def figures() -> pd.DataFrame:
        made = fitted(frame_of("cumulative"), formula=FORMULA, chains=2, draws=25, **SCALES["cumulative"])  # type: ignore[arg-type]
        table = effects(
            made,
            estimands=["slopes", "adjusted_means", "slopes_by_level", "variance_partition", "bayesian_r2"],
            population="sample",
        )
        return pd.DataFrame(table)[["mean", "sd", "median", "lower", "upper"]]

    whole = figures()
    monkeypatch.setattr("alliance_bayes.fit.BLOCK", 48 * 7)
    # Grids are laid out by draw, so blocks only change when a grid is extended.
    np.testing.assert_allclose(figures(), whole, rtol=1e-6, atol=1e-9)


def test_crossing_too_many_levels_is_refused_where_it_would_take_hours() -> None:
    frame = rows(120, countries=60)
    frame["site"] = pd.Categorical([f"s{i % 30}" for i in range(120)])
    formula = "{} ~ alliance + (1 | country) + (1 | site)"
    linear = fitted(frame, formula=formula.format("who5_followup"), chains=1, draws=4)
    assert np.isfinite(slopes(linear, population="equal")["median"]).all()
    frame["well"] = (frame["who5_followup"] > 50).astype(float)
    fit = fitted(
        frame, formula=formula.format("well"), means={"beta": 0.0}, chains=1, draws=4, spec={"family": "bernoulli"}
    )
    message = (
        "population 'equal' crosses the levels of all factors, here in 1,800 combinations, but a model of family "
        "'bernoulli' can be averaged over at most 1,000. Use population='sample'."
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        slopes(fit, population="equal")


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        (
            "who5_followup ~ alliance + (alliance || provider_type) + (1 | sex)",
            "population 'new' averages over a new level of the sampled factors, but all levels of 'provider_type', "
            "'sex' are in the data (exhaustive). Use population='sample' or 'equal'.",
        ),
        (
            "who5_followup ~ alliance + sex",
            "population 'new' averages over a new level of the sampled factors, but this model pools over no factor. "
            "Use population='sample' or 'equal'.",
        ),
    ],
)
def test_a_new_level_needs_a_sampled_factor(formula: str, message: str) -> None:
    fit = fitted(rows(30), formula=formula, chains=1, draws=4)
    for call in (lambda: slopes(fit, population="new"), lambda: adjusted_means(fit, "sex", population="new")):
        with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
            call()


@pytest.mark.parametrize("family", ["gaussian", "beta_binomial"])
def test_unseen_combinations_are_averaged_as_predictions_draw_them(family: str) -> None:
    frame = rows(60, countries=4)
    lacking = frame["country"].isin(["C2", "C3"])
    frame["sex"] = np.where(lacking, "female", frame["sex"].astype(str))
    formula = "who5_followup ~ alliance + (1 | country) + (1 | country:sex)"
    means = {"beta": 0.1, "u_country": 0.0} if family == "beta_binomial" else None
    built = fitted(frame, formula=formula, spec={"family": family}, means=means, chains=2, draws=50)
    # Two countries have no men: everybody as a man needs two unseen combinations, which are not one.
    by_hand = built.predict(frame.assign(sex="male"), seed=3).values.mean(axis=2)
    analysis = Analysis(built, Options(seed=3))
    made = analysis.shaped(analysis.averages([analysis.counterfactuals.of(fixed={"sex": "male"})])[:, 0])
    np.testing.assert_allclose(made, by_hand, rtol=0, atol=1e-6 * np.abs(by_hand).max())
    # And at a new country, a man's combination is not a woman's.
    new = [analysis.counterfactuals.of("new", fixed={"sex": sex}) for sex in ("female", "male")]
    assert [setting.grids[0].unseen["country:sex"] for setting in new] == ["(new level):female", "(new level):male"]
    assert not np.isclose(*analysis.averages(new).T).all()
