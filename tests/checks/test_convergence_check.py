from __future__ import annotations

from dataclasses import replace

import arviz as az
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from alliance_bayes.checks import CHECKS, Context
from alliance_bayes.diagnostics import diagnose
from alliance_bayes.effects import effects
from builders import fitted, rows

SIMPLE = "who5_followup ~ alliance + (1 | country)"
GENTLER = (
    "raise target_accept towards 0.99, tighten a vague prior, "
    "or remove a pooled term that the data cannot tell from others"
)
GOOD = {"rhat": 1.0, "ess_bulk": 2000.0, "ess_tail": 2000.0, "mean": 1.0, "sd": 0.5, "median": 1.0}


def check(fit, **options):
    return CHECKS["convergence"](Context(fit, **options))


def small(**options):
    return fitted(formula=SIMPLE, **{"draws": 1000, **options})


def altered(fit, name, change):
    """The fit with the draws (chain, draw, ...) of one variable changed."""
    posterior = fit.posterior.copy(deep=True)
    posterior[name].values[...] = change(posterior[name].values)
    tree = xr.DataTree.from_dict({"posterior": posterior, "sample_stats": fit.sample_stats})
    return replace(fit, tree=tree)


def with_statistics(fit, **statistics):
    given = fit.sample_stats.assign({name: (("chain", "draw"), values) for name, values in statistics.items()})
    return replace(fit, tree=xr.DataTree.from_dict({"posterior": fit.posterior, "sample_stats": given}))


def test_diagnostics_are_arvizs_element_by_element():
    posterior = fitted(formula="who5_followup ~ alliance + sex + (alliance | country)", draws=60).posterior
    table = diagnose(posterior)
    assert table["quantity"].tolist() == [
        "beta[Intercept]",
        "beta[alliance]",
        "beta[sex[male]]",
        "sigma",
        *(f"u_country[C{k}, {term}]" for k in range(5) for term in ("Intercept", "alliance")),
        "tau_country[Intercept]",
        "tau_country[alliance]",
        "corr_country[Intercept, Intercept]",
        "corr_country[Intercept, alliance]",
        "corr_country[alliance, Intercept]",
        "corr_country[alliance, alliance]",
    ]
    # builders.fitted holds correlations at the identity matrix: no diagnostics there, and a warning from ArviZ.
    varying = posterior.drop_vars("corr_country")
    rhat, bulk = az.rhat(varying), az.ess(varying, method="bulk")
    tail = az.ess(varying, method="tail", prob=0.05)
    moving = table[~table["constant"]]
    for row in moving.itertuples():
        # The two middle draws are as far from their median, which rounding decides for ArviZ: half a rank of hundreds.
        for own, theirs, rel in ((row.rhat, rhat, 1e-3), (row.ess_bulk, bulk, 1e-12), (row.ess_tail, tail, 1e-12)):
            assert own == pytest.approx(float(theirs[row.variable].values.ravel()[row.index]), rel=rel)
    assert table["constant"].to_numpy()[-4:].all()
    assert table["by_construction"].to_numpy()[-4:].tolist() == [True, False, False, True]


def test_independent_draws_pass_and_the_sentence_says_how_well():
    fit = small()
    found = check(fit)
    assert found.verdict == "pass"
    quantities = diagnose(fit.posterior)
    smallest = quantities[["ess_bulk", "ess_tail"]].min().min()
    assert found.sentence == (
        f"The 4 chains of 1,000 draws agree for all 9 parameters: the largest R-hat is {quantities['rhat'].max():.3f} "
        f"(limit 1.01) and the smallest effective sample size {smallest:,.0f} (limit 400)."
    )
    assert found.table["criterion"].tolist() == [
        "chains",
        "R-hat, largest",
        "bulk effective sample size, smallest",
        "tail effective sample size, smallest",
        "divergences",
        "E-BFMI, smallest",
        "share of draws at the largest tree depth",
    ]
    assert found.table["verdict"].unique().tolist() == ["pass"]
    assert found.problems == ()
    assert set(found.details["status"]) == {"converged"}


def test_a_chain_that_went_elsewhere_fails_by_rhat():
    def move(values):
        values[3, :, 1] += 1.0  # ten SDs
        return values

    found = check(altered(small(), "beta", move))
    assert found.verdict == "fail"
    row = found.table.set_index("criterion").loc["R-hat, largest"]
    assert row["where"] == "beta[alliance]"
    assert row["value"] > 1.5
    assert found.problems[0] == (
        f"1 quantity of 9 has an R-hat of 1.01 or more (largest {row['value']:.3f}: beta[alliance]), so the chains "
        "disagree. "
        f"Draw more (draws and tune); if that does not help, {GENTLER}."
    )
    assert found.details.iloc[0][["quantity", "status"]].tolist() == ["beta[alliance]", "not converged"]


