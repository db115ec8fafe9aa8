"""Missing values moved by some points: against least squares of the moved tables, and where findings turn."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.cli import main
from alliance_bayes.effects import TippingPoint
from alliance_bayes.fit import FittedModel
from sizes import sized

# Tables with a known shift.
SETS = sized(100, 12)
N, SHIFTS = 300, [-4.0, -2.0, 0.0, 2.0, 4.0]
SCALE = ab.Scale(mean=0.0, sd=2.0, unit="point", smallest_relevant_change=5.0)


def people(seed: int = 3, *, lost: float = 0.3, slope: float = 1.0) -> pd.DataFrame:
    """Half have a treatment; those with little x, and of the second site, are lost more often."""
    rng = np.random.default_rng(seed)
    x, w = rng.normal(0, 1, N), rng.normal(0, 1, N)
    site = rng.choice(["a", "b", "c"], N)
    y = 2 + slope * x + 0.5 * w + rng.normal(0, 1.5, N)
    gone = rng.random(N) < lost * 2 / (1 + np.exp(1.2 * x - 0.8 * (site == "b")))
    return pd.DataFrame(
        {
            "participant_id": [f"p{k}" for k in range(N)],
            "y": np.where(gone, np.nan, y),
            "x": x,
            "w": w,
            "site": site,
        }
    )


def least_squares(x: np.ndarray, y: np.ndarray, of: int) -> tuple[float, float]:
    """Coefficient and its squared standard error, with an intercept."""
    design = np.column_stack([np.ones(len(x)), x])
    root = np.linalg.inv(design.T @ design)
    beta = root @ design.T @ y
    left = y - design @ beta
    return float(beta[of + 1]), float(left @ left / (len(y) - design.shape[1]) * root[of + 1, of + 1])


def pooled(tables: list[np.ndarray], ys: list[np.ndarray], of: int) -> tuple[float, float]:
    """Rubin's rules over completed tables, each by least squares: estimate and standard error."""
    found = np.array([least_squares(x, y, of) for x, y in zip(tables, ys, strict=True)])
    between = found[:, 0].var(ddof=1)
    return float(found[:, 0].mean()), float(np.sqrt(found[:, 1].mean() + (1 + 1 / len(found)) * between))


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return people()


@pytest.fixture(scope="module")
def fit(data: pd.DataFrame) -> ab.Fit:
    model = ab.Model("y ~ x + w", missing="impute", contrast=(-1, 1), scales={"y": SCALE})
    return model.fit(ab.read_cohort(data), seed=5, draws=400, progress=False)


@pytest.fixture(scope="module")
def found(fit: ab.Fit) -> TippingPoint:
    return fit.tipping_point(grid=SHIFTS)


@pytest.mark.slow
def test_without_a_shift_it_is_the_fit(fit: ab.Fit, found: TippingPoint) -> None:
    own = fit.effects(["slopes"]).loc["slope_contrast/x/sample"]
    at = found.table.set_index("delta").loc[0.0]
    for name in ("mean", "lower", "upper", "p_direction", "p_rope", "p_relevant"):
        assert at[name] == own[name], name
    # The same on either side of none, as near as one likes.
    assert np.allclose(found.draws(0.0), found.draws(1e-9), atol=1e-6)


