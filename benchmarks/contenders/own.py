"""alliance_bayes with the engine that the specification names."""

from __future__ import annotations

from typing import Any

import measure

import alliance_bayes as ab

SPEC = measure.specification()


def prepare(table: str) -> ab.Cohort:
    return ab.read_cohort(table)


def fit(cohort: ab.Cohort) -> measure.Fitted:
    model = ab.Model(SPEC["formula"], family="gaussian", priors="literature")
    fitted = model.fit(
        cohort, engine=SPEC["engine"], chains=SPEC["chains"], draws=SPEC["draws"], seed=SPEC["seed"], progress=False
    )
    return {str(name): values.values for name, values in fitted.posterior.items()}, described(fitted)


def described(fitted: ab.Fit) -> dict[str, Any]:
    slope = fitted.posterior["beta"].sel(term="alliance").values
    extra: dict[str, Any] = {"slope": float(slope.mean()), "slope_sd": float(slope.std(ddof=1))}
    if "diverging" in fitted.sample_stats:
        extra["divergences"] = int(fitted.sample_stats["diverging"].sum())
    extra |= {f"{name}_seconds": fitted.seconds[name] for name in ("compile", "sample") if name in fitted.seconds}
    # Where the collapsed engine's proposal was poor it says so, and who sampled instead.
    extra["remarks"] = [fitted.info["fallback"]] if "fallback" in fitted.info else []
    if SPEC.get("effects"):
        # Computed once, after the last fit: the table of reported quantities is not part of fitting.
        extra["ess_reported"] = lambda: float(fitted.effects()["ess_bulk"].min())
    return extra


if __name__ == "__main__":
    measure.compete(prepare, fit, ("alliance_bayes", "numpy", "numba", "pymc", "nutpie"))
