"""Functions of several arrays: what goes in and comes out, in which layout, and what operations do to the channels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import equinet as eq

TORUS = eq.torus(6, 6)
VECTOR, FLIP, SCALAR = eq.Fibre.vector("4mm"), eq.Fibre.sign("4mm"), eq.Fibre.trivial("4mm")
ALL, TURNS, SHIFTS = "Z × Z ⋊ 4mm (p4m, index 1)", "Z × Z ⋊ 4 (p4, index 1)", "Z × Z (p1, index 1)"


TURNED = np.asarray([1.0, -1.0], np.float32).reshape(1, 1, 1, 2)


def slope(f, axis):
    return jnp.roll(f, -1, axis) - jnp.roll(f, 1, axis)


def carried(pair):
    """A velocity that carries itself along, as a pair of arrays `[batch, *spatial]`."""
    u, v = pair
    return u * slope(u, 1) + v * slope(u, 2), u * slope(v, 1) + v * slope(v, 2)


def test_a_velocity_that_is_a_tuple():
    asked = {"inputs": ((1, 1),), "layout": "BS", "output": (0, 1)}
    kept = eq.infer(carried, TORUS, VECTOR, **asked)
    assert (str(kept.strict), kept.channels, kept.fibre) == (ALL, VECTOR, VECTOR)
    assert str(eq.infer(carried, TORUS, 2, **asked).strict) == SHIFTS
    one_array = lambda x: jnp.stack(carried((x[..., 0], x[..., 1])), -1)  # noqa: E731
    assert eq.verify(one_array, kept, key=0, dtype=jnp.float64).passed
    wrong = lambda x: jnp.stack(carried((x[..., 0], 2 * x[..., 1])), -1)  # noqa: E731
    assert not eq.verify(wrong, kept, key=0, dtype=jnp.float64).passed
    assert str(eq.infer(wrong, TORUS, VECTOR).strict) == "Z × Z ⋊ 2mm (pmm, index 1)"


@pytest.mark.parametrize(
    ("fn", "fibre", "group"),
    [
        (lambda x: slope(x[..., :1], 1) + slope(x[..., 1:], 2), None, ALL),
        (lambda x: slope(x[..., 1:], 1) - slope(x[..., :1], 2), FLIP, ALL),
        (lambda x: slope(x[..., 1:], 1) - slope(x[..., :1], 2), None, TURNS),
        (lambda x: slope(x[..., 1:], 1) - slope(x[..., :1], 2), SCALAR, TURNS),
        (lambda x: x[..., ::-1] * TURNED.astype(x.dtype), None, TURNS),
        (lambda x: x[..., ::-1] * TURNED.astype(x.dtype), VECTOR @ FLIP, ALL),
        (lambda x: x, None, ALL),
        (lambda x: x + jnp.roll(x, 3, 1) + jnp.roll(x, 3, 2), None, ALL),
        (lambda x: jnp.maximum(x, 0), None, "Z × Z ⋊ m_x-y (cm, index 1)"),
        (lambda x: x + 1.0, None, "Z × Z ⋊ m_x-y (cm, index 1)"),
        (lambda x: jnp.tanh(x), None, ALL),
        (lambda x: jnp.cos(x), None, "Z × Z ⋊ 2mm (pmm, index 1)"),
        (lambda x: x * jnp.sqrt((x * x).sum(-1, keepdims=True)), None, ALL),
        (lambda x: x.mean((1, 2)), None, ALL),
        (lambda x: (x * x).sum((1, 2, 3)), None, ALL),
        (lambda x: jnp.concatenate([x, x], -1), 2 * VECTOR, ALL),
    ],
)  # fmt: skip
def test_what_point_operations_do_to_channels(fn, fibre, group):
    certificate = eq.infer(fn, TORUS, VECTOR, fibre=fibre)
    assert str(certificate.strict) == group
    with_channels = lambda x: fn(x).reshape(len(x), *certificate.output.sizes, -1)  # noqa: E731
    assert eq.verify(with_channels, certificate, key=0, dtype=jnp.float64).passed


def moved(x, g, images):
    """`(g·x)[g p] = ρ x[p]`, for the signs and places that ρ gives channels."""
    nodes = np.indices(x.shape[1:-1]).reshape(2, -1)
    to = (np.asarray(g.matrix) @ nodes + np.asarray(g.shift)[:, None]) % np.asarray(x.shape[1:-1])[:, None]
    made = np.empty_like(x)
    for channel, (image, sign) in enumerate(images):
        made[:, to[0], to[1], image] = sign * x[:, nodes[0], nodes[1], channel]
    return made


def program(rng):
    """A short function of a vector field, of parts that know nothing of vectors."""
    parts = []
    for _ in range(rng.integers(1, 4)):
        kind, n, axis, weight = (
            rng.integers(8),
            int(rng.integers(1, 4)),
            int(rng.integers(1, 3)),
            rng.integers(-2, 3, (1, 1, 1, 2)),
        )
        parts.append((int(kind), n, axis, weight.astype(float)))

    def fn(x):
        for kind, n, axis, weight in parts:
            if kind == 0:
                x = jnp.roll(x, n, axis) + jnp.roll(x, -n, axis)
            elif kind == 1:
                x = x + jnp.swapaxes(jnp.roll(jnp.swapaxes(x, 1, 2), n, axis), 1, 2)
            elif kind == 2:
                x = jnp.stack([slope(x[..., 0], axis) * x[..., 1], slope(x[..., 1], 3 - axis) * x[..., 0]], -1)
            elif kind == 3:
                x = x * (x * x).sum(-1, keepdims=True)
            elif kind == 4:
                x = x[..., ::-1] * weight
            elif kind == 5:
                x = jnp.maximum(x, -x) * x
            elif kind == 6:
                div = slope(x[..., 0], 1) + slope(x[..., 1], 2)
                x = jnp.stack([slope(div, 1), slope(div, 2)], -1)
            else:
                x = jnp.flip(x, axis) * weight if n > 2 else jnp.maximum(x, weight[0, 0, 0, 0])
        return x

    return fn


def brute_force(seed):
    """The isometries that are claimed of a program, and those that hold.

    Raises:
        AssertionError: if one is claimed that does not hold.
    """
    rng = np.random.default_rng(seed)
    fn, domain = program(rng), eq.torus(4, 4)
    with jax.enable_x64(True):
        certificate = eq.infer(fn, domain, VECTOR, fibre=VECTOR, dtype=jnp.float64)
        inputs = [rng.integers(-2, 3, (2, 4, 4, 2)).astype(float), rng.choice([0.0, 0.0, 1.0], (2, 4, 4, 2))]
        run = jax.jit(fn)
        before = [np.asarray(run(x)) for x in inputs]
        claimed = set(certificate.strict.elements())
        whole, holds = list(domain.group.elements()), set()
        for matrix in VECTOR.group:
            images = VECTOR(matrix)
            # Of −0 and 0, which are equal, the second.
            may_be = {h: [moved(y, h, images) + 0.0 for y in before] for h in whole}
            seen = {b"".join(y.tobytes() for y in outputs) for outputs in may_be.values()}
            for g in (g for g in whole if g.matrix == matrix):
                found = [np.asarray(run(moved(x, g, images))) + 0.0 for x in inputs]
                if g in claimed:
                    np.testing.assert_array_equal(found, may_be[certificate.action(g)])
                if b"".join(y.tobytes() for y in found) in seen:
                    holds.add(g)
        return claimed, holds


@pytest.mark.parametrize("seed", range(0, 40, 4))
def test_vector_programs_against_brute_force(seed):
    """On whole numbers, of which many are equal, every isometry that is claimed holds to the last bit."""
    claimed, holds = brute_force(seed)
    assert claimed <= holds and len(claimed) >= 1


def test_outputs_are_chosen_by_name():
    heads = lambda x: {"scores": x.mean((1, 2)), "maps": [x, x[:, ::2, ::2]]}  # noqa: E731
    assert str(eq.infer(heads, TORUS, 1, output="scores").invariance) == ALL
    assert str(eq.infer(heads, TORUS, 1, output="maps.1").strict).startswith("2Z × 2Z")
    both = eq.infer(lambda x: (x, jnp.roll(x, 1, 1)), TORUS, 2, output=(0, "1"))
    assert (both.fibre, str(both.strict)) == (4, "Z × Z ⋊ m_y (pm, index 1)")
    for output, text in (
        (None, r"returns 3 arrays, and none is chosen: say output= one of 'maps.0' \(2, 6, 6, 1\), "),
        ("map", "'map' is none of them"),
        (("maps.0", "maps.1"), "differ in their channels only"),
        (("maps.0", "scores"), "need one number of axes"),
        ((), "need one number of axes"),
    ):
        with pytest.raises(ValueError, match=text):
            eq.infer(heads, TORUS, 1, output=output)
    with pytest.raises(ValueError, match="returns one array: leave it out"):
        eq.infer(lambda x: x, TORUS, 1, output="scores")
    with pytest.raises(ValueError, match="no array that is computed"):
        eq.infer(lambda x: (x, "text"), TORUS, 1, output=1)
    with pytest.raises(ValueError, match="^infer: what the function returns is no array that is computed: it is 'a'"):
        eq.infer(lambda x: "a", TORUS, 1)


def test_several_inputs_move_together():
    assert str(eq.infer(lambda a, b: a * b, TORUS, inputs=(1, 1)).strict) == ALL
    assert str(eq.infer(lambda a, b: a * b[:, :1, :1], TORUS, inputs=(1, 1)).strict) == "4mm at (0, 0) (order 8)"
    by_name = lambda *, x, y: x[..., :2] * jnp.roll(y, 1, 1)  # noqa: E731
    assert str(eq.infer(by_name, TORUS, inputs={"y": 1, "x": 3}).strict) == "Z × Z ⋊ m_y (pm, index 1)"
    held = lambda p, pair: pair["u"] * p + pair["v"]  # noqa: E731
    asked = {"params": jnp.ones(()), "inputs": ({"u": 2, "v": 2},)}
    assert str(eq.infer(held, TORUS, layout="BCS", **asked).strict) == ALL
    for inputs, channels, text in (
        ([1, 1], None, "a tuple or a dict"),
        ((1, 0), None, "a tuple or a dict"),
        ((), None, "a tuple or a dict"),
        ({1: 1}, None, "keys are names"),
        ((1, 1), 3, "2 channels together; channels=3"),
    ):
        with pytest.raises(ValueError, match=text):
            eq.infer(lambda a, b: a, TORUS, channels, inputs=inputs)
    with pytest.raises(ValueError, match="have no channels: inputs are ones"):
        eq.infer(lambda a, b: a, TORUS, inputs=(2, 1), layout="BS")


@pytest.mark.parametrize("shape", ["BSC", "BCS"])
def test_layouts_of_input_and_output_apart(shape):
    turned = lambda x: jnp.moveaxis(x if shape == "BSC" else jnp.moveaxis(x, 1, -1), -1, 1)[:, :, ::2]  # noqa: E731
    found = eq.infer(turned, TORUS, 3, layout=shape, output_layout="BCS")
    assert (found.output, found.fibre) == (eq.torus(3, 6), 3)
    assert str(found.strict) == "2Z × Z ⋊ 2mm at (0, 0) (pmm, index 2)"
    for translations in ("nodes", "real"):
        blurred = lambda x: jnp.moveaxis(x, -1, 1)  # noqa: E731
        found = eq.infer(blurred, TORUS, 3, output_layout="BCS", translations=translations)
        assert found.strict.point_group == TORUS.group.point_group
    assert str(found.strict).startswith("R × R")


def test_a_map_of_labels_is_a_map():
    labels = lambda x: jnp.argmax(x, -1)  # noqa: E731
    for layout in (None, "BS"):
        found = eq.infer(labels, TORUS, 3, output_layout=layout)
        assert (found.output, found.fibre, str(found.strict)) == (TORUS, 1, ALL)
    assert eq.infer(lambda x: jnp.argmax(x, 1), TORUS, 3, layout="BCS").output == TORUS
    assert eq.infer(lambda x: jnp.argmax(x, 0), TORUS, 3, layout="CS").output == TORUS
    on_a_line = eq.infer(labels, eq.torus(6), 3)
    assert on_a_line.output.dim == 0  # which might be channels
    assert eq.infer(labels, eq.torus(6), 3, output_layout="BS").output == eq.torus(6)
    tokens = eq.infer(lambda x: x.reshape(2, -1, 3), TORUS, 3)
    assert tokens.output.dim == 0


def test_a_map_of_labels_that_dropped_an_axis_on_the_way_is_a_map():
    rows = lambda x: jnp.argmax(jnp.tanh(x).mean(2, keepdims=True) * jnp.ones((1, 1, x.shape[2], 1)), -1)  # noqa: E731
    columns = lambda x: rows(x.swapaxes(1, 2)).swapaxes(1, 2)  # noqa: E731
    for labels in (rows, columns):
        found = eq.infer(labels, eq.torus(6, 6), 3)
        assert found.strict == eq.infer(labels, eq.torus(6, 6), 3, output_layout="BS").strict
        assert found.output == eq.torus(6, 6) and str(found.strict).startswith("Z × Z ⋊ 2mm")


def test_channels_of_the_nodes_of_one_axis_are_no_map_of_labels():
    """What they are taken for is said, with the option for what they might be."""
    features = eq.infer(lambda x: x.mean(2), eq.torus(6, 6), 3)
    assert not features.output.dim and str(features.strict) == "6Z × Z ⋊ m_y (pm, index 6)"
    assert 'say output_layout="BS"' in features.ledger[-1].reason


def test_what_does_not_fit_is_said():
    for asked, text in (
        ({"channels": eq.Fibre.vector("m-3m", 3)}, "are of dimension 3; the domain is torus"),
        ({"channels": VECTOR, "fibre": eq.Fibre.sign("2mm")}, "does not say what the same ones do to the input"),
        ({"channels": 2, "fibre": VECTOR}, "does not say what the same ones do to the input"),
        ({"channels": VECTOR, "fibre": FLIP}, "the output has 2 channels; fibre=sign"),
        ({"channels": 1, "output_layout": "XYZ"}, "an output layout"),
    ):
        with pytest.raises(ValueError, match=text):
            eq.infer(lambda x: x, TORUS, **asked)


@pytest.mark.parametrize(
    ("fn", "text"),
    [
        (lambda x: x[:, :0], r"returns an array of shape \(2, 0, 6, 1\), which holds nothing"),
        (lambda x: None, "the function returns no array"),
    ],
)
def test_what_holds_nothing_is_said(fn, text):
    with pytest.raises(ValueError, match=text):
        eq.infer(fn, TORUS, 1)


REGULAR = eq.Fibre.regular("4mm")
NETS = {
    "vectors": (eq.Sequential(eq.AsFibre(VECTOR), eq.GroupConv(REGULAR, 3, padding="circular"), eq.Relu()), VECTOR),
    "strides": (eq.Sequential(eq.AsFibre(REGULAR), eq.Relu(), eq.MaxPool(2)), REGULAR),
    "plain": (eq.Sequential(eq.Conv(4, 3, padding="circular"), eq.Relu()), VECTOR),
    "pooled": (
        eq.Sequential(
            eq.AsFibre(REGULAR), eq.Residual(eq.GroupConv(REGULAR, 3, padding="circular")), eq.GlobalAvgPool(),
            eq.GroupPool(), eq.Dense(3),
        ),
        REGULAR,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NETS)
def test_of_layers_as_much_is_inferred_as_they_declare(name):
    net, fibre = NETS[name]
    declared = eq.certify(net, TORUS, fibre)
    variables = jax.eval_shape(lambda: net.init(0, (6, 6, int(fibre))))
    found = eq.infer(net.apply, TORUS, fibre, params=variables)
    assert (found.strict, found.invariance, found.fibre) == (declared.strict, declared.invariance, declared.fibre)
    plane = eq.infer(net.apply, eq.plane(2), fibre, params=variables, size=6)
    assert plane.strict == eq.certify(net, eq.plane(2), fibre).strict


def test_an_empty_part_of_what_is_split_costs_nothing():
    group = eq.infer(lambda x: jnp.split(jnp.tanh(x), [0, 9], axis=1)[1], eq.torus(9), 2).strict
    assert group == eq.torus(9).group
    beside = eq.infer(lambda x: jnp.split(jnp.pad(x, ((0, 0), (1, 0), (0, 0))), [0, 1], 1)[2], eq.torus(9), 2).strict
    assert beside == eq.torus(9).group


@pytest.mark.parametrize("fn", [lambda x: x[0], lambda x: x.sum(0)])
def test_an_output_without_its_batch_is_refused(fn):
    with pytest.raises(ValueError, match=r"returns an array of shape \(8, 8, 3\), which has no batch of 2 first"):
        eq.infer(fn, eq.torus(8, 8), channels=3)
    kept = eq.infer(lambda x: fn(x)[None].repeat(2, 0), eq.torus(8, 8), channels=3)
    assert kept.output.sizes == (8, 8)
    assert eq.infer(lambda x: x[0], eq.torus(8, 8), channels=3, output_layout="SC").output.sizes == (8, 8)


def test_a_map_of_which_nothing_is_known_is_one_all_the_same():
    """An array as large as the input's map has its grid; the identity alone moves it. Features have none."""
    unknown = lambda x: jnp.linalg.qr(x[..., 0])[0][..., None]  # noqa: E731
    for domain, size in ((eq.torus(4, 4), None), (eq.box(4, 4), None), (eq.plane(2), 4)):
        certificate = eq.infer(unknown, domain, 1, size=size)
        assert certificate.strict.is_trivial and certificate.output == domain
        assert eq.infer(lambda x: unknown(x).reshape(2, 16), domain, 1, size=size).output.dim == 0
        assert eq.infer(lambda x: unknown(x)[:, 1:, :2], domain, 1, size=size).output.dim == 0
    certificate = eq.infer(unknown, eq.torus(4, 4), 1)
    report = eq.verify(unknown, certificate, key=0, mode="sweep")
    assert report.passed and report.tight
