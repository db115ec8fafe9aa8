"""Figures of a table's rows: what NumPy and ArviZ give, and what is left empty."""

from __future__ import annotations

import re

import numpy as np
import pytest
from arviz_stats.base import array_stats
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes import Scale
from alliance_bayes.effects.options import Options, make_options
from alliance_bayes.effects.summary import Difference, Estimate, Fixed, summarise
from alliance_bayes.errors import UsageError
from builders import fitted, rows


def one(draws: np.ndarray, *, options: Options | None = None, **about: object) -> dict[str, object]:
    table = summarise([Estimate("slope", Fixed(draws), "point", **about)], options or Options())  # type: ignore[arg-type]
    assert len(table) == 1
    return table.iloc[0].to_dict()


def series(kind: str, chains: int, draws: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(chains, draws))
    if kind == "autocorrelated":
        for t in range(1, draws):
            values[:, t] = 0.9 * values[:, t - 1] + 0.4 * values[:, t]
    elif kind == "alternating":
        values = values * 0.2 + np.where(np.arange(draws) % 2, 1.0, -1.0)
    elif kind == "stuck chain":
        values[0] += 5
    elif kind == "ties":
        values = np.round(values)
    elif kind == "heavy":
        values = np.tan(np.pi * (rng.random((chains, draws)) - 0.5))
    return values


@pytest.mark.parametrize("kind", ["independent", "autocorrelated", "alternating", "stuck chain", "ties", "heavy"])
@pytest.mark.parametrize(("chains", "draws"), [(4, 100), (2, 51), (1, 64)])
def test_diagnostics_are_arvizs(kind: str, chains: int, draws: int) -> None:
    values = series(kind, chains, draws)
    row = one(values)
    expected = {
        "ess_bulk": array_stats.ess(values, method="bulk"),
        "ess_tail": array_stats.ess(values, method="tail", prob=(0.055, 0.945)),
        "rhat": array_stats.rhat(values) if chains > 1 else np.nan,
        "mcse_mean": array_stats.mcse(values, method="mean"),
    }
    for name, value in expected.items():
        # The same estimators on the same ranks: only the order of floating-point sums may differ. The two middle draws
        # are as far from their median, which rounding decides for ArviZ: their ranks differ by a half of some hundred.
        np.testing.assert_allclose(row[name], value, rtol=1e-4 if name == "rhat" else 1e-9, err_msg=name)


def test_a_block_of_quantities_gives_what_each_gives_alone() -> None:
    kinds = ("independent", "autocorrelated", "stuck chain", "ties")
    draws = [series(kind, 4, 60, seed) for seed in range(40) for kind in kinds]
    together = summarise([Estimate(f"q{i}", Fixed(d), "point", signed=True) for i, d in enumerate(draws)], Options())
    for i in (0, 1, 2, 3, 63, 64, 159):
        alone = summarise([Estimate(f"q{i}", Fixed(draws[i]), "point", signed=True)], Options())
        numbers = [name for name in alone.columns if alone[name].dtype == float]
        np.testing.assert_allclose(together.iloc[[i]][numbers], alone[numbers], rtol=1e-12)


def test_location_spread_and_limits() -> None:
    values = np.random.default_rng(1).gamma(2.0, size=(3, 333))
    row = one(values, options=Options(prob=0.6))
    assert row["mean"] == pytest.approx(values.mean(), rel=1e-14)
    assert row["sd"] == pytest.approx(values.std(ddof=1), rel=1e-14)
    assert row["median"] == pytest.approx(np.median(values), rel=1e-14)
    assert (row["lower"], row["upper"]) == pytest.approx(np.quantile(values, [0.2, 0.8]), rel=1e-14)
    assert (row["interval"], row["prob"]) == ("eti", 0.6)
    densest = one(values, options=Options(prob=0.6, interval="hdi"))
    assert (densest["lower"], densest["upper"]) == pytest.approx(array_stats.hdi(values.ravel(), prob=0.6), rel=1e-14)
    assert densest["interval"] == "hdi"
    assert densest["upper"] - densest["lower"] < row["upper"] - row["lower"]


