"""What every command line here shares: flags that list near matches, errors that are a sentence."""

import difflib
import os
import re
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from absl import app, flags, logging

CONFIGS = Path(__file__).resolve().parent.parent / "configs"


def run(main: Callable[[], None], define_flags: Callable[[], None]) -> None:
    """Define the flags, parse the command line, call `main`; wrong input ends the program with status 2 or 1."""
    define_flags()
    # A write that failed leaves others half done, which complain of it in threads of their own, or as they are thrown
    # away. The failure itself is raised below.
    sys.excepthook = _of_the_main_thread
    sys.unraisablehook = lambda _: None

    def no_arguments(argv: Sequence[str]) -> None:
        if len(argv) > 1:
            raise app.UsageError(f"unexpected arguments: {' '.join(argv[1:])}")
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.FATAL)  # what a library logs as an error it raises as well
        try:
            main()
        except BrokenPipeError:
            # Whoever read the output has had enough; Python would complain once more as it closes.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (ValueError, OSError, RuntimeError) as error:
            print(error, file=sys.stderr)
            raise SystemExit(getattr(error, "status", 1)) from error
        except KeyboardInterrupt:
            print("stopped by Ctrl-C", file=sys.stderr)
            raise SystemExit(130) from None

    app.run(no_arguments, flags_parser=parse)


def check_pattern(text: str, flag: str) -> None:
    """Raise a ValueError unless the text is a regular expression."""
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"--{flag}={text} is no regular expression: {error}") from None


def parse(argv: Sequence[str]) -> list[str]:
    """Parse the command line into absl's flags; what is left is returned.

    Raises:
        SystemExit: with status 2 after one line about a flag, config file or config entry that does not exist.
    """
    try:
        _check_config_file(argv)
        return flags.FLAGS(list(argv))
    except flags.UnrecognizedFlagError as error:
        known = [name for name in flags.FLAGS if "." not in name]
        near = difflib.get_close_matches(error.flagname, known, n=3, cutoff=0.5)
        hint = f"did you mean --{' or --'.join(near)}? " if near else ""
        _fail(f"no flag --{error.flagname}: {hint}--help lists them all")
    except (flags.Error, ValueError, OSError, AttributeError, TypeError, KeyError, SyntaxError) as error:
        _fail(_last_line(error))


def _check_config_file(argv: Sequence[str]) -> None:
    value = None
    for flag, following in zip(argv[1:], (*argv[2:], ""), strict=False):
        name, equals, inline = flag.lstrip("-").partition("=")
        if flag.startswith("-") and name == "config":
            value = inline if equals else following
    if value is None:
        return
    path = Path(value.split(":")[0])
    if path.is_file():
        return
    known = sorted(f"configs/{each.name}" for each in CONFIGS.glob("*.py") if "def get_config(" in each.read_text())
    stems = [Path(each).stem for each in known]
    near = [f"configs/{stem}.py" for stem in difflib.get_close_matches(path.stem, stems, n=3, cutoff=0.5)]
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise ValueError(f"no config {path}: {hint}Known: {', '.join(known)}")


def _last_line(error: BaseException) -> str:
    """The sentence of an error that a flag parser has wrapped in a traceback."""
    # A KeyError shows its message as Python code.
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    useful = [line for line in lines if not line.startswith("Pass --help")]
    return re.sub(r"^(\w+\.)*[A-Z]\w+: ", "", useful[-1]) if useful else repr(error)


def _of_the_main_thread(*error: Any) -> None:
    if threading.current_thread() is threading.main_thread():
        sys.__excepthook__(*error)


def _fail(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    raise SystemExit(2)
