"""Settings: ``[tool.verbwire]`` in pyproject.toml, overridden by the environment (environment.py), overridden by flags.

``verbwire config`` prints each value and where it came from. Secrets are never printed.
"""

from __future__ import annotations

import os
import re
import socket
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from verbwire.environment import from_environment
from verbwire.errors import ConfigurationError
from verbwire.names import Names, record_place, require_dotted
from verbwire.redaction import shown_address, shown_properties
from verbwire.security.hosts import base_url
from verbwire.security.workers_key import require_workers_key
from verbwire.setting_values import Size, converted

EMBEDDED = "embedded"
OPENED = ("metrics", "openapi")
LOCAL, ANYWHERE = "local", "anywhere"
ROOT = "VERBWIRE_ROOT"  # the folder of the project, or one inside it; default: where we are
_CACHE = Size(128 * 2**20)
_LEAST_CACHE = 16 * 10**6
_FOUND_OUT = ("sources", "generations")  # not set
_SECRETS = frozenset({"http_secret", "http_internal_secret", "http_token", "grant_secrets", "grant_keys"})
GRANTS = ("off", "signed", "required")
TRACING = ("off", "otlp", "api")
LOG_LEVELS, LOG_FORMATS = ("debug", "info", "warning", "error"), ("text", "json")
# Part of transactional ids, of an address and of a path; a star at its end: a number that is free
# (worker/worker_names.py).
_WORKER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,98}[A-Za-z0-9._*-]?")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that may differ between two places where the same project runs."""

    root: Path = field(default_factory=Path.cwd)  # the project's folder
    project: str = "project"
    prefix: str = ""  # of topics, groups, transactional ids and subjects
    bootstrap: str = field(default=EMBEDDED, repr=False)  # host:port,..., or "embedded": the stack in `data`
    registry: str = field(default=EMBEDDED, repr=False)  # the registry's URL
    kafka: Mapping[str, str] = field(default_factory=dict, repr=False)  # librdkafka properties, passed through
    registry_client: Mapping[str, str] = field(
        default_factory=dict, repr=False
    )  # properties of its client, passed through
    partitions: int = 12  # of a new context's topics; fixed once used
    replication: int = 0  # 0: 3 where there are three brokers, else 1
    data: Path = Path(".verbwire")  # local stores, and the embedded stack
    cache_bytes: Size = _CACHE  # memory for rows, ids, recent lists, pages of copies, and records on their way
    worker: str = ""  # a stable name, or "name-*": the first free number in `data`; default: the host's name,
    # which StatefulSets keep stable and recreated containers do not
    log_level: str = (
        "info"  # debug, info, warning or error, for verbwire's own lines; libraries log warnings and errors
    )
    log_format: str = "text"  # or "json": one object per line
    tracing: str = "off"  # "otlp": OpenTelemetry's SDK, set up by OTEL_*; "api": whatever the process has set up
    http_host: str = "127.0.0.1"
    http_port: int = 8700
    http_advertised_url: str = (
        ""  # where others reach this worker; default: http_host, or the host's full name, and port
    )
    http_endpoints: tuple[str, ...] = ()  # workers that clients send queries to; default: those of the directory
    http_development: str = LOCAL  # "anywhere": http_secret may be used beyond this machine
    http_open: tuple[str, ...] = ()  # "metrics", "openapi": readable without a token
    http_console: bool = True  # serves the console at /console: its files to anybody, what it shows to operators
    http_tls_certificate: str = ""  # PEM: this worker's chain, its own first; with it HTTP is TLS only
    http_tls_key: str = ""  # PEM, without a passphrase
    http_tls_ca: str = ""  # PEM: authorities that workers and clients trust; default: the system's
    http_internal_secret: str = field(default="", repr=False)  # authenticates workers; default: from http_secret
    http_workers_key: str = ""  # verifies the directory's entries; default: derived from the secret, where there is one
    http_secret: str = field(default="", repr=False)  # for development: signs tokens
    http_jwks_url: str = field(default="", repr=False)  # in production: the keys of the identity provider
    http_token: str = field(default="", repr=False)  # the token that this project's clients send with queries
    http_issuer: str = "verbwire"
    http_audience: str = "verbwire"
    http_command_rate: int = 1000  # commands a second for each principal and worker; 0: no limit
    http_question_rate: int = 2000  # likewise for all other requests
    principals: Mapping[str, str] = field(
        default_factory=dict
    )  # role -> its Kafka principals, for ACLs; ";" joins several
    grants: str = "off"  # whether commands prove their principal: "off", "signed", "required"
    grant_secrets: tuple[str, ...] = field(default=(), repr=False)  # of workers: the first signs, all verify
    grant_keys: tuple[str, ...] = field(default=(), repr=False)  # of producers: what `verbwire grant-key` prints
    actor: str = ""  # on whose behalf this project's clients send
    scopes: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()  # full names of messages whose files are gone because no topic holds them any more
    owned: tuple[str, ...] = ()  # namespaces of this project, besides those named after it or received here
    imported: tuple[str, ...] = ()  # namespaces of other projects: read, sent to, never deployed from here
    accepted_names: tuple[str, ...] = ()  # of messages whose verb form is right as it is (LoanOverdue, BuchVerliehen)
    skip: tuple[str, ...] = ()  # group@topic/partition/offset: records to give up; they become dead letters
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)  # where each value came from
    generations: tuple[tuple[str, int], ...] = field(
        default=(), compare=False
    )  # of rebuilt tables, as the cluster says

    def __post_init__(self) -> None:
        require_dotted(self.project, "project")
        require_bootstrap(self.bootstrap)
        if not 1 <= self.partitions <= 1000:
            raise ConfigurationError(f"partitions (VERBWIRE_PARTITIONS) is {self.partitions}: use 1 to 1000")
        if not 0 <= self.http_port <= 65535:
            raise ConfigurationError(f"http_port (VERBWIRE_HTTP_PORT) is {self.http_port}: use 0 to 65535")
        if self.cache_bytes < _LEAST_CACHE:
            raise ConfigurationError(f"cache_bytes (VERBWIRE_CACHE_BYTES) is {self.cache_bytes}: use 16MB or more")
        if self.worker and not _WORKER.fullmatch(self.worker):
            raise _bad_worker(self.worker)
        _require_http(self)
        _require_one_of("grants", self.grants, GRANTS)
        _require_one_of("log_level", self.log_level.lower(), LOG_LEVELS)
        _require_one_of("log_format", self.log_format, LOG_FORMATS)
        _require_one_of("tracing", self.tracing, TRACING)
        for each in self.skip:
            skipped(each)

    @property
    def names(self) -> Names:
        """The names on this cluster."""
        return Names(self.project, self.prefix, self.generations)

    @property
    def schemas(self) -> Path:
        """The folder of the contracts."""
        return self.root / "schemas"

    @property
    def data_folder(self) -> Path:
        """Where this machine keeps what belongs to the project."""
        return self.data if self.data.is_absolute() else self.root / self.data

    @property
    def stack_folder(self) -> Path:
        """Where the embedded Kafka and registry keep their data."""
        return self.data_folder / "stack"

    @property
    def tls_files(self) -> tuple[Path, Path] | None:
        """The certificate that HTTP shows, and its key; None where HTTP is plain."""
        if not self.http_tls_certificate:
            return None
        return self.root / self.http_tls_certificate, self.root / self.http_tls_key

    @property
    def tls_ca(self) -> Path | None:
        """The authorities that are believed of others; None: the system's."""
        return self.root / self.http_tls_ca if self.http_tls_ca else None

    def shown(self) -> list[tuple[str, str, str]]:
        """Each setting, its value, and where it came from; secrets are masked."""
        rows = []
        for each in fields(self):
            if each.name in _FOUND_OUT:
                continue
            value = getattr(self, each.name)
            masked = "***" if value and each.name in _SECRETS else _masked(value)
            rows.append((each.name, masked, self.sources.get(each.name, "default")))
        return rows


