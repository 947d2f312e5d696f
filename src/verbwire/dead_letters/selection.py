"""Which dead letters an operator means: by what they are, and as they were when they were shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec

from verbwire.dead_letters.letter import DeadLetter, DeadLetterPlace
from verbwire.errors import ConfigurationError


class LetterFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What dead letters must be like, also as HTTP takes it; what is not said does not matter.

    `type` is a contract's full name or the end of it, `key` that of the record as text, `since` and `until` are when it
    became a dead letter, in milliseconds, from inclusive, until exclusive; `text` is somewhere in its detail.
    """

    type: str | None = None
    reason: str | None = None
    key: str | None = None
    since: int | None = None
    until: int | None = None
    text: str | None = None

    def fits(self, letter: DeadLetter) -> bool:
        """Whether a dead letter is like that."""
        record = letter.record
        return (
            (self.type is None or f".{letter.type}".endswith(f".{self.type}"))
            and (self.reason is None or record.reason == self.reason)
            and (self.key is None or record.original.key == self.key.encode())
            and (self.since is None or letter.since >= self.since)
            and (self.until is None or letter.since < self.until)
            and (self.text is None or self.text in record.detail)
        )


ANY = LetterFilter()


@dataclass(frozen=True)
class AsOf:
    """How far a group's topic of dead letters had come when it was shown: what came later is not meant."""

    ends: Mapping[int, int]  # partition -> the offset behind the last one

    def has(self, place: DeadLetterPlace) -> bool:
        """Whether a place was there by then."""
        return place.offset < self.ends.get(place.partition, 0)

    def __str__(self) -> str:
        return ",".join(f"{partition}/{end}" for partition, end in sorted(self.ends.items())) or "nothing"

    @classmethod
    def of(cls, text: str) -> AsOf:
        """Return what :meth:`__str__` has written; :class:`ConfigurationError` for anything else."""
        if text == "nothing":
            return cls({})
        try:
            places = [DeadLetterPlace.of(each) for each in text.split(",")]
        except ConfigurationError:
            raise ConfigurationError(
                f"{text!r} is no state of dead letters: take what the list ends with, like 0/12,1/7"
            ) from None
        return cls({each.partition: each.offset for each in places})


@dataclass(frozen=True)
class Choice:
    """The dead letters that something is to be done with: those at `places`, or all (None), that fit, as they were."""

    places: Collection[DeadLetterPlace] | None = None
    where: LetterFilter = ANY
    as_of: AsOf | None = None

    def has(self, letter: DeadLetter) -> bool:
        """Whether it is one of them."""
        return (
            (self.places is None or letter.place in self.places)
            and (self.as_of is None or self.as_of.has(letter.place))
            and self.where.fits(letter)
        )
