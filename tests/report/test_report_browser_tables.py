"""Tables in a real browser: sorted by a click or a key, and saved as CSV that programs and spreadsheets can take."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from markupsafe import Markup

from alliance_bayes.report.held import Mark
from alliance_bayes.report.page import page as page_of
from alliance_bayes.report.sections import Section
from alliance_bayes.report.summary import SummaryRow, summary_table
from alliance_bayes.report.svg import Picture
from alliance_bayes.report.tables import Table
from browsing import CHROMIUM, SIDEWAYS, in_time

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
    # Playwright's driver closes its own pipe late on interpreter shutdown.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

# In the order of their numbers.
ASCENDING = (
    "\N{MINUS SIGN}∞",
    "(\N{MINUS SIGN}7.0 to 3.0)",
    "\N{MINUS SIGN}5",
    "0.004",
    "9.5%",
    "< 10",
    "10 (2%)",
    "about 40",
    "> 99% above 0",
    "1,234",
    "1,000,000",
)
SHUFFLED = (9, 3, 0, 5, 10, 7, 1, 6, 2, 8, 4)
HOSTILE = {
    '=HYPERLINK("http://x","y")': '\'=HYPERLINK("http://x","y")',
    "+1+cmd|' /C calc'!A0": "'+1+cmd|' /C calc'!A0",
    "-2+3": "'-2+3",
    "@SUM(A1)": "'@SUM(A1)",
    "\t=1+1": "'\t=1+1",
    " =1+1": "' =1+1",
    "\N{FULLWIDTH HYPHEN-MINUS}1+1": "'\N{FULLWIDTH HYPHEN-MINUS}1+1",
    'he said "a, b"; c': 'he said "a, b"; c',
    "<b>bold</b> & co": "<b>bold</b> & co",
    "male \N{MINUS SIGN} female": "male \N{MINUS SIGN} female",
}
PLAIN = {
    "-5": "-5",
    "\N{MINUS SIGN}5.25": "-5.25",
    "+3": "+3",
    "1,234.5": "1234.5",
    "\N{MINUS SIGN}12%": "-12%",
    "1.5e\N{MINUS SIGN}05": "1.5e-05",
    "(\N{MINUS SIGN}1,234.5 to \N{MINUS SIGN}0.2)": "(-1,234.5 to -0.2)",
    "3.13.2": "3.13.2",
    "2026-01-31": "2026-01-31",
    "–": "–",
}


def gallery_of(section: Section) -> str:
    findings = SimpleNamespace(
        withheld=False, simulated=False, answer=None, summary=None, topics=(), limits=("nothing",), certainty=""
    )
    return page_of(title="Gallery", subtitle=(), sections=[section], findings=findings)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tables made to be difficult, on a page of their own."""
    mixed = [ASCENDING[place] for place in SHUFFLED]
    numbers = Table.of(
        "numbers",
        "Numbers, of every kind: β & co",
        ["Row", "Value", "=Heading"],
        [(f"r{place}", text, "x") for place, text in enumerate(("–", *mixed, "not estimated"))],
    )
    versions = Table.of("versions", "Versions", ["Package"], [("3.13.2",), ("3.9.20",), ("3.10.1",)])
    labels = Table.of("labels", "Labels", ["Label", "Kind"], [(text, "label") for text in (*HOSTILE, *PLAIN)])
    long = Table.of(
        "long", "Long", ["Row", "n"], [("a", "1")], note="One of 70.", more=[(f"a{n}", str(n)) for n in range(70)]
    )
    drawn = Table.of("drawn-data", "Points of the line", ["x", "y"], [("1", "\N{MINUS SIGN}2.5"), ("2", "3")])
    drawing = Markup('<svg class="picture" width="100" height="50" role="img" aria-label="line"></svg>')
    section = Section.of("all", "All", numbers, versions, labels, long, Picture("Line", "A line.", drawing, drawn))
    path = tmp_path_factory.mktemp("gallery") / "gallery.html"
    path.write_text(gallery_of(section), encoding="utf-8")
    return path


@pytest.fixture
def shown(browser: Any, gallery: Path) -> Iterator[Any]:
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    page.goto(gallery.as_uri())
    yield page
    context.close()


def column(page: Any, table: str, position: int) -> list[str]:
    texts: list[str] = page.locator(f"#{table} tbody tr > :nth-child({position})").all_text_contents()
    return texts


def saved(page: Any, table: str) -> tuple[str, bytes]:
    """Name and bytes of the file behind a table's button."""
    with page.expect_download() as waiting:
        page.locator(f".scroll:has(> #{table}) + .save").click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_bytes()


def read(content: bytes) -> list[list[str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))


