"""The user's project: its settings, its contracts, and its declarations, found by importing its folders.

::

    project = load_project()  # of the folder that we are in, or one above it
    given(orders, catalog=project.catalog).when(PlaceOrder(...)).then(OrderPlaced(...))

``[tool.verbwire]`` in pyproject.toml marks the project's folder. What a test needs of it without importing any
declaration is :func:`load_catalog`; what another process needs is :class:`Settings`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from verbwire.contracts.codegen.generate import COMMAND, stale
from verbwire.contracts.schema import load
from verbwire.contracts.schema.model import Catalog, Contract
from verbwire.declarations import GROUPS, Declared
from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.job import Job
from verbwire.declarations.process import Process
from verbwire.declarations.process_versions import by_group
from verbwire.declarations.resource import Resource
from verbwire.declarations.resource_users import Users, users_of
from verbwire.declarations.responder import Responder
from verbwire.declarations.schedule import Schedule
from verbwire.declarations.scheduler import Scheduler, received_by, schedulers
from verbwire.declarations.subscriber import Subscriber
from verbwire.declarations.table import Table
from verbwire.errors import ConfigurationError, ContractError
from verbwire.messages import Message
from verbwire.settings import EMBEDDED, Settings, load_settings

__all__ = [
    "EMBEDDED",
    "Catalog",
    "Declared",
    "Project",
    "Settings",
    "load_catalog",
    "load_project",
    "load_settings",
]

FOLDERS = ("consumers", "streams")
D = TypeVar("D")


@dataclass(frozen=True)
class Project:
    """Holds what a project declares, with its settings and contracts."""

    settings: Settings
    catalog: Catalog
    declared: dict[str, Declared] = field(default_factory=dict)  # by the name of the group
    responders: tuple[Responder, ...] = ()
    folders: dict[str, str] = field(default_factory=dict)  # group -> the folder it is declared in
    resources: tuple[tuple[Resource[Any], Users], ...] = ()  # in the order in which they are opened, for whom

    def resources_of(self, groups: Iterable[str]) -> list[Resource[Any]]:
        """Return the resources that a worker opens which hosts these groups, in order."""
        hosted = {*groups}
        return [each for each, users in self.resources if users is None or users & hosted]

    @property
    def groups(self) -> list[str]:
        """The names of all groups."""
        return sorted(self.declared)

    @property
    def aggregates(self) -> list[Aggregate[Any]]:
        """The aggregates."""
        return self._of(Aggregate)

    @property
    def tables(self) -> list[Table[Any]]:
        """The tables."""
        return self._of(Table)

    @property
    def processes(self) -> list[Process[Any]]:
        """The process managers."""
        return self._of(Process)

    @property
    def subscribers(self) -> list[Subscriber]:
        """The subscribers: handlers of events with side effects."""
        return self._of(Subscriber)

    @property
    def jobs(self) -> list[Job]:
        """The jobs."""
        return self._of(Job)

    @cached_property
    def classes(self) -> dict[str, type[Message]]:
        """The generated class of every contract, by full name; :class:`ContractError` for one missing or stale.

        For messages that no declaration names: commands that come over HTTP, replies.
        """
        return {contract.name: _generated(self.settings.root, self.catalog, contract) for contract in self.catalog}

    def declared_group(self, group: str) -> Declared:
        """Return what is declared under a group's name; :class:`ConfigurationError` where nothing is."""
        if group not in self.declared:
            raise ConfigurationError(f"no group has the name {group}: there are {', '.join(self.groups) or 'none'}")
        return self.declared[group]

    @property
    def schedulers(self) -> list[Scheduler]:
        """The schedulers of the contexts that have something to be done later; nobody declares them."""
        return self._of(Scheduler)

    def with_schedulers(self, groups: Iterable[str]) -> list[str]:
        """Return these groups, and the schedulers of the contexts whose receivers are among them."""
        hosted = [self.declared[group] for group in groups]
        received = received_by(hosted)
        more = [each.group for each in self.schedulers if each.namespace in received and each not in hosted]
        return [*(each.group for each in hosted), *more]

    def _of(self, kind: type[D]) -> list[D]:
        return [each for each in self.declared.values() if isinstance(each, kind)]

    def chosen(self, names: Iterable[str]) -> list[str]:
        """Return the groups that names of folders or groups select; all where none is given."""
        wanted = list(names)
        if not self.groups:
            raise ConfigurationError(f"{self.settings.root} declares no group: put modules into {' or '.join(FOLDERS)}")
        if not wanted:
            return self.groups
        found: list[str] = []
        for name in wanted:
            matching = [group for group in self.groups if group == name or self.folders[group] == name]
            if not matching and name in FOLDERS:
                raise ConfigurationError(f"the folder {name} declares none: there are {', '.join(self.groups)}")
            if not matching:
                raise ConfigurationError(
                    f"no group or folder is called {name}: there are {', '.join([*FOLDERS, *self.groups])}"
                )
            found += [group for group in matching if group not in found]
        return found


