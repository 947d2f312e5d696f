"""Raises the limit of open files of this process: sockets, pipes and local copies all count.

The limit is POSIX's RLIMIT_NOFILE. The soft one, 1,024 on most machines, is what applies, and is there for the sake of
programs that use select(2); a process may raise it to the hard one by itself. JVMs do so, and here workers do.
"""

from __future__ import annotations

import resource
from contextlib import suppress

_UNLIMITED = 1_048_576  # what is counted with where there is no limit: Linux has no more than that by default
_PORTABLE = 10_240  # macOS: OPEN_MAX, beyond which it takes no limit where the hard one is "unlimited"


def raise_limit() -> int:
    """Raise the soft limit to the hard one, as far as the system lets us, and return what it is then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (hard, _PORTABLE):
        if soft in (hard, resource.RLIM_INFINITY) or _number(wanted) <= soft:
            break
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            break
    return limit()


def limit() -> int:
    """Return the limit that applies now."""
    return _number(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _number(limit: int) -> int:
    return _UNLIMITED if limit == resource.RLIM_INFINITY else limit
