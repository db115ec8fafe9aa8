"""What a simulated cohort is made to show: effects a user can switch on, with published or assumed defaults."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from alliance_bayes.cohort.names import PROVIDER_TYPES
from alliance_bayes.errors import UsageError
from alliance_bayes.simulation.process import Process, stated

__all__ = [
    "AGE_CENTRE",
    "ALLIANCE_CENTRE",
    "DAYS_CENTRE",
    "SESSIONS_CENTRE",
    "SEXES",
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


def _by_level(unit: str, basis: str) -> Mapping[str, float]:
    made: Mapping[str, float] = field(
        default_factory=dict, metadata={"unit": unit, "status": "assumed", "basis": basis + "; levels left out are 0"}
    )
    return made


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

    alliance_slope: float = stated(
        2.75,
        unit="points per alliance point",
        status="calibrated",
        basis="observed slope 2.17 adjusted (conference abstract)",
    )
    slope_by_provider_type: Mapping[str, float] = _by_level(
        "points per alliance point", "no moderation by utilization type detected (abstract)"
    )
    slope_by_sex: Mapping[str, float] = _by_level("points per alliance point", "not published")
    slope_by_baseline: float = stated(
        0.0, unit="points per alliance point and point", status="assumed", basis="no moderation by baseline (abstract)"
    )
    slope_by_session: float = stated(
        0.0,
        unit="points per alliance point and session",
        status="assumed",
        basis="no moderation by sessions (abstract)",
    )
    curvature: float = stated(0.0, unit="points per squared alliance point", status="assumed", basis="a straight line")
    contextual_slope: float = stated(
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
    tau_country: float = stated(
        1.75, unit="points", status="assumed", basis="below the 5 points between European countries' populations"
    )
    tau_country_slope: float = stated(
        0.3, unit="points per alliance point", status="assumed", basis="small, so that there is something to find"
    )
    tau_provider: float = stated(
        1.5, unit="points", status="assumed", basis="about 1 % of variance; Johns et al. 2019 report 0.2-29 %, mean 5 %"
    )

    in_person_share: float = stated(
        0.0,
        unit="share",
        status="assumed",
        basis="no in-person group in the study; one that is switched on is drawn independently of everything else",
    )
    alliance_in_person_minus_video: float = stated(
        0.0, unit="latent", status="assumed", basis="no in-person group in the study"
    )
    level_in_person: float = stated(0.0, unit="points", status="assumed", basis="no in-person group in the study")
    slope_in_person: float = stated(
        0.0, unit="points per alliance point", status="assumed", basis="no in-person group in the study"
    )

    baseline_mean: float = stated(
        41.85,
        unit="points",
        status="calibrated",
        basis="27 % at or below 28; 4.14 points are then an improvement of 9.9 %",
    )
    baseline_sd: float = stated(17.96, unit="points", status="calibrated", basis="observed SD 19 = 4.14 / 0.22")
    baseline_slope: float = stated(0.502, unit="points per point", status="calibrated", basis="R2 = .22 adjusted")
    followup_mean: float = stated(46.92, unit="points", status="calibrated", basis="mean change 4.14 of completers")
    residual_sd: float = stated(13.28, unit="points", status="calibrated", basis="observed follow-up SD 17-18")
    log_sd_by_provider_type: Mapping[str, float] = _by_level(
        "log", "logarithm of a level's residual SD over residual_sd; not published"
    )
    age_slope: float = stated(
        0.03, unit="points per year", status="published", basis="Table 2 (elevated subgroup), P = .70"
    )
    days_slope: float = stated(
        -0.01, unit="points per day", status="published", basis="Table 2 (elevated subgroup), P = .42"
    )

    alliance_women_minus_men: float = stated(
        0.329, unit="latent", status="calibrated", basis="medians 4.88 and 4.67, P = .01 (conference abstract)"
    )
    alliance_coach_minus_other: float = stated(
        0.164, unit="latent", status="calibrated", basis="medians 4.83 and 4.75, P = .004 (conference abstract)"
    )

    alliance_trend: float = stated(
        0.0,
        unit="latent per session",
        status="assumed",
        basis="change from session to session not published; none",
    )

    attrition_elevated: float = stated(
        0.19, unit="share", status="derived", basis="baseline <= 28: 675 analysed of 835, all taken as lost follow-ups"
    )
    attrition_other: float = stated(
        0.07,
        unit="share",
        status="assumed",
        basis="baseline > 28: the 3,087 are taken to include people without follow-up; the interval and d of the mean "
        "change imply about 2,700-2,950 completers",
    )
    attrition_per_followup_point: float = stated(
        0.0, unit="log odds per point", status="assumed", basis="missing at random given baseline"
    )

    process: Process = field(default_factory=Process)

    def __post_init__(self) -> None:
        faults = [] if isinstance(self.process, Process) else [f"process should be a Process but got {self.process!r}"]
        numbers = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "process"}
        for name, value in numbers.items():
            if isinstance(value, Mapping):
                faults += _level_faults(name, value)
            elif not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
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
