"""Messages written at a command line: found by name, their fields held to the contract, sent on somebody's behalf."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from verbwire.errors import ConfigurationError, UnkeyableError
from verbwire.settings import load_settings

if TYPE_CHECKING:
    from verbwire.client import Connection
    from verbwire.contracts.schema.model import Contract
    from verbwire.messages import Message
    from verbwire.project import Project

Fields = Annotated[
    list[str] | None,
    typer.Argument(help="name=value for each field; or all as JSON: '{...}', @file, or - for standard input."),
]
Id = Annotated[str | None, typer.Option("--id", help="The message's id: the same id again is the same message.")]
As = Annotated[str | None, typer.Option("--as", help="On whose behalf (VERBWIRE_ACTOR).")]
Scopes = Annotated[
    list[str] | None, typer.Option("--scope", help="What they may do (VERBWIRE_SCOPES). May be repeated.")
]
Ttl = Annotated[float | None, typer.Option("--ttl", help="Seconds after which the command expires.")]
_VERBS = {"command": "verbwire send or ask", "event": "verbwire publish", "query": "verbwire query"}


@dataclass(frozen=True)
class Written:
    """A message as it was written, and who sends it."""

    project: Project
    contract: Contract
    message: Message
    connection: Connection


def written(kind: str, name: str, fields: Sequence[str], actor: str | None, scopes: Sequence[str] | None) -> Written:
    """Return the message of that kind and name with these fields.

    :class:`ConfigurationError`, which names the field, where it does not fit its contract or its bounds.
    """
    from verbwire.client import Connection
    from verbwire.project import load_project

    settings = load_settings(flags={"actor": actor, "scopes": tuple(scopes) if scopes else None})
    project = load_project(settings)
    contract = _contract(project, kind, name)
    message = _message(project, contract, fields)
    return Written(project, contract, message, Connection.of_project(settings))


def _contract(project: Project, kind: str, name: str) -> Contract:
    contract = project.catalog.find(name)
    if contract.kind != kind:
        verb = _VERBS.get(contract.kind)
        hint = f"use `{verb} {name}`" if verb else "it is written by its group alone"
        raise ConfigurationError(f"{contract.name} is of kind {contract.kind}: {hint}")
    return contract


def _message(project: Project, contract: Contract, given: Sequence[str]) -> Message:
    import msgspec

    from verbwire.http.avro_json.decode import JsonMismatch, reader
    from verbwire.http.avro_json.texts import text_reader
    from verbwire.wire.keys import key_of

    try:
        whole = _json(given)
        values = text_reader(contract)(_pairs(given)) if whole is None else reader(contract)(_decoded(whole))
        message: Message = msgspec.convert(values, project.classes[contract.name])
    except (JsonMismatch, msgspec.ValidationError) as misfit:
        raise ConfigurationError(f"this is no {contract.name}: {misfit}") from None
    if contract.bounds is not None and (excess := contract.bounds(message)):
        raise ConfigurationError(f"this {contract.name} is out of bounds: {excess}")
    if contract.kind != "query":
        try:
            key_of(contract, message)
        except UnkeyableError as error:
            raise ConfigurationError(str(error)) from None
    return message


def _json(given: Sequence[str]) -> bytes | None:
    """Return the JSON that is given instead of fields; None where fields are."""
    if len(given) != 1:
        return None
    (only,) = given
    if only == "-":
        return sys.stdin.buffer.read()
    if only.startswith("@"):
        try:
            return Path(only[1:]).read_bytes()
        except OSError as error:
            raise ConfigurationError(f"{only[1:]} cannot be read: {error.strerror}") from None
    return only.encode() if only.lstrip().startswith("{") else None


def _decoded(body: bytes) -> Any:
    import msgspec

    from verbwire.wire.json.repeated_names import RepeatedNameError, require_once

    try:
        value = msgspec.json.decode(body)
        require_once(body, value)
    except RepeatedNameError as error:
        raise ConfigurationError(str(error)) from None
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ConfigurationError(f"the message cannot be read as JSON: {error}") from None
    return value


def _pairs(given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise ConfigurationError(f"{each!r}: write name=value for each field, or the whole as JSON, @file or -")
        if name in found:
            raise ConfigurationError(f"{name} is given twice: write each field once, a list as JSON: {name}=[1,2]")
        found[name] = value
    return found
