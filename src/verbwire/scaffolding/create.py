"""Writes a new project: all of it, or nothing."""

from __future__ import annotations

import shutil
import sys
import tempfile
from contextlib import ExitStack
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from verbwire.contracts.codegen.generate import generate, write
from verbwire.contracts.schema.load import load_catalog
from verbwire.errors import ConfigurationError
from verbwire.scaffolding.project_names import require_project_name
from verbwire.scaffolding.requirement import WHEELS, Requirement, installed

_SUFFIX = ".tmpl"


def create_project(name: str, folder: Path, requirement: Requirement | None = None) -> list[Path]:
    """Write the project `name` into `folder`, which is made where it is missing, and return the files, relative to it.

    `requirement` is which verbwire it asks for: by default the one that runs. :class:`ConfigurationError`, before
    anything is written, where the name will not do, or where something in the folder is called like a file or folder of
    the project; what else lies there stays.
    """
    require_project_name(name)
    folder, requirement = folder.absolute(), requirement or installed()
    if any(each.exists() and not each.is_dir() for each in (folder, *folder.parents)):
        raise ConfigurationError(f"{folder} cannot be made: a file is in its way")
    _require_free(
        folder, [*(_plain(each.name) for each in _template().iterdir()), *([WHEELS] if requirement.wheel else [])]
    )
    try:
        return _written(name, folder, requirement)
    except OSError as error:
        raise ConfigurationError(f"the project cannot be written into {folder}: {error}") from error


def _written(name: str, folder: Path, requirement: Requirement) -> list[Path]:
    with ExitStack() as undo:
        _make(folder, undo)
        # In the folder itself: on its own file system, so that everything can be moved to its place at once.
        made = Path(tempfile.mkdtemp(dir=folder, prefix=".verbwire-new-"))
        undo.callback(shutil.rmtree, made)
        _fill(made, name, requirement)
        written = sorted(each.relative_to(made) for each in made.rglob("*") if each.is_file())
        _move(made, folder, undo)
        undo.pop_all()
    made.rmdir()
    return written


def _fill(folder: Path, name: str, requirement: Requirement) -> None:
    _render(_template(), folder, _words(name, requirement))
    if requirement.wheel is not None:
        (folder / WHEELS).mkdir()
        shutil.copy(requirement.wheel, folder / WHEELS)
    write(generate(load_catalog(folder / "schemas"), folder / "schemas"))


def _require_free(folder: Path, names: list[str]) -> None:
    taken = sorted(each for each in names if (folder / each).exists() or (folder / each).is_symlink())
    if taken:
        raise ConfigurationError(
            f"{folder} holds {', '.join(taken)} already, and nothing is overwritten: name another folder (--folder)"
        )


def _make(folder: Path, undo: ExitStack) -> None:
    """Make the folder with what is missing above it, and remove what was made when the rest fails."""
    for each in reversed([folder, *folder.parents]):
        if not each.exists():
            each.mkdir()
            undo.callback(each.rmdir)


def _move(made: Path, folder: Path, undo: ExitStack) -> None:
    for each in sorted(made.iterdir()):
        target = folder / each.name
        each.rename(target)
        undo.callback(target.rename, each)


def _template() -> Traversable:
    return files("verbwire.scaffolding") / "template"


def _plain(name: str) -> str:
    return name.removesuffix(_SUFFIX)


def _words(name: str, requirement: Requirement) -> dict[str, str]:
    return {
        "@project@": name,
        "@dns@": name.replace("_", "-").strip("-"),  # Kubernetes' names are those of hosts
        "@python@": f"{sys.version_info.major}.{sys.version_info.minor}",
        "@verbwire@": requirement.line(),
        "@verbwire_test@": requirement.line("test"),
        "@build_git@": " git" if requirement.url.startswith("git+") else "",
        "@copy_wheels@": f"COPY {WHEELS} {WHEELS}\n" if requirement.wheel else "",
    }


def _render(template: Traversable, folder: Path, words: dict[str, str]) -> None:
    for each in template.iterdir():
        place = folder / _plain(each.name)
        if each.is_dir():
            place.mkdir()
            _render(each, place, words)
        else:
            place.write_text(_filled(each.read_text("utf-8"), words), "utf-8")


def _filled(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text
