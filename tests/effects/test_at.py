"""Averages with everybody set to some values, against closed forms; differences in differences; what is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from alliance_bayes.effects import (
    ESTIMANDS,
    EffectTable,
    adjusted_means,
    coefficients,
    compared_slopes,
    contrasts,
    effects,
    equivalence,
    moderation,
    predictions,
    ranks,
    responders,
    slopes,
    slopes_by_level,
    superiority,
)
from alliance_bayes.effects.at import MOST_CELLS, Cell, at_words, cells_of, compared_cells, levels_at, sides_of
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import FAMILIES
from alliance_bayes.model.scales import Scale
from alliance_bayes.moments import moments_of
from alliance_bayes.moments.weighted import design_of_moments
from builders import fitted, of_family, rows

FORMULA = (
    "who5_followup ~ alliance * n_sessions + sex * n_sessions + sex * provider_type + sex:alliance"
    " + who5_baseline + (alliance || country)"
)


@pytest.fixture(scope="module")
def fit() -> FittedModel:
    return fitted(rows(80, countries=3), formula=FORMULA, chains=2, draws=20, spec={"priors": "weak"})


def one(table: EffectTable, **values: str) -> np.ndarray:
    """Draws of the row with these values."""
    found = table[np.logical_and.reduce([table[name] == value for name, value in values.items()])]
    assert len(found) == 1
    return table.draws[str(found.index[0])]


def plain(fit: FittedModel) -> Callable[[str], np.ndarray]:
    """Coefficients of columns that are not centred, as they would be written by hand."""
    table = coefficients(fit, at="zero")
    return lambda term: one(table, estimand="coefficient", term=term)


def refused(call: Callable[[], object], *parts: str) -> None:
    """A UsageError whose message is these parts."""
    with pytest.raises(UsageError, match=f"^{re.escape(' '.join(parts))}$"):
        call()


# Closed forms in a linear model


def test_a_slope_at_a_value_is_the_coefficient_and_the_product_times_the_value(fit: FittedModel) -> None:
    b = plain(fit)
    table = slopes(fit, at={"n_sessions": [2, 5], "sex": ["female", "male"]})
    for value in (2, 5):
        slope = b("alliance") + value * b("alliance:n_sessions")
        at = f"n_sessions = {value}, sex = "
        np.testing.assert_allclose(one(table, estimand="slope", at=f"{at}female"), slope, rtol=0, atol=1e-9)
        slope = slope + b("sex[male]:alliance")
        np.testing.assert_allclose(one(table, estimand="slope", at=f"{at}male"), slope, rtol=0, atol=1e-9)
    assert table["at"].drop_duplicates().tolist() == [f"n_sessions = {n}, sex = {s}" for n in (2, 5) for s in SEXES]
    # What describes the analysed rows as they are is not there.
    assert not set(table["estimand"]) & {"partial_correlation", "delta_r2"}


SEXES = ("female", "male")


def test_a_difference_in_differences_is_the_product_times_the_distance(fit: FittedModel) -> None:
    b = plain(fit)
    table = contrasts(fit, "sex", at={"n_sessions": [2, 5, 11]})
    assert table["estimand"].tolist() == [*(["contrast_of_means", "cohens_d_of_means"] * 3), *[INTERACTION] * 3]
    rows = table[table["estimand"] == INTERACTION]
    compared = {"n_sessions = 5 minus n_sessions = 2": 3, "n_sessions = 11 minus n_sessions = 2": 9}
    compared["n_sessions = 11 minus n_sessions = 5"] = 6
    assert rows["at"].tolist() == list(compared)
    assert rows[["factor", "level", "versus", "unit"]].drop_duplicates().values.tolist() == [
        ["sex", "male", "female", "WHO-5 point"]
    ]
    for at, distance in compared.items():
        draws = one(table, estimand=INTERACTION, at=at)
        np.testing.assert_allclose(draws, distance * b("sex[male]:n_sessions"), rtol=0, atol=1e-9)
    # It has the margins of a difference of means; what is beyond the analysed values is said.
    assert rows[["rope_low", "rope_high", "relevant"]].drop_duplicates().values.tolist() == [[-2, 2, 10]]
    beyond = "extrapolated: no analysed row reaches n_sessions = 11"
    assert fit.design.frame["n_sessions"].max() < 11
    assert rows["note"].fillna("").tolist() == ["", beyond, beyond]


INTERACTION = "interaction_contrast_of_means"


def test_the_interaction_contrast_of_two_factors(fit: FittedModel) -> None:
    """The coefficient of the product, and the same whichever of the two factors is set."""
    b = plain(fit)
    kinds = ["coach", "therapist", "both"]
    table = contrasts(fit, "sex", at={"provider_type": kinds})
    wanted = {
        "provider_type = therapist minus provider_type = coach": b("sex[male]:provider_type[therapist]"),
        "provider_type = both minus provider_type = coach": b("sex[male]:provider_type[both]"),
    }
    for at, draws in wanted.items():
        np.testing.assert_allclose(one(table, estimand=INTERACTION, at=at), draws, rtol=0, atol=1e-9)
    other = contrasts(fit, "provider_type", at={"sex": SEXES})
    np.testing.assert_allclose(
        one(other, estimand=INTERACTION, level="therapist", versus="coach"),
        wanted["provider_type = therapist minus provider_type = coach"],
        rtol=0,
        atol=1e-9,
    )
    assert other["at"].dropna().unique().tolist() == ["sex = female", "sex = male", "sex = male minus sex = female"]


def test_combinations_are_compared_where_they_differ_in_one_column(fit: FittedModel) -> None:
    table = contrasts(fit, "sex", at={"n_sessions": [2, 5], "provider_type": ["coach", "both"]})
    assert table.loc[table["estimand"] == INTERACTION, "at"].tolist() == [
        "provider_type = both minus provider_type = coach, n_sessions = 2",
        "n_sessions = 5 minus n_sessions = 2, provider_type = coach",
        "n_sessions = 5 minus n_sessions = 2, provider_type = both",
        "provider_type = both minus provider_type = coach, n_sessions = 5",
    ]


def test_differences_of_slopes_and_their_differences(fit: FittedModel) -> None:
    b = plain(fit)
    table = contrasts(fit, "sex", of="slope", at={"n_sessions": [2, 5]})
    for n in (2, 5):
        draws = one(table, estimand="contrast_of_slopes", at=f"n_sessions = {n}")
        np.testing.assert_allclose(draws, b("sex[male]:alliance"), rtol=0, atol=1e-9)
    # No product of three columns: exactly nothing, and judged as a difference of slopes is, with the prior beside it.
    row = table[table["estimand"] == "interaction_contrast_of_slopes"].iloc[0]
    assert (row["mean"], row["sd"], row["unit"]) == (0, 0, "WHO-5 point per alliance point")
    assert row["note"] == "zero by the model, in which no term lets this difference depend on n_sessions"
    alliance = np.quantile(fit.design.frame["alliance"], (0.1, 0.9))
    np.testing.assert_allclose(row["rope_high"], 1 / np.diff(alliance)[0], rtol=1e-12)
    assert (row["p_rope"], row["p_rope_prior"]) == (1, 1)


def test_the_prior_of_a_difference_in_differences_of_slopes() -> None:
    fit = fitted(
        rows(60), formula="who5_followup ~ alliance * sex * n_sessions", chains=1, draws=20, spec={"priors": "weak"}
    )
    table = contrasts(fit, "sex", of="slope", at={"n_sessions": [2, 5]})
    (row,) = table.index[table["estimand"] == "interaction_contrast_of_slopes"]
    b = plain(fit)("alliance:sex[male]:n_sessions")
    np.testing.assert_allclose(table.draws[row], 3 * b, rtol=0, atol=1e-9)
    prior = fit.priors["alliance:sex[male]:n_sessions"].prior.arguments["sigma"]
    # The spread of 1,000 independent draws errs by a standard error of 2.2 %.
    np.testing.assert_allclose(table.prior_draws[row].std(), 3 * prior, rtol=0.1)


def test_moderation_and_compared_slopes_at_values() -> None:
    frame = rows(80)
    fit = fitted(
        frame, formula="who5_followup ~ alliance * n_sessions * sex + age * sex", chains=1, draws=20, spec=WEAK
    )
    b = plain(fit)
    table = moderation(fit, moderators={"n_sessions": (2, 6)}, at={"sex": "male"})
    difference = 4 * (b("alliance:n_sessions") + b("alliance:n_sessions:sex[male]"))
    np.testing.assert_allclose(one(table, estimand="difference_in_slope"), difference, rtol=0, atol=1e-9)
    assert table["at"].tolist() == ["sex = male"] * 3
    table = compared_slopes(fit, against="age", at={"sex": "male", "n_sessions": 4})
    age, alliance = b("age") + b("age:sex[male]"), b("alliance") + b("alliance:sex[male]")
    alliance += 4 * (b("alliance:n_sessions") + b("alliance:n_sessions:sex[male]"))
    np.testing.assert_allclose(one(table, estimand="slope_minus_focal"), age - alliance, rtol=0, atol=1e-9)
    # The moderators that are left, where some are set.
    left = moderation(fit, quantiles=(0.2, 0.8), at={"sex": "female"})
    assert left["factor"].unique().tolist() == ["n_sessions"]


WEAK = {"priors": "weak", "scales": {"age": Scale(36, 9, unit="alliance point")}}


# Families, populations and moments


SCALES: dict[str, dict[str, Any]] = {
    "gaussian": {},
    "bernoulli": {"means": {"beta": 0.1, "tau_country": 0.9}, "sds": {"beta": 0.1, "u_country": 0.5}},
    "cumulative": {"means": {"beta": 0.1, "tau_country": 0.5}, "sds": {"beta": 0.1, "u_country": 0.3}},
    "binomial": {"means": {"beta": 0.1, "tau_country": 0.5}, "sds": {"beta": 0.1, "u_country": 0.3}},
    "beta_binomial": {"means": {"beta": 0.1, "tau_country": 0.5}, "sds": {"beta": 0.1, "u_country": 0.3}},
    "poisson": {"means": {"beta": 0.01, "tau_country": 0.3}, "sds": {"beta": 0.01, "u_country": 0.1}},
    "negative_binomial": {"means": {"beta": 0.01, "tau_country": 0.3}, "sds": {"beta": 0.01, "u_country": 0.1}},
    "student_t": {},
    "censored_gaussian": {},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_means_are_average_predictions_of_altered_rows(family: str) -> None:
    """Of every family; interpolation errs by less than 1e-6 of the outcome's range."""
    frame, spec = of_family(rows(48, countries=3, seed=3), family)
    formula = "who5_followup ~ alliance * sex + who5_baseline + (1 | country)"
    fit = fitted(frame, formula=formula, chains=2, draws=8, spec=spec, **SCALES[family])

    def predicted(**values: object) -> np.ndarray:
        changed = fit.design.frame.assign(**values)
        return fit.predict(changed).mean("obs").values

    atol = 1e-6 if family not in ("poisson", "negative_binomial") else 1e-5
    common: dict[str, Any] = {"population": "sample"}
    found = predictions(fit, at={"alliance": [3, 4.5], "sex": SEXES}, **common)
    table = contrasts(fit, "sex", at={"alliance": [3, 4.5]}, **common)
    cells = {(x, sex): predicted(alliance=x, sex=sex) for x in (3.0, 4.5) for sex in SEXES}
    for (x, sex), mean in cells.items():
        np.testing.assert_allclose(one(found, at=f"alliance = {x:g}, sex = {sex}"), mean, rtol=0, atol=atol)
    differences = [cells[x, "male"] - cells[x, "female"] for x in (3.0, 4.5)]
    np.testing.assert_allclose(one(table, estimand=INTERACTION), differences[1] - differences[0], rtol=0, atol=2 * atol)
    by_level = adjusted_means(fit, "country", at={"alliance": 4.5, "sex": "male"})
    for level in ("C0", "C2"):
        mean = predicted(alliance=4.5, sex="male", country=level)
        np.testing.assert_allclose(one(by_level, level=level), mean, rtol=0, atol=atol)


