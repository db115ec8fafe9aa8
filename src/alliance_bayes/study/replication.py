"""Every published number beside its posterior on a cohort."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_bayes.api import Fit, Model
from alliance_bayes.cohort import Cohort
from alliance_bayes.cohort.names import ID
from alliance_bayes.errors import UsageError
from alliance_bayes.remedies import call
from alliance_bayes.simulation.published import PUBLISHED, PublishedFigure

__all__ = ["BootstrapWeights", "beside_print"]


# The regressions that were printed, with their adjustments.
EVERYBODY = "who5_followup ~ alliance + age + sex + who5_baseline"
ELEVATED = "who5_followup ~ alliance + age + sex + days_in_care + who5_baseline"
LIMIT = 28.0
_NORMAL = 1.959964


def beside_print(cohort: Cohort, *, prob: float = 0.95, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Set every number that the study printed beside its posterior on a cohort.

    Parameters
    ----------
    cohort
        A cohort with its sessions (simulated, or read by `read_tables`), women and men as "female" and "male", provider
        types "coach", "therapist" and "both".
    prob
        Probability of the posterior intervals (equal-tailed). The study's own are 95 % confidence intervals.
    draws
        Draws of the Bayesian bootstrap.
    seed
        Of every random number.

    Returns
    -------
    pandas.DataFrame
        One row a printed number: `figure`, posterior `mean`, `lower`, `upper`, `published`, `published_lower`,
        `published_upper` (from the printed interval or standard error; missing where there is none), `status`
        ("published", or "derived" from what is), `inside` (whether the posterior interval, widened by the rounding of
        the print, holds the published value), `how` (which posterior) and `source`.

    Raises
    ------
    UsageError
        The cohort does not know its sessions.

    Notes
    -----
    The individual data of the study are not public. On a simulated cohort this shows how well the simulator agrees with
    print, and nothing about the original data.

    Regressions are Gaussian models with weak priors and the adjustments that were printed. Descriptive figures are
    Bayesian bootstraps over people. A rank test is the probability of superiority as a normal deviate under no
    difference.
    """
    if cohort.sessions is None:
        raise UsageError(
            f"{cohort.source}: this comparison needs the sessions behind the table (Cronbach's alpha). Give the three "
            f"tables ({call('read_tables')}), or simulate a cohort."
        )
    posteriors = {**_described(cohort, draws, seed), **_regressed(cohort, seed)}
    rows = [_row(figure, *posteriors[figure.key], prob) for figure in PUBLISHED if figure.key in posteriors]
    return pd.DataFrame(rows)


type Posterior = tuple[npt.NDArray[np.float64], str]


def _row(figure: PublishedFigure, values: npt.NDArray[np.float64], how: str, prob: float) -> dict[str, object]:
    lower, upper = np.quantile(values, [(1 - prob) / 2, (1 + prob) / 2])
    half = figure.rounding / 2 if figure.status == "published" else figure.rounding
    reach = float("nan") if figure.se is None else _NORMAL * figure.se
    return {
        "figure": figure.key,
        "mean": float(values.mean()),
        "lower": float(lower),
        "upper": float(upper),
        "published": figure.value,
        "published_lower": figure.value - reach,
        "published_upper": figure.value + reach,
        "status": figure.status,
        "inside": bool(lower - half <= figure.value <= upper + half),
        "how": how,
        "source": figure.source,
    }


