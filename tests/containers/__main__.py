"""``python -m tests.containers [one] [three]``: what happens to the compose files in use."""

from __future__ import annotations

import argparse
import hashlib
import secrets
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from producers.demo.tables import Tables
from producers.demo.workers import SCOPES
from producers.importer import Imported
from tests.containers.compose import ONE, THREE, Compose, ContainersError, require_alone, require_docker
from tests.containers.importing import Comparison, Import
from verbwire.security.tokens import mint_token
from verbwire.settings import ANYWHERE, Settings, load_settings

ROOT = Path(__file__).parents[2]
PORTS = ("KAFKA_PORT", "KAFKA_PORT_2", "KAFKA_PORT_3", "REGISTRY_PORT", "HTTP_PORT")
_STOPPED_SECONDS = 33.0  # longer than a broker's session, and a transaction's life
_TOKEN_SECONDS = 6 * 3600
_began = time.monotonic()


def main() -> int:
    """Run what is asked for; 0 when every number was right each time."""
    parser = argparse.ArgumentParser(description="Run the compose files for real.")
    parser.add_argument("which", nargs="*", choices=["one", "three", []], help="brokers; both by default")
    chosen = parser.parse_args().which or ["one", "three"]
    signal.signal(signal.SIGTERM, lambda *_: _interrupt())
    try:
        require_docker()
        require_alone(ROOT / ONE)
        good = [_run(which) for which in chosen]
    except ContainersError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Broken off; containers and volumes are removed.", file=sys.stderr)
        return 130
    return 0 if all(good) else 1


def _interrupt() -> None:
    raise KeyboardInterrupt


def tell(text: str) -> None:
    """Tell a step, with the seconds since the start."""
    print(f"{time.monotonic() - _began:7.1f} s  {text}", flush=True)


def _run(which: str) -> bool:
    with ExitStack() as opened:
        ports, secret = _free_ports(), secrets.token_hex(32)
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="verbwire-containers-")))
        file = folder / "http-secret"
        file.write_text(secret + "\n", "ascii")
        file.chmod(0o644)  # a container's user is not ours, and the folder is closed to others
        name = f"verbwire-{which}-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
        compose = Compose(
            ROOT, name, [ONE] if which == "one" else [ONE, THREE], {**ports, "HTTP_SECRET_FILE": str(file)}, tell
        )
        tell(f"{which} broker{'s' if which == 'three' else ''}, as project {name}")
        compose.down(volumes=True)  # what a run that was killed has left
        opened.callback(_clean_up, compose)
        steps = Steps(compose, _settings(ports, secret, which))
        try:
            (steps.one_broker if which == "one" else steps.three_brokers)()
        except Exception:
            with suppress(ContainersError):
                print(compose.logs(10), file=sys.stderr)
            raise
        return steps.good


def _clean_up(compose: Compose) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # one Ctrl-C has come already, another would leave half of it
    try:
        compose.down(volumes=True)
    finally:
        signal.signal(signal.SIGINT, before)


def _free_ports() -> dict[str, str]:
    with ExitStack() as opened:
        sockets = [opened.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in PORTS]
        return {name: str(each.getsockname()[1]) for name, each in zip(PORTS, sockets, strict=True)}


def _settings(ports: dict[str, str], secret: str, which: str) -> Settings:
    brokers = PORTS[:1] if which == "one" else PORTS[:3]
    return replace(
        load_settings(ROOT),
        bootstrap=",".join(f"localhost:{ports[each]}" for each in brokers),
        registry=f"http://localhost:{ports['REGISTRY_PORT']}/apis/ccompat/v7",
        http_endpoints=(f"http://localhost:{ports['HTTP_PORT']}",),
        http_secret=secret,
        http_development=ANYWHERE,
    )


class Steps:
    """What is done to the containers, and what the numbers are after each of it."""

    def __init__(self, compose: Compose, settings: Settings) -> None:
        self._compose = compose
        assert settings.http_secret
        token = mint_token(
            settings.http_secret,
            "containers",
            SCOPES,
            _TOKEN_SECONDS,
            issuer=settings.http_issuer,
            audience=settings.http_audience,
        )
        host, _, port = settings.http_endpoints[0].removeprefix("http://").partition(":")
        self._settings = settings
        self._comparison = Comparison(settings, Tables(host, int(port), token), self._receipts)
        self.good = True

    def one_broker(self) -> None:
        """Scale, kill one of each, stop, remove, and make anew."""
        compose = self._compose
        compose.build()
        compose.up()
        with self._importing(pause_at=20_000) as running:
            running.wait_for(20_000)
            compose.scale(consumers=3, streams_more=2)
            running.go_on()
            compose.kill("consumers")
            compose.kill("streams")
            tell(f"{running.seen.commands:,} commands sent")
            imported = running.finish()
        self._agree("scaled to three and killed, in the middle of an import", imported)
        compose.kill("registry")
        compose.kill("kafka")
        compose.wait_until_healthy()
        self._agree("registry and Kafka killed", imported)
        compose.stop()
        self._ended_well("consumers", "streams", "streams-more")
        compose.up(consumers=3, streams_more=2)
        self._agree("stopped and started", imported)
        compose.down()
        compose.up()
        self._agree("removed and made anew, one worker of each", imported)

    def three_brokers(self) -> None:
        """Kill one broker and stop another, in the middle of an import."""
        compose = self._compose
        compose.build()
        compose.up()
        with self._importing(pause_at=20_000) as running:
            running.wait_for(5_000)
            compose.kill("kafka-2")
            running.wait_for(20_000)
            compose.wait_until_healthy()
            running.go_on()
            compose.stop("kafka-3")
            tell(f"{running.seen.commands:,} commands sent")
            tell(f"one broker stays away for {_STOPPED_SECONDS:.0f} s")
            time.sleep(_STOPPED_SECONDS)
            compose.start("kafka-3")
            imported = running.finish()
        compose.wait_until_healthy()
        self._agree("one of three brokers killed, another stopped", imported)

    @contextmanager
    def _importing(self, pause_at: int) -> Iterator[Import]:
        running = Import(self._settings)
        tell("importing")
        running.start(pause_at)
        try:
            yield running
        finally:
            running.end()

    def _agree(self, what: str, imported: Imported) -> None:
        lines = self._comparison.lines(imported)
        wrong = [line for line in lines if not line.agrees]
        tell(f"{what}: {len(lines) - len(wrong)} of {len(lines)} numbers agree, {imported.commands:,} commands")
        for line in wrong:
            tell(f"  {line}")
        self.good = self.good and bool(lines) and not wrong

    def _ended_well(self, *services: str) -> None:
        codes = {service: self._compose.exit_codes(service) for service in services}
        if any(code for each in codes.values() for code in each):
            self.good = False
            tell(f"workers did not stop by themselves: exit codes {codes}")

    def _receipts(self) -> set[str]:
        try:
            said = self._compose.execute("consumers", "sh", "-c", "ls /data/receipts 2>/dev/null || true")
        except ContainersError:  # it is just being made anew
            return set()
        return {name.removesuffix(".txt") for name in said.split()}


if __name__ == "__main__":
    sys.exit(main())
