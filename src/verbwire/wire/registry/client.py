"""The schema registry, any that speaks Confluent's REST API: ids for schemas and schemas for ids.

One door: nothing else in verbwire imports ``confluent_kafka.schema_registry`` (it takes half a second, so it is
imported when the first registry is made). Calls are retried for about a second; then :class:`RegistryUnavailableError`.
"""

from __future__ import annotations

import json
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

from verbwire.contracts.schema.model import Schema
from verbwire.errors import ConfigurationError, ContractError, RegistryUnavailableError
from verbwire.redaction import shown_address
from verbwire.wire.avro.schema_equality import canonical

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import SchemaVersion

T = TypeVar("T")

_RETRIES: Mapping[str, Any] = {"timeout": 5, "max.retries": 3, "retries.wait.ms": 150, "retries.max.wait.ms": 600}
_NUMBERS = frozenset({"timeout", "cache.capacity", "cache.latest.ttl.sec", *_RETRIES})


class Registry:
    """Schemas by id and ids by schema. Answers are remembered: an id never changes its meaning.

    `conf` is passed through to confluent-kafka's client: ``basic.auth.user.info``, ``ssl.ca.location``,
    ``bearer.auth.*``, ``timeout`` (seconds), ``max.retries``. May be used by several threads.
    """

    def __init__(self, url: str, conf: Mapping[str, Any] | None = None) -> None:
        from confluent_kafka.schema_registry import Schema as RegistrySchema
        from confluent_kafka.schema_registry import SchemaRegistryClient
        from confluent_kafka.schema_registry.error import OAuthTokenError, SchemaRegistryError

        self.url = url
        self.shown = shown_address(url)  # in errors
        self._lock = threading.Lock()  # the client's caches are not said to be safe among threads
        self._refused = SchemaRegistryError
        self._silent = (OAuthTokenError, _transport_error())
        self._schema = RegistrySchema
        try:
            self._client = SchemaRegistryClient({**_RETRIES, **_without_user(url, _typed(conf or {}))})
        except (TypeError, ValueError) as error:
            raise ConfigurationError(f"registry {self.shown!r} (VERBWIRE_REGISTRY): {error}") from error
        self._finalize = weakref.finalize(self, self._client.close)

    def close(self) -> None:
        """Close the connections; done by itself when the registry is no longer referenced."""
        self._finalize()

    def register(self, subject: str, text: str) -> int:
        """Register the schema under `subject` and return its id; the id it has, if it is there already.

        :class:`ContractError` carries the registry's reason when it is incompatible with what stands there.
        """
        found = self.find(subject, text)
        return self.add(subject, text) if found is None else found

    def add(self, subject: str, text: str) -> int:
        """The same for who has just looked for it: where it is there in other words, those stay beside it."""
        try:
            return int(self._ask(lambda: self._client.register_schema(subject, self._schema(text, "AVRO"))))
        except self._refused as error:
            raise ContractError(f"the registry refuses {subject}: {error.error_message}") from error

    def id_of(self, subject: str, text: str) -> int:
        """Return the id of a registered schema; never registers. :class:`ContractError` when it is not there."""
        found = self.find(subject, text)
        if found is None:
            raise ContractError(f"{subject} is not registered at {self.shown} in this version: run `verbwire deploy`")
        return found

    def find(self, subject: str, text: str) -> int | None:
        """Return the id of a schema under `subject`, or None when it is not registered."""
        found = self._or_none(lambda: self._client.lookup_schema(subject, self._schema(text, "AVRO")))
        if found is not None:
            return int(found.schema_id)
        # Apicurio takes another order of attributes for another schema, so we look for ourselves.
        wanted = canonical(json.loads(text))
        return next((number for number, schema in self.versions(subject) if canonical(schema) == wanted), None)

    def is_compatible(self, subject: str, text: str) -> bool:
        """Whether the registry would take the schema as the next version; true for a new subject."""
        found = self._or_none(lambda: self._client.test_compatibility_all_versions(subject, self._schema(text, "AVRO")))
        return found is not False

    def schema(self, schema_id: int) -> Schema:
        """Return the schema of an id. :class:`ContractError` when the registry does not know it, or it is not Avro."""
        schema = self.find_schema(schema_id)
        if schema is None:
            raise ContractError(f"the registry {self.shown} knows no schema {schema_id}")
        return schema

    def find_schema(self, schema_id: int) -> Schema | None:
        """Return the schema of an id, None when the registry does not know it; ContractError when it is not Avro."""
        found = self._or_none(lambda: self._client.get_schema(schema_id))
        if found is None:
            return None
        if found.schema_type != "AVRO" or found.references:
            raise ContractError(f"schema {schema_id} is not a self-contained Avro schema")
        schema = json.loads(found.schema_str)
        if not isinstance(schema, dict):
            raise ContractError(f"schema {schema_id} is not a record")
        return schema

    def subjects(self, schema_id: int) -> set[str]:
        """Return the subjects under which an id is registered; empty for an unknown id.

        Apicurio has no list of an id's subjects before 3.2, but one of its versions, which names them too.
        """
        found = self._or_none(lambda: self._client.get_subjects_by_schema_id(schema_id))
        return {*found} if found else {each.subject for each in self._versions_of(schema_id)}

    def version(self, subject: str, schema_id: int) -> int | None:
        """Return which version of a subject an id is, None where it is none.

        The first one, where a registry counts a text anew that was registered again.
        """
        found = self._versions_of(schema_id)
        return min((each.version for each in found if each.subject == subject and each.version), default=None)

    def _versions_of(self, schema_id: int) -> Sequence[SchemaVersion]:
        return self._or_none(lambda: self._client.get_schema_versions(schema_id)) or ()

    def all_subjects(self, page: int = 500) -> list[str]:
        """Return all subjects of this registry, other projects' too, fetched `page` by page.

        Asked for all at once, Apicurio tells a thousand and does not say that there are more. A registry that knows no
        pages tells the same again, and that is the end, too.
        """
        found: dict[str, None] = {}
        while True:
            before = len(found)
            found |= dict.fromkeys(self._ask(partial(self._client.get_subjects, offset=before, limit=page)))
            if len(found) == before:
                return [*found]

    def latest(self, subject: str) -> Schema | None:
        """Return the newest schema of a subject, or None when there is none."""
        found = self._or_none(lambda: self._client.get_latest_version(subject))
        return None if found is None else json.loads(found.schema.schema_str)

    def compatibility(self, subject: str) -> str | None:
        """Return the level set for this very subject, or None when the registry's default holds."""
        found = self._or_none(lambda: self._client.get_compatibility(subject))
        return None if found is None else str(found)

    def set_compatibility(self, subject: str, level: str) -> None:
        """Set the level of a subject, ``FULL_TRANSITIVE`` for instance."""
        try:
            self._ask(lambda: self._client.set_compatibility(subject, level))
        except self._refused as error:
            raise ContractError(f"the registry refuses {level} for {subject}: {error.error_message}") from error

    def versions(self, subject: str) -> Iterator[tuple[int, Schema]]:
        """Yield id and schema of each version of a subject, the newest first; nothing for an unknown subject."""
        for version in reversed(self._or_none(lambda: self._client.get_versions(subject)) or ()):
            found = self._or_none(partial(self._client.get_version, subject, version))
            if found is not None:
                yield int(found.schema_id), json.loads(found.schema.schema_str)

    def reset_compatibility(self, subject: str, level: str | None) -> None:
        """Set the level of a subject back to what it was; None is the registry's default."""
        if level is None:
            self._or_none(lambda: self._client.delete_config(subject))
        else:
            self.set_compatibility(subject, level)

    def _or_none(self, request: Callable[[], T]) -> T | None:
        try:
            return self._ask(request)
        except self._refused as error:
            if error.http_status_code == 404:
                return None
            raise ContractError(f"the registry {self.shown} refuses: {error.error_message}") from error

    def _ask(self, request: Callable[[], T]) -> T:
        try:
            with self._lock:
                return request()
        except self._refused as error:
            if error.http_status_code in (401, 403):
                raise ConfigurationError(
                    f"the registry {self.shown} does not let us in ({error.http_status_code}): check its credentials"
                ) from error
            if error.http_status_code >= 500 or error.http_status_code == 429:
                said = error.error_message
                raise RegistryUnavailableError(f"the registry {self.shown} cannot answer now: {said}") from error
            raise
        except self._silent as error:
            raise RegistryUnavailableError(f"the registry {self.shown} cannot be reached: {error}") from error


