"""What is installed: tested versions of all that setup.cfg asks for, bounds around them, licences, citation."""

import configparser
import re
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import equinet
from scripts.get_data import SOURCES

ROOT = Path(__file__).resolve().parent.parent
PEERS = "bench"
"""The extra of the benchmarks, which have environments of their own."""
FILES = ("setup.cfg", "pyproject.toml", "constraints.txt", "Makefile", ".ci/run")


def setup() -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config


def requirements() -> dict[str, list[Requirement]]:
    """What setup.cfg asks for, by extra; the core's under an empty name."""
    config = setup()
    asked = {"": config["options"]["install_requires"], **config["options.extras_require"]}
    lines = {extra: [line for line in text.splitlines() if line] for extra, text in asked.items()}
    return {extra: [Requirement(line) for line in found] for extra, found in lines.items()}


def pins() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("==") for line in lines)


def unmet(asked: list[Requirement], pinned: dict[str, str]) -> list[str]:
    """Requirements without a tested version that they allow."""
    tested = {str(each): pinned.get(canonicalize_name(each.name)) for each in asked}
    return [str(each) for each in asked if (version := tested[str(each)]) is None or version not in each.specifier]


def test_all_that_is_asked_for_has_a_tested_version() -> None:
    asked = [each for extra, found in requirements().items() if extra != PEERS for each in found]
    assert len(asked) > 20
    assert not unmet(asked, pins())
    assert unmet([Requirement("jax<0.1")], pins()) == ["jax<0.1"]
    assert unmet([Requirement("nothing-like-this")], pins()) == ["nothing-like-this"]


@pytest.mark.parametrize("version", ["0.10.0", "0.11.2"])
def test_the_versions_of_jax_that_are_tested_are_allowed(version: str) -> None:
    assert version in (ROOT / "Makefile").read_text()
    (jax,) = [each for each in requirements()[""] if each.name == "jax"]
    assert version in jax.specifier
    assert "0.12.0" not in jax.specifier
    assert "0.9.2" not in jax.specifier


@pytest.mark.parametrize("name", FILES)
def test_no_host_is_named(name: str) -> None:
    assert not re.search(r"https?://|index-url|extra-index|trusted-host", (ROOT / name).read_text())


def test_what_is_fetched_has_hashes() -> None:
    for source in SOURCES.values():
        assert source.sha256
        assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in source.sha256.values())


def licences() -> dict[str, str]:
    """The table of the page: a package, and its licence."""
    text = (ROOT / "docs" / "reliability.md").read_text()
    rows = re.findall(r"^\| ((?:`[\w.-]+`(?:, )?)+) \| ([^|]+) \|", text.split("## Licences")[1], re.M)
    return {
        canonicalize_name(name): licence.strip() for names, licence in rows for name in re.findall(r"`([^`]+)`", names)
    }


def test_licences_are_those_the_packages_name() -> None:
    table = licences()
    asked = {canonicalize_name(each.name) for extra in ("", "train", "interop") for each in requirements()[extra]}
    assert asked <= table.keys()
    for name in asked:
        found = metadata(name)
        named = " ".join(
            text for key in ("License-Expression", "License", "Classifier") for text in found.get_all(key) or []
        )
        said = {"BSD-3-Clause": "BSD", "PSF-based": "Python Software Foundation|matplotlib", "Apache-2.0": "Apache"}
        for part in re.split(" AND | and | with ", table[name]):
            assert re.search(said.get(part, re.escape(part.split("-")[0])), named), (name, part, named[:300])


def at_odds(citation: dict[str, Any]) -> set[str]:
    """Where CITATION.cff and setup.cfg disagree."""
    package = {**setup()["metadata"], "version": equinet.__version__}
    said = {
        "version": citation["version"],
        "license": citation["license"],
        "author": " and ".join(author["name"] for author in citation["authors"]),
    }
    return {key for key, value in said.items() if value != package[key]}


def test_it_is_cited_as_what_is_installed() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"] == "equinet"
    assert citation["license"] + " License" == (ROOT / "LICENSE").read_text().partition("\n")[0]
    assert not at_odds(citation)
    assert at_odds(citation | {"version": "0.0.9", "license": "BSD-3-Clause"}) == {"version", "license"}
    assert at_odds(citation | {"authors": [{"name": "Somebody"}]}) == {"author"}
