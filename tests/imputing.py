"""A made table in which values are missing at random, its joint density as a PyMC graph, and how sets are compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from alliance_bayes import Fit
from alliance_bayes.imputation.impute import begin
from alliance_bayes.imputation.linked import Gaps
from alliance_bayes.imputation.regressions import COEFFICIENT_SD, VARIANCE_PRIOR

Record = Callable[[str, object], None]
#: Of the intervals whose coverage is counted.
PROB = 0.89
FORMULA = "y ~ x*z + I(x**2) + w"


def table(seed: int = 5, n: int = 120, *, complete: bool = False) -> pd.DataFrame:
    """A number, an indicator and the outcome with gaps that depend on an auxiliary column, or the table before them."""
    rng = np.random.default_rng(seed)
    w = rng.normal(0, 1, n)
    x, z = 0.5 * w + rng.normal(0, 1, n), rng.binomial(1, 0.5, n).astype(float)
    y = 1 + 2 * x + 1.5 * x * z - 0.7 * z + 0.8 * w + rng.normal(0, 1.5, n)
    aux = 0.6 * y + rng.normal(0, 1, n)
    out = pd.DataFrame({"participant_id": [f"p{k}" for k in range(n)], "y": y, "x": x, "z": z, "w": w, "aux": aux})
    if complete:
        return out
    out.loc[rng.random(n) < 1 / (1 + np.exp(1 - 0.6 * aux)), "x"] = np.nan
    out.loc[rng.random(n) < 0.2, "z"] = np.nan
    out.loc[rng.random(n) < 0.2, "y"] = np.nan
    return out


def graph(fit: Fit, data: pd.DataFrame) -> Any:
    """The joint density of the table and the parameters, with the missing indicator summed out row by row."""
    import pymc as pm
    import pytensor.tensor as pt

    design, priors = fit.design, fit.priors
    _, columns, _ = begin(fit.spec, Gaps.of(data), seed=0)
    gaps = {name: np.flatnonzero(data[name].isna()) for name in ("x", "y")}
    seen = {name: columns[name].standard(data[name].to_numpy(float)) for name in ("x", "y", "w", "aux")}
    raw, centre, n = data["w"].to_numpy(float), dict(design.centres), len(data)
    square = next(name for name in centre if "**" in name)

    with pm.Model() as model:

        def whole(name: str) -> Any:
            """What was seen, and a free value in place of each gap: all of its density is in the likelihood below."""
            free = pm.Flat(f"{name}_missing", size=len(gaps[name]), initval=np.zeros(len(gaps[name])))
            return pt.set_subtensor(pt.as_tensor(np.nan_to_num(seen[name]))[gaps[name]], free)

        x, y = whole("x"), whole("y")
        coefficients = {
            name: pm.Normal(f"beta[{name}]", priors[name].prior.arguments["mu"], priors[name].prior.arguments["sigma"])
            for name in design.terms
        }
        sigma = pm.HalfNormal("sigma", priors["sigma"].prior.arguments["sigma"])
        b_z = pm.Normal("b_z", 0, COEFFICIENT_SD, size=2)
        b_x, v_x = pm.Normal("b_x", 0, COEFFICIENT_SD, size=3), pm.InverseGamma("v_x", *VARIANCE_PRIOR)
        b_aux, v_aux = pm.Normal("b_aux", 0, COEFFICIENT_SD, size=5), pm.InverseGamma("v_aux", *VARIANCE_PRIOR)
        x_natural, y_natural = (columns[name].natural(value) for name, value in (("x", x), ("y", y)))

        def given(z: float) -> Any:
            """Log density of every row, were the indicator z."""
            standard = float(columns["z"].standard(np.array([z]))[0])
            x_c, z_c = x_natural - centre["x"], z - centre["z"]
            value = {"Intercept": 1.0, "x": x_c, "z": z_c, "x:z": x_c * z_c, "w": raw - centre["w"]}
            value[square] = x_natural**2 - centre[square]
            eta = sum(value[name] * beta for name, beta in coefficients.items())
            # The fewest gaps first: the indicator given w, then x given w and the indicator.
            probability = pm.math.invprobit(b_z[0] + b_z[1] * seen["w"])
            total = pm.logp(pm.Bernoulli.dist(p=probability), np.full(n, int(z)))
            total += pm.logp(pm.Normal.dist(b_x[0] + b_x[1] * seen["w"] + b_x[2] * standard, pt.sqrt(v_x)), x)
            total += pm.logp(pm.Normal.dist(eta, sigma), y_natural)
            mean = b_aux[0] + b_aux[1] * x + b_aux[2] * standard + b_aux[3] * seen["w"] + b_aux[4] * y
            return total + pm.logp(pm.Normal.dist(mean, pt.sqrt(v_aux)), seen["aux"])

        known = data["z"].to_numpy(float)
        zero, one = given(0.0), given(1.0)
        rows = pt.where(np.isnan(known), pt.logaddexp(zero, one), pt.where(np.nan_to_num(known) == 1, one, zero))
        pm.Potential("rows", rows.sum())
    return model


def paired(
    record: Record, names: Sequence[str], means: Mapping[str, list[np.ndarray]], covered: list[np.ndarray]
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Shifts of each set's means from those of its complete data, these means' SDs, and coverage; all are recorded."""
    complete = np.array(means["complete"])
    shifts = {name: np.array(own) - complete for name, own in means.items() if name != "complete"}
    spread, coverage = complete.std(axis=0, ddof=1), np.mean(covered, axis=0)
    record("seeds", f"0 to {len(complete) - 1}")
    for name, own in shifts.items():
        said = ", ".join(f"{value:+.2f}" for value in own.mean(axis=0) / spread)
        record(f"mean shift, {name} rows, in SDs of complete-data estimates ({', '.join(names)})", said)
    record(f"coverage of the {PROB:.0%} intervals", ", ".join(f"{value:.3f}" for value in coverage))
    return shifts, spread, coverage
