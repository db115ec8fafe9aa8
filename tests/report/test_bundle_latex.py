"""LaTeX of a bundle: what it says is what the page says, and nothing in it is a command but the package's own."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from alliance_bayes.checks import CheckReport
from alliance_bayes.effects import effects
from alliance_bayes.report import Rendered, Table
from alliance_bayes.report.bundle.latex import LONG, escaped, methods_tex, table_tex
from alliance_bayes.report.bundle.manuscript import ManuscriptTable
from builders import fitted, rendered, rows

# Tables and text: figures, drawn twice for a bundle, take most of the time of one.
pytestmark = pytest.mark.usefixtures("undrawn")

LABELS = [
    r"\input{/etc/passwd} \end{document}",
    "$x^2_3$ & 50% #1 ~ {{",
    "[2cm]* \\\\",
    "-- --- ,, '' `` ?` << >>",
    "Übung Łódź ąę 日本語 λ é ǘ ½ 🎉",
    "% % %\n\\par",
]
# Every command that a file may have, but accents.
KNOWN = r"""
    \begin \end \caption \label \toprule \midrule \bottomrule \tabularnewline \raggedright \arraybackslash
    \dimexpr \linewidth \tabcolsep \relax \par \smallskip \footnotesize \small \textit \noindent \endfirsthead
    \endhead \endlastfoot \cite \ifdefined \abcharacter \else \DeclareRobustCommand \Umathchar \char \fi
    \ensuremath \textbackslash \textasciicircum \textasciitilde \textless \textgreater \textbar \textendash
    \textemdash \textquoteleft \textquoteright \textquotedblleft \textquotedblright \textexclamdown
    \textquestiondown \ldots \pm \times \div \cdot \le \ge \ne \approx \sim \infty \surd \rightarrow \circ
    \mu \ss \ae \AE \oe \OE \o \O \l \L \i \j \u \v \H \r \c \lambda \Delta \Sigma \Phi \Omega
