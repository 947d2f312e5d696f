"""Unpacked archives: whole, and byte by byte what the pinned archive holds, at each start.

One digest stands for all files of a tree, like the root of a Merkle tree of depth one. It is pinned beside the
archive's own checksum, so what was changed or added after unpacking is seen, and no list on this machine is believed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from verbwire.embedded.download import sha256_of
from verbwire.errors import StackError

_READERS = 2  # hashing gives way to other threads: 175 MB take 0.12 s on two cores


def is_whole(tree: Path, pinned: str) -> bool:
    """Whether the tree is there, and holds what is pinned: nothing else, nothing less."""
    return tree.is_dir() and digest(tree) == pinned


def digest(tree: Path) -> str:
    """Return the SHA-256 over the paths and the SHA-256 of all files below `tree`."""
    files = sorted(path for path in tree.rglob("*") if not path.is_dir())
    with ThreadPoolExecutor(_READERS) as pool:
        lines = [
            f"{each} {path.relative_to(tree)}\n" for path, each in zip(files, pool.map(sha256_of, files), strict=True)
        ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def unpack(archive: Path, tree: Path, pinned: str) -> None:
    """Unpack beside its place, then rename: a tree is whole or not there. The archive is no longer needed then."""
    fresh = tree.with_name(tree.name + ".part")
    for old in (fresh, tree):
        shutil.rmtree(old, ignore_errors=True)
    extract(archive, fresh)
    if not is_whole(fresh, pinned):
        raise StackError(f"{archive} unpacks to something else than is pinned: look at the disk of {fresh}")
    os.replace(fresh, tree)
    archive.unlink()


def extract(archive: Path, folder: Path) -> None:
    """Unpack an archive whose checksum is pinned."""
    with tarfile.open(archive) as tar:
        # As an attribute, because the argument is unknown to the first releases of Python 3.11.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(folder)  # noqa: S202 - its checksum is pinned
