"""The joint prior of coefficients and level effects in the graph is the one that is stated."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytensor
import pytest
from pytensor.graph.traversal import ancestors
from scipy import linalg, stats

from alliance_bayes.engines import posterior_dims, sample_prior
from alliance_bayes.engines.graph import build_graph
from alliance_bayes.model import Design, ModelSpec, PriorTable
from builders import rows

pytestmark = pytest.mark.usefixtures("python_mode")


def applied(formula: str, **options: Any) -> tuple[Design, PriorTable]:
    spec = ModelSpec(formula, autoscale=True, **options)
    design = spec.design(rows(60, countries=4))
    return design, spec.priors_for(design)


def conditional_moments(
    model: pm.Model, given: dict[str, np.ndarray], outputs: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Exact mean and covariance of stacked outputs given the scales.

    Given the scales, beta is normal and u linear in independent normals and in normals that sum to zero, so the map's
    columns and the inputs' covariance give the covariance without Monte Carlo error.
    """
    inputs = [v for v in model.free_RVs if v.name.startswith(("effects_", "z_", "beta")) or v.name in given]
    function = pytensor.function(inputs, [model[name] for name in outputs], on_unused_input="ignore")
    normal = [v.name for v in inputs if v.name not in given]
    shapes = {v.name: v.shape.eval() for v in inputs}

    def evaluate(values: dict[str, np.ndarray]) -> np.ndarray:
        return np.concatenate(
            [out.ravel() for out in function(*(values.get(v.name, given.get(v.name)) for v in inputs))]
        )

    middle = {name: prior_mean(model[name], shapes[name]) for name in normal}
    mean = evaluate(middle)
    columns, covariances = [], []
    for name in normal:
        size = int(np.prod(shapes[name]))
        for k in range(size):
            unit = np.zeros(size)
            unit[k] = 1.0
            columns.append(evaluate({**middle, name: middle[name] + unit.reshape(shapes[name])}) - mean)
        covariances.append(prior_covariance(model[name], shapes[name], given))
    jacobian = np.column_stack(columns)
    return mean, jacobian @ linalg.block_diag(*covariances) @ jacobian.T


def sums_to_zero(variable: Any) -> bool:
    return type(variable.owner.op).__name__.startswith("ZeroSum")


def prior_mean(variable: Any, shape: tuple[int, ...]) -> np.ndarray:
    if sums_to_zero(variable):
        return np.zeros(shape)
    return np.broadcast_to(variable.owner.op.dist_params(variable.owner)[0].eval(), shape)


def prior_covariance(variable: Any, shape: tuple[int, ...], given: dict[str, np.ndarray]) -> np.ndarray:
    """Covariance of a normal variable's elements, whose rows may sum to zero."""
    zero_sum = sums_to_zero(variable)
    sigma = variable.owner.op.dist_params(variable.owner)[0 if zero_sum else 1]
    scales = [v for v in ancestors([sigma]) if v.name in given]
    sds = pytensor.function(scales, sigma)(*(given[v.name] for v in scales))
    if not zero_sum:
        return np.diag(np.broadcast_to(sds, shape).ravel() ** 2)
    of_rows = np.eye(shape[-1]) - 1 / shape[-1]
    return np.kron(np.diag(np.broadcast_to(sds, (*shape[:-1], 1)).ravel() ** 2), of_rows)


SCALES = [
    {"tau_country": [3.0, 0.7], "tau_provider_type": [2.0, 4.0, 1.5], "tau_sex": [5.0, 0.3]},
    {"tau_country": [0.01, 20.0], "tau_provider_type": [40.0, 0.2, 6.0], "tau_sex": [0.5, 9.0]},
]


