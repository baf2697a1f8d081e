"""Every architecture, with every way down, padding and readout: builds, traces, and has the group it should have."""

import jax
import jax.numpy as jnp
import pytest

import equinet as eq
from equinet import models
from equinet.advise.weights import random_variables
from equinet.groups import Lattice
from equinet.models.shared import DOWNS, NORMS, PADDINGS, READOUTS

SIZE = 32

# Small arguments, and the step of the translations kept on a torus of size 32 if the way down is not adaptive.
# Swin's windows are at fixed places, so that polyphase patches do not help it.
CASES = {
    "small_cnn": ({"features": (4, 8, 8)}, 4),
    "fcn": ({"features": (4, 8, 8)}, 4),
    "vgg": ({"depth": 11, "width": 2}, 16),
    "resnet": ({"width": 4}, 8),
    "wide_resnet": ({"depth": 10, "widen": 1, "width": 4}, 4),
    "unet": ({"depth": 2, "width": 2}, 4),
    "convnext": ({"depths": (1, 1), "width": 4, "patch": 2, "kernel": 3}, 4),
    "vit": ({"depth": 1, "width": 6, "positions": False}, 4),
    "swin": ({"depths": (2, 1), "width": 6, "patch": 2}, 16),
    "fno": ({"depth": 2, "width": 2, "modes": 2}, 1),
}
SAMPLED = [name for name in CASES if name != "fno"]
"""Those that go down."""


def build(name: str, **arguments: object) -> eq.Layer:
    return models.build(name, **{**CASES[name][0], **arguments})


def traced(net: eq.Layer, *sizes: int, channels: int = 3) -> tuple[int, ...]:
    """The output's shape of a batch of two, without computing anything."""
    variables = jax.eval_shape(lambda: net.init(jax.random.key(0), (*sizes, channels)))
    x = jax.ShapeDtypeStruct((2, *sizes, channels), jnp.float32)
    return jax.eval_shape(net.apply, variables, x).shape


def test_the_table_names_every_model() -> None:
    assert set(CASES) == set(models.MODELS)


@pytest.mark.parametrize("down", DOWNS)
@pytest.mark.parametrize("name", SAMPLED)
def test_every_way_down(name: str, down: str) -> None:
    net = build(name, down=down)
    shape = traced(net, SIZE, SIZE)
    assert shape == ((2, SIZE, SIZE, 10) if name == "unet" else (2, 10))
    certificate = eq.certify(net, eq.torus(SIZE, SIZE), 3)
    assert (*certificate.output.sizes, certificate.field.channels) == shape[1:]
    step = CASES[name][1]
    if (name, down) == ("vgg", "stride"):
        step = 32  # a convolution that strides over the last map, of size 2, leaves one node that no shift fixes
    elif (name, down) == ("vgg", "ideal"):
        step = 8  # the last ways down leave two nodes an axis, then one, which hold the mean of four
    elif down in ("aps", "lps") and name != "swin":
        step = 1
    assert certificate.strict.lattice == Lattice.diagonal((step, step))


@pytest.mark.parametrize("readout", READOUTS)
@pytest.mark.parametrize("name", CASES)
def test_every_readout(name: str, readout: str) -> None:
    net = build(name, readout=readout)
    assert traced(net, SIZE, SIZE) == (2, 10)
    certificate = eq.certify(net, eq.torus(SIZE, SIZE), 3)
    assert certificate.strict == certificate.invariance
    if readout == "flatten":
        # VGG's last window holds the whole map, so that a single node is flattened.
        assert certificate.strict.is_trivial == (name != "vgg")
    else:
        assert Lattice.diagonal((16, 16)) <= certificate.strict.lattice


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("name", SAMPLED)
def test_every_padding(name: str, padding: str) -> None:
    if padding == "valid" and name not in ("small_cnn", "fcn", "vgg"):
        with pytest.raises(ValueError, match=f"{name}: padding must be one of .*; got 'valid'"):
            build(name, padding=padding)
        return
    size = 160 if padding == "valid" and name == "vgg" else SIZE
    assert traced(build(name, padding=padding), size, size)[0] == 2


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("name", ["small_cnn", "fcn", "vgg", "resnet", "wide_resnet", "unet"])
def test_every_norm_commutes_with_shifts(name: str, norm: str) -> None:
    net = build(name, norm=norm)
    assert traced(net, SIZE, SIZE)[0] == 2
    period = CASES[name][1]
    assert eq.certify(net, eq.torus(SIZE, SIZE), 3).strict.lattice == Lattice.diagonal((period, period))


