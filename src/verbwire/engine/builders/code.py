"""Fingerprints the parts of a declaration: a changelog names by them the code that has folded its rows."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

from verbwire.contracts.schema.model import Contract
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.handlers import Handler
from verbwire.declarations.process import Process
from verbwire.declarations.source.fingerprints import fingerprint, of_text
from verbwire.declarations.source.modules import ModuleSources
from verbwire.declarations.table import Table
from verbwire.engine.code.facts import APPLIES, CodeFingerprints
from verbwire.messages import Message
from verbwire.names import Names
from verbwire.wire.avro.schema_equality import shape

log = logging.getLogger(__name__)

Folding: TypeAlias = Aggregate[Any] | Table[Any] | Process[Any]
_Part: TypeAlias = tuple[str, str, Handler | str]  # name, the topic it reads or "", a function or what else it is


def fingerprints_of(declared: Folding, row: Contract, names: Names, root: Path) -> CodeFingerprints | None:
    """Return the code of a group whose project is in the folder `root`, None where its source cannot be read."""
    sources, parts = ModuleSources(root), {}
    every = list(_parts(declared, row, names))
    try:
        for name, _, what in every:
            parts[name] = fingerprint(what.function, sources) if isinstance(what, Handler) else of_text(what)
    except Exception as error:  # noqa: BLE001 (whatever a user's code is like, its fingerprint keeps no worker from work)
        log.debug("%s: no fingerprint of its code: %r", declared.group, error)
        return None
    reads = {name: topic for name, topic, _ in every if topic}
    return CodeFingerprints(parts, reads, _meaning(declared), lasting=isinstance(declared, Table))


def _meaning(declared: Folding) -> str:
    match declared:
        case Table():
            return (
                f"its rows hold results of both until it is rebuilt (`verbwire rebuild {declared.group}`); what is "
                "added counts only from there on"
            )
        case Aggregate():
            return (
                "outcomes, events and states up to there stand as that code made them; where its @applies were wrong, "
                f"`verbwire rebuild {declared.group}` makes the states anew from the events"
            )
        case Process():
            return "steps taken up to there stand as that code took them; what is added is led only from there on"


def _parts(declared: Folding, row: Contract, names: Names) -> Iterator[_Part]:
    kept = "row" if isinstance(declared, Table) else "state"
    yield kept, "", json.dumps(shape(row.schema), sort_keys=True)
    match declared:
        case Aggregate():
            commands = names.commands(declared.namespace)
            yield from ((f"handles {_name(each)}", commands, how) for each, how in declared.handlers.items())
            yield from ((f"{APPLIES}{_name(each)}", "", how) for each, how in declared.appliers.items())
        case Table():
            yield from ((f"on {_name(each)}", _events(each, names), how) for each, how in declared.handlers.items())
            yield from ((f"key of {_name(each)}", _events(each, names), how) for each, how in declared.keys.items())
            if (window := declared.window) is not None:  # by its fields: one that is added later changes nothing
                said = (window.size, window.lateness, window.retention, window.ahead, window.when_ahead)
                yield "window", "", " ".join(map(str, said))
        case Process():
            for each in declared.versions:
                yield from _parts_of_process(each, names)


def _parts_of_process(process: Process[Any], names: Names) -> Iterator[_Part]:
    of = f" (version {process.version})" if process.version > 1 else ""
    yield from ((f"on {_name(each)}{of}", _events(each, names), how) for each, how in process.handlers.items())
    yield from ((f"key of {_name(each)}{of}", _events(each, names), how) for each, how in process.keys.items())
    yield from ((f"due {each}{of}", "", how) for each, how in process.deadlines.items())
    if process.undoing is not None:
        yield f"cancelled{of}", "", process.undoing
    for command, handler in process.outcomes.items():
        namespace = command.__contract__.rpartition(".")[0]
        yield f"outcome of {_name(command)}{of}", names.outcomes(namespace), handler


def _name(message: type[Message]) -> str:
    return message.__contract__


def _events(event: type[Message], names: Names) -> str:
    return names.events(event.__contract__.rpartition(".")[0])
