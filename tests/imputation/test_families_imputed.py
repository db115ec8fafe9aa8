"""Values drawn together with the parameters of models of every family: the joint density, and what a fit says of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import special

import alliance_bayes as ab
import integrating
from alliance_bayes.diagnostics import convergence
from alliance_bayes.model import FAMILIES
from alliance_bayes.report import Report
from lightly import lightly

# A sampler within a sampler, once for all of them.
pytestmark = pytest.mark.slow

Record = Callable[[str, object], None]
FORMULA = "y ~ x + z + w + (x | g)"
SCALES = {
    "censored_gaussian": {"y": ab.Scale(0.0, 1.5, -1.5, 1.5)},
    "beta_binomial": {"y": ab.Scale(5.0, 2.5, 0.0, 10.0, 1.0)},
}


# Tables of which a frequent outcome, put in SDs and turned back, was not itself (by how sums are rounded here).
SEEDS = {"binomial": 21, "beta_binomial": 5, "cumulative": 8, "poisson": 3, "negative_binomial": 5}


def table(family: str, seed: int = 3, n: int = 150) -> pd.DataFrame:
    """Gaps in a number, an indicator, a factor and the outcome, by an auxiliary column that the outcome tells of."""
    rng = np.random.default_rng(seed)
    w, g = rng.normal(0, 1, n), rng.integers(0, 4, n)
    x, z = 0.5 * w + rng.normal(0, 1, n), rng.binomial(1, 0.5, n).astype(float)
    eta = 0.2 + 0.7 * x - 0.6 * z + 0.4 * w + np.array([-0.4, 0.0, 0.2, 0.5])[g]
    trials = rng.integers(1, 9, n).astype(float)
    y = {
        "bernoulli": lambda: rng.random(n) < special.expit(eta),
        "binomial": lambda: rng.binomial(trials.astype(int), special.expit(eta)),
        "beta_binomial": lambda: rng.binomial(10, special.expit(eta)),
        "cumulative": lambda: np.digitize(eta + rng.logistic(size=n), [-1.0, 0.0, 1.5]),
        "poisson": lambda: rng.poisson(np.exp(0.5 * eta)),
        "negative_binomial": lambda: rng.poisson(np.exp(0.5 * eta) * rng.gamma(3, 1 / 3, n)),
        "censored_gaussian": lambda: np.clip(eta + rng.normal(0, 1, n), -1.5, 1.5),
    }.get(family, lambda: eta + rng.standard_t(4, n))()
    y = np.asarray(y, dtype=float)
    aux = (y - y.mean()) / y.std() + rng.normal(0, 1, n)
    made: dict[str, Any] = {"y": y, "x": x, "z": z, "w": w, "aux": aux, "g": [f"g{k}" for k in g], "trials": trials}
    out = pd.DataFrame({"participant_id": [f"p{k}" for k in range(n)], **made})
    out.loc[rng.random(n) < special.expit(-1 + 0.6 * aux), "x"] = np.nan
    for name in ("y", "z", "g"):
        out.loc[rng.random(n) < 0.12, name] = np.nan
    return out if family == "binomial" else out.drop(columns="trials")


def model(family: str, **given: Any) -> ab.Model:
    own: dict[str, Any] = {"trials": "trials"} if family == "binomial" else {}
    if family in SCALES:
        own["scales"] = SCALES[family]
    return ab.Model(FORMULA, family=family, missing="impute", roles={"g": "group"}, **own, **given)


@pytest.fixture(scope="module")
def fit() -> ab.Fit:
    return model("bernoulli", auxiliary=("aux",)).fit(
        ab.read_cohort(table("bernoulli")), seed=3, draws=400, progress=False
    )


@pytest.mark.parametrize("family", list(FAMILIES))
def test_drawn_values_are_those_that_a_family_can_have(family: str) -> None:
    data = table(family, SEEDS.get(family, 3))
    fit = model(family, auxiliary=("aux",)).fit(ab.read_cohort(data), seed=1, draws=12, progress=False)
    assert fit.flow.analysed == len(data)
    assert fit.info["imputation"]["columns"] == {name: int(data[name].isna().sum()) for name in ("x", "z", "g", "y")}
    tables = fit.imputed()
    for one in tables:
        for name in ("y", "x", "z", "g"):
            seen = data[name].notna().to_numpy()
            assert (np.asarray(one[name])[seen] == np.asarray(data[name])[seen]).all()
            assert one[name].notna().all()
        y = one["y"].to_numpy(float)
        if FAMILIES[family].discrete:
            assert (y == np.rint(y)).all()
            assert (y >= 0).all()
        if family == "binomial":
            assert (y <= data["trials"].to_numpy()).all()
        if family == "censored_gaussian":
            assert (np.abs(y) <= 1.5).all()
        assert set(np.unique(one["z"])) == {0.0, 1.0}
    lost = data["y"].isna().to_numpy()
    assert len({tuple(one["y"][lost]) for one in tables}) > 1
    collapsed = family == "gaussian"
    assert ("diverging" in fit.sample_stats) == (not collapsed)
    assert ("hyperparameters" in fit.info["imputation"]["accepted"]) == collapsed


def values_of(fit: ab.Fit, name: str) -> object:
    """Draws of a parameter by its name among the priors."""
    if name in fit.design.terms:
        return fit.posterior["beta"].sel(term=name)
    if name.startswith("gamma["):
        return fit.posterior["gamma"].sel(sigma_term=name.removeprefix("gamma[").removesuffix("]"))
    return fit.posterior[name]


@pytest.mark.parametrize("family", list(integrating.DENSITIES))
def test_posterior_is_that_of_the_density_with_values_integrated_out(family: str, record_property: Record) -> None:
    data = integrating.table(family)
    # That of a Gaussian model with one residual SD is tested against a graph.
    sigma = "~ x + z" if family == "gaussian" else None
    imputing = ab.Model(integrating.FORMULA, family=family, sigma=sigma, missing="impute", auxiliary=("aux",))
    # Deviations are counted in errors that go by the number of draws.
    fit = imputing.fit(ab.read_cohort(data), seed=1, draws=200, progress=False)
    reference = integrating.posterior(fit, data)
    assert reference.worth > 400
    furthest = 0.0
    for name in reference.draws:
        own = np.asarray(values_of(fit, name))
        size = convergence(own[None], np.quantile(own, [[0.055, 0.945]]))["ess_mean"][0]
        mean, sd = reference.mean_and_sd(name)
        error = float(np.hypot(own.std() / np.sqrt(size), sd / np.sqrt(reference.worth)))
        furthest = max(furthest, abs(own.mean() - mean) / error)
        # The error of an SD is no more than that of the mean, but of the skew posteriors of parameters above zero.
        if name in fit.design.terms:
            assert abs(own.std() - sd) < 4 * error, name
    record_property("furthest mean, in Monte Carlo standard errors", f"{furthest:.2f}")
    assert furthest < 4


def test_gaussian_by_its_density_is_gaussian_by_the_collapsed_engine() -> None:
    """A prior that only the density takes, and that is all but a Normal one."""
    data = ab.read_cohort(table("gaussian").drop(columns="g"))
    given: dict[str, Any] = {"missing": "impute", "auxiliary": ("aux",)}
    fits = [
        ab.Model("y ~ x + z + w", priors=priors, **given).fit(data, seed=2, draws=500, progress=False)
        for priors in ({"w": "Normal(0, 2)"}, {"w": "StudentT(200, 0, 2)"})
    ]
    assert [fit.info.get("density") for fit in fits] == [None, "compiled"]
    for term in fits[0].design.terms:
        one, other = (np.asarray(fit.posterior["beta"].sel(term=term)) for fit in fits)
        sizes = [convergence(own[None], np.quantile(own, [[0.055, 0.945]]))["ess_mean"][0] for own in (one, other)]
        error = np.hypot(one.std() / np.sqrt(sizes[0]), other.std() / np.sqrt(sizes[1]))
        assert abs(one.mean() - other.mean()) < 4 * error
        assert abs(one.std() - other.std()) < 4 * error


def test_nothing_missing_gives_the_ordinary_fit() -> None:
    complete = ab.read_cohort(table("bernoulli").dropna())
    imputing = model("bernoulli").fit(complete, seed=1, draws=50, progress=False)
    dropping = ab.Model(FORMULA, family="bernoulli", roles={"g": "group"}).fit(
        complete, seed=1, draws=50, progress=False
    )
    assert imputing.imputation is None
    assert np.array_equal(imputing.posterior["beta"], dropping.posterior["beta"])


def test_same_seed_same_draws() -> None:
    data = ab.read_cohort(table("bernoulli"))
    one, two, other = (model("bernoulli").fit(data, seed=seed, draws=8, progress=False) for seed in (1, 1, 2))
    for name in one.posterior.data_vars:
        assert np.array_equal(one.posterior[name], two.posterior[name])
    assert np.array_equal(one.imputation.values["x"], two.imputation.values["x"])  # type: ignore[union-attr]
    assert not np.array_equal(one.posterior["beta"], other.posterior["beta"])
    # A chain's draws are its own, of what is known only in sum, too: a coefficient and the mean of level effects.
    beta = one.posterior["beta"].to_numpy()
    assert len(np.unique(beta[:, :, 0])) == beta[:, :, 0].size


def test_effects_and_checks_of_events(fit: ab.Fit, tmp_path: Path) -> None:
    effects = fit.effects()
    assert effects["fmi"].dropna().between(0, 1).all()
    coefficients = fit.effects(["coefficients"])["fmi"]
    # A third of x is not known, and nothing is missing of w.
    assert 0.05 < float(coefficients["coefficient/w"]) < float(coefficients["coefficient/x"]) < 0.9
    report = fit.check(replicates=200)
    criteria = report["convergence"].table.set_index("criterion")
    assert "R-hat of imputed values, largest" in criteria.index
    assert "divergences" in criteria.index
    fit.save(tmp_path / "fit.nc")
    again = ab.load_fit(tmp_path / "fit.nc")
    pd.testing.assert_series_equal(again.effects()["mean"], effects["mean"], rtol=1e-9)
    pd.testing.assert_frame_equal(again.imputed(2)[1], fit.imputed(2)[1])


def test_what_cannot_be_asked_is_refused_by_name(fit: ab.Fit) -> None:
    data = ab.read_cohort(table("bernoulli"))
    with pytest.raises(ab.UsageError, match="sampler"):
        model("bernoulli").fit(data, sampler="pymc", progress=False)
    with pytest.raises(ab.ModelError, match="bernoulli"):
        model("bernoulli").fit(data, engine="collapsed", progress=False)
    with pytest.raises(ab.UsageError, match="Gaussian"):
        fit.tipping_point()
    with pytest.raises(ab.UsageError, match="Gaussian"):
        fit.with_delta({"x": 1.0})
    with pytest.raises(ab.UsageError, match="engine"):
        model("gaussian").fit(ab.read_cohort(table("gaussian")), engine="nuts", progress=False)


def test_page_of_events_says_how_values_and_parameters_were_drawn(fit: ab.Fit) -> None:
    with lightly():
        made = Report(sections=["data", "missing", "limitations", "methods"]).render(
            fit, checks=fit.check(checks=["convergence"])
        )
    assert set(made.numbers["methods"]["references"]) >= {"duane1987", "ibrahim1999", "bartlett2015"}
    assert "Hamiltonian" in made.numbers["methods"]["text"]
    assert "coefficients integrated out" not in made.numbers["methods"]["text"]
    # Shifts of missing values are of Gaussian models: the page does not have them, and says so among what was not done.
    assert made.numbers["missing"]["shifted"] == []
    assert any("tipping-point" in one for one in made.numbers["limitations"]["not_done"])
    columns = {one["column"]: one for one in made.numbers["missing"]["columns"]}
    assert columns["x"]["missing"] == fit.info["imputation"]["columns"]["x"]
