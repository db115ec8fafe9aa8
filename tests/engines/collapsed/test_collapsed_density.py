"""The marginal log density against dense algebra over rows, numerical integration, and the PyMC graph integrated."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.graph.replace import graph_replace, vectorize_graph
from scipy import integrate, special, stats

from alliance_bayes.engines.collapsed.hyper import Hyper
from alliance_bayes.engines.graph import build_graph
from engines.collapsed.cases import BY_NAME, CASES, Case
from engines.collapsed.dense import exact_log_likelihood, extremes, log_prior, natural, points


@pytest.mark.parametrize("case", CASES, ids=str)
def test_log_density_is_that_of_dense_algebra(case: Case) -> None:
    hyper = case.marginal.hyper
    theta = points(hyper, 3)
    found = case.marginal.log_density(theta)
    expected = [
        exact_log_likelihood(case.design, case.priors, natural(hyper, at)) + log_prior(hyper, at) for at in theta
    ]
    # Sums of up to thousands of squares in double precision; far priors make them 1e6 before they cancel.
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-10)
    assert np.ptp(found) > 1


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=str)
def test_log_likelihood_is_that_of_dense_algebra_at_the_edges(case: Case) -> None:
    hyper = case.marginal.hyper
    theta = extremes(hyper)
    prior = hyper.log_prior(theta)
    found = case.marginal.log_density(theta) - prior
    expected = np.array([exact_log_likelihood(case.design, case.priors, natural(hyper, at)) for at in theta])
    # The log prior of a scale of 1e3 is -1e6 or so: the difference keeps what that leaves of 16 digits. Squares over a
    # residual variance of 1e-4 are 1e8 before what the coefficients explain is taken off: four digits more for that.
    outcome = case.design.outcome.coded
    squares = ((outcome - outcome.mean()) ** 2).sum() / np.exp(2 * theta[:, : len(hyper.sigma)]).min(axis=1)
    room = 1e-15 * np.abs(prior) + 1e-12 * (np.abs(expected) + squares) + 1e-10
    assert (np.abs(found - expected) < room).all(), (found - expected) / room


def test_cases_cover_what_they_are_named_for() -> None:
    assert {case.name: case.marginal.equations.eliminated for case in CASES} == {
        "intercept": None,
        "no_factor": None,
        "no_intercept": "country",
        "no_common_terms": "country",
        "crossed": "country",
        "nested_labels": "provider",
        "nested_product": "country:site",
        "exhaustive": None,
        "exhaustive_crossed": "provider",
        "correlated_2": "country",
        "correlated_3": "provider",
        "correlated_dense": "provider",
        "correlated_both": "provider",
        "correlated_exhaustive": "country",
        "residual_by": "provider",
        "residual_by_many": "provider",
        "residual_by_alone": None,
        "smooth": "country",
        "everything": "provider",
        "more_coefficients_than_rows": "provider",
        "few_rows": "sex",
        "far_priors": "country",
        "heavy_tails": "country",
    }
    assert BY_NAME["more_coefficients_than_rows"].marginal.equations.n_coefficients == 39 > 2 * 14
    assert BY_NAME["no_common_terms"].design.terms == ()
    crowded = np.bincount(BY_NAME["correlated_3"].design.rows.index["provider"])
    assert crowded.min() == 1


def test_many_thetas_at_once_are_the_thetas_one_by_one() -> None:
    marginal = BY_NAME["everything"].marginal
    theta = points(marginal.hyper, 600)
    together = marginal.log_density(theta)
    assert np.isfinite(together).all()
    np.testing.assert_array_equal(together, [marginal.log_density(at[None])[0] for at in theta])


def test_a_scale_of_nothing_is_the_model_without_the_factor() -> None:
    case, plain = BY_NAME["correlated_2"], Case("plain", "score ~ x")
    theta = points(case.marginal.hyper, 1)
    theta[0, 1:3] = -300.0
    found = case.marginal.log_density(theta) - case.marginal.hyper.log_prior(theta)
    expected = plain.marginal.log_density(theta[:, :1]) - plain.marginal.hyper.log_prior(theta[:, :1])
    np.testing.assert_allclose(found, expected, rtol=1e-13)  # the same sums, but for their order


@pytest.mark.parametrize("name", ["everything", "heavy_tails", "correlated_3", "intercept"])
def test_no_theta_however_wild_is_an_error(name: str) -> None:
    marginal = BY_NAME[name].marginal
    for value in (-1e4, -800.0, 800.0, 1e4, np.nan, np.inf, -np.inf):
        theta = np.full((2, marginal.hyper.size), value)
        found = marginal.log_density(theta)
        assert found.shape == (2,)
        assert not np.isnan(found).any()
        assert (found < -1e2).all()


# ---------------------------------------------------------------- integration over the coefficients


def test_log_density_is_the_integral_over_two_coefficients() -> None:
    # An intercept and one contrast of two levels, six rows: plain normal densities under adaptive quadrature.
    case = Case("two", "score ~ 1 + (1 | sex)", n=6, options={"exhaustive": ("sex",)})
    sign = np.where(case.design.rows.index["sex"] == 0, 1.0, -1.0) / np.sqrt(2)
    prior, y = case.priors["Intercept"].prior.arguments, case.design.outcome.coded
    sigma, tau = 6.0, 4.0
    theta = np.log([[sigma, tau]])
    found = case.marginal.log_density(theta)[0] - case.marginal.hyper.log_prior(theta)[0]

    def integrand(contrast: float, intercept: float) -> float:
        parts = (y - intercept - contrast * sign) / sigma, contrast / tau, (intercept - prior["mu"]) / prior["sigma"]
        constant = np.log(2 * np.pi) * (len(y) + 2) / 2 + len(y) * np.log(sigma) + np.log(tau * prior["sigma"])
        # Divided by what it should be, so that the quadrature's absolute error is a relative one.
        return float(np.exp(-0.5 * sum(np.sum(part**2) for part in parts) - constant - found))

    # Eight prior SDs of the contrast, ten posterior SDs of the intercept.
    value, error = integrate.nquad(integrand, [(-32.0, 32.0), (y.mean() - 25, y.mean() + 25)])
    assert error < 1e-7
    assert value == pytest.approx(1.0, abs=1e-7)


def test_log_density_is_the_integral_over_three_coefficients() -> None:
    case = BY_NAME["few_rows"]
    marginal, level, y = case.marginal, case.design.rows.index["sex"], case.design.outcome.coded
    prior = case.priors["Intercept"].prior.arguments
    for sigma, tau in ((6.0, 4.0), (1.0, 20.0), (30.0, 0.1)):

        def log_density(at: np.ndarray, sigma: float = sigma, tau: float = tau) -> np.ndarray:
            total = stats.norm.logpdf(y, at[:, :1] + at[:, 1:][:, level], sigma).sum(axis=1)
            total += stats.norm.logpdf(at[:, 1:], 0, tau).sum(axis=1)
            return total + stats.norm.logpdf(at[:, 0], prior["mu"], prior["sigma"])

        theta = np.log([[sigma, tau]])
        found = marginal.log_density(theta)[0] - marginal.hyper.log_prior(theta)[0]
        assert found == pytest.approx(log_integral(log_density, 3), abs=1e-8)  # the grid's ends, see below


STEP = 0.8  # of the grid, in SDs
TINY = {
    "sampled factor": ("score ~ 1 + (1 | sex)", ()),
    "slopes of a sampled factor": ("score ~ 0 + (0 + x | sex)", ()),
    "exhaustive factor": ("score ~ 1 + (1 | sex)", ("sex",)),
    "residual SDs by level": ("score ~ x", ()),
    "correlated exhaustive factor": ("score ~ 1 + (x | sex)", ("sex",)),
    "correlated sampled factor": ("score ~ 0 + (x | sex)", ()),
}


@pytest.mark.slow
@pytest.mark.usefixtures("python_mode")
@pytest.mark.parametrize("name", TINY)
def test_log_density_is_the_integral_of_the_graph(name: str) -> None:
    formula, exhaustive = TINY[name]
    residual_by = "sex" if name == "residual SDs by level" else None
    case = Case(name, formula, n=8, options={"exhaustive": exhaustive, "residual_by": residual_by})
    hyper = case.marginal.hyper
    model = build_graph(case.design, case.priors)
    theta = points(hyper, 3, seed=3)
    found = case.marginal.log_density(theta)
    expected = [integrated(model, hyper, at) for at in theta]
    # The grid's ends at 6.4 SDs leave out 2e-10 of a normal density an axis, its step of 0.8 SDs 1e-13; PyMC holds some
    # constants in single precision, 1e-7 of each of a dozen.
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)
    assert np.ptp(found) > 0.1


def integrated(model: pm.Model, hyper: Hyper, theta: np.ndarray) -> float:
    """Log of the integral of the graph's density over all that is not a hyperparameter, in the units of theta."""
    values, log_jacobian = in_the_graph(hyper, theta)
    start = model.initial_point()
    free = [v for v in model.value_vars if v.name not in values]
    assert len(values) + len(free) == len(model.value_vars)
    assert all(v.name.startswith(("effects_", "z_", "beta")) for v in free)
    # Level effects are sampled in a unit of their own, which counts; the transforms of hyperparameters are counted
    # above, and other coefficients are not transformed but by an orthonormal basis.
    scaled = [v for v in model.basic_RVs if v.name.startswith("effects_")]
    log_p = model.logp(vars=[v for v in model.basic_RVs if v not in scaled], jacobian=False)
    if scaled:
        log_p = log_p + model.logp(vars=scaled, jacobian=True)
    log_p = graph_replace(log_p, {v: pt.constant(values[v.name]) for v in model.value_vars if v.name in values})
    batch = {v: pt.tensor(v.name, shape=(None, *v.type.shape), dtype=v.type.dtype) for v in free}
    function = pytensor.function(list(batch.values()), vectorize_graph(log_p, batch), on_unused_input="ignore")
    shapes = [start[v.name].shape for v in free]
    sizes = [int(np.prod(shape)) for shape in shapes]

    def log_density(at: np.ndarray) -> np.ndarray:
        parts = np.split(at, np.cumsum(sizes)[:-1], axis=1)
        return np.asarray(function(*(part.reshape(-1, *shape) for part, shape in zip(parts, shapes, strict=True))))

    return log_jacobian + log_integral(log_density, sum(sizes))


