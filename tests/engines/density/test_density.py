"""The compiled density is the PyMC graph's: the same number at the same point, and the same variables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytest

from alliance_bayes.engines import posterior_dims
from alliance_bayes.engines.density import Plan, log_density, plan_of, starting_point, variables_of, why_no_plan
from alliance_bayes.engines.density.plan import scalar_names
from alliance_bayes.engines.graph import build_graph
from alliance_bayes.engines.sharing import shared_terms
from alliance_bayes.model import FAMILIES, Design, PriorTable
from engines.test_graph import applied, linear_predictor, values_at

pytestmark = pytest.mark.usefixtures("python_mode")

# A sampled factor with shared columns and one that is not, two with one column in common, exhaustive ones.
FORMULA = (
    "who5_followup ~ alliance + age + (alliance || country) + (1 || provider_type) + (1 + age || sex)"
    " + (0 + n_sessions || provider_type:sex)"
)


def graph_point(model: pm.Model, design: Design, priors: PriorTable, plan: Plan, q: np.ndarray) -> dict[str, Any]:
    """The graph's own point at the sampler's numbers, with what divides the sums left at zero."""
    names, shared = scalar_names(design, priors), shared_terms(design, priors)
    point = {name: np.zeros_like(np.asarray(value, dtype=float)) for name, value in model.initial_point().items()}
    of_variable = {variable.name: model.rvs_to_values[variable].name for variable in model.free_RVs}

    def put(name: str, values: np.ndarray) -> None:
        if name in of_variable:
            point[of_variable[name]] = values.reshape(point[of_variable[name]].shape)
        else:  # priors of several kinds are variables of their own
            for k, value in enumerate(values):
                point[of_variable[f"{name}_{k}"]] = value

    at = {name: k for k, name in enumerate(names)}
    rest = [at[term] for term in design.terms if term not in shared]
    if rest:
        put("beta_rest" if shared else "beta", q[rest])
    for factor in design.factors:
        put(f"tau_{factor.name}", q[[at[f"tau_{factor.name}[{term}]"] for term in factor.terms]])
    for smooth in design.smooths:
        put(f"tau_{smooth.name}", q[[at[f"tau_{smooth.name}"]]])
    for own in design.family.parameters:
        if own == "sigma" and design.residual is not None:
            put(own, q[[at[level] for level in design.residual.parameters]])
        elif own != "cutpoints":
            put(own, q[[at[own]]])
    done = len(names)
    if shared:
        put("total", q[done : done + len(shared)])
    done += len(shared)
    blocks: dict[str, list[np.ndarray]] = {}
    for b, f in enumerate(plan.block_factor):
        size = plan.block_levels[b] - plan.block_summing[b]
        name = f"deviation_{design.factors[f].name}{'' if plan.block_summing[b] else '_free'}"
        blocks.setdefault(name, []).append(q[done : done + size])
        done += size
    for name, numbers in blocks.items():
        put(name, np.stack(numbers))
    for smooth in design.smooths:
        put(f"z_{smooth.name}", q[done : done + smooth.size])
        done += smooth.size
    if "cutpoints" in design.family.parameters:
        put("sticks", q[done:])
    return point


CASES: dict[str, tuple[str, dict[str, Any]]] = {family: (FORMULA, {"family": family}) for family in FAMILIES}
CASES |= {
    f"{family} by level": (FORMULA, {"family": family, "residual_by": "provider_type"})
    for family in ("gaussian", "student_t", "censored_gaussian")
}
CASES |= {
    "smooths": ("who5_followup ~ s(alliance, k=5) + s(age, k=4) + (1 || country)", {"family": "beta_binomial"}),
    "no intercept": ("who5_followup ~ 0 + alliance + sex + (0 + alliance || country)", {"family": "gaussian"}),
    **{
        f"{family} with an offset": (f"{FORMULA} + offset(who5_baseline / 25) + offset(log(days_in_care + 1))", options)
        for family, options in ((family, {"family": family}) for family in FAMILIES)
    },
    "nothing but an offset": ("who5_followup ~ 1 + offset(who5_baseline)", {"family": "student_t"}),
    "no terms": ("who5_followup ~ 1 + (1 || country)", {"family": "cumulative"}),
    "no factors": ("who5_followup ~ alliance + age", {"family": "student_t"}),
    "sampled": (FORMULA, {"family": "student_t", "exhaustive": ()}),
    "exhaustive": (FORMULA, {"family": "bernoulli", "exhaustive": ("country", "sex", "provider_type")}),
    "every prior": (
        FORMULA,
        {
            "family": "student_t",
            "priors": {
                "Intercept": "StudentT(4, 50, 20)",
                "age": "Normal(1, 2)",
                "alliance": "Normal(3, 4)",
                "sigma": "Exponential(0.1)",
                "nu": "Gamma(2, 0.1)",
                "tau_country[Intercept]": "HalfStudentT(4, 5)",
                "tau_country[alliance]": "HalfNormal(2)",
                "tau_sex[Intercept]": "Gamma(3, 2)",
            },
        },
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_density_gradient_and_variables_are_those_of_the_graph(case: str) -> None:
    formula, options = CASES[case]
    design, priors = applied(formula, autoscale=True, **options)
    plan, model = plan_of(design, priors), build_graph(design, priors)
    split = [variable for variable in model.free_RVs if variable.name.startswith("split_")]
    assert plan.size == sum(np.size(value) for value in model.initial_point().values()) - sum(
        int(np.prod(variable.type.shape)) for variable in split
    )
    assert why_no_plan(design) == ""
    rest = [variable for variable in model.basic_RVs if variable not in split]
    log_p = model.compile_logp(vars=rest)
    names, first = list(posterior_dims(design)), starting_point(plan)
    for seed in range(3):
        q = first(seed) + np.random.default_rng(seed).normal(0, 0.5, plan.size)
        value, gradient = log_density(q, plan)
        point = graph_point(model, design, priors, plan, q)
        # PyMC holds some constants, such as sqrt(2 / pi), in single precision: below 1e-7 of each prior's density.
        assert value == pytest.approx(float(log_p(point)), rel=1e-9, abs=2e-6)

        # A central difference in steps h: curvature h^2 / 6 of the third derivative, rounding 1e-16 |log p| / h.
        step = 1e-5
        differences = [
            (log_density(q + step * at, plan)[0] - log_density(q - step * at, plan)[0]) / (2 * step)
            for at in np.eye(plan.size)
        ]
        np.testing.assert_allclose(gradient, differences, rtol=2e-5, atol=1e-10 * abs(value) / step)

        drawn = variables_of(design, priors, plan, q[None], np.random.default_rng(0))
        expected = dict(zip(names, values_at(model, [model[name] for name in names], point), strict=True))
        assert set(drawn) == set(names)
        for name, array in drawn.items():
            assert array.shape == (1, *expected[name].shape)
            if not shared_terms(design, priors) or not name.startswith(("beta", "u_")):
                np.testing.assert_allclose(array[0], expected[name], rtol=1e-12, atol=1e-12)
        # However a sum is divided among a coefficient and level means, rows have one linear predictor.
        np.testing.assert_allclose(
            linear_predictor(design, {name: array[0] for name, array in drawn.items()}),
            linear_predictor(design, expected),
            rtol=1e-9,
        )
