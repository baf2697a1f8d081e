"""What a certificate looks like: as text, as HTML, as records."""

import html.parser
import json

import jax
import jax.numpy as jnp
import pandas as pd
import pytest

import equinet as eq
from equinet.groups.symbols.words import in_words
from equinet.symmetry.report import VERSION, WIDTH


def far_apart(x: jax.Array) -> jax.Array:
    return jnp.tanh(jnp.concatenate([x[:, ::2], x[:, 1::2] * 2], axis=1))[:, ::3]


CERTIFICATES = {
    "resnet": lambda: eq.certify(eq.models.resnet(), eq.torus(224, 224), 3),
    "unet": lambda: eq.certify(eq.models.unet(), eq.torus(32, 32), 1),
    "aps": lambda: eq.certify(eq.models.fcn(down="aps", group="4"), eq.box(32, 32), 1),
    "3-D": lambda: eq.certify(eq.models.fcn(down="aps", group="m-3m", features=(1, 1), dim=3), eq.torus(4, 4, 4), 1),
    "inferred": lambda: eq.infer(far_apart, eq.torus(12, 8), 2),
    "nothing lost": lambda: eq.certify(eq.Relu(), eq.plane(2), 1),
    "long name": lambda: eq.certify(eq.Named("n" * 100, eq.MaxPool(2)), eq.torus(8, 8), 1),
}


@pytest.fixture(params=CERTIFICATES, scope="module")
def certificate(request: pytest.FixtureRequest) -> eq.Certificate:
    return CERTIFICATES[request.param]()


def test_the_groups_come_first_and_every_loss_with_its_reason(certificate: eq.Certificate) -> None:
    lines = str(certificate).splitlines()
    assert lines[0] == f"strict      {certificate.strict}"
    words = " ".join(str(certificate).split())
    for row in certificate.ledger:
        if row.lost:
            label = "" if row.lost.startswith("regains") else "lost: "
            assert f"{label}{' '.join(row.lost.split())}" in words and " ".join(row.reason.split()) in words
            assert row.index in words
    assert "lost: regains" not in words


@pytest.mark.parametrize("show", [str, eq.Certificate.table])
def test_text_fits_a_terminal(certificate: eq.Certificate, show) -> None:
    """A line that is longer holds one word, name or group that is so by itself."""
    for line in show(certificate).splitlines():
        assert len(line) <= WIDTH or max(map(len, line.split())) > WIDTH // 2, line


def test_the_table_has_every_row_and_the_group_wherever_it_changes(certificate: eq.Certificate) -> None:
    lines = certificate.table().splitlines()
    starts = [line for line in lines[1:] if not line.startswith(" ")]
    assert len(starts) == len(certificate.ledger)
    for line, row in zip(starts, certificate.ledger, strict=True):
        assert line.startswith(row.index)
    assert sum(line.startswith("    left: ") for line in lines) == 1 + sum(
        (a.strict, a.orbit) != (b.strict, b.orbit)
        for a, b in zip(certificate.ledger, certificate.ledger[1:], strict=False)
    )


def test_neighbours_that_lose_the_same_share_a_line() -> None:
    assert "stage 1.0.body.0, stage 1.0.shortcut.0\n" in str(CERTIFICATES["resnet"]())


class Balanced(html.parser.HTMLParser):
    """Opening and closing tags in pairs, and all text between."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.text, self.tags = [], "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data) -> None:
        self.text += data


def test_html_says_the_same_and_runs_nothing(certificate: eq.Certificate, tmp_path) -> None:
    page = Balanced(certificate.to_html(tmp_path / "certificate.html"))
    assert not page.open and "script" not in page.tags
    assert (tmp_path / "certificate.html").read_text(encoding="utf-8") == certificate._repr_html_()
    assert str(certificate.strict) in page.text and in_words(certificate.invariance) in page.text
    for row in certificate.ledger:
        assert row.index in page.text and row.reason in page.text


def test_names_are_escaped_in_html() -> None:
    page = eq.certify(eq.Named("<script>alert(1)</script>", eq.MaxPool(2)), eq.torus(8, 8), 1).to_html()
    assert "<script>" not in page and "&lt;script&gt;" in page


def test_json_has_a_version_and_a_record_a_row(certificate: eq.Certificate) -> None:
    found = json.loads(certificate.to_json())
    assert found["version"] == VERSION
    assert [row["layer"] for row in found["ledger"]] == [row.index for row in certificate.ledger]
    frame = pd.DataFrame(found["ledger"])
    assert frame.equals(certificate.to_frame())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("8Z × 8Z", "shifts by multiples of 8 along each axis"),
        ("Z × 2Z", "shifts by any number along axis 0 and by multiples of 2 along axis 1"),
        ("4Z ⋊ m", "shifts by multiples of 4, reversal"),
        ("Z × Z ⋊ 4mm", "every shift, quarter turns, mirrors"),
        ("2Z × 2Z ⋊ 2", "shifts by multiples of 2 along each axis, half turns"),
        ("pg", "shifts by any number along axis 0 and by multiples of 2 along axis 1, glides"),
        ("p4g", "shifts by multiples of 2 along each axis, quarter turns, mirrors, glides"),
        ("Z × Z × Z ⋊ m-3m", "every shift, the 48 operations of the point group m-3m"),
    ],
)
def test_groups_in_words(text: str, words: str) -> None:
    assert in_words(eq.SpaceGroup.parse(text)) == words


def test_shifts_around_the_whole_torus_are_no_shifts() -> None:
    keeps_rows = eq.certify(eq.Conv(1, 3, padding=("circular", "zero")), eq.torus(8, 8), 1)
    assert in_words(keeps_rows.strict) == "shifts by any number along axis 0"
    assert in_words(eq.certify(eq.Conv(1, 3), eq.torus(8, 8), 1).strict) == "the identity alone"
    assert in_words(eq.SpaceGroup.parse("⟨(1, 1), (0, 2)⟩")) == "the shifts of the lattice spanned by (1, 1), (0, 2)"


ANSWERS = {
    "sizes": lambda: eq.legal_sizes(eq.MaxPool(4), "4Z × 4Z", range(8, 40), channels=1),
    "no size": lambda: eq.legal_sizes(eq.Conv(1, 3, padding="circular"), "4mm", range(8, 12), channels=1),
    "edits": lambda: eq.suggest(eq.MaxPool(2), eq.torus(8, 8), "Z × Z", channels=1, measure=False),
    "no edit": lambda: eq.suggest(eq.Conv(1, 3, padding="circular"), eq.torus(8, 8), "4mm", channels=1, measure=False),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_of_advice_are_html_that_says_the_same(name: str) -> None:
    found = ANSWERS[name]()
    page = Balanced(found._repr_html_())
    assert not page.open and "script" not in page.tags
    if isinstance(found, eq.LegalSizes):
        assert found.congruence in page.text and page.tags.count("rect") == len(found.tried)
        assert page.text.count(": legal") == len(found.sizes)
    said = found.lack.remedies if found.lack else () if isinstance(found, eq.LegalSizes) else tuple(map(str, found))
    assert said or name == "sizes"
    assert all(each in page.text for each in said)