def test_too_few_draws_fail_by_effective_sample_size_and_say_how_many_more():
    found = check(small(draws=75))
    assert found.verdict == "fail"
    for which, imprecise in (("bulk", "means"), ("tail", "interval limits")):
        row = found.table.set_index("criterion").loc[f"{which} effective sample size, smallest"]
        times = np.ceil(10 * 400 / row["value"]) / 10
        (words,) = [words for words in found.problems if f"a {which} effective" in words]
        assert words == (
            f"9 quantities of 9 have a {which} effective sample size of 400 or less (smallest {row['value']:,.0f}: "
            f"{row['where']}), so {imprecise} are imprecise. Draw more (draws and tune): about {times:.1f} times "
            "the present 300."
        )


def test_divergences_fail():
    found = check(small(divergences=12))
    assert found.verdict == "fail"
    assert found.problems == (f"12 draws of 4,000 diverged, so part of the posterior may be missing: {GENTLER}.",)
    assert found.sentence == found.problems[0]


def test_energy_that_moves_slowly_fails():
    rng = np.random.default_rng(0)
    energy = rng.normal(size=(4, 1000))
    energy[2] = rng.normal(size=1000).cumsum() / 5  # a random walk: successive energies hardly differ
    fit = with_statistics(small(), energy=energy)
    found = check(fit)
    bfmi = np.mean(np.diff(energy[2]) ** 2) / energy[2].var(ddof=1)
    assert bfmi < 0.3
    assert found.problems == (
        f"The E-BFMI of 1 chain is 0.3 or less (smallest {bfmi:.2f}), so the sampler moves slowly through the tails. "
        "Tune longer, and tighten vague priors of level SDs.",
    )
    assert found.table.set_index("criterion").loc["E-BFMI, smallest", "where"] == "chain 2"
    still = check(with_statistics(small(), energy=np.full((4, 1000), 7.0)))
    assert still.table.set_index("criterion").loc["E-BFMI, smallest", "value"] == 0.0
    assert still.verdict == "fail"


def test_tree_depth_and_few_chains_only_warn():
    full = np.zeros((3, 1000), dtype=bool)
    full[0, :15] = True
    found = check(with_statistics(small(chains=3), reached_max_tree_depth=full))
    assert found.verdict == "warn"
    assert found.sentence == (
        "There are only 3 chains; R-hat is dependable from 4. Sample 4 chains. 0.5 % of draws were cut short at the "
        "largest "
        "tree depth. This costs time, not validity: centre or rescale columns on very different scales."
    )
    assert found.problems == ()


def test_one_chain_fails_because_it_cannot_be_compared():
    found = check(small(chains=1, draws=4000))
    assert found.problems == (
        "There is only 1 chain, so nothing tells whether it has found all of the posterior. Sample 4 chains.",
    )
    assert "R-hat, largest" not in found.table["criterion"].tolist()
    assert set(found.details["status"]) == {"converged"}


def test_statistics_that_the_sampler_does_not_report_are_left_out():
    fit = small()
    bare = replace(fit, tree=xr.DataTree.from_dict({"posterior": fit.posterior, "sample_stats": xr.Dataset()}))
    found = check(bare)
    assert found.verdict == "pass"
    assert len(found.table) == 4


def test_a_correlation_with_itself_is_passed_over_and_anything_else_that_stands_still_fails():
    formula = "who5_followup ~ alliance + (alliance | country)"
    fit = fitted(formula=formula, draws=1000)

    def wander(values):
        rng = np.random.default_rng(0)
        off = rng.uniform(-0.5, 0.5, values.shape[:2])
        values[..., 0, 1] = values[..., 1, 0] = off
        return values

    found = check(altered(fit, "corr_country", wander))
    assert found.verdict == "pass"
    assert found.details.query("status == 'constant'")["quantity"].tolist() == [
        "corr_country[Intercept, Intercept]",
        "corr_country[alliance, alliance]",
    ]
    stuck = check(altered(fit, "corr_country", lambda values: values))
    assert stuck.problems == (
        "2 quantities have draws that never move or are not numbers (corr_country[Intercept, alliance], "
        "corr_country[alliance, Intercept]). Check the columns and priors of these terms, and sample again.",
    )


def test_draws_that_are_not_numbers_fail():
    def spoil(values):
        values[0, 5] = np.nan
        return values

    found = check(altered(small(), "sigma", spoil))
    assert found.verdict == "fail"
    assert found.details.iloc[0][["quantity", "status"]].tolist() == ["sigma", "broken"]


