"""Smooths in the engine: layout, prior draws, graph, and a planted bend found again."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alliance_bayes.engines import SamplerSettings, posterior_coords, posterior_dims, sample_nuts, sample_prior
from alliance_bayes.engines.graph import build_graph
from alliance_bayes.model import Design, ModelSpec, PriorTable
from builders import rows

FORMULA = "who5_followup ~ s(alliance, k=5) + age + (1 | country)"


@pytest.fixture(scope="module")
def applied() -> tuple[Design, PriorTable]:
    spec = ModelSpec(FORMULA, priors={"tau_s_alliance": "Exponential(0.25)"})
    design = spec.design(rows(70, countries=3))
    return design, spec.priors_for(design)


def test_coefficients_come_before_their_scale(applied: tuple[Design, PriorTable]) -> None:
    design, _ = applied
    assert list(posterior_dims(design).items()) == [
        ("beta", ("term",)),
        ("sigma", ()),
        ("u_country", ("country", "country_term")),
        ("tau_country", ("country_term",)),
        ("u_s_alliance", ("s_alliance",)),
        ("tau_s_alliance", ()),
    ]
    assert posterior_coords(design)["s_alliance"] == ["1", "2", "3"]


def test_prior_draws_are_normal_given_the_scale(applied: tuple[Design, PriorTable]) -> None:
    design, priors = applied
    prior = sample_prior(design, priors, draws=20_000, seed=1).isel(chain=0)
    assert prior["u_s_alliance"].dims == ("draw", "s_alliance")
    # Four Kolmogorov-Smirnov tests with a floor of 1e-5: a false alarm in 25,000 seeds.
    assert stats.kstest(prior["tau_s_alliance"], stats.expon(scale=4).cdf).pvalue > 1e-5
    z = (prior["u_s_alliance"] / prior["tau_s_alliance"]).values
    for column in z.T:
        assert stats.kstest(column, "norm").pvalue > 1e-5
    # The departure from a straight line has variance E tau^2 = 32 on average over the rows.
    bend = prior["u_s_alliance"].values @ design.rows.basis["s_alliance"].T
    mean = (bend**2).mean(axis=1)
    assert abs(mean.mean() - 32.0) < 4.5 * mean.std() / np.sqrt(20_000)


@pytest.mark.usefixtures("python_mode")
@pytest.mark.parametrize("family", ["gaussian", "cumulative"])
def test_likelihood_of_the_graph_is_that_of_numpy(family: str) -> None:
    spec = ModelSpec(FORMULA, family=family)
    design = spec.design(rows(50, countries=3))
    model = build_graph(design, spec.priors_for(design))
    names = list(posterior_dims(design))
    assert {name: tuple(model.named_vars_to_dims.get(name, ())) for name in names} == posterior_dims(design)
    function = model.compile_fn(
        [
            *model.replace_rvs_by_values([model[name] for name in names]),
            model.logp(vars=model.observed_RVs, sum=False)[0],
        ],
        inputs=model.value_vars,
    )
    rng = np.random.default_rng(0)
    point = {name: value + rng.normal(0, 0.7, np.shape(value)) for name, value in model.initial_point().items()}
    *drawn, log_p = function(point)
    values = dict(zip(names, drawn, strict=True))
    eta = design.rows.x @ values["beta"] + values["u_country"][design.rows.index["country"], 0]
    eta = eta + design.rows.basis["s_alliance"] @ values["u_s_alliance"]
    own = {name: np.asarray(values[name]) for name in design.family.parameters}
    # Sums of a few logarithms in double precision.
    np.testing.assert_allclose(log_p, design.family.log_density(eta, own, design.outcome), rtol=1e-9, atol=1e-9)
    assert np.abs(values["u_s_alliance"]).min() > 0


def test_a_planted_bend_is_found() -> None:
    frame, rng = rows(300, countries=3), np.random.default_rng(4)
    x = frame["alliance"] = np.round(rng.uniform(1, 5, 300), 2)
    truth = 40 + 25 / (1 + np.exp(-3 * (x - 3.2)))
    frame["who5_followup"] = truth + rng.normal(0, 6, 300)
    spec = ModelSpec("who5_followup ~ s(alliance)")
    design = spec.design(frame)
    settings = SamplerSettings(draws=400, tune=400, chains=2, seed=1, target_accept=0.9)
    tree, _ = sample_nuts(design, spec.priors_for(design), settings)
    posterior = tree["posterior"].to_dataset()
    grid = np.linspace(1.2, 4.8, 10)
    new = design.evaluate(frame.iloc[:10].assign(alliance=grid))
    beta = posterior["beta"].values.reshape(-1, 2)
    u = posterior["u_s_alliance"].values.reshape(-1, 6)
    curve = beta @ new.x.T + u @ new.basis["s_alliance"].T
    gap = (curve.mean(axis=0) - (40 + 25 / (1 + np.exp(-3 * (grid - 3.2))))) / curve.std(axis=0)
    # Ten points on a curve of some six degrees of freedom, each within 3.5 posterior SDs: a false alarm in 200 seeds,
    # with a little bias where the curve is smoothed.
    assert np.abs(gap).max() < 3.5
    # The bend is there: a straight line misses the truth by 3.9 points on average (root mean square).
    bend = u @ design.rows.basis["s_alliance"].T
    line = np.column_stack([np.ones(300), x])
    missed = truth - line @ np.linalg.lstsq(line, truth, rcond=None)[0]
    size = np.sqrt((bend**2).mean(axis=1))
    assert abs(size.mean() - np.sqrt((missed**2).mean())) < 4 * size.std()
    assert size.min() > 0.5