def _typed(conf: Mapping[str, Any]) -> dict[str, Any]:
    """Return the properties with numbers where the client wants numbers: settings are text."""
    texts = {name: value for name, value in conf.items() if name in _NUMBERS and isinstance(value, str)}
    try:
        return {**conf, **{name: float(value) if "." in value else int(value) for name, value in texts.items()}}
    except ValueError:
        raise ConfigurationError(
            f"registry_client (VERBWIRE_REGISTRY_CLIENT): {', '.join(sorted(texts))} cannot be read, write numbers"
        ) from None


def _without_user(url: str, conf: Mapping[str, Any]) -> dict[str, Any]:
    """The client's properties, name and password taken out of the address: who quotes it, like httpx's log, tells none.

    A password with an ``@`` or ``/`` that is not percent-encoded is taken as it is meant.
    """
    scheme, mark, rest = url.partition("://")
    user, at, host = rest.rpartition("@")
    if not at:
        return {**conf, "url": url}
    if "basic.auth.user.info" in conf:
        raise ValueError("there is a name in it and another in basic.auth.user.info: remove one")
    name, _, password = user.partition(":")
    return {**conf, "url": f"{scheme}{mark}{host}", "basic.auth.user.info": f"{unquote(name)}:{unquote(password)}"}


def _transport_error() -> type[Exception]:
    import httpx2  # confluent-kafka's own HTTP client; only its error is needed

    return httpx2.TransportError
