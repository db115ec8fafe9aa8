"""A trait that is spread more widely above a point than below it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["BEND", "bent"]

#: Width, in SDs of the trait, over which its spread below the highest threshold passes into that above it: without a
#: kink NUTS keeps its energy.
BEND = 0.5


def bent(xi: Any, below: Any, above: Any, *, root: Callable[[Any], Any] = np.sqrt) -> Any:
    """Stretch a variable by one factor below 0 and by another above it, smoothly; 0 stays 0.

    Parameters
    ----------
    xi
        The variable, in SDs.
    below, above
        Units in one SD on either side.
    root
        Square root, of NumPy or of PyTensor.
    """
    return below * xi + 0.5 * (above - below) * (xi + root(xi**2 + BEND**2) - BEND)