@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize("name", ["small_cnn", "fcn", "unet"])
def test_plain_stacks_run_in_any_dimension(name: str, dim: int) -> None:
    net = build(name, down="aps")
    assert traced(net, *(8,) * dim)[0] == 2
    assert eq.certify(net, eq.torus(*(8,) * dim), 3).strict.lattice == Lattice.full(dim)


@pytest.mark.parametrize("depth", [18, 34, 50])
@pytest.mark.parametrize("down", ["stride", "blur", "aps"])
def test_resnet_with_the_imagenet_stem(depth: int, down: str) -> None:
    net = models.resnet(depth, stem="imagenet", width=8, down=down)  # pyright: ignore[reportArgumentType]
    assert net.output_shape((64, 64, 3)) == (10,)
    step = 1 if down == "aps" else 32
    assert eq.certify(net, eq.torus(64, 64), 3).strict.lattice == Lattice.diagonal((step, step))


def test_parameters_of_the_published_networks() -> None:
    # He et al. 2016a and Zagoruyko and Komodakis 2016 whole; of Simonyan and Zisserman 2015 the convolutions.
    def count(net: eq.Layer, size: int) -> int:
        variables = jax.eval_shape(lambda: net.init(jax.random.key(0), (size, size, 3)))
        return sum(leaf.size for leaf in jax.tree.leaves(variables["params"]))

    assert count(models.resnet(18, stem="imagenet", classes=1000), 64) == 11_689_512
    assert count(models.resnet(50, stem="imagenet", classes=1000), 64) == 25_557_032
    assert count(models.wide_resnet(28, widen=10), 32) == 36_479_194
    assert count(models.vgg(16, norm="none"), 32) == 14_714_688 + 5_130


@pytest.mark.parametrize("window", [2, 3])
@pytest.mark.parametrize("padding", ["circular", "zero"])
def test_with_a_window_a_node_sees_the_same_whatever_the_way_down(window: int, padding: str) -> None:
    seen, groups = {}, set()
    for down in ("max", "avg", "blur", "stride", "conv", "conv_max"):
        net = models.build("small_cnn", features=(2, 4, 4), down=down, window=window, padding=padding)
        assert isinstance(net, eq.Sequential)
        seen[down] = eq.certify(eq.Sequential(*net.layers[:-2]), eq.plane(2), channels=1).receptive_field
        groups.add(eq.certify(net, eq.torus(16, 16), channels=1).invariance.translations)
    assert len(set(seen.values())) == 1, seen
    assert seen["max"] == ((3 + window - 1 + 2 * (window + 1) + 4 * 2,) * 2)
    assert len(groups) == 1
    one = models.small_cnn((2, 4, 4), down="stride")
    assert isinstance(one, eq.Sequential)
    assert eq.certify(eq.Sequential(*one.layers[:-2]), eq.plane(2), channels=1).receptive_field != seen["max"]


@pytest.mark.parametrize("window", [0, 3])
def test_a_way_down_for_each_stage(window: int) -> None:
    for down in (*DOWNS, "none", "conv", "conv_max"):
        assert build("small_cnn", down=(down, down), window=window) == build("small_cnn", down=down, window=window)
    net = models.small_cnn((4, 4, 4), down=("max", "conv"))
    stages = [str(models.small_cnn((4, 4, 4), down=way)).split("stage ") for way in ("max", "conv")]
    assert str(net).split("stage ") == [*stages[0][:2], *stages[1][2:]]


