"""The table of known groups is true: brute force agrees with every line."""

import jax
import pytest

from tests.infer.known import NETWORKS, PRIMITIVES, Known
from tests.infer.oracle import evaluate


@pytest.mark.parametrize("case", [*PRIMITIVES, *NETWORKS], ids=str)
def test_the_group_is_what_brute_force_finds(case: Known):
    with jax.enable_x64(True):
        values = evaluate(case.fn, case.domain, 2, draws=6)
        found = values.truth(values.natural_output)
    assert {g for g in values.elements if g in case.group} == found.strict
    for g, image in case.images:
        if image is None:
            assert g in found.still
        else:
            indices = values.natural_output.index_map
            assert any((indices(image) == indices(h)).all() for h in found.pairs[g])
