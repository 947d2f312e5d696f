"""``verbwire workers``: lists the workers, their groups and partitions."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from verbwire.cli.output import AsJson, print_json, print_table
from verbwire.errors import ConfigurationError
from verbwire.settings import load_settings

if TYPE_CHECKING:
    from verbwire.discovery.directory import Directory, UntrustedWorker, WorkerSighting
    from verbwire.wire.records.workers import GroupShare

log = logging.getLogger(__name__)

_COLUMNS = ("worker", "url", "state", "heard", "group", "rebalance", "owns", "ready", "stopped")


def workers(as_json: AsJson = False) -> None:
    """List the workers, the groups that they host, and the partitions that they own and answer for."""
    from verbwire.contracts.schema.load import load_catalog
    from verbwire.discovery.directory import Directory
    from verbwire.inspection.living_workers import heard_now
    from verbwire.kafka.addresses import addresses, kafka_properties
    from verbwire.kafka.connectivity import require_kafka
    from verbwire.secrets import workers_key
    from verbwire.security.workers_key import VerifyingKey
    from verbwire.wire.codec.topics import Codec
    from verbwire.wire.registry.client import Registry

    settings = load_settings()
    bootstrap, url = addresses(settings)
    with closing(Registry(url, settings.registry_client)) as registry:
        codec = Codec(load_catalog(settings.schemas), registry, settings.names)
        kafka = kafka_properties(settings, bootstrap)
        require_kafka(kafka)
        key = workers_key(settings)
        if key is None:
            log.warning("the workers' entries are not verified: set http_workers_key (VERBWIRE_HTTP_WORKERS_KEY)")
        with closing(Directory(kafka, codec, VerifyingKey(key).verify if key else None)) as directory:
            directory.start()
            directory.wait()
            now = heard_now(directory)
            if as_json:
                believed = [_told(each, now) for each in directory.seen()]
                print_json([*believed, *(_told_doubted(each, now) for each in directory.doubted())])
            else:
                print_table(_COLUMNS, _rows(directory, now))


def workers_key() -> None:
    """Print the workers' public key, by which clients without their secret verify them (http_workers_key)."""
    from verbwire.secrets import workers_key

    key = workers_key(load_settings())
    if key is None:
        raise ConfigurationError(
            "no secret to derive it from: set the workers' http_internal_secret (VERBWIRE_HTTP_INTERNAL_SECRET)"
        )
    print(key)


def _rows(directory: Directory, now: float) -> Iterator[tuple[str, ...]]:
    from verbwire.inspection.living_workers import ago, state_of

    for seen in directory.seen():
        first = (seen.worker.name, seen.worker.url, state_of(seen, now), f"{ago(seen, now):.0f} s ago")
        for share in seen.worker.groups or (None,):
            yield *first, *(_said(share) if share else ("",) * 5)
            first = ("", "", "", "")
    for doubted in directory.doubted():
        yield doubted.name, doubted.url, _doubt(doubted), f"{ago(doubted, now):.0f} s ago", *("",) * 5


def _doubt(doubted: UntrustedWorker) -> str:
    return f"not believed: {doubted.why}"


def _told_doubted(doubted: UntrustedWorker, now: float) -> dict[str, Any]:
    return _entry(doubted.name, doubted.url, _doubt(doubted), doubted, now, [])


def _told(seen: WorkerSighting, now: float) -> dict[str, Any]:
    from verbwire.inspection.living_workers import state_of

    groups = [
        {
            "group": share.group,
            "generation": share.generation,
            "owns": sorted(share.owned),
            "ready": sorted(share.ready),
            "stopped": sorted(share.stopped),
        }
        for share in seen.worker.groups
    ]
    return _entry(seen.worker.name, seen.worker.url, state_of(seen, now), seen, now, groups)


def _entry(
    name: str,
    url: str,
    state: str,
    heard: WorkerSighting | UntrustedWorker,
    now: float,
    groups: list[dict[str, Any]],
) -> dict[str, Any]:
    from verbwire.inspection.living_workers import ago

    return {"worker": name, "url": url, "state": state, "heard_seconds_ago": ago(heard, now), "groups": groups}


def _said(share: GroupShare) -> tuple[str, ...]:
    return share.group, str(share.generation), *map(ranges, (share.owned, share.ready, share.stopped))


def ranges(partitions: Iterable[int]) -> str:
    """Return partitions as people write them: 0, 1, 2, 5 as 0-2, 5; ``-`` for none."""
    runs: list[list[int]] = []
    for each in sorted(partitions):
        if runs and each == runs[-1][1] + 1:
            runs[-1][1] = each
        else:
            runs.append([each, each])
    return ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in runs) or "-"
