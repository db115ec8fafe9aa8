"""Two sites, one analysis, and no row leaves a site.

Each site reduces its own table to moments: counts, means and cross-products by cell. The moments add up, and a Gaussian
model fitted to their sum has the very posterior that the rows together would give. Needs the extra
``alliance_bayes[sql]``; writes two tables and two files of moments to the current folder.
"""

from __future__ import annotations

import time

import numpy as np

import alliance_bayes as ab

# What the sites agree on beforehand: where columns are centred, and the order of levels (a table does not tell it).
model = ab.Model(
    "who5_followup ~ alliance + who5_baseline + age + (alliance || provider_type) + (alliance || country)",
    priors="literature",
    centre={"alliance": 4.5, "who5_baseline": 41, "age": 36},
    levels={"provider_type": ("coach", "therapist", "both")},
)

whole = ab.simulate_cohort(n=3000, seed=11)
sites = {"north": whole.data.iloc[:1800], "south": whole.data.iloc[1800:]}
for name, rows in sites.items():
    rows.to_parquet(f"{name}.parquet")
    moments = ab.reduce_table(f"{name}.parquet", model)
    ab.save_moments(moments, f"{name}.nc", spec=model)
    print(f"{name}: {moments.n:,.0f} complete rows in {moments.n_cells} cells")

together = ab.load_moments("north.nc") + ab.load_moments("south.nc")
started = time.perf_counter()
fit = model.fit(together, seed=3)
print(f"\n{fit}\nfitted in {time.perf_counter() - started:.2f} s by {fit.info['sampler']}")

# The rows themselves, which only this example has in one place.
check = model.fit(whole, seed=3)
gap = np.abs(fit.posterior["beta"] - check.posterior["beta"]).max() / check.posterior["beta"].std()
print(f"largest difference from the fit to the rows, in posterior SDs: {float(gap.max()):.1e}")

effects = fit.effects()
shown = ["estimand", "unit", "mean", "lower", "upper", "interval", "prob", "p_direction"]
print(effects.loc[effects["estimand"].str.startswith("slope") & effects["level"].isna(), shown].to_string(index=False))
print(f"\n{fit.check(effects=effects)}")
