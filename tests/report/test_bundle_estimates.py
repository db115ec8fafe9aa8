"""The CSV of all estimates: the rows and digits of the page's JSON, columns of numbers, and nothing when withheld."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alliance_bayes.checks import CheckReport
from alliance_bayes.effects import COLUMNS, effects
from alliance_bayes.report import Rendered
from alliance_bayes.report.bundle.estimates import COLUMNS_OF_FILE, csv_text
from alliance_bayes.report.page import read_manifest, rows_by_id
from builders import fitted, rendered, rows

# Tables and text: figures, drawn twice for a bundle, take most of the time of one.
pytestmark = pytest.mark.usefixtures("undrawn")

TEXT = {"section", "block", "id", "estimand", "term", "factor", "level", "versus", "at", "unit"} | {
    "denominator",
    "population",
    "interval",
    "note",
}


@pytest.fixture(scope="module")
def page(checks_of: Callable[..., CheckReport]) -> Rendered:
    frame = rows(300)
    labels = ["=1+1", "+49", "@home", "-5", 'a "b", c']
    frame["country"] = pd.Categorical.from_codes(np.arange(300) % 5, labels, ordered=True)
    fit = fitted(frame, formula="who5_followup ~ alliance + who5_baseline + (alliance || country)", draws=150)
    return rendered(fit, effects=effects(fit), checks=checks_of())


def written(page: Rendered, folder: Path) -> pd.DataFrame:
    page.bundle(folder)
    return pd.read_csv(folder / "estimates.csv", keep_default_na=False, na_values={name: [""] for name in COLUMNS})


@pytest.mark.slow
def test_every_row_of_the_json_and_of_the_manifest_is_there_with_its_digits(page: Rendered, tmp_path: Path) -> None:
    found = written(page, tmp_path / "new" / "out")
    page.write(tmp_path / "page.html")
    records = json.loads((tmp_path / "page.json").read_text(encoding="utf-8"))["effects"]
    assert len(records) > 20
    assert tuple(found.columns) == COLUMNS_OF_FILE
    own = found[found["section"] == "effects"]
    assert own["id"].tolist() == [record["id"] for record in records]
    manifest = rows_by_id(read_manifest(page.html, name="page"))
    assert found["id"].tolist() == list(manifest)
    assert {"effects", "endpoints"} <= set(found["section"])
    own_sections = found[found["section"] != "effects"]
    assert (own_sections["section"] == own_sections["id"].str.partition("/")[0]).all()
    for name in COLUMNS:
        if name in TEXT:
            continue
        assert found[name].dtype == float, name
        np.testing.assert_array_equal(own[name], [np.nan if r[name] is None else r[name] for r in records])
        if name in next(iter(manifest.values())):
            told = [np.nan if row[name] is None else row[name] for row in manifest.values()]
            np.testing.assert_array_equal(found[name], told)
    for name in ("estimand", "term", "population", "unit"):
        assert own[name].fillna("").tolist() == [record[name] or "" for record in records]


@pytest.mark.slow
def test_no_label_is_a_formula_to_a_spreadsheet(page: Rendered, tmp_path: Path) -> None:
    found = written(page, tmp_path)
    levels = set(found["level"].dropna()) | set(found["versus"].dropna())
    assert {"'=1+1", "'+49", "'@home", "'-5", 'a "b", c'} <= levels
    assert not [cell for cell in levels if cell[0] in "=+-@"]
    # A spreadsheet reads it as UTF-8.
    assert (tmp_path / "estimates.csv").read_bytes().startswith("\ufeff".encode())


@given(st.text(), st.floats(allow_nan=False, allow_infinity=False))
def test_cells_read_back(text: str, number: float) -> None:
    written = csv_text(("a", "b", "c"), [["x", text, number]])
    _, (_, label, value) = csv.reader(io.StringIO(written, newline=""))
    assert float(value) == number
    assert not label.lstrip().startswith(("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
    assert label.removeprefix("'") == text or not text.isprintable()


def test_nothing_is_estimated_where_conclusions_are_withheld(withheld: Rendered, tmp_path: Path) -> None:
    found = written(withheld, tmp_path)
    assert len(found) == 0
    assert tuple(found.columns) == COLUMNS_OF_FILE
    listed = pd.read_csv(tmp_path / "contents.csv").set_index("File")["Note"]
    assert listed["estimates.csv"] == "Withheld: the header alone."


def test_levels_that_the_page_does_not_show_are_not_estimated(
    checks_of: Callable[..., CheckReport], tmp_path: Path
) -> None:
    frame = rows(300)
    codes = np.r_[np.zeros(4, int), 1 + np.arange(296) % 3]
    frame["country"] = pd.Categorical.from_codes(codes, ["Nauru", "A", "B", "C"], ordered=True)
    fit = fitted(frame, formula="who5_followup ~ alliance + (alliance || country)", draws=120)
    table = effects(fit)
    assert (table["level"] == "Nauru").any()
    page: Any = rendered(fit, effects=table, checks=checks_of())
    found = written(page, tmp_path)
    assert "A" in set(found["level"])
    assert "Nauru" not in set(found["level"]) | set(found["versus"])
    assert "Nauru" not in (tmp_path / "estimates.csv").read_text(encoding="utf-8")
    # The table of the participants has the level, and as the page no count of it.
    (line,) = [line for line in (tmp_path / "table1.tex").read_text(encoding="utf-8").split("\n") if "Nauru" in line]
    assert line == r"{}country: Nauru & \textless{} 10 \tabularnewline"
