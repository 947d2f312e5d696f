"""One try, told in a line: how much was tried, how long it took, what it did to memory, and that it held."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil

MB = 1024 * 1024


@dataclass
class Try:
    """Counts what was sent."""

    inputs: int = 0
    told: str = ""  # what there is to say besides


@contextmanager
def tried(what: str, pid: int | None = None, most_mb: float | None = None) -> Iterator[Try]:
    """Print what was tried in the block and that it held, which it has where the block ends without raising.

    The memory is that of the process `pid`, by default this one; it may have grown by `most_mb` at its end.
    """
    process = psutil.Process(pid)
    trying, before, began = Try(), process.memory_info().rss / MB, time.monotonic()
    try:
        yield trying
    except BaseException:
        print(f"\n{what}: DID NOT HOLD after {trying.inputs:,} inputs, {time.monotonic() - began:.1f} s")
        raise
    after, seconds = process.memory_info().rss / MB, time.monotonic() - began
    more = f"; {trying.told}" if trying.told else ""
    print(f"\n{what}: {trying.inputs:,} inputs, {seconds:.1f} s, {before:.0f} -> {after:.0f} MB, held{more}")
    if most_mb is not None:
        assert after - before <= most_mb, f"{what}: grew by {after - before:.0f} MB, {most_mb:.0f} are the most"