@pytest.mark.slow
def test_shifted_outcomes_against_least_squares_of_each_table(
    fit: ab.Fit, data: pd.DataFrame, found: TippingPoint
) -> None:
    """The contrast of two points of x is twice its coefficient."""
    lost, tables = data["y"].isna().to_numpy(), fit.imputed()
    x = [one[["x", "w"]].to_numpy(float) for one in tables]
    at = {shift: pooled(x, [one["y"].to_numpy(float) + shift * lost for one in tables], 0) for shift in SHIFTS}
    moved = found.table.set_index("delta")["mean"] - found.table["mean"][2]
    sds = {shift: found.draws(shift).std() for shift in SHIFTS}
    for shift in SHIFTS:
        # Least squares moves by the regression of who is lost on x; priors of SD 12 hold back by less than a hundredth.
        expected = 2 * (at[shift][0] - at[0.0][0])
        assert moved[shift] == pytest.approx(expected, abs=0.01 * abs(shift)), shift
        # 2,000 draws of 40 tables with shared random numbers: ratios of SDs are off by 2 % at most.
        assert sds[shift] / sds[0.0] == pytest.approx(at[shift][1] / at[0.0][1], rel=0.03), shift
    assert abs(moved[4.0]) > 0.5
    assert sds[4.0] > sds[0.0]


@pytest.mark.slow
def test_levels_one_after_the_other_add_up(data: pd.DataFrame) -> None:
    """The estimate is linear in the outcome: what each level's lost people do to it sums to what all do."""
    model = ab.Model("y ~ x + (1 | site)", missing="impute", roles={"site": "group"}, scales={"y": SCALE})
    fit = model.fit(ab.read_cohort(data), seed=2, draws=100, progress=False)
    whole = fit.tipping_point(grid=[-2, 0, 2]).table.set_index("delta")["mean"]
    by = fit.tipping_point(by="site", grid=[-2, 0, 2]).table
    assert list(by["level"].unique()) == ["a", "b", "c"]
    parts = by[by["delta"] == 2]["mean"].to_numpy() - whole[0.0]
    # Posterior SD of the contrast is about .3, and SDs of sites do not add up: within a tenth of it.
    assert parts.sum() == pytest.approx(whole[2.0] - whole[0.0], abs=0.03)
    # A factor that is in the table, and not in the model, will do.
    other = ab.Model("y ~ x + w", missing="impute", scales={"y": SCALE})
    beside = other.fit(ab.read_cohort(data), seed=2, draws=50, progress=False)
    assert list(beside.tipping_point(by="site", grid=[-2, 0, 2]).table["level"].unique()) == ["a", "b", "c"]


@pytest.mark.slow
def test_a_predictor_is_moved(data: pd.DataFrame) -> None:
    rng = np.random.default_rng(1)
    whole = people(4, lost=0.0)
    gaps = whole.assign(x=whole["x"].where(rng.random(N) < 0.75))
    fit = ab.Model("y ~ x + w", missing="impute", contrast=(-1, 1)).fit(
        ab.read_cohort(gaps), seed=1, draws=400, progress=False
    )
    found = fit.tipping_point("x", grid=[-1, -0.5, 0, 0.5, 1])
    lost, tables = gaps["x"].isna().to_numpy(), fit.imputed()
    moved = found.table.set_index("delta")["mean"] - found.table["mean"][2]
    for shift in (-1.0, -0.5, 0.5, 1.0):
        made = [one[["x", "w"]].to_numpy(float) + np.outer(shift * lost, [1, 0]) for one in tables]
        ys = [one["y"].to_numpy(float) for one in tables]
        still = [one[["x", "w"]].to_numpy(float) for one in tables]
        expected = 2 * (pooled(made, ys, 0)[0] - pooled(still, ys, 0)[0])
        assert moved[shift] == pytest.approx(expected, abs=0.02), shift
    assert moved[1.0] < -0.3
    # Percentiles are those of the fit, however far values are moved: the same but for the width of the step.
    plain = ab.Model("y ~ x + w", missing="impute").fit(ab.read_cohort(gaps), seed=1, draws=400, progress=False)
    by_percentiles = plain.tipping_point("x", grid=[-1, -0.5, 0, 0.5, 1]).table["mean"]
    step = np.mean([np.ptp(np.quantile(one["x"], [0.1, 0.9])) for one in plain.imputed()])
    np.testing.assert_allclose(by_percentiles, found.table["mean"] * step / 2, rtol=1e-9)


