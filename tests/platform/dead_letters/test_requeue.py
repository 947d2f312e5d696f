"""Dead letters: listed, read, and requeued to the one group that could not handle them."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import pytest

from tests.kit import bank_jars
from tests.kit.bank import CATALOG as JARS
from tests.kit.bank import NAMESPACE, RECEIVER, Bank
from tests.kit.cluster import Cluster, eventually
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.jars import PutCoins
from tests.kit.samples.office.parcels import ParcelArrived
from tests.kit.subscribers import Depot, Seen
from verbwire import Subscriber, SubscriberContext
from verbwire.client.base.connection import Connection
from verbwire.dead_letters.journal import MOST_ROUNDS
from verbwire.dead_letters.letter import DeadLetterPlace
from verbwire.dead_letters.requeue import DeadLetters, Requeueing
from verbwire.dead_letters.selection import Choice, LetterFilter
from verbwire.errors import ConfigurationError
from verbwire.http.console.dead_letters import ConsoleDeadLetters, ExportWish
from verbwire.principal import NOBODY
from verbwire.project import Project
from verbwire.settings import Settings
from verbwire.wire.codec.display import plain
from verbwire.wire.registry.client import Registry

pytestmark = pytest.mark.kafka

BROKEN, OTHER, AGAIN, DESK, LOOP = "office.broken", "office.other", "office.again", "office.desk", "office.loop"
LARGE = "raises" + "x" * 900_000


@pytest.fixture(scope="module")
def depot(cluster: Cluster) -> Iterator[Depot]:
    opened = Depot(cluster, f"t{uuid.uuid4().hex[:10]}", BROKEN, OTHER, AGAIN, DESK, LOOP)
    yield opened
    opened.close()


@contextmanager
def opened(connection: Connection) -> Iterator[DeadLetters]:
    with closing(DeadLetters(connection)) as letters:
        yield letters


def retried(name: str, seen: Seen, broken: list[bool]) -> Subscriber:
    group = Subscriber(name, retries=0, concurrency=4, backoff=timedelta(0))

    @group.on
    def handle(event: ParcelArrived, context: SubscriberContext) -> None:
        seen.note((event.number, context.idempotency_key, context.topic))
        if event.how and broken[0]:
            raise RuntimeError("broken")

    return group


def breaks(depot: Depot, count: int) -> None:
    for number in range(count):
        event = ParcelArrived(parcel_id=f"{number}-box", number=number, how=LARGE if number == 0 else "raises")
        depot.client.publish(event, id=f"e{number}")
    depot.client.publish(ParcelArrived(parcel_id="0-box", number=count), id="fine")
    depot.client.flush()


def test_only_the_subscriber_handles_again_what_is_requeued_to_it(depot: Depot) -> None:
    seen, other, broken = Seen(), Seen(), [True]
    group, another = retried(BROKEN, seen, broken), retried(OTHER, other, [False])
    with depot.open(group, another), opened(depot.connection) as letters:
        breaks(depot, 6)
        depot.host(group)
        depot.host(another)
        assert len(other.wait(7)) == 7
        depot.letters(BROKEN, 6)
        page = letters.page(BROKEN, 4)
        assert (len(page.dead_letters), page.total) == (4, 6)
        everything = {found.id: found for found in letters.page(BROKEN, 100).dead_letters}
        assert sorted(everything) == [f"e{number}" for number in range(6)]
        assert len({found.place.partition for found in everything.values()}) == 2
        found = letters.one(BROKEN, everything["e0"].place)
        assert (found.type, found.record.reason) == ("office.parcels.ParcelArrived", "failed")
        assert found.origin.startswith(depot.events)
        assert plain(depot.registry, found.record.original.value or b"")["how"] == LARGE

        broken[0] = False
        place = everything["e1"].place
        assert letters.requeue(group, Choice([place])) == (1, [])
        again = seen.wait(8)[7:]
        assert again == [call for call in seen.calls[:7] if call[0] == 1], "another key, or another place"
        assert letters.requeue(group, Choice([place])) == (0, [f"{place}: requeued already, --again does it once more"])
        assert letters.requeue(group, Choice()) == (5, [])
        assert sorted(number for number, _, _ in seen.wait(13)[8:]) == [0, 2, 3, 4, 5]
        assert letters.page(BROKEN, 100).total == 0
        assert letters.page(BROKEN, 100, again=True).total == 6
        assert letters.requeue(group, Choice([place]), Requeueing(again=True)) == (1, [])
        assert seen.wait(14)[13][0] == 1
        assert len(other.calls) == 7
        eventually(lambda: depot.committed(BROKEN, depot.names.requeued(depot.names.group(BROKEN))) == 7)


def test_a_requeued_dead_letter_that_fails_again_keeps_its_first_place(depot: Depot) -> None:
    group = retried(AGAIN, Seen(), [True])
    with depot.open(group), opened(depot.connection) as letters:
        breaks(depot, 2)
        depot.host(group)
        depot.letters(AGAIN, 2)
        first = {found.origin: found.record.original for found in letters.page(AGAIN, 9).dead_letters}
        assert letters.requeue(group, Choice())[0] == 2
        eventually(lambda: letters.page(AGAIN, 9).total == 2)
        second = {found.origin: found.record.original for found in letters.page(AGAIN, 9).dead_letters}
        assert second == first


def test_exactly_the_dead_letters_that_were_shown_are_requeued_or_discarded(depot: Depot) -> None:
    seen, broken = Seen(), [True]
    group = retried(DESK, seen, broken)
    with depot.open(group), opened(depot.connection) as letters:
        breaks(depot, 4)
        depot.host(group)
        depot.letters(DESK, 4)
        where = LetterFilter(type="ParcelArrived", reason="failed", text="RuntimeError: broken")
        shown = letters.page(DESK, 9, where=where)
        assert shown.total == 4
        assert letters.page(DESK, 9, where=LetterFilter(reason="undecodable")).total == 0
        (kept,) = letters.page(DESK, 9, where=LetterFilter(key="1-box")).dead_letters

        told: list[str] = []
        exactly = Choice(None, where, shown.as_of)
        breaks(depot, 2)  # two more come, which nobody has looked at
        eventually(lambda: letters.page(DESK, 9).total == 6)
        dry = letters.requeue(group, exactly, Requeueing(dry_run=True), lambda each: told.append(each.id))
        assert (dry, sorted(told)) == ((4, []), ["e0", "e1", "e2", "e3"])
        assert letters.page(DESK, 9).total == 6, "a dry run has done something"

        with pytest.raises(ConfigurationError, match="say why"):
            letters.discard(DESK, Choice([kept.place]), "olga", " ")
        assert letters.discard(DESK, Choice([kept.place]), "olga", "sent by hand") == (1, [])
        discarded = letters.discarded(kept)
        assert discarded is not None
        assert (discarded.actor, discarded.why) == ("olga", "sent by hand")
        assert letters.requeue(group, Choice([kept.place]), Requeueing(again=True)) == (
            0,
            [f"{kept.place}: discarded by olga"],
        )
        broken[0] = False
        assert letters.requeue(group, exactly, Requeueing(rate=1000)) == (3, [])
        assert letters.requeue(group, exactly) == (0, [])
        assert {each.id for each in letters.page(DESK, 9).dead_letters} == {"e0", "e1"}
        assert [each.record.original.value is None for each in letters.every(DESK)] == [False] * 2
        assert letters.page(DESK, 9, again=True).total == 6
    desk = exporting(depot, group)
    whole = [*pages(desk, 1)]
    assert [len(each) for each in whole] == [1, 1]
    assert {each[0]["id"] for each in whole} == {"e0", "e1"}
    assert base64.b64decode(whole[0][0]["key"]).decode() == whole[0][0]["message"]["parcel_id"]
    assert sum(len(each) for each in pages(desk, 4, again=True)) == 6


def exporting(depot: Depot, group: Subscriber) -> ConsoleDeadLetters:
    project = Project(Settings(project="office"), depot.connection.catalog, {group.group: group})
    return ConsoleDeadLetters(project, depot.connection, Registry(depot.connection.registry))


def pages(desk: ConsoleDeadLetters, limit: int, again: bool = False) -> Iterator[list[Any]]:
    """Export dead letters over HTTP, piece by piece."""
    behind = None
    while True:
        found = desk.exported(ExportWish(limit=limit, again=again, behind=behind), NOBODY, DESK)
        yield found["letters"]
        if (behind := found["next"]) is None:
            return


def test_a_dead_letter_that_comes_back_again_and_again_is_not_requeued_without_end(depot: Depot) -> None:
    group = retried(LOOP, Seen(), [True])
    with depot.open(group), opened(depot.connection) as letters:
        depot.client.publish(ParcelArrived(parcel_id="0-box", how="raises"), id="e0").result(10)
        depot.host(group)
        for count in range(1, MOST_ROUNDS + 1):
            depot.letters(LOOP, 2 * count - 1)  # behind each but the last is its marker
            eventually(lambda: letters.page(LOOP, 9).total == 1)
            assert letters.requeue(group, Choice()) == (1, [])
        eventually(lambda: letters.page(LOOP, 9).total == 1)
        count, left = letters.requeue(group, Choice())
        assert count == 0
        assert "requeued 3 times and came back: mend its handler first" in left[0]
        assert letters.requeue(group, Choice(), Requeueing(insist=True)) == (1, [])


def test_a_requeued_command_is_decided_again_under_its_id(bank: Bank, receiver: Engine, unique: str) -> None:
    connection = Connection(bank.cluster.bootstrap, bank.cluster.registry_url, bank.names, JARS)
    partition = receiver.partition
    bank.send(PutCoins(jar_id=unique, pence=2, how="raises"), partition, id=unique)
    receiver.run()
    with opened(connection) as letters:
        (found,) = [each for each in letters.page(RECEIVER, 10_000).dead_letters if each.id == unique]
        assert found.place.partition == partition
        assert letters.requeue(bank_jars.receiver(), Choice([found.place])) == (1, [])
        assert found.place not in [each.place for each in letters.page(RECEIVER, 10_000).dead_letters]
    first, second = bank.read(bank.names.commands(NAMESPACE), partition)
    assert (first.key, first.value, list(first.headers)) == (second.key, second.value, list(second.headers))
    receiver.run()
    assert [line.status for line in bank.outcomes(partition)] == ["FAILED", "FAILED"]


def test_requeue_is_refused_for_a_reused_id_and_for_a_table(bank: Bank, receiver: Engine, unique: str) -> None:
    connection = Connection(bank.cluster.bootstrap, bank.cluster.registry_url, bank.names, JARS)
    for pence in (1, 2):
        bank.send(PutCoins(jar_id=unique, pence=pence), receiver.partition, id=unique)
    receiver.run()
    with opened(connection) as letters:
        (found,) = [each for each in letters.page(RECEIVER, 10_000).dead_letters if each.id == unique]
        count, left = letters.requeue(bank_jars.receiver(), Choice([found.place]))
        assert (count, len(left)) == (0, 1)
        assert "under an id of its own" in left[0]
        with pytest.raises(ConfigurationError, match="in the order of their log"):
            letters.requeue(bank_jars.table(), Choice([DeadLetterPlace(0, 0)]))


def test_a_dead_letter_that_is_not_the_record_at_its_place_is_not_requeued(
    bank: Bank, receiver: Engine, unique: str
) -> None:
    """Somebody who may write to the dead letters sends nothing by an operator's hand."""
    connection = Connection(bank.cluster.bootstrap, bank.cluster.registry_url, bank.names, JARS)
    partition, letters_topic = receiver.partition, bank.names.dead_letters(bank.names.group(RECEIVER))
    commands = bank.names.commands(NAMESPACE)
    bank.send(PutCoins(jar_id=unique, pence=2, how="raises"), partition, id=unique)
    receiver.run()
    (letter,) = bank.dead_letters(partition)
    with opened(connection) as letters:
        own, place = list(letter.headers[:-6]), dict(letter.headers[-6:])

        def forged(said: str, **changes: object) -> None:
            headers = {**place, **{name: value for name, value in changes.items() if name in place}}
            before = own if "actor" not in changes else [*own, ("ce_actor", b"mallory")]
            value = changes.get("value", letter.value)
            assert value is None or isinstance(value, bytes)
            offset = bank.put(letters_topic, partition, letter.key, value, [*before, *headers.items()])  # type: ignore[list-item]
            count, left = letters.requeue(bank_jars.receiver(), Choice([DeadLetterPlace(partition, offset)]))
            assert (count, [said in each for each in left]) == (0, [True]), left

        forged("another headers", actor=b"mallory")
        forged("another value", value=(letter.value or b"")[:-1] + b"x")
        forged("no record has ever been", vw_offset=b"999999")
        forged("no record has ever been", vw_partition=b"4711")
        forged("does not read", vw_topic=bank.names.events(NAMESPACE).encode())
        forged("another timestamp", vw_timestamp=b"1")
        assert len(bank.read(commands, partition)) == 1, "something was sent"
        assert letters.requeue(bank_jars.receiver(), Choice([DeadLetterPlace(partition, letter.offset)])) == (1, [])


