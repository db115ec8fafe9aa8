"""What is sampled in place of level effects: the same posterior, in which coefficients are known by themselves."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_bayes import Model
from alliance_bayes.diagnostics import effective_sample_size
from alliance_bayes.engines.density import log_density, model_data_of, recentring_of, starting_point
from alliance_bayes.engines.density.model_data import ModelData, scalar_names
from alliance_bayes.engines.prior_density import FIRST_POSITIVE
from alliance_bayes.model import Design, ModelSpec
from engines.density.test_density import CASES
from engines.test_graph import applied


def panel(people: int, occasions: int = 4, seed: int = 3) -> pd.DataFrame:
    """People seen several times, of whom an arm and a baseline are known; counts tell much of each."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(people), occasions)
    baseline, effect = rng.normal(30, 10, people), rng.normal(0, 0.8, people)
    frame = pd.DataFrame(
        {
            "who": [f"p{k:03d}" for k in who],
            "site": [f"s{k % 9}" for k in who],
            "baseline": baseline[who],
            "arm": np.where(rng.permutation(people) % 2, "a", "b")[who],
            "time": np.tile(np.arange(float(occasions)), people),
        }
    )
    eta = 1 + 0.05 * (frame["baseline"] - 30) + effect[who] + 0.1 * frame["time"]
    frame["count"] = rng.poisson(np.exp(eta))
    frame["score"] = 10 * eta + rng.normal(0, 2, len(frame))
    return frame


def laid_out(formula: str, **options: object) -> tuple[Design, ModelData, tuple[str, ...]]:
    spec = ModelSpec(
        formula, autoscale=True, roles={"who": "person"} | ({"site": "group"} if "site" in formula else {}), **options
    )  # type: ignore[arg-type]
    design = spec.design(panel(60))
    priors = spec.priors_for(design)
    return design, model_data_of(design, priors), scalar_names(design, priors)


@pytest.mark.parametrize("case", CASES)
def test_the_map_is_turned_back_and_keeps_volumes_and_derivatives(case: str) -> None:
    formula, options = CASES[case]
    design, priors = applied(formula, autoscale=True, **options)
    data = model_data_of(design, priors)
    recentring = recentring_of(design, data)
    rng = np.random.default_rng(4)
    q = rng.normal(size=(3, data.size))
    np.testing.assert_allclose(recentring.unconstrained(recentring.sampled(q)), q, atol=1e-9)
    matrix = recentring.unconstrained(np.eye(data.size)).T
    np.testing.assert_allclose(recentring.unconstrained(q), q @ matrix.T, atol=1e-9)
    sign, log_volume = np.linalg.slogdet(matrix)
    assert sign == 1.0
    assert log_volume == pytest.approx(0.0, abs=1e-9)
    slope = rng.normal(size=data.size)
    np.testing.assert_allclose(recentring.gradient(slope), matrix.T @ slope, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "formula",
    [
        "baseline + arm + time + (1 | who)",
        "baseline * time + arm + (time | who)",
        "baseline * time + arm + (time || who)",
        "baseline + arm + time + (1 | who) + (1 | site)",
    ],
)
@pytest.mark.parametrize(("outcome", "family"), [("count", "poisson"), ("score", "student_t")])
def test_coefficients_are_known_by_themselves_in_what_is_sampled(outcome: str, family: str, formula: str) -> None:
    design, data, names = laid_out(f"{outcome} ~ {formula}", family=family)
    recentring = recentring_of(design, data)
    q = np.mean([starting_point(data)(seed) for seed in range(400)], axis=0)
    if "sigma" in names:
        q[names.index("sigma")] = np.log(2.0)
    q = _mode(q, data)
    at = [names.index(term) for term in ("baseline", "arm[b]")]

    def alone(matrix: np.ndarray) -> float:
        """Least share of a coefficient's SD that is left when all others are known."""
        precision = matrix.T @ _information(q, data) @ matrix
        return float(np.sqrt(1 / (np.diag(precision) * np.diag(np.linalg.inv(precision))))[at].min())

    plain, recentred = alone(np.eye(data.size)), alone(recentring.unconstrained(np.eye(data.size)).T)
    assert recentred > 0.6
    assert recentred > 1.5 * plain


def _information(q: np.ndarray, data: ModelData) -> np.ndarray:
    """Negative second derivatives, by central differences of the gradient; what is flat or curved upwards is held."""
    step = 1e-4
    rows = [
        (log_density(q - step * one, data)[1] - log_density(q + step * one, data)[1]) / (2 * step)
        for one in np.eye(data.size)
    ]
    values, vectors = np.linalg.eigh((np.array(rows) + np.array(rows).T) / 2)
    return np.asarray((vectors * np.maximum(values, 1e-2)) @ vectors.T)


def _mode(q: np.ndarray, data: ModelData) -> np.ndarray:
    """Where the density is highest, with all SDs where they typically are."""
    free = np.ones(data.size, dtype=bool)
    free[: len(data.priors)] = data.priors[:, 0] < FIRST_POSITIVE
    for _ in range(30):
        step = np.zeros(data.size)
        step[free] = np.linalg.solve(_information(q, data)[np.ix_(free, free)], log_density(q, data)[1][free])
        value = log_density(q, data)[0]
        while not log_density(q + step, data)[0] >= value - 1e-9:
            step /= 2
        q = q + step
        if np.abs(step).max() < 1e-6:
            break
    return q


def test_a_panel_of_counts_mixes_in_the_usual_number_of_draws() -> None:
    model = Model("count ~ baseline + arm + time + (1 | who)", family="poisson", roles={"who": "person"})
    posterior = model.fit(panel(150), seed=1).tree["posterior"]
    # Without the map 300 to 440 of 6,000, fewer than the gate asks for.
    for term in ("baseline", "arm[b]"):
        assert effective_sample_size(posterior["beta"].sel(term=term).to_numpy()[None])[0] > 2_000


def test_an_outcome_far_from_zero_is_no_warning() -> None:
    """An intercept is a parameter as the SDs are, but no logarithm: that of costs of 80,000 was raised to a power."""
    spec = ModelSpec("score ~ baseline", autoscale=True, family="student_t")
    starts = []
    for above in (0.0, 80_000.0):
        frame = panel(60)
        frame["score"] += above
        design = spec.design(frame)
        data = model_data_of(design, spec.priors_for(design))
        assert all(np.isfinite(shear.slopes).all() for shear in recentring_of(design, data).shears)
        starts.append(starting_point(data)(1))
    # By what was added, and otherwise the same.
    moved = np.flatnonzero(~np.isclose(starts[0], starts[1], rtol=1e-6))
    assert moved.size == 1
    np.testing.assert_allclose(starts[1][moved] - starts[0][moved], 80_000.0, rtol=1e-6)
