"""From a declaration to what a group runs: its topics, what it reads there, and what is done about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from verbwire.contracts.schema.model import Contract
from verbwire.declarations.handlers import Handler
from verbwire.declarations.job import Job
from verbwire.declarations.subscriber import Subscriber
from verbwire.errors import ContractError
from verbwire.messages import Kind, Message
from verbwire.wire.codec.topics import Codec, TopicDecoder
from verbwire.wire.grants.policy import GrantCheck, Grants

_IN_HAND = 256  # records of a partition that a subscriber has in hand at most
_IN_HAND_OF_JOB = 4  # times its concurrency: what is done behind something long is done again after a crash


@dataclass(frozen=True)
class MessageHandling:
    """How one type of message is dealt with."""

    contract: Contract
    handler: Handler
    check: GrantCheck | None = None  # of the proof that a command has to carry


@dataclass(frozen=True)
class SubscriberPlan:
    """What a group with side effects is told."""

    declared: Subscriber | Job
    group: str  # on the cluster
    decoders: Mapping[str, TopicDecoder]  # by topic: what it reads, its retries aside
    receives: Mapping[type[Message], MessageHandling]
    retries: str
    dead_letters: str

    @property
    def topics(self) -> list[str]:
        """The topics that it reads."""
        return [*self.decoders, self.retries]

    @property
    def is_job(self) -> bool:
        """Whether it is the one receiver of commands, so that what it does not know is lost on everybody."""
        return isinstance(self.declared, Job)

    @property
    def in_hand(self) -> int:
        """How many records of a partition may be in hand before it is paused."""
        return _IN_HAND_OF_JOB * self.declared.concurrency if self.is_job else _IN_HAND


def effect_plan(declared: Subscriber | Job, codec: Codec, grants: Grants | None = None) -> SubscriberPlan:
    """Return the plan of a subscriber or a job; :class:`ContractError` for what cannot work."""
    if not declared.handlers:
        raise ContractError(f"{declared.group} handles no message: add a handler with @{_decorator(declared)}")
    names, group = codec.names, codec.names.group(declared.group)
    rule = grants or Grants()
    receives = {cls: _receives(codec, cls, handler, rule) for cls, handler in _handlers(declared)}
    if isinstance(declared, Job):
        _require_silence(declared, receives)
        topics = {names.commands(declared.namespace): declared.namespace}
    else:
        topics = {names.events(namespace): namespace for namespace in declared.sources}
    return SubscriberPlan(
        declared=declared,
        group=group,
        decoders={
            topic: codec.topic_decoder(topic, namespace, _classes(receives, namespace))
            for topic, namespace in topics.items()
        },
        receives=receives,
        retries=names.retries(group),
        dead_letters=names.dead_letters(group),
    )


def _handlers(declared: Subscriber | Job) -> Iterable[tuple[type[Message], Handler]]:
    return declared.handlers.items()


def _receives(codec: Codec, cls: type[Message], handler: Handler, grants: Grants) -> MessageHandling:
    contract = codec.catalog.of(cls)
    return MessageHandling(contract, handler, grants.check(contract, codec.names))


def _decorator(declared: Subscriber | Job) -> str:
    return "handles" if isinstance(declared, Job) else "on"


def _require_silence(job: Job, receives: Mapping[type[Message], MessageHandling]) -> None:
    for each in receives.values():
        contract = each.contract
        if contract.kind is Kind.COMMAND and contract.response != "none":
            raise ContractError(
                f"job {job.namespace}: {contract.name} promises an outcome, and a job gives no outcomes: write "
                f'"response": "none" into its schema, or let an aggregate receive it that tells the job what to do'
            )


def _classes(receives: Mapping[type[Message], MessageHandling], namespace: str) -> dict[str, type[Message]]:
    return {cls.__contract__: cls for cls, each in receives.items() if each.contract.namespace == namespace}
