"""Missing values drawn with the parameters, beside smcfcs and jomo on tables that their packages hold.

``python benchmarks/imputed.py`` prints the table. The posteriors need not be the same: theirs pool estimates of
completed tables by Rubin's rules, without priors, and jomo's values are of a joint normal distribution.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from harness import tables
from harness.contender import SkippedError, rscript
from harness.section import Section, announce

import alliance_bayes as ab

#: Table -> who imputes it elsewhere, formula, columns of the table, and what else the model is told.
MODELS: Mapping[str, tuple[str, str, list[str], dict[str, Any]]] = {
    "quadratic": ("smcfcs", "y ~ z + x + I(x**2)", ["y", "z", "x"], {}),
    "schools": (
        "jomo",
        "ReadAchiev ~ SES + ReadDis + CognAbility + (1 | ID)",
        ["ID", "MathAchiev", "SES", "ReadAchiev", "ReadDis", "CognAbility"],
        {"auxiliary": ["MathAchiev"], "roles": {"ID": "group"}},
    ),
    "children": (
        "smcfcs",
        "ppvt ~ first_born + married + log_income + age + education + race",
        ["ppvt", "first_born", "married", "log_income", "age", "education", "race"],
        {"autoscale": True},
    ),
}
SEED = 1


def measure() -> Section:
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        announce("smcfcs and jomo")
        try:
            theirs = rscript("imputed.R", [folder], package="smcfcs")
        except SkippedError as reason:
            return Section("Missing values", __doc__ or "", [], [f"{reason}."])
        for name, (peer, formula, columns, told) in MODELS.items():
            announce(formula)
            table = pd.read_csv(Path(folder) / f"{name}.csv")[columns]
            cohort = ab.read_cohort(table, categorical=[name for name in ("ID", "married", "race") if name in table])
            fit = ab.Model(formula, missing="impute", **told).fit(cohort, seed=SEED, progress=False)
            found = fit.effects(["coefficients"])
            for place, term in enumerate(fit.design.terms):
                row = found.loc[f"coefficient/{term}"]
                estimate, se, fmi = (theirs[name][key][place] for key in ("estimate", "se", "fmi"))
                rows.append(
                    {
                        "table": name,
                        "coefficient": f"`{term}`",
                        "ours": f"{row['mean']:.4g} ({row['sd']:.3g}), {row['fmi']:.2f}",
                        "theirs": f"{peer}: {estimate:.4g} ({se:.3g}), {fmi:.2f}",
                        "difference / SE": f"{(row['mean'] - estimate) / se:+.2f}",
                    }
                )
    return Section("Missing values", _EXPLAINED, [tables.markdown(rows)], versions=theirs["versions"])


_EXPLAINED = """\
Estimate (standard error), fraction of missing information, of tables with gaps: posterior mean and SD here, 100
imputations pooled by Rubin's rules there. Quadratic: smcfcs's `ex_linquad`. Schools: mitml's `studentratings`.
Children: mi's `nlsyV`."""


if __name__ == "__main__":
    sys.stdout.write(measure().text())
