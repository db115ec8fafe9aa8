"""Columns that slipped against the rows: found with their place, told from what looks alike, none in good tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import alliance_bayes as ab
from alliance_bayes.checks import CHECKS, Context
from alliance_bayes.checks.order import SENTENCES
from alliance_bayes.checks.slips import MOST, Slip, _largest_run, _pairs, largest_slip
from alliance_bayes.cohort.beside import Beside
from alliance_bayes.report.checked import _said
from builders import rows
from checks.exact import ExactGaussian

FORMULA = "who5_followup ~ alliance + who5_baseline + (1 | country)"
N = 400


@pytest.fixture(scope="module")
def frame():
    return rows(N, seed=1).assign(who5_baseline=np.random.default_rng(4).normal(41, 20, N))


@pytest.fixture(scope="module")
def model(frame):
    return ExactGaussian(frame, FORMULA)


def outcome(model, frame, seed, baseline=None):
    """A well-specified outcome, of people with this baseline."""
    rng = np.random.default_rng([3, seed])
    baseline = frame["who5_baseline"].to_numpy() if baseline is None else baseline
    mean = 48 + 2.2 * (frame["alliance"].to_numpy() - 4.6) + 0.45 * (baseline - 41)
    return mean + model.effects(rng) + rng.normal(0, 12, N)


def slipped(values, first, last, by):
    """Values of a run of rows as those that stand so many rows before are."""
    values = np.array(values)
    values[first:last] = values[first - by : last - by]
    return values


@given(arrays(float, st.integers(1, 12), elements=st.integers(-5, 5).map(float)))
def test_the_largest_run_is_that_of_all_runs(terms):
    first, last, total = _largest_run(terms)
    every = {(a, b): terms[a : b + 1].sum() for a in range(terms.size) for b in range(a, terms.size)}
    assert total == max(0.0, *every.values())
    if total > 0:
        assert every[first, last] == total


@given(st.sets(st.integers(0, 30), min_size=1), st.integers(-MOST, MOST))
def test_neighbours_are_those_of_the_table_where_they_were_analysed(places, by):
    place = np.array(sorted(places))
    at, others = _pairs(place, by)
    assert [(place[a], place[b]) for a, b in zip(at, others, strict=True)] == [
        (where, where - by) for where in place if where - by in places
    ]


@pytest.mark.parametrize("by", [1, -1, 3])
def test_a_predictor_that_slipped_is_found_with_its_place(model, frame, by):
    baseline = frame["who5_baseline"].to_numpy()
    for seed in range(5):
        fit = model.fit(outcome(model, frame, seed, slipped(baseline, 200, 320, by)), draws=100, seed=seed)
        slip = largest_slip(Context(fit))
        # Of alliance alone, which tells a hundredth of it, the two cannot be told apart.
        assert slip.column in ("who5_baseline", "who5_followup")
        assert (slip.is_outcome, slip.by) == (slip.column == "who5_followup", by)
        assert slip.p < 1e-3
        # Ends are where the sum of ratios is largest; a row tells .5625 = (.45 x 20 / 12)^2 on average.
        assert abs(slip.first - 200) < 15
        assert abs(slip.last - 319) < 15
    found = CHECKS["order"](Context(fit, replicates=300))
    assert found.verdict == "warn"
    row = found.table.set_index("look").loc["slip"]
    assert row["p"] == slip.p
    assert f"rows {slip.first} to {slip.last}, counted from 0" in found.sentence


def test_an_outcome_that_slipped_is_found(frame):
    # With two strong predictors what each of them tells adds up, so that the outcome is named.
    rng = np.random.default_rng(0)
    frame = frame.assign(alliance=rng.normal(4.6, 1, N))
    model = ExactGaussian(frame, "who5_followup ~ alliance + who5_baseline")
    for seed in range(5):
        noise = np.random.default_rng([7, seed]).normal(0, 9, N)
        y = 48 + 8 * (frame["alliance"].to_numpy() - 4.6) + 0.4 * (frame["who5_baseline"].to_numpy() - 41) + noise
        slip = largest_slip(Context(model.fit(slipped(y, 100, 200, 1), draws=100, seed=seed)))
        assert (slip.is_outcome, slip.by) == (True, 1)
        assert slip.p < 1e-3


def test_good_tables_have_no_slip(model, frame):
    # Of 2,000 such tables none had a p below .01: the bound is far from what chance makes.
    found = [largest_slip(Context(model.fit(outcome(model, frame, seed), draws=100, seed=seed))) for seed in range(50)]
    assert min(slip.p for slip in found if slip is not None) > 0.01


@pytest.mark.parametrize(("length", "least"), [(30, 3), (60, 26), (100, 37)])
def test_how_many_rows_are_noticed(length, least):
    """Of tables of 400 rows, R2 = .3: of 120 they were 31, 85 and 100 %, and of 40 at least these by 3.3 errors."""
    found = 0
    for seed in range(40):
        rng = np.random.default_rng([1, seed])
        x = rng.normal(0, 1, N)
        y, first = 0.65 * x + rng.normal(0, 1, N), rng.integers(1, N - length - 1)
        x[first : first + length] = np.roll(x[first : first + length], 1)
        table = pd.DataFrame({"who5_followup": y, "alliance": x})
        slip = largest_slip(Context(ExactGaussian(table, "who5_followup ~ alliance").fit(y, draws=50, seed=seed)))
        found += slip is not None and slip.p < 0.01
    assert found >= least


def made(kind, seed):
    """A table in order whose neighbours have something in common, or whose residuals have heavy tails."""
    rng = np.random.default_rng([11, seed])
    x = rng.normal(0, 1, N)
    y = 0.7 * x + rng.normal(0, 1, N)
    if kind == "sorted by the outcome in parts":
        order = np.argsort(np.digitize(y, [0.0]), kind="stable")
        return x[order], y[order]
    if kind.startswith("sites"):
        site = np.repeat(rng.normal(0, 1, N // 20), 20)
        x = site + rng.normal(0, 0.7, N)
        return x, 2 * site + (-0.8 if "other sign" in kind else 0.3) * (x - site) + rng.normal(0, 1, N)
    return x, x + rng.standard_t(1.5, N)


@pytest.mark.parametrize(
    "kind", ["sorted by the outcome in parts", "sites with a slope of the other sign", "sites", "heavy tails"]
)
def test_what_looks_alike_is_no_slip(kind):
    for seed in range(20):
        x, y = made(kind, seed)
        model = ExactGaussian(pd.DataFrame({"who5_followup": y, "alliance": x}), "who5_followup ~ alliance")
        found = CHECKS["order"](Context(model.fit(y, draws=100, seed=seed), replicates=300)).table
        slips = found[found["look"] == "slip"]
        assert not (slips["p"] < 0.01).any()


def test_rows_of_a_person_are_passed_over_and_rows_left_out_are_no_neighbours(model, frame):
    baseline = slipped(frame["who5_baseline"], 200, 320, 1)
    fit = model.fit(outcome(model, frame, 0, baseline), draws=100)
    assert largest_slip(Context(replace(fit, people=np.arange(N)))).p < 1e-3
    assert largest_slip(Context(replace(fit, people=np.arange(N) // 2))) is None
    # Had a row been left out after each of these, none would have its neighbour beside it.
    apart = Beside(pd.DataFrame(index=range(N)), (MOST + 1) * np.arange(N), pd.DataFrame())
    assert largest_slip(Context(replace(fit, beside=apart))) is None


@pytest.mark.slow
def test_a_value_far_beyond_the_others_breaks_nothing():
    rng = np.random.default_rng(3)
    x = rng.normal(0, 1, 120)
    y = rng.poisson(np.exp(0.3 * x)).astype(float)
    cohort = ab.read_cohort(pd.DataFrame({"participant_id": [f"p{k}" for k in range(120)], "y": y, "x": x}))
    fit = ab.Model("y ~ x", family="poisson").fit(cohort, seed=1, draws=100, progress=False)
    # With the value of the row before, an expected count of exp(1000).
    steep = fit.tree["posterior"].to_dataset()
    steep["beta"] = steep["beta"] + 400.0
    groups = {"posterior": steep, "sample_stats": fit.tree["sample_stats"].to_dataset()}
    slip = largest_slip(Context(replace(fit, tree=xr.DataTree.from_dict(groups))))
    assert slip is None or np.isfinite(slip.p)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["poisson", "bernoulli"])
def test_other_families_have_their_own_expectation_and_spread(family):
    rng = np.random.default_rng(2)
    n, x = 900, rng.normal(0, 1, 900)
    mean = 0.4 + 1.2 * slipped(x, 300, 600, 1)
    y = {
        "poisson": lambda: rng.poisson(np.exp(mean)).astype(float),
        "bernoulli": lambda: (rng.random(n) < 1 / (1 + np.exp(-mean))).astype(float),
    }[family]()
    table = pd.DataFrame({"participant_id": [f"p{k}" for k in range(n)], "y": y, "x": x})
    fit = ab.Model("y ~ x", family=family).fit(ab.read_cohort(table), seed=1, draws=200, progress=False)
    slip = largest_slip(Context(fit))
    assert (slip.by, slip.p < 1e-3) == (1, True)
    # Of one predictor, the outcome's rows and its own are the same run.
    assert abs(slip.first - 300) < 25
    assert abs(slip.last - 599) < 25


def test_a_page_says_no_numbers_of_rows():
    sentence = SENTENCES("of_slip", p="< 0.001", slip=Slip("x", False, -2, 211, 389, 0.1, 1e-9))
    assert sentence.endswith("goes with x of the row 2 places after it (p < 0.001; rows 211 to 389, counted from 0)")
    assert _said(sentence, str, str) == sentence.replace("; rows 211 to 389, counted from 0", "")


@pytest.mark.slow
def test_a_page_says_that_there_is_a_slip_and_not_where():
    rng = np.random.default_rng(5)
    n, x = 600, rng.normal(0, 1, 600)
    y = slipped(x, 211, 389, 1) + rng.normal(0, 1, n)
    cohort = ab.read_cohort(pd.DataFrame({"participant_id": [f"p{k}" for k in range(n)], "y": y, "x": x}))
    fit = ab.Model("y ~ x").fit(cohort, seed=1, draws=300, progress=False)
    checks = fit.check()
    sentence = next(check.sentence for check in checks if check.name == "order")
    slip = largest_slip(Context(fit))
    assert f"{slip.first} to {slip.last}" in sentence
    page = fit.report(checks=checks).html
    assert "Compare these rows with where they come from" in page
    assert f"{slip.first} to" not in page
    assert f"to {slip.last}" not in page
