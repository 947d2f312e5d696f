"""Reads the contracts of a project: from a folder of schema files to a catalog, or to everything that is wrong."""

from __future__ import annotations

import json
import keyword
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from verbwire.contracts.schema.attributes import attribute_problems, key_of, reply_of
from verbwire.contracts.schema.bounds_check import default_excesses
from verbwire.contracts.schema.defaults import default_problems, named_types
from verbwire.contracts.schema.grammar import Json, file_problems
from verbwire.contracts.schema.model import Catalog, Contract, Schema, SharedType
from verbwire.contracts.schema.problems import ContractProblem, SchemaPlace, unique
from verbwire.contracts.schema.references import SchemaSources
from verbwire.contracts.schema.unsafe import dangers, union_problems
from verbwire.errors import ContractError
from verbwire.messages import Kind
from verbwire.names import require_dotted


def load_catalog(folder: Path) -> Catalog:
    """Read ``<folder>/<context>/*.avsc``, one message or shared type per file.

    Raises :class:`ContractError` with one line for each thing that is wrong, naming file and field.
    """
    catalog, problems = read_catalog(folder)
    if problems:
        raise ContractError("\n".join(map(str, problems)))
    return catalog


def read_catalog(folder: Path) -> tuple[Catalog, list[ContractProblem]]:
    """Return the catalog of a folder and what is wrong with it; with problems, the catalog is empty.

    Later steps look only at what passed the earlier ones, so that one mistake is told once.
    """
    sources, problems = _read_sources(folder)
    # 3. Each schema with everything that it refers to.
    if not problems:
        resolved = _resolved(sources)
        problems = unique(_meaning_problems(resolved, sources))
    if problems:
        return Catalog(), problems
    return _catalog(resolved, sources), []


def read_schemas(folder: Path) -> dict[str, Schema]:
    """Return the self-contained schemas of a folder by full name, as they are: rules may have come after them.

    :class:`ContractError` where there is no schema to be read.
    """
    sources, problems = _read_sources(folder)
    if problems:
        raise ContractError("\n".join(map(str, problems)))
    return _resolved(sources)


def _read_sources(folder: Path) -> tuple[SchemaSources, list[ContractProblem]]:
    # 1. Each file by itself.
    schemas, problems = _read_files(folder)
    # 2. The files together: names, and references between them.
    return (SchemaSources(), problems) if problems else _gather(schemas)


def _resolved(sources: SchemaSources) -> dict[str, Schema]:
    return {name: sources.resolved(name) for name in sorted(sources.schemas)}


def _read_files(folder: Path) -> tuple[list[tuple[Json, SchemaPlace]], list[ContractProblem]]:
    if not folder.is_dir():
        return [], [
            SchemaPlace(folder).problem("there is no such folder: make it, with a folder for each context inside")
        ]
    schemas: list[tuple[Json, SchemaPlace]] = []
    problems: list[ContractProblem] = []
    for file in sorted(folder.rglob("*.avsc")):
        place = SchemaPlace(file)
        found = list(_path_problems(file, folder))
        schema: Json = None
        try:
            schema = json.loads(file.read_text(encoding="utf-8-sig"), object_pairs_hook=_without_repeats)
        except (ValueError, RecursionError) as error:
            found.append(place.problem(f"is no JSON that can be read: {error}"))
        else:
            found += file_problems(schema, place)
        schemas.append((schema, place))
        problems += found
    return schemas, unique(problems)


def _path_problems(file: Path, folder: Path) -> Iterator[ContractProblem]:
    context = file.parent.name
    if file.parent.parent != folder:
        yield SchemaPlace(file).problem(f"move it into a folder of its context, like {folder / 'carts' / file.name}")
    elif not context.isidentifier() or keyword.iskeyword(context):
        yield SchemaPlace(file).problem(
            f"rename the folder {context!r} so that Python can import it: letters, digits, _"
        )


def _without_repeats(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f'"{name}" is written twice in one object: remove one')
        found[name] = value
    return found


def _gather(schemas: Iterable[tuple[Json, SchemaPlace]]) -> tuple[SchemaSources, list[ContractProblem]]:
    sources = SchemaSources()
    problems: list[ContractProblem] = []
    namespaces: dict[Path, tuple[str, Path]] = {}
    for schema, place in schemas:
        problems += _name_problems(schema, place, namespaces)
        problems += sources.add(schema, place)
    return sources, unique(problems or sources.unknown())


def _name_problems(
    schema: Json, place: SchemaPlace, namespaces: dict[Path, tuple[str, Path]]
) -> Iterator[ContractProblem]:
    name, namespace = schema["name"], schema["namespace"]
    if place.file.stem != name:
        yield place.at("name").problem(f"{name!r} is not the file's name: rename the file to {name}.avsc")
    try:
        require_dotted(namespace, "namespace")
    except ContractError as error:
        yield place.at("namespace").problem(str(error))
    folders, first = namespaces.setdefault(place.file.parent, (namespace, place.file))
    if folders != namespace:
        yield place.at("namespace").problem(
            f"{namespace} differs from {folders} in {first.name}: a folder holds one namespace, move one of them"
        )


def _meaning_problems(resolved: dict[str, Schema], sources: SchemaSources) -> Iterator[ContractProblem]:
    records = {name: schema.get("kind") for name, schema in resolved.items() if schema["type"] == "record"}
    named = named_types(list(resolved.values()))
    dangerous: set[str] = set()
    for name, schema in sorted(resolved.items(), key=lambda each: "kind" in each[1]):
        place, own = sources.places[name], sources.own(name)
        if dangerous & named_types(schema).keys():
            continue  # told of the shared type already
        if found := list(dangers(schema, place)):
            dangerous.add(name)
            yield from found
            continue  # the other checks recurse
        yield from union_problems(own, place)
        misfits = list(default_problems(own, place, named))
        yield from misfits or default_excesses(own, place)
        yield from attribute_problems(schema, place, records)


def _catalog(resolved: dict[str, Schema], sources: SchemaSources) -> Catalog:
    contracts: dict[str, Contract] = {}
    types: dict[str, SharedType] = {}
    for name, schema in resolved.items():
        file = sources.places[name].file
        if "kind" in schema:
            contracts[name] = _contract(name, schema, file)
        else:
            types[name] = SharedType(name, schema, file)
    return Catalog(contracts, types)


def _contract(name: str, schema: dict[str, Any], file: Path) -> Contract:
    text = json.dumps(schema, ensure_ascii=False, separators=(",", ":"))
    return Contract(
        name=name,
        kind=Kind(schema["kind"]),
        key=key_of(schema),
        schema=schema,
        file=file,
        time=schema.get("time"),
        rejections=frozenset(schema.get("rejections", ())),
        requires=frozenset(schema.get("requires", ())),
        public=schema.get("public", False),
        reply=reply_of(schema),
        many=schema.get("many", False),
        response=schema.get("response", "outcome"),
        grant="grant" in schema,
        schedulable=schema.get("schedulable", False),
        text=text,
        fingerprint=sha256(text.encode()).hexdigest()[:16],
    )
