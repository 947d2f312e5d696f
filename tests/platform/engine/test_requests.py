"""Operators' requests: an input like any other, done once by whoever owns the partition."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit import bank_jars
from tests.kit.bank import TABLE, Bank
from tests.kit.engine_runner import Engine
from tests.kit.samples.bank.jars import CoinsPut, JarRow
from verbwire.engine.processors.skips import read_skips
from verbwire.errors import ConfigurationError, ContractError
from verbwire.requests.sender import Asked, RequestSender

pytestmark = pytest.mark.kafka


def put(bank: Bank, partition: int, *pence: int, how: str = "") -> int:
    return [bank.send(CoinsPut(jar_id="j", pence=each, how=how), partition) for each in pence][-1]


def skip(sender: RequestSender, bank: Bank, partition: int, offset: int) -> None:
    place = f"{bank.names.events('bank.jars')}/{partition}/{offset}"
    sender.ask(TABLE, [Asked(kind="skip-record", partition=partition, place=place)], "ann", "a jar of last year")


def test_a_request_to_skip_lets_a_stopped_partition_go_on_without_a_restart(
    bank: Bank, table: Engine, sender: RequestSender
) -> None:
    partition = table.partition
    put(bank, partition, 1)
    offset = put(bank, partition, 4, how="raises")
    put(bank, partition, 8)
    table.run_through()
    assert f"/{offset}: " in table.core.stopped()[partition]
    skip(sender, bank, partition, offset)
    table.run_through()
    assert table.core.stopped() == {}
    assert table.rows() == {b"j": JarRow(jar_id="j", pence=9)}
    (letter,) = bank.dead_letters(partition, TABLE)
    assert (letter.header("vw_reason"), letter.header("vw_offset")) == ("skipped", str(offset))
    assert letter.header("vw_detail") == "ann says to skip it: a jar of last year"
    table.prepare()
    table.run()  # the request is done: nothing of it is left
    assert len(bank.dead_letters(partition, TABLE)) == 1


def test_a_request_to_skip_is_bound_to_one_record(bank: Bank, table: Engine, sender: RequestSender) -> None:
    partition = table.partition
    put(bank, partition, 1)
    skip(sender, bank, partition, 0)  # passed already
    table.run()
    bad = put(bank, partition, 4, how="raises")
    table.run_through()
    skip(sender, bank, partition, bad + 1)  # not the one it stands at
    table.run_through()
    assert f"/{bad}: " in table.core.stopped()[partition]
    assert bank.dead_letters(partition, TABLE) == []


def test_a_request_to_skip_a_record_that_is_not_reached_is_kept_beside_the_rows(
    bank: Bank, table: Engine, sender: RequestSender, tmp_path: Path
) -> None:
    partition = table.partition
    offset = put(bank, partition, 1) + 1
    skip(sender, bank, partition, offset)
    table.run()
    with Engine(bank, bank_jars.table(), [partition], tmp_path) as another:  # restored from the changelog alone
        put(bank, partition, 4, how="raises")
        another.run()
        assert another.rows() == {b"j": JarRow(jar_id="j", pence=1)}
        assert another.core.stopped() == {}
        assert read_skips(another.core._caches[partition].facts) == {}


def test_a_request_of_no_known_kind_is_a_dead_letter(bank: Bank, table: Engine, sender: RequestSender) -> None:
    sender.ask(TABLE, [Asked(kind="dance", partition=table.partition, key=b"j")], "ann")
    bank.put(bank.names.requests(table.topology.group), table.partition, None, b"garbage")
    table.run()
    reasons = [each.header("vw_reason") for each in bank.dead_letters(table.partition, TABLE)]
    assert reasons == ["unknown-request", "undecodable"]


def test_a_request_names_who_asks_and_goes_to_a_group_that_takes_some(bank: Bank, sender: RequestSender) -> None:
    asked = Asked(kind="skip-record", partition=0)
    with pytest.raises(ConfigurationError, match="say who asks"):
        sender.ask(TABLE, [asked], " ")
    with pytest.raises(ConfigurationError, match="has no partition 100000"):
        sender.ask(TABLE, [Asked(kind="skip-record", partition=100_000)], "ann")
    with pytest.raises((ContractError, ConfigurationError)):
        sender.ask("bank.jars.aggregate", [asked], "ann")
