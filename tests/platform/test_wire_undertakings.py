"""The ids of a process's commands: the same for the same cause, and they lead an outcome back."""

from __future__ import annotations

import re

import pytest

from verbwire.errors import ContractError, UnkeyableError
from verbwire.wire.undertakings import CommandIds

IDS = CommandIds("shop.checkout")
ANY_ID = re.compile(r"[!-~]{1,200}")  # what may be an id, everywhere


@pytest.mark.parametrize("key", [b"536365", b"\0", b"\xff\xfe\xfd", "größe/ä b".encode(), b"k" * IDS.longest])
def test_an_id_leads_back_to_its_undertaking(key: bytes) -> None:
    name = IDS.id(key, "cause", "shop.carts.CartCheckedOut", 0)
    assert ANY_ID.fullmatch(name)
    assert IDS.key(name) == key


def test_it_differs_with_all_that_it_is_of_and_with_nothing_else() -> None:
    of = [(b"k", "c", "h", 0), (b"l", "c", "h", 0), (b"k", "d", "h", 0), (b"k", "c", "i", 0), (b"k", "c", "h", 1)]
    assert len({IDS.id(*each) for each in of}) == len(of)
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
        "shop.checkout.more/NTM2/" + "0" * 32,
    ],
)
def test_other_ids_are_nobodys(name: str) -> None:
    assert IDS.key(name) is None


def test_what_would_be_too_long_is_refused() -> None:
    with pytest.raises(UnkeyableError, match=f"may have {IDS.longest} bytes, this one has {IDS.longest + 1}"):
        IDS.id(b"k" * (IDS.longest + 1), "cause", "handler", 0)
    assert IDS.longest > 100
    with pytest.raises(ContractError, match="with a name of 130 characters"):
        CommandIds("p" * 130)
