"""Reading over HTTP, each kind beside bare Starlette that answers with the same body."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psutil

from benchmarks.results import Group
from benchmarks.rounds import Round, beside
from benchmarks.shop.streams.browsing import COLOURS, STATUSES, THINGS
from benchmarks.worker import Progress, Worker, answers, body, cpu_of, free_port, until

PARTITIONS = 12
CONNECTIONS = 16
TABLE, ELSEWHERE = "bench.browsing", "bench.accepted"
_DIFFERENT = 2000  # rows that are asked for
_SPELLINGS = 100  # of a search, so that none comes again within the time that is measured
_WARM_UP = 0.5  # of the time that is measured


@dataclass(frozen=True)
class Reading:
    """One kind of query."""

    title: str
    name: str
    targets: Sequence[str]


def readings(rows: int) -> Iterator[Reading]:
    """Rows by their keys, pages by a field, pages by words."""
    chosen = random.Random(1)  # noqa: S311 (the same ones in each round)
    orders = [f"/queries/GetOrderCard?order_id=o{chosen.randrange(rows)}" for _ in range(min(rows, _DIFFERENT))]
    yield Reading(f"GET by key, {CONNECTIONS} connections", "verbwire: GET by key", orders)
    pages = [f"/queries/FindOrderCards?status={each}&page_size=50" for each in STATUSES]
    yield Reading(
        f"A filtered page of 50 rows over {PARTITIONS} partitions, {CONNECTIONS} connections",
        "verbwire: a filtered page of 50",
        pages,
    )
    words = [f"{colour}+{thing}" for colour in COLOURS for thing in THINGS]
    searches = [f"/queries/FindOrderCards?search={each}&page_size=50" for each in words]
    yield Reading(
        f"A search for two words, 50 rows over {PARTITIONS} partitions, {CONNECTIONS} connections",
        "verbwire: a search",
        searches,
    )
    # In other letters it is the same search, and not one that is remembered.
    unlike = ["".join(chosen.choice((each.lower(), each.upper())) for each in word) for word in words * _SPELLINGS]
    yield Reading(
        f"A search for two words that is not asked for again, 50 rows over {PARTITIONS} partitions, "
        f"{CONNECTIONS} connections",
        "verbwire: a new search",
        [f"/queries/FindOrderCards?search={each}&page_size=50" for each in unlike],
    )


def measured(round: Round) -> None:
    """One worker has the rows; another, which has none of them, forwards."""
    rows = round.sizes.rows
    place = round.place("reading", events=rows, partitions=PARTITIONS)
    round.need(place, "sdk", "publish")
    folder = round.folder(place)
    with Worker(place, TABLE, folder) as worker, Worker(place, ELSEWHERE, folder, name="elsewhere") as elsewhere:
        progress = Progress(place, TABLE, "bench.orders.events")
        worker.until(lambda: progress.committed() >= rows)
        for kind in readings(rows):
            group = round.group(kind.title)
            targets = _written(folder / "targets", kind.targets)
            for each in (worker, elsewhere):
                each.until(partial(answers, each.url, each.token(), kind.targets[0]))
            _bare(round, group, targets, body(worker.url, worker.token(), kind.targets[0]))
            _load(round, group, kind.name, targets, worker)
            _load(round, group, f"{kind.name}, forwarded to the owner", targets, elsewhere)


def _bare(round: Round, group: Group, targets: Path, answer: bytes) -> None:
    port, file = free_port(), targets.with_name("body")
    file.write_bytes(answer)
    name = "bare Starlette: the same body"
    with (
        round.attempt(name),
        beside([sys.executable, "-m", "benchmarks.starlette_bare", str(port), str(file)]) as server,
    ):
        url = f"http://127.0.0.1:{port}"
        until(lambda: answers(url, "", "/"))
        _measure(round, group, name, targets, [url], psutil.Process(server.pid), body_bytes=len(answer))


def _load(round: Round, group: Group, name: str, targets: Path, worker: Worker) -> None:
    with round.attempt(name):
        _measure(round, group, name, targets, [worker.url, worker.token()], worker.process)


def _measure(
    round: Round, group: Group, name: str, targets: Path, where: list[str], server: psutil.Process, **more: float
) -> None:
    """Load the server, whose CPU is what counts: the first time for nothing."""
    url, *token = where
    for seconds in (round.sizes.seconds * _WARM_UP, round.sizes.seconds):
        before = cpu_of(server)
        arguments = [name, str(seconds), str(CONNECTIONS), url, str(targets), *token]
        figure = round.told([sys.executable, "-m", "benchmarks.load", *arguments])[0]
    round.add(group, replace(figure, cpu=cpu_of(server) - before, more={**figure.more, **more}))


def _written(file: Path, targets: Sequence[str]) -> Path:
    file.write_text("\n".join(targets), "utf-8")
    return file