def test_a_probability_at_values_is_integrated_over_the_levels() -> None:
    """By hand: the mean over rows of the inverse logit with the columns set, by a fine sum over the level effects."""
    frame, spec = of_family(rows(40, countries=4, seed=3), "bernoulli")
    formula = "who5_followup ~ alliance * sex + who5_baseline + (1 | country)"
    fit = fitted(frame, formula=formula, chains=2, draws=6, spec=spec, **SCALES["bernoulli"])
    centres, beta = fit.design.centres, fit.stacked["beta"]
    assert fit.design.terms == ("Intercept", "alliance", "sex[male]", "alliance:sex[male]", "who5_baseline")
    points = np.linspace(-10, 10, 4001)
    weights = stats.norm.pdf(points) * (points[1] - points[0])

    own = fit.design.frame["alliance"].to_numpy()

    def probability(alliance: float | np.ndarray, male: float) -> np.ndarray:
        x = np.broadcast_to(alliance - centres["alliance"], 40)
        baseline = fit.design.frame["who5_baseline"].to_numpy() - centres["who5_baseline"]
        eta = beta @ np.column_stack([np.ones(40), x, np.full(40, male), x * male, baseline]).T
        tau = fit.stacked["tau_country"]
        mean = sum(w * special.expit(eta + p * tau).mean(axis=1) for p, w in zip(points, weights, strict=True))
        return fit.with_chains(mean)

    table = contrasts(fit, "sex", at={"alliance": [3, 4.5]})
    assert table["population"].unique().tolist() == ["average"]
    differences = [probability(x, 1.0) - probability(x, 0.0) for x in (3.0, 4.5)]
    for x, difference in zip((3, 4.5), differences, strict=True):
        draws = one(table, estimand="contrast_of_means", at=f"alliance = {x:g}")
        np.testing.assert_allclose(draws, difference, rtol=0, atol=1e-6)
    np.testing.assert_allclose(one(table, estimand=INTERACTION), differences[1] - differences[0], rtol=0, atol=2e-6)
    # The average slope of men is the derivative of their mean, by a central difference with an error of order h^2.
    h = 1e-4
    slope = (probability(own + h, 1.0) - probability(own - h, 1.0)) / (2 * h)
    found = slopes(fit, at={"sex": "male"})
    np.testing.assert_allclose(one(found, estimand="slope"), slope, rtol=0, atol=1e-5 * np.abs(slope).max())


