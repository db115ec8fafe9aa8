"""The grammar of formulas: text read strictly into a tree, in which nothing has been looked up or evaluated.

A formula often comes from elsewhere (a card, a page to verify, a saved fit), so what it may hold is on a list, and
every token of it either has its place in the tree or is an error that points at it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from alliance_bayes.errors import ModelError
from alliance_bayes.model.nodes import (
    COMPARISONS,
    DEFAULT_K,
    WINDOWS,
    Call,
    Chain,
    Column,
    Constant,
    Group,
    Node,
    Number,
    Operation,
    Part,
    Power,
    SmoothTerm,
    Sum,
    Windowed,
    columns_of,
)
from alliance_bayes.remedies import setting

__all__ = [
    "FUNCTIONS",
    "LONGEST_LAG",
    "in_formula",
    "read_formula",
    "shown",
    "windowed_named",
]

#: Functions of numbers that a formula may call, also as ``np.<name>``, with their number of arguments.
FUNCTIONS = {
    **dict.fromkeys(("log", "log1p", "log2", "log10", "exp", "sqrt", "abs"), 1),
    **dict.fromkeys(("minimum", "maximum"), 2),
}
# The other functions. bs and poly make several columns, so that they are terms, not parts of an expression.
_OTHERS = ("I", "center", "scale", "bs", "poly", "offset")
_BASES = {"bs": ("df", "degree", "knots", "lower_bound", "upper_bound"), "poly": ("degree",)}
_DECLARED = setting("levels", {"column": ["1", "2"]})
_ITSELF = f"write the column itself; where it holds numbers, declare its levels ({_DECLARED})"
_INSTEAD = {
    **dict.fromkeys(("C", "factor", "as.factor"), _ITSELF),
    **dict.fromkeys(("S", "T"), f"{_ITSELF}, the first of which is the reference"),
    **dict.fromkeys(("B", "binary"), "write the column itself: a column with two levels is one indicator"),
    **dict.fromkeys(("p", "prop", "proportion"), "make a column of the outcome and choose the family"),
    **dict.fromkeys(
        ("diff", "lead"), "write I(x - lag(x)) for a difference in time, or make a column of it in the table"
    ),
    **dict.fromkeys(("cwc", "demean"), "write within(x), the difference from the person's mean"),
    **dict.fromkeys(("cr", "cc", "tp", "te", "ti", "t2", "hsgp", "ns"), "write s(column) for a smooth"),
}

_LONGEST = 10_000  # characters
_DEEPEST = 20  # brackets
_LARGEST = 1e12  # any number
_MOST_OPERATIONS = 100  # in one call
_MOST_COLUMNS = 100  # of a basis
_HIGHEST_POWER = 10  # of a number
_HIGHEST_ORDER = 5  # of an interaction
LONGEST_LAG = 100  # occasions

_USAGE = "Terms are joined by '+', interactions written 'a:b' or 'a*b', group terms '(a || factor)' in parentheses."
_OF_WINDOW = re.compile(rf"(?:{'|'.join(WINDOWS)})\(.*\)")
_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
  | (?P<name>[^\W\d][\w.]*)
  | (?P<quoted>`[^`]+`)
  | (?P<text>'[^']*'|"[^"]*")
  | (?P<symbol>\*\*|\|\||==|!=|<=|>=|//|%[a-z]*%|[-+*/:~|(),<>=\[\]{}!%^&.@$;?\\])
    """,
    re.VERBOSE,
)


@lru_cache(maxsize=1_000)
def windowed_named(name: str) -> Windowed | None:
    """The column made of several rows that has a name; None for any other."""
    if not _OF_WINDOW.fullmatch(name) or len(name) > _LONGEST:
        return None
    try:
        reader = _Reader(name)
        window = reader.windowed()
    except ModelError:
        return None
    return window if reader.next.kind == "end" and window.name == name else None


def in_formula(name: str) -> str:
    """A column as a formula has it, in backquotes where its name is no single word."""
    return name if name.isidentifier() else f"`{name}`"


