"""The directive `cards`: every model card of `models/`, in the words of its own file."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

MODELS = Path(__file__).parents[2] / "models"


def card_lines(path: Path) -> Iterator[str]:
    """One card as lines of Markdown."""
    card = tomllib.loads(path.read_text(encoding="utf-8"))
    yield from (f"## {path.stem}", "", f"**{card['title']}.** {card['question']}", "")
    yield from ("```text", card["formula"], "```", "")
    priors = card.get("priors", {})
    stated = [f"`{name}` {value}" for name, value in priors.items() if name != "set"]
    facts = {
        "Estimand": card["estimand"],
        "Family": f"`{card.get('family', 'gaussian')}`",
        "Predictor of interest": f"`{card['focal']}`" if "focal" in card else "",
        "Residual SD by": f"`{card['residual_by']}`" if "residual_by" in card else "",
        "Residual SD": f"`{card['sigma']}`" if "sigma" in card else "",
        "Priors": "; ".join([f"set `{priors.get('set', 'weak')}`", *stated]),
        "Scales stated": "; ".join(f"`{name}`: {scale['reason']}" for name, scale in card.get("scales", {}).items()),
        "Assumptions": "".join(f"\n  - {line}" for line in card["assumptions"]),
        "Sources": "".join(f"\n  - {line}" for line in card["sources"]),
    }
    for name, what in facts.items():
        if what:
            yield f"- **{name}:** {what}" if not what.startswith("\n") else f"- **{name}**\n{what}"
    yield ""


class Cards(SphinxDirective):
    """Every card, one section each, by name."""

    def run(self) -> list[nodes.Node]:
        """Read the cards."""
        lines = []
        for path in sorted(MODELS.glob("*.toml")):
            self.env.note_dependency(str(path))
            lines += card_lines(path)
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("cards", Cards)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
