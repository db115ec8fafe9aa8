"""Text from strangers: what is no plain value is refused in one sentence, and what is one comes back unchanged."""

from __future__ import annotations

import json
import math
import os
import re
from pathlib import Path

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from alliance_bayes.errors import FileFormatError
from alliance_bayes.foreign import JSON_BYTES, NESTING, parse_json, parse_toml, read_text, shown

PLAIN = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)
# TOML has no null.
ROWS = st.lists(st.dictionaries(st.text("ab. é\"'#[]{}=", max_size=5), PLAIN, max_size=4), max_size=4)
VALUES = st.recursive(
    st.none() | PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab é", max_size=3), inner)
)


def refusal(text: object) -> str:
    with pytest.raises(FileFormatError) as caught:
        parse_json(text, what="the note", remedy="Write it again.")
    message = str(caught.value)
    assert re.fullmatch(r"the note is damaged \([^\n]*\)\. Write it again\.", message)
    assert len(message) < 200
    return message


@given(VALUES)
def test_a_plain_value_comes_back_as_it_was(value: object) -> None:
    again = parse_json(json.dumps(value), what="the note", remedy="")
    assert json.dumps(again) == json.dumps(value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, f"it is nested more than {NESTING} deep"),
        ("[" * (NESTING + 2) + "]" * (NESTING + 2), f"it is nested more than {NESTING} deep"),
        ('{"a":' * 5_000 + "1" + "}" * 5_000, f"it is nested more than {NESTING} deep"),
        ("1" * 10_000, "a whole number of 10000 digits does not fit into 64 bits"),
        (str(2**63), "a whole number of 19 digits does not fit into 64 bits"),
        ("1e400", "1e400 is no finite number"),
        ("-1e999", "-1e999 is no finite number"),
        ("[NaN]", "NaN is no finite number"),
        ("-Infinity", "-Infinity is no finite number"),
        ('{"a": 1, "b": 2, "a": 3}', "the key 'a' occurs twice"),
        (f'{{"{"k" * 500}": 1, "{"k" * 500}": 2}}', f"the key '{'k' * 59}... occurs twice"),
        (None, "it is NoneType and not text"),
        (b"{}", "it is bytes and not text"),
        (" " * (JSON_BYTES + 1), "it is larger than 16 MiB"),
    ],
)
def test_what_is_no_plain_value_is_refused_with_the_reason(text: object, reason: str) -> None:
    assert refusal(text) == f"the note is damaged ({reason}). Write it again."


def test_half_a_character_is_refused_and_a_whole_one_is_not() -> None:
    assert "surrogates not allowed" in refusal('"\\ud800"')
    assert parse_json('"\\ud83d\\ude00"', what="the note", remedy="") == "\U0001f600"


@given(st.text('[]{}",:0123456789eE+-.\\ud8a \n', max_size=60))
def test_any_text_is_a_finite_value_or_refused(text: str) -> None:
    try:
        value = parse_json(text, what="the note", remedy="Write it again.")
    except FileFormatError as error:
        value = None if str(error).startswith("the note is damaged (") else str(error)
    assert json.loads(json.dumps(value, allow_nan=False)) == value


@given(ROWS)
def test_a_plain_table_comes_back_as_it_was(rows: list[dict[str, object]]) -> None:
    table = {"rows": rows, "more": {f"row {k}": row for k, row in enumerate(rows)}}
    text = tomli_w.dumps(table)
    assert json.dumps(parse_toml(text, what="card")) == json.dumps(table)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = " + "[" * 100_000, f"it is nested more than {NESTING} deep"),
        ("a = " + "{b = " * 30_000, f"it is nested more than {NESTING} deep"),
        (".".join("a" * 300_000) + " = 1", f"it is nested more than {NESTING} deep"),
        ('"a"' + ' . "a"' * 100_000 + " = 1", f"it is nested more than {NESTING} deep"),
        (
            "\n".join(f"[{'.'.join('a' * NESTING)}.b{k}]" for k in range(20_000)),
            f"it is nested more than {NESTING} deep",
        ),
        ("a = 0x" + "F" * 100_000, "a whole number does not fit into 64 bits"),
        ("a = 9223372036854775808", "a whole number does not fit into 64 bits"),
        ("a = 1e400", "1e400 is no finite number"),
        ("a = inf", "inf is no finite number"),
        ("a = -nan", "-nan is no finite number"),
        ("#" * ((1 << 20) + 1), "it is larger than 1 MiB"),
    ],
)
def test_what_is_no_plain_table_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(FileFormatError) as caught:
        parse_toml(text, what="card")
    assert str(caught.value) == f"card is not TOML: {reason}. Correct it."


def test_long_numbers_and_unclosed_quotes_are_refused() -> None:
    for text in (
        "a = " + "1" * 10_000,
        'a = "' + '\\"' * 200_000,
        "a = '''" + "'" * 300_000,
        'a = """' + "x" * 500_000,
    ):
        with pytest.raises(FileFormatError, match=r"\Acard is not TOML: [^\n]{5,150}\Z"):
            parse_toml(text, what="card")


def test_brackets_and_dots_in_text_do_not_count() -> None:
    text = (
        'a = "'
        + "[.{" * 1_000
        + '" # '
        + "[." * 1_000
        + "\nb = '''\n"
        + ".[" * 1_000
        + "'''\nc = ["
        + "1.5, " * 1_000
        + "]"
    )
    table = parse_toml(text, what="card")
    assert len(table["a"]) == 3_000
    assert table["c"] == [1.5] * 1_000


def test_only_regular_files_of_utf8_within_the_limit_are_read(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes("é".encode())
    (tmp_path / "latin").write_bytes(b"\xe9")
    (tmp_path / "large").write_bytes(b"a" * ((1 << 20) + 1))
    os.mkfifo(tmp_path / "pipe")
    assert read_text(tmp_path / "text", what="card", limit=1 << 20) == "é"
    cases = {
        "none": "card does not exist. Check the path.",
        "pipe": "card is not a file of text. Check the path.",
        ".": "card is not a file of text. Check the path.",
        "large": "card is larger than 1 MiB, the most that is read. Check the path.",
        "latin": "card cannot be read as UTF-8 text: 'utf-8' codec can't decode byte 0xe9 in position 0: "
        "unexpected end of data. Save it as UTF-8.",
        "a\0b": "card does not exist. Check the path.",
    }
    for name, message in cases.items():
        with pytest.raises(FileFormatError) as caught:
            read_text(tmp_path / name, what="card", limit=1 << 20)
        assert str(caught.value) == message


@given(st.one_of(VALUES, st.binary(), st.just(10**5_000), st.just(math.inf)))
def test_a_value_is_shown_on_one_short_line(value: object) -> None:
    text = shown(value)
    assert len(text) <= 65
    assert "\n" not in text
