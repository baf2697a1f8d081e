"""Every work that pages and docstrings cite has its entry in docs/related_work.md, and every entry is cited."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "related_work.md"
SOURCES = ("equinet", "experiments", "configs", "scripts", "benchmarks")

NAME = r"(?:van (?:den |der |de )?|de )?[^\W\d_a-z](?=[a-z'’])[\w'’-]*"
YEAR = r"(?:19|20)\d\d[a-z]?\b"
CITATION = re.compile(
    rf"(?P<authors>{NAME}(?: et al\.|(?:, {NAME})*,? and {NAME})?),? \(?(?P<years>{YEAR}(?:(?:,? and |, |/){YEAR})*)"
)
"""`Zhang 2019`, `Cohen and Welling (2016)`, `He et al. 2016a and 2016b`."""


def citations(text: str) -> set[str]:
    """What a text cites, as the references call it: `Cohen and Welling 2016`."""
    text = re.sub(r"\[([^\]]*)\]\([^)\s]*\)", r"\1", text)
    text = re.sub(r"\s*\n\s*(?:#+ )?", " ", text)
    return {
        f"{found['authors']} {year}"
        for found in CITATION.finditer(text)
        for year in found["years"].split()
        if re.fullmatch(YEAR, year)
    }


def parts() -> tuple[str, str]:
    """The page of related work, and its references."""
    prose, references = PAGE.read_text().split("\n## References\n")
    return prose, references


def entries(references: str) -> list[tuple[str, str]]:
    """Each entry: what it is called, and its text."""
    return re.findall(r"^### (.+)\n\n(.+)$", references, re.M)


def cited() -> dict[str, str]:
    """What is cited, each with a file that does."""
    pages = [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
    files = [*pages, *sorted((ROOT / "docs").rglob("*.md"))]
    files += [file for folder in SOURCES for file in sorted((ROOT / folder).rglob("*.py"))]
    texts = {file: parts()[0] if file == PAGE else file.read_text() for file in files}
    return {label: str(file.relative_to(ROOT)) for file, text in texts.items() for label in citations(text)}


def unknown(found: Iterable[str], references: str) -> set[str]:
    return set(found) - {label for label, _ in entries(references)}


def plain(text: str) -> str:
    """Letters without their accents, for the order of the alphabet."""
    return unicodedata.normalize("NFD", text.casefold()).encode("ascii", "ignore").decode()


def name_of(entry: str) -> str:
    """What an entry ought to be called, by its authors and its year; years of two entries are told apart by letters."""
    listed, _, rest = entry.partition(" *")
    people = [person.rpartition(". ")[2] for person in listed.removesuffix(".").removesuffix(" et al").split(", ")]
    year = re.findall(r"\b(?:19|20)\d\d\b", rest.partition("* ")[2])[0]
    if len(people) > 2 or listed.endswith(" et al."):
        return f"{people[0]} et al. {year}"
    return f"{' and '.join(people)} {year}"


def test_what_is_cited_has_an_entry() -> None:
    found = cited()
    assert len(found) > 60
    assert not {label: found[label] for label in unknown(found, parts()[1])}


def test_every_entry_is_cited_once_listed_and_in_order() -> None:
    labels = [label for label, _ in entries(parts()[1])]
    assert len(labels) == parts()[1].count("### ")
    assert set(labels) <= cited().keys()
    assert labels == sorted(set(labels), key=plain)


def test_entries_are_called_by_their_authors_and_years() -> None:
    for label, entry in entries(parts()[1]):
        assert label.rstrip("ab") == name_of(entry)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("as in Zhang 2019 for blur", {"Zhang 2019"}),
        ("the group convolution of Cohen and\n    Welling (2016); from", {"Cohen and Welling 2016"}),
        ("(Rojas-Gomez et al. 2022,\n# and more)", {"Rojas-Gomez et al. 2022"}),
        ("[Islam et al. 2020 and 2021](page.md#place)", {"Islam et al. 2020", "Islam et al. 2021"}),
        (
            "[Çiçek et al. 2016](#x) and [van den Oord et al. 2016a](#y)",
            {"Çiçek et al. 2016", "van den Oord et al. 2016a"},
        ),
        ("(Ba, Kiros and Hinton 2016.)", {"Ba, Kiros and Hinton 2016"}),
        ("LONGEST = 2000, 1,024,000 pairs, 8192 isometries, n=2000", set()),
    ],
)
def test_forms_of_citations_are_known(text: str, labels: set[str]) -> None:
    assert citations(text) == labels


def test_a_missing_or_wrong_entry_is_found() -> None:
    assert unknown(citations("(Nobody and Noone 2019; Zhang 2019.)"), parts()[1]) == {"Nobody and Noone 2019"}
    assert unknown(citations("Zhang 2018 and He et al. 2016"), parts()[1]) == {"Zhang 2018", "He et al. 2016"}
    assert name_of("R. Zhang. *A title.* ICML 2019.") == "Zhang 2019"
    assert name_of("R. Zhang, A. B. van Other. *Why?* arXiv, 2018; ICML 2019.") == "Zhang and van Other 2018"
    assert name_of("R. Zhang, A. Other, C. Third. *A title of 2017.* ICML 2019.") == "Zhang et al. 2019"
    assert name_of("R. Zhang et al. *A title.* Journal 28, 1074, 1971.") == "Zhang et al. 1971"
