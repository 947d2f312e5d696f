"""The Kafka that ``verbwire dev`` works with, and that it is there once for a project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from verbwire.embedded import Stack, running_stack
from verbwire.embedded.state import FolderLock
from verbwire.redaction import shown_address
from verbwire.settings import EMBEDDED, Settings


@contextmanager
def only_one(settings: Settings, command: Sequence[str]) -> Iterator[None]:
    """Be the one that runs this project. :class:`StackError` where another process does."""
    by_itself = f"; `{' '.join(command)}` finds its workers by itself" if command else ""
    lock = FolderLock(settings.data_folder / "dev", f"`verbwire dev` runs there already, and once is enough{by_itself}")
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def cluster(settings: Settings) -> Iterator[str]:
    """Have Kafka and a registry, and yield where: embedded ones, unless the settings name others or they run."""
    if EMBEDDED not in (settings.bootstrap, settings.registry):
        yield f"{shown_address(settings.bootstrap)} ({settings.sources.get('bootstrap', 'default')})"
        return
    running = running_stack(settings.stack_folder)
    if running is not None:
        yield running.bootstrap
        return
    with Stack(settings.stack_folder) as stack:
        yield stack.bootstrap