def test_a_column_is_sorted_by_its_numbers_and_put_back_by_the_third_click(shown: Any) -> None:
    given = column(shown, "numbers", 2)
    button = shown.locator("#numbers thead th:nth-child(2) button")
    heading = shown.locator("#numbers thead th:nth-child(2)")
    assert button.text_content() == "Value"
    assert heading.get_attribute("aria-sort") is None

    button.click()
    assert heading.get_attribute("aria-sort") == "ascending"
    # Words come after numbers, and what is missing last, in both directions.
    assert column(shown, "numbers", 2) == [*ASCENDING, "not estimated", "–"]
    button.click()
    assert heading.get_attribute("aria-sort") == "descending"
    assert column(shown, "numbers", 2) == [*ASCENDING[::-1], "not estimated", "–"]
    button.click()
    assert heading.get_attribute("aria-sort") is None
    assert column(shown, "numbers", 2) == given


def test_another_column_takes_over_the_order(shown: Any) -> None:
    shown.locator("#numbers thead th:nth-child(2) button").click()
    shown.locator("#numbers thead th:nth-child(1) button").click()

    assert column(shown, "numbers", 1) == [f"r{place}" for place in range(13)]  # r2 before r10
    assert shown.locator("#numbers [aria-sort]").count() == 1


def test_versions_are_not_numbers(shown: Any) -> None:
    shown.locator("#versions thead button").click()

    assert column(shown, "versions", 1) == ["3.9.20", "3.10.1", "3.13.2"]


def test_the_keyboard_sorts_and_goes_on_to_the_next_heading(shown: Any) -> None:
    shown.locator("#numbers thead th:nth-child(1) button").focus()
    shown.keyboard.press("Tab")
    shown.keyboard.press("Enter")
    assert shown.locator("#numbers thead th:nth-child(2)").get_attribute("aria-sort") == "ascending"
    shown.keyboard.press("Space")
    assert shown.locator("#numbers thead th:nth-child(2)").get_attribute("aria-sort") == "descending"
    assert shown.evaluate("document.activeElement.className") == "sort"


def test_no_label_is_a_formula_and_every_number_a_number(shown: Any) -> None:
    name, content = saved(shown, "labels")

    assert name == "labels-Labels.csv"
    head, *body = read(content)
    assert head == ["Label", "Kind"]
    assert [row[0] for row in body] == [*HOSTILE.values(), *PLAIN.values()]
    assert content.endswith(b"\r\n")


def test_a_saved_table_has_all_its_rows_in_their_first_order(shown: Any) -> None:
    shown.locator("#numbers thead th:nth-child(2) button").click()
    name, content = saved(shown, "numbers")
    head, *body = read(content)
    assert name == "numbers-Numbers-of-every-kind-β-co.csv"
    assert head == ["Row", "Value", "'=Heading"]
    assert [row[0] for row in body] == [f"r{place}" for place in range(13)]

    shown.locator("details:has(#long-all) summary").click()
    for table in ("long", "long-all"):
        name, content = saved(shown, table)
        assert name == "long-Long.csv" if table == "long" else name == "long-Long-70-rows.csv"
        assert read(content) == [["Row", "n"], *([f"a{n}", str(n)] for n in range(70))]
    assert shown.locator(".scroll:has(> #long) + .save").text_content() == "Download CSV (70 rows)"


def test_the_data_of_a_figure_are_a_table_like_any_other(shown: Any) -> None:
    summary = shown.locator("figure summary")
    assert summary.text_content() == "Data of this figure"
    assert not shown.locator("#drawn-data").is_visible()

    summary.click()
    shown.locator("#drawn-data thead th:nth-child(2) button").click()
    shown.locator("#drawn-data thead th:nth-child(2) button").click()

    assert column(shown, "drawn-data", 2) == ["3", "\N{MINUS SIGN}2.5"]
    assert read(saved(shown, "drawn-data")[1]) == [["x", "y"], ["1", "-2.5"], ["2", "3"]]


def archive(page: Any) -> tuple[str, dict[str, bytes]]:
    """Name of the file with all tables, and the files in it."""
    with page.expect_download() as waiting:
        page.locator("header .save").click()
    content = Path(waiting.value.path()).read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        assert packed.testzip() is None  # the sums of every file are right
        return waiting.value.suggested_filename, {name: packed.read(name) for name in packed.namelist()}


