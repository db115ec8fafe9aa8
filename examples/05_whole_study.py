"""The whole study in one call: ratings, change, association and moderation, with one page for all of it.

The cohort is simulated and has an in-person comparison group, so that the page also answers whether video and
in-person care are equivalent by a stated margin. Run it with ``python examples/05_whole_study.py``; it writes
``whole_study.html`` and ``whole_study.json`` to the current folder.
"""

from __future__ import annotations

import alliance_bayes as ab

cohort = ab.simulate_cohort(n=1500, seed=11, in_person_share=0.3)

study = ab.run_study(cohort, margin=2.0, seed=11, tell=print, progress=False)

for sentence in study.findings:
    print(f"* {sentence}")

# Every number of the page is a row of one table, and its draws are at hand.
table = study.table()
slopes = table[table["estimand"].isin(["slope", "difference_in_slope"])]
print(slopes[["part", "block", "level", "versus", "mean", "lower", "upper", "p_direction", "p_rope"]].to_string())

# How each model was sampled: rows, engine, effective sample size, R-hat.
print(study.models().drop(columns=["formula", "seconds", "ess_per_second"]).to_string(index=False))

study.report("whole_study.html")
print("\nwhole_study.html written")
