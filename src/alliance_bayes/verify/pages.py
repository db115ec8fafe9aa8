"""Compare a page, and the JSON beside it, with what is written of a refit: every element, attribute, word and number.

Whatever is no number must be the same, byte for byte. Where the refit has the page's own draws, so must be the numbers.
Where it has others (the sampler's arithmetic differs between processors), fits with other seeds tell how far a number
may be: by no more than `SPREAD` times the range of theirs, and one unit of its last digit.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from alliance_bayes.report.records import unit
from alliance_bayes.verify.alignment import aligned
from alliance_bayes.verify.drawings import DRAWING, PLACE, SPREAD, path_differs

__all__ = ["SPREAD", "Compared", "compare_numbers", "compare_pages"]

# Share of what moves with the draws that may be further off, and how many pieces besides.
_SHARE, _FEW = 0.03, 3
# Differences that are told one by one, and characters of each.
_TOLD, _SHOWN = 20, 80
# Linear in whatever it reads: no piece is looked at twice.
_TOKEN = re.compile(r"<[^<>]*>|[^<]+|<")
_TAG = re.compile(r"<(/?)([a-zA-Z][\w:-]*)")
_ID = re.compile(r'\sid="([^"]*)"')
# Digits of other scripts are words here: they equal themselves only.
_NUMBER = re.compile(r"(?:(?<![\w.])[-\N{MINUS SIGN}])?[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?")
# As this package writes a number, without zeros before it.
_WRITTEN = re.compile(r"[-\N{MINUS SIGN}]?(?:0|[1-9][0-9]*|[1-9][0-9]{0,2}(?:,[0-9]{3})+)(?:\.[0-9]+)?")
_LABEL = re.compile(r'(?<=\s)(?:aria-label|alt)="[^"]*"')
# Of a column of words: by its longest.
_WIDTH = re.compile(r'(?<=\s)class="word (?:long|short)"')
_WORD = re.compile(r"[^\W\d_]+")
_SVG = re.compile(r"<svg(?:[^<]|<(?!/svg>))*</svg>")
# Where a drawing has its places, to two decimals.
_PLACES = re.compile(r'(?<=\s)(?:d|points|transform|x|y)="[^"]*"')
_PATH = re.compile(r'(?<=\s)d="([^"]*)"')
_TEXT = re.compile(r"<text([^<>]*)>([^<]*)</text>")
_AT = re.compile(r"(?:rotate\(\S+ |translate\()(\S+) (\S+)\)")
_DRAWING_NAME = re.compile(r'<svg[^<>]*\saria-labelledby="([^"]*)"')
_DRAWN = frozenset(
    ("title", "desc", "path", "g", "use", "text", "clipPath", "rect", "defs", "image", "line", "circle", "polygon")
)


@dataclass(frozen=True)
class Compared:
    """What was found.

    Parameters
    ----------
    problems
        What differs, one sentence each; empty when nothing does.
    numbers
        How many numbers were compared.
    near
        How many pieces differ, but by no more than they may.
    unsettled
        Pieces of the page's own draws (of checks, and of data simulated from the draws) that differ by more than fits
        with other seeds do from each other, one sentence each: of many, a few will.
    moving
        How many pieces such fits have otherwise.
    """

    problems: tuple[str, ...] = ()
    numbers: int = 0
    near: int = 0
    unsettled: tuple[str, ...] = ()
    moving: int = 0

    def __add__(self, other: Compared) -> Compared:
        return Compared(
            (*self.problems, *other.problems),
            self.numbers + other.numbers,
            self.near + other.near,
            (*self.unsettled, *other.unsettled),
            self.moving + other.moving,
        )


def compare_pages(page: str, refit: str, others: Sequence[str] = ()) -> Compared:
    """Compare a page with one that was made again.

    Parameters
    ----------
    page, refit
        Both without manifest and without the content of sections that cannot be made again.
    others
        The same of fits with other seeds, where the refit has other draws than the page.
    """
    if len(page) > 2 * len(refit) + 100_000:
        return Compared(("The page is more than twice as long as what this package writes of the same models.",))
    old, new = _TOKEN.findall(page), _TOKEN.findall(refit)
    ours = [_mask(token) for token in new]
    pairs = dict(aligned([_mask(token) for token in old], ours))
    elsewhere = []
    for other in others:
        tokens = _TOKEN.findall(other)
        back = {j: k for k, j in aligned([_mask(token) for token in tokens], ours)}
        elsewhere.append((tokens, back))
    loose = _loose_drawings(new, [tokens for tokens, _ in elsewhere])
    places, new_places = _Places(old), _Places(new)
    spreads, columns = _spreads(new, elsewhere, new_places)
    moving = {j for j in range(len(new)) for tokens, back in elsewhere if j not in back or tokens[back[j]] != new[j]}
    problems: list[str] = []
    unsettled: list[str] = []
    numbers = near = 0
    for i, j in pairs.items():
        if old[i] == new[j]:
            numbers += 0 if new[j].startswith("<") else len(_NUMBER.findall(new[j]))
            continue
        if new_places.drawing(j) in loose and not new[j].startswith("<"):
            # Held with its place in the drawing, below.
            near += 1
            continue
        beside = [tokens[back[j]] for tokens, back in elsewhere if j in back]
        count, off = _differs(old[i], new[j], beside, spreads.get(new_places.of(j)))
        numbers += count
        line = f"{places.said(i)}: the page has {_cut(old[i], new[j])}, the refit {_cut(new[j], old[i])}."
        if off <= 1:
            near += 1
        elif (j in moving or new_places.of(j) in spreads or new_places.drawing(j) in loose) and (
            old[i].startswith("<") or _within(old[i], new[j], columns.get(new_places.of(j), ()))
        ):
            unsettled.append(line)
        else:
            problems.append(line)
    alone, doubtful, drawn = _unpaired(
        old, new, pairs, (places, new_places), moving, loose, [tokens for tokens, _ in elsewhere]
    )
    near += drawn
    problems += alone
    unsettled += doubtful
    if others:
        wrong, doubtful = _labels(page, (refit, *others))
        problems += wrong
        unsettled += doubtful
    if page != refit and not (problems or near or others):
        problems.append("The page has other white space.")
    return _settled(problems, numbers, near, unsettled, len(moving), "page")


def _settled(
    problems: list[str], numbers: int, near: int, unsettled: Sequence[str], moving: int, name: str
) -> Compared:
    """The comparison; a problem of its own where more is unsettled than chance leaves."""
    if len(unsettled) > _SHARE * moving + _FEW:
        problems.append(
            f"{len(unsettled):,} pieces of the {name} that follow its own draws are further from the refit than fits "
            f"with other seeds are from each other, of {moving:,} such pieces; among them: {unsettled[0]}"
        )
    return Compared(_few(problems), numbers, near, tuple(unsettled), moving)


def _unpaired(
    old: Sequence[str],
    new: Sequence[str],
    pairs: Mapping[int, int],
    places: tuple[_Places, _Places],
    moving: Set[int],
    loose: Set[int],
    others: Sequence[Sequence[str]],
) -> tuple[list[str], list[str], int]:
    """What only one of the pages has: what is wrong, what is unsettled, and how much fits with other seeds have too.

    Such fits differ in a tick of an axis, the order of two rows, the name of the largest of many. A page may have what
    one of them has at that place, or words of which each is somewhere in them; and as many elements as they have.
    """
    met = set(pairs.values())
    old_places, new_places = places
    problems: list[str] = []
    unsettled: list[str] = []
    near = 0
    moved = {new_places.of(j)[0] for j in moving}
    for j, token in enumerate(new):
        if j not in met and token.strip() and new_places.of(j)[0] not in moved and new_places.drawing(j) not in loose:
            problems.append(f"The page lacks {_cut(token)}.")
    renders = [(tokens, _Places(tokens)) for tokens in (new, *others)] if others else []
    known = {(at.of(k)[0], _mask(token)) for tokens, at in renders for k, token in enumerate(tokens)}
    words = {word for _, mask in known if not mask.startswith("<") for word in _WORD.findall(mask)}
    for i, token in enumerate(old):
        if i in pairs or not token.strip():
            continue
        place, mask = old_places.of(i)[0], _mask(token)
        if place in moved and (place, mask) in known:
            near += 1
        elif place in moved and not token.startswith("<") and words.issuperset(_WORD.findall(mask)):
            unsettled.append(f"{old_places.said(i)}: only the page has {_cut(token)}.")
        else:
            problems.append(f"{old_places.said(i)}: only the page has {_cut(token)}.")
    if others and not problems:
        counts = [_elements(tokens, at) for tokens, at in renders]
        page = _elements(old, old_places)
        for kind in {*page, *counts[0]}:
            if not min(count[kind] for count in counts) <= page[kind] <= max(count[kind] for count in counts):
                problems.append(
                    f"After '{kind[1]}': the page has {page[kind]} of '{kind[0]}', the refit {counts[0][kind]}."
                )
    return problems, unsettled, near


def _elements(tokens: Sequence[str], places: _Places) -> Counter[tuple[str, str]]:
    """How many elements and pieces of text of each kind a page has after each id, drawings apart."""
    return Counter(_kind(token, places, k) for k, token in enumerate(tokens) if not places.drawing(k) and token.strip())


def _kind(token: str, places: _Places, k: int) -> tuple[str, str]:
    """What may stand for a token: one of the same element, after the same id."""
    tag = _TAG.match(token)
    return f"{tag[1]}{tag[2]}" if tag else "", places.of(k)[0]


class _Places:
    """Where the tokens of a page stand: after which id, in which cell of its row."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._ids: list[str] = []
        self._cells: list[int] = []
        self._drawings: list[int] = []
        name, cell, drawings, inside = "", 0, 0, False
        for token in tokens:
            if token.startswith("<"):
                if token.startswith("<svg"):
                    drawings, inside = drawings + 1, True
                # How many parts a drawing has, and so what they are called, may follow from draws.
                if not inside and (match := _ID.search(token)) is not None:
                    name, cell = match[1], 0
                if token.startswith("<tr"):
                    cell = 0
                elif token.startswith(("<td", "<th")):
                    cell += 1
            self._ids.append(name)
            self._cells.append(cell)
            self._drawings.append(drawings if inside else 0)
            inside &= token != "</svg>"

    def of(self, k: int) -> tuple[str, int]:
        """Id and cell."""
        return self._ids[k], self._cells[k]

    def drawing(self, k: int) -> int:
        """Number of the drawing, from 1; 0 outside of all."""
        return self._drawings[k]

    def said(self, k: int) -> str:
        """In words."""
        return f"After '{self._ids[k][:_SHOWN]}'" if self._ids[k] else "At the beginning"


