"""The joint model as a whole on a small cohort: what it returns, checks, keeps and refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.special import expit
from scipy.stats import norm

import alliance_bayes as ab
from alliance_bayes.effects import COLUMNS
from alliance_bayes.errors import FileFormatError, ModelError, UsageError
from alliance_bayes.latent import LatentFit, fit_latent
from alliance_bayes.latent.data import joint_data, ratings_of
from alliance_bayes.latent.graph import build_joint_graph
from alliance_bayes.latent.kernel import ratings_and_expectations
from alliance_bayes.latent.measurement import BEND, bent, measurement_priors
from alliance_bayes.latent.predictive import rating_statistics
from alliance_bayes.latent.result import derived
from alliance_bayes.model import ModelSpec
from alliance_bayes.simulation import SimulatedCohort

FORMULA = "who5_followup ~ alliance + who5_baseline + (1 | sex)"


@pytest.fixture(scope="module")
def cohort() -> SimulatedCohort:
    return ab.simulate_cohort(150, seed=3)


@pytest.fixture(scope="module")
def fit(cohort: SimulatedCohort) -> LatentFit:
    return fit_latent(
        cohort,
        sessions=cohort.tables["sessions"],
        formula=FORMULA,
        n_nodes=3,
        draws=60,
        tune=150,
        chains=2,
        seed=5,
        keep_people=True,
        progress=False,
    )


@pytest.mark.slow
@pytest.mark.usefixtures("python_mode")
@pytest.mark.parametrize("trait", ["stretched", "normal"])
def test_log_density_is_that_of_the_written_formula(cohort: SimulatedCohort, trait: str) -> None:
    """Differences of the graph's log density between two points, which need no normalising constants."""
    spec = ModelSpec("who5_followup ~ alliance + who5_baseline", priors="literature")
    data = joint_data(cohort, cohort.tables["sessions"], spec)
    priors, measurement = spec.priors_for(data.design), measurement_priors({})
    graph = build_joint_graph(data, priors, measurement, trait=trait, n_nodes=3)
    logp = graph.compile_logp()
    rng = np.random.default_rng(0)
    found, written = [], []
    for _ in range(2):
        point = {name: rng.normal(size=np.shape(value)) * 0.3 for name, value in graph.initial_point().items()}
        found.append(float(logp(point)))
        written.append(_written(point, data, priors, measurement))
    # Log densities of order 1e4 with rounding of 1e-16 each term.
    assert found[0] - found[1] == pytest.approx(written[0] - written[1], rel=1e-9)


def _written(point, data, priors, measurement) -> float:  # type: ignore[no-untyped-def]
    """The model as the documentation writes it: traits and providers in their own terms, by NumPy and SciPy."""

    def scale(name: str) -> float:
        return float(np.exp(point[f"{name}_log__"]))

    total = 0.0
    stretched = "trait_sd_above_log__" in point
    above_too = ("trait_sd_above",) if stretched else ()
    for name in ("trait_sd", *above_too, "lean_sd", "provider_sd", "session_sd"):
        sigma = measurement[name].prior.parameters[0]
        # On the logarithm that is sampled: half-normal and its Jacobian.
        total += norm.logpdf(scale(name), 0, sigma) + point[f"{name}_log__"]
    for name in ("item_shift", "log_gap", "trait_mean", "trait_slope"):
        total += norm.logpdf(point[name], *measurement[name].prior.parameters).sum()
    total += norm.logpdf(point["z_lean"]).sum() + norm.logpdf(point["z_provider"]).sum()
    below = scale("trait_sd")
    above = scale("trait_sd_above") if stretched else below
    provider = scale("provider_sd") * point["z_provider"]
    theta = bent(point["xi"], below, above)
    total += norm.logpdf(point["xi"], point["trait_mean"] + data.trait_x @ point["trait_slope"]).sum()
    gaps = np.exp(point["log_gap"])
    top = np.array([-point["item_shift"] / 2, point["item_shift"] / 2])
    cuts = np.stack([top - gaps.sum(1), top - gaps[:, :2].sum(1), top - gaps[:, 0], top], axis=1)
    out = ratings_and_expectations(
        theta,
        scale("lean_sd") * point["z_lean"],
        provider,
        cuts,
        np.array(scale("session_sd")),
        *data.ratings.arguments(3),
    )
    total += float(out[0])
    beta = point["beta"]
    total += sum(
        norm.logpdf(value, *priors[term].prior.parameters) for term, value in zip(data.design.terms, beta, strict=True)
    )
    sigma = scale("sigma")
    total += norm.logpdf(sigma, 0, priors["sigma"].prior.parameters[0]) + point["sigma_log__"]
    frame = data.design.frame
    mean = (
        beta[0]
        + beta[1] * (out[6][data.rows] - data.design.centres["alliance"])
        + beta[2] * (frame["who5_baseline"].to_numpy() - data.design.centres["who5_baseline"])
    )
    return float(total + norm.logpdf(frame["who5_followup"].to_numpy(), mean, sigma).sum())


