from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.checks import CHECKS, Context
from alliance_bayes.checks.lack_of_fit import lack_of_fit, level_basis, spline_basis, tangent
from builders import fitted, rows
from checks.exact import ExactGaussian, Known

FORMULA = "who5_followup ~ alliance + who5_baseline + (1 | country)"


@pytest.fixture(scope="module")
def frame():
    return rows(300, seed=1)


@pytest.fixture(scope="module")
def model(frame):
    return ExactGaussian(frame, FORMULA)


def outcomes(model, frame, seed=0, add=0.0):
    rng = np.random.default_rng(seed)
    mean = 48 + 2.2 * (frame["alliance"] - 4.6) + 0.45 * (frame["who5_baseline"] - 41)
    return np.asarray(mean + model.effects(rng) + add + rng.normal(0, 15, len(frame)))


def test_the_natural_spline_is_straight_beyond_its_outer_knots_and_smooth_at_all():
    x = np.linspace(0, 10, 2001)
    basis = spline_basis(x)
    assert basis.shape == (2001, 4)
    np.testing.assert_allclose(basis[:, 0], (x - 0.5) / 9, atol=1e-12)
    second = np.diff(basis, n=2, axis=0)
    outer = (x[1:-1] < 0.49) | (x[1:-1] > 9.51)
    assert np.abs(second[outer]).max() < 1e-12
    # Continuous second derivatives: their steps are of the order of the grid.
    assert np.abs(np.diff(second, axis=0)).max() < 0.02 * np.abs(second).max()


def test_a_ceiling_leaves_the_knots_apart_and_few_values_get_an_indicator_each():
    heaped = np.r_[np.full(80, 5.0), np.linspace(1, 5, 40)]
    assert np.linalg.matrix_rank(spline_basis(heaped)) == 4
    few = spline_basis(np.array([1.0, 2.0, np.nan, 2.0, 4.0]))
    np.testing.assert_array_equal(few, [[1, 0, 0], [0, 1, 0], [np.nan] * 3, [0, 1, 0], [0, 0, 1]])


def test_what_the_models_own_columns_express_is_not_tested(model, frame):
    context = Context(model.fit(outcomes(model, frame)))
    x = frame["alliance"].to_numpy(float)
    found = lack_of_fit(
        context,
        {
            "linear": x[:, None],
            "curved": spline_basis(x),
            "levels": level_basis(np.eye(3)[np.arange(300) % 3]),
            "constant": np.ones((300, 1)),
        },
    )
    # Linear in the model: nothing left. A natural spline with five knots: three further directions. Three levels: two.
    assert {name: test.df for name, test in found.items()} == {"linear": 0, "curved": 3, "levels": 2, "constant": 0}
    assert found["linear"].p == found["constant"].p == 1.0


def test_a_common_factor_is_fitted_freely_and_has_nothing_left(frame):
    model = ExactGaussian(frame, "who5_followup ~ alliance + sex")
    found = CHECKS["groups"](Context(model.fit(outcomes(model, frame, add=20 * (frame["sex"] == "male")))))
    assert found.table["role"].tolist() == ["common", "common"]
    assert found.table["p"].tolist() == [1.0, 1.0]
    assert found.verdict == "pass"


