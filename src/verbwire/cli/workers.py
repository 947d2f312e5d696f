"""``verbwire workers``: who is there, and who answers for what."""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table as Listing

from verbwire.errors import ConfigurationError
from verbwire.settings import load_settings

if TYPE_CHECKING:
    from verbwire.directory import Directory, Doubted, Seen
    from verbwire.wire.workers import GroupShare

log = logging.getLogger(__name__)

_WIDTH = 150  # half a name of a group, or of an address, is of no use


def workers() -> None:
    """List the workers, the groups that they host, and the partitions that they own and answer for."""
    from verbwire.addresses import addresses, kafka_properties
    from verbwire.contracts.load import load_catalog
    from verbwire.development import workers_key
    from verbwire.directory import Directory
    from verbwire.reaching import require_kafka
    from verbwire.wire.codec import Codec
    from verbwire.wire.registry import Registry
    from verbwire.workers_key import VerifyingKey

    settings = load_settings()
    bootstrap, url = addresses(settings)
    with closing(Registry(url, settings.registry_client)) as registry:
        codec = Codec(load_catalog(settings.schemas), registry, settings.names)
        kafka = kafka_properties(settings, bootstrap)
        require_kafka(kafka)
        key = workers_key(settings)
        if key is None:
            log.warning("nobody's word is checked here: set http_workers_key (VERBWIRE_HTTP_WORKERS_KEY)")
        with closing(Directory(kafka, codec, VerifyingKey(key).verify if key else None)) as directory:
            directory.start()
            directory.wait()
            console = Console()
            console.width = max(console.width, _WIDTH)
            console.print(_listing(directory))


def workers_key() -> None:
    """Print the public key of the workers, by which clients without their secret know them (http_workers_key)."""
    from verbwire.development import workers_key

    key = workers_key(load_settings())
    if key is None:
        raise ConfigurationError(
            "there is nothing to derive it from: set the workers' http_internal_secret (VERBWIRE_HTTP_INTERNAL_SECRET)"
        )
    print(key)


def _listing(directory: Directory) -> Listing:
    listing = Listing("worker", "url", "state", "heard", "group", "generation", "owns", "ready", "stopped", box=None)
    for seen in directory.seen():
        first = (seen.worker.name, seen.worker.url, _state(directory, seen), f"{_age(seen):.0f} s ago")
        for share in seen.worker.groups or (None,):
            listing.add_row(*first, *(_said(share) if share else ()))
            first = ("", "", "", "")
    for doubted in directory.doubted():
        state = f"not believed: {doubted.why}"
        listing.add_row(escape(doubted.name), escape(doubted.url), state, f"{_age(doubted):.0f} s ago")
    return listing


def _said(share: GroupShare) -> tuple[str, ...]:
    return share.group, str(share.generation), *map(_ranges, (share.owned, share.ready, share.stopped))


def _state(directory: Directory, seen: Seen) -> str:
    from verbwire.directory import DEAD_SECONDS

    # Where nobody speaks any more the directory knows of no later time than their last words: our clock does.
    if not directory.is_alive(seen) or _age(seen) > DEAD_SECONDS:
        return "silent"
    return "leaving" if seen.worker.leaving else "there"


def _age(seen: Seen | Doubted) -> float:
    return max(0.0, time.time() - seen.at_ms / 1000)


def _ranges(partitions: tuple[int, ...]) -> str:
    """Write 0, 1, 2, 5 as 0-2, 5."""
    runs: list[list[int]] = []
    for each in sorted(partitions):
        if runs and each == runs[-1][1] + 1:
            runs[-1][1] = each
        else:
            runs.append([each, each])
    return ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in runs) or "-"
