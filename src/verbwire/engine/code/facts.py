"""Which code has folded a partition: a fact that stands in its changelog, and is restored and moves with its rows.

The code at hand is a fingerprint of each of its parts, handlers for instance. Where one differs from what stands in the
changelog, other code has folded what came before: rows of both stand in one table, and nothing else would tell.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from verbwire.wire.codec.versions import Versions

CODE_HEADER = "vw_code"
"""On the last changelog record of a batch and partition: a :class:`FoldedBy` as JSON."""


_VERBS = ("changed", "added", "removed")


class CodeChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Parts of the code that are other than before from some offsets on; false where there are none."""

    at: dict[str, int]  # input topic -> the first offset that the new code folded
    changed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def without(self, later: CodeChange) -> CodeChange:
        """Return what of it a later change leaves to tell."""
        return CodeChange(
            at=self.at,
            changed=_but(self.changed, later.changed),
            added=_but(self.added, later.added),
            removed=_but(self.removed, later.removed),
        )

    def __bool__(self) -> bool:
        return bool(self.changed or self.added or self.removed)

    @property
    def what(self) -> str:
        """Which parts became other code, for people."""
        verbs = (("changed", self.changed), ("added", self.added), ("removed", self.removed))
        return "; ".join(f"{verb}: {', '.join(parts)}" for verb, parts in verbs if parts)

    def __str__(self) -> str:
        return f"{self.what} (since {', '.join(f'{topic}@{offset}' for topic, offset in sorted(self.at.items()))})"


class FoldedBy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of the code that has folded a partition so far."""

    schema: int  # the registry's id of the newest schema that its rows may be of
    # The code that folded last, by its parts, ``on shop.orders.OrderPlaced`` for instance; None: it could not be read.
    parts: dict[str, str] | None = None
    changes: tuple[CodeChange, ...] = ()  # where it was other code before, the latest such place of each part
    unknown: dict[str, int] = {}  # which code folded below these offsets is not recorded

    def news(self, before: FoldedBy | None) -> tuple[CodeChange, ...]:
        """Return the change that has come since `before`, where one has."""
        return self.changes[-1:] if before is not None and self.changes[-1:] != before.changes[-1:] else ()


@dataclass(frozen=True)
class CodeFingerprints:
    """The code at hand, by its parts. `reads` is the input topic that a part handles, where it is one.

    `meaning` is what other code before this means for readers of the outcome; `lasting`: as long as the rows stand.
    """

    parts: Mapping[str, str]
    reads: Mapping[str, str] = field(default_factory=dict)
    meaning: str = ""
    lasting: bool = False

    def change(self, before: FoldedBy, reached: Mapping[str, int]) -> CodeChange:
        """Return in which parts this code is other than that before, if it goes on from the offsets `reached`.

        A handler that is added with a topic of which nothing was read yet handles all of it: that changes nothing.
        """
        if before.parts is None:
            return CodeChange(at={})
        then, now = before.parts, self.parts
        return CodeChange(
            at=dict(reached),
            changed=tuple(sorted(part for part in now if part in then and now[part] != then[part])),
            added=tuple(sorted(part for part in now if part not in then and self._comes_late(part, reached))),
            removed=tuple(sorted(part for part in then if part not in now)),
        )

    def _comes_late(self, part: str, reached: Mapping[str, int]) -> bool:
        return self.reads[part] in reached if part in self.reads else bool(reached)


@dataclass(frozen=True)
class CurrentCode:
    """The code at hand; `by` is None where its source cannot be read."""

    versions: Versions
    by: CodeFingerprints | None = None

    def follows(self, before: FoldedBy | None, reached: Mapping[str, int]) -> FoldedBy:
        """Return the fact about a partition that this code goes on with, from the offsets `reached` in its inputs.

        Inputs of which nothing was ever read are not among them. NewerSchemaError where the rows are newer than it.
        """
        parts = None if self.by is None else dict(self.by.parts)
        if before is None:
            return FoldedBy(schema=self.versions.own, parts=parts, unknown=dict(reached))
        self.versions.checked(before.schema)
        known = replace(before, schema=self.versions.own)
        if self.by is None:
            return known
        if before.parts is None:
            return replace(known, parts=parts, unknown=dict(reached))
        changes, now = before.changes, self.by.change(before, reached)
        if now:
            changes = (*filter(None, (each.without(now) for each in changes)), now)
        return replace(known, parts=parts, changes=changes)


APPLIES = "applies "
"""What the names of the parts begin with by which an aggregate makes its states of its events."""


def folded_anew(value: bytes | None) -> bytes | None:
    """Return the header's value for states that were all made by the appliers at hand: those are others no more."""
    before = read_code(value)
    if before is None:
        return value
    changes = (
        replace(each, **{verb: _but_appliers(getattr(each, verb)) for verb in _VERBS}) for each in before.changes
    )
    return write_code(replace(before, changes=tuple(filter(None, changes))))


def _but_appliers(parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(each for each in parts if not each.startswith(APPLIES))


def write_code(folded_by: FoldedBy) -> bytes:
    """Return the value of the header."""
    return msgspec.json.encode(folded_by)


def read_code(value: bytes | None) -> FoldedBy | None:
    """Return what a header's value tells; None for one that verbwire has not written."""
    try:
        return msgspec.json.decode(value, type=FoldedBy) if value else None
    except msgspec.DecodeError:
        return None


def other_code(value: bytes | None) -> str | None:
    """Return in which parts, and before which offsets, a partition was folded by other code; None where it was not."""
    folded_by = read_code(value)
    return None if folded_by is None else "; ".join(map(str, folded_by.changes)) or None


def _but(parts: Iterable[str], later: Iterable[str]) -> tuple[str, ...]:
    return tuple(each for each in parts if each not in set(later))