@pytest.mark.parametrize("population", ["average", "sample", "equal", "new"])
def test_what_is_set_stays_set_in_every_population(fit: FittedModel, population: Any) -> None:
    """A level that everybody is set to is that level's own effect; other factors are averaged over as ever."""
    found = predictions(fit, at={"country": "C1", "sex": "male"}, population=population)
    means = adjusted_means(fit, "country", population=population, at={"sex": "male"})
    if population == "new":
        assert means["level"].tolist() == ["(new level)"]
        return
    np.testing.assert_allclose(one(found, estimand="predicted_mean"), one(means, level="C1"), rtol=0, atol=1e-10)


def test_ranks_shares_and_superiority_at_values(fit: FittedModel) -> None:
    at = {"n_sessions": 5}
    means = adjusted_means(fit, "sex", at=at, population="sample")
    higher = (one(means, level="male") > one(means, level="female")).mean()
    assert one(ranks(fit, "sex", at=at, population="sample"), level="male").mean() == pytest.approx(2 - higher)
    shares = responders(fit, at_least=32, at=at, population="sample", step=None)
    changed = fit.design.frame.assign(n_sessions=5.0)
    eta, sigma = fit.linear_predictor(fit.design.evaluate(changed)), fit.stacked["sigma"][:, None]
    share = fit.with_chains(stats.norm.sf((32 - eta) / sigma).mean(axis=1))
    np.testing.assert_allclose(one(shares, estimand="share_at_least"), share, rtol=0, atol=1e-8)
    table = superiority(fit, "sex", at=at, population="sample")
    assert table["at"].unique().tolist() == ["n_sessions = 5"]


