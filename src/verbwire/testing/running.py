"""A project that runs for tests: deployed under a prefix of its own, its worker a process, as in production."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx2 as httpx

from verbwire.client import Client, Connection
from verbwire.embedded import Addresses
from verbwire.errors import StackError
from verbwire.project import Settings, load_settings
from verbwire.tokens import OPERATOR, development_token

READY_SECONDS = 60.0
STOP_SECONDS = 20.0
_REQUEST_SECONDS = 30.0
_POLL_SECONDS = 0.05
_CLI = (sys.executable, "-c", "from verbwire.cli import main; main()")
_LISTENS = re.compile(r"HTTP on (\S+):(\d+)")


class RunningProject:
    """A project on a real Kafka: its topics and schemas deployed, a worker that hosts its groups. A context manager.

    ::

        with RunningProject(folder, stack.addresses) as shop, shop.client("17850", ["orders:write"]) as client:
            assert client.ask(PlaceOrder(order_id="7", ...)).result(30) == Accepted(...)

    Everything on the cluster stands under a prefix that is this object's alone, so that runs do not meet; local
    copies, and what handlers keep in the project's data folder, are in `data`. `groups` are those that the worker
    hosts, by default all; `settings` override those of the project (``partitions=3``).
    """

    def __init__(
        self, root: Path, addresses: Addresses, data: Path, groups: Iterable[str] = (), **settings: object
    ) -> None:
        self.root = root
        self.prefix = f"t{uuid.uuid4().hex[:10]}"
        self.log = data / "worker.log"
        self._groups = tuple(groups)
        self._overrides: dict[str, object] = {
            "bootstrap": addresses.bootstrap,
            "registry": addresses.registry_url,
            "prefix": self.prefix,
            "data": str(data),
            "http_secret": secrets.token_hex(32),
            "http_port": 0,
            "http_development": "anywhere",
            **settings,
        }
        self._worker: subprocess.Popen[bytes] | None = None
        self._opened = ExitStack()

    @property
    def settings(self) -> Settings:
        """The project's settings, as its worker has them."""
        return load_settings(self.root, self._overrides)

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes another process, or `Client()` in this one, part of this run: ``VERBWIRE_*`` variables."""
        return {f"VERBWIRE_{name.upper()}": str(value) for name, value in self._overrides.items()}

    @property
    def url(self) -> str:
        """Where the worker's HTTP answers."""
        found = _LISTENS.search(self.log.read_text("utf-8", "replace"))
        if found is None:
            raise StackError(f"the worker serves no HTTP yet{self._said()}")
        return f"http://{found[1]}:{found[2]}"

    def connection(self, actor: str = "", scopes: Iterable[str] = ()) -> Connection:
        """Return what a client of this run needs to know, on somebody's behalf."""
        return Connection.of_project(
            load_settings(self.root, {**self._overrides, "actor": actor, "scopes": tuple(scopes)})
        )

    def client(self, actor: str = "tests", scopes: Iterable[str] = ()) -> Client:
        """Return a client that sends, asks and queries on somebody's behalf; close it, best by ``with``."""
        return Client(self.connection(actor, scopes))

    def http(self, actor: str | None = "tests", scopes: Iterable[str] = ()) -> httpx.Client:
        """Return an HTTP client of the worker with a token of somebody's; None: without a token. Closed in the end."""
        token = None if actor is None else development_token(self.settings, actor, scopes)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        client = httpx.Client(base_url=self.url, headers=headers, timeout=_REQUEST_SECONDS)
        return self._opened.enter_context(client)

    def run(self, *arguments: str) -> str:
        """Run ``verbwire`` in the project's folder to its end and return what it prints.

        :class:`StackError`, with what it says, where it fails.
        """
        ran = subprocess.run(
            [*_CLI, *arguments],
            cwd=self.root,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise StackError(f"`verbwire {' '.join(arguments)}` failed:\n{ran.stderr or ran.stdout}")
        return ran.stdout

    def start(self) -> Self:
        """Deploy the project and start its worker; returns once that is ready. :class:`StackError` where it is not."""
        self.deploy()
        self.start_worker()
        return self

    def deploy(self) -> None:
        """Make the project's topics and schemas; :class:`StackError` where they cannot be made."""
        self.run("deploy")

    def start_worker(self) -> None:
        """Start the worker, after `stop_worker` for instance, and wait until it is ready."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self._worker = subprocess.Popen(
                [*_CLI, "worker", *self._groups, "--name", "tests"],
                cwd=self.root,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until = time.monotonic() + READY_SECONDS
        while not self._ready():
            if self._worker.poll() is not None:
                raise StackError(f"the worker ended with {self._worker.returncode}{self._said()}")
            if time.monotonic() > until:
                raise StackError(f"the worker was not ready after {READY_SECONDS:.0f} seconds{self._said()}")
            time.sleep(_POLL_SECONDS)

    def stop_worker(self, kill: bool = False) -> None:
        """Stop the worker cleanly, or `kill` it as a crash would."""
        worker, self._worker = self._worker, None
        if worker is None:
            return
        worker.kill() if kill else worker.terminate()
        try:
            worker.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()

    def stop(self) -> None:
        """Stop the worker, and remove the topics from the cluster."""
        self._opened.close()
        try:
            self.stop_worker()
        finally:
            self._remove_topics()

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _ready(self) -> bool:
        try:
            url = self.url
        except StackError:
            return False
        token = development_token(self.settings, "tests", [OPERATOR])
        request = urllib.request.Request(f"{url}/health/ready", headers={"Authorization": f"Bearer {token}"})  # noqa: S310 (the worker's own address)
        try:
            with urllib.request.urlopen(request, timeout=_REQUEST_SECONDS) as answer:  # noqa: S310 (likewise)
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _said(self) -> str:
        return f":\n{self.log.read_text('utf-8', 'replace')[-3000:]}"

    def _remove_topics(self) -> None:
        from confluent_kafka.admin import AdminClient

        admin = AdminClient({**self.settings.kafka, "bootstrap.servers": self.settings.bootstrap, "log_level": 2})
        topics = [each for each in admin.list_topics(timeout=STOP_SECONDS).topics if each.startswith(f"{self.prefix}.")]
        if topics:
            for deleted in admin.delete_topics(topics).values():
                deleted.result()
