"""One table in every format is one cohort: the same values, levels and fingerprint, and the same fit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyreadstat
import pytest

from alliance_bayes import Model, read_cohort
from alliance_bayes.cohort import Cohort
from workbooks import write_workbook

FILES = Path(__file__).parent / "files"
LEVELS = {"country": ["Germany", "Ireland", "Zambia"], "sex": ["male", "female"]}
CODES = {"country": {1.0: "Germany", 2.0: "Ireland", 3.0: "Zambia"}, "sex": {1.0: "male", 2.0: "female"}}


def table() -> pd.DataFrame:
    """Numbers, levels, text, dates, and cells that are missing."""
    frame = pd.read_csv(FILES / "cohort.csv", dtype={"participant_id": str})
    days = [None if pd.isna(day) else dt.date.fromisoformat(day) for day in frame["visited"]]
    return frame.assign(visited=pd.Series(days, dtype=object))


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
def as_csv() -> Cohort:
    return read_cohort(FILES / "cohort.csv", levels=LEVELS)


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


@pytest.mark.parametrize("ending", ["xlsx", "ods", "xls", "rds"])
def test_what_other_programs_wrote_has_it_too(as_csv: Cohort, ending: str) -> None:
    cohort = read_cohort(FILES / f"cohort.{ending}", levels=LEVELS if ending != "rds" else None)
    pd.testing.assert_frame_equal(cohort.data, as_csv.data)
    assert cohort.hash == as_csv.hash


def test_names_of_eight_characters_in_a_portable_file(tmp_path: Path, as_csv: Cohort) -> None:
    frame = coded(table()).drop(columns=["visited", "clinic"])
    short = {name: name[:8].upper().rstrip("_") for name in frame} | {
        "who5_baseline": "WHO5_B",
        "who5_followup": "WHO5_F",
    }
    pyreadstat.write_por(frame.rename(columns=short), tmp_path / "a.por")
    cohort = read_cohort(tmp_path / "a.por", columns=short)
    numbers = ["participant_id", "age", "alliance", "who5_baseline", "who5_followup"]
    pd.testing.assert_frame_equal(cohort.data[numbers], as_csv.data[numbers])


def test_the_fit_is_the_same(tmp_path: Path, as_csv: Cohort) -> None:
    to_sav(table(), tmp_path / "cohort.sav")
    to_xlsx(table(), tmp_path / "cohort.xlsx")
    model = Model("who5_followup ~ alliance + who5_baseline + (1 | country)")
    expected = model.fit(as_csv, seed=3, draws=200).coefficients()
    for name in ("cohort.sav", "cohort.xlsx"):
        options = {} if name.endswith(".sav") else {"levels": LEVELS}
        found = model.fit(read_cohort(tmp_path / name, **options), seed=3, draws=200).coefficients()
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
