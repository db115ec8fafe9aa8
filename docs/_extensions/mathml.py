"""Formulas as MathML, which browsers draw by themselves: no script, and nothing to be loaded from elsewhere."""

from docutils import nodes
from docutils.utils.math import MathError, pick_math_environment, wrap_math_code
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)


def mathml(node: nodes.Element, text: str, *, block: bool) -> str:
    """A formula of LaTeX as MathML; one that cannot be read is warned of."""
    try:
        return str(tex2mathml(text, as_block=block))
    except MathError as error:
        logger.warning("formula %r: %s", text, error, location=node)
        return ""


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    self.body.append(mathml(node, node.astext(), block=False))
    raise nodes.SkipNode


def visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula of its own."""
    text = node.astext()
    if pick_math_environment(text).startswith("align"):
        text = wrap_math_code(text, as_block=True)
    self.body.append(self.starttag(node, "div", CLASS="formula"))
    self.body.append(mathml(node, text, block=True))
    self.body.append("</div>")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the renderer."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
