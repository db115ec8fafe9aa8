"""Numbers at given values are judged by what the priors do to them, and findings say of which of them it is so."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.checks import run_checks
from alliance_bayes.checks.power_scaling import LIMIT
from alliance_bayes.checks.sensitivity import _of_refits, _told
from alliance_bayes.checks.stated import MOVED, RATIO, stated, stated_at
from alliance_bayes.effects import EffectTable

NEAR, FAR = "contrast_of_means/arm=b vs a/sample/at month = 1", "contrast_of_means/arm=b vs a/sample/at month = 24"


def visits(n: int = 400) -> pd.DataFrame:
    """Arms that differ by 3 at month 0, and by 2 more with each month; on average visits are at month 1."""
    rng = np.random.default_rng(4)
    arm, month = np.arange(n) % 2, np.round(rng.exponential(1.0, n))
    score = 40 + arm * (3 + 2.0 * month) + rng.normal(0, 6, n)
    return pd.DataFrame({"score": score, "month": month, "arm": np.array(["a", "b"])[arm]})


def fit_of(prior: str) -> ab.Fit:
    model = ab.Model("score ~ arm * month", focal="arm", centre={"month": 0.0}, priors={"arm:month": prior})
    return model.fit(visits(), seed=5, progress=False)


def least_squares(frame: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of arm and of its product with the month, and their covariance."""
    arm = (frame["arm"] == "b").to_numpy(float)
    x = np.column_stack([np.ones(len(frame)), frame["month"], arm, arm * frame["month"]])
    y = frame["score"].to_numpy()
    beta, rest, *_ = np.linalg.lstsq(x, y, rcond=None)
    return beta[2:], (np.linalg.inv(x.T @ x) * rest[0] / (len(y) - 4))[2:, 2:]


def contrasts(fit: ab.Fit) -> EffectTable:
    return fit.effects({"contrasts": {"factor": "arm"}}, at={"month": [1, 24]})


@pytest.mark.usefixtures("undrawn")
def test_a_planted_prior_is_told_at_the_values_at_which_it_drives_the_number() -> None:
    beta, covariance = least_squares(visits())
    error = float(np.sqrt(covariance[1, 1]))
    # As sure of no change over time as the data are of the change: the far number is drawn half of the way, and at the
    # mean month, where difference and change are independent, the number is not.
    fit = fit_of(f"Normal(0, {error:.4f})")
    table = contrasts(fit)
    assert {NEAR, FAR} <= set(table.index)
    numbers = stated_at(table)
    np.testing.assert_array_equal(numbers[FAR], table.draws[FAR].ravel())

    # By the normal approximation: the product's posterior, and what it takes the difference at month 24 to.
    def expected(sd: float) -> tuple[float, float]:
        precision = np.linalg.inv(covariance) + np.diag([0.0, sd**-2.0])
        made = np.linalg.inv(precision)
        mean, at = made @ np.linalg.inv(covariance) @ beta, np.array([1.0, 24.0])
        return float(at @ mean), float(np.sqrt(at @ made @ at))

    mean, sd = expected(error)
    assert table.loc[FAR, "mean"] == pytest.approx(mean, abs=0.1 * sd)
    (found,) = run_checks(fit, checks=["prior_sensitivity"], effects=table).results
    details = found.details.set_index("quantity")
    shift = (expected(2 * error)[0] - mean) / sd
    # The shift of a refit has a Monte Carlo error of some 0.03 SDs, and the residual SD is not known.
    assert details.loc[FAR, "doubled"] == pytest.approx(shift, abs=0.12)
    assert abs(shift) > MOVED
    assert details.loc[FAR, "depends"] == "yes"
    assert details.loc[NEAR, "depends"] == "no"
    assert abs(details.loc[NEAR, "doubled"]) < MOVED
    assert found.verdict == "warn"
    limits = details[["prior"]].to_numpy() / LIMIT, details[["halved", "doubled"]].abs().to_numpy() / MOVED
    ratios = np.abs(np.log(details[["sd_halved", "sd_doubled"]].to_numpy())) / np.log1p(RATIO)
    np.testing.assert_allclose(
        details["times_limit"], np.nanmax(np.column_stack([*limits, ratios]), axis=1), rtol=1e-12
    )

    page = fit.report(effects=table, checks=run_checks(fit, checks=["convergence", "prior_sensitivity"], effects=table))
    said = {one["rows"][0]: one for one in page.numbers["findings"] if one["name"].startswith("at values")}
    assert said[FAR]["text"].endswith("It depends on the priors: under others it may be another number.")
    assert "priors" not in said[NEAR]["text"]
    assert "prior_sensitivity" in said[FAR]["cautions"]


@pytest.mark.usefixtures("undrawn")
def test_numbers_that_the_data_drive_are_not_told() -> None:
    fit = fit_of("Normal(0, 20)")
    table = contrasts(fit)
    (found,) = run_checks(fit, checks=["prior_sensitivity"], effects=table).results
    details = found.details.set_index("quantity")
    assert details.loc[[NEAR, FAR], "depends"].tolist() == ["no", "no"]
    assert found.verdict == "pass"
    page = fit.report(effects=table, checks=run_checks(fit, checks=["convergence", "prior_sensitivity"], effects=table))
    assert not any("It depends on the priors" in one["text"] for one in page.numbers["findings"])


def test_the_sentence_is_made_of_the_table() -> None:
    _, covariance = least_squares(visits())
    fit = fit_of(f"Normal(0, {np.sqrt(covariance[1, 1]):.4f})")
    table = contrasts(fit)
    (found,) = run_checks(fit, checks=["prior_sensitivity"], effects=table).results
    numbers = found.details[found.details["depends"] != ""]
    assert set(numbers["quantity"]) == {*stated(fit), *stated_at(table)}
    moving = numbers[numbers["depends"] == "yes"]
    said = re.search(
        r"(?:(\d+) of the (\d+)|All (\d+)) numbers that findings state or rest on depend on the priors, most of all: "
        r"(.*?)\.",
        found.sentence,
    )
    assert said is not None
    assert (int(said[1] or said[3]), int(said[2] or said[3])) == (len(moving), len(numbers))
    worst = moving.loc[moving["times_limit"].idxmax(), "quantity"]
    assert said[4] == (worst if "/at" not in worst else "contrast of means with month at 24")
    assert len(_told(found.details).split()) <= 25


def test_one_number_and_none() -> None:
    def told(*depends: str) -> str:
        names = [f"n{k}" for k in range(len(depends))]
        return _told(pd.DataFrame({"quantity": names, "times_limit": range(len(depends)), "depends": depends}))

    assert told("") == ""
    assert (
        told("no", "")
        == "Stronger or weaker priors of the same kind do not move the number that findings state or rest on."
    )
    assert told("yes", "") == "The number that findings state or rest on depends on the priors: n0."
    assert (
        told("no", "no")
        == "Stronger or weaker priors of the same kind move none of the 2 numbers that findings state or rest on."
    )
    assert told("yes", "no") == "1 of the 2 numbers that findings state or rest on depends on the priors: n0."
    assert told("yes", "yes", "").endswith(
        "Both numbers that findings state or rest on depend on the priors, most of all: n1."
    )


def test_one_refit_has_no_range() -> None:
    assert _of_refits([]) == "no refit"
    assert _of_refits([6.754]) == "one refit (6.75)"
    assert _of_refits([6.754, 7.0]) == "2 refits, whose means go from 6.75 to 7.00"
