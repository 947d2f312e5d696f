"""The ids of a process's commands: the same for the same cause, and they lead an outcome back."""

from __future__ import annotations

import re

import pytest

from verbwire.errors import ContractError, UndecodableError, UnkeyableError
from verbwire.wire.headers import MAX_PROCESS_INSTANCE_KEY, PROCESS_INSTANCE_HEADER, RawHeaders
from verbwire.wire.process_command_ids import CommandIds

IDS = CommandIds("shop.checkout")
ANY_ID = re.compile(r"[!-~]{1,200}")  # what may be an id, everywhere
KEYS = [b"536365", b"\0", b"\xff\xfe\xfd", "größe/ä b".encode(), b"k" * 114]
LONG_KEYS = [b"k" * 115, b"k" * 900, b"k" * MAX_PROCESS_INSTANCE_KEY]
SHORTER = b"k" * 97  # with a tag the id has that much less room


def key(ids: CommandIds, name: str, headers: RawHeaders) -> bytes | None:
    found = ids.read(name)
    return found and ids.key(found, dict(headers).get(PROCESS_INSTANCE_HEADER))


@pytest.mark.parametrize("tag", [None, "deposit", "t" * 24])
@pytest.mark.parametrize("name", ["shop.checkout", "p" * 118])
@pytest.mark.parametrize("of", [*KEYS, *LONG_KEYS], ids=lambda each: str(len(each)))
def test_an_id_leads_back_to_its_process_instance_and_tells_its_tag(name: str, of: bytes, tag: str | None) -> None:
    ids = CommandIds(name)
    made, headers = ids.id(of, "cause", "shop.carts.CartCheckedOut", 0, tag)
    assert ANY_ID.fullmatch(made)
    assert key(ids, made, headers) == of
    found = ids.read(made)
    assert found is not None
    assert found.tag == tag


@pytest.mark.parametrize("of", KEYS, ids=len)
def test_a_key_that_fits_goes_without_a_header(of: bytes) -> None:
    assert IDS.id(of, "cause", "handler", 0)[1] == []


def test_a_key_too_long_for_the_id_goes_in_a_header_and_is_held_against_the_id() -> None:
    made, headers = IDS.id(LONG_KEYS[0], "cause", "handler", 0)
    assert headers == [(PROCESS_INSTANCE_HEADER, LONG_KEYS[0])]
    assert IDS.id(SHORTER, "cause", "handler", 0, "t" * 24)[1] == [(PROCESS_INSTANCE_HEADER, SHORTER)]
    with pytest.raises(UndecodableError, match="is missing: its receiver is older"):
        key(IDS, made, [])
    with pytest.raises(UndecodableError, match="is of another one"):
        key(IDS, made, [(PROCESS_INSTANCE_HEADER, LONG_KEYS[1])])


def test_a_process_command_id_differs_with_all_that_it_is_of_and_nothing_else() -> None:
    of = [(b"k", "c", "h", 0), (b"l", "c", "h", 0), (b"k", "d", "h", 0), (b"k", "c", "i", 0), (b"k", "c", "h", 1)]
    made = [IDS.id(*each)[0] for each in (*of, *((b"k" * 900 + each[0], *each[1:]) for each in of))]
    assert len({*made, IDS.id(*of[0], "tag")[0]}) == 2 * len(of) + 1
    assert IDS.id(*of[0]) == CommandIds("shop.checkout").id(*of[0])


@pytest.mark.parametrize(
    "name",
    [
        "c1",
        "shop.checkout",
        "shop.checkout/",
        "shop.checkout/NTM2",
        "shop.checkout//" + "0" * 32,
        "shop.checkout/NT*2/" + "0" * 32,
        "shop.checkout/N/" + "0" * 32,
        "shop.checkout/NTM2/" + "0" * 31,
        "shop.checkout/NTM2/" + "0" * 32 + "/",
        "shop.checkout.more/NTM2/" + "0" * 32,
    ],
)
def test_a_process_command_id_of_another_form_is_nobodys(name: str) -> None:
    assert IDS.read(name) is None


def test_a_process_command_id_that_would_be_too_long_is_refused() -> None:
    limit = MAX_PROCESS_INSTANCE_KEY
    with pytest.raises(UnkeyableError, match=f"may have {limit} bytes, this one has {limit + 1}"):
        IDS.id(b"k" * (limit + 1), "cause", "handler", 0)
    with pytest.raises(ContractError, match="has 119 characters, 118 are the most"):
        CommandIds("p" * 119)
