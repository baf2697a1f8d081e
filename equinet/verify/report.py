"""What a measurement found: verdict, table, picture, record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from equinet import markup
from equinet.groups import Isometry, Matrix, SpaceGroup
from equinet.groups.domain import Domain
from equinet.verify.gauge import Channel, Hidden, hidden_lines
from equinet.verify.plain import finite, no_axes_lines, written

LISTED = 12
"""Counterexamples and elements listed by `str`."""


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """The errors of group elements, measured.

    Args:
        mode: how elements were chosen; see `verify`.
        domain: of the input.
        group: the claimed group.
        errors: relative error of each element measured: for one in the claimed group under the claimed action, for one
            outside it the smallest over the output isometries tried.
        actions: the output isometry of each element: the claimed one, or the best one found.
        tol: the largest error that counts as rounding. Errors are relative to how much the channel varies; the largest
            over channels counts.
        floor: the noise floor from which `tol` was derived.
        scale: how much the channel with the largest variation varies, in units of the output.
        dtype: of the arithmetic.
        sizes: of the input array, those of the domain or of a canvas.
        returned: the shape of the output for one input.
        measured_outside: whether elements outside the claimed group were measured.
        bound: the largest sum of errors that any element of the claimed group can have, on the inputs tried; None if it
            is infinite. In mode "cosets" the error of an element can differ by that much from the error of its
            representative.
        examples: examples per generator.
        far: errors of claimed elements far from the generators, one batch each; measured if all generators hold.
        hidden: channels for which no verdict is possible, since rounding hides errors in them.
        culprit: the channel in which the worst claimed element fails, if it does.
        constant: whether each channel of the output is one number, for all inputs and at all nodes: then whatever is
            claimed of it holds.
    """

    mode: str
    domain: Domain
    group: SpaceGroup
    errors: Mapping[Isometry, float]
    actions: Mapping[Isometry, Isometry]
    tol: float
    floor: float
    scale: float
    dtype: str
    sizes: tuple[int, ...]
    returned: tuple[int, ...]
    measured_outside: bool
    bound: float | None = None
    examples: int = 0
    far: Mapping[Isometry, float] = field(default_factory=dict)
    hidden: tuple[Hidden, ...] = ()
    culprit: Channel | None = None
    constant: bool = False

    @cached_property
    def _all(self) -> dict[Isometry, float]:
        return {**self.errors, **self.far}

    @cached_property
    def claimed(self) -> dict[Isometry, float]:
        """Errors of the measured elements of the claimed group, far ones included."""
        return {g: e for g, e in self._all.items() if g in self.group}

    @cached_property
    def outside(self) -> dict[Isometry, float]:
        """Errors of the measured elements outside it."""
        return {g: e for g, e in self.errors.items() if g not in self.group}

    @cached_property
    def counterexamples(self) -> tuple[Isometry, ...]:
        """Claimed elements that fail, worst first, then elements outside the claim that hold."""
        failing = sorted((g for g, e in self.claimed.items() if e > self.tol), key=lambda g: -self.claimed[g])
        holding = [g for g, e in self.outside.items() if e <= self.tol]
        return (*failing, *holding)

    @property
    def sound(self) -> bool | None:
        """Whether every claimed element measured holds; None if none fails, but rounding may hide a failure."""
        if any(e > self.tol for e in self.claimed.values()):
            return False
        return None if self.hidden else True

    @property
    def tight(self) -> bool | None:
        """Whether no element outside the claimed group holds.

        None if none was measured, or if some seem to hold and rounding may hide their failure.
        """
        if not self.measured_outside:
            return None
        if all(e > self.tol for e in self.outside.values()):
            return True
        return None if self.hidden else False

    @property
    def verdict(self) -> str:
        """ "passed", "failed" or "cannot tell", which is not a pass."""
        if self.sound is False or self.tight is False:
            return "failed"
        return "passed" if self.sound else "cannot tell"

    @property
    def separation(self) -> tuple[float | None, float | None]:
        """The largest error that counts as rounding and the smallest that does not; None if there is none.

        The further apart they are, the more certain the verdict. Within a factor of ten, measure in float64.
        """
        errors = self._all.values()
        held = [e for e in errors if e <= self.tol]
        broken = [e for e in errors if e > self.tol]
        return max(held, default=None), min(broken, default=None)

    @property
    def passed(self) -> bool:
        """Whether the claim agrees with all that was measured: sound, and not known to be loose.

        Also False if the verdict is "cannot tell".
        """
        return self.verdict == "passed"

    @cached_property
    def worst(self) -> tuple[Isometry, float]:
        """The claimed element of the largest error, and that error."""
        return max(self.claimed.items(), key=lambda item: item[1])

    def __repr__(self) -> str:
        return f"Report({str(self).splitlines()[0]})"

    def __str__(self) -> str:
        """Verdict, the worst element, and a table: a row per point operation, or per element if there are few."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        words = {True: "yes", False: "NO", None: "cannot tell"}
        tight = words[self.tight] if self.measured_outside else "not measured"
        element, error = self.worst
        yield f"{self.verdict.upper()}: {self.group} on {self.domain}, mode {self.mode}, {self.dtype}"
        yield f"  sound: {words[self.sound]}   tight: {tight}   elements measured: {len(self._all)}"
        yield f"  worst claimed error {error:.1e} at ({element}){f', in {self.culprit}' if self.culprit else ''}"
        if self.sound is False:
            yield from no_axes_lines(self.actions[element].dim, self.returned)
        yield from hidden_lines(self.hidden, self.dtype)
        if self.constant:
            yield "  the output is the same on all these inputs and at all nodes, so that any claim holds on them"
        yield f"  tolerance {self.tol:.1e}, noise floor {self.floor:.1e}"
        held, broken = self.separation
        parts = [f"those that hold reach {held:.1e}"] if held is not None else []
        parts += [f"those that break start at {broken:.1e}"] if broken is not None else []
        yield f"  errors: {', '.join(parts)}"
        if not self.domain.is_finite:
            yield f"  compared away from the border of a canvas of {' × '.join(map(str, self.sizes))}"
        if self.bound is not None and self.mode == "generators":
            yield f"  errors of the other claimed elements add up to at most {self.bound:.1e} on these inputs"
        elif self.bound is not None:
            yield f"  errors of other elements differ from their representative's by at most {self.bound:.1e}"
        for g in self.counterexamples[:LISTED]:
            kind = "claimed, fails" if g in self.group else "not claimed, holds"
            yield f"  {kind}: ({g}) with output ({self.actions[g]}), error {self._all[g]:.1e}"
        if len(self.counterexamples) > LISTED:
            yield f"  … and {len(self.counterexamples) - LISTED} more"
        yield from self._table()

    def _table(self) -> Iterator[str]:
        if len(self.errors) <= LISTED:
            rows = [
                (f"{g}", f"{self.actions[g]}", "yes" if g in self.group else "no", f"{e:.1e}")
                for g, e in self.errors.items()
            ]
            yield from _columns(("element", "on the output", "claimed", "error"), rows)
            return
        rows = []
        for matrix, part in self.by_point_operation().items():
            inside = [e for g, e in part.items() if g in self.group]
            outside = [e for g, e in part.items() if g not in self.group]
            rows.append(
                (
                    f"{Isometry(matrix, (0,) * len(matrix))}",
                    str(len(inside)),
                    f"{max(inside):.1e}" if inside else "–",
                    str(len(outside)),
                    f"{min(outside):.1e}" if outside else "–",
                    str(sum(e <= self.tol for e in part.values())),
                )
            )
        yield from _columns(("point operation", "claimed", "max error", "outside", "min error", "hold"), rows)

    def by_point_operation(self) -> dict[Matrix, dict[Isometry, float]]:
        """The errors, grouped by point operation, the identity first."""
        parts: dict[Matrix, dict[Isometry, float]] = {}
        for g, e in self.errors.items():
            parts.setdefault(g.matrix, {})[g] = e
        order = sorted(parts, key=lambda m: (m != Isometry.identity(len(m)).matrix, [[-v for v in row] for row in m]))
        return {matrix: parts[matrix] for matrix in order}

    def plot(self, path: str | Path | None = None, *, title: str | None = None, ax: Any = None) -> Any:
        """Draw the errors over the shift plane, one panel per point operation: a figure, or an image file at `path`.

        Args and errors: see `plot_report`. It needs matplotlib.
        """
        from equinet.verify.plot import plot_report

        return plot_report(self, path, title=title, ax=ax)

    def _repr_html_(self) -> str:
        first, *rest = str(self).splitlines()
        return markup.block(markup.line(first, bold=True), self._picture(), markup.folded("all figures", _text(rest)))

    def _picture(self) -> str:
        """The plot as an image within the page; nothing without matplotlib."""
        try:
            figure = self.plot()
        except ModuleNotFoundError:
            return ""
        return markup.image(figure._repr_png_(), f"errors of {self.group} over the shifts of {self.domain}")

    def as_dict(self) -> dict[str, Any]:
        """All of the report in plain types; None for an error that is not finite."""
        return {
            "mode": self.mode,
            "domain": str(self.domain),
            "group": str(self.group),
            "verdict": self.verdict,
            "passed": self.passed,
            "sound": self.sound,
            "tight": self.tight,
            "tolerance": self.tol,
            "noise_floor": self.floor,
            "scale": self.scale,
            "separation": [finite(e) for e in self.separation],
            "dtype": self.dtype,
            "sizes": list(self.sizes),
            "returned": list(self.returned),
            "examples": self.examples,
            "bound": finite(self.bound),
            "hidden": [{**_described(part.channel), "hides": part.error} for part in self.hidden],
            "worst": {
                "element": str(self.worst[0]),
                "error": finite(self.worst[1]),
                **(_described(self.culprit) if self.culprit else {}),
            },
            "counterexamples": [str(g) for g in self.counterexamples],
            "elements": [
                {
                    "element": str(g),
                    "matrix": [list(row) for row in g.matrix],
                    "shift": list(g.shift),
                    "claimed": g in self.group,
                    "action": str(self.actions[g]),
                    "error": finite(e),
                }
                for g, e in self._all.items()
            ],
        }

    def to_json(self, path: str | Path | None = None) -> str:
        """The report as JSON text, also written to `path` if one is given."""
        return written(self.as_dict(), path, allow_nan=False)


def _described(channel: Channel) -> dict[str, Any]:
    return {"channel": channel.index, "part": channel.part or None}


def _text(lines: Iterable[str]) -> str:
    return "".join(map(markup.quiet, lines))


def _columns(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in [head, *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        yield "  " + "   ".join(cells)
