"""FittedModel: what it predicts is what its draws say."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alliance_bayes.errors import ModelError, UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import FAMILIES
from builders import fitted, rows

FORMULA = "who5_followup ~ alliance + sex + (alliance || provider_type) + (alliance | country)"


def test_the_linear_predictor_row_by_row() -> None:
    frame = rows(12, countries=3)
    fit = fitted(frame, formula=FORMULA, chains=2, draws=3)
    post, design = fit.posterior, fit.design
    eta = fit.with_chains(fit.linear_predictor())
    centre = design.centres["alliance"]
    for i, row in frame.iterrows():
        a = row["alliance"] - centre
        provider = post["u_provider_type"].sel(provider_type=row["provider_type"])
        country = post["u_country"].sel(country=row["country"])
        expected = (
            post["beta"].sel(term="Intercept")
            + post["beta"].sel(term="alliance") * a
            + post["beta"].sel(term="sex[male]") * (row["sex"] == "male")
            + provider.sel(provider_type_term="Intercept")
            + provider.sel(provider_type_term="alliance") * a
            + country.sel(country_term="Intercept")
            + country.sel(country_term="alliance") * a
        )
        np.testing.assert_allclose(eta[:, :, i], expected.values, rtol=0, atol=1e-10)


def test_blocks_cover_every_draw_once_and_do_not_change_predictions(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = rows(20, countries=3)
    fit = fitted(frame, formula=FORMULA, chains=2, draws=25)
    whole = fit.predict().values
    monkeypatch.setattr("alliance_bayes.fit.BLOCK", 7 * len(frame))
    blocks = list(fit.blocks(len(frame)))
    assert [b.start for b in blocks] == list(range(0, 50, 7))
    assert np.concatenate([np.arange(50)[b] for b in blocks]).tolist() == list(range(50))
    # Matrix products of other shapes add up in another order: equal to the last digits.
    np.testing.assert_allclose(fit.predict().values, whole, rtol=1e-13)


def test_an_unseen_country_varies_as_countries_do() -> None:
    frame = rows(12, countries=3)
    fit = fitted(
        frame,
        formula="who5_followup ~ alliance + (1 | country)",
        chains=4,
        draws=2500,
        means={"tau_country": 3.0},
        sds={"tau_country": 0.0, "beta": 0.0, "u_country": 0.0},
    )
    new = frame.head(2).assign(country="elsewhere")
    draws = fit.predict(new).values.reshape(-1, 2)
    known = fit.predict(frame.head(2)).values.reshape(-1, 2)
    u_of_first = float(fit.posterior["u_country"].sel(country=frame["country"].iloc[0]).isel(chain=0, draw=0).item())
    effect = draws[:, 0] - (known[:, 0] - u_of_first)
    # Both rows share the one unseen level.
    np.testing.assert_allclose(
        effect,
        draws[:, 1]
        - (
            known[:, 1]
            - float(fit.posterior["u_country"].sel(country=frame["country"].iloc[1]).isel(chain=0, draw=0).item())
        ),
        atol=1e-9,
    )
    # SD of 10,000 normal draws: standard error 3 / sqrt(20,000); 4.5 of them.
    assert abs(effect.std() - 3.0) < 4.5 * 3.0 / np.sqrt(2 * effect.size)


def test_new_levels_of_two_factors_are_independent() -> None:
    frame = rows(40, countries=3).assign(site=[f"s{k % 4}" for k in range(40)])
    fit = fitted(
        frame,
        formula="who5_followup ~ 1 + (1 | country) + (1 | site)",
        chains=4,
        draws=1000,
        sds={"beta": 0.0, "u_country": 0.0, "u_site": 0.0, "tau_country": 0.0, "tau_site": 0.0},
    )
    both = frame.head(3).assign(country=["elsewhere", "C0", "elsewhere"], site=["s0", "elsewhere", "elsewhere"])
    country, site, together = fit.predict(both).values.reshape(-1, 3).T
    # Uncorrelated normal effects: the sample correlation of 4,000 pairs has standard error 1 / sqrt(4000); 4.5 of them.
    assert abs(np.corrcoef(country, site)[0, 1]) < 4.5 / np.sqrt(4000)
    np.testing.assert_allclose(together - together.mean(), country - country.mean() + site - site.mean(), atol=1e-9)


def fit_with_known_spread(formula: str, frame: pd.DataFrame, **taus: float) -> FittedModel:
    fixed = {"beta": 0.0} | {f"u_{name}": 0.0 for name in taus} | {f"tau_{name}": 0.0 for name in taus}
    means = {f"tau_{name}": tau for name, tau in taus.items()}
    return fitted(frame, formula=formula, chains=4, draws=1000, means=means, sds=fixed)


def test_two_unseen_levels_are_two_draws_and_one_is_one() -> None:
    frame = rows(12, countries=3)
    fit = fit_with_known_spread("who5_followup ~ 1 + (1 | country)", frame, country=3.0)
    names = [f"new{k}" for k in range(20)]
    new = frame.iloc[np.zeros(20, dtype=int)].assign(country=names)
    draws = fit.predict(new, seed=4).values.reshape(-1, 20)
    effects = draws - draws.mean(axis=0)
    # Independent normals: the covariance of 20 of them is 9 times the identity; 6 standard errors for 210 entries.
    error = 6 * 9.0 * np.sqrt(2 / len(effects))
    np.testing.assert_allclose(np.cov(effects.T), 9.0 * np.eye(20), rtol=0, atol=error)
    # The order of the rows, other rows, and how often a level occurs change nothing; the seed changes all.
    order = np.r_[np.random.default_rng(0).permutation(20), 3, 3]
    np.testing.assert_array_equal(fit.predict(new.iloc[order], seed=4).values.reshape(-1, 22), draws[:, order])
    np.testing.assert_array_equal(fit.predict(new.iloc[[7]], seed=4).values.ravel(), draws[:, 7])
    assert not np.isin(fit.predict(new, seed=5).values, draws).any()


def test_unseen_levels_within_levels_are_their_own() -> None:
    frame = rows(40, countries=3).assign(site=[f"s{k % 4}" for k in range(40)])
    frame["country"] = np.where(frame["site"] == "s3", "C0", frame["country"].astype(str))
    formula = "who5_followup ~ 1 + (1 | country) + (1 | country:site)"
    fit = fit_with_known_spread(formula, frame, country=2.0, **{"country:site": 3.0})
    # A known country's unseen site, twice in two countries; a new country with two sites.
    new = frame.head(5).assign(country=["C1", "C2", "C1", "N", "N"], site=["s3", "s3", "s9", "s1", "s2"])
    assert fit.design.evaluate(new).unseen["country:site"] == ("C1:s3", "C1:s9", "C2:s3", "N:s1", "N:s2")
    draws = fit.predict(new).values.reshape(-1, 5)
    # Var = 9 where the country is known (constant draws), 4 + 9 where it is new; the new country is shared.
    expected = np.diag([9.0, 9.0, 9.0, 13.0, 13.0])
    expected[3, 4] = expected[4, 3] = 4.0
    np.testing.assert_allclose(np.cov(draws.T), expected, rtol=0, atol=6 * 13.0 * np.sqrt(2 / len(draws)))


def test_an_unseen_combination_of_an_exhaustive_factor_cannot_be_predicted() -> None:
    frame = rows(40, countries=3)
    frame["sex"] = np.where(frame["country"] == "C2", "female", frame["sex"].astype(str))
    fit = fitted(frame, formula="who5_followup ~ 1 + (1 | country:sex)", spec={"exhaustive": ("country:sex",)}, draws=4)
    with pytest.raises(ModelError, match=r"level\(s\) 'C2:male' of 'country:sex', which no analysed row has"):
        fit.predict(frame.head(1).assign(country="C2", sex="male"))


@pytest.mark.parametrize("family", sorted(name for name in FAMILIES if not FAMILIES[name].event))
def test_every_family_predicts_and_scores_on_its_own_scale(family: str) -> None:
    frame = rows(15, countries=3)
    fit = fitted(
        frame,
        formula="who5_followup ~ alliance + (1 | country)",
        spec={"family": family},
        chains=2,
        draws=20,
        means={"beta": 0.1, "u_country": 0.0, "sigma": 10.0} if FAMILIES[family].discrete else None,
    )
    mean, new = fit.predict(), fit.predict(kind="outcome", seed=3)
    assert mean.dims == new.dims == ("chain", "draw", "obs")
    assert mean.shape == new.shape == fit.log_likelihood().shape == (2, 20, 15)
    assert np.isfinite(mean).all()
    assert np.isfinite(fit.log_likelihood()).all()
    np.testing.assert_array_equal(new, fit.predict(kind="outcome", seed=3))
    assert not np.array_equal(new, fit.predict(kind="outcome", seed=4))
    if family in ("beta_binomial", "cumulative"):
        assert np.isin(new, np.arange(0, 101, 4)).all()


@pytest.mark.parametrize("family", ["gaussian", "student_t", "censored_gaussian"])
def test_every_row_has_the_residual_sd_of_its_level(family: str) -> None:
    frame = rows(30, countries=3)
    options = {"formula": "who5_followup ~ alliance", "chains": 2, "draws": 15}
    fit = fitted(frame, spec={"family": family, "residual_by": "provider_type"}, means={"sigma": [4, 9, 20]}, **options)
    assert fit.posterior["sigma"].dims == ("chain", "draw", "provider_type")
    whole, scores = fit.predict().values, fit.log_likelihood().values
    for level in range(3):
        # The same model with that level's SD for everybody.
        alone = fitted(frame, spec={"family": family}, **options)
        drawn = fit.posterior.drop_vars("sigma").assign(
            sigma=fit.posterior["sigma"].isel(provider_type=level, drop=True)
        )
        alone.tree["posterior"] = drawn.drop_vars("provider_type")
        at = np.flatnonzero(fit.design.rows.residual == level)
        np.testing.assert_allclose(whole[:, :, at], alone.predict().values[:, :, at], rtol=1e-13)
        np.testing.assert_allclose(scores[:, :, at], alone.log_likelihood().values[:, :, at], rtol=1e-13)
    new = frame.head(1).assign(provider_type="both")
    one = fit.predict(new, kind="outcome", seed=1).values
    same = alone.predict(new, kind="outcome", seed=1).values
    np.testing.assert_allclose(one, same, rtol=1e-13)


def test_unknown_kind() -> None:
    with pytest.raises(UsageError) as caught:
        fitted(rows(12, countries=3), formula="who5_followup ~ alliance").predict(kind="median")
    assert str(caught.value) == "kind should be 'mean' or 'outcome' but got 'median'."


def test_no_row_of_the_table_is_printed() -> None:
    frame = rows(12, countries=3)
    assert repr(fitted(frame, formula="who5_followup ~ alliance + (1 | country)")) == (
        "FittedModel('who5_followup ~ alliance + (1 | country)', family='gaussian': 12 participants, 4 chains x "
        "250 draws, engine built)"
    )


@pytest.mark.parametrize("formula", [FORMULA, "who5_followup ~ offset(age) + s(days_in_care) + (alliance || country)"])
def test_the_mean_predictor_is_the_mean_of_the_linear_predictors(formula: str) -> None:
    fit = fitted(rows(30, countries=3), formula=formula, chains=2, draws=20)
    some, few = np.array([3, 4, 17, 39]), fit.design.rows.take(slice(2, 9))

    np.testing.assert_allclose(fit.mean_predictor(), fit.linear_predictor().mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(
        fit.mean_predictor(few, which=some, without=["country"]),
        fit.linear_predictor(few, which=some, without=["country"]).mean(axis=0),
        rtol=1e-12,
    )
