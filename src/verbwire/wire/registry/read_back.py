"""Whether a registry gives back by id what was registered at it: a record names its schema by id alone.

A registry may take a schema and still not serve those who read: an older one lacks what is asked of an id, one behind a
proxy may hide it, one of several may not have heard yet. Known before the first record is written, nothing is lost.
"""

from __future__ import annotations

import time

from verbwire.errors import DeployError
from verbwire.wire.avro.schema_equality import canonical
from verbwire.wire.registry.client import Registry

SECONDS = 10.0  # for a registry that has to hear of it from another
_AGAIN_SECONDS = 0.2


def require_read_back(registry: Registry, subject: str, schema_id: int, schema: object) -> None:
    """Return when the registry returns subject and schema of an id; :class:`DeployError` when it has not in time."""
    deadline = time.monotonic() + SECONDS
    while (missing := _missing(registry, subject, schema_id, schema)) is not None:
        if time.monotonic() > deadline:
            raise DeployError(
                f"{subject} is registered as schema {schema_id}, but {missing}: no worker could read a record of it. "
                "verbwire needs a registry with Confluent's API, GET /schemas/ids/{id} and either /subjects or "
                "/versions below it"
            )
        time.sleep(_AGAIN_SECONDS)


def _missing(registry: Registry, subject: str, schema_id: int, schema: object) -> str | None:
    where = f"GET /schemas/ids/{schema_id}"
    subjects = registry.subjects(schema_id)
    if not subjects:
        return f"{where}/subjects and {where}/versions of {registry.shown} know nothing of it"
    if subject not in subjects:
        return f"{where}/subjects of {registry.shown} names {', '.join(sorted(subjects))} alone"
    found = registry.find_schema(schema_id)
    if found is None:
        return f"{where} of {registry.shown} knows nothing of it"
    return None if canonical(found) == canonical(schema) else f"{where} of {registry.shown} gives another schema"
