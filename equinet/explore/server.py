"""The page for a browser on this machine: every question is an address, every answer JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from equinet.advise import Lack
from equinet.explore.answer import Network, answer, at_size, built_in
from equinet.explore.measure import measure
from equinet.explore.repair import can_run, changes, cheapest, edited, is_met, nearest_that_runs, own_repair
from equinet.explore.setting import OWN, Setting, as_size, controls, read
from equinet.models import MODELS
from equinet.readers import reader_of

HERE = Path(__file__).parent
FILES = {
    "/": ("index.html", "text/html"),
    "/explorer.js": ("page/explorer.js", "text/javascript"),
    "/explorer.css": ("page/explorer.css", "text/css"),
}
QUESTIONS = ("answer", "sizes", "repair", "measure")
LOCAL = ("127.0.0.1", "localhost")
STRIP = 64
"""Sizes of one question."""


@dataclass(frozen=True)
class Explorer:
    """What the page asks about, and its answers.

    Attributes:
        first: the setting that the page opens with.
        own: the network of one's own, if there is one.
        arguments: of the first model, where it has no control for them.
        channels: of the input of built-in models.
    """

    first: Setting
    own: Network | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    channels: int = 3

    @property
    def models(self) -> tuple[str, ...]:
        """The networks to choose from, the first one first."""
        return tuple(dict.fromkeys((self.first.model, *MODELS)))

    @property
    def reads_one_at_a_time(self) -> bool:
        """Whether the network of one's own is a model of another framework."""
        return self.own is not None and reader_of(self.own.net) is not None

    def dim(self, model: str) -> int:
        """The dimension that a model is asked about in."""
        return self.own.dim if model == OWN and self.own is not None else 2

    def network(self, setting: Setting) -> Network:
        """The network that a setting describes.

        Raises:
            ValueError: if the model refuses its arguments.
        """
        return _network(self, replace(setting, domain="torus", size=0, wish=""))

    def setting(self, query: Mapping[str, str]) -> Setting:
        """The setting of a permalink; the first one where it says nothing."""
        if not query:
            return self.first
        model = query.get("model", self.first.model)
        return read({"model": model, **query}, self.models, self.dim(model))

    def answer(self, query: Mapping[str, str]) -> dict[str, Any]:
        """The setting, its controls and the answer."""
        setting = self.setting(query)
        shown: dict[str, Any] = {
            "setting": setting.as_query(),
            "controls": controls(setting, self.models, self.dim(setting.model)),
        }
        try:
            network = self.network(setting)
        except ValueError as error:
            return {**shown, "name": setting.model, "edits": [], "error": str(error)}
        return {**shown, **answer(network, setting)}

    def sizes(self, query: Mapping[str, str], still_wanted: Callable[[], bool]) -> dict[str, Any]:
        """Squares of the strip of sizes; the entry `sizes` of the query lists them."""
        asked = [as_size(text) for text in query.get("sizes", "").split(",")[:STRIP] if text]
        setting = self.setting(_without(query, "sizes"))
        network, found = self.network(setting), []
        for size in asked:
            if not still_wanted():
                break
            found.append(at_size(network, replace(setting, size=size)))
        return {"sizes": found}

    def repair(self, query: Mapping[str, str], still_wanted: Callable[[], bool]) -> dict[str, Any]:
        """The cheapest repair: its text and its setting, or why there is none.

        Where the network cannot run and there is none, the nearest size at which it runs, with an entry `runs`.
        """
        setting = self.setting(query)
        if setting.model == OWN and self.own is not None:
            found = own_repair(self.own, setting, still_wanted)
            if isinstance(found, Lack):
                return {"none": found.reason, "remedies": list(found.remedies)}
            return {"edits": found[0], "setting": found[1].as_query()}

        def ask(holds: Callable[[Network, Setting], bool], other: Setting) -> bool:
            try:
                return holds(self.network(other), other)
            except ValueError:  # the model has no such combination
                return False

        best = cheapest(setting, partial(ask, is_met), still_wanted)
        if best is not None:
            return {"edits": changes(setting, best), "setting": best.as_query()}
        running = None if ask(can_run, setting) else nearest_that_runs(setting, partial(ask, can_run))
        if running is None:
            return {"none": "no change of these controls keeps it"}
        return {"edits": changes(setting, running), "setting": running.as_query(), "runs": True}

    def measure(self, query: Mapping[str, str]) -> dict[str, Any]:
        """The errors on random weights."""
        setting = self.setting(query)
        return measure(self.network(setting), setting)


