"""What shifts, crops, rotations and scales of images do to the answers of a network.

    equinet measure --call=my_net.py:net --images=photos.npy --transform=crop --window=28
    equinet measure --call=my_net.py:net --images=photos.npz:x --labels=photos.npz:y --shift=0.5,0
    equinet measure --torch=timm:resnet18 --images=photos.npy --transform=rotation --draws=4 --figure=turned.png
    equinet measure --config=configs/fashion.py:aps --workdir=runs/aps --transform=crop --draws=2 --least=0.95

Images are an array [n, *axes, channels] in a file of NumPy; with --config and no --images, the test images of its data.
They say the size of the input and its channels; --channels repeats these where the axes could be taken for those of
channels-first images. Weights are those that the network comes with, those of --workdir, or random ones; the answer
says which. Ends with status 1 if a smaller share of answers than --least is kept, with 2 for wrong use.
"""

from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags

import equinet as eq
from equinet.cli.output import check_figure, define_json_flags, print_json, schema
from equinet.cli.subject import Subject, Weights, define_subject_flags, read_subject
from equinet.cli.sweep import check_workdir, with_weights
from equinet.degree import transforms
from equinet.names import check_name
from equinet.ops.cpu import tune_cpu
from equinet.symmetry.report import VERSION

MOST_COLOURS = 4
"""Channels of images, as a rule: red, green, blue and opacity."""
TRANSFORMS = ("circular", "crop", "rotation", "scale")
USED = {
    "circular": {"shift", "within", "real"},
    "crop": {"shift", "within", "real", "window", "background", "interpolation"},
    "rotation": {"angles", "within", "background"},
    "scale": {"factors", "within", "background", "interpolation"},
}
"""Flags of each transform."""


def define_flags() -> None:
    """The command line."""
    define_subject_flags()
    flags.DEFINE_string("images", None, "FILE.npy or FILE.npz, or FILE.npz:NAME of one of several arrays.")
    flags.DEFINE_string("labels", None, "The right class of each image, likewise, to count right answers too.")
    flags.DEFINE_string("bytes_as", None, "LOW,HIGH: what 0 and 255 stand for, where images are unsigned bytes.")
    flags.DEFINE_bool("grey", False, "Whether images have no axis of channels: [n, *axes].")
    flags.DEFINE_integer("count", None, "Take that many images, the first ones.", lower_bound=2)
    flags.DEFINE_enum("transform", "circular", TRANSFORMS, "What is done to images.")
    flags.DEFINE_string("shift", None, "One shift, a number for each axis, or several: '1,0' or '1,0;0.5,0.5'.")
    flags.DEFINE_string("angles", None, "Degrees: '90' or '15,30,45'.")
    flags.DEFINE_string("factors", None, "Of scales: '0.9,1.1'.")
    flags.DEFINE_string(
        "within", None, "Or all whole shifts by at most that much; all angles; all factors from LOW,HIGH."
    )
    flags.DEFINE_bool("real", False, "Real shifts of that range, of which --draws are drawn.")
    flags.DEFINE_string("window", None, "Size of a crop, one number or one per axis, where images are larger.")
    flags.DEFINE_float("background", None, "What is outside of an image; that of the config's data by default, else 0.")
    flags.DEFINE_enum("interpolation", "linear", transforms.INTERPOLATIONS, "Between pixels, of crops and scales.")
    flags.DEFINE_integer("draws", None, "Draw that many for each image, in place of all.", lower_bound=1)
    flags.DEFINE_integer("seed", 0, "Of the draws, and of random weights.", lower_bound=0, upper_bound=2**32 - 1)
    flags.DEFINE_string("workdir", None, "Use the weights trained there by `train`.")
    flags.DEFINE_integer("batch", 250, "Images per step.", lower_bound=1, upper_bound=2**16)
    flags.DEFINE_float("least", None, "Least share of answers to be kept.", lower_bound=0, upper_bound=1)
    flags.DEFINE_string("figure", None, "Draw what is kept, and the change, to this file.")
    define_json_flags()
    flags.DEFINE_bool("tune_cpu", True, "Use XLA's own CPU convolutions and keep large memory blocks (faster).")


