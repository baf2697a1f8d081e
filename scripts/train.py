"""`python -m scripts.train` is `equinet train`."""

import sys

from equinet.cli.main import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
