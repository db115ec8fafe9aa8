"""How the simulator makes people, care and answers: every constant with its standing and its reason."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal

from alliance_bayes.cohort.names import PROVIDER_TYPES
from alliance_bayes.errors import UsageError

__all__ = ["Process", "Status", "stated"]

#: published: printed by the study. derived: computed from what it prints. calibrated: unpublished itself, set so that
#: published figures come out. assumed: nobody has published it; another value would be as defensible.
Status = Literal["published", "derived", "calibrated", "assumed"]


def stated(default: object, *, unit: str, status: Status, basis: str) -> Any:
    """Declare a field whose unit, standing and reason travel with it.

    Parameters
    ----------
    default
        Value of the field.
    unit
        Unit of the value; "" where it has none.
    status
        See `Status`.
    basis
        Source of a published value, or the reason for any other, as a clause.

    Returns
    -------
    dataclasses.Field
        Typed Any, as `dataclasses.field` is by its stubs, so that the field keeps its own annotation.
    """
    return field(default=default, metadata={"unit": unit, "status": status, "basis": basis})


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Constants of the simulated study that a user seldom changes.

    `simulation_assumptions` lists each with its value, unit, standing and reason. The calibrated ones were found by
    `tools/calibrate_simulator.py`. Latent units of alliance are standard deviations of the error of a single rating.

    Raises
    ------
    UsageError
        When a value is outside its range; every fault is named.
    """

    female_share: float = stated(0.54, unit="share", status="published", basis="abstract: 54 % female")
    provider_type_shares: tuple[float, float, float] = stated(
        (2003 / 3087, 555 / 3087, 529 / 3087),
        unit="share",
        status="published",
        basis="abstract: coach 2,003, therapist 555, both 529 of 3,087",
    )
    age_mean: float = stated(36.0, unit="years", status="published", basis="abstract: 36 ± 9 years")
    age_sd: float = stated(9.0, unit="years", status="published", basis="abstract: 36 ± 9 years")
    age_range: tuple[int, int] = stated(
        (18, 78), unit="years", status="assumed", basis="adults; a scaled beta distribution between these ages"
    )
    n_countries: int = stated(
        40, unit="countries", status="assumed", basis="several countries, counts not published; at most 40 codes exist"
    )
    country_exponent: float = stated(
        1.2, unit="", status="assumed", basis="share of the k-th country is proportional to k ** -exponent"
    )
    clients_per_provider: float = stated(10.0, unit="participants", status="assumed", basis="providers not published")
    caseload_shape: float = stated(
        2.0, unit="", status="assumed", basis="relative caseloads are gamma with this shape, so some are much larger"
    )

    extra_sessions: tuple[float, float, float] = stated(
        (2.6, 3.4, 4.2),
        unit="sessions",
        status="calibrated",
        basis="means beyond the least possible (coach 1, therapist 1, both 2), for a median of 3; ratios assumed",
    )
    sessions_shape: float = stated(1.0, unit="", status="assumed", basis="negative binomial, shape 1 (long tail)")
    max_sessions: int = stated(40, unit="sessions", status="assumed", basis="the window is 54 weeks")
    gap_days: float = stated(
        12.4,
        unit="days",
        status="calibrated",
        basis="median time between two sessions, for a median of 28 days in care",
    )
    gap_log_sd_person: float = stated(
        0.6, unit="log days", status="assumed", basis="pace differs by person; SD of days in care comes to about 73"
    )
    gap_log_sd_session: float = stated(0.6, unit="log days", status="assumed", basis="and from session to session")
    lead_days: float = stated(4.0, unit="days", status="assumed", basis="mean time from baseline to first session")
    lag_days: float = stated(10.0, unit="days", status="assumed", basis="mean time from last session to follow-up")
    coach_first: float = stated(0.7, unit="share", status="assumed", basis="of those with both, seen by a coach first")

    rating_person_sd: float = stated(
        1.01, unit="latent", status="calibrated", basis="spread of persons below the middle; SD of alliance about 0.7"
    )
    rating_ceiling_stretch: float = stated(
        4.0,
        unit="",
        status="assumed",
        basis="spread above the middle relative to below: people who always give 5, which lets the medians by sex "
        "lie as far apart as published",
    )
    rating_item_sd: float = stated(
        0.693, unit="latent", status="calibrated", basis="person by item, for Cronbach's alpha .72 of averaged items"
    )
    rating_session_sd: float = stated(0.4, unit="latent", status="assumed", basis="good and bad sessions")
    rating_provider_sd: float = stated(0.25, unit="latent", status="assumed", basis="providers differ a little")
    rating_thresholds: tuple[float, float, float, float] = stated(
        (-3.445, -2.365, -1.258, -0.258),
        unit="latent",
        status="calibrated",
        basis="between 1|2, 2|3, 3|4 and 4|5; for a median of 4.8",
    )
    bond_minus_goal: float = stated(0.2, unit="latent", status="assumed", basis="bond rated a little higher than goal")

    who5_item_sd: float = stated(
        0.75, unit="answer steps", status="assumed", basis="error of one answer; alpha of the five items about .86"
    )
    who5_item_offsets: tuple[float, float, float, float, float] = stated(
        (2.0, 1.0, 0.0, -4.0, 1.0), unit="points", status="assumed", basis="items differ in difficulty; sums to zero"
    )

    def __post_init__(self) -> None:
        faults = [*self._share_faults(), *self._scale_faults(), *self._shape_faults()]
        if faults:
            raise UsageError("Process: " + "; ".join(faults) + ". Change these values; nothing was simulated.")

    def _share_faults(self) -> list[str]:
        faults = [
            f"{name} should be in the interval [0, 1] but got {getattr(self, name)!r}"
            for name in ("female_share", "coach_first")
            if not 0 <= getattr(self, name) <= 1
        ]
        shares = self.provider_type_shares
        if len(shares) != len(PROVIDER_TYPES) or min(shares) < 0 or not math.isclose(sum(shares), 1.0):
            faults.append(
                f"provider_type_shares should be 3 shares (coach, therapist, both) that sum to 1 but got {shares!r}"
            )
        return faults

    def _scale_faults(self) -> list[str]:
        positive = ("age_sd", "clients_per_provider", "caseload_shape", "sessions_shape", "gap_days")
        not_negative = (
            "country_exponent",
            "gap_log_sd_person",
            "gap_log_sd_session",
            "lead_days",
            "lag_days",
            "rating_person_sd",
            "rating_ceiling_stretch",
            "rating_item_sd",
            "rating_session_sd",
            "rating_provider_sd",
            "who5_item_sd",
        )
        faults = [
            f"{name} should be above 0 but got {value!r}" for name in positive if not (value := getattr(self, name)) > 0
        ]
        faults += [
            f"{name} should be 0 or more but got {value!r}"
            for name in not_negative
            if not (value := getattr(self, name)) >= 0
        ]
        if len(self.extra_sessions) != len(PROVIDER_TYPES) or not min(self.extra_sessions) > 0:
            faults.append(
                f"extra_sessions should be 3 numbers above 0 (coach, therapist, both) but got {self.extra_sessions!r}"
            )
        return faults

    def _shape_faults(self) -> list[str]:
        faults = []
        low, high = self.age_range
        # A beta distribution on (low, high) with this mean exists only for a variance below (mean - low)(high - mean).
        if not (0 < low < self.age_mean < high and self.age_sd**2 < (self.age_mean - low) * (high - self.age_mean)):
            faults.append(
                f"age_range {self.age_range!r} has no room for a mean of {self.age_mean!r} and an SD of {self.age_sd!r}"
            )
        if not 1 <= self.n_countries <= 40:
            faults.append(f"n_countries should be between 1 and 40 but got {self.n_countries!r}")
        if not self.max_sessions >= 2:
            faults.append(f"max_sessions should be 2 or more but got {self.max_sessions!r}")
        if len(self.rating_thresholds) != 4 or list(self.rating_thresholds) != sorted(self.rating_thresholds):
            faults.append(f"rating_thresholds should be 4 ascending numbers but got {self.rating_thresholds!r}")
        if len(self.who5_item_offsets) != 5 or not math.isclose(sum(self.who5_item_offsets), 0.0, abs_tol=1e-9):
            faults.append(f"who5_item_offsets should be 5 numbers that sum to 0 but got {self.who5_item_offsets!r}")
        return faults
