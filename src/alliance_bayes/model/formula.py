"""Model formulas: formulae's grammar, lme4's ``||`` for uncorrelated group terms, and ``s()`` for smooths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from formulae import expr
from formulae.model_description import model_description
from formulae.parser import ParseError, Parser
from formulae.scanner import ScanError, Scanner

from alliance_bayes.errors import ModelError
from alliance_bayes.model.smooth_terms import SmoothTerm, take_smooths

__all__ = ["CALLABLE", "Formula", "GroupChunk", "parse_formula"]

#: Functions of numbers that a formula may call, also as ``np.<name>``.
CALLABLE = ("log", "log1p", "log2", "log10", "exp", "sqrt", "abs", "minimum", "maximum")
# Functions of formulae's own that it may call.
_TRANSFORMS = ("I", "bs", "poly", "scale", "center", "offset", "C", "S", "T", "B", "binary")

# A formula longer or nested deeper than these is none that somebody wrote.
_LONGEST = 10_000
_DEEPEST = 20
# Every number in a formula is at most this; exponents and sizes of a basis are at most the second.
_LARGEST = 1e12
_MOST = 100
# Terms are multiplied out in full, of which a power of many is the dearest.
_HIGHEST_INTERACTION = 4


@dataclass(frozen=True)
class GroupChunk:
    """One parenthesised group term, ``(expr | factor)`` or ``(expr || factor)``.

    Parameters
    ----------
    factor
        Name of the grouping factor; "a:b" for levels of b within (or crossed with) a.
    terms
        Names of the pooled terms, "Intercept" first when present.
    correlated
        Whether the pooled terms have a joint (correlated) distribution.
    """

    factor: str
    terms: tuple[str, ...]
    correlated: bool


@dataclass(frozen=True)
class Formula:
    """A parsed formula.

    Parameters
    ----------
    text
        As written.
    plain
        The same with every ``||`` written as ``|`` and every smooth as its column, which is what formulae evaluates.
    outcome
        Column name of the outcome.
    common
        Names of the common terms, "Intercept" first when present.
    groups
        One entry a grouping factor.
    columns
        Every data column the formula needs, outcome first.
    smooths
        Smooth terms; the straight line of each is among the common terms.
    """

    text: str
    plain: str
    outcome: str
    common: tuple[str, ...]
    groups: tuple[GroupChunk, ...]
    columns: tuple[str, ...]
    smooths: tuple[SmoothTerm, ...] = ()


def parse_formula(text: str) -> Formula:
    """Parse a model formula.

    Parameters
    ----------
    text
        ``"outcome ~ terms + (terms || factor)"``. ``||`` pools the terms independently, ``|`` with correlations. Among
        the terms, ``s(column)`` is a smooth: a straight line and a penalised departure from it.

    Raises
    ------
    ModelError
        When the formula cannot be parsed, has no outcome, describes one factor in two correlated pieces, or has a
        smooth that is none.
    """
    if isinstance(text, str):
        _refuse_large(text)
    if not isinstance(text, str) or "~" not in text:
        raise ModelError(
            f"formula {text!r} has no outcome. Write it as 'who5_followup ~ alliance + (alliance || country)'."
        )
    bare, smooths = take_smooths(text)
    spans = _group_spans(bare, text)
    plain = bare
    for start, stop in reversed(spans):
        plain = plain[:start] + plain[start:stop].replace("||", "|") + plain[stop:]
    description = _describe(plain, text)
    if description.response is None:
        raise ModelError(f"formula {text!r} has no outcome to the left of '~'. Name the outcome column there.")
    components = description.response.term.components
    if len(components) != 1 or type(components[0]).__name__ != "Variable" or components[0].reference is not None:
        raise ModelError(
            f"formula {text!r}: the outcome should be one column of the table, not an expression. "
            "Make the column first (its name then appears in every output)."
        )
    outcome = str(components[0].name)
    groups = _merge([_chunk(bare[start:stop], text) for start, stop in spans], text)
    names = [str(term.name) for term in description.common_terms]
    common = tuple(sorted(names, key=lambda name: name != "Intercept"))
    columns = [outcome]
    for term in description.terms:
        columns += sorted(str(name) for name in term.var_names if name and str(name) not in columns)
    if outcome in columns[1:] or any(outcome in term.var_names for term in description.terms):
        raise ModelError(
            f"formula {text!r}: the outcome '{outcome}' is also used as a predictor. Remove it from one side."
        )
    _check_smooths(smooths, common, groups, text)
    return Formula(text, plain, outcome, common, groups, tuple(columns), smooths)


def _describe(plain: str, text: str):  # type: ignore[no-untyped-def]
    try:
        _Permitted(text).term(Parser(Scanner(plain).scan()).parse())
        return model_description(plain)
    except ModelError:
        raise
    except RecursionError as error:
        raise ModelError(f"formula {text[:60]!r}... nests too deeply. Make columns of its parts.") from error
    except (ParseError, ScanError, ValueError, TypeError, AttributeError, NotImplementedError) as error:
        raise ModelError(
            f"formula {text!r} cannot be parsed: {error}. Terms are joined by '+', interactions written 'a:b' or "
            "'a*b', "
            "group terms '(a || factor)' in parentheses."
        ) from error


def _refuse_large(text: str) -> None:
    """Refuse what would keep a parser busy, before one sees it."""
    if len(text) > _LONGEST:
        raise ModelError(
            f"the formula that starts {text[:60]!r} has {len(text):,} characters. A formula has at most {_LONGEST:,}."
        )
    depth = 0
    for character in text:
        depth += (character in "([{") - (character in ")]}")
        if depth > _DEEPEST:
            raise ModelError(
                f"the formula that starts {text[:60]!r} nests more than {_DEEPEST} brackets. Make columns of its parts "
                "and name those."
            )
    if text.count("`") % 2:
        raise ModelError(f"formula {text!r}: a backquote is not closed. Write `name of a column`.")


class _Permitted:
    """What a formula may hold, told from the parsed tree: nothing of it has been looked up or evaluated yet.

    Terms are columns, 0, 1, and calls of functions that are on the list, by their bare name or as ``np.<name>``. The
    arguments of a call are columns, numbers, texts, lists of numbers, arithmetic and comparisons of those, and calls
    of the same functions.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def refuse(self, what: str) -> ModelError:
        return ModelError(
            f"formula {self.text!r} {what}. A formula may call {', '.join((*_TRANSFORMS, *CALLABLE))} with columns, "
            "numbers, texts, and arithmetic of those. Make any other column in the table first."
        )

    def term(self, node: Any) -> None:
        """A part of the sum of terms."""
        match node:
            case expr.Binary():
                self.term(node.left)
                self.term(node.right)
                if node.operator.kind == "STAR_STAR":
                    self.power(node.right, _HIGHEST_INTERACTION)
            case expr.Unary():
                self.term(node.right)
            case expr.Grouping():
                self.term(node.expression)
            case expr.Call():
                self.call(node)
            case expr.Variable():
                self.column(node)
            case expr.QuotedName():
                pass
            case expr.Literal():
                self.literal(node)
            case _:
                raise self.refuse("has an assignment outside a call")

    def call(self, node: Any) -> None:
        name = node.callee.name.lexeme if isinstance(node.callee, expr.Variable) else ""
        if not isinstance(node.callee, expr.Variable) or node.callee.level is not None:
            raise self.refuse("calls the result of something")
        bare = name.removeprefix("np.")
        if bare not in CALLABLE and name not in _TRANSFORMS:
            raise self.refuse(f"calls {name!r}, which is not on the list")
        for argument in node.args:
            if isinstance(argument, expr.Assign):
                self.value(argument.value)
                if argument.name.name.lexeme in ("df", "degree"):
                    self.power(argument.value)
            else:
                self.value(argument)
        if name in ("poly", "bs") and len(node.args) > 1 and not isinstance(node.args[1], expr.Assign):
            self.power(node.args[1])

    def value(self, node: Any) -> None:
        """An argument of a call."""
        match node:
            case expr.Binary():
                self.value(node.left)
                self.value(node.right)
                if node.operator.kind == "STAR_STAR":
                    self.power(node.right)
                if any(isinstance(side, expr.Literal) and isinstance(side.value, str) for side in _sides(node)):
                    raise self.refuse("does arithmetic with a text")
            case expr.Unary():
                self.value(node.right)
            case expr.Grouping():
                self.value(node.expression)
            case expr.Call():
                self.call(node)
            case expr.Variable():
                self.column(node)
            case expr.QuotedName():
                pass
            case expr.Literal():
                self.literal(node)
            case _:
                raise self.refuse("has an assignment inside another argument")

    def column(self, node: Any) -> None:
        name = node.name.lexeme
        if "__" in name and "." in name:
            raise self.refuse(f"names {name!r}, which looks like an attribute")

    def literal(self, node: Any) -> None:
        number = isinstance(node.value, int | float)
        if number and not abs(node.value) <= _LARGEST:
            raise self.refuse(f"has a number above {_LARGEST:,.0f}")

    def power(self, node: Any, most: int = _MOST) -> None:
        """An exponent, a degree or a number of basis columns."""
        while isinstance(node, expr.Grouping):
            node = node.expression
        if isinstance(node, expr.Unary):
            node = node.right
        if not isinstance(node, expr.Literal) or not isinstance(node.value, int | float) or abs(node.value) > most:
            raise self.refuse(f"should have a number of at most {most} as exponent, degree or df")


