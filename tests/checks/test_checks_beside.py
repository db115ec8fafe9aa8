"""From a table to the checks of its other columns: what a fit keeps, what a file does, and what a page shows."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.cohort import Cohort
from alliance_bayes.report.page import read_manifest


@pytest.fixture(scope="module")
def cohort():
    made = ab.simulate_cohort(n=400, seed=3)
    data = made.data
    alike = pd.Series(np.random.default_rng(0).normal(0, 12, data["provider_id"].nunique()))
    y = data["who5_followup"] + alike.to_numpy()[data["provider_id"].cat.codes]
    return Cohort(data.assign(who5_followup=np.clip(4 * np.round(y / 4), 0, 100)), "made")


@pytest.fixture(scope="module")
def fit(cohort):
    model = ab.Model("who5_followup ~ alliance + who5_baseline", priors="literature")
    return model.fit(cohort, seed=1, draws=300, progress=False)


@pytest.fixture(scope="module")
def report(fit):
    return fit.check(checks=["convergence", "unused_columns", "order", "absent"], replicates=200)


def asked(page):
    return read_manifest(page.read_text(encoding="utf-8"), name="page")["checks"]


def test_a_fit_to_a_table_looks_at_its_other_columns(report, cohort):
    found = report["unused_columns"]
    columns = {"age", "sex", "country", "provider_type", "provider_id", "n_sessions", "days_in_care"}
    assert set(found.table["column"]) == columns
    assert found.verdict == "warn"
    assert found.table.sort_values("p", kind="stable")["column"].iloc[0] == "provider_id"
    left = int(cohort.data[["who5_followup", "alliance", "who5_baseline"]].isna().any(axis=1).sum())
    assert (report["absent"].verdict == "info") == (left < 20) or report["absent"].table["p"].between(0, 1).all()


@pytest.mark.parametrize("left", [0, 5])
def test_what_there_is_nothing_of_is_not_left_undone(left):
    rows = ab.simulate_cohort(n=200, seed=3).data[["participant_id", "who5_followup", "alliance"]]
    rows = rows[rows["who5_followup"].notna()].reset_index(drop=True)
    rows.loc[: left - 1, "who5_followup"] = np.nan
    fit = ab.Model("who5_followup ~ alliance").fit(rows, seed=1, draws=300, progress=False)
    report = fit.check(checks=["convergence", "absent", "unused_columns", "interactions", "groups", "spread"])

    # Five people are too few to compare, which is something else than nobody; of one column there is no product.
    expected = {"convergence": False, "absent": not left, "unused_columns": True, "interactions": True}
    assert {one.name: one.nothing for one in report.results} == {**expected, "groups": True, "spread": False}
    assert report["absent"].sentence.startswith("Nobody was left out" if not left else "Fewer than 20 people")
    undone = json.loads(fit.report(checks=report).json)["limitations"]["not_done"]
    listed = {one.name for one in report.results if any(line.lower().startswith(one.check.looks_at) for line in undone)}
    assert listed == ({"absent"} if left else set())


def test_pages_call_other_columns_of_the_table_what_they_are(fit, report):
    page = fit.report(checks=report)
    texts = [check["sentence"] for check in json.loads(page.json)["checks"]]
    # As code it stays what whoever changes the model has to write.
    outside = re.sub(r"\(1 \| provider_id\)", "", " ".join(texts))
    assert "provider (p = " in outside
    assert "provider_id" not in outside


def test_a_page_shows_no_level_of_an_unused_column(fit, report, cohort, tmp_path):
    page = tmp_path / "page.html"
    fit.report(page, checks=report)
    text = page.read_text(encoding="utf-8") + page.with_suffix(".json").read_text(encoding="utf-8")
    assert not [level for level in cohort.data["provider_id"].cat.categories if level in text]
    numbers = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    (unused,) = (check for check in numbers["checks"] if check["name"] == "unused_columns")
    assert [row["column"] for row in unused["table"]] == report["unused_columns"].table["column"].tolist()
    assert asked(page)["beside"] is True


@pytest.mark.slow
def test_a_fit_that_was_read_knows_none_of_it_and_its_page_says_so(fit, cohort, tmp_path):
    fit.save(tmp_path / "fit.nc")
    read = ab.load_fit(tmp_path / "fit.nc")
    assert read.beside is None
    # Names of columns and levels of the table stand nowhere in the file.
    assert b"provider_id" not in (tmp_path / "fit.nc").read_bytes()
    checks = read.check(checks=["convergence", "unused_columns", "absent"], replicates=200)
    assert [one.verdict for one in checks] == ["pass", "info", "info"]
    page = tmp_path / "page.html"
    read.report(page, checks=checks)
    assert asked(page)["beside"] is False
    # Made again from the table, which has the columns, it says the same.
    assert ab.verify_report(page, cohort).problems == ()
