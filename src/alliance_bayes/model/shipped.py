"""The model cards that come with the package."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

__all__ = ["shipped_cards"]


def shipped_cards() -> dict[str, Traversable]:
    """The cards by name, sorted: those that were installed with the package, in a checkout those of ``models/``.

    Returns
    -------
    dict
        Files by name.
    """
    installed = files("alliance_bayes") / "cards"
    folder: Traversable = installed if installed.is_dir() else Path(__file__).parents[3] / "models"
    cards = [file for file in folder.iterdir() if file.name.endswith(".toml")]
    return {file.name.removesuffix(".toml"): file for file in sorted(cards, key=lambda file: file.name)}
