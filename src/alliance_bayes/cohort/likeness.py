"""Levels that look like misspellings of others, in a time of the order of their number."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

__all__ = ["Alike", "alike_levels"]

#: Longest text of which single letters are compared, and most levels.
_LONGEST, _MOST = 60, 200_000
#: Longest text that is a level, and no remark.
_LABEL = 1_000
#: Shortest words by how they differ, and those that are long enough to be one word for sure.
_SHORT, _WORD, _LONG = 5, 6, 8
#: Levels from which on they are looked at together: where so large a share is like another, they are codes.
_MANY, _CODES = 12, 0.25
#: So many levels that are the same but for one letter are a series (ward A, ward B, ...); or three, none of them rare.
_SERIES, _FEW = 6, 5

# Letters of other scripts that are drawn as Latin ones, and Latin ones that no accent makes.
_DRAWN = str.maketrans(
    "\u0410\u0412\u0415\u0405\u0406\u0408\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425"
    "\u0430\u0435\u0455\u0456\u0458\u043e\u0440\u0441\u0443\u0445\u0501\u051b\u051d\u04bb"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf\u03b9\u03bd",
    "ABESIJKMHOPCTYXaesijopcyxdqwhABEZHIKMNOPTYXoiv",
)
_PLAIN = str.maketrans(
    {"\u00f8": "o", "\u0142": "l", "\u0111": "d", "\u00f0": "d", "\u0131": "i", "\u00e6": "ae", "\u0153": "oe"}
)
_ACCENT = re.compile("[\u0300-\u036f]")
# A sign between two letters, a space before a number: what some write and others do not.
_BETWEEN = re.compile(
    r"(?<=[^\W\d_])[\s\-_.'\u2019]+(?=[^\W\d_])|(?<=[^\W\d_])[\s_]+(?=\d)|(?<=\d)[\s_]+(?=[^\W\d_])|(?<=[^\W\d_])\.$"
)
_FOR_NOUGHT, _FOR_ONE = re.compile(r"(?<=\d)[Oo]|[Oo](?=\d)"), re.compile(r"(?<=\d)[Il]|[Il](?=\d)")
_WORDS = re.compile(r"([^\W\d_]+)")
# The letter of "siteA" is a word of its own.
_SUFFIX = re.compile(r"(?<=[a-z])(?=[A-Z](?![A-Za-z]))")


@dataclass(frozen=True, slots=True)
class Alike:
    """A level that looks like a misspelling of another one, and how many people have each."""

    level: str
    n: int
    usual: str
    n_usual: int

    def __str__(self) -> str:
        # What looks the same is shown by the numbers of its letters.
        shown = ascii if _folded(self.level) != _folded(self.usual) == _as_drawn(self.level) else repr
        same = unicodedata.normalize("NFC", self.level) == unicodedata.normalize("NFC", self.usual)
        return f"{(ascii if same else shown)(self.level)} ({self.n:,}) of {self.usual!r} ({self.n_usual:,})"


def alike_levels(counts: Mapping[str, int]) -> list[Alike]:
    """Find levels that look like misspellings of others.

    Parameters
    ----------
    counts
        People by level, of those in use.

    Returns
    -------
    list of Alike
        In the order of the levels, each beside the most frequent one that it is like.

    Notes
    -----
    The same but for case, spaces, accents, signs between letters or letters of another script that are drawn alike: one
    level in two spellings, however frequent. Two letters swapped, or a letter doubled: where the rarer one is rare (up
    to 3 people, or a fifth of the other). One letter too many, too few or another: in words of 5 letters and more,
    where the rarer one has up to 5 people and the other three times as many; not at the ends of a word, which endings
    and prefixes change. Numbers are never alike, nor are levels that many others resemble: those are codes.
    Pairs are found by what is left of a text when one letter is left out, and not by comparing all with all.
    """
    names = [name for name in counts if len(name) <= _LABEL]
    alike: dict[str, str] = {}
    for key in (_folded, _as_drawn, _numbers_as_drawn):
        for group in _grouped(names, key):
            usual = max(group, key=lambda level: counts[level])
            alike |= {level: usual for level in group if level != usual and level not in alike}
    words = {name: _words(name) for name in names if len(name) <= _LONGEST} if len(names) <= _MOST else {}
    near: dict[str, str] = {}
    for rare, usual in _candidates(words, counts):
        likely = rare not in alike and _misspelt(
            words[rare], words[usual], counts[rare], counts[usual], capitals=usual.isupper()
        )
        if likely and (rare not in near or counts[usual] > counts[near[rare]]):
            near[rare] = usual
    if len(names) < _MANY or len(near) <= _CODES * len(names):
        alike |= near
    return [Alike(name, counts[name], alike[name], counts[alike[name]]) for name in names if name in alike]


def _plain(name: str) -> str:
    """A text without case and accents."""
    bare = _ACCENT.sub("", unicodedata.normalize("NFKD", name))
    return " ".join(unicodedata.normalize("NFKC", bare).casefold().translate(_PLAIN).split())


def _folded(name: str) -> str:
    return _BETWEEN.sub("", _plain(name))


def _as_drawn(name: str) -> str:
    return _folded(unicodedata.normalize("NFKC", name).translate(_DRAWN))


def _numbers_as_drawn(name: str) -> str:
    return _as_drawn(_FOR_ONE.sub("1", _FOR_NOUGHT.sub("0", name)))


def _grouped(names: Iterable[str], key: Callable[[str], str]) -> Iterator[list[str]]:
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(key(name), []).append(name)
    return (group for text, group in groups.items() if len(group) > 1 and text)


def _words(name: str) -> tuple[str, ...]:
    """What is between words, and words, by turns."""
    return tuple(_WORDS.split(_plain(_SUFFIX.sub(" ", name))))


def _candidates(words: Mapping[str, tuple[str, ...]], counts: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Pairs of levels that differ in a letter or in the order of letters, the rarer first."""
    names = list(words)
    sizes: list[int] = []

    def keys() -> Iterator[int]:
        for parts in words.values():
            text = "".join(parts)
            left = {text} | {text[:place] + text[place + 1 :] for place in range(len(text))}
            sizes.append(len(left) + 2)
            yield from map(hash, left)
            yield hash((_single(text),))
            yield hash(("".join(sorted(text)), ""))

    # Numbers and not texts, of which there are as many as letters in all levels.
    hashes = np.fromiter(keys(), dtype=np.int64)
    owner = np.repeat(np.arange(len(names)), sizes)
    order = np.argsort(hashes, kind="stable")
    hashes, owner = hashes[order], owner[order]
    ends = np.flatnonzero(np.diff(hashes)) + 1
    for start, end in zip(np.r_[0, ends], np.r_[ends, hashes.size], strict=True):
        if end - start < 2:
            continue
        group = [names[place] for place in owner[start:end]]
        # The first of equals, as the levels are in order.
        usual = max(group, key=lambda level: counts[level])
        others = sorted((level for level in group if level != usual), key=lambda level: -counts[level])
        if len(group) >= _SERIES or (len(group) > 2 and counts[others[0]] > max(_FEW, counts[usual] // 5)):
            continue
        for level in others:
            yield level, usual


def _single(text: str) -> str:
    """A text without doubled letters."""
    return "".join(letter for place, letter in enumerate(text) if not place or text[place - 1] != letter)


def _misspelt(rare: tuple[str, ...], usual: tuple[str, ...], n: int, n_usual: int, *, capitals: bool) -> bool:
    """Whether one level is likely to be another one, misspelt."""
    if len(rare) != len(usual) or rare[::2] != usual[::2]:
        return False
    differing = [(word, other) for word, other in zip(rare, usual, strict=True) if word != other]
    if not differing:
        return False
    if all(_swapped(word, other) for word, other in differing):
        return n <= 3 or 5 * n <= n_usual
    if len(differing) != 1:
        return False
    word, other = differing[0]
    length = min(len(word), len(other))
    few = n <= _FEW and 3 * n <= n_usual
    if len(word) != len(other):
        long = length >= _LONG and n < n_usual and (n <= _FEW or 20 * n <= n_usual)
        return length >= _SHORT and (few or long) and _missed(*sorted((word, other), key=len))
    changed = [place for place, (left, right) in enumerate(zip(word, other, strict=True)) if left != right]
    if len(changed) == 2:
        return len(word) == 4 and few and not capitals and _swapped(f"x{word}", f"x{other}")
    return length >= _WORD and few and len(changed) == 1 and 0 < changed[0] < length - 1


def _missed(short: str, long: str) -> bool:
    """Whether a word is another one without one of its letters, but the first or the last."""
    return any(long[:place] + long[place + 1 :] == short for place in range(1, len(long) - 1))


def _swapped(word: str, other: str) -> bool:
    """Whether two words differ in a doubled letter, in two letters swapped, or in one that is two places off."""
    if min(len(word), len(other)) < _SHORT:
        return False
    if len(word) != len(other):
        return _single(word) == _single(other)
    changed = [place for place, (left, right) in enumerate(zip(word, other, strict=True)) if left != right]
    first, last = changed[0], changed[-1]
    moved, target = word[first : last + 1], other[first : last + 1]
    return _single(word) == _single(other) or (
        last - first <= 2 and (moved[1:] + moved[:1] == target or moved[-1:] + moved[:-1] == target)
    )
