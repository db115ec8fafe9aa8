"""A page as a browser finds it: what is wrong with it at some width."""

from __future__ import annotations

from pathlib import Path
from typing import Any

CHROMIUM = Path("/usr/bin/chromium")


def complaints(browser: Any, path: Path, width: int) -> list[Any]:
    """Outside requests, console messages, a page wider than the screen, and what axe-core finds."""
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(viewport={"width": width, "height": 900})
    page = context.new_page()
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
    violations = Axe().run(page).response["violations"]
    found += [(item["id"], [node["html"][:120] for node in item["nodes"]][:3]) for item in violations]
    context.close()
    return found
