"""Rows as a service of any size would have them, made with NumPy alone.

Columns and scales are those of the default outcome model: five numeric columns, provider type, sex and country, and a
provider's identifier where providers are asked for. Sizes of countries and providers are as unequal as in practice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

NUMERIC = ("who5_followup", "alliance", "who5_baseline", "age", "days_in_care")
TYPES = ("both", "coach", "therapist")
SEXES = ("female", "male")

Effects = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]  # of the level, and of the alliance slope


@dataclass(frozen=True)
class Groups:
    """The levels of the factors, their shares and their effects."""

    country_share: npt.NDArray[np.float64]
    provider_share: npt.NDArray[np.float64]  # empty without providers
    country_of: npt.NDArray[np.int64]  # of a provider
    is_coach: npt.NDArray[np.bool_]  # a provider's
    country: Effects
    provider: Effects
    kind: Effects
    sex: Effects


def draw_groups(rng: np.random.Generator, *, countries: int, providers: int = 0) -> Groups:
    """Draw the groups: a few large countries and providers and many small ones."""
    country_share = _shares(rng, countries, spread=1.2)
    return Groups(
        country_share,
        _shares(rng, providers, spread=0.7),
        # Every country has a provider where there are enough; the others go where people are.
        np.concatenate(
            [
                np.arange(min(countries, providers)),
                rng.choice(countries, max(providers - countries, 0), p=country_share),
            ]
        ),
        rng.random(providers) < 0.7,
        (rng.normal(0, 1.75, countries), rng.normal(0, 0.4, countries)),
        (rng.normal(0, 1.5, providers), rng.normal(0, 0.6, providers)),
        (np.array([0.9, -0.3, -0.6]), np.array([0.3, 0.0, -0.3])),
        (np.array([-0.4, 0.4]), np.array([-0.1, 0.1])),
    )


def draw_rows(rng: np.random.Generator, groups: Groups, n: int) -> pd.DataFrame:
    """Draw n people of these groups; WHO-5 scores come in steps of 4, as the instrument gives them."""
    male = rng.integers(0, 2, n)
    if len(groups.provider_share):
        # A provider has one type, and some of everybody's people saw the other type too.
        provider = rng.choice(len(groups.provider_share), n, p=groups.provider_share)
        country = groups.country_of[provider]
        kind = np.where(rng.random(n) < 0.18, 0, np.where(groups.is_coach[provider], 1, 2))
    else:
        country = rng.choice(len(groups.country_share), n, p=groups.country_share)
        kind = rng.choice(3, n, p=(0.18, 0.65, 0.17))
    alliance = np.clip(np.round(rng.normal(4.5, 0.75, n) * 4) / 4, 1, 5)
    baseline = np.clip(4 * np.round(rng.normal(42, 18, n) / 4), 0, 100)
    age = np.clip(np.round(rng.gamma(16, 2.25, n)), 18, 90)
    days = np.round(rng.exponential(55, n))

    slope = 2.2 + groups.kind[1][kind] + groups.sex[1][male] + groups.country[1][country]
    level = 47 + groups.kind[0][kind] + groups.sex[0][male] + groups.country[0][country]
    if len(groups.provider_share):
        slope, level = slope + groups.provider[1][provider], level + groups.provider[0][provider]
    expected = level + slope * (alliance - 4.4) + 0.44 * (baseline - 42) + 0.03 * (age - 36) - 0.01 * (days - 55)
    followup = np.clip(4 * np.round(rng.normal(expected, 15.0) / 4), 0, 100)
    frame = pd.DataFrame(
        {
            "who5_followup": followup,
            "alliance": alliance,
            "who5_baseline": baseline,
            "age": age,
            "days_in_care": days,
            "provider_type": pd.Categorical.from_codes(kind, categories=pd.Index(TYPES)),
            "sex": pd.Categorical.from_codes(male, categories=pd.Index(SEXES)),
            "country": _labelled("N", country, len(groups.country_share)),
        }
    )
    if len(groups.provider_share):
        frame["provider_id"] = _labelled("P", provider, len(groups.provider_share))
    return frame


def simulate(n: int, *, countries: int = 40, providers: int = 0, seed: int = 7) -> pd.DataFrame:
    """Draw groups and n rows in one go."""
    rng = np.random.default_rng(seed)
    return draw_rows(rng, draw_groups(rng, countries=countries, providers=providers), n)


def _shares(rng: np.random.Generator, count: int, *, spread: float) -> npt.NDArray[np.float64]:
    weights = rng.lognormal(0.0, spread, count)
    return weights / weights.sum() if count else weights


def _labelled(letter: str, codes: npt.NDArray[np.int64], count: int) -> pd.Categorical:
    width = len(str(count))
    return pd.Categorical.from_codes(codes, categories=pd.Index([f"{letter}{k + 1:0{width}d}" for k in range(count)]))
