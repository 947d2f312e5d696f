"""Which commands carry grants, and which receivers require them: by a contract, or by the project's settings.

``off``: those whose contract says ``"grant": "required"``, and no others. ``signed``: all are signed by whoever has a
key; none is refused for want of it, so that senders can be brought along one by one. ``required``: all have to be.

What claims nothing needs no proof: a public command of nobody known, without actor and scopes, carries no grant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from verbwire.contracts.schema.model import Contract
from verbwire.errors import ConfigurationError
from verbwire.messages import FORBIDDEN, Kind, Rejected
from verbwire.names import Names
from verbwire.principal import NOBODY, Principal
from verbwire.wire.grants.grants import LIFETIME_MS, Claim, Key, Presented, Signer, fault
from verbwire.wire.headers import Headers, RawHeaders
from verbwire.wire.records.outcomes import OutcomeRecord

OFF, SIGNED, REQUIRED = "off", "signed", "required"

_FAULTS = {
    "missing": "has none: send it over HTTP, or by a client that has a key (grant_keys)",
    "false": "has one that was made for another command, or with an unknown key",
    "late": "has one that had expired when Kafka took it",
    "long-lived": "has one that is good for too long",
    "unstamped": "cannot be trusted, its topic takes timestamps from producers: set its message.timestamp.type to "
    "LogAppendTime",
}


def is_forgery(outcome: OutcomeRecord) -> bool:
    """Whether an outcome is of a command that a sender who signs its commands cannot have sent."""
    return outcome.code == FORBIDDEN and outcome.details.get("grant") in ("missing", "false")


class GrantedRecord(Protocol):
    """A command's record, as far as its grant is about it."""

    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def timestamp(self) -> int: ...  # noqa: D102


@dataclass(frozen=True)
class Grantor:
    """Signs the commands of one contract. `required`: what it cannot sign is not sent."""

    signer: Signer
    audience: str
    required: bool

    def may(self, principal: Principal) -> bool:
        """Whether it can sign for this principal."""
        return self.signer.may(self._claim(principal))

    def headers(self, principal: Principal, id: str, key: bytes, value: bytes) -> RawHeaders:
        """Return the grant, as a list of no or one header; :class:`ConfigurationError` where a key is missing."""
        claim = self._claim(principal)
        if principal == NOBODY or not (self.required or self.signer.may(claim)):
            return []
        return [self.signer.header(claim, id, key, value)]

    def _claim(self, principal: Principal) -> Claim:
        return Claim(self.audience, principal.actor, tuple(sorted(principal.scopes)))


@dataclass(frozen=True)
class GrantCheck:
    """Looks at the grants of the commands of one contract, before anything else is done about them."""

    name: str
    audience: str
    secrets: tuple[str, ...]

    def refusal(self, headers: Headers, id: str, record: GrantedRecord, by_broker: bool) -> Rejected | None:
        """Return why a command is refused, None where what it claims is proved; `id` is the one it goes by.

        ``details`` say in one word what is wrong with the grant.
        """
        wrong = self.fault(headers, id, record, by_broker)
        if wrong is None:
            return None
        return Rejected(FORBIDDEN, f"{self.name} requires a grant, and {_FAULTS[wrong]}", {"grant": wrong})

    def fault(self, headers: Headers, id: str, record: GrantedRecord, by_broker: bool) -> str | None:
        """Return what is wrong, in one word (:func:`~verbwire.wire.grants.grants.fault`)."""
        actor, scopes = headers.actor, headers.scopes
        if not actor and not scopes:
            return None
        claim = Claim(self.audience, actor or "", scopes)
        place = (record.key or b"", record.value or b"", record.timestamp)
        return fault(self.secrets, Presented(claim, headers.grant, id, *place, by_broker))


class Grants:
    """The project's rule, and what signs and checks by it. `secrets` are asked for when the first is needed.

    The first of them signs, all are believed: so one can be replaced by another.
    """

    def __init__(
        self,
        mode: str = OFF,
        secrets: Callable[[], Sequence[str]] = tuple,
        keys: Sequence[str] = (),
        lifetime_ms: int = LIFETIME_MS,
    ) -> None:
        self._mode = mode
        self._load = secrets
        self._keys = keys
        self._lifetime_ms = lifetime_ms

    def required(self, contract: Contract) -> bool:
        """Whether the receiver of a command requires a grant."""
        return contract.kind is Kind.COMMAND and (contract.grant or self._mode == REQUIRED)

    def grantor(self, contract: Contract, names: Names) -> Grantor | None:
        """Return what signs the commands of a contract, None where they carry no grant."""
        required = self.required(contract)
        if contract.kind is not Kind.COMMAND or not (required or self._mode == SIGNED):
            return None
        return Grantor(self.signer, audience(contract, names), required)

    def check(self, contract: Contract, names: Names) -> GrantCheck | None:
        """Return what checks the grants of a contract's commands, None where none is required.

        :class:`ConfigurationError` where one is, and there is no secret to check it by.
        """
        if not self.required(contract):
            return None
        if not self._secrets:
            raise _no_secret(contract.name)
        return GrantCheck(contract.short, audience(contract, names), self._secrets)

    def require_secret(self) -> None:
        """Raise :class:`ConfigurationError` where a worker of this project has to sign commands and has no key to."""
        if self._mode == REQUIRED and not self._secrets:
            raise _no_secret("the project")

    @cached_property
    def signer(self) -> Signer:
        """Return what signs: the keys that were handed to us, and for all else the secret, where there is one."""
        keys = [Key.of(text) for text in self._keys]
        return Signer(next(iter(self._secrets), None), keys, self._lifetime_ms)

    @cached_property
    def _secrets(self) -> tuple[str, ...]:
        return tuple(self._load())


def _no_secret(who: str) -> ConfigurationError:
    return ConfigurationError(
        f"{who} requires grants, and there is no secret to make and check them by: set grant_secrets "
        "(VERBWIRE_GRANT_SECRETS), the same for all workers"
    )


def audience(contract: Contract, names: Names) -> str:
    """Return the audience of a grant for a command: its receiver, on this cluster."""
    return names.context(contract.namespace)
