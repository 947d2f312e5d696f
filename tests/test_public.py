"""The public surface: the names that a project may import, and that the shop imports nothing else."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.test_house import DOMAIN, ROOT, imports

# A name that is added here is promised; one that is taken away breaks somebody.
PUBLIC = {
    "verbwire": """
        Accepted Aggregate Command Context Deadline Event Expired Expiring Failed Job JobContext Later Outcome
        OutcomeContext Page PageRequest Parking Principal Process Query Rejected Reply Resource Responder Row
        Rows Schedule State Subscriber SubscriberContext Table Tagged Window expiring later resource tagged
    """,
    "verbwire.client": "Ack Client CommandHandle Connection Page Position Principal QueryResult",
    "verbwire.embedded": "Addresses Child ProcessId Stack java_command reap running_stack stop",
    "verbwire.errors": """
        BadQueryError ClosedError ConfigurationError ContractError DeliveryError DeployError EngineError FencedError
        MessageError NewerSchemaError NotAllowedError NotAuthorizedError NotFoundError OutcomeUnknownError ParkedError
        QueryError RebuildError
        RegistryUnavailableError Requeue StackError UnavailableError UndecodableError UnencodableError
        UnkeyableError VerbwireError WrongVerbError
    """,
    "verbwire.project": "Catalog Declared EMBEDDED Project Settings load_catalog load_project load_settings",
    "verbwire.records": "Decode Headers MAX_RECORD OutcomeRecord OutcomeStatus RecordReader",
    "verbwire.testing": """
        CONTEXT CommandOutcome Decided Given GroupStoppedError InMemory LetterInMemory MemoryClient ParkedInMemory
        ProcessInstance ProcessStep RebuiltTable RecordParkedError RunningProject effects_of encoded fold given
    """,
    "verbwire.tokens": "METRICS OPERATOR development_token",
}

# Tests of the repository itself, which look into the platform.
OF_THE_HOUSE = {
    "conftest.py",
    "http_problems.py",
    "layout.py",
    "metrics.py",
    "pythons.py",
    "test_documentation.py",
    "test_house.py",
    "test_public.py",
    "test_wheel.py",
}


@pytest.mark.parametrize("module", PUBLIC)
def test_the_public_names_are_those_that_are_promised(module: str) -> None:
    found = importlib.import_module(module)
    assert sorted(found.__all__) == sorted(PUBLIC[module].split())
    for name in found.__all__:
        assert getattr(found, name, None) is not None, f"{module}.{name}"


def shop() -> Iterator[Path]:
    """The files of the shop and of its tests."""
    for folder in DOMAIN:
        yield from (ROOT / folder).rglob("*.py")
    yield from (file for file in (ROOT / "tests").glob("*.py") if file.name not in OF_THE_HOUSE)


def test_the_shop_imports_public_names_alone() -> None:
    promised = {f"{module}.{name}" for module, names in PUBLIC.items() for name in names.split()}
    inside = {
        f"{file.relative_to(ROOT)} imports {name}"
        for file in shop()
        for name in imports(file)
        if name.partition(".")[0] == "verbwire" and name not in promised and name not in PUBLIC
    }
    assert not inside
