"""One Word document of a page's methods, references and tables, in APA style (7th edition)."""

from __future__ import annotations

import importlib.util
import io
import re
import zipfile
from collections.abc import Iterable, Sequence
from typing import Any

from alliance_bayes.errors import UsageError
from alliance_bayes.remedies import argument
from alliance_bayes.report.bundle import apa
from alliance_bayes.report.bundle.content import Content
from alliance_bayes.report.bundle.manuscript import ManuscriptTable, cited, manuscript_tables

__all__ = ["document", "need_docx"]

_FONT = "Times New Roman"
# Columns up to which a table stands upright, and the characters of a line of it, upright and across.
_UPRIGHT, _LINE, _LINE_ACROSS = 6, 92, 130
# What the edges of a cell take, in characters.
_EDGES = 3
_CELL = "Table cell"
# What no XML can hold, and Word refuses.
_ILLEGAL = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# The earliest that the format can say, so that one page always gives the same file.
_DATE = (1980, 1, 1, 0, 0, 0)


def need_docx() -> None:
    """Refuse to write Word documents without the package that does.

    Raises
    ------
    UsageError
        It is not installed.
    """
    if importlib.util.find_spec("docx") is None:
        raise UsageError(
            "writing a Word document needs python-docx, which is not installed. Install the extra: pip install "
            f"'alliance_bayes[docx]'; or do without the document: {argument('docx', False)}."
        )


def document(content: Content) -> bytes:
    """The document; empty where the page has neither methods nor tables.

    Parameters
    ----------
    content
        Of a page.
    """
    tables = manuscript_tables(content)
    if not tables and not content.methods:
        return b""
    need_docx()
    import docx

    doc = docx.Document()
    _set_up(doc)
    if content.methods:
        _methods(doc, content)
    for table in tables:
        _place(doc, table, first=table.number == 1 and not content.methods)
        _table(doc, table)
    stream = io.BytesIO()
    doc.save(stream)
    return _dated(stream.getvalue())


def _set_up(doc: Any) -> None:
    """Fonts and margins of a manuscript; nothing that the template says of itself."""
    from docx.enum.style import WD_STYLE_TYPE
    from docx.oxml.ns import qn
    from docx.shared import Inches, Pt, RGBColor

    for name in ("Normal", "Heading 1"):
        style = doc.styles[name]
        style.font.name, style.font.size = _FONT, Pt(12)
        style.font.color.rgb = RGBColor(0, 0, 0)
        fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
        for theme in ("w:asciiTheme", "w:hAnsiTheme", "w:eastAsiaTheme", "w:cstheme"):
            fonts.attrib.pop(qn(theme), None)
        fonts.set(qn("w:eastAsia"), _FONT)
    cell = doc.styles.add_style(_CELL, WD_STYLE_TYPE.PARAGRAPH)
    cell.base_style, cell.font.size = doc.styles["Normal"], Pt(10)
    cell.paragraph_format.space_after, cell.paragraph_format.line_spacing = Pt(0), 1.0
    for side in ("left_margin", "right_margin", "top_margin", "bottom_margin"):
        setattr(doc.sections[0], side, Inches(1))
    about = doc.core_properties
    about.author, about.comments, about.title = "", "", ""


def _methods(doc: Any, content: Content) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Inches

    doc.add_heading("Methods", 1).alignment = WD_ALIGN_PARAGRAPH.CENTER
    for text in content.methods.split("\n\n"):
        joined = "".join(
            piece if isinstance(piece, str) else f" {apa.in_text(piece, content.sources)}"
            for piece in cited(text, content.sources)
        )
        paragraph = _paragraph(doc, [(" ".join(joined.split("\n")), False)], lines=2.0)
        paragraph.paragraph_format.first_line_indent = Inches(0.5)
    if content.sources:
        doc.add_heading("References", 1).alignment = WD_ALIGN_PARAGRAPH.CENTER
    for key in apa.ordered(content.sources):
        paragraph = _paragraph(doc, apa.entry(key, content.sources), lines=2.0)
        paragraph.paragraph_format.left_indent = Inches(0.5)
        paragraph.paragraph_format.first_line_indent = Inches(-0.5)


