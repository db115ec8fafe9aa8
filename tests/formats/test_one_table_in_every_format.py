"""One table in every format is one cohort: the same values, levels and fingerprint, and the same fit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest

from alliance_bayes import Model, read_cohort
from alliance_bayes.cohort import Cohort
from workbooks import write_workbook

N = 60
LEVELS = {"country": ["Germany", "Ireland", "Zambia"], "sex": ["male", "female"]}
CODES = {"country": {1.0: "Germany", 2.0: "Ireland", 3.0: "Zambia"}, "sex": {1.0: "male", 2.0: "female"}}
DATES = ("visited",)


def table() -> pd.DataFrame:
    """Numbers, levels, text, dates, and cells that are missing."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        {
            "participant_id": [f"{k:03d}" for k in range(N)],
            "age": rng.integers(18, 80, N).astype(float),
            "alliance": np.round(rng.uniform(1, 5, N), 2),
            "who5_baseline": 4.0 * rng.integers(0, 26, N),
            "who5_followup": 4.0 * rng.integers(0, 26, N),
            "country": rng.choice(LEVELS["country"], N),
            "sex": rng.choice(LEVELS["sex"], N),
            "clinic": rng.choice(["Köln", "Łódź", "x y"], N),
            "visited": [dt.date(2024, 1, 1) + dt.timedelta(days=int(k)) for k in rng.integers(0, 300, N)],
        }
    )
    for name in ("age", "alliance", "country", "visited"):
        frame[name] = frame[name].astype(object)
        frame.loc[rng.choice(N, 4, replace=False), name] = None
    frame["age"], frame["alliance"] = frame["age"].astype(float), frame["alliance"].astype(float)
    return frame


def coded(frame: pd.DataFrame) -> pd.DataFrame:
    """Levels as codes, as SPSS and Stata keep them."""
    codes = {name: {label: code for code, label in pairs.items()} for name, pairs in CODES.items()}
    return frame.assign(**{name: frame[name].map(codes[name], na_action="ignore").astype(float) for name in codes})


def to_csv(frame: pd.DataFrame, path: Path) -> None:
    frame.to_csv(path, index=False)


def to_sav(frame: pd.DataFrame, path: Path) -> None:
    pyreadstat.write_sav(coded(frame), path, variable_value_labels=CODES, compress=path.suffix == ".zsav")


def to_dta(frame: pd.DataFrame, path: Path) -> None:
    labels = {name: {int(code): label for code, label in pairs.items()} for name, pairs in CODES.items()}
    pyreadstat.write_dta(coded(frame), path, variable_value_labels=labels)


def to_xpt(frame: pd.DataFrame, path: Path) -> None:
    # Eight characters a name, and no labels.
    pyreadstat.write_xport(frame, path, file_format_version=8)


def to_xlsx(frame: pd.DataFrame, path: Path) -> None:
    cells = frame.astype(object).where(frame.notna(), None).values.tolist()
    write_workbook(path, {"Data": [list(frame.columns), *cells], "Empty": []}, at="B4")


def to_feather(frame: pd.DataFrame, path: Path) -> None:
    frame.to_feather(path)


def to_parquet(frame: pd.DataFrame, path: Path) -> None:
    frame.to_parquet(path)


WRITERS: dict[str, Callable[[pd.DataFrame, Path], None]] = {
    "csv.gz": to_csv,
    "tsv": lambda frame, path: frame.to_csv(path, index=False, sep="\t"),
    "sav": to_sav,
    "zsav": to_sav,
    "dta": to_dta,
    "xpt": to_xpt,
    "xlsx": to_xlsx,
    "feather": to_feather,
    "arrow": to_feather,
    "parquet": to_parquet,
}


@pytest.fixture(scope="module")
def as_csv(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    path = tmp_path_factory.mktemp("csv") / "cohort.csv"
    table().to_csv(path, index=False)
    return read_cohort(path, levels=LEVELS)


@pytest.mark.parametrize("ending", WRITERS)
def test_one_table_in_every_format_has_one_fingerprint(tmp_path: Path, as_csv: Cohort, ending: str) -> None:
    path = tmp_path / f"cohort.{ending}"
    WRITERS[ending](table(), path)
    own = {"levels": LEVELS} if ending not in ("sav", "zsav", "dta") else {}
    cohort = read_cohort(path, **own)
    pd.testing.assert_frame_equal(cohort.data, as_csv.data)
    assert cohort.hash == as_csv.hash
    assert cohort.digest(b"key") == as_csv.digest(b"key")
    assert str(cohort.flow) == str(as_csv.flow)


def test_the_fit_is_the_same(tmp_path: Path, as_csv: Cohort) -> None:
    to_sav(table(), tmp_path / "cohort.sav")
    to_xlsx(table(), tmp_path / "cohort.xlsx")
    model = Model("who5_followup ~ alliance + who5_baseline + (1 | country)")
    expected = model.fit(as_csv, seed=3, draws=200).coefficients()
    for name in ("cohort.sav", "cohort.xlsx"):
        options = {} if name.endswith(".sav") else {"levels": LEVELS}
        found = model.fit(read_cohort(tmp_path / name, **options), seed=3, draws=200).coefficients()
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
