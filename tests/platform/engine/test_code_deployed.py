"""What `verbwire check --deployed` tells: the code at hand beside that which has folded what is there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from verbwire.engine.code.deployed import CodeFinding, compare
from verbwire.engine.code.facts import CODE_HEADER, CodeChange, CodeFingerprints, FoldedBy, write_code
from verbwire.errors import NewerSchemaError
from verbwire.wire.records.changelog import INPUTS_HEADER, write_inputs

PARTS = {"row": "r1", "on a.Placed": "p1"}
AT_HAND = CodeFingerprints(PARTS, {"on a.Placed": "a.events"}, meaning="its rows hold results of both")


def refuse(schema_id: int) -> bool:
    if schema_id > 7:
        raise NewerSchemaError(f"rows of version {schema_id}")
    return True


VERSIONS: Any = SimpleNamespace(own=7, checked=refuse)


def said(folded: FoldedBy, offset: int) -> dict[str, bytes]:
    return {INPUTS_HEADER: write_inputs({"a.events": offset}), CODE_HEADER: write_code(folded)}


def test_partitions_that_this_code_has_folded_are_not_worth_a_word() -> None:
    folded = FoldedBy(schema=7, parts=PARTS)
    assert [*compare(AT_HAND, VERSIONS, {0: said(folded, 5), 1: {}, 2: said(FoldedBy(schema=7), 3)})] == []


def test_other_code_that_would_go_on_is_told_by_what_differs() -> None:
    other, another = (FoldedBy(schema=7, parts={**PARTS, "on a.Placed": f"p{n}"}) for n in (2, 3))
    gone = FoldedBy(schema=7, parts={**PARTS, "on a.Paid": "q"})
    assert [*compare(AT_HAND, VERSIONS, {0: said(other, 5), 1: said(another, 8), 2: said(gone, 9)})] == [
        CodeFinding(
            "other_code",
            "this code would go on with what other code has folded (changed: on a.Placed), partition 0 at a.events@5, "
            "1 at a.events@8: its rows hold results of both",
        ),
        CodeFinding(
            "other_code",
            "this code would go on with what other code has folded (removed: on a.Paid), partition 2 at a.events@9: "
            "its rows hold results of both",
        ),
    ]


def test_other_code_of_before_is_told_with_its_offsets() -> None:
    mixed = FoldedBy(schema=7, parts=PARTS, changes=(CodeChange(at={"a.events": 4}, added=("on a.Placed",)),))
    assert [*compare(AT_HAND, VERSIONS, {0: said(mixed, 5)})] == [
        CodeFinding(
            "mixed_code",
            "other code has folded before (added: on a.Placed), partition 0 since a.events@4: "
            "its rows hold results of both",
        )
    ]


def test_rows_on_which_it_would_stand_still_are_an_error() -> None:
    facts = {p: said(FoldedBy(schema=schema, parts=PARTS), 5) for p, schema in ((0, 9), (1, 7), (2, 9))}
    why = "a worker of this code would stop on partition 0, 2: rows of version 9"
    assert [*compare(AT_HAND, VERSIONS, facts)] == [CodeFinding("newer_rows", why, grave=True)]
    assert [*compare(None, VERSIONS, facts)] == [CodeFinding("newer_rows", why, grave=True)]
    assert [*compare(AT_HAND, None, facts)] == []  # its own version is not deployed: newer than all that is there
