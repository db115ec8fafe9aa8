"""The published figures, recomputed on a cohort as the study computed them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_bayes.cohort.names import ID
from alliance_bayes.errors import UsageError
from alliance_bayes.simulation.outcome import ELEVATED

__all__ = ["as_numbers", "least_squares", "replicate"]

Floats = npt.NDArray[np.float64]


def replicate(data: pd.DataFrame, sessions: pd.DataFrame) -> dict[str, float]:
    """Compute the statistics that the study printed.

    Parameters
    ----------
    data
        A cohort's table with sex ("female", "male") and provider type ("coach", "therapist", "both").
    sessions
        Its sessions with `goal` and `bond`, for Cronbach's alpha.

    Returns
    -------
    dict
        Figure's name, as in `PUBLISHED`, -> value, and besides them the probabilities `p_age`, `p_country`,
        `p_baseline` (alliance against each: Spearman's, Kruskal and Wallis's, Spearman's) and `p_by_provider_type`,
        `p_by_baseline`, `p_by_session` (moderation of the slope, F test of the products).
    """
    return {
        **_people(data),
        **_alliance(data),
        "alpha": _alpha(sessions),
        **_change(data),
        **_slopes(data),
        **_elevated(data),
    }


def least_squares(y: Floats, columns: Sequence[Floats]) -> tuple[Floats, Floats, float, float]:
    """Fit a line by least squares.

    Parameters
    ----------
    y
        Outcome, shape (n,).
    columns
        Predictors, each shape (n,); an intercept is added before them.

    Returns
    -------
    coefficients, standard_errors : numpy.ndarray
        The intercept first.
    sigma, r2 : float
        Residual SD (n - p in its denominator) and share of variance explained.

    Raises
    ------
    UsageError
        When there are not more rows than coefficients.
    """
    X = np.column_stack([np.ones_like(y), *columns])
    if len(y) <= X.shape[1]:
        rows = f"{len(y)} rows"
        raise UsageError(
            f"a regression of {X.shape[1]} coefficients needs more than {rows}. Give it more participants."
        )
    coefficients = np.linalg.lstsq(X, y, rcond=None)[0]
    residual = y - X @ coefficients
    rss = float(residual @ residual)
    sigma2 = rss / (len(y) - X.shape[1])
    # pinv: a constant predictor (nobody male, say) is no reason to stop.
    errors = np.sqrt(sigma2 * np.diag(np.linalg.pinv(X.T @ X)))
    return coefficients, errors, float(np.sqrt(sigma2)), 1 - rss / float(np.sum((y - y.mean()) ** 2))


def as_numbers(column: pd.Series) -> Floats:
    """Values of a column as float64; truth values become 0 and 1."""
    return column.to_numpy(dtype=np.float64)


def _people(data: pd.DataFrame) -> dict[str, float]:
    kinds = {f"share_{kind}": float((data["provider_type"] == kind).mean()) for kind in ("coach", "therapist", "both")}
    return {
        "age_mean": float(data["age"].mean()),
        "age_sd": float(data["age"].std()),
        "share_female": float((data["sex"] == "female").mean()),
        **kinds,
        "sessions_median": float(data["n_sessions"].median()),
        "days_median": float(data["days_in_care"].median()),
        "baseline_mean": float(data["who5_baseline"].mean()),
        "baseline_sd": float(data["who5_baseline"].std()),
        "share_elevated": float((data["who5_baseline"] <= ELEVATED).mean()),
    }


def _alliance(data: pd.DataFrame) -> dict[str, float]:
    from scipy import stats

    alliance = as_numbers(data["alliance"])
    women, coach = (data["sex"] == "female").to_numpy(), (data["provider_type"] == "coach").to_numpy()
    countries = [as_numbers(group) for _, group in data.groupby("country", observed=True)["alliance"]]
    return {
        "alliance_median": float(np.median(alliance)),
        "alliance_sd": float(alliance.std(ddof=1)),
        "alliance_median_women": float(np.median(alliance[women])),
        "alliance_median_men": float(np.median(alliance[~women])),
        "alliance_median_coach": float(np.median(alliance[coach])),
        "alliance_median_other": float(np.median(alliance[~coach])),
        "alliance_z_sex": _rank_z(alliance[women], alliance[~women]),
        "alliance_z_coach": _rank_z(alliance[coach], alliance[~coach]),
        "p_age": float(stats.spearmanr(alliance, data["age"]).pvalue),
        "p_country": float(stats.kruskal(*countries).pvalue),
        "p_baseline": float(stats.spearmanr(alliance, data["who5_baseline"]).pvalue),
    }


def _rank_z(first: Floats, second: Floats) -> float:
    """Mann-Whitney test as a normal deviate; positive when the first group ranks higher."""
    from scipy import stats

    test = stats.mannwhitneyu(first, second, method="asymptotic", use_continuity=False)
    sign = np.sign(test.statistic - len(first) * len(second) / 2)
    return float(sign * stats.norm.isf(test.pvalue / 2))


def _alpha(sessions: pd.DataFrame) -> float:
    """Cronbach's alpha of goal and bond, each averaged over a participant's sessions."""
    items = sessions.groupby(ID, sort=False)[["goal", "bond"]].mean()
    return float(2 * (1 - items.var().sum() / items.sum(axis=1).var()))


def _change(data: pd.DataFrame) -> dict[str, float]:
    done = data.dropna(subset=["who5_change"])
    mean, sd = done["who5_change"].mean(), done["who5_change"].std()
    return {
        "change_mean": float(mean),
        "change_d": float(mean / sd),
        "change_se": float(sd / np.sqrt(len(done))),
        "followup_sd": float(done["who5_followup"].std()),
        "correlation": float(np.corrcoef(done["who5_baseline"], done["who5_followup"])[0, 1]),
    }


def _slopes(data: pd.DataFrame) -> dict[str, float]:
    done = data.dropna(subset=["who5_followup"])
    y, alliance = as_numbers(done["who5_followup"]), as_numbers(done["alliance"])
    kinds = [as_numbers(done["provider_type"] == kind) for kind in ("therapist", "both")]
    male = as_numbers(done["sex"] == "male")
    baseline, sessions = as_numbers(done["who5_baseline"]), as_numbers(done["n_sessions"])
    adjust = [alliance, as_numbers(done["age"]), male, baseline]
    coefficients, errors, sigma, r2 = least_squares(y, adjust)
    centred = alliance - alliance.mean()
    return {
        "slope": float(coefficients[1]),
        "slope_se": float(errors[1]),
        "sigma": sigma,
        "r2": r2,
        "p_by_provider_type": _p_added(y, [*adjust, *kinds], [kind * centred for kind in kinds]),
        "p_by_baseline": _p_added(y, adjust, [centred * (baseline - baseline.mean())]),
        "p_by_session": _p_added(y, [*adjust, sessions], [centred * (sessions - sessions.mean())]),
    }


def _p_added(y: Floats, columns: list[Floats], added: list[Floats]) -> float:
    """Probability of the F test of added columns."""
    from scipy import stats

    small, large = least_squares(y, columns)[3], least_squares(y, columns + added)[3]
    free = len(y) - len(columns) - len(added) - 1
    return float(stats.f.sf((large - small) / len(added) / ((1 - large) / free), len(added), free))


def _elevated(data: pd.DataFrame) -> dict[str, float]:
    low = data[data["who5_baseline"] <= ELEVATED].dropna(subset=["who5_followup"])
    names = ("age", "male", "days", "baseline", "alliance")
    columns = [
        as_numbers(low["age"]),
        as_numbers(low["sex"] == "male"),
        as_numbers(low["days_in_care"]),
        as_numbers(low["who5_baseline"]),
        as_numbers(low["alliance"]),
    ]
    coefficients, errors, sigma, r2 = least_squares(as_numbers(low["who5_followup"]), columns)
    return {
        "elevated_n": float(len(low)),
        "elevated_intercept": float(coefficients[0]),
        **{f"elevated_{name}": float(value) for name, value in zip(names, coefficients[1:], strict=True)},
        "elevated_alliance_se": float(errors[-1]),
        "elevated_r2": r2,
        "elevated_sigma": sigma,
        "elevated_days_sd": float(low["days_in_care"].std()),
    }
