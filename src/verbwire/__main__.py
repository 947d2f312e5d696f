"""``python -m verbwire``: the command line, where its script is not on the path."""

from verbwire.cli import main

main()
