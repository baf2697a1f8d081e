"""Every public layer: what it declares equals brute force."""

import jax
import jax.numpy as jnp
import pytest

import equinet as eq
from tests.cases import CASES
from tests.oracle import judge


def public_layers():
    everything = {name: getattr(eq, name) for name in dir(eq)}
    found = {
        name: value for name, value in everything.items() if isinstance(value, type) and issubclass(value, eq.Layer)
    }
    return sorted(set(found) - {"Layer"})


def test_every_public_layer_is_in_the_table():
    missing = [name for name in public_layers() if not any(case.split()[0] == name for case in CASES)]
    assert not missing


@pytest.mark.parametrize("case", CASES)
def test_declared_equals_brute_force(case):
    make, domains = CASES[case]
    with jax.enable_x64(True):
        for domain in domains:
            verdict = judge(make(), domain)
            assert not verdict.unsound and not verdict.loose, f"{case} on {domain}: {verdict}"


def _variables(net: eq.Layer, shape: tuple[int, ...]):
    return jax.eval_shape(lambda key: net.init(key, shape), jax.random.key(0))


@pytest.mark.parametrize("case", CASES)
def test_shapes_and_fields_agree(case):
    make, domains = CASES[case]
    for domain in domains:
        net = make()
        shape = (*(n or 1 for n in domain.sizes), 2)
        expected = net.output_shape(shape)
        certificate = eq.certify(net, domain, 2)
        assert (*certificate.output.sizes, certificate.field.fibre) == expected
        made = jax.eval_shape(net.apply, _variables(net, shape), jax.ShapeDtypeStruct((3, *shape), jnp.float32))
        assert made.shape == (3, *map(int, expected))
        assert hash(net) == hash(make()) or "Pointwise" in case


NOT_ON_THE_PLANE = {
    "Mask": "on an axis without ends a table has no place",
    "Adaptive": "how wide its windows are depends on the size of the map: ask on a torus or a box",
    "GridAttention": "how far its nodes are apart depends on the size of the map: ask on a torus or a box",
    "Resize": "the factor depends on the size of the map: ask on a torus or a box",
    "between corners": "where the corners are depends on the size of the map: ask on a torus or a box",
}


@pytest.mark.parametrize("case", CASES)
def test_the_plane_contains_what_large_tori_keep(case):
    """Where the stride divides the size and padding is circular, the torus keeps what the plane keeps; never more."""
    make, domains = CASES[case]
    dim = max(domain.dim for domain in domains)
    refused = next((text for name, text in NOT_ON_THE_PLANE.items() if name in case), None)
    if refused is not None and "one number" not in case:
        with pytest.raises(eq.LayerError, match=refused):
            eq.certify(make(), eq.plane(dim), 2)
        return
    plane = eq.certify(make(), eq.plane(dim), 2).strict
    torus = eq.certify(make(), eq.torus(*(24,) * dim), 2).strict
    if "Flatten" in case or "PositionalEmbedding" in case or "Global" in case or "BatchNorm" in case:
        return
    assert torus.translations <= plane.translations + eq.Lattice.diagonal((24,) * dim)
    assert set(torus.point_group) <= set(plane.point_group)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float32])
@pytest.mark.parametrize("case", CASES)
def test_dtypes_are_kept(case, dtype):
    make, domains = CASES[case]
    net, shape = make(), (*(n or 1 for n in domains[0].sizes), 2)
    x = jax.ShapeDtypeStruct((2, *shape), dtype)
    assert jax.eval_shape(net.apply, _variables(net, shape), x).dtype == dtype