@pytest.mark.slow
def test_where_a_claim_turns(fit: ab.Fit, found: TippingPoint) -> None:
    """At the tip the claim's limit is met: the interval ends at zero, or the probability is .95."""
    tips = found.tips.set_index("claim")
    assert "direction" in tips.index
    wide = fit.tipping_point(grid=[-60, -40, -20, 0, 20, 40, 60]).tips.set_index("claim")
    for claim, below, above in zip(wide.index, wide["below"], wide["above"], strict=True):
        for tip in (below, above):
            if np.isnan(tip):
                continue
            draws = fit.tipping_point(grid=[-60, -40, -20, 0, 20, 40, 60]).draws(tip)
            if claim == "direction":
                assert abs(np.quantile(draws, 0.055)) < 1e-6
            else:
                share = (draws > 1).mean() if claim == "more than negligible" else (np.abs(draws) <= 1).mean()
                assert share == pytest.approx(0.95, abs=1 / draws.size)
    # Those with little x were lost: the lower they are, the steeper the slope; the direction turns above.
    assert np.isnan(wide["below"]["direction"])
    assert wide["above"]["direction"] == wide["nearest"]["direction"] > 0


def test_differences_at_hand_are_those_of_people_who_left(data: pd.DataFrame, found: TippingPoint) -> None:
    lost = data["y"].isna()
    expected = (data["x"][lost].mean() - data["x"][~lost].mean()) / data["x"].std()
    row = found.differences.set_index("column").loc["x"]
    assert row["standardised"] == pytest.approx(expected)
    assert row["points"] == pytest.approx(expected * data["y"].std())
    assert found.plausible == pytest.approx(found.differences["points"].abs().max())


@pytest.mark.slow
def test_a_table_of_effects_and_a_figure(fit: ab.Fit, found: TippingPoint) -> None:
    assert found.rows.index[0] == "slope_contrast/x/sample/at y = imputed - 4"
    assert json.loads(json.dumps(found.rows.to_records_list()))[2]["at"] == "y = imputed"
    assert found._repr_html_().count("<table") == 2
    axes = found.plot()
    (line,) = [one for one in axes.get_lines() if one.get_label() == "estimate"]
    low, high = (float(line.get_ydata()[k]) for k in (0, -1))  # type: ignore[index]
    assert low == pytest.approx(found.table["mean"].iloc[0])
    assert high == pytest.approx(found.table["mean"].iloc[-1])
    default = fit.tipping_point()
    assert len(default.shifts) == 9
    assert default.shifts[-1] >= fit.design.frame["y"].std()


def test_the_same_after_saving(fit: ab.Fit, found: TippingPoint, tmp_path: object) -> None:
    path = f"{tmp_path}/fit.nc"
    fit.save(path)
    again = ab.load_fit(path).tipping_point(grid=SHIFTS)
    pd.testing.assert_frame_equal(again.table, found.table)


def test_refused(fit: ab.Fit, data: pd.DataFrame) -> None:
    for given, message in (
        ({"column": "x"}, "it has 'y'"),
        ({"grid": [1, 2, 3]}, "with 0 inside"),
        ({"grid": [0, -1, 1]}, "ascending"),
        ({"grid": "wide"}, "ascending"),
        ({"by": "x"}, "'x' is none"),
    ):
        with pytest.raises(ab.UsageError, match=message):
            fit.tipping_point(**given)
    dropped = ab.Model("y ~ x").fit(ab.read_cohort(data), seed=1, draws=20, progress=False)
    with pytest.raises(ab.UsageError, match="no values were imputed"):
        dropped.tipping_point()
    with pytest.raises(ab.UsageError, match="from -4 to 4"):
        fit.tipping_point(grid=SHIFTS).draws(5.0)


def coefficient(fit: FittedModel, name: str = "x") -> np.ndarray:
    return fit.posterior["beta"].sel(term=name).to_numpy()


