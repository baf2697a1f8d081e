"""How far a border is felt: interiors, errors by place, and the probe."""

import jax
import numpy as np
import pytest

import equinet as eq
from experiments.boundary import (
    EDGE,
    by_row,
    crop_error,
    cyclic_error,
    edge_rows,
    exact_square,
    interior,
    mosaics,
    probe,
    rolled_interior,
)


def test_mosaics_are_whole_scenes_rolled() -> None:
    one, other = mosaics(2, 128, 0), mosaics(2, 128, 1)
    assert one.shape == (2, 128, 128, 1)
    assert (one != other).any()
    np.testing.assert_array_equal(np.sort(one[0].ravel()), np.sort(other[0].ravel()))


def test_a_square_of_exact_nodes_is_found_and_nothing_else() -> None:
    errors = np.ones((5, 5))
    assert exact_square(errors) is None
    errors[1:4, 1:4] = 1e-16
    assert exact_square(errors) == (1, 3)
    errors[2, 2] = 1e-3
    assert exact_square(errors) is None


def test_edge_rows_go_inwards_from_both_borders() -> None:
    assert edge_rows(16) == [0, 1, 2, 3, 4, 5, 15, 14, 13, 12, 11, 10]
    errors = np.tile(np.arange(16.0)[:, None], (1, 16))
    assert by_row(errors, (1, 14)) == [float(row) for row in edge_rows(16)]


@pytest.mark.thorough
def test_one_convolution_feels_one_node() -> None:
    canvases = np.random.default_rng(0).normal(size=(4, 192, 192, 1)).astype(np.float32)
    for padding, still in (("zero", (2, 126)), ("reflect", (2, 126)), ("circular", (0, 127))):
        net = eq.Sequential(eq.Conv(4, 3, padding=padding))
        variables = net.init(jax.random.key(0), (128, 128, 1))
        assert interior(net, 128) == (1, 126)
        assert exact_square(crop_error(net, variables, canvases, 1)) == (1, 126)
        assert rolled_interior(net, 128, 1) == still
        assert exact_square(cyclic_error(net, variables, canvases[:, :128, :128], 1)) == still


def test_the_probe_sees_zeros_beyond_the_border_and_nothing_elsewhere() -> None:
    scenes = mosaics(64, 128, 0)
    found = {}
    for padding in ("zero", "circular"):
        net = eq.Sequential(eq.Conv(8, 3, padding=padding), eq.Relu())
        found[padding] = probe(net, net.init(jax.random.key(0), (128, 128, 1)), scenes, (1, 126))
    assert min(found["zero"][0], found["zero"][EDGE]) > 0.9
    beyond = found["circular"] + found["zero"][1:EDGE] + found["zero"][EDGE + 1 :]
    assert max(abs(share - 0.5) for share in beyond) < 0.08
