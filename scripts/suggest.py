"""`python -m scripts.suggest` is `equinet suggest`."""

import sys

from equinet.cli.main import main

if __name__ == "__main__":
    main(["suggest", *sys.argv[1:]])