@given(
    values=st.lists(st.floats(-100, 100), min_size=8, max_size=24).filter(lambda x: len(set(x)) > 1),
    prob=st.floats(0.05, 0.95),
)
@settings(max_examples=60, deadline=None)
def test_limits_are_numpys_quantiles_and_probabilities_are_shares(values: list[float], prob: float) -> None:
    draws = np.array(values[: len(values) // 2 * 2]).reshape(2, -1)
    row = one(draws, options=Options(prob=prob), signed=True, rope=(-2.0, 3.0), relevant=10.0)
    limits = np.quantile(draws, [(1 - prob) / 2, 0.5, (1 + prob) / 2])
    np.testing.assert_allclose([row["lower"], row["median"], row["upper"]], limits, rtol=1e-12, atol=1e-12)
    assert row["p_direction"] == max((draws > 0).mean(), (draws < 0).mean())
    assert row["p_rope"] == ((draws >= -2) & (draws <= 3)).mean()
    assert row["p_relevant"] == (np.abs(draws) >= 10).mean()
    assert (row["rope_low"], row["rope_high"], row["relevant"]) == (-2.0, 3.0, 10.0)


def test_what_does_not_apply_is_missing() -> None:
    row = one(series("independent", 4, 50))
    assert row["note"] is np.nan
    for name in ("p_direction", "rope_low", "rope_high", "p_rope", "relevant", "p_relevant"):
        assert np.isnan(row[name]), name
    for name in ("term", "factor", "level", "versus", "denominator", "population"):
        assert row[name] is np.nan, name


@pytest.mark.parametrize("value", [3.25, 0.0, -1e9])
def test_constant_draws_have_no_diagnostics(value: float) -> None:
    row = one(np.full((4, 50), value), signed=True)
    assert [row[name] for name in ("mean", "median", "lower", "upper", "sd")] == [value] * 4 + [0.0]
    assert all(np.isnan(row[name]) for name in ("ess_bulk", "ess_tail", "rhat", "mcse_mean"))
    assert row["p_direction"] == float(value != 0)


def test_draws_that_vary_by_rounding_alone_are_constant() -> None:
    row = one(50 + 1e-14 * np.random.default_rng(0).normal(size=(4, 50)).round())
    assert row["sd"] == 0.0
    assert np.isnan(row["rhat"])


def test_a_quantity_that_is_not_defined_in_every_draw_is_missing_and_says_how_often() -> None:
    draws = series("independent", 4, 50)
    draws[0, :7] = np.nan
    row = one(draws, signed=True, rope=(-1.0, 1.0), relevant=2.0)
    for name in ("mean", "sd", "median", "lower", "upper", "p_direction", "p_rope", "p_relevant", "rhat", "ess_bulk"):
        assert np.isnan(row[name]), name
    assert row["note"] == "not defined in 3.5% of the draws"
    assert one(draws, note="because")["note"] == "because"


def test_infinite_draws_leave_quantiles_but_no_mean() -> None:
    draws = np.abs(series("independent", 4, 50))
    draws[1, :20] = np.inf
    row = one(draws)
    assert row["median"] == np.sort(draws.ravel())[99:101].mean()
    assert row["lower"] == pytest.approx(np.quantile(draws, 0.055, method="linear"), rel=1e-12)
    for name in ("mean", "sd", "mcse_mean", "upper"):
        assert np.isnan(row[name]), name
    # Ranks do not mind infinity: ArviZ's bulk ESS of the same draws with something huge in place of it.
    huge = np.where(np.isinf(draws), 1e12, draws)
    assert row["ess_bulk"] == pytest.approx(array_stats.ess(huge, method="bulk"), rel=1e-9)
    every = one(np.full((4, 50), np.inf))
    assert all(np.isnan(every[name]) for name in ("mean", "median", "lower", "upper", "rhat", "ess_bulk", "ess_tail"))


def test_too_few_draws_for_diagnostics() -> None:
    row = one(np.array([[1.0, 2.0, 4.0]]))
    assert row["mean"] == pytest.approx(7 / 3)
    assert all(np.isnan(row[name]) for name in ("rhat", "ess_bulk", "ess_tail", "mcse_mean"))
    assert np.isnan(one(np.array([[1.0]]))["sd"])


def test_differences_are_computed_from_levels() -> None:
    block = np.random.default_rng(3).normal(size=(3, 2, 20))
    by = np.full((2, 20), 4.0)
    np.testing.assert_array_equal(Difference(block, 2, 0)(), block[2] - block[0])
    np.testing.assert_array_equal(Difference(block, 2, 0, by)(), (block[2] - block[0]) / 4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prob": 1.0}, "prob should be in the interval (0, 1) but got 1.0. 0.89 is the default."),
        ({"prob": float("nan")}, "prob should be in the interval (0, 1) but got nan. 0.89 is the default."),
        ({"interval": "hpd"}, "interval should be one of 'eti', 'hdi' but got 'hpd'."),
        ({"population": "all"}, "population should be one of 'average', 'sample', 'equal', 'new' but got 'all'."),
        (
            {"rope": (2.0, -2.0)},
            "rope should be two finite numbers, the lower first, in points of the outcome, but got (2.0, -2.0).",
        ),
        (
            {"rope": (0.0, float("inf"))},
            "rope should be two finite numbers, the lower first, in points of the outcome, but got (0.0, inf).",
        ),
        (
            {"relevant": 0.0},
            "relevant should be a finite number of points greater than 0 but got 0.0.",
        ),
    ],
)
def test_options_are_checked(arguments: dict[str, object], message: str) -> None:
    fit = fitted(chains=1, draws=4)
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        make_options(fit, **arguments)  # type: ignore[arg-type]


def test_default_rope_and_relevant_change_are_those_of_the_outcomes_scale() -> None:
    who5 = fitted(chains=1, draws=4)
    usual = Options(rope=(-2.0, 2.0), relevant=10.0, population="average")
    assert make_options(who5, rope="default", relevant="default") == usual
    assert make_options(who5) == make_options(who5, rope="default", relevant="default")
    assert make_options(who5, rope=None, relevant=None) == Options(population="average")
    alliance = fitted(formula="alliance ~ age + (1 | sex)", means={"beta": 0.0}, chains=1, draws=4)
    assert make_options(alliance, rope="default", relevant="default") == Options()
    assert make_options(alliance, rope=(-0.1, 0.2), relevant=0.5) == Options(rope=(-0.1, 0.2), relevant=0.5)
    frame = rows(60).assign(score=lambda data: data["who5_followup"] % 20)
    frame["better"] = (frame["score"] > 9).astype(float)

    def known(outcome: str, **spec: object) -> tuple[tuple[float, float] | None, float | None]:
        data = frame.rename(columns={"score": outcome}) if outcome not in frame else frame
        fit = fitted(data, formula=f"{outcome} ~ alliance", means={"beta": 0.0}, chains=1, draws=4, spec=spec)
        options = make_options(fit)
        return options.rope, options.relevant

    # A fifth of the smallest relevant change: of 5, of 4, of 6; none where that is not known.
    assert known("phq9_followup") == ((-1.0, 1.0), 5.0)
    assert known("gad7_followup") == ((-0.8, 0.8), 4.0)
    assert known("core_om_followup") == (None, None)
    assert known("score") == (None, None)
    rope, relevant = known("score", scales={"score": Scale(10, 6, smallest_relevant_change=6)})
    assert rope == pytest.approx((-1.2, 1.2))
    assert relevant == 6
    # A declared scale takes the place of the instrument's.
    assert known("phq9_followup", scales={"phq9_followup": Scale(10, 6)}) == (None, None)
    assert known("better", family="bernoulli") == (None, None)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000), place=st.sampled_from([0.0, 1.0, -50.0, 1e5]))
def test_the_last_bits_of_repeated_draws_decide_nothing(seed: int, place: float) -> None:
    """A chain that stays has tied draws, and the two middle draws are as far from the median: on every processor."""
    rng = np.random.default_rng(seed)
    moves = rng.random((4, 200)) < 0.8
    moves[:, 0] = True
    last = np.maximum.accumulate(np.where(moves, np.arange(200), 0), axis=1)
    draws = place + np.take_along_axis(rng.normal(size=(4, 200)), last, axis=1)
    scale = np.abs(draws).max()
    exact, noisy = one(draws), one(draws + 1e-15 * scale * rng.uniform(-1, 1, draws.shape))
    for name in ("rhat", "ess_bulk", "ess_tail"):
        assert noisy[name] == exact[name]
