"""What takes most of the time of a page, and need not be there where it is not looked at: its checks and figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

__all__ = ["lightly", "with_the_gate_alone", "without_figures"]


def with_the_gate_alone(patch: pytest.MonkeyPatch) -> None:
    """Of all checks only the one that decides is run; of a study's models, each is judged by its gate."""
    from alliance_bayes.checks import registry
    from alliance_bayes.study import checking

    patch.setattr(registry, "CHECKS", {name: check for name, check in registry.CHECKS.items() if check.gate})
    patch.setattr(checking, "_OF_ALL", ())
    patch.setattr(checking, "_refits", lambda parts: {})


def without_figures(patch: pytest.MonkeyPatch) -> None:
    """Figures are there with their titles and descriptions, and empty."""
    from alliance_bayes.report import svg

    def nothing(figure: Any) -> None:
        # Of nothing there is nothing to lay out, of which matplotlib would warn.
        figure.set_layout_engine("none")

    real = svg._painted
    patch.setattr(svg, "_painted", lambda painter, size, shown: real(nothing, size, shown))


@contextmanager
def lightly() -> Iterator[None]:
    """Both, for fixtures of a whole module."""
    with pytest.MonkeyPatch.context() as patch:
        with_the_gate_alone(patch)
        without_figures(patch)
        yield
