"""What a command leaves besides text: figures, and JSON with the schema that it keeps to.

Each schema is a file of `schemas/`, JSON Schema of draft 2020-12.
"""

import json
import os
from importlib import resources
from pathlib import Path
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


def check_figure(path: str, flag: str) -> None:
    """Raise before any work is done if the figure that a flag names could not be written."""
    from matplotlib.backend_bases import FigureCanvasBase

    kinds = FigureCanvasBase.get_supported_filetypes()
    if Path(path).suffix.removeprefix(".") not in kinds:
        raise ValueError(f"--{flag}={path}: end its name in one of .{', .'.join(sorted(kinds))}")
    if not Path(path).parent.is_dir():
        raise ValueError(f"--{flag}={path}: there is no folder {Path(path).parent}")
    if Path(path).is_dir() or not os.access(Path(path).parent, os.W_OK):
        raise ValueError(f"--{flag}={path} cannot be written: name another file")
