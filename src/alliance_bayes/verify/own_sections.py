"""Sections of the analyst's own that were not handed in: taken out of a page, and held to what they may hold.

Exactly what a page has of :meth:`Section.of`, `View.table` and `View.figure` is let through: these elements, in these
places, with these attributes. A drawing is clipped to its own box as long as nothing says otherwise at its root.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["without_sections"]

# Characters of what a problem quotes.
_SHOWN = 80
_ID = re.compile(r'[ \n]id="([^"]*)"')
# White space is what a browser takes for it, and no more.
_PIECE = re.compile(r'<(/?)([a-zA-Z][\w-]*)((?:[ \n]+[a-zA-Z][\w:.-]*(?:="[^"<>]*")?)*)[ \n]?(/?)>|[^<>]+|.', re.DOTALL)
_ATTRIBUTE = re.compile(r'([a-zA-Z][\w:.-]*)(?:="([^"]*)")?')

_NAME, _TEXT, _SIZE = r"[^\s&]+", r"[^<>]*", r"[0-9]{1,4}"
_PLACE = r"-?[0-9]+(?:\.[0-9]+)?"
_CELL = {"class": r"word(?: long| short)?(?: none)?|none"}
_LABELLED = {"id": _NAME, "aria-labelledby": rf"{_NAME}(?: {_NAME})*"}
_PICTURE = {"class": r"picture(?: wide)?(?: tall)?", "width": _SIZE, "height": _SIZE}
_PNG = r"data:image/png;base64,[A-Za-z0-9+/=\s]*"
#: Attributes of every element of a section, and what each may be.
_PAGE: dict[str, dict[str, str]] = {
    **{tag: {} for tag in ("thead", "tbody", "tr", "summary", "figure", "figcaption")},
    **{tag: {} for tag in ("b", "br", "code", "em", "i", "strong", "sub", "sup")},
    "a": {"href": r"#[a-z0-9-]+"},
    "p": {"class": "tablename|note", "id": _NAME},
    "div": {"class": "scroll|excerpt|narrow", "role": "region", "tabindex": "0", "aria-label": _TEXT, **_LABELLED},
    "table": {"class": "cards", **_LABELLED},
    "th": {"scope": "col|row", "data-column": "range|second", **_CELL},
    "td": _CELL,
    "details": {"class": "data|much"},
    "img": {**_PICTURE, "alt": _TEXT, "src": _PNG},
    "svg": {
        **_PICTURE,
        **_LABELLED,
        "xmlns": re.escape("http://www.w3.org/2000/svg"),
        "role": "img",
        "viewBox": rf"0 0 {_PLACE} {_PLACE}",
        "stroke-linejoin": "round",
    },
}
# Of what is drawn: how it looks, and where it is, all within the box of the drawing.
_LOOK = dict.fromkeys(
    (
        *("fill", "fill-opacity", "fill-rule", "opacity", "stroke", "stroke-dasharray", "stroke-dashoffset"),
        *("stroke-linecap", "stroke-linejoin", "stroke-miterlimit", "stroke-opacity", "stroke-width", "clip-path"),
        *("clip-rule", "font-size", "font-weight", "font-style", "font-stretch", "font-variant", "text-anchor"),
        *("image-rendering", "x", "y", "width", "height", "transform", "d", "points", "cx", "cy", "r"),
        *("patternUnits", "clipPathUnits"),
    ),
    r"[\w\s#.,()%+-]*",
) | {"id": _NAME}
_PAINT: dict[str, dict[str, str]] = {
    **dict.fromkeys(("clipPath", "defs", "g", "path", "pattern", "rect", "text", "tspan", "line"), _LOOK),
    **dict.fromkeys(("circle", "polygon", "polyline", "ellipse"), _LOOK),
    **{tag: {"id": _NAME} for tag in ("title", "desc")},
    "use": {**_LOOK, "href": rf"#{_NAME}"},
    "image": {**_LOOK, "href": _PNG},
}
_BLOCKS = ("p", "div", "details", "figure")
_WORDS = ("p", "th", "td", "summary", "figcaption")
#: Elements that each may stand in; "" is the section.
_WITHIN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(_BLOCKS, ("", "div", "details", "figure")),
    **dict.fromkeys(("thead", "tbody"), ("table",)),
    **dict.fromkeys(("th", "td"), ("tr",)),
    **dict.fromkeys(("a", "b", "br", "code", "em", "i", "strong", "sub", "sup"), (*_WORDS, "b", "em", "i", "strong")),
    **dict.fromkeys(("img", "svg"), ("div",)),
    "table": ("div",),
    "tr": ("thead", "tbody"),
    "summary": ("details",),
    "figcaption": ("figure",),
}
_GROUPS = ("svg", "g", "defs", "clipPath", "pattern")
_VOID = frozenset(("br", "img"))


def without_sections(html: str, ids: Iterable[str]) -> tuple[str, list[str]]:
    """A page without the content of some sections, their headings apart, and what is wrong with these.

    A section that was not handed in may hold words, tables and drawings, whole and properly nested: nothing that
    could change, or cover, what stands around it.
    """
    faults = []
    for name in ids:
        start = f'<section id="{name}" aria-labelledby="{name}-heading">'
        before, opening, rest = html.partition(start)
        inner, end, after = rest.partition("</section>")
        heading, headed, inner = inner.partition("</h2>")
        if not (opening and end and headed) or start in rest:
            faults.append(f"The page has no section '{name}' of the analyst's own, or more than one.")
            continue
        html = f"{before}{start}{heading}{headed}\n{end}{after}"
        faults += [f"Section '{name}' of the analyst's own {fault}." for fault in _foreign(inner, html)]
    return html, faults


def _foreign(inner: str, outside: str) -> list[str]:
    """What a section holds that no section of this package holds."""
    open_: list[str] = [""]
    taken = set(_ID.findall(outside))
    # Beside a table, the script of the page looks for the whole of it under this id.
    taken |= {f"{name}-all" for name in taken}
    for piece in _PIECE.finditer(inner):
        close, tag, attributes, itself = piece.groups()
        if tag is None:
            if piece[0] in "<>":
                return ["holds something that is no element and no text"]
            continue
        if close:
            if attributes or itself or open_.pop() != tag or not open_:
                return ["has elements that are not properly closed"]
            continue
        drawn = "svg" in open_
        allowed = (_PAINT if drawn else _PAGE).get(tag)
        within = (("text",) if tag == "tspan" else _GROUPS) if drawn else _WITHIN.get(tag, ())
        if allowed is None or open_[-1] not in within:
            return [f"holds an element '{tag[:_SHOWN]}' where no section has one"]
        for key, value in _ATTRIBUTE.findall(attributes):
            if key not in allowed or re.fullmatch(allowed[key], value) is None:
                return [f"has an element '{tag}' with {key[:_SHOWN]}={value[:_SHOWN]!r}, which no section has"]
        repeated = [name for name in _ID.findall(attributes) if name in taken]
        if repeated:
            return [f"has an id that the page has elsewhere ({repeated[0][:_SHOWN]!r})"]
        taken.update(_ID.findall(attributes))
        # Only what is drawn may end within its own tag.
        if itself and not drawn:
            return ["has elements that are not properly closed"]
        if not itself and tag not in _VOID:
            open_.append(tag)
    return ["has elements that are not properly closed"] if open_ != [""] else []
