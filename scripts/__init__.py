"""Command-line programs; run one as `python -m scripts.NAME --help`."""

import signal
import sys

# While a program is imported (`-m` stands for it until then), Ctrl-C ends it without a traceback; `run` takes over.
if sys.argv[:1] == ["-m"] and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
