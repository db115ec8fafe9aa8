"""PyMC as its users write this model, non-centred factor by factor, sampled by nutpie."""

from __future__ import annotations

import time

import measure
import numpy as np
import nutpie
import pandas as pd
import pymc as pm

SPEC = measure.specification()
NUMERIC = ("alliance", "who5_baseline", "age", "days_in_care")
# Mean and SD of the Normal priors: intercept, then the columns above; those of the package's "literature" set.
MEAN = np.array([50.0, 0.15 * 19 / 0.7, 0.0, 0.0, 0.0])
SD = np.array([25.0, 0.10 * 19 / 0.7, 1.0, 1.0, 0.5])
EXHAUSTIVE = ("provider_type", "sex")


def prepare(table: str) -> pd.DataFrame:
    return pd.read_parquet(table)


def graph(rows: pd.DataFrame) -> pm.Model:
    centred = rows[list(NUMERIC)] - rows[list(NUMERIC)].mean()
    x = np.column_stack([np.ones(len(rows)), centred])
    coords = {factor: rows[factor].cat.categories.tolist() for factor in (*EXHAUSTIVE, "country")}
    with pm.Model(coords=coords | {"term": ["Intercept", *NUMERIC], "part": ["Intercept", "alliance"]}) as model:
        beta = pm.Normal("beta", MEAN, SD, dims="term")
        eta = pm.math.dot(x, beta)
        for factor in coords:
            tau = pm.HalfNormal(f"tau_{factor}", np.array([5.0, 2.0]), dims="part")
            if factor in EXHAUSTIVE:
                z = pm.ZeroSumNormal(f"z_{factor}", 1.0, dims=("part", factor))
            else:
                z = pm.Normal(f"z_{factor}", 0.0, 1.0, dims=("part", factor))
            u = pm.Deterministic(f"u_{factor}", tau[:, None] * z, dims=("part", factor))
            code = rows[factor].cat.codes.to_numpy()
            eta = eta + u[0, code] + u[1, code] * x[:, 1]
        sigma = pm.HalfNormal("sigma", 25.0)
        pm.Normal("y", eta, sigma, observed=rows["who5_followup"].to_numpy())
    return model


def fit(rows: pd.DataFrame) -> measure.Fitted:
    began = time.perf_counter()
    kept = ["beta", "sigma", *(f"{kind}_{factor}" for kind in ("u", "tau") for factor in (*EXHAUSTIVE, "country"))]
    compiled = nutpie.compile_pymc_model(graph(rows), var_names=kept)
    ready = time.perf_counter()
    settings = {"target_accept": SPEC["target_accept"]} if SPEC.get("target_accept") else {}
    tree = nutpie.sample(
        compiled,
        draws=SPEC["draws"],
        chains=SPEC["chains"],
        cores=measure.cores(),
        seed=SPEC["seed"],
        progress_bar=False,
        save_warmup=False,
        **settings,
    )
    done = time.perf_counter()
    draws = {name: tree["posterior"][name].values for name in kept}
    slope = draws["beta"][:, :, 1]
    return draws, {
        "compile_seconds": ready - began,
        "sample_seconds": done - ready,
        "divergences": int(tree["sample_stats"]["diverging"].values.sum()),
        "slope": float(slope.mean()),
        "slope_sd": float(slope.std(ddof=1)),
    }


if __name__ == "__main__":
    measure.compete(prepare, fit, ("pymc", "nutpie"))
