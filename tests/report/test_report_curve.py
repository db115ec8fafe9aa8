from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes.effects.analysis import Analysis
from alliance_bayes.effects.counterfactual import NumericSetting
from alliance_bayes.effects.options import Options
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import Scale
from alliance_bayes.report.curve import (
    GRID,
    LEAST,
    average_curve,
    covered_range,
    grouped_histogram,
    observed_means,
)
from builders import fitted, of_family, rows

FORMULAS = {
    "gaussian": "who5_followup ~ alliance * age + (alliance || sex) + (alliance | country)",
    "student_t": "who5_followup ~ alliance + (1 | country)",
    "cumulative": "who5_followup ~ alliance + (alliance || sex)",
    "censored_gaussian": "who5_followup ~ alliance + (1 | country)",
}


@pytest.mark.parametrize("family", FORMULAS)
def test_the_curve_is_the_average_prediction_with_everybody_at_each_value(family: str) -> None:
    fit = fitted(rows(60), formula=FORMULAS[family], spec={"family": family}, draws=25, means={"beta": 0.5})

    curve = average_curve(fit, "alliance", prob=0.8, small=5, population="sample")

    assert len(curve) == GRID
    assert (curve["x"].iloc[0], curve["x"].iloc[-1]) == covered_range(fit.design.frame["alliance"].to_numpy(), 5)
    # 100 draws: fewer than are thinned to, so that every family uses all of them and the numbers are the same ones.
    for position in (0, 12, GRID - 1):
        at = fit.predict(fit.design.frame.assign(alliance=curve["x"].iloc[position])).mean("obs").values.ravel()
        expected = [at.mean(), *np.quantile(at, [0.1, 0.9])]
        # Rounding only; other families are interpolated, with an error below 1e-7 of the outcome's range.
        tolerance = 1e-9 if fit.design.family.linear else 1e-6
        assert curve.iloc[position, 1:].to_list() == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("family", ["gaussian", "cumulative", "bernoulli"])
def test_the_curve_is_of_the_population_that_the_slope_is_of(family: str) -> None:
    frame, spec = of_family(rows(60, countries=4), family)
    fit = fitted(
        frame,
        formula="who5_followup ~ alliance + (alliance | country)",
        spec=spec,
        draws=25,
        means={"beta": 0.3, "tau_country": 0.8},
        sds={"u_country": 0.5},
    )
    curve = average_curve(fit, "alliance", prob=0.8, small=5)
    analysis = Analysis(fit, Options(population="average"))
    for position in (0, 12, GRID - 1):
        setting = NumericSetting("alliance", float(curve["x"].iloc[position]))
        at = analysis.averages([analysis.counterfactuals.of("average", numeric=setting)])[:, 0]
        expected = [at.mean(), *np.quantile(at, [0.1, 0.9])]
        assert curve.iloc[position, 1:].to_list() == pytest.approx(expected, rel=1e-9)  # rounding only


@pytest.mark.parametrize(
    ("predictor", "formula"),
    [
        (name, formula)
        for formula in (
            "who5_followup ~ alliance * sex * provider_type + who5_baseline + (alliance || country) + (1 | sex)",
            "who5_followup ~ alliance:age + I(alliance ** 2) + offset(alliance * age) + offset(days_in_care)"
            " + (age || sex)",
            "who5_followup ~ offset(age) + s(age) + alliance + (age:alliance || country)",
            "who5_followup ~ s(days_in_care) + age + (1 | country:sex)",
            "who5_followup ~ 0 + alliance + exp(alliance) + (0 + alliance | provider_type:sex)",
        )
        for name in ("alliance", "age")
        if name in formula
    ],
)
def test_rows_that_share_what_the_predictor_meets_are_evaluated_once(predictor: str, formula: str) -> None:
    fit = fitted(rows(80), formula=formula, draws=10, means={"beta": 0.5})

    curve = average_curve(fit, predictor, prob=0.8, small=5, population="sample")

    for position in (0, 7, GRID - 1):
        at = fit.predict(fit.design.frame.assign(**{predictor: curve["x"].iloc[position]})).mean("obs").values.ravel()
        expected = [at.mean(), *np.quantile(at, [0.1, 0.9])]
        assert curve.iloc[position, 1:].to_list() == pytest.approx(expected, rel=1e-9)  # rounding only


