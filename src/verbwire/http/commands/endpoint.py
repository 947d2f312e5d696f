"""Commands over HTTP: ``POST /commands/{name}``.

The body becomes a message of the contract, the message goes to Kafka like every command, and the answer waits, within
a budget, for what its receiver makes of it. Who sends it and what they may do is written from the principal, never
from what the client says of itself. Whether that is enough, the receiver decides, of commands from anywhere; what it
would refuse by the contract as it is known here is refused here, before its body is read and Kafka has to keep it.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from verbwire.client.asking.handle import CommandHandle
from verbwire.client.base.completion import WouldWaitError
from verbwire.client.producing.ack import Ack
from verbwire.client.producing.ids import Ids
from verbwire.contracts.schema.model import Catalog, Contract
from verbwire.errors import (
    ClosedError,
    ContractError,
    DeliveryError,
    RegistryUnavailableError,
    UnavailableError,
    UnencodableError,
    UnkeyableError,
)
from verbwire.handling.permission import refusal
from verbwire.http.base import limits, problem_types
from verbwire.http.base.interruptible_waits import InterruptibleWaits
from verbwire.http.base.limits import CommandLimits
from verbwire.http.base.names import NameResolver
from verbwire.http.base.problem import HttpProblem, unavailable
from verbwire.http.base.requests import fields_of, header, no_parameters, path_parameter, principal_of
from verbwire.http.base.thread_pool import BoundedThreadPool
from verbwire.http.commands import idempotency
from verbwire.http.commands.body import message_reader, not_the_contract, read_body
from verbwire.http.commands.gateway import Gateway
from verbwire.http.commands.idempotency import command_id
from verbwire.http.commands.later import CANCEL_SECONDS, cancelled, key_parameter, later_of, taken
from verbwire.http.commands.outcome_links import OutcomeLinks
from verbwire.http.commands.outcome_responses import answer, json_response
from verbwire.http.commands.prefer import WaitPreference, patience
from verbwire.http.commands.reply_json import ReplyWriter
from verbwire.messages import Command, Message
from verbwire.principal import Principal
from verbwire.tracing.seam import continued
from verbwire.wire.headers import Envelope, milliseconds, trace_of
from verbwire.wire.keys import key_of

T = TypeVar("T")

TTL_HEADER = "Verbwire-Ttl"
CORRELATION_HEADER = "Verbwire-Correlation-Id"
# More than nothing, less than a million, to the millisecond.
TTL = r"^([1-9][0-9]{0,5}(\.[0-9]{1,3})?|0\.([1-9][0-9]{0,2}|0[1-9][0-9]?|00[1-9]))$"
_TTL = re.compile(TTL, re.ASCII)
_CORRELATION = re.compile(r"[!-~]{1,200}")
_log = logging.getLogger("verbwire.http")


@dataclass(frozen=True)
class PostableCommand:
    """A command as HTTP takes it."""

    contract: Contract
    cls: type[Command]
    read: Callable[[bytes], Command]


def _postable(contract: Contract, cls: type[Command]) -> PostableCommand:
    return PostableCommand(contract, cls, message_reader(contract, cls))


class Commands:
    """Takes the commands of a project's contracts. `classes` are the generated ones, by full name."""

    def __init__(
        self,
        catalog: Catalog,
        classes: Mapping[str, type[Message]],
        gateway: Gateway,
        links: OutcomeLinks,
        waits: InterruptibleWaits | None = None,
        command_limits: CommandLimits = CommandLimits(),
    ) -> None:
        commands = {name: cls for name, cls in classes.items() if issubclass(cls, Command)}
        postable = {name: _postable(catalog.contracts[name], cls) for name, cls in commands.items()}
        self._named = NameResolver("command", postable, "GET /openapi.json lists them")
        self._reply = ReplyWriter(catalog)
        self._gateway = gateway
        self._links = links
        self._waits = waits or InterruptibleWaits()
        self._ids = Ids()
        self._limits = command_limits
        self._threads = BoundedThreadPool(limits.SENDERS, limits.WAITING)

    @property
    def routes(self) -> Sequence[Route]:
        """The paths it answers."""
        return [
            Route("/commands/{name}", self.post, methods=["POST"]),
            Route("/commands/{name}/scheduled/{id}", self.cancel, methods=["DELETE"]),
        ]

    def close(self) -> None:
        """Let go of the threads; called after the last answer."""
        self._threads.close()

    async def post(self, request: Request) -> Response:
        """POST /commands/{name}."""
        postable = self._named.find(path_parameter(request, "name"))
        principal = principal_of(request)
        if refused := refusal(postable.contract, principal.actor, principal.scopes):
            return answer(self._ids.of(_id(request, principal, postable.contract)), refused, (), None)
        no_parameters(request)
        envelope = _envelope(request, principal, postable.contract)
        later = later_of(request, postable.contract)
        wish = patience(fields_of(request.scope).get(b"prefer"))
        body = await read_body(request, self._limits.body_seconds)
        command = await self._read(postable, body)
        if later is not None:
            envelope = msgspec.structs.replace(envelope, later=later)
            ack = await self._handed_over(postable.contract, command, envelope)
            return taken(postable.contract, key_of(postable.contract, command), ack.id)
        if postable.contract.response == "none":
            return await self._send(postable.contract, command, envelope)
        return await self._ask(postable.contract, command, envelope, principal, wish)

    async def _read(self, postable: PostableCommand, body: bytes) -> Command:
        """Read a body; one that takes long, off the loop, so that no other request waits for it."""
        if len(body) <= limits.SHORT:
            return postable.read(body)
        return await self._threads.run(lambda: postable.read(body))

    async def _ask(
        self, contract: Contract, command: Command, envelope: Envelope, principal: Principal, wish: WaitPreference
    ) -> Response:
        pending = await self._taken(contract, partial(self._gateway.ask, command, envelope), at_once=True)
        try:
            async with self._waits.within(wish.seconds):
                outcome = await pending
        except TimeoutError:
            return await self._later(contract, pending, principal, wish)
        except (ClosedError, DeliveryError, UnavailableError) as error:
            raise _not_taken(contract, error) from error
        response = answer(pending.id, outcome, pending.events, self._reply(outcome))
        if wish.applied:
            response.headers.update(wish.headers)
        return response

    async def _later(
        self, contract: Contract, pending: CommandHandle, principal: Principal, wish: WaitPreference
    ) -> Response:
        """Answer before the outcome is there, but not before Kafka has the command: 202 promises that it happens."""
        if pending.ack is not None:
            await self._acknowledged(contract, pending.ack)
        assert pending.token is not None  # noqa: S101 (it is acknowledged)
        location = self._links.path(pending.token, principal.actor)
        headers = {"Location": location, "Retry-After": "1", **wish.headers}
        return json_response({"outcome": "pending", "id": pending.id}, 202, headers)

    async def _send(self, contract: Contract, command: Command, envelope: Envelope) -> Response:
        ack = await self._handed_over(contract, command, envelope)
        return json_response({"outcome": "none", "id": ack.id}, 202)

    async def _handed_over(self, contract: Contract, command: Command, envelope: Envelope) -> Ack:
        ack = await self._taken(contract, partial(self._gateway.send, command, envelope))
        await self._acknowledged(contract, ack)
        return ack

    async def cancel(self, request: Request) -> Response:
        """DELETE /commands/{name}/scheduled/{id}: of what was sent for later."""
        postable = self._named.find(path_parameter(request, "name"))
        contract, principal, id = postable.contract, principal_of(request), path_parameter(request, "id")
        if not contract.schedulable:
            raise HttpProblem(problem_types.NOT_SCHEDULABLE, f"{contract.name} is never sent for later")
        key = key_parameter(request, contract)
        cancel = partial(self._gateway.cancel, postable.cls, key, id, Envelope(principal=principal))
        pending = await self._taken(contract, cancel)
        try:
            async with self._waits.within(CANCEL_SECONDS):
                outcome = await pending
        except TimeoutError:
            raise unavailable(problem_types.NOT_TAKEN, "the scheduler has not answered: ask again", 2) from None
        except (ClosedError, DeliveryError, UnavailableError) as error:
            raise _not_taken(contract, error) from error
        return cancelled(id, outcome)

    async def _taken(self, contract: Contract, send: Callable[..., T], at_once: bool = False) -> T:
        """Call what hands the command over; off the loop where it has to wait for the broker or the registry."""
        try:
            if at_once:
                with suppress(WouldWaitError):
                    return send(patient=False)
            async with asyncio.timeout(self._limits.delivery_seconds):
                return await self._threads.run_short(send)
        except UnkeyableError as error:
            raise not_the_contract(contract, contract.key[0], str(error)) from None
        except UnencodableError as error:
            raise _unencodable(contract, error) from None
        except ContractError as error:
            _log.error("%s cannot be sent: %s", contract.name, error)
            detail = f"{contract.name} has no topic yet: the operator has to run `verbwire deploy`"
            raise unavailable(problem_types.NOT_DEPLOYED, detail, 30) from None
        except TimeoutError as error:  # its thread is still asking, whom is not known here
            raise _not_taken(contract, error, "Kafka, or the schema registry before it,") from error
        except (ClosedError, DeliveryError, UnavailableError) as error:
            raise _not_taken(contract, error) from error

    async def _acknowledged(self, contract: Contract, ack: Ack) -> None:
        try:
            async with asyncio.timeout(self._limits.delivery_seconds):
                await ack
        except (ClosedError, DeliveryError, UnavailableError, TimeoutError) as error:
            raise _not_taken(contract, error) from error


