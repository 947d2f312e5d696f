"""The names of topics, groups, subjects and transactional ids: derived from namespaces, never invented.

Everything that two processes must agree on without talking is computed here and nowhere else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from verbwire.errors import ConfigurationError, ContractError

MAX_TOPIC = 249  # Kafka's own limit, org.apache.kafka.common.internals.Topic
_PART = re.compile(r"[a-z][a-z0-9_]{0,62}")
_PREFIX = re.compile(r"[a-z][a-z0-9_-]{0,30}")
MAX_TAG = 24  # characters: it is part of the command's id, beside the name of its process
_TAG = re.compile(rf"[A-Za-z0-9._-]{{1,{MAX_TAG}}}")

# Consumers that join no group have to name one all the same; nothing is ever committed under these.
DIRECTORY_READER = "verbwire.discovery.directory"
RESTORE_READER = "verbwire.restore"
FACTS_READER = "verbwire.facts"
DEAD_LETTER_READER = "verbwire.dead-letters"
PARKED_READER = "verbwire.parked"
INSPECTION_READER = "verbwire.inspection"
REBUILD_READER = "verbwire.rebuild"


def require_dotted(name: str, what: str) -> str:
    """Return `name` if it is dotted lower-case words (``shop.carts``), else raise :class:`ContractError`."""
    if not all(_PART.fullmatch(part) for part in name.split(".")):
        raise ContractError(
            f"{what} {name!r}: use lower-case words of letters, digits and _ joined by dots, like 'shop.carts'"
        )
    return name


def require_tag(tag: str) -> str:
    """Return `tag` if a process may give it to a command, else raise :class:`ContractError`."""
    if not _TAG.fullmatch(tag):
        raise ContractError(f"tag {tag[:80]!r}: use 1 to {MAX_TAG} letters, digits, dots, - and _, like 'deposit'")
    return tag


def record_place(text: str) -> tuple[str, int, int] | None:
    """Return topic, partition and offset of a record's place, ``shop.orders.events/3/1204``; None where it is none."""
    topic, *numbers = text.rsplit("/", 2)
    if len(numbers) != 2 or not topic or not all(each.isascii() and each.isdigit() for each in numbers):
        return None
    return topic, int(numbers[0]), int(numbers[1])


def generation_name(group: str, number: int) -> str:
    """Return how a generation of a group is called, without the prefix."""
    return f"{group}.{number}" if number else group


def scheduler_of(namespace: str) -> str:
    """Return what the scheduler of a context is called, as a group and as what answers those who cancel."""
    return f"{namespace}.scheduler"


@dataclass(frozen=True, slots=True)
class Names:
    """Names on one cluster. A `prefix` keeps staging and production, or two teams, apart on a shared one.

    It stands before topics, groups, transactional ids and subjects alike. `generations` are those of rebuilt tables:
    group as declared and the number of the generation that is meant; the first, 0, has the plain names.
    """

    project: str
    prefix: str = ""
    generations: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if self.prefix and not _PREFIX.fullmatch(self.prefix):
            raise ConfigurationError(
                f"prefix {self.prefix!r} (VERBWIRE_PREFIX): use lower-case letters, digits, _ and -"
            )
        require_dotted(self.project, "project")

    def events(self, namespace: str) -> str:
        """The topic that holds the events of a context, in order per key."""
        return self._topic(f"{namespace}.events")

    def commands(self, namespace: str) -> str:
        """The topic that holds the commands to the one receiver of a context."""
        return self._topic(f"{namespace}.commands")

    def scheduled(self, namespace: str) -> str:
        """The topic of commands that are sent for later, and of what cancels them; its scheduler reads it."""
        return self._topic(f"{namespace}.scheduled")

    def outcomes(self, namespace: str) -> str:
        """The outcome log (ledger): one record per command, in the command's own partition."""
        return self._topic(f"{namespace}.outcomes")

    def group(self, name: str) -> str:
        """The consumer group of an aggregate, job, table, process or subscriber, of the generation that is meant."""
        return self._topic(self.generation(require_dotted(name, "group")))

    def generation(self, group: str) -> str:
        """A group as declared, with the number of the generation that is meant; no declared name ends in a number."""
        return generation_name(group, dict(self.generations).get(group, 0))

    def of_generation(self, group: str, number: int) -> Names:
        """The same names, but that they mean another generation of one group."""
        return replace(self, generations=tuple({**dict(self.generations), group: number}.items()))

    def context(self, namespace: str) -> str:
        """A context as grants name it."""
        return self._topic(require_dotted(namespace, "context"))

    def changelog(self, group: str, table: str) -> str:
        """The compacted topic behind a table; Faust's own naming. `group` carries the prefix already."""
        return _checked(f"{group}-{table}-changelog")

    def repartition(self, group: str, table: str) -> str:
        """Records of a group under another key, for itself; Faust's own naming. `group` carries the prefix already."""
        return _checked(f"{group}-{table}-repartition")

    def requeued(self, group: str) -> str:
        """Dead letters that an operator has requeued to this one group. `group` carries the prefix already."""
        return _checked(f"{group}.retries")

    def requests(self, group: str) -> str:
        """What operators ask of a group: retry, skip, cancel. `group` carries the prefix already."""
        return _checked(f"{group}.requests")

    def parked(self, group: str) -> str:
        """Records of keys that cannot go on, in their order, until an operator decides. `group` as above."""
        return _checked(f"{group}.parked")

    def dead_letters(self, group: str) -> str:
        """Records a group could not read or handle, bytes unchanged. `group` carries the prefix already."""
        return _checked(f"{group}.dead-letters")

    def replies(self) -> str:
        """Replies to clients that wait for outcomes: best effort, the outcome log is authoritative."""
        return self._topic(f"{self.project}.replies")

    def workers(self) -> str:
        """The workers: their addresses, and which partitions they own."""
        return self._topic(f"{self.project}.workers")

    def rebuilds(self) -> str:
        """Which generation of each rebuilt table serves; there from a project's first rebuild on."""
        return self._topic(f"{self.project}.rebuilds")

    def subject(self, full_name: str) -> str:
        """The registry subject of a record: its full name, so that one topic carries several types."""
        return f"{self.prefix}.{full_name}" if self.prefix else full_name

    def askers(self) -> str:
        """The group that clients name when they read replies and outcome logs; they join none, and commit nothing."""
        return self.group(f"{self.project}.askers")

    def transactional_id(self, group: str, worker: str, turn: int) -> str:
        """The transactional id of one of a worker's producers; the same after a restart of that worker."""
        return f"{self.transactional_ids(group)}{worker}-{turn}"

    def transactional_ids(self, group: str) -> str:
        """What the transactional ids of all workers of a group begin with."""
        return f"{group}-"

    def _topic(self, name: str) -> str:
        return _checked(f"{self.prefix}.{name}" if self.prefix else name)


def _checked(topic: str) -> str:
    if len(topic) > MAX_TOPIC:
        raise ContractError(
            f"{topic!r} is {len(topic)} characters long, Kafka allows {MAX_TOPIC}: shorten the namespace"
        )
    return topic