def test_moments_know_averages_at_values() -> None:
    formula = "who5_followup ~ alliance * n_sessions + sex * n_sessions + (1 | country)"
    fit = fitted(rows(200, countries=3), formula=formula, draws=50, spec={"priors": "weak"})
    design, moments = design_of_moments(moments_of(fit.design, spec=fit.spec), fit.spec)
    without = replace(fit, design=design, moments=moments)
    at: Any = {"n_sessions": [2, 40]}
    for make in (lambda of: contrasts(of, "sex", at=at), lambda of: predictions(of, at=at)):
        ours, theirs = make(without), make(fit)
        assert list(ours.index) == list(theirs.index)
        np.testing.assert_allclose(ours["mean"], theirs["mean"], rtol=1e-8, atol=1e-10)
        # How far the rows reach is not known, so nothing is said of it.
        assert ours["note"].isna().all()
        assert theirs["note"].notna().any()
    with pytest.raises(UsageError, match="the outcome of a further person needs the analysed rows"):
        predictions(without, at=at, kind="outcome")


def test_moments_say_where_they_do_not_know() -> None:
    formula = "who5_followup ~ alliance * n_sessions * age + sex"
    fit = fitted(rows(200), formula=formula, draws=50, spec={"priors": "weak"})
    design, moments = design_of_moments(moments_of(fit.design, spec=fit.spec), fit.spec)
    table = predictions(replace(fit, design=design, moments=moments), at={"n_sessions": 3})
    assert table["mean"].isna().all()
    assert table["note"].str.contains("products of more columns than two").all()


def test_levels_that_nobody_has_together_are_extrapolated() -> None:
    frame = rows(40)
    frame = frame[(frame["sex"] == "female") | (frame["provider_type"] != "both")]
    fit = fitted(frame, formula="who5_followup ~ alliance + sex + provider_type", chains=1, draws=10)
    table = predictions(fit, at={"sex": SEXES, "provider_type": ["coach", "both"], "alliance": [4, 40]})
    notes = dict(zip(table["at"], table["note"].fillna(""), strict=True))
    assert notes["sex = male, provider_type = coach, alliance = 4"] == ""
    both = "no analysed row has sex = male with provider_type = both"
    assert notes["sex = male, provider_type = both, alliance = 4"] == f"extrapolated: {both}"
    assert notes["sex = male, provider_type = both, alliance = 40"] == (
        f"extrapolated: no analysed row reaches alliance = 40, and {both}"
    )


def test_smooths_polynomials_and_offsets_are_evaluated_at_the_values() -> None:
    formula = "who5_followup ~ s(alliance) + poly(age, 2) + sex + offset(log(n_sessions)) + (1 | country)"
    fit = fitted(rows(60, countries=3), formula=formula, chains=1, draws=20, spec={"priors": "weak", "autoscale": True})
    table = predictions(fit, at={"alliance": 4, "age": 30, "n_sessions": [2, 4]}, population="sample")
    for n in (2.0, 4.0):
        changed = fit.design.frame.assign(alliance=4.0, age=30.0, n_sessions=n)
        wanted = fit.predict(changed).mean("obs").values
        draws = one(table, at=f"alliance = 4, age = 30, n_sessions = {n:g}")
        np.testing.assert_allclose(draws, wanted, rtol=0, atol=1e-9)
    gap = np.diff([table.draws[row] for row in table.index], axis=0)
    np.testing.assert_allclose(gap, np.log(2), rtol=0, atol=1e-9)


