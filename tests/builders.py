"""Fits built without sampling: rows, a model and draws placed where a test wants them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.checks import Check, CheckResult, Context
from alliance_bayes.cohort import Flow
from alliance_bayes.effects import COLUMNS, ESTIMANDS, EffectTable
from alliance_bayes.engines import posterior_coords, posterior_dims
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import ModelSpec
from alliance_bayes.report import Rendered, Report

OUTCOME_FORMULA = (
    "who5_followup ~ alliance + who5_baseline + age + days_in_care"
    " + (alliance || provider_type) + (alliance || sex) + (alliance || country)"
)
#: Unit of a made-up row.
UNIT = "WHO-5 point per alliance point"


def rows(n: int = 240, *, seed: int = 0, countries: int = 5) -> pd.DataFrame:
    """Complete rows with the canonical columns; every level of every factor is present."""
    rng = np.random.default_rng(seed)
    provider = pd.Categorical.from_codes(
        np.r_[np.arange(3), rng.choice(3, n - 3, p=[0.65, 0.18, 0.17])],
        categories=["coach", "therapist", "both"],
        ordered=True,
    )
    sex = pd.Categorical.from_codes(np.r_[[0, 1], rng.choice(2, n - 2)], categories=["female", "male"], ordered=True)
    names = [f"C{k}" for k in range(countries)]
    country = pd.Categorical.from_codes(
        np.r_[np.arange(countries), rng.choice(countries, n - countries)], categories=names, ordered=True
    )
    alliance = np.clip(np.round(rng.normal(4.6, 0.7, n) * 4) / 4, 1, 5)
    baseline = 4.0 * rng.binomial(25, np.clip(rng.normal(0.41, 0.18, n), 0.02, 0.98))
    followup = 4.0 * np.clip(
        np.round((45 + 0.45 * (baseline - 41) + 2.2 * (alliance - 4.6) + rng.normal(0, 15, n)) / 4), 0, 25
    )
    return pd.DataFrame(
        {
            "who5_followup": followup,
            "alliance": alliance,
            "who5_baseline": baseline,
            "age": np.round(np.clip(rng.normal(36, 9, n), 18, 80)),
            "days_in_care": np.round(rng.gamma(1.2, 30, n)),
            "n_sessions": 1.0 + rng.poisson(2.5, n),
            "provider_type": provider,
            "sex": sex,
            "country": country,
        }
    )


def own_check(name: Any, examine: Callable[[Check, Context], CheckResult] | None = None, **facts: Any) -> Check:
    """A check of an analyst's own: what it does, and its facts; a fact that is None is left out."""

    def fine(check: Check, context: Context) -> CheckResult:
        return check.result("pass", "Fine.", pd.DataFrame({"value": [1.0]}))

    given = {"title": "A title", "looks_at": "what it looks at", "meaning": "What it means.", **facts}
    kept = {key: value for key, value in {"name": name, **given}.items() if value is not None}
    own: type[Check] = type("Own", (Check,), {**kept, "examine": examine or fine})
    return own()


