"""alliance_bayes on many rows: Parquet files reduced to moments, and the model fitted to those."""

from __future__ import annotations

import time

import measure

import alliance_bayes as ab
from alliance_bayes.moments import reduce_table

SPEC = measure.specification()


def main() -> None:
    model = ab.Model(SPEC["formula"], family="gaussian", priors="literature")
    start = measure.peak_mb()
    reducing, fitting = [], []
    for _ in range(SPEC["repeats"]):
        began = time.perf_counter()
        moments = reduce_table(SPEC["files"], model)
        reducing.append(time.perf_counter() - began)
    peak = measure.peak_mb()

    settings = {"chains": SPEC["chains"], "draws": SPEC["draws"], "progress": False}
    # The first fit of a process loads compiled code; it is not counted.
    model.fit(moments, seed=SPEC["seed"] + 1, **settings)
    for repeat in range(SPEC["fits"]):
        began = time.perf_counter()
        fitted = model.fit(moments, seed=SPEC["seed"] + repeat, **settings)
        fitting.append(time.perf_counter() - began)
    slope = fitted.posterior["beta"].sel(term="alliance").values
    measure.answer(
        {
            "reduce_seconds": reducing,
            "seconds": fitting,
            "start_mb": start,
            "peak_mb": peak,
            "ess": measure.smallest_ess({str(name): v.values for name, v in fitted.posterior.items()}),
            "remarks": [fitted.info["fallback"]] if "fallback" in fitted.info else [],
            "slope": float(slope.mean()),
            "slope_sd": float(slope.std(ddof=1)),
            "versions": measure.versions_of(("alliance_bayes", "duckdb", "ibis-framework", "numpy", "numba")),
        }
    )


if __name__ == "__main__":
    main()
