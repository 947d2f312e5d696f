"""Class paths in argument files (``java @file``), so that a listing of processes can be read.

The class path of the registry is some 20,000 characters long, and everybody's ``ps`` would show it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from verbwire.embedded.artifacts import cache_folder


def class_path_file(name: str, class_path: Sequence[Path]) -> Path:
    """Return a file with the option that sets this class path; written at first need, and never changed."""
    text = f"-cp\n{_quoted(os.pathsep.join(map(str, class_path)))}\n"
    content = os.fsencode(text)
    digest = hashlib.sha256(content).hexdigest()
    path = cache_folder() / "arguments" / f"{name}-{digest[:16]}"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        fresh = path.with_name(f"{path.name}.{os.getpid()}.part")
        fresh.write_bytes(content)
        fresh.replace(path)
    return path


def _quoted(text: str) -> str:
    """Return it as one argument: quotes keep spaces together, and a backslash escapes within them."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
