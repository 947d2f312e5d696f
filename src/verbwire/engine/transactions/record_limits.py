"""What the topics take that a group writes, and whether a record fits: its key, value and headers, and Kafka's own.

The broker's `max.message.bytes` is of a batch. A producer's batches are therefore no larger than the smallest of these
topics takes (producers.py), so that what is refused is one record, and known beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from verbwire.errors import UnencodableError

MAX_RECORD = 1_000_000  # bytes of key and value, however much more a topic takes
DEFAULT = 1_048_588  # Kafka's own max.message.bytes
LEAST = 16 * 1024  # what each of them has to take: an outcome, a dead letter that names its record, a mark
FRAMING = 128  # of a batch and its one record, at most
_PER_HEADER = 10
_MOST_HEADERS = 40_000  # 64 of them, 32 KiB (wire/headers.py), and what we add
_BESIDE = 8 * 1024  # positions and facts with the last row of a batch, ids with an outcome


class RecordLimits:
    """The limits of a group's topics; Kafka's default where they are not known. Replaced whole by `learn`."""

    def __init__(self) -> None:
        self._bytes: Mapping[str, int] = {}
        self._surely = _surely(DEFAULT)

    def learn(self, found: Mapping[str, int]) -> None:
        """Take the topics' settings as they are now."""
        self._bytes = dict(found)
        self._surely = _surely(self.smallest())

    def of(self, topic: str) -> int:
        """Return how large a batch of the topic may be."""
        return self._bytes.get(topic, DEFAULT)

    def smallest(self) -> int:
        """Return the least of them."""
        return min(self._bytes.values(), default=DEFAULT)

    def too_small(self) -> str | None:
        """Return which topic is too small even for the stub of a dead letter, or a failed outcome; None if none is."""
        for topic, limit in self._bytes.items():
            if limit < LEAST:
                return f"{topic} takes {limit} bytes at most, {LEAST} are needed: raise its max.message.bytes"
        return None

    def fits(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()) -> bool:
        """Whether the topic takes this record."""
        size, limit = len(key or b"") + len(value or b""), self.of(topic)
        return size + _MOST_HEADERS <= limit or size + of_headers(headers) + FRAMING <= limit

    @property
    def surely_room(self) -> int:
        """How many bytes of key and value each of the topics takes, whatever stands beside them."""
        return self._surely

    def surely(self, keys: Sequence[bytes], values: Sequence[bytes]) -> bool:
        """Whether each of these records fits, whatever stands beside it; that one does may be true all the same."""
        return max(map(len, keys), default=0) + max(map(len, values), default=0) <= self._surely

    def sized(self, topic: str, key: bytes, value: bytes, what: str, headers: Headers = ()) -> bytes:
        """Return the value if the topic takes it under this key, with these headers, else raise UnencodableError."""
        size = len(key) + len(value)
        if size <= self._surely:
            return value
        if size > MAX_RECORD:
            raise too_large(what, size, MAX_RECORD)
        if not self.fits(topic, key, value, headers):
            raise UnencodableError(
                f"{what} is {size} bytes with its key and {of_headers(headers)} with its headers, {topic} takes "
                f"{self.of(topic)} in all: keep less in it, or raise the topic's max.message.bytes"
            )
        return value

    def row(self, topic: str, key: bytes, value: bytes, what: str) -> bytes:
        """Return a row's value if its changelog takes it, with the positions that may stand beside it."""
        size = len(key) + len(value)
        if size > self._surely and size > (room := self.room(topic)):
            raise too_large(what, size, room, "" if room == MAX_RECORD else f", or raise {topic}'s max.message.bytes")
        return value

    def room(self, topic: str) -> int:
        """Return how many bytes of key and value a record of the topic may have, besides what we add to them."""
        return min(MAX_RECORD, self.of(topic) - _BESIDE)


Headers = Sequence[tuple[str, bytes]]


def _surely(limit: int) -> int:
    """How many bytes of key and value such a topic takes whatever stands beside them: nearly all records are less."""
    return min(MAX_RECORD, limit - _MOST_HEADERS)


def too_large(what: str, size: int, room: int, more: str = "") -> UnencodableError:
    """Return what is said of a record that has no room."""
    return UnencodableError(f"{what} is {size} bytes with its key, a record may have {room}: keep less in it{more}")


def of_headers(headers: Headers) -> int:
    """Return how many bytes these headers are at most."""
    return sum(len(name) + len(value or b"") + _PER_HEADER for name, value in headers)
