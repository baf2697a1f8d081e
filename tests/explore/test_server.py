"""The server of the page: what it answers, to whom, and in one line where it cannot."""

import http.client
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

import equinet as eq
from equinet.cli import explore
from equinet.explore import Network, Setting
from equinet.explore.server import Explorer, address, make_server
from equinet.explore.setting import OWN, default
from tests.scripts.lines import run_line


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    net = eq.Sequential(eq.Conv(2, 3), eq.MaxPool(2), eq.GlobalAvgPool())
    mine = Network("mine <b>", net, 1, 2, lambda domain: eq.certify(net, domain, 1))
    server = make_server(Explorer(Setting(OWN, size=8, wish="2Z × 2Z"), mine))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


def get(port: int, path: str, **headers: str) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.headers["Content-Type"], answer.read().decode()


def ask(port: int, question: str, **query: str | int) -> dict:
    status, kind, body = get(port, f"/{question}?{urlencode(query)}")
    assert status == 200 and kind.startswith("application/json")
    return json.loads(body)


def test_the_files_of_the_page(port: int) -> None:
    status, kind, page = get(port, "/?model=fcn")
    assert (status, kind) == (200, "text/html; charset=utf-8") and "explorer.js" in page
    for name in ("explorer.js", "explorer.css"):
        assert get(port, f"/{name}")[0] == 200
    for path in ("/favicon.ico", "/../setting.py", "/page/index.html", "/" + quote("../" * 8) + "etc/passwd"):
        assert get(port, path)[0] == 404


def test_only_its_own_pages_may_ask(port: int) -> None:
    """Neither a page elsewhere, nor a name that somebody has pointed at this machine."""
    assert get(port, "/answer", Host="evil.example:80")[0] == 403
    assert get(port, "/answer", **{"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert get(port, "/?model=fcn", **{"Sec-Fetch-Site": "cross-site"})[0] == 200  # a permalink on somebody's page
    assert get(port, "/", Host="evil.example:80")[0] == 403
    assert get(port, "/answer", Host=f"localhost:{port}", **{"Sec-Fetch-Site": "same-origin"})[0] == 200


def test_answers(port: int) -> None:
    first = ask(port, "answer")
    assert first["name"] == "mine <b>" and first["setting"]["model"] == OWN and not first["met"]
    assert [choice[0] for choice in first["controls"][0]["choices"]][:2] == [OWN, "small_cnn"]
    repair = ask(port, "repair", **first["setting"])
    assert repair["edits"] == ["circular padding in Conv(2, 3) (layer 0)"]
    mended = ask(port, "answer", **repair["setting"])
    assert mended["met"] and mended["edits"] == repair["edits"]
    squares = ask(port, "sizes", **mended["setting"], sizes="8,9")["sizes"]
    assert squares == [[8, 0.44, "shifts by multiples of 2 along each axis", "2Z × 2Z (p1, index 4)"], squares[1]]
    assert squares[1][1:3] == [0.0, "the identity alone"]
    assert ask(port, "measure", **mended["setting"])["verdict"] == "passed"
    aps = ask(port, "answer", model="small_cnn", down="aps", size=16)
    assert aps["sentence"] == "invariant under every shift"
    assert ask(port, "repair", model="small_cnn", size=16, wish="Z × Z")["setting"]["down"] == "aps"
    assert ask(port, "repair", model="vgg", padding="valid", size=8, wish="Z × Z ⋊ 4mm")["edits"] == [
        "size 256 instead of 8"
    ]


def test_what_cannot_be_is_one_line(port: int) -> None:
    for query in (
        {"model": "resnt"},
        {"size": "huge"},
        {"model": "fcn", "down": "up"},
        {"no": "such"},
        {"edit": "x:y"},
    ):
        for question in ("answer", "sizes", "repair", "measure"):
            found = ask(port, question, **query)
            assert found.keys() == {"error"} and len(found["error"].splitlines()) == 1
    assert "do not join" in ask(port, "answer", model="unet", size=33)["error"]
    assert "do not join" in ask(port, "measure", model="unet", size=33)["error"]
    runs = ask(port, "repair", model="swin", size=32)
    assert runs["runs"] and runs["edits"] == ["size 128 instead of 32"] and runs["setting"]["size"] == "128"
    assert "error" not in ask(port, "answer", **runs["setting"])
    refused = ask(port, "answer", model="convnext", group="4", padding="valid")
    assert "padding must be one of" in refused["error"] and refused["setting"]["model"] == "convnext"


def test_a_newer_question_ends_an_older_one() -> None:
    explorer = Explorer(default("small_cnn"))
    found = explorer.sizes({"model": "small_cnn", "sizes": "8,9,10"}, lambda: False)
    assert found == {"sizes": []}
    assert explorer.repair({"model": "small_cnn"}, lambda: False).keys() == {"none"}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (["--model=resnet", "--size=32,48"], "axes are alike"),
        (["--model=resnet", "--domain=periodic:8,bounded:8"], "axes are alike"),
        (["--model=resnet", "--size=4096"], "sizes from 4 to 512"),
        (["--model=resnet", "--dim=3"], "in two dimensions"),
        (["--model=resnet", "--model_args=group=m_x"], "no group 'm_x'"),
        (["--model=small_cnn", "--model_args=down=conv"], "no down 'conv'"),
        (["--port=70000"], "port"),
    ],
)
def test_a_command_line_that_cannot_be(line: list[str], why: str, tmp_path: Path) -> None:
    ended = run_line(explore, line, tmp_path)
    assert ended.status == 2 and why in ended.err and not ended.fault, ended


def test_a_port_that_is_taken(port: int, tmp_path: Path) -> None:
    ended = run_line(explore, ["--model=fcn", f"--port={port}"], tmp_path)
    assert ended.status == 1 and f"--port={port}: " in ended.err and "0 for any that is free" in ended.err
    with pytest.raises(OSError, match="use"):
        make_server(Explorer(default("fcn")), port)
    server = make_server(Explorer(default("fcn")))
    assert address(server).startswith("http://127.0.0.1:")
    server.server_close()