def load_catalog(settings: Settings | None = None) -> Catalog:
    """Return the contracts of a project, by default of the one that we are in; imports none of its folders."""
    return load.load_catalog((settings or load_settings()).schemas)


def load_project(settings: Settings | None = None, catalog: Catalog | None = None) -> Project:
    """Import the folders of a project, by default of the one that we are in, and return what they declare.

    `catalog` are its contracts, where they are read already.

    :class:`ContractError` where the generated classes are missing or stale and an import fails for it.
    """
    settings = settings or load_settings()
    root = str(settings.root)
    if sys.path[:1] != [root]:
        sys.path.insert(0, root)
    catalog = load.load_catalog(settings.schemas) if catalog is None else catalog
    found: list[Declared] = []
    responders: list[Responder] = []
    schedules: list[Schedule] = []
    folders: dict[str, str] = {}
    modules: list[ModuleType] = []
    for folder in FOLDERS:
        here = _imported(folder, settings, catalog)
        modules += here
        for each in _declared_in(here):
            if isinstance(each, Responder):
                responders.append(each)
            elif isinstance(each, Schedule):
                schedules.append(each)
            elif each not in found:
                found.append(each)
                folders[each.group] = folder
    own = schedulers(found, schedules, catalog)
    folders |= dict.fromkeys((each.group for each in own), FOLDERS[0])
    declared = by_group([*found, *own])
    return Project(settings, catalog, declared, tuple(responders), folders, users_of(modules))


def _generated(root: Path, catalog: Catalog, contract: Contract) -> type[Message]:
    folder = contract.file.parent.relative_to(root)
    found = getattr(_package(root, ".".join(folder.parts)), contract.short, None)
    if not (isinstance(found, type) and issubclass(found, Message) and found.__contract__ == contract.name):
        raise ContractError(f"{folder} has no class {contract.short}: run `verbwire schemas generate`")
    catalog.of(found)
    return found


def _package(root: Path, name: str) -> ModuleType:
    """Import a package of the project's, whatever else on this machine is called the same."""
    package = importlib.import_module(name)
    folder = root.joinpath(*name.split("."))
    if str(folder) not in package.__path__:
        raise ContractError(
            f"`import {name}` gives {next(iter(package.__path__))}, not the project's folder: add an __init__.py to "
            f"{folder}"
        )
    return package


def _imported(folder: str, settings: Settings, catalog: Catalog) -> list[ModuleType]:
    try:
        return _modules(settings.root, folder)
    except Exception as error:
        if not stale(catalog, settings.schemas):
            raise
        raise ContractError(
            f"the generated classes do not agree with the schemas, run `{COMMAND}` (importing {folder} failed for now: "
            f"{type(error).__name__}: {error})"
        ) from error


def _declared_in(modules: Iterable[ModuleType]) -> list[Declared | Responder | Schedule]:
    found: list[Declared | Responder | Schedule] = []
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, (*GROUPS, Responder, Schedule)) and value not in found:
                found.append(value)
    return found


def _modules(root: Path, folder: str) -> list[ModuleType]:
    if not (root / folder).is_dir():
        return []
    _package(root, folder)
    return [importlib.import_module(name) for name in _names_of_modules(root, folder)]


def _names_of_modules(root: Path, folder: str) -> list[str]:
    """Return the dotted names of all modules below a folder, with an ``__init__.py`` beside them or without."""
    files = [file.relative_to(root).with_suffix("") for file in (root / folder).rglob("*.py")]
    parts = [each.parts[:-1] if each.name == "__init__" else each.parts for each in files]
    return sorted(".".join(each) for each in parts if not any("." in part for part in each))