def _sides(node: Any) -> list[Any]:
    sides = []
    for side in (node.left, node.right):
        while isinstance(side, expr.Grouping):
            side = side.expression
        sides.append(side)
    return sides


def _check_smooths(
    smooths: tuple[SmoothTerm, ...], common: tuple[str, ...], groups: tuple[GroupChunk, ...], text: str
) -> None:
    for smooth in smooths:
        if smooth.column not in common:
            raise ModelError(
                f"formula {text!r}: s({smooth.column}) departs from the straight line of '{smooth.column}', which the "
                f"formula takes out again. Remove '- {smooth.column}'."
            )
        if smooth.name in {name for group in groups for name in (group.factor, f"{group.factor}_term")}:
            raise ModelError(
                f"formula {text!r}: s({smooth.column}) and a factor would both be called '{smooth.name}'. Rename the "
                "factor's column."
            )


def _group_spans(bare: str, text: str) -> list[tuple[int, int]]:
    """Start and stop of every parenthesis that directly holds a bar."""
    spans: list[tuple[int, int]] = []
    opened: list[tuple[int, bool]] = []
    quote = ""
    for position, character in enumerate(bare):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"`":
            quote = character
        elif character == "(":
            opened.append((position, False))
        elif character == "|":
            if not opened:
                raise ModelError(f"formula {text!r}: put the group term in parentheses, as in '(alliance || country)'.")
            opened[-1] = (opened[-1][0], True)
        elif character == ")" and opened:
            start, bar = opened.pop()
            if bar:
                spans.append((start, position + 1))
    return sorted(spans)


