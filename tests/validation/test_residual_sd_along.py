"""A residual SD along columns: known coefficients are recovered, and those of maximum likelihood under flat priors."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize

from alliance_bayes import Model
from builders import rows

pytestmark = pytest.mark.slow

N = 800
TRUE = {"Intercept": 50.0, "alliance": 4.0, "sigma": 12.0, "gamma[alliance]": -0.4, "gamma[sex[male]]": 0.3}


def test_known_coefficients_and_those_of_maximum_likelihood_are_recovered() -> None:
    frame = rows(N, seed=5)
    x, male = (frame["alliance"] - frame["alliance"].mean()).to_numpy(), (frame["sex"] == "male").to_numpy(float)
    noise = np.random.default_rng(8).normal(size=N)
    y = 50.0 + 4.0 * x + 12.0 * np.exp(-0.4 * x + 0.3 * male) * noise
    model = Model(
        "y ~ alliance",
        sigma="~ alliance + sex",
        priors={
            "Intercept": "Normal(50, 100)",
            "alliance": "Normal(0, 100)",
            "sigma": "HalfNormal(200)",
            "gamma": "Normal(0, 10)",
        },
    )
    fit = model.fit(frame.assign(y=y), draws=1000, chains=2, seed=3, progress=False)
    assert fit.info["engine"] == "nuts"
    assert fit.info["engine_reason"] == "the residual SD differs along columns (sigma ~ alliance + sex)"
    assert int(fit.sample_stats["diverging"].sum()) == 0
    draws = np.column_stack([fit.stacked["beta"], fit.stacked["sigma"], fit.stacked["gamma"]])
    mean, sd = draws.mean(axis=0), draws.std(axis=0)
    # Five numbers within 3.5 posterior SDs: one in 400 data sets has one that is not.
    assert (np.abs(mean - list(TRUE.values())) < 3.5 * sd).all()

    def minus_log_likelihood(at: np.ndarray) -> float:
        log_sd = at[2] + at[3] * x + at[4] * male
        return float(np.sum(0.5 * ((y - at[0] - at[1] * x) / np.exp(log_sd)) ** 2 + log_sd))

    found = optimize.minimize(minus_log_likelihood, [50.0, 0.0, np.log(y.std()), 0.0, 0.0], method="BFGS")
    best = np.r_[found.x[:2], np.exp(found.x[2]), found.x[3:]]
    # With 800 rows mode and mean differ by hundredths of an SD, and the mean of 1,000 effective draws by 0.03.
    np.testing.assert_allclose((mean - best) / sd, 0.0, atol=0.15)
    # The inverse of the expected information: weighted least squares of the mean, and 2 Z'Z of the logarithm of the SD.
    z = np.column_stack([np.ones(N), x, male])
    weights = np.exp(-2 * (found.x[2] + found.x[3] * x + found.x[4] * male))
    of_mean = np.linalg.inv(z[:, :2].T @ (weights[:, None] * z[:, :2]))
    of_log = np.linalg.inv(2 * z.T @ z)
    expected = np.sqrt(np.r_[np.diag(of_mean), np.diag(of_log)]) * [1, 1, best[2], 1, 1]
    # An SD of 1,000 effective draws is known to 2 %; expected and actual information of 800 rows differ by 5 %.
    np.testing.assert_allclose(sd / expected, 1.0, atol=0.12)
