"""Every published number beside its posterior, on simulated cohorts calibrated to the published figures.

The individual data of the study are not public: nothing here reproduces them. What is shown is how well the
simulator, and the models fitted to what it makes, agree with print: first for one cohort, number by number, then over
several, where the published value falls among the posteriors. Run it with ``python examples/06_against_print.py
[SEEDS]`` (20 by default); it writes ``against_print.csv`` to the current folder.
"""

from __future__ import annotations

import sys

import pandas as pd

import alliance_bayes as ab
from alliance_bayes.study import beside_print

seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 20

tables = {seed: beside_print(ab.simulate_cohort(n=3087, seed=seed), seed=seed) for seed in range(1, seeds + 1)}

first = tables[1]
shown = ["figure", "mean", "lower", "upper", "published", "published_lower", "published_upper", "status", "inside"]
print("One simulated cohort of 3,087 (seed 1): posterior mean and 95% equal-tailed interval, and what was printed\n")
print(first[shown].to_string(index=False, na_rep="", float_format=lambda value: f"{value:.3f}"))

stacked = pd.concat([table.assign(seed=seed) for seed, table in tables.items()], ignore_index=True)
over = stacked.groupby("figure", sort=False).agg(
    published=("published", "first"),
    posterior_mean=("mean", "mean"),
    between_cohorts_sd=("mean", "std"),
    inside=("inside", "mean"),
)
# How far print lies from the average cohort, in SDs between cohorts: a simulator that agrees is within about two.
over["distance"] = (over["published"] - over["posterior_mean"]) / over["between_cohorts_sd"]
print(f"\nOver {seeds} cohorts: share of posteriors whose interval holds the published value, and its distance\n")
print(over.to_string(na_rep="", float_format=lambda value: f"{value:.3f}"))

apart = over[over["inside"] < 0.5].index
print(f"\nPrint and simulator disagree on: {', '.join(apart) if len(apart) else 'nothing'}.")
print("Why, is told by help(alliance_bayes.simulate_cohort): the published figures do not all agree with each other.")

stacked.to_csv("against_print.csv", index=False)
print("against_print.csv written")
