"""Checks of fits made from moments, and of what the collapsed engine says of itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy import sparse, stats

from alliance_bayes.checks import CHECKS, Context, run_checks
from alliance_bayes.checks.posterior_predictive import cell_replicates, end_shares
from alliance_bayes.errors import UsageError
from alliance_bayes.fit import FittedModel
from alliance_bayes.moments import moments_of
from alliance_bayes.moments.weighted import design_of_moments
from builders import fitted, rows

FORMULA = "who5_followup ~ alliance + who5_baseline + (1 | country) + (1 | sex)"


def without_rows(fit: FittedModel) -> FittedModel:
    design, moments = design_of_moments(moments_of(fit.design, spec=fit.spec), fit.spec)
    return replace(fit, design=design, moments=moments)


@pytest.fixture(scope="module")
def fits() -> tuple[FittedModel, FittedModel]:
    fit = fitted(rows(500, seed=2, countries=3), formula=FORMULA, spec={"residual_by": "sex"}, draws=500)
    return fit, without_rows(fit)


def cell_groups(fit: FittedModel) -> sparse.csr_array:
    """Everybody, and each country."""
    moments = fit.moments
    assert moments is not None
    country = moments.codes[:, moments.keys.index("country")]
    return sparse.csr_array(np.column_stack([np.ones(len(country)), np.eye(3)[country]]))


def test_replicated_means_and_sds_have_the_distribution_of_simulated_rows(
    fits: tuple[FittedModel, FittedModel],
) -> None:
    fit, ours = fits
    replicates = 4000
    found = cell_replicates(Context(ours, replicates=replicates), cell_groups(ours))
    (mean, replicated_mean), (sd, replicated_sd) = found["mean"], found["SD"]
    context = Context(fit, replicates=replicates)
    country = fit.design.rows.index["country"]
    y = fit.design.outcome.values
    for group, at in enumerate([np.ones(500, dtype=bool), *(country == k for k in range(3))]):
        # Sums over cells in another order.
        assert mean[group] == pytest.approx(y[at].mean(), rel=1e-12)
        assert sd[group] == pytest.approx(y[at].std(ddof=1), rel=1e-10)
        simulated = context.simulated[:, at]
        for drawn, expected in (
            (replicated_mean[:, group], simulated.mean(axis=1)),
            (replicated_sd[:, group], simulated.std(axis=1, ddof=1)),
        ):
            # Two samples of 4,000 from one distribution: rejected once in 10,000 runs, and the seeds are fixed.
            assert stats.ks_2samp(drawn, expected).pvalue > 1e-4


def test_a_cell_of_one_or_two_rows_is_replicated_too() -> None:
    frame = rows(40, seed=5, countries=8)
    fit = fitted(frame, formula="who5_followup ~ alliance + (1 | country:sex)", draws=500)
    ours = without_rows(fit)
    assert ours.moments is not None
    assert {1.0, 2.0} <= set(ours.moments.counts)
    everybody = sparse.csr_array(np.ones((ours.moments.n_cells, 1)))
    found = cell_replicates(Context(ours, replicates=2000), everybody)
    simulated = Context(fit, replicates=2000).simulated
    # Two samples of 2,000 from one distribution: rejected once in 10,000 runs, and the seeds are fixed.
    assert stats.ks_2samp(found["SD"][1][:, 0], simulated.std(axis=1, ddof=1)).pvalue > 1e-4
    assert stats.ks_2samp(found["mean"][1][:, 0], simulated.mean(axis=1)).pvalue > 1e-4


def test_shares_at_the_ends_are_counted_and_nearly_replicated(fits: tuple[FittedModel, FittedModel]) -> None:
    fit, ours = fits
    shares = end_shares(Context(ours), cell_groups(ours))
    y, simulated = fit.design.outcome.values, Context(fit).simulated
    for name, seen, drawn in (
        ("share at floor", y <= 2, simulated <= 2),
        ("share at ceiling", y >= 98, simulated >= 98),
    ):
        observed, replicated = shares[name]
        assert observed[0] == pytest.approx(seen.mean(), abs=1e-12)
        mean = drawn.mean(axis=1)
        # Four Monte Carlo standard errors of two means of 1,000 replicates, and 0.001 for taking cells for normal.
        error = 4 * np.sqrt(2 / 1000) * mean.std() + 0.001
        assert replicated[:, 0].mean() == pytest.approx(mean.mean(), abs=error)
        assert replicated[:, 0].std() == pytest.approx(mean.std(), rel=0.15)  # SE of an SD of 1,000: 2 %, and the same


def test_what_needs_rows_says_so_and_the_rest_agrees(fits: tuple[FittedModel, FittedModel]) -> None:
    fit, ours = fits
    theirs, report = run_checks(fit), run_checks(ours)
    assert [result.name for result in report] == list(CHECKS)
    for name, what in (
        ("calibration", "The calibration of single predictions"),
        ("loo", "Leaving one row out"),
        ("curvature", "The course of residuals along a predictor"),
        ("groups", "The distribution of residuals by group"),
    ):
        assert report[name].verdict == "info"
        assert report[name].title == theirs[name].title
        assert report[name].sentence == (
            f"{what} needs the analysed rows, and this fit was made from moments. Where the rows are, fit the model to "
            "them and check that fit."
        )
    assert report.gate == theirs.gate
    pd.testing.assert_frame_equal(report["convergence"].table, theirs["convergence"].table)
    own, its = (found["posterior_predictive"].table for found in (report, theirs))
    assert set(own["statistic"]) == {"mean", "SD", "share at floor", "share at ceiling"}
    key = ["statistic", "factor", "level"]
    both = own.merge(its, on=key, suffixes=("", "_of_rows"))
    assert len(both) == len(own)
    assert (both["n"] == both["n_of_rows"]).all()
    np.testing.assert_allclose(both["observed"], both["observed_of_rows"], rtol=1e-10, atol=1e-12)  # rounding
    assert report["posterior_predictive"].sentence.endswith(
        " The fit was made from moments, so the shape of single groups was not compared. For shares, the expected "
        "outcomes within a cell were taken for normal."
    )
    own, its = (found["prior_predictive"].table.set_index("quantity") for found in (report, theirs))
    for name in ("R2", "standardised slope of alliance"):
        # The same prior draws and the same moments of the rows.
        np.testing.assert_allclose(own.loc[name].to_numpy(float), its.loc[name].to_numpy(float), rtol=1e-8)


def test_columns_beside_the_model_go_with_rows(fits: tuple[FittedModel, FittedModel]) -> None:
    with pytest.raises(UsageError) as caught:
        run_checks(fits[1], extra=rows(500)[["age"]])
    assert str(caught.value) == (
        "extra columns go with the analysed rows, and this fit was made from moments. Leave them out."
    )


def collapsed(rate: list[float], k: float, **info: str) -> FittedModel:
    """A fit with an independence sampler's statistics."""
    fit = fitted(rows(60), formula="who5_followup ~ alliance", draws=1000)
    coords = {name: fit.sample_stats[name] for name in ("chain", "draw")}
    accepted = np.repeat(np.array(rate)[:, None], 1000, axis=1)
    given = xr.Dataset({"acceptance_rate": (("chain", "draw"), accepted), "pareto_k": ((), k)}, coords=coords)
    tree = xr.DataTree.from_dict({"posterior": fit.posterior, "sample_stats": given})
    return replace(fit, tree=tree, info={**fit.info, **info})


