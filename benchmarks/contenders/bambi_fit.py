"""bambi with the same formula and, as far as it can say them, the same priors; sampled by nutpie.

Its group effects are all drawn from a Normal, while the package's provider types and sexes sum to zero, so the two
posteriors are near each other but not the same.
"""

from __future__ import annotations

import bambi as bmb
import measure
import pandas as pd

SPEC = measure.specification()
NUMERIC = ("alliance", "who5_baseline", "age", "days_in_care")
FACTORS = ("provider_type", "sex", "country")


def prepare(table: str) -> pd.DataFrame:
    rows = pd.read_parquet(table)
    rows[list(NUMERIC)] -= rows[list(NUMERIC)].mean()
    return rows


def fit(rows: pd.DataFrame) -> measure.Fitted:
    def group(scale: float) -> bmb.Prior:
        return bmb.Prior("Normal", mu=0, sigma=bmb.Prior("HalfNormal", sigma=scale))

    # Effects in || of bambi's formulas are independent by default: (x | g) is written for both.
    formula = "who5_followup ~ alliance + who5_baseline + age + days_in_care" + "".join(
        f" + (alliance | {factor})" for factor in FACTORS
    )
    priors = {
        "Intercept": bmb.Prior("Normal", mu=50, sigma=25),
        "alliance": bmb.Prior("Normal", mu=0.15 * 19 / 0.7, sigma=0.10 * 19 / 0.7),
        "who5_baseline": bmb.Prior("Normal", mu=0, sigma=1),
        "age": bmb.Prior("Normal", mu=0, sigma=1),
        "days_in_care": bmb.Prior("Normal", mu=0, sigma=0.5),
        "sigma": bmb.Prior("HalfNormal", sigma=25),
        **{f"1|{factor}": group(5) for factor in FACTORS},
        **{f"alliance|{factor}": group(2) for factor in FACTORS},
    }
    tree = bmb.Model(formula, rows, priors=priors).fit(
        draws=SPEC["draws"],
        tune=1000,
        chains=SPEC["chains"],
        cores=measure.cores(),
        random_seed=SPEC["seed"],
        inference_method="nutpie",
        progressbar=False,
        **({"target_accept": SPEC["target_accept"]} if SPEC.get("target_accept") else {}),
    )
    posterior = tree["posterior"]
    draws = {str(name): posterior[name].values for name in posterior.data_vars if posterior[name].ndim < 5}
    return draws, {
        "divergences": int(tree["sample_stats"]["diverging"].values.sum()),
        "slope": float(draws["alliance"].mean()),
        "slope_sd": float(draws["alliance"].std(ddof=1)),
    }


if __name__ == "__main__":
    measure.compete(prepare, fit, ("bambi", "formulae", "pymc", "nutpie"))
