"""What `verbwire check` finds, and what it leaves in peace."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from tests.kit.contract_projects import event, project, record
from verbwire import Event, Rejected, Reply
from verbwire.contracts.checks.check import CommandGroup, EventGroup, check, check_contracts, unreadable
from verbwire.contracts.checks.findings import Finding, Severity, as_json, as_text, fails
from verbwire.contracts.codegen.generate import generate, write
from verbwire.contracts.schema.load import load_catalog, read_catalog

OPEN = record("OpenCart", {"id": "string"}, kind="command", key="id", rejections=["too_late", "already_open"])
OPENED = event("CartOpened", {})
ALREADY_OPEN = "already_open"


class CartOpened(Event, frozen=True, kw_only=True):
    __contract__ = "shop.carts.CartOpened"


class Receipt(Reply, frozen=True, kw_only=True):
    __contract__ = "shop.carts.Receipt"


class Code(StrEnum):
    ALREADY_OPEN = "already_open"


def good(command: Any, state: Any) -> CartOpened | Rejected:
    if state:
        return Rejected("already_open")
    return Rejected(code="too_late") if command else CartOpened()


def by_constants(command: Any, state: Any) -> CartOpened | Rejected:
    if state:
        return Rejected(ALREADY_OPEN if command else Code.ALREADY_OPEN)
    return _too_late() or CartOpened()


def _too_late() -> Rejected:
    return Rejected("too_late", reason="we are closed")


def undeclared(command: Any, state: Any) -> CartOpened | Rejected:
    return Rejected("too_late") if state else Rejected("already_open") if command else Rejected("too_lat")


def forgetful(command: Any, state: Any) -> list[CartOpened] | Rejected:
    return [] if state else Rejected("too_late")


def computed(command: Any, state: Any) -> Rejected:
    return Rejected(f"too_{state}")


def silent(command: Any, state: Any) -> None:
    return None


Handlers = list[CommandGroup | EventGroup]


def carts(handler: Callable[..., Any] = good, group: str = "shop.carts.aggregate") -> CommandGroup:
    return CommandGroup(group, "shop.carts", {"shop.carts.OpenCart": handler})


TABLE = EventGroup("shop.carts", frozenset({"shop.carts.CartOpened"}))


def found(folder: Path, handlers: Handlers, *schemas: dict[str, Any]) -> list[Finding]:
    root = project(folder, *(schemas or (OPEN, OPENED)))
    catalog = load_catalog(root)
    write(generate(catalog, root))
    return check(catalog, root, handlers)


def codes(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(each.code, each.severity.value) for each in findings]


def test_a_good_project_has_no_findings(tmp_path: Path) -> None:
    assert found(tmp_path, [carts(), TABLE]) == []


def test_codes_are_found_in_constants_enums_and_functions_beside_the_handler(tmp_path: Path) -> None:
    assert found(tmp_path, [carts(by_constants), TABLE]) == []


def test_an_undeclared_code_is_an_error_at_its_line(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, [carts(undeclared), TABLE])
    line = undeclared.__code__.co_firstlineno + 1
    assert (finding.code, finding.severity, finding.file) == (
        "undeclared-rejection",
        Severity.ERROR,
        f"{__file__}:{line}",
    )
    assert "'too_lat': add it to its rejections in OpenCart.avsc" in finding.message


def test_a_declared_code_that_nobody_uses_is_a_warning(tmp_path: Path) -> None:
    (finding,) = found(tmp_path, [carts(forgetful), TABLE])
    assert codes([finding]) == [("unused-rejection", "warning")]
    assert finding.file.endswith("OpenCart.avsc")
    assert "'already_open'" in finding.message


def test_a_code_that_a_later_step_of_a_process_rejects_with_is_used(tmp_path: Path) -> None:
    lending = CommandGroup("shop.carts", "shop.carts", {"shop.carts.OpenCart": forgetful}, steps=[good])
    assert found(tmp_path, [lending, TABLE]) == []


def test_a_computed_code_is_only_mentioned(tmp_path: Path) -> None:
    findings = found(tmp_path, [carts(computed), TABLE])
    assert codes(findings) == [("computed-rejection", "info"), ("unemitted-event", "info")]


def _undetermined(command: Any, state: Any) -> Event | Reply:
    return CartOpened()


def _replying(command: Any, state: Any) -> tuple[CartOpened, Receipt] | Rejected:
    return CartOpened(), Receipt()


@pytest.mark.parametrize(
    ("handler", "expected"),
    [(forgetful, ["missing-reply"]), (_replying, []), (_undetermined, []), (silent, [])],
)
def test_a_handler_that_says_it_returns_no_reply_where_one_is_due_is_an_error(
    tmp_path: Path, handler: Callable[..., Any], expected: list[str]
) -> None:
    opening = record("OpenCart", {"id": "string"}, kind="command", key="id", reply="Receipt")
    receipt = record("Receipt", {"id": "string"}, kind="reply", key="id")
    findings = found(tmp_path, [carts(handler), TABLE], opening, OPENED, receipt)
    errors = [each for each in findings if each.severity is Severity.ERROR and each.code != "undeclared-rejection"]
    assert [each.code for each in errors] == expected
    assert all("OpenCart is replied to with shop.carts.Receipt" in each.message for each in errors)


def test_a_process_may_reject_and_reply_in_a_later_step(tmp_path: Path) -> None:
    opening = record(
        "OpenCart", {"id": "string"}, kind="command", key="id", reply="Receipt", rejections=["too_late", "already_open"]
    )
    receipt = record("Receipt", {"id": "string"}, kind="reply", key="id")
    process = CommandGroup("shop.opening", "shop.carts", {"shop.carts.OpenCart": forgetful}, steps=[_replying])
    assert found(tmp_path, [process, TABLE], opening, OPENED, receipt) == []
    wrong = replace(process, steps=[undeclared])
    (finding,) = found(tmp_path, [wrong, TABLE], opening, OPENED, receipt)
    assert finding.code == "undeclared-rejection"
    assert "no command that shop.opening receives is rejected as 'too_lat'" in finding.message


HANDLERS: dict[str, tuple[Handlers, str]] = {
    "no-receiver": ([], "no aggregate or job receives the commands of shop.carts"),
    "several-receivers": ([carts(), carts(group="shop.jobs")], "shop.carts.aggregate, shop.jobs all receive"),
    "handled-twice": ([carts(), carts(group="shop.jobs")], "OpenCart is handled by shop.carts.aggregate and shop.jobs"),
    "unhandled-command": ([CommandGroup("shop.carts.aggregate", "shop.carts", {})], "does not handle OpenCart"),
    "wrong-receiver": ([carts(), CommandGroup("x", "shop.orders", {"shop.carts.OpenCart": good})], "shop.orders"),
    "unknown-event": ([carts(), EventGroup("x", frozenset({"shop.carts.CartShut"}))], "handles shop.carts.CartShut"),
}


@pytest.mark.parametrize("code", HANDLERS)
def test_handlers_of_commands_are_checked(tmp_path: Path, code: str) -> None:
    handlers, words = HANDLERS[code]
    errors = [each for each in found(tmp_path, handlers) if each.severity is Severity.ERROR]
    assert any(each.code == code and words in each.message for each in errors), as_text(errors)


def test_events_that_nobody_emits_or_hears_are_information(tmp_path: Path) -> None:
    handlers: Handlers = [carts(silent), EventGroup("x", frozenset())]
    schemas = [{**OPEN, "rejections": []}, OPENED]
    assert codes(found(tmp_path, handlers, *schemas)) == [("unemitted-event", "info"), ("unheard-event", "info")]


def test_names_are_checked(tmp_path: Path) -> None:
    wrong, doubtful = event("SendIt", {}), event("LoanOverdue", {})
    told = [
        each for each in found(tmp_path, [carts(), TABLE], OPEN, OPENED, wrong, doubtful) if each.code == "verb-form"
    ]
    assert codes(told) == [("verb-form", "error"), ("verb-form", "warning")]
    assert told[0].file.endswith("schemas/carts/SendIt.avsc")
    assert told[1].message.endswith('accepted_names = ["LoanOverdue"] in [tool.verbwire]')


def test_a_name_that_is_right_as_it_is_is_not_told(tmp_path: Path) -> None:
    root = project(tmp_path, OPEN, event("LoanOverdue", {}), event("BuchVerliehen", {}))
    told = check_contracts(load_catalog(root), root, ("LoanOverdue",))
    assert [each.file.rpartition("/")[2] for each in told if each.code == "verb-form"] == ["BuchVerliehen.avsc"]


def test_stale_classes_are_found(tmp_path: Path) -> None:
    root = project(tmp_path, OPEN, OPENED)
    (finding,) = check(load_catalog(root), root, [carts(), TABLE])
    assert codes([finding]) == [("stale-classes", "error")]
    assert "run `verbwire schemas generate`" in finding.message
    assert finding.file == str(root / "carts" / "__init__.py")


def test_a_type_without_kind_that_nobody_uses_may_be_a_message_that_forgot_it(tmp_path: Path) -> None:
    findings = found(tmp_path, [carts(), TABLE], OPEN, OPENED, record("ShutCart", {"id": "string"}))
    assert codes(findings) == [("unused-type", "warning")]


def test_an_enum_that_can_never_grow_is_an_error_where_old_and_new_code_read_it(tmp_path: Path) -> None:
    status = {"type": "enum", "name": "Status", "symbols": ["OPEN"]}
    shared = {**status, "namespace": "shop.common", "name": "Shared"}
    opened = event("CartOpened", {"status": {"type": "array", "items": status}, "shared": "shop.common.Shared"})
    row = record("CartRow", {"id": "string", "shared": "shop.common.Shared"}, kind="row", key="id")
    findings = [
        each for each in found(tmp_path, [carts(), TABLE], OPEN, opened, row, shared) if each.severity == "error"
    ]
    assert [(each.code, Path(each.file).stem) for each in findings] == [
        ("enum-default", "CartOpened"),
        ("enum-default", "Shared"),
    ]
    assert "enum shop.carts.Status can never gain a symbol" in findings[0].message


def test_an_enum_with_a_default_and_one_of_commands_may_grow(tmp_path: Path) -> None:
    status = {"type": "enum", "name": "Status", "symbols": ["OPEN", "UNKNOWN"], "default": "UNKNOWN"}
    command = {
        **OPEN,
        "fields": [*OPEN["fields"], {"name": "how", "type": {**status, "name": "How", "symbols": ["A"]}}],
    }
    del command["fields"][-1]["type"]["default"]
    assert not fails(found(tmp_path, [carts(), TABLE], command, event("CartOpened", {"status": status})))


def test_a_rows_field_with_an_alias_is_a_warning_with_the_recipe(tmp_path: Path) -> None:
    fields = [{"name": "id", "type": "string"}, {"name": "pence", "type": "long", "default": 0, "aliases": ["price"]}]
    row = record("CartRow", {}, kind="row", key="id") | {"fields": fields}
    (finding,) = [each for each in found(tmp_path, [carts(), TABLE], OPEN, OPENED, row) if each.code == "row-alias"]
    assert finding.severity is Severity.WARNING
    assert "in queries and indexes it is pence at once" in finding.message
    assert "add pence beside it, let the handlers fill both, and drop price when no client asks" in finding.message


def test_an_events_field_with_an_alias_is_read_and_nothing_to_say_of(tmp_path: Path) -> None:
    aliased = event("CartOpened", [{"name": "pence", "type": "long", "default": 0, "aliases": ["price"]}])
    assert found(tmp_path, [carts(), TABLE], OPEN, aliased) == []


def test_contracts_that_cannot_be_read_are_findings_too(tmp_path: Path) -> None:
    (finding,) = unreadable(read_catalog(project(tmp_path, {**OPEN, "key": "cart"}))[1])
    assert codes([finding]) == [("contract", "error")]
    assert finding.file.endswith("OpenCart.avsc")
    assert finding.message.startswith('"key": ')


def test_findings_are_told_as_text_and_as_json() -> None:
    findings = [
        Finding("verb-form", Severity.ERROR, "a.avsc", "bad name"),
        Finding("unused-type", Severity.WARNING, "b.avsc", "not used"),
    ]
    assert as_text(findings) == (
        "a.avsc: error: bad name [verb-form]\nb.avsc: warning: not used [unused-type]\n1 error, 1 warning"
    )
    assert as_text([]) == "nothing found"
    assert json.loads(as_json(findings))[0] == {
        "code": "verb-form",
        "severity": "error",
        "file": "a.avsc",
        "message": "bad name",
    }
    assert fails(findings)
    assert not fails(findings[1:])