@lru_cache(maxsize=256)
def _built_in(setting: Setting, arguments: tuple[tuple[str, Any], ...], channels: int) -> Network:
    return built_in(setting, dict(arguments), channels)


def _network(explorer: Explorer, setting: Setting) -> Network:
    if setting.model == OWN and explorer.own is not None:
        return edited(explorer.own, setting)
    told = explorer.arguments if setting.model == explorer.first.model else {}
    return _built_in(setting, tuple(told.items()), explorer.channels)


def _without(query: Mapping[str, str], *names: str) -> dict[str, str]:
    return {name: value for name, value in query.items() if name not in names}


class _Handler(BaseHTTPRequestHandler):
    """Answers one address; only to pages of this server."""

    explorer: Explorer
    asked: count[int]
    newest: list[int]
    measuring: Lock
    reading: Lock

    def do_GET(self) -> None:
        """Answer; the page itself to any link, questions to the page alone."""
        address = urlsplit(self.path)
        question = address.path.removeprefix("/")
        if self.headers.get("Host", "").rpartition(":")[0] not in LOCAL:
            self._send(403, "text/plain", b"this server answers on this machine alone")
        elif address.path in FILES:
            name, kind = FILES[address.path]
            self._send(200, kind, (HERE / name).read_bytes())
        elif question not in QUESTIONS:
            self._send(404, "text/plain", b"no such page")
        elif self.headers.get("Sec-Fetch-Site") not in (None, "none", "same-origin"):
            self._send(403, "text/plain", b"only pages of this server may ask")
        else:
            found = self._found(question, dict(parse_qsl(address.query)))
            self._send(200, "application/json", json.dumps(found, ensure_ascii=False).encode())

    def _found(self, question: str, query: Mapping[str, str]) -> dict[str, Any]:
        """What was asked for; an entry `error` where it cannot be, which the page shows."""
        explorer = self.explorer
        if question == "answer":
            self.newest[0] = next(self.asked)
        mine = self.newest[0]

        def still_wanted() -> bool:
            return self.newest[0] == mine

        try:
            # While PyTorch exports a module nothing else may touch it, nor export another.
            with self.reading if explorer.reads_one_at_a_time else nullcontext():
                if question == "measure":
                    with self.measuring:
                        return explorer.measure(query)
                if question == "answer":
                    return explorer.answer(query)
                return (explorer.sizes if question == "sizes" else explorer.repair)(query, still_wanted)
        except (ValueError, RuntimeError, MemoryError) as error:
            return {"error": " ".join(str(error).split())}

    def _send(self, status: int, kind: str, body: bytes) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            pass  # the page has gone on to another question

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal shows where the page is."""


def make_server(explorer: Explorer, port: int = 0) -> ThreadingHTTPServer:
    """A server of the page on this machine alone, not yet running; port 0 is any that is free.

    Raises:
        OSError: if the port is taken.
    """
    shared = {"explorer": explorer, "asked": count(1), "newest": [0], "measuring": Lock(), "reading": Lock()}
    server = ThreadingHTTPServer((LOCAL[0], port), type("Handler", (_Handler,), shared))
    server.daemon_threads = True
    return server


def address(server: ThreadingHTTPServer) -> str:
    """Where a browser finds the page."""
    return f"http://{LOCAL[0]}:{server.server_address[1]}/"
