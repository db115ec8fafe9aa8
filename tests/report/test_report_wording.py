"""Files of sentences: every text is a template on one line that some code fills, and a value is never a template."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import TemplateSyntaxError, UndefinedError

import alliance_bayes as ab
from alliance_bayes.report.methods import REFERENCES
from alliance_bayes.report.text import capital
from alliance_bayes.wording import Wording, _environment, filled, read_wording

PACKAGE = Path(ab.__file__).parent
FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.toml") if path.parent.name != "cards")
#: Every file of code, to look for the names of sentences in.
CODE = [path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))]
PLAIN = [
    path
    for path in FILES
    if path.parts[:2] != ("study", "parts") and path.stem not in ("references", "guidelines", "glossary")
]


def wording(path: Path) -> dict[str, object]:
    return read_wording(f"alliance_bayes.{path.parts[0]}", "/".join(path.parts[1:]))


def texts_of(value: object) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return [text for inner in value.values() for text in texts_of(inner)]
        case list():
            return [text for inner in value for text in texts_of(inner)]
    return []


def test_there_are_files_of_sentences() -> None:
    assert {path.name for path in PLAIN} >= {"methods.toml", "limitations.toml", "page.toml"}
    assert len(REFERENCES) == len(wording(Path("report/sentences/references.toml")))


@pytest.mark.parametrize("path", [path for path in FILES if path.stem != "references"], ids=str)
def test_every_text_is_a_template_on_one_line(path: Path) -> None:
    texts = texts_of(wording(path))
    assert texts
    for text in texts:
        _environment().parse(text)
        assert text == text.strip()
        assert "\n" not in text
        assert "  " not in text


@pytest.mark.parametrize("path", PLAIN, ids=str)
def test_every_sentence_is_said_by_the_code_that_reads_them(path: Path) -> None:
    """By its name in quotation marks, or by one that is put together, in a file that knows the sentences' module."""
    readers = [code for code in CODE if path.name in code or f"{path.stem} import" in code]
    assert readers
    quoted = {name for code in readers for name in re.findall(r"[\"']([a-z_]+)[\"']", code)}
    parts = [part for code in readers for part in re.findall(r"f[\"']([a-z_]*)\{[^}]*\}([a-z_]*)[\"']", code)]
    composed = [(start, end) for start, end in parts if start or end]
    unsaid = [
        name
        for name in wording(path)
        if name not in quoted and not any(name.startswith(start) and name.endswith(end) for start, end in composed)
    ]
    assert unsaid == []


def test_a_text_is_filled_with_what_it_names_and_a_value_is_never_a_template() -> None:
    assert filled("Of {{ n }}{% if all %} all{% endif %}.", {"n": "3", "all": False}) == "Of 3."
    assert filled("{{ who | capital }}", {"who": "a {{ b }} <i>\n c"}) == capital("a {{ b }} <i>\n c")
    with pytest.raises(UndefinedError, match="'n' is undefined"):
        filled("Of {{ n }}.", {})
    with pytest.raises(TemplateSyntaxError):
        filled("{% if %}", {})


def test_the_sentences_of_a_list_are_those_that_say_something() -> None:
    sentences = Wording("alliance_bayes.report", "sentences/limitations.toml")
    nothing = dict.fromkeys(("left_out", "unmeasured", "imputed"), False)
    assert sentences.all("not_done", **nothing) == []
    assert len(sentences.all("not_done", **{**nothing, "left_out": True})) == 1
    with pytest.raises(KeyError, match="no_such"):
        sentences("no_such")
    with pytest.raises(UndefinedError):
        sentences.all("not_done", left_out=True)
