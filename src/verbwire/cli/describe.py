"""``verbwire describe``: one message, group or topic, from its contract and from what stands on the cluster."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from verbwire.cli.output import AsJson, print_json, print_table, print_text
from verbwire.settings import load_settings

if TYPE_CHECKING:
    from verbwire.inspection.deployed import Deployed
    from verbwire.inspection.describe import Description

_LISTED = {"fields", "handlers", "versions", "members"}  # tables of their own
_ELSEWHERE = {"name", "type", "differs", "settings", "planned"}


def describe(
    name: Annotated[str, typer.Argument(help="A message, group or topic; a message or group by any unique end.")],
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the cluster.")] = False,
    as_json: AsJson = False,
) -> None:
    """Describe a message, group or topic: contract, who sends and who receives, versions, members, settings.

    \b
    verbwire describe PlaceOrder
    verbwire describe shop.checkout
    verbwire describe shop.orders.events
    """
    from verbwire.inspection.deployed import deployed
    from verbwire.inspection.describe import describe as described
    from verbwire.inspection.reading.cluster_view import in_order, opened
    from verbwire.project import load_project

    project = load_project(load_settings())
    standing: list[Deployed | None]
    if offline:
        found = described(project, name)
        standing, unknown = [None] * len(found), {}
    else:
        with opened(project) as view:
            found = described(view.project, name)
            standing = [deployed(view, each) for each in found]
            unknown = in_order(view.unknown)
    if as_json:
        pairs = zip(found, standing, strict=True)
        told = [{**msgspec.to_builtins(each), "deployed": msgspec.to_builtins(there)} for each, there in pairs]
        print_json({"described": told, "unknown": unknown})
        return
    for each, there in zip(found, standing, strict=True):
        _print(each, there)
    for what, why in unknown.items():
        print_text(f"? {what}: {why}")


def _print(described: Description, there: Deployed | None) -> None:
    facts, tag = msgspec.to_builtins(described), type(described).__struct_config__.tag
    print_text(f"{tag} {facts['name']}")
    for line in _lines(facts):
        print_text(line)
    if there is not None:
        standing = msgspec.to_builtins(there)
        for line in (*_lines(standing), *_settings(standing)):
            print_text(line)
        _print_versions(standing)
        _print_members(standing)
    if fields := facts.get("fields"):
        print_table(("field", "type", "", "bounds", "doc"), map(_field, fields))
    if handlers := facts.get("handlers"):
        print_table(("does", "message", "function"), [(h["does"], h["message"], h["function"]) for h in handlers])
    print()


def _lines(facts: dict[str, Any]) -> Iterator[str]:
    for name, value in facts.items():
        if name in _LISTED | _ELSEWHERE or value is False or (not value and not isinstance(value, int)):
            continue
        yield f"  {name.replace('_', ' ')}: {_said(value)}"


def _said(value: Any) -> str:
    if value is True:
        return "yes"
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(map(str, value))
    return str(value)


def _settings(standing: dict[str, Any]) -> Iterator[str]:
    for name, value in standing.get("settings", {}).items():
        planned = standing["differs"].get(name)
        yield f"  {name}: {value}" + (f" (planned is {planned[0]})" if planned else "")


def _field(field: dict[str, Any]) -> tuple[str, ...]:
    marks = [mark for mark in ("key", "time") if field[mark]] + ([] if field["required"] else ["optional"])
    bounds = ", ".join(f"{word} {json.dumps(limit)}" for word, limit in field["bounds"].items())
    return field["name"], field["type"], " ".join(marks), bounds, field["doc"]


def _print_versions(standing: dict[str, Any]) -> None:
    rows = []
    for each in standing.get("versions", ()):
        kept = "; ".join(f"{group}: {', '.join(map(str, where))}" for group, where in each["folded_by"].items())
        number = "?" if each["number"] is None else str(each["number"])
        rows.append((number, str(each["id"]), "yes" if each["at_hand"] else "", kept))
    if rows:
        print_table(("version", "schema id", "of this code", "newest of the rows of"), rows)


def _print_members(standing: dict[str, Any]) -> None:
    rows = []
    for each in standing.get("members", ()):
        first = (each["worker"], each["host"])
        for topic, partitions in each["partitions"].items() or [("", [])]:
            rows.append((*first, topic, ", ".join(map(str, partitions))))
            first = ("", "")
    if rows:
        print_table(("member", "host", "topic", "partitions"), rows)
