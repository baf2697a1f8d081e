"""`python -m scripts.sweep` is `equinet sweep`."""

import sys

from equinet.cli.main import main

if __name__ == "__main__":
    main(["sweep", *sys.argv[1:]])
