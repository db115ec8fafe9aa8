"""Leave-one-out of many rows from some of them: the same sums within the stated error, and no heavy row missed."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy import stats

from alliance_bayes.checks import CHECKS, Context, subsample
from alliance_bayes.checks import comparison as comparing
from alliance_bayes.checks import context as module
from alliance_bayes.checks.comparison import compare, stacking_weights
from alliance_bayes.checks.subsample import LookedAt, heaviest, looked_at, proxies
from alliance_bayes.fit import FittedModel
from alliance_bayes.study.model_comparison import score_table
from builders import fitted, rows
from checks.exact import ExactGaussian

N = 1500
FORMULA = "who5_followup ~ alliance + who5_baseline + (1 | country)"


@cache
def exact(n: int = N, formula: str = FORMULA, far: float = 0.0) -> FittedModel:
    """A Gaussian model's exact posterior draws; one outcome may be far out, at a leverage of its own."""
    frame = rows(n, seed=8)
    if far:
        frame.loc[n // 3, ["alliance", "who5_baseline"]] = 1.0, 400.0
        frame.loc[n // 3, "who5_followup"] = far
    return ExactGaussian(frame, formula).fit(frame["who5_followup"].to_numpy(float), draws=500)


def few(monkeypatch: pytest.MonkeyPatch, most: int, heavy: int) -> None:
    monkeypatch.setattr(module, "MOST_ROWS", most)
    monkeypatch.setattr(comparing, "MOST_ROWS", most)
    monkeypatch.setattr(subsample, "HEAVIEST", heavy)


@pytest.mark.parametrize("heavy", [0, 60])
@pytest.mark.parametrize("what", ["elpd", "p", "level"])
def test_estimated_sums_are_right_within_their_stated_error(
    what: str, heavy: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subsample, "HEAVIEST", heavy)
    whole = Context(exact()).loo
    known = proxies(exact(), 4.0)
    assert whole.level is not None
    values = {"elpd": whole.elpd, "p": whole.p, "level": np.log(whole.level)}[what]
    proxy = getattr(known, what)
    full = whole.looked.total(values, None)
    assert full.sampling == 0.0
    assert full.value == pytest.approx(values.sum(), rel=1e-12)
    assert full.se == pytest.approx(np.sqrt(N) * values.std(ddof=1), rel=1e-12)
    rng, found = np.random.default_rng(1), []
    for _ in range(2000):
        looked = looked_at(N, np.sort(rng.choice(N, 150, replace=False)), [heaviest(known)])
        assert looked.certain.sum() == heavy
        found.append(looked.total(values[looked.rows], proxy))
    value, se, sampling = (np.array([getattr(total, name) for total in found]) for name in ("value", "se", "sampling"))
    error = value - full.value
    # Unbiased: four standard errors of a mean of 2,000.
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(2000)
    # The stated variance is the estimate's: both from 2,000 samples, of values with heavy tails.
    assert (sampling**2).mean() == pytest.approx(error.var(), rel=0.15)
    # Intervals of a skewed mean of 150 differences hold somewhat less than 95 %.
    assert 0.89 < (np.abs(error) < 1.96 * sampling).mean() < 0.975
    # And the standard error over rows is that of all rows, and of the sampling.
    assert (se**2 - sampling**2).mean() == pytest.approx(full.se**2, rel=0.05)


def test_looking_at_the_heaviest_rows_and_having_proxies_makes_sums_more_exact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, known = Context(exact()).loo, proxies(exact(), 4.0)
    drawn = np.sort(np.random.default_rng(3).choice(N, 150, replace=False))
    none = looked_at(N, drawn, [])
    # Without a proxy worth the name: the textbook's standard error of a total from a simple random sample.
    plain = none.total(whole.elpd[drawn], np.zeros(N))
    own = whole.elpd[drawn]
    assert plain.value == pytest.approx(N * own.mean(), rel=1e-12)
    assert plain.sampling == pytest.approx(N * own.std(ddof=1) * np.sqrt((1 - 0.1) / 150), rel=1e-12)
    near = none.total(own, known.elpd)
    assert near.sampling < plain.sampling / 10
    monkeypatch.setattr(subsample, "HEAVIEST", 60)
    besides = looked_at(N, drawn, [heaviest(known)])
    assert besides.total(whole.elpd[besides.rows], known.elpd).sampling < near.sampling


def test_rows_looked_at_have_the_scores_they_have_when_all_are(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = exact()
    whole = Context(fit, seed=2)
    everything, all_rows = whole.loo, CHECKS["loo"](whole).table.set_index("quantity")
    few(monkeypatch, 200, 30)
    some = Context(fit, seed=2)
    looked = some.loo.looked
    assert isinstance(looked, LookedAt)
    assert not looked.whole
    assert looked.random.sum() == 200
    assert looked.certain.sum() == 30
    for name in ("elpd", "p", "pareto_k"):
        np.testing.assert_array_equal(getattr(some.loo, name), getattr(everything, name)[looked.rows])
    # The same rows as the residuals are of; and only the random ones say whether predictions are calibrated.
    drawn = looked.rows[looked.random]
    np.testing.assert_array_equal(some.sample.fit.design.outcome.values, fit.design.outcome.values[drawn])
    for ours, theirs in zip(some.pit_bounds, whole.pit_bounds, strict=True):
        np.testing.assert_array_equal(ours, theirs[drawn])
    found, calibrated = CHECKS["loo"](some), CHECKS["calibration"](some)
    assert calibrated.sentence.endswith(f" Of {N:,} rows, a random sample of 200 was looked at.")
    table = found.table.set_index("quantity")
    assert table.loc["elpd_loo", "sampling_se"] > 0
    assert f"rows of {looked.rows.size} looked at with k above 1" in table.index
    assert (
        f" Of {N:,} rows, a random sample of 200 was looked at, and the 30 whose log scores differ most between draws. "
        f"The SE of elpd_loo counts that in, with {table.loc['elpd_loo', 'sampling_se']:.2g}."
    ) in found.sentence
    # The same seed, the same rows; another, others.
    np.testing.assert_array_equal(Context(fit, seed=2).loo.looked.rows, looked.rows)
    assert (Context(fit, seed=3).random_rows(200) != drawn).any()
    for name in ("elpd_loo", "p_loo", "elpd_loo of levels"):
        apart = table.loc[name, "value"] - all_rows.loc[name, "value"]
        assert abs(apart) < 4 * table.loc[name, "sampling_se"]


def test_of_many_draws_some_are_weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = exact()
    whole, all_draws = CHECKS["loo"](Context(fit)), Context(fit)
    assert all_draws.every == 1
    before = all_draws.loo.elpd
    # Two thousand draws of 1,500 rows: a third of them, were it not that a thousand are left.
    monkeypatch.setattr(module, "WEIGHED", 1_000_000)
    context = Context(fit)
    assert context.every == 2
    found = CHECKS["loo"](context)
    assert found.sentence.endswith(" One of 2 draws was weighed.")
    assert "draws was weighed" not in whole.sentence
    thinned = Context(fit.thinned(2)).loo
    np.testing.assert_array_equal(context.loo.elpd, thinned.elpd)
    # Log scores from 2,000 draws and from half of them: a row's varies by its own p.
    error = np.sqrt(np.maximum(all_draws.loo.p, 1e-4) / 1000)
    assert (np.abs(context.loo.elpd - before) < 6 * error).mean() > 0.99


def test_up_to_the_limit_all_rows_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch, N, 30)
    context = Context(exact())
    assert context.loo.looked.whole
    assert context.loo.known is None
    assert "sampling_se" not in CHECKS["loo"](context).table.columns


@pytest.mark.parametrize("seed", range(3))
def test_a_single_row_that_pulls_the_fit_is_found_among_many(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: one row in 1,500, of which the sample has fifty."""
    fit = exact(far=-400.0)
    whole = CHECKS["loo"](Context(fit))
    assert whole.verdict in ("warn", "fail")
    few(monkeypatch, 50, 10)
    context = Context(fit, seed=seed)
    found = CHECKS["loo"](context)
    assert found.verdict == whole.verdict
    assert found.details["row"].iloc[0] == whole.details["row"].iloc[0] == N // 3
    assert found.details["outcome"].iloc[0] == -400.0
    assert found.details["pareto_k"].iloc[0] == whole.details["pareto_k"].iloc[0]
    assert f"; row {N // 3}, counted from 0" in found.sentence


def test_a_row_that_the_fit_hangs_on_is_found_though_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a leverage near one and no residual, so that the row's own score says nothing."""
    frame = rows(N, seed=8)
    frame.loc[N // 3, "who5_baseline"] = 3000.0
    y = 45 + 0.4 * (frame["who5_baseline"].to_numpy(float) - 41) + 15 * np.random.default_rng(5).normal(size=N)
    y[N // 3] = 45 + 0.4 * (3000 - 41)
    fit = ExactGaussian(frame, FORMULA).fit(y, draws=500)
    whole = CHECKS["loo"](Context(fit))
    assert whole.verdict in ("warn", "fail")
    few(monkeypatch, 50, 10)
    found = CHECKS["loo"](Context(fit))
    assert found.verdict == whole.verdict
    assert found.details["row"].iloc[0] == whole.details["row"].iloc[0] == N // 3


@pytest.mark.parametrize("family", ["beta_binomial", "student_t", "cumulative"])
def test_other_families_have_proxies_close_to_their_scores(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = fitted(
        rows(400),
        formula="who5_followup ~ alliance",
        draws=250,
        means={"beta": [0.0, 0.1] if family == "beta_binomial" else [0.0] if family == "cumulative" else [43.0, 1.0]},
        spec={"family": family},
    )
    whole = CHECKS["loo"](Context(fit)).table.set_index("quantity")
    known = proxies(fit, Context(fit).step)
    assert np.corrcoef(known.elpd, Context(fit).loo.elpd)[0, 1] > 0.99
    few(monkeypatch, 100, 20)
    found = CHECKS["loo"](Context(fit)).table.set_index("quantity")
    shared = [name for name in ("elpd_loo", "p_loo", "elpd_loo of levels") if name in whole.index]
    apart = (found["value"] - whole["value"])[shared]
    assert (apart.abs() < 4 * found.loc[shared, "sampling_se"]).all()


def test_comparisons_of_some_rows_are_those_of_all_within_their_error(monkeypatch: pytest.MonkeyPatch) -> None:
    fits = {"with": exact(), "without": exact(formula="who5_followup ~ alliance + (1 | country)")}
    whole = compare(fits)
    few(monkeypatch, 300, 30)
    found = compare(fits)
    assert found.models == whole.models
    assert found.rows.size == len(found.pointwise) < 361
    np.testing.assert_allclose(found.pointwise, whole.pointwise[found.rows], rtol=1e-12)
    ours, theirs = found.table.set_index("model"), whole.table.set_index("model")
    for name, error in (("elpd", "sampling_se"), ("elpd_difference", "sampling_se_difference")):
        assert ((ours[name] - theirs[name]).abs() <= 4 * ours[error]).all()
    # Variances from 300 rows: their own relative error is a tenth or so.
    np.testing.assert_allclose(ours["se_difference"], theirs["se_difference"], rtol=0.3)
    random = np.isin(found.rows, Context(fits["with"]).random_rows(300))
    np.testing.assert_allclose(found.table["weight"], stacking_weights(found.pointwise[random]), rtol=1e-9)
    assert "sampling_se" not in whole.table.columns
    assert whole.sampled == ""
    assert found.sampled.startswith(f"Of {N:,} rows, a random sample of 300 was looked at, and the ")
    assert found.sampled in found.sentence
    assert found.sampled in str(score_table(found, name="scores", what="Models", note="A note."))
    part = found.table["sampling_se_difference"].iloc[1]
    assert found.sentence.endswith(f" The SE of the difference counts that in, with {part:.2g}.")


def test_pit_values_of_a_sample_are_uniform_where_those_of_all_are(monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch, 400, 100)
    p = []
    for seed in range(5):
        low, high = Context(exact(), seed=seed).pit_bounds
        p.append(stats.kstest(np.random.default_rng(seed).uniform(low, high), "uniform").pvalue)
    # The outcomes are not the model's, but close; heavy rows alone would be far out.
    assert min(p) > 1e-4


def planted(kind: str, n: int) -> FittedModel:
    """A Gaussian model of outcomes that are not Gaussian, or not on a straight line."""
    frame = rows(n, seed=11)
    rng, x = np.random.default_rng(12), frame["alliance"].to_numpy(float)
    noise = {
        "tails": 8 * rng.standard_t(2.5, n),
        "skew": 9 * (rng.exponential(size=n) - 1),
        "bend": 9 * rng.normal(size=n) + 4 * (x - x.mean()) ** 2,
        "none": 12 * rng.normal(size=n),
    }[kind]
    y = 45 + 2 * (x - x.mean()) + noise
    return ExactGaussian(frame, "who5_followup ~ alliance").fit(y, draws=250)


@pytest.mark.parametrize(
    ("kind", "fires"), [("tails", "calibration"), ("skew", "calibration"), ("bend", "curvature"), ("none", None)]
)
def test_a_sample_shows_what_is_wrong_with_all(kind: str, fires: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    few(monkeypatch, 600, 50)
    context = Context(planted(kind, 3000))
    assert not context.loo.looked.whole
    verdicts = {name: CHECKS[name](context).verdict for name in ("calibration", "curvature", "posterior_predictive")}
    if fires is None:
        assert set(verdicts.values()) == {"pass"}
    else:
        assert verdicts[fires] == "warn"
