"""What was found of a model under transforms of images: figures, table, picture, record."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from equinet import markup
from equinet.degree.shares import Estimate, Share, estimate, mean_iou, ratio
from equinet.degree.transforms import Transform, labels_of
from equinet.verify.plain import finite, written

LISTED = 12
"""Members listed by `str`."""


@dataclass(frozen=True, eq=False)
class Counts:
    """What is counted on some images under m members.

    Attributes:
        plain: answers to the images as they are, `[n]`; None of maps, and where there are no answers.
        found: answers to the transformed ones, `[n, m]`; likewise.
        same: whether they are the same, or the share of nodes where they are, `[n, m]`; None without answers.
        error: squared changes of the output, per node, `[n, m]`.
        shared, joint: of maps, nodes of each class in both answers and in either, `[n, m, classes]`.
        means: of the outputs over their nodes, `[n, channels]`.
        spread: mean squared distance of nodes from it, `[n]`.
    """

    plain: np.ndarray | None
    found: np.ndarray | None
    same: np.ndarray | None
    error: np.ndarray
    shared: np.ndarray | None
    joint: np.ndarray | None
    means: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class Consistency:
    """What transforms of images do to the answers of a model; from `consistency`.

    Arrays have a row for each image, n, and a column for each member of the family or each draw, m.

    Attributes:
        transform: the family.
        members: `[m, k]`, the same for all images; or `[n, m, k]`, drawn for each.
        same: 1 where an image is answered as without the transform and 0 where not; of maps the share of nodes.
            `[n, m]`; None without answers.
        found: the answers themselves, `[n, m]`; None of maps and without answers.
        error: `|f(g·x) − φ(g)·f(x)|²`, per node, `[n, m]`.
        variation: `|f(x) − f̄|²`, per node, f̄ the mean over images and nodes, `[n]`.
        shared, joint: of maps, for each image and class the nodes in both answers, and in either, summed over m.
        shared_by_member, joint_by_member: the same summed over images, `[m, classes]`.
        right: whether each answer is the label, without a transform in the first column, `[n, 1 + m]`.
    """

    transform: Transform
    members: np.ndarray
    same: np.ndarray | None
    found: np.ndarray | None
    error: np.ndarray
    variation: np.ndarray
    shared: np.ndarray | None = None
    joint: np.ndarray | None = None
    shared_by_member: np.ndarray | None = None
    joint_by_member: np.ndarray | None = None
    right: np.ndarray | None = None

    @staticmethod
    def of(transform: Transform, rows: np.ndarray, parts: Sequence[Counts], labels: np.ndarray | None) -> Consistency:
        """From what was counted batch by batch."""

        def all_of(name: str) -> Any:
            each = [getattr(part, name) for part in parts]
            return None if each[0] is None else np.concatenate(each)

        means, found, plain = all_of("means"), all_of("found"), all_of("plain")
        if labels is not None and found is None:
            raise ValueError("consistency: labels are of images that are answered with one class; leave them out")
        right = None
        if labels is not None:
            right = np.concatenate([plain[:, None], found], axis=1) == labels[:, None]
        sums: dict[str, Any] = {}
        for name in ("shared", "joint"):
            counted = [getattr(part, name) for part in parts]
            if counted[0] is not None:
                sums[name] = np.concatenate([each.sum(1, dtype=np.float64) for each in counted])
                sums[f"{name}_by_member"] = sum(each.sum(0, dtype=np.float64) for each in counted)
        return Consistency(
            transform=transform,
            members=rows[0] if len(rows) == 1 else rows,
            same=all_of("same"),
            found=found,
            error=all_of("error"),
            variation=all_of("spread") + np.square(means - means.mean(0)).sum(-1),
            right=right,
            **sums,
        )

    @property
    def n(self) -> int:
        """How many images."""
        return len(self.error)

    @property
    def drawn(self) -> bool:
        """Whether members were drawn for each image."""
        return self.members.ndim == 3

    @property
    def kept(self) -> Share | None:
        """The share of pairs (image, member) answered as the image is without the transform; of maps, of nodes.

        None without answers.
        """
        return None if self.same is None else Share.of(self.same)

    @cached_property
    def agreement(self) -> Share | None:
        """The chance that an image is answered alike under two members, drawn independently.

        Over all members of a family exactly, Σ_c (n_c / m)² for each image, where n_c of m members are answered with
        class c. If members were drawn, the share of pairs of draws that agree. (With two draws this is the consistency
        of Zhang 2019.) None of maps, of a single draw, and without answers.
        """
        m = self.error.shape[1]
        if self.found is None or (self.drawn and m == 1):
            return None
        return Share.of(np.asarray([_agreeing(row, self.drawn) for row in self.found]))

    @property
    def unanimous(self) -> Share | None:
        """The share of images that are answered alike by all that was tried, without the transform too."""
        return None if self.same is None else Share.of((self.same == 1).all(1))

    @cached_property
    def change(self) -> Estimate:
        """`(Σ |f(g·x) − φ(g)·f(x)|² / Σ |f(x) − f̄|²)^½`: how far outputs move, relative to how they differ.

        Sums are over images, members and nodes, f̄ is the mean output. 0 if they stay, √2 if f(g·x) is as far from f(x)
        as the output of another image is. The interval is a bootstrap over images.
        """
        return estimate(lambda drawn: ratio(self.error.mean(1)[drawn], self.variation[drawn]), self.n)

    @cached_property
    def mean_iou(self) -> Estimate | None:
        """Of maps, the mean over classes of `|both| / |either|`, over the nodes answered with a class with the
        transform and without. The interval is a bootstrap over images. None of other outputs, and without answers."""
        shared, joint = self.shared, self.joint
        if shared is None or joint is None:
            return None
        return estimate(lambda drawn: mean_iou(shared[drawn].sum(-2), joint[drawn].sum(-2)), self.n)

    @property
    def accuracy(self) -> Share | None:
        """The share of right answers to the images as they are; None without labels."""
        return None if self.right is None else Share.of(self.right[:, 0])

    @property
    def accuracy_moved(self) -> Share | None:
        """The share of right answers to the transformed ones."""
        return None if self.right is None else Share.of(self.right[:, 1:])

    @cached_property
    def accuracy_lost(self) -> Estimate | None:
        """`accuracy − accuracy_moved`; its interval is a bootstrap of the difference of the same images."""
        if self.right is None:
            return None
        lost = self.right[:, 0] - self.right[:, 1:].mean(1)
        return estimate(lambda drawn: lost[drawn].mean(-1), self.n)

    @property
    def by_member(self) -> np.ndarray:
        """For each member, or draw, the share answered as without it, `[m]`; the relative change without answers."""
        return self._changes() if self.same is None else self.same.mean(0, dtype=np.float64)

    def _changes(self) -> np.ndarray:
        return ratio(self.error.T, np.broadcast_to(self.variation, self.error.T.shape))

    def records(self) -> list[dict[str, Any]]:
        """A row for each member: its parameters, what is kept, the change, and mean IoU or right answers.

        If members were drawn, a row for each draw, without parameters, as each image has its own.
        """
        names = self._names()
        rows, changes = [], self._changes()
        for at, change in enumerate(changes):
            row: dict[str, Any] = {"draw": at} if self.drawn else {}
            if not self.drawn:
                row.update(zip(names, map(float, self.members[at]), strict=True))
            if self.same is not None:
                kept = Share.of(self.same[:, at])
                row.update(kept=kept.value, kept_low=kept.interval[0], kept_high=kept.interval[1])
            row["change"] = finite(float(change))
            if self.shared_by_member is not None and self.joint_by_member is not None:
                row["mean_iou"] = float(mean_iou(self.shared_by_member[at], self.joint_by_member[at]))
            if self.right is not None:
                row["accuracy"] = float(self.right[:, 1 + at].mean())
            rows.append(row)
        return rows

    def _names(self) -> tuple[str, ...]:
        width, names = self.members.shape[-1], self.transform.names
        return names if width == len(names) else tuple(f"{names[0]}_{axis}" for axis in range(width))

    def to_frame(self) -> Any:
        """`records` as a pandas data frame.

        Raises:
            ModuleNotFoundError: without pandas.
        """
        return import_module("pandas").DataFrame(self.records())

    def as_dict(self) -> dict[str, Any]:
        """All figures in plain types."""
        found = dict(self._figures())
        return {
            "transform": str(self.transform),
            "images": self.n,
            "members": self.error.shape[1],
            "drawn": self.drawn,
            **{name.replace(" ", "_"): value.to_json() for name, value in found.items()},
            "rows": self.records(),
        }

    def to_json(self, path: str | Path | None = None) -> str:
        """The figures as JSON text, also written to `path` if one is given."""
        return written(self.as_dict(), path)

    def plot(self, path: str | Path | None = None, *, title: str | None = None, ax: Any = None) -> Any:
        """Draw what is kept, and the change, over the parameters: a figure, or an image file at `path`.

        Args and errors: see `Report.plot`. It needs matplotlib.
        """
        from equinet.degree.picture import plot_consistency

        return plot_consistency(self, path, title=title, ax=ax)

    def _figures(self) -> Iterator[tuple[str, Share | Estimate]]:
        names = ("kept", "agreement", "unanimous", "change", "mean_iou", "accuracy", "accuracy_moved", "accuracy_lost")
        for name in names:
            value = getattr(self, name)
            if value is not None:
                yield name.replace("_", " "), value

    def _head(self) -> str:
        m = self.error.shape[1]
        of_each = f"{m} {'draw' if m == 1 else 'draws'} of {self.transform} for each"
        every = f"{m} of {self.transform}" if m > 1 else f"{self.transform}"
        return f"{self.n} images, {of_each if self.drawn else every}"

    def _rows(self) -> Iterator[str]:
        texts = [f"draw {at}" for at in range(len(self.error[0]))] if self.drawn else labels_of(self.members)
        width = max(map(len, texts))
        for text, row in zip(texts, self.records(), strict=True):
            shown = [f"{name.replace('_', ' ')} {row[name]:.4f}" for name in ("kept", "mean_iou") if name in row]
            change = "∞" if row["change"] is None else f"{row['change']:.2g}"
            yield "  ".join([text.ljust(width), *shown, f"change {change}"])

    def __repr__(self) -> str:
        first = f", kept {self.kept}" if self.kept else ""
        return f"Consistency({self._head()}{first}, change {self.change.value:.2g})"

    def __str__(self) -> str:
        lines = [self._head(), *(f"  {name:15}{value}" for name, value in self._figures())]
        m = self.error.shape[1]
        if not self.drawn and 1 < m <= LISTED:
            lines += [f"  {line}" for line in self._rows()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        figures = markup.table(("", ""), [(name, str(value)) for name, value in self._figures()])
        few = self.error.shape[1] <= 256
        rows = markup.folded("all members", "".join(map(markup.quiet, self._rows()))) if few else ""
        return markup.block(markup.line(self._head(), bold=True), figures, self._picture(), rows)

    def _picture(self) -> str:
        try:
            figure = self.plot()
        except ModuleNotFoundError:
            return ""
        return markup.image(figure._repr_png_(), f"what {self.transform} does to answers")


def _agreeing(answers: np.ndarray, drawn: bool) -> float:
    counts = np.unique(answers, return_counts=True)[1].astype(np.float64)
    m = len(answers)
    return float((counts * (counts - 1)).sum() / (m * (m - 1)) if drawn else np.square(counts / m).sum())
