"""Bayesian bootstrap of ratings: exact Dirichlet moments, Mann-Whitney, medians, ceilings, and edges."""

from __future__ import annotations

import re
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from alliance_bayes.effects import EffectTable, group_ratings
from alliance_bayes.errors import UsageError

GROUPS = ["coach", "therapist", "both"]


def sample(n: int = 300, seed: int = 2) -> tuple[pd.Series, pd.Series]:
    rng = np.random.default_rng(seed)
    codes = rng.choice(3, n, p=[0.6, 0.25, 0.15])
    ratings = np.clip(np.round(rng.normal(4.8 - 0.2 * codes, 0.6) * 4) / 4, 1, 5)
    group = pd.Series(pd.Categorical.from_codes(codes, categories=GROUPS, ordered=True), name="provider_type")
    return pd.Series(ratings, name="alliance"), group


def row(table: EffectTable, estimand: str, level: str, versus: str | None = None) -> str:
    same = table["versus"].isna() if versus is None else table["versus"] == versus
    (name,) = table.index[(table["estimand"] == estimand) & (table["level"] == level) & same]
    return str(name)


def test_rows_ids_and_units() -> None:
    table = group_ratings(*sample(), top=5)
    assert table["estimand"].tolist() == [
        *["mean_rating"] * 3,
        *["median_rating"] * 3,
        *["share_at_ceiling"] * 3,
        *["difference_of_mean_ratings"] * 3,
        *["difference_of_median_ratings"] * 3,
        *["probability_of_superiority"] * 3,
    ]
    assert table["level"].iloc[:3].tolist() == GROUPS
    pairs = list(zip(table["level"], table["versus"], strict=True))
    assert pairs[9:12] == pairs[15:] == [("therapist", "coach"), ("both", "coach"), ("both", "therapist")]
    assert table.index[0] == "mean_rating/alliance/provider_type=coach"
    assert table.index[-1] == "probability_of_superiority/alliance/provider_type=both vs therapist"
    assert table["unit"].iloc[[0, 3, 6, 9, 12, 15]].tolist() == [
        *["alliance point"] * 2,
        "probability",
        *["alliance point"] * 2,
        "probability",
    ]
    assert table["p_direction"].notna().tolist() == [False] * 9 + [True] * 6 + [False] * 3
    assert {values.shape for values in table.draws.values()} == {(4, 1000)}
    # Independent draws: R-hat of a good sampler.
    assert (table["rhat"].dropna() < 1.01).all()
    assert table.left_out == ()


def test_means_shares_and_superiority_have_the_moments_of_the_dirichlet() -> None:
    values, groups = sample()
    table = group_ratings(values, groups, top=5, draws=20_000, seed=1)
    x = {level: values[groups == level].to_numpy() for level in GROUPS}
    for level in GROUPS:
        own, n = x[level], len(x[level])
        mean = table.loc[row(table, "mean_rating", level)]
        # The mean's posterior has the sample mean, and the sample variance (divisor n) over n + 1.
        assert mean["mean"] == pytest.approx(own.mean(), abs=4 * mean["sd"] / np.sqrt(20_000))
        assert mean["sd"] == pytest.approx(np.sqrt(own.var() / (n + 1)), rel=4 / np.sqrt(2 * 20_000))
        share = table.draws[row(table, "share_at_ceiling", level)].ravel()
        beta = stats.beta((own == 5).sum(), (own < 5).sum())
        # One in 10,000 such tests would fail by chance.
        assert stats.kstest(share, beta.cdf).pvalue > 1e-4
    for a, b in (("therapist", "coach"), ("both", "therapist")):
        line = table.loc[row(table, "probability_of_superiority", a, b)]
        u = stats.mannwhitneyu(x[a], x[b]).statistic / (len(x[a]) * len(x[b]))
        # Two independent Dirichlets: the expectation is that of the observed shares, the Mann-Whitney statistic.
        assert line["mean"] == pytest.approx(u, abs=4 * line["sd"] / np.sqrt(20_000))


def test_differences_subtract_and_medians_are_observed_values() -> None:
    values, groups = sample()
    table = group_ratings(values, groups, top=5, rope=(-0.1, 0.1))
    for what in ("mean", "median"):
        difference = table.draws[row(table, f"difference_of_{what}_ratings", "both", "coach")]
        both, coach = (table.draws[row(table, f"{what}_rating", level)] for level in ("both", "coach"))
        np.testing.assert_array_equal(difference, both - coach)
    assert set(np.unique(both)) <= set(values)
    assert table.loc[row(table, "difference_of_mean_ratings", "both", "coach"), "rope_high"] == 0.1


def test_a_median_is_the_lowest_value_that_half_are_not_above() -> None:
    # 3 of 5 ratings are 5: the median is below 5 where their share, Beta(3, 2), is at most a half.
    table = group_ratings([3, 4, 5, 5, 5], ["a"] * 5, top=5, draws=40_000)
    below = (table.draws["median_rating/rating/group=a"] < 5).mean()
    p = stats.beta(3, 2).cdf(0.5)
    # Four standard errors of a share of 40,000 independent draws.
    assert below == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / 40_000))


