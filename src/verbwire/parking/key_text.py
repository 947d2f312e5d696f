"""Keys of parked records as people read and write them."""

from __future__ import annotations

from typing import Protocol

from verbwire.contracts.schema.model import Catalog, Contract
from verbwire.declarations import Declared
from verbwire.declarations.process import Process
from verbwire.declarations.subscriber import Subscriber
from verbwire.declarations.table import Table
from verbwire.errors import ConfigurationError, UnkeyableError
from verbwire.wire.keys import key_shown, parse_key_text
from verbwire.wire.records.parked import read_subscriber_key, subscriber_key


class KeyText(Protocol):
    """The keys of one group."""

    def shown(self, key: bytes) -> str:
        """Return a key as people read it."""
        ...

    def read(self, text: str) -> bytes:
        """Return the key that a person wrote; :class:`UnkeyableError` says what was expected."""
        ...


class RowKeys:
    """The keys of a table or a process: those of its rows."""

    def __init__(self, row: Contract) -> None:
        self._row = row

    def shown(self, key: bytes) -> str:
        """Return a key as people read it."""
        return key_shown(self._row, key)

    def read(self, text: str) -> bytes:
        """Return the key that a person wrote."""
        return parse_key_text(self._row, text)


class SubscriberKeys:
    """The keys of a subscriber: those of its events, ``17850``; of several namespaces ``shop.carts:17850``."""

    def __init__(self, declared: Subscriber, catalog: Catalog) -> None:
        self.contracts = {each.namespace: each for each in map(catalog.of, declared.handlers)}

    def shown(self, key: bytes) -> str:
        """Return a key as people read it."""
        namespace, its = read_subscriber_key(key)
        contract = self.contracts.get(namespace)
        if contract is None:  # it hears those events no more
            return f"{namespace}:{its.decode(errors='backslashreplace')}"
        text = key_shown(contract, its)
        return text if len(self.contracts) == 1 else f"{namespace}:{text}"

    def read(self, text: str) -> bytes:
        """Return the key that a person wrote."""
        if len(self.contracts) == 1:
            ((namespace, contract),) = self.contracts.items()
            return subscriber_key(namespace, parse_key_text(contract, text))
        namespace, _, its = text.partition(":")
        if namespace not in self.contracts or not its:
            raise UnkeyableError(f"{text!r} is no key here: write it as namespace:key, of {', '.join(self.contracts)}")
        return subscriber_key(namespace, parse_key_text(self.contracts[namespace], its))


def keys_of(declared: Declared, catalog: Catalog) -> KeyText:
    """Return the keys of a group that may park; :class:`ConfigurationError` for another."""
    match declared:
        case Table():
            return RowKeys(catalog.of(declared.row))
        case Process():
            return RowKeys(catalog.of(declared.state))
        case Subscriber():
            return SubscriberKeys(declared, catalog)
    raise parks_nothing(declared)


def parks(declared: Declared) -> bool:
    """Whether a group parks."""
    return isinstance(declared, Table | Process | Subscriber) and declared.parking is not None


def parks_nothing(declared: Declared) -> ConfigurationError:
    """Return the error for a group that does not."""
    return ConfigurationError(
        f"{declared.group} parks nothing: tables and processes do, unless they say parking=None, "
        "and subscribers that say parking=Parking()"
    )