def _described(cohort: Cohort, draws: int, seed: int) -> dict[str, Posterior]:
    data = cohort.data
    weights = BootstrapWeights(len(data), draws=draws, seed=seed)
    numbers = {name: data[name].to_numpy(float) for name in data.columns if data[name].dtype == np.float64}
    women, coach = (data["sex"] == "female").to_numpy(bool), (data["provider_type"] == "coach").to_numpy(bool)
    alliance, change = numbers["alliance"], numbers["who5_change"]
    rated = ~np.isnan(alliance)
    figures = {
        "age_mean": weights.mean(numbers["age"]),
        "age_sd": weights.sd(numbers["age"]),
        "share_female": weights.mean(np.where(women, 1.0, 0.0)),
        **{
            f"share_{kind}": weights.mean(np.asarray(data["provider_type"] == kind, dtype=np.float64))
            for kind in ("coach", "therapist", "both")
        },
        "share_elevated": weights.mean(np.asarray(data["who5_baseline"] <= LIMIT, dtype=np.float64)),
        "sessions_median": weights.median(numbers["n_sessions"]),
        "days_median": weights.median(numbers["days_in_care"]),
        "alpha": weights.alpha(_items(cohort)),
        "alliance_median": weights.median(alliance),
        "alliance_median_women": weights.median(alliance, women),
        "alliance_median_men": weights.median(alliance, ~women),
        "alliance_median_coach": weights.median(alliance, coach),
        "alliance_median_other": weights.median(alliance, ~coach),
        "alliance_sd": weights.sd(alliance),
        "change_mean": weights.mean(change),
        "change_d": weights.mean(change) / weights.sd(change),
        "change_se": weights.sd(change) / np.sqrt((~np.isnan(change)).sum()),
        "baseline_mean": weights.mean(numbers["who5_baseline"]),
        "baseline_sd": weights.sd(numbers["who5_baseline"]),
        "followup_sd": weights.sd(numbers["who5_followup"]),
        "correlation": weights.correlation(numbers["who5_baseline"], numbers["who5_followup"]),
    }
    tests = {
        name: _as_deviate(
            weights.superiority(alliance[rated], group[rated], ~group[rated]), alliance[rated], group[rated]
        )
        for name, group in (("alliance_z_sex", women), ("alliance_z_coach", coach))
    }
    how = "Bayesian bootstrap"
    deviate = "Bayesian bootstrap; probability of superiority as a normal deviate"
    return {name: (values, how) for name, values in figures.items()} | {
        name: (values, deviate) for name, values in tests.items()
    }


def _items(cohort: Cohort) -> npt.NDArray[np.float64]:
    """Goal and bond of each participant, averaged over sessions, in the order of the table; NaN where there is none."""
    sessions = cohort.sessions
    assert sessions is not None
    means = sessions.groupby(ID, sort=False)[["goal", "bond"]].mean()
    return np.asarray(means.reindex(cohort.data[ID]).to_numpy(float))


def _as_deviate(
    superiority: npt.NDArray[np.float64], values: npt.NDArray[np.float64], first: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float64]:
    """A probability of superiority in standard errors of no difference, ties corrected for."""
    n, a, b = values.size, int(first.sum()), int((~first).sum())
    ties = np.unique(values, return_counts=True)[1].astype(float)
    variance = (n + 1 - (ties**3 - ties).sum() / (n * (n - 1))) / (12 * a * b)
    return np.asarray((superiority - 0.5) / np.sqrt(variance))


def _regressed(cohort: Cohort, seed: int) -> dict[str, Posterior]:
    everybody = Model(EVERYBODY, priors="weak").fit(cohort, seed=seed, progress=False)
    elevated = (cohort.data["who5_baseline"] <= LIMIT).to_numpy(bool)
    low = Model(ELEVATED, priors="weak").fit(
        Cohort(cohort.data[elevated], source=cohort.source, row_names=cohort.row_names, joined_rows=cohort.joined_rows),
        seed=seed,
        progress=False,
    )
    how = f"Gaussian model, weak priors: {EVERYBODY}"
    posteriors: dict[str, Posterior] = {"slope": (_slope(everybody, "alliance"), how), "r2": (_r2(everybody), how)}
    how = f"Gaussian model, weak priors, baseline WHO-5 of {LIMIT:g} or less: {ELEVATED}"
    terms: dict[str, Callable[[], npt.NDArray[np.float64]]] = {
        "elevated_intercept": lambda: _intercept(low),
        "elevated_age": lambda: _slope(low, "age"),
        "elevated_male": lambda: _slope(low, "sex[male]"),
        "elevated_days": lambda: _slope(low, "days_in_care"),
        "elevated_baseline": lambda: _slope(low, "who5_baseline"),
        "elevated_alliance": lambda: _slope(low, "alliance"),
        "elevated_r2": lambda: _r2(low),
        "elevated_sigma": lambda: np.asarray(low.stacked["sigma"]),
    }
    posteriors |= {name: (values(), how) for name, values in terms.items()}
    frame = cohort.data[elevated & cohort.data["who5_followup"].notna().to_numpy(bool)]
    weights = BootstrapWeights(len(frame), seed=seed)
    posteriors["elevated_days_sd"] = (weights.sd(frame["days_in_care"].to_numpy(float)), "Bayesian bootstrap")
    # A count is known; it is the share of everybody behind it that has a posterior.
    share = np.random.default_rng(seed).beta(len(frame) + 0.5, len(cohort) - len(frame) + 0.5, 1000)
    posteriors["elevated_n"] = (
        share * len(cohort),
        "Jeffreys posterior of the share, times the number of participants",
    )
    return posteriors


