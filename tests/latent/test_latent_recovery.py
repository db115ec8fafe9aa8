"""Simulated cohorts with few sessions, 20 at full size: the joint model finds the slope that mean ratings hide."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from scripted import script
from sizes import sized


@pytest.fixture(scope="module")
def trials() -> tuple[ModuleType, pd.DataFrame]:
    own = script("benchmarks", "latent_recovery")
    return own, own.recover(sized(20, 3))


def recovered(own: ModuleType, table: pd.DataFrame, name: str) -> list[str]:
    """Rules that a slope breaks: too few intervals around the truth, or a mean error that chance does not make."""
    found = own.summary(table, name)
    # Central 99 % of a binomial of .89.
    low, high = binom.ppf([0.005, 0.995], len(table), 0.89)
    faults = [] if low <= found["covers"] <= high else ["coverage"]
    # Three standard errors: one correct model in 400 fails.
    return faults + ([] if abs(found["error"]) < 3 * found["se"] else ["bias"])


@pytest.mark.slow
def test_joint_model_covers_the_truth_without_bias(
    trials: tuple[ModuleType, pd.DataFrame], record_property: Callable[[str, object], None]
) -> None:
    own, table = trials
    found = own.summary(table, "corrected")
    record_property(
        "covered", f"{found['covers']:.0f} of {len(table)}, mean error {found['error']:.2f} ({found['se']:.2f})"
    )
    record_property("seeds", f"0 to {len(table) - 1}")
    assert recovered(own, table, "corrected") == []
    assert table["divergences"].sum() == 0


@pytest.mark.validation
def test_observed_mean_rating_is_attenuated_and_fails_the_same_rules(trials: tuple[ModuleType, pd.DataFrame]) -> None:
    own, table = trials
    found = own.summary(table, "naive")
    assert found["error"] < -2 * found["se"]
    assert "bias" in recovered(own, table, "naive")


@pytest.mark.slow
def test_observed_mean_in_place_of_the_expected_rating_breaks_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault planted in the graph itself: its slope is then the naive one, which the rules above refuse."""
    import alliance_bayes.latent.graph as graph

    own = script("benchmarks", "latent_recovery")
    build = graph.build_joint_graph

    def faulty(data, *arguments, **options):  # type: ignore[no-untyped-def]
        real = graph.ratings_graph

        def observed(*given):  # type: ignore[no-untyped-def]
            loglik, expected = real(*given)
            return loglik, 0.0 * expected + np.asarray(data.observed)

        monkeypatch.setattr(graph, "ratings_graph", observed)
        return build(data, *arguments, **options)

    monkeypatch.setattr(graph, "build_joint_graph", faulty)
    fit = own.fit_one(0)
    effects = pd.DataFrame(fit.effects())
    corrected, naive = (effects.loc[f"{name}_slope/alliance/sample"] for name in ("corrected", "naive"))
    # Two Monte Carlo estimates of one number: four standard errors of their difference.
    assert corrected["mean"] == pytest.approx(
        naive["mean"], abs=4 * float(np.hypot(corrected["mcse_mean"], naive["mcse_mean"]))
    )
    assert corrected["upper"] < own.truth()
