"""The compiled density is the PyMC graph's, up to the change of variables, and so are its variables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pymc as pm
import pytest

from alliance_bayes.engines import posterior_dims
from alliance_bayes.engines.density import ModelData, log_density, model_data_of, starting_point, variables_of
from alliance_bayes.engines.density.model_data import scalar_names, shared_terms
from alliance_bayes.engines.graph import build_graph
from alliance_bayes.engines.prior_density import FIRST_POSITIVE
from alliance_bayes.model import FAMILIES, Design, PriorTable
from engines.test_graph import applied, compiled, linear_predictor

pytestmark = pytest.mark.usefixtures("python_mode")

# A sampled factor with shared columns and one that is not, two with one column in common, exhaustive ones.
FORMULA = (
    "who5_followup ~ alliance + age + (alliance || country) + (1 || provider_type) + (1 + age || sex)"
    " + (0 + n_sessions || provider_type:sex)"
)


def part_columns(data: ModelData) -> list[np.ndarray]:
    """Numbers of the parts (a factor's level means) of each shared column."""
    return [np.flatnonzero(data.part_shared == s) for s in range(data.shared.size)]


def graph_values(
    design: Design, priors: PriorTable, data: ModelData, q: np.ndarray, w: np.ndarray
) -> dict[str, np.ndarray]:
    """The graph's parameters, as PyMC's transforms have them, at the unconstrained vector.

    ``w``, standard normal, one a part, says how each sum of a coefficient and level means is divided.
    """
    names, shared = scalar_names(design, priors), shared_terms(design, priors)
    value = dict(zip(names, q, strict=False))
    natural = {
        name: np.exp(x) if data.priors[k, 0] >= FIRST_POSITIVE else x for k, (name, x) in enumerate(value.items())
    }
    done = len(names)
    roots: dict[str, np.ndarray] = {}
    for factor in design.factors:
        if factor.correlated:
            roots[factor.name] = np.eye(len(factor.terms))
            for i in range(1, len(factor.terms)):
                partial = np.tanh(q[done : done + i])
                left = np.cumprod(np.concatenate([[1.0], 1 - partial**2]))
                roots[factor.name][i, : i + 1] = np.sqrt(left) * np.concatenate([partial, [1.0]])
                done += i

    # How a sum is divided: the means of the parts are normal given it; the rest is the coefficient.
    beta, means = {term: value.get(term, np.nan) for term in design.terms}, np.zeros(data.part_tau.size)
    for s, parts in enumerate(part_columns(data)):
        prior = priors[shared[s]].prior.arguments
        variance = np.exp(2 * q[data.part_tau[parts]]) / data.part_levels[parts]
        spread = prior["sigma"] ** 2 + variance.sum()
        above = np.sqrt(spread) * q[done + s]
        root = np.linalg.cholesky(np.diag(variance) - np.outer(variance, variance) / spread)
        means[parts] = variance / spread * above + root @ w[parts]
        beta[shared[s]] = prior["mu"] + above - means[parts].sum()
    done += len(shared)

    u: dict[str, np.ndarray] = {f.name: np.zeros((len(f.terms), len(f.levels))) for f in design.factors}
    for b, f in enumerate(data.block_factor):
        factor, t = design.factors[f], b - list(data.block_factor).index(f)
        tau = natural[f"tau_{factor.name}[{factor.terms[t]}]"]
        levels, summing = len(factor.levels), data.block_summing[b]
        effects = q[done : done + levels - summing]
        done += effects.size
        effects = effects * (1.0 if factor.correlated else tau) / np.sqrt(1 + tau**2 * data.block_information[b])
        if summing:
            last = -effects.sum() / np.sqrt(levels)
            effects = np.append(effects - effects.sum() / (np.sqrt(levels) + levels), last)
        part = np.flatnonzero(data.part_tau == data.block_tau[b])
        u[factor.name][t] = effects + (means[part[0]] if part.size else 0.0)
        if not factor.correlated:
            u[factor.name][t] *= np.sqrt(1 / tau**2 + data.block_information[b])  # in the graph's unit, the same

    out: dict[str, np.ndarray] = {"beta": np.array([beta[term] for term in design.terms])}
    for factor in design.factors:
        log_tau = np.array([value[f"tau_{factor.name}[{term}]"] for term in factor.terms])
        if factor.correlated:
            root = np.exp(log_tau)[:, None] * roots[factor.name]
            packed = root + np.diag(np.log(np.diag(root)) - np.diag(root))
            out[f"chol_{factor.name}"] = packed[np.tril_indices(len(log_tau))]
        else:
            out[f"tau_{factor.name}"] = log_tau
        z = u[factor.name]
        if factor.exhaustive:
            n = z.shape[1]
            z = z[:, :-1] - z[:, -1:] * np.sqrt(n) / (np.sqrt(n) + n)
        out[f"{'z' if factor.correlated else 'effects'}_{factor.name}"] = z
    for smooth in design.smooths:
        out[f"tau_{smooth.name}"] = np.array(value[f"tau_{smooth.name}"])
        out[f"z_{smooth.name}"] = q[done : done + smooth.size]
        done += smooth.size
    for own in design.family.parameters:
        if own == "sigma" and design.residual is not None:
            out[own] = np.array([value[level] for level in design.residual.parameters])
        elif own == "sigma" and design.sigma is not None:
            out |= {own: np.array(value[own]), "gamma": np.array([value[name] for name in design.sigma.parameters])}
        else:
            out["sticks" if own == "cutpoints" else own] = q[done:] if own == "cutpoints" else np.array(value[own])
    return out


def graph_point(model: pm.Model, values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same under the names of the graph's own value variables, each of which is given."""
    given: dict[str, np.ndarray] = {}
    for variable in model.free_RVs:
        name, base, last = variable.name, *variable.name.rpartition("_")[::2]
        # Priors of several kinds are variables of their own.
        found = values[name] if name in values else values[base][int(last)]
        given[model.rvs_to_values[variable].name] = np.asarray(found, dtype=float)
    initial = model.initial_point()
    assert given.keys() == initial.keys()
    return {name: found.reshape(np.shape(initial[name])) for name, found in given.items()}


def flat(values: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([np.ravel(array) for array in values.values()])


CORRELATED = (
    "who5_followup ~ alliance + age + (alliance + age | country) + (1 + alliance | provider_type) + (1 || sex)"
    " + s(n_sessions, k=4)"
)
CASES: dict[str, tuple[str, dict[str, Any]]] = {family: (FORMULA, {"family": family}) for family in FAMILIES}
CASES |= {
    f"{family} by level": (FORMULA, {"family": family, "residual_by": "provider_type"})
    for family in ("gaussian", "student_t", "censored_gaussian")
}
CASES |= {
    f"{family} along columns": (FORMULA, {"family": family, "sigma": "~ alliance * sex + n_sessions"})
    for family in ("gaussian", "student_t", "censored_gaussian")
}
CASES |= {
    "along columns with weights": (FORMULA, {"family": "gaussian", "sigma": "~ alliance", "weighted": True}),
    "smooths": ("who5_followup ~ s(alliance, k=5) + s(age, k=4) + (1 || country)", {"family": "beta_binomial"}),
    "no intercept": ("who5_followup ~ 0 + alliance + sex + (0 + alliance || country)", {"family": "gaussian"}),
    **{
        f"{family} with an offset": (f"{FORMULA} + offset(who5_baseline / 25) + offset(log(days_in_care + 1))", options)
        for family, options in ((family, {"family": family}) for family in FAMILIES)
    },
    **{f"{family} with weights": (FORMULA, {"family": family, "weighted": True}) for family in FAMILIES},
    "nothing but an offset": ("who5_followup ~ 1 + offset(who5_baseline)", {"family": "student_t"}),
    **{f"{family} correlated": (CORRELATED, {"family": family}) for family in ("gaussian", "cumulative", "poisson")},
    "correlated and exhaustive": (CORRELATED, {"family": "student_t", "exhaustive": ("country", "provider_type")}),
    "correlated, and a column shared elsewhere": (
        "who5_followup ~ alliance + age + (alliance + age | country) + (alliance || provider_type:sex)",
        {"family": "beta_binomial", "exhaustive": ()},
    ),
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


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=[pytest.mark.slow] if "with an offset" in case else []) for case in CASES]
)
def test_density_gradient_and_variables_are_those_of_the_graph(case: str) -> None:
    formula, options = CASES[case]
    design, priors = applied(formula, autoscale=True, **options)
    data, model = model_data_of(design, priors), build_graph(design, priors)
    log_p, parts = model.compile_logp(), data.part_tau.size
    names, first = list(posterior_dims(design)), starting_point(data)
    variables = compiled(model, [model[name] for name in names])
    for seed in range(3):
        rng = np.random.default_rng(seed)
        q, w = first(seed) + rng.normal(0, 0.5, data.size), rng.normal(size=parts)
        value, gradient = log_density(q, data)
        values, both = graph_values(design, priors, data, q, w), np.concatenate([q, w])
        assert flat(values).size == both.size
        point = graph_point(model, values)

        def moved(at: np.ndarray) -> np.ndarray:
            return flat(graph_values(design, priors, data, at[: data.size], at[data.size :]))

        # Densities differ by the determinant of the map; central differences of it are right to 1e-9 of each element.
        jacobian = [(moved(both + 1e-5 * at) - moved(both - 1e-5 * at)) / 2e-5 for at in np.eye(both.size)]
        sign, log_determinant = np.linalg.slogdet(np.array(jacobian))
        assert sign != 0
        divided = -0.5 * (w @ w) - 0.5 * parts * np.log(2 * np.pi)
        # PyMC holds some constants, such as sqrt(2 / pi), in single precision: below 1e-7 of each prior's density.
        assert value + divided == pytest.approx(float(log_p(point)) + log_determinant, rel=1e-9, abs=4e-6)

        # A central difference in steps h: curvature h^2 / 6 of the third derivative, rounding 1e-16 |log p| / h.
        step = 1e-5
        differences = [
            (log_density(q + step * at, data)[0] - log_density(q - step * at, data)[0]) / (2 * step)
            for at in np.eye(data.size)
        ]
        np.testing.assert_allclose(gradient, differences, rtol=2e-5, atol=1e-10 * abs(value) / step)

        drawn = variables_of(design, priors, data, q[None], rng)
        expected = dict(zip(names, variables(point), strict=True))
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
