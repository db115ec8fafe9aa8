from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import special, stats

from alliance_bayes.checks import Context
from alliance_bayes.checks.comparison import compare, stacking_weights
from alliance_bayes.errors import UsageError
from builders import fitted, rows

COLUMNS = [
    *("model", "family", "elpd", "se", "elpd_difference", "se_difference", "p_loo", "weight"),
    *("pareto_k_max", "rows_above_good_k", "score"),
]
LEVEL = "probability of the observed level"


def with_draws(fit, **values):
    """The fit with other draws of some variables, shape (chain x draw, ...)."""
    posterior = fit.posterior.copy()
    for name, draws in values.items():
        posterior[name] = posterior[name].copy(data=fit.with_chains(draws).reshape(posterior[name].shape))
    tree = fit.tree.copy()
    tree["posterior"] = posterior
    return replace(fit, tree=tree)


@pytest.fixture(scope="module")
def table():
    return rows(120, seed=4)


@pytest.fixture(scope="module")
def normal(table):
    """Independent draws of the posterior of a normal mean: flat prior, SD known to be 15."""
    y = table["who5_followup"].to_numpy(float)
    fit = fitted(table, formula="who5_followup ~ 1", means={"sigma": 15.0}, sds={"sigma": 0.0}, draws=1000)
    mean = np.random.default_rng(1).normal(y.mean(), 15 / np.sqrt(y.size), 4000)
    return with_draws(fit, beta=mean[:, None], sigma=np.full(4000, 15.0))


@pytest.fixture(scope="module")
def shares(table):
    """Independent draws of the posterior of the levels' shares: a cumulative model without predictors."""
    fit = fitted(table, formula="who5_followup ~ 1", draws=1000, spec={"family": "cumulative"})
    counts = np.bincount(fit.design.outcome.coded.astype(int), minlength=26)
    drawn = np.random.default_rng(2).dirichlet(1.0 + counts, 4000)
    below = np.clip(np.cumsum(drawn, axis=1)[:, :-1], 1e-12, 1 - 1e-12)
    return with_draws(fit, cutpoints=special.logit(below))


def exact_normal(y):
    n = y.size
    others, sd = (y.sum() - y) / (n - 1), 15 * np.sqrt(1 + 1 / (n - 1))
    return np.log(stats.norm.cdf(y + 2, others, sd) - stats.norm.cdf(y - 2, others, sd))


def exact_shares(y):
    counts = (y[:, None] == y).sum(axis=1)
    # Of the n - 1 others, count - 1 are at the same level; the Dirichlet prior adds one to each of 26 levels.
    return np.log(counts / (y.size - 1 + 26))


def test_scores_are_the_exact_leave_one_out_probabilities_of_the_observed_levels(table, normal, shares):
    y = table["who5_followup"].to_numpy(float)
    found = compare({"normal": normal, "shares": shares})
    ours = dict(zip(found.models, found.pointwise.T, strict=True))
    # 4,000 independent draws; the mean's SD is a tenth of sigma, so a row's probability varies by up to 25 % over draws
    # and its Monte Carlo error is 0.4 %. Five of those, and the sum over 120 rows.
    np.testing.assert_allclose(ours["normal"], exact_normal(y), atol=0.02)
    assert found.table.set_index("model").loc["normal", "elpd"] == pytest.approx(exact_normal(y).sum(), abs=0.1)
    # A level's share has a relative SD of 1 / sqrt(count + 1), and the importance weights 1 / share of a level that was
    # seen once have no second moment: their smoothed tail leaves an error of a few per cent.
    np.testing.assert_allclose(ours["shares"], exact_shares(y), atol=0.15)
    seen = np.exp(exact_shares(y)) * (y.size + 25) >= 4
    assert seen.sum() > 60
    # From four on the error is that of 4,000 draws with a relative SD of a half: 0.8 %, and five of those.
    np.testing.assert_allclose(ours["shares"][seen], exact_shares(y)[seen], atol=0.04)


