"""What a program itself counts as missing: marks, codes and ranges of them, and the reason that each stands for."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Missing"]


@dataclass(frozen=True, slots=True)
class Missing:
    """What stands for a missing value in one column.

    Parameters
    ----------
    marks
        Letters of Stata and SAS (.a), without the point.
    codes
        Values.
    ranges
        Lowest and highest value of each range.
    labels
        What codes and marks stand for.
    """

    marks: Set[Any] = frozenset()
    codes: Set[Any] = frozenset()
    ranges: tuple[tuple[Any, Any], ...] = ()
    labels: Mapping[Any, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.marks or self.codes or self.ranges)

    def reason(self, cell: Any) -> str | None:
        """Why a cell is missing, where it is: "refused (-99)"."""
        if cell is None or cell != cell:
            return None
        if cell in self.marks:
            code = f".{cell}"
        elif cell in self.codes or any(
            isinstance(cell, str) == isinstance(low, str) and low <= cell <= high for low, high in self.ranges
        ):
            code = cell.strip() if isinstance(cell, str) else f"{cell:g}"
        else:
            return None
        label = " ".join(self.labels.get(cell, "").split())
        return f"{label[:60]} ({code})" if label else f"code {code}"

    def take_out(self, cells: list[Any]) -> list[str | None] | None:
        """Empty the cells that are missing; the reason of each, or None where no cell has one."""
        if not self:
            return None
        why: dict[Any, str | None] = {}
        reasons = []
        for place, cell in enumerate(cells):
            if cell not in why:
                why[cell] = self.reason(cell)
            reasons.append(why[cell])
            if why[cell] is not None:
                cells[place] = None
        return reasons if any(reason is not None for reason in reasons) else None
