"""Lets go of a generation: of one that was being built, or of the one that has served before."""

from __future__ import annotations

import time

from confluent_kafka import KafkaError, KafkaException
from msgspec.structs import replace as changed

from verbwire.engine.transactions.failpoints import hit
from verbwire.errors import RebuildError, UnavailableError
from verbwire.kafka import denials
from verbwire.rebuild.plan import RebuildPlan
from verbwire.rebuild.steps import require_same
from verbwire.wire.records.rebuilds import RebuildWord

_SECONDS = 30.0
_LEAVE_SECONDS = 60.0  # of members that are killed: a session, and a slow machine
_LOOK_SECONDS = 0.2
_GONE = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.GROUP_ID_NOT_FOUND)


def discard(plan: RebuildPlan, only: int | None = None) -> int:
    """Give up what is being built, wherever it is by now; return its number. RebuildError where nothing is.

    With `only`, and another than that is being built: nothing is deleted, and RebuildError says so.
    """
    with plan.writer() as writer:
        now = writer.now()
        number = now.building
        if number is None:
            raise RebuildError(f"no generation of {plan.group} is being built")
        require_same(plan, only, number)
        followed = tuple(each for each in now.followed if each != number)
        writer.write(RebuildWord(generations=changed(now, building=None, followed=followed)))
    hit("rebuild-discarded")
    remove(plan, number)
    return number


def forget(plan: RebuildPlan, only: int | None = None) -> int:
    """Let go of the generation that served before; return its number. RebuildError where none is kept.

    `only` is as for :func:`discard`.
    """
    with plan.writer() as writer:
        now = writer.now()
        number = now.kept
        if number is None:
            raise RebuildError(f"no generation of {plan.group} is kept beside the one that serves")
        require_same(plan, only, number)
        writer.write(RebuildWord(generations=changed(now, followed=(now.serving,), replaced=None)))
    hit("rebuild-forgotten")
    remove(plan, number)
    return number


def left_over(plan: RebuildPlan) -> list[int]:
    """Return the generations that nobody needs and whose topics are there: a command was killed before the end."""
    now = plan.generations()
    gone = [each for each in range(now.last + 1) if each not in now.standing]
    there = plan.view.offsets("").topic_identities([plan.changelog(each) for each in gone])
    return [each for each in gone if plan.changelog(each) in there]


def remove(plan: RebuildPlan, number: int) -> None:
    """Delete the topics and the group of a generation that is followed no more, once its last member has left."""
    _await_the_last(plan, number)
    admin, group = plan.view.admin, plan.group_name(number)
    topics = [topic.name for topic in plan.topics(number)]
    answers = {
        **admin.delete_topics(topics, operation_timeout=_SECONDS),
        **admin.delete_consumer_groups([group], request_timeout=_SECONDS),
    }
    for name, answer in answers.items():
        try:
            answer.result()
        except KafkaException as error:
            if error.args[0].code() not in _GONE:
                text = f"{name} could not be deleted, give the command again"
                raise denials.unavailable(error.args[0], "DELETE", name, text) from error


def _await_the_last(plan: RebuildPlan, number: int) -> None:
    deadline = time.monotonic() + _LEAVE_SECONDS
    while running := members(plan, number):
        if time.monotonic() > deadline:
            raise UnavailableError(
                f"{plan.group_name(number)} has {running} members still: workers of a release that does not follow "
                "rebuilds, or cut off? Give the command again when they are gone; nothing was deleted"
            )
        time.sleep(_LOOK_SECONDS)


def members(plan: RebuildPlan, number: int) -> int:
    """Return how many processes run a generation: whatever builds it, or the workers that follow it."""
    group = plan.group_name(number)
    answer = plan.view.admin.describe_consumer_groups([group], request_timeout=_SECONDS)[group]
    try:
        return len(answer.result().members)
    except KafkaException as error:
        if error.args[0].code() in _GONE:
            return 0
        raise denials.unavailable(error.args[0], "DESCRIBE", f"GROUP {group}", "Kafka does not answer") from error
