"""Well-being at baseline and follow-up, and who is lost between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alliance_bayes.cohort.names import PROVIDER_TYPES
from alliance_bayes.simulation.people import Care, People, country_shares
from alliance_bayes.simulation.ratings import Alliance
from alliance_bayes.simulation.settings import (
    AGE_CENTRE,
    ALLIANCE_CENTRE,
    DAYS_CENTRE,
    SESSIONS_CENTRE,
    SEXES,
    SimulationSettings,
)

__all__ = ["GroupEffects", "by_level", "draw_baseline", "draw_followup", "draw_group_effects", "draw_lost"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

#: WHO-5 score at or below which depressive symptoms count as elevated.
ELEVATED = 28


@dataclass(frozen=True, slots=True)
class GroupEffects:
    """Effects on follow-up well-being drawn for this cohort.

    Attributes
    ----------
    country_level, country_slope
        A country: points, and points per alliance point. Their averages over participants' expected shares are 0, so
        that `followup_mean` and `alliance_slope` stay those of the whole cohort whatever the largest country drew.
    provider_level
        A provider: points.
    """

    country_level: Floats
    country_slope: Floats
    provider_level: Floats


def draw_group_effects(rng: np.random.Generator, n_providers: int, settings: SimulationSettings) -> GroupEffects:
    """Draw what countries and providers add."""
    shares = country_shares(settings.process)
    country = rng.standard_normal((2, len(shares)))
    country -= (country @ shares)[:, None]
    return GroupEffects(
        country_level=settings.tau_country * country[0],
        country_slope=settings.tau_country_slope * country[1],
        provider_level=settings.tau_provider * rng.standard_normal(n_providers),
    )


def draw_baseline(rng: np.random.Generator, n: int, settings: SimulationSettings) -> Floats:
    """Draw latent well-being at baseline, WHO-5 points."""
    return settings.baseline_mean + settings.baseline_sd * rng.standard_normal(n)


def draw_followup(
    rng: np.random.Generator,
    baseline: Floats,
    people: People,
    care: Care,
    alliance: Alliance,
    groups: GroupEffects,
    settings: SimulationSettings,
    *,
    in_person: Bools,
) -> Floats:
    """Draw latent well-being at follow-up, WHO-5 points; `SimulationSettings` has the formula."""
    kind, sex = people.kind, people.male.astype(np.int64)
    behind = baseline - settings.baseline_mean
    above = alliance.true - ALLIANCE_CENTRE
    slope = (
        settings.alliance_slope
        + by_level(settings.slope_by_provider_type, PROVIDER_TYPES)[kind]
        + by_level(settings.slope_by_sex, SEXES)[sex]
        + groups.country_slope[people.country]
        + settings.slope_by_baseline * behind
        + settings.slope_by_session * (care.n_sessions - SESSIONS_CENTRE)
        + settings.slope_in_person * in_person
    )
    providers = np.bincount(care.person, weights=groups.provider_level[care.provider], minlength=len(baseline))
    expected = (
        settings.followup_mean
        + settings.baseline_slope * behind
        + slope * above
        + settings.curvature * above**2
        + settings.contextual_slope * alliance.from_provider
        + settings.age_slope * (people.age - AGE_CENTRE)
        + settings.days_slope * (care.days_in_care - DAYS_CENTRE)
        + by_level(settings.level_by_provider_type, PROVIDER_TYPES)[kind]
        + by_level(settings.level_by_sex, SEXES)[sex]
        + groups.country_level[people.country]
        + providers / care.n_sessions
        + settings.level_in_person * in_person
    )
    sd = settings.residual_sd * np.exp(by_level(settings.log_sd_by_provider_type, PROVIDER_TYPES))[kind]
    out: Floats = expected + sd * rng.standard_normal(len(baseline))
    return out


def draw_lost(rng: np.random.Generator, baseline_score: Ints, followup: Floats, settings: SimulationSettings) -> Bools:
    """Draw who gives no follow-up survey.

    Parameters
    ----------
    rng
        Source of chance.
    baseline_score
        Observed WHO-5 score at baseline (0-100).
    followup
        Latent well-being at follow-up, whether or not it will be seen.
    settings
        Shares lost; not at random when `attrition_per_followup_point` is not 0.

    Returns
    -------
    numpy.ndarray
        True for each participant lost.
    """
    share = np.where(baseline_score <= ELEVATED, settings.attrition_elevated, settings.attrition_other)
    factor = np.exp(settings.attrition_per_followup_point * (followup - settings.followup_mean))
    # Odds multiplied rather than logits added, so that a share of 0 stays 0.
    chance = share * factor / (1 - share + share * factor)
    lost: Bools = rng.random(len(share)) < chance
    return lost


def by_level(effects: Mapping[str, float], levels: tuple[str, ...]) -> Floats:
    """Effects as an array in the order of the levels; levels left out are 0."""
    return np.array([effects.get(level, 0.0) for level in levels], dtype=np.float64)
