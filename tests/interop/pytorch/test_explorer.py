"""The page about a module of PyTorch: it is repaired by edits of its own, and questions at the same time do not mix."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import urlencode

import pytest

torch = pytest.importorskip("torch", reason="the extra torch is not installed")

from torch import nn  # noqa: E402

import equinet as eq  # noqa: E402
from equinet.explore import Network, Setting  # noqa: E402
from equinet.explore.repair import own_repair  # noqa: E402
from equinet.explore.server import Explorer, make_server  # noqa: E402
from equinet.explore.setting import OWN  # noqa: E402

WISH = "2Z × 2Z"


def network() -> Network:
    torch.manual_seed(0)
    tail = (nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), *tail).eval()
    return Network("mine", module, 3, 2, lambda domain: eq.infer(module, domain, 3, size=(32, 32)))


@pytest.fixture
def port():
    server = make_server(Explorer(Setting(OWN, size=8, wish=WISH), network()))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def ask(port: int, question: str, **query: str | int) -> dict:
    connection = HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", f"/{question}?{urlencode(query)}")
    return json.loads(connection.getresponse().read())


def test_the_button_repairs_a_module(port: int) -> None:
    first = ask(port, "answer")
    assert not first["met"] and first["sentence"] == "invariant under the identity alone"
    repair = ask(port, "repair", **first["setting"])
    assert repair["edits"] == ["circular padding in Conv2d (layer 0)"]
    mended = ask(port, "answer", **repair["setting"])
    assert mended["met"] and mended["edits"] == repair["edits"]
    assert ask(port, "measure", **mended["setting"])["verdict"] == "passed"
    adaptive = ask(port, "repair", **{**first["setting"], "domain": "plane", "wish": "Z × Z"})
    assert "the nodes that the data choose kept at every stride" in adaptive["edits"][0]
    assert ask(port, "answer", **adaptive["setting"])["met"]
    hopeless = ask(port, "repair", **{**first["setting"], "domain": "box", "wish": "4mm"})
    assert "a free kernel tells directions apart" in hopeless["none"]


def test_questions_at_the_same_time_wait_for_each_other(port: int) -> None:
    edit = ask(port, "repair", **ask(port, "answer")["setting"])["setting"]
    asked = [("answer", edit), ("sizes", {**edit, "sizes": "10,11"}), ("measure", edit)] * 3
    with ThreadPoolExecutor(9) as pool:
        found = list(pool.map(lambda each: ask(port, each[0], **each[1]), asked))
    assert not [each["error"] for each in found if "error" in each]
    assert [each["met"] for each in found[::3]] == [True] * 3
    assert {each["verdict"] for each in found[2::3]} == {"passed"}
    # Of the strips of sizes only that asked for last need be whole: a newer question ends an older one.
    shares = {tuple(square) for each in found[1::3] for square in each["sizes"]}
    assert {square[2] for square in shares} <= {"shifts by multiples of 2 along each axis", "the identity alone"}


def test_a_search_that_is_not_wanted_any_more_ends() -> None:
    mine = network()
    with pytest.raises(RuntimeError, match="a newer question has ended this one"):
        own_repair(mine, Setting(OWN, size=8, wish=WISH), lambda: False)
    edits, _ = own_repair(mine, Setting(OWN, size=8, wish=WISH))
    assert edits == ["circular padding in Conv2d (layer 0)"]
