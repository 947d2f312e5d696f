"""Settings: ``[tool.verbwire]`` in pyproject.toml, overridden by the environment (environment.py), overridden by flags.

``verbwire config`` prints each value and where it came from. Secrets are never printed.
"""

from __future__ import annotations

import json
import os
import re
import socket
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from verbwire.environment import from_environment
from verbwire.errors import ConfigurationError
from verbwire.names import Names, require_dotted
from verbwire.redaction import shown_address, shown_properties
from verbwire.security.hosts import base_url
from verbwire.security.workers_key import require_workers_key

EMBEDDED = "embedded"
OPENED = ("metrics", "openapi")
LOCAL, ANYWHERE = "local", "anywhere"
ROOT = "VERBWIRE_ROOT"  # the folder of the project, or one inside it; default: where we are
Size = int  # in bytes; written with a unit, too: 64MB, 64MiB
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}
_LEAST_CACHE = 16 * 10**6
_SECRETS = frozenset({"http_secret", "http_internal_secret", "http_token", "grant_secrets", "grant_keys"})
GRANTS = ("off", "signed", "required")
LOG_LEVELS, LOG_FORMATS = ("debug", "info", "warning", "error"), ("text", "json")
# Part of transactional ids, of an address and of a path; a star at its end: a number that is free
# (worker/worker_names.py).
_WORKER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,98}[A-Za-z0-9._*-]?")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything that may differ between two places where the same project runs."""

    root: Path = field(default_factory=Path.cwd)  # the project's folder
    project: str = "project"
    prefix: str = ""  # before topics, groups, transactional ids and subjects
    bootstrap: str = field(default=EMBEDDED, repr=False)  # host:port,..., or "embedded": the stack in `data`
    registry: str = field(default=EMBEDDED, repr=False)  # the registry's URL
    kafka: Mapping[str, str] = field(default_factory=dict, repr=False)  # librdkafka's, passed through
    registry_client: Mapping[str, str] = field(
        default_factory=dict, repr=False
    )  # properties of its client, passed through
    partitions: int = 12  # of a new context's topics; fixed once used
    replication: int = 0  # 0: 3 where there are three brokers, else 1
    data: Path = Path(".verbwire")  # local stores, and the embedded stack
    cache_bytes: Size = 128 * 2**20  # memory for rows, ids, pages of copies, and records on their way
    worker: str = ""  # a stable name, "name-*": the first number that is free on `data`; default: the host's name,
    # which StatefulSets keep stable; a container that is made anew has another
    log_level: str = "info"  # debug, info, warning or error: of verbwire's own lines; of libraries', warnings at least
    log_format: str = "text"  # or "json": an object a line
    http_host: str = "127.0.0.1"
    http_port: int = 8700
    http_advertised_url: str = ""  # where other workers reach this one; default: its http_host, or full name, and port
    http_endpoints: tuple[str, ...] = ()  # where clients ask their queries; default: the workers of the directory
    http_development: str = LOCAL  # "anywhere": http_secret may serve more than this machine
    http_open: tuple[str, ...] = ()  # "metrics", "openapi": told without a token, too
    http_tls_certificate: str = ""  # PEM: this worker's chain, its own first; with it, HTTP is TLS alone
    http_tls_key: str = ""  # PEM, without a passphrase
    http_tls_ca: str = ""  # PEM: whom workers and clients believe of others; default: the system's authorities
    http_internal_secret: str = field(default="", repr=False)  # workers know each other by it; default: http_secret's
    http_workers_key: str = ""  # clients know workers by it; default: derived from the secret, where that is
    http_secret: str = field(default="", repr=False)  # development: tokens are signed with it
    http_jwks_url: str = field(default="", repr=False)  # else the keys of the identity provider
    http_token: str = field(default="", repr=False)  # with which this project's clients ask queries
    http_issuer: str = "verbwire"
    http_audience: str = "verbwire"
    http_command_rate: int = 1000  # commands a second that one principal may send to a worker; 0: any number
    http_question_rate: int = 2000  # whatever else it asks
    principals: Mapping[str, str] = field(
        default_factory=dict
    )  # role -> who has it on Kafka, for ACLs; ";" joins several
    grants: str = "off"  # whether commands prove on whose behalf they come: "off", "signed", "required"
    grant_secrets: tuple[str, ...] = field(default=(), repr=False)  # the first signs, all are believed; of the workers
    grant_keys: tuple[str, ...] = field(default=(), repr=False)  # of a producer: what `verbwire grant-key` prints
    actor: str = ""  # on whose behalf this project's clients send
    scopes: tuple[str, ...] = ()
    retired: tuple[str, ...] = ()  # full names of messages whose files are gone, since no topic holds them any more
    owned: tuple[str, ...] = ()  # namespaces of this project, beside those that are called after it or received here
    imported: tuple[str, ...] = ()  # namespaces of other projects: read, sent to, never deployed from here
    accepted_names: tuple[str, ...] = ()  # of messages whose verb form is right as it is (LoanOverdue, BuchVerliehen)
    skip: tuple[str, ...] = ()  # group@topic/partition/offset: records to give up, into the dead letters
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)  # where each value came from

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
        for each in self.skip:
            skipped(each)

    @property
    def names(self) -> Names:
        """The names on this cluster."""
        return Names(self.project, self.prefix)

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
            if each.name == "sources":
                continue
            value = getattr(self, each.name)
            masked = "***" if value and each.name in _SECRETS else _masked(value)
            rows.append((each.name, masked, self.sources.get(each.name, "default")))
        return rows


