"""Formulas as MathML, which browsers typeset by themselves: pages ask no other server for a program that does it."""

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging

LOG = logging.getLogger(__name__)


def mathml(tex: str, *, block: bool = False) -> str:
    r"""TeX as MathML.

    Raises:
        ValueError: for what is no formula, or has a command that is not known.

    >>> mathml("t/s").partition("<mrow>")[2]
    '<mi>t</mi><mo>/</mo><mi>s</mi></mrow></math>'
    """
    try:
        made = convert(tex, display="block" if block else "inline")
    except Exception as error:  # it has a class for each mistake, and none above them
        raise ValueError(f"no formula: {tex}: {type(error).__name__}") from error
    if "\\" in made:  # it leaves what it does not know as it is
        raise ValueError(f"a command that is not known in the formula {tex}")
    return made


def _visit(self: Any, node: nodes.math | nodes.math_block) -> None:
    block = isinstance(node, nodes.math_block)
    try:
        self.body.append(mathml(node.astext(), block=block))
    except ValueError as error:
        LOG.warning(str(error), location=node)
        self.body.append(self.encode(node.astext()))
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (_visit, None), (_visit, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
