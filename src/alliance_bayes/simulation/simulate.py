"""A simulated study whose summary is that of the published one, and whose truth is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_bayes.atomic import make_folder
from alliance_bayes.cohort.cohort import Cohort
from alliance_bayes.cohort.names import ID, MODALITIES, PROVIDER_TYPES, SESSION_PROVIDER_TYPES
from alliance_bayes.cohort.scoring import join_scores
from alliance_bayes.cohort.writing import write_csv
from alliance_bayes.errors import UsageError
from alliance_bayes.foreign import shown
from alliance_bayes.kinds import is_whole
from alliance_bayes.remedies import argument
from alliance_bayes.simulation.outcome import (
    GroupEffects,
    by_level,
    draw_baseline,
    draw_followup,
    draw_group_effects,
    draw_lost,
)
from alliance_bayes.simulation.people import (
    COUNTRY_CODES,
    WINDOW_START,
    Care,
    People,
    draw_care,
    draw_modality,
    draw_people,
)
from alliance_bayes.simulation.ratings import Alliance, draw_alliance, draw_who5_answers
from alliance_bayes.simulation.settings import (
    AGE_CENTRE,
    ALLIANCE_CENTRE,
    DAYS_CENTRE,
    SEXES,
    SimulationSettings,
    settings_with,
)

__all__ = ["SimulatedCohort", "simulate_cohort", "write_tables"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

# Ten times the rows that are read as one table.
_MOST_PEOPLE = 20_000_000
#: One stream of chance a part, so that changing one part's settings leaves the draws of the others as they were. A new
#: one goes to the end: the first streams that a seed spawns are the same however many follow.
STREAMS = ("people", "care", "alliance", "groups", "baseline", "followup", "lost", "modality")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class SimulatedCohort(Cohort):
    """A cohort that knows the tables and the truth it came from.

    Parameters
    ----------
    tables
        "participants", "sessions" and "surveys", as `read_tables` reads them.
    truth
        What generated them, under the names that posteriors use:

        * `beta`: term -> coefficient of latent follow-up well-being, "Intercept" at the values in `centre`. Factors
          that hold all their levels (`provider_type`, `sex`, `modality`) sum to zero, their average being part of
          "Intercept" and "alliance".
        * `sigma`: residual SD of latent follow-up well-being, WHO-5 points, without the error of the five answers
          (times `exp(log_sd_by_provider_type)` where that is set).
        * `u_country`, `u_provider_type`, `u_sex`, `u_provider_id`, and `u_modality` where there is a group in person:
          term -> level -> effect.
        * `tau_country`, `tau_provider_id`: term -> SD from which the effects were drawn.
        * `centre`: column -> value at which the intercept holds.
        * `settings`: the `SimulationSettings`.
    latent
        One row a participant: `participant_id`, `alliance` (true, 1-5, any trend over the sessions
        included), `alliance_from_provider` (its part that comes
        with the providers, average 0), `who5_baseline`, `who5_followup` (latent points, those lost included), `lost`.
    """

    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    truth: Mapping[str, Any] = field(default_factory=dict)
    latent: pd.DataFrame = field(default_factory=pd.DataFrame)


def simulate_cohort(
    n: int = 3087, *, seed: int = 0, settings: SimulationSettings | None = None, **overrides: object
) -> SimulatedCohort:
    """Simulate the published study: sessions, surveys, and the table scored from them.

    Parameters
    ----------
    n
        Participants.
    seed
        0 or more. The same seed, settings and n give the same tables wherever NumPy's generators give the same numbers.
    settings
        The truth; None for the defaults, which reproduce the published figures in distribution.
    **overrides
        Single settings by name: `simulate_cohort(alliance_slope=0.0)`.

    Returns
    -------
    SimulatedCohort
        Everybody has a baseline survey and at least one session; `who5_followup` is missing for those lost. With
        `in_person_share` above 0 participants have a `modality` ("video", "in_person"), and there is a comparison group
        that the study lacked.

    Raises
    ------
    UsageError
        When n, the seed or a setting is not allowed.

    Notes
    -----
    Individual data of the study are not public. What it printed [1]_ [2]_ is reproduced as far as its figures agree
    with each other; `simulation_assumptions` says of every parameter whether it is published, derived, calibrated or
    assumed. Where the figures leave a choice or disagree:

    * Groups' alliance (women 4.88, men 4.67; coaching 4.83, therapy or both 4.75) is read as medians: the conference
      abstract reports rank tests, and each figure is a mean that a few sessions can give (39/8, 28/6, 29/6, 19/4). The
      medians of women and men then lie further apart than P = .01 allows for ratings with a ceiling. The simulator
      stands between: medians about 4.85 and 4.71, and P usually below .001.
    * Cronbach's alpha .72 is read at the level of participants (each item averaged over a participant's sessions),
      because the study gives it for the averaged ratings. Single sessions have about .62.
    * SD of alliance: .7-.8 by the elevated subgroup's table (beta and SE), but about .5 by the interval of the slope
      among everybody, if nearly all were analysed. The simulator has .7, with which the medians agree better too. The
      interval of its slope is therefore narrower than the published one (standard error .42 for .56).
    * The elevated subgroup's standard errors imply a residual SD of 19.5 points and its baseline slope is .66; among
      everybody they are about 15.4 and .44. The simulator has one linear relation with one residual SD, that of
      everybody, so that the default analysis is well specified: in its subgroup they are about 15.2 and .49.
    * "A 10 % improvement" puts the mean baseline near 41, 27 % at or below 28 puts it near 42, which is taken; 4.14
      points are then 9.9 %.
    * Completers are not counted in print. The interval and d of the mean change fit 2,700-2,950 of the 3,087; so the
      3,087 are taken to include people without follow-up: 19 % of the elevated (675 analysed of 835), 7 % of the rest.
    * Moderation of the slope by session count was not detected. None is simulated either, but means of few sessions are
      less reliable, so that the slope on observed alliance is smaller there: a test finds it in 9 of 100 cohorts.

    References
    ----------
    .. [1] Sagui-Henson et al. (2022), Journal of Technology in Behavioral Science 7(4):439-450,
       doi 10.1007/s41347-022-00263-5.
    .. [2] Sagui-Henson et al. (2022), Psychosomatic Medicine 84(5):A136.
    """
    _check_whole("n", n, least=1)
    if n > _MOST_PEOPLE:
        raise UsageError(
            f"simulate_cohort: {argument('n')} should be at most {_MOST_PEOPLE:,}, so that memory holds them, but got "
            f"{shown(n)}."
        )
    _check_whole("seed", seed, least=0)
    chosen = settings_with(settings, overrides)
    process = chosen.process
    rng = dict(zip(STREAMS, map(np.random.default_rng, np.random.SeedSequence(seed).spawn(len(STREAMS))), strict=True))

    people = draw_people(rng["people"], n, process)
    care = draw_care(rng["care"], people, process)
    in_person = draw_modality(rng["modality"], n, chosen.in_person_share)
    shift = np.where(people.male, 0.0, chosen.alliance_women_minus_men)
    shift = shift + np.where(people.kind == PROVIDER_TYPES.index("coach"), chosen.alliance_coach_minus_other, 0.0)
    shift = shift + np.where(in_person, chosen.alliance_in_person_minus_video, 0.0)
    alliance = draw_alliance(rng["alliance"], shift, care, process, trend=chosen.alliance_trend)
    groups = draw_group_effects(rng["groups"], care.n_providers, chosen)
    baseline = draw_baseline(rng["baseline"], n, chosen)
    before = draw_who5_answers(rng["baseline"], baseline, process)
    followup = draw_followup(rng["followup"], baseline, people, care, alliance, groups, chosen, in_person=in_person)
    after = draw_who5_answers(rng["followup"], followup, process)
    lost = draw_lost(rng["lost"], 4 * before.sum(axis=1), followup, chosen)

    ids = _labels("P", n)
    tables = {
        "participants": _participants_table(ids, people, in_person if chosen.in_person_share > 0 else None),
        "sessions": _sessions_table(ids, care, alliance),
        "surveys": _surveys_table(ids, care, before, after, ~lost),
    }
    data, excluded, why, _ = join_scores(tables["participants"], tables["sessions"], tables["surveys"])
    return SimulatedCohort(
        data=data,
        source=f"simulated (n={n}, seed={seed})",
        excluded=excluded,
        sessions=_sessions_as_read(tables["sessions"]),
        why_missing=why,
        tables=tables,
        truth=_truth_of(chosen, groups, care),
        latent=pd.DataFrame(
            {
                ID: tables["participants"][ID],
                "alliance": alliance.true,
                "alliance_from_provider": alliance.from_provider,
                "who5_baseline": baseline,
                "who5_followup": followup,
                "lost": lost,
            }
        ),
    )


def write_tables(cohort: SimulatedCohort, directory: str | Path) -> tuple[Path, ...]:
    """Write a simulated cohort's three tables as `read_tables` reads them.

    Parameters
    ----------
    cohort
        What `simulate_cohort` returned.
    directory
        Where to; made if it is not there. Files of the same names are replaced.

    Returns
    -------
    tuple of pathlib.Path
        participants.csv, sessions.csv and surveys.csv: UTF-8, a header, commas, dates as YYYY-MM-DD.

    Raises
    ------
    UsageError
        When the cohort has no tables, or the directory is a file.
    WriteError
        When the system refuses; earlier files of these names are then as they were, unless it refuses between the
        renames at the very end.
    """
    if not isinstance(cohort, SimulatedCohort) or not cohort.tables:
        raise UsageError("write_tables needs the tables of a simulated cohort. Write any other one with write_cohort.")
    folder = Path(directory)
    make_folder(folder)
    paths = {folder / f"{name}.csv": table for name, table in cohort.tables.items()}
    write_csv(paths)
    return tuple(paths)


def _check_whole(name: str, value: object, *, least: int) -> None:
    if not is_whole(value, least=least):
        raise UsageError(
            f"simulate_cohort: {argument(name)} should be a whole number, {least} or more, but got {value!r}."
        )


def _labels(letter: str, n: int) -> npt.NDArray[np.object_]:
    """P00001, P00002, ...: all of one width, so that sorting keeps their order."""
    width = max(5, len(str(n)))
    return np.array([f"{letter}{number:0{width}d}" for number in range(1, n + 1)], dtype=object)


def _provider_labels(care: Care) -> npt.NDArray[np.object_]:
    """C00001, ... for coaches, then T00001, ... for therapists."""
    return np.concatenate([_labels("C", care.n_coaches), _labels("T", care.n_providers - care.n_coaches)])


def _dates(day: Ints) -> pd.Series:
    return pd.Series((WINDOW_START + day.astype("timedelta64[D]")).astype("datetime64[s]"))


def _factor(codes: Ints, levels: tuple[str, ...]) -> pd.Series:
    return pd.Series(pd.Categorical.from_codes(codes, categories=pd.Index(levels)))


def _participants_table(ids: npt.NDArray[np.object_], people: People, in_person: Bools | None) -> pd.DataFrame:
    """One row a participant; `modality` only where some may be seen in person (None otherwise)."""
    # Countries as a reader of the table would find them: those that occur, sorted.
    country = _factor(people.country, COUNTRY_CODES).astype("str").astype("category")
    out = pd.DataFrame(
        {
            ID: pd.Series(ids, dtype="str"),
            "age": people.age,
            "sex": _factor(people.male.astype(np.int64), SEXES),
            "country": country,
        }
    )
    return out if in_person is None else out.assign(modality=_factor(in_person.astype(np.int64), MODALITIES))


def _sessions_table(ids: npt.NDArray[np.object_], care: Care, alliance: Alliance) -> pd.DataFrame:
    """One row a session, participant by participant, in order of time."""
    is_therapist = (care.provider >= care.n_coaches).astype(np.int64)
    return pd.DataFrame(
        {
            ID: pd.Series(ids[care.person], dtype="str"),
            "provider_id": pd.Series(_provider_labels(care)[care.provider], dtype="str"),
            "provider_type": pd.Series(np.array(PROVIDER_TYPES, dtype=object)[is_therapist], dtype="str"),
            "date": _dates(care.day),
            "goal": alliance.goal,
            "bond": alliance.bond,
        }
    )


def _sessions_as_read(sessions: pd.DataFrame) -> pd.DataFrame:
    """The table of sessions as `read_tables` would take it in: providers and their kinds as factors."""
    providers = pd.CategoricalDtype(pd.Index(sorted(sessions["provider_id"].unique()), dtype="str"))
    kinds = pd.CategoricalDtype(pd.Index(SESSION_PROVIDER_TYPES, dtype="str"))
    return sessions.astype({"provider_id": providers, "provider_type": kinds})


def _surveys_table(ids: npt.NDArray[np.object_], care: Care, before: Ints, after: Ints, present: Bools) -> pd.DataFrame:
    """One row a survey: everybody's baseline, and the follow-up of those kept."""
    answers = np.concatenate([before, after[present]])
    out = pd.DataFrame(
        {
            ID: pd.Series(np.concatenate([ids, ids[present]]), dtype="str"),
            "date": _dates(np.concatenate([care.baseline_day, care.followup_day[present]])),
            **{f"who5_{item + 1}": answers[:, item] for item in range(5)},
        }
    )
    return out.sort_values([ID, "date"], kind="stable", ignore_index=True)


def _truth_of(settings: SimulationSettings, groups: GroupEffects, care: Care) -> dict[str, object]:
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
        "u_provider_id": {"Intercept": _named(_provider_labels(care), groups.provider_level)},
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
