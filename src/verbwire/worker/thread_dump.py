"""Prints the stacks of a worker's threads on request: for one that seems to hang."""

from __future__ import annotations

import faulthandler
import logging
import signal
import sys

log = logging.getLogger(__name__)


def stacks_on_request() -> None:
    """From now on SIGUSR1 prints the stacks of all threads to stderr, and the process goes on.

    Where stderr is no file, as in a process that was started without one, the signal does nothing.
    """
    try:
        faulthandler.register(signal.SIGUSR1, sys.stderr, all_threads=True)
    except (RuntimeError, ValueError, AttributeError, OSError) as error:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        log.debug("SIGUSR1 prints nothing here: %s", error)
