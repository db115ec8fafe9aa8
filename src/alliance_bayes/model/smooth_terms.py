"""Smooth terms in the text of a formula: ``s(alliance)``, ``s(alliance, k=8)``, ``s(alliance, knots=(2, 3, 4))``."""

from __future__ import annotations

import ast
import itertools
import math
from dataclasses import dataclass

from alliance_bayes.errors import ModelError

__all__ = ["DEFAULT_K", "SmoothTerm", "take_smooths"]

DEFAULT_K = 8


@dataclass(frozen=True)
class SmoothTerm:
    """A smooth as a formula asks for it.

    Parameters
    ----------
    column
        The numeric column it is of.
    size
        Number of penalised basis columns: k - 2, or the number of declared knots.
    knots
        Declared knots in increasing order; None where they are quantiles of the column.
    """

    column: str
    size: int
    knots: tuple[float, ...] | None = None

    @property
    def name(self) -> str:
        """Name of the smooth: the dim of its coefficients, and the ending of its variables' names."""
        return f"s_{self.column}"


def take_smooths(text: str) -> tuple[str, tuple[SmoothTerm, ...]]:
    """Take the smooth terms out of a formula.

    Parameters
    ----------
    text
        The formula as written.

    Returns
    -------
    plain : str
        The formula with the column, which is the smooth's straight line, in place of every smooth.
    smooths : tuple
        The smooths, in the order of the formula.

    Raises
    ------
    ModelError
        A smooth that is not a term of its own, arguments that do not make a smooth, or two smooths of one column.
    """
    plain, done = "", 0
    smooths: list[SmoothTerm] = []
    for start, stop, depth in _spans(text):
        piece = text[start:stop]
        before, after = text[:start].rstrip()[-1:], text[stop:].lstrip()[:1]
        if depth or before not in ("~", "+") or after not in ("", "+", "-"):
            raise ModelError(
                f"formula {text!r}: {piece} should be a term of its own, joined by '+'. A smooth cannot be part of a "
                "group term, an interaction or another function: use the column itself there."
            )
        smooth = _read(piece, text)
        if any(smooth.column == other.column for other in smooths):
            raise ModelError(
                f"formula {text!r}: '{smooth.column}' has two smooths. Keep one, with more knots if need be."
            )
        smooths.append(smooth)
        plain, done = plain + text[done:start] + smooth.column, stop
    return plain + text[done:], tuple(smooths)


def _spans(text: str) -> list[tuple[int, int, int]]:
    """Start, stop and depth in parentheses of every call of ``s``."""
    spans: list[tuple[int, int, int]] = []
    opened: list[int | None] = []  # starts of the calls of s among the open parentheses, None for others
    quote = ""
    for position, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        elif character == "(":
            head = text[:position].rstrip()
            name = head[-1:] == "s" and not (head[-2:-1].isalnum() or head[-2:-1] in ("_", ".", "`"))
            opened.append(len(head) - 1 if name else None)
        elif character == ")" and opened:
            start = opened.pop()
            if start is not None:
                spans.append((start, position + 1, len(opened)))
    return sorted(spans)


def _read(piece: str, text: str) -> SmoothTerm:
    def refuse(what: str) -> ModelError:
        return ModelError(
            f"formula {text!r}: {piece} {what}. Write s(alliance), s(alliance, k=8) or s(alliance, knots=(2, 3, 4))."
        )

    try:
        call = ast.parse(piece, mode="eval").body
        assert isinstance(call, ast.Call)
        options = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
    except (SyntaxError, ValueError, TypeError) as error:
        raise refuse("is not a smooth of one column") from error
    if len(call.args) != 1 or not isinstance(call.args[0], ast.Name):
        raise refuse("should name one column")
    unknown = [str(name) for name in options if name not in ("k", "knots")]
    if unknown:
        raise refuse(f"knows k and knots, not {', '.join(unknown)}")
    if len(options) > 1:
        raise refuse("has both k and knots, which is the number of knots twice")
    column = call.args[0].id
    if "knots" not in options:
        k = options.get("k", DEFAULT_K)
        if isinstance(k, bool) or not isinstance(k, int) or k < 3:
            raise refuse(f"should have a whole number k of at least 3 (a straight line and one bend) but got {k!r}")
        return SmoothTerm(column, k - 2)
    knots = options["knots"]
    sound = isinstance(knots, tuple | list) and len(knots) > 0 and all(map(_is_number, knots))
    if not sound or any(b <= a for a, b in itertools.pairwise(knots)):
        raise refuse(f"should have increasing numbers as knots, as in knots=(3, 4) or knots=(4,), but got {knots!r}")
    return SmoothTerm(column, len(knots), tuple(float(knot) for knot in knots))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