def shown(text: str, at: int | None = None) -> str:
    """A formula in quotation marks for a message, cut around a place where it is long."""
    if len(text) <= 300:
        return repr(text)
    start = max(0, (at or 0) - 60)
    return f"{'...' if start else ''}{text[start : start + 120]!r}{'...' if start + 120 < len(text) else ''}"


def read_formula(text: str) -> tuple[str, Sum]:
    """Read the text of a formula.

    Parameters
    ----------
    text
        ``"outcome ~ terms"``.

    Returns
    -------
    outcome : str
        Name of the outcome's column.
    terms : Sum
        What stands to the right of ``~``.

    Raises
    ------
    ModelError
        A token that has no place, which the message points at; a function that is not on the list; a formula that is
        too long, too deep, or has too large a number.
    """
    if not isinstance(text, str) or "~" not in text:
        raise ModelError(
            f"formula {shown(text) if isinstance(text, str) else repr(text)[:200]} has no outcome. Write it as "
            "'who5_followup ~ alliance + (alliance || country)'."
        )
    if len(text) > _LONGEST:
        raise ModelError(
            f"formula {shown(text)} has {len(text):,} characters, and at most {_LONGEST:,} are read. Make columns of "
            "its parts and name those."
        )
    return _Reader(text).formula()


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


