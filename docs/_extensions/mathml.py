"""Formulas as MathML, which browsers draw by themselves: no script, and nothing to be loaded from elsewhere."""

from docutils import nodes
from docutils.utils.math import pick_math_environment, wrap_math_code
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    """Write a formula within a line."""
    self.body.append(tex2mathml(node.astext(), as_block=False))
    raise nodes.SkipNode


def visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a formula of its own."""
    text = node.astext()
    if pick_math_environment(text).startswith("align"):
        text = wrap_math_code(text, as_block=True)
    self.body.append(self.starttag(node, "div", CLASS="formula"))
    self.body.append(tex2mathml(text, as_block=True))
    self.body.append("</div>")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the renderer."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
