r"""Tables and methods as LaTeX to be read by ``\input``: nothing in them is a command but what is written here."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from alliance_bayes.report.bundle.manuscript import ManuscriptTable, cited

__all__ = ["escaped", "methods_tex", "table_tex"]

#: Rows from which a table is to run over pages.
LONG = 40
# Characters up to which a table's columns need no line breaks.
_LINE = 88
_SPECIAL: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # Languages of babel give it a meaning; a question mark and the next are one sign.
    '"': r"\char34{}",
    "`": r"\char96{}",
    "\N{NO-BREAK SPACE}": "~",
    "\N{THIN SPACE}": r"\,",
    "\N{NARROW NO-BREAK SPACE}": r"\,",
    "\N{EN DASH}": r"\textendash{}",
    "\N{EM DASH}": r"\textemdash{}",
    "\N{LEFT SINGLE QUOTATION MARK}": r"\textquoteleft{}",
    "\N{RIGHT SINGLE QUOTATION MARK}": r"\textquoteright{}",
    "\N{LEFT DOUBLE QUOTATION MARK}": r"\textquotedblleft{}",
    "\N{RIGHT DOUBLE QUOTATION MARK}": r"\textquotedblright{}",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
    "\N{MINUS SIGN}": r"\ensuremath{-}",
    "\N{PLUS-MINUS SIGN}": r"\ensuremath{\pm}",
    "\N{MULTIPLICATION SIGN}": r"\ensuremath{\times}",
    "\N{DIVISION SIGN}": r"\ensuremath{\div}",
    "\N{MIDDLE DOT}": r"\ensuremath{\cdot}",
    "\N{LESS-THAN OR EQUAL TO}": r"\ensuremath{\le}",
    "\N{GREATER-THAN OR EQUAL TO}": r"\ensuremath{\ge}",
    "\N{NOT EQUAL TO}": r"\ensuremath{\ne}",
    "\N{ALMOST EQUAL TO}": r"\ensuremath{\approx}",
    "\N{TILDE OPERATOR}": r"\ensuremath{\sim}",
    "\N{INFINITY}": r"\ensuremath{\infty}",
    "\N{SQUARE ROOT}": r"\ensuremath{\surd}",
    "\N{RIGHTWARDS ARROW}": r"\ensuremath{\rightarrow}",
    "\N{CHECK MARK}": r"\ensuremath{\surd}",
    "\N{MULTIPLICATION X}": r"\ensuremath{\times}",
    **{sign: rf"\ensuremath{{^{{{digit}}}}}" for digit, sign in zip("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹", strict=True)},
    "\N{DEGREE SIGN}": r"\ensuremath{^{\circ}}",
    "\N{MICRO SIGN}": r"\ensuremath{\mu}",
    "\N{LATIN SMALL LETTER SHARP S}": r"\ss{}",
    "\N{LATIN SMALL LETTER AE}": r"\ae{}",
    "\N{LATIN CAPITAL LETTER AE}": r"\AE{}",
    "\N{LATIN SMALL LIGATURE OE}": r"\oe{}",
    "\N{LATIN CAPITAL LIGATURE OE}": r"\OE{}",
    "\N{LATIN SMALL LETTER O WITH STROKE}": r"\o{}",
    "\N{LATIN CAPITAL LETTER O WITH STROKE}": r"\O{}",
    "\N{LATIN SMALL LETTER L WITH STROKE}": r"\l{}",
    "\N{LATIN CAPITAL LETTER L WITH STROKE}": r"\L{}",
    "\N{LATIN SMALL LETTER DOTLESS I}": r"\i{}",
    "\N{INVERTED EXCLAMATION MARK}": r"\textexclamdown{}",
    "\N{INVERTED QUESTION MARK}": r"\textquestiondown{}",
}
# Letters that have another name in LaTeX than in Unicode, or none there.
_GREEK = {
    **{
        chr(code): rf"\ensuremath{{\{unicodedata.name(chr(code)).split()[-1].lower()}}}"
        for code in range(0x3B1, 0x3CA)
        if code not in (0x3BF, 0x3C2, 0x3BB)
    },
    "λ": r"\ensuremath{\lambda}",
    "Δ": r"\ensuremath{\Delta}",
    "Σ": r"\ensuremath{\Sigma}",
    "Φ": r"\ensuremath{\Phi}",
    "Ω": r"\ensuremath{\Omega}",
}
_ACCENTS = {
    "\N{COMBINING GRAVE ACCENT}": "`",
    "\N{COMBINING ACUTE ACCENT}": "'",
    "\N{COMBINING CIRCUMFLEX ACCENT}": "^",
    "\N{COMBINING TILDE}": "~",
    "\N{COMBINING DIAERESIS}": '"',
    "\N{COMBINING MACRON}": "=",
    "\N{COMBINING DOT ABOVE}": ".",
    "\N{COMBINING BREVE}": "u ",
    "\N{COMBINING CARON}": "v ",
    "\N{COMBINING DOUBLE ACUTE ACCENT}": "H ",
    "\N{COMBINING RING ABOVE}": "r ",
    "\N{COMBINING CEDILLA}": "c ",
}
# Of two of these, one sign would be made.
_JOINED = re.compile(r"([-',])(?=\1)")
_NEEDS = r"""% Made from a page of alliance_bayes; to be read by \input. Needs \usepackage{PACKAGES}.
"""
# Engines that know Unicode print such a character, given a font that has it; pdfLaTeX prints its number.
_OTHERS = r"""\ifdefined\abcharacter\else
  \DeclareRobustCommand{\abcharacter}[2]{\ifdefined\Umathchar\char#1\relax\else U+#2\fi}
\fi
"""


def escaped(text: str) -> str:
    r"""Text in which nothing is a command, and every character one that any engine and encoding of fonts has.

    Parameters
    ----------
    text
        Plain text on one line.
    """
    plain = "".join(_character(char) for char in unicodedata.normalize("NFC", text))
    return _JOINED.sub(r"\1{}", plain)


def _character(character: str) -> str:
    if (known := _SPECIAL.get(character) or _GREEK.get(character)) is not None:
        return known
    if " " <= character <= "~":
        return character
    base, accent = (*unicodedata.normalize("NFD", character), "", "")[:2]
    if accent in _ACCENTS and base.isascii() and base.isalpha() and len(unicodedata.normalize("NFD", character)) == 2:
        # The dot of these letters gives way to an accent.
        letter = {"i": r"\i", "j": r"\j"}.get(base, base) if _ACCENTS[accent] != "c " else base
        return rf"\{_ACCENTS[accent]}{{{letter}}}"
    return rf"\abcharacter{{{ord(character)}}}{{{ord(character):04X}}}"


def _head(packages: str, body: str) -> str:
    needs = _NEEDS.replace("PACKAGES", packages) if packages else _NEEDS.partition(" Needs")[0] + "\n"
    return needs + (_OTHERS if r"\abcharacter" in body else "")


def table_tex(table: ManuscriptTable) -> str:
    """A table with horizontal rules only, its title above and its note below it.

    Parameters
    ----------
    table
        Of a page.
    """
    lines = ["".join(("{}", " & ".join(map(escaped, row)), r" \tabularnewline")) for row in table.rows]
    head = "".join(("{}", " & ".join(map(escaped, table.headings)), r" \tabularnewline"))
    columns = _columns(table)
    array = "array," if ">" in columns else ""
    caption = rf"\caption{{{escaped(table.title)}}}\label{{tab:{table.name}}}"
    size = (r"\small",) if array else ()
    note = rf"\footnotesize\textit{{Note.}} {escaped(table.note)}" if table.note else ""
    if len(table.rows) > LONG:
        body = "\n".join(
            (
                rf"\begin{{longtable}}{{{columns}}}",
                rf"{caption}\tabularnewline",
                *(line for end in (r"\endfirsthead", r"\endhead") for line in (r"\toprule", head, r"\midrule", end)),
                r"\bottomrule",
                r"\endlastfoot",
                *lines,
                r"\end{longtable}",
                *((rf"{{\noindent{note}\par}}",) if note else ()),
            )
        )
        return _head(f"{array}booktabs,longtable", body) + body + "\n"
    body = "\n".join(
        (
            r"\begin{table}[tbp]",
            r"\raggedright",
            caption,
            *size,
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            head,
            r"\midrule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            *((rf"\par\smallskip{{{note}\par}}",) if note else ()),
            r"\end{table}",
        )
    )
    return _head(f"{array}booktabs", body) + body + "\n"


def _columns(table: ManuscriptTable) -> str:
    """Columns as narrow as their cells, or parts of the line's width where these are too many or too long."""
    places = range(len(table.headings))
    if table.characters + 2 * len(places) <= _LINE:
        return "@{}" + "".join("l" if place in table.words else "c" for place in places) + "@{}"
    widths = table.widths(_LINE - 2 * len(places))
    room = rf"(\linewidth-{2 * (len(widths) - 1)}\tabcolsep)"
    parts = (rf">{{\raggedright\arraybackslash}}p{{\dimexpr{room}*{size}/{sum(widths)}\relax}}" for size in widths)
    return "@{}" + "".join(parts) + "@{}"


def methods_tex(text: str, keys: Mapping[str, object]) -> str:
    r"""The methods as paragraphs, with the sources they name as ``\cite``.

    Parameters
    ----------
    text
        Paragraphs with keys in square brackets.
    keys
        Those that are in the ``.bib`` file.
    """
    paragraphs = []
    for paragraph in text.split("\n\n"):
        pieces = (
            escaped(" ".join(piece.split("\n"))) if isinstance(piece, str) else rf"~\cite{{{','.join(piece)}}}"
            for piece in cited(paragraph, keys)
        )
        # No line longer than an editor likes, and none that begins with what ends a paragraph.
        paragraphs.append(re.sub(r"\. (?=[A-Z])", ".\n", "".join(pieces)))
    body = "\n\n".join(paragraphs)
    return _head("", body) + body + "\n"
