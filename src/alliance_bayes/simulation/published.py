"""The published study's figures as data, and the same figures recomputed on a cohort as the study computed them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_bayes.cohort.names import ID
from alliance_bayes.errors import UsageError
from alliance_bayes.simulation.outcome import ELEVATED

__all__ = ["PUBLISHED", "PublishedFigure", "as_numbers", "least_squares", "published", "replicate"]

Floats = npt.NDArray[np.float64]

ARTICLE = (
    "Sagui-Henson et al. (2022), Journal of Technology in Behavioral Science 7(4):439-450, "
    "doi 10.1007/s41347-022-00263-5, abstract"
)
TABLE_2 = ARTICLE.removesuffix("abstract") + "Table 2"
CONFERENCE = "Sagui-Henson et al. (2022), Psychosomatic Medicine 84(5):A136, conference abstract"

PARTICIPANTS = 3087


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFigure:
    """One figure of the study.

    Parameters
    ----------
    key
        Name, the same that `replicate` uses.
    value
        As printed, or as computed from what is printed.
    rounding
        Unit of the last digit printed: 0.01 for 4.88. For a derived figure, how far the value is uncertain because of
        the rounding of what it was computed from.
    se
        Standard error, printed or from a printed interval, or that of a share or mean by its formula. None where
        neither is possible.
    status
        "published" or "derived".
    source
        Where it is printed, or how it was derived.
    """

    key: str
    value: float
    rounding: float
    se: float | None
    status: Literal["published", "derived"]
    source: str


def _share(key: str, count: float, rounding: float, source: str) -> PublishedFigure:
    value = count / PARTICIPANTS
    se = math.sqrt(value * (1 - value) / PARTICIPANTS)
    return PublishedFigure(key=key, value=value, rounding=rounding, se=se, status="published", source=source)


def _printed(key: str, value: float, rounding: float, se: float | None, source: str) -> PublishedFigure:
    return PublishedFigure(key=key, value=value, rounding=rounding, se=se, status="published", source=source)


def _derived(key: str, value: float, rounding: float, how: str, se: float | None = None) -> PublishedFigure:
    return PublishedFigure(key=key, value=value, rounding=rounding, se=se, status="derived", source=how)


def _interval(low: float, high: float) -> float:
    """Standard error from a 95 % interval."""
    return (high - low) / (2 * 1.959964)


PUBLISHED: tuple[PublishedFigure, ...] = (
    _printed("age_mean", 36, 1, 9 / math.sqrt(PARTICIPANTS), ARTICLE),
    _printed("age_sd", 9, 1, 9 / math.sqrt(2 * PARTICIPANTS), ARTICLE),
    _share("share_female", 0.54 * PARTICIPANTS, 0.01, ARTICLE),
    _share("share_coach", 2003, 1 / PARTICIPANTS, ARTICLE),
    _share("share_therapist", 555, 1 / PARTICIPANTS, ARTICLE),
    _share("share_both", 529, 1 / PARTICIPANTS, ARTICLE),
    _share("share_elevated", 835, 1 / PARTICIPANTS, ARTICLE),
    _printed("sessions_median", 3, 1, None, CONFERENCE),
    _printed("days_median", 28, 1, None, CONFERENCE),
    # Feldt's (1965) sampling theory: two items, 3,087 persons.
    _printed("alpha", 0.72, 0.01, (1 - 0.72) * math.sqrt(4 / PARTICIPANTS), ARTICLE),
    _printed("alliance_median", 4.8, 0.1, None, ARTICLE),
    _printed("alliance_median_women", 4.88, 0.01, None, CONFERENCE),
    _printed("alliance_median_men", 4.67, 0.01, None, CONFERENCE),
    _printed("alliance_median_coach", 4.83, 0.01, None, CONFERENCE),
    _printed("alliance_median_other", 4.75, 0.01, None, CONFERENCE),
    # Two-sided P of .01 and .004 as normal deviates; the rounding is that of P (.005-.015 and .0035-.0045).
    _derived("alliance_z_sex", 2.58, 0.37, "rank test of women against men, P = .01: " + CONFERENCE, se=1.0),
    _derived("alliance_z_coach", 2.88, 0.08, "rank test of coaching against the rest, P = .004: " + CONFERENCE, se=1.0),
    _derived("alliance_sd", 0.7, 0.1, "b, beta and SE of alliance in Table 2 give .7-.8; that of 2.17 gives about .5"),
    _printed("change_mean", 4.14, 0.01, _interval(3.44, 4.83), CONFERENCE),
    _printed("change_d", 0.22, 0.01, _interval(3.44, 4.83) * 0.22 / 4.14, CONFERENCE + "; read as mean / SD of change"),
    _derived("change_se", 0.355, 0.003, "half the interval 3.44-4.83 over 1.96"),
    _printed("slope", 2.17, 0.01, _interval(1.07, 3.28), CONFERENCE),
    _printed("r2", 0.22, 0.01, 2 * math.sqrt(0.22) * 0.78 / math.sqrt(PARTICIPANTS), CONFERENCE),
    _derived("baseline_mean", 41, 2, "4.14 is a 10 % improvement (9.5-10.5 %: 39.4-43.6)"),
    _derived("baseline_sd", 19, 0.5, "4.14 / 0.22 (0.215-0.225: 18.4-19.3)"),
    _derived("followup_sd", 17.5, 0.5, "SD of change, baseline SD and correlation give 17-18"),
    _derived("correlation", 0.46, 0.02, "square root of R2 less the share of alliance"),
    _printed("elevated_n", 675, 1, math.sqrt(675 * (1 - 675 / PARTICIPANTS)), TABLE_2),
    _printed("elevated_intercept", 12.60, 0.01, 5.83, TABLE_2),
    _printed("elevated_age", 0.03, 0.01, 0.08, TABLE_2),
    _printed("elevated_male", 0.04, 0.01, 1.50, TABLE_2),
    _printed("elevated_days", -0.01, 0.01, 0.01, TABLE_2),
    _printed("elevated_baseline", 0.66, 0.01, 0.10, TABLE_2),
    _printed("elevated_alliance", 2.04, 0.01, 0.99, TABLE_2),
    _printed("elevated_r2", 0.06, 0.01, 2 * math.sqrt(0.06) * 0.94 / math.sqrt(675), TABLE_2),
    _derived("elevated_sigma", 19.5, 0.7, "SE 1.50 of male and .10 of baseline, n = 675"),
    _derived("elevated_days_sd", 75, 25, "SE .01 of days in care, n = 675, residual SD 19.5"),
)


def published(key: str) -> PublishedFigure:
    """Look a figure up.

    Parameters
    ----------
    key
        Name of the figure, as in `PUBLISHED`.

    Returns
    -------
    PublishedFigure
        With where it was printed.

    Raises
    ------
    UsageError
        When there is none of that name.
    """
    for figure in PUBLISHED:
        if figure.key == key:
            return figure
    raise UsageError(f"no published figure {key!r}. Figures: {', '.join(figure.key for figure in PUBLISHED)}.")


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
    completers = data.dropna(subset=["who5_change"])
    mean, sd = completers["who5_change"].mean(), completers["who5_change"].std()
    return {
        "change_mean": float(mean),
        "change_d": float(mean / sd),
        "change_se": float(sd / np.sqrt(len(completers))),
        "followup_sd": float(completers["who5_followup"].std()),
        "correlation": float(np.corrcoef(completers["who5_baseline"], completers["who5_followup"])[0, 1]),
    }


def _slopes(data: pd.DataFrame) -> dict[str, float]:
    completers = data.dropna(subset=["who5_followup"])
    y, alliance = as_numbers(completers["who5_followup"]), as_numbers(completers["alliance"])
    kinds = [as_numbers(completers["provider_type"] == kind) for kind in ("therapist", "both")]
    male = as_numbers(completers["sex"] == "male")
    baseline, sessions = as_numbers(completers["who5_baseline"]), as_numbers(completers["n_sessions"])
    adjust = [alliance, as_numbers(completers["age"]), male, baseline]
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
