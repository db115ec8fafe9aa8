"""The truth of a simulated cohort, under the names that posteriors use."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from alliance_bayes.cohort.names import MODALITIES, PROVIDER_TYPES
from alliance_bayes.simulation.outcome import GroupEffects, by_level
from alliance_bayes.simulation.people import COUNTRY_CODES, Care
from alliance_bayes.simulation.settings import AGE_CENTRE, ALLIANCE_CENTRE, DAYS_CENTRE, SEXES, SimulationSettings
from alliance_bayes.simulation.simulated_tables import provider_labels

__all__ = ["truth_of"]

Floats = npt.NDArray[np.float64]


def truth_of(settings: SimulationSettings, groups: GroupEffects, care: Care) -> dict[str, object]:
    """What generated a cohort; `SimulatedCohort.truth` says what each entry is."""
    level_type = by_level(settings.level_by_provider_type, PROVIDER_TYPES)
    slope_type = by_level(settings.slope_by_provider_type, PROVIDER_TYPES)
    level_sex, slope_sex = by_level(settings.level_by_sex, SEXES), by_level(settings.slope_by_sex, SEXES)
    # By modality, video first; without a group in person there is no such factor, and nothing to average over.
    seen_both = settings.in_person_share > 0
    level_modality = np.array([0.0, settings.level_in_person]) * seen_both
    slope_modality = np.array([0.0, settings.slope_in_person]) * seen_both
    countries = COUNTRY_CODES[: settings.process.n_countries]
    return {
        "beta": {
            "Intercept": float(settings.followup_mean + level_type.mean() + level_sex.mean() + level_modality.mean()),
            "alliance": float(settings.alliance_slope + slope_type.mean() + slope_sex.mean() + slope_modality.mean()),
            "who5_baseline": settings.baseline_slope,
            "age": settings.age_slope,
            "days_in_care": settings.days_slope,
        },
        "sigma": settings.residual_sd,
        "u_provider_type": _centred(PROVIDER_TYPES, level_type, slope_type),
        "u_sex": _centred(SEXES, level_sex, slope_sex),
        **({"u_modality": _centred(MODALITIES, level_modality, slope_modality)} if seen_both else {}),
        "u_country": _effects(countries, groups.country_level, groups.country_slope),
        "u_provider_id": {"Intercept": _named(provider_labels(care), groups.provider_level)},
        "tau_country": {"Intercept": settings.tau_country, "alliance": settings.tau_country_slope},
        "tau_provider_id": {"Intercept": settings.tau_provider},
        "centre": {
            "alliance": ALLIANCE_CENTRE,
            "who5_baseline": settings.baseline_mean,
            "age": AGE_CENTRE,
            "days_in_care": DAYS_CENTRE,
        },
        "settings": settings,
    }


def _centred(levels: tuple[str, ...], level: Floats, slope: Floats) -> dict[str, dict[str, float]]:
    return _effects(levels, level - level.mean(), slope - slope.mean())


def _effects(levels: tuple[str, ...], level: npt.ArrayLike, slope: npt.ArrayLike) -> dict[str, dict[str, float]]:
    return {"Intercept": _named(levels, level), "alliance": _named(levels, slope)}


def _named(levels: Iterable[str], values: npt.ArrayLike) -> dict[str, float]:
    return dict(zip(levels, np.asarray(values, dtype=np.float64).tolist(), strict=True))
