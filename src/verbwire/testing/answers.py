"""What a command was answered with, held against its contract: of an aggregate, or of a process."""

from __future__ import annotations

from verbwire.contracts.schema.model import Catalog
from verbwire.messages import Command, Rejected, Reply
from verbwire.testing.comparing import show


def require_declared(rejected: Rejected, command: Command, catalog: Catalog | None) -> None:
    """Raise AssertionError for a code that the command's contract does not name."""
    __tracebackhide__ = True
    if catalog is None:
        return
    contract = catalog.of(command)
    if rejected.code not in contract.rejections:
        raise AssertionError(
            f"{rejected.code!r} is not among the rejections of {contract.name}: "
            f"add it to {contract.file.name}, or return one of {', '.join(sorted(contract.rejections)) or '(none)'}"
        )


def require_reply(reply: Reply | None, command: Command, catalog: Catalog | None) -> None:
    """Raise AssertionError for another reply than the one that the command's contract names."""
    __tracebackhide__ = True
    if catalog is None:
        return
    wanted, found = catalog.of(command).reply, reply.__contract__ if reply is not None else None
    if found != wanted:
        raise AssertionError(
            f"{show(command)}\nwas accepted with {found or 'no reply'}: its contract says {wanted or 'none'}"
        )


def refusal(rejected: Rejected) -> str:
    """Return a rejection in a line."""
    return f"{rejected.code} ({rejected.reason})" if rejected.reason else rejected.code
