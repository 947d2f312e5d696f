"""The word about a rebuilt group: which of its generations serves, which are kept up to date, which is being built.

One record per group in ``<project>.rebuilds``, the group's name as declared its key; the newest counts. JSON, not Avro:
whoever stands before a table that was switched wrongly reads it with any consumer, no registry at hand.
"""

from __future__ import annotations

import msgspec

from verbwire.errors import UndecodableError


class RowExchange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the states of an aggregate are exchanged: the owner of each partition takes those of the generation `rows`.

    What they replace goes to the generation `kept`, whose number tells one exchange from another. `whole`: states that
    have none in `rows` are deleted; else only keys that are in it are looked at.
    """

    rows: int
    kept: int
    whole: bool = True


class Generations(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The generations of a group, by number; 0 is the one that it had before its first rebuild.

    Workers host those that are `followed`, and answer from the one that is `serving`. `last` is the highest number that
    was ever given: none is given twice, so that nothing that was left behind can be taken for another's.

    An aggregate has one that is followed and serves, 0, for good: at a switch its states are exchanged in their place
    (`exchange`, while that is under way). `replaced` keeps those that were there before.
    """

    serving: int = 0
    followed: tuple[int, ...] = (0,)
    building: int | None = None
    last: int = 0
    exchange: RowExchange | None = None
    replaced: int | None = None

    @property
    def standing(self) -> tuple[int, ...]:
        """All that have topics."""
        exchanged = () if self.exchange is None else (self.exchange.rows, self.exchange.kept)
        others = (self.building, self.replaced, *exchanged)
        return tuple(dict.fromkeys([*self.followed, *(each for each in others if each is not None)]))

    @property
    def kept(self) -> int | None:
        """The one that has served before, and to which the group can go back."""
        if self.replaced is not None:
            return self.replaced
        return next((each for each in self.followed if each not in (self.serving, self.building)), None)


FIRST = Generations()


class RebuildWord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a record says.

    Until `paused_until_ms` (by the broker's stamps) no worker answers, whatever serves: a switch is under way, and its
    word must come before that. A word that came later than `valid_until_ms` is void, and `otherwise` counts: workers
    answer again by then. `positions` are how far (next offsets by topic, of each partition) a worker's rows have to be
    before it answers from what serves: nobody has seen newer ones.
    """

    generations: Generations
    paused_until_ms: int = 0
    valid_until_ms: int = 0
    otherwise: Generations | None = None
    positions: dict[str, list[int]] = {}


EXCHANGE_FACT = "vw_exchange"
"""Beside the positions in an aggregate's changelog: the last exchange of the partition, an :class:`ExchangeFact`."""


class ExchangeFact(msgspec.Struct, frozen=True, kw_only=True):
    """Which exchange a partition has begun, and whether it is `done`: until then its owner decides nothing."""

    exchange: RowExchange
    done: bool


def write_exchange(fact: ExchangeFact) -> bytes:
    """Return the value of the fact."""
    return msgspec.json.encode(fact)


def read_exchange(value: bytes) -> ExchangeFact:
    """Return what its value tells; :class:`UndecodableError` for what is none."""
    try:
        return msgspec.json.decode(value, type=ExchangeFact)
    except msgspec.DecodeError as error:
        raise UndecodableError(f"the fact about an exchange cannot be read: {error}") from error


def written(word: RebuildWord) -> bytes:
    """Return the value of its record."""
    return msgspec.json.encode(word)


def read(value: bytes, stamped_ms: int) -> RebuildWord:
    """Return what a record says that the broker has stamped so; :class:`UndecodableError` for what is none."""
    try:
        word = msgspec.json.decode(value, type=RebuildWord)
    except msgspec.DecodeError as error:
        raise UndecodableError(f"the word about a rebuild cannot be read: {error}") from error
    if word.valid_until_ms and stamped_ms > word.valid_until_ms:
        return RebuildWord(generations=word.otherwise or FIRST)
    return word