def _chunk(piece: str, text: str) -> list[GroupChunk]:
    if piece.count("|") > 2 or (piece.count("|") == 2 and "||" not in piece):
        raise ModelError(f"formula {text!r}: the group term {piece} has more than one bar. Write one term a factor.")
    terms: dict[str, list[str]] = {}
    for term in _describe(piece.replace("||", "|"), text).group_terms:
        terms.setdefault(str(term.factor.name), []).append(
            "Intercept" if type(term.expr).__name__ == "Intercept" else str(term.expr.name)
        )
    return [
        GroupChunk(
            factor, tuple(sorted(names, key=lambda name: name != "Intercept")), "||" not in piece and len(names) > 1
        )
        for factor, names in terms.items()
    ]


def _merge(pieces: list[list[GroupChunk]], text: str) -> tuple[GroupChunk, ...]:
    merged: dict[str, GroupChunk] = {}
    for chunk in (chunk for piece in pieces for chunk in piece):
        before = merged.get(chunk.factor)
        if before is None:
            merged[chunk.factor] = chunk
            continue
        if before.correlated or chunk.correlated or set(before.terms) & set(chunk.terms):
            raise ModelError(
                f"formula {text!r}: the factor '{chunk.factor}' is pooled twice. Put all its terms into one group term."
            )
        names = sorted((*before.terms, *chunk.terms), key=lambda name: name != "Intercept")
        merged[chunk.factor] = GroupChunk(chunk.factor, tuple(names), correlated=False)
    return tuple(merged.values())
