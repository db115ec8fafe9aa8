"""The collapsed engine as a machine: seeds, cores, statistics, and NUTS where the proposal is too poor."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from alliance_bayes.engines import SamplerSettings, posterior_coords, posterior_dims, sample_nuts
from alliance_bayes.engines.collapsed import sample, sample_collapsed
from alliance_bayes.engines.collapsed.proposal import Adapted, Chains
from alliance_bayes.engines.collapsed.sample import sample_marginal
from alliance_bayes.model import ModelSpec
from alliance_bayes.moments import moments_of
from engines.collapsed.agreement import deviations, once
from engines.collapsed.cases import BY_NAME, Case

SHORT: dict[str, Any] = {"draws": 300, "tune": 300, "chains": 2, "cores": 1, "seed": 7}


def run(case: Case, **settings: Any) -> tuple[xr.DataTree, dict[str, Any]]:
    return sample_collapsed(case.design, case.priors, moments_of(case.design), SamplerSettings(**{**SHORT, **settings}))


def posterior_of(tree: xr.DataTree) -> xr.Dataset:
    return tree["posterior"].to_dataset()


def theta_of(case: Case, posterior: xr.Dataset) -> np.ndarray:
    """The hyperparameters of every draw on the engine's scale, from the variables users see; shape (chain, draw, D)."""
    columns = []
    for name in case.marginal.hyper.names:
        if name == "sigma" or name.startswith("tau_s_"):
            columns.append(np.log(posterior[name]))
        elif name.startswith("sigma["):
            columns.append(np.log(posterior["sigma"].sel({case.design.residual.name: name[6:-1]})))
        elif name.startswith("tau_"):
            factor, term = name[4:-1].split("[")
            columns.append(np.log(posterior[f"tau_{factor}"].sel({f"{factor}_term": term})))
        else:
            assert name.endswith("[1,0]")
            corr = posterior[f"corr_{name[13:-5]}"]
            columns.append(np.arctanh(corr[..., 1, 0]))
    return np.stack([column.transpose("chain", "draw").values for column in columns], axis=-1)


# ---------------------------------------------------------------- seeds and cores


@pytest.mark.slow
def test_same_seed_same_draws_another_seed_other_draws() -> None:
    case = BY_NAME["correlated_both"]
    (first, _), (again, _), (other, _) = run(case), run(case), run(case, seed=8)
    for group in ("posterior", "sample_stats"):
        xr.testing.assert_identical(first[group].to_dataset(), again[group].to_dataset())
    mine, theirs = once(posterior_of(first), case.design), once(posterior_of(other), case.design)
    for name, values in mine.data_vars.items():
        assert not (values.values == theirs[name].values).any(), name
        assert not (values.values[0] == values.values[1]).any(), name


def test_cores_are_no_part_of_the_result() -> None:
    # Enough draws for several pieces of work.
    case = BY_NAME["crossed"]
    (one, _), (two, _), (five, _) = (run(case, cores=cores, draws=600) for cores in (1, 2, 5))
    for group in ("posterior", "sample_stats"):
        xr.testing.assert_identical(one[group].to_dataset(), two[group].to_dataset())
        xr.testing.assert_identical(one[group].to_dataset(), five[group].to_dataset())


def test_coefficients_are_drawn_anew_for_every_draw() -> None:
    # A chain that stays where it is still gives new coefficients.
    tree, _ = run(BY_NAME["nested_labels"], draws=1000)
    posterior = posterior_of(tree)
    stayed = np.diff(posterior["sigma"].values, axis=1) == 0
    assert 5 < stayed.sum() < 0.5 * stayed.size
    assert (np.diff(posterior["beta"].values, axis=1)[stayed] != 0).all()


# ---------------------------------------------------------------- layout and statistics


