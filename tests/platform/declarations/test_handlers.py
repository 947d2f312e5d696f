"""What a user may declare, and what is refused when the module is imported, long before a record comes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from tests.kit.samples.bank.books import BookClosed
from tests.kit.samples.bank.jars import CoinsPut, CoinsTaken, JarRow, JarState, PutCoins, ShakeJar, TakeCoins
from tests.kit.samples.bank.tills import SavingState
from verbwire import Aggregate, Command, Context, Event, Outcome, Process, Rejected, Table, tagged
from verbwire.errors import ContractError, WrongVerbError
from verbwire.messages import Message


@pytest.fixture
def jars() -> Aggregate[JarState]:
    return Aggregate("bank.jars", state=JarState)


@pytest.fixture
def table() -> Table[JarRow]:
    return Table("bank.jars", row=JarRow, index=["pence"])


# -- what is good


def test_annotations_route_and_names_follow(jars: Aggregate[JarState], table: Table[JarRow]) -> None:
    @jars.handles
    def put(command: PutCoins, jar: JarState | None) -> CoinsPut | Rejected:
        return Rejected("jar_full")

    @jars.handles
    def take(command: TakeCoins, jar: JarState | None, context: Context) -> list[CoinsTaken]:
        return []

    @jars.applies
    def coins_put(jar: JarState | None, event: CoinsPut) -> JarState:
        return JarState(jar_id=event.jar_id)

    @table.on
    def shown(row: JarRow | None, event: CoinsPut) -> JarRow | None:
        return None

    @table.on
    def closed(row: JarRow | None, event: BookClosed, context: Context) -> JarRow | None:
        return None

    assert {message: handler.function for message, handler in jars.handlers.items()} == {PutCoins: put, TakeCoins: take}
    assert [handler.wants_context for handler in jars.handlers.values()] == [False, True]
    assert list(jars.appliers) == [CoinsPut]
    assert (jars.group, jars.namespace, jars.state) == ("bank.jars.aggregate", "bank.jars", JarState)
    assert (table.group, table.table, table.row, table.index) == ("bank.jars", "jars", JarRow, ("pence",))
    assert table.sources == ["bank.books", "bank.jars"]
    assert table.handlers[CoinsPut].where == f"{__name__}.{shown.__qualname__}"


def test_a_handler_stays_an_ordinary_function(jars: Aggregate[JarState]) -> None:
    """Tests call it as it is."""

    @jars.handles
    def put(command: PutCoins, jar: JarState | None) -> CoinsPut | Rejected:
        return Rejected("jar_full")

    assert put(PutCoins(jar_id="j", pence=1), None) == Rejected("jar_full")


def test_a_decorated_handler_keeps_its_signature(table: Table[JarRow]) -> None:
    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def inner(*arguments: Any) -> Any:
            return function(*arguments)

        return inner

    @table.on
    @logged
    def put(row: JarRow | None, event: CoinsPut, context: Context) -> JarRow | None:
        return row

    assert table.handlers[CoinsPut].wants_context


# -- wrong verbs


def event_as_command(command: CoinsPut, jar: JarState | None) -> CoinsPut:
    return command


def row_as_command(command: JarRow, jar: JarState | None) -> CoinsPut:
    return CoinsPut(jar_id="j", pence=1)


@pytest.mark.parametrize("function", [event_as_command, row_as_command])
def test_only_commands_are_handled(jars: Aggregate[JarState], function: Any) -> None:
    with pytest.raises(WrongVerbError, match=rf"{function.__name__} handles \w+, .* only a command fits here"):
        jars.handles(function)


def command_as_event(row: JarRow | None, event: PutCoins) -> JarRow:
    return JarRow(jar_id="j")


def test_only_events_change_rows_and_states(jars: Aggregate[JarState], table: Table[JarRow]) -> None:
    registers: list[Callable[..., Any]] = [jars.applies, table.on]
    for register in registers:
        with pytest.raises(WrongVerbError, match="PutCoins, which is a command: only an event fits here"):
            register(command_as_event)


# -- signatures


def one(command: PutCoins) -> CoinsPut:
    return CoinsPut(jar_id="j", pence=1)


def three(command: PutCoins, jar: JarState | None, more: int) -> CoinsPut:
    return CoinsPut(jar_id="j", pence=1)


def four(command: PutCoins, jar: JarState | None, context: Context, more: int) -> CoinsPut:
    return CoinsPut(jar_id="j", pence=1)


def context_by_name(command: PutCoins, jar: JarState | None, *, context: Context) -> CoinsPut:
    return CoinsPut(jar_id="j", pence=1)


def any_number(*command: PutCoins) -> CoinsPut:
    return CoinsPut(jar_id="j", pence=1)


def any_names(command: PutCoins, **jar: JarState) -> CoinsPut:
    return CoinsPut(jar_id="j", pence=1)


def unannotated(command, jar):  # type: ignore[no-untyped-def]  # what a user may write
    return []


def of_two(command: PutCoins | TakeCoins, jar: JarState | None) -> list[Event]:
    return []


def maybe(command: PutCoins | None, jar: JarState | None) -> list[Event]:
    return []


def of_text(command: str, jar: JarState | None) -> list[Event]:
    return []


def swapped(jar: JarState | None, command: PutCoins) -> list[Event]:
    return []


def of_any_command(command: Command, jar: JarState | None) -> list[Event]:
    return []


def of_any_message(command: Message, jar: JarState | None) -> list[Event]:
    return []


async def waiting(command: PutCoins, jar: JarState | None) -> list[Event]:
    return []


def yielding(command: PutCoins, jar: JarState | None) -> Any:
    yield CoinsPut(jar_id="j", pence=1)


async def waiting_and_yielding(command: PutCoins, jar: JarState | None) -> Any:
    yield CoinsPut(jar_id="j", pence=1)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (one, "takes 1 parameters: write (command: YourCommand, state: YourState | None)"),
        (three, "takes 3 parameters: write (command: YourCommand"),
        (four, "takes 4 parameters"),
        (context_by_name, "write (command: YourCommand"),
        (any_number, "write (command: YourCommand"),
        (any_names, "write (command: YourCommand"),
        (unannotated, "annotate `command` with a generated class"),
        (of_two, "annotate `command` with a generated class"),
        (maybe, "annotate `command` with a generated class"),
        (of_text, "annotate `command` with a generated class"),
        (swapped, "annotate `jar` with a generated class"),
        (of_any_command, "annotate `command` with a generated class"),
        (of_any_message, "annotate `command` with a generated class"),
        (waiting, "is asynchronous: handlers are plain functions here, a transaction waits for them"),
        (waiting_and_yielding, "is a generator: handlers are plain functions"),
        (yielding, "is a generator: handlers are plain functions"),
    ],
)
def test_a_handler_of_another_shape_is_refused_with_the_one_it_should_have(
    jars: Aggregate[JarState], function: Any, said: str
) -> None:
    with pytest.raises(ContractError) as refused:
        jars.handles(function)
    assert said in str(refused.value)
    assert f"{__name__}.{function.__name__}" in str(refused.value)
    assert jars.handlers == {}


# -- the past cannot be refused


def says_no(row: JarRow | None, event: CoinsPut) -> JarRow | Rejected:
    return Rejected("jar_full")


def only_says_no(row: JarRow | None, event: CoinsPut) -> Rejected:
    return Rejected("jar_full")


@pytest.mark.parametrize("function", [says_no, only_says_no])
def test_an_event_cannot_be_rejected(jars: Aggregate[JarState], table: Table[JarRow], function: Any) -> None:
    for register in (jars.applies, table.on):
        with pytest.raises(ContractError, match="may return Rejected: an event states what happened"):
            register(function)


# -- records of their kind


def test_rows_and_states_are_no_substitutes_for_each_other() -> None:
    wrong: Any = JarState
    with pytest.raises(
        ContractError, match=r'table bank\.jars: JarState is of kind state, and a row is .*"kind": "row"'
    ):
        Table("bank.jars", row=wrong)
    wrong = JarRow
    with pytest.raises(ContractError, match=r"aggregate bank\.jars: JarRow is of kind row, and a state is wanted"):
        Aggregate("bank.jars", state=wrong)
    with pytest.raises(ContractError, match=r"process bank\.jars: JarRow is of kind row, and a state is wanted"):
        Process("bank.jars", state=wrong)


# -- one each


def test_a_message_has_one_handler(jars: Aggregate[JarState], table: Table[JarRow]) -> None:
    def put(command: PutCoins, jar: JarState | None) -> list[Event]:
        return []

    def change(row: JarRow | None, event: CoinsPut) -> JarRow | None:
        return None

    pairs: list[tuple[Callable[..., Any], Any]] = [(jars.handles, put), (jars.applies, change), (table.on, change)]
    for register, function in pairs:
        register(function)
        with pytest.raises(ContractError, match=rf"(handler|applied) already.*{function.__name__}"):
            register(function)


def test_a_receiver_handles_the_commands_of_its_own_namespace() -> None:
    books = Aggregate("bank.books", state=JarState)

    def put(command: PutCoins, jar: JarState | None) -> list[Event]:
        return []

    with pytest.raises(ContractError, match=r"bank\.jars\.PutCoins is not a command of bank\.books"):
        books.handles(put)


@pytest.mark.parametrize(
    "name", ["", "Bank.jars", "bank jars", "bank..jars", "bank.jars.", "1bank", "bank-jars", "bänk"]
)
def test_names_are_dotted_lower_case_words(name: str) -> None:
    with pytest.raises(ContractError, match="use lower-case words"):
        Aggregate(name, state=JarState)
    with pytest.raises(ContractError, match="use lower-case words"):
        Table(name, row=JarRow)


def test_an_index_names_fields_of_the_row() -> None:
    with pytest.raises(ContractError, match="field 'colour' is no field of JarRow"):
        Table("bank.jars", row=JarRow, index=["pence", "colour"])


def _answered(state: SavingState | None, outcome: Outcome) -> SavingState | None:
    return state


def test_an_outcome_has_a_handler_or_is_ignored() -> None:
    ignored: list[type[Command]] = [PutCoins, ShakeJar]  # what it no longer sends may be named, too
    ignoring = Process("bank.savings", state=SavingState, sends=[PutCoins], ignores=ignored)
    with pytest.raises(ContractError, match="both handles and ignores the outcome of PutCoins"):
        ignoring.outcome_of(PutCoins)(_answered)
    with pytest.raises(WrongVerbError, match=r"ignores the outcome of .*CoinsPut.*, which is no command"):
        Process("bank.savings", state=SavingState, ignores=[CoinsPut])  # type: ignore[list-item]  # a user's mistake


@pytest.mark.parametrize("tag", ["", "t" * 25, "two words", "a/b", "größe", "a\n"])
def test_a_tag_is_short_and_plain(tag: str) -> None:
    with pytest.raises(ContractError, match="use 1 to 24 letters, digits, dots, - and _"):
        tagged(tag, PutCoins(jar_id="j", pence=1))