def test_the_table_is_what_the_pointwise_scores_say(table, normal, shares):
    found = compare({"shares": shares, "normal": normal})
    assert found.models == ("normal", "shares")
    assert found.table.columns.tolist() == COLUMNS
    assert found.table["model"].tolist() == ["normal", "shares"]
    assert found.table["family"].tolist() == ["gaussian", "cumulative"]
    assert found.table["score"].tolist() == [LEVEL, LEVEL]
    best, other = found.pointwise.T
    np.testing.assert_allclose(found.table["elpd"], [best.sum(), other.sum()], rtol=1e-12)
    np.testing.assert_allclose(found.table["se"], np.sqrt(120 * found.pointwise.var(axis=0, ddof=1)), rtol=1e-12)
    assert found.table["elpd_difference"].tolist() == [0.0, pytest.approx((other - best).sum(), rel=1e-12)]
    difference = np.sqrt(120 * (other - best).var(ddof=1))
    assert found.table["se_difference"].tolist() == [0.0, pytest.approx(difference, rel=1e-12)]
    np.testing.assert_allclose(found.table["weight"], stacking_weights(found.pointwise), rtol=1e-12)
    y = table["who5_followup"].to_numpy(float)
    law = stats.norm(y.mean(), 15 * np.sqrt(1 + 1 / 120))
    p_loo = (np.log(law.cdf(y + 2) - law.cdf(y - 2)) - exact_normal(y)).sum()
    # A difference of two averages over the same draws, each row's good to less than 0.1 %.
    assert found.table["p_loo"].iloc[0] == pytest.approx(p_loo, abs=0.1)
    # 25 free shares, about which the prior knows something.
    assert 10 < found.table["p_loo"].iloc[1] < 25


def test_levels_are_scored_as_the_loo_check_scores_them(normal, table):
    found = compare({"one": normal, "two": fitted(table, draws=1000)})
    check = Context(normal, replicates=4000).loo
    # The same weights; the check averages over evenly spaced draws, here over all of them.
    ours = found.pointwise[:, found.models.index("one")]
    np.testing.assert_allclose(ours, np.log(check.level), rtol=1e-10)


def test_without_levels_continuous_families_are_compared_by_density(normal, table):
    found = compare({"one": normal, "two": fitted(table, draws=1000)}, step=None)
    assert found.table["score"].tolist() == ["density", "density"]
    np.testing.assert_allclose(found.pointwise[:, found.models.index("one")], Context(normal).loo.elpd, rtol=1e-12)


def test_a_score_does_not_depend_on_the_unit_but_a_density_does(normal):
    by_level = compare({"a": normal, "b": normal}).table["elpd"].iloc[0]
    density = compare({"a": normal, "b": normal}, step=None).table["elpd"].iloc[0]
    # The probability of four points is about four times the density: within 1 %, for an SD of 15.
    assert by_level == pytest.approx(density + 120 * np.log(4), abs=1.2)


def test_two_fits_alike_are_called_alike(normal):
    found = compare({"a": normal, "b": normal})
    assert found.table["elpd_difference"].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(found.table["weight"], 0.5)
    elpd, se = found.table["elpd"].iloc[0], found.table["se"].iloc[0]
    assert found.sentence == (
        f"By the leave-one-out probability of the observed level, 'a' predicts the 120 rows best (elpd {elpd:,.1f}, "
        f"SE {se:,.1f}), followed by 'b' with 0.0 less (SE of the difference 0.0). A difference below 4 is small, and "
        "its standard error is not to be relied on: choose between these two by what they assume, not by this. "
        "Stacking weights: 0.50 for 'a', 0.50 for 'b'."
    )


def test_the_sentence_says_when_rows_are_few_and_when_scores_cannot_be_trusted(table):
    few = table.iloc[:60]
    good = fitted(few, formula="who5_followup ~ 1", means={"beta": [43.0], "sigma": 16.0})
    bad = fitted(few, formula="who5_followup ~ 1", means={"beta": [43.0], "sigma": 8.0}, sds={"beta": 8.0})
    found = compare({"bad": bad, "good": good})
    worst = found.table.iloc[1]
    assert worst["model"] == "bad"
    assert worst["rows_above_good_k"] > 0
    assert (
        " With fewer than 100 rows, standard errors of differences are not to be relied on. Scores cannot be trusted "
        f"where importance sampling failed: {worst['rows_above_good_k']} rows of 'bad' (largest k "
        f"{worst['pareto_k_max']:.2f}). Stacking weights: "
    ) in found.sentence


