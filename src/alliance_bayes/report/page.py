"""The page as text: templates, style and content policy."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from alliance_bayes.report.sections import Section

__all__ = ["page"]


def page(
    *, title: str, subtitle: Sequence[str], sections: Sequence[Section], findings: Any, version: str, json_name: str
) -> str:
    """Render the page.

    Parameters
    ----------
    title, subtitle
        Heading and the lines below it.
    sections
        In order; they are numbered from 1.
    findings
        What `findings.html` shows.
    version
        Of the package.
    json_name
        Name of the file with the numbers.
    """
    css = _css()
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode("ascii")
    # Only this very style sheet and pictures inside the page: no script, no font, no frame, no request.
    policy = (
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=title,
            subtitle=subtitle,
            sections=sections,
            findings=findings,
            version=version,
            json_name=json_name,
            css=Markup(css),
            policy="; ".join(policy),
        )
    )


@cache
def _css() -> str:
    return (
        files("alliance_bayes.report")
        .joinpath("templates", "style.css")
        .read_text(encoding="utf-8")
        .replace("\r\n", "\n")
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("alliance_bayes.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