def main() -> int:
    args = flags.FLAGS
    if args.schema:
        print_json(schema("measure"))
        return 0
    if args.figure is not None:
        check_figure(args.figure, "figure")
    images, labels, background = _read_data()
    _check_channels(images.shape)
    transform = _read_transform(background)
    window = transform.window(images.shape[1:-1])
    if args.size is not None:
        raise ValueError("--images say the size of the input: leave out --size")
    args.size, args.channels = ",".join(map(str, window)), images.shape[-1]
    asked = read_subject()
    check_workdir(asked, args.workdir)
    if args.tune_cpu:
        tune_cpu()
    model = with_weights(asked, args.workdir)
    try:
        found = eq.consistency(
            model,
            images,
            transform,
            draws=args.draws,
            key=None if args.draws is None else args.seed,
            labels=labels,
            batch=args.batch,
        )
    except FloatingPointError as error:
        raise RuntimeError(str(error)) from None
    if args.least is not None and found.kept is None:
        raise ValueError(f"--least is about answers, and {asked.name} gives one number")
    weights = _weights(asked, model)
    if args.json:
        print_json({"version": VERSION, "network": asked.name, "weights": weights, **found.as_dict()})
    else:
        nodes = " × ".join(map(str, images.shape[1:-1]))
        print(f"{asked.name}{_in_words(weights)}, images of {nodes} nodes, channels {images.shape[-1]}\n{found}")
    if args.figure is not None:
        found.plot(args.figure)
    return int(args.least is not None and found.kept is not None and found.kept.value < args.least)


def _weights(asked: Subject, model: Any) -> Weights:
    """Whose weights were measured."""
    if flags.FLAGS.workdir is not None:
        return "own"
    of_layers = asked.variables is None and isinstance(model, eq.Bound)
    return "random" if of_layers and jax.tree.leaves(model.variables["params"]) else asked.weights


def _in_words(weights: Weights) -> str:
    """What to say of weights that need not be trained."""
    return {
        "own": "",
        "random": f", random weights (seed {flags.FLAGS.seed})",
        "made": f", weights as its builder made them (seed {flags.FLAGS.seed})",
    }[weights]


def _read_data() -> tuple[np.ndarray, np.ndarray | None, float]:
    """Images, labels if there are any, and the background."""
    args = flags.FLAGS
    if args.images is None:
        if args.config is None:
            raise ValueError("say which images: --images=FILE.npy or FILE.npz:NAME; or --config, for those of its data")
        if args.labels is not None or args.grey or args.bytes_as is not None:
            raise ValueError("--labels, --grey and --bytes_as go with --images; the data of a config have their own")
        return _of_config()
    images = _array(args.images, "images")
    images = images[: args.count]
    if args.grey:
        images = images[..., None]
    if images.dtype == np.uint8:
        low, high = _numbers(args.bytes_as, "bytes_as", 2) if args.bytes_as else (None, None)
        if low is None or high is None:
            raise ValueError(f"--images={args.images} are bytes: say what 0 and 255 stand for, --bytes_as=0,1 or -1,1")
        images = (images.astype(np.float32) / 255 * (high - low) + low).astype(np.float32)
    elif args.bytes_as is not None:
        raise ValueError(f"--bytes_as is about unsigned bytes; --images={args.images} holds {images.dtype}")
    if images.ndim < 3:
        raise ValueError(
            f"--images={args.images}: expected [n, *axes, channels], got {images.shape}; --grey is for images without "
            f"channels"
        )
    labels = None if args.labels is None else _array(args.labels, "labels")[: args.count]
    return images, labels, 0.0


