"""Random Gaussian models for the exact engine: effective sample sizes, R-hat, fallbacks, time, and agreement with NUTS.

    python scripts/random_models.py                       # 300 models, a line each
    python scripts/random_models.py --models 20 --nuts    # against long runs of NUTS
    python scripts/random_models.py --seeds 36 269        # these

Tables have 50 to 5,000 rows and one to three pooled factors of up to 400 levels, many with one row; two models in five
have residual SDs by a factor of up to 50 levels, and one in five about as many coefficients as rows, or more.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

import alliance_bayes as ab
from alliance_bayes.diagnostics import arviz, convergence

_PARTS = ("sigma", "tau", "beta", "u_")


def table(seed: int, *, most: float = 3.7) -> tuple[pd.DataFrame, str, str | None]:
    """A table of up to 10**most rows, a formula, and the factor that residual SDs go by."""
    rng = np.random.default_rng(seed)
    n = int(10 ** rng.uniform(1.7, most))
    frame = pd.DataFrame(
        {"x1": rng.normal(size=n), "x2": rng.standard_t(4, size=n), "x3": rng.binomial(1, 0.3, n).astype(float)}
    )
    y = rng.normal(0, 3) * frame["x1"] + rng.normal(0, 1) * frame["x2"]
    terms = ["x1", "x2"] if rng.random() < 0.5 else ["x1", "x2", "x3"]
    crowded = rng.random() < 0.2
    for k in range(rng.integers(1, 4)):
        many = crowded and k == 0
        levels = int(min(n if many else n // 2, max(2, 10 ** rng.uniform(0.3, np.log10(400 if many else 100)))))
        level = rng.choice(levels, n, p=rng.dirichlet(np.full(levels, rng.choice([0.3, 1, 10]))))
        frame[f"g{k}"] = _labels(level)
        kind = rng.choice(["1", "x1 ||", "x1 |", "x1 + x2 |"], p=[0.3, 0.35, 0.25, 0.1])
        tau = rng.choice([0, 0.3, 3.0, 20.0])
        y = y + tau * rng.normal(size=levels)[level]
        y = y + (rng.choice([0, 0.5, 5.0]) * rng.normal(size=levels))[level] * frame["x1"]
        terms.append(f"(1 | g{k})" if kind == "1" else f"({kind} g{k})")
    if rng.random() < 0.15:
        terms[0] = "s(x1)"
    sigma, drawn, by = rng.choice([0.1, 1, 10.0]), rng.random(), None
    if drawn < 0.2:
        by = "g0"
    elif drawn < 0.4:
        strata = int(rng.integers(2, 51))
        frame["st"] = _labels(rng.choice(strata, n, p=rng.dirichlet(np.full(strata, rng.choice([0.3, 1, 10])))))
        by = "st"
    if by and frame[by].nunique() > 50:
        by = None
    noise = np.full(n, sigma)
    if by and rng.random() < 0.5:
        code = pd.factorize(frame[by])[0]
        noise = sigma * np.exp(rng.normal(0, 0.7, code.max() + 1))[code]
    frame["y"] = y + noise * rng.normal(size=n)
    return frame, "y ~ " + " + ".join(terms), by


def _labels(level: np.ndarray) -> list[str]:
    labels = [f"L{k:04d}" for k in level]
    if len(set(labels)) < 2:
        labels[:2] = ["La", "Lb"]
    return labels


def numbers(posterior: xr.Dataset) -> np.ndarray:
    """Draws of all parameters but correlations, shape (k, chain, draw); effects that are zero by design left out."""
    parts = [
        values.transpose("chain", "draw", ...).values.reshape(*values.shape[:2], -1)
        for name, values in posterior.data_vars.items()
        if str(name).startswith(_PARTS)
    ]
    return np.moveaxis(np.concatenate(parts, axis=2), 2, 0)


def one(seed: int) -> dict[str, Any]:
    """Fit one model, and say how it went."""
    frame, formula, by = table(seed)
    options = {"residual_by": by} if by else {}
    model = ab.Model(formula, autoscale=True, **options)
    clock = time.process_time()
    fit = model.fit(frame, seed=seed, cores=1, progress=False, engine="collapsed")
    seconds = time.process_time() - clock
    draws = numbers(fit.posterior)
    found = convergence(draws, np.quantile(draws, [0.055, 0.945], axis=(1, 2)).T)
    return {
        "seed": seed,
        "rows": len(frame),
        "strata": int(frame[by].nunique()) if by else 1,
        "numbers": len(draws),
        "seconds": round(seconds, 2),
        "least_ess": round(float(np.nanmin(found["ess_bulk"]))),
        "largest_rhat": round(float(np.nanmax(found["rhat"])), 4),
        "fallback": fit.info.get("fallback", ""),
    }


def against_nuts(seed: int) -> dict[str, Any]:
    """Largest distance of means and of SDs between the engines, in Monte Carlo standard errors."""
    frame, formula, by = table(seed, most=2.7)
    options = {"residual_by": by} if by else {}
    model = ab.Model(formula, autoscale=True, **options)
    exact = model.fit(frame, seed=seed, draws=2000, progress=False, engine="collapsed")
    nuts = model.fit(frame, seed=seed, draws=2000, tune=1000, target_accept=0.99, progress=False, engine="nuts")
    a, b = numbers(exact.posterior), numbers(nuts.posterior)
    found = convergence(b, np.quantile(b, [0.055, 0.945], axis=(1, 2)).T)
    z = []
    for method, value in (("mean", lambda x: x.mean(axis=(1, 2))), ("sd", lambda x: x.std(axis=(1, 2)))):
        errors = [
            np.array([float(arviz().mcse(x, chain_axis=0, draw_axis=1, method=method)) for x in draws])
            for draws in (a, b)
        ]
        z.append(np.abs(value(a) - value(b)) / np.hypot(*errors))
    return {
        "seed": seed,
        "rows": len(frame),
        "strata": int(frame[by].nunique()) if by else 1,
        "numbers": len(a),
        "nuts_least_ess": round(float(np.nanmin(found["ess_bulk"]))),
        "nuts_divergences": int(nuts.sample_stats["diverging"].sum()),
        "mean": round(float(np.nanmax(z[0])), 2),
        "sd": round(float(np.nanmax(z[1])), 2),
    }


def main() -> None:
    """Run them, a line of JSON each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=300)
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    parser.add_argument("--seeds", type=int, nargs="+", metavar="SEED", help="these, in place of a range")
    parser.add_argument("--nuts", action="store_true", help="against long runs of NUTS")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for seed in arguments.seeds or range(arguments.first, arguments.first + arguments.models):
        print(json.dumps(against_nuts(seed) if arguments.nuts else one(seed)), flush=True)


if __name__ == "__main__":
    main()
