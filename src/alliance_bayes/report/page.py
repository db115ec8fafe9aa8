"""The page as text: templates, style, script and content policy."""

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
from alliance_bayes.report.style import dark_rules

__all__ = ["page"]


def page(*, title: str, subtitle: Sequence[str], sections: Sequence[Section], findings: Any, version: str) -> str:
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
    """
    css, script = _css(), _text("script.js")
    # Only this very style sheet, this very script and pictures inside the page: no font, no frame, no request.
    policy = (
        "default-src 'none'",
        f"style-src '{_hash(css)}'",
        f"script-src '{_hash(script)}'",
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
            css=Markup(css),
            script=Markup(script),
            policy="; ".join(policy),
        )
    )


@cache
def _css() -> str:
    return _text("style.css") + dark_rules()


def _text(name: str) -> str:
    return files("alliance_bayes.report").joinpath("templates", name).read_text(encoding="utf-8").replace("\r\n", "\n")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"


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
