"""Which software made a number."""

from __future__ import annotations

import platform
from functools import cache
from importlib import metadata

__all__ = ["versions"]

_PACKAGES = ("alliance_bayes", "pymc", "nutpie", "arviz", "numba", "numpy", "pandas", "scipy", "xarray")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a fit depends on, by name."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    installed = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            installed[name] = "not installed"
    return installed
