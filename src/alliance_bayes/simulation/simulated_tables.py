"""Simulated people, sessions and answers as the three tables that a study would export."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from alliance_bayes.cohort.names import ID, MODALITIES, PROVIDER_TYPES, SESSION_PROVIDER_TYPES
from alliance_bayes.simulation.people import COUNTRY_CODES, WINDOW_START, Care, People
from alliance_bayes.simulation.ratings import Alliance
from alliance_bayes.simulation.settings import SEXES

__all__ = ["labels", "participants_table", "provider_labels", "sessions_as_read", "sessions_table", "surveys_table"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def labels(letter: str, n: int) -> npt.NDArray[np.object_]:
    """P00001, P00002, ...: all of one width, so that sorting keeps their order."""
    width = max(5, len(str(n)))
    return np.array([f"{letter}{number:0{width}d}" for number in range(1, n + 1)], dtype=object)


def provider_labels(care: Care) -> npt.NDArray[np.object_]:
    """C00001, ... for coaches, then T00001, ... for therapists."""
    return np.concatenate([labels("C", care.n_coaches), labels("T", care.n_providers - care.n_coaches)])


def _dates(day: Ints) -> pd.Series:
    return pd.Series((WINDOW_START + day.astype("timedelta64[D]")).astype("datetime64[s]"))


def _factor(codes: Ints, levels: tuple[str, ...]) -> pd.Series:
    return pd.Series(pd.Categorical.from_codes(codes, categories=pd.Index(levels)))


def participants_table(ids: npt.NDArray[np.object_], people: People, in_person: Bools | None) -> pd.DataFrame:
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


def sessions_table(ids: npt.NDArray[np.object_], care: Care, alliance: Alliance) -> pd.DataFrame:
    """One row a session, participant by participant, in order of time."""
    is_therapist = (care.provider >= care.n_coaches).astype(np.int64)
    return pd.DataFrame(
        {
            ID: pd.Series(ids[care.person], dtype="str"),
            "provider_id": pd.Series(provider_labels(care)[care.provider], dtype="str"),
            "provider_type": pd.Series(np.array(PROVIDER_TYPES, dtype=object)[is_therapist], dtype="str"),
            "date": _dates(care.day),
            "goal": alliance.goal,
            "bond": alliance.bond,
        }
    )


def sessions_as_read(sessions: pd.DataFrame) -> pd.DataFrame:
    """The table of sessions as `read_tables` would take it in: providers and their kinds as factors."""
    providers = pd.CategoricalDtype(pd.Index(sorted(sessions["provider_id"].unique()), dtype="str"))
    kinds = pd.CategoricalDtype(pd.Index(SESSION_PROVIDER_TYPES, dtype="str"))
    return sessions.astype({"provider_id": providers, "provider_type": kinds})


def surveys_table(ids: npt.NDArray[np.object_], care: Care, before: Ints, after: Ints, kept: Bools) -> pd.DataFrame:
    """One row a survey: everybody's baseline, and the follow-up of those kept."""
    answers = np.concatenate([before, after[kept]])
    out = pd.DataFrame(
        {
            ID: pd.Series(np.concatenate([ids, ids[kept]]), dtype="str"),
            "date": _dates(np.concatenate([care.baseline_day, care.followup_day[kept]])),
            **{f"who5_{item + 1}": answers[:, item] for item in range(5)},
        }
    )
    return out.sort_values([ID, "date"], kind="stable", ignore_index=True)
