"""The collapsed engine and lmer on one table."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median

import pandas as pd

from harness import tables, tasks
from harness.contender import PATIENCE, Record, SkippedError, python, rscript


def both(
    rows: pd.DataFrame,
    warm: pd.DataFrame,
    *,
    formula: str,
    repeats: int,
    lmer_repeats: int | None,
    patience: float = PATIENCE,
) -> tuple[Record, Record, list[str]]:
    """Fit one table with both.

    Parameters
    ----------
    rows, warm
        The table, and another to warm up on.
    formula
        The model's.
    repeats
        Fits of ours that are counted.
    lmer_repeats
        Fits of lmer's that are counted, after a first one; 0 counts that first one, None leaves lmer out.
    patience
        Seconds after which lmer is stopped.

    Returns
    -------
    ours, lmer : dict
        What was measured; empty where it could not run.
    left_out : list of str
        Who could not run, and why.
    """
    left_out = []
    with tempfile.TemporaryDirectory() as name:
        table, centred = tasks.write_table(rows, Path(name), "rows")
        other, _ = tasks.write_table(warm, Path(name), "warm_up")
        ours: Record = {}
        lmer: Record = {}
        try:
            ours = python("own.py", tasks.ours(table, warm=other, repeats=repeats) | {"formula": formula})
        except SkippedError as reason:
            left_out.append(f"collapsed: {reason}.")
        if lmer_repeats is not None:
            try:
                lmer = fit_lmer(centred, formula, repeats=lmer_repeats, patience=patience)
            except SkippedError as reason:
                left_out.append(f"lme4::lmer, {len(rows):,} rows: {reason}.")
    return ours, lmer, left_out


def fit_lmer(
    centred: Path, formula: str, *, repeats: int, patience: float = PATIENCE, derivatives: bool = False
) -> Record:
    """Fit a table with lmer: once more than ``repeats``, and where that is 0 the only fit counts."""
    calc_derivs = "TRUE" if derivatives else "FALSE"
    record = rscript("lmer.R", [centred, formula, repeats, calc_derivs], package="lme4", patience=patience)
    return record | {
        "seconds": record["seconds"] or [record["cold_seconds"]],
        "slope": record["estimate"]["alliance"],
        "slope_sd": record["se"]["alliance"],
    }


def compared(ours: Record, lmer: Record) -> tables.Row:
    """Their columns of a table: times, their ratio, memory, and the estimates that show that both fit one model."""
    ratio = tables.ratio(median(lmer["seconds"]), median(ours["seconds"])) if ours and lmer else tables.NONE
    return {
        "collapsed": tables.timing(ours["seconds"]) if ours else tables.NONE,
        "least ESS": tables.count(ours.get("ess")),
        "lme4::lmer": tables.timing(lmer["seconds"]) if lmer else tables.NONE,
        "lmer / collapsed": ratio,
        "peak memory": " / ".join(tables.megabytes(part.get("peak_mb")) for part in (ours, lmer)),
        "alliance slope": " / ".join(tables.estimate(part) for part in (ours, lmer)),
        "remark": _remark(ours, lmer),
    }


def _remark(ours: Record, lmer: Record) -> str:
    singular = ["lmer's fit is singular"] if lmer.get("singular") else []
    said = [f"collapsed: {remark}" for remark in ours.get("remarks", [])]
    return "; ".join([*said, *singular, *(f"lmer: {remark}" for remark in lmer.get("remarks", []))]) or tables.NONE
