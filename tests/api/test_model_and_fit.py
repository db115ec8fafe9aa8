"""Model and Fit as statisticians hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import alliance_bayes as ab
from alliance_bayes.model import card_text
from builders import OUTCOME_FORMULA, rows


@pytest.fixture(scope="module")
def cohort() -> ab.Cohort:
    return ab.simulate_cohort(n=260, seed=2)


@pytest.fixture(scope="module")
def fit(cohort: ab.Cohort) -> ab.Fit:
    """The one fit of this file: real sampling, small model."""
    return ab.Model("who5_followup ~ alliance + who5_baseline + (1 | sex)", priors="literature").fit(
        cohort, seed=4, chains=4, draws=600, tune=600, progress=False
    )


def test_every_public_name_is_there() -> None:
    for name in ab.__all__:
        assert getattr(ab, name) is not None
    assert dir(ab) == sorted(ab.__all__)
    assert "__version__" in ab.__all__
    with pytest.raises(AttributeError, match=r"^No alliance_bayes attribute nothing$"):
        ab.nothing  # noqa: B018


def test_a_fit_says_how_it_came_about(fit: ab.Fit, cohort: ab.Cohort) -> None:
    assert fit.info["engine"] == "collapsed"
    assert fit.info["sampler"] == "independence Metropolis-Hastings"
    assert fit.info["seed"] == 4
    assert fit.info["cohort_hash"] == cohort.hash
    assert fit.info["cohort_source"] == cohort.source
    assert fit.flow == cohort.complete(["who5_followup", "alliance", "who5_baseline", "sex"])[1]
    assert fit.shape == (4, 600)
    assert list(fit.posterior.data_vars) == ["beta", "sigma", "u_sex", "tau_sex"]
    np.testing.assert_allclose(fit.posterior["u_sex"].sum("sex"), 0.0, atol=1e-9)


def test_the_posterior_is_near_least_squares_where_data_dominate(fit: ab.Fit) -> None:
    frame = fit.design.frame
    x = np.column_stack([np.ones(len(frame)), frame["alliance"], frame["who5_baseline"], frame["sex"] == "male"])
    solution, residual, *_ = np.linalg.lstsq(x, frame["who5_followup"].to_numpy(), rcond=None)
    covariance = residual[0] / (len(frame) - 4) * np.linalg.inv(x.T @ x)
    slope = fit.posterior["beta"].sel(term="who5_baseline")
    # The prior Normal(0, 1) moves the estimate by (se / 1)^2 of itself, far less than a tenth of its standard error.
    error = np.sqrt(covariance[2, 2])
    assert abs(slope.mean().item() - solution[2]) < 0.2 * error
    assert abs(slope.std().item() / error - 1) < 0.15


def test_the_verbs_are_those_of_the_rooms(fit: ab.Fit) -> None:
    effects = fit.effects()
    checks = fit.check(effects=effects)
    assert checks.gate.passed, checks.gate.reasons
    contrasts = fit.contrasts("sex")
    means = fit.adjusted_means("sex")
    assert contrasts["estimand"].tolist() == ["contrast_of_means", "cohens_d_of_means"]
    difference = means.set_index("level")["mean"]
    first = contrasts.iloc[0]
    assert first["mean"] == pytest.approx(difference[first["level"]] - difference[first["versus"]])


def test_kept_and_loaded(fit: ab.Fit, tmp_path: Path) -> None:
    fit.save(tmp_path / "fit.nc")
    again = ab.load_fit(tmp_path / "fit.nc")
    assert isinstance(again, ab.Fit)
    assert isinstance(again.spec, ab.Model)
    np.testing.assert_array_equal(again.predict(), fit.predict())
    assert again.effects().equals(fit.effects())


def test_arviz_gets_its_groups(fit: ab.Fit) -> None:
    tree = fit.to_arviz()
    assert set(tree.children) == {
        "posterior",
        "sample_stats",
        "posterior_predictive",
        "log_likelihood",
        "prior",
        "observed_data",
    }
    assert tree["log_likelihood"]["who5_followup"].dims == ("chain", "draw", "obs")


def test_the_graph_is_named(fit: ab.Fit) -> None:
    graph = fit.pymc_model
    assert graph.named_vars_to_dims["u_sex"] == ("sex", "sex_term")
    assert [variable.name for variable in graph.observed_RVs] == ["who5_followup"]


def test_prior_predictive_before_anything_is_fitted(cohort: ab.Cohort) -> None:
    model = ab.Model(OUTCOME_FORMULA, priors="literature")
    tree = model.prior_predictive(cohort, draws=200, seed=1)
    outcome = tree["prior_predictive"]["who5_followup"]
    assert outcome.dims == ("chain", "draw", "obs")
    assert outcome.shape == (1, 200, cohort.complete(model.parsed.columns)[1].analysed)
    again = model.prior_predictive(cohort, draws=200, seed=1)
    np.testing.assert_array_equal(again["prior_predictive"]["who5_followup"], outcome)
    # Normal(50, 25) for the level: the average over draws is within 4.5 standard errors of 50; the slope terms
    # average out because the predictors are centred.
    level = outcome.mean("obs").values.ravel()
    assert abs(level.mean() - 50) < 4.5 * level.std() / np.sqrt(level.size)


def test_a_card_and_its_model(tmp_path: Path) -> None:
    model = ab.Model(OUTCOME_FORMULA, priors={"set": "sceptical", "sigma": "Exponential(0.1)"})
    model.to_card(tmp_path / "m.toml")
    assert card_text(ab.load_model(tmp_path / "m.toml")) == card_text(model)


def test_a_plain_table_is_read_and_checked_first() -> None:
    frame = rows(20, countries=3)
    frame.loc[2, "who5_followup"] = 41.0
    with pytest.raises(ab.DataError) as caught:
        ab.Model("who5_followup ~ alliance").prior_predictive(frame)
    assert [(p.column, p.row, p.value) for p in caught.value.problems] == [("who5_followup", 2, 41.0)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "stan"}, "unknown engine 'stan'. Known engines: auto, collapsed, nuts."),
        (
            {"engine": "collapsed", "sampler": "pymc"},
            "sampler 'pymc' belongs to NUTS. Use engine='nuts', or leave the sampler out.",
        ),
        ({"draws": 0}, "draws should be a whole number of at least 4 but got 0."),
        ({"target_accept": 1.0}, "target_accept should be in the interval (0, 1) but got 1.0."),
        ({"sampler": "bugs"}, "unknown sampler 'bugs'. Known samplers: nutpie, pymc, numpyro, blackjax."),
    ],
)
def test_options_are_checked_before_any_work(cohort: ab.Cohort, options: dict[str, object], message: str) -> None:
    with pytest.raises(ab.UsageError) as caught:
        ab.Model("who5_followup ~ alliance").fit(cohort, **options)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_a_column_the_cohort_lacks(cohort: ab.Cohort) -> None:
    with pytest.raises(ab.AllianceBayesError) as caught:
        ab.Model("who5_followup ~ aliance", autoscale=True).fit(cohort)
    assert "aliance" in str(caught.value)
    assert "alliance" in str(caught.value).replace("'aliance'", "")
