"""A partially nested trial: the patients of one arm have therapists, those of the other (self-help, waiting) have none.

Outcomes of one therapist's patients are alike, which counts for how sure a difference between the arms is. In the
control arm there is nothing of the kind, so the effects of therapists are pooled over the patients who have one:
``(0 + treated | therapist)``, with ``treated`` 1 for them and 0 for the others, whose cells of ``therapist`` are empty.
The trial is simulated, so that the truth is known: patients who are treated end 4 points lower.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

import alliance_bayes as ab

rng = np.random.default_rng(20)
n, therapists = 240, 12
treated = np.arange(n) % 2
number = rng.integers(therapists, size=n)
baseline = np.clip(np.round(rng.normal(16, 4, n)), 5, 27)
of_therapist = rng.normal(0, 2, therapists)[number]
after = 11 + 0.5 * (baseline - 16) - 4 * treated + of_therapist * treated + rng.normal(0, 4, n)
trial = pd.DataFrame(
    {
        "phq9_followup": np.clip(np.round(after), 0, 27),
        "phq9_baseline": baseline,
        "treated": treated,
        "therapist": np.where(treated == 1, np.char.add("T", number.astype(str)), None),
    }
)

model = ab.Model(
    "phq9_followup ~ treated + phq9_baseline + (0 + treated | therapist)",
    focal="treated",
    roles={"therapist": "provider"},
)
fit = model.fit(trial, seed=3)
print(fit)
print(f"\n{fit.coefficients()[['estimand', 'term', 'factor', 'mean', 'lower', 'upper']].to_string(index=False)}")

# Over all therapists that there could be, and over the twelve of this trial alone, who are known better.
slopes = fit.slopes()
both = slopes.loc[slopes["estimand"].isin(["slope", "slope_in_sample"])]
print(f"\n{both[['population', 'mean', 'lower', 'upper']].to_string(index=False)}")

# Without the therapists the same difference looks surer than it is.
alone = ab.Model("phq9_followup ~ treated + phq9_baseline", focal="treated").fit(trial, seed=3)
with_therapists, without = (float(one.slopes()["sd"].iloc[0]) for one in (fit, alone))
print(f"\nSD of the difference: {with_therapists:.2f} with therapists, {without:.2f} as if they were all the same")

fit.report("therapists_in_one_arm.html")
