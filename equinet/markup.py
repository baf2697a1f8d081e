"""What notebooks show: pieces of HTML that need no script and no style sheet, on light and dark pages alike."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from html import escape
from importlib.util import find_spec

_CELL = "padding:2px 12px 2px 0;vertical-align:top;text-align:left;white-space:normal"
_COLOURS = {"held": "#0072B2", "lost": "#D55E00", "unknown": "#999999"}
"""Of Okabe and Ito's palette, which most colour-blind readers tell apart."""


def block(*parts: str) -> str:
    """Parts of an answer, one below the other."""
    return f'<div style="font-size:90%;line-height:1.4">{"".join(parts)}</div>'


def line(text: str, *, bold: bool = False) -> str:
    """A line of text."""
    return f"<div><b>{escape(text)}</b></div>" if bold else f"<div>{escape(text)}</div>"


def quiet(text: str) -> str:
    """A line that stands back."""
    return f'<div style="opacity:.65">{escape(text)}</div>'


def loss(title: str, what: str, why: str) -> str:
    """Something that was lost, which stands out."""
    return (
        f'<div style="border-left:3px solid {_COLOURS["lost"]};padding-left:8px;margin:6px 0">'
        f"<b>{escape(title)}</b> {escape(what)}{quiet(why) if why else ''}</div>"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], marked: Iterable[bool] = ()) -> str:
    """A table of text; marked rows are tinted."""
    marks, body = iter(marked), ""
    for row in rows:
        tint = ' style="background:rgba(213,94,0,.12)"' if next(marks, False) else ""
        body += f"<tr{tint}>{_cells('td', row)}</tr>"
    top = f"<tr>{_cells('th', head)}</tr>" if any(head) else ""
    return f'<table style="border-collapse:collapse;margin:0">{top}{body}</table>'


def folded(summary: str, content: str) -> str:
    """Content that a click opens."""
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def bullets(items: Iterable[str], *, ordered: bool = False) -> str:
    """A list of lines of text."""
    tag = "ol" if ordered else "ul"
    return f"<{tag}>{''.join(f'<li>{escape(item)}</li>' for item in items)}</{tag}>"


def image(png: bytes, said: str) -> str:
    """A picture within the page."""
    data = b64encode(png).decode()
    return f'<img alt="{escape(said)}" style="max-width:100%" src="data:image/png;base64,{data}">'


def cells(rows: Sequence[Sequence[tuple[str, str]]], side: int) -> str:
    """A grid of squares, row by row, as SVG.

    Args:
        rows: for each square its kind, "held", "lost" or "unknown", and what is said of it where a pointer rests.
        side: of a square, in pixels.
    """
    shapes = "".join(
        f'<rect x="{x * side}" y="{y * side}" width="{side}" height="{side}" fill="{_COLOURS[kind]}" '
        f'stroke="rgba(128,128,128,.4)" stroke-width="0.5"><title>{escape(said)}</title></rect>'
        for y, row in enumerate(rows)
        for x, (kind, said) in enumerate(row)
    )
    width, height = side * max(map(len, rows), default=0), side * len(rows)
    return f'<svg width="{width}" height="{height}" role="img" style="max-width:100%">{shapes}</svg>'


def can_draw_bars() -> bool:
    """Whether rich can draw a progress bar here; in a notebook without ipywidgets it leaves warnings in its place."""
    if not find_spec("rich"):
        return False
    from rich.console import Console

    return not Console().is_jupyter or find_spec("ipywidgets") is not None


def _cells(tag: str, values: Iterable[str]) -> str:
    return "".join(f'<{tag} style="{_CELL}">{escape(value)}</{tag}>' for value in values)