def test_fits_of_other_outcomes_or_rows_are_listed(table):
    fit, base = fitted(table, formula="who5_followup ~ alliance"), "who5_followup ~ alliance"
    other = table.assign(who5_followup=np.r_[0.0, table["who5_followup"].to_numpy()[1:]])
    fits = {
        "first": fit,
        "same": fitted(table, formula="who5_followup ~ 1"),
        "shorter": fitted(table.iloc[:100], formula=base),
        "column": fitted(table, formula="who5_baseline ~ alliance"),
        "edited": fitted(other, formula=base),
    }
    with pytest.raises(UsageError) as caught:
        compare(fits)
    assert str(caught.value) == (
        "comparing models needs fits of one outcome in the same rows, but against 'first' ('who5_followup', 120 rows) "
        "'shorter' has 100 rows, 'column' is of 'who5_baseline', 'edited' has other outcomes in 1 row. Fit all of "
        "them to one table without missing values in any column that one of them uses."
    )
    with pytest.raises(UsageError, match=r"^comparing models needs two fits or more but got 1\.$"):
        compare({"first": fit})


@pytest.mark.parametrize("step", [0.0, -4.0, np.inf, np.nan])
def test_a_step_is_a_positive_number(normal, step):
    with pytest.raises(UsageError) as caught:
        compare({"a": normal, "b": normal}, step=step)
    assert str(caught.value) == (f"step should be a finite number greater than 0, None or 'default' but got {step!r}.")


def test_densities_are_not_compared_with_masses(normal, shares):
    with pytest.raises(UsageError) as caught:
        compare({"normal": normal, "shares": shares}, step=None)
    assert str(caught.value) == (
        "the densities of 'normal' cannot be compared with the probabilities of 'shares', and the outcome has no known "
        "step. Give the distance between its levels: step=..."
    )
    with pytest.raises(UsageError) as caught:
        compare({"normal": normal, "shares": shares}, step=5.0)
    assert str(caught.value) == (
        "the levels of 'shares' are as close as 4, so a step of 5 would give 'normal' several of them at once. Give "
        "step=4 or less, or compare families of one kind."
    )


def test_a_probability_at_a_censoring_limit_is_not_compared_with_a_density(table):
    table = table.assign(alliance=np.where(np.arange(120) < 40, 5.0, 1 + 4 * np.random.default_rng(0).random(120)))
    means = {"beta": [4.0], "sigma": 1.0}
    free = fitted(table, formula="alliance ~ 1", means=means)
    censored = fitted(table, formula="alliance ~ 1", means=means, spec={"family": "censored_gaussian"})
    with pytest.raises(UsageError) as caught:
        compare({"free": free, "censored": censored}, step=None)
    assert str(caught.value) == (
        "the fits are censored at different limits ('free' at none, 'censored' at 5), where one has a probability and "
        "another a density, and the outcome has no known step. Give the distance between its levels: step=..."
    )
    found = compare({"free": free, "censored": censored}, step=0.1)
    assert found.table["score"].tolist() == [LEVEL, LEVEL]
    at_limit = table["alliance"].to_numpy() == 5
    ours = dict(zip(found.models, found.pointwise.T, strict=True))
    # The whole tail above 5 against a tenth of a point around it.
    assert (ours["censored"][at_limit] > ours["free"][at_limit] + 1).all()
    # Elsewhere only the importance weights differ: those of a tail instead of a density, over draws of sigma by 5 %.
    np.testing.assert_allclose(ours["censored"][~at_limit], ours["free"][~at_limit], atol=1e-9)


def test_stacking_weights_are_the_best_on_a_grid():
    rng = np.random.default_rng(3)
    pointwise = -1 + rng.normal(size=(200, 2)) * [0.6, 1.0] + [0.1, 0.0]
    grid = np.linspace(0, 1, 100_001)
    score = np.log(np.exp(pointwise) @ np.stack([grid, 1 - grid])).sum(axis=0)
    best = grid[score.argmax()]
    assert 0.2 < best < 0.8
    # The grid's spacing, and where the score is flat to the optimiser's 1e-12 of itself.
    np.testing.assert_allclose(stacking_weights(pointwise), [best, 1 - best], atol=2e-5)


def test_stacking_survives_rows_that_a_model_cannot_predict_and_leaves_out_one_that_is_always_worse():
    rng = np.random.default_rng(4)
    first = rng.normal(-3, 1, 50)
    hopeless = np.where(np.arange(50) == 7, -2000.0, first - 0.5)
    np.testing.assert_allclose(stacking_weights(np.column_stack([hopeless, first])), [0, 1], atol=1e-8)
    # Where every model's probability underflows, the ratio still counts.
    low = np.column_stack([first, first[::-1]])
    np.testing.assert_allclose(stacking_weights(low - 5000), stacking_weights(low), atol=1e-6)
