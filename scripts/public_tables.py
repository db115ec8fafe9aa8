"""Tables that nobody here made: coefficients held to maximum likelihood, and whether a page comes of each.

    git clone https://github.com/vincentarelbundock/Rdatasets
    python scripts/public_tables.py Rdatasets/csv                   # a line a table, then a summary
    python scripts/public_tables.py Rdatasets/csv --pages --most 200

Of each table with 40 to 2,000 rows the last numeric column is explained by up to two others and a factor: a Gaussian
model, or where one of zero and one or of counts is there, a Bernoulli, Poisson or negative binomial one.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import alliance_bayes as ab
from alliance_bayes.checks import run_gate

# Bytes of a file, rows of a table, and how far columns may depend on each other: beyond it priors are felt.
SMALL, ROWS, CONDITION = 300_000, (40, 2_000), 10.0


def question(frame: pd.DataFrame, chosen: random.Random) -> tuple[str, str, list[str]] | None:
    """A family, an outcome and its predictors, numeric ones first."""
    numeric = [c for c in frame.columns[1:] if pd.api.types.is_numeric_dtype(frame[c])]
    varied = [c for c in numeric if frame[c].nunique() > 10 and frame[c].notna().mean() > 0.6]
    factors = [c for c in frame.columns[1:] if c not in numeric and 2 <= frame[c].nunique() <= 12]
    binary = [c for c in numeric if set(frame[c].dropna()) == {0, 1} and 10 < frame[c].sum() < len(frame) - 10]
    counts = [
        c for c in varied if pd.api.types.is_integer_dtype(frame[c]) and frame[c].min() == 0 < frame[c].max() <= 300
    ]
    kinds = {"gaussian": varied, "bernoulli": binary, "poisson": counts, "negative_binomial": counts}
    family = chosen.choice([name for name, columns in kinds.items() if columns] or ["gaussian"])
    outcome = (kinds[family] or [None])[-1]
    predictors = [c for c in varied if c != outcome][:2]
    return (family, outcome, predictors + factors[:1]) if outcome is not None and predictors else None


def maximum_likelihood(family: str, frame: pd.DataFrame, outcome: str) -> tuple[float, float, float]:
    """The first predictor's coefficient, its standard error, and the condition number of standardised columns."""
    columns = pd.get_dummies(frame.drop(columns=outcome), drop_first=True).astype(float)
    spread = columns.std()
    x = np.c_[np.ones(len(columns)), (columns - columns.mean()) / spread]
    y = frame[outcome].to_numpy(float)
    beta, condition = np.zeros(x.shape[1]), float(np.linalg.cond(x))
    if family == "gaussian":
        beta = np.linalg.lstsq(x, y, rcond=None)[0]
        information = x.T @ x * ((len(y) - len(beta)) / ((y - x @ beta) ** 2).sum())
    else:
        beta[0] = np.log(y.mean()) if family == "poisson" else 0.0
        for _ in range(100):
            expected = np.exp(x @ beta) if family == "poisson" else 1 / (1 + np.exp(-(x @ beta)))
            weight = expected if family == "poisson" else expected * (1 - expected)
            information = x.T @ (x * weight[:, None])
            beta = beta + np.clip(np.linalg.solve(information, x.T @ (y - expected)), -2, 2)
    error = float(np.sqrt(np.linalg.inv(information)[1, 1]))
    return float(beta[1] / spread.iloc[0]), error / float(spread.iloc[0]), condition


def looked_at(
    path: Path, frame: pd.DataFrame, family: str, outcome: str, predictors: list[str], page: Path | None
) -> dict[str, Any]:
    """What comes of one table."""
    formula = f"`{outcome}` ~ {' + '.join(f'`{name}`' for name in predictors)}"
    line: dict[str, Any] = {
        "table": f"{path.parent.name}/{path.name}",
        "family": family,
        "formula": formula,
        "n": len(frame),
    }
    began = time.process_time()
    try:
        fit = ab.Model(formula, family=family).fit(ab.read_cohort(path), seed=1)
        slope = fit.tree["posterior"]["beta"].isel(term=1)
        line["passed"] = run_gate(fit).gate.passed
        if page is not None:
            fit.report(page)
    except ab.AllianceBayesError as error:
        return line | {"refused": f"{type(error).__name__}: {str(error)[:200]}"}
    except Exception as error:
        return line | {"broken": f"{type(error).__name__}: {str(error)[:200]}"}
    line["seconds"] = round(time.process_time() - began, 1)
    complete = frame[[*predictors, outcome]].dropna()
    # What looks like a number may be an identifier to the package, with a coefficient a level.
    same = fit.design.terms[1].strip("`") == predictors[0]
    if same and family != "negative_binomial" and len(complete) > 3 * len(predictors) + 10:
        try:
            at, error, condition = maximum_likelihood(family, complete, outcome)
        except np.linalg.LinAlgError:  # columns that repeat each other, or outcomes that they separate
            return line
        line |= {"z": round((float(slope.mean()) - at) / error, 3), "sd_ratio": round(float(slope.std()) / error, 3)}
        line["condition"] = round(condition, 1)
    return line


def summary(lines: list[dict[str, Any]]) -> list[str]:
    """A table by family, in Markdown."""
    rows = ["| family | tables | refused | broken | gate closed | compared | median abs z | most | SD ratios |"]
    rows.append("|---|---|---|---|---|---|---|---|---|")
    for family in ("gaussian", "bernoulli", "poisson", "negative_binomial"):
        own = [line for line in lines if line["family"] == family]
        compared = [line for line in own if line.get("condition", np.inf) <= CONDITION]
        z, ratio = (np.array([line[key] for line in compared]) for key in ("z", "sd_ratio"))
        told = ["–"] * 3
        if compared:
            told = [f"{np.median(np.abs(z)):.3f}", f"{np.abs(z).max():.2f}", f"{ratio.min():.2f} to {ratio.max():.2f}"]
        counts = [sum(key in line for line in own) for key in ("refused", "broken")]
        closed = sum(not line.get("passed", True) for line in own)
        cells = [family, len(own), *counts, closed, len(compared), *told]
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return rows


def main() -> None:
    """Print a line a table, and the summary."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--most", type=int, default=600, help="tables that are looked at")
    parser.add_argument("--seed", type=int, default=1, help="of the order of tables and the choice of families")
    parser.add_argument("--pages", action="store_true", help="make a page of each")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    chosen = random.Random(options.seed)
    paths = sorted(options.folder.rglob("*.csv"))
    chosen.shuffle(paths)
    lines: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html" if options.pages else None
        for path in paths:
            if path.stat().st_size > SMALL or len(lines) == options.most:
                continue
            try:
                frame = pd.read_csv(path)
            except (pd.errors.ParserError, UnicodeDecodeError):
                continue
            asked = question(frame, chosen) if ROWS[0] <= len(frame) <= ROWS[1] else None
            if asked is not None:
                lines.append(looked_at(path, frame, *asked, page))
                print(json.dumps(lines[-1]), flush=True)
    print("\n".join(summary(lines)))


if __name__ == "__main__":
    main()
