"""Data files on disk, plain or gzipped; what is wrong with one is said with its name.

A file may come from a stranger. It is read as a stream, and never further than its reader says it can need, so that a
few bytes cannot fill the memory.
"""

import gzip
import stat
import zlib
from collections.abc import Sequence
from pathlib import Path

LARGEST = 600_000_000
"""Bytes of one file, unzipped, in a format that states its own size: the images of EMNIST take 547 million."""
ZIPPED = (".gz", ".tgz")
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFLNK: "a link to nothing",
}


def find_files(folder: Path, names: Sequence[str]) -> list[Path]:
    """The files of these names in `folder`, each plain or gzipped; the plain one where both are there.

    Raises:
        FileNotFoundError: some are missing; all of these are named.
        ValueError: one is there, but is no regular file.
    """
    found, missing = [], []
    for name in names:
        path = next((each for each in (folder / name, folder / f"{name}.gz") if _is_there(each)), None)
        if path is None:
            missing.append(name)
        else:
            check_regular(path)
            found.append(path)
    if missing:
        raise FileNotFoundError(f"{', '.join(missing)} (plain or .gz) not found in {folder}")
    return found


def check_regular(path: Path) -> None:
    """Raise unless `path` is a file, or a link to one: reading a pipe or a device may wait for ever, or never end.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: something else is.
    """
    if path.is_file():
        return
    if not _is_there(path):
        raise FileNotFoundError(f"{path} not found")
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except OSError:
        kind = stat.S_IFLNK
    raise ValueError(f"{path} is {KINDS.get(kind, 'something else')}, expected a regular file")


def read_start(path: Path, count: int) -> bytes:
    """The first `count` bytes of a file's content, fewer where it has fewer; see `read_bytes`."""
    check_regular(path)
    try:
        with gzip.open(path) if path.suffix in ZIPPED else path.open("rb") as stream:
            return stream.read(count)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} has {path.stat().st_size} bytes that are no whole gzip file: {error}") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror or error}") from error


def read_bytes(path: Path, most: int) -> bytes:
    """The content of a regular file, unzipped when its name ends in `.gz` or `.tgz`, of at most `most` bytes.

    Raises:
        FileNotFoundError: nothing is there.
        ValueError: it is no regular file, or is longer, or the system cannot read it; or its name says that it is
            gzipped, but the content is no whole gzip stream.
    """
    raw = read_start(path, most + 1)
    if len(raw) > most:
        raise ValueError(
            f"{path} holds more than {most:,} bytes{' unzipped' * (path.suffix == '.gz')}: no data set does"
        )
    return raw


def write_whole(path: Path, content: bytes) -> None:
    """Write a file beside `path`, then move it there: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.part")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def one_line(said: str | Exception, most: int = 200) -> str:
    """The first line of what may quote a file, cut to `most` characters, all of which can be printed."""
    text = said if isinstance(said, str) else str(said) or type(said).__name__
    first = next(iter(text.splitlines()), "")[:most]
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in first)


def _is_there(path: Path) -> bool:
    """Whether the folder has this name, be it a link to nothing."""
    return path.is_symlink() or path.exists()