@settings(max_examples=40, deadline=None)
@given(
    ratings=st.lists(st.integers(1, 5), min_size=2, max_size=40),
    data=st.data(),
)
def test_superiority_is_a_probability_that_knows_separation_and_ties(ratings: list[int], data: st.DataObject) -> None:
    groups = data.draw(st.lists(st.sampled_from("ab"), min_size=len(ratings), max_size=len(ratings)))
    if len(set(groups)) < 2:
        groups[:2] = ["a", "b"]
    there = group_ratings(ratings, groups, top=5, draws=40)
    name = "probability_of_superiority/rating/group=b vs a"
    values = there.draws[name]
    assert ((values >= 0) & (values <= 1 + 1e-12)).all()
    a, b = (np.array([x for x, g in zip(ratings, groups, strict=True) if g == label]) for label in "ab")
    if min(b) > max(a):
        np.testing.assert_allclose(values, 1.0, rtol=1e-12)
    if set(a) == set(b) and len(set(a)) == 1:
        np.testing.assert_allclose(values, 0.5, rtol=1e-12)


def test_more_than_twelve_groups_are_compared_with_all_others() -> None:
    rng = np.random.default_rng(0)
    groups = np.r_[np.arange(13), rng.choice(13, 500)]
    values = np.clip(np.round(rng.normal(4.5, 0.7, 513), 1), 1, 5)
    table = group_ratings(values, groups, top=5, draws=8000)
    compared = table[table["versus"].notna()]
    assert set(compared["versus"]) == {"(all others)"}
    assert len(compared) == 3 * 13
    assert compared["level"].iloc[:13].tolist() == [str(k) for k in range(13)]
    for level in (0, 7):
        own, others = values[groups == level], values[groups != level]
        mean = table.loc[row(table, "difference_of_mean_ratings", str(level), "(all others)")]
        assert mean["mean"] == pytest.approx(own.mean() - others.mean(), abs=4 * mean["sd"] / np.sqrt(8000))
        line = table.loc[row(table, "probability_of_superiority", str(level), "(all others)")]
        u = stats.mannwhitneyu(own, others).statistic / (len(own) * len(others))
        assert line["mean"] == pytest.approx(u, abs=4 * line["sd"] / np.sqrt(8000))
        median = table.loc[row(table, "difference_of_median_ratings", str(level), "(all others)"), "median"]
        assert median == pytest.approx(np.median(own) - np.median(others), abs=0.11)


def test_blocks_of_draws_are_independent_of_how_many_fit_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = group_ratings(*sample(), top=5, draws=8000)
    monkeypatch.setattr("alliance_bayes.effects.ratings._BLOCK", 3 * 17 * 100)
    parts = group_ratings(*sample(), top=5, draws=8000)
    assert parts.index.equals(whole.index)
    # Other random numbers for the same posterior: four standard errors of a difference of means.
    error = np.hypot(whole["sd"], parts["sd"]) / np.sqrt(8000)
    assert ((whole["mean"] - parts["mean"]).abs() <= 4 * error + 1e-12).all()


def test_forty_five_groups_take_a_moment() -> None:
    rng = np.random.default_rng(1)
    values, groups = np.round(rng.beta(8, 1, 3087) * 16) / 4 + 1, rng.choice(45, 3087)
    start = time.process_time()
    group_ratings(values, groups, top=5)
    # About one second of processor time; five leave room for a slow machine.
    assert time.process_time() - start < 5


def test_groups_of_one_value_say_so_and_missing_people_are_counted() -> None:
    values = pd.Series([5.0, 5, 4, np.nan, 3, 5], index=list("abcdef"))
    groups = pd.Series(["x", "x", "y", "y", "z", None], index=list("abcdef"), name="site")
    table = group_ratings(values, groups, top=5, draws=8)
    means = table[table["estimand"] == "mean_rating"]
    assert means["mean"].tolist() == [5.0, 4.0, 3.0]
    assert means["note"].tolist() == [
        "every rating is 5, and the Bayesian bootstrap knows no other value",
        "every rating is 4, and the Bayesian bootstrap knows no other value",
        "every rating is 3, and the Bayesian bootstrap knows no other value",
    ]
    assert table.left_out == ("2 of 6 ratings: the value or the group is missing",)
    assert table["unit"].iloc[0] == "unit of rating"
    alone = group_ratings([1, 2, 3], ["x"] * 3, top=5, draws=8)
    assert alone["estimand"].tolist() == ["mean_rating", "median_rating", "share_at_ceiling"]
    assert alone["mean"].iloc[2] == 0.0


@pytest.mark.parametrize(
    ("values", "groups", "arguments", "message"),
    [
        ([1, 2], ["a"], {}, "values and groups should be one each a person but have lengths 2 and 1."),
        (["good"], ["a"], {}, "values must hold numbers. Score the ratings first."),
        ([np.nan], ["a"], {}, "there is no person with both a rating and a group."),
        (
            [1, 5.5],
            ["a", "b"],
            {},
            "top should be the highest rating there is but got 5, and the highest of these is 5.5.",
        ),
        ([1, 5], ["a", "b"], {"draws": 6}, "draws should be a multiple of 4 but got 6. 4000 is the default."),
        ([1, 5], ["a", "b"], {"prob": 1}, "prob should be in the interval (0, 1) but got 1. 0.89 is the default."),
        ([1, 5], ["a", "b"], {"interval": "ci"}, "interval should be one of 'eti', 'hdi' but got 'ci'."),
        (
            pd.Series([1, 5]),
            pd.Series(["a", "b"], index=[1, 2]),
            {},
            "values and groups differ in their index. Align them before comparing people.",
        ),
    ],
)
def test_what_cannot_be_asked(values: object, groups: object, arguments: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        group_ratings(values, groups, top=5, **arguments)  # type: ignore[arg-type]
