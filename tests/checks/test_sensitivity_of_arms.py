"""Sensitivity of the difference of arms: planted priors, refits that are fits, and certainty that drops with them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.checks import run_checks
from alliance_bayes.checks.refits import asked, called, refit
from alliance_bayes.checks.stated import stated
from alliance_bayes.model import Scale
from alliance_bayes.report import Report
from builders import fitted, of_family, rows


def trial(n: int = 160, *, effect: float = -3.0, arms: int = 2, seed: int = 3) -> pd.DataFrame:
    """A trial whose arms differ by so much each from the one before."""
    rng = np.random.default_rng(seed)
    arm, start = np.arange(n) % arms, rng.normal(20, 5, n)
    score = 8 + 0.5 * start + effect * arm + rng.normal(0, 6, n)
    sites = np.array([f"S{k}" for k in np.arange(n) // 40])
    return pd.DataFrame({"score": score, "start": start, "arm": np.array(list("abcdefg"))[arm], "site": sites})


def fit_of(frame: pd.DataFrame, **options: object) -> ab.Fit:
    return ab.Model("score ~ arm + start", focal="arm", **options).fit(frame, seed=5, progress=False)


def ancova(frame: pd.DataFrame) -> tuple[float, float]:
    """Difference of two arms and its standard error by least squares."""
    x = np.column_stack([np.ones(len(frame)), frame["arm"] == "b", frame["start"]]).astype(float)
    y = frame["score"].to_numpy()
    beta, rest, *_ = np.linalg.lstsq(x, y, rcond=None)
    covariance = np.linalg.inv(x.T @ x) * rest[0] / (len(y) - 3)
    return float(beta[1]), float(np.sqrt(covariance[1, 1]))


@pytest.fixture(scope="module")
def free() -> ab.Fit:
    return fit_of(trial())


def test_a_difference_is_that_of_an_analysis_of_covariance(free: ab.Fit) -> None:
    estimate, error = ancova(trial())
    row = free.contrasts("arm").iloc[0]
    # The prior Normal(0, 2.5 SD) draws it in by error^2 / prior^2, below a hundredth of its SD.
    assert row["mean"] == pytest.approx(estimate, abs=0.01 * error + 4 * row["mcse_mean"])
    assert row["sd"] == pytest.approx(error, rel=0.05)


@pytest.mark.slow
def test_a_planted_prior_that_halves_the_difference_is_reported_and_lowers_its_word(free: ab.Fit) -> None:
    frame = trial(effect=-4.8)
    estimate, error = ancova(frame)
    pulled = fit_of(frame, priors={"arm": f"Normal(0, {error:.4f})"})
    name = "difference by arm: b - a"
    assert list(stated(pulled)) == [name]
    (calm,) = run_checks(free, checks=["prior_sensitivity"]).results
    (found,) = run_checks(pulled, checks=["prior_sensitivity"]).results
    assert (calm.verdict, found.verdict) == ("pass", "warn")
    assert name in found.sentence

    def expected(sd: float) -> tuple[float, float]:
        weight = sd**2 / (sd**2 + error**2)
        return weight * estimate, error * np.sqrt(weight)

    table = found.table.set_index("priors")
    assert table["quantity"].unique().tolist() == [name]
    for label, sd in (("as fitted", error), ("all scales halved", error / 2), ("all scales doubled", 2 * error)):
        mean, _ = expected(sd)
        # By the normal approximation, whose residual SD is known.
        assert table.loc[label, "mean"] == pytest.approx(mean, abs=0.12 * error)
    assert table.loc["all scales halved", "shift"] == pytest.approx(
        (expected(error / 2)[0] - expected(error)[0]) / expected(error)[1], abs=0.12
    )
    # In the findings the word is the least under all of them, and what it would be alone is said.
    page = Report(sections=["effects"]).render(pulled, checks=run_checks(pulled))
    claims = page.numbers["findings"][0]["claims"]
    alone = pulled.contrasts("arm").iloc[0]
    assert alone["p_direction"] >= 0.99 > table.loc["all scales halved", "p_direction"] >= 0.95
    assert claims[0]["certainty"] == "very probably"
    assert page.findings[0].startswith("The mean of score was very probably lower for arm “b” than for “a”, by ")
    assert "Under these priors alone it would be “almost certainly”" in page.findings[0]


def test_every_pair_of_three_arms_is_tried_and_a_refit_is_a_fit() -> None:
    frame = trial(180, arms=3)
    fit = ab.Model("score ~ arm + start + (1 | site)", focal="arm", roles={"site": "group"}).fit(
        frame, seed=5, progress=False
    )
    names = [called(one) for one in asked(fit)]
    assert names == [f"difference by arm: {pair}" for pair in ("b - a", "c - a", "c - b")]
    sensitivity, influence = run_checks(fit, checks=["prior_sensitivity", "influence"]).results
    assert sensitivity.table["quantity"].tolist() == [name for name in names for _ in range(3)]
    assert influence.table["quantity"].tolist() == [name for name in names for _ in range(6)]
    assert influence.table["label"].iloc[1] == "without site S0"
    assert sensitivity.rows is not None
    assert len(sensitivity.rows) == 9
    keep = (frame["site"] != "S0").to_numpy()
    made = refit(fit, "without site S0", keep=keep)
    alone = ab.Model("score ~ arm + start + (1 | site)", focal="arm", roles={"site": "group"}).fit(
        frame[keep].reset_index(drop=True), seed=5, draws=400, progress=False
    )
    for one in asked(alone):
        np.testing.assert_array_equal(made.draws[called(one)], one.draws())


def test_the_sentence_names_the_difference_that_moves_most() -> None:
    fit = fit_of(trial(180, arms=3, seed=5))
    (result,) = fit.check(checks=["prior_sensitivity"]).results
    shifts = result.table.dropna(subset=["shift"])
    most = shifts.loc[shifts["shift"].abs().idxmax()]
    assert f"a mean moves by {abs(most['shift']):.2f} posterior SDs at most ({most['quantity']}, " in result.sentence


PAIRS = ("therapist - coach", "both - coach", "both - therapist")


def test_what_is_stated_of_a_factor() -> None:
    fit = fitted(
        rows(120, countries=7),
        formula="who5_followup ~ alliance * sex + (alliance || provider_type)",
        spec={"focal": "provider_type"},
    )
    assert list(stated(fit)) == [
        *(f"difference by provider_type: {pair}" for pair in PAIRS),
        "sex[male]",
        *(f"difference in slope of alliance by provider_type: {pair}" for pair in PAIRS),
    ]
    crossed = fitted(rows(120), formula="who5_followup ~ alliance * sex", spec={"focal": "sex"})
    assert list(stated(crossed)) == ["difference by sex: male - female", "alliance:sex[male]"]
    # Of many levels no pair is singled out.
    many = fitted(rows(200, countries=9), formula="who5_followup ~ alliance + country", spec={"focal": "country"})
    assert "difference by country: C1 - C0" not in stated(many)
    frame, options = of_family(rows(80, countries=7), "bernoulli")
    logit = fitted(frame, formula="who5_followup ~ sex + (1 | country)", spec=options | {"focal": "sex"})
    assert list(stated(logit)) == ["difference by sex: male - female", "tau_country[Intercept]"]


def test_what_priors_imply_for_a_difference() -> None:
    """The prior of an additive model's difference is that of its coefficient."""
    scale = Scale(mean=20, sd=8)
    fit = fitted(
        trial(),
        formula="score ~ arm + start",
        spec={"focal": "arm", "scales": {"score": scale, "start": Scale(20, 5)}, "priors": {"arm": "Normal(0, 4)"}},
    )
    (found,) = run_checks(fit, checks=["prior_predictive"]).results
    row = found.table.set_index("quantity").loc["standardised difference by arm: b - a"]
    # A normal of SD 4 over 8 is beyond -1 or 1 with probability .0455; five hundred draws.
    assert row["judged"] == pytest.approx(0.0455, abs=4 * np.sqrt(0.0455 * 0.9545 / 500))
    # Standard error of the 95 % quantile: sqrt(.05 .95 / 500) over the density there, .103 / .5.
    assert row["upper"] == pytest.approx(0.5 * 1.645, abs=4 * 0.047)