def figures(fit: FittedModel) -> pd.DataFrame:
    return CHECKS["convergence"](Context(fit)).table.set_index("criterion")


def test_independence_chains_are_judged_by_acceptance_and_by_their_proposals_tail() -> None:
    good = figures(collapsed([0.6, 0.5, 0.7, 0.8], 0.3))
    assert good.loc["share of proposals accepted, smallest"].tolist() == ["above 0.15", 0.5, "chain 1", "pass"]
    assert good.loc["Pareto k of the proposal"].tolist() == ["below 0.7", 0.3, "", "pass"]
    bad = CHECKS["convergence"](Context(collapsed([0.6, 0.1, 0.7, 0.8], 0.9)))
    assert bad.problems == (
        "1 chain accepted 15 % of the proposals or fewer (smallest 10 %), so the proposal does not resemble the "
        "posterior. Use the engine 'nuts'.",
        "The importance ratios of the proposal have a Pareto k of 0.90 (limit 0.7), so parts of the posterior may be "
        "proposed too rarely. Use the engine 'nuts'.",
    )
    assert figures(collapsed([0.6] * 4, -np.inf)).loc["Pareto k of the proposal", "verdict"] == "pass"
    assert figures(collapsed([0.6] * 4, np.nan)).loc["Pareto k of the proposal", "verdict"] == "fail"
    # NUTS gives the mean acceptance of its trajectories the same name.
    assert "share of proposals accepted, smallest" not in figures(fitted(rows(60), draws=1000)).index


def test_that_nuts_stepped_in_is_told() -> None:
    told = figures(collapsed([0.6] * 4, 0.1, fallback="8% of the proposals were accepted"))
    row = told.loc["NUTS on the marginal density stepped in"]
    assert row[["rule", "where", "verdict"]].tolist() == [
        "for information",
        "8% of the proposals were accepted",
        "info",
    ]
    assert np.isnan(row["value"])
