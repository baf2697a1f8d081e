"""Claims about functions of published packages: the table is that of its records, and the records are right."""

import json

import pytest

from scripts.packages import PAGE, RECORDS, cases, judged, table

ROWS = [json.loads(line) for line in RECORDS.read_text(encoding="utf-8").splitlines()]


def test_the_page_is_made_of_the_records():
    assert PAGE.read_text(encoding="utf-8") == table(ROWS), "python -m scripts.packages"


def test_no_claim_is_wrong_and_nine_of_ten_are_tight():
    verdicts = [row["verdict"] for row in ROWS]
    assert "UNSOUND" not in verdicts
    assert verdicts.count("tight") >= 0.9 * len(verdicts) > 80


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_the_records_are_what_is_found(capsys):
    """Of those packages that are installed."""
    known = {(row["package"], row["function"]): row["verdict"] for row in ROWS}
    for case in cases():
        assert judged(case)["verdict"] == known[case.package, case.name], case.name
    capsys.readouterr()