def test_the_bend_has_one_slope_far_below_zero_and_another_far_above() -> None:
    for below, above in ((1.5, 4.5), (3.0, 0.7), (2.0, 2.0)):
        x = np.array([-60.0, -59.0, 0.0, 59.0, 60.0]) * BEND
        low, high = np.diff(bent(x, below, above))[[0, 3]] / BEND

        assert bent(0.0, below, above) == 0
        # The distance to the straight lines falls with the square of x / BEND.
        assert (low, high) == pytest.approx((below, above), rel=2e-3)
        assert (np.diff(bent(np.linspace(-6, 6, 241), below, above)) > 0).all()


@pytest.mark.slow
def test_fit_has_named_dims_and_no_rows(fit: LatentFit) -> None:
    posterior = fit.posterior
    assert dict(posterior.sizes)["chain"] == 2
    assert posterior["cuts"].dims == ("chain", "draw", "item", "cut")
    assert list(posterior["term"].values) == ["Intercept", "alliance", "who5_baseline"]
    assert list(posterior["trait_term"].values) == ["who5_baseline"]
    assert "person" not in posterior.dims
    assert fit.tree["people"]["expected"].shape == (2, 60, fit.info["people"])
    assert (np.diff(posterior["cuts"].values, axis=-1) > 0).all()
    assert fit.info["divergences"] == 0
    assert fit.info["sessions"] == len(ab.simulate_cohort(150, seed=3).tables["sessions"])


@pytest.mark.slow
def test_people_without_outcome_contribute_ratings_only(fit: LatentFit, cohort: SimulatedCohort) -> None:
    assert fit.info["people"] == 150
    assert fit.naive.design.rows.n == int(cohort.data["who5_followup"].notna().sum()) < 150


@pytest.mark.slow
def test_effects_are_one_table_of_corrected_and_naive(fit: LatentFit) -> None:
    table = fit.effects(prob=0.5)
    assert tuple(table.columns) == COLUMNS
    assert list(table["estimand"]) == [
        "corrected_slope",
        "corrected_slope_per_sd",
        "naive_slope",
        "naive_slope_per_sd",
        "reliability",
        "calibration_slope",
        "true_sd",
        "provider_share",
    ]
    assert set(table["prob"]) == {0.5}
    slope = fit.posterior["beta"].sel(term="alliance").values
    own = table.loc["corrected_slope/alliance/sample"]
    assert own["mean"] == pytest.approx(slope.mean(), rel=1e-12)
    np.testing.assert_allclose([own["lower"], own["upper"]], np.quantile(slope, [0.25, 0.75]), rtol=1e-12)
    assert (own["rope_low"], own["rope_high"]) == (-2.0, 2.0)
    per_sd = table.loc["corrected_slope_per_sd/alliance/sample", "mean"]
    assert per_sd == pytest.approx((slope * fit.posterior["true_sd"].values).mean(), rel=1e-12)


@pytest.mark.slow
def test_reliability_is_that_of_the_kept_people(fit: LatentFit, cohort: SimulatedCohort) -> None:
    people = fit.tree["people"]["expected"]
    have = cohort.data["who5_followup"].notna().to_numpy()
    seen = cohort.data["alliance"].to_numpy()[have]
    true = people.sel(person=list(cohort.data["participant_id"][have])).values[1, 7]
    r = np.corrcoef(true, seen)[0, 1]
    draw = fit.posterior.isel(chain=1, draw=7)
    assert float(draw["reliability"]) == pytest.approx(r**2, rel=1e-10)
    assert float(draw["calibration"]) == pytest.approx(np.polyfit(seen, true, 1)[0], rel=1e-8)


