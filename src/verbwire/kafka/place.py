"""Where a record lies."""

from __future__ import annotations

from typing import Protocol


class RecordPlace(Protocol):
    """A record, as far as its place goes; any client's is one."""

    @property
    def topic(self) -> str: ...  # noqa: D102
    @property
    def partition(self) -> int: ...  # noqa: D102
    @property
    def offset(self) -> int: ...  # noqa: D102


def place_of(at: RecordPlace | str) -> str:
    """Return that for people, ``shop.orders.events/3/1204``; what is said already stays as it is."""
    return at if isinstance(at, str) else f"{at.topic}/{at.partition}/{at.offset}"