def test_a_stated_amount_gives_the_posterior_of_the_moved_tables(fit: ab.Fit, data: pd.DataFrame) -> None:
    lost = data["y"].isna().to_numpy()
    moved, same = fit.with_delta({"y": -2}), fit.with_delta({"y": 0})
    tables = moved.imputed()
    assert len(tables) == 40
    seen = np.array([one["y"].to_numpy(float) for one in tables])
    assert np.allclose(seen[:, lost], np.array([one["y"].to_numpy(float)[lost] for one in fit.imputed()]) - 2)
    assert np.array_equal(seen[:, ~lost], np.tile(data["y"].to_numpy(float)[~lost], (40, 1)))
    mean, sd = pooled([one[["x", "w"]].to_numpy(float) for one in tables], list(seen), 0)
    draws = coefficient(moved)
    assert draws.size == 4000
    # The same tables; 4,000 draws given them have a Monte Carlo error of .02 SDs of the mean, and of 1.2 % of the SD;
    # Rubin's rules have 1 + 1/40 in place of 1 of the variance between, and the priors hold back by a hundredth.
    assert draws.mean() == pytest.approx(mean, abs=0.1 * sd)
    assert draws.std() == pytest.approx(sd, rel=0.06)
    # Without any amount it is the fit, within the error that 40 tables leave: the root of fmi / 40.
    own, fmi = coefficient(fit), float(fit.effects(["slopes"])["fmi"]["slope/x/sample"])
    assert abs(coefficient(same).mean() - own.mean()) < 4 * own.std() * np.sqrt(2 * fmi / 40 + 1 / 500)
    assert moved.slopes().loc["slope/x/sample", "mean"] == pytest.approx(draws.mean())
    assert not hasattr(moved, "report")
    assert moved.info["imputation"]["delta"] == {"y": -2.0}


def test_a_prior_of_the_amount_widens_the_posterior_by_what_it_leaves_open(fit: ab.Fit) -> None:
    """The coefficient moves along a line, by `each` a point, so that the variance grows by the square of that."""
    low, high = (coefficient(fit.with_delta({"y": amount})) for amount in (-4, 0))
    each = (high.mean() - low.mean()) / 4
    sure, open_ = coefficient(fit.with_delta({"y": -2})), coefficient(fit.with_delta({"y": "Normal(-2, 2.5)"}))
    expected = np.hypot(sure.std(), 2.5 * each)
    assert expected > 1.3 * sure.std()
    # Residual SDs grow with the square of the amount, by a tenth at most.
    assert open_.std() == pytest.approx(expected, rel=0.06)
    assert open_.mean() == pytest.approx(sure.mean(), abs=0.1 * sure.std())


def test_amounts_by_the_levels_of_a_factor(fit: ab.Fit, data: pd.DataFrame) -> None:
    lost = data["y"].isna().to_numpy()
    moved = fit.with_delta({"y": {"site": {"a": 0, "b": -3, "c": "Normal(1, 0.5)"}}})
    tables, plain = moved.imputed(), {k: one["y"].to_numpy(float) for k, one in enumerate(fit.imputed())}
    site = data["site"].to_numpy()
    added = np.array([one["y"].to_numpy(float) - plain[k % 40] for k, one in enumerate(tables)])
    assert len(tables) == 200
    assert np.allclose(added[:, lost & (site == "a")], 0)
    assert np.allclose(added[:, lost & (site == "b")], -3)
    of_c = added[:, lost & (site == "c")]
    # One number a table for all of a level, with the prior's mean and SD.
    assert np.ptp(of_c, axis=1).max() < 1e-9
    assert of_c[:, 0].mean() == pytest.approx(1)
    assert of_c[:, 0].std() == pytest.approx(0.5)
    for given, message in (
        ({"x": 1}, "not 'x'. It has 'y'"),
        ({}, "should say by column"),
        ({"y": "HalfNormal(1)"}, "finite number or"),
        ({"y": float("nan")}, "finite number or"),
        ({"y": {"site": {"a": 0, "b": 1}}}, "nothing of the levels 'c'"),
        ({"y": {"site": {"a": 0, "b": 1, "c": 1, "d": 1}}}, "no level 'd'"),
        ({"y": {"x": {"a": 0}}}, "'x' is none"),
        ({"y": {"site": 2}}, "levels of one factor"),
    ):
        with pytest.raises(ab.UsageError, match=message):
            fit.with_delta(given)
    reason = np.where(np.arange(N) % 3 == 0, None, "moved")
    some = ab.Model("y ~ x", missing="impute").fit(
        ab.read_cohort(data.assign(reason=reason, other=np.where(np.arange(N) % 2, "p", "q"))),
        seed=1,
        draws=20,
        progress=False,
    )
    assert some.with_delta({"y": {"other": {"p": 1, "q": 0}}}).shape == (4, 1000)


