"""A page as a browser finds it: what is wrong with it at some width, on a light or dark screen or on paper."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

CHROMIUM = Path("/usr/bin/chromium")
# The browser itself asks for nothing either.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Figures that show no picture or several, pictures without a size, and those that are neither inside the screen nor in
# a box that scrolls to them.
LOST_PICTURES = """
[...document.querySelectorAll('figure')].filter(figure => [...figure.querySelectorAll('.picture')]
    .filter(picture => picture.checkVisibility()).length !== 1).map(figure => figure.outerHTML.slice(0, 120))
.concat([...document.querySelectorAll('.picture')].filter(picture => picture.checkVisibility()).filter(picture => {
  const seen = picture.getBoundingClientRect(), box = picture.closest('.scroll').getBoundingClientRect();
  const reached = picture.closest('.scroll').scrollWidth;
  return !(seen.width > 50 && seen.height > 30 && box.left >= 0 && box.right <= innerWidth
    && seen.left >= box.left - 1 && seen.right <= box.left + reached + 1);
}).map(picture => picture.getAttribute('aria-labelledby') || picture.alt))
"""
# Links to nowhere.
LOST_LINKS = """
[...document.links].filter(link => !document.getElementById(decodeURIComponent(link.hash.slice(1))))
  .map(link => link.outerHTML)
"""
# Boxes with more in them than they show that the keyboard cannot reach, or that have no name.
LOST_BOXES = """
[...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth + 1
    && getComputedStyle(box).overflowX === 'auto'
    && !(box.tabIndex === 0 && box.matches('[role=region][aria-label], [role=region][aria-labelledby]')))
  .map(box => box.outerHTML.slice(0, 120))
"""

# Boxes of tables and figures with more in them than they show.
SIDEWAYS = """
[...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth + 1)
  .map(box => box.textContent.trim().slice(0, 80))
"""


def in_time(page: Any, script: str, wanted: object) -> object:
    """What a page says, within some seconds: its own policy forbids to wait for a script inside it."""
    for _ in range(50):
        if (said := page.evaluate(script)) == wanted:
            break
        page.wait_for_timeout(100)
    return said


def complaints(
    browser: Any, path: Path, width: int, *, scheme: str = "light", media: str = "screen", axe: bool = True
) -> list[Any]:
    """Outside requests, console messages, things wider than the screen or lost, and what axe-core finds."""
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.emulate_media(media=media)
    requests: list[str] = []
    found: list[Any] = []
    page.on("request", lambda request: requests.append(request.url))
    # A violation of the content policy is reported here.
    page.on("console", lambda message: found.append(message.text))
    page.on("pageerror", lambda error: found.append(str(error)))
    address = path.as_uri()
    page.goto(address)
    # The page shows all it has when everything is opened; no box may push it wider than the screen.
    page.evaluate("document.querySelectorAll('details').forEach(box => { box.open = true; })")
    page.wait_for_load_state("networkidle")
    found += [url for url in requests if not url.startswith("data:") and url != address]
    if (wide := page.evaluate("document.documentElement.scrollWidth")) != width:
        found.append(f"{wide} pixels wide on a screen of {width}")
    for what, script in (("picture", LOST_PICTURES), ("link", LOST_LINKS), ("box", LOST_BOXES)):
        found += [(what, lost) for lost in page.evaluate(script)]
    violations = Axe().run(page).response["violations"] if axe else []
    found += [(item["id"], [node["html"][:120] for node in item["nodes"]][:3]) for item in violations]
    context.close()
    return found


def printed_pages(page: Any) -> int:
    """Sheets of A4 that a page takes, with the margins that it asks for."""
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))
