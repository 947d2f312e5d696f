"""TLS before HTTP: a connection is one from its first moment, long before its handshake is done.

asyncio would tell of it only then, and a client that never ends its handshake would hold a place that nobody counts,
for a minute. So the connection is taken plainly, takes its place, and is raised to TLS here.
"""

from __future__ import annotations

import asyncio
import logging
import math
import ssl
from collections.abc import Callable
from typing import cast

from verbwire.http import limits
from verbwire.http.certificate import Certificate
from verbwire.http.connections import Connection, House, Stage
from verbwire.watch.throttle import Throttle

_log = logging.getLogger("verbwire.http")


class TlsGate(asyncio.Protocol):
    """One connection up to the end of its handshake; then `make`'s protocol takes it over."""

    stage = Stage.HANDSHAKE
    since = 0.0
    until = math.inf
    address = "unknown"

    def __init__(
        self,
        certificate: Certificate,
        house: House,
        connections: set[Connection],
        make: Callable[[], asyncio.Protocol],
        told: Throttle[str],
    ) -> None:
        self._certificate = certificate
        self._house = house
        self._connections = connections
        self._make = make
        self._told = told
        self._early: list[bytes] = []  # what came right behind the handshake

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or close it where there is not even a place for health."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.pause_reading()  # until the handshake reads
        self.address = (transport.get_extra_info("peername") or (self.address,))[0]
        loop = asyncio.get_running_loop()
        self.since = loop.time()
        self.until = self.since + limits.HANDSHAKE_SECONDS
        self._connections.add(self)
        if self._house.places_left(self._connections, self) < -limits.HEALTH_CONNECTIONS:
            self.make_room()
        else:
            self._shaking = loop.create_task(self._handshake(loop))

    def data_received(self, data: bytes) -> None:
        """Keep what came with the end of the handshake; there is no more before HTTP reads."""
        self._early.append(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncio's)
        """Give the place back."""
        self._gone()

    def time_is_over(self) -> None:
        """End a handshake that takes too long."""
        self.make_room()

    def make_room(self) -> None:
        """Close it at once."""
        self._gone()
        self._transport.abort()

    def shutdown(self) -> None:
        """Close it: the server stops, and nothing was asked yet."""
        self.make_room()

    async def _handshake(self, loop: asyncio.AbstractEventLoop) -> None:
        try:
            raised = await loop.start_tls(
                self._transport,
                self,
                self._certificate.context,
                server_side=True,
                ssl_handshake_timeout=limits.HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=limits.LINGER_SECONDS,
            )
        except ssl.SSLError as error:
            self._tell(error.reason or str(error))
            raised = None
        except OSError:  # it is gone, or was too slow
            raised = None
        if raised is None or self.stage is Stage.GONE:
            self.make_room()
            return
        self._gone()  # its place is the next protocol's
        protocol = self._make()
        raised.set_protocol(protocol)
        protocol.connection_made(raised)
        for data in self._early:
            protocol.data_received(data)

    def _tell(self, reason: str) -> None:
        """Say once a minute of each reason why handshakes fail: a client has no answer to read it in."""
        if self._told.admit(reason) is not None:
            plain = ": HTTP is TLS here, ask https:// (health checks, too)" if reason == "HTTP_REQUEST" else ""
            _log.warning("no TLS with %s: %s%s", self.address, reason, plain)

    def _gone(self) -> None:
        self.stage = Stage.GONE
        self._connections.discard(self)