MEASURED: list[tuple[str, dict, eq.Domain, str]] = [
    ("small_cnn", {"down": "conv", "window": 3}, eq.torus(16, 16), "4Z × 4Z"),
    ("small_cnn", {"down": "conv_max", "window": 3}, eq.torus(16, 16), "4Z × 4Z"),
    ("small_cnn", {"down": "stride", "window": 3}, eq.torus(16, 16), "4Z × 4Z"),
    ("small_cnn", {"down": "blur", "window": 2}, eq.torus(16, 16), "4Z × 4Z"),
    ("small_cnn", {"down": "max"}, eq.torus(16, 16), "4Z × 4Z"),
    ("fcn", {"down": "aps"}, eq.torus(16, 16), "Z × Z"),
    ("resnet", {"down": "aps", "width": 2}, eq.torus(16, 16), "Z × Z"),
    ("resnet", {"down": "blur", "width": 2}, eq.torus(16, 16), "8Z × 8Z"),
    ("unet", {"down": "aps"}, eq.torus(8, 8), "Z × Z"),
    ("unet", {"down": "max", "up": "linear"}, eq.torus(8, 8), "4Z × 4Z"),
    ("unet", {"down": "lps"}, eq.torus(8), "Z"),
    ("vit", {"down": "stride"}, eq.torus(16, 16), "4Z × 4Z"),
    ("swin", {"down": "aps", "window": 2}, eq.torus(16, 16), "8Z × 8Z"),
    ("swin", {"down": "aps", "window": 2, "windows": "adaptive"}, eq.torus(16, 16), "Z × Z"),
    ("convnext", {"down": "maxblur"}, eq.torus(16, 16), "4Z × 4Z"),
]


REAL: list[tuple[str, dict, tuple[int, ...], str]] = [
    # What activations and ways down that fold nothing keep. Half a node of a map is half its stride of the input.
    ("small_cnn", {"down": "ideal"}, (16, 16), "4Z × 4Z"),
    ("small_cnn", {"down": "ideal", "activation": "aliasfree"}, (16, 16), "2Z × 2Z"),
    ("small_cnn", {"down": "ideal", "activation": "polynomial"}, (8, 12), "R × R"),
    ("small_cnn", {"down": "blur", "activation": "aliasfree"}, (16, 16), "4Z × 4Z"),
    ("small_cnn", {"down": "ideal", "activation": "polynomial", "readout": "gmp"}, (16, 16), "4Z × 4Z"),
    ("fcn", {"down": "ideal", "activation": "polynomial", "norm": "batch"}, (8,), "R"),
    ("vgg", {"down": "ideal", "activation": "aliasfree"}, (32, 32), "4Z × 4Z"),
    ("resnet", {"down": "ideal", "activation": "polynomial", "norm": "instance", "width": 2}, (16, 16), "R × R"),
    ("resnet", {"down": "ideal", "activation": "aliasfree", "width": 2, "stem": "imagenet"}, (32, 32), "4Z × 4Z"),
    ("wide_resnet", {"down": "ideal", "activation": "polynomial", "norm": "instance"}, (8, 8), "R × R"),
    ("unet", {"down": "ideal", "activation": "polynomial", "norm": "instance", "up": "ideal"}, (8, 8), "R × R"),
    ("unet", {"down": "ideal", "activation": "aliasfree", "up": "ideal"}, (8, 8), "Z × Z"),
    ("convnext", {"down": "ideal", "activation": "polynomial"}, (8, 8), "R × R"),
    ("convnext", {"down": "ideal", "activation": "aliasfree"}, (8, 8), "Z × Z"),
    ("fno", {"activation": "polynomial"}, (8, 9), "R × R"),
    ("fno", {"activation": "aliasfree"}, (6, 6), "½Z × ½Z"),
    ("fno", {"readout": "gap"}, (5, 5, 5), "Z × Z × Z"),
]


@pytest.mark.parametrize(("name", "arguments", "sizes", "group"), REAL)
def test_real_shifts_are_kept_and_measured(name: str, arguments: dict, sizes: tuple[int, ...], group: str) -> None:
    net, domain = build(name, **arguments), eq.torus(*sizes)
    certificate = eq.certify(net, domain, channels=1, translations="real")
    assert certificate.strict.translations_text == group
    report = eq.verify_shifts(bound(net, domain), certificate, key=0, examples=2)
    assert report.passed and report.worst[1] <= 1e-10, str(report)
    assert report.tight, str(report)


@pytest.mark.slow
def test_real_shifts_in_single_precision() -> None:
    """At most 1e-4 of how much each logit varies: some units in the last place of its size, of which it is a part."""
    net, domain = (
        build("resnet", depth=18, width=8, down="ideal", activation="polynomial", norm="instance"),
        eq.torus(32, 32),
    )
    certificate = eq.certify(net, domain, channels=1, translations="real")
    report = eq.verify_shifts(bound(net, domain), certificate, key=0, examples=2, dtype=jnp.float32)
    assert report.passed and report.worst[1] <= 1e-4, str(report)


