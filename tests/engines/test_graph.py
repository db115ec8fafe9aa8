"""The PyMC graph says what the NumPy model says: likelihood, stated priors, names; and users can extend it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pymc as pm
import pytest
from scipy import stats

from alliance_bayes import Model, read_cohort
from alliance_bayes.engines import posterior_coords, posterior_dims
from alliance_bayes.engines.graph import build_graph
from alliance_bayes.errors import ModelError
from alliance_bayes.model import FAMILIES, Design, ModelSpec, PriorTable
from builders import of_family, rows

# A sampled factor with shared columns, a correlated one and an exhaustive one.
EVERY_KIND = "who5_followup ~ alliance + age + (alliance || country) + (alliance | provider_type) + (1 || sex)"


pytestmark = pytest.mark.usefixtures("python_mode")


def applied(formula: str, *, weighted: bool = False, **options: Any) -> tuple[Design, PriorTable]:
    frame = rows(60, countries=4)
    frame.loc[:3, "who5_followup"] = [0.0, 100.0, 0.0, 100.0]  # both ends of the scale, where censoring bites
    frame, own = of_family(frame, options.get("family", "gaussian"), above=45)
    spec = ModelSpec(formula, **(own | options))
    weights = np.random.default_rng(1).lognormal(size=len(frame)) if weighted else None
    design = spec.design(frame, weights=weights)
    return design, spec.priors_for(design)


def compiled(model: pm.Model, outputs: list[Any]) -> Callable[[dict[str, np.ndarray]], list[np.ndarray]]:
    """Values of variables as a function of a point: compiling takes longer than all points together."""
    replaced = model.replace_rvs_by_values(outputs)
    found: Callable[[dict[str, np.ndarray]], list[np.ndarray]] = model.compile_fn(
        replaced, inputs=model.value_vars, on_unused_input="ignore"
    )
    return found


def values_at(model: pm.Model, outputs: list[Any], point: dict[str, np.ndarray]) -> list[np.ndarray]:
    return compiled(model, outputs)(point)


def random_points(model: pm.Model, n: int, seed: int = 0) -> list[dict[str, np.ndarray]]:
    """Points of the unconstrained space; the scale keeps every likelihood away from underflow."""
    rng = np.random.default_rng(seed)
    start = model.initial_point()
    return [{name: value + rng.normal(0, 0.7, np.shape(value)) for name, value in start.items()} for _ in range(n)]


def linear_predictor(design: Design, values: dict[str, np.ndarray]) -> np.ndarray:
    eta = design.rows.x @ values["beta"] if design.terms else np.zeros(design.rows.n)
    for factor in design.factors:
        eta = eta + (design.rows.z[factor.name] * values[f"u_{factor.name}"][design.rows.index[factor.name]]).sum(
            axis=1
        )
    for smooth in design.smooths:
        eta = eta + design.rows.basis[smooth.name] @ values[f"u_{smooth.name}"]
    return eta


@pytest.mark.parametrize("family", list(FAMILIES))
def test_likelihood_of_the_graph_is_that_of_numpy(family: str) -> None:
    design, priors = applied(EVERY_KIND, family=family, autoscale=True)
    model = build_graph(design, priors)
    names = list(posterior_dims(design))
    observed = model.logp(vars=model.observed_RVs, sum=False)[0]
    function = model.compile_fn(
        [*model.replace_rvs_by_values([model[name] for name in names]), observed], inputs=model.value_vars
    )
    for point in random_points(model, 3):
        *drawn, log_p = function(point)
        values = dict(zip(names, drawn, strict=True))
        parameters = {name: np.asarray(values[name]) for name in design.family.parameters}
        expected = design.family.log_density(linear_predictor(design, values), parameters, design.outcome)
        # Both are sums of a few logarithms in double precision.
        np.testing.assert_allclose(log_p, expected, rtol=1e-10, atol=1e-10)
        assert np.ptp(log_p) > 0


@pytest.mark.parametrize("family", ["gaussian", "student_t", "censored_gaussian"])
def test_residual_sds_by_level_are_those_of_numpy(family: str) -> None:
    mixed = {"sigma[coach]": "Exponential(0.1)", "set": "weak"}
    for priors in ("weak", mixed):  # one kind of prior is one variable, several kinds are stacked
        design, table = applied(EVERY_KIND, family=family, autoscale=True, residual_by="provider_type", priors=priors)
        model = build_graph(design, table)
        names = list(posterior_dims(design))
        assert posterior_dims(design)["sigma"] == model.named_vars_to_dims["sigma"] == ("provider_type",)
        observed = model.logp(vars=model.observed_RVs, sum=False)[0]
        function = model.compile_fn(
            [*model.replace_rvs_by_values([model[name] for name in names]), observed], inputs=model.value_vars
        )
        *drawn, log_p = function(random_points(model, 1)[0])
        values = dict(zip(names, drawn, strict=True))
        assert values["sigma"].shape == (3,)
        own = {name: np.asarray(values[name]) for name in design.family.parameters}
        own["sigma"] = own["sigma"][design.rows.residual]
        expected = design.family.log_density(linear_predictor(design, values), own, design.outcome)
        np.testing.assert_allclose(log_p, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("family", ["gaussian", "student_t", "censored_gaussian"])
def test_residual_sds_along_columns_are_those_of_numpy(family: str) -> None:
    mixed = {"gamma[alliance]": "StudentT(4, 0, 0.5)", "set": "weak"}
    for priors in ("weak", mixed):  # one kind of prior is one variable, several kinds are stacked
        design, table = applied(EVERY_KIND, family=family, sigma="~ alliance + provider_type", priors=priors)
        model = build_graph(design, table)
        names = list(posterior_dims(design))
        assert posterior_dims(design)["sigma"] == ()
        assert posterior_dims(design)["gamma"] == model.named_vars_to_dims["gamma"] == ("sigma_term",)
        observed = model.logp(vars=model.observed_RVs, sum=False)[0]
        function = model.compile_fn(
            [*model.replace_rvs_by_values([model[name] for name in names]), observed], inputs=model.value_vars
        )
        *drawn, log_p = function(random_points(model, 1)[0])
        values = dict(zip(names, drawn, strict=True))
        own = {name: np.asarray(values[name]) for name in design.family.parameters}
        assert design.rows.sigma is not None
        own["sigma"] = np.array([own["sigma"] * np.exp(row @ values["gamma"]) for row in design.rows.sigma])
        assert np.ptp(own["sigma"]) > 0
        expected = design.family.log_density(linear_predictor(design, values), own, design.outcome)
        np.testing.assert_allclose(log_p, expected, rtol=1e-10, atol=1e-10)


def test_without_common_terms_only_the_level_effects_speak() -> None:
    design, priors = applied("who5_followup ~ 1 + (1 || country)", family="cumulative")
    model = build_graph(design, priors)
    assert design.terms == ()
    assert "beta" not in model.named_vars
    point = random_points(model, 1)[0]
    u, cutpoints, log_p = values_at(
        model, [model["u_country"], model["cutpoints"], model.logp(vars=model.observed_RVs, sum=False)[0]], point
    )
    eta = linear_predictor(design, {"u_country": u})
    np.testing.assert_allclose(
        log_p, design.family.log_density(eta, {"cutpoints": cutpoints}, design.outcome), rtol=1e-9
    )


class HalfStudentT:
    """The absolute value of a t variable; SciPy has the folded normal and Cauchy only."""

    def __init__(self, nu: float, sigma: float) -> None:
        self.whole = stats.t(nu, 0, sigma)

    def cdf(self, x: np.ndarray) -> np.ndarray:
        return 2 * self.whole.cdf(x) - 1

    def logpdf(self, x: np.ndarray) -> np.ndarray:
        return np.log(2) + self.whole.logpdf(x)


STATED = {
    "Intercept": ("StudentT(4, 50, 20)", stats.t(4, 50, 20)),
    "age": ("Normal(1, 2)", stats.norm(1, 2)),
    "sigma": ("Exponential(0.1)", stats.expon(scale=10)),
    "nu": ("Gamma(2, 0.1)", stats.gamma(2, scale=10)),
    "tau_country[Intercept]": ("HalfStudentT(4, 5)", HalfStudentT(4, 5)),
    "tau_country[alliance]": ("HalfNormal(2)", stats.halfnorm(scale=2)),
    "tau_sex[Intercept]": ("Gamma(3, 2)", stats.gamma(3, scale=0.5)),
}
MIXED = "who5_followup ~ alliance + age + (alliance || country) + (1 || sex)"


@pytest.fixture(scope="module")
def mixed() -> tuple[Design, PriorTable, pm.Model]:
    priors = {name: text for name, (text, _) in STATED.items()} | {"alliance": "Normal(3, 4)"}
    design, table = applied(MIXED, family="student_t", priors=priors)
    return design, table, build_graph(design, table)


def element(design: Design, name: str) -> tuple[str, int | None]:
    """Posterior variable and position of a parameter."""
    if name in design.terms:
        return "beta", design.terms.index(name)
    if name.startswith("tau_"):
        factor, term = name[4:-1].split("[")
        return f"tau_{factor}", design.factor(factor).terms.index(term)
    return name, None


def test_draws_of_the_graph_follow_the_stated_priors(mixed: tuple[Design, PriorTable, pm.Model]) -> None:
    design, _, model = mixed
    names = ["beta", "sigma", "nu", "tau_country", "tau_sex"]
    drawn = dict(zip(names, pm.draw([model[name] for name in names], draws=4000, random_seed=1), strict=True))
    stated = {
        **STATED,
        "alliance": ("Normal(3, 4)", stats.norm(3, 4)),
    }
    p_values = []
    for name, (_, law) in stated.items():
        variable, position = element(design, name)
        values = drawn[variable] if position is None else drawn[variable][:, position]
        p_values.append(stats.kstest(values, law.cdf).pvalue)
    # Eight Kolmogorov-Smirnov tests: at most 1 false alarm in 1,250 seeds.
    assert min(p_values) > 1e-4


@pytest.mark.slow
def test_density_of_the_graph_is_that_of_the_stated_priors(mixed: tuple[Design, PriorTable, pm.Model]) -> None:
    _, _, model = mixed
    own = {
        "sigma": STATED["sigma"][1],
        "nu": STATED["nu"][1],
        "tau_country_0": STATED["tau_country[Intercept]"][1],
        "tau_country_1": STATED["tau_country[alliance]"][1],
        "tau_sex": STATED["tau_sex[Intercept]"][1],
        "beta_0": STATED["Intercept"][1],
        "beta_1": stats.norm(3, 4),
        "beta_2": STATED["age"][1],
    }
    for name, law in own.items():
        log_p, value = model.compile_logp(vars=[model[name]], jacobian=False), compiled(model, [model[name]])
        for point in random_points(model, 3):
            here = value(point)[0]
            # PyMC holds some constants, such as sqrt(2 / pi), in single precision.
            assert log_p(point) == pytest.approx(float(np.sum(law.logpdf(here))), rel=1e-7), name


def test_stated_priors_leave_no_parameter_out(mixed: tuple[Design, PriorTable, pm.Model]) -> None:
    _, table, model = mixed
    assert set(table) == {*STATED, "alliance"}
    # Whatever else is free is a level effect, normal with the stated SD.
    stated = {"beta_0", "beta_1", "beta_2", "sigma", "nu", "tau_country_0", "tau_country_1", "tau_sex"}
    assert {variable.name for variable in model.free_RVs} == stated | {"effects_country", "effects_sex"}


# ---------------------------------------------------------------- names, and what users do with the graph


@pytest.mark.parametrize("family", ["student_t", "cumulative"])
def test_variables_carry_the_shared_names_dims_and_coordinates(family: str) -> None:
    design, priors = applied(EVERY_KIND, family=family, autoscale=True)
    model = build_graph(design, priors)
    expected = posterior_dims(design)
    assert {name: tuple(model.named_vars_to_dims.get(name, ())) for name in expected} == expected
    coords = {name: list(values) for name, values in model.coords.items()}
    assert coords == {**posterior_coords(design), "obs": list(range(60))}
    assert coords["country"] == ["C0", "C1", "C2", "C3"]
    assert coords["provider_type_term"] == coords["provider_type_term_other"] == ["Intercept", "alliance"]
    assert [variable.name for variable in model.observed_RVs] == ["who5_followup"]
    assert model.named_vars_to_dims["who5_followup"] == ("obs",)


def test_effects_of_exhaustive_factors_sum_to_zero() -> None:
    design, priors = applied(
        EVERY_KIND.replace("||", "|"), exhaustive=("sex", "country", "provider_type"), autoscale=True
    )
    model = build_graph(design, priors)
    for factor in ("country", "provider_type", "sex"):
        u = pm.draw(model[f"u_{factor}"], draws=50, random_seed=6)
        assert u.std() > 0.1
        np.testing.assert_allclose(u.sum(axis=1), 0.0, atol=1e-9)


def test_graph_can_be_extended() -> None:
    model = Model("who5_followup ~ alliance + (alliance || country)")
    cohort = read_cohort(rows(60, countries=4))
    plain, graph = model.pymc(cohort), model.pymc(cohort)
    with graph:
        slope = graph["beta"][1] + graph["u_country"][0, 1]
        pm.Deterministic("slope_C0", slope)
        pm.Potential("known_sign", pm.math.log(pm.math.sigmoid(slope)))
    point = random_points(graph, 1)[0]
    beta, u, named = values_at(graph, [graph["beta"], graph["u_country"], graph["slope_C0"]], point)
    assert named == pytest.approx(beta[1] + u[0, 1], rel=1e-12)
    gained = graph.compile_logp()(point) - plain.compile_logp()(point)
    assert gained == pytest.approx(-np.log1p(np.exp(-named)), rel=1e-6, abs=1e-9)


def test_one_kind_of_scale_prior_for_correlated_terms() -> None:
    given = {"tau_country[Intercept]": "HalfNormal(5)", "tau_country[alliance]": "Exponential(1)"}
    design, priors = applied("who5_followup ~ alliance + (alliance | country)", priors=given)
    with pytest.raises(ModelError) as raised:
        build_graph(design, priors)
    assert str(raised.value) == (
        "the correlated terms of 'country' have scale priors of different kinds (HalfNormal(5), Exponential(1)), "
        "for which PyMC has no graph. Give them one kind, or write (... || country)."
    )