def load_settings(start: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings of the project that `start` lies in; by default ``VERBWIRE_ROOT``, or the working folder."""
    root = find_root(start or Path(os.environ.get(ROOT) or ".").absolute())
    table = _tools(root / "pyproject.toml")["verbwire"]
    types = get_type_hints(Settings)
    known = types.keys() - {"root", *_FOUND_OUT}
    if unknown := sorted(set(table) - known):
        raise ConfigurationError(
            f"[tool.verbwire] has no setting {', '.join(unknown)}: there are {', '.join(sorted(known))}"
        )
    values: dict[str, Any] = {"root": root, "worker": _host_name()}
    sources = {"worker": "host name", **dict.fromkeys(table, "pyproject.toml")}
    values |= {name: converted(types[name], value, f"[tool.verbwire] {name}") for name, value in table.items()}
    for name in known:
        if (found := from_environment(name)) is not None:
            value, sources[name] = found
            values[name] = converted(types[name], value, sources[name])
    for name, value in (flags or {}).items():
        if value is not None:
            flag = f"--{name.replace('_', '-')}"
            values[name], sources[name] = converted(types[name], value, flag), "flag"
    if not values["worker"]:
        raise _bad_worker("")
    return Settings(**values, sources=sources)


def _require_http(settings: Settings) -> None:
    """Raise ConfigurationError where what HTTP is told cannot be meant."""
    _require_one_of("http_development", settings.http_development, (LOCAL, ANYWHERE))
    if unknown := sorted(set(settings.http_open) - set(OPENED)):
        raise ConfigurationError(f"http_open (VERBWIRE_HTTP_OPEN) has {unknown[0]!r}: use {' and '.join(OPENED)}")
    if bool(settings.http_tls_certificate) != bool(settings.http_tls_key):
        raise ConfigurationError(
            "http_tls_certificate and http_tls_key (VERBWIRE_HTTP_TLS_CERTIFICATE, VERBWIRE_HTTP_TLS_KEY) belong "
            "together: set both, or neither"
        )
    if settings.http_workers_key:
        require_workers_key(settings.http_workers_key)
    if settings.http_advertised_url:
        base_url(settings.http_advertised_url, "http_advertised_url")
    for url in settings.http_endpoints:
        base_url(url, "http_endpoints")


def find_root(start: Path) -> Path:
    """Return the nearest folder upwards whose pyproject.toml has a [tool.verbwire]."""
    for folder in (start, *start.parents):
        if "verbwire" in _tools(folder / "pyproject.toml"):
            return folder
    raise ConfigurationError(
        f"{start} is not in a verbwire project: no pyproject.toml there or above has a [tool.verbwire]"
    )


def require_bootstrap(bootstrap: str) -> str:
    """Return the bootstrap servers; :class:`ConfigurationError` where a name or password stands before a host.

    Kafka's clients take none there: they would look up the whole as a host, and say it in their logs.
    """
    if "@" in bootstrap:
        raise ConfigurationError(
            f"bootstrap (VERBWIRE_BOOTSTRAP) is {shown_address(bootstrap)!r}: write host:port alone, name and password "
            "go into kafka (VERBWIRE_KAFKA) as sasl.username and sasl.password"
        )
    return bootstrap


def skipped(text: str) -> tuple[str, str, int, int]:
    """Return group, topic, partition and offset of a record to skip."""
    group, _, place = text.partition("@")
    found = record_place(place)
    if not group or found is None:
        raise ConfigurationError(f"skip (VERBWIRE_SKIP): {text!r} is not group@topic/partition/offset")
    return group, *found


def _tools(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        return dict(tomllib.loads(file.read_text("utf-8")).get("tool", {}))
    except ValueError as error:  # tomllib's and Unicode's errors are among them
        raise ConfigurationError(f"{file} cannot be read as TOML: {error}") from error


def _require_one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        words = ", ".join(map(repr, known[:-1]))
        raise ConfigurationError(f"{name} (VERBWIRE_{name.upper()}) is {value!r}: use {words} or {known[-1]!r}")


def _bad_worker(name: str) -> ConfigurationError:
    return ConfigurationError(
        f"worker (VERBWIRE_WORKER) is {name!r}: use letters, digits, '.', '_' and '-', 100 at most, perhaps '*' at the "
        "end, another name for each worker"
    )


def _host_name() -> str:
    name = "".join(c if c.isalnum() or c == "-" else "-" for c in socket.gethostname().lower())
    return name.strip("-") or "worker"


def _masked(value: Any) -> str:
    if isinstance(value, Mapping):
        return shown_properties(value) or "-"
    if isinstance(value, tuple):
        return " ".join(value) or "-"
    return shown_address(str(value)) or "-"