@pytest.mark.slow
def test_stated_amounts_on_the_command_line(fit: ab.Fit, tmp_path: object, capsys: pytest.CaptureFixture[str]) -> None:
    path = f"{tmp_path}/fit.nc"
    fit.save(path)
    with pytest.raises(SystemExit) as ended:
        main(["effects", path, "--delta", "y=Normal(-2, 1)", "--estimand", "slopes", "--json"])
    assert not ended.value.code
    records = json.loads(capsys.readouterr().out)["effects"]
    table = fit.with_delta({"y": "Normal(-2, 1)"}).effects(["slopes"])
    assert [one["mean"] for one in records] == pytest.approx(table["mean"].tolist())
    with pytest.raises(SystemExit) as ended:
        main(["effects", path, "--delta", "x=1"])
    assert ended.value.code == 2
    assert "not 'x'" in " ".join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_values_missing_not_at_random_are_recovered_at_their_shift(
    record_property: Callable[[str, object], None],
) -> None:
    """Those lost are 2 points below what x and w predict: at -2 the estimate is that of everybody."""
    truth, errors, biased, inside = -2.0, [], [], []
    for seed in range(SETS):
        rng = np.random.default_rng(1000 + seed)
        x, w = rng.normal(0, 1, (2, N))
        gone = rng.random(N) < 1 / (1 + np.exp(1 + 1.2 * x))
        y = 2 + x + 0.5 * w + truth * gone + rng.normal(0, 1.5, N)
        whole = np.column_stack([x, w])
        complete = 2 * least_squares(whole, y, 0)[0]
        frame = pd.DataFrame({"participant_id": [f"p{k}" for k in range(N)], "y": np.where(gone, np.nan, y)})
        model = ab.Model("y ~ x + w", missing="impute", contrast=(-1, 1))
        fit = model.fit(ab.read_cohort(frame.assign(x=x, w=w)), seed=seed, draws=60, progress=False)
        found = fit.tipping_point(grid=[-2, 0, 2])
        at = found.table.set_index("delta")
        errors.append(at["mean"][truth] - complete)
        biased.append(at["mean"][0.0] - complete)
        inside.append(at["lower"][truth] <= complete <= at["upper"][truth])
    # Paired with the least squares of the complete table, within 3 Monte Carlo errors of none.
    error, more = (np.std(values, ddof=1) / np.sqrt(SETS) for values in (errors, biased))
    record_property("seeds", f"1000 to {999 + SETS}")
    record_property("error at the true shift", f"{np.mean(errors):.3f} ({error:.3f})")
    record_property("error at random", f"{np.mean(biased):.3f} ({more:.3f})")
    record_property("intervals that hold the complete table's estimate", f"{sum(inside)} of {SETS}")
    assert abs(np.mean(errors)) < 3 * error
    assert np.mean(biased) < -10 * more
    # Of the complete table, the estimate is nearer than the truth is: intervals hold it more often than 89 %.
    assert np.mean(inside) > 0.89
