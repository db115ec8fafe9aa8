"""From latent variables to answers: alliance ratings 1-5 and WHO-5 answers 0-5."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from alliance_bayes.simulation.people import Care
from alliance_bayes.simulation.settings import Process

__all__ = ["Alliance", "draw_alliance", "draw_who5_answers"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Equally probable persons over whom a provider's expected rating is averaged.
QUADRATURE = 100


@dataclass(frozen=True, slots=True)
class Alliance:
    """Ratings and the truth behind them.

    Attributes
    ----------
    goal, bond
        Ratings 1-5, one a session.
    true
        A participant: the rating (1-5) expected over both items and the participant's sessions.
    from_provider
        A participant: what an average participant would be expected to give these providers in a session neither early
        nor late, minus its average over providers (points of the 1-5 scale).
    """

    goal: Ints
    bond: Ints
    true: Floats
    from_provider: Floats


def draw_alliance(
    rng: np.random.Generator, shift: Floats, care: Care, process: Process, *, trend: float = 0.0
) -> Alliance:
    """Draw every session's two ratings by a graded response model.

    The latent rating of an item in a session is the sum of the person, the person's own leaning on that item, the
    provider, the trend, the session and an error of SD 1; thresholds cut it into 1-5 (Samejima 1969, graded responses,
    in normal ogive form). Persons are spread more widely above the middle than below it: many always give 5.

    Parameters
    ----------
    rng
        Source of chance.
    shift
        What is added to a participant's latent alliance (by sex, kind of provider and modality), one a participant.
    care
        Sessions.
    process
        Spreads and thresholds.
    trend
        What every session adds to the latent alliance of those after it.

    Returns
    -------
    Alliance
        Ratings a session, expectations a participant.
    """
    n = len(shift)
    person = _stretched(rng.standard_normal(n), process)
    leaning = process.rating_item_sd * rng.standard_normal((2, n))
    provider = process.rating_provider_sd * rng.standard_normal(care.n_providers)
    session = process.rating_session_sd * rng.standard_normal(len(care.person))
    risen = trend * care.place
    thresholds = np.asarray(process.rating_thresholds)
    ratings, expected = [], np.zeros(len(care.person))
    for item, ease in enumerate(_eases(process)):
        stable = (person + shift + leaning[item])[care.person] + provider[care.provider] + ease + risen
        latent = stable + session + rng.standard_normal(len(care.person))
        ratings.append(1 + np.searchsorted(thresholds, latent).astype(np.int64))
        expected += _expected(stable, np.hypot(1.0, process.rating_session_sd), thresholds) / 2
    by_provider = _by_provider(provider, float(shift.mean()) + float(risen.mean()), process)
    return Alliance(
        goal=ratings[0],
        bond=ratings[1],
        true=_mean_by_person(expected, care),
        from_provider=_mean_by_person((by_provider - by_provider.mean())[care.provider], care),
    )


def draw_who5_answers(rng: np.random.Generator, wellbeing: Floats, process: Process) -> Ints:
    """Draw the five answers (0-5) of each participant.

    Parameters
    ----------
    rng
        Source of chance.
    wellbeing
        Latent well-being in points of the 0-100 score; may lie outside that range, and the answers then pile up at its
        end.
    process
        Error of an answer, and difficulty of the items.

    Returns
    -------
    numpy.ndarray
        Shape (participants, 5). A graded response with equally spaced thresholds, so that four times the sum is
        expected to be `wellbeing` away from the ends.
    """
    offsets = np.asarray(process.who5_item_offsets)
    steps = (wellbeing[:, None] + offsets) / 20.0 + process.who5_item_sd * rng.standard_normal((len(wellbeing), 5))
    answers: Ints = np.clip(np.rint(steps), 0, 5).astype(np.int64)
    return answers


def _stretched(z: Floats, process: Process) -> Floats:
    """A two-piece normal: wider above 0 than below it."""
    return process.rating_person_sd * np.where(z > 0, process.rating_ceiling_stretch, 1.0) * z


def _eases(process: Process) -> tuple[float, float]:
    """Shift of goal and of bond."""
    return -process.bond_minus_goal / 2, process.bond_minus_goal / 2


def _expected(stable: Floats, sd: float, thresholds: Floats) -> Floats:
    """Expected rating 1-5 when chance of this SD is added to the latent value."""
    out = np.ones_like(stable)
    for threshold in thresholds:
        out += ndtr((stable - threshold) / sd)
    return out


def _by_provider(provider: Floats, shift: float, process: Process) -> Floats:
    """Rating each provider can expect from an average participant."""
    person = shift + _stretched(ndtri((np.arange(QUADRATURE) + 0.5) / QUADRATURE), process)
    sd = float(np.sqrt(1.0 + process.rating_session_sd**2 + process.rating_item_sd**2))
    thresholds = np.asarray(process.rating_thresholds)
    total = np.zeros_like(provider)
    for ease in _eases(process):
        total += _expected(provider[:, None] + person + ease, sd, thresholds).mean(axis=1) / 2
    return total


def _mean_by_person(value: Floats, care: Care) -> Floats:
    out: Floats = np.bincount(care.person, weights=value, minlength=len(care.n_sessions)) / care.n_sessions
    return out
