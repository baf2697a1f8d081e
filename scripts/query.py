"""`python -m scripts.query` is `equinet query`."""

import sys

from equinet.cli.main import main

if __name__ == "__main__":
    main(["query", *sys.argv[1:]])
