"""What the contracts were before: as they were deployed from here, or as they stand in git."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from verbwire.contracts.schema.load import read_schemas
from verbwire.contracts.schema.model import Catalog, Schema
from verbwire.errors import ContractError

FILE = "deployed.json"
PREFIXES = 20  # remembered, those that were deployed last: tests have one each


@dataclass(frozen=True)
class Baseline:
    """Versions of each message by full name, the newest first; `name` says to people whose they are."""

    name: str
    versions: Mapping[str, Sequence[Schema]]


def deployed(file: Path, prefix: str) -> Baseline | None:
    """Return what :func:`note_deployed` wrote of that prefix; None where nothing was deployed from here."""
    entry = _read(file).get(prefix)
    if entry is None:
        return None
    return Baseline(f"what was deployed at {entry['at'][:19]}Z, {file.name}", entry["schemas"])


def note_deployed(file: Path, prefix: str, catalog: Catalog, versions: Mapping[str, Sequence[Schema]]) -> None:
    """Write down what stands on a cluster now: the catalog, before it the `versions` that the registry has named.

    Of a message that the registry was not asked for, because it has not changed, the file keeps what it knows.
    """
    known = _read(file)
    before = known.get(prefix, {"schemas": {}})["schemas"]
    schemas = {
        each.name: _newest_first(each.schema, versions.get(each.name, before.get(each.name, ()))) for each in catalog
    }
    known[prefix] = {"at": datetime.now(UTC).isoformat(), "schemas": schemas}
    last = sorted(known.items(), key=lambda each: each[1]["at"])[-PREFIXES:]
    file.parent.mkdir(parents=True, exist_ok=True)
    whole = file.with_suffix(".new")
    whole.write_text(json.dumps(dict(last), ensure_ascii=False), encoding="utf-8")
    whole.replace(file)


def at_ref(folder: Path, ref: str) -> Baseline:
    """Return the contracts of a folder as they stand in a commit, a branch or a tag of git.

    :class:`ContractError` where there is no git, no such ref, or no contracts that can be read.
    """
    commit = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if commit is None:
        raise ContractError(f"--against {ref}: git knows no such commit, branch or tag in {folder.parent}")
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / folder.name
        for name, content in _files(folder, commit.decode().strip()):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes(content)
        if not copy.is_dir():
            raise ContractError(f"--against {ref}: there are no contracts in {folder.name}/ there")
        try:
            schemas = read_schemas(copy)
        except ContractError as error:
            said = str(error).replace(f"{copy}/", f"{ref}:{folder.name}/")
            raise ContractError(f"--against {ref}: its contracts cannot be read:\n{said}") from error
    return Baseline(ref, {name: [schema] for name, schema in schemas.items() if "kind" in schema})


def _newest_first(schema: Schema, before: Sequence[Schema]) -> list[Schema]:
    return [schema, *(each for each in before if each != schema)]


def _read(file: Path) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(file.read_text("utf-8")) if file.is_file() else {}
        return {prefix: {"at": entry["at"], "schemas": dict(entry["schemas"])} for prefix, entry in found.items()}
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise ContractError(f"{file} cannot be read: delete it, and deploy again: {error}") from error


def _files(folder: Path, commit: str) -> Iterator[tuple[str, bytes]]:
    """The schema files of a commit, each by its path in the folder, and its content."""
    listing = _git(folder, "ls-tree", "-r", "-z", commit, f"{folder.name}/") or b""
    for line in filter(None, listing.decode().split("\0")):
        about, _, path = line.partition("\t")
        if path.endswith(".avsc"):
            yield path.removeprefix(f"{folder.name}/"), _git(folder, "cat-file", "blob", about.split()[2]) or b""


def _git(folder: Path, *arguments: str) -> bytes | None:
    """What git says beside the folder; None where it does not know what it was asked for."""
    try:
        ran = subprocess.run(  # noqa: S603 (plumbing of git, names after an end of options)
            ["git", *arguments],  # noqa: S607 (the git of this machine)
            cwd=folder.parent,
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise ContractError(f"--against needs git, which cannot be run: {error}") from error
    if b"not a git repository" in ran.stderr:
        raise ContractError(f"--against needs git, and {folder.parent} is in no repository of it")
    return None if ran.returncode else ran.stdout
