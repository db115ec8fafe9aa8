"""The model that everything here fits, and the tables it is fitted to."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

NUMERIC = ("alliance", "who5_baseline", "age", "days_in_care")
FORMULA = (
    "who5_followup ~ alliance + who5_baseline + age + days_in_care"
    " + (alliance || provider_type) + (alliance || sex) + (alliance || country)"
)
WITH_PROVIDERS = FORMULA + " + (alliance || provider_id)"
CHAINS, DRAWS, SEED = 4, 1000, 7


def write_table(rows: pd.DataFrame, folder: Path, name: str) -> tuple[Path, Path]:
    """Write the rows for Python as they are (Parquet), and for R with centred numeric columns (CSV)."""
    whole, centred = folder / f"{name}.parquet", folder / f"{name}.csv"
    rows.to_parquet(whole, index=False)
    rows.assign(**{column: rows[column] - rows[column].mean() for column in NUMERIC}).to_csv(centred, index=False)
    return whole, centred


def ours(table: Path, *, engine: str = "collapsed", warm: Path | None = None, repeats: int = 1, **more: object) -> dict:
    """What one of the package's engines is asked to do."""
    return {
        "table": str(table),
        "warm_table": None if warm is None else str(warm),
        "repeats": repeats,
        "engine": engine,
        "formula": FORMULA,
        "chains": CHAINS,
        "draws": DRAWS,
        "seed": SEED,
        **more,
    }
