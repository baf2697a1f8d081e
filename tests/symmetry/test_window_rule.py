"""The window rule along one axis, against all pairs of isometries of two circles."""

from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest

from equinet.groups import Isometry
from equinet.groups.domain import Domain, torus
from equinet.symmetry.lines import reading_line
from equinet.symmetry.spans import Reach
from equinet.symmetry.window_rule import line_action, wrapping
from equinet.symmetry.windows import Reading


@dataclass(frozen=True)
class Sampled(Reading):
    """Output p copies node `σ(p) = scale·p + offset` of a circle, for so many outputs."""

    scale_by: int
    offset: int
    outputs: int

    def size(self, n: int) -> int:
        return self.outputs

    def places(self, n: int) -> np.ndarray:
        return (self.scale_by * np.arange(self.outputs) + self.offset) % n

    def table(self, n: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        assert n is not None
        nodes = self.places(n)[:, None, None]
        return nodes, np.ones_like(nodes), np.zeros_like(nodes)

    def reach(self, n: int | None) -> Reach:
        return 1, 0, 0


def isometries(domain: Domain) -> list[Isometry]:
    return list(domain.group.elements())


@pytest.mark.parametrize(("size", "target"), list(product((1, 2, 3, 4, 6, 8), (1, 2, 3, 4))))
def test_sampling_a_circle(size: int, target: int) -> None:
    """The pairs with `g σ = σ g'` as maps from nodes to nodes, tried one by one."""
    fine, coarse = torus(size), torus(target)
    for scale in (1, 2, 3, 4, -1):
        for offset in range(max(scale, 2)):
            reading = Sampled(scale, offset, target)
            places = reading.places(size)
            line = reading_line(reading, fine.axes[0], False, False)
            rule = wrapping(fine).then(line_action((line,), fine, coarse)).then(wrapping(coarse).inverse())
            for g, h in product(isometries(fine), isometries(coarse)):
                moved = [g((int(at),))[0] % size for at in places]
                alike = moved == [int(places[int(h((p,))[0]) % target]) for p in range(target)]
                key = (g.matrix, h.matrix)
                shift = dict(rule.operations).get(key)
                found = shift is not None and (g.whole_shift[0] - shift[0], h.whole_shift[0] - shift[1]) in rule.lattice
                assert found == alike, (scale, offset, g, h)