def load_settings(start: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """Return the settings of the project that `start` lies in; by default ``VERBWIRE_ROOT``, or the working folder."""
    root = find_root(start or Path(os.environ.get(ROOT) or ".").absolute())
    table = _tools(root / "pyproject.toml")["verbwire"]
    known = {each.name for each in fields(Settings)} - {"root", "sources"}
    if unknown := sorted(set(table) - known):
        raise ConfigurationError(
            f"[tool.verbwire] has no setting {', '.join(unknown)}: there are {', '.join(sorted(known))}"
        )
    values: dict[str, Any] = {"root": root, "worker": _host_name()}
    sources = {"worker": "host name", **dict.fromkeys(table, "pyproject.toml")}
    values |= {name: _converted(name, value, f"[tool.verbwire] {name}") for name, value in table.items()}
    for name in known:
        if (found := from_environment(name)) is not None:
            value, sources[name] = found
            values[name] = _converted(name, value, sources[name])
    for name, value in (flags or {}).items():
        if value is not None:
            values[name], sources[name] = _converted(name, value, f"--{name.replace('_', '-')}"), "flag"
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
    raise ConfigurationError(f"{start} lies in no verbwire project: no pyproject.toml above it has a [tool.verbwire]")


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
    topic, _, numbers = place.rpartition("/")
    topic, _, partition = topic.rpartition("/")
    if not (group and topic and all(each.isascii() and each.isdigit() for each in (partition, numbers))):
        raise ConfigurationError(f"skip (VERBWIRE_SKIP): {text!r} is not group@topic/partition/offset")
    return group, topic, int(partition), int(numbers)


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


def _converted(name: str, value: Any, where: str) -> Any:
    default = {each.name: each.type for each in fields(Settings)}[name]
    try:
        if default == "int":
            if not isinstance(value, (int, str)) or isinstance(value, bool):
                raise TypeError("write a whole number")
            return int(value)
        if default == "Size":
            return _size(value)
        if default == "Path":
            return Path(value)
        if default == "tuple[str, ...]":
            return tuple(value.replace(",", " ").split()) if isinstance(value, str) else tuple(map(str, value))
        if default == "Mapping[str, str]":
            return _properties(value, where)
        return str(value)
    except (TypeError, ValueError, AttributeError) as error:
        raise ConfigurationError(f"{where} is {value!r}, which is no {default}: {error}") from error


def _size(value: Any) -> int:
    """Read 67108864, "64MB" or "64 MiB"."""
    found = re.fullmatch(r"(\d+)\s*([A-Z]*)", str(value).strip().upper(), re.ASCII)
    if isinstance(value, bool) or found is None or found[2] not in _UNITS:
        raise TypeError("write bytes, or a number with MB or MiB behind it: 64MB")
    return int(found[1]) * _UNITS[found[2]]


def _properties(value: Any, where: str) -> dict[str, str]:
    """Read properties; an error does not repeat them, there may be a password among them."""
    wanted = ConfigurationError(f'{where} cannot be read: write name=value;name=value, {{"name": "value"}}, or a table')
    if isinstance(value, str) and value.lstrip().startswith("{"):  # where a value holds a semicolon
        try:
            value = json.loads(value)
        except ValueError:
            raise wanted from None
    if isinstance(value, Mapping):
        return {
            str(key): ";".join(map(str, each)) if isinstance(each, list) else str(each) for key, each in value.items()
        }
    pairs = [each.partition("=") for each in str(value).split(";") if each.strip()]
    if not all(sign for _, sign, _ in pairs):
        raise wanted
    names = [key.strip() for key, _, _ in pairs]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"{where} says {', '.join(twice)} twice: say it once")
    return {name: each for name, (_, _, each) in zip(names, pairs, strict=True)}


def _host_name() -> str:
    name = "".join(c if c.isalnum() or c == "-" else "-" for c in socket.gethostname().lower())
    return name.strip("-") or "worker"


def _masked(value: Any) -> str:
    if isinstance(value, Mapping):
        return shown_properties(value) or "-"
    if isinstance(value, tuple):
        return " ".join(value) or "-"
    return shown_address(str(value)) or "-"
