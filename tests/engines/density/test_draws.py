"""From the unconstrained vector to variables: sums are divided as the prior has it; chains begin where it has mass."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_bayes import Model
from alliance_bayes.engines.density import log_density, model_data_of, starting_point, variables_of
from alliance_bayes.engines.density.model_data import ModelData, scalar_names, shared_terms
from alliance_bayes.model import Design, ModelSpec, PriorTable
from builders import rows
from engines.density.test_density import CASES
from engines.test_graph import applied, linear_predictor

PRIORS = {
    "Intercept": "Normal(50, 8)",
    "alliance": "Normal(1, 3)",
    "age": "StudentT(4, 0, 1)",
    "sigma": "HalfNormal(10)",
    "tau_country[Intercept]": "HalfNormal(5)",
    "tau_country[alliance]": "HalfNormal(5)",
    "tau_provider_type[Intercept]": "HalfNormal(5)",
    "tau_sex[age]": "HalfNormal(5)",
}
N = 40_000


@pytest.fixture(scope="module")
def model() -> tuple[Design, PriorTable, ModelData]:
    spec = ModelSpec(
        "who5_followup ~ alliance + age + (alliance || country) + (1 || provider_type) + (0 + age || sex)",
        priors=PRIORS,
        exhaustive=(),
        autoscale=True,
    )
    design = spec.design(rows(60, countries=4))
    priors = spec.priors_for(design)
    return design, priors, model_data_of(design, priors)


def test_a_sum_is_divided_among_coefficient_and_level_means_as_the_prior_has_it(
    model: tuple[Design, PriorTable, ModelData],
) -> None:
    design, priors, data = model
    names = scalar_names(design, priors)
    # The intercept has two factors whose level means add to it, alliance one, and age, which is not normal, none.
    assert shared_terms(design, priors) == ("Intercept", "alliance")
    rng = np.random.default_rng(1)
    q = rng.normal(size=(N, data.size))
    taus = {"tau_country[Intercept]": 6.0, "tau_country[alliance]": 2.0, "tau_provider_type[Intercept]": 3.0}
    taus |= {"tau_sex[age]": 1.5}
    for name, tau in taus.items():
        q[:, names.index(name)] = np.log(tau)
    # In their unit, level effects have variance 1 + tau^2 x information under the prior.
    at = len(names) + 2
    for b, tau in enumerate(taus[names[scalar]] for scalar in data.block_tau):
        size = data.block_levels[b] - data.block_summing[b]
        q[:, at : at + size] *= np.sqrt(1 + tau**2 * data.block_information[b])
        at += size
    drawn = variables_of(design, priors, data, q, rng)
    columns, sds = [], []
    for term, (mean, sd) in {"Intercept": (50, 8), "alliance": (1, 3)}.items():
        columns.append(drawn["beta"][:, design.terms.index(term)] - mean)
        sds.append(sd)
    for factor in design.factors:
        for t, term in enumerate(factor.terms):
            columns += list(drawn[f"u_{factor.name}"][:, :, t].T)
            sds += [taus[f"tau_{factor.name}[{term}]"]] * len(factor.levels)
    z = np.array(columns) / np.array(sds)[:, None]
    assert len(z) == 2 + 4 + 4 + 3 + 2
    # Independent standard normal variables: 15 means, 15 variances, 105 covariances; 4.5 standard errors of each is a
    # false alarm in 1 of 1,000 seeds.
    assert np.abs(z.mean(axis=1)).max() < 4.5 / np.sqrt(N)
    away = z @ z.T / N - np.eye(len(z))
    assert np.abs(np.diag(away)).max() < 4.5 * np.sqrt(2 / N)
    assert np.abs(away - np.diag(np.diag(away))).max() < 4.5 / np.sqrt(N)
    np.testing.assert_array_equal(drawn["beta"][:, design.terms.index("age")], q[:, names.index("age")])


@pytest.mark.parametrize("case", CASES)
def test_chains_begin_where_the_density_is_finite(case: str) -> None:
    formula, options = CASES[case]
    data = model_data_of(*applied(formula, autoscale=True, **options))
    first = starting_point(data)
    points = [first(seed) for seed in range(20)]
    assert all(np.isfinite(log_density(q, data)[0]) for q in points)
    np.testing.assert_array_equal(points[3], first(3))
    assert np.ptp(points, axis=0).max() <= 2.0


def test_hundreds_of_levels_begin_where_the_density_is_finite() -> None:
    frame = rows(400, countries=3)
    frame["score"] = np.arange(400.0)
    spec = ModelSpec("score ~ alliance + (1 || country)", family="cumulative", autoscale=True)
    design = spec.design(frame)
    data = model_data_of(design, spec.priors_for(design))
    assert data.stick_second.size == 399
    assert all(np.isfinite(log_density(starting_point(data)(seed), data)[0]) for seed in range(20))


def test_a_point_without_a_finite_gradient_cannot_be(model: tuple[Design, PriorTable, ModelData]) -> None:
    design, priors, data = model
    q = starting_point(data)(1)
    q[scalar_names(design, priors).index("sigma")] = -800.0  # an SD that a double takes for zero
    assert np.isnan(log_density(q, data)[0])


@pytest.mark.parametrize(
    "formula",
    [
        "count ~ wide + age",
        "count ~ wide + I(wide**2) + (wide || country)",
        "count ~ wide + (wide | country) + (1 | country:sex)",
        "count ~ s(wide) + age",
    ],
)
@pytest.mark.parametrize("family", ["poisson", "negative_binomial"])
def test_chains_begin_where_the_linear_predictor_is_of_a_few_units_whatever_the_columns_unit(
    family: str, formula: str
) -> None:
    frame = rows(200, countries=6)
    rng = np.random.default_rng(2)
    frame["wide"] = rng.normal(500, 40, len(frame))
    frame["count"] = rng.poisson(3, len(frame))
    spec = ModelSpec(formula, family=family)
    design = spec.design(frame)
    priors = spec.priors_for(design)
    data = model_data_of(design, priors)
    q = np.stack([starting_point(data)(seed) for seed in range(40)])
    drawn = variables_of(design, priors, data, q, rng)
    values = [{name: array[k] for name, array in drawn.items()} for k in range(len(q))]
    eta = np.stack([linear_predictor(design, point) for point in values])
    # A unit from the columns, and from each block of level effects a few units of what its levels are known to.
    assert np.abs(eta - eta.mean(axis=0)).max() < 6.0
    assert eta.mean(axis=1).std() > 0.1
    gradients = np.stack([log_density(point, data)[1] for point in q])
    assert np.isfinite(gradients).all()


def test_a_slope_along_a_wide_column_is_recovered_from_every_start() -> None:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"height": rng.normal(460, 36, 300), "brood": [f"b{k // 3:03d}" for k in range(300)]})
    frame["ticks"] = rng.poisson(
        np.exp(0.5 - 0.025 * (frame["height"] - 460) + rng.normal(0, 1, 100)[np.arange(300) // 3])
    )
    model = Model("ticks ~ height + (1 | brood)", family="poisson", roles={"brood": "group"})
    for seed in (4, 5, 6, 7):  # chains that begin at a slope of 1 are lost, in each of these
        fit = model.fit(frame, seed=seed, draws=200, tune=300)
        slopes = fit.tree["posterior"]["beta"].sel(term="height").mean("draw").to_numpy()
        assert np.abs(slopes + 0.025).max() < 0.01
