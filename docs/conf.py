"""How Sphinx builds the site (`make docs`): nothing is fetched, neither at build time nor by a page that is read."""

import sys
from pathlib import Path

import alliance_bayes

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "alliance_bayes"
author = "The alliance_bayes developers"
copyright = author
version = release = alliance_bayes.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "mathml",
    "cards",
    "commands",
    "docstrings",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_extensions", "_templates"]
templates_path = ["_templates"]
nitpicky = True

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

default_role = "code"  # docstrings write code in single backticks, as Markdown has it
# Types are said once, in annotations, and shown with the parameter that they are of.
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autosummary_generate = True
toc_object_entries_show_parents = "hide"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
# Types in annotations are internal, or of packages whose sites are not asked. References in words must lead somewhere.
nitpick_ignore_regex = [("py:class", ".*"), ("py:exc", "RoughnessError")]

html_theme = "pydata_sphinx_theme"
html_title = "alliance_bayes"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "alliance_bayes"},
    "show_prev_next": True,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "navbar_persistent": ["search-button"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
}
# What these pages have beside the text would be a copy of the top navigation.
PLAIN = ("index", "getting-started", "cards", "statistics", "command-line", "changelog", "contributing")
html_sidebars = {page: [] for page in (*PLAIN, "validation/results")}