# A further person


def test_the_outcome_of_a_further_person_has_the_spread_of_all_that_varies() -> None:
    """Residual, level and covariates; tolerances are six Monte Carlo errors of 20,000 draws."""
    fit = fitted(
        rows(200, countries=4),
        formula="who5_followup ~ alliance + who5_baseline + (1 | country)",
        means={"beta": [50.0, 2.0, 0.4], "sigma": 9.0, "tau_country": 6.0},
        sds={"beta": 0.0, "sigma": 0.0, "tau_country": 0.0},
        draws=5000,
        spec={"priors": "weak"},
    )
    table = predictions(fit, at={"alliance": [3, 5]}, kind="outcome")
    baseline = fit.design.frame["who5_baseline"]
    sd = np.sqrt(81 + 36 + 0.16 * baseline.var(ddof=0))
    mean = predictions(fit, at={"alliance": [3, 5]})["mean"].to_numpy()
    np.testing.assert_allclose(table["mean"], mean, rtol=0, atol=6 * sd / np.sqrt(20_000))
    np.testing.assert_allclose(table["sd"], sd, rtol=6 / np.sqrt(40_000))
    # The same people at both values: they differ by the slope, exactly.
    low, high = (table.draws[row] for row in table.index)
    np.testing.assert_allclose(high - low, 4.0, rtol=0, atol=1e-9)
    assert table["estimand"].unique().tolist() == ["predicted_outcome"]
    assert table["unit"].unique().tolist() == ["WHO-5 point"]
    again = predictions(fit, at={"alliance": 5}, kind="outcome")
    np.testing.assert_array_equal(again.draws[again.index[0]], high)


def test_an_outcome_in_the_sample_has_its_own_level_and_the_residual_sd_of_its_level() -> None:
    fit = fitted(
        rows(200, countries=4),
        formula="who5_followup ~ alliance + sex + (1 | country)",
        means={"beta": [50.0, 0.0, 0.0], "u_country": 0.0, "tau_country": 30.0, "sigma": [3.0, 12.0]},
        sds={"beta": 0.0, "u_country": 0.0, "sigma": 0.0, "tau_country": 0.0},
        draws=5000,
        spec={"priors": "weak", "residual_by": "sex"},
    )
    table = predictions(fit, at={"sex": SEXES}, kind="outcome", population="sample")
    np.testing.assert_allclose(table["sd"], [3, 12], rtol=6 / np.sqrt(40_000))
    np.testing.assert_allclose(table["mean"], 50, rtol=0, atol=6 * 12 / np.sqrt(20_000))
    new = predictions(fit, at={"sex": SEXES}, kind="outcome", population="new")
    np.testing.assert_allclose(new["sd"], np.sqrt([909, 1044]), rtol=6 / np.sqrt(40_000))


@pytest.mark.slow
@pytest.mark.parametrize("family", [name for name in FAMILIES if name not in ("binomial", "bernoulli")])
@pytest.mark.parametrize("population", ["average", "equal"])
def test_outcomes_of_every_family_have_their_mean(family: str, population: Any) -> None:
    frame, spec = of_family(rows(48, countries=3, seed=3), family)
    formula = "who5_followup ~ alliance * sex + who5_baseline + (1 | country)"
    fit = fitted(frame, formula=formula, chains=2, draws=1500, spec=spec, **SCALES[family])
    at: Any = {"alliance": 4.5, "sex": "male"}
    (mean,) = predictions(fit, at=at, population=population)["mean"]
    (row,) = predictions(fit, at=at, population=population, kind="outcome").to_dict("records")
    assert abs(row["mean"] - mean) < 5 * row["sd"] / np.sqrt(3000)


def test_a_number_in_place_of_a_factor_has_predictions(fit: FittedModel) -> None:
    refused(
        lambda: contrasts(fit, "n_sessions"),
        "'n_sessions' is not a factor of this model. Its factors: country, sex, provider_type.",
        "'n_sessions' is a number: predictions() says what is expected at values of it; for differences between two of "
        "them read it as a factor, "
        "categorical=['n_sessions'].",
    )


