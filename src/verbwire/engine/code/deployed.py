"""The code at hand beside that which has folded what stands on the cluster: for `verbwire check --deployed`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from verbwire.engine.code.facts import CODE_HEADER, CodeFingerprints, FoldedBy, read_code
from verbwire.errors import NewerSchemaError
from verbwire.wire.codec.versions import Versions
from verbwire.wire.records.changelog import INPUTS_HEADER, read_inputs

_NAMED = 4
Facts = Mapping[int, Mapping[str, bytes]]  # partition -> the headers of its last changelog record


@dataclass(frozen=True)
class CodeFinding:
    """One finding about a group. `code` is a finding's; `grave` where a worker of this code would stop."""

    code: str
    text: str
    grave: bool = False


def compare(at_hand: CodeFingerprints | None, versions: Versions | None, facts: Facts) -> Iterator[CodeFinding]:
    """Yield how the code at hand differs from that which has folded the partitions, and where that had changed before.

    Without `versions`, before the row's contract is deployed, it is newer than all that is there.
    """
    folded = {partition: found for partition in facts if (found := read_code(facts[partition].get(CODE_HEADER)))}
    yield from _newer(versions, folded)
    if at_hand is None:
        return
    going_on, before = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for partition, each in folded.items():
        reached = read_inputs(facts[partition].get(INPUTS_HEADER, b""))
        if now := at_hand.change(each, reached):
            going_on[now.what].append(f"{partition} at {_places(reached)}")
        for change in each.changes:
            before[change.what].append(f"{partition} since {_places(change.at)}")
    for what, where in going_on.items():
        text = f"this code would go on with what other code has folded ({what}), {_some(where)}: {at_hand.meaning}"
        yield CodeFinding("other_code", text)
    for what, where in before.items():
        yield CodeFinding("mixed_code", f"other code has folded before ({what}), {_some(where)}: {at_hand.meaning}")


def _newer(versions: Versions | None, folded: Mapping[int, FoldedBy]) -> Iterator[CodeFinding]:
    refused = defaultdict[str, list[int]](list)
    for partition, each in folded.items():
        try:
            if versions is not None:
                versions.checked(each.schema)
        except NewerSchemaError as error:
            refused[str(error)].append(partition)
    for why, partitions in refused.items():
        where = _some([str(each) for each in partitions])
        yield CodeFinding("newer_rows", f"a worker of this code would stop on {where}: {why}", grave=True)


def _some(partitions: list[str]) -> str:
    """Name partitions in one sentence, however many there are; GET /tables names all of them."""
    if len(partitions) <= _NAMED:
        return f"partition {', '.join(partitions)}"
    return f"{len(partitions)} partitions (among them {', '.join(partitions[:_NAMED])})"


def _places(offsets: Mapping[str, int]) -> str:
    return ", ".join(f"{topic}@{offset}" for topic, offset in sorted(offsets.items())) or "the beginning"
