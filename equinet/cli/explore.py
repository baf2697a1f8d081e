"""A page in the browser: change the network and its input, and see what is kept, where it is lost, and what mends it.

    equinet explore
    equinet explore --model=resnet --model_args=depth=50,down=aps --size=64
    equinet explore --call=my_net.py:net --domain=box --size=33

Serves the page on this machine alone, until Ctrl-C. Its address is a permalink: it holds what the controls say.
"""

import webbrowser
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from absl import flags

from equinet.cli.subject import NETWORKS, Subject, called, define_subject_flags, read_arguments, read_subject
from equinet.explore import Network
from equinet.explore.server import Explorer, address, make_server
from equinet.explore.setting import ARGUMENTS, LEAST, MOST, OWN, Setting, read
from equinet.groups.domain import Domain
from equinet.models import MODELS
from equinet.symmetry.certificate import Certificate

KINDS = {"periodic": "torus", "bounded": "box", "infinite": "plane"}


def define_flags() -> None:
    """The command line."""
    define_subject_flags()
    flags.DEFINE_integer("port", 0, "Of the page; 0 is any that is free.", lower_bound=0, upper_bound=65535)
    flags.DEFINE_bool("open", True, "Open the page in the browser.")


def main() -> int:
    explorer = read_explorer()
    port = flags.FLAGS.port
    try:
        server = make_server(explorer, port)
    except OSError as error:
        raise OSError(f"--port={port}: {error.strerror}: name another, or 0 for any that is free") from None
    where = f"{address(server)}?{urlencode(explorer.first.as_query())}"
    print(f"{where}\nCtrl-C ends it", flush=True)
    if flags.FLAGS.open:
        webbrowser.open(where)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass  # as one is told to
    finally:
        server.server_close()
    return 0


def read_explorer() -> Explorer:
    """What the flags say that the page opens with.

    Raises:
        ValueError: for a network that cannot be read, or a domain that the page has no control for.
    """
    args = flags.FLAGS
    if all(args[name].value is None for name in NETWORKS):
        args.model = next(iter(MODELS))
    asked = read_subject()
    domain, size = _domain_of(asked.domain)
    if args.model is None:
        own = Network(
            asked.name, asked.net, asked.channels, asked.domain.dim, _certify(asked), variables=asked.variables
        )
        return Explorer(_first(OWN, {}, domain, size, own.dim), own, channels=asked.channels)
    if asked.domain.dim != 2:
        raise ValueError(f"the page asks about built-in models in two dimensions; got --dim={asked.domain.dim}")
    told = read_arguments(args.model_args)
    kept = {name: value for name, value in told.items() if name not in ARGUMENTS and name != "dim"}
    first = _first(args.model, {name: str(told[name]) for name in ARGUMENTS if name in told}, domain, size, 2)
    if lost := [name for name in first.arguments.keys() & told.keys() if str(told[name]) != getattr(first, name)]:
        raise ValueError(f"the page has no control for {called(args.model, {name: told[name] for name in lost})}")
    return Explorer(first, None, kept, asked.channels)


def _certify(asked: Subject) -> Any:
    """The certificate of a network on any domain."""

    def certify(domain: Domain) -> Certificate:
        return replace(asked, domain=domain).certify()

    return certify


def _domain_of(domain: Domain) -> tuple[str, int]:
    """The kind and the size of a domain whose axes are alike.

    Raises:
        ValueError: if they are not.
    """
    kinds, sizes = {axis.boundary for axis in domain.axes}, {n for n in domain.sizes if n is not None}
    if len(kinds) > 1 or len(sizes) > 1:
        raise ValueError(f"the page asks about inputs whose axes are alike; got {domain}: give --domain and one --size")
    size = next(iter(sizes), 32)
    if not LEAST <= size <= MOST:
        raise ValueError(f"the page asks about sizes from {LEAST} to {MOST}; got {size}")
    return KINDS[kinds.pop()], size


def _first(model: str, arguments: dict[str, str], domain: str, size: int, dim: int) -> Setting:
    return read({"model": model, **arguments, "domain": domain, "size": str(size)}, (model,), dim)
