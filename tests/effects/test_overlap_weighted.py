"""Overlap where rows count differently, by hand and as repeated rows, and where values were drawn, by a loop."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.effects.overlap import propensity
from builders import rendered
from report.test_report_page import parsed

# Pages here are about overlap alone.
pytestmark = pytest.mark.usefixtures("gate_alone")


def test_means_and_variances_are_weighted_as_by_hand() -> None:
    frame = pd.DataFrame(
        {
            "y": [1.0, 2.0, 4.0, 3.0, 5.0, 6.0],
            "x": [1.0, 2.0, 4.0, 0.0, 3.0, 5.0],
            "arm": list("aaabbb"),
            "w": [10.0, 10.0, 20.0, 20.0, 10.0, 10.0],
        }
    )
    frame = pd.concat([frame] * 20, ignore_index=True).assign(y=lambda f: f["y"] + np.arange(len(f)) % 7)
    model = ab.Model("y ~ arm + x", focal="arm", weights="w", weights_kind="sampling")
    found = model.fit(frame, draws=50, seed=1, progress=False).overlap()
    # Of a: mean (1 + 2 + 2 4) / 4 = 2.75, variance 20 (3.0625 + .5625 + 2 1.5625) / (80 - 120 / 80) = 135 / 78.5.
    # Of b: mean (2 0 + 3 + 5) / 4 = 2, variance 20 (2 4 + 1 + 9) / (80 - 120 / 80) = 360 / 78.5.
    sd = np.sqrt((135 + 360) / 2 / 78.5)
    assert found.differences["before"].item() == pytest.approx(0.75 / sd, rel=1e-12)
    # Weights of the propensity multiply those of the rows; the SD stays.
    w = np.tile([1, 1, 2, 2, 1, 1], 20) * 0.75
    x, codes = frame["x"].to_numpy(), np.tile([0, 0, 0, 1, 1, 1], 20)
    own = w / np.take_along_axis(propensity(x[:, None], codes, 2, weights=w), codes[:, None], axis=1)[:, 0]
    a, b = (np.sum(own[codes == k] * x[codes == k]) / np.sum(own[codes == k]) for k in (0, 1))
    assert found.differences["after"].item() == pytest.approx((a - b) / sd, rel=1e-9)
    effective = [np.sum(own[codes == k]) ** 2 / np.sum(own[codes == k] ** 2) for k in (0, 1)]
    assert found.support["effective"].tolist() == pytest.approx(effective, rel=1e-9)
    assert found.support["people"].tolist() == [60, 60]


def test_whole_weights_are_repeated_rows() -> None:
    rng = np.random.default_rng(2)
    x, codes, times = rng.normal(size=(80, 2)), np.r_[0, 1, 2, rng.integers(0, 3, 77)], rng.integers(1, 5, 80)
    weighted = propensity(x, codes, 3, weights=times.astype(float))
    repeated = propensity(np.repeat(x, times, axis=0), np.repeat(codes, times), 3)
    # Two searches for one minimum.
    np.testing.assert_allclose(np.repeat(weighted, times, axis=0), repeated, atol=1e-5)


def weighted(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(6)
    arm = rng.choice(["a", "b"], n)
    x = rng.normal(size=n) + 0.8 * (arm == "b")
    # Half of a are where nobody of b is, and stand for few.
    far = (arm == "a") & (np.arange(n) % 2 == 0)
    x = np.where(far, -6 + 0.1 * x, x)
    w = np.where(far, 0.2, 1.5)
    return pd.DataFrame({"y": x + rng.normal(size=n), "x": x, "arm": arm, "w": w})


def test_shares_are_of_the_people_whom_rows_stand_for_and_the_page_says_so() -> None:
    frame = weighted()
    plain = ab.Model("y ~ arm + x", focal="arm").fit(frame, draws=600, seed=1, progress=False)
    model = ab.Model("y ~ arm + x", focal="arm", weights="w", weights_kind="sampling")
    fit = model.fit(frame, draws=600, seed=1, progress=False)
    found, w = fit.overlap(), frame["w"].to_numpy()
    assert found.alone == pytest.approx(w[found.alone_rows].sum() / w.sum(), rel=1e-12)
    others = (frame["arm"] == "a").to_numpy()
    outside = found.support.set_index("level").loc["b", "outside"]
    assert outside == pytest.approx(w[found.outside_of[:, 1] & others].sum() / w[others].sum(), rel=1e-12)
    # Those who stand for few were a quarter of the rows.
    assert plain.overlap().alone > 0.2
    assert found.alone < 0.1
    page = rendered(fit, sections=["overlap"])
    text = re.sub(r"\s+", " ", parsed(page.html).by_id("overlap").text)
    assert f"{100 * found.alone:.0f}% have a combination of covariates" in text
    assert "(multinomial logistic), times w, by which all means and standard deviations are weighted. Below" in text
    assert "Shares are weighted by w, numbers of people are not." in text
    assert page.numbers["overlap"]["alone"] == pytest.approx(found.alone, rel=1e-3)
    (row,) = (one for one in page.numbers["overlap"]["differences"] if one["covariate"] == "x")
    assert row["before"] == pytest.approx(found.differences["before"].item(), rel=1e-3)
    assert "weighted by" not in rendered(plain, sections=["overlap"]).html


def test_of_completed_tables_it_is_the_mean() -> None:
    rng = np.random.default_rng(9)
    base = weighted(200).drop(columns="w")
    lacking = rng.random(200) < 0.4
    tables = [base.assign(x=np.where(lacking, rng.normal(k, 1, 200), base["x"])) for k in range(4)]
    model = ab.Model("y ~ arm + x", focal="arm")
    fit = model.fit(tables, draws=600, seed=1, progress=False)
    each = [model.fit(one, draws=20, seed=1, progress=False).overlap() for one in tables]
    found = fit.overlap()
    for name in ("before", "after"):
        own = [one.differences[name].item() for one in each]
        # Two searches for one minimum.
        assert found.differences[name].item() == pytest.approx(np.mean(own), abs=1e-5)
    assert np.std([one.differences["before"].item() for one in each]) > 0.05
    assert found.alone == pytest.approx(np.mean([one.alone for one in each]), abs=0.006)
    page = rendered(fit, sections=["overlap"])
    assert "Means over 4 completed tables." in re.sub(r"\s+", " ", page.html)