def _slope(fit: Fit, term: str) -> npt.NDArray[np.float64]:
    return np.asarray(fit.stacked["beta"][:, list(fit.design.terms).index(term)])


def _intercept(fit: Fit) -> npt.NDArray[np.float64]:
    """Expected outcome where every numeric predictor is zero, as printed tables have it."""
    out = _slope(fit, "Intercept").copy()
    for name, centre in fit.design.centres.items():
        out -= centre * _slope(fit, name)
    return np.asarray(out)


def _r2(fit: Fit) -> npt.NDArray[np.float64]:
    table = fit.effects(["bayesian_r2"])
    return np.asarray(table.draws[str(table.index[0])].ravel())


Floats = npt.NDArray[np.float64]


class BootstrapWeights:
    """Draws of the weight of every person in the population that a sample comes from.

    Parameters
    ----------
    n
        People.
    draws
        Number of draws.
    seed
        Of the weights.

    References
    ----------
    Rubin (1981), The Bayesian bootstrap, Annals of Statistics 9(1):130-134, doi 10.1214/aos/1176345338.
    """

    def __init__(self, n: int, *, draws: int = 1000, seed: int = 0) -> None:
        raw = np.random.default_rng(seed).standard_exponential((draws, n))
        self._weights: Floats = raw / raw.sum(axis=1, keepdims=True)

    def of(self, mask: npt.NDArray[np.bool_]) -> Floats:
        """Weights of some people, summing to one; shape (draws, people)."""
        weights = self._weights[:, mask]
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def mean(self, values: Floats) -> Floats:
        """Mean of values with gaps, over those that are there; shape (draws,)."""
        known = ~np.isnan(values)
        return np.asarray(self.of(known) @ values[known])

    def sd(self, values: Floats) -> Floats:
        """Standard deviation, shape (draws,)."""
        known = ~np.isnan(values)
        centred = values[known] - values[known].mean()
        weights = self.of(known)
        return np.asarray(np.sqrt(weights @ centred**2 - (weights @ centred) ** 2))

    def correlation(self, x: Floats, y: Floats) -> Floats:
        """Correlation over those who have both, shape (draws,)."""
        known = ~(np.isnan(x) | np.isnan(y))
        weights = self.of(known)
        a, b = x[known] - x[known].mean(), y[known] - y[known].mean()
        ma, mb = weights @ a, weights @ b
        return np.asarray((weights @ (a * b) - ma * mb) / np.sqrt((weights @ a**2 - ma**2) * (weights @ b**2 - mb**2)))

    def median(self, values: Floats, mask: npt.NDArray[np.bool_] | None = None) -> Floats:
        """Median of those marked, shape (draws,): the smallest value that half of the weight does not exceed."""
        known = ~np.isnan(values) if mask is None else mask & ~np.isnan(values)
        order = np.argsort(values[known], kind="stable")
        running = np.cumsum(self.of(known)[:, order], axis=1)
        return np.asarray(values[known][order][np.argmax(running >= 0.5, axis=1)])

    def superiority(self, values: Floats, first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_]) -> Floats:
        """Probability that one of the first group has more than one of the second, ties counting half."""
        levels, codes = np.unique(values, return_inverse=True)
        # Weight of every level in each group, shape (draws, levels).
        a, b = (
            np.stack([np.bincount(codes[mask], weights=row, minlength=levels.size) for row in self.of(mask)])
            for mask in (first, second)
        )
        below = np.cumsum(b, axis=1) - b
        return np.asarray((a * (below + b / 2)).sum(axis=1))

    def alpha(self, items: Floats) -> Floats:
        """Cronbach's alpha of items, shape (people, items), over those with all of them; shape (draws,)."""
        known = ~np.isnan(items).any(axis=1)
        weights, centred = self.of(known), items[known] - items[known].mean(axis=0)
        total = centred.sum(axis=1)
        k = items.shape[1]
        parts = (weights @ centred**2 - (weights @ centred) ** 2).sum(axis=1)
        whole = weights @ total**2 - (weights @ total) ** 2
        return np.asarray(k / (k - 1) * (1 - parts / whole))
