"""Plans a subscriber's or a job's group from its declaration: topics, decoders, handlers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from verbwire.declarations.handlers import Handler
from verbwire.declarations.job import Job
from verbwire.declarations.parking import Parking
from verbwire.declarations.subscriber import Subscriber
from verbwire.engine.builders.groups import command_handling
from verbwire.errors import ContractError
from verbwire.handling.dispatch import MessageHandling
from verbwire.messages import Kind, Message
from verbwire.wire.codec.topics import Codec, TopicDecoder
from verbwire.wire.grants.policy import Grants

_IN_FLIGHT = 256  # records of a partition that a subscriber has in flight at most
_IN_FLIGHT_OF_JOB = 4  # times its concurrency: what is done behind something long is done again after a crash


@dataclass(frozen=True)
class SubscriberPlan:
    """Describes one subscriber or job."""

    declared: Subscriber | Job
    group: str  # on the cluster
    decoders: Mapping[str, TopicDecoder]  # by topic: what it reads, requeued dead letters aside
    handlings: Mapping[type[Message], MessageHandling]
    namespaces: Mapping[str, str]  # by topic
    requeued: str
    dead_letters: str
    requests: str
    parked: str
    outcomes: str = ""  # of a job: its outcome log
    parking: Parking | None = None

    @property
    def topics(self) -> list[str]:
        """The topics that it reads."""
        return [*self.subscribed, *self.companions]

    @property
    def subscribed(self) -> list[str]:
        """The topics that the group's members subscribe to: one that parks only to the first of its sources."""
        return [*self.decoders] if self.parking is None else [next(iter(self.decoders))]

    @property
    def companions(self) -> list[str]:
        """The topics whose partitions go with those of the first source, whoever has them.

        What parks has one owner for a partition of all its topics: it alone knows which keys are parked.
        """
        others = [topic for topic in self.decoders if topic not in self.subscribed]
        return [*others, self.requeued, *([] if self.parking is None else [self.requests])]

    @property
    def is_job(self) -> bool:
        """Whether it is the one receiver of commands, so that a type without a handler is lost for all."""
        return isinstance(self.declared, Job)

    @property
    def silent(self) -> frozenset[str]:
        """The full names of its commands that promise no outcome."""
        contracts = (each.contract for each in self.handlings.values())
        return frozenset(each.name for each in contracts if each.response == "none")

    @property
    def in_flight(self) -> int:
        """How many records of a partition may be in flight before it is paused."""
        return _IN_FLIGHT_OF_JOB * self.declared.concurrency if self.is_job else _IN_FLIGHT


def subscriber_plan(declared: Subscriber | Job, codec: Codec, grants: Grants | None = None) -> SubscriberPlan:
    """Return the plan of a subscriber or a job; :class:`ContractError` for what cannot work."""
    if not declared.handlers:
        raise ContractError(f"{declared.group} has no handler: add one with @{_decorator(declared)}")
    names, group = codec.names, codec.names.group(declared.group)
    parking = declared.parking if isinstance(declared, Subscriber) else None
    rule = grants or Grants()
    handlings = {cls: _handling(codec, cls, handler, rule) for cls, handler in _handlers(declared)}
    if isinstance(declared, Job):
        topics = {names.commands(declared.namespace): declared.namespace}
    else:
        topics = {names.events(namespace): namespace for namespace in declared.sources}
    return SubscriberPlan(
        declared=declared,
        group=group,
        decoders={
            topic: codec.topic_decoder(topic, namespace, _classes(handlings, namespace))
            for topic, namespace in topics.items()
        },
        handlings=handlings,
        namespaces=topics,
        requeued=names.requeued(group),
        dead_letters=names.dead_letters(group),
        outcomes=names.outcomes(declared.namespace) if isinstance(declared, Job) else "",
        requests=names.requests(group),
        parked=names.parked(group),
        parking=parking,
    )


def _handlers(declared: Subscriber | Job) -> Iterable[tuple[type[Message], Handler]]:
    return declared.handlers.items()


def _handling(codec: Codec, cls: type[Message], handler: Handler, grants: Grants) -> MessageHandling:
    contract = codec.catalog.of(cls)
    if contract.kind is Kind.COMMAND:
        return command_handling(codec, cls, handler, grants)
    return MessageHandling(contract, handler)


def _decorator(declared: Subscriber | Job) -> str:
    return "handles" if isinstance(declared, Job) else "on"


def _classes(handlings: Mapping[type[Message], MessageHandling], namespace: str) -> dict[str, type[Message]]:
    return {cls.__contract__: cls for cls, each in handlings.items() if each.contract.namespace == namespace}
