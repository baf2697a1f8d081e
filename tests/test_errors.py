"""Bad input: the error says which layer, what came, and what to do."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import equinet as eq
from equinet.interop import as_layer, from_fn, from_linen, from_nnx, to_linen, to_nnx
from tests.compiled import init

KEY = jax.random.key(0)


def made(name, *args, **named):
    """The layer called `name`, with arguments that it may not have."""
    return getattr(eq, name)(*args, **named)


def test_a_stride_larger_than_the_map():
    net = eq.Sequential(eq.Conv(2, 3), eq.MaxPool(2), eq.Named("last", eq.Conv(2, 1, stride=8)))
    with pytest.raises(eq.LayerError, match=r"last: Conv.*stride 8 is larger than the map, of size 4 along axis 0"):
        net.init(KEY, (8, 8, 1))
    with pytest.raises(eq.LayerError, match="stride 8 is larger"):
        eq.certify(net, eq.torus(8, 8), channels=1)


def test_a_window_that_does_not_fit():
    with pytest.raises(eq.LayerError, match=r"layer 1 \(MaxPool\).*extent 5 does not fit.*size 4"):
        eq.Sequential(eq.Relu(), eq.MaxPool(5, stride=1)).init(KEY, (4, 4, 1))


def test_a_window_of_nothing_but_padding():
    with pytest.raises(eq.LayerError, match="nothing but padding"):
        eq.MaxPool(1, stride=1, padding=((1, 1),)).init(KEY, (4, 1))


def test_mismatched_branches():
    with pytest.raises(eq.LayerError, match=r"branches 0 and 1 do not join by 'add'.*\(8, 8, 2\) and \(4, 4, 2\)"):
        eq.Parallel(eq.Conv(2, 3), eq.Conv(2, 3, stride=2)).init(KEY, (8, 8, 1))
    with pytest.raises(eq.LayerError, match=r"Residual: the body turns \(8, 8, 1\) into \(8, 8, 2\)"):
        eq.certify(eq.Residual(eq.Conv(2, 3)), eq.torus(8, 8), channels=1)


def test_a_polyphase_layer_on_a_size_it_cannot_divide():
    net = eq.Sequential(eq.Conv(2, 3), eq.PolyphasePool(2))
    for run in (lambda: net.init(KEY, (9, 9, 1)), lambda: eq.certify(net, eq.torus(9, 9), channels=1)):
        with pytest.raises(eq.LayerError, match=r"layer 1 \(PolyphasePool\).*9"):
            run()


def test_a_polyphase_upsampling_without_its_hourglass():
    net = eq.PolyphaseUpsample(2)
    with pytest.raises(eq.LayerError, match="Hourglass"):
        net.apply(net.init(KEY, (4, 4, 1)), jnp.ones((1, 4, 4, 1)))
    with pytest.raises(eq.LayerError, match="Hourglass"):
        eq.certify(net, eq.torus(4, 4), channels=1)


def test_a_domain_of_the_wrong_dimension():
    with pytest.raises(eq.LayerError, match="kernel .* has 2 entries"):
        eq.certify(eq.Conv(2, (3, 3)), eq.torus(8), channels=1)
    with pytest.raises(TypeError, match=r"needs a domain"):
        eq.certify(eq.Conv(2, 3), (8, 8), channels=1)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="one to three sizes"):
        eq.torus(8, 8, 8, 8)


def test_settings_that_make_no_layer():
    with pytest.raises(eq.LayerError, match="unknown padding 'same'"):
        eq.Conv(2, 3, padding="same").init(KEY, (8, 8, 1))
    with pytest.raises(eq.LayerError, match="groups=3 must divide"):
        eq.Conv(4, 3, groups=3).init(KEY, (8, 8, 2))
    with pytest.raises(ValueError, match="join must be"):
        eq.Parallel(eq.Relu(), join="minus")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="argument 1 must be a layer"):
        eq.Sequential(eq.Relu(), jnp.tanh)  # pyright: ignore[reportArgumentType]
    with pytest.raises(eq.LayerError, match="reflect padding"):
        eq.Conv(2, 5, padding="reflect").init(KEY, (2, 2, 1))


def test_randomness_needs_a_key():
    net = eq.Sequential(eq.Dropout(0.5))
    with pytest.raises(eq.LayerError, match=r"pass key="):
        net.apply(net.init(KEY, (4, 1)), jnp.ones((1, 4, 1)), train=True)


def test_a_readout_before_a_convolution():
    with pytest.raises(eq.LayerError, match=r"layer 1 \(Conv\).*needs an input with one to three spatial axes"):
        eq.Sequential(eq.GlobalAvgPool(), eq.Conv(2, 3)).init(KEY, (8, 8, 1))


def test_isometries_must_be_signed_permutations():
    with pytest.raises(ValueError, match="signed permutation"):
        eq.Isometry(((1, 1), (0, 1)), (0, 0))
    with pytest.raises(ValueError, match="d × d matrix"):
        eq.Isometry(((1, 0), (0, 1)), (0,))


def test_arguments_of_the_wrong_kind():
    with pytest.raises(eq.LayerError, match=r"kernel must be an integer or one per axis; got 3.5"):
        eq.Conv(2, 3.5).init(KEY, (8, 8, 1))  # pyright: ignore[reportArgumentType]
    with pytest.raises(eq.LayerError, match=r"for each a mode or a pair \(lo, hi\).*got \(1, 1\)"):
        eq.Conv(2, 3, padding=(1, 1)).init(KEY, (8, 8, 1))  # pyright: ignore[reportArgumentType]
    with pytest.raises(eq.LayerError, match="features must be an integer"):
        eq.certify(eq.Dense(2.5), eq.torus(4), channels=1)  # pyright: ignore[reportArgumentType]
    with pytest.raises(eq.LayerError, match="whole number of input channels"):
        eq.certify(eq.Relu(), eq.torus(4), channels=1.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(eq.LayerError, match="one to three spatial axes"):
        eq.Conv(2, 3).init(KEY, (4, 4, 4, 4, 1))


@pytest.mark.thorough
def test_arrays_that_do_not_fit_the_weights():
    net = eq.Sequential(eq.Relu(), eq.Conv(2, 3), eq.GlobalAvgPool(), eq.Dense(3))
    variables = net.init(KEY, (8, 8, 1))
    with pytest.raises(eq.LayerError, match=r"layer 1 \(Conv\).*for 2 spatial axes and 1 channels.*\(1, 8, 8, 2\)"):
        net.apply(variables, jnp.ones((1, 8, 8, 2)))
    with pytest.raises(eq.LayerError, match=r"layer 1 \(Conv\).*for 2 spatial axes"):
        net.apply(variables, jnp.ones((1, 8, 1)))
    with pytest.raises(eq.LayerError, match="floating-point numbers; got int32"):
        net.apply(variables, jnp.ones((1, 8, 8, 1), jnp.int32))
    with pytest.raises(eq.LayerError, match="without empty axes"):
        net.apply(variables, jnp.ones((0, 8, 8, 1)))
    with pytest.raises(eq.LayerError, match="those of another network"):
        eq.Sequential(*net.layers, eq.Dense(2)).apply(variables, jnp.ones((1, 8, 8, 1)))


def test_branches_that_step_apart_on_the_plane():
    with pytest.raises(eq.LayerError, match="step over 2 and 1 input nodes"):
        eq.certify(eq.Residual(eq.MaxPool(2)), eq.plane(1), channels=1)


@pytest.mark.parametrize(
    "net",
    [
        eq.Hourglass(eq.PolyphasePool(2), eq.Upsample(2), eq.PolyphasePool(2)),
        eq.Residual(
            eq.Sequential(eq.PolyphasePool(2), eq.Upsample(2)),
            shortcut=eq.Sequential(eq.MaxPool(2), eq.PolyphaseUpsample(2)),
        ),
    ],
    ids=["choosing in up", "putting back in a shortcut"],
)
def test_phases_in_the_wrong_place_fail_when_run_and_when_certified(net):
    with pytest.raises(eq.LayerError, match="Hourglass"):
        eq.certify(net, eq.torus(4), channels=1)
    with pytest.raises(eq.LayerError, match="Hourglass"):
        net.apply(net.init(KEY, (4, 1)), jnp.ones((1, 4, 1)))


REGULAR, VECTOR = eq.Fibre.regular("4"), eq.Fibre.vector("4mm")
LIFT, ARROWS = eq.GroupConv(REGULAR, 3), eq.GroupConv(VECTOR, 3)
SOLID = eq.Fibre.vector("m-3m", 3)
FIBRES = {
    "a number for the output": (LIFT, eq.GroupConv(8, 3), r"needs a Fibre to give out, such as .*; got 8"),
    "a larger group": (
        LIFT,
        eq.GroupConv(eq.Fibre.regular("4mm"), 3),
        r"equivariant under 4mm, and its input regular\(4\) only under 4: use a subgroup of that here",
    ),
    "a kernel that is not square": (
        LIFT,
        eq.GroupConv(REGULAR, (3, 5)),
        r"4 exchanges axes .* kernel differs, \(3, 5\)",
    ),
    "a dilation that is not": (
        LIFT,
        eq.GroupConvTranspose(REGULAR, 3, dilation=(1, 2)),
        r"4 exchanges axes along which the dilation differs, \(1, 2\): use the same for both, or a smaller group",
    ),
    "a maximum of arrows": (ARROWS, eq.MaxPool(2), r"change signs in vector\(4mm\): use AvgPool"),
    "a global maximum of arrows": (
        ARROWS,
        eq.GlobalMaxPool(),
        r"change signs in vector\(4mm\): use GlobalAvgPool, or GroupPool",
    ),
    "a blurred maximum of arrows": (ARROWS, eq.MaxBlurPool(2), r"change signs in vector\(4mm\): use BlurPool"),
    "a ReLU of arrows": (ARROWS, eq.Relu(), r"Relu.* change signs in vector\(4mm\): use an odd function such as Tanh"),
    "a group maximum of arrows": (
        ARROWS,
        eq.GroupPool(kind="max"),
        r"change signs in vector\(4mm\): use GroupPool\(kind='norm'\)",
    ),
    "copies to other copies": (
        eq.GroupConv(2 * REGULAR, 3),
        eq.GroupConv(3 * REGULAR, 3, depthwise=True),
        r"depthwise.* equally many copies; got 2·regular\(4\) and 3·regular\(4\)",
    ),
    "depthwise over a sum": (
        eq.GroupConv(REGULAR + 1, 3),
        eq.GroupConv(REGULAR + 1, 3, depthwise=True),
        r"both fibres need one term with equally many copies; got regular\(4\) ⊕ trivial",
    ),
    "a group of another dimension": (
        LIFT,
        eq.GroupConv(SOLID, 3),
        r"m-3m acts on dimension 3, and the group of its input regular\(4\) on 2: use fibres of",
    ),
    "a source of another dimension": (
        eq.Conv(3, 3),
        eq.Sequential(eq.AsFibre(SOLID), eq.GroupConv(REGULAR, 3)),
        r"GroupConv.*4 acts on dimension 2, and the group of its input vector\(m-3m\) on 3",
    ),
    "group pooling of numbers": (
        eq.Relu(),
        eq.GroupPool(),
        "works on the channels of a fibre; got 1 channels that nothing",
    ),
    "coset pooling of numbers": (eq.Relu(), eq.CosetPool("2"), "channels that nothing moves: put it after a GroupConv"),
    "restricting numbers": (eq.Relu(), eq.Restrict("2"), "channels that nothing moves: put it after a GroupConv"),
    "gating numbers": (eq.Relu(), eq.Gated(), "channels that nothing moves: put it after a GroupConv"),
    "coset pooling of arrows": (
        ARROWS,
        eq.CosetPool("2"),
        r"needs copies of a regular representation; got vector\(4mm\): make one, or use GroupPool",
    ),
    "cosets of no subgroup": (
        LIFT,
        eq.CosetPool("m_x"),
        r"on regular\(4\): m_x is no subgroup of 4; pool over a subgroup",
    ),
    "cosets of no group": (LIFT, eq.CosetPool("mm"), r"unknown point group 'mm' in 2-D; did you mean"),
    "restriction to no subgroup": (LIFT, eq.Restrict("m_x"), r"m_x is no subgroup of 4, which acts on regular\(4\)"),
    "another fibre": (LIFT, eq.AsFibre(2 * REGULAR), r"AsFibre.*: this fibre has 8 channels; got shape"),
    "a fibre that is none": (LIFT, eq.AsFibre(4), "works on the channels of a fibre; got 4 channels"),
    "too few gates": (ARROWS, eq.Gated(), r"ends in a scalar for each copy before.*; got vector\(4mm\)"),
}


@pytest.mark.parametrize("case", FIBRES)
def test_fibres_that_do_not_fit(case):
    first, second, message = FIBRES[case]
    net = eq.Sequential(eq.Identity(), first, second)
    expected = rf"^layer 2 \({type(second).__name__}\).*: .*{message}"
    for run in (
        lambda: net.init(KEY, (8, 8, 1)),
        lambda: eq.certify(net, eq.torus(8, 8), channels=1),
        lambda: net.apply({"params": {}, "state": {}}, jnp.ones((2, 8, 8, 1))),
    ):
        with pytest.raises(eq.LayerError, match=expected):
            run()


def test_an_input_of_another_dimension_than_the_group():
    with pytest.raises(
        eq.LayerError, match=r"layer 0 \(GroupConv\).*4 acts on dimension 2; got an input .* 3 spatial axes"
    ):
        eq.Sequential(LIFT).init(KEY, (8, 8, 8, 1))
    with pytest.raises(eq.LayerError, match=r"vector\(m-3m\) acts on dimension 3; the domain torus\(8, 8\) has 2"):
        eq.certify(eq.Relu(), eq.torus(8, 8), SOLID)


def test_weights_of_another_group_convolution():
    variables = eq.Sequential(LIFT, LIFT).init(KEY, (8, 8, 1))
    x = jnp.ones((1, 8, 8, 1))
    for first in (eq.GroupConv(REGULAR, 5), eq.GroupConv(2 * REGULAR, 3), eq.GroupConv(REGULAR + 1, 3)):
        with pytest.raises(eq.LayerError, match=r"layer 0 \(GroupConv\).*weights are those of another layer or input"):
            eq.Sequential(first, LIFT).apply(variables, x)
    lifted, plain = (eq.Sequential(eq.Named("first", layer)) for layer in (LIFT, eq.Conv(4, 3)))
    with pytest.raises(eq.LayerError, match=r"first: GroupConv.*weights are those of another layer or input"):
        lifted.apply(plain.init(KEY, (8, 8, 1)), x)
    with pytest.raises(eq.LayerError, match=r"first: Conv.*weights are those of another layer"):
        plain.apply(lifted.init(KEY, (8, 8, 1)), x)
    with pytest.raises(eq.LayerError, match=r"another network: its layers are 0_conv, 1_group_conv; got 0_group_conv"):
        eq.Sequential(eq.Conv(4, 3), LIFT).apply(variables, x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: eq.Conv(8, 3, padding="SAME"), "unknown padding 'SAME': here it is called 'zero'"),
        (lambda: eq.MaxPool(2, padding="replicate"), "unknown padding 'replicate': here it is called 'edge'"),
        (lambda: eq.AvgPool(2, padding="CIRCULAR"), "unknown padding 'CIRCULAR': here it is called 'circular'"),
        (lambda: eq.Conv(8, 3, padding="round"), "unknown padding 'round'; use one of circular"),
        (
            lambda: made("Conv", 8, kernel_size=3),
            "Conv has no argument 'kernel_size': say kernel; its arg",
        ),
        (lambda: made("MaxPool", kernel_size=3), "MaxPool has no argument 'kernel_size': say window"),
        (lambda: made("Conv", 8, 3, strid=2), "Conv has no argument 'strid': say stride"),
        (lambda: made("Dense", units=8), "Dense has no argument 'units': say features"),
        (lambda: made("Relu", inplace=True), "Relu has no argument 'inplace'; its arguments are $"),
    ],
)
def test_what_other_frameworks_call_it(make, message):
    with pytest.raises((TypeError, eq.LayerError), match=message):
        make()


def test_a_layer_is_not_called_without_its_variables():
    with pytest.raises(TypeError, match=r"^Relu is called without its variables: net.bind\(variables\)\(x\)"):
        eq.Relu()(jnp.ones((1, 4, 1)))


def test_a_layer_of_ones_own_that_misses_a_method():
    class Silent(eq.Identity):
        symmetry = eq.Layer.symmetry

    with pytest.raises(NotImplementedError, match=r"^layer 0 \(Silent\): Silent .* not define symmetry\(self"):
        eq.certify(eq.Sequential(Silent()), eq.torus(4), channels=1)
    with pytest.raises(NotImplementedError, match="does not define output_shape"):
        eq.Layer().output_shape((4, 1))


@pytest.mark.thorough
def test_a_bound_network_passes_through_jit():
    net = eq.Sequential(eq.Conv(2, 3, padding="circular"), eq.BatchNorm(), eq.GlobalAvgPool())
    first, second = (net.bind(init(net, seed, (6, 6, 1))) for seed in (0, 1))
    traces, x = [], jax.random.normal(KEY, (1, 6, 6, 1))

    @jax.jit
    def run(bound, x):
        traces.append(bound)
        return bound(x)

    for bound in (first, second):
        assert jnp.array_equal(run(bound, x), jax.jit(bound)(x))
    assert len(traces) == 1
    slopes = jax.grad(lambda bound: bound(x).sum())(first)
    assert jax.tree.structure(slopes) == jax.tree.structure(first)
    assert (
        eq.certify(slopes.layer, eq.torus(6, 6), channels=1).strict
        == eq.certify(net, eq.torus(6, 6), channels=1).strict
    )


@pytest.mark.parametrize(
    "ask",
    [
        eq.Pointwise,
        lambda layer: eq.infer(layer, eq.torus(4), channels=1),
        lambda layer: eq.verify(layer, eq.torus(4).group, eq.torus(4), channels=1, key=0),
        lambda layer: eq.declare(lambda field: field)(layer),
        lambda layer: from_fn(layer, symmetry=lambda field: field),
    ],
    ids=["Pointwise", "infer", "verify", "declare", "from_fn"],
)
def test_a_layer_without_its_variables_is_no_function(ask):
    with pytest.raises(TypeError, match=r"function.*; got .*Relu"):
        ask(eq.Relu())


ROLLED = eq.infer(lambda x: jnp.roll(x, 1, axis=1), eq.torus(6), channels=1)


def rolled_by_numpy(x):
    return np.roll(x, 1, axis=1)


def turned_by_its_sum(x):
    return x if x.sum() > 0 else -x


IMAGES = np.ones((2, 6, 1), np.float32)


def measured(fn, **how):
    return eq.verify(fn, ROLLED, key=0, **how)


@pytest.mark.parametrize("fn", [rolled_by_numpy, turned_by_its_sum])
@pytest.mark.parametrize(
    ("ask", "end"),
    [
        (lambda fn: eq.infer(fn, eq.torus(6), channels=1), "Python's if(?!,)"),
        (measured, "Python's if, or say jit=False: the function is then given arrays of numpy"),
        (lambda fn: eq.discover(fn, eq.torus(6), channels=1, key=0), "or say jit=False.*"),
        (lambda fn: eq.error_profile(fn, IMAGES), "Python's if(?!,)"),
        (lambda fn: eq.consistency(fn, IMAGES, eq.transforms.Circular(within=1)), "or say jit=False.*"),
    ],
    ids=["infer", "verify", "discover", "error_profile", "consistency"],
)
def test_code_that_needs_the_values_of_what_is_traced(fn, ask, end):
    line = rf"^test_errors.py:{fn.__code__.co_firstlineno + 1} \({fn.__name__}\) needs the values of an array.*"
    with pytest.raises(TypeError, match=line + end):
        ask(fn)


def test_a_function_that_a_library_made_of_text_has_no_line():
    """Such a line says nothing to whoever calls it: the one that calls it is named."""
    chosen = eval(compile("lambda x: x if x.sum() > 0 else -x", "<string>", "eval"))
    with pytest.raises(TypeError, match=r"^the function needs the values of an array"):
        eq.infer(chosen, eq.torus(6), channels=1)

    def calls(x):
        return chosen(x)

    with pytest.raises(
        TypeError, match=rf"^test_errors.py:{calls.__code__.co_firstlineno + 1} \(calls\) needs the values"
    ):
        eq.infer(calls, eq.torus(6), channels=1)


def test_the_remedies_for_code_that_needs_values():
    assert measured(rolled_by_numpy, jit=False).passed
    assert ROLLED.strict == eq.torus(6).group
    with pytest.raises(TypeError, match="^unsupported operand"):  # any other error of a function is its own
        eq.infer(lambda x, shift=1: x + "1", eq.torus(6), channels=1)


class Tripled:
    def __init__(self, times=3):
        self.times = times

    def __call__(self, x):
        return self.times * x


@pytest.mark.parametrize(
    "ask",
    [
        lambda model: eq.infer(model, eq.torus(4), channels=1),
        lambda model: eq.verify(model, eq.torus(4).group, eq.torus(4), channels=1, key=0),
        lambda model: eq.discover(model, eq.torus(4), channels=1, key=0),
    ],
    ids=["infer", "verify", "discover"],
)
def test_a_class_in_place_of_an_instance(ask):
    for kind in (Tripled, nnx.Linear):
        with pytest.raises(TypeError, match=rf"function of one array; got .*{kind.__name__}.*: make an instance, "):
            ask(kind)
    assert ask(Tripled())


ASKED_OF_LAYERS = {
    "certify": (
        lambda net: eq.certify(net, eq.torus(6), channels=1),
        "use infer, which reads functions and models of other libraries",
    ),
    "legal_sizes": (
        lambda net: eq.legal_sizes(net, "2Z", [6], channels=1),
        r"of a function of JAX give interop.from_fn\(fn\)",
    ),
    "suggest": (
        lambda net: eq.suggest(net, eq.torus(6), "2Z", channels=1),
        r"of a function of JAX give interop.from_fn\(fn\)",
    ),
    "Sequential": (
        eq.Sequential,
        r"a function of each element is Pointwise\(fn\), one of arrays interop.from_fn\(fn\)",
    ),
    "to_linen": (to_linen, r"of a function or a model give interop.as_layer\(…\)"),
    "to_nnx": (
        lambda net: to_nnx(net, (6, 6, 1), nnx.Rngs(0)),
        r"of a function or a model give interop.as_layer\(…\)",
    ),
    "export": (
        lambda net: eq.export(net, {"params": {}, "state": {}}, (6, 6, 1)),
        r"of a function or a model give interop.as_layer\(…\)",
    ),
    "Residual": (eq.Residual, r"a function of each element is Pointwise\(fn\), one of arrays interop.from_fn\(fn\)"),
}


@pytest.mark.parametrize("asker", ASKED_OF_LAYERS)
def test_what_to_do_with_what_is_no_layer(asker):
    ask, of_a_function = ASKED_OF_LAYERS[asker]
    for given, remedy in (
        (lambda x: x[:, ::2], of_a_function),
        (jax.nn.relu, of_a_function),
        ([eq.Relu(), eq.Identity()], r"unpack its layers, Sequential\(\*layers\)"),
        (eq.Conv, r"it is a class: make an instance, Conv\(…\)"),
        (5, "5 of type int"),
    ):
        with pytest.raises(TypeError, match=rf"^{asker}.* layer; got .*{remedy}$"):
            ask(given)


def test_a_bound_network_where_a_layer_is_needed():
    net = eq.Sequential(eq.Conv(2, 3))
    bound = net.bind(net.init(KEY, (6, 6, 1)))
    for asker in ("to_linen", "to_nnx", "export", "Sequential", "Residual"):
        with pytest.raises(TypeError, match=r"of type Bound: of a bound network give its layer, net\.layer$"):
            ASKED_OF_LAYERS[asker][0](bound)
    assert ASKED_OF_LAYERS["to_linen"][0](bound.layer) == to_linen(net)


def test_what_no_library_reads():
    for given, remedy in (
        (eq.Relu, r"type: it is a class: make an instance, Relu\(…\)"),
        ([eq.Relu()], r"list: unpack its layers, Sequential\(\*layers\)"),
        (5, "5 of type int"),
    ):
        with pytest.raises(TypeError, match=rf"^a network is an equinet layer, .* function of .*; got .*{remedy}$"):
            as_layer(given)
    for read, kind in ((from_linen, linen.Conv), (from_nnx, nnx.Conv)):
        with pytest.raises(TypeError, match=r"needs an? (Linen|NNX) module; .* it is a class: make an instance, Conv"):
            read(kind)


def test_the_remedies_for_what_is_no_layer():
    def even(x):
        return x[:, ::2]

    halved = from_fn(even)
    assert eq.infer(even, eq.torus(6), channels=1).strict == eq.certify(halved, eq.torus(6), channels=1).strict
    assert eq.legal_sizes(halved, "2Z", [5, 6], channels=1).sizes == (6,)
    model = to_linen(as_layer(even))
    x = jnp.ones((1, 6, 1))
    assert jax.eval_shape(lambda x: model.apply(model.init(KEY, x), x), x).shape == (1, 3, 1)
    assert eq.Sequential(*[eq.Relu(), eq.Pointwise(jnp.tanh)]).layers[0] == eq.Relu()


class Heads(linen.Module):
    several: bool = True

    @linen.compact
    def __call__(self, x):
        scores = linen.Dense(3)(x.mean(1))
        return {"scores": scores, "map": x} if self.several else scores


HEAD = Heads(several=False).bind(Heads(several=False).init(KEY, jnp.ones((1, 6, 1))))


@pytest.mark.parametrize(
    "ask",
    [
        lambda net: eq.verify(net, eq.torus(6).group, eq.torus(6), channels=1, key=0),
        lambda net: eq.legal_sizes(net, "Z", [6, 7], channels=1, dim=1),
        lambda net: eq.suggest(net, eq.torus(6), "Z", channels=1),
    ],
    ids=["verify", "legal_sizes", "suggest"],
)
def test_a_model_that_returns_several_arrays_where_no_output_can_be_said(ask):
    several = Heads().bind(HEAD.variables)
    with pytest.raises(ValueError, match="and none is chosen: give a model that returns one of 'map'"):
        ask(several)
    with pytest.raises(ValueError, match="and none is chosen: say output= one of 'map'"):
        eq.infer(several, eq.torus(6), channels=1)
    ask(HEAD)
