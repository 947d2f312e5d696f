"""Exit statuses of commands, for scripts; the table in README.md says the same."""

from __future__ import annotations

from enum import IntEnum

from verbwire.errors import ConfigurationError, NotAuthorizedError, NotFoundError, UnavailableError, VerbwireError


class Exit(IntEnum):
    """Exit statuses of ``verbwire``. A Ctrl-C ends it with 130, as shells expect."""

    DONE = 0
    FOUND = 1  # the check found errors, an ACL or the cluster is in the way, or something broke: the text says what
    USAGE = 2  # the command line or a setting is wrong; Click's own status for the former
    UNAVAILABLE = 3  # Kafka or the registry cannot be reached now: trying again may help
    REFUSED = 4  # the answer is no: a command was rejected, has failed or expired, or a query found no row


def exit_of(error: VerbwireError) -> Exit:
    """Return with what a command ends that raised this error."""
    match error:
        case ConfigurationError():
            return Exit.USAGE
        case NotFoundError():
            return Exit.REFUSED
        case NotAuthorizedError():  # trying again does not help
            return Exit.FOUND
        case UnavailableError():
            return Exit.UNAVAILABLE
        case _:
            return Exit.FOUND
