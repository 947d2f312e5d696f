"""Loads copies in processes that are killed, each at a later step: ``python -m tests.kit.killed_loads FOLDER``.

A step is a call that changes what stands on the disk, before and after it, or some thousand instructions of SQLite.
Says how many there were.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from contextlib import closing
from functools import wraps
from itertools import count
from pathlib import Path
from typing import Any

from verbwire.engine.state import copy_load, store
from verbwire.engine.state.changes import DedupEntry, StoreChanges
from verbwire.engine.state.copy_load import CopyLoad
from verbwire.engine.state.store import PartitionStore

ROWS = 900
RUNS = 3
NAME = "state-0.db"
IDENTITY = {"rows": "topic-a"}
COLUMNS = ("status", "total")
CACHE = 64 * 1024  # bytes: less than the rows take, so that SQLite writes in the midst of a run
_INSTRUCTIONS = 2_000


def run_of(number: int) -> StoreChanges:
    """Return one run: rows of all keys that are there so far, some anew, some deleted."""
    step = ROWS // RUNS
    rows: dict[bytes, Any] = {}
    for each in range((number + 1) * step):
        if each >= number * step or each % 7 == number:
            rows[b"%06d" % (each * 7919 % ROWS)] = (b"row %d of %d" % (each, number) * 4, f"s{each % 5}", each)
    rows |= dict.fromkeys(list(rows)[:: 11 + number])
    answers = {f"id-{number}-{each}": DedupEntry(b"f", b"o", each) for each in range(10)}
    return StoreChanges(
        rows=rows, answers=answers, positions={"rows": (number + 1) * step}, inputs={"topic": number}, facts={"a": b"b"}
    )


def opened(folder: Path) -> PartitionStore:
    """Return the copy."""
    return PartitionStore(folder / NAME, COLUMNS, IDENTITY)


def load(folder: Path, before: Callable[[CopyLoad], None] = lambda _: None, pauses: bool = False) -> None:
    """Load it, from where an earlier load was stopped; one that pauses is stopped after each run."""
    store = opened(folder)
    while store.position("rows") < ROWS:
        loading = CopyLoad(store, {"rows": ROWS}, CACHE)
        before(loading)
        while (position := loading.position("rows")) < ROWS:
            loading.apply(run_of(position * RUNS // ROWS))
            if pauses:
                break
        if loading.position("rows") == ROWS:
            loading.finish()
        loading.close()
    store.close()


def _killed_at(step: int, folder: Path) -> None:
    """Load in this process and kill it at a step."""
    steps = count()

    def hit() -> None:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def hitting(does: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(does)
        def around(*arguments: Any, **more: Any) -> Any:
            hit()
            found = does(*arguments, **more)
            hit()
            return found

        return around

    os.rename, os.unlink = hitting(os.rename), hitting(os.unlink)
    for module in (copy_load, store):
        vars(module)["write_through"] = hitting(_nothing)
    load(folder, lambda loading: loading._connection.set_progress_handler(hit, _INSTRUCTIONS), pauses=True)


def _nothing(*_: object) -> None:
    """The system outlives its process."""


def main(folder: Path) -> None:
    """Go on until one gets to its end."""
    for step in count():
        child = os.fork()
        if child == 0:
            _killed_at(step, folder)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status and not os.WIFSIGNALED(status):
            sys.exit(f"step {step} ended with {status}")
        require_empty_or_whole(folder)
        load(folder)
        require_empty_or_whole(folder, only_whole=True)
        if status == 0:
            print(step)
            return
        shutil.rmtree(folder)


def require_empty_or_whole(folder: Path, only_whole: bool = False) -> None:
    """Whatever was ended where: there is all, or nothing."""
    with closing(opened(folder)) as store:
        found = store.position("rows"), store.count()
    assert found in [(ROWS, rows_of_all())] + ([] if only_whole else [(0, 0)]), found


def rows_of_all() -> int:
    """Return how many rows there are in the end."""
    rows: dict[bytes, Any] = {}
    for number in range(RUNS):
        rows |= run_of(number).rows
    return sum(row is not None for row in rows.values())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
