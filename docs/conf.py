"""Sphinx builds the site from the pages of this folder and the docstrings of equinet: `make docs`."""

import inspect
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import equinet
from equinet.models import MODELS
from experiments.atlas.page import html_table
from experiments.atlas.table import kept

sys.path.insert(0, str(Path(__file__).parent))
from about import about
from commands import all_flags, all_schemas

project = "equinet"
version = release = equinet.__version__
author = "The equinet authors"
copyright = author

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "formulas",
]
exclude_patterns = ["README.md"]

smartquotes_action = "De"  # dashes and ellipses only: g' is an isometry, not a quotation

html_theme = "furo"
html_math_renderer = "mathml"
html_title = f"equinet {version}"
html_favicon = "images/favicon.svg"
html_show_copyright = False
html_static_path = ["style", "explorer", "../equinet/explore/page", "atlas", "tabulator"]
html_css_files = ["site.css"]
html_js_files = [("sort.js", {"defer": "defer"})]

nb_execution_mode = "off"  # scripts.make_notebooks runs them, tests/test_notebooks.py compares
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

# In docstrings `name` is code; where it is a name of this reference it becomes a link.
default_role = "py:obj"
autosummary_generate = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
add_module_names = False
napoleon_custom_sections = [("Attributes", "params_style")]
napoleon_use_param = False
napoleon_use_rtype = False

# No inventories of other projects are fetched, so that the site builds offline; their names stay plain code.
nitpick_ignore_regex = [
    ("py:obj", r".*"),
    ("py:class", r"equinet\.declare\.Function"),  # a type variable
    ("py:class", r"equinet\.degree\.(transforms\.family\.Transform|result\.Counts)"),  # what public classes are made of
    ("py:class", r"Down|Way|Padding|Readout|Norm|Activation|Group|Match"),  # choices; each model lists them
    ("py:exc", r"[A-Z]\w+"),  # of other modules than the function that raises them: the page of training lists them
    ("py:.*", r"(jax|jnp|numpy|np|flax|collections|fractions|pathlib|ml_collections|types)\..*"),
]


def _whole_property(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Undo napoleon on properties: it takes what comes before the first colon of their docstrings for a type."""
    if what == "property":
        lines[:] = [*inspect.cleandoc(obj.__doc__ or "").splitlines(), ""]


class Made(SphinxDirective):
    """`{made} flags` and `{made} schemas`: sections that the program itself describes; `{made} about`: a line of facts;
    `{made} atlas`: a table."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        if self.arguments[0] == "atlas":
            return [nodes.raw("", html_table(kept()), format="html")]
        text = {"about": about, "flags": all_flags, "schemas": all_schemas}[self.arguments[0]]()
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app: Sphinx) -> None:
    app.add_directive("made", Made)
    for model in MODELS.values():  # their source does not name the keywords that all models share
        vars(model).pop("__wrapped__", None)
    app.connect("autodoc-process-docstring", _whole_property, priority=900)
