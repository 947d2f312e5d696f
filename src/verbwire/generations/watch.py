"""Follows the words about rebuilt groups in a worker, and tells the groups that are hosted there.

While a project has no such topic, it is looked for every few seconds, and that is all.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from verbwire.errors import UnavailableError, UndecodableError
from verbwire.generations.topic import is_there, reader, word_of
from verbwire.kafka.offsets import ClusterOffsets
from verbwire.kafka.readers import is_end, unreadable
from verbwire.names import REBUILD_READER
from verbwire.wire.records.rebuilds import Generations, RebuildWord

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
_POLL_SECONDS = 0.25
_AGAIN_SECONDS = 1.0
Told: TypeAlias = Callable[[RebuildWord], None]


class RebuildWatch:
    """Tells those who `follow` of each word about their group; runs on a thread between `start` and `stop`.

    A pause that is over without a word is told as the end of it: what serves is what served before. Until then has been
    read whatever could have been said in time: the topic has nothing more, open transactions included.
    """

    def __init__(self, kafka: dict[str, str], topic: str) -> None:
        self._kafka, self._topic = kafka, topic
        self._followers: dict[str, list[Told]] = {}
        self._pauses: dict[str, tuple[float, Generations]] = {}  # until when, on our clock, and what serves then
        self._position = 0  # behind what was read, markers of transactions included
        self._cluster = ClusterOffsets(kafka, REBUILD_READER)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="verbwire-rebuilds", daemon=True)

    def follow(self, group: str, told: Told) -> None:
        """Tell this of each word about a group, as declared, from the watch's thread; before `start`."""
        self._followers.setdefault(group, []).append(told)

    def start(self) -> None:
        """Begin, where anybody follows."""
        if self._followers:
            self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()

    # -- on its own thread

    def _run(self) -> None:
        while not self._stopping.is_set():
            consumer = reader(self._kafka)
            try:
                self._follow(consumer)
            except (UnavailableError, KafkaException) as error:
                log.debug("%s: %s", self._topic, error)
            except Exception:
                log.exception("following %s failed in a way that is not foreseen", self._topic)
            finally:
                consumer.close()
            self._stopping.wait(_AGAIN_SECONDS)

    def _follow(self, consumer: Consumer) -> None:
        while not is_there(consumer, self._topic, tells=True):
            if self._stopping.wait(LOOK_SECONDS):
                return
        consumer.assign([TopicPartition(self._topic, 0, OFFSET_BEGINNING)])
        newest: dict[str, RebuildWord] | None = {}  # until the end has been reached once: only the newest words count
        while not self._stopping.is_set():
            message = consumer.poll(_POLL_SECONDS)
            if message is not None and is_end(message):
                self._position = message.offset() or 0
                for group, word in (newest or {}).items():
                    self._tell(group, word)
                newest = None
            elif message is not None and (error := message.error()) is not None:
                raise unreadable(self._topic, error)
            elif message is not None:
                self._read(message, newest)
            if newest is None:
                self._end_pauses()

    def _read(self, message: Any, newest: dict[str, RebuildWord] | None) -> None:
        self._position = max(self._position, message.offset() + 1)
        try:
            group, word = word_of(message)
        except UndecodableError as error:
            log.error("%s/0/%d: %s: a worker of a newer version reads it", self._topic, message.offset(), error)
            return
        if word is None or group not in self._followers:
            return
        self._pauses.pop(group, None)
        if word.paused_until_ms:
            # The record is older than this moment, so its end by our clock is no earlier than by the broker's.
            seconds = (word.paused_until_ms - message.timestamp()[1]) / 1000
            self._pauses[group] = time.monotonic() + seconds, word.generations
        if newest is None:
            self._tell(group, word)
        else:
            newest[group] = word

    def _end_pauses(self) -> None:
        over = [group for group, (until, _) in self._pauses.items() if time.monotonic() > until]
        if not over or self._cluster.ends([(self._topic, 0)])[self._topic, 0] > self._position:
            return
        for group in over:
            _, generations = self._pauses.pop(group)
            log.warning("%s: the switch was not finished in time: generation %d serves on", group, generations.serving)
            self._tell(group, RebuildWord(generations=generations))

    def _tell(self, group: str, word: RebuildWord) -> None:
        for told in self._followers[group]:
            told(word)
