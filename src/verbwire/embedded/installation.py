"""Puts the pinned files into the cache, once per machine, and says where they are."""

from __future__ import annotations

import fcntl
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from verbwire.embedded import artifacts, download
from verbwire.embedded.artifacts import REGISTRY, Artifact
from verbwire.embedded.download import Download
from verbwire.embedded.progress import Report
from verbwire.embedded.trees import is_whole, unpack

PARALLEL_DOWNLOADS = 4
ClassPath = tuple[Path, ...]


def install(parts: Sequence[str], report: Report) -> dict[str, ClassPath]:
    """Download what is missing or damaged of these parts, unpack it, and return the class path of each.

    Several processes may do this at once: one works, the others wait for it. An interruption leaves nothing broken,
    the next run resumes. Raises :class:`UnavailableError` when a file cannot be had.
    """
    cache = artifacts.cache_folder()
    files = cache / "jars"
    files.mkdir(exist_ok=True)
    with _alone(cache / "install.lock", report):
        download.sweep(files)
        wanted = [one for one in artifacts.locked() if one.part in parts]
        trees = {one.part: cache / one.part / one.sha256[:16] for one in wanted if one.part == REGISTRY}
        unpacked = {one.part for one in wanted if one.part in trees and is_whole(trees[one.part], one.tree)}
        _download((one for one in wanted if one.part not in unpacked), files, report)
        for one in wanted:
            if one.part in trees and one.part not in unpacked:
                report.say(f"unpacking {one.filename}")
                unpack(files / one.filename, trees[one.part], one.tree)
    jars = {part: tuple(files / one.filename for one in wanted if one.part == part) for part in parts}
    return jars | {part: _quarkus(tree) for part, tree in trees.items()}


def _quarkus(tree: Path) -> ClassPath:
    """The jars of a Quarkus application; what was generated shadows what it was generated from."""
    folders = ("app", "lib/main", "lib/boot")
    generated = (tree / "quarkus" / f"{kind}-bytecode.jar" for kind in ("transformed", "generated"))
    return (*generated, *(jar for folder in folders for jar in sorted((tree / folder).glob("*.jar"))))


@contextmanager
def _alone(path: Path, report: Report) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report.say("waiting for another process that fills the cache")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _download(wanted: Iterable[Artifact], folder: Path, report: Report) -> None:
    # By name, because two parts may share a jar.
    files = {folder / one.filename: one for one in wanted}
    missing = [
        Download(one.urls(), path, one.sha256, one.size)
        for path, one in files.items()
        if not download.matches(path, one.sha256, one.size)
    ]
    if not missing:
        return
    cancelled = Event()
    with (
        report.transfer("downloading", sum(one.size for one in missing)) as advance,
        download.client() as http,
        ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool,
    ):
        running = [pool.submit(download.fetch, one, http, advance, cancelled) for one in missing]
        try:
            for finished in as_completed(running):
                finished.result()
        except BaseException:
            cancelled.set()
            pool.shutdown(cancel_futures=True)
            raise
