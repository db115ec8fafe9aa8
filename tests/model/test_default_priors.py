"""What default priors say of outcomes before any are seen, against draws made here from the published rule alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

import alliance_bayes as ab
from alliance_bayes.checks import CHECKS, Context
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import ModelSpec
from builders import fitted

ROWS, DRAWS = 400, 4000
LOGISTIC = np.pi / np.sqrt(3)


def table() -> pd.DataFrame:
    rng = np.random.default_rng(20)
    frame = pd.DataFrame({f"x{k}": rng.normal(3.0 * k, 0.5 + k, ROWS) for k in range(1, 13)})
    frame["site"] = pd.Categorical(rng.permutation(np.resize(list("pqrs"), ROWS)))
    frame["pid"] = pd.Categorical([f"p{row // 4}" for row in range(ROWS)])
    frame["event"] = np.arange(ROWS) % 2.0
    for levels in (4, 28):
        frame[f"of{levels}"] = np.arange(ROWS) % float(levels)
    for trials in (5, 20):
        frame[f"trials{trials}"] = float(trials)
        frame[f"kept{trials}"] = np.arange(ROWS) % (trials + 1.0)
    return frame


def linear_predictor(frame: pd.DataFrame, numeric: Sequence[str], rng: np.random.Generator) -> np.ndarray:
    """Draws of the terms' sum, shape (DRAWS, ROWS): one SD of a logistic variable together, groups twice as far."""
    part = LOGISTIC / np.sqrt(len(numeric) + 1)
    x = ((frame[list(numeric)] - frame[list(numeric)].mean()) / frame[list(numeric)].std()).to_numpy()
    site = frame["site"].cat.codes.to_numpy()
    apart = np.column_stack([np.zeros(DRAWS), rng.normal(0, 2 * part, (DRAWS, 3))])
    return np.asarray(rng.normal(0, part, (DRAWS, len(numeric))) @ x.T + apart[:, site])


def share_at_ends(frame: pd.DataFrame, numeric: Sequence[str], size: int, family: str) -> float:
    rng = np.random.default_rng(7)
    eta = linear_predictor(frame, numeric, rng)
    if family == "binomial":
        p = special.expit(eta + rng.normal(0, 1.5, (DRAWS, 1)))
        return float((p**size + (1 - p) ** size).mean())
    shares = rng.dirichlet(np.ones(size), DRAWS)
    lowest, highest = special.logit(shares[:, [0]]), special.logit(1 - shares[:, [-1]])
    return float((special.expit(lowest - eta) + special.expit(eta - highest)).mean())


def fit_of(frame: pd.DataFrame, formula: str, family: str, trials: str | None = None) -> FittedModel:
    # The posterior is not looked at.
    return fitted(frame, formula=formula, draws=4, spec={"family": family, "trials": trials, "priors": "weak"})


@pytest.mark.parametrize("predictors", [1, 5, 12])
@pytest.mark.parametrize(
    ("family", "size", "most"),
    [("cumulative", 4, 0.67), ("cumulative", 28, 0.25), ("binomial", 5, 0.52), ("binomial", 20, 0.27)],
)
def test_ends_are_hardly_more_than_their_share(family: str, size: int, most: float, predictors: int) -> None:
    """Every value as likely, they would have .5, .071, .333 and .095; with 2.5 SDs a term they had .68 to .92."""
    frame, numeric = table(), [f"x{k}" for k in range(1, predictors + 1)]
    outcome, trials = (f"kept{size}", f"trials{size}") if family == "binomial" else (f"of{size}", None)
    fit = fit_of(frame, f"{outcome} ~ {' + '.join(numeric)} + site", family, trials)
    found = CHECKS["prior_predictive"](Context(fit, seed=3))
    row = found.table[found.table["quantity"].str.startswith("share at")].iloc[0]
    expected = share_at_ends(frame, numeric, size, family)
    assert expected < most
    # Draws of the check are 500, of which each has a share of its own: an SD over draws of at most .3.
    assert row["judged"] == pytest.approx(expected, abs=4.5 * 0.3 / np.sqrt(500))
    even = 2 / size if family == "cumulative" else 2 / (size + 1)
    assert row["limit"] == pytest.approx((1 + even) / 2)
    assert found.verdict == "info"