def test_predictions_need_values_and_outcomes_that_vary(fit: FittedModel) -> None:
    refused(
        lambda: predictions(fit),
        "predictions are at values of some predictors. Give them: at={'alliance': '...'}.",
        "The expected outcome of everybody as they are is overall_mean.",
    )
    wrong: Any = "new"
    message = "kind should be one of 'mean', 'outcome' but got 'new'."
    refused(lambda: predictions(fit, at={"sex": "male"}, kind=wrong), message)
    frame, spec = of_family(rows(30), "binomial")
    shares = fitted(frame, formula="who5_followup ~ alliance", chains=1, draws=10, spec=spec)
    frame, spec = of_family(rows(30), "bernoulli")
    event = fitted(frame, formula="who5_followup ~ alliance", chains=1, draws=10, spec=spec)
    refused(
        lambda: predictions(event, at={"alliance": 4}, kind="outcome"),
        "the outcome 'who5_followup' is an event, which happens to a person or does not; how probable it is, is what "
        "is expected. Ask for that: kind='mean'",
    )
    with pytest.raises(UsageError, match="share of trials"):
        predictions(shares, at={"alliance": 4}, kind="outcome")


# Tables of several


def test_a_table_of_everything_leaves_out_what_is_set_or_of_the_rows_as_they_are(fit: FittedModel) -> None:
    table = effects(fit, at={"sex": "male"})
    assert table["at"].unique().tolist() == ["sex = male"]
    assert set(table["factor"].dropna()) == {"country", "provider_type"}
    assert table.left_out == (
        "shares of variance: of the analysed rows as they are, and everybody is set to some values",
        "R2: of the analysed rows as they are, and everybody is set to some values",
        *(
            f"{what} by 'sex': everybody is set to the same value of 'sex'"
            for what in ("slopes by level", "means", "contrasts of means", "contrasts of slopes")
        ),
    )
    assert table.asked is not None
    assert table.asked["at"] == {"sex": ["male"]}
    pd.testing.assert_frame_equal(pd.DataFrame(effects(fit, **table.asked)), pd.DataFrame(table))
    focal = effects(fit, at={"alliance": 4})
    assert set(focal["estimand"]) == {"mean", "contrast_of_means", "cohens_d_of_means"}
    assert "slopes: everybody is set to the same value of 'alliance'" in focal.left_out


def test_one_of_several_may_have_values_of_its_own(fit: FittedModel) -> None:
    table = effects(fit, {"slopes": {}, "contrasts": {"factor": "sex", "of": "mean", "at": {"n_sessions": (2, 5)}}})
    assert table.loc[table["estimand"] == "slope", "at"].isna().all()
    assert table.loc[table["estimand"] == "contrast_of_means", "at"].tolist() == ["n_sessions = 2", "n_sessions = 5"]
    assert table.asked is not None
    assert "at" not in table.asked
    assert table.asked["estimands"]["contrasts"]["at"] == {"n_sessions": [2.0, 5.0]}
    pd.testing.assert_frame_equal(pd.DataFrame(effects(fit, **table.asked)), pd.DataFrame(table))
    refused(
        lambda: effects(fit, ["slopes", "bayesian_r2"], at={"sex": "male"}),
        "at is for averages over people with some predictors set, and 'bayesian_r2' is of the analysed rows as they "
        "are. Leave one of the two out. Those that take it: slopes, slopes_by_level, adjusted_means, contrasts, ranks, "
        "predictions, moderation, compared_slopes, responders, improvement, superiority.",
    )


def test_ids_tell_values_apart_and_are_as_ever_without(fit: FittedModel) -> None:
    table = EffectTable.concat([slopes(fit), *(slopes(fit, at={"n_sessions": n}) for n in (2, 2.5))])
    ids = [row for row in table.index if row.startswith("slope/")]
    assert ids == ["slope/alliance/average", *(f"slope/alliance/average/at n_sessions = {n}" for n in ("2", "2.5"))]
    # No SD changes with what everybody is set to.
    assert table["denominator"].nunique() == slopes(fit)["denominator"].nunique()


def test_statements_say_at_which_values(fit: FittedModel) -> None:
    table = contrasts(fit, "sex", at={"n_sessions": [2, 5], "provider_type": ["coach"]})
    said = equivalence(table[table["estimand"].isin(["contrast_of_means", INTERACTION])], margin=500)["statement"]
    assert said.tolist() == [
        *(
            f"The adjusted mean at sex = male (with n_sessions = {n}, provider_type = coach) differs from that at "
            "sex = female by less than 500 WHO-5 points with probability above .99."
            for n in (2, 5)
        ),
        "The difference in the adjusted mean between sex = male and sex = female at n_sessions = 5 (with "
        "provider_type = coach) differs from that at n_sessions = 2 by less than 500 WHO-5 points with probability "
        "above .99.",
    ]


# What is refused