def _paragraph(parent: Any, pieces: Iterable[apa.Piece], *, lines: float = 1.0, bold: bool = False) -> Any:
    from docx.shared import Pt

    paragraph = parent.add_paragraph()
    for text, italic in pieces:
        run = paragraph.add_run(_legal(text))
        run.italic, run.bold = italic or None, bold or None
    paragraph.paragraph_format.line_spacing = lines
    paragraph.paragraph_format.space_after = paragraph.paragraph_format.space_before = Pt(0)
    return paragraph


def _place(doc: Any, table: ManuscriptTable, *, first: bool) -> None:
    """A page of its own, across where the table is wide."""
    from docx.enum.section import WD_ORIENT, WD_SECTION

    section = doc.sections[0] if first else doc.add_section(WD_SECTION.NEW_PAGE)
    wide = len(table.headings) > _UPRIGHT
    long, short = max(section.page_width, section.page_height), min(section.page_width, section.page_height)
    section.orientation = WD_ORIENT.LANDSCAPE if wide else WD_ORIENT.PORTRAIT
    section.page_width, section.page_height = (long, short) if wide else (short, long)


def _table(doc: Any, table: ManuscriptTable) -> None:
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.shared import Emu

    for pieces, bold in (([(f"Table {table.number}", False)], True), ([(table.title, True)], False)):
        _paragraph(doc, pieces, lines=2.0, bold=bold).paragraph_format.keep_with_next = True
    rows = (table.headings, *table.rows)
    grid = doc.add_table(rows=len(rows), cols=len(table.headings))
    grid.autofit = False
    section = doc.sections[-1]
    room = section.page_width - section.left_margin - section.right_margin
    line = _LINE if section.page_width < section.page_height else _LINE_ACROSS
    widths = [size + _EDGES for size in table.widths(line - _EDGES * len(table.headings))]
    for place, size in enumerate(widths):
        grid.columns[place].width = Emu(int(room * size / sum(widths)))
    # A row's cells are found anew each time they are asked for.
    for number, (line, texts) in enumerate(zip(grid.rows, rows, strict=True)):
        for place, (cell, text) in enumerate(zip(line.cells, texts, strict=True)):
            cell.width = grid.columns[place].width
            paragraph = cell.paragraphs[0]
            paragraph.style = doc.styles[_CELL]
            paragraph.add_run(_legal(text))
            if place not in table.words:
                paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
            if number == 0:
                _rules(cell._tc.get_or_add_tcPr(), "w:tcBorders", ("bottom",))
        _whole(line, heads=number == 0)
    _rules(grid._tbl.tblPr, "w:tblBorders", ("top", "bottom"))
    if table.note:
        _paragraph(doc, [("Note.", True), (f" {table.note}", False)])


def _rules(properties: Any, name: str, sides: Sequence[str]) -> None:
    """Horizontal rules, of half a point."""
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    borders = OxmlElement(name)
    for side in sides:
        rule = OxmlElement(f"w:{side}")
        for key, value in (("val", "single"), ("sz", "4"), ("space", "0"), ("color", "000000")):
            rule.set(qn(f"w:{key}"), value)
        borders.append(rule)
    # Word wants its elements in order: these come before the layout and the looks of a table.
    later = [child for child in properties if child.tag in (qn("w:tblLayout"), qn("w:tblLook"), qn("w:vAlign"))]
    if later:
        later[0].addprevious(borders)
    else:
        properties.append(borders)


def _whole(line: Any, *, heads: bool) -> None:
    """No page break within a row; headings again on every page."""
    from docx.oxml import OxmlElement

    properties = line._tr.get_or_add_trPr()
    properties.append(OxmlElement("w:cantSplit"))
    if heads:
        properties.append(OxmlElement("w:tblHeader"))


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)


def _dated(data: bytes) -> bytes:
    """The same file without the time at which it was made."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target:
        for entry in source.infolist():
            target.writestr(zipfile.ZipInfo(entry.filename, _DATE), source.read(entry), zipfile.ZIP_DEFLATED)
    return stream.getvalue()
