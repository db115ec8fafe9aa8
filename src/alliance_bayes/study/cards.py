"""The study's model cards, and how they bend to a table that lacks a factor."""

from __future__ import annotations

from typing import Any

from alliance_bayes.errors import FileFormatError
from alliance_bayes.model.card import card_arguments
from alliance_bayes.model.formula import parse_formula
from alliance_bayes.model.shipped import shipped_cards

__all__ = ["study_card", "without_factors"]


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
    known = shipped_cards()
    if name not in known:
        raise FileFormatError(f"the study has no card {name!r}. Cards: {', '.join(known)}.")
    return card_arguments(known[name].read_text(encoding="utf-8"), source=f"model card '{name}.toml'")


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
