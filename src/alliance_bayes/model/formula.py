"""Model formulas: what the tree of a formula stands for, term by term."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from alliance_bayes.errors import ModelError
from alliance_bayes.model.grammar import read_formula, shown
from alliance_bayes.model.nodes import (
    Call,
    Chain,
    Column,
    Constant,
    Group,
    Power,
    SmoothTerm,
    Sum,
    Windowed,
    columns_of,
    windowed_in,
)

__all__ = ["Formula", "GroupChunk", "parse_formula"]

# A term: its components, none for the intercept.
_Term = tuple[Column | Call, ...]

_MOST_TERMS = 500
_MOST_FACTORS = 100
_HIGHEST_ORDER = 5


@dataclass(frozen=True)
class GroupChunk:
    """The pooled terms of one factor, ``(expr | factor)`` or ``(expr || factor)``.

    Parameters
    ----------
    factor
        Name of the grouping factor; "a:b" for levels of b within (or crossed with) a.
    terms
        Names of the pooled terms, "Intercept" first when present.
    correlated
        Whether the pooled columns have a joint (correlated) distribution, where they are several.
    joint
        Terms of an independent factor whose own columns, if there are several, were asked to be correlated.
    """

    factor: str
    terms: tuple[str, ...]
    correlated: bool
    joint: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Formula:
    """A parsed formula.

    Parameters
    ----------
    text
        As written.
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
    offsets
        Calls of ``offset``, each added to the linear predictor as it is.
    calls
        Every call among the components of the terms, by its name there. A component that is no call is a column.
    windows
        Columns that are made of several rows (``within(x)``, ``lag(x)``), and those that these are made of, each before
        what is made of it.
    """

    text: str
    outcome: str
    common: tuple[str, ...]
    groups: tuple[GroupChunk, ...]
    columns: tuple[str, ...]
    smooths: tuple[SmoothTerm, ...] = ()
    offsets: tuple[Call, ...] = ()
    calls: tuple[Call, ...] = ()
    windows: tuple[Windowed, ...] = ()

    @property
    def has_intercept(self) -> bool:
        """Whether an intercept is among the common terms."""
        return "Intercept" in self.common

    @property
    def grouping(self) -> tuple[str, ...]:
        """Columns that grouping factors are made of, each once: they have levels, written as numbers or not."""
        return tuple(dict.fromkeys(part for group in self.groups for part in group.factor.split(":")))

    @property
    def components(self) -> frozenset[str]:
        """Names of what the terms, common and pooled, and the offsets are made of."""
        sums = (self.common, *(group.terms for group in self.groups))
        return frozenset(offset.name for offset in self.offsets).union(
            *(_parts_of(name) for names in sums for name in names)
        )

    def is_centred(self, component: str) -> bool:
        """Whether a numeric component is centred where the analyst states no value.

        Centring takes a multiple of the rest of a term from it: of ``a:c`` one of ``c``. It is the same model in other
        words only where the rest is a term, too, among the common ones as among what a factor pools: the intercept
        where the component is a term by itself. Where it is missing anywhere, the component stays as it is.
        """
        sums = [self.common, *(group.terms for group in self.groups)]
        together = [{_parts_of(name) for name in names} for names in sums]
        return self.has_intercept and all(
            term - {component} in terms for terms in together for term in terms if component in term
        )

    def __str__(self) -> str:
        """The formula written out: every term by itself, in the order of the coefficients. It reads back the same."""
        calls = {call.name for call in self.calls} | {window.name for window in self.windows}
        smooth = {term.column: str(term) for term in self.smooths}

        def written(name: str) -> str:
            parts = (part if part in calls else str(Column(part)) for part in name.split(":"))
            return smooth.get(name) or ":".join(parts)

        parts = [written(name) for name in self.common if name != "Intercept"]
        parts += [str(offset) for offset in self.offsets]
        for group in self.groups:
            pooled = ["1" if name == "Intercept" else ":".join(_quoted(name, calls)) for name in group.terms]
            start = [] if "Intercept" in group.terms else ["0"]
            bar = "||" if len(pooled) > 1 and not group.correlated else "|"
            parts.append(f"({' + '.join(start + pooled)} {bar} {':'.join(_quoted(group.factor, ()))})")
        start = [] if self.has_intercept and parts else ["1" if self.has_intercept else "0"]
        return f"{Column(self.outcome)} ~ {' + '.join(start + parts)}"


def _parts_of(name: str) -> frozenset[str]:
    """The components of a term, none of the intercept."""
    return frozenset() if name == "Intercept" else frozenset(name.split(":"))


def _quoted(name: str, calls: Iterable[str]) -> list[str]:
    return [part if part in calls else str(Column(part)) for part in name.split(":")]


def parse_formula(text: str) -> Formula:
    """Parse a model formula.

    Parameters
    ----------
    text
        ``"outcome ~ terms + (terms || factor)"``. ``||`` pools the terms independently, ``|`` with correlations. Among
        the terms, ``s(column)`` is a smooth (a straight line and a penalised departure from it) and ``offset(...)`` has
        the coefficient 1.

    Returns
    -------
    Formula
        Its ``str`` is the formula written out, which parses to the same terms.

    Raises
    ------
    ModelError
        Any token that has no place (see `read_formula`), an outcome that is a predictor too, a term that is
        taken out without being in, one factor pooled in two ways, or a smooth or offset that is none.
    """
    outcome, tree = read_formula(text)
    return _Meaning(text).formula(outcome, tree)


class _Meaning:
    """What the parts of one formula stand for."""

    def __init__(self, text: str) -> None:
        self.text = text

    def refuse(self, fault: str, at: int | None = None) -> ModelError:
        return ModelError(f"formula {shown(self.text, at)}: {fault}")

    def formula(self, outcome: str, tree: Sum) -> Formula:
        intercept = True
        terms: list[_Term] = []
        smooths: list[SmoothTerm] = []
        offsets: list[Call] = []
        groups: list[GroupChunk] = []
        pooled: list[_Term] = []
        for sign, part in tree.parts:
            if isinstance(part, Constant):
                intercept = (part.value == 1) == (sign == "+")
            elif isinstance(part, SmoothTerm):
                if sign == "-":
                    raise self.not_apart(part)
                if any(part.column == other.column for other in smooths):
                    raise self.refuse(
                        f"'{part.column}' has two smooths. Keep one, with more knots if need be.", part.at
                    )
                smooths.append(part)
                _add(terms, [(part.of,)])
            elif isinstance(part, Group):
                if sign == "-":
                    raise self.refuse("a group term cannot be taken out. Leave it away instead.", part.at)
                chunks, chunk_terms = self.group(part)
                groups += chunks
                pooled += chunk_terms
            elif isinstance(part, Call) and part.function == "offset":
                if sign == "-":
                    raise self.refuse(
                        f"{part} cannot be taken out; offset(-({part.arguments[0]})) adds its negative.", part.at
                    )
                if part in offsets:
                    raise self.refuse(
                        f"{part} stands twice. Offsets add up: write offset(2 * ({part.arguments[0]})) if that is "
                        "meant.",
                        part.at,
                    )
                offsets.append(part)
            else:
                self.join(terms, sign, part)
            if len(terms) + len(offsets) > _MOST_TERMS or len(groups) > _MOST_FACTORS:
                raise self.refuse(f"more than {_MOST_TERMS} terms or {_MOST_FACTORS} group terms. Write fewer.")
        merged = self.merge(groups)
        components = self.components(outcome, [*terms, *pooled], merged)
        common = (*(["Intercept"] if intercept else []), *(_name(term) for term in terms))
        self.check_smooths(smooths, common)
        columns = dict.fromkeys([outcome])
        used = [sorted({name for part in term for name in columns_of(part)}) for term in terms]
        used += [list(columns_of(offset)) for offset in offsets]
        for chunk in merged:
            for name in chunk.terms:
                parts = [] if name == "Intercept" else [components[part] for part in name.split(":")]
                used.append(sorted({*chunk.factor.split(":"), *(n for part in parts for n in columns_of(part))}))
        for names in used:
            columns |= dict.fromkeys(names)
            if outcome in names:
                raise self.refuse(f"the outcome '{outcome}' is also used as a predictor. Remove it from one side.")
        calls = tuple(part for part in components.values() if isinstance(part, Call))
        windows = dict.fromkeys(window for node in (*components.values(), *offsets) for window in windowed_in(node))
        self.check_windows(outcome, windows, columns)
        return Formula(
            self.text, outcome, common, merged, tuple(columns), tuple(smooths), tuple(offsets), calls, tuple(windows)
        )

    def check_windows(self, outcome: str, windows: Iterable[Windowed], columns: Collection[str]) -> None:
        """Refuse columns made of several rows that hold the outcome of their own row, or what is beside them."""
        for window in windows:
            if window.source == outcome and set(window.functions) != {"lag"}:
                raise self.refuse(
                    f"{window} holds the outcome '{outcome}' of the row itself. Of the outcome there is only "
                    f"lag({Column(outcome)}), its value on an earlier occasion.",
                    window.at,
                )
            if window.by is not None and window.by.name == outcome:
                raise self.refuse(f"{window} groups rows by the outcome. Name another column.", window.at)
            if window.function == "within" and {window.name, window.of.name} <= set(columns):
                raise self.refuse(
                    f"{window} stands beside {window.of}, of which it is a part, so that neither can change while the "
                    f"other is held. Write {window} + {_other_part(window)} in place of both.",
                    window.at,
                )

    def not_apart(self, smooth: SmoothTerm) -> ModelError:
        return self.refuse(
            f"{smooth} should be a term of its own, joined by '+'. A smooth cannot be part of a group term, an "
            "interaction or another function: use the column itself there.",
            smooth.at,
        )

    def join(self, terms: list[_Term], sign: str, part: object) -> None:
        """Add a part's terms to a sum, or take them out of it."""
        expanded = self.expand(part)
        if sign == "+":
            _add(terms, expanded)
            return
        for term in expanded:
            present = next((other for other in terms if set(other) == set(term)), None)
            if present is None:
                raise self.refuse(
                    f"'- {_name(term)}' takes out a term that is not there. Remove it; a coefficient's sign is "
                    "estimated, and a difference of columns is written I(a - b).",
                    getattr(part, "at", None),
                )
            terms.remove(present)

    def expand(self, part: object) -> list[_Term]:
        """The terms that a part of a sum stands for."""
        match part:
            case Column():
                return [(part,)]
            case Call():
                if part.function == "offset":
                    raise self.refuse(
                        f"{part} should be a term of its own, joined by '+': its coefficient is 1.", part.at
                    )
                return [(part,)]
            case Sum():
                terms: list[_Term] = []
                for sign, inner in part.parts:
                    self.join(terms, sign, inner)
                    self.bounded(terms, part.at)
                return terms
            case Power():
                base = self.expand(part.base)
                if len(base) < 2:
                    raise self.refuse(
                        f"'{_name(base[0]) if base else ''}' alone has no interactions, so '**' does not square it. "
                        "A square is written I(a ** 2).",
                        part.at,
                    )
                powers: list[_Term] = []
                for order in range(1, part.order + 1):
                    for chosen in itertools.combinations(base, order):
                        _add(powers, [tuple(dict.fromkeys(itertools.chain(*chosen)))])
                        self.bounded(powers, part.at)
                return powers
            case Chain():
                combined = self.expand(part.first)
                for symbol, inner in part.rest:
                    more = self.expand(inner)
                    if symbol == "/":
                        whole = tuple(dict.fromkeys(itertools.chain(*combined)))
                        joined = [*combined, *self.crossed([whole], more, part.at)]
                    else:
                        crossed = self.crossed(combined, more, part.at)
                        joined = crossed if symbol == ":" else [*combined, *more, *crossed]
                    combined = []
                    _add(combined, joined)
                    self.bounded(combined, part.at)
                return combined
            case SmoothTerm():
                raise self.not_apart(part)
            case Constant():
                raise self.refuse(
                    f"{part.value} stands for the intercept, which is a term of the whole sum or of a group term, not "
                    "of a part in parentheses or an interaction.",
                    part.at,
                )
            case _:
                raise self.refuse(
                    "a group term should be a term of its own, joined by '+' to the others.", getattr(part, "at", None)
                )

    def bounded(self, terms: list[_Term], at: int) -> None:
        if len(terms) > _MOST_TERMS:
            raise self.refuse(f"more than {_MOST_TERMS} terms come of it. Write the ones that are meant.", at)
        if any(len(term) > _HIGHEST_ORDER for term in terms):
            raise self.refuse(f"an interaction of more than {_HIGHEST_ORDER} columns comes of it. Write fewer.", at)

        for part in (part for term in terms if len(term) > 1 for part in term):
            if isinstance(part, Call) and part.function == "bs":
                raise self.refuse(
                    f"{part} cannot be part of an interaction. Let the column itself interact, or poly().", at
                )

    def crossed(self, left: list[_Term], right: list[_Term], at: int) -> list[_Term]:
        """Every term of one sum with every term of another."""
        if len(left) * len(right) > _MOST_TERMS:
            raise self.refuse(f"more than {_MOST_TERMS} terms come of it. Write the ones that are meant.", at)
        for a, b in itertools.product(left, right):
            if both := set(a) & set(b):
                raise self.refuse(
                    f"'{_name(tuple(both)[:1])}' cannot interact with itself. A square is written I(a ** 2).", at
                )
        return [(*a, *b) for a, b in itertools.product(left, right)]

    def group(self, part: Group) -> tuple[list[GroupChunk], list[_Term]]:
        intercept = True
        terms: list[_Term] = []
        for sign, inner in part.terms.parts:
            if isinstance(inner, Constant):
                intercept = (inner.value == 1) == (sign == "+")
            else:
                self.join(terms, sign, inner)
                self.bounded(terms, part.at)
        factors: list[_Term] = []
        for sign, inner in part.factors.parts:
            self.join(factors, sign, inner)
            self.bounded(factors, part.at)
        for factor in factors:
            for column in factor:
                if isinstance(column, Call | Windowed):
                    raise self.refuse(
                        f"{column} cannot be a grouping factor. Make a column of it in the table.", part.at
                    )
        names = [*(["Intercept"] if intercept else []), *(_name(term) for term in terms)]
        if not names or not factors:
            raise self.refuse(
                "a group term has nothing to pool. Write '(1 | country)' or '(alliance || country)'.", part.at
            )
        # One numeric column is its own correlation; a categorical one has as many columns as levels.
        correlated = part.bar == "|" and names != ["Intercept"]
        return [GroupChunk(_name(factor), tuple(names), correlated) for factor in factors], terms

    def merge(self, chunks: list[GroupChunk]) -> tuple[GroupChunk, ...]:
        """One entry a factor: pieces that are pooled apart are independent of each other."""
        merged: dict[str, GroupChunk] = {}
        by_parts: dict[frozenset[str], str] = {}
        for chunk in chunks:
            first = by_parts.setdefault(frozenset(chunk.factor.split(":")), chunk.factor)
            before = merged.get(first)
            if before is None:
                merged[first] = chunk
                continue
            twice = [name for name in before.terms if name in chunk.terms]
            if twice:
                repeated = "level" if twice[0] == "Intercept" else f"effect of '{twice[0]}'"
                raise self.refuse(
                    f"the factor '{first}' is pooled twice: its {repeated} is in two group terms. Put all its terms "
                    f"into one, as in '({' + '.join(_pooled([*before.terms, *chunk.terms]))} | {first})', or with '||' "
                    "where they are independent."
                )
            if any(piece.correlated and len(piece.terms) > 1 for piece in (before, chunk)):
                raise self.refuse(
                    f"the factor '{first}' is pooled twice, once with correlations. Put all its terms into one group "
                    "term, with '|' where all are correlated and '||' where none is."
                )
            names = sorted((*before.terms, *chunk.terms), key=lambda name: name != "Intercept")
            joint = [name for piece in (before, chunk) if piece.correlated for name in piece.terms]
            merged[first] = GroupChunk(first, tuple(names), correlated=False, joint=(*before.joint, *joint))
        return tuple(merged.values())

    def components(self, outcome: str, terms: list[_Term], groups: tuple[GroupChunk, ...]) -> dict[str, Column | Call]:
        """Every component of the terms by its name, of which no two are alike."""
        components: dict[str, Column | Call] = {}
        factors = [Column(part) for group in groups for part in group.factor.split(":")]
        for part in itertools.chain([Column(outcome)], factors, *terms):
            name = part.name
            if components.setdefault(name, part) != part:
                raise self.refuse(f"the column '{name}' has the name of a call. Rename the column.", part.at)
        return components

    def check_smooths(self, smooths: list[SmoothTerm], common: tuple[str, ...]) -> None:
        for smooth in smooths:
            if smooth.column not in common:
                raise self.refuse(
                    f"s({smooth.column}) departs from the straight line of '{smooth.column}', which the formula takes "
                    f"out again. Remove '- {smooth.column}'.",
                    smooth.at,
                )


def _other_part(window: Windowed) -> Windowed:
    """What is left of a column without its part within persons, or within other levels."""
    return Windowed.made("between", window.of, window.by, 1, window.at)


def _add(terms: list[_Term], more: Iterable[_Term]) -> None:
    """Add terms that are not there yet; the order of an interaction's columns does not make another one."""
    present = {frozenset(term) for term in terms}
    for term in more:
        if frozenset(term) not in present:
            present.add(frozenset(term))
            terms.append(term)


def _name(term: _Term) -> str:
    return ":".join(part.name for part in term)


def _pooled(names: list[str]) -> list[str]:
    return ["1" if name == "Intercept" else name for name in dict.fromkeys(names)]
