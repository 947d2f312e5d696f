"""Maps as messages hold them: read like any dict, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

V = TypeVar("V")


def _refuse(self: object, *_: object, **__: object) -> NoReturn:  # noqa: ARG001 (of whatever a mutator is given)
    raise TypeError(
        "a message's map cannot be changed, others see the same one: build another, like {**tags, 'a': 1}, "
        "and return a message that has it"
    )


class FrozenMap(dict[str, V]):
    """A dict that refuses to be changed, with TypeError; equal to a dict of the same entries.

    ``copy`` and ``|`` give plain dicts, which can be changed.
    """

    __slots__ = ()

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = _refuse

    def __ior__(self, other: Mapping[str, V]) -> Any:  # type: ignore[override,misc]  # no change in place, see below
        """Leave it to ``|``: ``tags |= more`` binds the name to a new dict."""
        return NotImplemented

    def __copy__(self) -> FrozenMap[V]:
        """Return itself: it cannot be changed, so a copy would be the same."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are made whole; made entry by entry they would have to be changed."""
        return FrozenMap, (dict(self),)
