"""How far a path of a drawing is from the same path made again, whatever points it is drawn through."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

__all__ = ["DRAWING", "PLACE", "SPREAD", "path_differs"]

#: Ranges of the fits with other seeds that a number may be off which is in no row of the manifest.
SPREAD = 3.0
#: Points (a 72nd of an inch) that a place in a drawing may be off where the draws are other ones: with the furthest of
# some thousand simulated values an axis ends elsewhere. What is drawn is also in the table below, and compared there.
DRAWING = 20.0
#: A place in a drawing; a path is of such places.
PLACE = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]{1,2})?"
_LINE = re.compile(rf"[A-Za-z](?: (?:[A-Za-z]|{PLACE}))*")


def path_differs(page: str, refit: str, others: Sequence[str]) -> float:
    """How many times what may be a path of a page is off from the one made again; infinite where it is another path."""
    if _LINE.fullmatch(page) is None:
        return math.inf
    letters = [re.sub(r"[^A-Za-z]+", "", text) for text in (page, refit)]
    if not others:
        before, after = _numbers(page), _numbers(refit)
        same = re.sub(PLACE, "0", page) == re.sub(PLACE, "0", refit)
        return 0.0 if same and all(abs(a - b) <= 0.0101 for a, b in zip(before, after, strict=True)) else math.inf
    line, other_line = _vertices(page), _vertices(refit)
    if {*letters[0]} != {*letters[1]} or len(line) * len(other_line) > 4_000_000:
        return math.inf
    spread = max(_apart(_vertices(other), other_line) for other in others)
    return _apart(line, other_line) / max(SPREAD * spread, DRAWING)


def _numbers(path: str) -> list[float]:
    return [float(text[:300]) for text in re.findall(r"-?[0-9]+(?:\.[0-9]+)?", path)]


def _vertices(path: str) -> list[tuple[float, float]]:
    numbers = _numbers(path)
    return list(zip(numbers[::2], numbers[1::2], strict=False))


def _apart(a: Sequence[tuple[float, float]], b: Sequence[tuple[float, float]]) -> float:
    """How far two lines are from each other at most, whatever points they are drawn through."""
    return max(_furthest(a, b), _furthest(b, a))


def _furthest(points: Sequence[tuple[float, float]], line: Sequence[tuple[float, float]]) -> float:
    if not points or not line:
        return 0.0 if not points and not line else math.inf
    import numpy as np

    at, ends = np.asarray(points)[:, None], np.asarray(line)
    start, along = ends[None, :-1], np.diff(ends, axis=0)[None]
    if len(ends) == 1:
        return float(np.hypot(*(at - ends[None])[:, 0].T).max())
    length = (along**2).sum(axis=2)
    share = np.clip(((at - start) * along).sum(axis=2) / np.where(length > 0, length, 1.0), 0, 1)
    gap = at - start - share[..., None] * along
    return float(np.sqrt((gap**2).sum(axis=2)).min(axis=1).max())