def test_the_two_levels_of_an_exhaustive_factor_are_each_others_mirror_and_pass():
    found = check(fitted(formula="who5_followup ~ alliance + (1 | sex)", draws=1000))
    mirror = found.details[found.details["quantity"].str.startswith("u_sex")]
    assert mirror["status"].tolist() == ["converged", "converged"]


def table_of(*rows_):
    return pd.DataFrame([{**GOOD, **row} for row in rows_])


def test_reported_effects_must_have_converged_too():
    given = table_of(
        {"estimand": "slope", "term": "alliance", "unit": "WHO-5 point per alliance point"},
        {"estimand": "contrast", "factor": "country", "level": "C1", "versus": "C0", "rhat": 1.02},
        {"estimand": "icc", "factor": "country", "ess_tail": 120.0},
        {"ess_bulk": 400.0},
    )
    found = check(small(), effects=given)
    assert found.verdict == "fail"
    assert found.details.iloc[:3][["quantity", "kind", "status"]].to_numpy().tolist() == [
        ["icc[country]", "effect", "not converged"],
        ["effect", "effect", "not converged"],
        ["contrast[country, C1 versus C0]", "effect", "not converged"],
    ]
    assert "slope[alliance, WHO-5 point per alliance point]" in found.details["quantity"].tolist()
    row = found.table.set_index("criterion").loc["tail effective sample size, smallest"]
    assert row[["value", "where", "verdict"]].tolist() == [120.0, "icc[country]", "fail"]


@pytest.mark.parametrize(
    ("row", "status"),
    [
        # A count, or a difference that the model fixes at zero, has no spread and no diagnostics.
        ({"rhat": None, "ess_bulk": None, "ess_tail": None, "mean": 0.0, "sd": 0.0}, "constant"),
        ({"rhat": np.nan, "ess_bulk": np.nan, "ess_tail": np.nan, "mean": 12.0, "sd": np.nan}, "constant"),
        # Varies, and yet has no diagnostics.
        ({"rhat": np.nan}, "broken"),
        (
            {"rhat": np.nan, "ess_bulk": np.nan, "ess_tail": np.nan, "mean": np.nan, "sd": np.nan, "median": np.nan},
            "broken",
        ),
        (
            {
                "rhat": np.nan,
                "mean": np.nan,
                "sd": np.nan,
                "median": np.nan,
                "note": "not defined in 3.0% of the draws",
            },
            "undefined",
        ),
    ],
)
def test_effects_without_diagnostics_are_told_apart(row, status):
    found = check(small(), effects=table_of({"estimand": "effect", **row}))
    own = found.details[found.details["kind"] == "effect"]
    assert own["status"].tolist() == [status]
    assert found.verdict == ("fail" if status == "broken" else "pass")


def test_a_table_with_the_three_columns_alone_will_do():
    bare = pd.DataFrame(
        {"rhat": [1.001, 1.5], "ess_bulk": [900.0, 900.0], "ess_tail": [900.0, 900.0]}, index=["a", "b"]
    )
    found = check(small(), effects=bare)
    assert found.details.iloc[0][["quantity", "status"]].tolist() == ["b", "not converged"]
    assert check(small(), effects=bare.iloc[:0]).verdict == "pass"


def test_the_packages_own_effects_are_named_by_their_ids():
    fit = fitted(rows(120), formula="who5_followup ~ alliance + (alliance || sex)", draws=1000)
    table = effects(fit)
    found = check(fit, effects=table)
    names = found.details.loc[found.details["kind"] == "effect", "quantity"]
    assert sorted(names) == sorted(map(str, table.index))
    assert found.verdict == "pass"
    assert f"and {len(table)} reported quantities:" in found.sentence


def test_false_alarms_on_independent_draws_of_the_default_length():
    # With 4 x 1,000 independent draws, R-hat would have to be 11 times its spread: no alarm in 6 fits of 33 quantities.
    assert {check(fitted(rows(40), draws=1000, seed=seed)).verdict for seed in range(6)} == {"pass"}


def test_the_order_of_quantities_does_not_hang_on_digits_that_are_not_shown():
    fit = small()
    table = pd.DataFrame([{**GOOD, "ess_bulk": size, "ess_tail": size} for size in (1500.2, 1500.0, 900.0, 1500.1)])
    table.index = pd.Index(["a", "b", "c", "d"], dtype="str")
    orders = []
    for noise in (0.0, -0.2, 0.2):
        moved = table.assign(ess_bulk=table["ess_bulk"] + noise * np.array([1, -1, 1, -1]))
        found = check(fit, effects=moved).details
        orders.append(found.loc[found["kind"] == "effect", "quantity"].tolist())
    assert orders == [["c", "a", "b", "d"]] * 3