@pytest.mark.parametrize("name", ["everything", "no_common_terms", "intercept", "residual_by_alone"])
def test_layout_of_the_draws(name: str) -> None:
    case = BY_NAME[name]
    tree, _ = run(case, chains=3, draws=50)
    posterior = posterior_of(tree)
    assert list(tree.children) == ["posterior", "sample_stats"]
    dims = {name: ("chain", "draw", *own) for name, own in posterior_dims(case.design).items()}
    assert {name: values.dims for name, values in posterior.data_vars.items()} == dims
    assert list(posterior.data_vars) == list(posterior_dims(case.design))
    coords = {"chain": [0, 1, 2], "draw": list(range(50)), **posterior_coords(case.design)}
    assert {name: values.values.tolist() for name, values in posterior.coords.items()} == coords
    assert all(np.isfinite(values).all() and values.dtype == float for values in posterior.data_vars.values())


def test_statistics_are_those_of_the_draws() -> None:
    case = BY_NAME["residual_by"]
    tree, info = run(case)
    stats, posterior = tree["sample_stats"].to_dataset(), posterior_of(tree)
    assert {name: values.dims for name, values in stats.data_vars.items()} == {
        "acceptance_rate": ("chain", "draw"),
        "lp": ("chain", "draw"),
        "pareto_k": (),
    }
    theta = theta_of(case, posterior)
    density = case.marginal.log_density(theta.reshape(-1, theta.shape[-1])).reshape(2, 300)
    # exp and log of each, and a correlation's hyperbolic tangent: 1e-13 of terms of up to a few hundred.
    np.testing.assert_allclose(stats["lp"], density, atol=1e-8)
    assert ((stats["acceptance_rate"] >= 0) & (stats["acceptance_rate"] <= 1)).all()
    assert float(stats["acceptance_rate"].mean()) > 0.5
    assert float(stats["pareto_k"]) < 0.7
    assert list(info) == ["engine", "sampler", "proposal_efficiency", "sample_seconds"]
    assert (info["engine"], info["sampler"]) == ("collapsed", "independence Metropolis-Hastings")
    assert 0.5 < info["proposal_efficiency"] <= 1


@pytest.mark.parametrize("name", ["nested_labels", "more_coefficients_than_rows", "correlated_3", "heavy_tails"])
def test_draws_are_nearly_independent(name: str) -> None:
    tree, info = run(BY_NAME[name], draws=1000, chains=4)
    assert "fallback" not in info
    posterior = once(posterior_of(tree), BY_NAME[name].design)
    # 4,000 draws, of which two in five or fewer repeat the last one.
    assert min(float(values.min()) for values in az.ess(posterior).data_vars.values()) > 1200
    assert max(float(values.max()) for values in az.rhat(posterior).data_vars.values()) < 1.01


@pytest.mark.parametrize(("hopeless", "rounds"), [(0.02, [400, 10_000]), (1.0, [400])])
def test_proposals_that_fail_are_adapted_anew_unless_hopeless(
    monkeypatch: pytest.MonkeyPatch, hopeless: float, rounds: list[int]
) -> None:
    looked, sizes, fault, adapt = [], [], sample._fault, sample.adapt

    def poor_at_first(chains: Chains, pareto_k: float) -> str:
        looked.append(chains)
        return "poor" if len(looked) == 1 else fault(chains, pareto_k)

    def counted(*arguments: Any, **options: Any) -> Adapted:
        sizes.append(options["size"])
        return adapt(*arguments, **options)

    forced(monkeypatch, "_HOPELESS", hopeless)
    monkeypatch.setattr(sample, "_fault", poor_at_first)
    monkeypatch.setattr(sample, "adapt", counted)
    _, info = run(BY_NAME["correlated_2"], draws=1000)
    assert sizes == rounds
    assert len(looked) == 2
    assert "fallback" not in info