def test_everything_that_is_wrong_is_said_at_once(fit: FittedModel) -> None:
    known = "alliance, n_sessions, sex, provider_type, who5_baseline, country"
    refused(
        lambda: slopes(
            fit,
            at={
                "mnth": 12,
                "sex": ["m", "female", 3],
                "n_sessions": [2, float("nan"), "x", True],
                "who5_followup": 3,
                "who5_baseline": [20, 20.0],
                "provider_type": [],
            },
        ),
        f"at sets 'mnth', which is no predictor of this model. Its predictors: {known}.",
        "at should give 'sex' levels that it has, but got 'm', 3. Its levels: 'female', 'male'.",
        "at should give 'n_sessions' finite numbers, but got nan, 'x', True.",
        "at sets 'who5_followup', the outcome, but it is for predictors.",
        "at gives 'who5_baseline' the value 20.0 twice. Give it once.",
        "at should give 'provider_type' 1 to 100 values, but gives it 0.",
    )
    for wrong in ({}, 12, ["month"], "month=12"):
        message = f"at should be a mapping from predictors to values, such as at={{'month': 12}}, but got {wrong!r}."
        refused(lambda wrong=wrong: slopes(fit, at=wrong), message)  # type: ignore[misc]
    refused(
        lambda: adjusted_means(fit, "country", at={"n_sessions": range(10), "alliance": np.linspace(1, 5, 11)}),  # type: ignore[dict-item]
        "at asks for 110 combinations of values, and at most 100 are computed at once. Name fewer values.",
    )
    refused(
        lambda: contrasts(fit, "provider_type", at={"n_sessions": list(range(1, 101))}),  # type: ignore[dict-item]
        "3 levels of 'provider_type' at 100 combinations of values make 15,450 differences, and at most 5,000 are in "
        "one table. Name fewer values, or fewer levels: levels=...",
    )


def test_distributions_of_many_levels_at_many_values_are_refused() -> None:
    fit = fitted(rows(60, countries=20), formula="who5_followup ~ alliance + (1 | country)", chains=1, draws=4)
    message = (
        "the 20 levels of 'country' at 11 combinations of values make 220 averages, and at most 200 are computed at "
        "once. Give at fewer values."
    )
    refused(lambda: superiority(fit, "country", at={"alliance": np.linspace(1, 5, 11)}), message)  # type: ignore[dict-item]
    assert len(adjusted_means(fit, "country", at={"alliance": np.linspace(1, 5, 11)})) == 220  # type: ignore[dict-item]


def test_a_table_of_everything_leaves_out_what_would_be_too_much() -> None:
    fit = fitted(rows(90, countries=20), formula="who5_followup ~ age + sex + (1 | country)", chains=1, draws=4)
    ages = list(range(20, 40, 2))
    table = effects(fit, {"adjusted_means": {}, "contrasts": {"of": "mean"}}, at={"age": ages})
    assert set(table.loc[table["estimand"] == "mean", "factor"]) == {"country", "sex"}
    assert set(table.loc[table["estimand"].str.startswith("contrast_of"), "factor"]) == {"sex"}
    assert table.left_out == ("contrasts of means by 'country': too many at 10 combinations of values; give fewer",)
    refused(
        lambda: contrasts(fit, "country", at={"age": ages}),
        "20 levels of 'country' at 10 combinations of values make 12,350 differences, and at most 5,000 are in one "
        "table. Name fewer values, or fewer levels: levels=...",
    )


def test_a_focal_factor_that_is_set_is_left_out() -> None:
    fit = fitted(rows(60), formula="who5_followup ~ alliance * sex", chains=1, draws=10, spec={"focal": "sex"})
    table = effects(fit, at={"sex": "male"})
    assert table.empty or not set(table["factor"].dropna()) & {"sex"}
    assert set(effects(fit, at={"alliance": 4})["estimand"]) >= {"contrast_of_means"}


def test_a_message_has_an_end(fit: FittedModel) -> None:
    with pytest.raises(UsageError) as caught:
        slopes(fit, at={f"x{k}": k for k in range(5_000)})
    assert str(caught.value).count("which is no predictor") == 20


def test_what_an_estimand_varies_by_itself_cannot_be_set(fit: FittedModel) -> None:
    slope = "at sets 'alliance', whose slope is asked for. Leave it out of at."
    level = "at sets 'sex', but the levels of 'sex' are asked for, one after the other. Leave it out of at."
    moderator = "at sets 'n_sessions', the moderator whose values are compared. Leave it out of at."
    for call in (slopes, moderation, lambda fit, at: slopes_by_level(fit, "sex", at=at)):
        refused(lambda call=call: call(fit, at={"alliance": 4}), slope)  # type: ignore[misc]
    refused(lambda: contrasts(fit, "country", of="slope", at={"alliance": 4}), slope)
    for by in (adjusted_means, contrasts, slopes_by_level, ranks, superiority):
        refused(lambda by=by: by(fit, "sex", at={"sex": "male"}), level)  # type: ignore[misc]
    refused(lambda: responders(fit, at_least=32, factor="sex", at={"sex": "male"}), level)
    for asked in (["n_sessions"], None):
        refused(lambda asked=asked: moderation(fit, moderators=asked, at={"n_sessions": 3}), moderator)  # type: ignore[misc]
    crossed = fitted(rows(40), formula="who5_followup ~ alliance + (1 | sex:country)", chains=1, draws=10)
    refused(
        lambda: adjusted_means(crossed, "sex:country", at={"sex": "male"}),
        "at sets 'sex', but the levels of 'sex:country' are asked for, one after the other. Leave it out of at.",
    )
    assert not ESTIMANDS["overall_mean"].takes_at
    assert not ESTIMANDS["coefficients"].takes_at


