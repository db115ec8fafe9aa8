"""Tables in a real browser: sorted by a click or a key, and saved as CSV that programs and spreadsheets can take."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from markupsafe import Markup

from alliance_bayes.report.page import page as page_of
from alliance_bayes.report.sections import Picture, Section
from alliance_bayes.report.tables import Table
from browsing import CHROMIUM

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"{CHROMIUM} is not installed"),
    # Playwright's driver closes its own pipe late on interpreter shutdown.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

# In the order of their numbers.
ASCENDING = (
    "\N{MINUS SIGN}∞",
    "[\N{MINUS SIGN}7.0, 3.0]",
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
    "[\N{MINUS SIGN}1,234.5, \N{MINUS SIGN}0.2]": "[-1,234.5, -0.2]",
    "3.13.2": "3.13.2",
    "2026-01-31": "2026-01-31",
    "–": "–",
}


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
    findings = SimpleNamespace(withheld=False, simulated=False, topics=(), limits=("nothing",), certainty="")
    path = tmp_path_factory.mktemp("gallery") / "gallery.html"
    html = page_of(title="Gallery", subtitle=(), sections=[section], findings=findings, version="0")
    path.write_text(html, encoding="utf-8")
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


def as_number(text: str) -> float | None:
    try:
        return float(text.replace("\N{MINUS SIGN}", "-").replace(",", ""))
    except ValueError:
        return None


def test_every_table_of_a_report_is_saved_as_it_is_shown(browser: Any, pages: dict[str, Path]) -> None:
    context = browser.new_context(accept_downloads=True)
    page = context.new_page()
    page.goto(pages["full"].as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(box => { box.open = true; })")
    tables = page.evaluate(
        "[...document.querySelectorAll('main table')].map(table => [table.id, "
        "[...(document.getElementById(table.id + '-all') || table).rows].map(row => "
        "[...row.cells].map(cell => cell.textContent))])"
    )

    assert len(tables) > 10
    numbers = 0
    for name, rows in tables:
        found = read(saved(page, name)[1])
        assert [len(row) for row in found] == [len(row) for row in rows]
        for cell, text in zip(chain(*found), chain(*rows), strict=True):
            if (value := as_number(text)) is not None:
                assert float(cell) == value
                numbers += 1
            else:
                assert cell == (text.replace("\N{MINUS SIGN}", "-") if text.startswith("[") else text)
    assert numbers > 100
    context.close()
