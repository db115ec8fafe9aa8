"""What files say besides values: labels of columns and of codes, and why a value is missing."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyreadstat
import pytest

import alliance_bayes as ab
from alliance_bayes.cohort.programs import LABEL, plain_label
from alliance_bayes.verify.verification import compare_data

HOSTILE = "Age <script>alert(1)</script>\n{{ 7*7 }} \u202e" + "x" * 300


def patients(folder: Path, **labels: str) -> Path:
    """SPSS: 80 people, 12 of whom refused and 3 were not asked; two lack a value without a reason."""
    rng = np.random.default_rng(2)
    n = 80
    frame = pd.DataFrame(
        {
            "id": np.arange(1.0, n + 1),
            "age": rng.integers(20, 70, n).astype(float),
            "alliance": np.round(rng.uniform(1, 5, n), 1),
            "who5_followup": 4.0 * rng.integers(3, 20, n),
            "site": rng.integers(1, 4, n).astype(float),
            "mood": rng.integers(0, 11, n).astype(float),
            "state": rng.choice(["m", "s"], n),
        }
    )
    frame.loc[:11, "who5_followup"] = -99
    frame.loc[12:14, "who5_followup"] = -98
    frame.loc[15:16, "who5_followup"] = np.nan
    path = folder / "patients.sav"
    pyreadstat.write_sav(
        frame,
        path,
        column_labels={"who5_followup": "Well-being after care", **labels},
        variable_value_labels={
            "who5_followup": {-99: "refused", -98: "not asked"},
            "site": {1: "Zürich", 2: "Aarau", 3: "Bern", 4: "Chur"},
            "mood": {0: "never", 10: "always"},
            "state": {"m": "married", "s": "single"},
        },
        missing_ranges={"who5_followup": [{"lo": -99, "hi": -90}]},
    )
    return path


@pytest.mark.slow
def test_labels_become_levels_in_the_order_of_their_codes(tmp_path: Path) -> None:
    cohort = ab.read_cohort(patients(tmp_path))
    assert list(cohort.data["site"].cat.categories) == ["Zürich", "Aarau", "Bern"]
    assert list(cohort.data["state"].cat.categories) == ["married", "single"]
    assert cohort.data["mood"].dtype == float
    (note,) = cohort.notes
    assert note.column == "mood"
    assert "labels for some of its values only (0 = 'never')" in note.what
    numbers = ab.read_cohort(patients(tmp_path), numeric=["site"], categorical=["mood"])
    assert set(numbers.data["site"]) == {1.0, 2.0, 3.0}
    assert list(numbers.data["mood"].cat.categories) == ["never", *map(str, range(1, 10)), "always"]
    codes = ab.read_cohort(patients(tmp_path), levels={"site": ["3", "2", "1"]})
    assert list(codes.data["site"].cat.categories) == ["3", "2", "1"]


def test_what_the_program_counts_as_missing_is_missing_by_reason(tmp_path: Path) -> None:
    cohort = ab.read_cohort(patients(tmp_path))
    assert [(step.reason, step.n) for step in cohort.complete(["who5_followup"])[1].steps] == [
        ("no follow-up WHO-5: refused (-99)", 12),
        ("no follow-up WHO-5: not asked (-98)", 3),
        ("no follow-up WHO-5", 2),
    ]
    assert cohort.missing_by_reason == {"who5_followup": {"refused (-99)": 12, "not asked (-98)": 3}}
    # Whoever is left out for another reason before is not counted twice.
    older = cohort.same_people(["age"])
    assert older.complete(["who5_followup"])[1].analysed == 63
    some = cohort.data["age"] > 40
    from dataclasses import replace

    kept = replace(cohort, data=cohort.data[some])
    refused = int((some & (cohort.data.index < 12)).sum())
    assert kept.complete(["who5_followup"])[1].steps[0].n == refused


def test_codes_of_missing_values_in_files_without_them(tmp_path: Path) -> None:
    frame = pd.DataFrame({"age": [30.0, -99.0, 41.0], "site": [1.0, 9.0, 2.0]})
    frame.to_parquet(tmp_path / "a.parquet")
    pyreadstat.write_dta(frame, tmp_path / "a.dta")
    for name in ("a.parquet", "a.dta"):
        read = ab.read_cohort(tmp_path / name, missing=["NA", "-99", "9"]).data
        assert read["age"].isna().tolist() == [False, True, False]
        assert read["site"].isna().tolist() == [False, True, False]


def test_marks_of_stata(tmp_path: Path) -> None:
    frame = pd.DataFrame({"age": pd.Series([30, "a", "b", None], dtype=object)})
    pyreadstat.write_dta(
        frame,
        tmp_path / "a.dta",
        variable_value_labels={"age": {"a": "refused"}},
        missing_user_values={"age": ["a", "b"]},
    )
    cohort = ab.read_cohort(tmp_path / "a.dta")
    reasons = [(step.reason, step.n) for step in cohort.complete(["age"])[1].steps]
    assert reasons == [("age unknown: code .b", 1), ("age unknown: refused (.a)", 1), ("age unknown", 1)]


def labelled_fit(folder: Path) -> tuple[ab.Cohort, ab.Fit]:
    """A fit that was kept, of a file with labels, one of them hostile."""
    cohort = ab.read_cohort(patients(folder, age=HOSTILE), labels={"alliance": "Working alliance"})
    ab.Model("who5_followup ~ alliance + age + (1 | site)").fit(cohort, seed=1, draws=300).save(folder / "fit.nc")
    return cohort, ab.load_fit(folder / "fit.nc")


def test_labels_of_columns_are_the_words_of_the_page(tmp_path: Path) -> None:
    _, fit = labelled_fit(tmp_path)
    page = ab.Report(sections=["data", "model"]).render(fit, checks=fit.check(checks=["convergence"])).html
    assert "Working alliance and Well-being after care" in page
    assert "no follow-up WHO-5: refused (-99)" in page
    assert "<script>alert(1)" not in page
    assert "\u202e" not in page
    assert "Age &lt;script" in page
    # The numbers behind the page have the whole label, for whoever verifies it.
    assert "x" * 60 not in re.sub("<script.*?</script>", "", page, flags=re.DOTALL)


@pytest.mark.slow
@pytest.mark.usefixtures("gate_alone", "undrawn")
def test_a_page_with_labels_is_verified(tmp_path: Path) -> None:
    cohort, fit = labelled_fit(tmp_path)
    fit.report(tmp_path / "a.html")
    found = ab.verify_report(tmp_path / "a.html", cohort)
    assert found.passed, found.problems


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"alliance": "Belief in the treatment"}, "which calls 'alliance' 'Working alliance'"),
        (
            {"site": "Dose"},
            r"does not\. If they hold what the page says, read the table with labels=\{'site': 'Dose'\}",
        ),
        ({"alliance": "\x1b[2J" + "x" * 10_000}, r"labels=\{'alliance': ' ?\[2Jx+\.\.\.'\}"),
        ("Dose", None),
        ({}, None),
    ],
)
def test_a_page_cannot_call_columns_what_the_table_does_not(tmp_path: Path, labels: object, words: str | None) -> None:
    # Page, manifest and JSON alike could say so: the refit would take the words from them and differ nowhere.
    cohort = ab.read_cohort(patients(tmp_path), labels={"alliance": "Working alliance"})
    manifest = {"kind": "report", "data": {"rows": True, "labels": labels}}
    if words is None:
        assert compare_data(manifest, cohort, None)[0] == []
        return
    with pytest.raises(ab.UsageError, match=words) as raised:
        compare_data(manifest, cohort, None)
    assert len(str(raised.value)) < 600
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize("text", [HOSTILE, "a\tb", "\x00\x07", "  ", "é\u200b"])
def test_a_label_is_one_line_of_bounded_length(text: str) -> None:
    label = plain_label(text)
    assert len(label) <= LABEL
    assert label == label.strip()
    assert not set(label) & set("\n\t\x00\x07\u202e\u200b")


def test_labels_of_columns_that_are_not_there() -> None:
    with pytest.raises(ab.UsageError, match="names 'aeg', which is no column that was read"):
        ab.read_cohort(pd.DataFrame({"age": [30.0]}), labels={"aeg": "Age"})
    with pytest.raises(ab.UsageError, match="should map columns to what they are called"):
        ab.read_cohort(pd.DataFrame({"age": [30.0]}), labels={"age": " "})


def test_a_score_lacks_a_value_for_the_reason_of_its_items(tmp_path: Path) -> None:
    items = [f"phq9_followup_{k}" for k in range(1, 10)]
    frame = pd.DataFrame(1.0, index=range(4), columns=items)
    frame.loc[0, items[0]] = -99
    frame.loc[1, items[0]], frame.loc[1, items[1]] = -99, -98
    frame.loc[2, items] = np.nan
    pyreadstat.write_sav(
        frame,
        tmp_path / "a.sav",
        variable_value_labels={name: {-99: "refused", 0: "not at all", 3: "nearly every day"} for name in items},
        missing_ranges={name: [-99, -98] for name in items},
    )
    cohort = ab.read_cohort(tmp_path / "a.sav")
    assert cohort.data["phq9_followup"].isna().tolist() == [True, True, True, False]
    assert cohort.missing_by_reason["phq9_followup"] == {"refused (-99)": 1, "some items are missing": 1}
