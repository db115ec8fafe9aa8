"""Observed shares beside those that models imply: counted by hand, and none of few people."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import alliance_bayes as ab
from alliance_bayes.study.cache import PosteriorCache
from alliance_bayes.study.options import StudyOptions
from alliance_bayes.study.registry import PARTS
from alliance_bayes.study.runner import StudyRunner
from builders import rows
from lightly import lightly
from report.test_report_page import cells, parsed

TABLES = ("table-change-improved", "table-change-improved-elevated", "table-change-recovered-elevated")


type Tables = dict[str, tuple[list[str], list[list[str]]]]


def of_page(html: str) -> Tables:
    """Headings and rows of the tables, as the page has them."""
    page = parsed(html)
    found = {name: cells(page.by_id(name)) for name in TABLES}
    return {name: (head, body) for name, (head, *body) in found.items()}


def of_part(frame: pd.DataFrame) -> Tables:
    """The same as the part gives them to the page, without the rest of the study."""
    cohort, nothing = ab.read_cohort(frame), PosteriorCache(None)
    runner = StudyRunner(cohort, StudyOptions(), cache=nothing, tell=lambda line: None, progress=False)
    tables = [table for block in PARTS["change"](runner).blocks for table in block.tables]
    assert {table.name for table in tables} >= set(TABLES)
    return {
        table.name: (list(table.headings), [list(map(str, row)) for row in (*table.rows, *table.more)])
        for table in tables
        if table.name in TABLES
    }


def shares(tables: Tables) -> dict[str, dict[str, str]]:
    """Observed shares by table and by what they are of; of a table without that column none."""
    return {
        name: {line[0]: line[head.index("Observed share")] for line in body} if "Observed share" in head else {}
        for name, (head, body) in tables.items()
    }


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """Enough people everywhere, but for one level."""
    made = rows(400, seed=8)
    made["who5_baseline"] = np.where(np.arange(400) % 2, 20.0, 60.0) + 4 * (np.arange(400) % 3 - 1)
    made["who5_followup"] = np.where(np.arange(400) % 5 < 2, 48.0, 20.0)
    made["sex"] = np.r_[["x"] * 7, np.where(np.random.default_rng(1).random(393) < 0.5, "f", "m")]
    return made


@pytest.fixture(scope="module")
def page(frame: pd.DataFrame) -> Tables:
    with lightly():
        return of_page(ab.run_study(ab.read_cohort(frame), progress=False).report().html)


@pytest.mark.slow
def test_the_page_shows_the_tables_of_the_part(frame: pd.DataFrame, page: Tables) -> None:
    assert shares(page) == shares(of_part(frame))


@pytest.mark.slow
def test_shares_are_counts_of_those_they_are_about(frame: pd.DataFrame, page: Tables) -> None:
    low, after = frame["who5_baseline"] <= 28, frame["who5_followup"]
    gained = after - frame["who5_baseline"] >= 10
    found = shares(page)
    for name, event, whom in zip(TABLES, (gained, gained, after > 28), (low | True, low, low), strict=True):
        k, n = int((event & whom).sum()), int(whom.sum())
        assert found[name]["All"] == f"{k:,} of {n:,} ({100 * k / n:.0f}%)"
    told = found["table-change-improved"]
    for level in frame["provider_type"].unique():
        own = frame["provider_type"] == level
        k, n = int((gained & own).sum()), int(own.sum())
        assert told[f"Provider type: {level}"] == f"{k} of {n} ({100 * k / n:.0f}%)"


def test_no_share_is_of_few_people(frame: pd.DataFrame, page: Tables) -> None:
    found = shares(page)
    for told in found.values():
        assert "Sex: x" not in told
        for share in told.values():
            for k, n in re.findall(r"^(\d+) of (\d+) ", share):
                assert not any(0 < count < 10 for count in (int(k), int(n) - int(k)))
    # With everybody's share, both others' would tell that of the hidden one.
    sexes = [share for name, share in found["table-change-improved"].items() if name.startswith("Sex")]
    assert sum(share != "–" for share in sexes) <= 1


@pytest.mark.slow
def test_nothing_is_observed_where_few_would_be_told_by_the_rest(frame: pd.DataFrame) -> None:
    """Three people improved who were not among the elevated: everybody's share less theirs would tell."""
    low = frame["who5_baseline"] <= 28
    after = np.where(low, np.where(np.arange(len(frame)) % 4 < 3, 48.0, 20.0), 60.0)
    after[np.flatnonzero(~low)[:3]] = 80.0
    found = shares(of_part(frame.assign(who5_followup=after, sex=np.resize(["f", "m"], len(frame)))))
    assert {share for told in found.values() for share in told.values()} <= {"–"}


@pytest.mark.slow
def test_nothing_is_observed_of_people_whose_number_is_not_told(frame: pd.DataFrame) -> None:
    """Four lack a rating and have changed: their number is the difference to those analysed for the association."""
    given = frame.assign(sex=np.resize(["f", "m"], len(frame)))
    given.loc[:3, "alliance"] = np.nan
    given.loc[4:6, "who5_followup"] = np.nan
    assert shares(of_part(given)) == {name: {} for name in TABLES}