def _loose_drawings(new: Sequence[str], others: Sequence[Sequence[str]]) -> frozenset[int]:
    """Numbers of the drawings that fits with other seeds draw otherwise, since they are made of draws."""

    def drawings(tokens: Sequence[str]) -> list[str]:
        return _SVG.findall("".join(tokens))

    drawn, all_others = drawings(new), [drawings(tokens) for tokens in others]
    return frozenset(
        k + 1
        for k, drawing in enumerate(drawn)
        if any(len(other) != len(drawn) or other[k] != drawing for other in all_others)
    )


def _labels(page: str, renders: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is written in a page's drawings and in none of some renders at about the same place.

    Where an axis ends elsewhere than in any of the fits, one label more is there; two are another axis.
    """
    known = [_texts(render) for render in renders]
    problems: list[str] = []
    unsettled: list[str] = []
    for name, texts in _texts(page).items():
        beside = [drawings[name] for drawings in known if name in drawings]
        if not beside:
            problems.append(f"The page has a drawing '{name[:_SHOWN]}', which the refit has not.")
            continue
        places: dict[str, list[tuple[float, float]]] = {}
        for text, at in (item for drawing in beside for item in drawing):
            places.setdefault(text, []).append(at)
        off = [text for text, at in texts if not any(math.dist(at, to) <= DRAWING for to in places.get(text, ()))]
        lines = [
            f"In the drawing '{name[:_SHOWN]}': the page has {_cut(text)}, the refit not, or elsewhere." for text in off
        ]
        fewest, most = min(map(len, beside)), max(map(len, beside))
        strange = [text for text in off if text not in places and not _between(text, places)]
        if strange or len(off) > 1 or not fewest - _FEW <= len(texts) <= most + _FEW:
            problems += lines or [
                f"In the drawing '{name[:_SHOWN]}': the page has {len(texts)} labels, the refit {most}."
            ]
        else:
            unsettled += lines
    return problems, unsettled


def _between(text: str, places: Mapping[str, object]) -> bool:
    """Whether a label is a number, and no more than a step further out than the numbers of a drawing."""
    numbers = sorted(_value(other) for other in places if _WRITTEN.fullmatch(other))
    if not (numbers and _WRITTEN.fullmatch(text)):
        return False
    step = max((b - a for a, b in pairwise(numbers)), default=0.0) * (1 + 1e-9)
    return numbers[0] - step <= _value(text) <= numbers[-1] + step


def _texts(html: str) -> dict[str, list[tuple[str, tuple[float, float]]]]:
    """What is written in each drawing of a page, by the drawing's name, and where; far out where it does not say."""
    out: dict[str, list[tuple[str, tuple[float, float]]]] = {}
    for drawing in _SVG.findall(html):
        name = _DRAWING_NAME.match(drawing)
        labels = out.setdefault(name[1] if name else "", [])
        for attributes, text in _TEXT.findall(drawing):
            turned = _AT.search(attributes)
            at = turned.groups() if turned else ()
            plain = len(at) == 2 and all(re.fullmatch(PLACE, part) for part in at)
            labels.append((text, (float(at[0][:9]), float(at[1][:9])) if plain else (math.inf, math.inf)))
    return out


def _spreads(
    new: Sequence[str], elsewhere: Sequence[tuple[Sequence[str], Mapping[int, int]]], places: _Places
) -> tuple[dict[tuple[str, int], float], dict[tuple[str, int], list[tuple[float, float]]]]:
    """How far fits with other seeds are apart, as a share of the number, for each place where they are.

    Five fits say little of one number, and more of all that stand in one column or paragraph. Also the numbers of each
    such place, in order, each with their range.
    """
    columns: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for j, token in enumerate(new):
        beside = [tokens[back[j]] for tokens, back in elsewhere if j in back]
        if token.startswith("<") or not beside:
            continue
        numbers = [[_value(text) for text in _NUMBER.findall(other)] for other in (token, *beside)]
        for values in zip(*numbers, strict=False):
            columns.setdefault(places.of(j), []).extend((value, max(values) - min(values)) for value in values)
    moving = {place: sorted(pairs) for place, pairs in columns.items() if any(gap > 0 for _, gap in pairs)}
    shares = {place: median(gap / (abs(value) or 1.0) for value, gap in pairs) for place, pairs in moving.items()}
    return shares, moving


def _within(page: str, refit: str, column: Sequence[tuple[float, float]]) -> bool:
    """Whether numbers are no further off than their column's move, or near one of another row of it."""
    most = SPREAD * max((gap for _, gap in column), default=0.0)
    for text, again in zip(_NUMBER.findall(page), _NUMBER.findall(refit), strict=True):
        value = _value(text)
        at = bisect_left(column, (value, 0.0))
        near = (abs(value - known) <= _digit(text) + 0.05 * abs(value) for known, _ in column[max(0, at - 1) : at + 1])
        if not (abs(value - _value(again)) <= most + _digit(text) or any(near)):
            return False
    return True


def _mask(token: str) -> str:
    """A token without its numbers and the places of a drawing's points; elements of the page keep their ids."""
    if token.startswith("<") and not token.startswith("</"):
        tag = _TAG.match(token)
        if tag is None or tag[2] not in _DRAWN:
            return _LABEL.sub(lambda label: _NUMBER.sub("0", label[0]), _WIDTH.sub('class="word"', token))
        if tag[2] == "path":
            token = _PATH.sub('d=""', token)
    return _NUMBER.sub("0", token)


def _differs(page: str, refit: str, others: Sequence[str], share: float | None) -> tuple[int, float]:
    """How many numbers a token has, and how often what it may be off the furthest of them is off, at most.

    Parameters
    ----------
    page, refit, others
        The token in all pages.
    share
        How far numbers at such a place are apart, as a share of themselves; None where none of them moves.
    """
    drawn = page.startswith("<")
    if page.startswith("<path"):
        old, new = (_PATH.search(token) for token in (page, refit))
        if old and new:
            beside = [match[1] for token in others if (match := _PATH.search(token))]
            if (far := path_differs(old[1], new[1], beside)) > 1:
                return 1, far
            page, refit = (_PATH.sub('d=""', token) for token in (page, refit))
            others = [_PATH.sub('d=""', token) for token in others]
    if drawn and not others and _PLACES.sub("", page) != _PLACES.sub("", refit):
        return 1, math.inf
    before, after = _NUMBER.findall(page), _NUMBER.findall(refit)
    spans = [match.span() for match in _PLACES.finditer(page)] if drawn and others else []
    placed = [any(start <= match.start() < end for start, end in spans) for match in _NUMBER.finditer(page)]
    beside_numbers = [texts for token in others if len(texts := _NUMBER.findall(token)) == len(after)]
    off = 0.0
    for place, (a, b) in enumerate(zip(before, after, strict=True)):
        if a == b:
            continue
        values = [_value(b), *(_value(texts[place]) for texts in beside_numbers)]
        digit = max(_digit(a), _digit(b))
        spread = max(values) - min(values)
        # Two decimals of a drawing are a hundredth of a point, which nobody sees.
        spread = max(spread, (share or 0.0) * abs(values[0]))
        allowed = SPREAD * spread + (digit if spread > 0 or share is not None or (drawn and digit <= 0.011) else 0.0)
        if drawn and others and (digit <= 0.011 or placed[place]):
            allowed = max(allowed, DRAWING)
        gap = abs(_value(a) - values[0])
        written = [b, *(texts[place] for texts in beside_numbers)]
        if not _alike_written(a, written, drawn=drawn and (digit <= 0.11 or placed[place]), moves=spread > 0):
            off = math.inf
        off = max(off, math.inf if allowed == 0 and gap > 0 else gap / (allowed * (1 + 1e-9)) if gap else 0.0)
    return len(after), off


def _alike_written(text: str, known: Sequence[str], *, drawn: bool, moves: bool) -> bool:
    """Whether a number is written as it is elsewhere: with as many decimals, and no zeros before it.

    A place in a drawing has two decimals or six, or as few as it needs; a number that moves with the draws may have one
    more or less than all the others, as the largest of a column decides.
    """
    if _WRITTEN.fullmatch(text) is None:
        return False
    places, decimals = len(text.partition(".")[2]), [len(other.partition(".")[2]) for other in known]
    if drawn:
        return places <= max(2, *decimals) or (places <= 6 and max(decimals) > 2)
    return min(decimals) - moves <= places <= max(decimals) + moves


def _value(text: str) -> float:
    # Hostile digits are cut: no number of a page has so many.
    return float(text.replace(",", "").replace("\N{MINUS SIGN}", "-")[:300])


def _digit(text: str) -> float:
    """What one unit of the last digit printed is worth."""
    return float(10.0 ** -min(len(text.partition(".")[2]), 300))


def _cut(text: str, other: str = "") -> str:
    """A token as a sentence shows it: from where it differs."""
    start = next((k for k, (a, b) in enumerate(zip(text, other, strict=False)) if a != b), 0)
    start = max(0, start - 20) if len(text) > _SHOWN else 0
    part = text[start : start + _SHOWN]
    return repr(f"{'…' if start else ''}{part}{'…' if start + _SHOWN < len(text) else ''}")


def _few(problems: Sequence[str]) -> tuple[str, ...]:
    more = len(problems) - _TOLD
    return (*problems[:_TOLD], *([f"{more:,} more pieces of the page differ."] if more > 0 else []))


def compare_numbers(page: Any, refit: Any, others: Sequence[Any] = (), *, name: str = "JSON") -> Compared:
    """Compare the JSON of a page with one that was made again; see :func:`compare_pages`.

    Parameters
    ----------
    page, refit
        JSON values.
    others
        The same of fits with other seeds, where the refit has other draws than the page.
    name
        What it is, for the problems.
    """
    problems: list[str] = []
    unsettled: list[str] = []
    numbers = near = moving = 0
    # A stack and not recursion, which a stranger's file could exhaust.
    stack: list[tuple[Any, Any, tuple[Any, ...], str, float | None]] = [(page, refit, tuple(others), "", None)]
    while stack:
        a, b, beside, path, sd = stack.pop()
        if isinstance(b, dict) and isinstance(a, dict):
            if list(a) != list(b):
                problems.append(f"{name} {path or '/'}: other entries, or in another order.")
            stated, inside = b.get("sd"), [o for o in beside if isinstance(o, dict)]
            scale = stated if isinstance(stated, float) and stated > 0 else None
            stack += [
                (a[key], b[key], tuple(o[key] for o in inside if key in o), f"{path}/{key}", scale)
                for key in reversed(b)
                if key in a
            ]
        elif isinstance(b, list) and isinstance(a, list):
            if len(a) != len(b):
                problems.append(f"{name} {path or '/'}: {len(a):,} entries, but {len(b):,} by the refit.")
            same = [o for o in beside if isinstance(o, list) and len(o) == len(b)]
            if others:
                a, *same = (_in_order(o, b) for o in (a, *same))
            stack += [
                (x, y, tuple(o[k] for o in same), f"{path}/{k}", None)
                for k, (x, y) in reversed(list(enumerate(zip(a, b, strict=False))))
            ]
        else:
            numbers += _is_number(b)
            moves = any(type(o) is not type(b) or o != b for o in beside)
            moving += moves
            if type(a) is type(b) and a == b:
                continue
            line = f"{name} {path}: {a!r:.80}, but {b!r:.80} by the refit."
            if _alike(a, b, beside, sd):
                near += 1
            elif moves or (others and path.startswith("/checks/")):
                unsettled.append(line)
            else:
                problems.append(line)
    return _settled(problems, numbers, near, unsettled, moving, name)


def _alike(a: Any, b: Any, beside: Sequence[Any], sd: float | None) -> bool:
    """Whether two values of JSON differ by no more than they may."""
    if _is_number(a) and _is_number(b):
        values = [float(b), *(float(o) for o in beside if _is_number(o))]
        step = unit(float(b), sd) if isinstance(b, float) else 0.0
        return bool(abs(a - b) <= SPREAD * (max(values) - min(values)) + 1.01 * step)
    if isinstance(a, str) and isinstance(b, str) and beside:
        texts = [o for o in beside if isinstance(o, str)]
        return a in texts or (_mask(a) == _mask(b) and _differs(a, b, texts, 0.0)[1] <= 1)
    return any(type(a) is type(o) and a == o for o in beside)


def _in_order(entries: list[Any], wanted: list[Any]) -> list[Any]:
    """Records of a table in the order of another with the same words: by numbers, fits put them in another one each."""
    if not all(isinstance(entry, dict) for entry in (*entries, *wanted)):
        return entries
    known: dict[tuple[Any, ...], list[Any]] = {}
    for entry in reversed(entries):
        known.setdefault(_words(entry), []).append(entry)
    keys = [_words(entry) for entry in wanted]
    if Counter(keys) != Counter({key: len(records) for key, records in known.items()}):
        return entries
    return [known[key].pop() for key in keys]


def _words(entry: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((key, value) for key, value in entry.items() if isinstance(value, str))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
