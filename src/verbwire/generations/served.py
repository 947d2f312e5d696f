"""The settings of a project as its cluster has them: with the generations that serve, and all that stand."""

from __future__ import annotations

from collections.abc import Sequence

from verbwire.generations.topic import read_words, with_serving
from verbwire.kafka.addresses import addresses, kafka_properties
from verbwire.kafka.connectivity import require_kafka
from verbwire.settings import Settings
from verbwire.wire.records.rebuilds import RebuildWord


def words_of(settings: Settings, *, strict: bool = False) -> dict[str, RebuildWord]:
    """Return the newest word about each group that was ever rebuilt; UnavailableError where Kafka does not answer.

    `strict`: also where its ACLs do not let us know.
    """
    kafka = kafka_properties(settings, addresses(settings)[0])
    require_kafka(kafka)
    return read_words(kafka, settings.names.rebuilds(), strict=strict)


def served(settings: Settings) -> Settings:
    """Return settings whose names mean what serves now; UnavailableError where Kafka does not answer."""
    return with_serving(settings, words_of(settings))


def standing(words: dict[str, RebuildWord]) -> dict[str, Sequence[int]]:
    """Return the numbers of all generations that have topics, by group: whatever serves, is built or is kept."""
    return {group: word.generations.standing for group, word in words.items()}
