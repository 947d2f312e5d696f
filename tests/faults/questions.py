"""Asking a stock Faust process for every row of a table."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic

from tests.faults.harness import ROOT, Shop
from tests.kit.cluster import eventually

ASK_AGAIN_SECONDS = 10


def ask_stock_faust(
    shop: Shop, group: str, table: str, store: str, keys: Mapping[int, list[bytes]]
) -> dict[bytes, bytes]:
    """Return what `table[key]` gives a plain agent for these keys, once Faust has recovered the table.

    Faust seeks to the committed offsets when it has recovered, while it already fetches: it may answer a question
    twice, or not at all. So answers are counted by key, and what has none after `ASK_AGAIN_SECONDS` is asked again.
    """
    folder = shop.folder / f"stock-{store.partition(':')[0]}"
    folder.mkdir()
    topic = f"{shop.prefix}.{folder.name}"
    shop.topics.admin.create_topics([NewTopic(topic, shop.partitions, 1)])[topic].result()
    _ask(shop, topic, keys)
    asked_at = time.monotonic()
    name = f"{shop.prefix}.{group}"
    arguments = [shop.cluster.bootstrap, name, table, store, topic, str(shop.partitions), str(folder)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.stock_faust", *arguments],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def answered() -> bool:
        nonlocal asked_at
        assert process.poll() is None, (folder / "log").read_text()[-2000:]
        answers = _answers(folder)
        missing = {partition: [key for key in each if key not in answers] for partition, each in keys.items()}
        if any(missing.values()) and time.monotonic() > asked_at + ASK_AGAIN_SECONDS:
            _ask(shop, topic, missing)
            asked_at = time.monotonic()
        return not any(missing.values())

    try:
        eventually(answered, 90, every=0.2)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{(folder / 'log').read_text()[-4000:]}") from error
    finally:
        process.terminate()
        process.wait(20)
    return _answers(folder)


def _ask(shop: Shop, topic: str, keys: Mapping[int, list[bytes]]) -> None:
    producer = Producer({"bootstrap.servers": shop.cluster.bootstrap, "log_level": 3})
    for partition, each in keys.items():
        for key in each:
            producer.produce(topic, b"?", key, partition)
    producer.flush()


def _answers(folder: Path) -> dict[bytes, bytes]:
    """Return key and row of every whole line; Faust may be writing the last one."""
    path = folder / "answers"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    pairs = (line.rstrip("\n").split(" ") for line in lines if line.endswith("\n"))
    return {bytes.fromhex(key): bytes.fromhex(row) for key, row in pairs}