"""
GREEK = {rf"\{unicodedata.name(chr(code)).split()[-1].lower()}" for code in range(0x3B1, 0x3CA)}
COMMANDS = {*KNOWN.split()} | GREEK
SYMBOLS = {rf"\{one}" for one in "{}$&#%_,`'^~\"=."}
TOKEN = re.compile(r"\\(?:[A-Za-z]+|.)|(?<!\\)%.*|[{}]|[^\\{}%]+", re.DOTALL)
SAID = {
    r"\textbackslash": "\\", r"\textasciicircum": "^", r"\textasciitilde": "~", r"\textless": "<", r"\textgreater": ">",
    r"\textbar": "|", r"\textendash": "–", r"\textemdash": "—", r"\textquoteleft": "\u2018", r"\textquoteright": "’",
    r"\textquotedblleft": "“", r"\textquotedblright": "”", r"\ensuremath{-}": "\u2212", r"\ensuremath{\pm}": "±",
    r"\ensuremath{\le}": "≤", r"\ensuremath{\ge}": "≥", r"\ensuremath{^{2}}": "²", r"\ensuremath{\lambda}": "λ",
    r"\char34": '"', r"\char96": "`", r"\L": "Ł", r"\l": "ł",
}  # fmt: skip
ACCENTS = {'"': "\u0308", "'": "\u0301", "^": "\u0302", "~": "\u0303", "v ": "\u030c", "c ": "\u0327"}


def tokens(text: str) -> Iterator[str]:
    place = 0
    for found in TOKEN.finditer(text):
        assert found.start() == place, text[place : place + 40]
        place = found.end()
        yield found.group()
    assert place == len(text)


def check_safe(text: str) -> None:
    """Braces match, every command is known, and no character is special, but between cells."""
    depth = 0
    for token in tokens(text):
        if token == "{":
            depth += 1
        elif token == "}":
            depth -= 1
            assert depth >= 0
        elif token.startswith("\\"):
            assert token in COMMANDS | SYMBOLS, token
        elif not token.startswith("%"):
            assert not set(token) & set("$\x00"), token
            assert token.isascii(), token
    assert depth == 0


_READ = re.compile(
    r"""\\abcharacter\{(?P<code>\d+)\}\{[0-9A-F]+\}
    | \\(?P<accent>["'^~=.`]|[uvHrc][ ])\{\\?(?P<letter>\w)\}
    | \\ensuremath\{(?P<sign>[^{}]*|\^\{\d\})\}
    | \\(?P<word>[A-Za-z]+\d*)\{\}
    | \\(?P<special>[{}$&\#%_])
    | (?P<apart>\{\})
    | (?P<tie>~)""",
    re.VERBOSE,
)


def said(tex: str) -> str:
    """What a cell says, by another way than that by which it was written: in one go, from left to right."""

    def read(found: re.Match[str]) -> str:
        if found["code"]:
            return chr(int(found["code"]))
        if found["accent"]:
            return unicodedata.normalize("NFC", found["letter"] + ACCENTS[found["accent"]])
        if found["sign"]:
            return SAID[rf"\ensuremath{{{found['sign']}}}"]
        if found["word"]:
            return SAID[rf"\{found['word']}"]
        return found["special"] or ("" if found["apart"] else "\N{NO-BREAK SPACE}")

    return _READ.sub(read, tex)


def cells(tex: str) -> list[list[str]]:
    lines = [line for line in tex.split("\n") if line.endswith(r" \tabularnewline")]
    assert all(line.startswith("{}") for line in lines)
    return [
        [said(cell) for cell in re.split(r"(?<!\\) & ", line.removeprefix("{}").removesuffix(r" \tabularnewline"))]
        for line in lines
    ]


@pytest.fixture(scope="module")
def page(checks_of: Callable[..., CheckReport]) -> Rendered:
    frame = rows(600)
    frame["country"] = pd.Categorical.from_codes(np.arange(600) % len(LABELS), LABELS, ordered=True)
    fit = fitted(frame, formula="who5_followup ~ alliance + (alliance || country)", draws=150)
    fit = dataclasses.replace(fit, info={**fit.info, "cohort_source": r"[x] \input{y} $ 100%.csv"})
    return rendered(fit, effects=effects(fit), checks=checks_of())


@pytest.mark.slow
def test_table_1_says_what_the_page_says(page: Rendered, tmp_path: Path) -> None:
    page.bundle(tmp_path)
    tex = (tmp_path / "table1.tex").read_text(encoding="utf-8")
    check_safe(tex)
    table = page.content.tables["table-participants"]
    head, *body = cells(tex)
    assert head == list(table.headings)
    assert body == [[cell.strip() for cell in row] for row in table.more or table.rows]
    # Its title stands above it, and there is no vertical rule.
    assert tex.index(r"\caption{") < tex.index(r"\begin{tabular}")
    assert re.findall(r"\\(?:top|mid|bottom)rule|\\hline|\|", tex) == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert said(re.search(r"\\caption\{(.*)\}\\label", tex)[1]) == table.caption  # type: ignore[index]


@pytest.mark.slow
def test_methods_cite_what_is_in_the_bib_file(page: Rendered, tmp_path: Path) -> None:
    page.bundle(tmp_path)
    tex = (tmp_path / "methods.tex").read_text(encoding="utf-8")
    check_safe(tex)
    bib = (tmp_path / "references.bib").read_text(encoding="utf-8")
    assert bib == page.content.bibtex
    keys = re.findall(r"^@\w+\{([^,]+),$", bib, re.MULTILINE)
    cited = [key for group in re.findall(r"\\cite\{([^}]*)\}", tex) for key in group.split(",")]
    assert list(dict.fromkeys(cited)) == keys
    assert len(keys) > 8
    plain = re.sub(r"~\\cite\{([^}]*)\}", lambda found: f" [{found[1].replace(',', '; ')}]", tex.partition("\n")[2])
    assert said(plain).replace(".\n", ". ").split() == page.content.methods.split()


def test_nothing_is_cited_that_is_no_source() -> None:
    tex = methods_tex("A [topp2015; x] b [topp2015] [1.0, 2.0] [topp2015].\n\nC.", {"topp2015": 1})
    assert tex.partition("\n")[2] == "A [topp2015; x] b~\\cite{topp2015} [1.0, 2.0]~\\cite{topp2015}.\n\nC.\n"


def test_cells_of_markup_lose_their_links_and_keep_their_words() -> None:
    link = Markup(
        '<a class="mark pass" href="#check-8"><span aria-hidden="true">✓</span> priors<span class="unseen">: pass'
        '</span></a> <span class="mark">families: –</span> <span>a</span> &lt; 2 and <a href="#b">b</a>'
    )
    made = Table.of("table-summary", "T", ("A", "B"), [("x", link)], note="* 5 %")
    tex = table_tex(ManuscriptTable.of(1, "summary", made))
    assert r"{}x & \ensuremath{\surd} priors; families: \textendash{}; a \textless{} 2 and b \tabularnewline" in tex
    assert r"\textit{Note.} * 5 \%" in tex
    check_safe(tex)


def test_a_long_table_runs_over_pages_and_a_wide_one_breaks_its_lines() -> None:
    made = Table.of("t", "T", ("A", "B"), [(f"[{k}]", "word " * 30) for k in range(LONG + 1)])
    tex = table_tex(ManuscriptTable.of(1, "t", made))
    check_safe(tex)
    assert tex.count(r"\begin{longtable}") == tex.count(r"\end{longtable}") == 1
    assert "\\begin{table}" not in tex
    parts = re.findall(r"\*(\d+)/(\d+)", tex)
    # Together the columns are as wide as the line.
    assert sum(int(part) for part, _ in parts) == int(parts[0][1])
    assert r"\usepackage{array,booktabs,longtable}" in tex


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_every_text_is_safe(text: str) -> None:
    tex = escaped(text)
    check_safe(tex)
    assert not re.search(r"--|,,|''|``|\?`|!`|<<|>>", tex)
    assert "\n" not in tex


@given(st.text("abc ,;-'`\"[]{}$&#%_^~\\<>|–’\N{MINUS SIGN}±²ÜŁéλ日½"))
def test_every_text_reads_back(text: str) -> None:
    assert said(escaped(text)) == unicodedata.normalize("NFC", text)
