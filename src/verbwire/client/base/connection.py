"""The configuration of a client: addresses, contracts, and its principal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verbwire.client.base.credentials import Token, no_token, token_of
from verbwire.client.base.grant_rule import grants_of
from verbwire.contracts.schema.load import load_catalog
from verbwire.contracts.schema.model import Catalog
from verbwire.kafka.addresses import addresses
from verbwire.names import Names
from verbwire.principal import NOBODY, Principal
from verbwire.secrets import workers_key
from verbwire.settings import Settings, load_settings, require_bootstrap
from verbwire.tracing.switch import switch_on
from verbwire.wire.grants.policy import Grants
from verbwire.wire.headers import require_writable


@dataclass(frozen=True)
class Connection:
    """Where and how a client produces.

    `kafka` holds librdkafka properties (``security.protocol``, ``sasl.*``, ``ssl.*``) and `registry_conf` those of
    confluent-kafka's registry client; both are passed through. `delivery_seconds` is how long a message may take
    from the call to the broker's acknowledgement. `queue_messages` and `queue_kilobytes` bound what waits in memory:
    when either is reached, the next call blocks until there is room. `asks_in_flight` likewise bounds the asked
    commands whose outcomes are not there yet.

    Queries go over HTTP: to one of `http_endpoints` (base URLs), or else to any worker that the directory knows, with
    the bearer token that `token` returns when it is called; None asks anonymously, which only public queries allow. The
    directory is verified by the workers' public key, which `workers_key` returns: without one no worker in it is asked.
    Over TLS certificates are verified by the authorities in the file `http_tls_ca` (PEM), or else by the system's.

    `principal` is written into every message of the client: receivers decide by it what is allowed. Kafka lets anyone
    who may write to a topic claim any principal, except where grants are required (wire/grants/grants.py): there
    `grants` signs the commands.
    """

    bootstrap: str
    registry: str = field(repr=False)
    names: Names
    catalog: Catalog
    principal: Principal = NOBODY
    kafka: Mapping[str, Any] = field(default_factory=dict, repr=False)
    registry_conf: Mapping[str, Any] = field(default_factory=dict, repr=False)
    delivery_seconds: float = 60.0
    queue_messages: int = 100_000
    queue_kilobytes: int = 65_536
    asks_in_flight: int = 10_000
    http_endpoints: tuple[str, ...] = ()
    token: Token = no_token
    workers_key: Callable[[], str | None] = no_token
    http_tls_ca: Path | None = None
    grants: Grants = field(default_factory=Grants, repr=False)

    def __post_init__(self) -> None:
        require_bootstrap(self.bootstrap)
        require_writable(self.principal)

    @property
    def librdkafka(self) -> dict[str, Any]:
        """The properties of librdkafka with the address, for clients that read or administer."""
        return {**self.kafka, "bootstrap.servers": self.bootstrap}

    @classmethod
    def of_project(cls, settings: Settings | None = None) -> Connection:
        """Return the connection that the settings describe: by default those of the project we are in."""
        settings = settings or load_settings()
        switch_on(settings)
        bootstrap, registry = addresses(settings)
        return cls(
            bootstrap=bootstrap,
            registry=registry,
            names=settings.names,
            catalog=load_catalog(settings.schemas),
            principal=Principal(settings.actor, settings.scopes),
            kafka=settings.kafka,
            registry_conf=settings.registry_client,
            http_endpoints=settings.http_endpoints,
            token=token_of(settings),
            http_tls_ca=settings.tls_ca,
            workers_key=lambda: workers_key(settings),
            grants=grants_of(settings, cls.delivery_seconds),
        )
