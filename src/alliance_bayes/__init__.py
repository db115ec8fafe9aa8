"""Bayesian analysis of the therapeutic alliance and follow-up well-being.

Public names are loaded on first use, so that importing the package takes a fraction of a second.
"""

import lazy_loader

from alliance_bayes.caches import settle

__version__ = "0.1.0"

# Before a library looks for its place.
settle()

# The names and their homes are those of the stub beside this file.
__getattr__, _, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]


def __dir__() -> list[str]:
    return sorted(__all__)
