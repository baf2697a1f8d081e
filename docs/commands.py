"""The reference of the command, made from its flags and the schemas of its JSON; `conf.py` inserts it."""

import importlib
import re
from collections.abc import Callable, Iterator
from typing import Any

from absl import flags

from equinet.cli.main import COMMANDS
from equinet.cli.output import has_schema, schema
from equinet.cli.subject import define_subject_flags


def all_flags() -> str:
    """A section for each command, with its help and its flags; those that say which network have the first section."""
    shared = _defined(define_subject_flags)
    parts = ["## Which network\n", "`query`, `suggest`, `sweep` and others that ask about a network share these.\n"]
    parts += ["\n".join(_rows(shared)), ""]
    for name in COMMANDS:
        command = importlib.import_module(f"equinet.cli.{name}")
        found = _defined(command.define_flags)
        own = {flag: each for flag, each in found.items() if flag not in shared or each.help != shared[flag].help}
        more = "" if len(own) == len(found) else "Besides the flags that say [which network](#which-network):\n"
        parts += [
            f"## `equinet {name}`\n",
            f"```text\n{command.__doc__.strip()}\n```\n",
            more,
            "\n".join(_rows(own)),
            "",
        ]
    return "\n".join(parts)


def all_schemas() -> str:
    """A section for each command that prints JSON."""
    return "\n\n".join(f"## `equinet {name} --json`\n\n{schema_table(name)}" for name in COMMANDS if has_schema(name))


def _defined(define: Callable[[], Any]) -> dict[str, flags.Flag]:
    """The flags that a function defines, in its order; they are forgotten again."""
    known = set(flags.FLAGS)
    define()
    found = {name: flags.FLAGS[name] for name in flags.FLAGS if name not in known}
    for name in found:
        delattr(flags.FLAGS, name)
    return {name: flag for name, flag in found.items() if flag.name == name}


def _rows(found: dict[str, flags.Flag]) -> Iterator[str]:
    yield "| flag | default | |"
    yield "|---|---|---|"
    for name, flag in found.items():
        choices = getattr(flag.parser, "enum_values", None)
        help_text = re.sub(r"--[\w.]*\w", r"`\g<0>`", re.sub(r"^<[^>]*>: ", "", _cell(flag.help or "")))
        listed = f" One of {', '.join(f'`{each}`' for each in choices)}." if choices else ""
        shown = f"`--{name}`" if flag.boolean else f"`--{name}=…`"
        yield f"| {shown} | {_default(flag)} | {help_text}{listed} |"


def _default(flag: flags.Flag) -> str:
    if flag.boolean:
        return "yes" if flag.default else "no"
    return f"`{flag.default}`" if flag.default not in (None, "", []) else ""


def schema_table(command: str) -> str:
    """The entries of a command's JSON, a Markdown table for the object and one for each kind of entry in it."""
    found = schema(command)
    parts = [found["description"], "\n".join(_entries(found))]
    for name, part in found.get("$defs", {}).items():
        parts += [f"**{name}**: {_cell(part['description'])}", "\n".join(_entries(part))]
    return "\n\n".join(parts)


def _entries(node: dict[str, Any]) -> Iterator[str]:
    yield "| entry | | |"
    yield "|---|---|---|"
    for name, entry in _flat(node, ""):
        yield f"| `{name}` | {_kind(entry)} | {_cell(entry.get('description', ''))} |"


def _flat(node: dict[str, Any], above: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every entry, those of objects within it after it."""
    for name, entry in node.get("properties", {}).items():
        yield f"{above}{name}", entry
        yield from _flat(entry, f"{above}{name}.")
        yield from _flat(entry.get("items", {}), f"{above}{name}[].")


def _kind(entry: dict[str, Any], many: bool = False) -> str:
    """What an entry holds, in words; of a list, what its entries are."""
    if "$ref" in entry:
        return entry["$ref"].rpartition("/")[2]
    if "const" in entry or "enum" in entry:
        values = entry["enum"] if "enum" in entry else [entry["const"]]
        return ", ".join("null" if value is None else f"`{value}`" for value in values)
    words = {"string": "text", "integer": "whole numbers" if many else "whole number", "boolean": "true or false"}
    words |= {"number": "numbers", "object": "objects"} if many else {}
    kinds = entry["type"] if isinstance(entry["type"], list) else [entry["type"]]
    inner = f"list of {_kind(entry['items'], many=True)}" if "items" in entry else "list"
    return " or ".join(inner if kind == "array" else words.get(kind, kind) for kind in kinds)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
