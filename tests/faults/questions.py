"""Asking a stock Faust process for every row of a table."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic

from tests.cluster import eventually
from tests.faults.harness import ROOT, Shop


def ask_stock_faust(
    shop: Shop, group: str, table: str, store: str, keys: Mapping[int, list[bytes]]
) -> dict[bytes, bytes]:
    """Return what `table[key]` gives a plain agent for these keys, once Faust has recovered the table."""
    folder = shop.folder / f"stock-{store.partition(':')[0]}"
    folder.mkdir()
    topic = _asked(shop, f"{shop.prefix}.{folder.name}", keys)
    name = f"{shop.prefix}.{group}"
    arguments = [shop.cluster.bootstrap, name, table, store, topic, str(shop.partitions), str(folder)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.stock_faust", *arguments],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    wanted = sum(map(len, keys.values()))

    def answered() -> bool:
        assert process.poll() is None, (folder / "log").read_text()[-2000:]
        return len(_answers(folder)) == wanted

    try:
        eventually(answered, 90, every=0.2)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{(folder / 'log').read_text()[-4000:]}") from error
    finally:
        process.terminate()
        process.wait(20)
    return {bytes.fromhex(key): bytes.fromhex(row) for key, row in (line.split(" ") for line in _answers(folder))}


def _asked(shop: Shop, topic: str, keys: Mapping[int, list[bytes]]) -> str:
    shop.topics.admin.create_topics([NewTopic(topic, shop.partitions, 1)])[topic].result()
    producer = Producer({"bootstrap.servers": shop.cluster.bootstrap, "log_level": 3})
    for partition, each in keys.items():
        for key in each:
            producer.produce(topic, b"?", key, partition)
    producer.flush()
    return topic


def _answers(folder: Path) -> list[str]:
    path = folder / "answers"
    return path.read_text().splitlines() if path.exists() else []
