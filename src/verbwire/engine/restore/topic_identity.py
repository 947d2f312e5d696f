"""Checks that a partition's positions are of the topics that are there now: ids of topics travel with them.

A topic that was deleted and made again has its name, but another id. An offset in the old one means nothing in the new
one, and a changelog that was made again lacks what stood in the old one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

TOPICS_FACT = "vw_topics"
"""Beside the positions in the changelog: the topics that they are of, ``topic:id`` joined by commas."""


def write_topics(ids: Mapping[str, str]) -> bytes:
    """Return the value of the fact for these ids."""
    return ",".join(f"{topic}:{id}" for topic, id in ids.items()).encode()


def read_topics(facts: Mapping[str, bytes]) -> dict[str, str]:
    """Return the ids that a partition's facts name; those written by an elder version name none."""
    pairs = (each.rpartition(":") for each in facts.get(TOPICS_FACT, b"").decode().split(",") if each)
    return {topic: id for topic, _, id in pairs}


def recreated(known: Mapping[str, str], now: Mapping[str, str], topics: Iterable[str]) -> list[str]:
    """Return those of the topics that are not the ones that they were."""
    return [topic for topic in topics if topic in known and known[topic] != now[topic]]
