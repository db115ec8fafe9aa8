"""Work that makes many objects, without the collector of cyclic garbage looking through all earlier ones again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["frozen"]


@contextmanager
def frozen() -> Iterator[None]:
    """Have the collector look only at what is made from here on: a page is made of millions of objects that stay."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