def test_provider_share_is_that_of_a_simulation(cohort: SimulatedCohort) -> None:
    spec = ModelSpec("who5_followup ~ alliance + who5_baseline", priors="literature")
    data = joint_data(cohort, cohort.tables["sessions"], spec)
    n = data.ratings.n
    value = {"trait_sd": 1.5, "trait_sd_above": 4.0, "lean_sd": 0.8, "provider_sd": 1.2, "session_sd": 0.7}
    cuts = np.array([[-5.0, -3.2, -1.4, 0.2], [-5.6, -3.9, -1.9, -0.2]])
    one = xr.Dataset({name: (("chain", "draw"), [[number]]) for name, number in value.items()})
    one["cuts"] = (("chain", "draw", "item", "cut"), cuts[None, None])
    one["trait_centre"] = (("chain", "draw", "person"), np.full((1, 1, n), 0.4))
    one["expected"] = (("chain", "draw", "person"), np.random.default_rng(0).uniform(1, 5, (1, 1, n)))
    one = one.assign_coords(chain=[0], draw=[0])
    share = float(derived(one, data)["provider_share"][0, 0])
    # Two ratings of different people with one provider: their covariance is the variance between providers.
    rng = np.random.default_rng(1)
    size = 400_000
    v = value["provider_sd"] * rng.standard_normal(size)
    between = total = 0.0
    for item in range(2):
        pair = []
        for _ in range(2):
            eta = v + bent(rng.normal(0.4, 1.0, size), value["trait_sd"], value["trait_sd_above"])
            eta = eta + np.hypot(value["lean_sd"], value["session_sd"]) * rng.standard_normal(size)
            pair.append(1 + np.searchsorted(cuts[item], eta + rng.logistic(size=size)))
        covariance = np.cov(pair[0], pair[1])
        between += covariance[0, 1]
        total += (covariance[0, 0] + covariance[1, 1]) / 2
    # The standard error of a correlation of 400,000 pairs is .0016; ratings with a ceiling have heavier tails.
    assert share == pytest.approx(between / total, abs=0.006)


@pytest.mark.slow
def test_measurement_check_compares_observed_with_replicated(fit: LatentFit) -> None:
    table = fit.measurement_check()
    assert list(table.columns) == ["statistic", "observed", "mean", "lower", "upper", "prob", "p_value"]
    sessions = ab.simulate_cohort(150, seed=3).tables["sessions"]
    by = table.set_index("statistic")
    both = float(((sessions["goal"] == 5) & (sessions["bond"] == 5)).mean())
    assert by.loc["share of sessions rated 5 and 5", "observed"] == pytest.approx(both, rel=1e-12)
    for item in ("goal", "bond"):
        shares = by.loc[[f"share of {item} rated {k}" for k in range(1, 6)], "observed"]
        expected = sessions[item].value_counts(normalize=True).sort_index()
        np.testing.assert_allclose(shares, expected, rtol=1e-12)
    assert ((by["lower"] <= by["mean"]) & (by["mean"] <= by["upper"])).all()
    # The model is of the simulator's kind: with 15 statistics none lies beyond the outermost thousandth.
    assert by["p_value"].between(0.001, 0.999).all()


@pytest.mark.slow
def test_replicates_tell_when_leanings_are_denied(fit: LatentFit, cohort: SimulatedCohort) -> None:
    """A planted fault: without chance of their own, goal and bond go together more than they do."""
    from alliance_bayes.latent.predictive import measurement_check

    data = joint_data(cohort, cohort.tables["sessions"], fit.naive.spec)
    raw = fit.posterior[["cuts", "trait_sd", "trait_sd_above", "provider_sd"]].copy()
    centre = np.broadcast_to(fit.posterior["trait_mean"].values[..., None], (2, 60, data.ratings.n))
    raw["trait_centre"] = (("chain", "draw", "person"), centre)
    raw["lean_sd"], raw["session_sd"] = fit.posterior["lean_sd"] * 0.0, fit.posterior["session_sd"] * 0.0 + 3.0
    table = measurement_check(raw, data.ratings, seed=0).set_index("statistic")
    assert table.loc["correlation of goal and bond", "p_value"] > 0.99
    assert table.loc["SD within people of a session's rating", "p_value"] > 0.99


def test_statistics_of_a_table_by_hand() -> None:
    ratings = np.array([[4, 4, 2, 5], [4, 3, 5, 0]])
    found = rating_statistics(ratings, np.array([0, 0, 1, 1]), 2)
    assert found["share of sessions rated 5 and 5"] == 0.5
    assert found["share of people who always rate 5"] == 0.0
    assert found["share of goal rated 5"] == pytest.approx(2 / 3)
    assert found["share of bond rated 1"] == pytest.approx(1 / 3)
    # Sessions are worth 5, 4.5 | 3, 1: people 4.75 and 2.
    assert found["SD between people of the mean rating"] == pytest.approx(np.std([4.75, 2.0], ddof=1))
    assert found["SD within people of a session's rating"] == pytest.approx(np.sqrt((2 * 0.25**2 + 2 * 1.0) / 2))


@pytest.mark.slow
def test_gate_names_what_has_not_converged(fit: LatentFit) -> None:
    report = fit.check()
    assert not report.gate.passed
    assert report.gate.reasons[-1].partition(" (smallest ")[0].endswith("a tail effective sample size of 400 or less")
    table = report["convergence"].details.set_index("quantity")
    assert table.loc[["beta[alliance]", "provider_sd", "corrected_slope/alliance/sample"], "kind"].tolist() == [
        "parameter",
        "parameter",
        "effect",
    ]


