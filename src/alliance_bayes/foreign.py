"""Text from strangers: read whole within limits, or refused in one sentence before it costs anything."""

from __future__ import annotations

import json
import math
import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from alliance_bayes.errors import FileFormatError

__all__ = [
    "JSON_BYTES",
    "NESTING",
    "PAGE_BYTES",
    "TOML_BYTES",
    "is_regular",
    "number_in",
    "parse_json",
    "parse_toml",
    "read_text",
    "shown",
]

#: Largest text of each kind. A value of JSON takes up to thirty times its text in memory.
JSON_BYTES, TOML_BYTES, PAGE_BYTES = 16 << 20, 1 << 20, 64 << 20
#: Deepest nesting of lists and tables, and most parts of a dotted key.
NESTING = 16

# A number as everybody writes it: not 1_000, not in digits of other scripts, not a word such as "nan".
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
# What a shown value is cut to.
_SHOWN = 60
_TOO_LONG = "a whole number does not fit into 64 bits"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
# Strings and comments as wholes, so that brackets and dots in them do not count. Every character is of exactly one
# token, unclosed strings end with their line, and so the scan is linear in the text.
_TOML_TOKEN = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|["\'][^\n]*|#[^\n]*|[\[{]|[\]}]|[.]|[,=\n]',
    re.DOTALL,
)


def is_regular(path: Path) -> bool:
    """Whether a path is a file that holds bytes: a pipe or a device could be read for ever."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (OSError, ValueError):
        return False


def read_text(path: Path, *, what: str, limit: int) -> str:
    """The text of a file in UTF-8.

    Parameters
    ----------
    path
        The file.
    what
        What to call it in messages: "model card 'mine.toml'".
    limit
        Most bytes.

    Raises
    ------
    FileFormatError
        No such file, no regular file, too large, or not UTF-8.
    """
    try:
        if not path.exists():
            raise FileFormatError(f"{what} does not exist. Check the path.")
        if not is_regular(path):
            raise FileFormatError(f"{what} is not a file of text. Check the path.")
        with path.open("rb") as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise FileFormatError(f"{what} is larger than {limit >> 20} MiB, the most that is read. Check the path.")
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{what} cannot be read as UTF-8 text: {error}. Save it as UTF-8.") from error
    except (OSError, ValueError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"{what} cannot be read: {error}. Check the path.") from error


def parse_json(text: object, *, what: str, remedy: str) -> Any:
    """A value of JSON as the standard has it, with finite numbers, whole ones of 64 bits, and no key twice.

    Parameters
    ----------
    text
        The text; anything that is no text is refused.
    what, remedy
        What the text is, and what to do when it is damaged (a sentence).

    Raises
    ------
    FileFormatError
        Not such a value, more than `JSON_BYTES`, or nested deeper than `NESTING`.
    """
    try:
        if not isinstance(text, str):
            raise ValueError(f"it is {type(text).__name__} and not text")
        if len(text) > JSON_BYTES:
            raise ValueError(f"it is larger than {JSON_BYTES >> 20} MiB")
        value = json.loads(
            text, parse_int=_whole, parse_float=_number, parse_constant=_number, object_pairs_hook=_object
        )
        _check_nesting(value)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise FileFormatError(f"{what} is damaged (it is nested more than {NESTING} deep). {remedy}") from None
    except ValueError as error:
        raise FileFormatError(f"{what} is damaged ({error}). {remedy}") from error
    return value


def parse_toml(text: str, *, what: str) -> dict[str, Any]:
    """A table of TOML, with finite numbers, and whole ones of 64 bits.

    Parameters
    ----------
    text
        The text.
    what
        What to call it in messages.

    Raises
    ------
    FileFormatError
        Not TOML, more than `TOML_BYTES`, or nested deeper than `NESTING`.
    """
    try:
        if not isinstance(text, str):
            raise ValueError(f"it is {type(text).__name__} and not text")
        if len(text) > TOML_BYTES:
            raise ValueError(f"it is larger than {TOML_BYTES >> 20} MiB")
        # The parser's work grows with the square of a dotted key's length, and it calls itself for every bracket.
        _check_toml_nesting(text)
        try:
            table = tomllib.loads(text, parse_float=_number)
        except ValueError as error:
            # Python has a limit of its own, and words for programmers.
            if "integer string" in str(error):
                raise ValueError(_TOO_LONG) from None
            raise
        _check_nesting(table)
    except RecursionError:
        raise FileFormatError(f"{what} is not TOML: it is nested more than {NESTING} deep. Correct it.") from None
    except ValueError as error:
        where = "that line" if isinstance(error, tomllib.TOMLDecodeError) else "it"
        raise FileFormatError(f"{what} is not TOML: {error}. Correct {where}.") from error
    return table


def shown(value: object) -> str:
    """A value as an error shows it: on one line, and cut where it is long."""
    if isinstance(value, int) and not -(2**64) < value < 2**64:
        return "a whole number of more than 19 digits"
    text = repr(value[: _SHOWN + 1] if isinstance(value, (str, bytes, list, tuple)) else value).replace("\n", " ")
    return text if len(text) <= _SHOWN + 2 else f"{text[:_SHOWN]}..."


def number_in(text: str) -> float | None:
    """The finite decimal number that a text is, spaces around it aside; None where it is none."""
    plain = text.strip(" \t")
    value = float(plain) if len(plain) <= _SHOWN and _NUMBER.fullmatch(plain) else math.nan
    return value if math.isfinite(value) else None


def _whole(text: str) -> int:
    # Python reads no more than 4,300 digits by default, and takes long for as many as that.
    if len(text) > 20 or not -(2**63) <= (value := int(text)) < 2**63:
        raise ValueError(f"a whole number of {len(text)} digits does not fit into 64 bits")
    return value


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is no finite number")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {shown(twice)} occurs twice")
    return table


def _check_nesting(value: object) -> None:
    level = [value]
    for _ in range(NESTING + 1):
        for item in level:
            if isinstance(item, int) and not -(2**63) <= item < 2**63:
                raise ValueError(_TOO_LONG)
        inner = [item for item in level if isinstance(item, (dict, list))]
        level = [child for item in inner for child in (item.values() if isinstance(item, dict) else item)]
        if not level:
            return
    raise RecursionError


def _check_toml_nesting(text: str) -> None:
    depth = dots = 0
    for match in _TOML_TOKEN.finditer(text):
        token = match.group()
        if token in "[{":
            depth += 1
        elif token in "]}":
            depth -= 1
        elif token == ".":
            dots += 1
        elif token in ",=\n":
            dots = 0
        if depth > NESTING or dots >= NESTING:
            raise RecursionError