def of_family(frame: pd.DataFrame, family: str, *, above: float = 48.0) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The rows with a ``who5_followup`` that a family can have, and the options of its models.

    A Bernoulli outcome is a score above a value. A binomial one is the score, out of 100 trials or a few more.
    """
    frame, options = frame.copy(), {"family": family}
    if family == "bernoulli":
        frame["who5_followup"] = (frame["who5_followup"] > above).astype(float)
    if family == "binomial":
        frame["n_trials"] = 100.0 + np.arange(len(frame)) % 7
        options["trials"] = "n_trials"
    return frame, options


def fitted(
    frame: pd.DataFrame | None = None,
    *,
    formula: str = OUTCOME_FORMULA,
    means: Mapping[str, Any] | None = None,
    sds: Mapping[str, Any] | None = None,
    chains: int = 4,
    draws: int = 250,
    seed: int = 0,
    divergences: int = 0,
    spec: Mapping[str, Any] | None = None,
) -> FittedModel:
    """A fit whose draws are independent normals (positive ones folded) at the means and SDs asked for.

    Parameters
    ----------
    frame
        Rows; :func:`rows` by default.
    means, sds
        By posterior variable, broadcast to its dims. Not named: sensible for the WHO-5, SD a tenth of the variable's
        scale. An SD of 0 gives constant draws. Effects of exhaustive factors are made to sum to zero.
    chains, draws, seed, divergences
        Shape of the draws, their seed, and how many draws are marked as divergent.
    spec
        Further arguments of :class:`ModelSpec`.
    """
    model = ModelSpec(formula, **{"priors": "literature", **(spec or {})})
    frame = rows() if frame is None else frame
    design = model.design(frame)
    rng = np.random.default_rng(seed)
    coords, variables = posterior_coords(design), {}
    for name, dims in posterior_dims(design).items():
        shape = tuple(len(coords[dim]) for dim in dims)
        mean = np.broadcast_to(np.asarray((means or {}).get(name, _typical_mean(name, design.terms)), float), shape)
        sd = np.broadcast_to(
            np.asarray((sds or {}).get(name, 0.1 if name.startswith(("beta", "u_")) else 0.05), float), shape
        )
        values = mean + sd * rng.normal(size=(chains, draws, *shape))
        own = design.family.parameters.get(name)
        if name.startswith("tau_") or (own is not None and own.support == "positive"):
            values = np.abs(values)
        if name.startswith("corr_"):
            values = np.broadcast_to(np.eye(shape[0]), values.shape).copy()
        if name.startswith("u_") and name[2:] in {factor.name for factor in design.factors if factor.exhaustive}:
            values -= values.mean(axis=2, keepdims=True)
        if name == "cutpoints":
            values = np.sort(np.linspace(-3, 3, shape[0]) + 0.01 * rng.normal(size=values.shape), axis=-1)
        variables[name] = (("chain", "draw", *dims), values)
    base = {"chain": np.arange(chains), "draw": np.arange(draws)}
    posterior = xr.Dataset(variables, coords={**base, **coords})
    diverging = np.zeros((chains, draws), dtype=bool)
    diverging.ravel()[:divergences] = True
    stats = xr.Dataset(
        {
            "diverging": (("chain", "draw"), diverging),
            "energy": (("chain", "draw"), rng.normal(1000, 5, (chains, draws))),
            "tree_depth": (("chain", "draw"), np.full((chains, draws), 5)),
            "reached_max_tree_depth": (("chain", "draw"), np.zeros((chains, draws), dtype=bool)),
            "acceptance_rate": (("chain", "draw"), np.full((chains, draws), 0.95)),
        },
        coords=base,
    )
    return FittedModel(
        model,
        design,
        model.priors_for(design),
        xr.DataTree.from_dict({"posterior": posterior, "sample_stats": stats}),
        Flow(len(frame)),
        {
            "engine": "built",
            "seed": seed,
            "chains": chains,
            "draws": draws,
            "cohort_source": "built",
            "cohort_hash": "0" * 64,
            "versions": {},
        },
    )


def _typical_mean(name: str, terms: tuple[str, ...]) -> Any:
    if name == "beta":
        typical = {"Intercept": 45.0, "alliance": 2.2, "who5_baseline": 0.45}
        return [typical.get(term, 0.0) for term in terms]
    return {"sigma": 15.0, "nu": 10.0, "phi": 10.0, "alpha": 4.0}.get(name, 1.0 if name.startswith("tau_") else 0.0)


def rendered(fit: FittedModel, *, effects: Any = None, checks: Any = None, **options: Any) -> Rendered:
    """The report of a fit; options as in :class:`Report`."""
    return Report(**options).render(fit, effects=effects, checks=checks)


def row_of(mean: float, sd: float, **values: object) -> dict[str, object]:
    """A row as a normal posterior has it."""
    above = 0.5 * (1 + np.tanh(0.8 * mean / sd))
    row: dict[str, object] = dict.fromkeys(COLUMNS, np.nan) | {
        "estimand": "slope",
        "term": "alliance",
        "factor": None,
        "level": None,
        "versus": None,
        "unit": UNIT,
        "denominator": None,
        "population": "sample",
        "mean": mean,
        "sd": sd,
        "median": mean,
        "lower": mean - 1.6 * sd,
        "upper": mean + 1.6 * sd,
        "interval": "eti",
        "prob": 0.89,
        "p_direction": max(above, 1 - above),
        "ess_bulk": 4000.0,
        "ess_tail": 4000.0,
        "rhat": 1.0,
        "mcse_mean": sd / 63,
        "note": None,
    }
    return row | values


def table_of(*rows: dict[str, object], names: list[str] | None = None) -> EffectTable:
    """A table of such rows, each with draws that are all its number."""
    names = [f"row{k}" for k in range(len(rows))] if names is None else names
    frame = pd.DataFrame(list(rows), columns=list(COLUMNS), index=pd.Index(names, dtype="str", name="id"))
    draws = {name: np.full((4, 10), float(k)) for k, name in enumerate(names)}
    measures = {name: measure for estimand in ESTIMANDS.values() for name, measure in estimand.measures.items()}
    sources = {name: (lambda values=values: values) for name, values in draws.items()}
    return EffectTable.build(frame, sources, measures=measures)
