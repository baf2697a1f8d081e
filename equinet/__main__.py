"""`python -m equinet` is the command `equinet`."""

from equinet.cli.main import main

main()