@pytest.mark.parametrize("scales", SCALES)
def test_the_graph_has_the_joint_prior_of_independent_coefficients_and_effects(scales: dict[str, list[float]]) -> None:
    # Two sampled factors share two columns; one of them also pools a column that has no common coefficient.
    design, priors = applied(
        "who5_followup ~ alliance + age + (alliance || country) + (alliance + days_in_care || provider_type)"
        " + (alliance || sex)",
        exhaustive=("sex",),
        priors={"Intercept": "Normal(50, 25)", "alliance": "Normal(2, 3)", "age": "Normal(1, 2)"},
    )
    model = build_graph(design, priors)
    given = {name: np.array(value) for name, value in scales.items()}
    assert design.factor("provider_type").terms == ("Intercept", "alliance", "days_in_care")
    outputs = ["beta", "u_country", "u_provider_type", "u_sex"]
    mean, covariance = conditional_moments(model, given, outputs)

    # beta ~ Normal(m, s), u ~ Normal(0, tau) for every level, all independent; exhaustive effects are centred.
    expected_mean = np.concatenate([[50, 2, 1], np.zeros(4 * 2 + 3 * 3 + 2 * 2)])
    blocks = [np.diag([25.0**2, 3.0**2, 2.0**2])]
    for name, levels in (("country", 4), ("provider_type", 3)):
        blocks.append(np.kron(np.eye(levels), np.diag(given[f"tau_{name}"] ** 2)))
    blocks.append(np.kron(np.eye(2) - 0.5, np.diag(given["tau_sex"] ** 2)))
    np.testing.assert_allclose(mean, expected_mean, atol=1e-9)
    # Scales of 40 and variances of 1,600 leave rounding errors of about 1e-12.
    np.testing.assert_allclose(covariance, linalg.block_diag(*blocks), atol=1e-9)


@pytest.mark.parametrize("exhaustive", [False, True])
def test_correlated_effects_have_the_covariance_of_their_cholesky_factor(exhaustive: bool) -> None:
    design, priors = applied(
        "who5_followup ~ alliance + (alliance | country)", exhaustive=("country",) if exhaustive else ()
    )
    model = build_graph(design, priors)
    packed = np.array([3.0, -0.8, 0.6])  # rows of the lower triangle
    cholesky = np.array([[3.0, 0.0], [-0.8, 0.6]])
    _, covariance = conditional_moments(model, {"chol_country": packed}, ["u_country"])
    levels = np.eye(4) - (0.25 if exhaustive else 0.0)
    np.testing.assert_allclose(covariance, np.kron(levels, cholesky @ cholesky.T), atol=1e-10)
    tau, correlation = pytensor.function([model["chol_country"]], [model["tau_country"], model["corr_country"]])(packed)
    np.testing.assert_allclose(tau, [3.0, 1.0], rtol=1e-12)
    np.testing.assert_allclose(correlation, [[1.0, -0.8], [-0.8, 1.0]], rtol=1e-12)


@pytest.mark.slow
def test_draws_of_the_graph_and_of_numpy_have_one_distribution() -> None:
    design, priors = applied(
        "who5_followup ~ alliance + age + (alliance || country) + (alliance | provider_type) + (1 || sex)"
    )
    model = build_graph(design, priors)
    names = list(posterior_dims(design))
    n = 4000
    graph = dict(zip(names, pm.draw([model[name] for name in names], draws=n, random_seed=3), strict=True))
    numpy = sample_prior(design, priors, draws=n, seed=4)
    p_values = {}
    for name in names:
        mine, theirs = graph[name].reshape(n, -1), numpy[name].values[0].reshape(n, -1)
        for k in range(mine.shape[1]):
            if np.ptp(theirs[:, k]) > 1e-9:  # not the diagonal of a correlation matrix
                p_values[name, k] = stats.ks_2samp(mine[:, k], theirs[:, k]).pvalue
    # 27 two-sample Kolmogorov-Smirnov tests: a false alarm in at most 1 of 3,700 seeds.
    assert len(p_values) == 27
    assert min(p_values.values()) > 1e-5, min(p_values, key=p_values.get)


@pytest.mark.slow
def test_correlation_in_the_graph_is_lkj() -> None:
    design, priors = applied(
        "who5_followup ~ alliance + age + (alliance + age | country)", priors={"corr_country": "LKJ(3)"}
    )
    correlation = pm.draw(build_graph(design, priors)["corr_country"], draws=3000, random_seed=5)
    np.testing.assert_allclose(np.diagonal(correlation, axis1=1, axis2=2), 1.0, rtol=1e-10)
    # Every off-diagonal element of LKJ(eta) in q dimensions is 2 Beta(eta - 1 + q/2, eta - 1 + q/2) - 1 (Lewandowski et
    # al. 2009).
    shape = 3 - 1 + 3 / 2
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert stats.kstest((correlation[:, i, j] + 1) / 2, stats.beta(shape, shape).cdf).pvalue > 1e-4
