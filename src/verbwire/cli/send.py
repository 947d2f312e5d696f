"""``verbwire send`` and ``publish``: a command or an event from the shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from verbwire.cli import completion
from verbwire.cli.messages import As, Fields, Id, Scopes, Ttl, written
from verbwire.cli.output import AsJson, print_json
from verbwire.cli.records import print_line

if TYPE_CHECKING:
    from verbwire.client import Ack


def send(
    command: Annotated[
        str, typer.Argument(help="A command, by its name or the end of it.", autocompletion=completion.commands)
    ],
    fields: Fields = None,
    id: Id = None,
    ttl: Ttl = None,
    actor: As = None,
    scope: Scopes = None,
    as_json: AsJson = False,
) -> None:
    """Send a command to its one receiver, and wait until Kafka has it; `verbwire ask` waits for its outcome."""
    from verbwire.client import Client

    message = written("command", command, fields or (), actor, scope)
    with Client(message.connection) as client:
        ack = client.send(message.message, id=id, ttl=ttl)  # type: ignore[arg-type]  # it is of that kind
        _tell(message.contract.name, ack, as_json)


def publish(
    event: Annotated[
        str, typer.Argument(help="An event, by its name or the end of it.", autocompletion=completion.events)
    ],
    fields: Fields = None,
    id: Id = None,
    actor: As = None,
    scope: Scopes = None,
    as_json: AsJson = False,
) -> None:
    """Publish an event to whoever subscribes to it, and wait until Kafka has it."""
    from verbwire.client import Client

    message = written("event", event, fields or (), actor, scope)
    with Client(message.connection) as client:
        _tell(message.contract.name, client.publish(message.message, id=id), as_json)  # type: ignore[arg-type]  # likewise


def _tell(name: str, ack: Ack, as_json: bool) -> None:
    topic, partition, offset = ack.result()
    if as_json:
        print_json({"message": name, "id": ack.id, "topic": topic, "partition": partition, "offset": offset})
    else:
        print_line(name, f"id {ack.id}", f"{topic}/{partition}/{offset}")
