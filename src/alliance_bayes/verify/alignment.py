"""Which places of two sequences belong together, in time that grows with their length."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence

__all__ = ["aligned"]


def aligned(a: Sequence[str], b: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Places of two sequences that belong together, in order.

    From both ends as far as they agree; between, at what either has once, and around that as far as they agree. The
    work grows with the length, whatever a page holds.
    """
    first = 0
    while first < min(len(a), len(b)) and a[first] == b[first]:
        yield first, first
        first += 1
    last = 0
    while last < min(len(a), len(b)) - first and a[-1 - last] == b[-1 - last]:
        last += 1
    counts = Counter(a[first : len(a) - last]), Counter(b[first : len(b) - last])
    once = {b[j]: j for j in range(first, len(b) - last) if counts[1][b[j]] == 1}
    single = [(i, once[a[i]]) for i in range(first, len(a) - last) if counts[0][a[i]] == 1 and a[i] in once]
    i0, j0 = first, first
    for i, j in [*_increasing(single), (len(a) - last, len(b) - last)]:
        # Before an anchor: forward from the last one, then backward from this one.
        while i0 < i and j0 < j and a[i0] == b[j0]:
            yield i0, j0
            i0, j0 = i0 + 1, j0 + 1
        back = 0
        while i0 < i - back and j0 < j - back and a[i - 1 - back] == b[j - 1 - back]:
            back += 1
        yield from ((i - k, j - k) for k in range(back, 0, -1))
        i0, j0 = i, j
    yield from ((len(a) - k, len(b) - k) for k in range(last, 0, -1))


def _increasing(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest run of pairs in which both places grow."""
    ends: list[int] = []
    at: list[int] = []
    before = [-1] * len(pairs)
    for k, (_, j) in enumerate(pairs):
        place = bisect_left(ends, j)
        before[k] = at[place - 1] if place else -1
        ends[place : place + 1], at[place : place + 1] = [j], [k]
    out = []
    k = at[-1] if at else -1
    while k >= 0:
        out.append(pairs[k])
        k = before[k]
    return out[::-1]
