"""What a simulated cohort is made to show and how it is made: every setting with its standing and its reason."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from alliance_bayes.cohort.names import PROVIDER_TYPES
from alliance_bayes.errors import UsageError
from alliance_bayes.kinds import is_number

__all__ = [
    "AGE_CENTRE",
    "ALLIANCE_CENTRE",
    "DAYS_CENTRE",
    "SESSIONS_CENTRE",
    "SEXES",
    "Process",
    "SimulationSettings",
    "settings_with",
    "simulation_assumptions",
]

SEXES = ("female", "male")

#: Values at which `followup_mean` is the expected follow-up; interactions are zero there.
ALLIANCE_CENTRE = 4.5
AGE_CENTRE = 36.0
DAYS_CENTRE = 45.0
SESSIONS_CENTRE = 4.0

#: published: printed by the study. derived: computed from what it prints. calibrated: unpublished itself, set so that
#: published figures come out. assumed: nobody has published it; another value would be as defensible.
Status = Literal["published", "derived", "calibrated", "assumed"]


def _stated(default: object, *, unit: str, status: Status, basis: str) -> Any:
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

    female_share: float = _stated(0.54, unit="share", status="published", basis="abstract: 54 % female")
    provider_type_shares: tuple[float, float, float] = _stated(
        (2003 / 3087, 555 / 3087, 529 / 3087),
        unit="share",
        status="published",
        basis="abstract: coach 2,003, therapist 555, both 529 of 3,087",
    )
    age_mean: float = _stated(36.0, unit="years", status="published", basis="abstract: 36 ± 9 years")
    age_sd: float = _stated(9.0, unit="years", status="published", basis="abstract: 36 ± 9 years")
    age_range: tuple[int, int] = _stated(
        (18, 78), unit="years", status="assumed", basis="adults; a scaled beta distribution between these ages"
    )
    n_countries: int = _stated(
        40, unit="countries", status="assumed", basis="several countries, counts not published; at most 40 codes exist"
    )
    country_exponent: float = _stated(
        1.2, unit="", status="assumed", basis="share of the k-th country is proportional to k ** -exponent"
    )
    clients_per_provider: float = _stated(10.0, unit="participants", status="assumed", basis="providers not published")
    caseload_shape: float = _stated(
        2.0, unit="", status="assumed", basis="relative caseloads are gamma with this shape, so some are much larger"
    )

    extra_sessions: tuple[float, float, float] = _stated(
        (2.6, 3.4, 4.2),
        unit="sessions",
        status="calibrated",
        basis="means beyond the least possible (coach 1, therapist 1, both 2), for a median of 3; ratios assumed",
    )
    sessions_shape: float = _stated(1.0, unit="", status="assumed", basis="negative binomial, shape 1 (long tail)")
    max_sessions: int = _stated(40, unit="sessions", status="assumed", basis="the window is 54 weeks")
    gap_days: float = _stated(
        12.4,
        unit="days",
        status="calibrated",
        basis="median time between two sessions, for a median of 28 days in care",
    )
    gap_log_sd_person: float = _stated(
        0.6, unit="log days", status="assumed", basis="pace differs by person; SD of days in care comes to about 73"
    )
    gap_log_sd_session: float = _stated(0.6, unit="log days", status="assumed", basis="and from session to session")
    lead_days: float = _stated(4.0, unit="days", status="assumed", basis="mean time from baseline to first session")
    lag_days: float = _stated(10.0, unit="days", status="assumed", basis="mean time from last session to follow-up")
    coach_first: float = _stated(0.7, unit="share", status="assumed", basis="of those with both, seen by a coach first")

    rating_person_sd: float = _stated(
        1.01, unit="latent", status="calibrated", basis="spread of persons below the middle; SD of alliance about 0.7"
    )
    rating_ceiling_stretch: float = _stated(
        4.0,
        unit="",
        status="assumed",
        basis="spread above the middle relative to below: people who always give 5, which lets the medians by sex "
        "lie as far apart as published",
    )
    rating_item_sd: float = _stated(
        0.693, unit="latent", status="calibrated", basis="person by item, for Cronbach's alpha .72 of averaged items"
    )
    rating_session_sd: float = _stated(0.4, unit="latent", status="assumed", basis="good and bad sessions")
    rating_provider_sd: float = _stated(0.25, unit="latent", status="assumed", basis="providers differ a little")
    rating_thresholds: tuple[float, float, float, float] = _stated(
        (-3.445, -2.365, -1.258, -0.258),
        unit="latent",
        status="calibrated",
        basis="between 1|2, 2|3, 3|4 and 4|5; for a median of 4.8",
    )
    bond_minus_goal: float = _stated(0.2, unit="latent", status="assumed", basis="bond rated a little higher than goal")

    who5_item_sd: float = _stated(
        0.75, unit="answer steps", status="assumed", basis="error of one answer; alpha of the five items about .86"
    )
    who5_item_offsets: tuple[float, float, float, float, float] = _stated(
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


def _by_level(unit: str, basis: str) -> Mapping[str, float]:
    setting: Mapping[str, float] = field(
        default_factory=dict, metadata={"unit": unit, "status": "assumed", "basis": basis + "; levels left out are 0"}
    )
    return setting


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationSettings:
    """The truth behind a simulated cohort.

    Expected latent follow-up well-being, in WHO-5 points, of participant *i*::

        followup_mean + baseline_slope (B_i - baseline_mean) + S_i (T_i - 4.5) + curvature (T_i - 4.5)^2
            + contextual_slope (P_i - average P) + age_slope (age - 36) + days_slope (days in care - 45)
            + level_by_provider_type + level_by_sex + country_i + provider_i + level_in_person V_i
        S_i = alliance_slope + slope_by_provider_type + slope_by_sex + country slope_i
            + slope_by_baseline (B_i - baseline_mean) + slope_by_session (n_sessions - 4) + slope_in_person V_i

    *B* is latent baseline well-being. *T* is the true alliance: the rating (1-5, averaged over both items and the
    participant's sessions) expected from this person with these providers, free of the chance of single ratings. *P* is
    the part of it that comes with the providers. *V* is 1 for those seen in person and 0 for those seen by video:
    nobody is seen in person while `in_person_share` is 0, and the other settings of that group then have no effect.
    Because ratings contain chance, the slope seen on observed alliance is smaller than `alliance_slope`; `pseudo_true`
    computes it.

    The latent rating of a session, in SDs of a single rating's error, is that of the person with the provider
    (`process` has the spreads), plus `alliance_women_minus_men` for women, `alliance_coach_minus_other` for those with
    a coach alone, `alliance_in_person_minus_video` V_i, and `alliance_trend` times the number of sessions before it.

    `simulation_assumptions` lists every field with its value, unit, standing and reason.

    Raises
    ------
    UsageError
        When a value is outside its range or names a level that is not there; every fault is named.
    """

    alliance_slope: float = _stated(
        2.75,
        unit="points per alliance point",
        status="calibrated",
        basis="observed slope 2.17 adjusted (conference abstract)",
    )
    slope_by_provider_type: Mapping[str, float] = _by_level(
        "points per alliance point", "no moderation by utilization type detected (abstract)"
    )
    slope_by_sex: Mapping[str, float] = _by_level("points per alliance point", "not published")
    slope_by_baseline: float = _stated(
        0.0, unit="points per alliance point and point", status="assumed", basis="no moderation by baseline (abstract)"
    )
    slope_by_session: float = _stated(
        0.0,
        unit="points per alliance point and session",
        status="assumed",
        basis="no moderation by sessions (abstract)",
    )
    curvature: float = _stated(0.0, unit="points per squared alliance point", status="assumed", basis="a straight line")
    contextual_slope: float = _stated(
        0.0,
        unit="points per alliance point",
        status="assumed",
        basis="between-provider minus within-provider slope; not published for this study",
    )
    level_by_provider_type: Mapping[str, float] = _by_level("points", "not published")
    level_by_sex: Mapping[str, float] = field(
        default_factory=lambda: {"male": 0.04},
        metadata={"unit": "points", "status": "published", "basis": "Table 2 (elevated subgroup): male .04"},
    )
    tau_country: float = _stated(
        1.75, unit="points", status="assumed", basis="below the 5 points between European countries' populations"
    )
    tau_country_slope: float = _stated(
        0.3, unit="points per alliance point", status="assumed", basis="small, so that there is something to find"
    )
    tau_provider: float = _stated(
        1.5, unit="points", status="assumed", basis="about 1 % of variance; Johns et al. 2019 report 0.2-29 %, mean 5 %"
    )

    in_person_share: float = _stated(
        0.0,
        unit="share",
        status="assumed",
        basis="no in-person group in the study; one that is switched on is drawn independently of everything else",
    )
    alliance_in_person_minus_video: float = _stated(
        0.0, unit="latent", status="assumed", basis="no in-person group in the study"
    )
    level_in_person: float = _stated(0.0, unit="points", status="assumed", basis="no in-person group in the study")
    slope_in_person: float = _stated(
        0.0, unit="points per alliance point", status="assumed", basis="no in-person group in the study"
    )

    baseline_mean: float = _stated(
        41.85,
        unit="points",
        status="calibrated",
        basis="27 % at or below 28; 4.14 points are then an improvement of 9.9 %",
    )
    baseline_sd: float = _stated(17.96, unit="points", status="calibrated", basis="observed SD 19 = 4.14 / 0.22")
    baseline_slope: float = _stated(0.502, unit="points per point", status="calibrated", basis="R2 = .22 adjusted")
    followup_mean: float = _stated(46.92, unit="points", status="calibrated", basis="mean change 4.14 of completers")
    residual_sd: float = _stated(13.28, unit="points", status="calibrated", basis="observed follow-up SD 17-18")
    log_sd_by_provider_type: Mapping[str, float] = _by_level(
        "log", "logarithm of a level's residual SD over residual_sd; not published"
    )
    age_slope: float = _stated(
        0.03, unit="points per year", status="published", basis="Table 2 (elevated subgroup), P = .70"
    )
    days_slope: float = _stated(
        -0.01, unit="points per day", status="published", basis="Table 2 (elevated subgroup), P = .42"
    )

    alliance_women_minus_men: float = _stated(
        0.329, unit="latent", status="calibrated", basis="medians 4.88 and 4.67, P = .01 (conference abstract)"
    )
    alliance_coach_minus_other: float = _stated(
        0.164, unit="latent", status="calibrated", basis="medians 4.83 and 4.75, P = .004 (conference abstract)"
    )

    alliance_trend: float = _stated(
        0.0,
        unit="latent per session",
        status="assumed",
        basis="change from session to session not published; none",
    )

    attrition_elevated: float = _stated(
        0.19, unit="share", status="derived", basis="baseline <= 28: 675 analysed of 835, all taken as lost follow-ups"
    )
    attrition_other: float = _stated(
        0.07,
        unit="share",
        status="assumed",
        basis="baseline > 28: the 3,087 are taken to include people without follow-up; the interval and d of the mean "
        "change imply about 2,700-2,950 completers",
    )
    attrition_per_followup_point: float = _stated(
        0.0, unit="log odds per point", status="assumed", basis="missing at random given baseline"
    )

    process: Process = field(default_factory=Process)

    def __post_init__(self) -> None:
        faults = [] if isinstance(self.process, Process) else [f"process should be a Process but got {self.process!r}"]
        numbers = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "process"}
        for name, value in numbers.items():
            if isinstance(value, Mapping):
                faults += _level_faults(name, value)
            elif not is_number(value):
                faults.append(f"{name} should be a finite number but got {value!r}")
            elif name.startswith("tau_") or name.endswith("_sd"):
                faults += [f"{name} should be 0 or more but got {value!r}"] if value < 0 else []
            elif name in ("attrition_elevated", "attrition_other", "in_person_share") and not 0 <= value < 1:
                faults.append(f"{name} should be in the interval [0, 1) but got {value!r}")
        if faults:
            raise UsageError(
                "SimulationSettings: " + "; ".join(faults) + ". Change these values; nothing was simulated."
            )


def settings_with(settings: SimulationSettings | None, overrides: Mapping[str, object]) -> SimulationSettings:
    """Replace some fields of the settings.

    Parameters
    ----------
    settings
        What to start from; None for the defaults.
    overrides
        Field name -> value.

    Returns
    -------
    SimulationSettings
        Checked.

    Raises
    ------
    UsageError
        When a name is no field, or a value is not allowed.
    """
    known = [f.name for f in dataclasses.fields(SimulationSettings)]
    for name in overrides:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            raise UsageError(f"simulate_cohort has no setting {name!r}. {hint}Settings: {', '.join(known)}.")
    return dataclasses.replace(settings or SimulationSettings(), **overrides)  # type: ignore[arg-type]


def simulation_assumptions(settings: SimulationSettings | None = None) -> pd.DataFrame:
    """List every parameter of the simulator with its standing.

    Parameters
    ----------
    settings
        Whose values to list; None for the defaults.

    Returns
    -------
    pandas.DataFrame
        Columns `parameter`, `value` (text), `unit`, `status` ("published", "derived", "calibrated", "assumed"; a value
        changed from its default is "changed") and `basis` (source or reason of the default).
    """
    chosen = settings or SimulationSettings()
    rows = []
    for part, default in ((chosen, SimulationSettings()), (chosen.process, Process())):
        for f in dataclasses.fields(part):
            if f.name == "process":
                continue
            value = getattr(part, f.name)
            status = f.metadata["status"] if value == getattr(default, f.name) else "changed"
            rows.append((f.name, _text(value), f.metadata["unit"], status, f.metadata["basis"]))
    return pd.DataFrame(rows, columns=["parameter", "value", "unit", "status", "basis"])


def _level_faults(name: str, value: Mapping[str, float]) -> list[str]:
    levels = SEXES if name.endswith("sex") else PROVIDER_TYPES
    faults = [f"{name} should name {', '.join(levels)} but got {level!r}" for level in value if level not in levels]
    return faults + [
        f"{name}[{level!r}] should be a finite number but got {effect!r}"
        for level, effect in value.items()
        if not isinstance(effect, int | float) or not math.isfinite(effect)
    ]


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{level}: {effect:g}" for level, effect in value.items()) or "0 for every level"
    if isinstance(value, tuple):
        return ", ".join(f"{part:.4g}" for part in value)
    return f"{value:.6g}"
