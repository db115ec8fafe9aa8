"""What a regression of observed scores would find in a very large simulated cohort."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_bayes.cohort.names import MODALITIES, PROVIDER_TYPES
from alliance_bayes.simulation.published import as_numbers, least_squares
from alliance_bayes.simulation.settings import (
    AGE_CENTRE,
    ALLIANCE_CENTRE,
    DAYS_CENTRE,
    SEXES,
    SimulationSettings,
    settings_with,
)
from alliance_bayes.simulation.simulate import simulate_cohort

__all__ = ["pseudo_true"]

Floats = npt.NDArray[np.float64]


def pseudo_true(
    settings: SimulationSettings | None = None, *, n: int = 200_000, seed: int = 0, **overrides: object
) -> dict[str, float]:
    """Compute the observed-score counterparts of the latent truth by simulation.

    The truth of a simulated cohort is stated for latent alliance and well-being. Ratings and answers add chance and
    have ends, so that the regression of the observed follow-up score on the observed scores estimates other numbers:
    above all a smaller alliance slope. With these a posterior fitted to observed scores is to be compared.

    Parameters
    ----------
    settings
        The truth; None for the defaults.
    n
        Participants of the cohort simulated. The default takes about ten seconds.
    seed
        Of that cohort. Countries' and providers' effects are drawn anew with it; they average out.
    **overrides
        Single settings by name, as in `simulate_cohort`.

    Returns
    -------
    dict
        Of the least-squares regression of `who5_followup` on alliance, baseline, age, days in care, sex, provider type
        and country (and modality where there is a group in person), among those with a follow-up:

        * "Intercept" (points, at the `centre` of the cohort's truth, sexes, provider types and modalities weighted
          equally);
        * "alliance", "who5_baseline", "age", "days_in_care" (points per unit), "male" (points above women),
          "therapist", "both" (points above "coach"), "in_person" (points above video);
        * "alliance_se": Monte Carlo standard error of "alliance";
        * "alliance[coach]", ..., "alliance[male]": slope within each provider type, sex and modality;
        * "sigma": residual SD (points; providers' effects included, countries' not); "r2" within countries;
        * "alliance_sd", "baseline_sd", "followup_sd": SDs of the observed scores;
        * "reliability": slope of true on observed alliance, by which a slope shrinks.

    Raises
    ------
    UsageError
        When n, the seed or a setting is not allowed.

    References
    ----------
    Carroll, Ruppert, Stefanski & Crainiceanu (2006), Measurement Error in Nonlinear Models, 2nd edition, chapter 3
    (attenuation).
    """
    chosen = settings_with(settings, overrides)
    cohort = simulate_cohort(n, seed=seed, settings=chosen)
    completers = cohort.data[cohort.data["who5_followup"].notna()].reset_index(drop=True)
    columns = {
        "alliance": as_numbers(completers["alliance"]) - ALLIANCE_CENTRE,
        "who5_baseline": as_numbers(completers["who5_baseline"]) - chosen.baseline_mean,
        "age": as_numbers(completers["age"]) - AGE_CENTRE,
        "days_in_care": as_numbers(completers["days_in_care"]) - DAYS_CENTRE,
        "male": as_numbers(completers["sex"] == "male"),
        **{kind: as_numbers(completers["provider_type"] == kind) for kind in PROVIDER_TYPES[1:]},
    }
    if "modality" in completers:
        columns["in_person"] = as_numbers(completers["modality"] == "in_person")
    y = as_numbers(completers["who5_followup"])
    coefficients, errors, sigma, r2 = _within(completers["country"], y, columns)
    slopes = dict(zip(columns, coefficients.tolist(), strict=True))
    # The fit passes through the means of all columns; go from there to the centre and to equal weights of the levels.
    equal = {
        "male": 1 / len(SEXES),
        "therapist": 1 / len(PROVIDER_TYPES),
        "both": 1 / len(PROVIDER_TYPES),
        "in_person": 1 / len(MODALITIES),
    }
    intercept = y.mean() - sum(
        slopes[name] * (column.mean() - equal.get(name, 0.0)) for name, column in columns.items()
    )
    true, seen = as_numbers(cohort.latent["alliance"]), as_numbers(cohort.data["alliance"])
    return {
        "Intercept": float(intercept),
        **slopes,
        "alliance_se": float(errors[0]),
        **_slopes_by(completers, y, columns, "provider_type", PROVIDER_TYPES),
        **_slopes_by(completers, y, columns, "sex", SEXES),
        **(_slopes_by(completers, y, columns, "modality", MODALITIES) if "modality" in completers else {}),
        "sigma": sigma,
        "r2": r2,
        "alliance_sd": float(seen.std(ddof=1)),
        "baseline_sd": float(cohort.data["who5_baseline"].std()),
        "followup_sd": float(y.std(ddof=1)),
        "reliability": float(np.cov(true, seen)[0, 1] / seen.var(ddof=1)),
    }


def _within(country: pd.Series, y: Floats, columns: dict[str, Floats]) -> tuple[Floats, Floats, float, float]:
    """Least squares with an intercept a country, by the deviations from its means (Frisch, Waugh and Lovell)."""
    table = pd.DataFrame({"outcome of the regression": y, **columns})
    deviations = table - table.groupby(country, observed=True).transform("mean")
    first, *rest = (as_numbers(deviations[name]) for name in table)
    coefficients, errors, sigma, r2 = least_squares(first, rest)
    return coefficients[1:], errors[1:], sigma, r2


def _slopes_by(
    completers: pd.DataFrame, y: Floats, columns: dict[str, Floats], factor: str, levels: tuple[str, ...]
) -> dict[str, float]:
    """Alliance slope within each level of a factor, the other coefficients in common."""
    others = {name: column for name, column in columns.items() if name != "alliance"}
    products = {f"alliance[{level}]": columns["alliance"] * as_numbers(completers[factor] == level) for level in levels}
    coefficients = _within(completers["country"], y, {**products, **others})[0]
    return dict(zip(products, coefficients.tolist(), strict=False))
