"""The study's model cards, and how they bend to a table that lacks a factor."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from alliance_bayes.errors import FileFormatError
from alliance_bayes.model.card import card_arguments
from alliance_bayes.model.formula import parse_formula

__all__ = ["study_card", "study_cards", "without_factors"]


def study_card(name: str) -> dict[str, Any]:
    """The arguments of one of the study's models.

    Parameters
    ----------
    name
        Of the card, without ``.toml``.

    Returns
    -------
    dict
        For :class:`alliance_bayes.Model`.

    Raises
    ------
    FileFormatError
        There is no such card; the message lists those there are.
    """
    known = study_cards()
    if name not in known:
        raise FileFormatError(f"the study has no card {name!r}. Cards: {', '.join(known)}.")
    return card_arguments(known[name].read_text(encoding="utf-8"), source=f"model card '{name}.toml'")


def study_cards() -> dict[str, Traversable]:
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


def without_factors(formula: str, factors: tuple[str, ...]) -> str:
    """A formula without its pooled terms over some factors.

    Parameters
    ----------
    formula
        A formula of a card.
    factors
        Names of factors; those that it does not pool are ignored.
    """
    outcome, _, right = formula.partition("~")
    kept = [term.strip() for term in _terms(right) if not any(_pools(term, factor) for factor in factors)]
    shorter = f"{outcome.strip()} ~ {' + '.join(kept) or '1'}"
    parse_formula(shorter)
    return shorter


def _terms(text: str) -> list[str]:
    """The terms of a sum, brackets kept whole."""
    terms, depth = [""], 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if character == "+" and depth == 0:
            terms.append("")
        else:
            terms[-1] += character
    return terms


def _pools(term: str, factor: str) -> bool:
    inside = term.strip()
    return inside.startswith("(") and "|" in inside and inside.rstrip(")").rpartition("|")[2].strip() == factor
