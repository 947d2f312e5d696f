"""Outcomes as HTTP responses: as the answer to the command itself, and as a document for later requests.

A refusal answers a command with a problem, so that no client takes it for success. A later request for the outcome is
answered with 200, whatever it is: that question was answered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from starlette.responses import Response

from verbwire.client.producing.ack import Position
from verbwire.http.avro_json import encode
from verbwire.http.base import problem_types
from verbwire.http.base.problem import HttpProblem
from verbwire.http.base.requests import json_bytes
from verbwire.messages import FORBIDDEN, ID_REUSED, OUT_OF_BOUNDS, Accepted, Expired, Failed, Outcome, Rejected
from verbwire.wire.positions import HEADER, Positions, encode_positions, merge
from verbwire.wire.records.outcomes import EventPosition

_REJECTED = {
    FORBIDDEN: problem_types.FORBIDDEN,
    ID_REUSED: problem_types.ID_REUSED,
    OUT_OF_BOUNDS: problem_types.OUT_OF_BOUNDS,
}
_FAILED = "the handler failed on this command, which changed nothing; the worker's log has the cause under this id"
_EXPIRED = "the command expired before it was handled; it changed nothing"


def answer(id: str, outcome: Outcome, events: Iterable[EventPosition | Position], reply: bytes | None) -> Response:
    """Return the answer to a command; `reply` is the JSON of an accepted one's reply."""
    headers = position_header(events)
    match outcome:
        case Accepted():
            return json_response(document(id, outcome, reply), headers=headers)
        case Rejected(code, reason, details):
            more = {"outcome": "rejected", "id": id, "details": details}
            type = _REJECTED.get(code) or problem_types.rejection(code)
            return HttpProblem(type, reason or f"the aggregate rejected it: {code}", headers, more).response()
        case Failed():
            return HttpProblem(problem_types.FAILED, _FAILED, headers, {"outcome": "failed", "id": id}).response()
        case Expired():
            return HttpProblem(problem_types.EXPIRED, _EXPIRED, headers, {"outcome": "expired", "id": id}).response()


def document(id: str, outcome: Outcome, reply: bytes | None) -> dict[str, Any]:
    """Return the document of an outcome. What a handler raised stays with the log: it may hold anybody's data."""
    match outcome:
        case Accepted():
            return {"outcome": "accepted", "id": id, "reply": None if reply is None else msgspec.Raw(reply)}
        case Rejected(code, reason, details):
            return {"outcome": "rejected", "id": id, "code": code, "reason": reason, "details": details}
        case Failed():
            return {"outcome": "failed", "id": id, "reason": _FAILED}
        case Expired():
            return {"outcome": "expired", "id": id, "reason": _EXPIRED}


def position_header(events: Iterable[EventPosition | Position]) -> dict[str, str]:
    """Return ``Verbwire-Position`` behind these events: a query that is sent it sees what they changed."""
    positions: Positions = {}
    for event in events:
        merge(positions, event.topic, event.partition, event.offset + 1)
    return {HEADER: encode_positions(positions)} if positions else {}


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer of ours as JSON, not to be cached by anybody."""
    return json_bytes(encode.encode(body), headers, status)
