"""What every command line here shares: flags that list near matches, errors that are one line, exit statuses.

A command ends with status 0 where it did what was asked, and what was asked about holds. It ends with 1 where it failed
(a full disk, a file that is missing, training that diverged) or the answer is no, with 2 where it was used wrongly: a
flag, a config or a value that cannot be. What was used wrongly has written nothing. A signal that stopped it is told by
128 and its number: 130 for Ctrl-C, 143 for SIGTERM, 141 where nobody reads its output any more.
"""

import difflib
import os
import re
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from absl import app, flags, logging

LONGEST = 2000
"""Characters of an error; a name that came from outside may be as long as it likes."""
EXTRAS = {"flax": "interop", "torch": "torch", "timm": "torch", "torchvision": "torch"}
"""The extras of packages that `train` does not bring."""
ALONE = {
    "keras": ("Keras 3", "keras"),
    "segmentation_models_pytorch": ("segmentation models", "segmentation-models-pytorch"),
}
"""Packages that no extra brings: how they are called, and what installs them."""
_IN_WORDS = {
    r"\('Non-boolean argument to boolean flag', .*\)": "say true or false",
    r"invalid literal for int\(\) with base \d+: .*": "not a whole number",
    r"could not convert string to float: .*": "not a number",
}
HELP = {"--help", "-help", "--helpshort", "-helpshort", "--helpfull", "-helpfull", "--helpxml", "-helpxml", "-?", "--?"}


def run(main: Callable[[], int | None], define_flags: Callable[[], str | None]) -> None:
    """Define the flags, parse the command line, call `main`, and end the program with a status: see above.

    Args:
        main: does the work, and gives the status.
        define_flags: may give the name of a flag that takes several values, which is that of what stands without one.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.modules["__main__"].__doc__ = sys.modules[main.__module__].__doc__  # where absl looks for the text of --help
    bare = None
    try:
        known = set(flags.FLAGS)
        bare = define_flags()  # that of a config looks into files of flags
        for name in set(flags.FLAGS) - known:  # what --help lists
            flags.FLAGS.register_key_flag_for_module(sys.argv[0], flags.FLAGS[name])
    except flags.Error as error:
        _fail(2, error)
    # A write that failed leaves others half done, which complain of it in threads of their own, or as they are thrown
    # away. The failure itself is raised below.
    sys.excepthook = _of_the_main_thread
    sys.unraisablehook = lambda _: None
    # A terminal that has no sign for ⋊ shows its number.
    for stream in (sys.stdout, sys.stderr):
        getattr(stream, "reconfigure", lambda **_: None)(errors="backslashreplace")

    def told(_: Sequence[str]) -> int | None:
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.FATAL)  # what a library logs as an error it raises as well
        status: int | None = None
        try:
            with read_or_not():
                status = main()
        except ValueError as error:
            _fail(2, error)
        except ModuleNotFoundError as error:
            _fail(2, missing(error))
        except (OSError, RuntimeError, MemoryError) as error:
            _fail(getattr(error, "status", 1), error)
        except KeyboardInterrupt:
            _fail(130, "stopped by Ctrl-C")
        return status

    app.run(told, flags_parser=lambda argv: parse(argv, bare))


def missing(error: ModuleNotFoundError) -> str:
    """Which extra brings a package that is not installed."""
    package = (error.name or "").partition(".")[0]
    if package in ALONE:
        name, installed = ALONE[package]
        return f"this needs {name}: pip install {installed}"
    return f"this needs {package}: pip install 'equinet-jax[{EXTRAS.get(package, 'train')}]'"


def check_pattern(text: str, flag: str) -> None:
    """Raise a ValueError unless the text is a regular expression."""
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"--{flag}={text} is no regular expression: {error}") from None


def read_folder(text: str, flag: str) -> Path:
    """The folder that a flag names; it need not exist, but it could be made and written to.

    Raises:
        ValueError: no name, a file where a folder has to be, or a folder that is not ours to write to.
    """
    path = Path(text)
    if not text.strip():
        raise ValueError(f"--{flag} is empty: name a folder")
    try:
        existing = next(each for each in (path, *path.absolute().parents) if each.exists())
        if not existing.is_dir():
            raise ValueError(f"--{flag}={text}: {existing} is a file: name a folder")
        if not os.access(existing, os.W_OK | os.X_OK):
            raise ValueError(f"--{flag}={text}: {existing} cannot be written to: name another folder")
    except OSError as error:
        raise ValueError(f"--{flag}={text}: {error.strerror}: name another folder") from None
    return path


def parse(argv: Sequence[str], bare: str | None = None) -> list[str]:
    """Parse the command line into absl's flags; `bare` is the flag that takes what stands without one.

    Raises:
        SystemExit: with status 2 after one line about a flag, config file or config entry that cannot be; with 0 after
            the help that was asked for.
    """
    given = [value for name, value in _values(argv) if name == "config"]
    config = given[-1] if given else None
    logging.set_verbosity(logging.FATAL)
    try:
        if len(given) > 1:
            raise flags.Error(f"--config is given {len(given)} times: {', '.join(given)}; name one")
        if config is not None:
            _check_config_file(config)
        flags.FLAGS.set_gnu_getopt()  # flags may follow what is none
        with read_or_not():
            rest = flags.FLAGS(list(argv))  # prints the help that is asked for
        for name, value in _values(argv):
            if value.startswith("--") and name in flags.FLAGS and not flags.FLAGS[name].boolean:
                raise flags.Error(f"--{name} lacks a value: what follows it is {value}")
        if config is not None:
            _check_config(config, flags.FLAGS["config"].value)
    except flags.UnrecognizedFlagError as error:
        known = [name for name in flags.FLAGS if "." not in name]
        near = difflib.get_close_matches(error.flagname, known, n=3, cutoff=0.5)
        hint = f"did you mean --{' or --'.join(near)}? " if near else ""
        _fail(2, f"no flag --{error.flagname}: {hint}--help lists them all")
    except KeyboardInterrupt:
        _fail(130, "stopped by Ctrl-C")
    except BaseException as error:  # a config may raise anything
        if isinstance(error, SystemExit) and HELP & set(argv):
            raise SystemExit(0 if error.code == 1 else error.code) from None  # absl ends help with 1
        _fail(2, _of_the_config(config, argv, error) if config is not None else _sentence(error))
    if bare is not None:
        flags.FLAGS[bare].value = [*(flags.FLAGS[bare].value or ()), *rest[1:]]
    elif rest[1:]:
        _fail(2, f"unexpected arguments: {' '.join(rest[1:])}; flags are written --NAME=VALUE")
    return rest


def _values(argv: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Every flag with its value: what stands after `=`, or follows."""
    for flag, following in zip(argv[1:], (*argv[2:], ""), strict=False):
        name, equals, inline = flag.lstrip("-").partition("=")
        if flag.startswith("-"):
            yield name, inline if equals else following


