"""Serves HTTP beside the engine: on a thread and an event loop of its own, so that answers come while a batch runs."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, cast

import uvicorn
from starlette.types import Receive, Scope, Send

from verbwire.errors import ConfigurationError, EngineError
from verbwire.http.base.limits import ConnectionLimits
from verbwire.http.serving.certificate import Certificate
from verbwire.http.serving.connections import ConnectionTable, HttpConnection, end_overdue
from verbwire.http.serving.protocol import Answering, LimitedProtocol
from verbwire.http.serving.tls_gate import TlsGate
from verbwire.observability.watch.throttle import Throttle

_BACKLOG = 512
# asyncio takes as many connections as its backlog says before anything else has its turn, those included that make room
# for them: in a burst all descriptors of the process. So it is told of fewer, and the socket of all.
_TAKEN_AT_ONCE = 16
_START_SECONDS = 10.0
_FORCED_SECONDS = 2.0
_TICK_SECONDS = 0.1
_IDLE_TICKS = 5  # that go by at once while there is no connection
_LOOK_TICKS = 20  # between two looks at the files of the certificate
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})  # accept(2)
_log = logging.getLogger("verbwire.http")


class ServedApp(Answering, Protocol):
    """What is served: it answers requests, and begins and ends with the server (the lifespan of ASGI)."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take notice of the server's beginning and end."""
        ...


class HttpServer:
    """One listening socket. Binds the loopback address unless told, and takes no signals: the worker does.

    With a `certificate` it speaks TLS, and nothing else.
    """

    def __init__(
        self,
        app: ServedApp,
        host: str = "127.0.0.1",
        port: int = 0,
        certificate: Certificate | None = None,
        limits: ConnectionLimits = ConnectionLimits(),
    ) -> None:
        self._app = app
        self._certificate = certificate
        self._limits = limits
        self._host = host
        self._port = port
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> tuple[str, int]:
        """Bind, serve, and return the actual address; port 0 takes a free one.

        :class:`ConfigurationError` when the address cannot be bound.
        """
        bound = self._bind()
        address: tuple[str, int] = bound.getsockname()[:2]
        house = ConnectionTable(self._limits)
        self._server = _Server(_config(self._app, house, self._certificate), self._certificate)
        self._thread = threading.Thread(target=self._server.run, args=([bound],), name="verbwire-http", daemon=True)
        self._thread.start()
        if not self._server.serving.wait(_START_SECONDS):
            raise EngineError("HTTP did not start: the log says why")
        _log.info("HTTP on %s port %d", *address)
        return address

    def stop(self, timeout: float = 5.0) -> None:
        """Take no more connections, let answers under way end for up to `timeout` seconds, then cut them."""
        server, thread = self._server, self._thread
        if server is None or thread is None:
            return
        server.config.timeout_graceful_shutdown = max(1, round(timeout))
        server.exit_soon()
        thread.join(timeout + _FORCED_SECONDS)
        server.force_exit = True
        thread.join(_FORCED_SECONDS)
        self._server = self._thread = None

    def _bind(self) -> socket.socket:
        listening: socket.socket | None = None
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            # With its protocol named, asyncio switches Nagle's algorithm off: else each answer waits 40 ms for an ACK.
            listening = socket.socket(family, kind, protocol)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(_BACKLOG)
            return listening
        except OSError as error:
            if listening is not None:
                listening.close()
            raise ConfigurationError(
                f"HTTP cannot listen on {self._host} port {self._port}: {error.strerror}; set http_host and http_port "
                "(VERBWIRE_HTTP_HOST, VERBWIRE_HTTP_PORT), port 0 takes a free one"
            ) from error


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, certificate: Certificate | None) -> None:
        super().__init__(config)
        self._certificate = certificate
        self.serving = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending = asyncio.Event()
        self._throttle = Throttle[int | None]()

    def _told_of(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log what asyncio tells, but once a minute where no connection can be taken.

        It tells of each attempt, several hundred a second, and tries again by itself.
        """
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in _NO_ROOM:
            loop.default_exception_handler(context)
        elif self._throttle.admit(error.errno) is not None:
            _log.error("no connection can be accepted (%s): open ones go on, accepting is retried every second", error)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(self._told_of)
        await super().startup(sockets)
        for each in sockets or ():
            each.listen(_BACKLOG)
        self.serving.set()

    def exit_soon(self) -> None:
        """Let it end. From any thread."""
        self.should_exit = True
        if self._loop is not None:
            with suppress(RuntimeError):  # it has ended
                self._loop.call_soon_threadsafe(self._ending.set)

    async def main_loop(self) -> None:
        """Tick ten times a second, and twice while nobody is connected."""
        counter = 0
        while not await self.on_tick(counter):
            ticks = 1 if self.server_state.connections or counter % _IDLE_TICKS else _IDLE_TICKS
            counter += ticks
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), ticks * _TICK_SECONDS)

    async def on_tick(self, counter: int) -> bool:
        """End the connections whose time is over."""
        connections = cast(set[HttpConnection], self.server_state.connections)
        end_overdue(connections, asyncio.get_running_loop().time())
        if self._certificate is not None and counter % _LOOK_TICKS == 0:
            self._certificate.look()
        return await super().on_tick(counter)


def _protocol(
    app: Answering, house: ConnectionTable, certificate: Certificate | None
) -> Callable[..., asyncio.BaseProtocol]:
    """Return what uvicorn calls, like the class of a protocol, for each connection."""
    plain, throttle = partial(LimitedProtocol, house=house, answering=app), Throttle[str]()
    if certificate is None:
        return plain

    def gate(**named: Any) -> TlsGate:
        connections = cast(set[HttpConnection], named["server_state"].connections)
        return TlsGate(certificate, house, connections, partial(plain, **named), throttle)

    return gate


def _config(app: ServedApp, house: ConnectionTable, certificate: Certificate | None) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_protocol(app, house, certificate),  # type: ignore[arg-type] # called like the class
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        log_level="error",  # uvicorn warns of every malformed request: that is for a client to know
        access_log=False,
        server_header=False,
        proxy_headers=False,  # a client could write them
        backlog=_TAKEN_AT_ONCE,
    )
