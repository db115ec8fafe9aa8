"""Who takes part, whom they see, and when: the parts of a simulated study that carry no rating."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from alliance_bayes.cohort.scoring import MIN_DAYS_BETWEEN
from alliance_bayes.simulation.settings import Process

__all__ = [
    "COUNTRY_CODES",
    "WINDOW_DAYS",
    "WINDOW_START",
    "Care",
    "People",
    "country_shares",
    "draw_care",
    "draw_modality",
    "draw_people",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: First day of the published window and its length: 29 Sep 2020 to 12 Oct 2021, both included.
WINDOW_START = np.datetime64("2020-09-29", "D")
WINDOW_DAYS = 379

#: ISO 3166-1 keeps these for private use, so that no simulated effect is ever taken for one of a real country.
COUNTRY_CODES = tuple(
    [f"X{letter}" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"] + [f"Q{letter}" for letter in "MNOPQRSTUVWXYZ"]
)

BOTH = 2
LONGEST_WAIT = 60


@dataclass(frozen=True, slots=True)
class People:
    """Participants, one entry each.

    Attributes
    ----------
    age
        Whole years.
    male
        Whether male.
    country
        Index into `COUNTRY_CODES`.
    kind
        Index into the provider types (0 coach, 1 therapist, 2 both).
    """

    age: Ints
    male: Bools
    country: Ints
    kind: Ints


@dataclass(frozen=True, slots=True)
class Care:
    """Sessions (one entry each, participant by participant, in order of time) and each participant's dates.

    Attributes
    ----------
    person, provider
        Index of the participant and of the provider, a session. Coaches come before therapists.
    day
        Day of the session, from the first day of the window (0).
    n_coaches, n_providers
        How many providers there are.
    n_sessions, days_in_care, baseline_day, followup_day
        A participant: sessions, days from the first to the last, days of the two surveys.
    """

    person: Ints
    provider: Ints
    day: Ints
    n_coaches: int
    n_providers: int
    n_sessions: Ints
    days_in_care: Ints
    baseline_day: Ints
    followup_day: Ints

    @property
    def place(self) -> Ints:
        """Sessions that the participant had before, a session (0 for the first)."""
        start = np.cumsum(self.n_sessions) - self.n_sessions
        return np.asarray(np.arange(len(self.person)) - start[self.person])


def country_shares(process: Process) -> Floats:
    """Share of each country among participants, largest first, summing to 1."""
    weights = np.arange(1, process.n_countries + 1, dtype=np.float64) ** -process.country_exponent
    shares: Floats = weights / weights.sum()
    return shares


def draw_people(rng: np.random.Generator, n: int, process: Process) -> People:
    """Draw participants.

    Parameters
    ----------
    rng
        Source of chance.
    n
        Participants.
    process
        Shares and ages.

    Returns
    -------
    People
        Characteristics are independent of each other.
    """
    low, high = process.age_range
    mean, variance = (process.age_mean - low) / (high - low), (process.age_sd / (high - low)) ** 2
    size = mean * (1 - mean) / variance - 1
    age = low + (high - low) * rng.beta(mean * size, (1 - mean) * size, n)
    return People(
        age=np.rint(age).astype(np.int64),
        male=rng.random(n) >= process.female_share,
        country=_choice(rng, country_shares(process), n),
        kind=_choice(rng, np.asarray(process.provider_type_shares), n),
    )


def draw_modality(rng: np.random.Generator, n: int, share: float) -> Bools:
    """Draw who is seen in person, independently of everything else about them."""
    in_person: Bools = rng.random(n) < share
    return in_person


def draw_care(rng: np.random.Generator, people: People, process: Process) -> Care:
    """Draw each participant's providers, sessions and survey dates.

    Parameters
    ----------
    rng
        Source of chance.
    people
        Participants.
    process
        Number and spacing of sessions.

    Returns
    -------
    Care
        Every date lies within the window. Somebody with both kinds of provider sees one first and then the other, each
        at least once. The follow-up comes at least 14 days after the baseline, the time the WHO-5 looks back over.
    """
    n = len(people.age)
    least = np.where(people.kind == BOTH, 2, 1)
    mean = np.asarray(process.extra_sessions)[people.kind]
    rate = mean * rng.gamma(process.sessions_shape, 1 / process.sessions_shape, n)
    n_sessions = np.minimum(least + rng.poisson(rate), process.max_sessions)
    person = np.repeat(np.arange(n), n_sessions)
    start = np.cumsum(n_sessions) - n_sessions
    place = np.arange(len(person)) - start[person]

    day = _days_since_first(rng, n_sessions, person, start, place, process)
    lead = _waits(rng, process.lead_days, n)
    lag = _waits(rng, process.lag_days, n)
    last = day[start + n_sessions - 1]
    lag = np.maximum(lag, MIN_DAYS_BETWEEN - lead - last)
    room = WINDOW_DAYS - 1 - lead - lag
    # Care that would outlast the window is squeezed into it.
    squeeze = np.minimum(1.0, room / np.maximum(last, 1))
    day = np.floor(day * squeeze[person]).astype(np.int64)
    days_in_care = day[start + n_sessions - 1]
    baseline_day = rng.integers(0, room - days_in_care + 1)
    first = baseline_day + lead

    provider, n_coaches, n_providers = _providers(rng, people.kind, n_sessions, person, place, process)
    return Care(
        person=person,
        provider=provider,
        day=day + first[person],
        n_coaches=n_coaches,
        n_providers=n_providers,
        n_sessions=n_sessions,
        days_in_care=days_in_care,
        baseline_day=baseline_day,
        followup_day=first + days_in_care + lag,
    )


def _choice(rng: np.random.Generator, shares: Floats, n: int) -> Ints:
    """Draw n indices with these probabilities."""
    edges = np.cumsum(shares)
    drawn = np.searchsorted(edges / edges[-1], rng.random(n), side="right")
    return drawn.astype(np.int64)


def _waits(rng: np.random.Generator, mean: float, n: int) -> Ints:
    """Whole days from 0, geometric, none longer than leaves room for care in the window."""
    return np.minimum(rng.geometric(1 / (1 + mean), n).astype(np.int64) - 1, LONGEST_WAIT)


def _days_since_first(
    rng: np.random.Generator, n_sessions: Ints, person: Ints, start: Ints, place: Ints, process: Process
) -> Ints:
    pace = process.gap_log_sd_person * rng.standard_normal(len(n_sessions))
    gap = process.gap_days * np.exp(pace[person] + process.gap_log_sd_session * rng.standard_normal(len(person)))
    whole = np.where(place == 0, 0, np.ceil(gap)).astype(np.int64)
    total = np.cumsum(whole)
    return np.asarray(total - total[start][person])


def _providers(
    rng: np.random.Generator, kind: Ints, n_sessions: Ints, person: Ints, place: Ints, process: Process
) -> tuple[Ints, int, int]:
    """Provider of every session, and how many coaches and providers there are."""
    n = len(kind)
    coach, therapist, both = process.provider_type_shares
    counts = [max(1, round(n * (share + both) / process.clients_per_provider)) for share in (coach, therapist)]
    by_kind = []
    for count in counts:
        load = rng.gamma(process.caseload_shape, 1.0, count)
        by_kind.append(_choice(rng, load / load.sum(), n))
    coach_first = rng.random(n) < process.coach_first
    # Someone who sees both changes after a session that is neither the last nor the zeroth.
    change = 1 + np.floor(rng.random(n) * (n_sessions - 1)).astype(np.int64)
    with_coach = np.where(kind == BOTH, True, kind == 0)[person]
    mixed = (kind == BOTH)[person]
    with_coach[mixed] = ((place < change[person]) == coach_first[person])[mixed]
    provider = np.where(with_coach, by_kind[0][person], counts[0] + by_kind[1][person])
    return provider, counts[0], sum(counts)