def _check_config_file(value: str) -> None:
    path = Path(_path(value))
    if path.is_file():
        return
    known = {each.stem: str(each) for each in sorted(path.parent.glob("*.py")) if "def get_config(" in each.read_text()}
    near = [known[stem] for stem in difflib.get_close_matches(path.stem, known, n=3, cutoff=0.5)]
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    listed = f"Known: {', '.join(known.values())}" if known else "there is no such file"
    raise flags.Error(f"no config {path}: {hint}{listed}")


def _check_config(value: str, config: Any) -> None:
    try:
        from ml_collections import ConfigDict
    except ModuleNotFoundError as error:
        raise flags.Error(f"--config: {missing(error)}") from None
    if not isinstance(config, ConfigDict):
        getattr(config, "is_locked", None)  # what stands for a config that raised an OSError raises it when touched
        raise flags.Error(f"{_path(value)}: get_config must return a ConfigDict, got {type(config).__name__}")


def _of_the_config(value: str, argv: Sequence[str], error: BaseException) -> str:
    """What went wrong with a command line that has a config: in the file, which may do anything, or in a flag."""
    path = _path(value)
    for each in _chain(error):
        if isinstance(each, AttributeError) and each.name == "get_config":
            return f"{path} has no function get_config: a config is a file with one that returns a ConfigDict"
        lines = [frame.lineno for frame in traceback.extract_tb(each.__traceback__) if _same(frame.filename, path)]
        if lines and type(each).__name__ == "UnknownName":
            return str(each)
        if lines:
            return f"{path}, line {lines[-1]}: {type(each).__name__}: {each}"
    if isinstance(error, flags.Error) and "Error whilst parsing config file" not in str(error):
        return _sentence(error)
    if isinstance(error, AttributeError | KeyError):
        entry = re.search(r"\w+", str(error))
        named = [arg for arg in argv if entry and arg.startswith("--config.") and entry[0] in arg.partition("=")[0]]
        near = re.search(r"Did you mean .*\?", str(error))
        return f"{path} has no such entry: {' '.join(named)}. {near[0] if near else ''}"
    return f"{path}: {_sentence(error)}"


def _path(value: str) -> str:
    """The file of --config=FILE.py:ARGUMENT."""
    return value.split(":")[0]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, and those that it was raised on account of."""
    now: BaseException | None = error
    while now is not None:
        yield now
        now = now.__cause__ or now.__context__


def _same(one: str, other: str) -> bool:
    return Path(one).absolute() == Path(other).absolute()


def _sentence(error: BaseException) -> str:
    """The sentence of an error that a flag parser has wrapped in a traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    useful = [line for line in lines if not line.startswith("Pass --help")]
    text = re.sub(r"^(\w+\.)*[A-Z]\w+: ", "", useful[-1]) if useful else type(error).__name__
    for pythons, ours in _IN_WORDS.items():
        text = re.sub(pythons, ours, text)
    return text


def _of_the_main_thread(*error: Any) -> None:
    if threading.current_thread() is threading.main_thread():
        sys.__excepthook__(*error)


@contextmanager
def read_or_not() -> Iterator[None]:
    """Whoever reads the output may have had enough: the rest is dropped, and what was done stands.

    Raises:
        SystemExit: with status 141 if that stopped what was to be done.
    """
    ended: SystemExit | None = SystemExit(128 + signal.SIGPIPE)
    try:
        try:
            yield
            ended = None
        except SystemExit as error:
            ended = error
        sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()
    if ended is not None:
        raise ended


def _drop_output() -> None:
    """Let Python's last flush as it closes succeed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(status: int, error: BaseException | str) -> NoReturn:
    """End with a status after one line on stderr, whatever the message holds."""
    text = " ".join((str(error) or type(error).__name__).split())
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    print(shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()
    raise SystemExit(status)
