"""Bad input: the error says which layer, what came, and what to do."""

import jax
import jax.numpy as jnp
import pytest

import equinet as eq

KEY = jax.random.key(0)


def test_a_stride_larger_than_the_map():
    net = eq.Sequential(eq.Conv(2, 3), eq.MaxPool(2), eq.Named("last", eq.Conv(2, 1, stride=8)))
    with pytest.raises(eq.LayerError, match=r"last: Conv.*stride 8 is larger than the map, of size 4 along axis 0"):
        net.init(KEY, (8, 8, 1))
    with pytest.raises(eq.LayerError, match="stride 8 is larger"):
        eq.certify(net, eq.torus(8, 8))


def test_a_window_that_does_not_fit():
    with pytest.raises(eq.LayerError, match=r"layer 1 \(MaxPool\).*extent 5 does not fit.*size 4"):
        eq.Sequential(eq.Relu(), eq.MaxPool(5, 1)).init(KEY, (4, 4, 1))


def test_a_window_of_nothing_but_padding():
    with pytest.raises(eq.LayerError, match="nothing but padding"):
        eq.MaxPool(1, 1, ((1, 1),)).init(KEY, (4, 1))


def test_mismatched_branches():
    with pytest.raises(eq.LayerError, match=r"branches 0 and 1 do not join by 'add'.*\(8, 8, 2\) and \(4, 4, 2\)"):
        eq.Parallel(eq.Conv(2, 3), eq.Conv(2, 3, stride=2)).init(KEY, (8, 8, 1))
    with pytest.raises(eq.LayerError, match=r"Residual: the body turns \(8, 8, 1\) into \(8, 8, 2\)"):
        eq.certify(eq.Residual(eq.Conv(2, 3)), eq.torus(8, 8))


def test_a_polyphase_layer_on_a_size_it_cannot_divide():
    net = eq.Sequential(eq.Conv(2, 3), eq.PolyphasePool(2))
    for run in (lambda: net.init(KEY, (9, 9, 1)), lambda: eq.certify(net, eq.torus(9, 9))):
        with pytest.raises(eq.LayerError, match=r"layer 1 \(PolyphasePool\).*9"):
            run()


def test_a_polyphase_upsampling_without_its_hourglass():
    net = eq.PolyphaseUpsample(2)
    with pytest.raises(eq.LayerError, match="Hourglass"):
        net.apply(net.init(KEY, (4, 4, 1)), jnp.ones((1, 4, 4, 1)))
    with pytest.raises(eq.LayerError, match="Hourglass"):
        eq.certify(net, eq.torus(4, 4))


def test_a_domain_of_the_wrong_dimension():
    with pytest.raises(eq.LayerError, match="kernel .* has 2 entries"):
        eq.certify(eq.Conv(2, (3, 3)), eq.torus(8))
    with pytest.raises(TypeError, match=r"needs a domain"):
        eq.certify(eq.Conv(2, 3), (8, 8))  # pyright: ignore[reportArgumentType]
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
    with pytest.raises(eq.LayerError, match=r"one pair \(lo, hi\).*got \(1, 1\)"):
        eq.Conv(2, 3, padding=(1, 1)).init(KEY, (8, 8, 1))  # pyright: ignore[reportArgumentType]
    with pytest.raises(eq.LayerError, match="features must be an integer"):
        eq.certify(eq.Dense(2.5), eq.torus(4))  # pyright: ignore[reportArgumentType]
    with pytest.raises(eq.LayerError, match="whole number of input channels"):
        eq.certify(eq.Relu(), eq.torus(4), channels=1.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(eq.LayerError, match="one to three spatial axes"):
        eq.Conv(2, 3).init(KEY, (4, 4, 4, 4, 1))


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
        eq.certify(eq.Residual(eq.MaxPool(2)), eq.plane(1))


@pytest.mark.parametrize(
    "net",
    [
        eq.Hourglass(eq.PolyphasePool(2), eq.Upsample(2), eq.PolyphasePool(2)),
        eq.Residual(
            eq.Sequential(eq.PolyphasePool(2), eq.Upsample(2)), eq.Sequential(eq.MaxPool(2), eq.PolyphaseUpsample(2))
        ),
    ],
    ids=["choosing in up", "putting back in a shortcut"],
)
def test_phases_in_the_wrong_place_fail_when_run_and_when_certified(net):
    with pytest.raises(eq.LayerError, match="Hourglass"):
        eq.certify(net, eq.torus(4))
    with pytest.raises(eq.LayerError, match="Hourglass"):
        net.apply(net.init(KEY, (4, 1)), jnp.ones((1, 4, 1)))
