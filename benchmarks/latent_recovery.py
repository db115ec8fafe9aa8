"""Simulate cohorts with a known slope and few sessions, and see which model finds it.

Run from the repository's root: ``python benchmarks/latent_recovery.py [cohorts]``. Prints one line a cohort and the
summary: mean error, its standard error, and how many 89 % intervals hold the truth, for the joint model of ratings and
outcome and for the model of the observed mean rating. The truth is the slope of the observed follow-up score on the
simulator's true alliance in a cohort of 100,000: the score's ends make it a little smaller than the setting.
"""

from __future__ import annotations

import sys
import time
import warnings

import numpy as np
import pandas as pd

import alliance_bayes as ab
from alliance_bayes.latent import LatentFit, fit_latent
from alliance_bayes.simulation.settings import Process, SimulationSettings

N = 400
COHORTS = 20
# No slope differs by group, and the residual is small, so that 20 cohorts can tell an attenuated slope from a right
# one; most people have one session or two.
SETTINGS = SimulationSettings(
    alliance_slope=6.0,
    tau_country=0.0,
    tau_country_slope=0.0,
    residual_sd=8.0,
    process=Process(extra_sessions=(0.5,) * 3),
)
# As little prior as the test of bias needs: the prior sets would draw a slope of 6 towards their own.
PRIORS = {"set": "weak", "alliance": "Normal(0, 50)"}
FORMULA = "who5_followup ~ alliance + who5_baseline"


def truth(settings: SimulationSettings = SETTINGS, *, n: int = 100_000) -> float:
    """Slope on true alliance that the model's regression has in a very large cohort."""
    cohort = ab.simulate_cohort(n, seed=99, settings=settings)
    kept = cohort.data["who5_followup"].notna().to_numpy()
    true = cohort.latent["alliance"].to_numpy()
    x = np.column_stack([np.ones(n), true, cohort.data["who5_baseline"]])[kept]
    return float(np.linalg.lstsq(x, cohort.data["who5_followup"].to_numpy()[kept], rcond=None)[0][1])


def fit_one(seed: int, settings: SimulationSettings = SETTINGS, *, n: int = N, trait: str = "stretched") -> LatentFit:
    cohort = ab.simulate_cohort(n, seed=1000 + seed, settings=settings)
    return fit_latent(
        cohort,
        sessions=cohort.tables["sessions"],
        formula=FORMULA,
        priors=PRIORS,
        trait=trait,
        n_nodes=3,
        draws=300,
        tune=300,
        seed=seed,
        progress=False,
    )


def recover(
    cohorts: int = COHORTS, settings: SimulationSettings = SETTINGS, *, n: int = N, trait: str = "stretched"
) -> pd.DataFrame:
    """One row a cohort: mean, lower and upper of both slopes, the reliability, and whether the intervals cover."""
    slope = truth(settings)
    rows = []
    for seed in range(cohorts):
        started = time.perf_counter()
        fit = fit_one(seed, settings, n=n, trait=trait)
        effects = pd.DataFrame(fit.effects())
        row: dict[str, float] = {"cohort": seed, "truth": slope}
        for name in ("corrected", "naive"):
            own = effects.loc[f"{name}_slope/alliance/sample"]
            row |= {name: own["mean"], f"{name}_lower": own["lower"], f"{name}_upper": own["upper"]}
            row[f"{name}_covers"] = own["lower"] <= slope <= own["upper"]
        row["reliability"] = effects.loc["reliability/alliance/sample", "mean"]
        row["ess"] = effects.loc["corrected_slope/alliance/sample", "ess_bulk"]
        row["divergences"] = fit.info["divergences"]
        row["seconds"] = time.perf_counter() - started
        rows.append(row)
    return pd.DataFrame(rows)


def summary(table: pd.DataFrame, name: str) -> dict[str, float]:
    """Mean error, its standard error over cohorts, and the intervals that hold the truth."""
    error = table[name] - table["truth"]
    return {
        "error": float(error.mean()),
        "se": float(error.std(ddof=1) / np.sqrt(len(error))),
        "covers": float(table[f"{name}_covers"].sum()),
    }


def main() -> None:
    warnings.simplefilter("ignore")
    cohorts = int(sys.argv[1]) if len(sys.argv) > 1 else COHORTS
    traits = sys.argv[2:] or ["stretched"]
    symmetric = SimulationSettings(
        alliance_slope=6.0,
        tau_country=0.0,
        tau_country_slope=0.0,
        residual_sd=8.0,
        process=Process(extra_sessions=(0.5,) * 3, rating_ceiling_stretch=1.0, rating_person_sd=1.5),
    )
    for trait in traits:
        for what, settings in (("stretched persons", SETTINGS), ("normal persons", symmetric)):
            table = recover(cohorts, settings, trait=trait)
            print(f"\n{what}, model with trait={trait!r}, {N} people a cohort")
            print(table.round(2).to_string(index=False))
            for name in ("corrected", "naive"):
                found = summary(table, name)
                print(
                    f"{name:>9}: mean error {found['error']:+.2f} (SE {found['se']:.2f}), "
                    f"{found['covers']:.0f} of {len(table)} intervals hold {table['truth'][0]:.2f}"
                )


if __name__ == "__main__":
    main()
