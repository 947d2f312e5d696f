"""Keeps a stack up until SIGINT or SIGTERM: ``python -m verbwire.embedded --folder FOLDER [--nodes 3]``."""

from __future__ import annotations

import argparse
import signal
import sys
from contextlib import suppress
from pathlib import Path

from verbwire.embedded.stack import Stack
from verbwire.errors import VerbwireError


def main() -> int:
    """Start, say where, wait for a signal, stop."""
    parser = argparse.ArgumentParser(prog="python -m verbwire.embedded")
    parser.add_argument("--folder", type=Path, required=True, help="where data, logs and stack.json are kept")
    parser.add_argument("--nodes", type=int, default=1, choices=(1, 3), help="Kafka nodes")
    given = parser.parse_args()
    try:
        keep_up(given.folder, given.nodes)
    except VerbwireError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def keep_up(folder: Path, nodes: int = 1) -> None:
    """Run a stack until SIGINT or SIGTERM; its data stays for the next time."""
    # A SIGTERM ends it as a Ctrl-C does: by the same clean way out.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt), Stack(folder, nodes):
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())
