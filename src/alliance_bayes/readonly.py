"""A mapping that nobody can change, and that can be copied and pickled as Python's own view of one cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

__all__ = ["ReadOnly"]


class ReadOnly[K, V](Mapping[K, V]):
    """A copy of a mapping, to be read only."""

    __slots__ = ("_held",)

    def __init__(self, mapping: Mapping[K, V]) -> None:
        self._held = dict(mapping)

    def __getitem__(self, key: K) -> V:
        return self._held[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __repr__(self) -> str:
        return repr(self._held)