def in_the_graph(hyper: Hyper, theta: np.ndarray) -> tuple[dict[str, np.ndarray], float]:
    """Values of the graph's variables at a theta, and the log Jacobian from theta to their untransformed selves."""
    at = natural(hyper, theta)
    values = {"sigma_log__": np.log(at.sigma) if len(at.sigma) > 1 else np.log(at.sigma[0])}
    log_jacobian = float(np.log(at.sigma).sum())
    scales = np.array(list(at.tau.values()))
    if hyper.correlated:
        (first, second), r = scales, at.correlation["sex"][1, 0]
        packed = np.array([first, second * r, second * np.sqrt(1 - r**2)])
        # The Cholesky factor's density is stated over its own elements; the transformed ones are on a log diagonal.
        values["chol_sex_cholesky-cov-packed__"] = np.array([np.log(packed[0]), packed[1], np.log(packed[2])])
        # From (tau, tau, r) to the Cholesky factor, and from (log tau, log tau, atanh r) to (tau, tau, r).
        log_jacobian += np.log(second) - 0.5 * np.log1p(-(r**2)) + np.log(scales).sum() + np.log1p(-(r**2))
    elif len(scales):
        values["tau_sex_log__"] = np.log(scales)
        log_jacobian += np.log(scales).sum()
    return values, log_jacobian


def log_integral(log_density: Callable[[np.ndarray], np.ndarray], size: int) -> float:
    """Log of the integral of exp(log_density) over ``size`` dimensions, by the trapezoidal rule on a grid.

    The grid's axes are those of the normal density with the same curvature at its top.
    """
    unit = np.eye(size)
    zero, plus, minus = log_density(np.zeros((1, size)))[0], log_density(unit), log_density(-unit)
    both = log_density((unit[:, None] + unit).reshape(-1, size)).reshape(size, size)
    hessian = both - plus[:, None] - plus + zero
    centre = -np.linalg.solve(hessian, (plus - minus) / 2)
    root = np.linalg.cholesky(np.linalg.inv(-hessian))
    axis = np.arange(-8, 9) * STEP
    grid = np.array(list(product(axis, repeat=size)))
    found = log_density(centre + grid @ root.T)
    # Nothing at the rim, everything near the middle: the grid covers what there is.
    assert found.max() - log_density(centre[None])[0] < 1e-6
    assert found[np.abs(grid).max(axis=1) == axis[-1]].max() < found.max() - 18
    return float(special.logsumexp(found) + size * np.log(STEP) + np.log(np.diag(root)).sum())
