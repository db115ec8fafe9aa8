"""How large a validation is: at full size where `make validate` asks for it, else a small instance of the same."""

from __future__ import annotations

import os

__all__ = ["FULL", "sized"]

FULL = os.environ.get("ALLIANCE_BAYES_VALIDATE") == "full"


def sized(full: int, small: int) -> int:
    """Repetitions at either size."""
    return full if FULL else small
