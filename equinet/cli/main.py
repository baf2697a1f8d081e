"""`equinet COMMAND --FLAG=VALUE …`: one command a question."""

import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

import equinet
from equinet.cli.command import missing, read_or_not, run
from equinet.names import UnknownName, check_name

COMMANDS = {
    "query": "the symmetry group of a network, where it is lost, and the sizes that keep it",
    "suggest": "the smallest edits that win a group back",
    "sweep": "measure a network, and compare it with its certificate",
    "measure": "what shifts, crops, rotations and scales of your images do to the answers",
    "explore": "a page in the browser: change the network and its input, and see what is kept",
    "train": "train and evaluate the network of a config",
    "study": "run a study of one's own, and make its tables and figures",
    "table": "finished runs side by side: means and 95 % intervals over seeds, learning curves",
}
"""Modules of `equinet.cli`, each with `main`, `define_flags` and a docstring that is its help."""


def main(argv: Sequence[str] | None = None) -> None:
    """What the shell's `equinet` calls; `argv` without the program's name.

    Raises:
        SystemExit: always, with the status that `equinet.cli.command` describes.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == ["--version"]:
        _end_with(equinet.__version__, 0)
    if not given or given[0] in ("--help", "-h", "help"):
        _end_with(usage(), 0 if given else 2)
    try:
        name = check_name(given[0], COMMANDS, "command")
    except UnknownName as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    try:
        command = importlib.import_module(f"equinet.cli.{name}")
    except ModuleNotFoundError as error:
        print(f"equinet {name}: {missing(error)}", file=sys.stderr)
        raise SystemExit(2) from None
    sys.argv = [f"equinet {name}", *given[1:]]
    run(command.main, command.define_flags)


def _end_with(text: str, status: int) -> NoReturn:
    with read_or_not():
        print(text)
    raise SystemExit(status)


def usage() -> str:
    """The commands, a line each."""
    lines = [f"  {name:9}{what}" for name, what in COMMANDS.items()]
    return "\n".join(
        ["usage: equinet COMMAND --FLAG=VALUE …", "", *lines, "", "equinet COMMAND --help lists its flags"]
    )
