"""The Word document of a bundle: cells and words of the page in APA style, read back by python-docx."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from markupsafe import Markup

from alliance_bayes.checks import CheckReport
from alliance_bayes.cli import main
from alliance_bayes.effects import effects
from alliance_bayes.errors import UsageError
from alliance_bayes.report import Rendered, Table
from alliance_bayes.report.bundle import apa, check_bundle, word
from alliance_bayes.report.bundle.content import Content
from alliance_bayes.report.methods import REFERENCES, Reference
from builders import fitted, rendered, rows

docx = pytest.importorskip("docx")

LABELS = ["<w:p>&amp;", "line\nbreak", "\x0b\x00 \ufffe", "日本語 🎉", "=1+1", "x" * 90]
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"


@pytest.fixture(scope="module")
def page(checks_of: Callable[..., CheckReport]) -> Rendered:
    frame = rows(600)
    frame["country"] = pd.Categorical.from_codes(np.arange(600) % len(LABELS), LABELS, ordered=True)
    fit = fitted(frame, formula="who5_followup ~ alliance + who5_baseline + (alliance || country)", draws=150)
    return rendered(fit, effects=effects(fit), checks=checks_of())


@pytest.fixture(scope="module")
def opened(page: Rendered) -> Any:
    return docx.Document(io.BytesIO(word.document(page.content)))


def seen(cell: str) -> str:
    """What the page shows in a cell, by another parser: marks apart from each other, without words that nobody sees."""
    if not isinstance(cell, Markup):
        # As a browser has it, blanks are one; those that must not break stay.
        return re.sub(" +", " ", cell).strip(" ")
    soup = BeautifulSoup(str(cell), "html.parser")
    for hidden in soup.select(".unseen"):
        hidden.decompose()
    return "; ".join(mark.get_text().strip() for mark in soup.find_all(class_="mark", recursive=False))


@pytest.mark.slow
def test_the_tables_are_those_of_the_page_cell_by_cell(page: Rendered, opened: Any) -> None:
    names = ["table-participants", "table-summary"]
    assert len(opened.tables) == len(names)
    for name, made in zip(names, opened.tables, strict=True):
        table = page.content.tables[name]
        wanted = [table.headings, *(table.more or table.rows)]
        assert len(wanted) > 2
        found = [[cell.text for cell in row.cells] for row in made.rows]
        assert found == [[seen(cell) for cell in row] for row in wanted]


def test_they_are_in_apa_style(page: Rendered, opened: Any) -> None:
    body = [child for child in opened.element.body if child.tag in (f"{W}p", f"{W}tbl")]
    places = [place for place, child in enumerate(body) if child.tag == f"{W}tbl"]
    for number, (place, name) in enumerate(zip(places, ("table-participants", "table-summary"), strict=True), 1):
        table = page.content.tables[name]
        # Number in bold, title in italics below it, note below the table.
        above = [docx.text.paragraph.Paragraph(one, opened) for one in body[place - 2 : place]]
        assert [one.text for one in above] == [f"Table {number}", table.caption]
        assert [(run.bold, run.italic) for one in above for run in one.runs] == [(True, None), (None, True)]
        if table.note:
            note = docx.text.paragraph.Paragraph(body[place + 1], opened)
            assert note.text == f"Note. {re.sub(' +', ' ', table.note)}"
            assert [run.italic for run in note.runs] == [True, None]
        # Three horizontal rules and no vertical one.
        grid = body[place]
        borders = {child.tag for child in grid.find(f"{W}tblPr/{W}tblBorders")}
        assert borders == {f"{W}top", f"{W}bottom"}
        rows_of = grid.findall(f"{W}tr")
        ruled = [{child.tag for box in row.iter(f"{W}tcBorders") for child in box} for row in rows_of]
        assert ruled == [{f"{W}bottom"}, *[set()] * (len(rows_of) - 1)]
        assert [row.find(f"{W}trPr/{W}tblHeader") is not None for row in rows_of] == [True] + [False] * (
            len(rows_of) - 1
        )
        # Word refuses a document whose elements are out of order.
        order = [child.tag.removeprefix(W) for child in grid.find(f"{W}tblPr")]
        schema = ["tblStyle", "tblW", "jc", "tblBorders", "tblLayout", "tblLook"]
        assert order == [name for name in schema if name in order]


def test_methods_and_references_are_the_pages(page: Rendered, opened: Any) -> None:
    texts = [paragraph.text for paragraph in opened.paragraphs]
    start, middle = texts.index("Methods"), texts.index("References")
    said = texts[start + 1 : middle]
    wanted = page.content.methods.split("\n\n")
    assert len(said) == len(wanted) == 3
    keys = list(page.content.sources)
    for made, given in zip(said, wanted, strict=True):
        # But for what is cited, word by word.
        citation = rf" \[(?:{'|'.join(keys)})(?:; (?:{'|'.join(keys)}))*\]"
        pieces = re.split(citation, given)
        pattern = r" \([^()]*\)".join(map(re.escape, pieces))
        assert re.fullmatch(pattern, made), made
        assert not re.search(citation, made)
    listed = texts[middle + 1 : middle + 1 + len(keys)]
    assert listed == sorted(listed, key=str.casefold)
    for source in page.content.sources.values():
        assert sum(source.fields.get("doi", source.fields.get("note", "")) in text for text in listed) >= 1
    assert not any(set(text) & set("{}\\$") for text in listed)


def test_sources_are_cited_and_listed_as_apa_has_them() -> None:
    own = {
        **REFERENCES,
        "own": Reference("misc", r"{The a\_b developers}", r"a\_b: {Bayesian} Models", "", {"note": "Version 1"}),
    }
    assert apa.in_text(["vehtari2021", "kruschke2018", "own"], own) == (
        "(Kruschke, 2018; The a_b developers, n.d.; Vehtari et al., 2021)"
    )
    assert apa.in_text(["depaoli2017"], own) == "(Depaoli & van de Schoot, 2017)"

    def listed(key: str) -> str:
        return "".join(text for text, _ in apa.entry(key, own))

    assert listed("topp2015") == (
        "Topp, C. W., Østergaard, S. D., Søndergaard, S., & Bech, P. (2015). The WHO-5 well-being index: A systematic "
        "review of the literature. Psychotherapy and Psychosomatics, 84, 167–176. https://doi.org/10.1159/000376585"
    )
    assert listed("vehtari2021").startswith(
        "Vehtari, A., Gelman, A., Simpson, D., Carpenter, B., & Bürkner, P.-C. (2021). Rank-normalization, folding, "
        "and localization: An improved R\u0302 for assessing convergence of MCMC. Bayesian Analysis, 16, 667–718. "
    )
    assert listed("flueckiger2018").startswith("Flückiger, C., Del Re, A. C., Wampold, B. E., & Horvath, A. O. (2018).")
    assert listed("aafjes2024").startswith("Aafjes-van Doorn, K., Spina, D. S., Horne, S. J., & Békés, V. (2024).")
    assert listed("own") == "The a_b developers. (n.d.). A_b: Bayesian models (Version 1)."
    assert [text for text, italic in apa.entry("topp2015", own) if italic] == ["Psychotherapy and Psychosomatics", "84"]
    order = apa.ordered(own)
    assert order.index("aafjes2024") < order.index("flueckiger2018") < order.index("own") < order.index("topp2015")


def test_sources_that_are_cited_alike_are_told_apart() -> None:
    one = Reference("article", "Bach, A. and Cage, B. and Orff, C.", "Second", "2020", {"journal": "J"})
    other = dataclasses.replace(one, authors="Bach, A. and Dufay, B. and Orff, C.", title="First")
    sources = {"x": one, "y": other}
    assert apa.in_text(["x", "y"], sources) == "(Bach et al., 2020a; Bach et al., 2020b)"
    assert [apa.entry(key, sources)[0][0] for key in ("x", "y")] == [
        "Bach, A., Cage, B., & Orff, C. (2020b). Second. ",
        "Bach, A., Dufay, B., & Orff, C. (2020a). First. ",
    ]


def test_every_reference_of_the_package_is_plain_text() -> None:
    for key, source in REFERENCES.items():
        text = "".join(piece for piece, _ in apa.entry(key, REFERENCES))
        assert not set(text) & set("{}\\$~"), text
        assert source.year in text
        assert "  " not in text


def test_a_page_without_either_has_no_document() -> None:
    assert word.document(Content()) == b""
    table = Table.of("table-participants", "T", ("A", "B"), [("x", "1")])
    made = docx.Document(io.BytesIO(word.document(Content({"table-participants": table}))))
    assert [paragraph.text for paragraph in made.paragraphs] == ["Table 1", "T"]
    assert len(made.sections) == 1


def test_wide_tables_lie_across_the_page(opened: Any) -> None:
    across = [section.page_width > section.page_height for section in opened.sections]
    assert across == [False, *(len(table.columns) > 6 for table in opened.tables)]


@pytest.mark.usefixtures("undrawn")
def test_without_the_package_there_is_a_remedy_before_the_work(
    page: Rendered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(word.importlib.util, "find_spec", lambda name: None if name == "docx" else found(name))
    for write in (check_bundle, page.bundle):
        with pytest.raises(UsageError, match=r"pip install 'alliance_bayes\[docx\]'; .*: docx=False\.$"):
            write(tmp_path / "out")
    with pytest.raises(SystemExit) as ended:
        main(["study", "--demo", "-o", str(tmp_path / "s.html"), "--bundle", str(tmp_path / "out")])
    assert ended.value.code == 2
    assert "--no-docx." in " ".join(capsys.readouterr().err.split())
    assert list(tmp_path.iterdir()) == []

    made = page.bundle(tmp_path / "out", docx=False)
    assert {path.suffix for path in made} >= {".csv", ".tex", ".bib"}
    assert ".docx" not in {path.suffix for path in made}
