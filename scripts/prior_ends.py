"""Where default priors put outcomes before any are seen: the share at both ends of the scale, and expected counts.

python scripts/prior_ends.py            # the table of docs/models.md, with seed 3
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
import xarray as xr

from alliance_bayes.cohort import Flow
from alliance_bayes.engines import sample_prior
from alliance_bayes.fit import FittedModel
from alliance_bayes.model import ModelSpec

ROWS, DRAWS = 300, 1000
PREDICTORS = [f"x{k}" for k in range(1, 13)]
MODELS = {
    "1 predictor": "x1",
    "5": " + ".join(PREDICTORS[:5]),
    "12": " + ".join(PREDICTORS),
    "12, 2 factors": " + ".join([*PREDICTORS, "arm", "site"]),
    "products": "arm * x1 + site * x2",
    "persons": "x1 + arm + (1 | pid)",
}
# Outcomes of each level alike, so that nothing but the priors favours an end.
OUTCOMES = {
    "WHO-5, `cumulative`": ("cumulative", "who5", 26, 4, None),
    "PHQ-9, `cumulative`": ("cumulative", "phq9", 28, 1, None),
    "item of 0 to 3, `cumulative`": ("cumulative", "item", 4, 1, None),
    "WHO-5, `beta_binomial`": ("beta_binomial", "who5", 26, 4, None),
    "5 trials, `binomial`": ("binomial", "kept", 6, 1, 5.0),
    "10 trials": ("binomial", "kept", 11, 1, 10.0),
    "20 trials": ("binomial", "kept", 21, 1, 20.0),
    "`bernoulli`, probability below .05 or above .95": ("bernoulli", "kept", 2, 1, None),
    "`poisson`, expected counts (5 % to 95 %)": ("poisson", "kept", 6, 1, None),
}


def table(seed: int) -> pd.DataFrame:
    """The predictors."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({name: rng.normal(10.0 * k, 1.0 + k, ROWS) for k, name in enumerate(PREDICTORS)})
    for name, levels in {"arm": "ab", "site": "pqrs"}.items():
        frame[name] = pd.Categorical(rng.permutation(np.resize(list(levels), ROWS)))
    frame["pid"] = pd.Categorical([f"p{row // 4}" for row in range(ROWS)])
    return frame


def implied(frame: pd.DataFrame, family: str, outcome: str, right: str, seed: int) -> str:
    """What the priors of one model imply."""
    roles = {"pid": "person"} if "pid" in right else {}
    trials = "trials" if family == "binomial" else None
    spec = ModelSpec(f"{outcome} ~ {right}", family=family, trials=trials, roles=roles)
    design = spec.design(frame)
    priors = spec.priors_for(design)
    draws = xr.DataTree.from_dict({"posterior": sample_prior(design, priors, draws=DRAWS, seed=seed)})
    fit = FittedModel(spec, design, priors, draws, Flow(ROWS), {})
    eta, own = fit.linear_predictor(), fit.parameters_at()
    expected = design.family.expectation(eta, own, design.outcome)
    if family == "poisson":
        low, high = np.quantile(expected, [0.05, 0.95])
        return f"{low:.2g} to {high:.2g}"
    if family == "bernoulli":
        return f"{100 * (np.abs(expected - 0.5) > 0.45).mean():.0f} %"
    values = design.family.simulate(eta, own, design.outcome, np.random.default_rng(seed))
    ends = design.family.ends(design.outcome)
    return f"{100 * np.isin(values, ends).mean():.0f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=3)
    seed = parser.parse_args().seed
    frame = table(seed)
    print("| outcome | even |", " | ".join(MODELS), "|")
    print("|---|---|" + "---|" * len(MODELS))
    for label, (family, outcome, levels, step, trials) in OUTCOMES.items():
        values = np.arange(ROWS) % levels * float(step)
        rows = frame.assign(**{outcome: values}, trials=np.nan if trials is None else trials)
        even = {"bernoulli": "10 %", "poisson": ""}.get(family, f"{200 / levels:.0f} %")
        found = [implied(rows, family, outcome, right, seed) for right in MODELS.values()]
        print(f"| {label} | {even} |", " | ".join(found), "|")


if __name__ == "__main__":
    main()