class _Reader:
    """Recursive descent over the tokens; every method reads one rule of the grammar."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(self.scan())
        self.place = 0
        self.depth = 0
        self.operations = 0

    def scan(self) -> Iterator[_Token]:
        at = 0
        while at < len(self.text):
            match = _TOKEN.match(self.text, at)
            if match is None:
                faults = {"`": "opens a quoted name that is not closed", "'": "opens a text that is not closed"}
                fault = faults.get(
                    self.text[at].replace('"', "'"), "is not part of a formula; put names in `backquotes`"
                )
                raise self.refuse(_Token("symbol", self.text[at], at), fault)
            kind = str(match.lastgroup)
            if kind != "space":
                yield _Token(kind, match.group(), at)
            at = match.end()
        yield _Token("end", "", at)

    # Tokens

    @property
    def next(self) -> _Token:
        return self.tokens[self.place]

    def ahead(self) -> _Token:
        return self.tokens[min(self.place + 1, len(self.tokens) - 1)]

    def take(self, *symbols: str) -> _Token | None:
        """The next token if it is one of some symbols."""
        token = self.next
        if token.kind != "symbol" or token.text not in symbols:
            return None
        self.place += 1
        return token

    def need(self, symbol: str, expected: str) -> None:
        if self.take(symbol) is None:
            raise self.unexpected(expected)

    def refuse(self, token: _Token, fault: str, usage: str = _USAGE) -> ModelError:
        piece = repr(token.text if len(token.text) <= 60 else f"{token.text[:60]}...")
        where = f"at character {token.at + 1}, {piece}" if token.text else "its end"
        return ModelError(f"formula {shown(self.text, token.at)}: {where} {fault}. {usage}".rstrip())

    def unexpected(self, wanted: str) -> ModelError:
        """What is wrong with the next token, where something else was wanted."""
        token = self.next
        if token.text in COMPARISONS:
            return self.refuse(token, "compares, which only I(...) does, as in I(alliance >= 4)")
        if token.text in ("|", "||") and self.depth and wanted == "a term":
            return self.refuse(token, "has nothing to pool before it; levels alone are written '(1 | country)'", "")
        if token.text in ("|", "||"):
            return ModelError(
                f"formula {shown(self.text, token.at)}: at character {token.at + 1}, put the group term in "
                "parentheses, as in '(alliance || country)'."
            )
        hints = {
            "~": "is a second '~'; a formula has one",
            "=": "assigns, which only options of bs() and s() do",
            ")": f"stands where {wanted} should be" if self.depth else "closes a parenthesis that is not open",
            ",": "separates nothing; a list of terms is joined by '+'",
            "^": "is no operator here; an order of interactions, and a power, is written '**'",
            "//": "is no operator here; nested terms, and a division, are written 'a/b'",
            "%": "is no operator here; make a column of the remainder in the table",
            ".": "names no column; write the columns that are meant",
            "[": "is no bracket here; a level cannot be chosen in a formula",
        }
        if token.kind == "symbol" and len(token.text) > 1 and token.text.startswith("%"):
            return self.refuse(token, "is no operator here; an interaction is written 'a:b'")
        if token.kind == "text":
            return self.refuse(token, "is a text, which has no place in a formula; a name goes in `backquotes`")
        if token.kind in ("name", "number", "quoted") and wanted.startswith("an operator"):
            return self.refuse(token, "follows a term without an operator")
        return self.refuse(token, hints.get(token.text, f"stands where {wanted} should be"))

    def deeper(self, token: _Token) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.refuse(token, f"is more than {_DEEPEST} brackets deep", "Make columns of its parts.")

    # Terms

    def formula(self) -> tuple[str, Sum]:
        outcome = self.next
        after = self.ahead()
        if outcome.kind not in ("name", "quoted") or after.text != "~":
            if outcome.text == "~":
                raise ModelError(
                    f"formula {shown(self.text)} has no outcome to the left of '~'. Name the outcome column there."
                )
            raise ModelError(
                f"formula {shown(self.text)}: the outcome should be one column of the table, not an expression. Make "
                "the column first (its name then appears in every output)."
            )
        name = self.column().name
        self.place += 1
        terms = self.sum()
        if self.next.kind != "end":
            raise self.unexpected("an operator or the end")
        return name, terms

    def sum(self) -> Sum:
        at = self.next.at
        sign = self.take("+", "-")
        parts = [(sign.text if sign else "+", self.product())]
        while sign := self.take("+", "-"):
            parts.append((sign.text, self.product()))
        return Sum(tuple(parts), at)

    def product(self) -> Part:
        return self.chain(self.interaction, "*", "/")

    def interaction(self) -> Part:
        return self.chain(self.power, ":")

    def chain(self, part: object, *symbols: str) -> Part:
        assert callable(part)
        at, first = self.next.at, part()
        rest = []
        while symbol := self.take(*symbols):
            rest.append((symbol.text, part()))
        return Chain(first, tuple(rest), at) if rest else first

    def power(self) -> Part:
        base = self.term()
        if (symbol := self.take("**")) is None:
            return base
        order = self.next
        if order.text not in {str(n) for n in range(1, _HIGHEST_ORDER + 1)}:
            raise self.refuse(
                order, f"stands where the highest order of the interactions should be, 1 to {_HIGHEST_ORDER}"
            )
        if not isinstance(base, Sum):
            raise self.refuse(symbol, "makes interactions of a sum, as in (a + b)**2; a square is written I(a ** 2)")
        self.place += 1
        return Power(base, int(order.text), symbol.at)

    def term(self) -> Part:
        token = self.next
        if token.kind == "name" and self.ahead().text == "(":
            if token.text in WINDOWS:
                return self.windowed()
            return self.smooth() if token.text == "s" else self.call(inside=False)
        if token.kind in ("name", "quoted"):
            return self.column()
        if token.text == "{":
            return self.braced(inside=False)
        if token.kind == "number":
            if token.text not in ("0", "1"):
                raise self.refuse(token, "is a number; the only ones among the terms are 0 and 1, the intercept")
            self.place += 1
            return Constant(int(token.text), token.at)
        if self.take("("):
            self.deeper(token)
            inner: Part = self.sum()
            if bar := self.take("|", "||"):
                factors = self.sum()
                if self.next.text in ("|", "||"):
                    raise self.refuse(self.next, "is a second bar; write one group term a factor")
                assert isinstance(inner, Sum)
                inner = Group(inner, bar.text, factors, token.at)
            self.need(")", "an operator or ')'")
            self.depth -= 1
            return inner
        raise self.unexpected("a term")

    def column(self) -> Column:
        token = self.next
        self.place += 1
        name = token.text.strip("`")
        if name == "Intercept" or not name.strip() or any(mark in name for mark in ":\n\r"):
            raise self.refuse(token, "cannot be the name of a column in a formula; rename the column", "")
        if _OF_WINDOW.fullmatch(name):
            raise self.refuse(token, "is made of other rows and no name to be quoted; write it without backquotes", "")
        return Column(name, token.at)

    def windowed(self) -> Windowed:
        """``within(x)``, ``between(x, provider_id)``, ``lag(x, 2)``: of a column, as its values are in several rows."""
        token = self.next
        function = token.text
        self.place += 2
        self.deeper(token)
        of, by, steps = self.windowed_of(function), None, 1
        if self.take(","):
            if function == "lag":
                steps = self.steps()
            elif self.next.kind in ("name", "quoted") and self.ahead().text != "(":
                by = self.column()
            else:
                raise self.refuse(self.next, f"stands where {function}() takes the column whose levels share a mean")
        if self.next.text != ")":
            optional = "a number of occasions" if function == "lag" else "the column whose levels share a mean"
            raise self.refuse(
                self.next,
                f"has no place in {function}(), which takes one column of the table and perhaps {optional}",
                "",
            )
        self.place += 1
        self.depth -= 1
        if by is not None and by.name == of.name:
            raise self.refuse(
                token, f"takes the mean of '{by.name}' over its own levels, which is '{by.name}' itself", ""
            )
        return Windowed.made(function, of, by, steps, token.at)

    def windowed_of(self, function: str) -> Column:
        """The first argument: a column, a lag of one, or of a lag the part within persons."""
        token = self.next
        if token.kind in ("name", "quoted") and self.ahead().text != "(":
            return self.column()
        rule = f"{function}() takes a column of the table"
        if token.kind != "name":
            raise self.refuse(token, f"is no column, and {rule}", "")
        if token.text not in WINDOWS:
            raise self.refuse(token, f"makes an expression, and {rule}; make a column of it there and name that", "")
        inner = self.windowed()
        if function == "lag" and inner.function == "lag":
            raise self.refuse(token, "is a lag of a lag; write one with the occasions of both, as in lag(x, 2)", "")
        if "lag" not in (function, inner.function):
            raise self.refuse(token, "is a part already, and has no parts of its own; write one of the functions", "")
        if inner.function == "between":
            raise self.refuse(token, "is the same on every occasion, so it has no lag; write it without", "")
        if len(inner.functions) > 1:
            raise self.refuse(token, "is made in three steps; make a column of it in the table and name that", "")
        return inner

    def steps(self) -> int:
        """The number of occasions of a lag."""
        token = self.next
        if token.text not in {str(n) for n in range(1, LONGEST_LAG + 1)}:
            raise self.refuse(
                token,
                f"stands where lag() takes a number of occasions before, 1 to {LONGEST_LAG}, as in lag(x, 2)",
                "",
            )
        self.place += 1
        return int(token.text)

    # Calls

    def call(self, *, inside: bool) -> Call:
        """A call among the terms, or inside another."""
        token = self.next
        name = token.text.removeprefix("np.") if token.text.removeprefix("np.") in FUNCTIONS else token.text
        if name not in FUNCTIONS and name not in (*_OTHERS, "s"):
            instead = _INSTEAD.get(name, "make a column of it in the table and name that")
            raise self.refuse(
                token,
                f"is not a function of formulas: {instead}",
                f"Functions: {', '.join((*_OTHERS, *FUNCTIONS, *WINDOWS))}, s.",
            )
        if inside and name in (*_BASES, "offset", "s"):
            raise self.refuse(token, "is a term of its own and no part of an expression")
        start = self.place
        self.place += 2
        self.deeper(token)
        if not inside:
            self.operations = 0
        arguments = [self.expression()]
        options: dict[str, int | float | tuple[int | float, ...]] = {}
        while self.take(","):
            if name in _BASES:
                self.option(name, start, options)
            else:
                arguments.append(self.expression())
        if self.next.text == "=":
            raise self.refuse(self.next, f"names an option, which {name}() has none of")
        self.need(")", "an operator, ',' or ')'")
        self.depth -= 1
        wanted = FUNCTIONS.get(name, 1)
        if len(arguments) != wanted:
            raise self.refuse(token, f"takes {wanted} argument(s) but got {len(arguments)}", "")
        if name in _BASES and not {"df", "knots"} & options.keys() and name == "bs":
            raise self.refuse(token, "needs a number of columns, as in bs(alliance, df=4)", "")
        call = Call(name, tuple(arguments), tuple(options.items()), token.at)
        if name == "poly" and not options:
            call = Call(name, call.arguments, (("degree", 1),), token.at)
        if not inside and not columns_of(call):
            raise self.refuse(token, "has no column in it, so it is the same for everybody", "")
        return call

    def braced(self, *, inside: bool) -> Call:
        """``{...}``, which is ``I(...)``."""
        token = self.next
        self.place += 1
        self.deeper(token)
        if not inside:
            self.operations = 0
        call = Call("I", (self.expression(),), (), token.at)
        self.need("}", "an operator or '}'")
        self.depth -= 1
        if not inside and not columns_of(call):
            raise self.refuse(token, "has no column in it, so it is the same for everybody", "")
        return call

    def option(self, function: str, call: int, options: dict[str, int | float | tuple[int | float, ...]]) -> None:
        """An option of a basis: its first may go without a name."""
        token = self.next
        if token.kind == "name" and self.ahead().text == "=":
            name = token.text
            self.place += 2
        else:
            name = _BASES[function][0]
        if name not in _BASES[function]:
            raise self.refuse(token, f"is no option of {function}(), which has {', '.join(_BASES[function])}", "")
        if name in options:
            raise self.refuse(token, f"gives {name} a second time", "")
        value = self.numbers(call) if name == "knots" else self.number()
        if name in ("df", "degree"):
            most = _MOST_COLUMNS if name == "df" else _HIGHEST_POWER
            if not isinstance(value, int) or not 1 <= value <= most:
                raise self.refuse(token, f"should give {name} as a whole number from 1 to {most}", "")
        options[name] = value

    def number(self) -> int | float:
        sign = -1 if self.take("-") else 1
        token = self.next
        if token.kind != "number":
            raise self.unexpected("a number")
        self.place += 1
        # Digits of any length are one number to Python, but not in no time.
        value = int(token.text) if token.text.isdecimal() and len(token.text) < 20 else float(token.text)
        if not abs(value) <= _LARGEST:
            raise self.refuse(token, f"is a number beyond {_LARGEST:,.0f}", "")
        return sign * value

    def numbers(self, call: int) -> tuple[int | float, ...]:
        """Increasing numbers in brackets, among the arguments of the call at a place."""
        rule = f"should have 1 to {_MOST_COLUMNS} increasing numbers as knots, as in knots=(3, 4) or knots=(4,)"
        opened = self.take("(", "[")
        close = "]" if opened and opened.text == "[" else ")"
        numbers: list[int | float] = []
        while opened and not self.take(close):
            if self.next.text != "-" and self.next.kind != "number":
                raise self.bad_call(call, rule)
            numbers.append(self.number())
            if not self.take(",") and self.next.text != close:
                raise self.bad_call(call, rule)
        if not 1 <= len(numbers) <= _MOST_COLUMNS or any(b <= a for a, b in itertools.pairwise(numbers)):
            raise self.bad_call(call, rule)
        return tuple(numbers)

    def expression(self) -> Node:
        left = self.additive()
        if symbol := self.take(*COMPARISONS):
            left = self.operation(symbol, left, self.additive())
            if self.next.text in COMPARISONS:
                raise self.refuse(self.next, "is a second comparison; multiply two of them, each in parentheses")
        return left

    def additive(self) -> Node:
        left = self.multiplicative()
        while symbol := self.take("+", "-"):
            left = self.operation(symbol, left, self.multiplicative())
        return left

    def multiplicative(self) -> Node:
        left = self.signed()
        while symbol := self.take("*", "/"):
            left = self.operation(symbol, left, self.signed())
        return left

    def signed(self) -> Node:
        symbol = self.take("+", "-")
        if symbol is None:
            return self.raised()
        self.deeper(symbol)
        inner = self.signed()
        self.depth -= 1
        return inner if symbol.text == "+" else self.operation(symbol, inner)

    def raised(self) -> Node:
        base = self.primary()
        if (symbol := self.take("**")) is None:
            return base
        token = self.next
        value = self.number()
        if not abs(value) <= _HIGHEST_POWER:
            raise self.refuse(token, f"is an exponent beyond {_HIGHEST_POWER}", "")
        if self.next.text == "**":
            raise self.refuse(self.next, "is a second power; put the first in parentheses")
        return self.operation(symbol, base, Number(value))

    def primary(self) -> Node:
        token = self.next
        if token.kind == "number":
            return Number(self.number())
        if token.kind == "name" and self.ahead().text == "(":
            return self.windowed() if token.text in WINDOWS else self.call(inside=True)
        if token.kind in ("name", "quoted"):
            return self.column()
        if token.text == "{":
            return self.braced(inside=True)
        if self.take("("):
            self.deeper(token)
            inner = self.expression()
            self.need(")", "an operator or ')'")
            self.depth -= 1
            return inner
        raise self.unexpected("a column or a number")

    def operation(self, symbol: _Token, *parts: Node) -> Operation:
        self.operations += 1
        if self.operations > _MOST_OPERATIONS:
            raise self.refuse(symbol, f"is more than {_MOST_OPERATIONS} operations", "Make a column of it.")
        return Operation(symbol.text, parts)

    # Smooths

    def smooth(self) -> SmoothTerm:
        start = self.place
        self.place += 2
        options: dict[str, int | float | tuple[int | float, ...]] = {}
        token = self.next
        column: Column
        if token.kind == "name" and token.text in WINDOWS and self.ahead().text == "(":
            column = self.windowed()
        elif token.kind not in ("name", "quoted") or self.ahead().text not in (",", ")"):
            raise self.bad_call(start, "should name one column")
        else:
            column = self.column()
        while self.take(","):
            name = self.next
            if name.kind != "name" or self.ahead().text != "=":
                raise self.bad_call(start, "should name one column")
            if name.text not in ("k", "knots"):
                raise self.bad_call(start, f"knows k and knots, not {name.text}")
            if name.text in options:
                raise self.bad_call(start, f"has {name.text} a second time")
            self.place += 2
            if name.text == "k":
                options["k"] = self.count(start)
            else:
                options["knots"] = self.numbers(start)
        self.need(")", "',' or ')'")
        if len(options) > 1:
            raise self.bad_call(start, "has both k and knots, which is the number of knots twice")
        at, window = self.tokens[start].at, column if isinstance(column, Windowed) else None
        if "knots" in options:
            knots = options["knots"]
            assert isinstance(knots, tuple)
            return SmoothTerm(column.name, len(knots), tuple(map(float, knots)), at, window)
        k = options.get("k", DEFAULT_K)
        assert isinstance(k, int)
        return SmoothTerm(column.name, k - 2, None, at, window)

    def count(self, start: int) -> int:
        token = self.next
        if token.text not in {str(k) for k in range(3, _MOST_COLUMNS + 1)}:
            raise self.bad_call(
                start,
                f"should have a whole number k from 3 (a straight line and one bend) to {_MOST_COLUMNS} but got "
                f"{token.text}",
            )
        self.place += 1
        return int(token.text)

    def bad_call(self, start: int, fault: str) -> ModelError:
        """What is wrong with the call of s() or bs() that starts at a token."""
        depth, stop = 0, start
        for stop in range(start, len(self.tokens)):
            depth += (self.tokens[stop].text == "(") - (self.tokens[stop].text == ")")
            if stop > start and depth == 0:
                break
        at, end = self.tokens[start].at, self.tokens[stop]
        usage = (
            "bs(alliance, df=4) or bs(alliance, knots=(3, 4))"
            if self.tokens[start].text == "bs"
            else "s(alliance), s(alliance, k=8) or s(alliance, knots=(2, 3, 4))"
        )
        piece = self.text[at : end.at + len(end.text)][:200]
        return ModelError(f"formula {shown(self.text, at)}: {piece} {fault}. Write {usage}.")