def test_a_proposal_that_more_draws_show_to_be_hopeless_is_not_adapted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    adapt, weighted, sizes, looks = sample.adapt, sample.weighted, [], []

    def too_good(*arguments: Any, **options: Any) -> Adapted:
        sizes.append(options["size"])
        return replace(adapt(*arguments, **options), efficiency=0.025)

    def all_on_one(*arguments: Any) -> tuple[np.ndarray, np.ndarray]:
        looks.append(arguments[-1])
        z, weight = weighted(*arguments)
        return z, np.eye(1, len(weight))[0]

    monkeypatch.setattr(sample, "adapt", too_good)
    monkeypatch.setattr(sample, "weighted", all_on_one)
    _, info = run(BY_NAME["few_rows"], draws=50, tune=50)
    # 0.025 is no reason to give up, 1 / 2,000 is.
    assert (sizes, looks) == ([400], [2000] * 5)
    assert info["sampler"] == "NUTS on the marginal density"


# ---------------------------------------------------------------- where NUTS steps in


def forced(monkeypatch: pytest.MonkeyPatch, threshold: str, value: float) -> None:
    monkeypatch.setattr(sample, threshold, value)


@pytest.mark.parametrize(
    ("threshold", "value", "reason"),
    [
        ("_LEAST_WORTH", 9.0, r"a draw of the chains is worth \d+\.\d% of an independent one"),
        ("_LEAST_ACCEPTED", 1.1, r"\d\d% of the proposals were accepted"),
        ("_LARGEST_K", -9.0, r"the importance ratios have a Pareto k of -?\d\.\d\d"),
    ],
)
def test_nuts_steps_in_and_says_why(monkeypatch: pytest.MonkeyPatch, threshold: str, value: float, reason: str) -> None:
    case, calls = BY_NAME["few_rows"], []
    forced(monkeypatch, threshold, value)
    settings = SamplerSettings(**{**SHORT, "draws": 100, "tune": 100})
    tree, info = sample_collapsed(
        case.design, case.priors, moments_of(case.design), settings, progress=lambda *state: calls.append(state)
    )
    assert list(info) == ["engine", "sampler", "fallback", "proposal_efficiency", "sample_seconds"]
    assert (info["engine"], info["sampler"]) == ("collapsed", "NUTS on the marginal density")
    assert re.fullmatch(reason, info["fallback"]), info["fallback"]
    stats = tree["sample_stats"].to_dataset()
    assert {"diverging", "energy", "tree_depth", "step_size"} <= set(stats.data_vars)
    assert "pareto_k" not in stats
    assert tree["posterior"].sizes["draw"] == 100
    assert list(tree["posterior"].data_vars) == list(posterior_dims(case.design))
    # Two chains of 100 warm-up draws and 100 others.
    assert all(total == 400 and 0 <= done <= 400 for done, total, _ in calls)