@pytest.mark.parametrize("at_once", [1, 100, 1_000_000])
def test_the_curve_does_not_depend_on_how_many_rows_are_evaluated_at_once(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = fitted(rows(60), formula=FORMULAS["gaussian"], draws=25, means={"beta": 0.5})
    whole = average_curve(fit, "alliance", prob=0.8, small=5)
    monkeypatch.setattr("alliance_bayes.report.curve._AT_ONCE", at_once)
    np.testing.assert_allclose(average_curve(fit, "alliance", prob=0.8, small=5), whole, rtol=1e-12)


def binned(fit: FittedModel, small: int) -> pd.DataFrame:
    found = observed_means(fit, "alliance", small)
    frame = fit.design.frame
    edges, _ = grouped_histogram(frame["alliance"].to_numpy(float), small, scale=fit.design.scales.get("alliance"))
    # Bins are whole bars, one after the other, over all of them.
    assert set(found["low"]) | set(found["high"]) <= set(edges)
    if len(found):
        assert found["low"].tolist() == [edges[0], *found["high"][:-1]]
        assert found["high"].iloc[-1] == edges[-1]
    return found


def test_observed_means_are_those_of_the_people_in_each_bin() -> None:
    frame = rows(400)
    fit = fitted(frame, draws=4)
    found = binned(fit, 10)
    assert 5 <= len(found) <= 16
    assert found["n"].sum() == len(frame)
    assert found["n"].min() >= 25
    alliance = frame["alliance"].clip(found["low"].iloc[0], found["high"].iloc[-1])
    for place, row in found.iterrows():
        last = place == len(found) - 1
        own = (alliance >= row["low"]) & ((alliance <= row["high"]) if last else (alliance < row["high"]))
        assert own.sum() == row["n"]
        assert row["mean"] == pytest.approx(frame.loc[own, "who5_followup"].mean(), rel=1e-12)  # rounding only
        assert row["x"] == pytest.approx(alliance[own].mean(), rel=1e-12)


@pytest.mark.parametrize("small", [2, 10, 40, 150, 400])
def test_no_bin_has_fewer_people_than_may_be_told(small: int) -> None:
    found = binned(fitted(rows(300), draws=4), small)
    assert (found["n"] >= max(small, LEAST)).all()
    assert bool(len(found)) == (small <= 40)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(30, 300), st.sampled_from([0.01, 0.05, 0.2, 0.5, 0.97]))
def test_no_bin_tells_of_a_few_events(seed: int, n: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    frame = rows(n, seed=seed % 1000)
    frame["better"] = (rng.random(n) < share).astype(float)
    frame.loc[:1, "better"] = [0.0, 1.0]
    fit = fitted(frame, formula="better ~ alliance + age", spec={"family": "bernoulli"}, draws=4)
    found = binned(fit, 10)
    events = np.rint(found["mean"] * found["n"])
    for k in (events, found["n"] - events):
        assert not ((k > 0) & (k < 10)).any()


@pytest.mark.parametrize(
    ("scale", "values", "width", "first"),
    [
        # 1 to 5 without steps: a round width of at most 24 bins; WHO-5 points every 4, one a bin; PHQ-9, two a bin.
        (Scale(4.6, 0.7, 1, 5), np.random.default_rng(1).uniform(1, 5, 4000), 0.25, 1.0),
        (Scale(50, 19, 0, 100, 4), 4.0 * np.random.default_rng(2).integers(0, 26, 4000), 4.0, -2.0),
        (Scale(10, 6, 0, 27, 1), np.random.default_rng(3).integers(0, 28, 4000).astype(float), 2.0, -0.5),
    ],
)
def test_bins_of_a_known_scale_are_even_and_hold_as_many_of_its_points(
    scale: Scale, values: np.ndarray, width: float, first: float
) -> None:
    edges, density = grouped_histogram(values, 10, scale=scale)
    np.testing.assert_allclose(np.diff(edges), width)
    assert edges[0] == first
    assert edges[-1] >= values.max()
    assert (density * np.diff(edges)).sum() == pytest.approx(1)
    if scale.step is not None:
        points = np.arange(scale.lower, scale.upper + scale.step, scale.step)  # type: ignore[arg-type]
        assert set(np.histogram(points, edges)[0]) == {round(width / scale.step)}


def test_a_bin_of_few_people_is_joined_with_the_next_on_a_scale_too() -> None:
    values = np.r_[np.full(3, 1.1), np.full(30, 3.1), np.full(60, 4.9)]
    edges, density = grouped_histogram(values, 10, scale=Scale(4.6, 0.7, 1, 5))
    counts = density * np.diff(edges) * values.size
    assert counts.min() >= 10 - 1e-9
    assert not set(edges) & set(values)