@pytest.mark.thorough
def test_turns_and_real_shifts() -> None:
    net = build("small_cnn", group="p4m", down="ideal", activation="polynomial")
    certificate = eq.certify(net, eq.torus(8, 8), channels=1, translations="real")
    assert str(certificate.invariance) == "R × R ⋊ 4mm"
    assert eq.verify_shifts(bound(net, eq.torus(8, 8)), certificate, key=0, examples=2).passed


def bound(net: eq.Layer, domain: eq.Domain) -> eq.Bound:
    shape = (*(n or 1 for n in domain.sizes), 1)
    return net.bind(random_variables(net, shape, 0))


@pytest.mark.parametrize(("name", "arguments", "domain", "group"), MEASURED)
def test_declared_is_measured(name: str, arguments: dict, domain: eq.Domain, group: str) -> None:
    net = build(name, **arguments)
    certificate = eq.certify(net, domain, channels=1)
    assert certificate.strict == eq.SpaceGroup.parse(group, periods=domain.periods)
    report = eq.verify(bound(net, domain), certificate, key=1, trials=2)
    assert report.passed, str(report)


@pytest.mark.slow
@pytest.mark.parametrize("down", DOWNS)
@pytest.mark.parametrize("name", SAMPLED)
def test_declared_is_measured_everywhere(name: str, down: str) -> None:
    net, domain = build(name, down=down), eq.torus(SIZE, SIZE)
    report = eq.verify(bound(net, domain), eq.certify(net, domain, channels=1), mode="cosets", key=1, trials=2)
    assert report.sound, str(report)
    assert report.tight, str(report)


def test_a_wrong_claim_about_a_model_fails() -> None:
    net, domain = build("small_cnn", down="max"), eq.torus(16, 16)
    wrong = eq.SpaceGroup.parse("2Z × 2Z", periods=domain.periods)
    assert not eq.verify(bound(net, domain), wrong, domain, channels=1, key=1, trials=2).passed


def test_an_unknown_model_lists_the_near_ones() -> None:
    with pytest.raises(ValueError, match=r"no model 'resnt': did you mean resnet.* Known: convnext, fcn"):
        models.build("resnt")
    with pytest.raises(ValueError, match="no argument of resnet 'dept': did you mean depth"):
        models.build("resnet", dept=18)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("resnet", {"depth": 20}, "resnet: depth must be one of 18, 34, 50; got 20"),
        ("resnet", {"stem": "large"}, "resnet: stem must be one of 'cifar', 'imagenet'; got 'large'"),
        ("vgg", {"depth": 12}, "vgg: depth must be one of 11, 13, 16, 19; got 12"),
        ("wide_resnet", {"depth": 12}, "wide_resnet: depth must be 6 k \\+ 4"),
        ("small_cnn", {"down": ("aps", "apps")}, "small_cnn: down must be one of 'stride', 'max'.*; got 'apps'"),
        (
            "small_cnn",
            {"down": ("aps",) * 3},
            "down must be one way, or one for each of the 3 stages but the last; got",
        ),
        ("small_cnn", {"down": ("aps", 2)}, "small_cnn: down must be of the kind of its default, 'max'; got"),
        ("small_cnn", {"down": "apps"}, "small_cnn: down must be one of 'stride', 'max'.*; got 'apps'"),
        ("fcn", {"readout": "mean"}, "fcn: readout must be one of 'gap', 'gmp', 'flatten'; got 'mean'"),
        ("fcn", {"features": ()}, "fcn: features must be integers of at least 1; got \\(\\)"),
        ("unet", {"depth": -1}, "unet: depth must be integers of at least 0; got -1"),
        ("swin", {"depths": (2, 0)}, "swin: depths must be integers of at least 1; got \\(2, 0\\)"),
        ("vgg", {"norm": "bn"}, "vgg: norm must be one of 'none', 'batch'"),
        ("unet", {"readout": "mean"}, "unet: readout must be one of 'map', 'gap'"),
        ("unet", {"up": "cubic"}, "unet: up must be one of 'nearest', 'linear', 'ideal', 'transpose'; got 'cubic'"),
        ("vit", {"width": "wide"}, "vit: width must be of the kind of its default, 192; got 'wide'"),
    ],
)
def test_wrong_arguments(name: str, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        models.build(name, **arguments)


def test_a_map_too_small_names_the_layer() -> None:
    with pytest.raises(eq.LayerError, match=r"stage 3 → .*MaxPool.*: .*size 1"):
        eq.certify(build("vgg"), eq.torus(8, 8), channels=1)
