"""Workbooks written by hand, so that each cell is what a test says it is: kinds, errors, merged cells, and lies."""

from __future__ import annotations

import datetime as dt
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_SHEETML = "application/vnd.openxmlformats-officedocument.spreadsheetml"
# Formats of cells: general, a day, a day and a time, a time of day, a share.
_STYLES = f"""<styleSheet xmlns="{_MAIN}"><fonts count="1"><font/></fonts><fills count="1"><fill/></fills>
<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="5"><xf numFmtId="0"/>
<xf numFmtId="14" applyNumberFormat="1"/><xf numFmtId="22" applyNumberFormat="1"/><xf numFmtId="21"
applyNumberFormat="1"/><xf numFmtId="9" applyNumberFormat="1"/></cellXfs></styleSheet>"""


class Failed(str):
    """A cell whose formula failed: "#N/A"."""


def write_workbook(
    path: Path,
    sheets: Mapping[str, Sequence[Sequence[object]]],
    *,
    at: str = "A1",
    merged: Sequence[str] = (),
    extra: str = "",
) -> Path:
    """Write a workbook.

    Parameters
    ----------
    path
        Where.
    sheets
        Rows of each sheet; None is no cell.
    at
        Where their first cell is (one letter).
    merged
        Ranges of merged cells of every sheet.
    extra
        Rows of XML that come after the others.
    """
    left, top = ord(at[0]) - 65, int(at[1:])
    relation, kind = f"{_PACKAGE}/relationships", f"{_OFFICE}/worksheet"
    names = list(sheets)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        overrides = "".join(
            f'<Override PartName="/xl/worksheets/sheet{k}.xml" ContentType="{_SHEETML}.worksheet+xml"/>'
            for k in range(len(names))
        )
        packed.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="xml" ContentType="application/xml"/><Default '
            'Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.xml" ContentType="{_SHEETML}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{_SHEETML}.styles+xml"/>{overrides}</Types>',
        )
        packed.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{relation}"><Relationship Id="r0" Type="{_OFFICE}/officeDocument" '
            'Target="xl/workbook.xml"/></Relationships>',
        )
        listed = "".join(
            f'<sheet name="{escape(name)}" sheetId="{k + 1}" r:id="r{k}"/>' for k, name in enumerate(names)
        )
        packed.writestr(
            "xl/workbook.xml", f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>'
        )
        targets = "".join(
            f'<Relationship Id="r{k}" Type="{kind}" Target="worksheets/sheet{k}.xml"/>' for k in range(len(names))
        )
        styles = f'<Relationship Id="rs" Type="{_OFFICE}/styles" Target="styles.xml"/>'
        packed.writestr(
            "xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{relation}">{targets}{styles}</Relationships>'
        )
        packed.writestr("xl/styles.xml", _STYLES)
        ranges = "".join(f'<mergeCell ref="{one}"/>' for one in merged)
        ranges = f"<mergeCells>{ranges}</mergeCells>" if merged else ""
        for k, name in enumerate(names):
            rows = ""
            for i, row in enumerate(sheets[name], start=top):
                cells = "".join(_cell(cell, left + j, i) for j, cell in enumerate(row))
                rows += f'<row r="{i}">{cells}</row>'
            packed.writestr(
                f"xl/worksheets/sheet{k}.xml",
                f'<worksheet xmlns="{_MAIN}"><sheetData>{rows}{extra}</sheetData>{ranges}</worksheet>',
            )
    return path


def _cell(cell: object, column: int, row: int) -> str:
    where = f"{chr(65 + column)}{row}"
    if cell is None:
        return ""
    if isinstance(cell, Failed):
        return f'<c r="{where}" t="e"><f>1/0</f><v>{cell}</v></c>'
    if isinstance(cell, bool):
        return f'<c r="{where}" t="b"><v>{int(cell)}</v></c>'
    if isinstance(cell, (int, float)):
        return f'<c r="{where}"><v>{cell!r}</v></c>'
    if isinstance(cell, dt.date):
        there = cell if isinstance(cell, dt.datetime) else dt.datetime(cell.year, cell.month, cell.day)
        days = (there - dt.datetime(1899, 12, 30)) / dt.timedelta(days=1)
        return f'<c r="{where}" s="{2 if isinstance(cell, dt.datetime) else 1}"><v>{days!r}</v></c>'
    if isinstance(cell, dt.timedelta):
        return f'<c r="{where}" s="3"><v>{cell / dt.timedelta(days=1)!r}</v></c>'
    return f'<c r="{where}" t="inlineStr"><is><t xml:space="preserve">{escape(str(cell))}</t></is></c>'
