"""Quickstart: from a cohort to effect sizes, checks and a report, in six steps.

The cohort is simulated: calibrated to the published figures of a study of video coaching and therapy, but nobody's
data. Run it with ``python examples/01_quickstart.py``; it writes ``quickstart.html`` and ``quickstart.json`` to the
current folder.
"""

from __future__ import annotations

import alliance_bayes as ab

cohort = ab.simulate_cohort(n=1200, seed=7)
print(cohort.flow)

model = ab.Model(
    "who5_followup ~ alliance + who5_baseline + age + (alliance || provider_type) + (alliance || sex)",
    priors="literature",
)
print(f"\n{model.priors}\n")

fit = model.fit(cohort, seed=7)

effects = fit.effects()
shown = ["estimand", "unit", "mean", "lower", "upper", "interval", "prob", "p_direction"]
print(effects.loc[effects["estimand"].str.startswith("slope") & effects["level"].isna(), shown].to_string(index=False))

checks = fit.check(effects=effects)
print(f"\n{checks}")

fit.report("quickstart.html", effects=effects, checks=checks)
print("\nquickstart.html written")
