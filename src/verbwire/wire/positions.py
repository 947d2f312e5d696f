"""Positions as text: how far a reader of one's own writes must be, for the header ``Verbwire-Position``.

``<topic>=<partition>:<next offset>,<partition>:<next offset>;<topic>=...``: whoever has applied everything below each
of these offsets has seen what the sender has seen.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import groupby
from typing import TypeAlias

from verbwire.errors import UndecodableError

Positions: TypeAlias = dict[tuple[str, int], int]
"""The next offset of each topic and partition."""

HEADER = "Verbwire-Position"
MAX_TEXT = 16_384
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")
_PLACE = re.compile(r"([0-9]{1,9}):([0-9]{1,18})")


def encode_positions(positions: Mapping[tuple[str, int], int]) -> str:
    """Return positions as the text of a header; empty for none."""
    by_topic = groupby(sorted(positions.items()), lambda entry: entry[0][0])
    return ";".join(
        f"{topic}=" + ",".join(f"{partition}:{offset}" for (_, partition), offset in entries)
        for topic, entries in by_topic
    )


def decode_positions(text: str) -> Positions:
    """Return the positions of a header's text; of two offsets for one partition the higher.

    :class:`UndecodableError` when it is not well formed, or longer than 16 KiB.
    """
    if len(text) > MAX_TEXT:
        raise UndecodableError(f"{HEADER} has {len(text)} characters, {MAX_TEXT} are read at most")
    positions: Positions = {}
    for part in filter(None, (each.strip() for each in text.split(";"))):
        topic, _, places = part.partition("=")
        if not _TOPIC.fullmatch(topic):
            raise UndecodableError(
                f"{HEADER}: {topic[:40]!r} is not a topic; write topic=partition:offset,...;topic=..."
            )
        for place in places.split(","):
            found = _PLACE.fullmatch(place.strip())
            if found is None:
                raise UndecodableError(f"{HEADER}: {place[:40]!r} is not partition:offset")
            merge(positions, topic, int(found[1]), int(found[2]))
    return positions


def merge(positions: Positions, topic: str, partition: int, following: int) -> None:
    """Note that `following` is the next offset, unless a later one is known."""
    place = (topic, partition)
    if positions.get(place, -1) < following:
        positions[place] = following
