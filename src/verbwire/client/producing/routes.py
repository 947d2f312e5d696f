"""Routes: topic, encoder and header template of each message class, looked up once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

from verbwire.client.base.connection import Connection
from verbwire.client.producing.producer import Producer
from verbwire.contracts.schema.model import Contract
from verbwire.errors import ContractError, WrongVerbError
from verbwire.messages import Command, Kind, Message
from verbwire.principal import Principal
from verbwire.wire.avro.messages import Encoder
from verbwire.wire.codec.topics import Codec
from verbwire.wire.grants.policy import Grantor
from verbwire.wire.headers import BARE, Envelope, HeaderTemplate, RawHeaders, require_flow
from verbwire.wire.keys import keyer
from verbwire.wire.registry.client import Registry

_VERBS = {
    Kind.EVENT: "published",
    Kind.COMMAND: "sent",
    Kind.QUERY: "asked",
    Kind.ROW: "written by its table",
    Kind.STATE: "written by its aggregate or process",
    Kind.REPLY: "returned by a handler",
}


class Route(NamedTuple):
    """Where the messages of one class go, and how they are written."""

    kind: Kind
    contract: Contract
    topic: str
    key: Callable[[Message], bytes]
    encoder: Encoder
    template: HeaderTemplate
    principal: Principal  # the client's own
    grantor: Grantor | None = None  # signs them, where they carry grants
    scheduled: str | None = None  # the topic of those that are sent for later, where they may be

    def headers(
        self, id: str, key: bytes, value: bytes, envelope: Envelope, reply_partition: int | None = None
    ) -> RawHeaders:
        """Return the headers of one message, of this record key and value.

        :class:`ConfigurationError` where the receiver wants proof of the principal and there is no key for that here.
        """
        if envelope is not BARE:
            require_flow(envelope)
        headers = self.template.headers(id, envelope, reply_partition)
        if self.grantor is not None:
            who = envelope.principal or self.principal
            headers += self.grantor.headers(who, id, key, value)
        return headers


class Routes:
    """The routes of one client. A class is looked up at its first message, topic and schema with it.

    Without a `codec` they make one of the connection, when it is first needed.
    """

    def __init__(self, connection: Connection, producer: Producer, codec: Codec | None = None) -> None:
        self._connection = connection
        self._producer = producer
        self._codec = codec
        self._lock = threading.Lock()
        self._found: dict[type[Message], Route] = {}
        self._there: set[str] = set()  # topics for later that were seen on the cluster

    def of(self, kind: Kind, message: Message) -> Route:
        """Return the route of a message that must be of that kind.

        :class:`WrongVerbError` when it is of another, :class:`ContractError` when the class is stale or was not
        deployed, :class:`UnavailableError` when broker or registry are silent.
        """
        route = self._found.get(type(message))
        return self._find(kind, message) if route is None or route.kind is not kind else route

    def later(self, command: type[Command]) -> Route:
        """Return the route of a class of commands, for what is cancelled; raises like :meth:`of`."""
        route = self._found.get(command)
        return self._find(Kind.COMMAND, command) if route is None else route

    def require_scheduled(self, route: Route) -> str:
        """Return the topic for later; :class:`ContractError` where its contract has none, or it is not deployed."""
        if route.scheduled is None:
            raise ContractError(
                f'{route.contract.short} cannot be sent for later: its contract has to say "schedulable": true'
            )
        if route.scheduled not in self._there:
            self._producer.require_topic(route.scheduled)
            self._there.add(route.scheduled)
        return route.scheduled

    def knows(self, message: type[Message]) -> bool:
        """Whether the route of a class has been found already: then nobody has to be asked for it."""
        return message in self._found

    @property
    def codec(self) -> Codec:
        """The client's codec; made when it is first asked for, since a registry is connected with it."""
        with self._lock:
            if self._codec is None:
                registry = Registry(self._connection.registry, self._connection.registry_conf)
                self._codec = Codec(self._connection.catalog, registry, self._connection.names)
            return self._codec

    def close(self) -> None:
        """Let go of the registry."""
        if self._codec is not None:
            self._codec.registry.close()

    def _find(self, kind: Kind, message: Message | type[Message]) -> Route:
        cls = message if isinstance(message, type) else type(message)
        if not issubclass(cls, Message):
            raise WrongVerbError(f"{cls.__name__} is no message: use a class generated from a contract")
        contract = self._connection.catalog.of(cls)
        if contract.kind is not kind:
            raise WrongVerbError(
                f"{contract.short} is of kind {contract.kind}: it is {_VERBS[contract.kind]}, not {_VERBS[kind]}"
            )
        names, principal = self._connection.names, self._connection.principal
        topic = (names.events if kind is Kind.EVENT else names.commands)(contract.namespace)
        self._producer.require_topic(topic)
        template = HeaderTemplate(contract, names.project, principal)
        grantor = self._connection.grants.grantor(contract, names)
        encoder = self.codec.encoder(contract)
        scheduled = names.scheduled(contract.namespace) if contract.schedulable else None
        route = Route(kind, contract, topic, keyer(contract), encoder, template, principal, grantor, scheduled)
        self._found[cls] = route
        return route
