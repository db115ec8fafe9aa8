"""Averages over joined rows against every row in every draw: within the error that they state, or not taken."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alliance_bayes.effects import improvement, joined, responders, superiority
from alliance_bayes.effects.joined import _Groups, joined_average
from alliance_bayes.effects.responders import AtLeast
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import FAMILIES
from builders import fitted, of_family, rows

FORMULA = "who5_followup ~ alliance + who5_baseline + (alliance || provider_type) + (1 | country)"
# Draws as far apart as a thousand rows leave them: residual SDs or logits / root of 1,000 rows.
POINTS = {"sds": {"beta": [0.5, 0.5, 0.02], "u_provider_type": 0.5, "u_country": 0.5}}
LOGITS = {
    "means": {"beta": [-1.0, 0.1, 0.02], "phi": 6.0},
    "sds": {"beta": [0.05, 0.05, 0.002], "u_provider_type": 0.05, "u_country": 0.05},
}
# About as many as are asked for: in the tail, probabilities bend too much for rows to be joined.
COUNTS = {
    "means": {"beta": [1.0, 0.1, 0.01]},
    "sds": {"beta": [0.05, 0.05, 0.002], "u_provider_type": 0.05, "u_country": 0.05},
}
N = 500


def built(family: str, formula: str = FORMULA, **more: Any) -> FittedModel:
    shape: dict[str, Any] = LOGITS if FAMILIES[family].discrete else POINTS
    if FAMILIES[family].link == "log":
        shape = COUNTS
    if family == "student_t":
        shape = shape | {"means": {"nu": 5.0}}
    if family == "cumulative":
        # Its cut points stand for the intercept.
        shape = {of: sizes | {"beta": sizes["beta"][1:]} for of, sizes in shape.items()}
    frame, options = of_family(rows(N, countries=4, seed=3), family)
    return fitted(frame, formula=formula, chains=2, draws=100, spec=options | more, **shape)


def every_table_is_large(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """From here on; the list gets to know whether rows were joined, each time that it is tried."""
    taken: list[bool] = []

    def spied(*arguments: Any) -> np.ndarray | None:
        found = joined_average(*arguments)
        taken.append(found is not None)
        return found

    monkeypatch.setattr(joined, "EVERY_ROW", 0)
    for home in ("averages", "improvement"):
        monkeypatch.setattr(import_module(f"alliance_bayes.effects.{home}"), "joined_average", spied)
    return taken


def agree(whole: Any, quick: Any) -> None:
    assert list(whole.index) == list(quick.index)
    for name in whole.index:
        exact, found = whole.draws[name].ravel(), quick.draws[name].ravel()
        error = np.sqrt(((found - exact) ** 2).mean())
        # The error is held to the tolerance in 16 of the 200 draws: a root mean square of 16 normal errors is less
        # than half of that of all in one of a million cases. A difference has the errors of two.
        assert error <= 2 * 2 * joined.TOLERANCE * max(exact.std(), 1e-9)
        assert abs(found.mean() - exact.mean()) <= joined.TOLERANCE * exact.std()


@pytest.mark.slow
@pytest.mark.parametrize("family", [name for name in FAMILIES if not FAMILIES[name].has_trials])
def test_shares_of_joined_rows_are_those_of_every_row(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = built(family)
    event: dict[str, Any] = {"at_least": {"bernoulli": 1.0, "poisson": 3.0, "negative_binomial": 3.0}.get(family, 32.0)}
    among = fit.design.frame["who5_baseline"].to_numpy() <= 48
    options: list[dict[str, Any]] = [
        {"factor": "provider_type"},
        {"factor": "country", "population": "equal"},
        {"among": among},
    ]
    whole = [responders(fit, **event, **more) for more in options]
    taken = every_table_is_large(monkeypatch)

    quick = [responders(fit, **event, **more) for more in options]

    assert taken
    assert all(taken)
    for exact, found in zip(whole, quick, strict=True):
        agree(exact, found)


@pytest.mark.parametrize("family", ["gaussian", "student_t", "censored_gaussian"])
def test_strata_keep_their_own_residual_sd(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = built(family, residual_by="provider_type")
    whole = responders(fit, at_least=32.0, factor="provider_type", population="sample"), improvement(fit)
    taken = every_table_is_large(monkeypatch)

    quick = responders(fit, at_least=32.0, factor="provider_type", population="sample"), improvement(fit)

    assert taken
    assert all(taken)
    for exact, found in zip(whole, quick, strict=True):
        agree(exact, found)


@pytest.mark.parametrize("family", [name for name in FAMILIES if not FAMILIES[name].event])
def test_improvement_of_joined_rows_is_that_of_every_row(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fit = built(family)
    among = fit.design.frame["who5_baseline"].to_numpy() <= 40
    whole = [improvement(fit), improvement(fit, among=among)]
    taken = every_table_is_large(monkeypatch)

    quick = [improvement(fit), improvement(fit, among=among)]

    assert taken
    assert all(taken)
    for exact, found in zip(whole, quick, strict=True):
        agree(exact, found)


def test_whole_distributions_are_joined_too(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = built("cumulative")
    whole = superiority(fit, "provider_type", population="sample")
    taken = every_table_is_large(monkeypatch)

    quick = superiority(fit, "provider_type", population="sample")

    assert any(taken)
    rows_of = whole["estimand"] == "share_at_ceiling"
    agree(whole[rows_of], quick[rows_of])


def test_how_much_is_in_memory_at_once_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    fit = built("cumulative")
    event = AtLeast(fit.design.outcome.levels[1:])

    def given(eta: np.ndarray, which: np.ndarray, strata: np.ndarray) -> np.ndarray:
        own = {name: draws[which] for name, draws in fit.parameters.items()}
        return event(fit.design.family, eta, own, fit.design.outcome)

    monkeypatch.setattr(joined, "EVERY_ROW", 0)
    monkeypatch.setattr(joined, "TOLERANCE", 1.0)
    whole = joined_average(fit, fit.design.rows, np.zeros(N, dtype=np.intp), given)
    # As many as the groups' coefficients need at least, so that draws come one by one and rows in three blocks.
    monkeypatch.setattr(joined, "_MOST", 256 * 10)
    blocked = joined_average(fit, fit.design.rows, np.zeros(N, dtype=np.intp), given)

    assert whole is not None
    assert blocked is not None
    np.testing.assert_allclose(blocked, whole, rtol=1e-10)
    exact = given(fit.linear_predictor(), np.arange(200), np.zeros(N, dtype=np.intp)).mean(axis=1)
    # Every function of the distribution within a few times the tolerance of one.
    assert (np.sqrt(((whole - exact) ** 2).mean(axis=0)) <= 0.1 * exact.std(axis=0)).all()


def test_what_is_too_far_apart_is_computed_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    # Every row has a large effect of its own, which differs from draw to draw: no two are alike.
    frame = rows(N, seed=3).assign(person=[f"p{k}" for k in range(N)])
    fit = fitted(
        frame,
        formula="who5_followup ~ alliance + (1 | person)",
        draws=50,
        sds={"u_person": 40.0, "beta": 0.1},
    )
    whole = responders(fit, at_least=32.0, population="sample")
    taken = every_table_is_large(monkeypatch)

    quick = responders(fit, at_least=32.0, population="sample")

    assert not any(taken)
    np.testing.assert_array_equal(quick.draws[quick.index[0]], whole.draws[whole.index[0]])


@settings(max_examples=50, deadline=None)
@given(
    middle=st.lists(st.sampled_from([-3.0, 0.0, 0.5, 1e6, 2.5]), min_size=1, max_size=400),
    n_strata=st.integers(1, 5),
    seed=st.integers(0, 100),
)
def test_groups_hold_every_row_once_and_one_stratum_each(middle: list[float], n_strata: int, seed: int) -> None:
    strata = np.random.default_rng(seed).integers(0, n_strata, len(middle))

    groups = _Groups.of(np.array(middle), strata)

    assert groups.counts.sum() == len(middle)
    assert (groups.counts > 0).all()
    np.testing.assert_array_equal(groups.strata[groups.of_row], strata)
    # Within a stratum, groups are next to each other: none begins before the one below it ends.
    ends = [np.array(middle)[groups.of_row == k] for k in range(groups.counts.size)]
    for k in range(1, groups.counts.size):
        assert groups.strata[k] != groups.strata[k - 1] or ends[k].min() >= ends[k - 1].max()
    np.testing.assert_allclose(groups.counts @ groups.mean(np.array(middle)), np.sum(middle), rtol=1e-12, atol=1e-9)
