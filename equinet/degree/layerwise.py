"""A profile of errors, a row for each layer: table, picture, record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

from equinet import markup
from equinet.groups import RealGroup
from equinet.verify.plain import written

LONGEST = 34
"""Characters of a layer in a table."""


@dataclass(frozen=True)
class ProfileRow:
    """The errors of one layer; see `error_profile`. None where a layer has no part of its own that is known.

    Attributes:
        path, layer: its place in the network and its text; of an intermediate value its name and nothing.
        lie: the Lie derivative of the network up to this layer.
        error: the error of a finite shift up to this layer.
        lie_own, error_own: of this layer alone, at what it is given.
        lie_reached: what is left of `lie_own` at the output of the network.
        group: the strict group of real shifts up to this layer, on the torus.
        lost: whether this layer lost some of it.
    """

    path: str
    layer: str
    lie: float
    error: float
    lie_own: float | None = None
    error_own: float | None = None
    lie_reached: float | None = None
    group: RealGroup | None = None
    lost: bool = False

    @property
    def title(self) -> str:
        """Path and layer, cut where that is long."""
        text = f"{self.path}  {self.layer}".rstrip()
        return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


@dataclass(frozen=True, eq=False, repr=False)
class ErrorProfile:
    """Per layer, how far a network is from moving its output as its input moves; from `error_profile`.

    Attributes:
        rows: one for each layer, in order.
        shift: the finite shift, in pixels.
        n: how many images.
        sizes: of an image.

    >>> import jax
    >>> import equinet as eq
    >>> net = eq.Sequential(eq.Conv(4, 3, padding="circular"), eq.MaxPool(2), eq.GlobalAvgPool())
    >>> images = jax.random.normal(jax.random.key(0), (4, 8, 8, 1))
    >>> profile = eq.error_profile(net.bind(net.init(0, (8, 8, 1))), images)
    >>> print(profile.worst.layer, profile.worst.group)
    MaxPool(2) 2Z × 2Z (p1, index 4)
    """

    rows: tuple[ProfileRow, ...]
    shift: float
    n: int
    sizes: tuple[int, ...]

    @property
    def worst(self) -> ProfileRow:
        """The layer whose own Lie derivative reaches the output most; without layers, where it is largest."""
        return max(self.rows, key=lambda row: row.lie if row.lie_reached is None else row.lie_reached)

    def records(self) -> list[dict[str, Any]]:
        """The rows in plain types; what no layer has is left out."""
        rows = [{**asdict(row), "group": None if row.group is None else str(row.group)} for row in self.rows]
        return [{key: value for key, value in row.items() if value is not None} for row in rows]

    def to_frame(self) -> Any:
        """The rows as a pandas data frame.

        Raises:
            ModuleNotFoundError: without pandas.
        """
        return import_module("pandas").DataFrame(self.records())

    def to_json(self, path: str | Path | None = None) -> str:
        """The rows as JSON text, also written to `path` if one is given."""
        record = {"shift": self.shift, "images": self.n, "sizes": list(self.sizes), "rows": self.records()}
        return written(record, path)

    def plot(self, path: str | Path | None = None, *, title: str | None = None, ax: Any = None) -> Any:
        """Draw the rows, the Lie derivative on the left and the error of the finite shift on the right: bars for what
        a layer adds by itself, dots for the network up to it. A figure, or an image file at `path`.

        Args and errors: see `Report.plot`. It needs matplotlib.
        """
        from equinet.degree.picture import plot_profile

        return plot_profile(self, path, title=title, ax=ax)

    def _cells(self) -> Iterator[tuple[str, ...]]:
        owned = any(row.lie_own is not None for row in self.rows)
        head = ("layer", "derivative", "own", "at output", f"shift {self.shift:g}", "own", "group")
        keep = [0, 1, 2, 3, 4, 5, 6] if owned else [0, 1, 4]
        yield tuple(head[at] for at in keep)
        for row in self.rows:
            group = "" if row.group is None else str(row.group).partition(" (")[0]
            numbers = (row.lie, row.lie_own, row.lie_reached, row.error, row.error_own)
            shown = (row.title, *("" if value is None else f"{value:.1e}" for value in numbers), group)
            yield tuple(shown[at] for at in keep)

    def __repr__(self) -> str:
        row = self.rows[-1]
        return f"ErrorProfile({len(self.rows)} layers, Lie derivative {row.lie:.2g}, most of it by {self.worst.title})"

    def __str__(self) -> str:
        cells = list(self._cells())
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        last = len(widths) - 1 if len(widths) > 3 else -1
        lines = []
        for row in cells:
            parts = [
                cell.ljust(width) if at in (0, last) else cell.rjust(width)
                for at, (cell, width) in enumerate(zip(row, widths, strict=True))
            ]
            lines.append("  ".join(parts).rstrip())
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head, *rows = self._cells()
        table = markup.table(head, rows, [row.lost for row in self.rows])
        return markup.block(markup.line(repr(self), bold=True), self._picture(), table)

    def _picture(self) -> str:
        try:
            figure = self.plot()
        except ModuleNotFoundError:
            return ""
        held = BytesIO()
        figure.savefig(held, format="png", dpi=90)
        return markup.image(held.getvalue(), "errors layer by layer")
