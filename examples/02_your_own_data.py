"""Your own data: three tables, joined and scored, then a model from a card and a fit that is kept.

The tables in ``examples/data`` were made by the package's simulator. Put your own in their place: one row a
participant, one row a session, one row a survey. ``read_tables`` scores the WHO-5 from its items and averages the
alliance ratings over sessions.
"""

from __future__ import annotations

from pathlib import Path

import alliance_bayes as ab

HERE = Path(__file__).resolve().parent

cohort = ab.read_tables(
    HERE / "data" / "participants.csv",
    HERE / "data" / "sessions.csv",
    HERE / "data" / "surveys.csv",
    levels={"provider_type": ["coach", "therapist", "both"], "sex": ["female", "male"]},
)
print(cohort.flow)

# A broken table is refused before anything is computed; every problem is listed with column, row, value and remedy.
wrong = cohort.data.assign(who5_followup=cohort.data["who5_followup"].replace(48.0, 49.0))
try:
    ab.read_cohort(wrong)
except ab.DataError as error:
    print(f"\n{len(error.problems)} problems in a table with impossible scores; the first: {error.problems[0]}")

model = ab.load_model(HERE.parent / "models" / "change.toml")
fit = model.fit(cohort, seed=11)
print(f"\n{fit}")

means = fit.adjusted_means("provider_type")
print("\nExpected change in WHO-5 points, everybody set to one provider type:")
print(means[["level", "mean", "lower", "upper", "interval", "prob"]].to_string(index=False))

fit.save("change.nc")
again = ab.load_fit("change.nc")
assert (again.predict().values == fit.predict().values).all()
print("\nchange.nc keeps the fit: the same predictions come back")
