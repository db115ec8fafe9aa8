"""What formulas are read into: a tree in which nothing has been looked up or evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = [
    "COMPARISONS",
    "DEFAULT_K",
    "WINDOWS",
    "Call",
    "Chain",
    "Column",
    "Constant",
    "Group",
    "Node",
    "Number",
    "Operation",
    "Part",
    "Power",
    "SmoothTerm",
    "Sum",
    "Windowed",
    "columns_of",
    "windowed_in",
]

#: Functions of a column that are made of several rows, those of one person say, so that they are columns themselves.
WINDOWS = ("within", "between", "lag")
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
#: Number of columns of a smooth where none is given, the straight line among them.
DEFAULT_K = 8
_PLAIN = re.compile(r"[^\W\d][\w.]*")


@dataclass(frozen=True)
class Column:
    """A column of the table."""

    name: str
    at: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        return self.name if _PLAIN.fullmatch(self.name) else f"`{self.name}`"


@dataclass(frozen=True)
class Windowed(Column):
    """A column that is made of several rows of another: ``within(x)``, ``between(x, provider_id)``, ``lag(x, 2)``.

    It is a column of the cohort like any other once it is made, called as formulas write it.

    Parameters
    ----------
    function
        One of `WINDOWS`.
    of
        The column that it is made of; of a lag it may be a part within persons, and of such a part a lag.
    by
        The column whose levels share a mean; None for persons.
    steps
        Occasions between a row and the one whose value it has.
    """

    function: str = "within"
    of: Column = field(default_factory=lambda: Column(""))
    by: Column | None = None
    steps: int = 1

    @classmethod
    def made(cls, function: str, of: Column, by: Column | None, steps: int, at: int) -> Windowed:
        """The column under its name."""
        more = [] if by is None else [str(by)]
        more += [] if steps == 1 else [str(steps)]
        return cls(f"{function}({', '.join([str(of), *more])})", at, function, of, by, steps)

    def whose(self, person: str | None) -> str | None:
        """The column whose levels share a mean, or an order of occasions: that of persons where none is named."""
        return person if self.by is None else self.by.name

    @property
    def source(self) -> str:
        """The column of the table that it is made of in the end."""
        return self.of.source if isinstance(self.of, Windowed) else self.of.name

    @property
    def functions(self) -> tuple[str, ...]:
        """What is done to that column, the last first."""
        return (self.function, *(self.of.functions if isinstance(self.of, Windowed) else ()))

    @property
    def made_of(self) -> tuple[str, ...]:
        """Columns of the table that its values follow from, besides those that say whose and when a row is."""
        return (self.source, *([] if self.by is None else [self.by.name]))

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Number:
    """A number in an expression; whole ones are int."""

    value: int | float

    def __str__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True)
class Operation:
    """Arithmetic or a comparison of one or two expressions."""

    symbol: str
    parts: tuple[Node, ...]

    def __str__(self) -> str:
        rank = _rank(self)
        if len(self.parts) == 1:
            return f"{self.symbol}{_bracketed(self.parts[0], rank)}"
        left, right = self.parts
        # A power's base is never bare arithmetic; everything else leans to the left.
        before = _bracketed(left, rank + 1 if self.symbol == "**" or rank == 0 else rank)
        return f"{before} {self.symbol} {_bracketed(right, rank + 1)}"


@dataclass(frozen=True)
class Call:
    """A call of a function that is on the list."""

    function: str
    arguments: tuple[Node, ...]
    options: tuple[tuple[str, int | float | tuple[int | float, ...]], ...] = ()
    at: int = field(default=0, compare=False, repr=False)

    def __str__(self) -> str:
        options = [repr(value) if self.function == "poly" else f"{name}={value!r}" for name, value in self.options]
        return f"{self.function}({', '.join([*map(str, self.arguments), *options])})"

    @property
    def name(self) -> str:
        """Name of the component, as formulas and tables print it."""
        return str(self)


Node = Column | Number | Operation | Call


@dataclass(frozen=True)
class SmoothTerm:
    """A smooth as a formula asks for it: ``s(alliance)``, ``s(alliance, k=8)``, ``s(alliance, knots=(2, 3, 4))``.

    Parameters
    ----------
    column
        The numeric column it is of.
    size
        Number of penalised basis columns: k - 2, or the number of declared knots.
    knots
        Declared knots in increasing order; None where they are quantiles of the column.
    made
        The column, where it is made of several rows.
    """

    column: str
    size: int
    knots: tuple[float, ...] | None = None
    at: int = field(default=0, compare=False, repr=False)
    made: Windowed | None = field(default=None, compare=False, repr=False)

    @property
    def of(self) -> Column:
        """The column."""
        return self.made or Column(self.column, self.at)

    @property
    def name(self) -> str:
        """Name of the smooth: the dim of its coefficients, and the ending of its variables' names."""
        return f"s_{self.column}"

    def __str__(self) -> str:
        if self.knots is not None:
            return f"s({self.of}, knots={self.knots!r})"
        return f"s({self.of})" if self.size == DEFAULT_K - 2 else f"s({self.of}, k={self.size + 2})"


@dataclass(frozen=True)
class Constant:
    """0 or 1 in a sum of terms."""

    value: int
    at: int


@dataclass(frozen=True)
class Chain:
    """Terms joined by ``:`` or by ``*`` and ``/``, from left to right."""

    first: Part
    rest: tuple[tuple[str, Part], ...]
    at: int


@dataclass(frozen=True)
class Power:
    """Terms and their interactions up to an order."""

    base: Part
    order: int
    at: int


@dataclass(frozen=True)
class Sum:
    """Terms with their signs."""

    parts: tuple[tuple[str, Part], ...]
    at: int


@dataclass(frozen=True)
class Group:
    """A group term: terms, one bar or two, factors."""

    terms: Sum
    bar: str
    factors: Sum
    at: int


Part = Column | Call | SmoothTerm | Constant | Chain | Power | Sum | Group


def columns_of(node: Node) -> tuple[str, ...]:
    """Names of the columns in an expression, each once, in order."""
    if isinstance(node, Column):
        return (node.name,)
    parts = node.arguments if isinstance(node, Call) else node.parts if isinstance(node, Operation) else ()
    return tuple(dict.fromkeys(name for part in parts for name in columns_of(part)))


def windowed_in(node: Node) -> Iterator[Windowed]:
    """Columns made of several rows in an expression, each before those that are made of it."""
    if isinstance(node, Windowed):
        yield from windowed_in(node.of)
        yield node
    parts = node.arguments if isinstance(node, Call) else node.parts if isinstance(node, Operation) else ()
    for part in parts:
        yield from windowed_in(part)


_RANKS = {**dict.fromkeys(COMPARISONS, 0), "+": 1, "-": 1, "*": 2, "/": 2, "**": 4}


def _rank(node: Node) -> int:
    """How tightly an expression holds together."""
    if not isinstance(node, Operation):
        return 5
    return 3 if len(node.parts) == 1 else _RANKS[node.symbol]


def _bracketed(node: Node, least: int) -> str:
    return str(node) if _rank(node) >= least else f"({node})"
