"""Opens a project's topics for reading: in no group, committed records alone, between two points."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from verbwire.errors import UnavailableError
from verbwire.inspection.reading.cluster_view import ClusterView, opened
from verbwire.inspection.reading.known_topics import KnownTopic, topics_of
from verbwire.kafka.denials import unavailable
from verbwire.kafka.offsets import ClusterOffsets
from verbwire.kafka.readers import read_to_end, reader_properties
from verbwire.names import INSPECTION_READER
from verbwire.project import Project
from verbwire.wire.codec.topics import Codec

TP: TypeAlias = tuple[str, int]
_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a partition: from the first offset up to, without, the second."""

    start: int
    end: int

    @property
    def offsets(self) -> int:
        """How many offsets it has; records are fewer where a log is compacted or transactional."""
        return max(0, self.end - self.start)


class OpenCluster:
    """The topics of a project on its cluster. Not to be used by several threads.

    `step` is called for each record that is read, and may end the reading by raising.
    """

    def __init__(self, view: ClusterView, step: Callable[[], None] = lambda: None) -> None:
        self._view = view
        self._step = step
        self.project = view.project

    @property
    def codec(self) -> Codec:
        """What reads the project's records."""
        return self._view.codec

    @cached_property
    def topics(self) -> dict[str, KnownTopic]:
        """All topics that the project may have."""
        return topics_of(self.project)

    @cached_property
    def partitions(self) -> dict[str, int]:
        """The number of partitions of each of them that is there."""
        found = self.offsets.topic_identities(list(self.topics))
        return {name: topic.partitions for name, topic in found.items()}

    @cached_property
    def offsets(self) -> ClusterOffsets:
        """Asks for ends and beginnings."""
        return ClusterOffsets(self._view.kafka, INSPECTION_READER)

    def of_group(self, group: str) -> ClusterOffsets:
        """Return what asks for the committed offsets of a group, as declared."""
        return ClusterOffsets(self._view.kafka, self.codec.names.group(group))

    def partitions_of(self, topic: str) -> int:
        """Return the number of a topic's partitions; UnavailableError where it is not there."""
        found = self.partitions.get(topic)
        if found is None:
            raise UnavailableError(f"there is no topic {topic}: run `verbwire deploy`")
        return found

    def all_places(self, topics: Collection[str]) -> list[TP]:
        """Return all partitions of those of these topics that are there."""
        present = self.partitions
        return [(topic, each) for topic in topics if topic in present for each in range(present[topic])]

    def spans(self, places: Sequence[TP], since: int | None = None, until: int | None = None) -> dict[TP, Span]:
        """Return what partitions hold now, of records from `since` on (milliseconds) to those before `until`."""
        ends = self.offsets.stable_ends(places)
        starts = self.offsets.starts(places)
        first = self._at(places, since) if since is not None else {}
        last = self._at(places, until) if until is not None else {}
        return {
            place: Span(
                max(starts[place], first.get(place, ends[place] if since is not None else 0)),
                last.get(place, ends[place]),
            )
            for place in places
        }

    def _at(self, places: Sequence[TP], milliseconds: int) -> dict[TP, int]:
        """Return the first offset of that time or later; none for a partition that ends before."""
        wanted = [TopicPartition(*place, max(0, milliseconds)) for place in places]
        with closing(self.consumer()) as consumer:
            try:
                found = consumer.offsets_for_times(wanted, _SECONDS) if wanted else []
            except KafkaException as error:
                raise unavailable(
                    error.args[0], "DESCRIBE", "offsets by time", "Kafka told no offsets by time"
                ) from error
        return {(each.topic, each.partition): each.offset for each in found if each.offset >= 0}

    def consumer(self, **properties: Any) -> Consumer:
        """Return a consumer in no group; the caller closes it."""
        return Consumer(reader_properties(self._view.kafka, INSPECTION_READER, **properties))

    def records(self, topic: str, since: int | None = None) -> Iterator[Message]:
        """Yield what a topic holds now, of records from `since` on (milliseconds).

        :class:`UnavailableError` where it is not there, or cannot be read.
        """
        self.partitions_of(topic)
        return self.read(self.spans(self.all_places([topic]), since))

    def read(self, spans: Mapping[TP, Span]) -> Iterator[Message]:
        """Yield the records of these spans: of each partition in its order, several as they arrive.

        :class:`UnavailableError` when a topic cannot be read, or no broker answers.
        """
        wanted = {place: span for place, span in spans.items() if span.offsets}
        starts = [TopicPartition(*place, span.start) for place, span in wanted.items()]
        if not starts:
            return
        with closing(self.consumer(queued_max_messages_kbytes=16_384)) as consumer:
            for message in read_to_end(consumer, starts, ends={place: span.end for place, span in wanted.items()}):
                self._step()
                yield message


@contextmanager
def open_cluster(project: Project) -> Iterator[OpenCluster]:
    """Give the topics of the cluster that a project's settings name; nothing is connected before it is asked for."""
    with opened(project) as view:
        yield OpenCluster(view)
