"""What a section of the page is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

__all__ = ["Picture", "Section"]


@dataclass(frozen=True)
class Picture:
    """A drawn figure with its words."""

    title: str
    caption: str
    markup: Markup


@dataclass(frozen=True)
class Section:
    """One numbered section.

    Parameters
    ----------
    id
        Anchor in the page.
    title
        Heading.
    template
        File under ``templates/``.
    context
        What the template shows, as `s`.
    """

    id: str
    title: str
    template: str
    context: Mapping[str, Any]