def _envelope(request: Request, principal: Principal, contract: Contract) -> Envelope:
    return Envelope(
        id=_id(request, principal, contract),
        ttl=milliseconds(_ttl(header(request, TTL_HEADER))),
        principal=principal,
        correlation_id=_correlation(header(request, CORRELATION_HEADER)),
        traceparent=continued(trace_of(header(request, "traceparent"))),
    )


def _id(request: Request, principal: Principal, contract: Contract) -> str | None:
    return command_id(principal.actor, contract, header(request, idempotency.HEADER))


def _ttl(text: str | None) -> float | None:
    if text is not None and not _TTL.fullmatch(text):
        detail = f"{TTL_HEADER} is seconds: more than 0, less than a million, with at most 3 decimal places"
        raise HttpProblem(problem_types.BAD_TTL, detail)
    return None if text is None else float(text)


def _correlation(text: str | None) -> str | None:
    if text is not None and not _CORRELATION.fullmatch(text):
        detail = f"{CORRELATION_HEADER} is 1 to 200 printable ASCII characters without spaces"
        raise HttpProblem(problem_types.BAD_CORRELATION_ID, detail)
    return text


def _unencodable(contract: Contract, error: UnencodableError) -> HttpProblem:
    if str(error).startswith(contract.name):
        return not_the_contract(contract, "", str(error))
    return HttpProblem(problem_types.TOO_LARGE, f"this {contract.name} is larger than a record may be: keep less in it")


def _not_taken(contract: Contract, error: Exception, who: str = "Kafka") -> HttpProblem:
    _log.warning("%s was not acknowledged: %s", contract.name, error or type(error).__name__)
    if isinstance(error, RegistryUnavailableError):
        detail = f"{contract.name} was not sent: the schema registry, which has its schema, does not answer"
        return unavailable(problem_types.NO_SCHEMA, f"{detail}; ask again", 2)
    detail = (
        f"{who} did not acknowledge {contract.name} in time, but may have it: send it again with the same "
        f"{idempotency.HEADER}, and it happens once"
    )
    return unavailable(problem_types.NOT_TAKEN, detail, 2)
