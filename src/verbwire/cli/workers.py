"""``verbwire workers``: who is there, and who answers for what."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

from verbwire.cli.output import AsJson, print_json, print_table
from verbwire.settings import load_settings

if TYPE_CHECKING:
    from verbwire.directory import Directory, Seen
    from verbwire.wire.workers import GroupShare

_COLUMNS = ("worker", "url", "state", "heard", "group", "generation", "owns", "ready", "stopped")


def workers(as_json: AsJson = False) -> None:
    """List the workers, the groups that they host, and the partitions that they own and answer for."""
    from verbwire.addresses import addresses, kafka_properties
    from verbwire.contracts.load import load_catalog
    from verbwire.directory import Directory
    from verbwire.reaching import require_kafka
    from verbwire.wire.codec import Codec
    from verbwire.wire.registry import Registry

    settings = load_settings()
    bootstrap, url = addresses(settings)
    with closing(Registry(url, settings.registry_client)) as registry:
        codec = Codec(load_catalog(settings.schemas), registry, settings.names)
        kafka = kafka_properties(settings, bootstrap)
        require_kafka(kafka)
        with closing(Directory(kafka, codec)) as directory:
            directory.start()
            directory.wait()
            if as_json:
                print_json([_told(directory, each) for each in directory.seen()])
            else:
                print_table(_COLUMNS, _rows(directory))


def _rows(directory: Directory) -> Iterator[tuple[str, ...]]:
    for seen in directory.seen():
        first = (seen.worker.name, seen.worker.url, _state(directory, seen), f"{_age(seen):.0f} s ago")
        for share in seen.worker.groups or (None,):
            yield *first, *(_said(share) if share else ("",) * 5)
            first = ("", "", "", "")


def _told(directory: Directory, seen: Seen) -> dict[str, Any]:
    return {
        "worker": seen.worker.name,
        "url": seen.worker.url,
        "state": _state(directory, seen),
        "heard_seconds_ago": round(_age(seen), 1),
        "groups": [
            {
                "group": share.group,
                "generation": share.generation,
                "owns": sorted(share.owned),
                "ready": sorted(share.ready),
                "stopped": sorted(share.stopped),
            }
            for share in seen.worker.groups
        ],
    }


def _said(share: GroupShare) -> tuple[str, ...]:
    return share.group, str(share.generation), *map(_ranges, (share.owned, share.ready, share.stopped))


def _state(directory: Directory, seen: Seen) -> str:
    from verbwire.directory import DEAD_SECONDS

    # Where nobody speaks any more the directory knows of no later time than their last words: our clock does.
    if not directory.is_alive(seen) or _age(seen) > DEAD_SECONDS:
        return "silent"
    return "leaving" if seen.worker.leaving else "there"


def _age(seen: Seen) -> float:
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