def test_all_tables_are_saved_in_one_file_with_a_list_of_them(shown: Any) -> None:
    assert shown.locator("header .save").text_content() == "Download all 5 tables (ZIP of CSV files)"
    shown.locator("#numbers thead th:nth-child(2) button").click()
    name, files = archive(shown)

    assert name == "Gallery-tables.zip"
    head, *rows = read(files.pop("0-contents.csv"))
    assert head == ["File", "Section", "Table", "Rows", "Note"]
    assert [row[0] for row in rows] == list(files)
    assert rows == [
        ["1-numbers-Numbers-of-every-kind-β-co.csv", "1 All", "Numbers, of every kind: β & co", "13", ""],
        ["2-versions-Versions.csv", "1 All", "Versions", "3", ""],
        ["3-labels-Labels.csv", "1 All", "Labels", str(len(HOSTILE) + len(PLAIN)), ""],
        ["4-long-Long.csv", "1 All", "Long", "70", "One of 70."],
        ["5-drawn-data-Points-of-the-line.csv", "1 All", "Points of the line", "2", ""],
    ]
    # Each is what the table's own button saves: all rows, in their first order.
    for file, table in zip(files, ("numbers", "versions", "labels", "long"), strict=False):
        assert files[file] == saved(shown, table)[1]


def test_a_page_with_one_table_has_one_button(browser: Any, tmp_path: Path) -> None:
    only = Section.of("all", "All", Table.of("one", "One", ["Row"], [("a",), ("b",)]))
    path = tmp_path / "one.html"
    path.write_text(gallery_of(only), encoding="utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    assert page.locator(".save").count() == 1
    page.close()


def test_a_summary_with_all_its_columns_is_a_table_on_a_wide_screen(browser: Any, tmp_path: Path) -> None:
    marks = tuple(Mark(label, "pass", "all") for label in ("Other priors", "Groups left out", "Missing data"))
    long = "Better at follow-up; relevant; regression to the mean alone: 16.5 to 30.2"
    shares = "70.6% (68.3% to 72.7%) improved; 69.5% (67.3% to 71.7%) recovered"
    sure = "Almost certainly (>\u00a099.9%)"
    # As long as those of a study with imputed values, which lacks only other families.
    rows = [
        SummaryRow("a", "Follow-up WHO-5 with alliance", "3,087", shares, "< 0.1%", "> 99.9%", sure, long, marks),
        SummaryRow("b", "Slopes by care, baseline, sessions", "3,087", shares, "1 of 3, 2 undecided", "–", sure, long),
    ]
    margins = ("±2", "10"), ("±0.667", "")
    rows = [replace(row, holds=marks, margins=margin) for row, margin in zip(rows, margins, strict=True)]
    path = tmp_path / "summary.html"
    table = summary_table(rows, heading="89% equal-tailed interval")
    path.write_text(gallery_of(Section.of("all", "All", table)), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(path.as_uri())
    assert page.locator("#table-summary thead th").count() == 10
    assert in_time(page, "document.querySelector('#table-summary').className", "cards tight") == "cards tight"
    assert in_time(page, SIDEWAYS, []) == []
    page.close()


def as_number(text: str) -> float | None:
    try:
        return float(text.replace("\N{MINUS SIGN}", "-").replace(",", ""))
    except ValueError:
        return None


def test_every_table_of_a_report_is_saved_as_it_is_shown(browser: Any, pages: dict[str, Path]) -> None:
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    page.goto(pages["full"].as_uri())
    tables = page.evaluate(
        "[...document.querySelectorAll('main table:not([id$=-all])')].map(table => "
        "[...(document.getElementById(table.id + '-all') || table).rows].map(row => "
        "[...row.cells].map(cell => cell.textContent)))"
    )
    contents, *files = archive(page)[1].values()

    assert len(tables) > 10
    assert [int(row[3]) for row in read(contents)[1:]] == [len(rows) - 1 for rows in tables]
    numbers = 0
    for content, rows in zip(files, tables, strict=True):
        found = read(content)
        assert [len(row) for row in found] == [len(row) for row in rows]
        for cell, text in zip(chain(*found), chain(*rows), strict=True):
            if (value := as_number(text)) is not None:
                assert float(cell) == value
                numbers += 1
            else:
                assert cell == (text.replace("\N{MINUS SIGN}", "-") if re.fullmatch(r"\(\S+ to \S+\)", text) else text)
    assert numbers > 100

    # A browser drops some of many files that are saved within a second, so what each button saves is taken before that.
    buttons = page.evaluate(
        """async () => {
          const made = [];
          URL.createObjectURL = (blob) => { made.push(blob); return 'data:,'; };
          HTMLAnchorElement.prototype.click = () => {};
          document.querySelectorAll('main table:not([id$=-all])').forEach(
            table => table.closest('.scroll').nextElementSibling.click());
          return Promise.all(made.map(async blob => Array.from(new Uint8Array(await blob.arrayBuffer()))));
        }"""
    )
    assert [bytes(content) for content in buttons] == files
    context.close()
