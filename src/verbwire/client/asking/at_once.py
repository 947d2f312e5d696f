"""Refuses to ask for an outcome that is days away, and says how to have it all the same."""

from __future__ import annotations

from collections.abc import Mapping

from verbwire.errors import WrongVerbError


def require_at_once(more: Mapping[str, object]) -> None:
    """Raise :class:`WrongVerbError` where a command is asked for later, TypeError for what is no parameter at all."""
    if not more:
        return
    if more.keys() <= {"at", "after"}:
        raise WrongVerbError(
            "a command for later is sent, not asked: its outcome may be months away, and it may be cancelled. "
            "Who has to know lets a process receive a command, which is asked, send this one by later(...) and answer "
            "with its outcome: that handle is resumed by its token, whenever it comes"
        )
    raise TypeError(f"ask() got an unexpected keyword argument {next(iter(more))!r}")
