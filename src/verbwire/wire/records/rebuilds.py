"""The word about a rebuilt group: which of its generations serves, which are kept up to date, which is being built.

One record per group in ``<project>.rebuilds``, the group's name as declared its key; the newest counts. JSON, not Avro:
whoever stands before a table that was switched wrongly reads it with any consumer, no registry at hand.
"""

from __future__ import annotations

import msgspec

from verbwire.errors import UndecodableError


class Generations(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The generations of a group, by number; 0 is the one that it had before its first rebuild.

    Workers host those that are `followed`, and answer from the one that is `serving`. `last` is the highest number that
    was ever given: none is given twice, so that nothing that was left behind can be taken for another's.
    """

    serving: int = 0
    followed: tuple[int, ...] = (0,)
    building: int | None = None
    last: int = 0

    @property
    def standing(self) -> tuple[int, ...]:
        """All that have topics."""
        return (*self.followed, *(() if self.building is None or self.building in self.followed else (self.building,)))

    @property
    def kept(self) -> int | None:
        """The one that has served before, and to which the group can go back."""
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
