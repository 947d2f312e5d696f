"""A plain Faust app, nothing of verbwire but, where the store is `sqlite://`, its store driver.

``python -m tests.faults.stock_faust BOOTSTRAP GROUP TABLE STORE QUESTIONS PARTITIONS FOLDER`` recovers the table from
its changelog as Faust does, then answers each record of the topic QUESTIONS with `table[key]`, as a line of hex in
FOLDER/answers: key and row. Ends with SIGTERM.
"""

from __future__ import annotations

import sys
from pathlib import Path

import faust


def main() -> None:
    """Run until SIGTERM."""
    bootstrap, group, name, store, asked, partitions, folder = sys.argv[1:]
    sys.argv[1:] = []
    app = faust.App(
        group,
        broker=f"kafka://{bootstrap}",
        store=store,
        key_serializer="raw",
        value_serializer="raw",
        datadir=f"{folder}/faust",
        topic_partitions=int(partitions),
        topic_disable_leader=True,
        topic_allow_declare=False,
        web_enabled=False,
        stream_wait_empty=False,
        processing_guarantee="exactly_once",
        stream_recovery_delay=2.0,
    )
    table = app.Table(name, partitions=int(partitions), key_type=bytes, value_type=bytes)
    questions = app.topic(asked, key_type=bytes, value_type=bytes)

    @app.agent(questions)  # type: ignore[untyped-decorator]  # Faust has no types
    async def answer(stream: faust.StreamT[bytes]) -> None:
        with (Path(folder) / "answers").open("a", buffering=1) as out:
            async for key, _ in stream.items():
                row = table.get(key)
                out.write(f"{key.hex()} {'' if row is None else row.hex()}\n")

    faust.Worker(app, loglevel="info").execute_from_commandline()


if __name__ == "__main__":
    main()