def _check_channels(shape: tuple[int, ...]) -> None:
    """
    Raises:
        ValueError: if the last axis of images is not that of their channels, as it seems or as --channels says.
    """
    told, first, last = flags.FLAGS.channels, shape[1], shape[-1]
    if told == last or (told is None and not first <= MOST_COLOURS < min(shape[2:])):
        return
    read = f"images of shape {shape} are read as [n, *axes, channels]"
    if told is None:
        raise ValueError(
            f"{read}, and axis 1 looks like their channels: save np.moveaxis(images, 1, -1), or say --channels={last}"
        )
    do = "save np.moveaxis(images, 1, -1)" if told == first else f"say --channels={last}, or nothing"
    raise ValueError(f"{read}, and --channels={told} is not their last axis: {do}")


def _of_config() -> tuple[np.ndarray, np.ndarray | None, float]:
    from equinet.train.data import load
    from equinet.train.settings import Settings

    settings = Settings.of(flags.FLAGS.config.to_dict())
    data = load(settings.dataset, settings.data_dir or None, settings.size or None)
    examples = data.test if flags.FLAGS.count is None else data.test.take(flags.FLAGS.count)
    images, labels = examples.arrays()
    return images, labels if data.task == "classification" else None, float(data.background)


def _array(text: str, flag: str) -> np.ndarray:
    """An array of a file of NumPy; nothing in it is executed."""
    path, _, name = text.partition(":") if not Path(text).exists() else (text, "", "")
    if not Path(path).is_file():
        raise ValueError(f"--{flag}={text}: there is no file {path}")
    try:
        held = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(held, np.ndarray):
            found = held
        else:
            names = held.files
            if not name and len(names) > 1:
                raise ValueError(f"it holds {', '.join(names)}: say which, {path}:NAME")
            found = held[check_name(name or names[0], names, f"array in {path}")]
    except Exception as error:  # of zipfile, zlib and NumPy's parser
        raise ValueError(f"--{flag}={text}: {' '.join(str(error).split()) or type(error).__name__}") from None
    if found.dtype.kind not in "biuf":
        raise ValueError(f"--{flag}={text} holds {found.dtype}: expected real numbers")
    return found


def _numbers(text: str, flag: str, count: int | None = None) -> tuple[float, ...]:
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        found = ()
    if not found or count not in (None, len(found)):
        raise ValueError(f"--{flag} needs {count or 'one or more'} numbers with commas between; got {text!r}")
    return found


def _read_transform(background: float) -> transforms.Transform:
    """The family of --transform, with the flags that belong to it."""
    args = flags.FLAGS
    name, used = args.transform, USED[args.transform]
    for flag in sorted(set().union(*USED.values()) - used):
        if args[flag].present:
            owners = [owner for owner in TRANSFORMS if flag in USED[owner]]
            raise ValueError(f"--{flag} goes with --transform={' or '.join(owners)}, not {name}")
    outside = background if args.background is None else args.background
    within = None if args.within is None else _numbers(args.within, "within")
    if within is not None and name != "scale" and len(within) != 1:
        raise ValueError(f"--within is one number for --transform={name}; got {args.within!r}")
    if name == "scale":
        return transforms.Scale(
            None if args.factors is None else _numbers(args.factors, "factors"),
            within=within,  # pyright: ignore[reportArgumentType]
            background=outside,
            interpolation=args.interpolation,
        )
    reach = None if within is None else within[0]
    if name == "rotation":
        angles = None if args.angles is None else _numbers(args.angles, "angles")
        return transforms.Rotation(angles, within=reach, background=outside)
    shifts = None if args.shift is None else tuple(_numbers(each, "shift") for each in args.shift.split(";"))
    if name == "circular":
        return transforms.Circular(shifts, within=reach, real=args.real)
    given = () if args.window is None else _numbers(args.window, "window")
    size = tuple(int(n) if n == int(n) else n for n in given) or None
    known = args.background is not None or size is None
    return transforms.Crop(
        shifts,
        within=reach,
        real=args.real,
        size=size,
        background=outside if known else None,
        interpolation=args.interpolation,
    )
