"""``python -m tests.deployment`` writes `deploy/`, and what the template takes from it."""

from __future__ import annotations

from pathlib import Path

from tests.deployment.files import rendered, templates


def _write(files: dict[Path, str]) -> None:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    _write(templates())
    _write(rendered())