@pytest.mark.parametrize(("formula", "column"), [("(1 | pid)", "pid"), ("(1 | site:pid)", "pid")])
def test_nobody_is_named(formula: str, column: str) -> None:
    frame = rows(40).assign(pid=[f"p{k // 2}" for k in range(40)], site=[f"s{k // 10}" for k in range(40)])
    fit = fitted(
        frame, formula=f"who5_followup ~ alliance + {formula}", chains=1, draws=10, spec={"roles": {"pid": "person"}}
    )
    message = (
        f"at sets '{column}', whose levels are single persons, and nobody is named. "
        "Leave it out: averages are over all persons."
    )
    refused(lambda: predictions(fit, at={column: "p3"}), message)
    if "site" in formula:
        assert len(predictions(fit, at={"site": ["s0", "s1"]})) == 2


# Whatever columns and levels are called, and whatever is given

NAMES = st.text(min_size=1, max_size=12)
VALUES = st.one_of(NAMES, st.floats(-1e6, 1e6).map(lambda value: f"{value:g}"))


@pytest.mark.slow
@given(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4), NAMES, VALUES)
@settings(max_examples=200, deadline=None)
def test_labels_can_be_read_again(values: dict[str, str], column: str, other: str) -> None:
    cell = Cell(tuple(values.items()))
    assert cell.label is not None
    assert levels_at(cell.label) == {name: {value} for name, value in values.items()}
    for name, value in values.items():
        assert f"{name} at {value}" in at_words(cell.label)
    one, two = Cell(((column, other), *values.items())), Cell(((column, f"{other}'"), *values.items()))
    if column not in values:
        ((later, earlier, label),) = compared_cells([one, two])
        assert (later, earlier) == (1, 0)
        sides = sides_of(label)
        assert sides is not None
        assert sides[:2] == (f"{column} = {other}'", f"{column} = {other}")
        assert levels_at(label)[column] == {other, f"{other}'"}
        assert at_words(label).startswith(f"{column} at {other}' minus {column} at {other}, with ")


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.binary(max_size=4)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=8,
)
COLUMNS = st.one_of(
    st.sampled_from(["alliance", "sex", "n_sessions", "country", "who5_followup"]), st.integers(), st.text(max_size=6)
)


@given(st.one_of(ANYTHING, st.dictionaries(COLUMNS, ANYTHING, max_size=3)))
@settings(max_examples=300, deadline=None)
def test_whatever_is_given_is_taken_or_refused(at: Any) -> None:
    fit = _FIT
    try:
        cells = cells_of(fit, at)
    except UsageError as error:
        said = str(error)
    else:
        said = ""
    assert len(said) < 2_000
    if said:
        return
    assert 1 <= len(cells) <= MOST_CELLS
    for cell in cells:
        for column, value in cell.values:
            own = fit.design.frame[column]
            known = own.cat.categories if isinstance(own.dtype, pd.CategoricalDtype) else None
            assert value in known if known is not None else np.isfinite(float(value))


_FIT = fitted(
    rows(30, countries=2), formula="who5_followup ~ alliance * sex + n_sessions + (1 | country)", chains=1, draws=4
)


@given(
    st.floats(-1e3, 1e3),
    st.floats(-1e3, 1e3),
    st.integers(0, 5),
    st.sampled_from(["alliance * n_sessions + sex * n_sessions", "sex * alliance * n_sessions", "sex + n_sessions"]),
)
@settings(max_examples=25, deadline=None)
def test_differences_in_differences_of_random_models(low: float, high: float, seed: int, terms: str) -> None:
    if low == high:
        return
    fit = fitted(
        rows(30, seed=seed), formula=f"who5_followup ~ {terms}", chains=1, draws=4, seed=seed, spec={"priors": "weak"}
    )
    table = contrasts(fit, "sex", at={"n_sessions": [low, high]})
    b = plain(fit)
    product = b("sex[male]:n_sessions") if "sex[male]:n_sessions" in fit.design.terms else np.zeros(fit.shape)
    if "sex[male]:alliance:n_sessions" in fit.design.terms:
        product = product + fit.design.frame["alliance"].mean() * b("sex[male]:alliance:n_sessions")
    # Differences of numbers of the size of the values, times coefficients.
    atol = 1e-10 * (1 + abs(low) + abs(high))
    np.testing.assert_allclose(one(table, estimand=INTERACTION), (high - low) * product, rtol=1e-8, atol=atol)
