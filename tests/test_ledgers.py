"""The ledgers of other people's models: the page is that of its records, and the records are what is found."""

import json
import re

import pytest

import equinet as eq
from scripts.ledgers import FIRST, MODELS, PAGE, RECORDS, first_losses, looked_at, page

ROWS = [json.loads(line) for line in RECORDS.read_text(encoding="utf-8").splitlines()]
LOSSES = [(row["name"], loss) for row in ROWS for loss in row["losses"]]
OURS = r"digit|stem|table|dot_general|reduce_\w+|conv_general_dilated|select_n|broadcast|primitive|jaxpr"
"""Words of JAX and of the inside of inference, which nobody who reads a ledger should need."""


def test_the_page_is_made_of_the_records():
    assert PAGE.read_text(encoding="utf-8") == page(ROWS), "python -m scripts.ledgers"
    assert [row["name"] for row in ROWS] == list(MODELS) and len(MODELS) == 10


@pytest.mark.parametrize(("name", "loss"), LOSSES, ids=[f"{name} {loss['where']}" for name, loss in LOSSES])
def test_each_loss_names_a_module_and_gives_a_reason_in_the_words_of_its_reader(name: str, loss: dict[str, str]):
    assert re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*", loss["where"]), name
    assert loss["kind"] or loss["where"][0].isupper(), "a submodule, or the model's own class"
    assert loss["lost"] and loss["why"]
    assert not re.search(OURS, loss["why"])


def test_only_rows_that_lose_what_was_left_are_shown():
    net = eq.Sequential(eq.MaxPool(2), eq.Relu(), eq.MaxPool(2), eq.Conv(2, 1), eq.Conv(2, 3), eq.Conv(2, 3))
    found = first_losses(eq.certify(net, eq.torus(16, 16), 1), {"0": "MaxPool"})
    assert [loss["where"] for loss in found] == ["0", "2", "4"]
    assert [loss["kind"] for loss in found] == ["MaxPool", "", ""]
    assert len(found) <= FIRST


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
def test_the_records_are_what_is_found(row: dict[str, object]):
    pytest.importorskip(str(row["name"]).partition(":")[0])
    found = looked_at(str(row["name"]))
    assert {key: found[key] for key in ("size", "group", "losses")} == {k: row[k] for k in ("size", "group", "losses")}
