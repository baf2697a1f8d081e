"""Data files on disk, plain or gzipped; what is wrong with one is said with its name."""

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path


def find_files(folder: Path, names: Sequence[str]) -> list[Path]:
    """The files of these names in `folder`, each plain or gzipped, whichever is there.

    Raises:
        FileNotFoundError: some are missing; all of these are named.
    """
    found, missing = [], []
    for name in names:
        path = next((folder / each for each in (name, f"{name}.gz") if (folder / each).is_file()), None)
        if path is None:
            missing.append(name)
        else:
            found.append(path)
    if missing:
        raise FileNotFoundError(f"{', '.join(missing)} (plain or .gz) not found in {folder}")
    return found


def read_bytes(path: Path) -> bytes:
    """The content of a file, unzipped when its name ends in `.gz`.

    Raises:
        ValueError: the name ends in `.gz`, but the content is no whole gzip stream.
    """
    raw = path.read_bytes()
    if path.suffix != ".gz":
        return raw
    try:
        return gzip.decompress(raw)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} has {len(raw)} bytes that are no whole gzip file: {error}") from error