@pytest.mark.parametrize("name", ["correlated_2", pytest.param("residual_by", marks=pytest.mark.slow)])
def test_nuts_on_the_marginal_density_has_the_posterior_of_the_chains(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    case = BY_NAME[name]
    chains, info = run(case, draws=3000, chains=4)
    assert "fallback" not in info
    forced(monkeypatch, "_LEAST_ACCEPTED", 1.1)
    nuts, info = run(case, draws=800, chains=4, cores=2, seed=3)
    assert "fallback" in info
    assert int(nuts["sample_stats"]["diverging"].sum()) <= 3
    z = deviations(once(posterior_of(chains), case.design), once(posterior_of(nuts), case.design))
    # Means and SDs of 16 and of 42 quantities: beyond 4.5 standard errors in 1 of 1,200 seeds.
    assert len(z) == {"correlated_2": 2 * 16, "residual_by": 2 * 42}[name]
    assert z.abs().max() < 4.5, z.abs().idxmax()


@pytest.mark.slow
def test_nuts_on_the_marginal_density_has_the_posterior_of_nuts_on_the_joint_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = BY_NAME["residual_by"]
    forced(monkeypatch, "_LEAST_ACCEPTED", 1.1)
    mine, info = run(case, draws=1500, tune=500, chains=4, cores=2)
    assert "fallback" in info
    settings = SamplerSettings(draws=1500, tune=1000, chains=4, cores=2, seed=4, target_accept=0.97)
    theirs, info = sample_nuts(case.design, case.priors, settings)
    assert info["density"] == "compiled"
    # Divergences would be a region that NUTS has not seen; a few at scales near zero are of no weight.
    assert int(theirs["sample_stats"]["diverging"].sum()) <= 6
    z = deviations(once(posterior_of(mine), case.design), once(posterior_of(theirs), case.design))
    # Means and SDs of 42 quantities: beyond 4.5 standard errors in 1 of 1,700 seeds.
    assert len(z) == 2 * 42
    assert z.abs().max() < 4.5, z.abs().idxmax()


def test_nuts_on_the_marginal_density_gives_the_same_draws_again() -> None:
    case = BY_NAME["few_rows"]
    settings = SamplerSettings(**{**SHORT, "draws": 50, "tune": 50})
    first, _ = sample_marginal(case.marginal, np.zeros(2), np.eye(2), settings)
    again, _ = sample_marginal(case.marginal, np.zeros(2), np.eye(2), settings)
    assert first.shape == (2, 50, 2)
    np.testing.assert_array_equal(first, again)


def many_residual_sds(levels: int = 40, rows: int = 8) -> Case:
    """As many residual SDs as there are levels, with a few rows each."""
    rng = np.random.default_rng(11)
    group = np.repeat(np.arange(levels), rows)
    frame = pd.DataFrame(
        {
            "score": 50 + rng.normal(0, rng.gamma(3.0, 2.0, levels)[group]),
            "x": rng.normal(0, 1, levels * rows),
            "group": pd.Categorical.from_codes(group, [f"g{k}" for k in range(levels)], ordered=True),
        }
    )
    case = Case("many", "score ~ x + (1 | group)", options={"residual_by": "group"})
    spec = ModelSpec(case.formula, autoscale=True, residual_by="group")
    design = spec.design(frame)
    object.__setattr__(case, "frame", frame)
    object.__setattr__(case, "spec", spec)
    object.__setattr__(case, "design", design)
    return case


def test_forty_residual_sds_are_sampled_one_way_or_the_other() -> None:
    # 41 hyperparameters: far more than a proposal can be expected to follow, and yet the draws are right. Given what
    # the level effects leave, each residual SD has its own posterior, near that of the level's sum of squares.
    case = many_residual_sds()
    assert case.marginal.hyper.size == 41
    tree, info = run(case, draws=500, chains=4, cores=2)
    posterior = posterior_of(tree)
    assert info["sampler"] in ("independence Metropolis-Hastings", "NUTS on the marginal density")
    assert max(float(values.max()) for values in az.rhat(posterior).data_vars.values()) < 1.05
    design = case.design
    # The full conditional of each residual SD holds draw by draw: E of sum of squares / sigma^2 is n - 1 minus what the
    # prior pulls. The identity below is exact: the derivative of the log posterior by log sigma has mean 0.
    fitted = posterior["beta"].values @ design.rows.x.T
    fitted = fitted + posterior["u_group"].values[..., 0][..., design.rows.index["group"]]
    square = (design.outcome.coded - fitted) ** 2
    level = design.rows.residual
    sums = np.stack([square[..., level == k].sum(axis=-1) for k in range(40)], axis=-1)
    scale = case.priors["sigma[g0]"].prior.arguments["sigma"]
    sigma = posterior["sigma"].values
    score = -8 + sums / sigma**2 + 1 - (sigma / scale) ** 2
    data = xr.DataArray(score, dims=("chain", "draw", "level")).to_dataset(name="score")
    z = (data.mean(("chain", "draw")) / az.mcse(data, method="mean"))["score"]
    # 40 means: beyond 4.5 standard errors in 1 of 3,600 seeds.
    assert float(np.abs(z).max()) < 4.5
