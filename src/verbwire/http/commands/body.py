"""The bodies of requests: read within limits, JSON only, and turned into the message that a contract describes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from verbwire.contracts.schema.bounds_check import BoundViolation
from verbwire.contracts.schema.model import Contract
from verbwire.http.avro_json.decode import JsonMismatch, reader
from verbwire.http.base import problem_types
from verbwire.http.base.problem import HttpProblem
from verbwire.http.base.requests import byte_budget_of, fields_of, first, whole_body
from verbwire.messages import Message
from verbwire.wire.json.repeated_names import RepeatedNameError, require_once

M = TypeVar("M", bound=Message)

MEDIA_TYPE = "application/json"
_CLOSING = {"Connection": "close"}  # what the client still sends belongs to no request


async def read_body(request: Request, seconds: float) -> bytes:
    """Return the body of a request that must be JSON; 411, 413, 415, 429 or 408 otherwise.

    What is larger than allowed has been refused by its Content-Length, before anything was read.
    """
    fields = fields_of(request.scope)
    media, _, parameters = first(fields, b"content-type").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media.strip().lower() != MEDIA_TYPE or charset not in ("", "utf-8"):
        raise HttpProblem(
            problem_types.UNSUPPORTED_MEDIA_TYPE, f"send Content-Type: {MEDIA_TYPE}", {"Accept-Post": MEDIA_TYPE}
        )
    if b"content-encoding" in fields:
        raise HttpProblem(problem_types.UNSUPPORTED_ENCODING, "send the body as it is, without Content-Encoding")
    if b"content-length" not in fields:
        raise HttpProblem(problem_types.LENGTH_REQUIRED, "the body's length is missing: send Content-Length", _CLOSING)
    byte_budget_of(request).take(int(first(fields, b"content-length")))
    if (whole := whole_body(request)) is not None:
        return whole
    try:
        async with asyncio.timeout(seconds):
            return await request.body()
    except TimeoutError:
        raise HttpProblem(problem_types.TOO_SLOW, f"the body took more than {seconds:.0f} s", _CLOSING) from None
    except ClientDisconnect:
        raise HttpProblem(problem_types.CUT_OFF, "the body ended before its Content-Length", _CLOSING) from None


def message_reader(contract: Contract, cls: type[M]) -> Callable[[bytes], M]:
    """Return what makes messages of a contract from JSON.

    It raises 400: ``not_json``, ``repeated_name``, ``not_the_contract`` with the field that does not fit, or
    ``out_of_bounds`` with the field and its bound. Which values fit together is the receiver's business.
    """
    fields, check = reader(contract), contract.bounds

    def read(body: bytes) -> M:
        value = json_of(body)
        try:
            message = msgspec.convert(fields(value), cls)
        except JsonMismatch as misfit:
            raise not_the_contract(contract, misfit.field, str(misfit)) from None
        if check is not None and (excess := check(message)):
            raise _out_of_bounds(contract, excess)
        return message

    return read


def not_the_contract(contract: Contract, field: str, why: str) -> HttpProblem:
    """Return 400: the message does not fit its contract, in that field where it is one."""
    return HttpProblem(
        problem_types.NOT_THE_CONTRACT, f"this is no {contract.name}: {why}", more={"field": field or None}
    )


def _out_of_bounds(contract: Contract, excess: BoundViolation) -> HttpProblem:
    more = {"field": excess.field, "details": excess.details}
    return HttpProblem(problem_types.OUT_OF_BOUNDS, f"this {contract.name} is out of bounds: {excess}", more=more)


def json_of(body: bytes) -> Any:
    """Return what a body says as JSON; a problem where it is none, or has a name twice."""
    try:
        value = msgspec.json.decode(body)
        require_once(body, value, plain=True)
    except RepeatedNameError as error:
        raise HttpProblem(problem_types.REPEATED_NAME, str(error), more={"name": error.name[:80]}) from None
    except (msgspec.MsgspecError, RecursionError) as error:  # numbers out of range are among them
        raise HttpProblem(problem_types.NOT_JSON, f"the body cannot be read as JSON: {error}") from None
    return value
