"""What a new version of a message contradicts of the versions before it, and what to do instead.

Events, rows and states are kept for good, replies as long as the outcome log has them, and old and new code read them
side by side: new code reads what was written before, code of before what is written now. Commands and queries are read
by their one receiver, which is deployed first: new code reads what was written before.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verbwire.contracts.checks.compatibility import Incompatibility, Reason, expanded, misfits
from verbwire.contracts.checks.findings import Severity
from verbwire.contracts.checks.silent_changes import oversights
from verbwire.contracts.schema.attributes import key_of, reply_of
from verbwire.contracts.schema.model import Catalog, Schema
from verbwire.messages import KEPT, Kind

_DATA = (*KEPT, Kind.REPLY)  # whose kind says what they are for, and nothing of where or how they are written
BOTH_WAYS = (Kind.EVENT, *_DATA)
_BESIDE = "keep the type, and add a field of the new one beside it, with a default"

_OLD_RECORDS = {  # of before, read by new code
    Reason.MISSING: "is new and has no default: give it one, which then holds for all that was written before",
    Reason.TYPE: "was {written}, is {read}: what was written before cannot be read any more; " + _BESIDE,
    Reason.LOGICAL: (
        "was {written}, is {read}: registries take them for the same, and what was written before would be another "
        "value; " + _BESIDE
    ),
    Reason.UNITS: (
        "was {written}, is {read}: other languages read what was written before by the new one, as another value; "
        + _BESIDE
    ),
    Reason.ROUNDED: "was {written}, is {read}: numbers that were written before would be rounded; " + _BESIDE,
    Reason.NULL: "may have been null, and may not be now: keep null among its types",
    Reason.SYMBOLS: "has lost {written}: keep what may have been written before; nothing has to write it any more",
    Reason.DEFAULTED: (
        "has lost {written}: what was written before would be taken for {read}; keep it, nothing has to write it any "
        "more"
    ),
    Reason.NAME: "was {written}, is {read}: keep the name of the type",
    Reason.TWICE: "{written} were written side by side, and the alias makes one of them: remove the alias",
}
_OLD_READERS = {  # what is written now, read by code of before
    Reason.MISSING: "had no default and is gone: keep it, code that runs since before needs it",
    Reason.TYPE: "was {read}, is {written}: code that runs since before cannot read it; " + _BESIDE,
    Reason.LOGICAL: "was {read}, is {written}: code that runs since before would take it for another value; " + _BESIDE,
    Reason.UNITS: "was {read}, is {written}: other languages would take it for another value; " + _BESIDE,
    Reason.ROUNDED: "was {read}, is {written}: code that runs since before would round it; " + _BESIDE,
    Reason.NULL: (
        "may be null now, which code that runs since before cannot read: keep the type, and add a field beside it that "
        "may be null"
    ),
    Reason.SYMBOLS: (
        "has gained {written}, and the enum had no default for code that runs since before: add a field of a new enum "
        "beside it, one with a default"
    ),
    Reason.NAME: "was {read}, is {written}: code that runs already knows no alias of it; keep the name of the type",
    Reason.TWICE: "{written} are written side by side, and were one by an alias: give the new one a name of its own",
}
_CODES = {
    Reason.MISSING: "no-default",
    Reason.SYMBOLS: "enum-symbols",
    Reason.DEFAULTED: "enum-symbols",
    Reason.NAME: "type-renamed",
    Reason.TWICE: "alias-twice",
}


@dataclass(frozen=True, slots=True)
class EvolutionFinding:
    """One contradiction between two versions of a message, or a warning about them."""

    code: str
    text: str  # where, what, and what to do instead
    severity: Severity = Severity.ERROR


def changes(older: Schema, newer: Schema) -> list[EvolutionFinding]:
    """Return what is against the rules between two versions of a message, in any spelling; errors and warnings."""
    before, now = expanded(older), expanded(newer)
    if "kind" in before and before["kind"] != now["kind"] and not {before["kind"], now["kind"]} <= set(_DATA):
        text = f'"kind" was {before["kind"]}, is {now["kind"]}: give the new message a name of its own'
        return [EvolutionFinding("kind-changed", text)]
    attributes = _attributes(before, now) if "kind" in before else ()
    told = oversights(before, now, kept=now["kind"] in KEPT)
    warnings = (EvolutionFinding(code, text, Severity.WARNING) for code, text in told)
    return list(dict.fromkeys([*attributes, *_schemas(before, now), *warnings]))


def new_changes(versions: Sequence[Schema], newer: Schema) -> list[EvolutionFinding]:
    """Return what is against the rules between a new version and all before it, the newest of them first.

    What stands between those already is left out: it cannot be taken back by any new version.
    """
    found = changes(versions[0], newer) if versions else []
    for version in versions[1:]:
        known = {*found, *changes(version, versions[0])}
        found += [each for each in changes(version, newer) if each not in known]
    return found


def gone(newest: Mapping[str, Schema], catalog: Catalog, retired: Container[str]) -> dict[str, EvolutionFinding]:
    """Return, by its full name, what is to be said of each message that has no file any more.

    Those `retired` are gone on purpose. Of a query nothing is left behind; of a row its table's changelog, for good.
    """
    return {
        name: change
        for name, schema in newest.items()
        if name not in catalog.contracts and name not in retired
        for change in _gone(name, schema.get("kind"), [each.name for each in catalog if each.short == _short(name)])
    }


def _gone(name: str, kind: str | None, elsewhere: Sequence[str]) -> Iterator[EvolutionFinding]:
    moved = f"; {elsewhere[0]} is another message, in another topic" if elsewhere else ""
    if kind in (Kind.COMMAND, Kind.EVENT):
        text = (
            f"{name} is gone{moved}: {kind}s of it that the topic of its context holds would be passed over without a "
            f"word. Keep its file; or, where the topic holds none any more, say so in [tool.verbwire]: "
            f'retired = ["{name}"]'
        )
        yield EvolutionFinding("message-gone", text)
    elif kind in KEPT and elsewhere:
        text = (
            f"{name} is gone, and {elsewhere[0]} is another {kind}: a table of it cannot be restored from what its "
            f"changelog holds. Leave the {kind} where it was, or give the table a name of its own, too"
        )
        yield EvolutionFinding("row-moved", text)


def _short(name: str) -> str:
    return name.rpartition(".")[2]


# -- Avro's rules, both ways


def _schemas(older: Schema, newer: Schema) -> Iterator[EvolutionFinding]:
    told = set()
    for each in misfits(older, newer):
        told.add(each.path)
        yield _change(each, _OLD_RECORDS)
    if newer["kind"] in BOTH_WAYS:
        forward = (each for each in misfits(newer, older) if each.why is not Reason.DEFAULTED)
        yield from (_change(each, _OLD_READERS) for each in forward if each.path not in told)


def _change(misfit: Incompatibility, texts: Mapping[Reason, str]) -> EvolutionFinding:
    text = texts[misfit.why].format(written=misfit.written, read=misfit.read)
    return EvolutionFinding(_CODES.get(misfit.why, "type-changed"), f"field {misfit.path}: {text}")


# -- attributes of ours


def _attributes(older: Schema, newer: Schema) -> Iterator[EvolutionFinding]:
    names = _names_before(older, newer)
    key, before = tuple(names.get(each, each) for each in key_of(newer)), key_of(older)
    if key != before and newer["kind"] not in (Kind.QUERY, Kind.REPLY):
        yield _ours("key", ", ".join(before), ", ".join(key), "what was written before stands under the old one")
    yield from _time(older, newer, names)
    was, now = (each.get("response", "outcome") for each in (older, newer))
    if was != now:
        why = "its senders go by the old contract, and another group would receive all that the topic holds again"
        yield _ours("response", was, now, why)
    was, now = reply_of(older), reply_of(newer)
    if was is not None and was != now:
        yield _ours("reply", was, now or "none", "clients with the old contract cannot read another reply")
    if older.get("schedulable", False) and not newer.get("schedulable", False):
        yield _ours("schedulable", True, False, "clients with the old contract send it for later, and nobody would")
    was, now = (each.get("many", False) for each in (older, newer))
    if was != now:
        yield _ours("many", was, now, "clients with the old contract wait for the other")


def _names_before(older: Schema, newer: Schema) -> dict[str, str]:
    """What fields that were renamed with an alias were called."""
    before = {each["name"] for each in older["fields"]}
    return {
        field["name"]: alias
        for field in newer["fields"]
        if field["name"] not in before
        for alias in field.get("aliases", ())
        if alias in before
    }


def _time(older: Schema, newer: Schema, names: Mapping[str, str]) -> Iterator[EvolutionFinding]:
    was, now = older.get("time"), newer.get("time")
    if was is not None and was != names.get(str(now), now):
        yield _ours("time", was, now or "none", "tables of windows have counted what was written before by the old one")
    elif was is None and now is not None and newer["kind"] == Kind.EVENT:
        known = {each["name"] for each in older["fields"]}
        if names.get(now, now) not in known:
            text = (
                f'"time" is {now}, which is new: all that was written before would count in the window of its default. '
                "Name a field that was there, or make it a new event, of another name"
            )
            yield EvolutionFinding("time-changed", text)


def _ours(attribute: str, was: Any, now: Any, why: str) -> EvolutionFinding:
    text = f'"{attribute}" was {was}, is {now}: {why}. Leave it, or make this a new message, of another name'
    return EvolutionFinding(f"{attribute}-changed", text)
