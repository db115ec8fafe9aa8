"""How each model of a study was sampled."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from alliance_bayes.checks import run_gate
from alliance_bayes.checks.convergence import JUDGED
from alliance_bayes.latent import LatentFit
from alliance_bayes.study.bench import Fitted
from alliance_bayes.study.tables import analysed

__all__ = ["model_table"]


def model_table(fitted: Mapping[str, Fitted]) -> pd.DataFrame:
    """One row a model; see :meth:`alliance_bayes.study.Study.models`."""
    return pd.DataFrame([_row(made) for made in fitted.values()])


def _row(made: Fitted) -> dict[str, object]:
    fit = made.fit
    if isinstance(fit, LatentFit):
        report = fit.check()
        family, engine = "graded response, gaussian", str(fit.info["engine"])
    else:
        report = run_gate(fit)
        family, engine = fit.spec.family, str(fit.info["engine"]) + (" (nuts)" if "fallback" in fit.info else "")
    # R-hat and effective sample sizes of what varies.
    details = report.results[0].details
    judged = details[details["status"].isin(JUDGED)]
    ess = float(np.nanmin(judged["ess_bulk"])) if len(judged) else float("nan")
    statistics = fit.sample_stats
    return {
        "model": made.name,
        "formula": made.spec.formula,
        "family": family,
        "people": analysed(made),
        "engine": engine,
        "seconds": made.seconds,
        "divergences": int(statistics["diverging"].sum()) if "diverging" in statistics else 0,
        "ess_bulk": ess,
        "ess_per_second": ess / made.seconds if made.seconds > 0 else float("nan"),
        "rhat": float(np.nanmax(judged["rhat"])) if len(judged) else float("nan"),
        "reused": made.reused,
    }