def test_a_dead_letter_whose_record_is_no_longer_kept_is_requeued_only_when_that_is_said(
    bank: Bank, receiver: Engine, unique: str
) -> None:
    connection = Connection(bank.cluster.bootstrap, bank.cluster.registry_url, bank.names, JARS)
    partition, commands = receiver.partition, bank.names.commands(NAMESPACE)
    offset = bank.send(PutCoins(jar_id=unique, pence=2, how="raises"), partition, id=unique)
    receiver.run()
    (letter,) = bank.dead_letters(partition)
    place = DeadLetterPlace(partition, letter.offset)
    bank.cut_off(commands, partition, offset + 1)
    with opened(connection) as letters:
        count, left = letters.requeue(bank_jars.receiver(), Choice([place]))
        assert (count, ["no longer kept" in each and "--unchecked" in each for each in left]) == (0, [True])
        assert letters.requeue(bank_jars.receiver(), Choice([place]), Requeueing(unchecked=True)) == (1, [])
    (again,) = bank.read(commands, partition, offset + 1)
    assert (again.key, again.value, list(again.headers)) == (letter.key, letter.value, list(letter.headers[:-6]))


def test_a_dead_letter_place_where_nothing_lies_is_named(depot: Depot) -> None:
    with opened(depot.connection) as letters:
        for place in (DeadLetterPlace(0, 0), DeadLetterPlace(99, 0)):
            with pytest.raises(ConfigurationError, match=f"no dead letter of .* at {place}"):
                letters.one(OTHER, place)
    with pytest.raises(ConfigurationError, match="like 0/12"):
        DeadLetterPlace.of("0-12")