@pytest.mark.slow
def test_the_gate_is_that_of_every_fit(fit: LatentFit) -> None:
    """Two chains are few for R-hat, and a chain whose energy stands still has not explored the tails."""
    criteria = fit.check()["convergence"].table.set_index("criterion")
    assert criteria.loc["chains", ["value", "verdict"]].tolist() == [2, "warn"]
    assert {"R-hat, largest", "divergences", "E-BFMI, smallest"} <= set(criteria.index)
    still = fit.tree.copy()
    still["sample_stats"] = xr.DataTree(fit.sample_stats.assign(energy=fit.sample_stats["energy"] * 0.0))
    alone = replace(fit, tree=still, info=fit.info).check()["convergence"].table.set_index("criterion")
    assert alone.loc["E-BFMI, smallest", ["value", "verdict"]].tolist() == [0.0, "fail"]
    single = replace(fit, tree=fit.tree.isel(chain=[0]), naive=replace(fit.naive, tree=fit.naive.tree.isel(chain=[0])))
    gate = single.check().gate
    assert not gate.passed
    assert gate.reasons[0].startswith("There is only 1 chain")


@pytest.mark.slow
def test_tree_goes_to_a_file_and_back_without_people(fit: LatentFit, cohort: SimulatedCohort, tmp_path: Path) -> None:
    path = tmp_path / "latent.nc"
    fit.to_tree().to_netcdf(path, engine="h5netcdf")
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        back = LatentFit.from_tree(tree.load(), cohort)
    pd.testing.assert_frame_equal(pd.DataFrame(back.effects()), pd.DataFrame(fit.effects()))
    pd.testing.assert_frame_equal(back.measurement_check(), fit.measurement_check())
    assert back.info == json.loads(json.dumps(dict(fit.info)))
    assert "people" not in back.tree.children
    assert "person" not in {dim for group in back.tree.subtree for dim in group.dims}
    other = ab.simulate_cohort(150, seed=4)
    with pytest.raises(FileFormatError) as caught:
        LatentFit.from_tree(fit.to_tree(), other)
    assert str(caught.value) == (
        "the fit was made from simulated (n=150, seed=3), whose rows are not those of simulated (n=150, seed=4). "
        "Give the cohort it was made from."
    )
    with pytest.raises(FileFormatError) as caught:
        LatentFit.from_tree(xr.DataTree(), cohort)
    assert str(caught.value) == ("this tree holds no fit of ratings and outcome. Make one with LatentFit.to_tree.")


def test_impossible_requests_are_refused_before_sampling(cohort: SimulatedCohort) -> None:
    sessions = cohort.tables["sessions"]
    bare = ab.read_cohort(pd.DataFrame(cohort.data).drop(columns="who5_change"))
    with pytest.raises(UsageError) as caught:
        fit_latent(bare)
    assert str(caught.value) == (
        f"{bare.source}: the cohort has no sessions, and single ratings are what the model is of. Give the three "
        "tables (read_tables()), or sessions=..."
    )
    with pytest.raises(UsageError) as caught:
        fit_latent(cohort, sessions=sessions, trait="skewed")
    assert str(caught.value) == "trait should be one of 'stretched', 'normal' but got 'skewed'."
    with pytest.raises(ModelError) as caught:
        fit_latent(cohort, sessions=sessions, formula="who5_followup ~ alliance + (alliance || sex)")
    assert str(caught.value) == (
        "the joint model has one slope of 'alliance', but the formula has alliance besides. Write (1 | factor) for the "
        "factors, and leave products of the alliance out."
    )
    with pytest.raises(ModelError) as caught:
        fit_latent(cohort, sessions=sessions, formula="who5_followup ~ who5_baseline")
    assert str(caught.value) == (
        "the joint model corrects the slope of 'alliance', which the formula must have as a term of its own. The "
        "formula is 'who5_followup ~ who5_baseline'."
    )
    with pytest.raises(ModelError) as caught:
        fit_latent(cohort, sessions=sessions, priors={"trait_sd": "Normal(0, 1)"})
    assert str(caught.value) == (
        "prior of 'trait_sd': Normal(0, 1) has real support, but this parameter needs positive support."
    )


def test_expected_rating_without_session_is_the_curve_itself() -> None:
    table = pd.DataFrame({"participant_id": ["a"], "goal": [5], "bond": [5], "provider_id": ["p"]})
    cuts = np.array([[-4.0, -3.0, -2.0, 0.5], [-4.0, -3.0, -2.0, -0.5]])
    out = ratings_and_expectations(
        np.array([0.3]), np.array([0.2]), np.array([0.1]), cuts, np.array(0.0), *ratings_of(table, ["a"]).arguments(3)
    )
    goal, bond = 1 + expit(0.2 - cuts[0]).sum(), 1 + expit(0.6 - cuts[1]).sum()
    assert float(out[6][0]) == pytest.approx((goal + bond) / 2, rel=1e-12)
