"""Reads which generations there are. A project that has never rebuilt anything has no such topic, and none is made."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any, NamedTuple

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaException,
    Message,
    TopicPartition,
)

from verbwire.errors import UnavailableError
from verbwire.kafka import denials
from verbwire.kafka.readers import read_to_end, reader_properties, unreadable
from verbwire.names import REBUILD_READER, Names
from verbwire.settings import Settings
from verbwire.wire.records.rebuilds import FIRST, Generations, RebuildWord, read

log = logging.getLogger(__name__)

_SECONDS = 10.0
_TOLD: set[str] = set()  # topics that we may not read, once


def reader(kafka: Mapping[str, Any]) -> Consumer:
    """Return a consumer for the topic; the caller closes it."""
    return Consumer(reader_properties(kafka, REBUILD_READER, fetch_wait_max_ms=100, queued_max_messages_kbytes=2048))


def is_there(consumer: Consumer, topic: str, *, strict: bool = False, tells: bool = False) -> bool:
    """Whether the topic is there; UnavailableError where Kafka does not say.

    Where ACLs do not let us know (those of a release before do not name it) it is taken for absent, unless that is
    `strict`. A worker that may not read it is never switched: it takes part in no pause, and `tells` so once.
    """
    try:
        known = consumer.list_topics(topic, timeout=_SECONDS).topics.get(topic)
    except KafkaException as error:
        raise unreadable(topic, error.args[0]) from error
    if known is not None and known.error is not None and denials.is_denied(known.error):
        if strict:
            raise unreadable(topic, known.error)
        if tells and topic not in _TOLD:
            _TOLD.add(topic)
            log.warning("tables that are rebuilt are not followed: %s", denials.denied("READ", f"TOPIC {topic}"))
        return False
    return known is not None and known.error is None


def word_of(message: Message) -> tuple[str, RebuildWord | None]:
    """Return the group that a record is about, and what it says; None: nothing any more."""
    kind, at_ms = message.timestamp()
    value, group = message.value(), (message.key() or b"").decode(errors="replace")
    return group, None if value is None else read(value, at_ms if kind == TIMESTAMP_LOG_APPEND_TIME else 0)


class DatedWord(NamedTuple):
    """The newest word about a group, and when it was written, by the broker's clock in milliseconds."""

    word: RebuildWord
    at_ms: int


def read_words(kafka: Mapping[str, Any], topic: str, *, strict: bool = False) -> dict[str, RebuildWord]:
    """Return the newest word about each group that was ever rebuilt; UnavailableError where it cannot be read.

    `strict`: also where ACLs are in the way.
    """
    return {group: dated.word for group, dated in read_dated(kafka, topic, strict=strict).items()}


def read_dated(kafka: Mapping[str, Any], topic: str, *, strict: bool = False) -> dict[str, DatedWord]:
    """The same, each with its time."""
    found: dict[str, DatedWord] = {}
    with closing(reader(kafka)) as consumer:
        if not is_there(consumer, topic, strict=strict):
            return {}
        for message in read_to_end(consumer, [TopicPartition(topic, 0, OFFSET_BEGINNING)]):
            group, word = word_of(message)
            if word is None:
                found.pop(group, None)
            else:
                found[group] = DatedWord(word, message.timestamp()[1])
    return found


def generations_of(words: Mapping[str, RebuildWord], group: str) -> Generations:
    """Return the generations of a group, as declared."""
    word = words.get(group)
    return FIRST if word is None else word.generations


def with_serving(settings: Settings, words: Mapping[str, RebuildWord]) -> Settings:
    """Return settings whose names mean what serves."""
    return replace(settings, generations=served_names(settings.names, words).generations)


def served_names(names: Names, words: Mapping[str, RebuildWord]) -> Names:
    """Return names that mean what serves."""
    serving = {group: word.generations.serving for group, word in words.items()}
    return replace(names, generations=tuple((group, each) for group, each in serving.items() if each))


def as_served(settings: Settings, kafka: Mapping[str, Any]) -> Settings:
    """Return settings whose names mean what serves now; as they are where the cluster does not say."""
    try:
        return with_serving(settings, read_words(kafka, settings.names.rebuilds()))
    except UnavailableError:
        return settings
