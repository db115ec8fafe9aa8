"""Whether the conclusion hangs on the prior, on the lowest ratings or on one group: it says so when it does."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from arviz_stats import psense
from scipy import stats

import alliance_bayes as ab
from alliance_bayes.checks import CHECKS, CheckResult, Context
from alliance_bayes.checks import power_scaling as module
from alliance_bayes.checks.power_scaling import power_scaling, scaled_parameters
from alliance_bayes.checks.refits import error_of_shifts, focal, refit, refit_rows, summary
from alliance_bayes.checks.sensitivity import _written
from alliance_bayes.checks.stated import scaled, stated
from alliance_bayes.engines.prior_density import log_prior
from alliance_bayes.model import Prior
from alliance_bayes.moments import moments_of
from builders import fitted, of_family, rows

FORMULA = "who5_followup ~ alliance + who5_baseline + (1 | country)"


@cache
def people(n: int, *, slope: float = 2.2, seed: int = 1) -> pd.DataFrame:
    frame = rows(n, seed=seed, countries=4)
    noise = np.random.default_rng([seed, 2]).normal(0, 12, n)
    score = 45 + slope * (frame["alliance"] - 4.6) + 0.45 * (frame["who5_baseline"] - 41) + noise
    return frame.assign(who5_followup=scored(score))


def scored(values: pd.Series) -> pd.Series:
    """On the grid of the WHO-5."""
    return (4 * (values / 4).round()).clip(0, 100)


def sampled(frame: pd.DataFrame, formula: str = FORMULA, **options: Any) -> ab.Fit:
    model = ab.Model(formula, **options)
    return model.fit(frame.assign(participant_id=[f"p{k}" for k in range(len(frame))]), seed=5, progress=False)


@cache
def many() -> ab.Fit:
    return sampled(people(1500, slope=5.0))


def run(name: str, fit: Any) -> CheckResult:
    return CHECKS[name](Context(fit))


def test_with_many_people_the_prior_hardly_matters() -> None:
    found = run("prior_sensitivity", many())
    assert found.verdict == "pass"
    scales = ["all scales halved", "all scales doubled"]
    assert found.table["priors"].tolist() == ["as fitted", "weak", "literature", "sceptical", "enthusiastic", *scales]
    assert (found.table["settled"] == "yes").all()
    # The fit's own priors are among the sets: the same draws.
    assert found.table.set_index("priors").loc["weak", "shift"] == 0.0
    assert found.details.set_index("quantity").loc["slope", "prior"] < 0.05


def test_a_sceptical_prior_pulls_few_people_to_zero_and_an_enthusiastic_one_away() -> None:
    fit = sampled(people(40, slope=3.0), priors="sceptical")
    found = run("prior_sensitivity", fit)
    mean = found.table.set_index("priors")["mean"]
    assert mean["sceptical"] < mean["literature"] < mean["enthusiastic"]
    assert found.verdict == "warn"
    assert found.details.set_index("quantity").loc["slope", "prior"] > 0.05


def test_a_prior_that_overrules_the_data_is_found_by_power_scaling() -> None:
    """Planted: a prior of SD 0.05 around 8, far from the truth of 2.2."""
    found = run("prior_sensitivity", sampled(people(1500), priors={"alliance": "Normal(8, 0.05)"}))
    assert found.verdict == "warn"
    own = found.details.set_index("quantity").loc["slope"]
    assert own["prior"] > 0.05
    assert own["diagnosis"].startswith("potential")
    # The sets replace the prior of the slope, so that their slopes are far from the fit's own.
    sets = found.table.iloc[1:5]
    assert sets["mean"].between(0, 5).all()
    assert (sets["shift"].abs() > 10).all()


def test_the_narrower_a_prior_the_more_its_weight_matters() -> None:
    """The same draws under three priors, whose slope of the log density at them goes as 1 / SD^2."""
    found = []
    for sd in (10, 50, 250):
        fit = fitted(
            rows(50),
            formula="who5_followup ~ 1",
            draws=1000,
            means={"beta": [3.0]},
            sds={"beta": [1.0]},
            spec={"priors": {"Intercept": f"Normal(50, {sd})", "sigma": "HalfNormal(1000)"}},
        )
        assert [name for name, _, _ in scaled_parameters(fit)] == ["Intercept", "sigma"]
        scaled = power_scaling(fit, {"slope": fit.stacked["beta"][:, 0]}).set_index("quantity")["prior"]
        assert scaled["slope"] == scaled["Intercept"]
        found.append(scaled["slope"])
    # Small shifts are in proportion to the slope: a factor of 25 each, roughly, as the measure is no straight line.
    assert found[0] > 10 * found[1] > 100 * found[2]


def test_power_scaling_is_arvizs() -> None:
    fit = sampled(people(300))
    slope = focal(fit).draws()
    ours = power_scaling(fit, {"slope": slope}).set_index("quantity")
    drawn = {name: fit.with_chains(values) for name, _, values in scaled_parameters(fit)}
    prior = sum(log_prior(stated, values) for _, stated, values in scaled_parameters(fit))
    likelihood = fit.log_likelihood().values.sum(axis=2)
    dims = ("chain", "draw")
    tree = xr.DataTree.from_dict(
        {
            "posterior": xr.Dataset({name: (dims, values) for name, values in {"slope": slope, **drawn}.items()}),
            "log_prior": xr.Dataset({"all": (dims, fit.with_chains(np.asarray(prior)))}),
            "log_likelihood": xr.Dataset({"all": (dims, likelihood)}),
        }
    )
    for kind in ("prior", "likelihood"):
        theirs = psense(tree, group=kind)
        np.testing.assert_allclose(ours[kind], [float(theirs[name]) for name in ours.index], rtol=1e-6)


def test_of_many_rows_the_prior_is_judged_by_all_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = many()
    slope = focal(fit).draws()
    few = power_scaling(fit, {"slope": slope}).set_index("quantity")
    # As with so many rows that sixteen draws would do for the time they take.
    monkeypatch.setattr(module, "_MOST", 1500 * 16)
    found = power_scaling(fit, {"slope": slope}).set_index("quantity")
    assert found["prior"].tolist() == few["prior"].tolist()
    monkeypatch.setattr(module, "_MOST", 10**9)
    whole = power_scaling(fit, {"slope": slope}).set_index("quantity")
    # Sensitivities of 400 draws: their Monte Carlo error is about 0.05, towards more, as is any distance's.
    assert ((found["likelihood"] - whole["likelihood"]).abs() < 0.25).all()


@pytest.mark.parametrize(
    ("prior", "known"),
    [
        (Prior("Normal", (1.0, 2.0)), stats.norm(1, 2)),
        (Prior("StudentT", (4.0, 1.0, 2.0)), stats.t(4, 1, 2)),
        (Prior("HalfNormal", (3.0,)), stats.halfnorm(scale=3)),
        (Prior("Exponential", (0.5,)), stats.expon(scale=2)),
        (Prior("Gamma", (2.0, 0.5)), stats.gamma(2, scale=2)),
    ],
)
def test_log_priors_are_scipys(prior: Prior, known: Any) -> None:
    values = np.linspace(0.1, 6, 20)
    np.testing.assert_allclose(log_prior(prior, values), known.logpdf(values), rtol=1e-12)


@pytest.mark.parametrize(
    ("score", "points", "middle"), [("alliance", 1.0, "alliance below 3"), ("wai_sr", 12.0, "wai_sr below 36")]
)
def test_a_slope_that_the_lowest_ratings_make_is_found(score: str, points: float, middle: str) -> None:
    """Planted: no association but for twenty people who rated lowest, and whose outcome is lowest too."""
    frame = people(400, slope=0.0)
    low = pd.Series(np.arange(400) % 20 == 7)
    planted = frame.assign(
        alliance=frame["alliance"].where(~low, 1.5).clip(lower=np.where(low, 1.0, 3.0)),
        who5_followup=frame["who5_followup"].where(~low, 8.0),
    )
    planted[score] = planted["alliance"] * points
    found = run("influence", sampled(planted, FORMULA.replace("alliance", score), alliance=score))
    assert found.verdict == "warn"
    table = found.table.set_index("label")
    assert table.loc[f"without {middle}", "n"] == 20
    assert table.loc[f"without {middle}", "settled"] == "no"
    assert (table.drop(index=f"without {middle}")["settled"] == "yes").all()
    assert f"without {middle}" not in found.sentence.split("only: ")[1].split(";")[0]


def test_a_slope_that_one_country_makes_is_found() -> None:
    frame = people(600, slope=0.0)
    strong = frame["country"] == "C1"
    tilted = frame["who5_followup"] + np.where(strong, 14 * (frame["alliance"] - 4.6), 0.0)
    found = run("influence", sampled(frame.assign(who5_followup=scored(tilted))))
    assert found.verdict == "warn"
    row = found.table.set_index("label").loc["without country C1"]
    assert row["factor"] == "country"
    assert row["level"] == "C1"
    assert row["n"] == strong.sum()
    assert row["settled"] == "no"


def test_a_clear_slope_stays_whatever_is_left_out() -> None:
    found = run("influence", many())
    assert found.verdict == "pass"
    assert found.table["factor"].dropna().unique().tolist() == ["country"]
    assert (found.table["settled"] == "yes").all()


def test_leaving_out_is_fitting_the_others() -> None:
    fit, frame = many(), people(1500, slope=5.0)
    keep = (frame["country"] != "C2").to_numpy()
    made = refit(fit, "without C2", keep=keep)
    others = frame[keep].reset_index(drop=True)
    alone = others.assign(
        country=others["country"].cat.remove_unused_categories(),
        participant_id=[f"p{k}" for k in range(len(others))],
    )
    other = ab.Model(FORMULA).fit(alone, seed=5, draws=400, progress=False)
    np.testing.assert_array_equal(made.draws["slope"], focal(other).draws())
    assert made.excluded == (~keep).sum()


def test_the_error_of_shifts_is_what_they_differ_by_between_seeds() -> None:
    """Forty refits of one model, which differ in nothing but their seeds."""
    fit = many()
    own = focal(fit)
    keep = (fit.design.frame["country"] != "C2").to_numpy()
    made = [refit(replace(fit, info={**fit.info, "seed": seed}), str(seed), keep=keep) for seed in range(40)]
    assert made[0].draws["slope"].shape == (4, 400)
    rows = refit_rows(own, made[:1])
    between = np.std([one.draws["slope"].mean() for one in made], ddof=1)
    mine = float(own.draws().std(ddof=1))
    # The fit's own error is in it too, and is of 4,000 draws.
    expected = np.hypot(between, float(rows["mcse_mean"].iloc[0])) / mine
    # An SD of forty has a relative error of 11 %, of which three.
    assert error_of_shifts(rows) == pytest.approx(expected, rel=0.35)
    assert error_of_shifts(rows) < 0.06
    assert np.isnan(error_of_shifts(refit_rows(own, [])))


def test_what_cannot_be_fitted_without_some_is_said() -> None:
    fit = sampled(people(300), "who5_followup ~ alliance + (1 | sex)")
    made = refit(fit, "women only", keep=(fit.design.frame["sex"] == "female").to_numpy())
    assert "sex" in made.problem
    rows = refit_rows(focal(fit), [made])
    assert rows["term"].tolist() == ["as fitted"]
    table = summary(rows, [made])
    assert table["mean"].isna().tolist() == [False, True]
    assert table["settled"].isna().tolist() == [False, True]


def test_the_table_and_its_rows_are_of_the_same_draws() -> None:
    fit = many()
    found = run("prior_sensitivity", fit)
    assert found.rows is not None
    table, rows = found.table.set_index("priors"), found.rows.set_index("term")
    assert table.index.tolist() == rows.index.tolist()
    for name in ("mean", "lower", "upper", "p_direction"):
        assert table[name].tolist() == rows[name].tolist()
    own = focal(fit).draws()
    draws = refit(fit, "sceptical", priors="sceptical").draws["slope"]
    assert table.loc["sceptical", "mean"] == pytest.approx(draws.mean(), rel=1e-12)
    assert table.loc["sceptical", "lower"] == pytest.approx(np.quantile(draws, 0.055), rel=1e-12)
    assert table.loc["sceptical", "shift"] == pytest.approx((draws.mean() - own.mean()) / own.std(ddof=1), rel=1e-9)
    np.testing.assert_array_equal(found.rows.draws["slope/as fitted"], own)


@pytest.mark.parametrize(
    ("terms", "estimand"),
    [
        ("alliance + age", "slope"),
        ("alliance * age", "slope"),
        ("alliance + (alliance || country)", "slope"),
        ("s(alliance)", "slope_p10_p90"),
        ("alliance + I(alliance ** 2)", "slope_p10_p90"),
    ],
)
def test_where_an_association_bends_its_declared_step_is_what_is_asked(terms: str, estimand: str) -> None:
    fit = fitted(rows(80), formula=f"who5_followup ~ {terms}", spec={"focal": "alliance"}, draws=40)
    assert focal(fit).estimand == estimand


def test_refits_of_a_bend_tell_of_the_difference_that_the_page_states() -> None:
    """People at either end are far apart, while the average slope, over people at one end, is near to nothing."""
    rng = np.random.default_rng(5)
    alliance = np.r_[rng.uniform(3.0, 3.6, 60), rng.uniform(4.5, 5.0, 340)].round(2)
    step = np.where(alliance < 4, 40.0, 60.0)
    frame = rows(400).assign(alliance=alliance, who5_followup=scored(pd.Series(step + rng.normal(0, 8, 400))))
    fit = ab.Model("who5_followup ~ s(alliance)", priors="weak").fit(frame, draws=400, seed=1, progress=False)
    found = CHECKS["prior_sensitivity"].examine(Context(fit))
    assert found.rows is not None
    own = fit.effects(estimands=["slopes"]).loc["slope_p10_p90/alliance/sample"]
    # As fitted, with the draws of the fit.
    assert found.rows.iloc[0]["mean"] == pytest.approx(own["mean"], abs=4 * own["mcse_mean"])
    assert (found.rows["lower"] > 0).all()
    page = fit.report()
    assert page.numbers["answer"]["certainty"] == "almost certainly"


@pytest.mark.parametrize(
    ("means", "said"),
    [
        ([2.0, 2.512, 2.27], "2.00 to 2.51"),
        ([-0.0054, -0.0049], "-0.0054 to -0.0049"),
        ([0.031], "0.031"),
        ([0.0, 0.0], "0.00 to 0.00"),
        ([-0.02, 12.3], "-0.02 to 12.30"),
    ],
)
def test_means_of_refits_have_digits_that_tell_them_apart(means: list[float], said: str) -> None:
    assert _written(means) == said


def test_nuts_is_not_run_again() -> None:
    """A fit of made draws knows no engine."""
    found = run("influence", fitted(rows(120)))
    assert (found.verdict, len(found.table)) == ("info", 0)
    assert found.sentence == ("Not done: a refit by NUTS takes minutes; fit the other models yourself and compare.")
    scaled = run("prior_sensitivity", fitted(rows(120)))
    assert scaled.table["quantity"].iloc[0] == "slope"
    assert "Refits under other priors were not done: a refit by NUTS takes minutes" in scaled.sentence


def test_moments_tell_about_priors_and_not_about_people() -> None:
    model = ab.Model(FORMULA)
    frame = people(1500).assign(participant_id=[f"p{k}" for k in range(1500)])
    cohort = ab.read_cohort(frame)
    fit = model.fit(moments_of(model.design(cohort.complete(model.columns)[0]), spec=model), seed=5, progress=False)
    found = run("prior_sensitivity", fit)
    assert len(found.table) == 7
    assert found.details["likelihood"].isna().all()
    assert run("influence", fit).verdict == "info"


def test_a_model_without_a_slope_has_nothing_to_be_sensitive() -> None:
    found = run("prior_sensitivity", fitted(rows(120, countries=8), formula="who5_followup ~ 1 + (1 | country)"))
    assert found.sentence == "Not done: the model states no association and no difference."


def arms(n: int = 240, *, bend: float = 1.5, seed: int = 3) -> pd.DataFrame:
    """A trial of two arms in which the slope of the start differs by arm."""
    rng = np.random.default_rng(seed)
    arm, start = np.resize(["a", "b"], n), rng.normal(0, 1, n)
    score = 20 + 2 * (arm == "b") + start + bend * start * (arm == "b") + rng.normal(0, 4, n)
    return pd.DataFrame({"score": score, "start": start, "arm": arm})


def test_a_planted_prior_that_moves_an_interaction_is_reported() -> None:
    """Half of its estimate, while the focal slope stays: the check looks at every number that a finding states."""
    free = ab.Model("score ~ start * arm").fit(arms(), seed=5, progress=False)
    pulled = ab.Model("score ~ start * arm", priors={"start:arm": "Normal(0, 0.5)"}).fit(arms(), seed=5, progress=False)
    name = "start:arm[b]"
    whole, half = (float(fit.coefficients().loc[f"coefficient/{name}", "mean"]) for fit in (free, pulled))
    assert 0.3 < half / whole < 0.7
    calm = run("prior_sensitivity", free)
    assert calm.verdict == "pass"
    found = run("prior_sensitivity", pulled)
    assert found.verdict == "warn"
    assert name in found.sentence
    row = found.details.set_index("quantity").loc[name]
    # With half the scale it is pulled further, with twice the scale less; by hand from the normal approximation.
    error = float(free.coefficients().loc[f"coefficient/{name}", "sd"])

    def expected(sd: float) -> tuple[float, float]:
        weight = sd**2 / (sd**2 + error**2)
        return weight * whole, error * np.sqrt(weight)

    (at_half, sd_half), (at, sd), (at_double, _) = map(expected, (0.25, 0.5, 1.0))
    assert row["halved"] == pytest.approx((at_half - at) / sd, abs=0.15)
    assert row["doubled"] == pytest.approx((at_double - at) / sd, abs=0.15)
    assert row["sd_halved"] == pytest.approx(sd_half / sd, abs=0.08)
    # A page that may not show it keeps the verdict, and says why: of the numbers that it shows none depends.
    shown = found.without(pulled, frozenset({name}))
    assert shown.verdict == "warn"
    assert name not in shown.sentence
    left = shown.details[shown.details["depends"] != ""]
    assert set(left["depends"]) == {"no"}
    assert shown.sentence.endswith(
        f" Stronger or weaker priors of the same kind move none of the {len(left)} numbers that findings state or rest "
        "on. Numbers of which nothing may be shown depend on the priors."
    )
    # Nor is anything said of hidden numbers that do not move.
    assert "Numbers of which" not in calm.without(free, frozenset({name})).sentence


def test_the_scales_of_priors_are_multiplied_and_their_places_stay() -> None:
    assert scaled(Prior("Normal", (3.0, 2.0)), 0.5) == Prior("Normal", (3.0, 1.0))
    assert scaled(Prior("StudentT", (4.0, 3.0, 2.0)), 2.0) == Prior("StudentT", (4.0, 3.0, 4.0))
    assert scaled(Prior("HalfNormal", (2.0,)), 2.0) == Prior("HalfNormal", (4.0,))
    assert scaled(Prior("Exponential", (2.0,)), 2.0) == Prior("Exponential", (1.0,))
    assert scaled(Prior("LKJ", (2.0,)), 2.0) == Prior("LKJ", (2.0,))


def test_what_is_stated_of_a_fit() -> None:
    fit = fitted(
        rows(120, countries=7),
        formula="who5_followup ~ alliance * sex + who5_baseline + (alliance || provider_type) + (alliance || country)",
    )
    found = stated(fit)
    assert list(found) == [
        "slope",
        "sex[male]",
        "alliance:sex[male]",
        *(
            f"difference in {of} by provider_type: {pair}"
            for of in ("level", "slope of alliance")
            for pair in ("therapist - coach", "both - coach", "both - therapist")
        ),
        # Seven countries are not compared by name, and the slope rests on how far their slopes differ.
        "tau_country[alliance]",
    ]
    effects = fit.stacked["u_provider_type"]
    own = found["difference in slope of alliance by provider_type: both - coach"]
    np.testing.assert_array_equal(own, effects[:, 2, 1] - effects[:, 0, 1])
    frame, spec = of_family(rows(80, countries=7), "bernoulli")
    means = {"beta": 0.1, "tau_country": 0.5}
    logit = fitted(frame, formula="who5_followup ~ alliance + (1 | country)", spec=spec, means=means)
    # Off the identity link an average over all levels rests on how far they differ in level.
    assert list(stated(logit)) == ["slope", "tau_country[Intercept]"]
