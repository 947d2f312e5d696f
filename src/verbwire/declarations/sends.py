"""What the handlers of a subscriber or a job may send: declared, so that it can be seen and permitted beforehand."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from verbwire.errors import ContractError, WrongVerbError
from verbwire.messages import Command, Event, Message


def require_messages(
    group: str, sends: Sequence[type[Command]], publishes: Sequence[type[Event]]
) -> tuple[tuple[type[Command], ...], tuple[type[Event], ...]]:
    """Return both as they are kept; :class:`WrongVerbError` where one is no generated class of its kind."""
    for kind, verb, named in ((Command, "sends", sends), (Event, "publishes", publishes)):
        for each in named:
            if not (isinstance(each, type) and issubclass(each, kind) and each.__contract__):
                raise WrongVerbError(f"{group} {verb} {each!r}, which is no {kind.__name__.lower()}")
    return tuple(sends), tuple(publishes)


def require_scopes(group: str, scopes: Sequence[str]) -> tuple[str, ...]:
    """Return what a group's commands may do; :class:`ContractError` for one text: its letters would count."""
    if isinstance(scopes, str) or not all(isinstance(each, str) and each.split() == [each] for each in scopes):
        raise ContractError(f'{group}: scopes={scopes!r}: write a list of texts without blanks, ["orders:write"]')
    return tuple(scopes)


def require_declared(group: str, message: Message, declared: Collection[type[Message]]) -> None:
    """Raise :class:`ContractError` where a handler of the group sends what the group does not say that it sends."""
    cls = type(message)
    if cls not in declared:
        verb = "sends" if isinstance(message, Command) else "publishes"
        raise ContractError(
            f"{group} {verb} {cls.__name__}, which its declaration does not say: add {verb}=[{cls.__name__}] to it"
        )
