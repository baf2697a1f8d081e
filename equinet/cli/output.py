"""JSON that a command prints, and the schema that it keeps to: a file of `schemas/`, JSON Schema of draft 2020-12."""

import json
from importlib import resources
from typing import Any

from absl import flags


def define_json_flags() -> None:
    """Whether a program reads the answer."""
    flags.DEFINE_bool("json", False, "Print JSON instead of text; --schema describes it.")
    flags.DEFINE_bool("schema", False, "Print the JSON Schema of what --json prints, and ask nothing.")


SCHEMAS = resources.files("equinet.cli").joinpath("schemas")


def has_schema(command: str) -> bool:
    """Whether a command prints JSON."""
    return SCHEMAS.joinpath(f"{command}.json").is_file()


def schema(command: str) -> dict[str, Any]:
    """The schema of what a command prints with --json.

    It is open: what a later version adds is valid too.

    >>> schema("query")["title"]
    'equinet query --json'
    """
    return json.loads(SCHEMAS.joinpath(f"{command}.json").read_text("utf-8"))


def print_json(value: Any) -> None:
    """Print plain types as JSON, which has no NaN and no infinity."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))
