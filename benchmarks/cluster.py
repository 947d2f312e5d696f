"""The broker and the registry of a run, with everything deployed that its cases need."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.place import SHOP, Place
from verbwire.embedded import Addresses, Stack

BARE_TOPICS = (
    "warm-up",
    "plain",
    "plain-headers",
    "plain-commands",
    "bare-events",
    "bare-outcomes",
    "bare-state",
    "ask-commands",
    "ask-events",
    "ask-outcomes",
    "ask-state",
)


@contextmanager
def running() -> Iterator[Addresses]:
    """The cluster that VERBWIRE_BOOTSTRAP and VERBWIRE_REGISTRY name, or one of our own in a temporary folder."""
    bootstrap, registry = os.environ.get("VERBWIRE_BOOTSTRAP"), os.environ.get("VERBWIRE_REGISTRY")
    if bootstrap and registry:
        yield Addresses(bootstrap=bootstrap, registry_url=registry)
        return
    with tempfile.TemporaryDirectory(prefix="verbwire-bench-") as folder, Stack(Path(folder)) as stack:
        yield stack.addresses


def deploy(place: Place) -> None:
    """Create the topics of the bare loops, and all that the benchmarks' project needs, as its user would."""
    admin = AdminClient({"bootstrap.servers": place.bootstrap})
    topics = [NewTopic(place.topic(name), place.partitions, 1) for name in BARE_TOPICS]
    for future in admin.create_topics(topics).values():
        future.result()
    subprocess.run([verbwire(), "deploy"], cwd=SHOP, env=environment(place), check=True, stdout=subprocess.DEVNULL)


def delete_topics(place: Place) -> None:
    """Delete all topics of a run, so that the broker keeps no more of them than one round needs."""
    admin = AdminClient({"bootstrap.servers": place.bootstrap})
    topics = [name for name in admin.list_topics(timeout=30).topics if name.startswith(f"{place.prefix}.")]
    for future in admin.delete_topics(topics).values():
        future.result()


def verbwire() -> Path:
    """The command."""
    return Path(sys.executable).with_name("verbwire")


def environment(place: Place) -> dict[str, str]:
    """The variables under which the benchmarks' project takes part in this run."""
    return {
        **os.environ,
        "PYTHONPATH": str(SHOP.parent.parent),
        "VERBWIRE_BOOTSTRAP": place.bootstrap,
        "VERBWIRE_REGISTRY": place.registry,
        "VERBWIRE_PREFIX": place.prefix,
        "VERBWIRE_PARTITIONS": str(place.partitions),
    }
