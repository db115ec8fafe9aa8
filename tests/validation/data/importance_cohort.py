"""Importance sampling of the model on cohort_reference.csv, written without the package: writes importance_cohort.csv.

Given the logarithms theta of the seven scales, the 81 coefficients are Gaussian and can be integrated out. Importance
sampling draws theta from a mixture of t distributions, fitted to the posterior in a few rounds, and the coefficients
from their exact conditional distribution. Errors are those of self-normalised importance sampling, quantity by
quantity.

Run as ``python tests/validation/data/importance_cohort.py`` (two minutes on one core).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import optimize

HERE = Path(__file__).parent
DRAWS, ROUND, BLOCK = 300_000, 15_000, 2_000
COMPONENTS, NU = 12, 6.0
SCALE_PRIORS = np.array(
    [25.0, 5.0, 2.0, 5.0, 2.0, 5.0, 2.0]
)  # HalfNormal: sigma, then tau of intercept and slope by factor

frame = pd.read_csv(HERE / "cohort_reference.csv")
y = frame["who5_fu"].to_numpy()
n = len(y)
predictors = ["alliance", "who5_base", "age", "days"]
x = np.column_stack([np.ones(n)] + [frame[name] - frame[name].mean() for name in predictors])
blocks, owner, names = [x], [np.full(5, -1)], ["b_Intercept", *(f"b_{name}" for name in predictors)]
for position, factor in enumerate(("provider", "sex", "country")):
    levels = sorted(frame[factor].unique())
    indicator = (frame[factor].to_numpy()[:, None] == np.array(levels)[None, :]).astype(float)
    for term, column in enumerate((np.ones(n), x[:, 1])):
        blocks.append(indicator * column[:, None])
        owner.append(np.full(len(levels), 2 * position + term))
        names += [f"r_{factor}[{level},{('Intercept', 'alliance')[term]}]" for level in levels]
w, owner = np.hstack(blocks), np.concatenate(owner)
mean = np.zeros(w.shape[1])
mean[0] = 50.0
sd = np.array([25.0, 10.0, 10.0, 10.0, 10.0])
gram, cross, square = w.T @ w, w.T @ (y - w @ mean), float((y - w @ mean) @ (y - w @ mean))


def log_posterior(theta: np.ndarray, rng: np.random.Generator | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Log density of theta (k, 7), and draws (without a generator, means) of the coefficients, shape (k, 81)."""
    scales = np.exp(theta)
    root = np.ones((len(theta), len(mean)))
    root[:, :5] = sd
    root[:, 5:] = scales[:, 1 + owner[5:]]
    precision = np.eye(len(mean)) + gram * root[:, :, None] * root[:, None, :] / scales[:, 0, None, None] ** 2
    cholesky = np.linalg.cholesky(precision)
    half = np.linalg.solve(cholesky, (root * cross / scales[:, 0, None] ** 2)[:, :, None])[:, :, 0]
    log_p = -n * theta[:, 0] - np.log(np.diagonal(cholesky, axis1=1, axis2=2)).sum(axis=1)
    log_p -= 0.5 * (square / scales[:, 0] ** 2 - (half**2).sum(axis=1))
    log_p += (theta - 0.5 * (scales / SCALE_PRIORS) ** 2).sum(axis=1)
    if rng is not None:
        half = half + rng.normal(size=half.shape)
    return log_p, mean + root * np.linalg.solve(np.swapaxes(cholesky, 1, 2), half[:, :, None])[:, :, 0]


class Mixture:
    """Multivariate t distributions with centres, covariances and weights."""

    def __init__(self, centres: np.ndarray, covariances: np.ndarray, weights: np.ndarray) -> None:
        self.centres, self.covariances, self.weights = centres, covariances, weights / weights.sum()

    @classmethod
    def fitted(cls, theta: np.ndarray, rng: np.random.Generator) -> Mixture:
        """By k-means on draws; covariances a little wider than the clusters."""
        spread = theta.std(axis=0)
        centres = theta[rng.choice(len(theta), COMPONENTS, replace=False)]
        for _ in range(40):
            nearest = (((theta[:, None] - centres) / spread) ** 2).sum(axis=2).argmin(axis=1)
            centres = np.array(
                [theta[nearest == k].mean(axis=0) if (nearest == k).any() else c for k, c in enumerate(centres)]
            )
        used = [k for k in range(COMPONENTS) if (nearest == k).sum() > 30]
        covariances = [1.3 * np.cov(theta[nearest == k].T) + np.diag(0.02 * spread**2) for k in used]
        return cls(centres[used], np.array(covariances), np.array([(nearest == k).mean() for k in used]))

    def draw(self, rng: np.random.Generator, size: int) -> np.ndarray:
        component = rng.choice(len(self.weights), size, p=self.weights)
        z = rng.normal(size=(size, 7)) / np.sqrt(rng.chisquare(NU, size) / NU)[:, None]
        return self.centres[component] + np.einsum("nij,nj->ni", np.linalg.cholesky(self.covariances)[component], z)

    def log_density(self, theta: np.ndarray) -> np.ndarray:
        parts = []
        for centre, covariance, weight in zip(self.centres, self.covariances, self.weights, strict=True):
            gap = theta - centre
            distance = np.einsum("ni,ij,nj->n", gap, np.linalg.inv(covariance), gap)
            parts.append(
                np.log(weight) - 0.5 * np.linalg.slogdet(covariance)[1] - 0.5 * (NU + 7) * np.log1p(distance / NU)
            )
        return np.logaddexp.reduce(parts, axis=0)


def weighted(proposal: Mixture, rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws of theta and of the coefficients, and their normalised weights."""
    theta = proposal.draw(rng, size)
    log_weights, coefficients = np.empty(size), np.empty((size, len(mean)))
    for start in range(0, size, BLOCK):
        stop = min(start + BLOCK, size)
        log_p, coefficients[start:stop] = log_posterior(theta[start:stop], rng)
        log_weights[start:stop] = log_p - proposal.log_density(theta[start:stop])
    weights = np.exp(log_weights - log_weights.max())
    return theta, coefficients, weights / weights.sum()


def main() -> None:
    rng = np.random.default_rng(20240131)
    mode = optimize.minimize(lambda theta: -log_posterior(theta[None])[0][0], np.log(SCALE_PRIORS / 2), method="BFGS")
    proposal = Mixture(mode.x[None], 2.0 * mode.hess_inv[None], np.ones(1))
    for _ in range(4):
        theta, _, weights = weighted(proposal, rng, ROUND)
        proposal = Mixture.fitted(theta[rng.choice(ROUND, ROUND, p=weights)], rng)
    theta, coefficients, weights = weighted(proposal, rng, DRAWS)
    values = np.column_stack([coefficients, np.exp(theta)])
    scales = [f"sd_{factor}__{term}" for factor in ("provider", "sex", "country") for term in ("Intercept", "alliance")]
    average = weights @ values
    deviation = (values - average) ** 2
    variance = weights @ deviation
    table = pd.DataFrame(
        {
            "variable": [*names, "sigma", *scales],
            "mean": average,
            "sd": np.sqrt(variance),
            "mcse_mean": np.sqrt(weights**2 @ deviation),
            "mcse_sd": np.sqrt(weights**2 @ (deviation - variance) ** 2) / (2 * np.sqrt(variance)),
            "ess": 1 / (weights**2).sum(),
        }
    )
    table.to_csv(HERE / "importance_cohort.csv", index=False, float_format="%.6g")


if __name__ == "__main__":
    main()
