"""Command-line programs; run one as `python -m scripts.NAME --help`."""
