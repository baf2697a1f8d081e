"""The look of figures: colours that everybody tells apart, and a file that is the same for the same content.

Colours are those of Okabe and Ito 2008, "Color Universal Design", which people with any kind of colour vision tell
apart (without the yellow, which white paper drowns); nothing is told by colour alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib import style as styles
from matplotlib.figure import Figure

BLACK, GREY = "#000000", "#999999"
BLUE, VERMILLION, ORANGE, SKY = "#0072B2", "#D55E00", "#E69F00", "#56B4E9"
GREEN, PURPLE = "#009E73", "#CC79A7"
LOOKS = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 10.0,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "lines.markeredgewidth": 0.0,
    "savefig.dpi": 120,
}


@contextmanager
def drawing(path: Path, width: float, height: float) -> Iterator[Figure]:
    """A figure of so many inches to draw in, written to `path` at the end: the same bytes for the same content.

    The settings of whoever draws (`matplotlibrc`) are left out of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with styles.context(["default", LOOKS]):
        figure = Figure(figsize=(width, height), layout="compressed")
        yield figure
        figure.savefig(path, metadata={"Software": None} if path.suffix == ".png" else None)
