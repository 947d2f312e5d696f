"""``verbwire ask``: a command from the shell, and its outcome."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from verbwire.cli import completion
from verbwire.cli.exit_codes import Exit
from verbwire.cli.messages import As, Fields, Id, Scopes, Ttl, Written, written
from verbwire.cli.output import AsJson, print_error, print_json
from verbwire.cli.progress import ProgressLine
from verbwire.cli.records import compact, print_line
from verbwire.errors import OutcomeUnknownError
from verbwire.messages import FORBIDDEN, Accepted, Failed, Outcome, Rejected

if TYPE_CHECKING:
    from verbwire.client import CommandHandle

_SECONDS = 30.0
_STEP = 0.2


def ask(
    command: Annotated[
        str, typer.Argument(help="A command, by its name or the end of it.", autocompletion=completion.commands)
    ],
    fields: Fields = None,
    id: Id = None,
    ttl: Ttl = None,
    wait: Annotated[float, typer.Option("--wait", min=0.1, help="Seconds to wait for the outcome.")] = _SECONDS,
    actor: As = None,
    scope: Scopes = None,
    as_json: AsJson = False,
) -> None:
    """Send a command to its one receiver, and print its outcome.

    Ends with 0 where it was accepted, with 4 where it was rejected, has failed or expired, and with 3 where no outcome
    came in time: it may still be carried out, and `verbwire trace` with its token tells.
    """
    from verbwire.client import Client

    message = written("command", command, fields or (), actor, scope)
    with Client(message.connection) as client:
        pending = client.ask(message.message, id=id, ttl=ttl)  # type: ignore[var-annotated,arg-type]  # of that kind
        try:
            outcome = _waited(pending, wait)
        except OutcomeUnknownError as error:
            if error.token is not None:
                print_error(f"its token: {error.token}")
            raise
        facts = _facts(message, pending, outcome)
    if as_json:
        print_json(facts)
    else:
        _print(facts)
    if not isinstance(outcome, Accepted):
        if isinstance(outcome, Rejected) and outcome.code == FORBIDDEN and message.contract.requires:
            wanted = " ".join(f"--scope {each}" for each in sorted(message.contract.requires))
            print_error(f"{message.contract.short} requires: --as somebody {wanted}")
        raise typer.Exit(Exit.REFUSED)


def _waited(pending: CommandHandle[Any], seconds: float) -> Outcome[Any]:
    """Wait, and tell on a terminal what for."""
    with ProgressLine(lambda: f"waiting for the outcome of {pending.command} {pending.id}") as progress:
        for _ in range(int(seconds / _STEP)):
            progress.step()
            try:
                return pending.result(_STEP)
            except OutcomeUnknownError:
                continue
        return pending.result(seconds % _STEP)


def _facts(message: Written, pending: CommandHandle[Any], outcome: Outcome[Any]) -> dict[str, Any]:
    rejected = outcome if isinstance(outcome, Rejected) else None
    reason = outcome.reason if isinstance(outcome, Rejected | Failed) else None
    return {
        "outcome": type(outcome).__name__.lower(),
        "command": pending.command,
        "id": pending.id,
        "code": rejected.code if rejected else None,
        "reason": reason or None,
        "details": rejected.details if rejected else {},
        "reply": _reply(message, outcome.reply) if isinstance(outcome, Accepted) else None,
        "position": _place(pending.position) if pending.position else None,
        "events": [_place(each) for each in pending.events],
        "token": pending.token,
    }


def _reply(message: Written, reply: Any) -> Any:
    from verbwire.http.avro_json.encode import encoder

    return None if reply is None else json.loads(encoder(message.project.catalog.of(reply))(reply))


def _place(position: tuple[str, int, int]) -> str:
    return "/".join(map(str, position))


def _print(facts: dict[str, Any]) -> None:
    why = ": ".join(filter(None, (facts["code"], facts["reason"])))
    details = compact(facts["details"]) if facts["details"] else None
    print_line(facts["outcome"].upper(), why, details, facts["command"], f"id {facts['id']}", facts["position"])
    if facts["reply"] is not None:
        print_line("  reply", compact(facts["reply"]))
    for place in facts["events"]:
        print_line("  event", place)
