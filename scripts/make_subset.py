"""Make the shipped subset from the full Fashion-MNIST: 10,000 training and 2,000 test images, balanced.

    python -m scripts.get_data --dataset=fashion_mnist
    python -m scripts.make_subset --data_dir=data/fashion_mnist

The first 1,000 training and the first 200 test images of each of the ten labels, in their original order. Nothing is
random: the same full set always gives the same file, byte for byte.
"""

import io
from pathlib import Path

import numpy as np
from absl import flags

from equinet.cli.command import read_folder, run
from equinet.train.data.files import write_whole
from equinet.train.data.mnist import SUBSET, balanced, read_split
from equinet.train.record import writing


def make_subset(data_dir: Path, out: Path, train_per_class: int = 1000, test_per_class: int = 200) -> None:
    """Write the balanced subset of the full Fashion-MNIST in `data_dir` to the compressed file `out`.

    Raises:
        ValueError: `out` does not end in `.npz`, or a label has too few examples.
        Unwritable: `out` cannot be written; what was there before still is.
    """
    if out.suffix != ".npz":
        raise ValueError(f"--out={out} must end in .npz")
    counts = {"train": train_per_class, "test": test_per_class}
    arrays = {}
    for split, per_class in counts.items():
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = balanced(*read_split(data_dir, split), per_class)
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    with writing(out):
        write_whole(out, content.getvalue())
    train, test = (len(arrays[f"{split}_labels"]) for split in counts)
    print(f"{out}: {train} training and {test} test images, {out.stat().st_size / 2**20:.1f} MiB")


def define_flags() -> None:
    """The command line; not on import, so that two scripts can be imported side by side."""
    flags.DEFINE_string("data_dir", "data/fashion_mnist", "The folder with the full set's IDX files.")
    flags.DEFINE_string("out", str(SUBSET), "The file to write.")


def main() -> None:
    args = flags.FLAGS
    out = Path(args.out)
    if out.suffix != ".npz" or out.is_dir():
        raise ValueError(f"--out={args.out}: name a file that ends in .npz")
    read_folder(str(out.parent), "out")
    make_subset(Path(args.data_dir), out)


if __name__ == "__main__":
    run(main, define_flags)