def test_unmodelled_curvature_is_seen_and_named(model, frame):
    bend = 4 * ((frame["who5_baseline"] - 41) / 18) ** 2
    found = CHECKS["curvature"](Context(model.fit(outcomes(model, frame, add=bend))))
    assert found.verdict == "warn"
    assert found.sentence == (
        "The residuals are not level along who5_baseline (p = "
        f"{found.table.set_index('column')['p']['who5_baseline'].iloc[0]:.3f}): "
        "the relation is not the one the formula states. Let it bend, as in s(who5_baseline), or add an "
        "interaction, and "
        "see whether the reported estimates change."
    )
    ends = found.table[found.table["column"] == "who5_baseline"]["residual"].to_numpy()
    assert ends[0] > 0
    assert ends[-1] > 0
    assert ends[len(ends) // 2] < 0


def test_an_omitted_covariate_is_seen_when_it_is_handed_in(model, frame):
    extra = frame[["n_sessions"]].copy()
    y = outcomes(model, frame, add=4 * (frame["n_sessions"] - 3.5))
    assert CHECKS["curvature"](Context(model.fit(y))).verdict == "pass"
    found = CHECKS["curvature"](Context(model.fit(y), extra=extra))
    assert found.verdict == "warn"
    extra.loc[::3, "n_sessions"] = np.nan
    gaps = CHECKS["curvature"](Context(model.fit(y), extra=extra))
    assert gaps.verdict == "warn"
    assert gaps.table.query("column == 'n_sessions'")["n"].sum() == 200


def test_the_table_holds_mean_residuals_in_parts(model, frame):
    fit = model.fit(outcomes(model, frame))
    table = CHECKS["curvature"](Context(fit)).table
    assert table["column"].unique().tolist() == ["alliance", "who5_baseline"]
    part = table.iloc[1]
    inside = frame["alliance"].between(part["low"], part["high"]).to_numpy()
    assert inside.sum() == part["n"]
    assert part["mean"] == pytest.approx(frame.loc[inside, "alliance"].mean())
    residual = fit.design.outcome.values - fit.linear_predictor(which=Context(fit).which).mean(axis=0)
    assert part["residual"] == pytest.approx(residual[inside].mean(), rel=1e-9)
    assert table.groupby("column")["n"].sum().tolist() == [300, 300]
    # A mean of n residuals with SD 15, and simultaneous 99 % limits over some ten parts: about 3.3 SEs.
    assert part["limit"] == pytest.approx(3.3 * 15 / np.sqrt(part["n"]), rel=0.15)


def test_an_unmodelled_group_is_seen_and_named(model, frame):
    y = outcomes(model, frame, add=12.0 * (frame["provider_type"] == "therapist"))
    fit = model.fit(y)
    quiet = CHECKS["groups"](Context(fit))
    assert (quiet.verdict, quiet.table["column"].unique().tolist()) == ("pass", ["country"])
    found = CHECKS["groups"](Context(fit, extra=frame[["provider_type", "sex"]]))
    assert found.verdict == "warn"
    p = found.table.set_index("column")["p"]["provider_type"].iloc[0]
    assert found.sentence == (
        f"The residuals differ between the levels of provider_type (p = {p:.3f}). The model leaves out "
        "provider_type: pool over "
        "it, as in (1 | provider_type)."
    )
    worst = found.table.query("column == 'provider_type'").set_index("level")
    # Handed-in columns are sorted; the intercept takes up the mean difference, the therapists' share of it remains.
    assert worst.index.tolist() == ["both", "coach", "therapist"]
    assert worst.loc["therapist", "residual"] > worst.loc["therapist", "limit"]


def test_an_overconfident_pooling_prior_is_seen(frame):
    # Country means differ by 8 to either side, and the prior gives them an SD of 0.05.
    model = ExactGaussian(frame, FORMULA, tau=0.05)
    shift = np.array([-8.0, -8.0, 0.0, 8.0, 8.0])[frame["country"].cat.codes]
    found = CHECKS["groups"](Context(model.fit(outcomes(model, frame, add=shift))))
    assert found.verdict == "warn"
    assert found.table["role"].unique().tolist() == ["pooled"]
    assert found.sentence == (
        f"The residuals differ between the levels of country (p = {found.table['p'].iloc[0]:.3f}). The model pools "
        "over country: "
        "check the prior of its level SD, and what else differs between its levels."
    )


def test_a_column_that_the_model_has_in_combinations_only_is_named_as_such(frame):
    model = ExactGaussian(frame, "who5_followup ~ alliance + (1 | country:sex)", tau=0.05)
    shift = 10.0 * (frame["sex"] == "male")
    found = CHECKS["groups"](Context(model.fit(outcomes(model, frame, add=shift))))
    roles = found.table.groupby("column", sort=False)["role"].first().to_dict()
    assert roles == {"country:sex": "pooled", "country": "in part", "sex": "in part"}
    assert (
        "The model has sex only in combination with other columns: give it a term of its own, as in (1 | sex)."
        in found.sentence
    )


def test_a_model_without_columns_to_look_at_says_so(frame):
    model = ExactGaussian(frame, "who5_followup ~ 1")
    context = Context(model.fit(outcomes(model, frame)))
    for name, sentence in (
        ("curvature", "The model has no numeric predictors, so there is no curve to look for."),
        ("groups", "There are no categorical columns to look at."),
    ):
        found = CHECKS[name](context)
        assert (found.verdict, found.sentence, len(found.table), found.plots) == ("info", sentence, 0, ())


def test_sentences_when_all_is_quiet(model, frame):
    context = Context(model.fit(outcomes(model, frame)), rate=0.02)
    assert CHECKS["curvature"](context).sentence == (
        "The residuals are level along alliance, who5_baseline: they bend no more than they do in 98 % of data sets "
        "from a "
        "well-specified model."
    )
    assert CHECKS["groups"](context).sentence == (
        "The residuals do not differ between the levels of country by more than they do in 98 % of data sets from a "
        "well-specified model."
    )


def test_many_small_levels_are_tested_together(frame):
    many = pd.Series([f"P{k % 60}" for k in range(300)], name="provider_id")
    rng = np.random.default_rng(2)
    shift = rng.normal(0, 8, 60)[np.arange(300) % 60]
    model = ExactGaussian(frame, FORMULA)
    found = CHECKS["groups"](Context(model.fit(outcomes(model, frame, add=shift)), extra=many.to_frame()))
    assert found.verdict == "warn"
    assert (found.table["column"] == "provider_id").sum() == 60


def test_families_with_a_link_are_made_orthogonal_to_what_moves_their_expectations():
    frame = rows(200, seed=3)
    known = Known(
        frame, "who5_followup ~ alliance + who5_baseline", "beta_binomial", {"beta": [0.1, 0.3, 0.03], "phi": 8.0}
    )
    context = Context(known.simulated(np.random.default_rng(0)))
    design = context.fit.design
    p = 1 / (1 + np.exp(-context.eta[0]))
    exact = (100 * p * (1 - p))[:, None] * design.rows.x
    known = tangent(context)
    # A central difference with a step of 1e-4 SDs: relative error of about its square.
    np.testing.assert_allclose(known @ (known.T @ exact), exact, atol=1e-5 * np.abs(exact).max())


def test_fits_with_draws_placed_by_hand_work_for_every_family():
    frame = rows(80).assign(better=lambda data: (data["who5_followup"] > 48).astype(float))
    for family in ("student_t", "censored_gaussian", "beta_binomial", "cumulative", "bernoulli"):
        formula = FORMULA.replace("who5_followup", "better") if family == "bernoulli" else FORMULA
        beta = [0.3, 0.03] if family == "cumulative" else [0.0, 0.3, 0.03]
        if family in ("student_t", "censored_gaussian"):
            beta = [45.0, 2.0, 0.4]
        fit = fitted(frame, formula=formula, means={"beta": beta}, sds={"beta": 0.01}, spec={"family": family})
        context = Context(fit, extra=frame[["sex", "age"]])
        for name in ("curvature", "groups"):
            found = CHECKS[name](context)
            assert np.isfinite(found.table.select_dtypes("number").to_numpy()).all()
            assert found.table["p"].between(0, 1).all()


def test_a_factor_of_the_residual_sd_alone_is_named_when_its_means_differ(frame):
    spec = {"residual_by": "provider_type"}
    fit = fitted(frame, formula="who5_followup ~ alliance", sds={"beta": 0.0, "sigma": 0.0}, spec=spec)
    shift = 12.0 * (frame["provider_type"] == "both")
    rng = np.random.default_rng(5)
    y = fit.predict().values[0, 0] + shift + rng.normal(0, 15, len(frame))
    made = fitted(
        frame.assign(who5_followup=y),
        formula="who5_followup ~ alliance",
        sds={"beta": 0.0, "sigma": 0.0},
        spec=spec,
    )
    found = CHECKS["groups"](Context(made))
    assert found.verdict == "warn"
    assert set(found.table["role"]) == {"residual"}
    assert found.sentence == (
        "The residuals differ between the levels of provider_type (p = 0.001). The model lets the residual SD differ "
        "by provider_type, but not the mean: pool over it, as in (1 | provider_type)."
    )


def test_groups_with_spreads_of_their_own_pass_where_the_model_has_them(frame):
    sigma = {"coach": 6.0, "therapist": 12.0, "both": 24.0}
    rng = np.random.default_rng(8)
    options = {"formula": "who5_followup ~ alliance", "sds": {"beta": 0.0, "sigma": 0.0}}
    mean = fitted(frame, **options).predict().values[0, 0]
    y = mean + rng.normal(0, frame["provider_type"].astype(str).map(sigma))
    own = frame.assign(who5_followup=y)
    by_level = fitted(own, means={"sigma": list(sigma.values())}, spec={"residual_by": "provider_type"}, **options)
    pooled = float(np.std(y - mean))
    single = fitted(own, means={"sigma": pooled}, spec={}, formula="who5_followup ~ alliance + provider_type")
    assert CHECKS["posterior_predictive"](Context(by_level)).verdict == "pass"
    table = CHECKS["posterior_predictive"](Context(single)).table
    beyond = table[table["outside"] & (table["statistic"] == "SD")]
    assert set(beyond["level"]) >= {"coach", "both"}


def test_a_smooth_leaves_nothing_to_see_and_one_too_stiff_is_named(frame):
    rng = np.random.default_rng(3)
    frame = frame.assign(alliance=np.round(rng.uniform(1, 5, len(frame)), 2))
    formula = "who5_followup ~ s(alliance)"
    options = {"sds": {"beta": 0.05, "sigma": 0.0, "u_s_alliance": 0.05}}
    bent = {"u_s_alliance": np.linspace(-12, 12, 6)}
    y = fitted(frame, formula=formula, means=bent, **options).predict().values[0, 0] + rng.normal(0, 15, len(frame))
    made = frame.assign(who5_followup=y)
    assert CHECKS["curvature"](Context(fitted(made, formula=formula, means=bent, **options))).verdict == "pass"
    found = CHECKS["curvature"](Context(fitted(made, formula=formula, **options)))
    assert found.verdict == "warn"
    assert found.sentence == (
        "The residuals are not level along alliance (p = 0.001): the relation is not the one the formula states. "
        "Give s(alliance) more than 6 knots, or add an interaction, and see whether the reported estimates change."
    )
