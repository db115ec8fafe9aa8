"""Does the measurement model give ratings like those observed? New people rating as the observed ones did."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.latent.data import RATED, Ratings
from alliance_bayes.latent.kernel import CATEGORIES, MISSING
from alliance_bayes.latent.measurement import bent
from alliance_bayes.rounding import is_constant

__all__ = ["measurement_check", "rating_statistics"]

#: Replicated tables of sessions; a p-value then has a Monte Carlo standard error of at most .025.
REPLICATES = 400


def measurement_check(posterior: xr.Dataset, ratings: Ratings, *, seed: int, prob: float = 0.89) -> pd.DataFrame:
    """Compare observed ratings with those of replicated people.

    Parameters
    ----------
    posterior
        Draws of the joint model, with ``trait_centre`` (person).
    ratings
        The observed ones.
    seed
        Of the replicates.
    prob
        Probability of the equal-tailed intervals.

    Returns
    -------
    pandas.DataFrame
        One row a statistic of `rating_statistics`: ``statistic``, ``observed``, ``mean``, ``lower``, ``upper``,
        ``prob`` of the replicates, and ``p_value``, the share of replicates above the observed value, ties halved.

    Notes
    -----
    A replicate draws traits, leanings and providers anew from their distributions, and then every session with the
    items that were rated: a mixed predictive check [1]_, which a trait of the wrong shape cannot pass by fitting every
    single person.

    References
    ----------
    .. [1] Gelman, Meng & Stern (1996), Posterior predictive assessment of model fitness via realized discrepancies,
       Statistica Sinica 6:733-807.
    """
    person, provider, goal, bond = _sessions(ratings)
    scores = np.stack([goal, bond])
    observed = rating_statistics(scores, person, ratings.n)
    rng = np.random.default_rng(seed)
    flat = {str(name): v.values.reshape(-1, *v.shape[2:]) for name, v in posterior.data_vars.items()}
    total = flat["trait_sd"].size
    chosen = np.linspace(0, total - 1, min(REPLICATES, total)).round().astype(int)
    replicated = []
    for k in chosen:
        below = flat["trait_sd"][k]
        theta = bent(rng.normal(flat["trait_centre"][k], 1.0), below, flat.get("trait_sd_above", flat["trait_sd"])[k])
        lean = flat["lean_sd"][k] * rng.standard_normal(ratings.n)
        by_provider = flat["provider_sd"][k] * rng.standard_normal(len(ratings.providers))
        level = theta[person] + by_provider[provider] + flat["session_sd"][k] * rng.standard_normal(person.size)
        drawn = np.full(scores.shape, MISSING)
        for item, sign in enumerate((-1.0, 1.0)):
            latent = level + sign * lean[person] + rng.logistic(size=person.size)
            drawn[item] = np.searchsorted(flat["cuts"][k, item], latent)
        drawn[scores == MISSING] = MISSING
        replicated.append(list(rating_statistics(drawn, person, ratings.n).values()))
    values = np.array(replicated)
    seen = np.array(list(observed.values()))
    low, high = np.quantile(values, [(1 - prob) / 2, (1 + prob) / 2], axis=0)
    p_value = (values > seen).mean(axis=0) + 0.5 * (values == seen).mean(axis=0)
    return pd.DataFrame(
        {
            "statistic": list(observed),
            "observed": seen,
            "mean": values.mean(axis=0),
            "lower": low,
            "upper": high,
            "prob": prob,
            "p_value": p_value,
        }
    )


def rating_statistics(ratings: np.ndarray, person: np.ndarray, n: int) -> dict[str, float]:
    """Describe a table of sessions.

    Parameters
    ----------
    ratings
        Categories 0-4 by item and session, `MISSING` where not rated, shape (2, n_sessions).
    person
        Number of each session's person, shape (n_sessions,).
    n
        Number of people.

    Returns
    -------
    dict
        Share of sessions rated 5 on both items; share of people whose every rating is 5; share of each rating by item;
        SD between people of their mean rating; SD of sessions (mean of their ratings) around their person's mean;
        correlation of goal and bond over sessions.
    """
    rated = ratings != MISSING
    both = rated.all(axis=0)
    top = CATEGORIES - 1
    out = {"share of sessions rated 5 and 5": float((ratings[:, both] == top).all(axis=0).mean())}
    points = np.where(rated, ratings + 1.0, 0.0)
    session = points.sum(axis=0) / rated.sum(axis=0)
    count = np.bincount(person, minlength=n)
    mean = np.bincount(person, weights=session, minlength=n) / count
    out["share of people who always rate 5"] = float((mean >= CATEGORIES - 1e-9).mean())
    for item, name in enumerate(RATED):
        shares = np.bincount(ratings[item][rated[item]], minlength=CATEGORIES) / max(rated[item].sum(), 1)
        out |= {f"share of {name} rated {k + 1}": float(shares[k]) for k in range(CATEGORIES)}
    out["SD between people of the mean rating"] = float(mean.std(ddof=1))
    around = session - mean[person]
    freedom = max(int((count - 1).sum()), 1)
    out["SD within people of a session's rating"] = float(np.sqrt((around**2).sum() / freedom))
    goal, bond = ratings[:, both].astype(float)
    constant = goal.size < 2 or is_constant(goal) or is_constant(bond)
    out["correlation of goal and bond"] = 0.0 if constant else float(np.corrcoef(goal, bond)[0, 1])
    return out


def _sessions(ratings: Ratings) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Person, provider and both categories of every single session."""
    pair = np.repeat(np.arange(ratings.pair_person.size), np.diff(ratings.pair_rows))
    times = ratings.row_count.astype(int)
    return (
        np.repeat(ratings.pair_person[pair], times),
        np.repeat(ratings.pair_provider[pair], times),
        np.repeat(ratings.row_goal, times),
        np.repeat(ratings.row_bond, times),
    )
