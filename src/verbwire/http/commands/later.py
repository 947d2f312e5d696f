"""Commands for later over HTTP: the headers that say when, and where such a command is cancelled."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from verbwire.contracts.schema.model import Contract
from verbwire.errors import ContractError, UndecodableError, UnkeyableError
from verbwire.http.base import problem_types
from verbwire.http.base.problem import HttpProblem
from verbwire.http.base.requests import header, parameters, query_string
from verbwire.http.commands.outcome_responses import json_response
from verbwire.messages import Accepted, Outcome, Rejected
from verbwire.wire.keys import key_text, key_text_parser
from verbwire.wire.scheduling import TOO_LATE, UNKNOWN, time_header

AT_HEADER = "Verbwire-At"
AFTER_HEADER = "Verbwire-After"
# Up to 400 days, to the millisecond.
AFTER = r"^(0|[1-9][0-9]{0,7})(\.[0-9]{1,3})?$"
CANCEL_SECONDS = 10.0
_REFUSED = {TOO_LATE: problem_types.TOO_LATE, UNKNOWN: problem_types.NOT_SCHEDULED}
_AFTER = re.compile(AFTER, re.ASCII)


def later_of(request: Request, contract: Contract) -> tuple[str, bytes] | None:
    """Return what says when a command is delivered, None for at once; 400 for what is no time, or not this command."""
    at, after = header(request, AT_HEADER), header(request, AFTER_HEADER)
    if at is None and after is None:
        return None
    if not contract.schedulable:
        detail = f'{contract.name} is not sent for later: its contract does not say "schedulable": true'
        raise HttpProblem(problem_types.NOT_SCHEDULABLE, detail)
    try:
        return time_header(None if at is None else _moment(at), None if after is None else _span(after))
    except ContractError as error:
        raise HttpProblem(problem_types.BAD_TIME, str(error)) from None


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise _bad(f"{AT_HEADER} is a time as RFC 3339 has it, like 2026-12-01T06:00:00Z") from None


def _span(text: str) -> timedelta:
    if not _AFTER.fullmatch(text):
        raise _bad(f"{AFTER_HEADER} is seconds, with at most 3 decimal places")
    return timedelta(seconds=float(text))


def _bad(detail: str) -> HttpProblem:
    return HttpProblem(problem_types.BAD_TIME, detail)


def key_parameter(request: Request, contract: Contract) -> bytes:
    """Return the key that a cancellation names; 400 where it names none."""
    given = parameters(query_string(request), ("key",))
    if "key" not in given:
        raise HttpProblem(problem_types.BAD_PARAMETER, "name the command's key: ?key=", more={"field": "key"})
    try:
        return key_text_parser(contract)(given["key"])
    except (UndecodableError, UnkeyableError) as error:
        raise HttpProblem(problem_types.BAD_PARAMETER, f"the command's key: {error}", more={"field": "key"}) from None


def cancelled(id: str, outcome: Outcome) -> Response:
    """Return what became of a cancellation: done, too late, unknown, or not allowed."""
    match outcome:
        case Accepted():
            return json_response({"outcome": "cancelled", "id": id})
        case Rejected(code, reason):
            kind = _REFUSED.get(code, problem_types.FORBIDDEN)
            return HttpProblem(kind, reason, more={"outcome": code, "id": id}).response()
        case _:
            raise HttpProblem(problem_types.FAILED, "the scheduler failed on it")


def taken(contract: Contract, key: bytes, id: str) -> Response:
    """Return the answer to a command that is taken for later: 202, and the path by which it is cancelled."""
    place = f"/commands/{contract.name}/scheduled/{quote(id, safe='')}?key={quote(key_text(contract, key), safe='')}"
    return json_response({"outcome": "scheduled", "id": id}, 202, {"Location": place})
