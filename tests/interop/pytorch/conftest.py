"""What the tests here share is written in PyTorch: without it there is nothing to collect, and each test says so."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("torch") else ["networks.py", "operations.py", "more_operations.py"]
