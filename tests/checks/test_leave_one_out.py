from __future__ import annotations

import warnings
from dataclasses import replace

import arviz as az
import numpy as np
import pytest
import xarray as xr

from alliance_bayes.checks import CHECKS, Context
from alliance_bayes.checks import leave_one_out as module
from alliance_bayes.checks.leave_one_out import leave_one_out as some_left_out
from alliance_bayes.checks.leave_one_out import weights_of
from alliance_bayes.checks.subsample import looked_at
from builders import fitted, rows
from checks.exact import ExactGaussian


def leave_one_out(fit, **options):
    n = fit.design.rows.n
    return some_left_out(fit, looked_at(n, np.arange(n), []), **options)


@pytest.fixture(scope="module")
def fit():
    return fitted(rows(60), sds={"beta": [4.0, 1.5, 0.1, 0.1, 0.05], "sigma": 1.0})


def test_it_is_arvizs_loo_in_blocks_of_rows(fit, monkeypatch):
    monkeypatch.setattr(module, "ROWS", 7)
    tree = xr.DataTree.from_dict(
        {"posterior": fit.posterior, "log_likelihood": fit.log_likelihood().to_dataset(name="y")}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        expected = az.loo(tree, pointwise=True, reff=0.9)
    blocks = []
    ours = leave_one_out(fit, relative_efficiency=0.9, visit=lambda at, weights: blocks.append((at, weights)))
    assert [at for at, _ in blocks] == [slice(start, min(start + 7, 60)) for start in range(0, 60, 7)]
    np.testing.assert_allclose(ours.elpd, expected.elpd_i.values, rtol=1e-10)
    np.testing.assert_allclose(ours.pareto_k, expected.pareto_k.values, rtol=1e-10)
    looked = looked_at(60, np.arange(60), [])
    total = looked.total(ours.elpd, None)
    np.testing.assert_allclose([total.value, total.se], [expected.elpd, expected.se], rtol=1e-10)
    np.testing.assert_allclose([ours.p.sum(), total.sampling], [expected.p, 0], rtol=1e-10)
    log_weights = expected.log_weights.transpose("chain", "draw", ...).values.reshape(1000, -1)
    np.testing.assert_allclose(np.concatenate([weights for _, weights in blocks]).T, log_weights, rtol=1e-10)


def test_the_limit_of_k_is_arvizs_at_full_efficiency_and_stricter_below(fit):
    assert leave_one_out(fit).good_k == pytest.approx(1 - 1 / 3)
    assert leave_one_out(fit, relative_efficiency=0.1).good_k == pytest.approx(0.5)
    assert leave_one_out(fitted(rows(20), draws=2500)).good_k == pytest.approx(0.7)


def test_weights_of_some_draws_sum_to_one(fit):
    which = np.array([0, 5, 5, 999])
    found = []
    leave_one_out(fit, visit=lambda at, log_weights: found.append(weights_of(log_weights, which)))
    weights = np.hstack(found)
    assert weights.shape == (4, 60)
    np.testing.assert_allclose(weights.sum(axis=0), 1)


def test_constant_draws_need_no_weights_and_few_draws_cannot_be_judged():
    still = dict.fromkeys(
        ("beta", "sigma", *(f"{k}_{f}" for k in ("u", "tau") for f in ("provider_type", "sex", "country"))), 0.0
    )
    found = leave_one_out(fitted(rows(40), sds=still))
    assert (found.pareto_k == 0).all()
    np.testing.assert_allclose(found.p, 0, atol=1e-9)
    few = leave_one_out(fitted(rows(40), chains=2, draws=8))
    assert np.isinf(few.pareto_k).all()
    assert np.isfinite(few.elpd).all()


def test_leave_one_out_is_close_to_leaving_one_out():
    frame = rows(80, seed=4)
    model = ExactGaussian(frame, "who5_followup ~ alliance + who5_baseline")
    y = frame["who5_followup"].to_numpy(float)
    loo = Context(model.fit(y, draws=1000)).loo
    for row in (0, 11, 42):
        keep = np.arange(80) != row
        rest = ExactGaussian(frame[keep], "who5_followup ~ alliance + who5_baseline", centre=dict(model.design.centres))
        without = rest.fit(y[keep], draws=1000, seed=row)
        x = model.design.rows.x[row]
        eta, sigma = without.stacked["beta"] @ x, without.stacked["sigma"]
        density = np.exp(-0.5 * ((y[row] - eta) / sigma) ** 2) / sigma / np.sqrt(2 * np.pi)
        # Two Monte Carlo estimates from 4,000 draws each of a density that varies by some 15 % over draws: SE 0.004.
        assert loo.elpd[row] == pytest.approx(np.log(density.mean()), abs=0.015)


def exact(n=80):
    frame = rows(n, seed=4)
    model = ExactGaussian(frame, "who5_followup ~ alliance + who5_baseline")
    return model.fit(frame["who5_followup"].to_numpy(float))


def test_the_check_passes_warns_and_fails_by_the_largest_k():
    frame = rows(80, seed=4)
    good = CHECKS["loo"](Context(exact()))
    assert good.verdict == "pass"
    assert good.table["quantity"].tolist() == [
        "elpd_loo",
        "p_loo",
        "elpd_loo of levels",
        "Pareto k, largest",
        "rows with k up to 0.67",
        "rows with k from 0.67 to 1",
        "rows with k above 1",
    ]
    assert good.table["value"].tolist()[4:] == [80, 0, 0]
    assert good.details["pareto_k"].is_monotonic_decreasing
    assert len(good.details) == 10
    assert good.problems == ()

    # One outcome far from where the draws, spread widely, put it: a few draws carry its weight.
    frame.loc[3, "who5_followup"] = 100.0
    means = {"beta": [20.0, 0, 0, 0, 0], "sigma": 5.0}
    bad = CHECKS["loo"](Context(fitted(frame, means=means, sds={"beta": [5.0, 0, 0, 0, 0], "sigma": 0.01})))
    assert bad.verdict == "fail"
    assert bad.problems == (bad.sentence,)
    assert bad.table["value"].iloc[6] >= 1
    assert 3 in bad.details["row"].tolist()


def test_sentences_of_the_loo_check():
    context = Context(exact())
    loo = context.loo
    table = CHECKS["loo"](context).table.set_index("quantity")
    elpd, p = (f"{table.loc[name, 'value']:,.1f}" for name in ("elpd_loo", "p_loo"))
    se = f"{table.loc['elpd_loo', 'se']:,.1f}"
    accuracy = f"elpd_loo is {elpd} (SE {se}) with {p} effective parameters"
    largest = f"{loo.pareto_k.max():.2f}"
    assert CHECKS["loo"](context).sentence == (
        f"Leave-one-out predictions can be trusted: the largest Pareto k is {largest} (limit 0.67); {accuracy}."
    )
    k = loo.pareto_k.copy()
    k[[7, 2]] = 0.9, 0.8
    context.__dict__["loo"] = replace(loo, pareto_k=k)
    found = CHECKS["loo"](context)
    assert found.verdict == "warn"
    assert found.sentence == (
        "Leave-one-out predictions of 2 of 80 rows cannot be trusted (Pareto k above 0.67, largest 0.90; rows 7, 2, "
        "counted "
        "from 0): these rows pull the fit. Check their values, compare another family with heavier tails, and do not "
        "compare models "
        f"by elpd_loo before that; {accuracy}."
    )
    assert found.table["value"].tolist()[3:] == [0.9, 78, 2, 0]
    k[2] = 0.0
    context.__dict__["loo"] = replace(loo, pareto_k=k)
    assert "; row 7, counted from 0): it pulls the fit. Check its values, " in CHECKS["loo"](context).sentence


def test_scores_by_level_are_comparable_with_discrete_families():
    context = Context(exact())
    table = CHECKS["loo"](context).table.set_index("quantity")["value"]
    # A density over an interval of four points, narrow against an SD of 15, is the level's probability over four.
    assert table["elpd_loo of levels"] == pytest.approx(table["elpd_loo"] + 80 * np.log(4), abs=80 * 0.005)
    discrete = fitted(formula="who5_followup ~ alliance", spec={"family": "beta_binomial"}, means={"beta": [0.0, 0.1]})
    assert "elpd_loo of levels" not in CHECKS["loo"](Context(discrete)).table["quantity"].tolist()