@pytest.mark.parametrize("predictors", [1, 5, 12])
def test_probabilities_of_an_event_are_about_uniform(predictors: int) -> None:
    """The largest distance between the distribution functions: at most .12, and .3 to .4 with 2.5 SDs a term."""
    frame, numeric = table(), [f"x{k}" for k in range(1, predictors + 1)]
    priors = fit_of(frame, f"event ~ {' + '.join(numeric)} + site", "bernoulli").priors
    rng = np.random.default_rng(5)
    eta = rng.normal(0, priors["Intercept"].prior.arguments["sigma"], (DRAWS, 1)) + sum(
        rng.normal(0, priors[name].prior.arguments["sigma"], (DRAWS, 1)) * (frame[name] - frame[name].mean()).to_numpy()
        for name in numeric
    )
    site = np.column_stack([np.zeros(DRAWS)] + [
        rng.normal(0, priors[f"site[{level}]"].prior.arguments["sigma"], DRAWS) for level in "qrs"
    ])  # fmt: skip
    p = special.expit(eta + site[:, frame["site"].cat.codes.to_numpy()])
    assert stats.kstest(p[:, :: ROWS // 4].ravel(), "uniform").statistic < 0.12


def test_the_scale_of_each_prior() -> None:
    """By hand, of k = 3 terms: 1 / sqrt(3) SDs of a logistic variable a slope, twice that between groups."""
    frame = table()
    part = LOGISTIC / np.sqrt(3)
    fit = fit_of(frame, "event ~ x1 + site + x1:site", "bernoulli")
    sds = {name: stated.prior.arguments["sigma"] for name, stated in fit.priors.items()}
    sd = frame["x1"].std()
    assert sds["Intercept"] == 1.5
    assert sds["x1"] == pytest.approx(part / sd)
    assert sds["site[q]"] == pytest.approx(2 * part)
    assert sds["x1:site[q]"] == pytest.approx(part / sd)
    # A column of two values is two groups, whatever its name.
    coded = fit_of(frame.assign(late=np.arange(ROWS) // 2 % 2.0), "event ~ late", "bernoulli")
    assert coded.priors["late"].prior.arguments["sigma"] == pytest.approx(2 * LOGISTIC)
    # Logarithms of counts have an SD of 1; instruments' own slopes stay where they are narrower than the part.
    counts = fit_of(frame.assign(phq9=np.arange(ROWS) % 28.0), "of28 ~ phq9 + x1", "poisson").priors
    assert counts["phq9"].prior.arguments["sigma"] == pytest.approx(0.5 / 6)
    assert counts["x1"].prior.arguments["sigma"] == pytest.approx(1 / np.sqrt(2) / sd)


def test_among_persons_priors_are_wider() -> None:
    frame = table()
    spec = ModelSpec("event ~ x1 + (1 | pid)", family="bernoulli", roles={"pid": "person"})
    priors = spec.priors_for(spec.design(frame))
    assert priors["Intercept"].prior.arguments["sigma"] == pytest.approx(1.5 * 2)
    assert priors["x1"].prior.arguments["sigma"] == pytest.approx(2 * LOGISTIC / frame["x1"].std())
    groups = ModelSpec("event ~ x1 + (1 | pid)", family="bernoulli", roles={"pid": "group"})
    assert groups.priors_for(groups.design(frame))["Intercept"].prior.arguments["sigma"] == 1.5


def test_what_the_formula_tells_is_what_the_rows_tell() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {"phq9_baseline": np.arange(60) % 28.0, "age": rng.normal(36, 9, 60), "y": np.arange(60) % 2.0}
    )
    model = ab.Model("y ~ s(age) + phq9_baseline + age:phq9_baseline", family="bernoulli")
    design = ModelSpec(model.formula, family="bernoulli").design(frame)
    told, known = model.priors, ModelSpec(model.formula, family="bernoulli").priors_for(design)
    assert set(told) == set(known)
    assert {name: str(stated.prior) for name, stated in told.items()} == {
        name: str(stated.prior) for name, stated in known.items()
    }
    assert told["age"].prior.arguments["sigma"] == pytest.approx(0.5 * LOGISTIC / 9)


@pytest.mark.parametrize("family", ["gaussian", "student_t", "censored_gaussian"])
def test_on_an_identity_link_terms_are_not_counted(family: str) -> None:
    frame = table().assign(phq9=np.arange(ROWS) % 28.0)
    several = fit_of(frame, "phq9 ~ x1 + x2 + x3 + site", family).priors
    assert several["x1"].prior.arguments["sigma"] == pytest.approx(2.5 * 6 / frame["x1"].std())
    assert several["site[q]"].prior.arguments["sigma"] == 3.0
